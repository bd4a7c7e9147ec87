"""`Checked` -> a Python function for one person at one moment.

The function is one expression, written once and compiled once. No text of the user stands in it: names and texts are
constants (`k0`, `k1`, ...) in its globals. A second form of it notes when time alone can change the value (`flip`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from einklang.expr import numbers
from einklang.expr.check import Checked
from einklang.expr.crowd_groups import shared
from einklang.expr.flip import Flips
from einklang.expr.python_names import BOOLS, GLOBALS, PLAIN, READ, is_count, is_number, text_asked
from einklang.expr.rows import RowCode, compiled, members_asked
from einklang.expr.tree import Term, walk
from einklang.expr.types import Needs, Type
from einklang.expr.view import Shared, View
from einklang.kernel.time import Micros


class Generator:
    """Writes the code of a term. traced: the form that notes flips."""

    def __init__(self, *, traced: bool) -> None:
        self.traced = traced
        self.constants: dict[str, Any] = {}

    def constant(self, value: object) -> str:
        """The name of a constant in the globals of the function."""
        name = f"k{len(self.constants)}"
        self.constants[name] = value
        return name

    def value(self, term: Term) -> str:
        """Code whose value is the term's."""
        if term.op in PLAIN:
            return f"{PLAIN[term.op]}({', '.join(self.value(arg) for arg in term.args)})"
        found = getattr(self, "_" + term.op)(term)
        assert isinstance(found, str)
        kind = shared(term)
        return self._together(kind, term, found) if kind else found

    def _together(self, kind: str, term: Term, code: str) -> str:
        """What is the same for all members of a group: whoever looks at many of them works it out once."""
        names = {name for part in walk(term) if part.op == "groupevents" for name in part.data[1] or ("",)}
        asked = f"together({self.constant(kind)}, {self.constant(Shared(frozenset(names)))}, lambda"
        return f"flips.{asked} flips: {code})" if self.traced else f"v.{asked}: {code})"

    def holds(self, term: Term) -> str:
        """Code that is True or False: null and what is no bool count as false."""
        if term.op in BOOLS or (term.op == "const" and term.type.kind == "bool"):
            return self.value(term)
        return f"({self.value(term)} is True)"

    def _read(self, kind: Type, code: str) -> str:
        """A JSON value read as its declared type."""
        if kind.kind in READ:
            return f"{READ[kind.kind]}({code})"
        if kind.kind == "list":
            item = kind.item.kind if kind.item is not None else "dyn"
            return f"as_list_of({code}, {READ[item]})" if item in READ else f"as_list({code})"
        return code

    # values

    def _const(self, term: Term) -> str:
        if term.data is None or isinstance(term.data, bool):
            return repr(term.data)
        if isinstance(term.data, int):
            return f"({term.data!r})"
        return self.constant(term.data)

    def _list(self, term: Term) -> str:
        return f"[{', '.join(self.value(item) for item in term.args)}]"

    def _map(self, term: Term) -> str:
        codes = [self.value(part) for part in term.args]
        return "{" + ", ".join(f"{key}: {value}" for key, value in zip(codes[::2], codes[1::2], strict=True)) + "}"

    def _duration(self, term: Term) -> str:
        return self.constant(term.data) if term.type.kind == "months" else repr(term.data.exact())

    def _now(self, term: Term) -> str:
        return "now"

    def _today(self, term: Term) -> str:
        return "flips.today()" if self.traced else "today(v)"

    def _local(self, term: Term) -> str:
        return str(term.data)

    def _person(self, term: Term) -> str:
        code = f"v.person_field({self.constant(term.data)})"
        return f"as_moment({code})" if term.type.kind == "timestamp" else code

    def _journey(self, term: Term) -> str:
        return f"v.journey_field({self.constant(term.data)})"

    def _trait(self, term: Term) -> str:
        return self._read(term.type, f"v.trait({self.constant(term.data)})")

    def _var(self, term: Term) -> str:
        return self._given(term.type, f"v.var({self.constant(term.data)})")

    def _given(self, kind: Type, code: str) -> str:
        """What the View hands over itself: moments as microseconds."""
        return f"as_moment({code})" if kind.kind == "timestamp" else self._read(kind, code)

    def _entry(self, term: Term) -> str:
        code = f"attribute(v.entry, {self.constant(term.data)})"
        if term.data == "touchpoint":
            return f"({code} or v.blank)"
        return self._given(term.type, code) if term.data == "key" else code

    def _entryprop(self, term: Term) -> str:
        return self._read(term.type, f"inside(v.entry, {self.constant(term.data)})")

    def _step(self, term: Term) -> str:
        step, name = term.data
        return self._given(term.type, f"field(v.step({self.constant(step)}), {self.constant(name)})")

    def _goal(self, term: Term) -> str:
        return "(v.goal is True)"

    def _prop(self, term: Term) -> str:
        number, name = term.data
        if number == 0:
            return self._read(term.type, f"inside(v.event, {self.constant(name)})")
        return self._read(term.type, f"e{number}.properties.get({self.constant(name)})")

    def _eventfield(self, term: Term) -> str:
        number, name = term.data
        assert name.isidentifier()
        code = f"attribute(v.event, {self.constant(name)})" if number == 0 else f"e{number}.{name}"
        return f"({code} or v.blank)" if name == "touchpoint" else code

    def _money(self, term: Term) -> str:
        amount, currency, at = map(self.value, term.args)
        return f"exchanged(v.rate, zone, {amount}, {currency}, {at}, {self.constant(term.data)})"

    def _elem(self, term: Term) -> str:
        number, name = term.data
        key, item = self.constant(name), f"i{number}"
        return self._read(term.type, f"({item}.get({key}) if type({item}) is dict else field({item}, {key}))")

    def _field(self, term: Term) -> str:
        return self._read(term.type, f"field({self.value(term.args[0])}, {self.constant(term.data)})")

    # truth

    def _not(self, term: Term) -> str:
        return f"(not {self.holds(term.args[0])})"

    def _and(self, term: Term) -> str:
        return "(" + f" {term.op} ".join(self.holds(part) for part in term.args) + ")"

    _or = _and

    def _cond(self, term: Term) -> str:
        ask, yes, no = term.args
        return f"({self.value(yes)} if {self.holds(ask)} else {self.value(no)})"

    def _has(self, term: Term) -> str:
        return f"(not {self._missing(term.args[0])})"

    def _missing(self, term: Term) -> str:
        """Code of `x is None`; a literal is never asked (Python warns of it)."""
        if term.op in ("const", "duration", "list", "map"):
            return repr(term.op == "const" and term.data is None)
        return f"({self.value(term)} is None)"

    def _coalesce(self, term: Term) -> str:
        return f"coalesce({', '.join(f'lambda: {self.value(arg)}' for arg in term.args)})"

    def _eq(self, term: Term) -> str:
        sign = "not " if term.op == "ne" else ""
        left, right = term.args
        if left.rate != right.rate:
            return f"({sign}{self._crossing(term, 'same')})"
        return f"({sign}{self._equal(left, right)})"

    _ne = _eq

    def _equal(self, left: Term, right: Term) -> str:
        kinds = {left.type.kind, right.type.kind}
        if "null" in kinds:
            return self._missing(right if left.type.kind == "null" else left)
        a, b = self.value(left), self.value(right)
        if len(kinds) == 1 and kinds <= {"string", "bool", "timestamp", "duration", "date"}:
            return f"({a} == {b})"
        if kinds == {"dyn", "string"}:
            return f"({a} == {b})"
        return f"eq({a}, {b})"

    def _lt(self, term: Term) -> str:
        """`<` `<=` `>` `>=`: the latter two with the sides changed."""
        left, right = term.args if term.op in ("lt", "le") else term.args[::-1]
        name = {"lt": "lt", "le": "le", "gt": "lt", "ge": "le"}[term.op]
        if left.rate != right.rate:
            return self._crossing(term, name)
        a, b = self.value(left), self.value(right)
        kinds = {left.type.kind, right.type.kind}
        if kinds == {"number"} and all(is_number(side) for side in term.args):
            if all(is_count(side) for side in term.args):
                return f"({a} {'<' if name == 'lt' else '<='} {b})"
            return f"{'less' if name == 'lt' else 'less_or_equal'}({a}, {b})"
        return f"{'date_' if 'date' in kinds else ''}{name}({a}, {b})"

    _le = _gt = _ge = _lt

    def _crossing(self, term: Term, name: str) -> str:
        """A comparison in which one side moves with the clock."""
        left, right = term.args if term.op not in ("gt", "ge") else term.args[::-1]
        a, b = self.value(left), self.value(right)
        return f"flips.cross({name}, {a}, {b}, {left.rate - right.rate})" if self.traced else f"{name}({a}, {b})"

    # time

    def _ts_move(self, term: Term) -> str:
        return f"ts_move({self.value(term.args[0])}, {self.value(term.args[1])}, {term.data})"

    def _date_move(self, term: Term) -> str:
        day, by = term.args
        length = self.constant(by.data) if by.op == "duration" else self.value(by)
        return f"date_move({self.value(day)}, {length}, {term.data})"

    def _date_of_ts(self, term: Term) -> str:
        at = self.value(term.args[0])
        return f"flips.date_of({at})" if self.traced and term.args[0].rate else f"date_of({at}, zone)"

    def _hour(self, term: Term) -> str:
        at = self.value(term.args[0])
        return f"flips.hour({at})" if self.traced and term.args[0].rate else f"hour({at}, zone)"

    def _ts_of_date(self, term: Term) -> str:
        return f"moment_of_day({self.value(term.args[0])}, zone)"

    def _age(self, term: Term) -> str:
        return f"{term.op}({self.value(term.args[0])}, {self._today(term)})"

    _anniversary = _age

    def _start_of(self, term: Term) -> str:
        return f"start_of({self.value(term.args[0])}, {self.constant(term.data)})"

    def _string(self, term: Term) -> str:
        name = "string_of_moment" if term.args[0].type.kind == "timestamp" else "string"
        return f"{name}({self.value(term.args[0])})"

    # the person

    def _segment(self, term: Term) -> str:
        name = self.constant(term.data)
        return f"flips.segment({name})" if self.traced else f"v.segment({name})"

    def _stage(self, term: Term) -> str:
        return f"{'flips' if self.traced else 'v'}.stage({self.constant(term.data)})"

    def _consent(self, term: Term) -> str:
        channel, purpose = map(self.constant, term.data)
        return f"{'flips' if self.traced else 'v'}.consent({channel}, {purpose})"

    def _reachable(self, term: Term) -> str:
        return f"v.reachable({self.constant(term.data)})"

    def _injourney(self, term: Term) -> str:
        return f"v.in_journey({self.constant(term.data)})"

    def _changed(self, term: Term) -> str:
        kind, name = term.data
        owner = "flips" if self.traced and kind != "trait" else "v"
        return f"{owner}.{kind}_since({', '.join(map(self.constant, name if kind == 'consent' else (name,)))})"

    def _groupid(self, term: Term) -> str:
        return f"v.group_{term.op.removeprefix('group')}({self.constant(term.data)})"

    _grouprole = _groupcontact = _groupsize = _groupid

    def _grouptrait(self, term: Term) -> str:
        kind, name = map(self.constant, term.data)
        return self._read(term.type, f"v.group_trait({kind}, {name})")

    def _bucket(self, term: Term) -> str:
        return f"bucket(v, {self.constant(term.data)})"

    def _lookup(self, term: Term) -> str:
        owner = "flips.lookup(" if self.traced else "lookup(v, "
        return f"{owner}{self.constant(term.data)}, {self.value(term.args[0])})"

    # numbers and lists

    def _least(self, term: Term) -> str:
        return f"{term.op}(({', '.join(self.value(arg) for arg in term.args)},))"

    _greatest = _least

    def _list_sum(self, term: Term) -> str:
        name = {"list_sum": "total", "list_min": "least", "list_max": "greatest"}[term.op]
        return f"of_list({name}, {self.value(term.args[0])})"

    _list_min = _list_max = _list_sum

    def _macro_exists(self, term: Term) -> str:
        name = {"macro_exists": "any", "macro_all": "all", "macro_exists_one": "exactly_one"}[term.op]
        items, body = term.args
        if term.op == "macro_exists" and (asked := text_asked(term.data, body)):
            return f"any_equal({self.value(items)}, {self.constant(asked[0])}, {self.constant(asked[1])})"
        holds = self.holds(body)
        if term.op == "macro_all":
            return f"every({self.value(items)}, lambda {term.data}: {holds})"
        return f"{name}({holds} for {term.data} in items({self.value(items)}))"

    _macro_all = _macro_exists_one = _macro_exists

    def _macro_filter(self, term: Term) -> str:
        items, body = term.args
        return f"[{term.data} for {term.data} in items({self.value(items)}) if {self.holds(body)}]"

    def _macro_map(self, term: Term) -> str:
        items, body = term.args
        return f"[{self.value(body)} for {term.data} in items({self.value(items)})]"

    # aggregates

    def _exists(self, term: Term) -> str:
        rows = RowCode(self)
        if found := rows.ready("exist", term.args[0]):
            return found
        source = rows.slice_only(term.args[0])
        return f"(len({source}) > 0)" if source else f"any(True{rows.code(term.args[0], newest_first=True)})"

    def _count(self, term: Term) -> str:
        rows = RowCode(self)
        if found := rows.ready("count", term.args[0]):
            return found
        source = rows.slice_only(term.args[0])
        return f"len({source})" if source else f"sum(1{rows.code(term.args[0])})"

    def _over(self, name: str, term: Term, *, newest_first: bool = False) -> str:
        return f"{name}({self.value(term.args[1])}{RowCode(self).code(term.args[0], newest_first=newest_first)})"

    def _sum(self, term: Term) -> str:
        return RowCode(self).ready("total", *term.args) or self._over("total", term)

    def _avg(self, term: Term) -> str:
        return RowCode(self).ready("mean", *term.args) or self._over("mean", term)

    def _min(self, term: Term) -> str:
        kind = term.type.kind
        if kind == "number":
            return self._over("least" if term.op == "min" else "greatest", term)
        taken = {"string": "texts", "date": "dates"}.get(kind, "present")
        return f"{'smallest' if term.op == 'min' else 'largest'}({self._over(taken, term)})"

    _max = _min

    def _distinct(self, term: Term) -> str:
        return self._over("distinct", term)

    def _first(self, term: Term) -> str:
        return self._over("first_of", term)

    def _last(self, term: Term) -> str:
        return self._over("first_of", term, newest_first=True)

    def _list_rows(self, term: Term) -> str:
        return self._over("listed", term)

    def _nth(self, term: Term) -> str:
        holder, value, place = term.args
        return f"nth_of({place.data}, ({self.value(value)}{RowCode(self).code(holder)}))"


class Condition:
    """A compiled expression. Thread-safe: it keeps nothing between calls.

    needs: what it reads. source: the generated code, for study.
    """

    __slots__ = ("_rate", "_timed", "_traced", "_value", "checked", "needs", "source")

    def __init__(self, checked: Checked) -> None:
        self.checked = checked
        self.needs: Needs = checked.needs
        self._timed, self._rate = checked.needs.time, bool(checked.tree.rate)
        self._value, self.source = _function(checked.tree, traced=False)
        self._traced, _ = _function(checked.tree, traced=True)

    def value(self, view: View) -> Any:
        """The value as the rest of Einklang keeps it.

        bool, str, list, dict; int for a whole number, else Decimal; int microseconds for a timestamp and a duration
        (the type is `checked.type`); `date`, or `--MM-DD` for a day without a year; None for null.
        """
        return plain(self._value(view))

    def holds(self, view: View) -> bool:
        """Whether the condition holds: null and what is no bool count as false."""
        return self._value(view) is True

    def next_flip(self, view: View) -> Micros | None:
        """The smallest moment > view.now at which time alone can change the value; None if it cannot.

        May be early (the value stays the same then), never late.
        """
        if not self.needs.time:
            return None
        return self.value_and_flip(view)[1]

    def holds_until(self, view: View, flips: Flips | None = None) -> tuple[bool, Micros | None]:
        """`holds` and `next_flip` at the price of one evaluation. flips: of this view, if more are asked with it."""
        if not self._timed:
            return self._value(view) is True, None
        if flips is None:
            flips = Flips(view)
        else:
            flips.at = None
        held = self._traced(view, flips) is True
        if self._rate:
            flips.note(view.now + 1)
        return held, flips.at

    def value_and_flip(self, view: View) -> tuple[Any, Micros | None]:
        """Both at the price of one evaluation."""
        flips = Flips(view)
        found = plain(self._traced(view, flips))
        if self.checked.tree.rate:
            flips.note(view.now + 1)
        return found, flips.at


def term_function(term: Term) -> Callable[[View], Any]:
    """The function of a part of a checked expression that stands in no row of its own."""
    return _function(term, traced=False)[0]


def _function(term: Term, *, traced: bool) -> tuple[Callable[..., Any], str]:
    generator = Generator(traced=traced)
    code = generator.value(term)
    head = "def evaluate(v, flips):" if traced else "def evaluate(v):"
    asked = members_asked(term)
    # nobody works out what more members did than can be looked at: the whole is unknown then
    guard = f"    if v.too_many({generator.constant(asked)}):\n        return None\n" if asked else ""
    locals_ = "".join(f"    {name} = v.{name}\n" for name in ("now", "zone", "history") if name in code)
    source = f"{head}\n{guard}{locals_}    return {code}\n"
    names = {**GLOBALS, **generator.constants}
    # The code holds names of this module, numbers and constants only; see the docstring.
    exec(compiled(source, "<expression>", "exec"), names)
    function = names["evaluate"]
    assert callable(function)
    return function, source


def plain(x: Any) -> Any:
    """A value with numbers in their shortest form, also inside lists and maps."""
    if type(x) is Decimal:
        number = numbers.number_of(x)
        return None if number is None else numbers.plain_number(number)
    if type(x) is list:
        return [plain(item) for item in x]
    if isinstance(x, Mapping):
        return {key: plain(item) for key, item in x.items()}
    return x


def compile_one(checked: Checked) -> Condition:
    """The function of an expression for one person at one moment."""
    return Condition(checked)
