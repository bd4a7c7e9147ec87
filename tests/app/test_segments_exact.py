"""Live membership equals the naive rule at every instant, also where only time passes."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from typing import Any

import pytest

from einklang.audience import live
from einklang.event import EngineCall
from einklang.kernel import time
from einklang.testing.canonical import Row, table_rows
from tests.app.dice import Random
from tests.app.worlds import DAY, HOUR, START, UNTIL, append, home, plain_calls, run

#: Places in a row of the history.
AT, SEQ, CLOCK, TYPE, NAME, PROPERTIES = 1, 2, 3, 5, 6, 14


def naive(events: list[Row], now: int) -> dict[str, bool]:
    """The three segments by their words, from the events that had come by `now`."""
    known = [row for row in events if row[CLOCK] <= now]
    bought = [row for row in known if row[NAME] == "Order Completed" and now - 5 * DAY < row[AT] <= now]
    seen = [row[AT] for row in known if row[NAME] == "Page Viewed" and row[AT] <= now]
    vip = [row for row in known if row[TYPE] == "identify" and "vip" in row[PROPERTIES]]
    last = max(vip, key=lambda row: (row[AT], row[SEQ]), default=None)
    buyers, lapsed = len(bought) >= 1, bool(seen) and not any(at > now - 36 * HOUR for at in seen)
    good = (buyers and not lapsed) or (last is not None and last[PROPERTIES]["vip"] is True)
    return {"buyers": buyers, "lapsed": lapsed, "good": good}


def changes(events: list[Row]) -> dict[str, list[tuple[int, bool]]]:
    """Segment -> (clock, member from then on), as the log tells."""
    found: dict[str, list[tuple[int, bool]]] = defaultdict(list)
    for row in sorted(events, key=lambda row: row[SEQ]):
        if row[NAME] in ("Segment Entered", "Segment Left"):
            found[row[PROPERTIES]["segment"]].append((row[CLOCK], row[NAME] == "Segment Entered"))
    return found


def instants(events: list[Row]) -> set[int]:
    """Every moment at which a membership can change, and the microsecond beside it."""
    moments = {row[CLOCK] for row in events} | {UNTIL}
    for row in events:
        moments |= {row[AT] + 5 * DAY, row[AT] + 36 * HOUR}
    return {moment + beside for moment in moments for beside in (-1, 0, 1) if START <= moment + beside <= UNTIL}


def wrong(seed: int) -> list[Any]:
    """Where the log's membership is not the naive rule's: (person, segment, moment, as logged, as it should be)."""
    found = []
    with home() as book:
        append(book, plain_calls(Random(seed), 60))
        run(book, [Random(seed).randint(1, 40)])
        people = defaultdict(list)
        for row in table_rows(book, "history"):
            people[row[0]].append(row)
    for person, events in people.items():
        told = changes(events)
        own = [row for row in events if row[4] == 0]
        for now in sorted(instants(own)):
            for segment, expected in naive(own, now).items():
                logged = told.get(segment, [])
                place = bisect_right(logged, now, key=lambda change: change[0])
                member = logged[place - 1][1] if place else False
                if member != expected:
                    found.append((person, segment, time.format_moment(now), member, expected))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_membership_is_exact_at_every_instant(seed: int) -> None:
    """Entered and left at the very microsecond: windows, time alone, segments of segments, late events."""
    assert wrong(seed)[:5] == []


def test_a_segment_that_only_looks_at_events_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: memberships that do not flip by time are wrong."""
    refresh = live.refresh

    def deaf(listeners: Any, memberships: Any, *rest: Any) -> Any:
        yield from refresh(listeners, memberships, *rest)
        for membership in memberships.values():
            membership.flips_at = None

    monkeypatch.setattr("einklang.app.moment.refresh", deaf)
    assert wrong(0)


def test_when_somebody_was_last_seen_is_heard_of_any_event() -> None:
    """A condition about `person.last_seen_at` names no event and follows each: left by a call, entered by time."""
    with home("{kind: segment, id: quiet, where: 'person.last_seen_at <= now - duration(\"2d\")'}") as book:
        append(book, [EngineCall(type="identify", userId="u", at=START + n * DAY) for n in (0, 3)])
        run(book, until=START + 9 * DAY)
        told = changes(list(table_rows(book, "history")))["quiet"]
    assert told == [(START + 2 * DAY, True), (START + 3 * DAY, False), (START + 5 * DAY, True)]


@pytest.mark.parametrize("cut", [1, 50])
def test_a_trait_has_its_value_since_it_was_first_told(cut: int) -> None:
    """`changedAt` does not move when the same is told again, and moves when another value comes in between, late."""
    told = [(0, "a"), (2, "b"), (4, "b"), (6, "b")]
    with home("{kind: segment, id: new, where: 'changedAt(trait.plan) > now - duration(\"3d\")'}") as book:
        append(book, [EngineCall(type="identify", userId="u", at=START + n * DAY, traits={"plan": p}) for n, p in told])
        run(book, [cut], until=START + 7 * DAY)
        append(book, [EngineCall(type="identify", userId="u", at=START + 5 * DAY, traits={"plan": "c"})])
        run(book, [cut], until=START + 20 * DAY)
        found = changes(list(table_rows(book, "history")))["new"]
    assert found == [(START + n * DAY, inside) for n, inside in ((0, True), (5, False), (7, True), (9, False))]


def test_who_bounced_is_reachable_no_longer() -> None:
    """`reachable` is left with the hard bounce of the only address, and another address brings it back."""
    said = {"channel": "email", "address": "a@x.example", "kind": "hard"}
    calls = [
        EngineCall(type="identify", userId="u", at=START, traits={"email": "a@x.example"}),
        EngineCall(
            type="track", event="Message Bounced", userId="u", at=START + DAY, properties=said | {"kind": "soft"}
        ),
        EngineCall(type="track", event="Message Bounced", userId="u", at=START + 2 * DAY, properties=said),
        EngineCall(type="identify", userId="u", at=START + 3 * DAY, traits={"email": "b@x.example"}),
    ]
    with home("{kind: segment, id: found, where: 'reachable(\"email\")'}") as book:
        append(book, calls)
        run(book)
        found = changes(list(table_rows(book, "history")))["found"]
    assert found == [(START, True), (START + 2 * DAY, False), (START + 3 * DAY, True)]
