"""`backup` and `restore` on SQLite: a copy of one state, beside a server, whole or not there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from einklang.fact.columns import BOOK
from einklang.kernel import time
from einklang.kernel.errors import Conflict, EinklangError, Unavailable
from einklang.main import moving
from einklang.main.cli import main
from einklang.main.commands import run_home
from einklang.store.book import contents
from einklang.store.book.contents import Contents
from einklang.store.lake import Lake
from tests.main.moved import START, at, goes_on, home_of, send, state, told


def quiet(_: int) -> None:
    """Nobody looks."""


class WorksOn:
    """A Book whose home goes on as soon as its copy is made, before the lake is copied."""

    def __init__(self, home: Any) -> None:
        self._home = home

    def backup(self, path: Path) -> None:
        """As the Book's."""
        self._home.book.backup(path)
        send(self._home, range(30, 35))
        run_home(self._home, START + 20 * time.DAY)


@pytest.mark.slow
def test_a_copy_is_of_one_state_although_the_home_goes_on(tmp_path: Path) -> None:
    """What is shipped after the Book was copied is not in the copy's lake: the copy equals its rebuild, and goes on as
    the home would have; the home's own newest lake beside the copied Book would not (control).
    """
    home_of(tmp_path / "home")
    before = state(tmp_path / "home")
    with at(tmp_path / "home") as home:
        moving.backup(WorksOn(home), home.lake, tmp_path / "copy", progress=quiet)  # type: ignore[arg-type]  # stands in
    assert state(tmp_path / "home") != before
    assert state(tmp_path / "copy") == before
    shutil.copytree(tmp_path / "copy", tmp_path / "control")
    shutil.rmtree(tmp_path / "control" / "lake")
    shutil.copytree(tmp_path / "home" / "lake", tmp_path / "control" / "lake")
    after = goes_on(tmp_path / "copy")
    home_of(tmp_path / "other")
    assert goes_on(tmp_path / "other") == after
    with pytest.raises((AssertionError, EinklangError)):
        goes_on(tmp_path / "control")


@pytest.mark.slow
def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Backup beside whoever writes to the home; restore makes a home of it that is equal; neither touches what it
    copies, and both refuse a place where something is.
    """
    home_of(tmp_path / "home")
    before = state(tmp_path / "home")
    copy, new = str(tmp_path / "copy"), str(tmp_path / "new")
    with at(tmp_path / "home"):
        assert main(["backup", copy, "--home", str(tmp_path / "home"), "--json"]) == 0
    made = told(capsys.readouterr().out)
    assert made["home"] == copy
    assert made["lake_files"] >= 4
    files = sorted((file, file.stat().st_mtime_ns) for file in (tmp_path / "copy").rglob("*") if file.is_file())
    assert main(["restore", copy, "--home", new, "--json"]) == 0
    assert told(capsys.readouterr().out)["store"] == "SQLite"
    again = sorted((file, file.stat().st_mtime_ns) for file in (tmp_path / "copy").rglob("*") if file.is_file())
    assert [one for one in again if one[0].name != "lock"] == files
    assert state(tmp_path / "new") == state(tmp_path / "copy") == before
    for command, where in ((["backup", copy], str(tmp_path / "home")), (["restore", copy], new)):
        assert main([*command, "--home", where]) == 1
        assert "[home_exists]" in capsys.readouterr().err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note").touch()
    assert main(["restore", copy, "--home", str(tmp_path / "full")]) == 1
    assert "[home_exists]" in capsys.readouterr().err
    assert main(["restore", str(tmp_path / "full"), "--home", str(tmp_path / "nowhere")]) == 1
    assert "[not_a_home]" in capsys.readouterr().err
    mode = (tmp_path / "copy" / "book.db").stat().st_mode & 0o077, (tmp_path / "new").stat().st_mode & 0o077
    assert mode == (0, 0)


@pytest.mark.slow
def test_a_home_with_a_log_beside_its_file_is_restored_with_it(tmp_path: Path) -> None:
    """A home that was killed has the newest of its Book in the write-ahead log: the copy has it too."""
    home_of(tmp_path / "home")
    with at(tmp_path / "home") as home:
        send(home, range(50, 60))
        assert (tmp_path / "home" / "book.db-wal").stat().st_size
        shutil.copytree(tmp_path / "home", tmp_path / "killed")
    moving.restore(tmp_path / "killed", tmp_path / "new", database_url="", progress=quiet)
    assert state(tmp_path / "new") == state(tmp_path / "home")
    with at(tmp_path / "new", writer=False) as home:
        assert home.book.read("tail_items")[0][0] == 30


def test_nobody_moves_a_home_that_is_served(tmp_path: Path) -> None:
    """The copy would do again what the served home does meanwhile."""
    home_of(tmp_path / "home")
    with at(tmp_path / "home"), pytest.raises(Conflict) as refused:
        moving.restore(tmp_path / "home", tmp_path / "new", database_url="", progress=quiet)
    assert refused.value.code == "home_in_use"
    assert list(tmp_path.glob("new*")) == []


@pytest.mark.slow
def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be finished goes: the same command works once the cause has gone."""
    home_of(tmp_path / "home")
    copy = tmp_path / "copy"
    with at(tmp_path / "home", writer=False) as home:
        for name in ("check_file", "copy_lake", "_sync"):
            with monkeypatch.context() as broken:
                broken.setattr(moving, name, _full)
                with pytest.raises(OSError, match="no space"):
                    moving.backup(home.book, home.lake, copy, progress=quiet)
            assert list(tmp_path.glob("copy*")) == []
        moving.backup(home.book, home.lake, copy, progress=quiet)
    assert state(copy) == state(tmp_path / "home")


def _full(*_: Any, **__: Any) -> None:
    raise OSError("no space")


@pytest.mark.slow
def test_who_is_killed_leaves_no_home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Killed between any two files: there is no home of that name, the next attempt says what to delete, then works."""
    home_of(tmp_path / "home")
    code = (
        "import os, sys; from pathlib import Path; from einklang.main import moving\n"
        "def die(done):\n    if done == 2: os._exit(9)\n"
        "moving.restore(Path(sys.argv[1]), Path(sys.argv[2]), database_url='', progress=die)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "home", tmp_path / "new"], check=False)
    assert done.returncode == 9
    assert not (tmp_path / "new").exists()
    command = ["restore", str(tmp_path / "home"), "--home", str(tmp_path / "new")]
    assert main(command) == 1
    said = capsys.readouterr().err
    assert f"{tmp_path / 'new.part'}" in said
    assert "[unfinished_copy]" in said
    shutil.rmtree(tmp_path / "new.part")
    assert main(command) == 0
    assert state(tmp_path / "new") == state(tmp_path / "home")


def test_a_damaged_backup_is_refused(tmp_path: Path) -> None:
    """Pages that were lost on the way are found before anything is taken for a home."""
    home_of(tmp_path / "home")
    file = tmp_path / "home" / "book.db"
    size = file.stat().st_size
    with file.open("r+b") as out:
        out.seek(size // 2 // 4096 * 4096)
        out.write(b"\xa5" * 4096 * 8)
    with pytest.raises(Unavailable) as refused:
        moving.restore(tmp_path / "home", tmp_path / "new", database_url="", progress=quiet)
    assert refused.value.code in ("copy_damaged", "book_failed")
    assert list(tmp_path.glob("new*")) == []


def test_a_lake_that_lost_a_file_is_refused(tmp_path: Path) -> None:
    """A backup whose lake is not whole is no home."""
    home_of(tmp_path / "home")
    Path(Lake(tmp_path / "home" / "lake").files("events")[0]).unlink()
    with pytest.raises(EinklangError):
        moving.restore(tmp_path / "home", tmp_path / "new", database_url="", progress=quiet)
    assert list(tmp_path.glob("new*")) == []


CELLS = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=5), st.binary(max_size=5), st.floats())
ROWS = st.lists(st.tuples(CELLS, CELLS), max_size=6)


@given(ROWS, ROWS, st.randoms(use_true_random=False))
def test_contents_tell_rows_apart_whatever_their_order(one: list[Any], other: list[Any], chance: Any) -> None:
    """Equal for the same rows in another order, and only for them; repeated rows count."""
    shuffled = list(one)
    chance.shuffle(shuffled)
    found = [_of(rows) for rows in (one, shuffled, other)]
    assert found[0] == found[1]
    assert (found[0] == found[2]) == (sorted(map(repr, one)) == sorted(map(repr, other)))


def _of(rows: list[Any]) -> tuple[int, int]:
    passed = Contents()
    assert list(map(repr, passed.through("meta", rows))) == list(map(repr, rows))
    return passed.tables["meta"]


def test_what_differs_is_named(tmp_path: Path) -> None:
    """The tables that are not equal stand in the refusal."""
    one, other = Contents(), Contents()
    for table in BOOK:
        one.count(table, [("a", 1)])
        other.count(table, [("a", 2 if table == "edge" else 1)])
    with pytest.raises(Unavailable, match="not equal to what was copied: edge;"):
        contents.compare(one, other, "here")
