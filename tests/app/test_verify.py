"""`verify`: the books, the chain and the rebuild at one snapshot, beside a writer; every sort of damage is found."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import apsw
import pytest

from einklang.app.sources import LiveSource
from einklang.app.state import State
from einklang.main.cli import main
from einklang.main.verify import check_books, check_ledger, verify_home
from einklang.store.book import AnyBook, SqliteBook
from einklang.store.lake import Lake, ship_all
from tests.app.dice import Random
from tests.app.worlds import DAY, SALT, SETUP, START, append, engine_of, home, random_calls, run


@dataclass
class Opened:
    """What verify needs of a home."""

    book: AnyBook
    lake: Lake
    salt: bytes = bytes.fromhex(SALT)

    def reading_state(self) -> State:
        """Definitions in force."""
        return engine_of(self.book).state


def verified(book: SqliteBook, lake: Path, *, books_only: bool = False) -> dict[str, Any]:
    """What verify says."""
    return verify_home(Opened(book, Lake(lake)), books_only=books_only)


def test_a_home_is_in_order_at_every_stage(tmp_path: Path) -> None:
    """With bodies in the tail, pending and shipped entries, duplicates: the books balance, the state is the rebuild."""
    calls = random_calls(Random(1), 60)
    with home() as book:
        append(book, calls)
        found = verified(book, tmp_path)
        assert found["ok"]
        assert (found["accepted"], found["in_log"], found["not_expanded"]) == (len(calls) + 1, 1, len(calls))
        run(book, until=START + 4 * DAY)
        found = verified(book, tmp_path)
        assert found["ok"]
        assert found["pending"] > 0, "entries after the end stay pending, and that is no finding"
        assert found["in_log"] == found["projected"] + found["pending"] == len(calls) + 1
        append(book, calls)
        run(book)
        ship_all(book, Lake(tmp_path), keep_entries=10)
        found = verified(book, tmp_path)
        assert found["ok"]
        assert found["duplicates"] == len(calls)
        assert found["accepted"] == found["in_log"] + found["duplicates"]
        assert (found["pending"], found["state_equal"], found["findings"]) == (0, True, [])
        assert verified(book, tmp_path, books_only=True)["state_equal"] is None


@pytest.mark.slow
def test_beside_a_running_server(tmp_path: Path) -> None:
    """A reader verifies one snapshot while the writer goes on."""
    calls = sorted(random_calls(Random(2), 60), key=lambda call: call.at or 0)
    with home() as book:
        engine, source, now = engine_of(book), LiveSource(), START
        reader = SqliteBook.open(book.home, writer=False)
        try:
            for first in range(0, len(calls), 10):
                now += DAY
                append(book, calls[first : first + 10], received_at=now)
                assert verified(reader, tmp_path)["ok"]
                source.now = now
                while engine.step(source, 3):
                    assert verified(reader, tmp_path, books_only=True)["ok"]
                assert verified(reader, tmp_path)["ok"]
        finally:
            reader.close()


DAMAGE = {
    "accepted": "UPDATE counter SET value = value + 1 WHERE name = 'accepted'",
    "in_log": "UPDATE counter SET value = value - 1 WHERE name = 'in_log'",
    "projected": "UPDATE counter SET value = value + 1 WHERE name = 'projected'",
    "seq": "DELETE FROM entry WHERE seq = 20",
    "ledger": "DROP TRIGGER ledger_append_only; UPDATE ledger SET status = 'given' WHERE status = 'withdrawn'",
    "rows of the consent": "DELETE FROM ledger WHERE n = (SELECT MAX(n) FROM ledger)",
    "person": "UPDATE person SET state = CAST(replace(state, 'firstName', 'lastName') AS BLOB)",
    "run": "UPDATE run SET status = 'active'",
    "verdict": "UPDATE verdict SET reason = 'cap' WHERE n = 3",
    "assignment": "DELETE FROM assignment WHERE n = 1",
    "outbox": "DELETE FROM outbox",
    "identifier": "DELETE FROM identifier WHERE kind = 'email'",
    "alias": "DELETE FROM alias",
    "history": "DELETE FROM history WHERE name = 'Order Completed'",
    "definition": "UPDATE definition SET active = 0 WHERE id = 'cart'",
    "message_log": "UPDATE message_log SET status = 'failed' WHERE n = 1",
}


@cache
def _sound() -> bytes:
    """A Book that verify finds in order."""
    with home() as book, TemporaryDirectory() as folder:
        append(book, random_calls(Random(20), 80))
        run(book)
        assert verified(book, Path(folder) / "lake")["ok"]
        book.backup(Path(folder) / "book.db")
        return (Path(folder) / "book.db").read_bytes()


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_found(what: str, tmp_path: Path) -> None:
    """A row that was changed, lost or added behind the log's back is named: positive controls."""
    (tmp_path / "book.db").write_bytes(_sound())
    with closing(SqliteBook.open(tmp_path, setup=SETUP)) as book:
        connection = apsw.Connection(str(book.home / "book.db"))
        before = connection.total_changes()
        connection.execute(DAMAGE[what]).fetchall()
        assert connection.total_changes() > before, "something was damaged"
        connection.close()
        found = verified(book, tmp_path / "lake")
        assert not found["ok"]
        assert any(what in line for line in found["findings"]), found["findings"]


def test_an_entry_lost_from_the_lake_is_found(tmp_path: Path) -> None:
    """What was shipped and is gone from the lake leaves a gap in the log."""
    with home() as book:
        append(book, random_calls(Random(3), 60))
        run(book)
        with book.snapshot() as reader:
            assert check_books(reader, Lake(tmp_path))[0] == []
            assert check_ledger(reader) == []
        ship_all(book, Lake(tmp_path / "lake"), keep_entries=10)
        found = verified(book, tmp_path / "other")
        assert not found["ok"]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 0 and one JSON document; 1 and a list when something is wrong."""
    where = ["--home", str(tmp_path / "home"), "--json"]
    file = tmp_path / "events.jsonl"
    call = {"type": "track", "event": "Order Completed", "userId": "u", "timestamp": "2026-01-01T00:00:00Z"}
    file.write_text(json.dumps(call) + "\n")
    for command in (["init"], ["import", "events", str(file)], ["run", "--until", "2026-02-01"]):
        assert main([*command, *where]) == 0
    capsys.readouterr()
    assert main(["verify", *where]) == 0
    told = json.loads(capsys.readouterr().out)
    wanted = ("ok", "accepted", "in_log", "projected", "duplicates", "dead_letters", "pending", "state_equal")
    assert [told[name] for name in wanted] == [True, 1, 1, 1, 0, 0, 0, True]
    connection = apsw.Connection(str(tmp_path / "home" / "book.db"))
    connection.execute("UPDATE counter SET value = 7 WHERE name = 'accepted'").fetchall()
    connection.close()
    assert main(["verify", "--books", *where]) == 1
    assert json.loads(capsys.readouterr().out)["findings"] == ["accepted: counted 7, found 1"]


class Terminal(StringIO):
    """Standard error that people look at."""

    def isatty(self) -> bool:
        """It is one."""
        return True


@pytest.mark.slow
def test_a_terminal_sees_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal: what is done and the share of entries, up to all of them; elsewhere (a pipe) nothing."""
    pipe, terminal = StringIO(), Terminal()
    with home() as book:
        append(book, random_calls(Random(3), 200))
        run(book)
        ship_all(book, Lake(tmp_path), keep_entries=10)
        monkeypatch.setattr("sys.stderr", pipe)
        assert verified(book, tmp_path)["ok"]
        monkeypatch.setattr("sys.stderr", terminal)
        found = verified(book, tmp_path)
    assert pipe.getvalue() == ""
    total = found["projected"] + found["ticks"]
    said = [line.strip() for line in terminal.getvalue().replace("\n", "\r").split("\r") if line.strip()]
    assert said[0] == "verify: the books"
    assert said[-1] == "verify: the rebuilt state against the stored one"
    assert any(line.startswith(f"verify: {total:,} of {total:,} entries (100 %) · 2026-") for line in said), said
