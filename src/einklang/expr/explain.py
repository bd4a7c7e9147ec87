"""A rule as a tree with values: why a condition holds, or does not, for one person at one moment."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from einklang.expr.check import Checked
from einklang.expr.crowd_sets import free_names
from einklang.expr.errors import one_line
from einklang.expr.python import plain, term_function
from einklang.expr.rows import members_asked
from einklang.expr.tree import Term, walk
from einklang.expr.types import BOOL, NUMBER, Type
from einklang.expr.view import View
from einklang.kernel.limits import LIST_ITEMS_MAX
from einklang.kernel.time import DAY, HOUR, MINUTE, SECOND, Micros, format_moment

#: A group has more members than can be asked together (kernel.limits.GROUP_MEMBERS_MAX).
TOO_MANY = "too_many_members"
#: A list has more values than are kept: the newest count (kernel.limits.LIST_ITEMS_MAX).
CUT = "list_cut"
#: Parts that say nothing beyond their own text.
_SILENT = frozenset({"const", "duration", "list", "map"})
#: Parts whose arguments speak of a row of their own and have no value outside of it: their first argument may have one.
_ROWS = frozenset(["exists", "count", "sum", "avg", "min", "max", "distinct", "first", "last", "nth", "list_rows"])


class ExplainNode(msgspec.Struct, frozen=True):
    """A part of a rule. text: as written; value: as JSON (moments and durations as text); held: of conditions, else
    None; note: what the parts do not tell: why there is no value (`too_many_members`), or not all of it (`list_cut`).
    """

    text: str
    value: Any
    held: bool | None
    children: tuple[ExplainNode, ...] = ()
    note: str | msgspec.UnsetType = msgspec.UNSET


def explain(checked: Checked, view: View) -> ExplainNode:
    """The rule as a tree, each part with its own value. All parts are worked out, also those that did not decide."""
    return _node(checked.source, checked.tree, view)


def _node(source: str, term: Term, view: View) -> ExplainNode:
    found = plain(term_function(term)(view))
    text = one_line(source[term.start : term.end])
    held = found is True if term.type.kind == "bool" else None
    children = tuple(_node(source, part, view) for part in _parts(term))
    asked = members_asked(term)
    note = TOO_MANY if asked and view.too_many(asked) else CUT if _cut(term, view) else msgspec.UNSET
    return ExplainNode(text, as_json(found, term.type), held, children, note)


def _cut(term: Term, view: View) -> bool:
    """Whether a list that is made here, or in the body of a macro, is not all there is."""
    asked = walk(term.args[1]) if term.op.startswith("macro_") else (term,)
    return any(_longer(part, view) for part in asked if part.op == "list_rows" and not free_names(part))


def _longer(term: Term, view: View) -> bool:
    rows, value = term.args
    known = Term("where", rows.type, (rows, Term("has", BOOL, (value,))), term.data)
    count = term_function(Term("count", NUMBER, (known,), term.data))(view)
    return bool(count > LIST_ITEMS_MAX)


def _parts(term: Term) -> list[Term]:
    if term.op in _ROWS:
        return []
    args = term.args[:1] if term.op.startswith("macro_") else term.args
    # a part that the checker put in has the text of its parent
    return [part for part in args if part.op not in _SILENT and (part.start, part.end) != (term.start, term.end)]


def as_json(x: Any, kind: Type) -> Any:
    """A value as JSON: moments, days and durations become text."""
    if x is None:
        return None
    if kind.kind == "timestamp":
        return format_moment(x)
    if kind.kind == "duration":
        return _length(x)
    if isinstance(x, date):
        return x.isoformat()
    if kind.kind == "list" and kind.item is not None and isinstance(x, list):
        return [as_json(item, kind.item) for item in x]
    return x


def _length(length: Micros) -> str:
    """A duration as it is written: 12d3h, with a sign in front if it is negative."""
    parts, rest = [], abs(length)
    for unit, size in (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return ("-" if length < 0 else "") + ("".join(parts) or "0s")
