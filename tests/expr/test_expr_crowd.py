"""Plans for crowds: by event time, what is unsupported is named, and rules explained part by part."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import msgspec
import polars as pl
import pytest

from einklang.expr import (
    Catalog,
    Crowd,
    Scope,
    check,
    compile_crowd,
    compile_one,
    crowd_supports,
    explain,
    sql_lacks,
    type_of,
)
from einklang.expr.crowd_reach import ALONE, SUPPORTED
from einklang.expr.functions import FUNCTIONS, NARROWING, STRING_METHODS
from einklang.expr.python import Generator
from einklang.expr.python_names import PLAIN
from einklang.expr.rows import Emitter, RowCode
from einklang.kernel.errors import InputError, UsageError
from einklang.kernel.time import DAY
from tests.expr.fakes import FakeEvent, FakeView, at

NOW = at("2027-03-10T12:00:00")
CATALOG = Catalog(traits={"birthday": type_of("date"), "tags": type_of("list(string)")})


def scope(site: str = "segment.where") -> Scope:
    """A place."""
    return Scope(site, CATALOG, {"first": "contact"} if site == "when" else {})


def crowd() -> Crowd:
    """Three persons, one of whom never did anything."""
    events = [
        ("p_1", 1, NOW - DAY, "Order", '{"total": 10, "items": [{"sku": "a"}]}'),
        ("p_1", 2, NOW, "Order", '{"total": 0.1}'),
        ("p_1", 3, NOW + 1, "Order", '{"total": 99}'),
        ("p_2", 4, NOW - 2 * DAY, "Order", '{"total": "10"}'),
    ]
    names = ["person_id", "seq", "at", "name", "properties"]
    frame = pl.DataFrame(events, schema=names, orient="row")
    traits = [
        ("p_1", "city", '"Bonn"', 0),
        ("p_1", "city", '"Köln"', NOW + 1),
        ("p_2", "city", '"Bonn"', 0),
        ("p_2", "city", "null", 5),
    ]
    return Crowd(
        pl.DataFrame({"person_id": ["p_1", "p_2", "p_3"], "zone": ["UTC", "Europe/Berlin", "UTC"]}),
        frame.with_columns(touchpoint=pl.lit("web"), source=pl.lit("shop")),
        pl.DataFrame(traits, schema=["person_id", "name", "value", "at"], orient="row"),
        pl.DataFrame({"person_id": ["p_2"], "channel": ["email"], "purpose": ["news"]}),
        pl.DataFrame({"person_id": ["p_3"], "segment": ["vip"]}),
    )


def held(text: str, now: int = NOW) -> list[bool]:
    """For whom a condition holds."""
    return compile_crowd(check(text, scope())).members(crowd(), now)["holds"].to_list()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('events("Order").exists()', [True, True, False]),
        ('events("Order").within("1d").count() == 1', [True, False, False]),
        ('events("Order").sum(total) == 10.1', [True, False, False]),
        ('events("Order").last(total) == "10"', [False, True, False]),
        ('events("Order").each(items).where(sku == "a").exists()', [True, False, False]),
        ('trait.city == "Bonn"', [True, False, False]),
        ('trait.city != "Bonn"', [False, True, True]),
        ('consent("email", "news") || segment("vip")', [False, True, True]),
        ("!(trait.age < 18)", [True, True, True]),
        ("hour(now) == 13", [False, True, False]),
        ('0 <= events("None").avg(3) || 0 <= (false ? 1 : null) / (false ? 1 : null)', [False, False, False]),
        ('events("Order").where("web" == event.touchpoint).exists()', [True, True, False]),
        ('events("Order").where("shop" == event.source && "p_1" == event.person).count() == 2', [True, False, False]),
        ('"p_2" == person.id', [False, True, False]),
        ("true", [True, True, True]),
    ],
)
def test_members_at_a_moment(text: str, wanted: list[bool]) -> None:
    """Everyone is judged by what is known about the moment: later events and traits do not count."""
    assert held(text) == wanted


def test_another_moment_gives_another_answer() -> None:
    """The moment is an argument."""
    assert held('events("Order").exists()', NOW - DAY) == [True, True, False]
    assert held('events("Order").exists()', NOW - DAY - 1) == [False, True, False]


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("step.first.clicked", ["step"]),
        ('changedAt(segment("vip")) < now', ["changed"]),
        ('reachable("email") && bucket("x") < 0.5', ["bucket", "reachable"]),
        ('lookup("products", "a").name == "x"', []),
        ('lookup("products", 7).name == "x"', ["lookup"]),
        ('trait.city.matches("x")', ["matches"]),
        ("trait.l[0] == 1", ["index"]),
        ('events("x").list(n) == trait.l', ["list"]),
        ("trait.city == trait.other", []),
    ],
)
def test_unsupported_parts_are_named(text: str, missing: list[str]) -> None:
    """What a plan cannot do is declared, and refused when compiled."""
    checked = check(text, scope("when"))
    assert crowd_supports(checked) == missing
    if missing:
        with pytest.raises(UsageError) as caught:
            compile_crowd(checked)
        assert caught.value.code == "not_for_crowds"


def test_every_op_has_a_plan_or_says_why_not() -> None:
    """What one person can be asked has a plan, or is declared with its reason; so says the table of functions."""
    helpers = {"equal", "crossing", "read", "over", "missing", "together", "given", *vars(Emitter)}
    written = {name[1:] for kind in (Generator, RowCode) for name in vars(kind) if re.match(r"_[a-z]", name)}
    sets = {"within", "since", "until", "machine", "where", "of", "each", "latest", "followed", "notfollowed"}
    ops = {name for name in written if name in sets or f"_{name}" in vars(Generator)} - helpers | set(PLAIN)
    assert sorted(ops - SUPPORTED - ALONE.keys()) == []
    assert not SUPPORTED & ALONE.keys()
    alone = {found for text in ALONE.values() for found in re.findall(r"(\w+)\(", text)}
    known = {**FUNCTIONS, **NARROWING, **STRING_METHODS}
    assert alone == {name for name, function in known.items() if not function.crowd}


def test_what_has_no_plan_is_in_the_docs() -> None:
    """docs/data.md names each construct that is asked person by person."""
    page = (Path(__file__).parents[2] / "docs/data.md").read_text()
    assert [text for text in ALONE.values() if text.partition(":")[0] not in page] == []


def test_missing_column_is_an_error() -> None:
    """A field of `person` that the frames lack is named."""
    with pytest.raises(InputError) as caught:
        compile_crowd(check('person.country == "DE"', scope())).members(crowd(), NOW)
    assert caught.value.code == "missing_column"


def test_explained_rule() -> None:
    """A rule as a tree: each part with its text, value and whether it held, also parts that did not decide."""
    view = FakeView(
        NOW,
        traits={"city": "Bonn", "birthday": "1990-03-12"},
        events=[FakeEvent("Order", NOW - DAY, {"total": Decimal("2.5")})],
    )
    text = '(trait.city == "Bonn" || // here\n age(trait.birthday) > 50) && '
    text += 'events("Order").last(event.at) <= now - duration("36h")'
    node = explain(check(text, scope()), view)
    assert (node.text, node.value, node.held) == (" ".join(text.replace("// here", "").split()), False, False)
    either, late = node.children
    assert either.text == 'trait.city == "Bonn" || age(trait.birthday) > 50'
    assert [(part.text, part.value, part.held) for part in either.children] == [
        ('trait.city == "Bonn"', True, True),
        ("age(trait.birthday) > 50", False, False),
    ]
    assert [(part.text, part.value, part.held) for part in late.children] == [
        ('events("Order").last(event.at)', "2027-03-09T12:00:00Z", None),
        ('now - duration("36h")', "2027-03-09T00:00:00Z", None),
    ]
    assert either.children[1].children[0].children[0].value == "1990-03-12"
    length = explain(check('now - events("Order").last(event.at)', scope()), view)
    assert length.value == "1d"
    assert msgspec.json.decode(msgspec.json.encode(node))["children"][0]["held"] is True


@pytest.mark.parametrize("asked", ["(trait.a == {})", "(trait.a in [{}])", "!(trait.a != {})"])
def test_comparisons_of_comparisons_are_asked_person_by_person(asked: str) -> None:
    """What plans would write out two to three times a level is refused there before it runs."""
    text = dict.fromkeys((6, 7), "true")
    for levels in text:
        for _ in range(levels):
            text[levels] = asked.format(text[levels])
    scope = Scope("segment.where", Catalog())
    assert [crowd_supports(check(text[levels], scope)) for levels in (6, 7)] == [[], ["eq"]]
    assert [sql_lacks(check(text[levels], scope), "duckdb") for levels in (6, 7)] == [[], ["eq"]]
    assert compile_one(check(text[7], scope)).value(FakeView(NOW, traits={"a": True})) is True
