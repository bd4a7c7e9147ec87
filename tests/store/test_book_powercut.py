"""Invariant 1: what was acknowledged survives power cut and kill -9."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from einklang.kernel.errors import EinklangError
from einklang.store.book import Setup, SqliteBook
from einklang.testing.book_suite import Body
from einklang.testing.powercut import Recorder, power_cuts

pytestmark = pytest.mark.faults

STATES = int(os.environ.get("EINKLANG_POWER_CUTS", "2000"))
SEED = int(os.environ.get("EINKLANG_SEED", "20270301"))
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
#: Who looks at what a power cut left need not be safe from another one.
LOOKING = Setup(synchronous="OFF", reserve_bytes=0)
KILLS = int(os.environ.get("EINKLANG_KILLS", "6"))


def body_of(number: int) -> bytes:
    """A body that names its number and has a length of its own, up to some pages."""
    return b"%d:" % number + b"y" * (number * 397 % 5000)


def suppression_of(number: int) -> tuple[bytes, str, str, str, int]:
    """A withdrawal that names its number."""
    return (b"%d" % number, "email", "marketing", "withdrawn", number)


def recorded_run(home: Path, synchronous: str) -> tuple[dict[str, bytes], Recorder]:
    """36 acknowledged appends, every third a withdrawal, with work and checkpoints between them."""
    SqliteBook.create(home, "00" * 16, setup=Setup(reserve_bytes=0)).close()
    base = {file.name: file.read_bytes() for file in home.iterdir()}
    recorder = Recorder()
    setup = Setup(vfs=recorder.name, synchronous=synchronous, checkpoint_pages=25, reserve_bytes=0)
    with SqliteBook.open(home, setup=setup) as book:
        for number in range(1, 37):
            blob = Body(body_of(number), suppress=[suppression_of(number)] if number % 3 == 0 else [])
            assert book.append([blob]) == [number]
            recorder.ack(number)
            if number % 5 == 0:
                book.transact(lambda tx: tx.write("counter_add", [("ticks", 1)]))
    recorder.close()
    return base, recorder


def is_whole(home: Path, acknowledged: set[int]) -> bool:
    """Does the Book open, hold everything acknowledged as it was, and take more?"""
    try:
        with SqliteBook.open(home, setup=LOOKING) as book:
            kept = {row[0]: row[5] for row in book.read("tail_page", 0, 1000)}
            suppressed = set(book.read("suppressions"))
            ((position,),) = book.read("counter_value", "position")
            return (
                all(kept.get(number) == body_of(number) for number in acknowledged)
                and all(suppression_of(number) in suppressed for number in acknowledged if number % 3 == 0)
                and sorted(kept) == list(range(1, position + 1))
                and book.append([Body()]) == [position + 1]
            )
    except (EinklangError, ValueError):
        return False
    finally:
        shutil.rmtree(home)


@pytest.mark.parametrize(("synchronous", "safe"), [("FULL", True), ("NORMAL", False), ("OFF", False)])
def test_acknowledged_survives_power_cuts(
    tmp_path: Path, synchronous: str, safe: bool, record_property: Callable[[str, object], None]
) -> None:
    """Under FULL no state after a power cut misses anything acknowledged; under NORMAL and OFF (positive controls)
    some do.
    """
    base, recorder = recorded_run(tmp_path / "home", synchronous)
    count = STATES if safe else 40
    with TemporaryDirectory(dir=MEMORY) as folder:
        states = power_cuts(base, recorder.steps, SEED, count, Path(folder))
        broken = [home.name for home, acked in states if not is_whole(home, acked)]
    record_property("said", f"power cuts, synchronous={synchronous}: {count} states, seed {SEED}, {len(broken)} broken")
    assert (broken == []) is safe


CHILD = """
import os, sys, threading
from einklang.store.book import SqliteBook
from einklang.testing.book_suite import Body
book = SqliteBook.open(sys.argv[1])
def appender(thread):
    turn = 0
    while True:
        turn += 1
        body = b"%d-%d-%d" % (os.getpid(), thread, turn)
        position, = book.append([Body(body + b"." * 3000)])
        os.write(1, b"%d %s\\n" % (position, body))
for n in range(4):
    threading.Thread(target=appender, args=(n,)).start()
"""


def test_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    """A child appends in four threads and tells each acknowledgement down a pipe; it is killed in the middle,
    several times.

    Nothing told is missing, and the lock of the killed writer is free at once.
    """
    home = tmp_path / "home"
    SqliteBook.create(home, "00" * 16).close()
    told: dict[int, str] = {}
    for turn in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, str(home)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline() for _ in range(20 + 37 * turn)]
            child.kill()
            lines += child.stdout.readlines()
        for line in lines:
            if line.endswith("\n"):
                position, _, body = line.strip().partition(" ")
                assert int(position) not in told
                told[int(position)] = body
    with SqliteBook.open(home) as book:
        kept = {row[0]: row[5].rstrip(b".").decode() for row in book.read("tail_page", 0, 1_000_000)}
    assert len(told) >= 20 * KILLS
    assert {position: kept.get(position) for position in told} == told
    assert sorted(kept) == list(range(1, len(kept) + 1))
