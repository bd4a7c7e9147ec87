"""The value of a trait that several events claim, kept up to date claim by claim (language.md 7, `merge`).

Each gathering is order-free: the same claims in any order give the same value, the same time and the same place in the
log. `settle` in `strategies` says the same in the plainest way, over all claims at once; a test compares.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal
from typing import Any, Protocol

import msgspec

from einklang.expr.numbers import number_of, plain_number, total
from einklang.fact.person import Trait
from einklang.profile.strategies import UNION_MAX, ordered, rank, same_key

#: Exact: each number has at most 38 digits.
_WIDE = Context(prec=100)


class Rule(msgspec.Struct, frozen=True):
    """How the claims for a trait become one value.

    sources: the order of trust, "*" for all others; empty: all alike.
    """

    merge: str = "last"
    sources: tuple[str, ...] = ()

    def plain(self) -> bool:
        """Whether this is what every trait does."""
        return self.merge == "last" and not self.sources


class Part(Protocol):
    """The claims of one rank."""

    def add(self, value: Any, at: int, seq: int) -> None: ...
    def settled(self) -> Trait | None: ...


class _Newest:
    """The latest claim; a null takes the value away."""

    def __init__(self) -> None:
        self.best: Trait | None = None

    def add(self, value: Any, at: int, seq: int) -> None:
        if self.best is None or (self.best.at, self.best.seq) < (at, seq):
            self.best = Trait(value, at, seq)

    def settled(self) -> Trait | None:
        return self.best


class _Oldest:
    """The earliest value."""

    def __init__(self) -> None:
        self.best: Trait | None = None

    def add(self, value: Any, at: int, seq: int) -> None:
        if value is not None and (self.best is None or (at, seq) < (self.best.at, self.best.seq)):
            self.best = Trait(value, at, seq)

    def settled(self) -> Trait | None:
        return self.best


class _Extreme:
    """The smallest or largest, since the first event that said so."""

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.best: tuple[tuple[int, Any], Trait] | None = None

    def add(self, value: Any, at: int, seq: int) -> None:
        place = ordered(value)
        if place is None:
            return
        if self.best is not None:
            known, trait = self.best
            if known == place:
                if (trait.at, trait.seq) < (at, seq):
                    return
            elif (known < place) == (self.sign < 0):
                return
        self.best = (place, Trait(value, at, seq))

    def settled(self) -> Trait | None:
        return None if self.best is None else self.best[1]


class _Sum:
    """The sum of all numbers, since the last of them."""

    def __init__(self) -> None:
        self.sum: Any = None
        self.last = (0, 0)

    def add(self, value: Any, at: int, seq: int) -> None:
        number = number_of(value)
        if number is not None:
            self.last = (at, seq) if self.sum is None else max(self.last, (at, seq))
            self.sum = Decimal(number) if self.sum is None else _WIDE.add(self.sum, Decimal(number))

    def settled(self) -> Trait | None:
        found = None if self.sum is None else total([self.sum])
        return None if found is None else Trait(plain_number(found), *self.last)


class _MostFrequent:
    """What was said most often; of equals what was said last."""

    def __init__(self) -> None:
        self.counts: dict[bytes, int] = {}
        self.newest: dict[bytes, Trait] = {}

    def add(self, value: Any, at: int, seq: int) -> None:
        if value is None:
            return
        key = same_key(value)
        self.counts[key] = self.counts.get(key, 0) + 1
        known = self.newest.get(key)
        if known is None or (known.at, known.seq) < (at, seq):
            self.newest[key] = Trait(value, at, seq)

    def settled(self) -> Trait | None:
        if not self.counts:
            return None
        newest = self.newest
        return newest[max(self.counts, key=lambda key: (self.counts[key], newest[key].at, newest[key].seq))]


class _Union:
    """The set of all values, in the order in which they were first said."""

    def __init__(self) -> None:
        self.first: dict[bytes, tuple[int, int, int, Any]] = {}

    def add(self, value: Any, at: int, seq: int) -> None:
        for place, one in enumerate(value if isinstance(value, list) else [value]):
            if one is not None:
                key = same_key(one)
                known = self.first.get(key)
                if known is None or (at, seq, place) < known[:3]:
                    self.first[key] = (at, seq, place, one)

    def settled(self) -> Trait | None:
        if not self.first:
            return None
        rows = sorted(self.first.values(), key=lambda row: row[:3])
        return Trait([row[3] for row in rows][-UNION_MAX:], rows[-1][0], rows[-1][1])


def _part(merge: str) -> Part:
    if merge in ("min", "max"):
        return _Extreme(-1 if merge == "min" else 1)
    kinds: dict[str, type[Any]] = {
        "last": _Newest,
        "first": _Oldest,
        "sum": _Sum,
        "most_frequent": _MostFrequent,
        "union": _Union,
    }
    made: Part = kinds[merge]()
    return made


class Gathered:
    """All claims for one trait of one person."""

    __slots__ = ("_parts", "rule")

    def __init__(self, rule: Rule, claims: Iterable[tuple[Any, int, int, str]] = ()) -> None:
        self.rule = rule
        self._parts: dict[str, Part] = {}
        for value, at, seq, source in claims:
            self.add(value, at, seq, source)

    def add(self, value: Any, at: int, seq: int, source: str) -> None:
        """One event claims a value."""
        place = rank(self.rule.sources, source) if self.rule.sources else ""
        if place is not None:
            part = self._parts.get(place)
            if part is None:
                part = self._parts[place] = _part(self.rule.merge)
            part.add(value, at, seq)

    def settled(self) -> Trait | None:
        """The value with its time and place: of the most trusted source that has one; None without any claim.

        With null as value: it was taken away.
        """
        found = None
        for place in self.rule.sources or ("",):
            part = self._parts.get(place)
            said = part.settled() if part is not None else None
            if said is not None and said.value is not None:
                return said
            found = found or said
        return found


Rules = Mapping[str, Rule]
