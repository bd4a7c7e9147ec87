"""Bugs to plant into the compiler of plans in SQL: the harness must find each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from einklang.expr import sql_sets
from einklang.expr.sql_calls import Calls
from einklang.expr.sql_groups import Belonging
from einklang.expr.sql_rows import Rows
from einklang.expr.sql_sets import Set, Sets
from einklang.expr.sql_terms import Terms
from einklang.expr.sql_text import NUMBER, Code, DuckDB, Spark, made, number
from einklang.expr.tree import Term


def closed_window(patch: pytest.MonkeyPatch) -> None:
    def within(self: Sets, term: Term, to: Set) -> None:
        to.conditions.append(made(f"{{0}} >= {self.now - term.data}", to.rows.column("at")))

    patch.setattr(Sets, "_set_within", within)
    patch.setattr("einklang.expr.sql_sets.Base.widen", lambda self, names, low: setattr(self, "names", None))


def not_equal_of_sql(patch: pytest.MonkeyPatch) -> None:
    def ne(self: Terms, term: Term, at: Any) -> Code:
        a, b = term.args
        return made("({0} AND NOT {1} AND NOT {2})", made("NOT {0}", self.equal(a, b, at)), *_nulls(self, a, b, at))

    patch.setattr(Terms, "_ne", ne)


def _nulls(terms: Terms, a: Term, b: Term, at: Any) -> list[Code]:
    return [terms.is_null(part, at) for part in (a, b)]


def since_inclusive(patch: pytest.MonkeyPatch) -> None:
    def since(self: Sets, term: Term, to: Set) -> None:
        bound = self.typed(term.args[1], to.rows, "timestamp")
        to.conditions.append(made("COALESCE({0} >= {1}, FALSE)", to.rows.column("at"), bound))

    patch.setattr(Sets, "_set_since", since)


def average_counts_nulls(patch: pytest.MonkeyPatch) -> None:
    right = Sets._column

    def column(self: Sets, group: Any, function: str, conditions: Any, at: Rows, *values: Code) -> Code:
        if function == "COUNT({0})":
            return right(self, group, "COUNT(*)", conditions, at)
        return right(self, group, function, conditions, at, *values)

    patch.setattr(Sets, "_column", column)


def machines_count(patch: pytest.MonkeyPatch) -> None:
    right = Sets._open

    def opened(self: Sets, *args: Any) -> Set:
        found = right(self, *args)
        found.conditions = found.conditions[:1]
        return found

    patch.setattr(Sets, "_open", opened)


def numbers_are_floats(patch: pytest.MonkeyPatch) -> None:
    def read(self: DuckDB, part: Code, doc: Code | None, path: tuple[str, ...]) -> Code:
        return made(f"CAST(TRY_CAST({{0}} AS DOUBLE) AS {NUMBER})", part)

    patch.setattr(DuckDB, "read_number", read)


def all_of_null_is_true(patch: pytest.MonkeyPatch) -> None:
    right = Sets._macro_exists

    def every(self: Sets, term: Term, at: Any) -> Code:
        found = right(self, term, at)
        return Code(found.text.removesuffix("FALSE)") + "TRUE)", found.deps) if found.text.endswith("FALSE)") else found

    patch.setattr(Sets, "_macro_all", every)


def division_in_floats(patch: pytest.MonkeyPatch) -> None:
    right = Calls.arithmetic

    def arithmetic(self: Calls, op: str, a: Code, b: Code, at: Any) -> Code:
        if op == "div":
            return made(f"CAST(CAST({{0}} AS DOUBLE) / NULLIF({{1}}, 0) AS {NUMBER})", a, b)
        return right(self, op, a, b, at)

    patch.setattr(Calls, "arithmetic", arithmetic)


def zone_of_the_server(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Terms, "zone", lambda self, at: Code("'UTC'", solid=True))


def latest_takes_the_earliest(patch: pytest.MonkeyPatch) -> None:
    right = Sets._derive

    def derive(self: Sets, made_of: Set, make: Callable[[], str], *rest: Any, **named: Any) -> Any:
        return right(self, made_of, lambda: make().replace(" DESC", ""), *rest, **named)

    patch.setattr(Sets, "_derive", derive)


def not_followed_while_it_can_be(patch: pytest.MonkeyPatch) -> None:
    def notfollowed(self: Sets, term: Term, to: Set) -> None:
        to.conditions.append(made("NOT {0}", self._follower(term, to)))
        to.asks = True

    patch.setattr(Sets, "_set_notfollowed", notfollowed)


def sum_of_nothing_is_null(patch: pytest.MonkeyPatch) -> None:
    right = Sets._fold_sum

    def fold(self: Sets, *args: Any) -> Code:
        found = right(self, *args)
        return Code(found.text.replace(f", {number(0).text})", ")"), found.deps)

    patch.setattr(Sets, "_fold_sum", fold)


def nth_skips_one(patch: pytest.MonkeyPatch) -> None:
    for dialect in (DuckDB, Spark):
        right = dialect.earliest
        patch.setattr(dialect, "earliest", lambda self, order, n, right=right: right(self, order, n + 1))


def lists_hold_the_newest_alone(patch: pytest.MonkeyPatch) -> None:
    for dialect in (DuckDB, Spark):
        right = dialect.newest
        patch.setattr(dialect, "newest", lambda self, order, n, right=right: right(self, order, 1))


def what_must_not_come_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    def without(self: Sets, term: Term, to: Set) -> None:
        to.conditions.append(self._of_followers(term.args[1], term.data[2], to, "EXISTS (SELECT 1"))
        to.asks = True

    patch.setattr(Sets, "_set_followed_without", without)


def members_did_nothing_but_the_person(patch: pytest.MonkeyPatch) -> None:
    own = " JOIN (SELECT 1) AS one ON TRUE"
    patch.setattr(sql_sets, "members_of", lambda *_, keyed: ("e.person_id", own))
    patch.setattr(sql_sets, "keyed_by", lambda term: "")


def groups_of_any_size_are_asked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Belonging, "few", lambda self, term, column: [])


def traits_of_groups_as_they_will_be(patch: pytest.MonkeyPatch) -> None:
    right = Belonging._traits

    def traits(self: Belonging, *args: Any) -> str:
        return right(self, *args).replace("t.at <=", "t.at >")

    patch.setattr(Belonging, "_traits", traits)


def a_row_of_catalogs_is_lost(patch: pytest.MonkeyPatch) -> None:
    right = Terms._looked_up

    def looked_up(self: Terms, *args: Any) -> Code:
        found = right(self, *args)
        return Code(f"NULLIF({found.text}, '\"Shoe\"')", found.deps, python=True)

    patch.setattr(Terms, "_looked_up", looked_up)


def months_begin_as_weeks(patch: pytest.MonkeyPatch) -> None:
    def start_of(self: Calls, term: Term, at: Any) -> Code:
        return self.asked("ek_start_of", self.typed(term.args[0], at, "date"), self.dialect.text("week"))

    patch.setattr(Calls, "_start_of", start_of)


#: Each with the kinds of node of which it is a bug.
BUGS: list[tuple[Callable[[pytest.MonkeyPatch], None], str]] = [
    (nth_skips_one, "nth"),
    (lists_hold_the_newest_alone, "list_rows"),
    (what_must_not_come_is_forgotten, "followed_without"),
    (members_did_nothing_but_the_person, "groupevents"),
    (groups_of_any_size_are_asked, "groupsize groupevents"),
    (traits_of_groups_as_they_will_be, "grouptrait"),
    (a_row_of_catalogs_is_lost, "lookup"),
    (months_begin_as_weeks, "start_of"),
    (closed_window, "within"),
    (not_equal_of_sql, "ne"),
    (since_inclusive, "since"),
    (average_counts_nulls, "avg"),
    (machines_count, "events"),
    (numbers_are_floats, "trait"),
    (all_of_null_is_true, "macro_all"),
    (division_in_floats, "div"),
    (zone_of_the_server, "date_of_ts ts_of_date hour"),
    (latest_takes_the_earliest, "latest"),
    (not_followed_while_it_can_be, "notfollowed"),
    (sum_of_nothing_is_null, "sum"),
]
