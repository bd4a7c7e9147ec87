"""`import consents`: proof needs its moment, a withdrawal is always taken and in force with its row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from einklang.app import imports, persons
from einklang.app.sources import LiveSource
from einklang.kernel import time
from einklang.store.book import SqliteBook
from tests.app_definitions.small import BASE, NOW, engine_of, home, put, run

HEAD = "person,channel,address,purpose,status,at\n"
GIVEN = "userId:u,email,u@b.example,marketing,given,2025-06-01T00:00:00Z\n"
OLD = "userId:u,email,u@b.example,marketing,withdrawn,2025-01-01T00:00:00Z\n"


@pytest.fixture
def book(tmp_path: Path) -> Iterator[SqliteBook]:
    """A home with definitions in force."""
    with home(tmp_path / "home", f"{BASE}---\n{{kind: purpose, id: newsletter}}") as book:
        yield book


def live(book: SqliteBook) -> None:
    """A server works off what waits."""
    engine, source = engine_of(book), LiveSource()
    source.now = NOW + time.DAY
    while engine.step(source, 100):
        pass


def word(book: SqliteBook) -> list[str]:
    """What the ledger says of the person, in its order."""
    return [row[6] for row in book.read("all_ledger", 0, 100)]


def test_a_withdrawal_without_moment_counts_from_its_import(book: SqliteBook, tmp_path: Path) -> None:
    """It beats every consent given before, is in force before anything is worked off, and the file may come again."""
    lines = HEAD + GIVEN + "userId:u,email,u@b.example,marketing,withdrawn,\n"
    for _ in range(2):
        assert (put(book, tmp_path, "consents", "c.csv", lines)).rejected == 0
        assert [row[1:] for row in book.read("suppressions")] == [("email", "marketing", "withdrawn", NOW)]
        live(book)
    assert word(book) == ["given", "withdrawn"]
    (consent,) = persons.show(book, "userId:u")["consents"]
    assert consent["status"] == "withdrawn"


def test_a_declared_kind_of_identifier_names_the_person(tmp_path: Path) -> None:
    """`card:7`, where `kind: identity` declares cards; else the row is refused."""
    lines = HEAD + "card:7,email,u@b.example,marketing,given,2025-06-01T00:00:00Z\n"
    for text, refused in ((BASE, 1), (f"{BASE}---\n{{kind: identity, kinds: {{card: {{priority: 35}}}}}}", 0)):
        with home(tmp_path / f"home-{refused}", text) as book:
            assert put(book, tmp_path, "consents", "c.csv", lines).rejected == refused
            if not refused:
                live(book)
                assert persons.show(book, "card:7")["consents"][0]["address"] == "u@b.example"


def test_a_withdrawal_is_in_force_with_its_row(book: SqliteBook, tmp_path: Path) -> None:
    """Before any tick: by address, and by person for every address that is known of them."""
    put(book, tmp_path, "people", "p.csv", "userId,email\nu,u@b.example\n")
    live(book)
    put(book, tmp_path, "consents", "c.csv", "person,channel,purpose,status\nuserId:u,email,marketing,withdrawn\n")
    assert [row[1:4] for row in book.read("suppressions")] == [("email", "marketing", "withdrawn")]
    calls = '{"type": "track", "event": "Unsubscribed", "userId": "u", "timestamp": "2025-12-01T00:00:00Z"}'
    put(book, tmp_path, "events", "e.jsonl", calls)
    assert {row[2] for row in book.read("suppressions")} == {"marketing", "newsletter", "track_click", "track_open"}


def test_an_old_withdrawal_does_not_void_a_later_consent(book: SqliteBook, tmp_path: Path) -> None:
    """In one file, in two, in either order, and when the same file comes again: the last word by time counts."""
    put(book, tmp_path, "consents", "a.csv", HEAD + GIVEN)
    live(book)
    nameless = OLD.replace("u@b.example", "")
    for lines in (OLD, OLD + GIVEN, nameless, OLD):
        put(book, tmp_path, "consents", "b.csv", HEAD + lines)
        live(book)
        assert book.read("suppressions") == []


def test_without_its_check_a_repeated_file_voids_a_consent(
    book: SqliteBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Positive control: taking every withdrawal of a file for a new one suppresses for ever."""
    monkeypatch.setattr(imports, "withdrawals", lambda reader, events, judged, salt: judged)
    for _ in range(2):
        put(book, tmp_path, "consents", "a.csv", HEAD + OLD + GIVEN)
        live(book)
    assert len(book.read("suppressions")) == 1


def test_a_purpose_that_nobody_declared_is_taken_and_said(book: SqliteBook, tmp_path: Path) -> None:
    """Evidence is never lost to a slip or to the order of set-up: a hint names the purpose, the rows and the mend."""
    lines = HEAD + "".join(GIVEN.replace("marketing", name) for name in ("newsleter", "newsleter", "xyz", "newsletter"))
    done = put(book, tmp_path, "consents", "c.csv", lines)
    assert (done.accepted, done.rejected) == (4, 0)
    assert done.hints == [
        "2 rows speak of the purpose 'newsleter', which nobody declared; did you mean 'newsletter'?",
        "1 rows speak of the purpose 'xyz', which nobody declared; declare it: {kind: purpose, id: xyz}",
    ]
    run(book)
    assert word(book) == ["given"] * 4
