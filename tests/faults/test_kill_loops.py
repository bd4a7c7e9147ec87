"""kill -9 at any moment, again and again, while bodies are stored, ticks commit and the lake is written (1, 2, 4, 7).

More: EINKLANG_KILLS=1000 EINKLANG_SEED=7 .venv/bin/pytest tests/faults/test_kill_loops.py --timeout 3600
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from einklang.app.sources import LiveSource
from einklang.main import clock
from einklang.main import home as homes
from einklang.main.verify import verify_home
from einklang.store.lake import read_log
from tests.faults.killing import ITEMS

pytestmark = pytest.mark.faults

KILLS = int(os.environ.get("EINKLANG_KILLS", "100"))
KILLS_POSTGRES = int(os.environ.get("EINKLANG_KILLS_POSTGRES", "10"))
SEED = int(os.environ.get("EINKLANG_SEED", "1"))


@contextmanager
def killer(home: Path, notes: Path, database_url: str) -> Iterator[Callable[[int], int]]:
    """A function that lets a child note so many bytes, kills it, and returns how many it had noted."""
    root = Path(__file__).resolve().parents[2]
    command = [
        sys.executable,
        "-m",
        "tests.faults.killing",
        str(home),
        str(notes),
        *([database_url] * bool(database_url)),
    ]
    paths = os.pathsep.join([str(root), *(entry for entry in sys.path if entry)])
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths}
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def kill(enough: int) -> int:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{enough}\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield kill
        process.stdin.close()
    assert process.returncode == 0


def loop(home: Path, notes: Path, kills: int, database_url: str = "") -> None:
    """So many kills, each after a random number of acknowledgements; none means: while it opens."""
    homes.create(home, "5a" * 16, database_url=database_url)
    draw = np.random.Generator(np.random.Philox(SEED))
    with killer(home, notes, database_url) as kill:
        for _ in range(kills):
            kill(int(draw.choice([0, 1, 300, 900], p=[0.1, 0.2, 0.5, 0.2])))


def judged(home: Path, notes: Path, database_url: str = "") -> str:
    """Work off what is left; every acknowledged event is there once, books and rebuild agree. A line of figures."""
    noted = notes.read_text().split()
    with homes.opened(home, base_url="http://127.0.0.1", database_url=database_url, writer=True) as opened:
        engine, source = opened.engine(), LiveSource()
        source.now = clock.now()
        while engine.step(source, 5_000):
            pass
        with opened.book.snapshot() as reader:
            told = Counter(row[0] for page in read_log(reader, opened.lake, names=("message_id",)) for row in page)
        found = verify_home(opened, books_only=False)
    assert {told[f"{one}-{n}"] for one in noted for n in range(ITEMS)} == {1}
    assert max(told.values()) == 1
    assert found["ok"], found["findings"]
    assert found["dead_letters"] == found["duplicates"] == 0
    unheard = found["accepted"] - len(noted) * ITEMS
    return f"{len(noted) * ITEMS} events acknowledged, {unheard} stored unheard, 0 lost, 0 doubled, rebuild equal"


def test_killed_again_and_again_on_sqlite(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Whatever the moment: nothing acknowledged is missing or twice, and the home opens again at once."""
    home, notes = tmp_path / "home", tmp_path / "acknowledged"
    loop(home, notes, KILLS)
    record_property("said", f"kill -9 on SQLite: {KILLS} kills, seed {SEED}, {judged(home, notes)}")


@pytest.mark.stores
def test_killed_again_and_again_on_postgres(
    tmp_path: Path, database_url: str, record_property: Callable[[str, object], None]
) -> None:
    """The same on PostgreSQL, which goes on while its clients die."""
    home, notes = tmp_path / "home", tmp_path / "acknowledged"
    loop(home, notes, KILLS_POSTGRES, database_url)
    figures = judged(home, notes, database_url)
    record_property("said", f"kill -9 on PostgreSQL: {KILLS_POSTGRES} kills, seed {SEED}, {figures}")


def test_an_acknowledgement_that_was_no_commit_is_found(tmp_path: Path) -> None:
    """Positive control: one line too many in the file of acknowledgements and the judgement fails."""
    home, notes = tmp_path / "home", tmp_path / "acknowledged"
    homes.create(home, "5a" * 16)
    with killer(home, notes, "") as kill:
        assert kill(100) >= 100
    judged(home, notes)
    with notes.open("a") as file:
        file.write("0-0-1\n")
    with pytest.raises(AssertionError):
        judged(home, notes)
