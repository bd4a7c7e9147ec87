"""What a person did up to one moment, made ready once for all conditions that are asked at this moment.

A window is two places in a list of moments then, a sum the difference of two sums. What machines did is left out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any

from einklang.expr.numbers import Number, add_exactly, div, number_of, subtract_exactly
from einklang.expr.runtime import field
from einklang.expr.view import EventLike
from einklang.kernel.time import Micros

_AT = attrgetter("at")


class Past:
    """Events of some names. comes: when the next one comes in, of a machine too; None if none lies in the future."""

    __slots__ = ("_sums", "ats", "comes", "events")

    def __init__(self, told: Sequence[EventLike], now: Micros) -> None:
        self.comes: Micros | None = None
        if told and told[-1].at > now:
            first = bisect_right(told, now, key=_AT)
            self.comes = told[first].at
            told = told[:first]
        self.events = [event for event in told if not event.machine]
        self.ats = [event.at for event in self.events]
        self._sums: dict[str, _Sums] = {}

    def sums(self, name: str) -> _Sums:
        """Sums of a property of the events."""
        found = self._sums.get(name)
        if found is None:
            found = self._sums[name] = _Sums([event.properties.get(name) for event in self.events])
        return found


def any_equal(x: Any, name: str, wanted: str) -> bool:
    """Whether an element of a list is a map whose field is this text."""
    if type(x) is list:
        for item in x:
            if (item.get(name) if type(item) is dict else field(item, name)) == wanted:
                return True
    return False


class _Sums:
    """Running sums of the numbers among values, exact: whole numbers and others apart."""

    __slots__ = ("_counts", "_parts", "_wholes")

    def __init__(self, values: list[Any]) -> None:
        whole, part, count = 0, Decimal(0), 0
        wholes, counts = [0], [0]
        parts: list[Decimal] | None = None
        for place, value in enumerate(values):
            found = number_of(value)
            if type(found) is int:
                whole, count = whole + found, count + 1
            elif type(found) is Decimal:
                if parts is None:
                    parts = [part] * (place + 1)
                part, count = add_exactly(part, found), count + 1
            wholes.append(whole)
            counts.append(count)
            if parts is not None:
                parts.append(part)
        self._wholes, self._counts, self._parts = wholes, counts, parts

    def total(self, place: int) -> Number | None:
        """As `numbers.total` of the values from a place on."""
        whole = self._wholes[-1] - self._wholes[place]
        if self._parts is None:
            return number_of(whole)
        part = subtract_exactly(self._parts[-1], self._parts[place])
        return number_of(add_exactly(part, whole)) if part else number_of(whole)

    def mean(self, place: int) -> Number | None:
        """As `numbers.mean`."""
        return div(self.total(place), self._counts[-1] - self._counts[place])
