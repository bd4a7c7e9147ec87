"""`objects("kind")`: function, plan and a naive interpreter agree on random conditions and persons; what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import polars as pl
import pytest

from einklang.expr import Catalog, Checked, Crowd, ExprError, ObjectShape, Scope, check, compile_crowd, compile_one
from einklang.expr.crowd_frames import OBJECTS
from einklang.expr.parse import parse
from einklang.expr.tree import Tree
from einklang.expr.types import type_of
from einklang.kernel.time import DAY, format_moment
from tests.expr.agreement import comparable
from tests.expr.fakes import FakeView
from tests.expr.naive import Naive
from tests.expr.naive_functions import from_json, read
from tests.expr.people import NOW, STEP, Chance, crowd_of, person, view_of

TYPES = {
    "id": "string",
    "state": "string",
    "worth": "money",
    "ends_at": "timestamp",
    "due": "date",
    "open": "bool",
    "tags": "list(string)",
    "extra": "dyn",
}
SHAPE = ObjectShape({name: type_of(kind) for name, kind in TYPES.items()}, ("Loan Asked",))
LOOSE = ObjectShape({"id": type_of("string")}, ("Thing Seen",), closed=False)
SCOPE = Scope("when", Catalog(objects={"loan": SHAPE, "thing": LOOSE}))
ROWS = "loan"


def _object(chance: Chance, number: int) -> dict[str, Any]:
    moments = [format_moment(NOW + shift * STEP) for shift in (-4, -1, 0, 1, 4)]
    found = {
        "state": chance.pick(["active", "ended", None]),
        "worth": chance.pick([None, 0, 5, 12, 3, "7"]),
        "ends_at": chance.pick([None, *moments, "soon"]),
        "due": chance.pick([None, "2026-03-29", "2026-04-02", "--03-30"]),
        "open": chance.pick([True, False, None, "true"]),
        "tags": chance.pick([None, [], ["a", "b"], ["b", 1]]),
        "extra": chance.pick([None, 1, "a", True, 2]),
    }
    return {name: value for name, value in found.items() if not chance.share(0.1)} | {"id": f"o{number}"}


def _condition(chance: Chance, depth: int = 2) -> str:
    if depth and chance.share(0.6):
        a, b = _condition(chance, depth - 1), _condition(chance, depth - 1)
        return chance.pick([f"!({a})", f"({a}) && ({b})", f"({a}) || ({b})"])
    sign = chance.pick(["<", "<=", ">", ">=", "==", "!="])
    return chance.pick(
        [
            f"state {chance.pick(['==', '!='])} {chance.pick(['null', chr(34) + 'active' + chr(34)])}",
            f"worth {sign} {chance.pick(['5', '4.5', 'trait.points'])}",
            f'ends_at {chance.pick(["<", "<=", ">", ">="])} now + duration("{chance.pick(["6h", "1d"])}")',
            f"due {chance.pick(['<', '>='])} today",
            "open",
            'tags.exists(t, t == "b")',
            "has(extra)",
            f"extra {chance.pick(['==', '!='])} {chance.pick(['1', 'true'])}",
        ]
    )


def _expression(chance: Chance) -> str:
    rows = f'objects("{ROWS}")' + "".join(f".where({_condition(chance)})" for _ in range(chance.below(3)))
    again = f'.where({_condition(chance)}).count() + size(objects("{ROWS}").list(id))'
    folds = (
        ".exists()", ".count()", ".sum(worth)", ".avg(worth)", ".min(worth)", ".max(ends_at)", ".distinct(state)",
        ".first(id)", ".last(id)", ".last(extra)", ".min(due)", ".sum(coalesce(worth, 1) * 2)", again,
    )  # fmt: skip
    return rows + chance.pick(folds)


class NaiveObjects(Naive):
    """The naive interpreter with objects: rows of plain values, in the order in which they are given."""

    def on_method(self, tree: Tree, env: dict[str, Any]) -> Any:
        chain = [tree]
        while chain[-1].kind == "method":
            chain.append(chain[-1].args[0])
        root = chain[-1]
        if root.kind != "call" or root.value != "objects":
            return super().on_method(tree, env)
        found = [
            {name: read(from_json(value), TYPES.get(name, "dyn")) for name, value in one.items()}
            for one in self.person["objects"].get(root.args[0].value, [])
        ]
        for part in chain[1:-1][::-1]:
            found = [one for one in found if self.true(part.args[1], {**env, "$object": one})]
        return self._folded(tree, found, env)

    def _folded(self, tree: Tree, rows: list[dict[str, Any]], env: dict[str, Any]) -> Any:
        if tree.value in ("exists", "count"):
            return bool(rows) if tree.value == "exists" else self.on_number(Tree("number", len(rows), (), 0, 0), env)
        env = {**env, "$objects": rows}
        return self._values(tree, [self.value(tree.args[1], {**env, "$object": one}) for one in rows])

    def _values(self, tree: Tree, values: list[Any]) -> Any:
        found = [value for value in values if value is not None]
        if tree.value == "list":
            return found
        if tree.value in ("first", "last"):
            return found[0 if tree.value == "first" else -1] if found else None
        zero = self.on_number(Tree("number", 0, (), 0, 0), {})
        if tree.value == "distinct":
            return zero + len({comparable(value) for value in found})
        numbers = [value for value in found if isinstance(value, type(zero))]
        if tree.value == "sum":
            return sum(numbers, zero)
        if tree.value == "avg":
            return self.arithmetic("/", sum(numbers, zero), zero + len(numbers)) if numbers else None
        found = [value for value in found if not isinstance(value, tuple)]
        taken = numbers if tree.args[1].value == "worth" else found
        return (min if tree.value == "min" else max)(taken, default=None)

    def on_name(self, tree: Tree, env: dict[str, Any]) -> Any:
        if "$object" in env and tree.value not in (*env, "now", "today"):
            return env["$object"].get(tree.value)
        return super().on_name(tree, env)


class World:
    """Persons with objects, as all three read them."""

    def __init__(self, seed: int) -> None:
        chance = Chance(seed)
        self.people = [person(chance, number) for number in range(12)]
        for who in self.people:
            who["objects"] = {ROWS: [_object(chance, n) for n in range(chance.below(5))]}
        self.views = [replace(view_of(who), business=who["objects"]) for who in self.people]
        encode = msgspec.json.Encoder(decimal_format="number").encode
        rows = [
            (who["id"], kind, n, encode(one).decode())
            for who in self.people
            for kind, objects in who["objects"].items()
            for n, one in enumerate(objects)
        ]
        self.crowd: Crowd = replace(crowd_of(self.people), objects=pl.DataFrame(rows, schema=OBJECTS, orient="row"))
        self.sources = [_expression(chance) for _ in range(150)]

    def naive(self, source: str) -> list[Any]:
        """What the oracle says for each person."""
        return [comparable(NaiveObjects(who, NOW, {}).value(parse(source), {})) for who in self.people]


def _of_plan(checked: Checked, crowd: Crowd) -> list[Any]:
    rows = compile_crowd(checked).values(crowd, NOW).drop("person_id").to_dicts()
    return [comparable(next((value for value in row.values() if value is not None), None)) for row in rows]


@pytest.fixture(scope="module")
def world() -> World:
    """Random persons and expressions."""
    return World(20260329)


@pytest.mark.slow
def test_function_plan_and_naive_interpreter_agree(world: World) -> None:
    """150 random expressions over objects have one value for each person, whoever works it out."""
    planned = answered = 0
    for source in world.sources:
        checked = check(source, SCOPE)
        wanted = world.naive(source)
        one = compile_one(checked)
        assert [comparable(one.value(view)) for view in world.views] == wanted, source
        assert [comparable(one.value_and_flip(view)[0]) for view in world.views] == wanted, source
        assert _of_plan(checked, world.crowd) == wanted, source
        planned += 1
        answered += len({str(value) for value in wanted}) > 1
    assert planned == 150
    assert answered > 75, "most expressions tell persons apart"


def test_a_window_on_a_field_flips_in_time(world: World) -> None:
    """`ends_at < now + ...` changes by itself exactly when the next object comes in."""
    ask = compile_one(check('objects("loan").where(ends_at < now + duration("90d")).count()', SCOPE))
    ends = [NOW + 90 * DAY + shift for shift in (-5, 0, 7)]
    view = FakeView(NOW, business={"loan": [{"id": str(at), "ends_at": format_moment(at)} for at in ends]})
    assert ask.value_and_flip(view) == (1, NOW + 1)
    assert ask.value_and_flip(replace(view, now=NOW + 1)) == (2, NOW + 7)


def test_needs_name_the_events_that_make_the_objects() -> None:
    """A condition listens to the events of its kinds, so that it is asked again when one comes."""
    needs = check('objects("loan").exists() || objects("thing").exists()', SCOPE).needs
    assert needs.events == {"Loan Asked", "Thing Seen"}


@pytest.mark.parametrize(
    ("text", "code", "mend"),
    [
        ('objects("lone").exists()', "unknown_id", "`loan`"),
        ('objects("loan").where(wort > 1).exists()', "unknown_field", "`worth`"),
        ('objects("loan").within("3d").exists()', "wrong_type", "where(...)"),
        ('objects("loan").latest(1).count()', "wrong_type", "where(...)"),
        ('objects("loan").where(event.at < now).exists()', "root_not_here", "inside an event"),
        ('objects("loan").where(events("A").exists()).exists()', "events_inside_event", "outside"),
        ('events("A").where(objects("loan").exists()).exists()', "events_inside_event", "outside"),
        ('objects("loan")', "wrong_type", ".exists()"),
        ("objects().exists()", "wrong_arguments", "objects("),
        ('objects("loan", "thing").exists()', "wrong_arguments", "objects("),
        ('objects("loan").where(state > 1).count()', "wrong_type", ""),
    ],
)
def test_what_is_refused(text: str, code: str, mend: str) -> None:
    """Unknown kinds and fields, windows, and sets inside of sets are refused with the mend."""
    with pytest.raises(ExprError) as caught:
        check(text, SCOPE)
    assert caught.value.code == code
    assert mend in caught.value.mend


def test_a_kind_without_fields_knows_any() -> None:
    """Where the definition names no fields, any property may be asked for."""
    view = FakeView(NOW, business={"thing": [{"id": "1", "colour": "red"}]})
    assert compile_one(check('objects("thing").where(colour == "red").count()', SCOPE)).value(view) == 1


def test_foreign_money_of_an_object_counts_at_the_rate_of_the_day_it_began() -> None:
    """Amounts with another currency beside them, also in lists, become the policy's; without a rate they are null."""
    shape = ObjectShape({"worth": type_of("money"), "currency": type_of("string"), "lines": type_of("list(map)")})
    scope = Scope("when", Catalog(objects={"loan": shape}, currency="EUR"))
    began = "2026-03-28T12:00:00Z"
    rows = [
        {"worth": 10, "currency": "USD", "began_at": began, "lines": [{"price": 4}]},
        {"worth": 5, "currency": "EUR", "began_at": began},
        {"worth": 7, "currency": "CHF", "began_at": began},
    ]
    rates = {"exchange-rates": {"USD/2026-03-28": {"rate": 2}}}
    view = FakeView(NOW, business={"loan": rows}, catalogs=rates)
    for text, wanted in (
        ('objects("loan").sum(worth)', 25),
        ('objects("loan").where(worth == null).count()', 1),
        ('objects("loan").where(lines.exists(p, p.price == 8)).count()', 1),
    ):
        assert compile_one(check(text, scope)).value(view) == wanted, text
