"""A computed trait means what its expression means: on every engine, in every place, and in what it listens to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from einklang.expr import Catalog, ExprError, Scope, check, compile_crowd, compile_one, explain, sql_lacks
from einklang.expr.types import EventShape, Type, type_of
from einklang.kernel.time import DAY
from tests.expr.agreement import comparable
from tests.expr.fakes import FakeEvent, FakeView
from tests.expr.people import NOW, STEP, Chance, crowd_of, person, view_of

COMPUTED = {
    "spent": 'events("A").sum(amount)',
    "busy": 'events("A", "B").within("2d").count() >= 2',
    "worth": "trait.spent * 2 + coalesce(trait.points, 0)",
    "home": 'coalesce(trait.city, lower(trait.address.city), "nowhere")',
    "first": 'events("A").first(event.at)',
    "good": "trait.busy && trait.worth > 10",
}
TYPES: dict[str, Type] = {
    name: type_of(kind)
    for name, kind in (
        ("spent", "number"), ("busy", "bool"), ("worth", "number"), ("home", "string"), ("first", "timestamp"),
        ("good", "bool"), ("points", "number"), ("city", "string"),
    )
}  # fmt: skip
EVENTS = {name: EventShape(properties={"amount": type_of("number")}) for name in ("A", "B")}
SCOPE = Scope("when", Catalog(traits=TYPES, computed=COMPUTED, events=EVENTS, currency=""))
PAIRS = [
    ("trait.spent > 5", 'events("A").sum(amount) > 5'),
    ("trait.good", '(events("A", "B").within("2d").count() >= 2)'
     ' && (events("A").sum(amount) * 2 + coalesce(trait.points, 0)) > 10'),
    ('trait.home == "nowhere"', 'coalesce(trait.city, lower(trait.address.city), "nowhere") == "nowhere"'),
    ('events("A").where(amount * 3 > trait.spent).count()', 'events("A").where(amount * 3 > 0).count()'),
    ('trait.first > now - duration("3d")', 'events("A").first(event.at) > now - duration("3d")'),
    ("!has(trait.first) || trait.worth / 2 >= trait.spent", "true"),
]  # fmt: skip


@pytest.mark.parametrize(("short", "long"), PAIRS[:3] + PAIRS[4:5])
def test_the_name_means_the_expression(short: str, long: str) -> None:
    """For random persons, function and plan give what the written-out expression gives, and listen to the same."""
    chance = Chance(7)
    people = [person(chance, n) for n in range(12)]
    one, other = check(short, SCOPE), check(long, SCOPE)
    values = [compile_one(one).value_and_flip(view_of(who)) for who in people]
    assert values == [compile_one(other).value_and_flip(view_of(who)) for who in people]
    assert (one.needs.events, one.needs.time) == (other.needs.events, other.needs.time)
    crowd = crowd_of(people)
    planned = compile_crowd(one).members(crowd, NOW)["holds"].to_list()
    assert planned == [value is True for value, _ in values]


@pytest.mark.parametrize("short", [pair[0] for pair in PAIRS])
def test_every_place_takes_it(short: str) -> None:
    """Function and plan agree, also inside an event, where the trait still is the person's."""
    chance = Chance(8)
    people = [person(chance, n) for n in range(12)]
    checked = check(short, SCOPE)
    rows = compile_crowd(checked).values(crowd_of(people), NOW).drop("person_id").to_dicts()
    planned = [comparable(next((value for value in row.values() if value is not None), None)) for row in rows]
    assert planned == [comparable(compile_one(checked).value(view_of(who))) for who in people]


def test_time_flips_it() -> None:
    """What its window loses, it loses at that moment."""
    view = FakeView(NOW, events=[FakeEvent("A", NOW - DAY, seq=1), FakeEvent("B", NOW, seq=2)])
    ask = compile_one(check("trait.busy", SCOPE))
    assert ask.value_and_flip(view) == (True, NOW + DAY)
    assert ask.value(replace(view, now=NOW + DAY)) is False


def test_an_explanation_shows_the_name() -> None:
    """`why` says `trait.good` with its value, in the words of who wrote it."""
    node = explain(check("trait.good && trait.spent > 1", SCOPE), FakeView(NOW))
    assert [child.text for child in node.children] == ["trait.good", "trait.spent > 1"]
    assert node.children[0].children == ()


CIRCLE = Catalog(computed={"a": "trait.b + 1", "b": "trait.a + 1", "c": "trait.c"})
DEEP = Catalog(computed={f"t{n}": f"trait.t{n - 1} + trait.t{n - 1}" for n in range(1, 30)} | {"t0": "1"})
PLUS_8 = " + 1)" * 8
LONG = Catalog(computed={f"t{n}": f"{'(' * 8}trait.t{n - 1}{PLUS_8}" for n in range(1, 30)} | {"t0": "1"})


@pytest.mark.parametrize(
    ("catalog", "text", "code"),
    [
        (CIRCLE, "trait.a > 1", "depends_on_itself"),
        (CIRCLE, "trait.c > 1", "depends_on_itself"),
        (DEEP, "trait.t20 > 1", "too_many_nodes"),
        (LONG, "trait.t9 > 1", "too_deep"),
        (SCOPE.catalog, "changedAt(trait.spent) < now", "wrong_type"),
        (SCOPE.catalog, 'trait.spent == "5" && trait.home > 3 - "x"', "wrong_type"),
    ],
)
def test_what_is_refused(catalog: Catalog, text: str, code: str) -> None:
    """Circles, what grows beyond all limits, and the time of what nobody stored."""
    with pytest.raises(ExprError) as caught:
        check(text, Scope("when", catalog))
    assert caught.value.code == code


def test_what_the_place_knows_is_not_known_inside() -> None:
    """A computed trait is about the person: the run, its entry and macro variables of the place are no part of it."""
    catalog = Catalog(computed={"late": "entry.at < now"})
    with pytest.raises(ExprError) as caught:
        check("trait.late", Scope("when", catalog))
    assert caught.value.code == "root_not_here"


def _cases(chance: Chance, number: int) -> dict[str, Any]:
    """A person with random words of cases: orphans, repeats, another process."""
    rows, opened = [], set()
    for seq in range(chance.below(9)):
        process, case = chance.pick(["complaint", "complaint", "dunning"]), chance.pick("abc")
        name = chance.pick(["Case Opened", "Case Opened", "Case Closed", "Case Advanced"])
        if name != "Case Opened" or case not in opened:
            opened.add(case if name == "Case Opened" else "")
            rows.append(
                {"name": name, "at": NOW - chance.below(4) * STEP, "seq": seq, "person": f"p_{number}", "source": "erp",
                 "touchpoint": "", "machine": False, "properties": {"process": process, "case_id": case}}
            )  # fmt: skip
    return person(chance, number) | {"events": rows}


def test_open_cases_are_those_that_nobody_closed() -> None:
    """Function, plan and looking at all events agree, over random histories."""
    checked = check('openCases("complaint")', Scope("deny", Catalog()))
    assert checked.needs.events == {"Case Opened", "Case Closed"}
    chance = Chance(7)
    people = [_cases(chance, number) for number in range(40)]
    wanted = []
    for who in people:
        told = [(one["name"], one["properties"]) for one in who["events"]]
        opened, closed = (
            {said["case_id"] for name, said in told if (name, said["process"]) == (f"Case {what}", "complaint")}
            for what in ("Opened", "Closed")
        )
        wanted.append(len(opened - closed))
    assert len(set(wanted)) >= 3
    assert [compile_one(checked).value(view_of(who)) for who in people] == wanted
    assert list(compile_crowd(checked).values(crowd_of(people), NOW)["n"]) == wanted
    assert sql_lacks(checked, "duckdb") == sql_lacks(checked, "spark") == []
