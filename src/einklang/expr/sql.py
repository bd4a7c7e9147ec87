"""`Checked` -> a plan in SQL over the lake, for DuckDB and Apache Spark: who is a member at a moment, by event time.

One statement answers many conditions: all their sets of events that only narrow are conditional aggregates of one pass
over the events, a row a person; what they say of persons is worked out over these rows. The meaning is that of `crowd`.

A plan reads these tables (moments are BIGINT microseconds, JSON is text), which who runs it makes:
`ek_persons` (person_id, zone, field_NAME ...), `ek_events` (person_id, seq, at, name, touchpoint, source, machine,
properties), `ek_traits` (person_id, name, value, at, n: their order by time), `ek_consents` (person_id, channel,
purpose), `ek_segments` (person_id, segment), `ek_objects` (person_id, kind, n, body), `ek_members` (person_id, type,
group_id, role, contact), `ek_group_traits` (type, group_id, name, value, at, n: their order by time); and the functions
of `sql_functions`, among them those of time zones, so that the tz database is the one pinned with Einklang.

`ENGINES` says what an engine can do, `sql_lacks` why it cannot answer a condition; then `crowd` does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from einklang.expr.check import Checked
from einklang.expr.crowd_reach import crowd_supports
from einklang.expr.sql_groups import Belonging
from einklang.expr.sql_rows import Rows
from einklang.expr.sql_sets import Sets
from einklang.expr.sql_text import Code, DuckDB, Spark, Unsupported, both, made
from einklang.expr.tree import Term, walk
from einklang.kernel.errors import UsageError
from einklang.kernel.limits import GROUP_MEMBERS_MAX
from einklang.kernel.time import Micros

DIALECTS: Mapping[str, DuckDB] = {"duckdb": DuckDB(), "spark": Spark()}
_BOTH = frozenset({"duckdb", "spark"})
_EVERYWHERE = (
    "const", "now", "today", "duration", "person", "trait", "prop", "elem", "field", "local", "eventfield", "not",
    "and", "or", "cond", "neg", "add", "sub", "mul", "div", "plus", "eq", "ne", "lt", "le", "gt", "ge", "in", "list",
    "has", "coalesce", "size", "abs", "round", "number", "string", "lower", "contains", "startsWith", "endsWith",
    "ts_move", "ts_diff", "date_diff", "date_move", "date_of_ts", "date_of_text", "ts_of_text", "ts_of_date", "days",
    "age", "anniversary", "year", "month", "day", "hour", "weekday", "least", "greatest", "segment", "consent",
    "macro_exists", "macro_all", "macro_exists_one", "macro_filter", "macro_map", "list_sum", "list_min", "list_max",
    "events", "objects", "within", "since", "until", "where", "latest", "each", "followed", "notfollowed", "machine",
    "exists", "count", "sum", "avg", "min", "max", "distinct", "first", "last", "nth", "list_rows", "followed_without",
    "start_of", "lookup", "groupid", "grouprole", "groupcontact", "groupsize", "grouptrait", "groupevents", "money",
)  # fmt: skip
#: Kind of node -> the engines whose plans know it. What is not here is asked of `crowd`, or person by person.
ENGINES: Mapping[str, frozenset[str]] = dict.fromkeys(_EVERYWHERE, _BOTH)
_MARK = re.compile(r"<(@\d+)>")
_CALLED = re.compile(r"\bek_\w+(?=\()")


class SqlPlan(msgspec.Struct, frozen=True):
    """A statement. columns: what was asked -> its column; functions: those of Einklang's that it calls."""

    text: str
    columns: Mapping[str, str]
    functions: frozenset[str]


def sql_lacks(checked: Checked, engine: str) -> list[str]:
    """What an engine cannot do in this expression, by the names of its parts; empty if it can do all."""
    missing = {term.op for term in walk(checked.tree) if engine not in ENGINES.get(term.op, ())}
    missing |= set(crowd_supports(checked))
    if not missing:
        try:
            compile_sql([("asked", checked)], engine, 0)
        except Unsupported as error:
            missing.add(error.part)
    return sorted(missing)


def compile_sql(
    conditions: Sequence[tuple[str, Checked]],
    engine: str,
    now: Micros,
    *,
    values: bool = False,
    members_max: int = GROUP_MEMBERS_MAX,
) -> SqlPlan:
    """The plan for some conditions at a moment; one that speaks of another one of them is answered by it. It gives a
    row for each person for whom one of them holds.

    values: their values instead of whether they hold, for everybody; members_max: of a group that can be asked
    together, what asks a larger one has no answer. Raises UsageError `not_for_engine`.
    """
    plan = _Plan(conditions, DIALECTS[engine], now, members_max)
    return plan.made(values=values)


def compile_for(conditions: Sequence[tuple[str, Checked]], engine: str, now: Micros) -> SqlPlan:
    """`compile_sql` for what nobody asked `sql_lacks` about. Raises UsageError `not_for_engine`."""
    for name, checked in conditions:
        missing = sql_lacks(checked, engine)
        if missing:
            what = f"{engine} cannot do: {', '.join(missing)} in {name[:60]!r}"
            raise UsageError("not_for_engine", what, mend="ask by Polars, or person by person")
    return compile_sql(conditions, engine, now)


class _Plan(Sets):
    """One statement under construction."""

    def __init__(
        self, conditions: Sequence[tuple[str, Checked]], dialect: DuckDB, now: Micros, members_max: int
    ) -> None:
        fields = {term.data for _, one in conditions for term in walk(one.tree) if term.op == "person"}
        super().__init__(dialect, now, frozenset(fields - {"id"}))
        self.setup()
        self.conditions = dict(conditions)
        self.belonging = Belonging(dialect, now, members_max)
        self._persons: list[Rows] = []
        self._traits: dict[str, str] = {}
        self._flags: dict[tuple[str, Any], str] = {}
        self._asked: list[str] = []

    def rank(self, term: Term) -> int:
        if term.op == "segment" and term.data in self.conditions:
            return max(0, self.rank(self.conditions[term.data].tree))
        return super().rank(term)

    # persons

    def persons(self, rank: int) -> Rows:
        while len(self._persons) <= rank:
            made_of = len(self._persons)
            self._persons.append(Rows(self.names, self.dialect, lambda k=made_of: self._source(k), alias="p"))  # type: ignore[misc]  # a default binds the loop's value
        return self._persons[rank]

    def trait_column(self, name: str) -> str:
        return self._traits.setdefault(name, f"t{len(self._traits) + 1}")

    def group_column(self, kind: str, what: str, name: str = "") -> str:
        return self.belonging.column(kind, what, name)

    def flag(self, kind: str, key: Any, at: Rows) -> Code:
        if kind == "segment" and key in self.conditions:
            tokens, kinds = dict(self.tokens), dict(self.kinds)
            found = at.named(self._answer(self.conditions[key].tree, at, values=False))
            self.tokens, self.kinds = tokens, kinds
            return found
        name = self._flags.setdefault((kind, key), f"f{len(self._flags) + 1}")
        return made("COALESCE({0}, FALSE)", at.column(name))

    def _source(self, rank: int) -> str:
        """The persons of a rank: those of the rank below with the aggregates that need no more."""
        if rank:
            groups = [group for group in self.groups.values() if max(group.rows.rank, 0) + 1 == rank]
            listed = "".join(f", {group.name}.{column}" for group in groups for column in group.aggregates.values())
            joined = "".join(f" LEFT JOIN {one.name} ON {one.name}.person_id = b.{one.rows.by}" for one in groups)
            return f"SELECT b.*{listed} FROM p_{rank - 1} AS b{joined}"
        listed = "".join(f", s.field_{name}" for name in sorted(self.fields))
        zones = f"SELECT zone, ek_day({self.now}, zone) AS today FROM (SELECT DISTINCT zone FROM ek_persons) AS z"
        joined = ""
        if any(".today" in text for text in self._texts()):
            listed += ", z.today"
            joined += f" LEFT JOIN ({zones}) AS z ON z.zone = s.zone"
        for name, text in (
            ("t", self._trait_rows()),
            ("c", self._flag_rows("consent")),
            ("m", self._flag_rows("segment")),
        ):
            if text:
                listed += "".join(f", {name}.{column}" for column in self._columns_of(name))
                joined += f" LEFT JOIN ({text}) AS {name} ON {name}.person_id = s.person_id"
        there, theirs = self.belonging.source()
        return f"SELECT s.person_id, s.zone{listed}{there} FROM ek_persons AS s{joined}{theirs}"

    def _columns_of(self, name: str) -> list[str]:
        if name == "t":
            return list(self._traits.values())
        kind = "consent" if name == "c" else "segment"
        return [column for (one, _), column in self._flags.items() if one == kind]

    def _texts(self) -> list[str]:
        """Whether anything asks for the day of now: persons' own columns and those joined to rows."""
        own = [text for rows in self._persons for text in rows.texts()]
        return own + [f".{name}" for base in self.bases.values() for name in base.rows.persons] + self._asked

    def _trait_rows(self) -> str:
        if not self._traits:
            return ""
        dialect = self.dialect
        last = f"{dialect.max_by}(e.value, e.n)"
        latest = "".join(
            f", {last} FILTER (WHERE e.name = {dialect.text(name).text}) AS {column}"
            for name, column in self._traits.items()
        )
        names = ", ".join(dialect.text(name).text for name in self._traits)
        where = f"WHERE e.at <= {self.now} AND e.name IN ({names})"
        return f"SELECT e.person_id{latest} FROM ek_traits AS e {where} GROUP BY e.person_id"

    def _flag_rows(self, kind: str) -> str:
        text = self.dialect.text
        flags = {key: column for (one, key), column in self._flags.items() if one == kind}
        if not flags:
            return ""
        table = "ek_consents" if kind == "consent" else "ek_segments"
        asked = {
            column: f"channel = {text(key[0]).text} AND purpose = {text(key[1]).text}"
            if kind == "consent"
            else f"segment = {text(key).text}"
            for key, column in flags.items()
        }
        listed = "".join(f", BOOL_OR({test}) AS {column}" for column, test in asked.items())
        return f"SELECT person_id{listed} FROM {table} GROUP BY person_id"

    # the statement

    def _answer(self, tree: Term, at: Rows, *, values: bool) -> Code:
        found = self.value(tree, at) if values else self.holds(tree, at)
        few = self.belonging.few(tree, at.column)
        if not few:
            return found
        return made("CASE WHEN {0} THEN {1} END" if values else "({0} AND {1})", both(few), found)

    def made(self, *, values: bool) -> SqlPlan:
        highest = max((self.rank(one.tree) for one in self.conditions.values()), default=0)
        persons = self.persons(max(highest, 0))
        found: dict[str, Code] = {}
        for name, one in self.conditions.items():
            found[name] = self._answer(one.tree, persons, values=values)
        columns = {name: f"h{at}" for at, name in enumerate(found)}
        self._asked = [code.text for code in found.values()]
        listed = "".join(f", {code.text} AS {columns[name]}" for name, code in found.items())
        parts = []
        for rank, rows in enumerate(self._persons):
            groups = [group for group in self.groups.values() if max(group.rows.rank, 0) + 1 == rank]
            parts += [f"{group.name} AS ({group.render()})" for group in groups]
            parts.append(f"p_{rank} AS ({rows.render()})")
        text = f"SELECT p.person_id{listed} FROM p_{len(self._persons) - 1} AS p"
        if not values:
            text = f"SELECT h.* FROM ({text}) AS h WHERE {' OR '.join(f'h.{one}' for one in columns.values())}"
        text = f"WITH {', '.join(parts)} {text}"
        while _MARK.search(text):
            text = _MARK.sub(lambda mark: self.late[mark[1]](), text)
        return SqlPlan(text, columns, frozenset(_CALLED.findall(text)))


__all__ = ["ENGINES", "SqlPlan", "compile_for", "compile_sql", "sql_lacks"]
