"""How far back an expression looks at events: what must be kept so that its value is right."""

from __future__ import annotations

import msgspec

from einklang.expr.check import Checked
from einklang.expr.rows import flatten
from einklang.expr.tree import Term
from einklang.kernel.time import DAY

#: A month at its longest, and the first moment of a day in any zone, on a day with 25 hours.
_MONTH_DAYS, _TODAY_US = 31, DAY + DAY // 24
_PERIOD_DAYS = {"week": 7, "month": 31, "quarter": 92, "year": 366}
_SETS = frozenset(
    {
        "events", "groupevents", "objects", "within", "since", "until", "machine", "where", "of", "each", "latest",
        "followed", "notfollowed", "followed_without",
    }
)  # fmt: skip


class Reach(msgspec.Struct, frozen=True):
    """One set of events. names: () is what the person did; window_us: None where nothing limits it; run: it begins
    with the run of a journey, or with one of its steps; objects: it is what a kind of business objects is made of.
    """

    names: tuple[str, ...]
    window_us: int | None
    run: bool = False
    objects: str = ""


def reaches(checked: Checked) -> list[Reach]:
    """Every set of events that the expression reads."""
    found: list[Reach] = []
    _visit(checked.tree, None, False, found)
    return found


def _visit(term: Term, outer: int | None, run: bool, found: list[Reach]) -> None:
    """outer, run: the limits of the event that this set follows."""
    if term.op not in _SETS:
        for part in term.args:
            _visit(part, None, False, found)
        return
    chain = flatten(term)
    window = outer
    for part in chain[1:]:
        if part.op == "within":
            window = part.data if window is None else min(window, part.data)
        elif part.op == "since":
            length, of_run = _since(part.args[1])
            run = run or of_run
            if length is not None:
                window = length if window is None else min(window, length)
    first = chain[0]
    if first.op == "objects":
        found.append(Reach(tuple(first.data[2]), None, objects=first.data[1]))
    else:
        found.append(Reach(tuple(first.data[1]), window, run))
    for part in chain[1:]:
        for other in part.args[1:]:
            follows = part.op in ("followed", "notfollowed", "followed_without")
            _visit(other, window if follows else None, run and follows, found)


def _since(bound: Term) -> tuple[int | None, bool]:
    """(how long ago at most, whether it is the beginning of a run or step) of a lower bound."""
    if bound.op in ("entry", "step"):
        return None, True
    if bound.op == "now":
        return 0, False
    if bound.op == "today":
        return _TODAY_US, False
    if bound.op == "start_of":
        ago, of_run = _since(bound.args[0])
        return None if ago is None else ago + _PERIOD_DAYS[bound.data] * DAY, of_run
    if bound.op == "ts_of_date":
        return _since(bound.args[0])
    if bound.op in ("ts_move", "date_move") and bound.args[1].op == "duration":
        ago, of_run = _since(bound.args[0])
        length = bound.args[1].data
        by = (length.months * _MONTH_DAYS + length.days) * DAY + length.micros
        return None if ago is None else max(0, ago - bound.data * by), of_run
    return None, False
