"""`Tree` -> `Term`, second part: names, fields, literals, operators. Functions and sets of events are in
`check_calls`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from einklang.expr import roots
from einklang.expr.check_base import Base, Row
from einklang.expr.errors import nearest
from einklang.expr.numbers import neg
from einklang.expr.parse import parse
from einklang.expr.tree import Term, Tree
from einklang.expr.types import (
    BOOL,
    DATE,
    DURATION,
    DYN,
    LIST,
    NULL,
    NUMBER,
    SITES,
    STRING,
    TEMPORAL,
    TIMESTAMP,
    Type,
    list_of,
)

#: Segment's properties that are money where nothing else is declared (2.7).
SEGMENT_MONEY = frozenset({"revenue", "total", "subtotal", "value", "price", "tax", "shipping", "discount"})
#: Computed traits, scores and stages that one expression may ask for, those within others included.
_INLINED_MAX = 64
#: What `group("type")` has beside traits: which group it is, and what the person is there.
_OF_GROUP = {"id": ("groupid", STRING), "role": ("grouprole", STRING), "contact_person": ("groupcontact", BOOL)}
#: Stands for the run's entry where else the number of a row stands.
ENTRY = -1


def _standing_at(term: Term, tree: Tree) -> Term:
    """The term with all its parts where the tree stands, so that it is shown as what is written there."""
    args = tuple(_standing_at(part, tree) for part in term.args)
    return msgspec.structs.replace(term, args=args, start=tree.start, end=tree.end)


class Names(Base):
    """Names, fields, literals and operators."""

    def check(self, tree: Tree) -> Term:
        found = getattr(self, "_" + tree.kind)(tree)
        assert isinstance(found, Term)
        return found

    def _make(
        self, tree: Tree, op: str, kind: Type, args: tuple[Term, ...] = (), data: Any = None, rate: int = 0
    ) -> Term:
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
                raise self.fault(part, "wrong_type", "the keys of a map are texts in quotes", 'write {"name": value}')
        for part, term in zip(tree.args[1::2], terms[1::2], strict=True):
            if term.type.kind in TEMPORAL:
                raise self.fault(
                    part, "wrong_type", f"a map holds no {term.type}", "write string(...), or hand it over by itself"
                )
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
            raise self.fault(tree, "unknown_name", what, f"did you mean `{near}`?", near=near)
        known = f"trait.{near or name}"
        raise self.fault(
            tree, "unknown_name", what, f"did you mean `{known}`, or a property inside `where(...)`?", near=known
        )

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
        raise self.fault(tree, "wrong_type", f"`{name}` alone is no value", mend)

    def _allowed(self, tree: Tree, name: str) -> None:
        """Refuses a root where it has no value."""
        site = self.site
        missing = {
            "event": not self.rows or bool(self.rows[-1].objects),
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
            raise self.fault(
                tree, "root_not_here", what, f"it may stand {where}; a property of that name is event.properties.{name}"
            )

    def _object_field(self, tree: Tree, row: Row, name: str) -> Term:
        """A field of a business object; one that the definition does not name is an error where it names any."""
        shape = (self.catalog.objects or {}).get(row.objects)
        known = row.element or {}
        if name not in known and shape is not None and shape.closed:
            raise self.unknown(tree, "unknown_field", f"field of `{row.objects}`:", name, known)
        found = self._make(tree, "elem", known.get(name, DYN), data=(row.number, name))
        return self._in_currency(tree, found, name, row.number)

    def _property(self, tree: Tree, row: Row, name: str) -> Term:
        if row.objects:
            return self._object_field(tree, row, name)
        if row.element is not None:
            found = self._make(tree, "elem", row.element.get(name, DYN), data=(row.number, name))
        else:
            found = self._make(tree, "prop", self.shape_type(row.names, name), data=(row.number, name))
        return self._in_currency(tree, found, name, row.number)

    # money

    def _in_currency(self, tree: Tree, raw: Term, name: str, origin: int | None) -> Term:
        """An amount as a number in the policy's currency (2.7); what is no money as it is. origin: of `_origin`."""
        own = self.catalog.currency
        money = raw.type.money or (raw.type.kind == "dyn" and name in SEGMENT_MONEY)
        if not own or origin is None or not money:
            return raw
        if origin == ENTRY:
            currency = self._make(tree, "entryprop", STRING, data="currency")
            at = self._make(tree, "entry", TIMESTAMP, data="at")
        elif any(row.objects for row in self.rows if row.number == origin):
            currency = self._make(tree, "elem", STRING, data=(origin, "currency"))
            at = self._make(tree, "elem", TIMESTAMP, data=(origin, "began_at"))
        else:
            currency = self._make(tree, "prop", STRING, data=(origin, "currency"))
            at = self._make(tree, "eventfield", TIMESTAMP, data=(origin, "at"))
        return self._make(tree, "money", DYN if raw.type.kind == "dyn" else NUMBER, (raw, currency, at), own)

    def _origin(self, term: Term) -> int | None:
        """The row whose properties hold a value, ENTRY for those of the entry, None where it is of neither."""
        while term.op in ("macro_filter", "field", "index", "money"):
            term = term.args[0]
        if term.op == "local":
            return self.origins.get(term.data)
        if term.op == "entryprop" or (term.op == "entry" and term.data == "properties"):
            return ENTRY
        whole = term.op == "eventfield" and term.data[1] == "properties"
        if not whole and term.op not in ("prop", "elem"):
            return None
        return int(term.data[0])

    # fields and indices

    def _field(self, tree: Tree) -> Term:
        return self._access(tree, tree.args[0], tree.value)

    def _index(self, tree: Tree) -> Term:
        holder, key = tree.args
        if key.kind == "string":
            return self._access(tree, holder, key.value)
        if self._is_root(holder):
            raise self.fault(
                key, "wrong_type", f"`{holder.value}[...]` needs a text in quotes", f'write {holder.value}["name"]'
            )
        term = self.typed(holder, "list", "map")
        at = self.typed(key, "number", "string")
        kind = (term.type.item or DYN) if term.type.kind == "list" else DYN
        return self._make(tree, "index", kind, (term, at))

    def _is_root(self, tree: Tree) -> bool:
        return tree.kind == "name" and tree.value in roots.ROOTS and tree.value not in self.variables

    def _access(self, tree: Tree, holder: Tree, name: str) -> Term:
        """`holder.name` and `holder["name"]`."""
        found = self._of_group(tree, holder, name)
        if found is not None:
            return found
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
        found = self._make(tree, "field", term.type.field(name), (term,), name)
        return self._in_currency(tree, found, name, self._origin(term))

    def _of_group(self, tree: Tree, holder: Tree, name: str) -> Term | None:
        """`group("type").id`, `.role`, `.contact_person` and `.trait.NAME`; None for what is none of them."""
        if self.is_group(holder):
            if name in _OF_GROUP:
                op, value = _OF_GROUP[name]
                return self._make(tree, op, value, (), self.group_type(holder))
            if name == "trait":
                raise self.fault(tree, "wrong_type", "`trait` alone is no value", "name a trait of the group")
            raise self.unknown(tree, "unknown_field", "field of a group:", name, (*_OF_GROUP, "trait", "size"))
        if holder.kind == "field" and holder.value == "trait" and self.is_group(holder.args[0]):
            kind = self.group_type(holder.args[0])
            declared = self.catalog.traits.get(f"{kind}.{name}", DYN)
            return self._make(tree, "grouptrait", declared, (), (kind, name))
        return None

    def _root_field(self, tree: Tree, root: str, name: str) -> Term:
        if root == "trait" and name in self.catalog.computed:
            return self._computed(tree, name)
        if root == "trait":
            return self._make(tree, "trait", self.catalog.traits.get(name, DYN), data=name)
        if root == "vars":
            if self.scope.vars is not None and name not in self.scope.vars:
                raise self.unknown(tree, "unknown_name", "variable", name, self.scope.vars, "make it by `assign`")
            return self._make(tree, "var", (self.scope.vars or {}).get(name, DYN), data=name)
        if root == "step":
            self._step(tree, name)
            raise self.fault(
                tree, "wrong_type", f"`step.{name}` alone is no value", f"name a field, such as `step.{name}.done`"
            )
        if root in ("event", "prior"):
            row = self.rows[-1] if root == "event" else self.prior[-1]
            kind = self._known(tree, root, name, roots.EVENT)
            return self._make(tree, "eventfield", kind, data=(row.number, name))
        if root == "entry":
            kind = self.scope.key if name == "key" else self._known(tree, root, name, roots.ENTRY)
            return self._make(tree, "entry", kind, data=name)
        fields = roots.PERSON if root == "person" else roots.JOURNEY
        return self._make(tree, root, self._known(tree, root, name, fields), data=name)

    def _computed(self, tree: Tree, name: str) -> Term:
        """The value of a computed trait in the place of its name."""
        text = self.catalog.computed[name]
        return self.elsewhere(tree, f"trait.{name}", "trait.value", lambda: self.said(text))

    def elsewhere(self, tree: Tree, name: str, site: str, read: Callable[[], Term]) -> Term:
        """What another definition says, in the place of its name: it stands on its own, outside of any event."""
        if name in self.computing:
            chain = " -> ".join((*self.computing, name))
            raise self.fault(tree, "depends_on_itself", f"{chain} goes in a circle", "leave one of them out")
        self.inlined += 1
        if self.inlined > _INLINED_MAX:
            what = f"more than {_INLINED_MAX} computed traits, scores and stages in one expression"
            raise self.fault(tree, "too_many_nodes", what, "put a part of it into a segment")
        outside = self.text, self.scope, self.site, self.rows, self.prior, self.variables
        self.scope = msgspec.structs.replace(self.scope, site=site)
        self.site, self.rows, self.prior, self.variables = SITES[site], [], [], {}
        self.computing.append(name)
        term = read()
        self.computing.pop()
        self.text, self.scope, self.site, self.rows, self.prior, self.variables = outside
        return _standing_at(term, tree)

    def said(self, text: str, *, condition: bool = False) -> Term:
        """The term of another definition's expression."""
        self.text = text
        tree = parse(text)
        return self.condition(tree) if condition else self.value(tree)

    def _known(self, tree: Tree, root: str, name: str, fields: Mapping[str, Type]) -> Type:
        if name in fields:
            return fields[name]
        trait = root == "person" and name in self.catalog.traits
        mend = f"did you mean `trait.{name}`?" if trait else ""
        if root in ("event", "entry", "prior") and not nearest(name, fields):
            mend = f"did you mean `{root}.properties.{name}`?"
        if mend:
            raise self.fault(
                tree,
                "unknown_field",
                f"unknown field `{root}.{name}`",
                mend,
                expected=sorted(fields),
                near=mend.split("`")[1],
            )
        raise self.unknown(tree, "unknown_field", f"field of `{root}`:", name, fields)

    def _step(self, tree: Tree, name: str) -> str:
        if name not in self.scope.steps:
            raise self.unknown(tree, "unknown_step", "step", name, self.scope.steps, "name a step of this journey")
        return self.scope.steps[name]

    def _deep_field(self, tree: Tree, root: Tree, field: str, name: str) -> Term | None:
        """`step.ID.field`, and typed properties: `event.properties.x`, `entry.properties.x`."""
        self._allowed(root, root.value)
        if root.value == "step":
            kinds = roots.step_fields(self._step(tree, field))
            if name not in kinds:
                raise self.unknown(tree, "unknown_field", f"field of `step.{field}`:", name, kinds)
            return self._make(tree, "step", kinds[name], data=(field, name))
        if field != "properties":
            return None
        if root.value == "entry":
            kind = self.shape_type(self.scope.entry_events, name)
            return self._in_currency(tree, self._make(tree, "entryprop", kind, data=name), name, ENTRY)
        row = self.rows[-1] if root.value == "event" else self.prior[-1]
        found = self._make(tree, "prop", self.shape_type(row.names, name), data=(row.number, name))
        return self._in_currency(tree, found, name, row.number)

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
            return self._make(tree, "const", NUMBER, data=neg(term.data))
        return self._make(tree, "neg", NUMBER, (term,))

    def _binary(self, tree: Tree) -> Term:
        if tree.value == "in":
            return self._in(tree)
        null = tree.value in ("==", "!=") and any(part.kind == "null" for part in tree.args)
        left, right = (self.whether(part) if null else self.check(part) for part in tree.args)
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

    def whether(self, tree: Tree) -> Term:
        """A value of which is asked whether there is one: for a group stands its id, which every group has."""
        if not self.is_group(tree):
            return self.check(tree)
        return self._make(tree, "groupid", STRING, (), self.group_type(tree))

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
            raise self.date_with_timestamp(tree.args[0], left)
        for part, term, other in zip(tree.args, (left, right), (right, left), strict=True):
            if term.type.kind == "dyn" and sign in "+-":
                raise self.undeclared(part, "date" if other.type.kind in ("date", "months") else "timestamp")
        what = f"`{sign}` does not go with a {left.type} and a {right.type}"
        raise self.fault(tree, "wrong_type", what, "moments can be taken off each other, and moved by a duration")

    def _moved(self, tree: Tree, day: Term, by: Term) -> Term:
        if by.rate:
            raise self.fault(
                tree, "now_beyond", "a moment cannot be moved by what itself moves with the clock", "use `today`"
            )
        sign = -1 if tree.value == "-" else 1
        if day.type.kind == "timestamp":
            if by.type.kind == "months":
                what = "months are not exact: a timestamp cannot be moved by them"
                raise self.fault(tree, "months_in_window", what, "write days, such as 30d, or move date(...)")
            return self._make(tree, "ts_move", TIMESTAMP, (day, by), sign, day.rate)
        if by.op == "duration" and by.data.micros:
            raise self.fault(
                tree,
                "wrong_type",
                "a date can be moved by whole days or months only",
                "write days, or move timestamp(...)",
            )
        return self._make(tree, "date_move", DATE, (day, by), sign)

    def _compare(self, tree: Tree, left: Term, right: Term) -> Term:
        op = _COMPARE[tree.value]
        kinds = (left.type.kind, right.type.kind)
        if "months" in kinds:
            raise self.fault(
                tree, "months_in_window", "months are not exact and cannot be compared", "write days, such as 30d"
            )
        if set(kinds) == {"date", "timestamp"}:
            raise self.date_with_timestamp(tree.args[0], left)
        if set(kinds) & TEMPORAL:
            for part, term, other in zip(tree.args, (left, right), (right, left), strict=True):
                if other.type.kind != "null":
                    self.fits(part, term, other.type.kind)
        elif op not in ("eq", "ne"):
            self._ordered(tree, left, right)
        if left.rate and right.rate and left.rate != right.rate:
            raise self.fault(
                tree,
                "now_beyond",
                "both sides move with the clock",
                "compare with a duration or a moment that does not",
            )
        return self._make(tree, op, BOOL, (left, right))

    def _ordered(self, tree: Tree, left: Term, right: Term) -> None:
        """`<` and its like compare numbers with numbers and texts with texts."""
        for part, term, other in zip(tree.args, (left, right), (right, left), strict=True):
            if term.type.kind not in ("number", "string", "dyn", "null"):
                raise self.fault(
                    part,
                    "wrong_type",
                    f"`{tree.value}` does not go with the {term.type} `{self.source(part)}`",
                    "compare numbers, texts, dates or moments",
                )
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
                raise self.undeclared(tree.args[1], f"list({item.type})")
            self.fits(tree.args[0], item, inner.kind)
        return self._make(tree, "in", BOOL, (item, holder))


_COMPARE = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
_ARITHMETIC = {"+": "add", "-": "sub", "*": "mul", "/": "div", "%": "mod"}
