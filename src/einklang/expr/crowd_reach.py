"""What a plan for crowds can do, and what is asked person by person instead: declared data, read by the compiler, by
`app` and by the documentation.
"""

from __future__ import annotations

from einklang.expr.check import Checked
from einklang.expr.tree import Term, walk

#: Every op that a plan knows.
SUPPORTED = frozenset(
    [
        "const", "now", "today", "duration", "person", "trait", "prop", "elem", "field", "local", "eventfield",
        "money", "not", "and", "or", "cond", "neg", "add", "sub", "mul", "div", "plus", "eq", "ne", "lt", "le",
        "gt", "ge", "in", "list", "has", "coalesce", "size", "abs", "round", "number", "string", "lower",
        "contains", "startsWith", "endsWith", "ts_move", "ts_diff", "date_diff", "date_move", "date_of_ts",
        "date_of_text", "ts_of_text", "ts_of_date", "days", "age", "anniversary", "year", "month", "day", "hour",
        "weekday", "least", "greatest", "segment", "consent", "macro_exists", "macro_all", "macro_exists_one",
        "macro_filter", "macro_map", "list_sum", "list_min", "list_max", "events", "objects", "within", "since",
        "until", "where", "latest", "each", "followed", "notfollowed", "machine", "exists", "count", "sum", "avg",
        "min", "max", "distinct", "first", "last", "list_rows", "nth", "groupid", "groupsize", "grouptrait",
        "grouprole", "groupcontact", "groupevents", "lookup", "followed_without", "start_of",
    ]
)  # fmt: skip
#: Ops without a plan: how they are written, and why they are asked person by person.
ALONE: dict[str, str] = {
    "mod": "`%`: engines differ in the sign of a rest",
    "map": "`{...}`: a map that is made has no column",
    "index": "`list[0]`: a place in a list has no column",
    "matches": "`matches(...)`: the patterns of the engines are not quite RE2",
    "bucket": "`bucket(...)`: a keyed hash",
    "reachable": "`reachable(...)`: addresses as they are now",
    "changed": "`changedAt(...)`: kept with the person",
    "stage": "`stage` with rules of entry, exit or dwell: kept with the person",
    "injourney": "`inJourney(...)`: kept with the person's runs",
    "of": "`of(step.ID)`: what a run sent",
    "entry": "`entry`: of a run",
    "entryprop": "`entry`: of a run",
    "step": "`step.ID`: of a run",
    "var": "`vars.NAME`: of a run",
    "goal": "`goal`: of a run",
    "journey": "`journey.NAME`: of a run",
}
_PATHS = frozenset({"prop", "elem", "trait", "grouptrait", "lookup", "field", "local"})
#: Comparisons of comparisons: Polars and DuckDB write each out two to three times in the one around it, and look at the
#: whole again each time: 11 of them take a second, 25 for ever. Nobody means so many; one person is asked at once.
COMPARED_MAX = 6
_COMPARE = frozenset({"eq", "ne", "in", "contains", "startsWith", "endsWith"})
_LISTS = frozenset({"macro_filter", "macro_map", "list_rows"})


def crowd_supports(checked: Checked) -> list[str]:
    """What a plan cannot do in this expression, by the names of its parts; empty if it can do all."""
    missing = set()
    for term in walk(checked.tree):
        if term.op not in SUPPORTED or (term.op in ("prop", "eventfield") and term.data[0] == 0):
            missing.add(term.op)
        if term.op == "eventfield" and term.data[1] in ("context", "properties", "received_at"):
            missing.add("event." + term.data[1])
        if term.op == "lookup" and not (term.args[0].type.kind == "string" or _is_raw(term.args[0])):
            missing.add("lookup")
        if term.op == "round" and len(term.args) > 1 and not _places(term.args[1]):
            missing.add("round")
        if term.op == "field" and not is_path(term):
            missing.add("field")
        if term.op == "size" and term.args[0].type.kind != "string" and not is_list(term.args[0]):
            missing.add("size")
        listed = term.op.startswith(("macro_", "list_")) and term.op != "list_rows"
        source = term.args[1] if term.op in ("each", "in") else term.args[0] if listed else None
        literal_list = term.op == "in" and source is not None and source.op == "list"
        if source is not None and not literal_list and not is_list(source):
            missing.add(term.op)
    missing |= {"list"} if _stray_lists(checked.tree) else set()
    missing |= {"eq"} if _compared(checked.tree) > COMPARED_MAX else set()
    return sorted(missing)


def _compared(term: Term) -> int:
    """How many comparisons stand inside each other."""
    return (term.op in _COMPARE) + max(map(_compared, term.args), default=0)


def _stray_lists(tree: Term) -> bool:
    """A list that is made stands only where it is walked through: in `in`, a macro or a fold."""
    for term in walk(tree):
        for at, part in enumerate(term.args):
            walked = (term.op.startswith(("macro_", "list_")) and term.op != "list_rows" and at == 0) or (
                term.op in ("in", "each") and at == 1
            )
            if part.op in (*_LISTS, "list") and not walked and not (term.op == "size" and part.op != "list"):
                return True
    return tree.op in (*_LISTS, "list")


def _places(term: Term) -> bool:
    return term.op == "const" and type(term.data) is int and 0 <= term.data <= 9


def _is_raw(key: Term) -> bool:
    """A value as the data has it: a key that is a number is looked up as it is written."""
    return is_path(key) and key.type.kind == "dyn"


def is_path(term: Term) -> bool:
    """A name, or a field of one: documents are read at once, column by column."""
    while term.op == "field":
        term = term.args[0]
    return term.op in _PATHS


def is_list(term: Term) -> bool:
    """What can be walked through."""
    return term.op in _LISTS or is_path(term)
