"""Plans in SQL on DuckDB agree with the naive interpreter, the harness finds planted bugs, literals stay literals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import polars as pl
import pytest
from msgspec.json import encode

from einklang.expr import Catalog, ObjectShape, Scope, check, compile_crowd
from einklang.expr.crowd_frames import MEMBERS, OBJECTS
from einklang.expr.crowd_reach import SUPPORTED
from einklang.expr.sql import ENGINES, compile_sql, sql_lacks
from einklang.expr.sql_text import LACKING
from einklang.store.lake.engine import DuckEngine, put_crowd
from tests.expr.agreement import KINDS, Case, World
from tests.store.sql_agreement import can, disagreements, with_anchors
from tests.store.sql_bugs import BUGS
from tests.store.sql_nasty import NASTY, asked_of, nasty_crowd, wrongly_answered

pytestmark = pytest.mark.xdist_group("sql agreement")


@pytest.fixture(scope="module")
def world() -> World:
    """Random expressions and persons with the naive answers."""
    return with_anchors(World(seed=20260330, expressions=130, persons=12))


@pytest.fixture(scope="module")
def cases(world: World) -> list[Case]:
    """The cases that DuckDB answers."""
    return can(world, "duckdb")


@pytest.fixture(scope="module")
def engine(world: World) -> Iterator[DuckEngine]:
    """DuckDB with the persons of the world."""
    with DuckEngine(world.crowd.rate, world.crowd.lookup) as found:
        put_crowd(found, world.crowd)
        yield found


def _show(found: list[str]) -> str:
    return f"{len(found)} disagreements:\n" + "\n".join(found[:10])


@pytest.mark.slow
def test_cases_use_every_kind_of_node(world: World, cases: list[Case]) -> None:
    """Every kind of node that DuckDB knows and the generator writes occurs among its cases, and a fifth of all cases
    is sharp.
    """
    kinds: Counter[str] = Counter()
    for case in cases:
        kinds.update(case.kinds)
    never = {kind for kind in KINDS if "duckdb" in ENGINES.get(kind, ()) and not kinds[kind]}
    assert not never, f"never asked: {never} in {kinds}"
    edges = world.edges()
    assert edges["edge"] >= edges["cases"] / 5, edges


@pytest.mark.slow
def test_duckdb_agrees_with_naive_interpreter(world: World, cases: list[Case], engine: DuckEngine) -> None:
    """Plans of 50 expressions give the naive answers for every person."""
    assert len(cases) >= 100
    found = disagreements(world, cases, engine)
    assert not found, _show(found)


@pytest.mark.slow
def test_one_by_one_is_as_many_together(world: World, cases: list[Case], engine: DuckEngine) -> None:
    """What shares a pass with others gives what it gives alone."""
    found = disagreements(world, cases[:20], engine, together=1)
    assert not found, _show(found)


@pytest.mark.slow
@pytest.mark.parametrize(("plant", "op"), BUGS)
def test_planted_bug_is_found(
    world: World,
    cases: list[Case],
    engine: DuckEngine,
    monkeypatch: pytest.MonkeyPatch,
    plant: Callable[[pytest.MonkeyPatch], None],
    op: str,
) -> None:
    """The harness finds each bug that is planted into the compiler."""
    asked = [case for case in cases if set(op.split()) & case.kinds][-80:]
    plant(monkeypatch)
    assert disagreements(world, asked, engine)


# literals


@pytest.mark.parametrize("text", NASTY)
def test_no_literal_is_code(text: str) -> None:
    """Texts that look like SQL, paths or templates are compared as texts, wherever they stand in a condition."""
    asked = asked_of([text], "duckdb")
    assert len(asked) >= 14
    plan = compile_sql(asked, "duckdb", 10)
    assert not [part for part in ("DROP", "🙂", "\x00", "${x}") if part in plan.text]
    crowd = nasty_crowd([text])
    with DuckEngine(crowd.rate, crowd.lookup) as engine:
        put_crowd(engine, crowd)
        assert wrongly_answered([text], asked, engine) == []


@pytest.mark.parametrize("group", ["", "firm"])
def test_objects_that_a_group_holds_are_its_members(group: str) -> None:
    """Who is a member has them beside her own; whoever asks, DuckDB counts as Polars does."""
    catalog = Catalog(objects={"contract": ObjectShape(closed=False, group=group)})
    asked = [check(f'objects("contract"){rest}', Scope("segment.where", catalog)) for rest in (".count()", ".last(id)")]
    holders = [("a", 2), ("firm\x1fg", 0), ("firm\x1fg", 3), ("house\x1fg", 1)]
    rows = [(who, "contract", n, encode({"id": n}).decode()) for who, n in holders]
    members = [(who, "firm", "g", None, False) for who in "ab"]
    crowd = replace(
        nasty_crowd(["x"]),
        persons=pl.DataFrame({"person_id": ["a", "b", "c"], "zone": ["UTC"] * 3}),
        objects=pl.DataFrame(rows, schema=OBJECTS, orient="row"),
        members=pl.DataFrame(members, schema=MEMBERS, orient="row"),
    )
    wanted = {"a": (3, 3), "b": (2, 3), "c": (0, None)} if group else {"a": (1, 2), "b": (0, None), "c": (0, None)}
    with DuckEngine() as engine:
        put_crowd(engine, crowd)
        plan = compile_sql([(str(at), one) for at, one in enumerate(asked)], "duckdb", 10, values=True)
        found = {row[0]: (row[1], row[2]) for row in engine.run(plan).rows()}
    assert {
        who: (count, None if last is None else int(float(last[1:]))) for who, (count, last) in found.items()
    } == wanted
    for at, one in enumerate(asked):
        polars = compile_crowd(one).values(crowd, 10)
        assert list(polars["n"]) == [wanted[who][at] for who in polars["person_id"]]


def test_what_an_engine_lacks_is_said() -> None:
    """An expression that an engine cannot answer names the parts it cannot do."""
    scope = Scope("segment.where", Catalog())
    assert sql_lacks(check('trait.name.matches("a+")', scope), "duckdb") == ["matches"]
    assert sql_lacks(check('bucket("x") < 0.5 && trait.n % 2 == 1', scope), "spark") == ["bucket", "mod"]
    assert sql_lacks(check('events("A").exists()', scope), "duckdb") == []


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["duckdb", "spark"])
def test_what_crowds_can_sql_can(world: World, engine: str) -> None:
    """Of all that Polars answers an engine lacks but the forms that are declared, in one case of ten at most."""
    asked = [case for case in world.cases if case.for_crowds]
    lacks = [sql_lacks(case.checked, engine) for case in asked]
    assert {part for found in lacks for part in found} <= {
        part for part, lacking in LACKING.items() if engine in lacking
    }
    assert 10 * sum(map(bool, lacks)) <= len(asked), [found for found in lacks if found]


def test_case_kinds_are_declared() -> None:
    """Each engine is named for what the table says it does, and no other name stands in it."""
    assert ENGINES.keys() == SUPPORTED
    assert {engine for engines in ENGINES.values() for engine in engines} == {"duckdb", "spark"}
    assert Case("1", check("1", Scope("segment.where", Catalog()))).kinds == {"const"}
