"""`Tree` -> `Term`, last part: methods, macros, sets of events."""

from __future__ import annotations

from collections.abc import Mapping

from einklang.expr import roots
from einklang.expr.check_base import Row
from einklang.expr.check_functions import Functions
from einklang.expr.functions import (
    AGGREGATES,
    FUNCTIONS,
    LIST_METHODS,
    MACROS,
    METHODS,
    NARROWING,
    STRING_METHODS,
    Fn,
)
from einklang.expr.texts import pattern_of
from einklang.expr.tree import Term, Tree
from einklang.expr.types import (
    BOOL,
    DATE,
    DYN,
    EVENTS,
    LIST,
    NUMBER,
    STRING,
    TIMESTAMP,
    ObjectShape,
    Type,
    list_of,
)
from einklang.kernel.errors import InputError
from einklang.kernel.limits import EXPRESSION_DEPTH_MAX, EXPRESSION_NODES_MAX, LIST_ITEMS_MAX

_RESULTS = {"bool": BOOL, "string": STRING, "number": NUMBER, "date": DATE}
_LOOPS_MAX = 8


class Checker(Functions):
    """The whole checker: `run` is its only entrance."""

    def run(self, tree: Tree, *, condition: bool = False) -> Term:
        """The checked tree of the whole expression. A moment that moves with the clock may be its value."""
        if self._is_set(tree):
            raise self.fault(
                tree,
                "wrong_type",
                "a set of events is no value",
                "end with .exists(), .count(), .last(...) or the like",
            )
        term = self.condition(tree) if condition else self.check(tree)
        if self.inlined:
            self._within_limits(tree, term)
        return term

    def _within_limits(self, tree: Tree, term: Term) -> None:
        """An expression that is within its limits may not be with the computed traits that it asks for."""
        nodes, depth, level = 0, 0, [term]
        while level:
            depth, nodes = depth + 1, nodes + len(level)
            if depth > EXPRESSION_DEPTH_MAX or nodes > 4 * EXPRESSION_NODES_MAX:
                what = "with the computed traits that it asks for, the expression is too large"
                raise self.fault(tree, "too_deep", what, "put a part of it into a segment")
            level = [part for one in level for part in one.args]

    # sets of events

    def _is_set(self, tree: Tree) -> bool:
        while tree.kind == "method" and tree.value in NARROWING:
            tree = tree.args[0]
        return (tree.kind == "call" and tree.value in ("events", "objects")) or self._is_group_events(tree)

    def _is_group_events(self, tree: Tree) -> bool:
        """`group("type").events(...)`: what all members did."""
        return tree.kind == "method" and tree.value == "events" and self.is_group(tree.args[0])

    def _set(self, tree: Tree) -> tuple[Term, Row]:
        """A set of events and the row that stands for one of it."""
        if not self._is_set(tree):
            raise self.fault(
                tree, "wrong_type", f"expected a set of events, found `{self.source(tree)}`", 'write events("Name")'
            )
        if tree.kind == "call":
            return self._events(tree, tree.args) if tree.value == "events" else self._objects(tree)
        if self._is_group_events(tree):
            return self._events(tree, tree.args[1:], self.group_type(tree.args[0]))
        holder, row = self._set(tree.args[0])
        if row.objects and tree.value != "where":
            what = f"`.{tree.value}(...)` belongs to a set of events, objects are narrowed by where(...)"
            raise self.fault(tree, "wrong_type", what, "write where(...)", expected=("where",))
        self._arity(tree, NARROWING[tree.value], tree.args[1:])
        term, row = getattr(self, "_set_" + tree.value)(tree, holder, row)
        assert isinstance(term, Term)
        assert isinstance(row, Row)
        return term, row

    def _outside(self, tree: Tree) -> None:
        """Refuses a set inside an event, but at the top of a condition on the candidate."""
        if self.rows and not (len(self.rows) == 1 and self.rows[0].number == 0 and self.site.events):
            what = f"inside an event no other {tree.value} can be asked for"
            raise self.fault(tree, "events_inside_event", what, "ask outside of where(...), or use followedBy(...)")

    def _objects(self, tree: Tree) -> tuple[Term, Row]:
        self._outside(tree)
        self._arity(tree, FUNCTIONS["objects"], tree.args)
        kinds = self.catalog.objects
        name = self._known_id(tree.args[0], "object", None if kinds is None else frozenset(kinds))
        shape = (kinds or {}).get(name, ObjectShape(closed=False))
        self.count += 1
        row = Row(self.count, (), shape.fields, name)
        return self._make(tree, "objects", EVENTS, (), (row.number, name, shape.events, shape.group)), row

    def _events(self, tree: Tree, args: tuple[Tree, ...], group: str = "") -> tuple[Term, Row]:
        """group: the type of the group whose members did it; "" for the person."""
        self._outside(tree)
        names = tuple(self._literal(part, "the name of an event") for part in args)
        self.count += 1
        row = Row(self.count, names)
        wanted, mails = self._aliases(names)
        data = (row.number, tuple(wanted), group) if group else (row.number, tuple(wanted))
        term = self._make(tree, "groupevents" if group else "events", EVENTS, (), data)
        if mails:
            name = self._make(tree, "eventfield", STRING, (), (row.number, "name"))
            ours = self._make(
                tree, "list", list_of(STRING), tuple(self._make(tree, "const", STRING, (), mail) for mail in mails)
            )
            channel = self._make(tree, "prop", DYN, (), (row.number, "channel"))
            other = self._make(tree, "not", BOOL, (self._make(tree, "in", BOOL, (name, ours)),))
            by_mail = self._make(tree, "eq", BOOL, (channel, self._make(tree, "const", STRING, (), "email")))
            term = self._make(tree, "where", EVENTS, (term, self._make(tree, "or", BOOL, (other, by_mail))), row.number)
        return term, row

    def _aliases(self, names: tuple[str, ...]) -> tuple[list[str], list[str]]:
        """All names that mean the same, and those of them that do so for the channel e-mail only."""
        shapes = self.catalog.events
        canonical = {name: shape.alias or name for name, shape in shapes.items()}
        wanted = dict.fromkeys(names)
        for name in names:
            target = canonical.get(name, name)
            wanted.update(
                dict.fromkeys(
                    [target, *sorted(other for other, known in canonical.items() if known == target)] if names else []
                )
            )
            wanted.update(dict.fromkeys(mail for mail, ours in roots.MAIL_ALIASES.items() if ours == name))
        mails = [roots.MAIL_ALIASES[name] for name in names if name in roots.MAIL_ALIASES]
        mails = [mail for mail in dict.fromkeys(mails) if mail not in wanted]
        return [*wanted, *mails], mails

    def _inside(self, row: Row, tree: Tree, *, condition: bool = False) -> Term:
        self.rows.append(row)
        if len(self.rows) + len(self.variables) > _LOOPS_MAX:
            raise self.fault(
                tree, "too_deep", f"more than {_LOOPS_MAX} loops inside each other", "put a part of it into a trait"
            )
        term = self.condition(tree) if condition else self.value(tree)
        self.rows.pop()
        return term

    def _set_within(self, tree: Tree, holder: Term, row: Row) -> tuple[Term, Row]:
        return self._make(tree, "within", EVENTS, (holder,), self._window(tree.args[1])), row

    def _window(self, tree: Tree) -> int:
        """Microseconds of a duration text."""
        length = self._duration(tree, self._literal(tree, "a duration"))
        if length.months:
            what = f"months are not exact: {length.text!r} cannot be the length of a window"
            raise self.fault(tree, "months_in_window", what, "write days, such as 30d")
        if length.exact() <= 0:
            raise self.fault(tree, "bad_duration", "a window needs a length", "write number and unit, such as 7d")
        return length.exact()

    def _bound(self, tree: Tree) -> Term:
        """A timestamp, a date (its first moment), `entry`, `step.ID`."""
        if tree.kind == "name" and tree.value == "entry":
            self._allowed(tree, "entry")
            return self._make(tree, "entry", TIMESTAMP, (), "at")
        if tree.kind == "field" and self._is_root(tree.args[0]) and tree.args[0].value == "step":
            self._allowed(tree.args[0], "step")
            self._step(tree, tree.value)
            return self._make(tree, "step", TIMESTAMP, (), (tree.value, "at"))
        term = self.check(tree)
        if term.type.kind == "dyn":
            raise self.undeclared(tree, "timestamp")
        self.fits(tree, term, "timestamp", "date")
        return self._make(tree, "ts_of_date", TIMESTAMP, (term,)) if term.type.kind == "date" else term

    def _set_since(self, tree: Tree, holder: Term, row: Row) -> tuple[Term, Row]:
        return self._make(tree, tree.value, EVENTS, (holder, self._bound(tree.args[1])), row.number), row

    _set_until = _set_since

    def _set_where(self, tree: Tree, holder: Term, row: Row) -> tuple[Term, Row]:
        asked = self._inside(row, tree.args[1], condition=True)
        return self._make(tree, "where", EVENTS, (holder, asked), row.number), row

    def _set_of(self, tree: Tree, holder: Term, row: Row) -> tuple[Term, Row]:
        step = tree.args[1]
        if not (step.kind == "field" and self._is_root(step.args[0]) and step.args[0].value == "step"):
            raise self.fault(step, "wrong_type", "of(...) needs a step", "write of(step.ID)")
        self._allowed(step.args[0], "step")
        self._step(step, step.value)
        return self._make(tree, "of", EVENTS, (holder,), (row.number, step.value)), row

    def _set_latest(self, tree: Tree, holder: Term, row: Row) -> tuple[Term, Row]:
        number = tree.args[1]
        if number.kind != "number" or not isinstance(number.value, int) or not 1 <= number.value <= LIST_ITEMS_MAX:
            raise self.fault(
                number, "wrong_type", "latest(...) needs a whole number", f"write a number from 1 to {LIST_ITEMS_MAX}"
            )
        return self._make(tree, "latest", EVENTS, (holder,), (row.number, number.value)), row

    def _set_each(self, tree: Tree, holder: Term, row: Row) -> tuple[Term, Row]:
        if row.element is not None:
            raise self.fault(tree, "wrong_type", "each(...) may stand once in a set", "leave out the second")
        items = self._inside(row, tree.args[1])
        self.fits(tree.args[1], items, "list")
        types = self.element_types(row.names, items.data[1]) if items.op == "prop" else {}
        return self._make(tree, "each", EVENTS, (holder, items), row.number), Row(row.number, row.names, types)

    def _set_followedBy(self, tree: Tree, holder: Term, row: Row) -> tuple[Term, Row]:
        """The third argument: what must not happen before the other follows."""
        self.prior.append(Row(row.number, row.names))
        other, inner = self._set(tree.args[1])
        without, between = self._set(tree.args[3]) if len(tree.args) > 3 else (None, inner)
        self.prior.pop()
        length = self._window(tree.args[2])
        if without is not None:
            data = (row.number, inner.number, length, between.number)
            return self._make(tree, "followed_without", EVENTS, (holder, other, without), data), row
        op = "followed" if tree.value == "followedBy" else "notfollowed"
        return self._make(tree, op, EVENTS, (holder, other), (row.number, inner.number, length)), row

    _set_notFollowedBy = _set_followedBy

    def _set_withMachine(self, tree: Tree, holder: Term, row: Row) -> tuple[Term, Row]:
        return self._make(tree, "machine", EVENTS, (holder,)), row

    # methods

    def _method(self, tree: Tree) -> Term:
        name, holder = tree.value, tree.args[0]
        if self._is_set(tree):
            what = f"a set of events is no value: `{self.source(tree)}`"
            raise self.fault(tree, "wrong_type", what, "end with .exists(), .count(), .last(...) or the like")
        if self._is_set(holder):
            return self._aggregate(tree)
        if self.is_group(holder) and name == "size":
            self._arity(tree, Fn((), "number"), tree.args[1:])
            return self._make(tree, "groupsize", NUMBER, (), self.group_type(holder))
        self._later(holder)
        if name not in METHODS:
            raise self._unknown_call(tree, METHODS)
        if name in MACROS and (name in ("all", "filter", "map", "exists_one") or len(tree.args) == 3):
            return self._macro(tree)
        if name in LIST_METHODS and len(tree.args) == 1:
            term = self.typed(holder, "list")
            self.fits(holder, Term("", term.type.item or DYN), "number")
            return self._make(tree, "list_" + name, NUMBER, (term,))
        if name in STRING_METHODS:
            return self._text_method(tree)
        what = f"`.{name}(...)` belongs to a set of events"
        raise self.fault(tree, "wrong_type", what, f'write events("Name").{name}(...)')

    def _later(self, holder: Tree) -> None:
        """A receiver that is unknown, or that a later version brings, is named first."""
        unknown = None
        while holder.kind in ("method", "field", "index"):
            of_group = bool(holder.args) and self.is_group(holder.args[0])
            if holder.kind == "method" and holder.value not in METHODS and not of_group:
                unknown = holder
            holder = holder.args[0]
        if holder.kind == "call" and holder.value not in FUNCTIONS:
            raise self._unknown_call(holder, FUNCTIONS)
        if holder.kind == "call" and FUNCTIONS[holder.value].later:
            raise self._not_yet(holder)
        if unknown is not None:
            raise self._unknown_call(unknown, METHODS)

    def _text_method(self, tree: Tree) -> Term:
        self._arity(tree, STRING_METHODS[tree.value], tree.args[1:])
        text, other = self.typed(tree.args[0], "string"), self.typed(tree.args[1], "string")
        if tree.value == "matches" and other.op == "const" and other.data is not None:
            try:
                pattern_of(other.data)
            except InputError as error:
                raise self.fault(tree.args[1], error.code, error.what, error.mend) from None
        return self._make(tree, tree.value, BOOL, (text, other))

    def _aggregate(self, tree: Tree) -> Term:
        name = tree.value
        if name not in AGGREGATES:
            raise self._unknown_call(tree, (*AGGREGATES, *NARROWING))
        self._arity(tree, AGGREGATES[name], tree.args[1:])
        holder, row = self._set(tree.args[0])
        if len(tree.args) == 1:
            return self._make(tree, name, BOOL if name == "exists" else NUMBER, (holder,), row.number)
        if name == "nth":
            return self._nth(tree, holder, row)
        value = self._inside(row, tree.args[1])
        kind = value.type
        if name in ("sum", "avg"):
            self.fits(tree.args[1], value, "number")
        if name in ("min", "max"):
            self.fits(tree.args[1], value, "number", "string", "date", "timestamp", "duration")
            kind = NUMBER if kind.kind in ("dyn", "null") else kind
        result = {"sum": NUMBER, "avg": NUMBER, "distinct": NUMBER, "list": list_of(kind)}.get(name, kind)
        return self._make(tree, "list_rows" if name == "list" else name, result, (holder, value), row.number)

    def _nth(self, tree: Tree, holder: Term, row: Row) -> Term:
        """The place is the third argument of the term."""
        place = tree.args[1]
        if place.kind != "number" or not isinstance(place.value, int) or not 1 <= place.value <= LIST_ITEMS_MAX:
            mend = f"write a number from 1 to {LIST_ITEMS_MAX}, such as nth(3, price)"
            raise self.fault(place, "wrong_type", "nth(...) needs a whole number first", mend)
        value = self._inside(row, tree.args[2])
        return self._make(tree, "nth", value.type, (holder, value, self._number(place)), row.number)

    def _macro(self, tree: Tree) -> Term:
        if len(tree.args) != 3 or tree.args[1].kind != "name":
            raise self.fault(
                tree,
                "wrong_arguments",
                f"`{tree.value}` needs a name and an expression",
                f"write list.{tree.value}(p, p.price > 0)",
            )
        name = tree.args[1].value
        if name in roots.ROOTS:
            raise self.fault(
                tree.args[1],
                "reserved_word",
                f"`{name}` is a root and cannot name an element",
                "choose another name, such as p",
            )
        items = self.typed(tree.args[0], "list")
        self.count += 1
        before = dict(self.variables)
        self.variables[name] = (f"x{self.count}", self._item_type(items))
        if len(self.rows) + len(self.variables) > _LOOPS_MAX:
            raise self.fault(
                tree, "too_deep", f"more than {_LOOPS_MAX} loops inside each other", "put a part of it into a trait"
            )
        variable = self.variables[name][0]
        origin = self._origin(items)
        if origin is not None:
            self.origins[variable] = origin
        asked = tree.value != "map"
        body = self.condition(tree.args[2]) if asked else self.value(tree.args[2])
        self.variables = before
        result = {"filter": items.type if items.type.kind == "list" else LIST, "map": list_of(body.type)}.get(
            tree.value, BOOL
        )
        return self._make(tree, "macro_" + tree.value, result, (items, body), variable)

    def _item_type(self, items: Term) -> Type:
        """The type of the elements of a list; a declared list property names their fields."""
        item = (items.type.item or DYN) if items.type.kind == "list" else DYN
        types: Mapping[str, Type] = {}
        if items.op == "prop":
            number, name = items.data
            row = next((row for row in (*self.rows, *self.prior) if row.number == number), Row(0))
            types = self.element_types(row.names, name)
        elif items.op == "entryprop":
            types = self.element_types(self.scope.entry_events, items.data)
        return Type("map", None, tuple(types.items())) if types and item.kind in ("dyn", "map") else item
