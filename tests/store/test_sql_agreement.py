"""Plans in SQL on DuckDB agree with the naive interpreter, the harness finds planted bugs, literals stay literals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
import pytest
from msgspec.json import encode

from einklang.expr import Catalog, Crowd, EventShape, ObjectShape, Scope, check, sql_sets
from einklang.expr.crowd_reach import SUPPORTED
from einklang.expr.sql import ENGINES, compile_sql, sql_lacks
from einklang.expr.sql_calls import Calls
from einklang.expr.sql_groups import Belonging
from einklang.expr.sql_rows import Rows
from einklang.expr.sql_sets import Set, Sets
from einklang.expr.sql_terms import Terms
from einklang.expr.sql_text import LACKING, NUMBER, Code, DuckDB, made, number
from einklang.expr.tree import Term
from einklang.expr.write import quoted
from einklang.store.lake.engine import DuckEngine, put_crowd
from tests.expr.agreement import KINDS, Case, World
from tests.store.sql_agreement import can, disagreements, with_anchors


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


# planted bugs: each is applied to the compiler, and the harness must find it


def _closed_window(patch: pytest.MonkeyPatch) -> None:
    def within(self: Sets, term: Term, to: Set) -> None:
        to.conditions.append(made(f"{{0}} >= {self.now - term.data}", to.rows.column("at")))

    patch.setattr(Sets, "_set_within", within)
    patch.setattr("einklang.expr.sql_sets.Base.widen", lambda self, names, low: setattr(self, "names", None))


def _not_equal_of_sql(patch: pytest.MonkeyPatch) -> None:
    def ne(self: Terms, term: Term, at: Any) -> Code:
        a, b = term.args
        return made("({0} AND NOT {1} AND NOT {2})", made("NOT {0}", self.equal(a, b, at)), *_nulls(self, a, b, at))

    patch.setattr(Terms, "_ne", ne)


def _nulls(terms: Terms, a: Term, b: Term, at: Any) -> list[Code]:
    return [terms.is_null(part, at) for part in (a, b)]


def _since_inclusive(patch: pytest.MonkeyPatch) -> None:
    def since(self: Sets, term: Term, to: Set) -> None:
        bound = self.typed(term.args[1], to.rows, "timestamp")
        to.conditions.append(made("COALESCE({0} >= {1}, FALSE)", to.rows.column("at"), bound))

    patch.setattr(Sets, "_set_since", since)


def _average_counts_nulls(patch: pytest.MonkeyPatch) -> None:
    right = Sets._column

    def column(self: Sets, group: Any, function: str, conditions: Any, at: Rows, *values: Code) -> Code:
        if function == "COUNT({0})":
            return right(self, group, "COUNT(*)", conditions, at)
        return right(self, group, function, conditions, at, *values)

    patch.setattr(Sets, "_column", column)


def _machines_count(patch: pytest.MonkeyPatch) -> None:
    right = Sets._open

    def opened(self: Sets, *args: Any) -> Set:
        found = right(self, *args)
        found.conditions = found.conditions[:1]
        return found

    patch.setattr(Sets, "_open", opened)


def _numbers_are_floats(patch: pytest.MonkeyPatch) -> None:
    def read(self: DuckDB, part: Code, doc: Code | None, path: tuple[str, ...]) -> Code:
        return made(f"CAST(TRY_CAST({{0}} AS DOUBLE) AS {NUMBER})", part)

    patch.setattr(DuckDB, "read_number", read)


def _all_of_null_is_true(patch: pytest.MonkeyPatch) -> None:
    right = Sets._macro_exists

    def every(self: Sets, term: Term, at: Any) -> Code:
        found = right(self, term, at)
        return Code(found.text.removesuffix("FALSE)") + "TRUE)", found.deps) if found.text.endswith("FALSE)") else found

    patch.setattr(Sets, "_macro_all", every)


def _division_in_floats(patch: pytest.MonkeyPatch) -> None:
    right = Calls.arithmetic

    def arithmetic(self: Calls, op: str, a: Code, b: Code, at: Any) -> Code:
        if op == "div":
            return made(f"CAST(CAST({{0}} AS DOUBLE) / NULLIF({{1}}, 0) AS {NUMBER})", a, b)
        return right(self, op, a, b, at)

    patch.setattr(Calls, "arithmetic", arithmetic)


def _zone_of_the_server(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Terms, "zone", lambda self, at: Code("'UTC'", solid=True))


def _latest_takes_the_earliest(patch: pytest.MonkeyPatch) -> None:
    right = Sets._derive

    def derive(self: Sets, made_of: Set, make: Callable[[], str], *rest: Any, **named: Any) -> Any:
        return right(self, made_of, lambda: make().replace(" DESC", ""), *rest, **named)

    patch.setattr(Sets, "_derive", derive)


def _not_followed_while_it_can_be(patch: pytest.MonkeyPatch) -> None:
    def notfollowed(self: Sets, term: Term, to: Set) -> None:
        to.conditions.append(made("NOT {0}", self._follower(term, to)))
        to.asks = True

    patch.setattr(Sets, "_set_notfollowed", notfollowed)


def _sum_of_nothing_is_null(patch: pytest.MonkeyPatch) -> None:
    right = Sets._fold_sum

    def fold(self: Sets, *args: Any) -> Code:
        found = right(self, *args)
        return Code(found.text.replace(f", {number(0).text})", ")"), found.deps)

    patch.setattr(Sets, "_fold_sum", fold)


def _nth_skips_one(patch: pytest.MonkeyPatch) -> None:
    right = DuckDB.earliest
    patch.setattr(DuckDB, "earliest", lambda self, order, n: right(self, order, n + 1))


def _lists_hold_the_newest_alone(patch: pytest.MonkeyPatch) -> None:
    right = DuckDB.newest
    patch.setattr(DuckDB, "newest", lambda self, order, n: right(self, order, 1))


def _what_must_not_come_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    def without(self: Sets, term: Term, to: Set) -> None:
        to.conditions.append(self._of_followers(term.args[1], term.data[2], to, "EXISTS (SELECT 1"))
        to.asks = True

    patch.setattr(Sets, "_set_followed_without", without)


def _members_did_nothing_but_the_person(patch: pytest.MonkeyPatch) -> None:
    own = " JOIN (SELECT 1) AS one ON TRUE"
    patch.setattr(sql_sets, "members_of", lambda *_, keyed: ("e.person_id", own))
    patch.setattr(sql_sets, "keyed_by", lambda term: "")


def _groups_of_any_size_are_asked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Belonging, "few", lambda self, term, column: [])


def _traits_of_groups_as_they_will_be(patch: pytest.MonkeyPatch) -> None:
    right = Belonging._traits

    def traits(self: Belonging, *args: Any) -> str:
        return right(self, *args).replace("t.at <=", "t.at >")

    patch.setattr(Belonging, "_traits", traits)


def _a_row_of_catalogs_is_lost(patch: pytest.MonkeyPatch) -> None:
    right = Terms._looked_up

    def looked_up(self: Terms, *args: Any) -> Code:
        found = right(self, *args)
        return Code(f"NULLIF({found.text}, '\"Shoe\"')", found.deps, python=True)

    patch.setattr(Terms, "_looked_up", looked_up)


def _months_begin_as_weeks(patch: pytest.MonkeyPatch) -> None:
    def start_of(self: Calls, term: Term, at: Any) -> Code:
        return self.asked("ek_start_of", self.typed(term.args[0], at, "date"), self.dialect.text("week"))

    patch.setattr(Calls, "_start_of", start_of)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plant", "op"),
    [
        (_nth_skips_one, "nth"),
        (_lists_hold_the_newest_alone, "list_rows"),
        (_what_must_not_come_is_forgotten, "followed_without"),
        (_members_did_nothing_but_the_person, "groupevents"),
        (_groups_of_any_size_are_asked, "groupsize groupevents"),
        (_traits_of_groups_as_they_will_be, "grouptrait"),
        (_a_row_of_catalogs_is_lost, "lookup"),
        (_months_begin_as_weeks, "start_of"),
        (_closed_window, "within"),
        (_not_equal_of_sql, "ne"),
        (_since_inclusive, "since"),
        (_average_counts_nulls, "avg"),
        (_machines_count, "events"),
        (_numbers_are_floats, "trait"),
        (_all_of_null_is_true, "macro_all"),
        (_division_in_floats, "div"),
        (_zone_of_the_server, "date_of_ts ts_of_date hour"),
        (_latest_takes_the_earliest, "latest"),
        (_not_followed_while_it_can_be, "notfollowed"),
        (_sum_of_nothing_is_null, "sum"),
    ],
)
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

NASTY = (
    "it's", "'; DROP TABLE ek_events; --", 'a"b', "back\\slash", "\\'", "/* x */", "${x}", "{0}", "%s", "?", "$1",
    "nul\x00l", "zeile\nzwei", "größe 鍵 🙂", "<@1>", "\x01n5", "lambda x: x", "a.b[0]", "*", "~/",
)  # fmt: skip


def _nasty_crowd(text: str) -> Crowd:
    """Two persons: of the one everything is called as the text, of the other nothing."""
    told = {text: text, "list": [{text: text}], "plain": text}
    names = {"person_id": pl.String, "name": pl.String}
    events = pl.DataFrame(
        [
            {"person_id": "a", "seq": 1, "at": 5, "name": text, "touchpoint": text, "source": "s", "machine": False,
             "properties": encode(told).decode()},
            {"person_id": "b", "seq": 2, "at": 5, "name": "other", "touchpoint": "web", "source": "s",
             "machine": False, "properties": "{}"},
        ]
    )  # fmt: skip
    traits = pl.DataFrame(
        [{"person_id": "a", "name": text, "value": encode({text: text}).decode(), "at": 1}],
        schema={**names, "value": pl.String, "at": pl.Int64},
    )
    objects = pl.DataFrame([{"person_id": "a", "kind": text, "n": 0, "body": encode({text: text}).decode()}])
    return Crowd(
        pl.DataFrame({"person_id": ["a", "b"], "zone": ["UTC", "UTC"]}),
        events,
        traits,
        pl.DataFrame([{"person_id": "a", "channel": text, "purpose": text}]),
        pl.DataFrame([{"person_id": "a", "segment": text}]),
        objects=objects,
    )


def _nasty_conditions(text: str) -> list[str]:
    """A condition for each place in which a text can stand; all hold for the first person alone."""
    q = quoted(text)
    return [
        f"events({q}).exists()",
        f"events({q}).where(event.properties[{q}] == {q}).exists()",
        f"events({q}).where(plain == {q}).exists()",
        f"events({q}).where(plain.contains({q}) && plain in [{q}]).exists()",
        f"events({q}).where(event.touchpoint == {q}).exists()",
        f"events({q}).where(list.exists(x, x[{q}] == {q})).exists()",
        f"events({q}).each(list).where({q} == event.properties[{q}]).count() == 1",
        f"trait[{q}][{q}] == {q}",
        f"{q} in trait[{q}]",
        f"segment({q})",
        f"consent({q}, {q})",
        f"objects({q}).exists()",
        f'has(trait[{q}]) && ({q} + "x").startsWith({q})',
    ]


@pytest.mark.parametrize("text", NASTY)
def test_no_literal_is_code(text: str) -> None:
    """Texts that look like SQL, paths or templates are compared as texts, wherever they stand in a condition."""
    catalog = Catalog(events={text: EventShape(), "other": EventShape()}, objects={text: ObjectShape()})
    asked = []
    for at, source in enumerate(_nasty_conditions(text)):
        checked = check(source, Scope("segment.where", catalog))
        lacks = sql_lacks(checked, "duckdb")
        assert lacks in ([], ["this name of a field"]), (source, lacks)
        asked += [] if lacks else [(str(at), checked)]
    assert len(asked) >= 8
    plan = compile_sql(asked, "duckdb", 10)
    assert not [part for part in ("DROP", "🙂", "\x00", "${x}") if part in plan.text]
    with DuckEngine() as engine:
        put_crowd(engine, _nasty_crowd(text))
        rows = {row["person_id"]: row for row in engine.run(plan).to_dicts()}
    wrong = [name for name, column in plan.columns.items() if not rows["a"][column]]
    assert set(rows) == {"a"}
    assert not wrong, [_nasty_conditions(text)[int(name)] for name in wrong]


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
