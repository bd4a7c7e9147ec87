"""`Tree` -> `Term`, first half: names, fields, literals, operators. Functions and sets of events are in `check_calls`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import msgspec

from einklang.expr import roots
from einklang.expr.errors import error_at, nearest
from einklang.expr.tree import Term, Tree
from einklang.expr.types import (
    BOOL,
    DATE,
    DURATION,
    DYN,
    LIST,
    MAP,
    NULL,
    NUMBER,
    SITES,
    STRING,
    TEMPORAL,
    TIMESTAMP,
    EventShape,
    Scope,
    Type,
    list_of,
)


class Row(msgspec.Struct, frozen=True):
    """One event in whose inside an expression stands. number: 0 is the candidate of the site; names: of its set, () = any.

    element: the types of the fields of an element, where the set has gone through `each`, else None.
    """

    number: int
    names: tuple[str, ...] = ()
    element: Mapping[str, Type] | None = None


class Base:
    """What both halves of the checker share: the text, the scope, what surrounds the node at hand, errors."""

    def __init__(self, text: str, scope: Scope) -> None:
        if scope.site not in SITES:
            raise AssertionError(f"unknown site {scope.site}")
        self.text = text
        self.scope = scope
        self.catalog = scope.catalog
        self.site = SITES[scope.site]
        self.rows: list[Row] = [Row(0, scope.event_names)] if self.site.event else []
        self.prior: list[Row] = []
        self.variables: dict[str, tuple[str, Type]] = {}
        self.count = 0

    def fail(self, tree: Tree, code: str, what: str, mend: str = "", *, expected: Iterable[str] = (), near: str = "") -> NoReturn:
        raise error_at(self.text, tree.start, code, what, mend=mend, expected=expected, near=near)

    def source(self, tree: Tree | Term) -> str:
        text = " ".join(self.text[tree.start : tree.end].split())
        return text if len(text) <= 60 else text[:57] + "..."

    def unknown(self, tree: Tree, code: str, kind: str, name: str, known: Iterable[str], mend: str = "") -> NoReturn:
        """An unknown name with the nearest known one."""
        names = sorted(known)
        near = nearest(name, names)
        if near:
            mend = f"did you mean `{near}`?"
        elif not mend:
            mend = "known: " + ", ".join(names[:12]) if names else "none is declared"
        self.fail(tree, code, f"unknown {kind} `{name}`", mend, expected=names, near=near)

    def check(self, tree: Tree) -> Term:
        raise NotImplementedError

    def value(self, tree: Tree) -> Term:
        """A term that does not move with the clock: everywhere but where 2.6 lets `now` stand."""
        term = self.check(tree)
        if term.rate:
            what = f"`{self.source(tree)}` moves with the clock and cannot stand here"
            self.fail(tree, "now_beyond", what, 'use `today`, or compare it: x <= now - duration("30d")')
        return term

    def condition(self, tree: Tree) -> Term:
        """A term that is asked whether it holds."""
        term = self.value(tree)
        if term.type.kind not in ("bool", "dyn", "null"):
            what = f"expected a condition, found the {term.type} `{self.source(tree)}`"
            self.fail(tree, "wrong_type", what, "compare it with something, such as == or >", expected=("bool",))
        return term

    def typed(self, tree: Tree, *kinds: str) -> Term:
        """A term of one of these types; undeclared values fit unless all of these are of time."""
        term = self.value(tree)
        self.fits(tree, term, *kinds)
        return term

    def fits(self, tree: Tree, term: Term, *kinds: str) -> None:
        found = term.type.kind
        if found in kinds or found == "null":
            return
        temporal = all(kind in TEMPORAL for kind in kinds)
        if found == "dyn":
            if temporal:
                self.undeclared(tree, kinds[0])
            return
        wanted = " or ".join(kinds)
        if {found} | set(kinds) == {"date", "timestamp"}:
            self.date_with_timestamp(tree, term)
        mend = "write a value of that type"
        if found == "months":
            mend = "months are not exact: write days, such as 30d"
        elif kinds == ("number",) and found == "string":
            mend = "write number(...) to read it as a number"
        elif kinds == ("string",) and found == "number":
            mend = "write string(...), or put it in quotes"
        self.fail(tree, "wrong_type", f"expected {wanted}, found the {term.type} `{self.source(tree)}`", mend, expected=kinds)

    def undeclared(self, tree: Tree, wanted: str) -> NoReturn:
        shown = self.source(tree)
        ways = {"date": f" or write date({shown})", "timestamp": f" or write timestamp({shown})"}.get(wanted, "")
        what = f"expected a {wanted}, found `{shown}`, whose type is not declared"
        self.fail(tree, "undeclared", what, f"declare its type{ways}", expected=(wanted,))

    def date_with_timestamp(self, tree: Tree, term: Term) -> NoReturn:
        shown = self.source(tree)
        mend = f"write timestamp({shown})" if term.type.kind == "date" else f"write date({shown})"
        what = f"a date and a timestamp do not go together: `{shown}` is a {term.type}"
        self.fail(tree, "date_with_timestamp", what, mend)

    def join(self, tree: Tree, types: Iterable[Type]) -> Type:
        """The type of a value that is one of several."""
        given = [kind for kind in types if kind.kind != "null"]
        if not given:
            return NULL
        first = given[0]
        if all(kind == first for kind in given):
            return first
        if any(kind.kind in TEMPORAL for kind in given):
            shown = ", ".join(dict.fromkeys(str(kind) for kind in given))
            self.fail(tree, "wrong_type", f"the values have different types: {shown}", "make all of them one type, with date(...) or timestamp(...)")
        if all(kind.kind == "list" for kind in given):
            return list_of(self.join(tree, [kind.item or DYN for kind in given]))
        if all(kind.kind == first.kind for kind in given):
            return Type(first.kind)
        return DYN

    def shape_type(self, names: tuple[str, ...], name: str) -> Type:
        """The declared type of a property, where all events of these names declare the same."""
        shapes = [self.catalog.events.get(event) for event in names]
        declared = {shape.properties.get(name) if shape is not None else None for shape in shapes}
        found = declared.pop() if len(declared) == 1 else None
        return found if found is not None else DYN

    def element_types(self, names: tuple[str, ...], name: str) -> Mapping[str, Type]:
        shapes = [self.catalog.events.get(event, EventShape()).each.get(name, {}) for event in names]
        return shapes[0] if shapes and all(shape == shapes[0] for shape in shapes) else {}


class Names(Base):
    """Names, fields, literals and operators."""

    def check(self, tree: Tree) -> Term:
        found = getattr(self, "_" + tree.kind)(tree)
        assert isinstance(found, Term)
        return found

    def _make(self, tree: Tree, op: str, kind: Type, args: tuple[Term, ...] = (), data: Any = None, rate: int = 0) -> Term:
        return Term(op, kind, args, data, tree.start, tree.end, rate)

    # literals

    def _null(self, tree: Tree) -> Term:
        return self._make(tree, "const", NULL)

    def _bool(self, tree: Tree) -> Term:
        return self._make(tree, "const", BOOL, data=tree.value)

    def _number(self, tree: Tree) -> Term:
        return self._make(tree, "const", NUMBER, data=tree.value)

    def _string(self, tree: Tree) -> Term:
        return self._make(tree, "const", STRING, data=tree.value)

    def _list(self, tree: Tree) -> Term:
        items = tuple(self.value(item) for item in tree.args)
        kind = list_of(self.join(tree, [item.type for item in items])) if items else LIST
        return self._make(tree, "list", kind, items)

    def _map(self, tree: Tree) -> Term:
        terms = tuple(self.value(part) for part in tree.args)
        for part, term in zip(tree.args[::2], terms[::2], strict=True):
            if term.op != "const" or term.type.kind != "string":
                self.fail(part, "wrong_type", "the keys of a map are texts in quotes", 'write {"name": value}')
        for part, term in zip(tree.args[1::2], terms[1::2], strict=True):
            if term.type.kind in TEMPORAL:
                self.fail(part, "wrong_type", f"a map holds no {term.type}", "write string(...), or hand it over by itself")
        pairs = zip(terms[::2], terms[1::2], strict=True)
        fields = tuple((str(key.data), term.type) for key, term in pairs if term.type.kind != "null")
        return self._make(tree, "map", Type("map", None, fields), terms)

    # names

    def _name(self, tree: Tree) -> Term:
        name = tree.value
        if name in self.variables:
            variable, kind = self.variables[name]
            return self._make(tree, "local", kind, data=variable)
        if name in roots.ROOTS:
            return self._root(tree, name)
        if self.rows:
            return self._property(tree, self.rows[-1], name)
        near = nearest(name, (*roots.ROOTS, *self.catalog.traits))
        what = f"unknown name `{name}`"
        if near in roots.ROOTS:
            self.fail(tree, "unknown_name", what, f"did you mean `{near}`?", near=near)
        known = f"trait.{near or name}"
        self.fail(tree, "unknown_name", what, f"did you mean `{known}`, or a property inside `where(...)`?", near=known)

    def _root(self, tree: Tree, name: str) -> Term:
        if name == "now":
            return self._make(tree, "now", TIMESTAMP, rate=1)
        if name == "today":
            return self._make(tree, "today", DATE)
        self._allowed(tree, name)
        if name == "goal":
            return self._make(tree, "goal", BOOL)
        example = {"trait": "firstName", "step": "first.clicked", "vars": "worth", "data": "name"}.get(name)
        mend = f"name a field, such as `{name}.{example or 'at'}`"
        if name in ("person", "journey"):
            mend = f"name a field, such as `{name}.id`"
        self.fail(tree, "wrong_type", f"`{name}` alone is no value", mend)

    def _allowed(self, tree: Tree, name: str) -> None:
        """Refuses a root where it has no value."""
        site = self.site
        missing = {
            "event": not self.rows,
            "prior": not self.prior,
            "entry": not site.entry,
            "journey": not site.entry,
            "step": not site.steps,
            "vars": not site.steps,
            "goal": not site.goal,
            "data": True,
        }.get(name, False)
        if missing:
            where = {
                "event": "inside an event, such as where(...)",
                "prior": "inside followedBy(...) and notFollowedBy(...)",
                "data": "in the texts of a message",
                "goal": "in exit, when, until and branch",
            }.get(name, "in a journey or a process")
            what = f"`{name}` has no value in {self.scope.site}"
            self.fail(tree, "root_not_here", what, f"it may stand {where}; a property of that name is event.properties.{name}")

    def _property(self, tree: Tree, row: Row, name: str) -> Term:
        if row.element is not None:
            return self._make(tree, "elem", row.element.get(name, DYN), data=(row.number, name))
        return self._make(tree, "prop", self.shape_type(row.names, name), data=(row.number, name))

    # fields and indices

    def _field(self, tree: Tree) -> Term:
        return self._access(tree, tree.args[0], tree.value)

    def _index(self, tree: Tree) -> Term:
        holder, key = tree.args
        if key.kind == "string":
            return self._access(tree, holder, key.value)
        if self._is_root(holder):
            self.fail(key, "wrong_type", f"`{holder.value}[...]` needs a text in quotes", f'write {holder.value}["name"]')
        term = self.typed(holder, "list", "map")
        at = self.typed(key, "number", "string")
        kind = (term.type.item or DYN) if term.type.kind == "list" else DYN
        return self._make(tree, "index", kind, (term, at))

    def _is_root(self, tree: Tree) -> bool:
        return tree.kind == "name" and tree.value in roots.ROOTS and tree.value not in self.variables

    def _access(self, tree: Tree, holder: Tree, name: str) -> Term:
        """`holder.name` and `holder["name"]`."""
        if self._is_root(holder) and holder.value not in ("now", "today", "goal"):
            self._allowed(holder, holder.value)
            return self._root_field(tree, holder.value, name)
        if holder.kind == "field" or (holder.kind == "index" and holder.args[1].kind == "string"):
            inner, field = holder.args[0], holder.value if holder.kind == "field" else holder.args[1].value
            if self._is_root(inner) and inner.value in ("event", "prior", "entry", "step"):
                found = self._deep_field(tree, inner, field, name)
                if found is not None:
                    return found
        term = self.typed(holder, "map")
        return self._make(tree, "field", term.type.field(name), (term,), name)

    def _root_field(self, tree: Tree, root: str, name: str) -> Term:
        if root == "trait":
            return self._make(tree, "trait", self.catalog.traits.get(name, DYN), data=name)
        if root == "vars":
            if self.scope.vars is not None and name not in self.scope.vars:
                self.unknown(tree, "unknown_name", "variable", name, self.scope.vars, "make it by `assign`")
            return self._make(tree, "var", (self.scope.vars or {}).get(name, DYN), data=name)
        if root == "step":
            self._step(tree, name)
            self.fail(tree, "wrong_type", f"`step.{name}` alone is no value", f"name a field, such as `step.{name}.done`")
        if root in ("event", "prior"):
            row = self.rows[-1] if root == "event" else self.prior[-1]
            kind = self._known(tree, root, name, roots.EVENT)
            return self._make(tree, "eventfield", kind, data=(row.number, name))
        if root == "entry":
            kind = self.scope.key if name == "key" else self._known(tree, root, name, roots.ENTRY)
            return self._make(tree, "entry", kind, data=name)
        fields = roots.PERSON if root == "person" else roots.JOURNEY
        return self._make(tree, root, self._known(tree, root, name, fields), data=name)

    def _known(self, tree: Tree, root: str, name: str, fields: Mapping[str, Type]) -> Type:
        if name in fields:
            return fields[name]
        trait = root == "person" and name in self.catalog.traits
        mend = f"did you mean `trait.{name}`?" if trait else ""
        if root in ("event", "entry", "prior") and not nearest(name, fields):
            mend = f"did you mean `{root}.properties.{name}`?"
        if mend:
            self.fail(tree, "unknown_field", f"unknown field `{root}.{name}`", mend, expected=sorted(fields), near=mend.split("`")[1])
        self.unknown(tree, "unknown_field", f"field of `{root}`:", name, fields)

    def _step(self, tree: Tree, name: str) -> str:
        if name not in self.scope.steps:
            self.unknown(tree, "unknown_step", "step", name, self.scope.steps, "name a step of this journey")
        return self.scope.steps[name]

    def _deep_field(self, tree: Tree, root: Tree, field: str, name: str) -> Term | None:
        """`step.ID.field`, and typed properties: `event.properties.x`, `entry.properties.x`."""
        self._allowed(root, root.value)
        if root.value == "step":
            kinds = roots.step_fields(self._step(tree, field))
            if name not in kinds:
                self.unknown(tree, "unknown_field", f"field of `step.{field}`:", name, kinds)
            return self._make(tree, "step", kinds[name], data=(field, name))
        if field != "properties":
            return None
        if root.value == "entry":
            kind = self.shape_type(self.scope.entry_events, name)
            return self._make(tree, "entryprop", kind, data=name)
        row = self.rows[-1] if root.value == "event" else self.prior[-1]
        return self._make(tree, "prop", self.shape_type(row.names, name), data=(row.number, name))

    # operators

    def _not(self, tree: Tree) -> Term:
        return self._make(tree, "not", BOOL, (self.condition(tree.args[0]),))

    def _and(self, tree: Tree) -> Term:
        return self._make(tree, tree.kind, BOOL, tuple(self.condition(part) for part in tree.args))

    _or = _and

    def _cond(self, tree: Tree) -> Term:
        ask = self.condition(tree.args[0])
        yes, no = self.value(tree.args[1]), self.value(tree.args[2])
        return self._make(tree, "cond", self.join(tree, (yes.type, no.type)), (ask, yes, no))

    def _neg(self, tree: Tree) -> Term:
        term = self.typed(tree.args[0], "number")
        if term.op == "const" and term.type.kind == "number":
            return self._make(tree, "const", NUMBER, data=-term.data)
        return self._make(tree, "neg", NUMBER, (term,))

    def _binary(self, tree: Tree) -> Term:
        if tree.value == "in":
            return self._in(tree)
        left, right = self.check(tree.args[0]), self.check(tree.args[1])
        if tree.value in _COMPARE:
            return self._compare(tree, left, right)
        kinds = {left.type.kind, right.type.kind}
        if kinds & TEMPORAL:
            return self._time_arithmetic(tree, left, right)
        if tree.value == "+" and not kinds & {"number", "bool", "map"}:
            known = kinds & {"string", "list"}
            if len(known) == 2:
                self.fits(tree.args[1], right, left.type.kind)
            if known == {"list"}:
                return self._make(tree, "plus", self.join(tree, (left.type, right.type)), (left, right))
            return self._make(tree, "plus", STRING if known else DYN, (left, right))
        for part, term in zip(tree.args, (left, right), strict=True):
            self.fits(part, term, "number")
        return self._make(tree, _ARITHMETIC[tree.value], NUMBER, (left, right))

    def _time_arithmetic(self, tree: Tree, left: Term, right: Term) -> Term:
        sign = tree.value
        kinds = (left.type.kind, right.type.kind)
        if sign == "-" and kinds == ("timestamp", "timestamp"):
            return self._make(tree, "ts_diff", DURATION, (left, right), rate=left.rate - right.rate)
        if sign == "-" and kinds == ("date", "date"):
            return self._make(tree, "date_diff", DURATION, (left, right))
        if sign == "+" and kinds[0] in ("duration", "months") and kinds[1] in ("date", "timestamp"):
            left, right, kinds = right, left, (kinds[1], kinds[0])
        if sign in "+-" and kinds[0] in ("date", "timestamp") and kinds[1] in ("duration", "months"):
            return self._moved(tree, left, right)
        if set(kinds) == {"date", "timestamp"}:
            self.date_with_timestamp(tree.args[0], left)
        for part, term, other in zip(tree.args, (left, right), (right, left), strict=True):
            if term.type.kind == "dyn" and sign in "+-":
                self.undeclared(part, "date" if other.type.kind in ("date", "months") else "timestamp")
        what = f"`{sign}` does not go with a {left.type} and a {right.type}"
        self.fail(tree, "wrong_type", what, "moments can be taken off each other, and moved by a duration")

    def _moved(self, tree: Tree, day: Term, by: Term) -> Term:
        if by.rate:
            self.fail(tree, "now_beyond", "a moment cannot be moved by what itself moves with the clock", "use `today`")
        sign = -1 if tree.value == "-" else 1
        if day.type.kind == "timestamp":
            if by.type.kind == "months":
                what = "months are not exact: a timestamp cannot be moved by them"
                self.fail(tree, "months_in_window", what, "write days, such as 30d, or move date(...)")
            return self._make(tree, "ts_move", TIMESTAMP, (day, by), sign, day.rate)
        if by.op == "duration" and by.data.micros:
            self.fail(tree, "wrong_type", "a date can be moved by whole days or months only", "write days, or move timestamp(...)")
        return self._make(tree, "date_move", DATE, (day, by), sign)

    def _compare(self, tree: Tree, left: Term, right: Term) -> Term:
        op = _COMPARE[tree.value]
        kinds = (left.type.kind, right.type.kind)
        if "months" in kinds:
            self.fail(tree, "months_in_window", "months are not exact and cannot be compared", "write days, such as 30d")
        if set(kinds) == {"date", "timestamp"}:
            self.date_with_timestamp(tree.args[0], left)
        if set(kinds) & TEMPORAL:
            for part, term, other in zip(tree.args, (left, right), (right, left), strict=True):
                self.fits(part, term, other.type.kind)
        elif op not in ("eq", "ne"):
            self._ordered(tree, left, right)
        if left.rate and right.rate and left.rate != right.rate:
            self.fail(tree, "now_beyond", "both sides move with the clock", "compare with a duration or a moment that does not")
        return self._make(tree, op, BOOL, (left, right))

    def _ordered(self, tree: Tree, left: Term, right: Term) -> None:
        """`<` and its like compare numbers with numbers and texts with texts."""
        for part, term, other in zip(tree.args, (left, right), (right, left), strict=True):
            if term.type.kind not in ("number", "string", "dyn", "null"):
                self.fail(part, "wrong_type", f"`{tree.value}` does not go with the {term.type} `{self.source(part)}`", "compare numbers, texts, dates or moments")
            if other.type.kind in ("number", "string"):
                self.fits(part, term, other.type.kind)

    def _in(self, tree: Tree) -> Term:
        item, holder = self.value(tree.args[0]), self.typed(tree.args[1], "list", "map")
        inner = (holder.type.item or DYN) if holder.type.kind == "list" else DYN
        if holder.type.kind == "map":
            self.fits(tree.args[0], item, "string")
        elif TEMPORAL & {item.type.kind, inner.kind}:
            if inner.kind == "dyn" and holder.args == () and holder.op == "list":
                return self._make(tree, "const", BOOL, data=False)
            if inner.kind == "dyn":
                self.undeclared(tree.args[1], f"list({item.type})")
            self.fits(tree.args[0], item, inner.kind)
        return self._make(tree, "in", BOOL, (item, holder))


_COMPARE = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
_ARITHMETIC = {"+": "add", "-": "sub", "*": "mul", "/": "div", "%": "mod"}
