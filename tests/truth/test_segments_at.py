"""`segment count --at T`: the plan, person by person and a naive reading of the history agree on any moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from einklang.app import apply as applying
from einklang.app import crowds, segments
from einklang.app.ports import Reader
from einklang.app.state import State
from einklang.audience import crowd as columns
from einklang.consent import normal_address
from einklang.event import EngineCall
from einklang.kernel.errors import NotFound
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake
from einklang.store.lake.shipper import ship_all
from einklang.testing.canonical import Row, table_rows
from tests.app.dice import Random
from tests.app.worlds import DAY, HOUR, START, UNTIL, append, engine_of, home, random_calls, run, with_reactions

RULES = {
    "buyers": 'events("Order Completed").within("5d").count() >= 1',
    "lapsed": 'events("Page Viewed").exists() && !events("Page Viewed").within("36h").exists()',
    "good": '(segment("buyers") && !segment("lapsed")) || trait.vip == true',
    "big": 'events("Order Completed").sum(revenue) > 60',
    "may": 'consent("email", "marketing")',
    "clicked": 'events("Message Clicked").exists()',
    "mailed": 'events("Email Link Clicked").count() >= 1',
    "both": 'events("Message Clicked", "Email Link Clicked").count() == 1',
    "busy": 'events().within("2d").count() >= 3',
    "touch": 'events().where(event.touchpoint == "store").exists() && events("Email Opened").count() == 0',
    "early": "hour(now) < 6 && person.known",
    "named": 'person.email == "p1@example.org" || trait.firstName == "Ada"',
    "calm": 'reachable("email") && !segment("busy")',
    "since": 'changedAt(segment("buyers")) <= now - duration("1d")',
    "inside": 'inJourney("visits")',
}
DEFINITIONS = """
{kind: policy, id: default, timezone: Europe/Berlin, currency: EUR}
---
{kind: trait, id: vip, type: bool}
---
kind: journey
id: visits
entry: {event: Page Viewed, reenter: 1d}
exit: {bought: 'events("Order Completed").since(entry).exists()'}
steps: [{id: pause, wait: 30h}, {id: news, contact: news}]
---
{kind: message, id: news, purpose: marketing, class: marketing, email: {subject: {de: Neues, en: News}, text: Hallo}}
""" + "".join(f"---\nkind: segment\nid: {name}\nwhere: '{rule}'\n" for name, rule in RULES.items())
AT, SEQ, CLOCK, ORIGIN, TYPE, NAME, TOUCHPOINT, MACHINE, PROPERTIES = 1, 2, 3, 4, 5, 6, 9, 13, 14


@contextmanager
def world(seed: int, folder: Path, *, count: int = 70) -> Iterator[tuple[SqliteBook, Lake]]:
    """A home of which half is in the lake alone and the other half in the Book alone."""
    random = Random(seed)
    calls = with_reactions(random, random_calls(random, count))
    with home(DEFINITIONS) as book:
        lake = Lake(folder)
        append(book, calls)
        run(book, until=START + random.randint(2, 12) * DAY)
        ship_all(book, lake, keep_entries=0)
        run(book)
        yield book, lake


def reading(book: SqliteBook) -> State:
    """The definitions in force, for reading."""
    return engine_of(book).state


class Naive:
    """The rules by their words, over the rows of the history."""

    def __init__(self, book: SqliteBook) -> None:
        self.history: dict[str, list[Row]] = defaultdict(list)
        for row in table_rows(book, "history"):
            self.history[row[0]].append(row)
        self.identifiers: dict[str, list[Row]] = defaultdict(list)
        for row in table_rows(book, "identifier"):
            self.identifiers[row[2]].append(row)

    def people(self, at: int) -> list[str]:
        """Who had been heard of."""
        return [person for person, rows in self.identifiers.items() if any(row[3] <= at for row in rows)]

    def members(self, segment: str, at: int) -> list[str]:
        """Sorted ids."""
        rule: Callable[[str, int], bool] = getattr(self, segment)
        return sorted(person for person in self.people(at) if rule(person, at))

    def events(self, person: str, at: int, *names: str, within: int = 2**60) -> list[Row]:
        """Events of the names up to the moment."""
        rows = [row for row in self.history[person] if at - within < row[AT] <= at and not row[MACHINE]]
        if not names:
            done = [row for row in rows if row[ORIGIN] == 0 and row[TYPE] in ("track", "page", "screen")]
            return [row for row in done if row[NAME].split()[0] not in ("Consent", "Message")]
        return [row for row in rows if row[NAME] in names]

    def trait(self, person: str, name: str, at: int) -> Any:
        """The latest value."""
        said = [r for r in self.history[person] if r[TYPE] == "identify" and r[AT] <= at and name in r[PROPERTIES]]
        last = max(said, key=lambda row: (row[AT], row[SEQ]), default=None)
        return None if last is None else last[PROPERTIES][name]

    def buyers(self, person: str, at: int) -> bool:
        return bool(self.events(person, at, "Order Completed", within=5 * DAY))

    def lapsed(self, person: str, at: int) -> bool:
        recent = self.events(person, at, "Page Viewed", within=36 * HOUR)
        return bool(self.events(person, at, "Page Viewed")) and not recent

    def good(self, person: str, at: int) -> bool:
        return (self.buyers(person, at) and not self.lapsed(person, at)) or self.trait(person, "vip", at) is True

    def big(self, person: str, at: int) -> bool:
        return bool(sum(row[PROPERTIES]["revenue"] for row in self.events(person, at, "Order Completed")) > 60)

    def clicked(self, person: str, at: int) -> bool:
        return bool(self.events(person, at, "Message Clicked", "Email Link Clicked"))

    mailed = clicked

    def both(self, person: str, at: int) -> bool:
        return len(self.events(person, at, "Message Clicked", "Email Link Clicked")) == 1

    def busy(self, person: str, at: int) -> bool:
        return len(self.events(person, at, within=2 * DAY)) >= 3

    def touch(self, person: str, at: int) -> bool:
        in_store = any(row[TOUCHPOINT] == "store" for row in self.events(person, at))
        return in_store and not self.events(person, at, "Email Opened", "Message Opened")

    def named(self, person: str, at: int) -> bool:
        own = [row for row in self.identifiers[person] if row[0] == "email" and row[3] <= at]
        said = normal_address("email", self.trait(person, "email", at) or "")
        latest = max(((row[3], row[1]) for row in own), default=(0, ""))[1]
        email = said if said in [row[1] for row in own] else latest
        return email == "p1@example.org" or self.trait(person, "firstName", at) == "Ada"


NAIVE = [name for name in RULES if hasattr(Naive, name)]


def moments(random: Random, naive: Naive) -> list[int]:
    """Moments on the bounds of windows and beside them, and some anywhere."""
    known = sorted({row[AT] for rows in naive.history.values() for row in rows if row[AT] >= START})
    near = [random.choice(known) + random.choice((0, 36 * HOUR, 2 * DAY, 5 * DAY)) for _ in range(4)]
    beside = [moment + random.choice((-1, 0, 0, 1)) for moment in near]
    return [*beside, START + random.randrange(20 * DAY), UNTIL]


def by_plan(book: SqliteBook, lake: Lake, segment: str, at: int) -> list[str]:
    """As the command answers."""
    with book.snapshot() as reader:
        return segments.members(reader, reading(book), lake, segment, at)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_plan_person_by_person_and_naive_reading_agree(seed: int, tmp_path: Path) -> None:
    """On random logs with late events, merges, shared devices and reactions, at bounds of windows and anywhere."""
    with world(seed, tmp_path) as (book, lake):
        naive, random = Naive(book), Random(1_000 + seed)
        for at in moments(random, naive):
            for segment in RULES:
                found = by_plan(book, lake, segment, at)
                with book.snapshot() as reader:
                    assert found == segments.members_at(reader, reading(book), segment, at), (segment, at)
                if segment in NAIVE:
                    assert found == naive.members(segment, at), (segment, at)


@pytest.mark.slow
def test_now_is_what_the_live_state_says(tmp_path: Path) -> None:
    """At the clock reached, the answer by event time and the live members are one, for every rule."""
    with world(11, tmp_path) as (book, lake):
        for segment in RULES:
            live = segments.members(book, reading(book), lake, segment, None)
            assert by_plan(book, lake, segment, UNTIL) == live, segment


@pytest.mark.slow
def test_the_past_is_what_was_live_then(tmp_path: Path) -> None:
    """Where nothing comes late and nobody merges, a count at T is the live count that a run up to T had."""
    calls = []
    for person in range(6):
        at = START + person * HOUR
        email = f"p{person}@example.org"
        calls.append(
            EngineCall(type="identify", userId=f"u{person}", traits={"email": email}, at=at, messageId=f"i{at}")
        )
        for day in range(person, 18, 2 + person):
            said = {"channel": "email", "purpose": "marketing", "address": email}
            for offset, name, properties in (
                (HOUR, "Order Completed", {"revenue": 20}),
                (2 * HOUR, ("Consent Given", "Consent Withdrawn")[day % 2], said),
            ):
                calls.append(
                    EngineCall(
                        type="track",
                        event=name,
                        userId=f"u{person}",
                        properties=properties,
                        at=at + day * DAY + offset,
                        messageId=f"{person}-{day}-{offset}",
                    )
                )
    with home(DEFINITIONS) as book:
        lake, past = Lake(tmp_path), {}
        append(book, calls)
        for day in (1, 3, 7, 8, 12):
            run(book, until=START + day * DAY)
            for segment in RULES:
                past[segment, START + day * DAY] = segments.members(book, reading(book), lake, segment, None)
        run(book)
        ship_all(book, lake)
        assert len({tuple(found) for (segment, _), found in past.items() if segment == "may"}) > 2
        for (segment, at), found in past.items():
            assert by_plan(book, lake, segment, at) == found, (segment, at)


def test_the_zone_is_that_of_the_moment(tmp_path: Path) -> None:
    """Who moved from Honolulu to Tokyo has the hour of Honolulu before and of Tokyo since."""
    rules = {"plan": "hour(now) < 6", "alone": 'hour(now) < 6 && reachable("email")'}
    text = "".join(f"---\nkind: segment\nid: {name}\nwhere: '{rule}'\n" for name, rule in rules.items())
    calls = []
    for number, (day, zone) in enumerate([(0, "Pacific/Honolulu"), (4, "Asia/Tokyo"), (8, "no such zone")]):
        calls.append(
            EngineCall(
                type="identify",
                userId="u1",
                traits={"email": "p1@example.org"},
                context={"timezone": zone},
                at=START + day * DAY,
                messageId=f"z{number}",
            )
        )
    with home(text.removeprefix("---")) as book:
        lake = Lake(tmp_path)
        append(book, calls)
        run(book, until=START + 2 * DAY)
        ship_all(book, lake, keep_entries=0)
        run(book)
        checked = applying.in_force(book).checked
        assert [columns.by_plan(checked[f"segment:{name}"]) for name in rules] == [True, False]
        for name in rules:
            # 03:00 in Honolulu is 13:00 UTC, in Tokyo 18:00 UTC of the day before
            hours = [(1, 13, 1), (1, 18, 0), (5, 13, 0), (5, 18, 1), (9, 13, 0), (9, 18, 1)]
            for day, hour, count in hours:
                found = by_plan(book, lake, name, START + day * DAY + hour * HOUR)
                assert len(found) == count, (name, day, hour)


def test_rules_that_a_plan_cannot_ask_are_asked_person_by_person(tmp_path: Path) -> None:
    """Only what must be: what `crowd_supports` names."""
    with home(DEFINITIONS) as book:
        checked = applying.in_force(book).checked
        alone = {name for name in RULES if not columns.by_plan(checked[f"segment:{name}"])}
        assert alone == {"calm", "since", "inside"}
        with pytest.raises(NotFound) as caught:
            segments.members(book, reading(book), Lake(tmp_path), "nobody", UNTIL)
        assert caught.value.code == "unknown_segment"


@pytest.mark.slow
def test_without_owners_of_now_the_plan_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: frames that keep the person of the time of processing disagree with the history."""

    def as_processed(events: pl.DataFrame, *_: pl.DataFrame) -> pl.DataFrame:
        return events.filter(pl.col("person_id").is_not_null())

    monkeypatch.setattr(columns, "owned", as_processed)
    with world(3, tmp_path) as (book, lake):
        naive = Naive(book)
        for segment in ("big", "busy"):
            found = [by_plan(book, lake, segment, at) == naive.members(segment, at) for at in moments(Random(0), naive)]
            assert not all(found)


def test_without_the_tail_the_plan_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: what was not shipped counts too."""
    with world(1, tmp_path) as (book, lake):
        right = by_plan(book, lake, "big", UNTIL)

        def empty(reader: Reader, reached: int) -> pl.DataFrame:
            return pl.DataFrame(schema=crowds.COLUMNS)

        monkeypatch.setattr(crowds, "_tail", empty)
        assert by_plan(book, lake, "big", UNTIL) != right
