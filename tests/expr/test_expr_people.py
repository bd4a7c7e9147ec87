"""What people ask: each sentence as an expression, for whom it holds and for whom not, and until which moment it holds.

The moments are found by going from flip to flip: the last one before the change is not early, the change is exact.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from einklang.expr import (
    Catalog,
    ObjectShape,
    Scope,
    check_condition,
    compile_one,
    of_words,
    parse,
    to_words,
    type_of,
    write,
)
from einklang.kernel.time import DAY, HOUR, Micros
from tests.expr.fakes import FakeEvent, FakeView, at

#: A Tuesday; 13:00 in Berlin, where the clocks are set on 29 March.
NOW = at("2026-03-10T12:00:00")
SCOPE = Scope(
    "segment.where",
    Catalog(
        traits={"birthday": type_of("date"), "ends": type_of("date"), "group": type_of("string")},
        objects={"contract": ObjectShape({"state": type_of("string"), "ends_at": type_of("timestamp")})},
        scores={"heat": (('events("A").within("2d").exists()', "10"), ("true", "1"))},
        stages={"path": (("new", "true"), ("active", 'events("A").within("2d").exists()'))},
    ),
)


def did(*events: tuple[str, float], **properties: Any) -> dict[str, Any]:
    """What happened so many days ago."""
    return {
        "events": [FakeEvent(name, NOW - int(ago * DAY), properties, seq) for seq, (name, ago) in enumerate(events)]
    }


def traits(**values: Any) -> dict[str, Any]:
    """What is known."""
    return {"traits": values}


BOUGHT = 'events("A").followedBy(events("B"), "2d", events("C")).exists()'
#: Sentence, expression, for whom it holds, for whom not, until when (None: time alone does not end it).
ASKED: list[tuple[str, str, dict[str, Any], dict[str, Any], Micros | None]] = [
    ("7 days before the birthday", 'today == anniversary(trait.birthday) - duration("7d")',
     traits(birthday="1990-03-17"), traits(birthday="1990-03-18"), at("2026-03-10T23:00:00")),
    ("anniversary within a week", 'anniversary(trait.birthday) <= today + duration("7d")',
     traits(birthday="2000-03-10"), traits(birthday="2000-03-18"), at("2026-03-10T23:00:00")),
    ("29 February in another year", "anniversary(trait.birthday) == date(\"2027-02-28\")",
     traits(birthday="2000-02-29"), traits(birthday="2000-03-01"), at("2027-02-28T23:00:00")),
    ("birthday this month", "month(trait.birthday) == month(today)",
     traits(birthday="--03-31"), traits(birthday="1990-04-01"), at("2026-03-31T22:00:00")),
    ("ordered this month", 'events("A").since(startOf("month", today)).exists()',
     did(("A", 8)), did(("A", 11)), at("2026-03-31T22:00:00")),
    ("ordered this week", 'events("A").since(startOf("week", today)).exists()',
     did(("A", 1)), did(("A", 2)), at("2026-03-15T23:00:00")),
    ("ordered this quarter", 'events("A").since(startOf("quarter", today)).exists()',
     did(("A", 60)), did(("A", 80)), at("2026-03-31T22:00:00")),
    ("on a Tuesday", 'weekday(today) == "TUE"', {}, {"now": NOW + DAY}, at("2026-03-10T23:00:00")),
    ("in the morning", "hour(now) < 14", {}, {"now": NOW + HOUR}, at("2026-03-10T13:00:00")),
    ("yesterday", 'events("A").since(today - duration("1d")).until(timestamp(today)).exists()',
     did(("A", 1)), did(("A", 0.1)), at("2026-03-10T23:00:00")),
    ("a member for 30 days", 'segment("vip") && changedAt(segment("vip")) <= now - duration("30d")',
     {"segments": {"vip": NOW - 30 * DAY}}, {"segments": {"vip": NOW - 30 * DAY + 1}}, None),
    ("not changed for 30 days", 'changedAt(trait.group) <= now - duration("30d")',
     {"trait_times": {"group": NOW - 30 * DAY}}, {}, None),
    ("the contract ends within 90 days", 'trait.ends > today && trait.ends <= today + duration("90d")',
     traits(ends="2026-03-12"), traits(ends="2026-06-09"), at("2026-03-11T23:00:00")),
    ("more than a third sent back",
     'events("B").within("9d").sum(n) / events("A").within("9d").sum(n) > 1 / 3',
     did(("A", 8), ("A", 2), ("B", 1), n=5), did(("A", 8), ("A", 8), ("A", 8), ("B", 1), n=5), NOW + 7 * DAY),
    ("A, then B within 2 days, without C", BOUGHT,
     did(("A", 3), ("B", 2), ("C", 1.5)), did(("A", 3), ("C", 2.5), ("B", 2)), None),
    ("B at the same time as C", BOUGHT, did(("A", 3), ("B", 2), ("C", 2)), did(("A", 3), ("B", 0.5)), None),
    ("A, and no B within a day", 'events("A").notFollowedBy(events("B"), "1d").exists()',
     did(("A", 1)), did(("A", 0.9)), None),
    ("the third order lies within a week", 'events("A").nth(3, event.at) > now - duration("7d")',
     did(("A", 9), ("A", 8), ("A", 6)), did(("A", 9), ("A", 6)), NOW + DAY),
    ("the last three with a coupon", 'events("A").latest(3).where(coupon != null).count() == 3',
     did(("A", 3), ("A", 2), ("A", 1), coupon="x"), did(("A", 2), ("A", 1), coupon="x"), None),
    ("got a message in the last 30 days", 'events("Message Sent").within("30d").where(message == "m").exists()',
     did(("Message Sent", 29), message="m"), did(("Message Sent", 29), message="n"), NOW + DAY),
    ("was in a journey", 'events("Journey Entered").where(event.properties.journey == "j").exists()',
     did(("Journey Entered", 400), journey="j"), did(("Journey Entered", 400), journey="k"), None),
    ("average, distinct, first and last",
     'events("A").avg(n) == 5 && events("A").distinct(n) == 1 '
     '&& events("A").first(event.at) < events("A").last(event.at)',
     did(("A", 2), ("A", 1), n=5), did(("A", 1), n=5), None),
    ("two people of a company", 'group("company").events("A").within("14d").distinct(event.person) >= 2',
     {"groups": {"company": {"events": [FakeEvent("A", NOW - DAY, person=one) for one in "ab"]}}},
     {"groups": {"company": {"events": [FakeEvent("A", NOW - DAY, person="a")]}}}, NOW + 13 * DAY),
    ("a contract that runs out",
     'objects("contract").where(state == "active" && ends_at < now + duration("90d")).exists()',
     {"business": {"contract": [{"state": "active", "ends_at": "2026-05-01T00:00:00Z"}]}},
     {"business": {"contract": [{"state": "ended", "ends_at": "2026-05-01T00:00:00Z"}]}}, None),
    ("may be mailed", 'consent("email", "news")',
     {"consents": {("email", "news")}}, {"consents": {("sms", "news")}}, None),
    ("a score of points", 'score("heat") >= 11', did(("A", 1)), did(("A", 3)), NOW + DAY),
    ("a stage", 'stage("path") == "active"', did(("A", 1)), did(("A", 3)), NOW + DAY),
]  # fmt: skip


def turns(text: str, view: FakeView, hops: int = 400) -> Micros | None:
    """The moment at which time alone ends what holds, found from flip to flip; None if nothing does in so many."""
    condition = compile_one(check_condition(text, SCOPE))
    for _ in range(hops):
        flip = condition.next_flip(view)
        if flip is None:
            return None
        assert condition.holds(replace(view, now=flip - 1))
        if not condition.holds(replace(view, now=flip)):
            return flip
        view = replace(view, now=flip)
    return None


@pytest.mark.parametrize(("text", "who", "other", "until"), [pytest.param(*row[1:], id=row[0]) for row in ASKED])
def test_what_people_ask(text: str, who: dict[str, Any], other: dict[str, Any], until: Micros | None) -> None:
    """It holds for one, not for the other, and ends at the very microsecond."""
    condition = compile_one(check_condition(text, SCOPE))
    views = [FakeView(**{"now": NOW, **given}) for given in (who, other)]
    assert [condition.holds(view) for view in views] == [True, False]
    assert turns(text, views[0]) == until


@pytest.mark.parametrize("text", [row[1] for row in ASKED])
def test_it_can_be_said(text: str) -> None:
    """Each of them in German and English, and back."""
    assert write(of_words(to_words(parse(text), "de"), "de")) == write(parse(text))
    assert write(of_words(to_words(parse(text), "en"), "en")) == write(parse(text))


def test_a_later_event_ends_it_when_its_time_has_come() -> None:
    """What lies in the future counts from its moment on: the C that comes before the B that comes."""
    coming = [FakeEvent("A", NOW - DAY), FakeEvent("C", NOW + HOUR, seq=1), FakeEvent("B", NOW + 2 * HOUR, seq=2)]
    condition = compile_one(check_condition(BOUGHT, SCOPE))
    assert not any(condition.holds(FakeView(NOW + hours * HOUR, events=coming)) for hours in range(48))
    sooner = [coming[0], replace(coming[2], at=NOW + HOUR), replace(coming[1], at=NOW + 2 * HOUR)]
    view = FakeView(NOW, events=sooner)
    assert condition.value_and_flip(view) == (False, NOW + HOUR)
    assert condition.holds(replace(view, now=NOW + HOUR))
    assert condition.holds(replace(view, now=NOW + 9 * HOUR))
