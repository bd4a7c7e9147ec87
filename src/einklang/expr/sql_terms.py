"""Typed terms -> SQL, for one row: a person, an event, an element of a list.

A declared value has the column type of its kind (`SQL_TYPES`). An undeclared one is text that begins with the letter of
what it is: `n12.500000000`, `sBonn`, `btrue`, or `o` and the canonical JSON of a list or map; so equal values are equal
texts, and null is null. What is read off JSON is read as the type that is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from einklang.expr.crowd_sets import free_names
from einklang.expr.sql_rows import EventRows, Lambda, Names, Rows, Token
from einklang.expr.sql_text import (
    FALSE,
    LETTER,
    SQL_TYPES,
    TRUE,
    Code,
    DuckDB,
    Unsupported,
    both,
    made,
    null,
    number,
    tagged_number,
    whole,
)
from einklang.expr.tree import Term
from einklang.expr.types import Type
from einklang.kernel.time import Micros

Place = Rows | Lambda
PATHS = frozenset({"prop", "elem", "trait", "grouptrait", "lookup", "field", "local"})
#: Ops whose value is never null.
_SURE = frozenset(
    [
        "not", "and", "or", "eq", "ne", "lt", "le", "gt", "ge", "in", "has", "segment", "consent", "exists", "contains",
        "startsWith", "endsWith", "macro_exists", "macro_all", "macro_exists_one",
    ]
)  # fmt: skip
#: Ops that read the zone of the person.
_ZONED = frozenset({"today", "date_of_ts", "ts_of_date", "hour", "age", "anniversary", "money"})
_OF_PERSON = frozenset(
    ["trait", "person", "segment", "consent", "groupid", "grouprole", "groupcontact", "groupsize", "grouptrait"]
)
AGGREGATES = frozenset(["exists", "count", "sum", "avg", "min", "max", "distinct", "first", "last", "nth", "list_rows"])


class Terms:
    """What `sql.Plan` inherits first: values. `sql_sets.Sets` supplies sets and lists."""

    def __init__(self, dialect: DuckDB, now: Micros, fields: frozenset[str]) -> None:
        self.dialect = dialect
        self.now = now
        self.fields = fields
        self.names = Names()
        #: what a name of the expression stands for: rows and document column, or the variable of a lambda
        self.tokens: dict[Token, tuple[Place, str]] = {}
        #: of a variable that is no JSON: its kind
        self.kinds: dict[Token, str] = {}
        self._ranks: dict[int, int] = {}
        self._free: dict[int, frozenset[Token]] = {}

    # supplied by Sets and Plan

    def aggregate(self, term: Term, at: Rows) -> Code:
        raise NotImplementedError

    def persons(self, rank: int) -> Rows:
        """The persons with all aggregates of rank <= `rank`."""
        raise NotImplementedError

    def trait_column(self, name: str) -> str:
        raise NotImplementedError

    def flag(self, kind: str, key: Any, at: Rows) -> Code:
        """Whether a person has a permission or is in a segment."""
        raise NotImplementedError

    def group_column(self, kind: str, what: str, name: str = "") -> str:
        """A column of the persons that tells of their group of a type."""
        raise NotImplementedError

    def in_list(self, term: Term, at: Place) -> Code:
        raise NotImplementedError

    # where a term is worked out

    def free(self, term: Term) -> frozenset[Token]:
        if id(term) not in self._free:
            self._free[id(term)] = free_names(term)
        return self._free[id(term)]

    def rank(self, term: Term) -> int:
        """-1: it needs no person; 0: what is known of a person; n: aggregates that need those of rank n - 1."""
        found = self._ranks.get(id(term))
        if found is None:
            found = max((self.rank(part) for part in term.args), default=-1)
            if term.op in AGGREGATES:
                found = max(found, 0) + 1
            elif term.op in _ZONED or term.op in _OF_PERSON:
                found = max(found, 0)
            self._ranks[id(term)] = found
        return found

    def place(self, term: Term, at: Place) -> Place:
        """The rows that a term speaks of: at most those where it stands."""
        free = self.free(term)
        while isinstance(at, Lambda) and at.token not in free:
            at = at.outer
        while isinstance(at, EventRows) and at.outer is not None:
            if any(self.tokens[token][0] is at for token in free) or not (free or self.rank(term) >= 0):
                break
            at = at.outer
        return at

    def value(self, term: Term, at: Place) -> Code:
        """The value of a term, in the column type of its kind."""
        return self._placed(term, at, self._value)

    def _placed(self, term: Term, at: Place, work: Callable[[Term, Place], Code]) -> Code:
        place = self.place(term, at)
        if isinstance(place, EventRows) and not self.free(term) and self.rank(term) >= 0:
            persons = self.persons(place.rank)
            found = persons.named(work(term, persons))
            return place.of_person(found, persons) if found.deps else found
        found = work(term, place)
        return place.bind(found) if isinstance(place, Rows) and not isinstance(at, Rows) else found

    def _value(self, term: Term, at: Place) -> Code:
        if term.op in PATHS:
            return self._read(term, at, term.type.kind if term.type.kind in SQL_TYPES else "dyn")
        if term.op in AGGREGATES:
            assert isinstance(at, Rows)
            return self.aggregate(term, at)
        found: Code = getattr(self, "_" + term.op)(term, at)
        return self.keep(found, at)

    def keep(self, code: Code, at: Place) -> Code:
        """A long piece becomes a column, so that it is written once."""
        if isinstance(at, Rows) and (len(code.text) > 120 or code.python):
            return at.bind(code)
        if len(code.text) > 20_000:
            raise Unsupported("an expression this long inside a list")
        return code

    def repeated(self, code: Code, at: Place) -> Code:
        """Ready to be written more than once."""
        return at.bind(code) if isinstance(at, Rows) else code

    def typed(self, term: Term, at: Place, kind: str) -> Code:
        """The value read as a kind; null where it is of another one."""
        given = term.type.kind
        if given == kind:
            return self.value(term, at)
        if given != "dyn":
            return null(kind)
        if term.op in PATHS:
            return self._placed(term, at, lambda term, at: self._read(term, at, kind))
        if kind not in LETTER:
            return null(kind)
        if term.op == "money" and kind == "number":
            return self._placed(term, at, self._money_number)
        return self.untagged(self.repeated(self.value(term, at), at), kind)

    def untagged(self, code: Code, kind: str) -> Code:
        """An undeclared value read as a kind."""
        rest = "substr({0}, 2)"
        if kind == "bool":
            return made("CASE {0} WHEN 'btrue' THEN TRUE WHEN 'bfalse' THEN FALSE END", code)
        text = rest if kind == "string" else f"CAST({rest} AS {SQL_TYPES['number']})"
        return made(f"CASE WHEN substr({{0}}, 1, 1) = '{LETTER[kind]}' THEN {text} END", code)

    def dyn(self, term: Term, at: Place) -> Code:
        """The value as an undeclared one."""
        kind = term.type.kind
        if term.op in PATHS and kind not in LETTER:
            return self._placed(term, at, lambda term, at: self._read(term, at, "dyn"))
        value = self.value(term, at)
        return value if kind not in LETTER else self.tagged(value, kind, at)

    def tagged(self, value: Code, kind: str, at: Place) -> Code:
        if kind == "bool":
            return made("CASE {0} WHEN TRUE THEN 'btrue' WHEN FALSE THEN 'bfalse' END", value)
        return tagged_number(value) if kind == "number" else made("'s' || {0}", value)

    def holds(self, term: Term, at: Place) -> Code:
        """True or false: null and what is no bool count as false."""
        if term.op in _SURE:
            return self.value(term, at)
        if term.op == "const":
            return TRUE if term.data is True else FALSE
        if term.type.kind not in ("bool", "dyn"):
            return FALSE
        return made("COALESCE({0}, FALSE)", self.typed(term, at, "bool"))

    # JSON

    def path(self, term: Term, at: Place) -> tuple[Code, Code | None, tuple[str, ...]]:
        """What a name speaks of, the whole document (None: a safe one), and the path into it."""
        path: tuple[str, ...] = ()
        while term.op == "field":
            path = (term.data, *path)
            term = term.args[0]
        if term.op in ("trait", "grouptrait"):
            assert isinstance(at, Rows)
            column = self.trait_column(term.data) if term.op == "trait" else self._trait_of_group(term)
            return at.part(column, path), at.column(column), path
        if term.op == "lookup":
            text = self.repeated(self._looked_up(term, at, path), at)
            return self.repeated(self.dialect.document(text), at), text, ()
        token: Token = ("local", term.data) if term.op == "local" else ("row", term.data[0])
        if token in self.kinds:
            raise Unsupported("a field of what a list gives")
        if term.op == "elem":
            token = ("elem", term.data[0])
        if term.op != "local":
            path = (term.data[1], *path)
        place, column = self.tokens[token]
        if isinstance(place, Lambda):
            variable = Code(place.variable, {place.key: 0}, solid=True)
            return made(self.dialect.inner("{0}", path), variable) if path else variable, None, path
        raw = column in ("properties", "body")
        return place.part(column, path, parsed=not raw), place.column(column) if raw else None, path

    def _trait_of_group(self, term: Term) -> str:
        kind, name = term.data
        return self.group_column(kind, "trait", name)

    def _looked_up(self, term: Term, at: Place, path: tuple[str, ...]) -> Code:
        """What is at a path of the row of a catalog, as JSON."""
        key, asked = term.args[0], (self.dialect.text(term.data), self.dialect.text(json.dumps(path)))
        if key.type.kind == "string" or key.op not in PATHS:
            return self.asked("ek_lookup", self.typed(key, at, "string"), *asked)
        part, doc, where = self.path(key, at)
        if doc is None:
            return self.asked("ek_lookup_safe", self.dialect.safe_text(part), *asked)
        return self.asked("ek_lookup_at", doc, self.dialect.text(json.dumps(where)), *asked)

    def _read(self, term: Term, at: Place, kind: str) -> Code:
        """What is at a path, read as a kind."""
        token: Token = ("local", term.data)
        if term.op == "local" and token in self.kinds:
            return self._of_variable(token, kind)
        part, doc, path = self.path(term, at)
        place = next((self.tokens[one][0] for one in self.free(term)), at)
        part = part if part.solid else self.repeated(part, place)
        declared = term.type.kind
        if kind == "dyn" and declared in ("list", "map"):
            return self.keep(self._listed(part, doc, path, declared), place)
        read = getattr(self, "_read_" + kind)
        return self.keep(read(part, doc, path), place)

    def _of_variable(self, token: Token, kind: str) -> Code:
        place, name = self.tokens[token]
        found = Code(name, {place.key: 0} if isinstance(place, Lambda) else {}, solid=True)
        given = self.kinds[token]
        if given == kind:
            return found
        return self.untagged(found, kind) if given == "dyn" and kind in LETTER else null(kind)

    def _read_string(self, part: Code, doc: Code | None, path: tuple[str, ...]) -> Code:
        return self.dialect.read_safe_string(part) if doc is None else self.dialect.read_string(part)

    def _read_bool(self, part: Code, doc: Code | None, path: tuple[str, ...]) -> Code:
        return self.dialect.read_bool(part)

    def _read_number(self, part: Code, doc: Code | None, path: tuple[str, ...]) -> Code:
        return self.dialect.read_number(part, doc, path)

    def _read_timestamp(self, part: Code, doc: Code | None, path: tuple[str, ...]) -> Code:
        return self.asked("ek_moment", self._read_string(part, doc, path))

    def _read_date(self, part: Code, doc: Code | None, path: tuple[str, ...]) -> Code:
        return self.asked("ek_date", self._read_string(part, doc, path))

    def _read_dyn(self, part: Code, doc: Code | None, path: tuple[str, ...]) -> Code:
        text, flag = self._read_string(part, doc, path), self.dialect.read_bool(part)
        amount, listed = self.dialect.read_number(part, doc, path), self.dialect.read_compared(part, doc, path)
        flagged = "CASE {1} WHEN TRUE THEN 'btrue' WHEN FALSE THEN 'bfalse' END"
        return made(
            f"COALESCE('s' || {{0}}, {flagged}, 'n' || CAST({{2}} AS STRING), 'o' || {{3}})", text, flag, amount, listed
        )

    def _listed(self, part: Code, doc: Code | None, path: tuple[str, ...], kind: str) -> Code:
        """A declared list or map."""
        sized = self.dialect.sized(part, (kind,))
        return made("CASE WHEN {0} IS NOT NULL THEN 'o' || {1} END", sized, self.dialect.read_compared(part, doc, path))

    def asked(self, function: str, *args: Code) -> Code:
        """A function of Einklang's."""
        listed = ", ".join(f"{{{at}}}" for at in range(len(args)))
        found = made(f"{function}({listed})", *args)
        return Code(found.text, found.deps, python=True)

    # constants and names

    def _const(self, term: Term, at: Place) -> Code:
        kind, data = term.type.kind, term.data
        if kind == "number":
            return number(data)
        if kind == "string":
            return self.dialect.text(data)
        return null("null") if data is None else TRUE if data else FALSE

    def _duration(self, term: Term, at: Place) -> Code:
        return whole(term.data.exact())

    def _now(self, term: Term, at: Place) -> Code:
        return whole(self.now)

    def _today(self, term: Term, at: Place) -> Code:
        assert isinstance(at, Rows)
        return at.column("today")

    def zone(self, at: Place) -> Code:
        """The zone of the person in a row."""
        rows = at.rows() if isinstance(at, Lambda) else at
        return self.person_column("zone", rows)

    def person_column(self, name: str, rows: Rows) -> Code:
        while isinstance(rows, EventRows) and rows.outer is not None:
            rows = rows.outer
        if not isinstance(rows, EventRows):
            return rows.column(name)
        persons = self.persons(max(rows.rank, 0))
        return rows.of_person(persons.column(name), persons)

    def _person(self, term: Term, at: Place) -> Code:
        assert isinstance(at, Rows)
        return at.column("person_id" if term.data == "id" else f"field_{term.data}")

    def _eventfield(self, term: Term, at: Place) -> Code:
        number, name = term.data
        place, _ = self.tokens["row", number]
        assert isinstance(place, Rows)
        who = place.actor if isinstance(place, EventRows) else "person_id"
        found = place.column(who if name == "person" else name)
        return made("NULLIF({0}, '')", found) if name == "touchpoint" else found

    def _segment(self, term: Term, at: Place) -> Code:
        assert isinstance(at, Rows)
        return self.flag(term.op, term.data, at)

    _consent = _segment

    def _groupid(self, term: Term, at: Place) -> Code:
        assert isinstance(at, Rows)
        found = at.column(self.group_column(term.data, term.op.removeprefix("group")))
        return made(f"CAST({{0}} AS {SQL_TYPES['number']})", found) if term.op == "groupsize" else found

    _grouprole = _groupcontact = _groupsize = _groupid

    def _money_number(self, term: Term, at: Place) -> Code:
        amount, currency, when = term.args
        code = self.repeated(self.typed(currency, at, "string"), at)
        given, moment = self.repeated(self.typed(amount, at, "number"), at), self.value(when, at)
        own = self.dialect.text(term.data)
        foreign = self.asked("ek_exchanged", given, code, moment, self.zone(at), own)
        same = made("{0} IS NULL OR {0} IN ('', {1}) OR {2} IS NULL", code, own, moment)
        return self.keep(made("CASE WHEN {0} THEN {1} ELSE {2} END", same, given, foreign), at)

    def _money(self, term: Term, at: Place) -> Code:
        amount = self._money_number(term, at)
        if term.type.kind == "number":
            return amount
        raw = self.repeated(self.dyn(term.args[0], at), at)
        counted = tagged_number(amount)
        return made("CASE WHEN substr({0}, 1, 1) = 'n' THEN {1} ELSE {0} END", raw, counted)

    # truth

    def _not(self, term: Term, at: Place) -> Code:
        return made("(NOT {0})", self.holds(term.args[0], at))

    def _and(self, term: Term, at: Place) -> Code:
        found = both([self.holds(part, at) for part in term.args])
        return made("({0})", found)

    def _or(self, term: Term, at: Place) -> Code:
        parts = [self.holds(part, at) for part in term.args]
        return made("(" + " OR ".join(f"{{{n}}}" for n in range(len(parts))) + ")", *parts)

    def as_type(self, term: Term, at: Place, kind: Type) -> Code:
        """The value as one of several of a joint type."""
        if term.type.kind == "null":
            return null(kind.kind if kind.kind in SQL_TYPES else "dyn")
        return self.value(term, at) if term.type.kind == kind.kind != "dyn" else self.dyn(term, at)

    def _cond(self, term: Term, at: Place) -> Code:
        ask, yes, no = term.args
        parts = self.holds(ask, at), self.as_type(yes, at, term.type), self.as_type(no, at, term.type)
        return made("CASE WHEN {0} THEN {1} ELSE {2} END", *parts)

    def _coalesce(self, term: Term, at: Place) -> Code:
        parts = [self.as_type(part, at, term.type) for part in term.args]
        return made("COALESCE(" + ", ".join(f"{{{n}}}" for n in range(len(parts))) + ")", *parts)

    def is_null(self, term: Term, at: Place) -> Code:
        if term.op in PATHS and term.type.kind == "dyn" and ("local", term.data) not in self.kinds:
            return self._placed(term, at, lambda term, at: self.dialect.missing(self.path(term, at)[0]))
        return made("({0} IS NULL)", self.value(term, at))

    def _has(self, term: Term, at: Place) -> Code:
        return made("(NOT {0})", self.is_null(term.args[0], at))

    def _eq(self, term: Term, at: Place) -> Code:
        same = self.equal(term.args[0], term.args[1], at)
        return same if term.op == "eq" else made("(NOT {0})", same)

    _ne = _eq

    def equal(self, a: Term, b: Term, at: Place) -> Code:
        """Null equals only null; values of different types are never equal."""
        kinds = a.type.kind, b.type.kind
        if "null" in kinds:
            return self.is_null(b if kinds[0] == "null" else a, at)
        if kinds[0] in LETTER and kinds[1] == "dyn":
            a, b = b, a
        if a.type.kind == "dyn" and b.type.kind in LETTER:
            return self._equal_declared(a, b, at)
        if kinds[0] == kinds[1] and kinds[0] in SQL_TYPES and kinds[0] != "dyn":
            return made("({0} IS NOT DISTINCT FROM {1})", self.value(a, at), self.value(b, at))
        if {"dyn", "list", "map"} >= set(kinds):
            return made("({0} IS NOT DISTINCT FROM {1})", self.dyn(a, at), self.dyn(b, at))
        return made("({0} AND {1})", self.is_null(a, at), self.is_null(b, at))

    def _equal_declared(self, undeclared: Term, other: Term, at: Place) -> Code:
        if other.op == "const":
            if undeclared.op in PATHS and other.type.kind == "string" and ("local", undeclared.data) not in self.kinds:
                part = self._placed(undeclared, at, lambda term, at: self.path(term, at)[0])
                direct = self.dialect.is_string(part, other.data)
                if direct is not None:
                    return direct
            return made(
                "COALESCE({0} = {1}, FALSE)", self.typed(undeclared, at, other.type.kind), self.value(other, at)
            )
        value = self.repeated(self.value(other, at), at)
        read = self.typed(undeclared, at, other.type.kind)
        missing = self.is_null(undeclared, at)
        return made("CASE WHEN {0} IS NULL THEN {1} ELSE COALESCE({2} = {0}, FALSE) END", value, missing, read)

    def _lt(self, term: Term, at: Place) -> Code:
        sign = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}[term.op]
        a, b = term.args
        kinds = {a.type.kind, b.type.kind} - {"dyn"}
        if kinds == {"date"}:
            full = " AND ".join(f"NOT {self.dialect.starts}({{{n}}}, '-')" for n in (0, 1))
            days = [self.repeated(self.value(part, at), at) for part in (a, b)]
            return made(f"COALESCE({{0}} {sign} {{1}} AND {full}, FALSE)", *days)
        asked = kinds or {"number", "string"}
        if len(kinds) > 1 or not asked <= {"number", "string", "timestamp", "duration"}:
            return FALSE
        parts = []
        for kind in sorted(asked):
            parts.append(made(f"{{0}} {sign} {{1}}", self.typed(a, at, kind), self.typed(b, at, kind)))
        return made("COALESCE(" + ", ".join(f"{{{n}}}" for n in range(len(parts))) + ", FALSE)", *parts)

    _le = _gt = _ge = _lt

    def _in(self, term: Term, at: Place) -> Code:
        item, holder = term.args
        if holder.op != "list":
            return self.in_list(term, at)
        found = [self.equal(item, part, at) for part in holder.args] or [FALSE]
        either = made("(" + " OR ".join(f"{{{n}}}" for n in range(len(found))) + ")", *found)
        return made("({0} AND NOT {1})", either, self.is_null(item, at))
