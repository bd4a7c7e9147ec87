"""Values of many persons at once: each a few Polars expressions, one for each type it can have.

`n` number (Decimal(38,9)), `s` text, `b` bool, `o` list or map (as canonical text), `t` moment or duration
(microseconds), `d` day, `y` day without a year. A declared value has one part; an undeclared one has `n s b o`, of
which at most one is not null. Null is: all parts null. So the rules of 2.4 are null-safe comparisons between equal
parts, and no type is ever converted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import polars as pl

from einklang.expr.numbers import number_of, text_of
from einklang.expr.runtime import as_date, as_timestamp

NUMBER = pl.Decimal(38, 9)
DTYPES: dict[str, Any] = {
    "n": NUMBER,
    "s": pl.String,
    "b": pl.Boolean,
    "o": pl.String,
    "t": pl.Int64,
    "d": pl.Date,
    "y": pl.String,
}
#: The parts of a value of each type.
PARTS: dict[str, tuple[str, ...]] = {
    "bool": ("b",),
    "string": ("s",),
    "number": ("n",),
    "timestamp": ("t",),
    "duration": ("t",),
    "date": ("d", "y"),
    "map": ("o",),
    "list": ("o",),
    "null": (),
    "dyn": ("n", "s", "b", "o"),
}
#: Sums, products and quotients beyond this are null here (2.2 allows numbers below 10^29).
_NEAR_LIMIT = 9e28

Value = Mapping[str, pl.Expr]


def literal(x: Any, part: str) -> pl.Expr:
    """A constant of a part."""
    if part == "n" and x is not None:
        x = Decimal(number_of(x) or 0)
    return pl.lit(x, dtype=DTYPES[part])


def canonical(x: Any) -> str:
    """A list or map as a text that is equal exactly where the values are."""

    def shape(value: Any) -> Any:
        number = number_of(value)
        if number is not None:
            return ["n", text_of(number)]
        if isinstance(value, Mapping):
            return {key: shape(inner) for key, inner in value.items()}
        return [shape(item) for item in value] if isinstance(value, list) else value

    return msgspec.json.encode(shape(x), order="sorted").decode()


def series_of(values: list[Any]) -> dict[str, pl.Series]:
    """JSON values -> the four parts of an undeclared value."""
    columns: dict[str, list[Any]] = {part: [None] * len(values) for part in PARTS["dyn"]}
    for at, value in enumerate(values):
        if value is None:
            continue
        if type(value) is str:
            columns["s"][at] = value
        elif value is True or value is False:
            columns["b"][at] = value
        elif isinstance(value, (list, dict)):
            columns["o"][at] = canonical(value)
        else:
            number = number_of(value)
            columns["n"][at] = None if number is None else Decimal(number)
    return {part: pl.Series(part, column, dtype=DTYPES[part]) for part, column in columns.items()}


def series_as(values: list[Any], kind: str) -> dict[str, pl.Series]:
    """JSON values of a declared type -> its parts; what does not fit is null."""
    if kind == "timestamp":
        return {"t": pl.Series("t", [as_timestamp(value) for value in values], dtype=pl.Int64)}
    if kind == "date":
        found = [as_date(value) for value in values]
        full = [day if isinstance(day, date) else None for day in found]
        short = [day if isinstance(day, str) else None for day in found]
        return {"d": pl.Series("d", full, dtype=pl.Date), "y": pl.Series("y", short, dtype=pl.String)}
    if kind in ("list", "map"):
        wanted = list if kind == "list" else dict
        values = [value if isinstance(value, wanted) else None for value in values]
    parts = series_of(values)
    return {part: parts[part] for part in PARTS.get(kind, PARTS["dyn"])}


def is_null(value: Value) -> pl.Expr:
    """Whether a value is missing."""
    found = pl.lit(True)
    for part in value.values():
        found = found & part.is_null()
    return found


def holds(value: Value) -> pl.Expr:
    """Null and what is no bool count as false."""
    return value["b"].fill_null(False) if "b" in value else pl.lit(False)


def equal(a: Value, b: Value) -> pl.Expr:
    """Null equals only null; values of different types are never equal."""
    found = is_null(a) & is_null(b)
    for part in a:
        if part in b:
            found = found | (a[part] == b[part]).fill_null(False)
    return found


def ordered(a: Value, b: Value, *, strictly: bool) -> pl.Expr:
    """a < b or a <= b; false where one is missing or they are of different types."""
    found = pl.lit(False)
    for part in ("n", "s", "t", "d"):
        if part in a and part in b:
            less = a[part] < b[part] if strictly else a[part] <= b[part]
            found = found | less.fill_null(False)
    return found


#: Makes an expression a column of a level (`Level.add`): what `when` makes may else be one repeated value.
Solid = Callable[[pl.Expr], pl.Expr]


def choose(ask: pl.Expr, yes: Value, no: Value, solid: Solid) -> Value:
    """yes where ask holds, else no."""
    empty = pl.lit(None)
    return {
        part: solid(pl.when(ask).then(yes.get(part, empty)).otherwise(no.get(part, empty)).cast(DTYPES[part]))
        for part in dict.fromkeys((*yes, *no))
    }


def _bounded(solid: Solid, estimate: pl.Expr, *parts: pl.Expr) -> list[pl.Expr]:
    """The parts, null where the result would be too large: Polars refuses the whole column there."""
    fits = estimate.abs() < _NEAR_LIMIT
    return [solid(pl.when(fits).then(part)) for part in parts]


def _rough(x: pl.Expr) -> pl.Expr:
    return x.cast(pl.Float64)


def arithmetic(op: str, a: pl.Expr, b: pl.Expr, solid: Solid) -> pl.Expr:
    """`add` `sub` `mul` `div` of numbers. Polars rounds decimals half-even, once."""
    if op == "add":
        a, b = _bounded(solid, _rough(a).abs() + _rough(b).abs(), a, b)
        return a + b
    if op == "sub":
        a, b = _bounded(solid, _rough(a).abs() + _rough(b).abs(), a, b)
        return a - b
    if op == "mul":
        a, b = _bounded(solid, _rough(a) * _rough(b), a, b)
        return a * b
    b = solid(pl.when(b != 0).then(b))
    a, b = _bounded(solid, _rough(a) / _rough(b), a, b)
    return a / b
