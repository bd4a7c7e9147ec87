"""Code for sets of events: each becomes the `for` and `if` clauses of one comprehension over a slice of the history.

Bounds in front of `latest` and `each` cut the slice by bisection; what stands behind becomes a clause. The newest row
is asked first where only existence counts: it is the one that leaves a window last, so the next flip is as late as it
can be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from einklang.expr.tree import Term, walk

#: What was compiled lately is at hand: where one definition changes the others are compiled again.
compiled = lru_cache(maxsize=512)(compile)


class Emitter(Protocol):
    """What this module needs of the generator: code of a term, of a condition, of a constant."""

    traced: bool

    def value(self, term: Term) -> str: ...
    def holds(self, term: Term) -> str: ...
    def constant(self, value: object) -> str: ...


@dataclass(frozen=True, slots=True)
class Bound:
    """`since` or `until` with the code of its moment; moving: it moves with the clock."""

    since: bool
    code: str
    moving: bool = False


#: A clause, given whether the newest row is to come first.
Clause = Callable[[bool], str]


@dataclass
class Rows:
    """A set under construction. pattern: what a row is called in the code; base: the sequence, once the bounds are
    closed; newest: the sequence to be looked at from its end, if that is another one.
    """

    number: int
    names: tuple[str, ...]
    machine: bool
    pattern: str
    bounds: list[Bound] = field(default_factory=list)
    clauses: list[Clause] = field(default_factory=list)
    each: bool = False
    base: str = ""
    group: str = ""
    newest: str = ""


def flatten(term: Term) -> list[Term]:
    """The set and its narrowing methods, in the order they stand."""
    chain = [term]
    while chain[-1].op not in ("events", "objects", "groupevents"):
        chain.append(chain[-1].args[0])
    return chain[::-1]


def members_asked(term: Term) -> tuple[str, ...]:
    """The types of groups of which a term asks how many their members are, what they did, or own together."""
    found: set[str] = set()
    for part in walk(term):
        if part.op == "groupsize":
            found.add(part.data)
        elif part.op == "groupevents":
            found.add(part.data[2])
        elif part.op == "objects" and part.data[3]:
            found.add(part.data[3])
    return tuple(sorted(found))


class RowCode:
    """Turns a set term into the clauses of a comprehension."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter = emitter

    def code(self, term: Term, *, newest_first: bool = False, extra: tuple[Bound, ...] = ()) -> str:
        """` for ... in ... if ...`, without the leading value. extra: further bounds at the end of the set."""
        rows = self._build(term)
        for bound in extra:
            self._bound(rows, bound)
        self._close(rows)
        return self._for(rows, newest_first)

    def slice_only(self, term: Term) -> str | None:
        """The code of the slice where nothing but bounds narrows the set, so that its length is enough; else None."""
        if self.emitter.traced or any(
            part.op not in ("events", "within", "since", "until", "machine") for part in flatten(term)
        ):
            return None
        rows = self._build(term)
        return self._slice(rows) if rows.machine else None

    def ready(self, name: str, term: Term, value: Term | None = None) -> str | None:
        """The code of an aggregate that is worked out for all conditions of a moment together; else None.

        value: a property of the events, if the aggregate is about one.
        """
        chain = flatten(term)
        number, names, *group = chain[0].data
        if not self.emitter.traced or chain[0].op != "events" or group or any(one.op != "within" for one in chain[1:2]):
            return None
        if len(chain) > 2 or (
            value is not None
            and (value.op != "prop" or value.data[0] != number or value.type.kind not in ("number", "dyn"))
        ):
            return None
        parts = [self.emitter.constant(names), f"now - {chain[1].data}" if len(chain) > 1 else "None"]
        if value is not None:
            parts.append(self.emitter.constant(value.data[1]))
        return f"flips.{name}({', '.join(parts)})"

    def _build(self, term: Term) -> Rows:
        chain = flatten(term)
        if chain[0].op == "objects":
            rows = self._objects(chain[0])
        else:
            number, names, *group = chain[0].data
            machine = any(part.op == "machine" for part in chain)
            rows = Rows(number, names, machine, f"e{number}", group=group[0] if group else "")
        for part in chain[1:]:
            getattr(self, "_" + part.op)(rows, part)
        return rows

    def _for(self, rows: Rows, newest_first: bool) -> str:
        source = f"reversed({rows.newest or rows.base})" if newest_first else rows.base
        return f" for {rows.pattern} in {source}" + "".join(clause(newest_first) for clause in rows.clauses)

    def _add(self, rows: Rows, code: str) -> None:
        rows.clauses.append(lambda _: code)

    def _objects(self, part: Term) -> Rows:
        """Business objects: rows without a time of their own, known by their fields alone."""
        number, kind, *_ = part.data
        owner = "flips" if self.emitter.traced else "v"
        return Rows(number, (), True, f"i{number}", base=f"{owner}.objects({self.emitter.constant(kind)})")

    # bounds

    def _within(self, rows: Rows, part: Term) -> None:
        self._bound(rows, Bound(True, f"now - {part.data}", moving=True))

    def _since(self, rows: Rows, part: Term) -> None:
        bound = part.args[1]
        self._bound(rows, Bound(part.op == "since", self.emitter.value(bound), moving=bound.rate != 0))

    _until = _since

    def _bound(self, rows: Rows, bound: Bound) -> None:
        if not rows.base:
            rows.bounds.append(bound)
            return
        owner = "flips." if bound.moving and self.emitter.traced else ""
        self._add(rows, f" if {owner}{'is_after' if bound.since else 'is_until'}(e{rows.number}.at, {bound.code})")

    def _slice(self, rows: Rows) -> str:
        """The slice of the history that the bounds leave."""
        history = f"history({self.emitter.constant(rows.names)})"
        if rows.group:
            history = f"v.group_history({self.emitter.constant(rows.group)}, {self.emitter.constant(rows.names)})"
        after = _tuple([bound.code for bound in rows.bounds if bound.since])
        to = _tuple([bound.code for bound in rows.bounds if not bound.since])
        if self.emitter.traced:
            moving = _tuple([str(bound.moving) for bound in rows.bounds if not bound.since])
            return f"flips.span({history}, {after}, {to}, {moving})"
        return f"span({history}, now, {after}, {to})" if rows.bounds else f"past({history}, now)"

    def _close(self, rows: Rows) -> None:
        """From here on a bound is a clause; events that drop out of a window later are noted here."""
        if rows.base or self._close_ready(rows):
            return
        rows.base = self._slice(rows)
        if not rows.machine:
            rows.clauses.insert(0, lambda _: f" if not e{rows.number}.machine")
        if self.emitter.traced:
            for bound in rows.bounds:
                if bound.since and bound.moving:
                    self._add(rows, f" if flips.leaves(e{rows.number}.at, {bound.code})")

    def _close_ready(self, rows: Rows) -> bool:
        """The same for one window, or none, over what is made ready once for all conditions of a moment."""
        simple = not rows.bounds or (len(rows.bounds) == 1 and rows.bounds[0].since and rows.bounds[0].moving)
        if not (self.emitter.traced and simple) or rows.machine or rows.group:
            return False
        names = self.emitter.constant(rows.names)
        if not rows.bounds:
            rows.base = f"flips.all({names})"
            return True
        bound = rows.bounds[0].code
        rows.newest = f"flips.after({names}, {bound})"
        rows.base = rows.newest if rows.clauses else f"flips.recent({names}, {bound})"
        leaves = f" if flips.leaves(e{rows.number}.at, {bound})"
        noted = not rows.clauses
        rows.clauses.append(lambda newest: leaves if newest or not noted else "")
        return True

    # the other narrowing methods

    def _machine(self, rows: Rows, part: Term) -> None:
        """Heeded from the start, wherever it stands."""

    def _where(self, rows: Rows, part: Term) -> None:
        self._add(rows, f" if {self.emitter.holds(part.args[1])}")

    def _of(self, rows: Rows, part: Term) -> None:
        self._add(rows, f" if caused(e{rows.number}, v.step({self.emitter.constant(part.data[1])}))")

    def _each(self, rows: Rows, part: Term) -> None:
        self._close(rows)
        elements = f"items({self.emitter.value(part.args[1])})"
        head = f" for i{rows.number} in "
        rows.clauses.append(lambda newest: head + (f"reversed({elements})" if newest else elements))
        rows.each = True

    def _latest(self, rows: Rows, part: Term) -> None:
        self._close(rows)
        row = f"(e{rows.number}, i{rows.number})" if rows.each else f"e{rows.number}"
        rows.base = f"[{row}{self._for(rows, False)}][-{part.data[1]}:]"
        rows.clauses, rows.newest = [], ""
        rows.pattern = row

    def _followed(self, rows: Rows, part: Term) -> None:
        self._add(rows, f" if {self._follower(part)}")

    def _followed_without(self, rows: Rows, part: Term) -> None:
        number, inner, length, between = part.data
        extra = (Bound(True, f"e{number}.at"), Bound(False, f"e{number}.at + {length}"))
        follows = f"first_of(e{inner}.at{RowCode(self.emitter).code(part.args[1], extra=extra)})"
        breaks = f"first_of(e{between}.at{RowCode(self.emitter).code(part.args[2], extra=extra)})"
        self._add(rows, f" if unbroken({follows}, {breaks})")

    def _notfollowed(self, rows: Rows, part: Term) -> None:
        number, _, length = part.data
        over = f"e{number}.at + {length}"
        passed = f"flips.passed({over})" if self.emitter.traced else f"{over} <= now"
        self._add(rows, f" if {passed} and not {self._follower(part)}")

    def _follower(self, part: Term) -> str:
        number, _, length = part.data
        extra = (Bound(True, f"e{number}.at"), Bound(False, f"e{number}.at + {length}"))
        return f"any(True{RowCode(self.emitter).code(part.args[1], extra=extra)})"


def _tuple(parts: list[str]) -> str:
    return f"({', '.join(parts)},)" if parts else "()"
