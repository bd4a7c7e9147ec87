"""Sets of events and lists in SQL: all sets that only narrow share one pass over the events, as conditional aggregates.

`latest` and `each` make rows of their own (a window function, an explosion), `followed` is EXISTS over the events of
the same person, `notfollowed` NOT EXISTS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from einklang.expr.rows import flatten
from einklang.expr.sql_calls import Calls
from einklang.expr.sql_rows import EventRows, Group, Lambda, Rows, Token
from einklang.expr.sql_terms import PATHS, Place
from einklang.expr.sql_text import FALSE, LETTER, Code, Unsupported, both, made, number
from einklang.expr.tree import Term
from einklang.expr.types import DYN
from einklang.kernel.time import Micros

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


@dataclass(frozen=True)
class Items:
    """A list: code of an array, what its elements are (a kind; "" for JSON), their declared type; made: where it is
    null it stands for the empty list.
    """

    code: Code
    kind: str
    item: str
    made: bool = False


class Sets(Calls):
    """What `sql.Plan` inherits third."""

    def setup(self) -> None:
        """Nothing is read yet."""
        self.bases: dict[tuple[str, int], Base] = {}
        self.derived: dict[str, EventRows] = {}
        self.groups: dict[int, Group] = {}
        #: marks in the text of a plan -> what stands there in the end
        self.late: dict[str, Callable[[], str]] = {}

    # passes

    def _base(self, kind: str, rank: int) -> Base:
        key = (kind, rank)
        if key not in self.bases:
            self.bases[key] = self._pass(kind, rank)
        return self.bases[key]

    def _pass(self, kind: str, rank: int) -> Base:
        """kind: of business objects, "" for events."""
        found: list[Base] = []
        order = ("n",) if kind else ("at", "seq")

        def source() -> str:
            base = found[0]
            columns = ("n", "body") if kind else _EVENT_COLUMNS
            listed = ", ".join(f"e.{name}" for name in ("person_id", *columns))
            asked = "".join(f", p.{name} AS {here}" for name, here in base.rows.persons.items())
            joined = ""
            if base.rows.persons:
                joined = f" JOIN p_{base.rows.rank} AS p ON p.person_id = e.person_id"
            if kind:
                where = f"e.kind = {self.dialect.text(kind).text}"
                return f"SELECT {listed}{asked} FROM ek_objects AS e{joined} WHERE {where}"
            where = f"e.at <= {self.now}"
            if base.low is not None:
                where += f" AND e.at > {base.low}"
            if base.names is not None:
                where += f" AND e.name IN ({', '.join(self.dialect.text(name).text for name in sorted(base.names))})"
            return f"SELECT {listed}{asked} FROM ek_events AS e{joined} WHERE {where}"

        found.append(Base(EventRows(self.names, self.dialect, source, rank=rank, order=order)))
        return found[0]

    def _derive(self, made_of: Set, make: Callable[[], str], signature: str, extra: tuple[str, ...] = ()) -> EventRows:
        """Rows of their own; the same ones are made once."""
        before = made_of.rows
        key = f"{id(before)} {signature}"
        if key not in self.derived:
            rows = EventRows(self.names, self.dialect, make, rank=before.rank, order=(*before.order, *extra))
            rows.persons, rows.outer = before.persons, before.outer
            self.derived[key] = rows
        return self.derived[key]

    def _move(self, before: Rows, after: Rows) -> None:
        """What stood for a row of the one stands for a row of the other."""
        for token, (place, column) in list(self.tokens.items()):
            if place is before:
                self.tokens[token] = (after, column)

    # sets

    def set_of(self, term: Term, rank: int, outer: EventRows | None = None) -> Set:
        """The set of a term. rank: of the persons that it needs; outer: the row whose followers are asked for."""
        chain = flatten(term)
        found = self._open(chain, rank, outer)
        for part in chain[1:]:
            if part.op != "machine":
                getattr(self, "_set_" + part.op)(part, found)
        return found

    def _open(self, chain: list[Term], rank: int, outer: EventRows | None) -> Set:
        first = chain[0]
        objects = first.op == "objects"
        kind = first.data[1] if objects else ""
        base = self._base(kind, rank) if outer is None else self._pass(kind, -1)
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
            raise Unsupported("latest or each behind a condition on the earlier event")
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
        self.close(to)
        before = to.rows
        item, place = f"x_{term.data}_{before.alias}", f"i_{term.data}_{before.alias}"
        code = before.column(column.text.split(".")[1])

        def make() -> str:
            return self.dialect.exploded(f"({before.render()}) AS {before.alias}", before.alias, code, item, place)

        rows = self._derive(to, make, f"each {term.data} {code.text}", (place,))
        self._move(before, rows)
        self.tokens["elem", term.data] = (rows, item)
        to.rows = rows

    def _set_followed(self, term: Term, to: Set) -> None:
        to.conditions.append(self._follower(term, to))
        to.asks = True

    def _set_notfollowed(self, term: Term, to: Set) -> None:
        follower = self._follower(term, to)
        over = made(f"{{0}} + {term.data[2]} <= {self.now}", to.rows.column("at"))
        to.conditions += [over, made("NOT {0}", follower)]
        to.asks = True

    def _follower(self, term: Term, to: Set) -> Code:
        """Whether an event of the other set follows within the time."""
        outer = to.rows
        other = self.set_of(term.args[1], -1, outer)
        inner = other.rows
        at, before = inner.column("at"), outer.column("at")
        same = made("{0} = {1}", inner.column("person_id"), outer.column("person_id"))
        span = [made("{0} > {1}", at, before), made(f"{{0}} <= {{1}} + {term.data[2]}", at, before)]
        asked = both([same, *span, *other.conditions])
        if asked.python and not self.dialect.python_anywhere:
            raise Unsupported("a calendar in this condition")
        deps = {row: layer for row, layer in asked.deps.items() if row != inner.key}

        # the text is made at the end, when all columns of the inner rows are known
        self.late[mark := self.names.new("@")] = lambda: (
            f"EXISTS (SELECT 1 FROM ({inner.render()}) AS {inner.alias} WHERE {asked.text})"
        )
        return Code(f"<{mark}>", deps)

    # aggregates

    def aggregate(self, term: Term, at: Rows) -> Code:
        found = self.set_of(term.args[0], max(map(self.rank, term.args)))
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
        if term.args[1].type.kind == "null":
            return value
        function = self.dialect.min_by if term.op == "first" else self.dialect.max_by
        order = ", ".join(f"{group.rows.alias}.{name}" for name in group.rows.order)
        present = made("{0} IS NOT NULL", value)
        call = f"{function}({{0}}, {self.dialect.key}({order}))"
        return self._column(group, call, [*conditions, present], at, value)

    _fold_last = _fold_first

    # lists

    def items(self, term: Term, at: Place) -> Items:
        """The elements of a list; null where it is none."""
        if term.op == "macro_filter":
            listed, inner = self._bound(term, at)
            asked = self.holds(term.args[1], inner)
            return Items(self._through("filtered", listed, inner, asked), listed.kind, listed.item, made=True)
        if term.op == "macro_map":
            listed, inner = self._bound(term, at)
            kind = term.args[1].type.kind
            if kind in ("list", "map"):
                raise Unsupported("a list of lists")
            value = self.value(term.args[1], inner)
            return Items(
                self._through("mapped", listed, inner, value), "dyn" if kind == "null" else kind, kind, made=True
            )
        if term.op not in PATHS:
            raise Unsupported(term.op)

        def read(term: Term, at: Place) -> Code:
            return self.dialect.items(*self.path(term, at))

        item = (term.type.item or DYN).kind if term.type.kind == "list" else "dyn"
        return Items(self._placed(term, at, read), "", item)

    def _bound(self, term: Term, at: Place) -> tuple[Items, Lambda]:
        """The list of a macro and the variable that walks through it."""
        listed = self.items(term.args[0], at)
        token: Token = ("local", term.data)
        inner = Lambda(token, self.names.new("v"), at)
        self.tokens[token] = (inner, inner.variable)
        self.kinds.pop(token, None)
        if listed.kind:
            self.kinds[token] = listed.kind
        return listed, inner

    def _through(self, how: str, listed: Items, inner: Lambda, body: Code) -> Code:
        """A walk through a list; the variable is bound by it."""
        if body.python and not self.dialect.python_anywhere:
            raise Unsupported("a calendar inside a list")
        found: Code = getattr(self.dialect, how)(listed.code, inner.variable, body)
        deps = {row: layer for row, layer in found.deps.items() if row != inner.key}
        return Code(found.text, deps, python=found.python)

    def element(self, listed: Items, inner: Lambda, kind: str) -> Code:
        """The element itself, read as a kind."""
        variable = Code(inner.variable, {inner.key: 0}, solid=True)
        if listed.kind:
            given = listed.kind
            if given == kind:
                return variable
            if kind == "dyn":
                return self.tagged(variable, given, inner) if given in LETTER else FALSE
            return self.untagged(variable, kind) if given == "dyn" else made("CASE WHEN FALSE THEN {0} END", variable)
        declared = listed.item
        if declared in LETTER and kind == "dyn":
            return self.tagged(self.element(listed, inner, declared), declared, inner)
        read: Code = getattr(self, "_read_" + kind)(variable, None, ())
        return read

    def in_list(self, term: Term, at: Place) -> Code:
        item, holder = term.args
        if item.type.kind not in LETTER and item.type.kind != "dyn":
            return FALSE
        found = self.repeated(self.dyn(item, at), at)
        listed = self.items(holder, at)
        inner = Lambda(("local", ""), self.names.new("v"), at)
        same = made("COALESCE({0} = {1}, FALSE)", self.element(listed, inner, "dyn"), found)
        walked = self.dialect.counted(self._through("filtered", listed, inner, same))
        held = made("COALESCE({0} > 0, FALSE)", walked)
        if holder.type.kind == "list" or holder.op not in PATHS or item.type.kind not in ("string", "dyn"):
            return held
        key = self.typed(item, at, "string")

        def has(term: Term, at: Place) -> Code:
            return self.path(term, at)[0]

        part = self._placed(holder, at, has)
        return made("({0} OR {1})", held, self.dialect.has_key(part, key))

    def _macro_exists(self, term: Term, at: Place) -> Code:
        listed, inner = self._bound(term, at)
        asked = self.holds(term.args[1], inner)
        if term.op == "macro_all":
            asked = made("NOT {0}", asked)
        found = self.dialect.counted(self._through("filtered", listed, inner, asked))
        how = {"macro_exists": "> 0", "macro_all": "= 0", "macro_exists_one": "= 1"}[term.op]
        empty = "TRUE" if listed.made and term.op == "macro_all" else "FALSE"
        return made(f"COALESCE({{0}} {how}, {empty})", found)

    _macro_all = _macro_exists_one = _macro_exists

    def _list_sum(self, term: Term, at: Place) -> Code:
        listed = self.items(term.args[0], at)
        inner = Lambda(("local", ""), self.names.new("v"), at)
        value = self.element(listed, inner, "number") if listed.item in ("number", "dyn") else None
        if value is None:
            value = made(f"CASE WHEN FALSE THEN {number(0).text} END")
        numbers = self.repeated(self._through("mapped", listed, inner, value), at)
        how = {"list_sum": "summed", "list_min": "smallest", "list_max": "largest"}[term.op]
        found: Code = getattr(self.dialect, how)(numbers)
        return made("COALESCE({0}, {1})", found, number(0)) if listed.made and how == "summed" else found

    _list_min = _list_max = _list_sum

    def _size(self, term: Term, at: Place) -> Code:
        part = term.args[0]
        kind = part.type.kind
        if part.op in ("macro_filter", "macro_map"):
            return self._counted(made("COALESCE({0}, 0)", self.dialect.counted(self.items(part, at).code)))
        text = made(f"{self.dialect.length}({{0}})", self.typed(part, at, "string"))
        if kind == "string" or part.op not in PATHS or ("local", part.data) in self.kinds:
            return self._counted(text)

        def sized(term: Term, at: Place) -> Code:
            return self.dialect.sized(self.path(term, at)[0], (kind,) if kind in ("list", "map") else ("list", "map"))

        found = self._placed(part, at, sized)
        return self._counted(found if kind in ("list", "map") else made("COALESCE({0}, {1})", found, text))
