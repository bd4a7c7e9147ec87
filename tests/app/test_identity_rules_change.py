"""Other kinds of identifier are an entry of the log: persons follow at once, and a rebuild gives the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from einklang.app.apply import apply
from einklang.app.find import load, person_id
from einklang.app.imports import import_file
from einklang.app.run import settle_definitions
from einklang.app.segments import members
from einklang.app.yaml import parse_text
from einklang.event import EngineCall
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake, ship_all
from tests.app.dice import Random
from tests.app.test_rebuild import differences, state_of
from tests.app.worlds import DAY, HOUR, START, UNTIL, append, churning_calls, engine_of, home, run

FEW = "{kind: identity, kinds: {email: {limit: 2}, phone: {limit: 1}}, blocked: ['e0@*']}"
MANY = "{kind: identity, kinds: {email: {limit: 9}, phone: {limit: 9}}}"


def ruled(book: SqliteBook, text: str, at: int) -> None:
    """Put these kinds in force."""
    engine = engine_of(book)
    apply(book, parse_text(text, "kinds.yaml"), now=at)
    settle_definitions(book, engine)


def test_a_lower_limit_splits_and_a_higher_one_merges() -> None:
    """Two addresses of one phone fall apart and come together again, with their histories and without a new call."""
    calls = [
        EngineCall("identify", identifiers={"email": f"e{n}@x.example", "phone": "+49301"}, at=START + n * HOUR)
        for n in (1, 2)
    ]
    with home() as book:
        append(book, calls)
        run(book, until=START + DAY)
        one, two = "email:e1@x.example", "email:e2@x.example"
        assert person_id(book, one) == person_id(book, two)
        ruled(book, "{kind: identity, kinds: {email: {limit: 1}}}", START + DAY)
        assert person_id(book, one) != person_id(book, two)
        assert [sum(not e.origin for e in load(book, text).history) for text in (one, two)] == [1, 1]
        ruled(book, MANY, START + DAY)
        assert person_id(book, one) == person_id(book, two)
        assert sum(not event.origin for event in load(book, one).history) == 2


@pytest.mark.parametrize("seed", range(4))
def test_a_rebuild_follows_the_kinds_of_the_time(seed: int, tmp_path: Path) -> None:
    """Kinds change twice amid merges, refusals, moves of devices and runs: the rebuild is equal in any batches."""
    random = Random(seed)
    calls = sorted(churning_calls(random, 90), key=lambda call: call.at or 0)
    with home() as book:
        for part, text in ((calls[:30], FEW), (calls[30:60], MANY), (calls[60:], "")):
            append(book, part)
            until = max(call.at or 0 for call in part) if text else UNTIL
            run(book, [random.randint(1, 30)], until=until)
            if text:
                ruled(book, text, until)
        assert differences(book, Lake(tmp_path), batch=random.choice((1, 7, 5_000))) == []


def test_a_column_of_an_import_is_a_kind_of_ones_own(tmp_path: Path) -> None:
    """Rows of people and events name a person by a defined kind; it is no trait and no property."""
    people, events = tmp_path / "people.csv", tmp_path / "events.csv"
    people.write_text("card,email,city\n0071,ada@x.example,Kiel\n")
    events.write_text("event,timestamp,card,total\nPaid,2026-03-21T10:00:00Z,0071,5\n")
    with home() as book:
        ruled(book, "{kind: identity, kinds: {card: {priority: 35, unique: true}}}", START)
        for kind, file in (("people", people), ("events", events)):
            mapping = {"event": "event"} if kind == "events" else None
            assert import_file(book, kind, file, now=UNTIL, mapping=mapping).rejected == 0
        run(book)
        live = load(book, "card:0071")
        assert person_id(book, "email:ada@x.example") == live.person.id
        assert "card" not in live.person.traits
        assert [event.properties for event in live.history if event.name == "Paid"] == [{"total": 5}]


def test_whose_an_event_was_by_the_kinds_of_its_time_is_known_by_plan(tmp_path: Path) -> None:
    """Values that named nobody yet or no longer, and another order of kinds: by plan as in the history."""
    text = "{kind: segment, id: busy, where: 'events(\"Seen\").count() >= 2'}"
    lake, number = Lake(tmp_path), 0
    kinds = "{kind: identity, kinds: {card: {priority: %d%s}}}"

    def seen(day: int, **named: str) -> EngineCall:
        nonlocal number
        number += 1
        return EngineCall("track", "Seen", messageId=f"s{number}", identifiers=named, at=START + day * DAY)

    with home(text) as book:
        for day, rule in enumerate(
            ("", kinds % (35, ", blocked: ['b*']"), kinds % (5, ""), kinds % (5, ", blocked: ['c*']"))
        ):
            if rule:
                ruled(book, rule, START + day * DAY)
            calls = [seen(day, email=f"e{n}@x.example", card=f"{n}{day % 3}") for n in ("b", "c")]
            append(book, [*calls, *(seen(day, card=f"{n}{day}") for n in ("b", "c", "b"))])
            run(book, until=START + day * DAY)
        ship_all(book, lake)
        live = members(book, state_of(book), lake, "busy", None)
        with book.snapshot() as reader:
            assert members(reader, state_of(book), lake, "busy", START + 9 * DAY) == live
        assert live
