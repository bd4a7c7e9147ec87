"""The names that generated code may use, and what the generator knows of the values of operators."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from einklang.expr import numbers, runtime
from einklang.expr.dates import start_of
from einklang.expr.past import any_equal
from einklang.expr.texts import matches
from einklang.expr.tree import Term

#: op -> name of the function that takes the values of the arguments.
PLAIN = {
    "add": "add", "sub": "sub", "mul": "mul", "div": "div", "mod": "mod", "neg": "neg", "plus": "plus",
    "index": "index", "in": "is_in", "size": "size", "abs": "absolute", "round": "rounded", "number": "number_from",
    "lower": "lower", "contains": "contains", "startsWith": "starts_with", "endsWith": "ends_with",
    "matches": "matches",
    "ts_diff": "ts_diff", "date_diff": "date_diff", "days": "days", "year": "year", "month": "month", "day": "day",
    "weekday": "weekday", "date_of_text": "as_date", "ts_of_text": "as_timestamp",
}  # fmt: skip

READ = {
    "bool": "as_bool",
    "string": "as_string",
    "number": "number_of",
    "timestamp": "as_timestamp",
    "date": "as_date",
    "map": "as_map",
}

GLOBALS: dict[str, Any] = {name: getattr(runtime, name) for name in dir(runtime) if not name.startswith("_")}
GLOBALS |= {name: getattr(numbers, name) for name in dir(numbers) if not name.startswith("_")}
GLOBALS |= {
    "any_equal": any_equal,
    "is_in": runtime.within,
    "matches": matches,
    "start_of": start_of,
    "__builtins__": {"any": any, "all": all, "sum": sum, "reversed": reversed, "len": len, "type": type, "dict": dict},
}

#: Ops whose value is never null and always a bool.
BOOLS = frozenset(
    {
        "eq", "ne", "lt", "le", "gt", "ge", "in", "not", "and", "or", "goal", "segment", "injourney", "consent",
        "reachable", "exists", "has", "contains", "startsWith", "endsWith", "matches", "macro_exists", "macro_all",
        "macro_exists_one",
    }
)  # fmt: skip
#: Ops whose value is always an int within bounds.
COUNTS = frozenset({"count", "distinct"})
#: Ops whose value is null or a number as `numbers` rounds it.
NUMBERS = frozenset({"add", "sub", "mul", "div", "mod", "neg", "abs", "round", "sum", "avg"})


def is_number(term: Term) -> bool:
    """Whether the value is null or a number within bounds, rounded: nothing that was read."""
    return is_count(term) or term.op in NUMBERS


def is_count(term: Term) -> bool:
    """Whether the value is an int for sure."""
    return term.op in COUNTS or (term.op == "const" and type(term.data) in (int, Decimal))


def text_asked(item: str, condition: Term) -> tuple[str, str] | None:
    """Field and text where a condition is nothing but `item.field == "text"`."""
    if condition.op != "eq" or condition.args[1].op != "const" or condition.args[1].type.kind != "string":
        return None
    asked, text = condition.args
    if asked.op != "field" or asked.type.kind not in ("dyn", "string") or asked.args[0].op != "local":
        return None
    return (asked.data, text.data) if asked.args[0].data == item else None
