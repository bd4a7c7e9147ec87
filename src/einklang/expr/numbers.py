"""The one number: decimal, below 10^29, 9 places after the point, half-even. Never a float.

At run time a number is an `int` or a `Decimal`; `bool` is none. Every result is rounded once, from its exact value:
products have at most 76 digits, and a quotient of two such numbers that is no tie of the ninth place differs from
every tie by more than 10^-48, so 100 digits decide the rounding.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DecimalException,
    DivisionByZero,
    InvalidOperation,
    Overflow,
)
from typing import Any

Number = int | Decimal

LIMIT = 10**29
_NINTH = Decimal("1E-9")
#: 38 digits: 29 before and 9 after the point. Quantizing beyond raises.
_FIXED = Context(prec=38, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])
_WIDE = Context(prec=100, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])
_TEXT = re.compile(r"[+-]?\d{1,40}(\.\d{1,40})?", re.A)


def number_of(x: Any) -> Number | None:
    """The value as a number; None where it is none or too large."""
    kind = type(x)
    if kind is int:
        return x if -LIMIT < x < LIMIT else None
    if kind is Decimal:
        try:
            return _FIXED.quantize(x, _NINTH) if x.is_finite() else None
        except DecimalException:
            return None
    return None


def add(a: Any, b: Any) -> Number | None:
    """a + b; None where one is no number or the sum is too large."""
    x, y = number_of(a), number_of(b)
    if x is None or y is None:
        return None
    if type(x) is int and type(y) is int:
        return number_of(x + y)
    return number_of(_WIDE.add(x, y))


def add_exactly(a: Decimal, b: Number) -> Decimal:
    """a + b of sums of many numbers, unrounded and without a bound."""
    return _WIDE.add(a, b)


def subtract_exactly(a: Decimal, b: Decimal) -> Decimal:
    """a - b of the same."""
    return _WIDE.subtract(a, b)


def less(a: Number | None, b: Number | None) -> bool:
    """a < b of what is a number already, or missing."""
    return a is not None and b is not None and a < b


def less_or_equal(a: Number | None, b: Number | None) -> bool:
    """a <= b of the same."""
    return a is not None and b is not None and a <= b


def sub(a: Any, b: Any) -> Number | None:
    """a - b."""
    x, y = number_of(a), number_of(b)
    if x is None or y is None:
        return None
    if type(x) is int and type(y) is int:
        return number_of(x - y)
    return number_of(_WIDE.subtract(x, y))


def mul(a: Any, b: Any) -> Number | None:
    """a x b, rounded once."""
    x, y = number_of(a), number_of(b)
    if x is None or y is None:
        return None
    if type(x) is int and type(y) is int:
        return number_of(x * y)
    return number_of(_WIDE.multiply(x, y))


def div(a: Any, b: Any) -> Number | None:
    """a / b, rounded once; None for b = 0."""
    x, y = number_of(a), number_of(b)
    if x is None or y is None or y == 0:
        return None
    if type(x) is int and type(y) is int and x % y == 0:
        return x // y
    return number_of(_WIDE.divide(x, y))


def mod(a: Any, b: Any) -> Number | None:
    """The remainder of a / b with the sign of a, as in CEL; None for b = 0."""
    x, y = number_of(a), number_of(b)
    if x is None or y is None or y == 0:
        return None
    return number_of(_WIDE.remainder(x, y))


def neg(a: Any) -> Number | None:
    """-a."""
    return sub(0, a)


def absolute(a: Any) -> Number | None:
    """|a|."""
    x = number_of(a)
    return None if x is None else sub(0, x) if x < 0 else x


def rounded(a: Any, places: Any = 0) -> Number | None:
    """a to so many places (-28 to 9), half-even; None where places is no whole number."""
    x, n = number_of(a), number_of(places)
    if x is None or n is None or n != int(n) or not -28 <= n <= 9:
        return None
    return number_of(_WIDE.quantize(Decimal(x), Decimal(1).scaleb(-int(n))))


def numbers_in(values: Iterable[Any]) -> list[Number]:
    """The numbers among the values: what aggregates look at."""
    return [x for x in map(number_of, values) if x is not None]


def total(values: Iterable[Any]) -> Number | None:
    """The sum of the numbers among the values; 0 of none, None where it is too large."""
    whole, part = 0, Decimal(0)
    for x in values:
        if type(x) is int:
            if -LIMIT < x < LIMIT:
                whole += x
        else:
            y = number_of(x)
            if y is not None:
                part = _WIDE.add(part, y)
    return number_of(whole) if not part else number_of(_WIDE.add(part, whole))


def mean(values: Iterable[Any]) -> Number | None:
    """The average of the numbers among the values; None of none."""
    found = numbers_in(values)
    summed = total(found)
    return div(summed, len(found))


def least(values: Iterable[Any]) -> Number | None:
    """The smallest of the numbers among the values; None of none."""
    return min(numbers_in(values), default=None)


def greatest(values: Iterable[Any]) -> Number | None:
    """The largest of the numbers among the values; None of none."""
    return max(numbers_in(values), default=None)


def number_from(x: Any) -> Number | None:
    """`number(x)`: a number, or a text that is one, such as "-12.50"; else None."""
    if type(x) is str:
        return number_of(Decimal(x)) if _TEXT.fullmatch(x) else None
    return number_of(x)


def text_of(x: Number) -> str:
    """A number as text without needless zeros and without an exponent: 12, 0.3, 1000."""
    if type(x) is int:
        return str(x)
    text = format(x, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def plain_number(x: Number) -> Number:
    """An int where the number is whole, else a Decimal without needless zeros."""
    if type(x) is int:
        return x
    text = text_of(x)
    return Decimal(text) if "." in text else int(text)
