"""Sets of events in SQL: all sets of the same events that only narrow share one pass, as conditional aggregates.

`latest` and `each` make rows of their own (a window function, an explosion), `followed` is EXISTS over the events of
the same person, `notfollowed` NOT EXISTS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from einklang.expr.rows import flatten
from einklang.expr.sql_groups import held_by, keyed_by, members_of
from einklang.expr.sql_lists import Lists
from einklang.expr.sql_rows import EventRows, Group, Rows
from einklang.expr.sql_text import Code, Unsupported, both, made, number
from einklang.expr.tree import Term
from einklang.kernel.limits import LIST_ITEMS_MAX
from einklang.kernel.time import Micros

#: Of a pass: the kind of business objects ("" for events), the type of the group whose they are, and whether it is read
#: once for the group.
Owner = tuple[str, str, bool]
#: A moment after all others.
_NEVER = 2**63 - 1
_EVENT_COLUMNS = ("at", "seq", "name", "touchpoint", "source", "machine", "properties")


@dataclass
class Base:
    """The pass over the events (or the objects of a kind) that sets of one rank share.

    names: of the events that are wanted, None: of any name; low: the moment after which they lie, None: any.
    """

    rows: EventRows
    names: set[str] | None = field(default_factory=set)
    low: Micros | None = None
    opened: bool = False

    def widen(self, names: tuple[str, ...], low: Micros | None) -> None:
        """One more set is read off this pass."""
        self.names = None if self.names is None or not names else self.names | set(names)
        self.low = low if not self.opened else None if self.low is None or low is None else min(self.low, low)
        self.opened = True


@dataclass
class Set:
    """A set under construction: its rows and what is asked of each; numbers: the tokens that stand for a row."""

    rows: EventRows
    number: int
    conditions: list[Code] = field(default_factory=list)
    #: a condition holds a subquery: it cannot stand in an aggregate
    asks: bool = False


class Sets(Lists):
    """What `sql.Plan` inherits fourth."""

    def setup(self) -> None:
        """Nothing is read yet."""
        self.bases: dict[tuple[Owner, int, tuple[str, ...]], Base] = {}
        self.derived: dict[str, EventRows] = {}
        self.groups: dict[int, Group] = {}
        #: marks in the text of a plan -> what stands there in the end
        self.late: dict[str, Callable[[], str]] = {}

    # passes

    def _base(self, owner: Owner, rank: int, names: tuple[str, ...]) -> Base:
        """The pass over the events of these names: what is asked of other events is no burden to them."""
        key = (owner, rank, names)
        if key not in self.bases:
            self.bases[key] = self._pass(owner, rank)
        return self.bases[key]

    def _pass(self, owner: Owner, rank: int) -> Base:
        kind, group, keyed = owner
        found: list[Base] = []
        order = ("n",) if kind else ("at", "seq")

        def source() -> str:
            base = found[0]
            columns = ("n", "body") if kind else _EVENT_COLUMNS
            who, joined = "e.person_id", ""
            if group and not kind:
                who, joined = members_of(self.dialect, group, keyed=keyed)
            listed = f"{who} AS person_id, " + ", ".join(f"e.{name}" for name in columns)
            if joined:
                listed += ", e.person_id AS actor"
            listed += "".join(f", p.{name} AS {here}" for name, here in base.rows.persons.items())
            if base.rows.persons:
                joined += f" JOIN p_{base.rows.rank} AS p ON p.person_id = {who}"
            if kind:
                return f"SELECT {listed} FROM ({held_by(self.dialect, kind, group)}) AS e{joined}"
            where = f"e.at <= {self.now}"
            if base.low is not None:
                where += f" AND e.at > {base.low}"
            if base.names is not None:
                where += f" AND e.name IN ({', '.join(self.dialect.text(name).text for name in sorted(base.names))})"
            return f"SELECT {listed} FROM ek_events AS e{joined} WHERE {where}"

        rows = EventRows(self.names, self.dialect, source, rank=rank, order=order)
        if group and not kind:
            rows.actor = "actor"
            rows.by = self.group_column(group, "id") if keyed else "person_id"
        found.append(Base(rows))
        return found[0]

    def _derive(
        self, made_of: Set, make: Callable[[], str], signature: str, extra: tuple[str, ...] = (), alias: str = ""
    ) -> EventRows:
        """Rows of their own; the same ones are made once."""
        before = made_of.rows
        key = f"{id(before)} {signature}"
        if key not in self.derived:
            order = (*before.order, *extra)
            rows = EventRows(self.names, self.dialect, make, rank=before.rank, order=order, alias=alias)
            rows.persons, rows.outer = before.persons, before.outer
            rows.by, rows.actor = before.by, before.actor
            self.derived[key] = rows
        return self.derived[key]

    def _move(self, before: Rows, after: Rows) -> None:
        """What stood for a row of the one stands for a row of the other."""
        for token, (place, column) in list(self.tokens.items()):
            if place is before:
                self.tokens[token] = (after, column)

    # sets

    def set_of(self, term: Term, rank: int, outer: EventRows | None = None, *, keyed: bool = False) -> Set:
        """The set of a term. rank: of the persons that it needs; outer: the row whose followers are asked for; keyed:
        it is a set of the group, not of each of its members.
        """
        chain = flatten(term)
        found = self._open(chain, rank, outer, keyed)
        for part in chain[1:]:
            if part.op != "machine":
                getattr(self, "_set_" + part.op)(part, found)
        return found

    def _open(self, chain: list[Term], rank: int, outer: EventRows | None, keyed: bool) -> Set:
        first = chain[0]
        objects = first.op == "objects"
        group = first.data[3] if objects else first.data[2] if first.op == "groupevents" else ""
        owner = (first.data[1] if objects else "", group, keyed)
        base = self._base(owner, rank, () if objects else first.data[1]) if outer is None else self._pass(owner, -1)
        found = Set(base.rows, first.data[0])
        base.rows.outer = outer
        if objects:
            self.tokens["elem", first.data[0]] = (base.rows, "body")
            return found
        names = first.data[1]
        lengths = []
        for part in chain[1:]:
            if part.op in ("latest", "each"):
                break
            if part.op == "within":
                lengths.append(part.data)
        base.widen(names, self.now - min(lengths) if lengths else None)
        self.tokens["row", first.data[0]] = (base.rows, "properties")
        name = base.rows.column("name")
        if names:
            listed = ", ".join(self.dialect.text(one).text for one in sorted(names))
            found.conditions.append(made(f"{{0}} IN ({listed})" if len(names) > 1 else f"{{0}} = {listed}", name))
        else:
            found.conditions.append(made("{0} <> 'einklang'", base.rows.column("source")))
        if not any(part.op == "machine" for part in chain):
            found.conditions.append(made("NOT {0}", base.rows.column("machine")))
        return found

    def _set_within(self, term: Term, to: Set) -> None:
        to.conditions.append(made(f"{{0}} > {self.now - term.data}", to.rows.column("at")))

    def _set_since(self, term: Term, to: Set) -> None:
        bound = self.typed(term.args[1], to.rows, "timestamp")
        sign = ">" if term.op == "since" else "<="
        found = made(f"{{0}} {sign} {{1}}", to.rows.column("at"), bound)
        to.conditions.append(made("COALESCE({0}, FALSE)", found))

    _set_until = _set_since

    def _set_where(self, term: Term, to: Set) -> None:
        to.conditions.append(self.holds(term.args[1], to.rows))

    def _set_latest(self, term: Term, to: Set) -> None:
        self.close(to)
        before, (_, wanted) = to.rows, term.data
        if before.outer is not None and before.where:
            raise Unsupported("latest behind a condition on the earlier event")
        ordered = ", ".join(f"{before.alias}.{name} DESC" for name in before.order)
        place = f"n_{before.alias}"

        def make() -> str:
            ranked = f"ROW_NUMBER() OVER (PARTITION BY {before.alias}.person_id ORDER BY {ordered}) AS {place}"
            inner = f"SELECT {before.alias}.*, {ranked} FROM ({before.render()}) AS {before.alias}"
            return f"SELECT l.* FROM ({inner}) AS l WHERE l.{place} <= {wanted}"

        rows = self._derive(to, make, f"latest {wanted}")
        self._move(before, rows)
        to.rows = rows

    def close(self, to: Set) -> None:
        """Rows that hold nothing but the set."""
        before = to.rows
        if not to.conditions:
            return
        where = both(to.conditions)
        if set(where.deps) - {before.key}:
            raise Unsupported("latest behind a condition on the earlier event")
        if where.python and not self.dialect.python_anywhere:
            raise Unsupported("a calendar in this condition")

        def make() -> str:
            return f"SELECT {before.alias}.* FROM ({before.render()}) AS {before.alias} WHERE {where.text}"

        rows = self._derive(to, make, where.text)
        self._move(before, rows)
        to.rows, to.conditions, to.asks = rows, [], False

    def _set_each(self, term: Term, to: Set) -> None:
        listed = self.items(term.args[1], to.rows)
        if listed.kind:
            raise Unsupported("each of a list that is made")
        column = to.rows.named(listed.code)
        if set(column.deps) != {to.rows.key}:
            raise Unsupported("each of a list of the earlier event")
        if to.asks:
            self.close(to)
        before = to.rows
        name = column.text.split(".")[1]
        item, place = f"x_{name}", f"i_{name}"
        code = before.column(name)

        def make() -> str:
            return self.dialect.exploded(f"({before.render()}) AS {before.alias}", before.alias, code, item, place)

        rows = self._derive(to, make, f"each {code.text}", (place,), alias=before.alias)
        self._move(before, rows)
        self.tokens["elem", term.data] = (rows, item)
        to.rows = rows
        # the rows keep their name and their columns: what was asked of an event is asked of its elements
        to.conditions = [_moved(one, before, rows) for one in to.conditions]

    def _set_followed(self, term: Term, to: Set) -> None:
        to.conditions.append(self._follower(term, to))
        to.asks = True

    def _set_followed_without(self, term: Term, to: Set) -> None:
        follows, breaks = (self._of_followers(part, term.data[2], to, "(SELECT MIN({0})") for part in term.args[1:])
        to.conditions.append(made(f"COALESCE({{0}} <= COALESCE({{1}}, {_NEVER}), FALSE)", follows, breaks))
        to.asks = True

    def _set_notfollowed(self, term: Term, to: Set) -> None:
        follower = self._follower(term, to)
        over = made(f"{{0}} + {term.data[2]} <= {self.now}", to.rows.column("at"))
        to.conditions += [over, made("NOT {0}", follower)]
        to.asks = True

    def _follower(self, term: Term, to: Set) -> Code:
        """Whether an event of the other set follows within the time."""
        return self._of_followers(term.args[1], term.data[2], to, "EXISTS (SELECT 1")

    def _of_followers(self, part: Term, length: Micros, to: Set, asked: str) -> Code:
        """What is asked of the events of another set that follow within the time; `{0}` is when they happened."""
        outer = to.rows
        other = self.set_of(part, -1, outer, keyed=outer.by != "person_id")
        inner = other.rows
        at, before = inner.column("at"), outer.column("at")
        same = made("{0} = {1}", inner.column("person_id"), outer.column("person_id"))
        span = [made("{0} > {1}", at, before), made(f"{{0}} <= {{1}} + {length}", at, before)]
        found = both([same, *span, *other.conditions])
        if found.python and not self.dialect.python_anywhere:
            raise Unsupported("a calendar in this condition")
        deps = {row: layer for row, layer in found.deps.items() if row != inner.key}

        # the text is made at the end, when all columns of the inner rows are known
        self.late[mark := self.names.new("@")] = lambda: (
            f"{asked.format(at.text)} FROM ({inner.render()}) AS {inner.alias} WHERE {found.text})"
        )
        return Code(f"<{mark}>", deps)

    # aggregates

    def aggregate(self, term: Term, at: Rows) -> Code:
        rank = max(map(self.rank, term.args))
        found = self.set_of(term.args[0], rank, keyed=rank < 0 and bool(keyed_by(term)))
        if found.asks:
            self.close(found)
        rows = found.rows
        value = self._folded(term, rows)
        if id(rows) not in self.groups:
            self.groups[id(rows)] = Group(self.names.new("g"), rows)
        group = self.groups[id(rows)]
        conditions = list(found.conditions)
        fold: Code = getattr(self, "_fold_" + term.op)(term, group, conditions, value, at)
        return fold

    def _folded(self, term: Term, rows: EventRows) -> Code | None:
        if len(term.args) == 1:
            return None
        asked = term.args[1]
        if term.op in ("sum", "avg"):
            return rows.bind(self.typed(asked, rows, "number"))
        if term.op in ("min", "max"):
            return rows.bind(self.typed(asked, rows, term.type.kind))
        return rows.bind(self.value(asked, rows))

    def _column(self, group: Group, function: str, conditions: list[Code], at: Rows, *values: Code) -> Code:
        """A conditional aggregate as a column of the persons."""
        where = both(conditions)
        call = made(function, *values) if values else Code(function)
        if set(where.deps) | set(call.deps) > {group.rows.key}:
            raise Unsupported("a condition of this form")
        if (where.python or call.python) and not self.dialect.python_anywhere:
            raise Unsupported("a calendar in this condition")
        text = f"{call.text} FILTER (WHERE {where.text})" if conditions else call.text
        name = group.add(Code(text, {group.rows.key: 0}), self.names)
        return at.column(name)

    def _fold_exists(self, term: Term, group: Group, conditions: list[Code], value: Code | None, at: Rows) -> Code:
        return made("(COALESCE({0}, 0) > 0)", self._column(group, "COUNT(*)", conditions, at))

    def _fold_count(self, term: Term, group: Group, conditions: list[Code], value: Code | None, at: Rows) -> Code:
        return self._counted(made("COALESCE({0}, 0)", self._column(group, "COUNT(*)", conditions, at)))

    def _fold_sum(self, term: Term, group: Group, conditions: list[Code], value: Code | None, at: Rows) -> Code:
        assert value is not None
        found = made("COALESCE({0}, {1})", self._column(group, "SUM({0})", conditions, at, value), number(0))
        if self.dialect.name == "spark":  # null is also what is too large there
            some = self._column(group, "COUNT({0})", conditions, at, value)
            total = self._column(group, "SUM({0})", conditions, at, value)
            found = made("CASE WHEN COALESCE({0}, 0) = 0 THEN {1} ELSE {2} END", some, number(0), total)
        return self.dialect.bounded(found)

    def _fold_avg(self, term: Term, group: Group, conditions: list[Code], value: Code | None, at: Rows) -> Code:
        assert value is not None
        total = self.dialect.bounded(self._column(group, "SUM({0})", conditions, at, value))
        counted = self._counted(self._column(group, "COUNT({0})", conditions, at, value))
        return self.arithmetic("div", total, counted, at)

    def _fold_min(self, term: Term, group: Group, conditions: list[Code], value: Code | None, at: Rows) -> Code:
        assert value is not None
        if term.type.kind == "date":
            conditions = [*conditions, made(f"NOT {self.dialect.starts}({{0}}, '-')", value)]
        return self._column(group, f"{term.op.upper()}({{0}})", conditions, at, value)

    _fold_max = _fold_min

    def _fold_distinct(self, term: Term, group: Group, conditions: list[Code], value: Code | None, at: Rows) -> Code:
        assert value is not None
        found = self._column(group, "COUNT(DISTINCT {0})", conditions, at, value)
        return self._counted(made("COALESCE({0}, 0)", found))

    def _fold_first(self, term: Term, group: Group, conditions: list[Code], value: Code | None, at: Rows) -> Code:
        assert value is not None
        function = self.dialect.min_by if term.op == "first" else self.dialect.max_by
        order = self._order(group)
        call = f"{function}({{0}}, {self.dialect.key}({order}))"
        return self._column(group, call, [*conditions, _known(value)], at, value)

    _fold_last = _fold_first

    def _fold_nth(self, term: Term, group: Group, conditions: list[Code], value: Code | None, at: Rows) -> Code:
        assert value is not None
        call, place = self.dialect.earliest(self._order(group), term.args[2].data)
        return made(place, self._column(group, call, [*conditions, _known(value)], at, value))

    def _fold_list_rows(self, term: Term, group: Group, conditions: list[Code], value: Code | None, at: Rows) -> Code:
        assert value is not None
        call, listed = self.dialect.newest(self._order(group), LIST_ITEMS_MAX)
        return made(listed, self._column(group, call, [*conditions, _known(value)], at, value))

    def _order(self, group: Group) -> str:
        return ", ".join(f"{group.rows.alias}.{name}" for name in group.rows.order)


def _known(value: Code) -> Code:
    return made("{0} IS NOT NULL", value)


def _moved(code: Code, before: Rows, after: Rows) -> Code:
    """The code about rows that were made of others and have their name."""
    deps = {
        after.key if row == before.key else row: 0 if row == before.key else deep for row, deep in code.deps.items()
    }
    return replace(code, deps=deps)
