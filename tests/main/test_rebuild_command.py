"""`rebuild`: what is known is made anew from the log, beside a server; what was done stays as it was recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from einklang.app.run import run
from einklang.kernel import time
from einklang.main.cli import main
from einklang.main.rebuild import KNOWN, RECORDED
from einklang.testing import canonical
from tests.main.moved import START, at, goes_on, home_of, state

DAMAGE = """
UPDATE person SET label = 'somebody else';
DELETE FROM member WHERE person IN (SELECT person FROM member LIMIT 2);
UPDATE history SET properties = '{"price": 1}' WHERE name = 'Product Added';
DELETE FROM identifier WHERE kind = 'email';
"""


def damage(home: Path, sql: str) -> None:
    """Change a Book behind Einklang's back."""
    connection = apsw.Connection(str(home / "book.db"))
    before = connection.total_changes()
    connection.execute(sql).fetchall()
    assert connection.total_changes() > before, "something was damaged"
    connection.close()


def content(home: Path) -> str:
    """What the state is, right or wrong."""
    with at(home, writer=False) as opened:
        return canonical.canonical_hash(opened.book)


def rebuilt(home: Path, copy: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """What the command says."""
    capsys.readouterr()
    assert main(["rebuild", str(copy), "--home", str(home), "--json"]) == 0
    return msgspec.json.decode(capsys.readouterr().out)


def test_each_table_of_the_state_is_known_or_recorded() -> None:
    """A table that follows from the log is made anew or stays: nobody forgets to say which."""
    assert sorted(KNOWN + RECORDED) == sorted(canonical.TABLES)


def test_what_was_damaged_is_as_the_log_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside whoever writes to the home, which stays as it is; the copy equals the home before the damage, verifies,
    and goes on in the same way. Of a whole home nothing is mended.
    """
    home, copy = tmp_path / "home", tmp_path / "copy"
    home_of(home)
    before = state(home)
    assert rebuilt(home, tmp_path / "whole", capsys)["mended"] == []
    damage(home, DAMAGE)
    broken = content(home)
    with at(home):
        found = rebuilt(home, copy, capsys)
    assert found["mended"] == ["person", "history", "member", "identifier"]
    assert found["differs"] == []
    assert content(home) == broken
    assert state(copy) == before
    assert main(["verify", "--home", str(copy)]) == 0
    assert goes_on(copy) == goes_on(tmp_path / "whole")


def test_records_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was decided and sent stays as it was recorded, and where the log says otherwise is told."""
    home = tmp_path / "home"
    home_of(home)
    damage(home, "UPDATE assignment SET channel = 'fax'; UPDATE person SET label = 'x'")
    found = rebuilt(home, tmp_path / "copy", capsys)
    assert (found["mended"], found["differs"]) == (["person"], ["assignment"])
    with at(tmp_path / "copy", writer=False) as copy:
        assert {row[13] for row in copy.book.read("all_assignment", 0, 100)} == {"fax"}


def test_a_log_that_leads_elsewhere_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where what the engine once told is not what it would tell, nothing is made of it, and no folder is left."""
    home = tmp_path / "home"
    home_of(home)
    with at(home) as opened:
        run(opened.book, opened.engine(), START + 20 * time.DAY, mode="run")
    damage(home, "UPDATE entry SET name = 'Segment Left' WHERE name = 'Segment Entered'")
    assert main(["rebuild", str(tmp_path / "copy"), "--home", str(home)]) == 1
    assert "[log_differs]" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


@pytest.mark.stores
def test_a_home_on_postgresql_is_made_anew(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The copy is a home on SQLite that `restore` brings back, wherever the home is."""
    laptop, server = tmp_path / "laptop", tmp_path / "server"
    home_of(laptop)
    before = state(laptop)
    damage(laptop, DAMAGE)
    monkeypatch.setenv("EINKLANG_DATABASE_URL", database_url)
    assert main(["restore", str(laptop), "--home", str(server)]) == 0
    with at(server, database_url):
        assert rebuilt(server, tmp_path / "copy", capsys)["mended"] == ["person", "history", "member", "identifier"]
    assert state(tmp_path / "copy") == before
