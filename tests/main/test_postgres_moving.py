"""A home moves from SQLite to PostgreSQL and back: every row, the state and the log, or nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from einklang.kernel.errors import EinklangError, Unavailable
from einklang.main import moving
from einklang.main.cli import main
from einklang.main.home import create
from einklang.store.book import contents
from einklang.store.book.postgres import copy as copying
from einklang.store.book.postgres.book import PostgresBook
from einklang.testing.cluster import Cluster
from tests.main.moved import at, goes_on, home_of, state
from tests.main.test_upgrade import FIXTURES

pytestmark = pytest.mark.stores


def quiet(_: int) -> None:
    """Nobody looks."""


def test_there_and_back(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a laptop to a server and back by the command line: equal to the byte of the canonical hash, log included,
    at every station; and what comes then makes the same of all three.
    """
    laptop, server, back = (str(tmp_path / name) for name in ("laptop", "server", "back"))
    home_of(Path(laptop))
    before = state(Path(laptop))
    monkeypatch.setenv("EINKLANG_DATABASE_URL", database_url)
    assert main(["restore", laptop, "--home", server]) == 0
    assert not (Path(server) / "book.db").exists()
    assert state(Path(server), database_url) == before
    with at(Path(server), database_url):
        assert main(["backup", back, "--home", server]) == 0
    monkeypatch.setenv("EINKLANG_DATABASE_URL", "")
    assert state(Path(back)) == before
    after = {goes_on(Path(laptop)), goes_on(Path(server), database_url), goes_on(Path(back))}
    assert len(after) == 1


def test_a_schema_in_use_is_refused(tmp_path: Path, database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A schema that holds a home stays as it is, and no folder is left."""
    home_of(tmp_path / "laptop")
    create(tmp_path / "there", None, database_url=database_url)
    with at(tmp_path / "there", database_url, writer=False) as home:
        salt = home.salt
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EINKLANG_DATABASE_URL", database_url)
        assert main(["restore", str(tmp_path / "laptop"), "--home", str(tmp_path / "new")]) == 1
    assert "[home_exists]" in capsys.readouterr().err
    assert list(tmp_path.glob("new*")) == []
    with at(tmp_path / "there", database_url, writer=False) as home:
        assert home.salt == salt


def test_a_row_that_is_lost_on_the_way_is_noticed(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways what arrived is compared with what left; a copy that differs is not kept."""
    home_of(tmp_path / "laptop")

    def restore() -> None:
        moving.restore(tmp_path / "laptop", tmp_path / "new", database_url=database_url, progress=quiet)

    rows = copying._rows
    with monkeypatch.context() as broken:
        broken.setattr(copying, "_rows", lambda c, table: list(rows(c, table))[table == "history" :])
        with pytest.raises(Unavailable, match="history") as refused:
            restore()
    assert refused.value.code == "copy_differs"
    assert list(tmp_path.glob("new*")) == []
    restore()
    sums = contents.of_sqlite
    with at(tmp_path / "new", database_url, writer=False) as home, monkeypatch.context() as broken:
        broken.setattr(copying, "of_sqlite", lambda file: sums(_without(file)))
        with pytest.raises(Unavailable, match="edge"):
            home.book.backup(tmp_path / "copy.db")
    assert list(tmp_path.glob("copy*")) == []


def _without(connection: apsw.Connection) -> apsw.Connection:
    connection.execute("DELETE FROM edge")
    return connection


@pytest.mark.parametrize("done", [1, 60, 600])
def test_who_is_killed_leaves_no_home_behind(tmp_path: Path, database_url: str, done: int) -> None:
    """Killed in the midst of it, be it after the lake or among the rows: the schema holds nothing, and after what is
    told the same command works.
    """
    home_of(tmp_path / "laptop")
    code = (
        "import os, sys; from pathlib import Path; from einklang.main import moving\n"
        f"def die(done):\n    if done >= {done}: os._exit(9)\n"
        "moving.restore(Path(sys.argv[1]), Path(sys.argv[2]), database_url=sys.argv[3], progress=die)"
    )
    call = [sys.executable, "-c", code, str(tmp_path / "laptop"), str(tmp_path / "new"), database_url]
    assert subprocess.run(call, check=False).returncode == 9
    assert not (tmp_path / "new").exists()
    with pytest.raises(EinklangError):
        PostgresBook.open(database_url, writer=False)
    (tmp_path / "new.part").rename(tmp_path / "deleted")
    moving.restore(tmp_path / "laptop", tmp_path / "new", database_url=database_url, progress=quiet)
    assert state(tmp_path / "new", database_url) == state(tmp_path / "laptop")


@pytest.mark.slow
def test_a_home_of_the_first_landing_moves(tmp_path: Path, cluster: Cluster, database_url: str) -> None:
    """A backup that a former version made is brought up to date on the way; the backup stays as it is."""
    laptop = tmp_path / "laptop"
    laptop.mkdir()
    subprocess.run(["tar", "-xzf", FIXTURES[0], "-C", laptop], check=True)
    book = (laptop / "book.db").read_bytes()
    moving.restore(laptop, tmp_path / "new", database_url=database_url, progress=quiet)
    assert (laptop / "book.db").read_bytes() == book
    moving.restore(laptop, tmp_path / "file", database_url="", progress=quiet)
    assert state(tmp_path / "new", database_url) == state(tmp_path / "file")
