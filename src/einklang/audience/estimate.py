"""How many of a population, from how many of a sample: the exact interval of a draw without replacement.

The sample is the persons with the smallest keyed hash, which knows nothing of what they do: a simple random sample.
Of N persons K have the property; n were looked at and k had it, so k is hypergeometric. The interval is that of
Clopper and Pearson with this distribution (Buonaccorsi 1987, The American Statistician 41, 215-218): all K for which
neither tail is improbable. It holds K in at least 95 of 100 samples, whatever K is; no normal approximation is in it.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, lgamma, log, log1p

import msgspec

#: One tail of the 95 % interval.
_TAIL = 0.025
_TINY = 1e-15


class Count(msgspec.Struct, frozen=True):
    """How many persons. low, high: ends of the 95 % interval; equal to the estimate where everybody was looked at."""

    estimate: int
    low: int
    high: int


def exactly(count: int) -> Count:
    """Everybody was looked at."""
    return Count(count, count, count)


@lru_cache(maxsize=20_000)
def estimated(hits: int, looked_at: int, population: int, tail: float = _TAIL) -> Count:
    """The estimate for the population. 0 <= hits <= looked_at <= population. tail: each of the interval."""
    assert 0 <= hits <= looked_at <= population
    if looked_at == population:
        return exactly(hits)
    if looked_at == 0:
        return Count(0, 0, population)
    low = _smallest(hits, looked_at, population, tail)
    # Who counts the others counts the same: the upper end mirrors the lower one.
    high = population - _smallest(looked_at - hits, looked_at, population, tail)
    return Count(min(max(round(hits * population / looked_at), low), high), low, high)


@lru_cache(maxsize=20_000)
def drawn(hits: int, looked_at: int, population: int, share: float) -> Count:
    """The same, of whom a hash then draws this share: a binomial number of an unknown one.

    Each of the two intervals is missed in 25 of 1,000 samples at most, so both hold in 95 of 100.
    """
    known = estimated(hits, looked_at, population, _TAIL / 2)
    low = _quantile(known.low, share, _TAIL / 2)
    high = known.high - _quantile(known.high, 1 - share, _TAIL / 2)
    return Count(min(max(round(known.estimate * share), low), high), low, high)


def _quantile(count: int, share: float, tail: float) -> int:
    """The smallest m for which P(X <= m) > tail, X binomial. Sums down from the most probable number."""
    if share <= 0 or share >= 1 or count == 0:
        return 0 if share <= 0 else count
    at = min(count, int((count + 1) * share))
    terms = [exp(_choose(count, at) + at * log(share) + (count - at) * log1p(-share))]
    while at > 0 and terms[-1] > _TINY * terms[0]:
        terms.append(terms[-1] * at / (count - at + 1) * (1 - share) / share)
        at -= 1
    total = 0.0
    while terms and total <= tail:
        total += terms.pop()
        at += 1
    return at - 1


def _smallest(hits: int, looked_at: int, population: int, tail: float) -> int:
    """The smallest K for which so many hits or more are not improbable."""
    if hits == 0:
        return 0
    below, above = hits - 1, population - looked_at + hits
    while above - below > 1:
        middle = (below + above) // 2
        if _at_least(hits, looked_at, middle, population) > tail:
            above = middle
        else:
            below = middle
    return above


def _at_least(hits: int, looked_at: int, having: int, population: int) -> float:
    """P(X >= hits) where `having` of the population have the property. Sums the shorter way, away from the mean."""
    least, most = max(0, looked_at - (population - having)), min(looked_at, having)
    if hits <= least:
        return 1.0
    if hits > most:
        return 0.0
    upwards = hits > looked_at * having / population
    at = hits if upwards else hits - 1
    term = total = exp(
        _choose(having, at) + _choose(population - having, looked_at - at) - _choose(population, looked_at)
    )
    others = population - having - looked_at
    while total * _TINY < term and (at < most if upwards else at > least):
        if upwards:
            term *= (having - at) * (looked_at - at) / ((at + 1) * (others + at + 1))
            at += 1
        else:
            term *= at * (others + at) / ((having - at + 1) * (looked_at - at + 1))
            at -= 1
        total += term
    return min(1.0, total) if upwards else max(0.0, 1.0 - total)


def _choose(n: int, k: int) -> float:
    """The logarithm of the binomial coefficient."""
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
