"""How one value is made of several that were claimed for the same field, by event time (language.md 7, `merge`).

The strategies are commutative over events: the same claims give the same value however they arrived, so a merged person
has what one person would have who had sent all events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from einklang.expr.numbers import number_of, plain_number, total

#: language.md names last, first, min, max, sum, union; `most_frequent` counts, the newest of equals wins.
STRATEGIES = ("last", "first", "most_frequent", "min", "max", "sum", "union")
#: Elements that `union` keeps.
UNION_MAX = 1_000
_KEY = msgspec.json.Encoder(order="deterministic", decimal_format="number")


class Claim(NamedTuple):
    """One event says what a field is. source: of the event, for an order of trust."""

    value: Any
    at: int
    seq: int
    source: str = ""


def same_key(value: Any) -> bytes:
    """Equal exactly where two JSON values are the same; 1, 1.0 and 1.00 are one number."""
    return _KEY.encode(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        known = number_of(value)
        return str(value) if known is None else plain_number(known)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value


def ordered(value: Any) -> tuple[int, Any] | None:
    """A place in an order of numbers before texts; None for what has no order (lists, maps, bool)."""
    if number_of(value) is not None:
        return 0, value
    return (1, value) if isinstance(value, str) else None


def _last(claims: Sequence[Claim]) -> Any:
    return claims[-1].value if claims else None


def _first(claims: Sequence[Claim]) -> Any:
    return next((claim.value for claim in claims if claim.value is not None), None)


def _most_frequent(claims: Sequence[Claim]) -> Any:
    counts: dict[bytes, int] = {}
    newest: dict[bytes, tuple[int, Any]] = {}
    for place, claim in enumerate(claims):
        if claim.value is not None:
            key = same_key(claim.value)
            counts[key] = counts.get(key, 0) + 1
            newest[key] = (place, claim.value)
    if not counts:
        return None
    return newest[max(counts, key=lambda key: (counts[key], newest[key][0]))][1]


def _least(claims: Sequence[Claim]) -> Any:
    found = [place for claim in claims if (place := ordered(claim.value)) is not None]
    return min(found)[1] if found else None


def _greatest(claims: Sequence[Claim]) -> Any:
    found = [place for claim in claims if (place := ordered(claim.value)) is not None]
    return max(found)[1] if found else None


def _sum(claims: Sequence[Claim]) -> Any:
    found = [value for claim in claims if (value := number_of(claim.value)) is not None]
    summed = total(found)
    return plain_number(summed) if found and summed is not None else None


def _union(claims: Sequence[Claim]) -> Any:
    """The set of all values, those of lists one by one, in order of the first claim; the newest 1,000."""
    found: dict[bytes, Any] = {}
    for claim in claims:
        for value in claim.value if isinstance(claim.value, list) else [claim.value]:
            if value is not None:
                found.setdefault(same_key(value), value)
    return list(found.values())[-UNION_MAX:] or None


_HOW: dict[str, Callable[[Sequence[Claim]], Any]] = {
    "last": _last,
    "first": _first,
    "most_frequent": _most_frequent,
    "min": _least,
    "max": _greatest,
    "sum": _sum,
    "union": _union,
}


def settle(strategy: str, claims: Iterable[Claim], sources: Sequence[str] = ()) -> Any:
    """The value of a field, None if nobody claims one. claims: in any order.

    sources: the order of trust. Only the claims of the first source that has a value count; `*` stands for every source
    that is not named; a source that is neither named nor covered by `*` counts for nothing.
    """
    rows = sorted(claims, key=lambda claim: (claim.at, claim.seq))
    how = _HOW[strategy]
    if not sources:
        return how(rows)
    for source in sources:
        trusted = [claim for claim in rows if rank(sources, claim.source) == source]
        value = how(trusted)
        if value is not None:
            return value
    return None


def rank(sources: Sequence[str], source: str) -> str | None:
    """The entry of an order of trust that a source falls under; None: it is not trusted."""
    return source if source in sources else "*" if "*" in sources else None
