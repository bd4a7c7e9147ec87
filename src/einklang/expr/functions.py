"""The one table of functions and methods, read by the checker, the compilers and the documentation.

Arguments: `any` `bool` `string` `number` `list` `date` `timestamp` `day` (a date or a timestamp) `duration`; `?` may
be left out; `...` at the end repeats the last one; `literal` a text in quotes; `condition`, `value`: an expression
over one event or element; `set`: a set of events; `whole`: a whole number as it is written; `step`: `step.ID`;
`bound`: a moment, a date, `entry` or `step.ID`; `dur`: a duration text. crowd: whether `compile_crowd` knows it.
later: what a later version brings; the check refuses it and says so.
"""

from __future__ import annotations

from typing import NamedTuple


class Fn(NamedTuple):
    """One row of the table."""

    args: tuple[str, ...]
    result: str
    crowd: bool = True
    later: bool = False


#: Called by name: `size(x)`.
FUNCTIONS: dict[str, Fn] = {
    "events": Fn(("literal...",), "events"),
    "objects": Fn(("literal",), "events"),
    "group": Fn(("literal",), "map"),
    "segment": Fn(("literal",), "bool"),
    "inJourney": Fn(("literal",), "bool", crowd=False),
    "consent": Fn(("literal", "literal"), "bool"),
    "reachable": Fn(("literal",), "bool", crowd=False),
    "changedAt": Fn(("any",), "timestamp", crowd=False),
    "bucket": Fn(("literal",), "number", crowd=False),
    "lookup": Fn(("literal", "any"), "map"),
    "duration": Fn(("literal",), "duration"),
    "timestamp": Fn(("any",), "timestamp"),
    "date": Fn(("any",), "date"),
    "days": Fn(("duration",), "number"),
    "age": Fn(("date",), "number"),
    "anniversary": Fn(("date",), "date"),
    "startOf": Fn(("literal", "day"), "date"),
    "year": Fn(("day",), "number"),
    "month": Fn(("day",), "number"),
    "day": Fn(("day",), "number"),
    "hour": Fn(("timestamp",), "number"),
    "weekday": Fn(("day",), "string"),
    "has": Fn(("any",), "bool"),
    "coalesce": Fn(("any...",), "any"),
    "size": Fn(("any",), "number"),
    "min": Fn(("number...",), "number"),
    "max": Fn(("number...",), "number"),
    "abs": Fn(("number",), "number"),
    "round": Fn(("number", "number?"), "number"),
    "number": Fn(("any",), "number"),
    "string": Fn(("any",), "string"),
    "lower": Fn(("string",), "string"),
    "score": Fn(("literal",), "number"),
    "stage": Fn(("literal",), "string"),
    "openCases": Fn(("literal",), "number"),
    "table": Fn(("literal", "any"), "map", later=True),
}

#: Methods that narrow a set of events.
NARROWING: dict[str, Fn] = {
    "within": Fn(("dur",), "events"),
    "since": Fn(("bound",), "events"),
    "until": Fn(("bound",), "events"),
    "where": Fn(("condition",), "events"),
    "of": Fn(("step",), "events", crowd=False),
    "latest": Fn(("number",), "events"),
    "each": Fn(("list",), "events"),
    "followedBy": Fn(("set", "dur", "set?"), "events"),
    "notFollowedBy": Fn(("set", "dur"), "events"),
    "withMachine": Fn((), "events"),
}

#: Methods that make a value of a set of events.
AGGREGATES: dict[str, Fn] = {
    "exists": Fn((), "bool"),
    "count": Fn((), "number"),
    "sum": Fn(("value",), "number"),
    "avg": Fn(("value",), "number"),
    "min": Fn(("value",), "value"),
    "max": Fn(("value",), "value"),
    "distinct": Fn(("value",), "number"),
    "first": Fn(("value",), "value"),
    "last": Fn(("value",), "value"),
    "nth": Fn(("whole", "value"), "value"),
    "list": Fn(("value",), "list"),
}

#: CEL's macros over lists (`has` is a function here).
MACROS: dict[str, Fn] = {
    "exists": Fn(("name", "condition"), "bool"),
    "all": Fn(("name", "condition"), "bool"),
    "exists_one": Fn(("name", "condition"), "bool"),
    "filter": Fn(("name", "condition"), "list"),
    "map": Fn(("name", "value"), "list"),
}

LIST_METHODS: dict[str, Fn] = {"sum": Fn((), "number"), "min": Fn((), "number"), "max": Fn((), "number")}

STRING_METHODS: dict[str, Fn] = {
    "contains": Fn(("string",), "bool"),
    "startsWith": Fn(("string",), "bool"),
    "endsWith": Fn(("string",), "bool"),
    "matches": Fn(("string",), "bool", crowd=False),
}

METHODS = (
    frozenset(NARROWING)
    | frozenset(AGGREGATES)
    | frozenset(MACROS)
    | frozenset(LIST_METHODS)
    | frozenset(STRING_METHODS)
)

#: CEL's names for what is called otherwise here.
CEL_NAMES = {
    "getFullYear": "year",
    "getMonth": "month",
    "getDate": "day",
    "getDayOfMonth": "day",
    "getHours": "hour",
    "getDayOfWeek": "weekday",
    "int": "number",
    "double": "number",
    "uint": "number",
    "type": "",
    "dyn": "",
    "lowerAscii": "lower",
    "toLowerCase": "lower",
    "length": "size",
    "average": "avg",
}
