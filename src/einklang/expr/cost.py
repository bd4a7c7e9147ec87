"""What an expression costs before it runs: an estimate from its tree alone, and the refusal of what can never be quick.

The unit is one look at a row, an element or a value, about 0.1 microseconds in the function for one person. The person
who is assumed is a busy one: 1,000 events of each name within a year, lists of 20 elements, 5 such members in a group.
"""

from __future__ import annotations

import msgspec

from einklang.expr.rows import flatten
from einklang.expr.tree import Term
from einklang.kernel.time import DAY

EVENTS_A_NAME = 1_000
ELEMENTS = 20
MEMBERS = 5
OBJECTS = 100
#: Ten seconds for one busy person: nothing that somebody means.
COST_MAX = 100_000_000
_YEAR = 365 * DAY
#: `events()` without a name.
_NAMES = 5
_OF_SETS = frozenset({"exists", "count", "sum", "avg", "min", "max", "distinct", "first", "last", "nth", "list_rows"})
_ALONE = {"lookup": 10.0, "matches": 20.0, "segment": 2.0, "stage": 2.0, "bucket": 20.0}


class Cost(msgspec.Struct, frozen=True):
    """looks: at rows, elements and values for one busy person; loops: how deep loops stand inside each other; start,
    end: the part of the text that costs the most.
    """

    looks: int
    loops: int
    start: int
    end: int


def cost_of(tree: Term) -> Cost:
    """The estimate for one evaluation."""
    worst = tree
    while True:
        heavy = [part for part in worst.args if _looks(part) * 2 > _looks(worst) or _loops(part) == _loops(worst) > 1]
        if not heavy or worst.op in _OF_SETS or worst.op.startswith("macro_"):
            break
        worst = heavy[0]
    return Cost(int(min(_looks(tree), 1e18)), _loops(tree), worst.start, worst.end)


def _loops(term: Term) -> int:
    own = int(term.op in _OF_SETS or term.op.startswith("macro_") or term.op in ("each", "followed", "notfollowed"))
    own = 1 if term.op == "followed_without" else own
    return own + max(map(_loops, term.args), default=0)


def _looks(term: Term) -> float:
    """The cost of working out a term once."""
    if term.op in _OF_SETS:
        rows, looks = _set(term.args[0], None)
        return looks + rows * (1 + sum(map(_looks, term.args[1:])))
    if term.op.startswith("macro_"):
        items, body = term.args
        return 1 + _looks(items) + _elements(items) * (1 + _looks(body))
    if term.op == "in" or term.op.startswith("list_"):
        return 1 + sum(map(_looks, term.args)) + _elements(term.args[-1])
    return _ALONE.get(term.op, 1.0) + sum(map(_looks, term.args))


def _elements(term: Term) -> float:
    """How many elements a list has."""
    if term.op == "list":
        return float(len(term.args))
    if term.op in ("macro_filter", "macro_map"):
        return _elements(term.args[0])
    if term.op == "plus":
        return _elements(term.args[0]) + _elements(term.args[1])
    return min(_set(term.args[0], None)[0], 1_000.0) if term.op == "list_rows" else float(ELEMENTS)


def _share(length: int) -> float:
    """Which part of a year's events lies in a window."""
    return min(1.0, length / _YEAR)


def _set(term: Term, window: int | None) -> tuple[float, float]:
    """(rows, cost) of a set; window: within which it is asked for from outside."""
    chain = flatten(term)
    rows = _base(chain[0])
    shares = [_share(part.data) for part in chain if part.op == "within"] + ([_share(window)] if window else [])
    rows = 1 + rows * min(shares, default=1.0)
    looks = 1.0
    for part in chain[1:]:
        more = part.args[1:]
        if part.op in ("followed", "notfollowed", "followed_without"):
            looks += rows * sum(sum(_set(other, part.data[2])) for other in more)
        elif part.op == "each":
            looks += rows * _looks(more[0])
            rows *= ELEMENTS
        elif part.op == "latest":
            looks += rows
            rows = min(rows, float(part.data[1]))
        elif part.op == "where":
            looks += rows * (1 + _looks(more[0]))
        else:
            looks += sum(map(_looks, more))
    return rows, looks


def _base(term: Term) -> float:
    if term.op == "objects":
        return float(OBJECTS)
    names = len(term.data[1]) or _NAMES
    return float(EVENTS_A_NAME * names * (MEMBERS if term.op == "groupevents" else 1))
