"""How far back an expression looks: what lies beyond its reach changes nothing, whatever is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from einklang.expr import Catalog, Checked, ExprError, Reach, Scope, check, compile_one, reaches, type_of
from einklang.kernel.time import DAY
from tests.expr.fakes import FakeEvent, FakeView
from tests.expr.generate import SCOPE
from tests.expr.people import NOW, Chance, grouped, person, view_of
from tests.expr.test_expr_trees import well_typed


def seen(event: FakeEvent, reach: list[Reach]) -> bool:
    """Whether some set of events may look at this one."""
    return any(
        (event.name in one.names or not one.names)
        and (one.window_us is None or one.run or event.at > NOW - one.window_us)
        for one in reach
    )


def wrong(cases: list[Checked], views: list[FakeView]) -> list[str]:
    """Expressions whose value changes when what is out of reach was never there."""
    found = []
    for checked in cases:
        reach, compiled = reaches(checked), compile_one(checked)
        for view in views:
            kept = replace(view, events=[event for event in view.events if seen(event, reach)])
            if compiled.value(kept) != compiled.value(view):
                found.append(checked.source)
                break
    return found


@pytest.fixture(scope="module")
def cases() -> list[Checked]:
    """Random expressions, without those that are refused as too costly."""
    found = []
    for source in well_typed(41, 150)[:150]:
        try:
            found.append(check(source, SCOPE))
        except ExprError as error:
            if error.code != "too_costly":
                raise
    return found


@pytest.fixture(scope="module")
def views() -> list[FakeView]:
    """Random persons."""
    chance = Chance(42)
    return [view_of(who) for who in grouped(chance, [person(chance, number) for number in range(8)])]


def test_what_is_out_of_reach_changes_nothing(cases: list[Checked], views: list[FakeView]) -> None:
    """For random expressions of all kinds and random histories; some events are out of reach."""
    assert wrong(cases, views) == []
    bounded = [reach for checked in cases for reach in reaches(checked) if reach.window_us is not None]
    assert len(bounded) >= 30
    hidden = [event for view in views for event in view.events if not seen(event, bounded[:3])]
    assert len(hidden) >= 5


def test_a_reach_that_is_too_short_is_found(
    cases: list[Checked], views: list[FakeView], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Positive control: windows of half the length."""
    right = reaches

    def short(checked: Checked) -> list[Reach]:
        return [
            Reach(one.names, None if one.window_us is None else one.window_us // 2, one.run, one.objects)
            for one in right(checked)
        ]

    monkeypatch.setitem(globals(), "reaches", short)
    assert wrong(cases, views)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ('events("A").since(startOf("month", today)).exists()', 32),
        ('events("A").since(startOf("week", today - duration("7d"))).exists()', 15),
        ('events("A").within("5d").followedBy(events("B"), "1d", events("C")).exists()', 5),
        ('events("A").within("5d").nth(2, x) == 1', 5),
        ('events("A").nth(2, x) == 1', None),
        ('events("A").since(trait.ends).exists()', None),
    ],
)
def test_how_far(text: str, days: int | None) -> None:
    """The start of a period, a sequence without a third, the nth: each as far as it must, and not a month more."""
    scope = Scope("segment.where", Catalog(traits={"ends": type_of("date")}))
    windows = {reach.window_us for reach in reaches(check(text, scope))}
    if days is None:
        assert windows == {None}
    else:
        assert all(window is not None and (days - 1) * DAY < window <= (days + 1) * DAY for window in windows), windows
