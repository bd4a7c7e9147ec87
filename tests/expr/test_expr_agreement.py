"""The generated function, the plan for crowds and the naive interpreter agree, and the harness finds planted bugs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import polars as pl
import pytest

from einklang.expr import (
    compile_one,
    crowd_groups,
    crowd_sets,
    dates,
    numbers,
    python,
    python_names,
    rows,
    runtime,
)
from einklang.expr.crowd import Run
from einklang.expr.crowd_reach import ALONE, SUPPORTED
from einklang.expr.crowd_values import equal, is_null
from einklang.expr.flip import Flips
from einklang.kernel.time import HOUR, Micros
from tests.conftest import QUICK
from tests.expr.agreement import KINDS, RARE, Case, World
from tests.expr.fakes import FakeView
from tests.expr.people import NOW, STEP

pytestmark = pytest.mark.xdist_group("expr agreement")


@pytest.fixture(scope="module")
def world() -> World:
    """Random expressions and persons with the naive answers; in the quick loop fewer of them."""
    return World(seed=20260329, expressions=60 if QUICK else 160, persons=14, all_kinds=not QUICK)


def _with(world: World, *ops: str) -> list[Case]:
    return [case for case in world.cases if case.kinds & set(ops)]


def _show(found: list[str]) -> str:
    return f"{len(found)} disagreements:\n" + "\n".join(found[:10])


@pytest.mark.slow
def test_cases_are_many_and_sharp(world: World) -> None:
    """Every kind of node occurs, and a fifth of the cases hold a null, equal times or an instant on a bound of a
    window.
    """
    rare = {kind: world.kinds[kind] for kind in sorted(KINDS) if world.kinds[kind] < RARE}
    assert not rare, f"rare kinds {rare} in {world.kinds}"
    edges = world.edges()
    assert edges["edge"] >= edges["cases"] / 5, edges
    assert min(edges["null"], edges["equal times"], edges["bound"]) >= 40, edges


def test_every_kind_of_node_is_asked() -> None:
    """What engines know is what the suite asks, but for objects, which have one of their own (test_expr_objects)."""
    assert KINDS | {"objects"} == SUPPORTED | ALONE.keys()


@pytest.mark.slow
def test_function_agrees_with_naive_interpreter(world: World) -> None:
    """Both forms of the generated function give the naive answer for every person."""
    found = world.for_one()
    assert not found, _show(found) + f"\n{world.kinds}"


def test_plan_agrees_with_naive_interpreter(world: World) -> None:
    """The plan for crowds gives the naive answer for every person, for all expressions that it supports."""
    cases = [case for case in world.cases if case.for_crowds]
    assert len(cases) >= len(world.cases) / 3
    found = world.for_crowds(cases[:200])
    assert not found, _show(found)


def _instants(until: Micros) -> list[Micros]:
    """Instants after now at which something can change, with the microseconds around them."""
    grid = [NOW + step * STEP // 2 + shift for step in range(26) for shift in (-1, 0, 1)]
    hours = [NOW + step * HOUR for step in range(1, 13)]
    return sorted(time for time in {*grid, *hours} if NOW < time < until)


def _late_flips(cases: Iterable[Case], views: list[FakeView]) -> list[str]:
    """Where a value changes before its next flip."""
    found = []
    for case in cases:
        compiled = compile_one(case.checked)
        for view in views:
            answer, flip = compiled.value_and_flip(view)
            until = NOW + 13 * STEP if flip is None else min(flip, NOW + 13 * STEP)
            for time in _instants(until):
                later = compiled.value(replace(view, now=time))
                if later != answer or type(later) is not type(answer):
                    found.append(
                        f"{case.source} {view.person['id']}: changes at {time - NOW}, next flip {flip and flip - NOW}"
                    )
                    break
    return found


def _timed(world: World) -> list[Case]:
    return [case for case in world.cases if case.checked.needs.time and not case.checked.tree.rate][:90]


def test_nothing_changes_before_the_next_flip(world: World) -> None:
    """Asked again at many later instants, the value is the same at all of them before `next_flip`."""
    found = _late_flips(_timed(world), world.views[:5])
    assert not found, _show(found)


def test_what_is_asked_together_answers_as_alone(world: World) -> None:
    """Conditions that share what a person did up to a moment answer, and flip, as each does alone."""
    compiled = [compile_one(case.checked) for case in world.cases[:250]]
    for view in world.views[:4]:
        shared = Flips(view)
        assert [one.holds_until(view, shared) for one in compiled] == [one.holds_until(view) for one in compiled]


def test_flips_make_progress(world: World) -> None:
    """From flip to flip time goes on, and a value that never flips says so."""
    for case in _timed(world)[:30]:
        compiled = compile_one(case.checked)
        view = world.views[0]
        for _ in range(20):
            flip = compiled.next_flip(view)
            if flip is None:
                break
            assert flip > view.now
            view = replace(view, now=flip)


# planted bugs: each is applied to the compiler, and the harness must find it


def _closed_window(patch: pytest.MonkeyPatch) -> None:
    def within(self: rows.RowCode, made: rows.Rows, part: Any) -> None:
        self._bound(made, rows.Bound(True, f"now - {part.data} - 1", moving=True))

    patch.setattr(rows.RowCode, "_within", within)


def _not_equal_of_sql(patch: pytest.MonkeyPatch) -> None:
    def ne(self: python.Generator, term: Any) -> str:
        a, b = (self.value(arg) for arg in term.args)
        return f"(has({a}) and has({b}) and not eq({a}, {b}))"

    patch.setitem(python_names.GLOBALS, "has", lambda x: x is not None)
    patch.setattr(python.Generator, "_ne", ne)


def _average_counts_nulls(patch: pytest.MonkeyPatch) -> None:
    def mean(values: Iterable[Any]) -> Any:
        found = list(values)
        return numbers.div(numbers.total(found), len(found))

    patch.setitem(python_names.GLOBALS, "mean", mean)


def _since_inclusive(patch: pytest.MonkeyPatch) -> None:
    def span(events: Any, now: Micros, after: tuple[Any, ...], to: tuple[Any, ...]) -> Any:
        return runtime.span(events, now, tuple(x if x is None else x - 1 for x in after), to)

    patch.setitem(python_names.GLOBALS, "span", span)


def _until_exclusive(patch: pytest.MonkeyPatch) -> None:
    def span(events: Any, now: Micros, after: tuple[Any, ...], to: tuple[Any, ...]) -> Any:
        return runtime.span(events, now, after, tuple(x if x is None else x - 1 for x in to))

    patch.setitem(python_names.GLOBALS, "span", span)


def _division_in_floats(patch: pytest.MonkeyPatch) -> None:
    def div(a: Any, b: Any) -> Any:
        x, y = numbers.number_of(a), numbers.number_of(b)
        return None if x is None or not y else numbers.number_of(Decimal(float(x) / float(y)))

    patch.setitem(python_names.GLOBALS, "div", div)


def _latest_takes_the_earliest(patch: pytest.MonkeyPatch) -> None:
    def latest(self: rows.RowCode, made: rows.Rows, part: Any) -> None:
        right(self, made, part)
        made.base = made.base.replace(f"[-{part.data[1]}:]", f"[:{part.data[1]}]")

    right = rows.RowCode._latest
    patch.setattr(rows.RowCode, "_latest", latest)


def _foreign_money_counts_as_own(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(python_names.GLOBALS, "exchanged", lambda rate, zone, amount, *rest: amount)


def _all_of_null_is_true(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(python_names.GLOBALS, "every", lambda x, holds: all(map(holds, runtime.items(x))))


def _nth_counts_from_zero(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(python_names.GLOBALS, "nth_of", lambda place, values: runtime.nth_of(place + 1, values))


def _what_must_not_come_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(python_names.GLOBALS, "unbroken", lambda follows, breaks: follows is not None)


def _weeks_begin_on_sunday(patch: pytest.MonkeyPatch) -> None:
    def start_of(day: Any, period: str) -> Any:
        return dates.start_of(day + timedelta(days=1) if isinstance(day, date) else None, period)

    patch.setitem(python_names.GLOBALS, "start_of", start_of)


@pytest.mark.parametrize(
    ("plant", "ops"),
    [
        (_nth_counts_from_zero, ("nth",)),
        (_what_must_not_come_is_forgotten, ("followed_without",)),
        (_weeks_begin_on_sunday, ("start_of",)),
        (_closed_window, ("within",)),
        (_not_equal_of_sql, ("ne",)),
        (_average_counts_nulls, ("avg",)),
        (_since_inclusive, ("since",)),
        (_until_exclusive, ("until",)),
        (_division_in_floats, ("div",)),
        (_latest_takes_the_earliest, ("latest",)),
        (_all_of_null_is_true, ("macro_all",)),
        (_foreign_money_counts_as_own, ("money",)),
    ],
)
def test_planted_bug_in_the_function_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch, plant: Callable[[pytest.MonkeyPatch], None], ops: tuple[str, ...]
) -> None:
    """The harness finds each bug that is planted into the compiler for one person."""
    cases = _with(world, *ops)
    plant(monkeypatch)
    assert world.for_one(cases)


def _crowd_not_equal_of_sql(patch: pytest.MonkeyPatch) -> None:
    def ne(self: Run, term: Any, level: Any) -> Any:
        a, b = (self.value(arg, level) for arg in term.args)
        return {"b": ~equal(a, b) & ~is_null(a) & ~is_null(b)}

    patch.setattr(Run, "_ne", ne)


def _crowd_since_inclusive(patch: pytest.MonkeyPatch) -> None:
    def since(self: Run, term: Any, made: Any) -> Any:
        bound = self.part(term.args[1], made, "t")
        return made.filter((pl.col("at") >= bound).fill_null(False))

    patch.setattr(crowd_sets.Sets, "_narrow_since", since)


def _crowd_latest_takes_the_earliest(patch: pytest.MonkeyPatch) -> None:
    def latest(self: Run, term: Any, made: Any) -> Any:
        return made.filter(pl.int_range(pl.len()).over("_up") < term.data[1])

    patch.setattr(crowd_sets.Sets, "_narrow_latest", latest)


def _crowd_asks_groups_of_any_size(patch: pytest.MonkeyPatch) -> None:
    nobody = pl.Series([False])
    patch.setattr(crowd_groups.GroupSets, "too_many", lambda self, _: pl.concat([nobody] * self.root.frame.height))


def _crowd_takes_a_group_for_a_person(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(crowd_groups, "_OF_PERSON", frozenset())


def _crowd_rate_of_another_day(patch: pytest.MonkeyPatch) -> None:
    right = runtime.exchanged
    patch.setattr(
        runtime,
        "exchanged",
        lambda rate, zone, amount, code, at, own: right(rate, "Asia/Tokyo", amount, code, at, own),
    )


def _crowd_nth_skips_one(patch: pytest.MonkeyPatch) -> None:
    right = Run._nth

    def nth(self: Run, term: Any, level: Any) -> Any:
        place = msgspec.structs.replace(term.args[2], data=term.args[2].data + 1)
        return right(self, msgspec.structs.replace(term, args=(*term.args[:2], place)), level)

    patch.setattr(Run, "_nth", nth)


def _crowd_forgets_what_must_not_come(patch: pytest.MonkeyPatch) -> None:
    right = crowd_sets.Sets._narrow_followed

    def without(self: Run, term: Any, made: Any) -> Any:
        return right(self, msgspec.structs.replace(term, args=term.args[:2], data=term.data[:3]), made)

    patch.setattr(crowd_sets.Sets, "_narrow_followed_without", without)


def _crowd_weeks_begin_on_sunday(patch: pytest.MonkeyPatch) -> None:
    def start_of(day: Any, period: str) -> Any:
        return dates.start_of(day + timedelta(days=1) if day else day, period)

    patch.setattr("einklang.expr.crowd.start_of", start_of)


def _crowd_closed_window(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        crowd_sets.Sets, "_narrow_within", lambda self, term, made: made.filter(pl.col("at") >= self.now - term.data)
    )
    right = crowd_sets.Sets._events
    patch.setattr(
        crowd_sets.Sets, "_events", lambda self, term, level, machine, _: right(self, term, level, machine, None)
    )


@pytest.mark.parametrize(
    ("plant", "ops"),
    [
        (_crowd_nth_skips_one, ("nth",)),
        (_crowd_weeks_begin_on_sunday, ("start_of",)),
        (_crowd_closed_window, ("within",)),
        (_crowd_forgets_what_must_not_come, ("followed_without",)),
        (_crowd_not_equal_of_sql, ("ne",)),
        (_crowd_since_inclusive, ("since",)),
        (_crowd_latest_takes_the_earliest, ("latest",)),
        (_crowd_rate_of_another_day, ("money",)),
        (_crowd_asks_groups_of_any_size, ("groupevents",)),
        (_crowd_takes_a_group_for_a_person, ("groupevents",)),
        (_crowd_asks_groups_of_any_size, ("groupsize",)),
    ],
)
def test_planted_bug_in_the_plan_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch, plant: Callable[[pytest.MonkeyPatch], None], ops: tuple[str, ...]
) -> None:
    """The harness finds each bug that is planted into the compiler for crowds."""
    cases = [case for case in _with(world, *ops) if case.for_crowds]
    plant(monkeypatch)
    assert world.for_crowds(cases)


def test_late_flip_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The brute force finds flips that are noted a microsecond late."""
    right = Flips.note
    monkeypatch.setattr(Flips, "note", lambda self, moment: right(self, None if moment is None else moment + 1))
    assert _late_flips(_timed(world), world.views[:5])
