"""A field that a catalog no longer declares, or never did, is refused where a condition still asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from einklang.app import apply as applying
from einklang.kernel.errors import InputError
from einklang.store.book import SqliteBook
from tests.app_definitions.small import apply, docs, home

FAIRS = "{kind: catalog, id: fairs, key: id, fields: {id: string, city: string, starts_at: timestamp}}"
LESS = "{kind: catalog, id: fairs, key: id, fields: {id: string, starts_at: timestamp}}"
USERS = {
    "segment a": '{kind: segment, id: a, where: \'lookup("fairs", trait.fair).city == "Ulm"\'}',
    "trait town": "{kind: trait, id: town, type: string, value: 'lookup(\"fairs\", trait.fair).city'}",
    "policy default": '{kind: policy, deny: [{when: \'lookup("fairs", trait.fair).city == "Ulm"\', reason: no}]}',
    "journey j": '{kind: journey, id: j, entry: {event: X}, exit: {no: \'lookup("fairs", entry.key).city == "Ulm"\'}, '
    "steps: [{id: w, wait: 1d}]}",
}
PLACES = {
    "segment a": ".where, line 1, column 1",
    "trait town": ".value, line 1, column 1",
    "policy default": ".deny[0].when, line 1, column 1",
    "journey j": ".exit.no, line 1, column 1",
}


@pytest.fixture
def book(tmp_path: Path) -> Iterator[SqliteBook]:
    """An empty home."""
    with home(tmp_path / "home") as book:
        yield book


def refused(book: SqliteBook, text: str) -> InputError:
    """Why it does not apply."""
    with pytest.raises(InputError) as caught:
        applying.check(book, docs(text))
    assert caught.value.code == "unknown_field"
    return caught.value


@pytest.mark.parametrize("user", USERS)
def test_a_field_in_use_cannot_go(book: SqliteBook, user: str) -> None:
    """The condition is named with line and column, and what is there instead; nothing changes."""
    apply(book, f"{FAIRS}\n---\n{USERS[user]}")
    error = refused(book, LESS)
    assert error.where.endswith(f"{user}{PLACES[user]}")
    assert "`fairs` have no field `city`" in error.what
    assert error.mend == "known: id, starts_at"


@pytest.mark.parametrize(
    "where", ['reachable("emial")', 'changedAt(consent("emial", "marketing")) < now', 'consent("emial", "marketing")']
)
def test_a_channel_that_nobody_knows_is_refused(book: SqliteBook, where: str) -> None:
    """It would never be reached; one that is declared is fine."""
    with pytest.raises(InputError) as caught:
        applying.check(book, docs(f"{{kind: segment, id: a, where: '{where}'}}"))
    assert (caught.value.code, caught.value.mend) == ("unknown_id", "did you mean `email`?")
    apply(book, f"{{kind: segment, id: a, where: '{where}'}}\n---\n{{kind: channel, id: emial}}")


def test_what_a_closed_schema_excludes_is_refused(book: SqliteBook) -> None:
    """Whether the condition comes or the schema; where the schema is open, a property is typed on its first use."""
    asks = "{kind: segment, id: a, where: 'events(\"Ride\").where(lenght > 3).exists()'}"
    ride = "{kind: event, id: Ride, schema: {properties: {length: {type: number}}, additionalProperties: %s}}"
    for text in (f"{asks}\n---\n{ride % 'false'}", ride % "false"):
        with pytest.raises(InputError) as caught:
            applying.check(book, docs(text))
        assert (caught.value.code, caught.value.mend) == ("unknown_property", "did you mean `length`?")
        apply(book, f"{asks}\n---\n{ride % 'true'}")


def test_a_slip_is_told_with_the_nearest_name(book: SqliteBook) -> None:
    """A field that never was."""
    apply(book, FAIRS)
    error = refused(book, "{kind: segment, id: a, where: 'trait.x == 1 || lookup(\"fairs\", 1).citty == 1'}")
    assert (error.where, error.mend) == ("f.yaml:1: segment a.where, line 1, column 17", "did you mean `city`?")


def test_what_is_not_touched_is_left_alone(book: SqliteBook) -> None:
    """Other definitions apply; a catalog without declared fields, and products, take any field."""
    apply(book, "{kind: catalog, id: open, key: id}\n---\n{kind: segment, id: a, where: 'lookup(\"open\", 1).x == 1'}")
    apply(book, '{kind: segment, id: b, where: \'lookup("products", "p").own_column == 1\'}')
    assert len(applying.in_force(book).segments) == 2
