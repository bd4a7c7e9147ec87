"""Intervals of estimates hold what they promise: counted out, not drawn."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from einklang.audience.estimate import Count, drawn, estimated, exactly


def chance(k: int, looked_at: int, having: int, population: int) -> float:
    """P(X = k) by whole numbers: an oracle that shares no code."""
    return comb(having, k) * comb(population - having, looked_at - k) / comb(population, looked_at)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_the_interval_holds_the_truth(data: st.DataObject) -> None:
    """Over all samples that can be drawn, those whose interval holds the true number have a chance of 95 % or more."""
    population = data.draw(st.integers(1, 120))
    looked_at = data.draw(st.integers(1, population))
    having = data.draw(st.integers(0, population))
    held = 0.0
    for k in range(looked_at + 1):
        found = estimated(k, looked_at, population)
        assert found.low <= found.estimate <= found.high
        held += chance(k, looked_at, having, population) * (found.low <= having <= found.high)
    assert held >= 0.95 - 1e-9


@given(st.integers(0, 60), st.integers(60, 90))
@settings(max_examples=30, deadline=None)
def test_the_ends_are_the_outermost_numbers_that_are_not_improbable(k: int, population: int) -> None:
    """One further out on either side, and what was seen or more extreme has a chance of 2.5 % or less."""
    looked_at = 60
    k = max(k, 0)
    found = estimated(k, looked_at, population)
    if found.low > k:
        below = sum(chance(x, looked_at, found.low - 1, population) for x in range(k, looked_at + 1))
        assert below <= 0.025 + 1e-9
    if found.high < population - looked_at + k:
        above = sum(chance(x, looked_at, found.high + 1, population) for x in range(k + 1))
        assert above <= 0.025 + 1e-9


def test_everybody_is_exact_and_nobody_says_nothing() -> None:
    """Where all were looked at there is no interval; where none was, every number is possible."""
    assert estimated(7, 30, 30) == exactly(7) == Count(7, 7, 7)
    assert estimated(0, 0, 30) == Count(0, 0, 30)


@pytest.mark.parametrize(
    ("hits", "low", "high"), [(0, 0, 1_840), (1, 13, 2_778), (1_000, 477_873, 522_127), (2_000, 998_160, 1_000_000)]
)
def test_two_thousand_of_a_million(hits: int, low: int, high: int) -> None:
    """The size that screens ask: what is seen nowhere may still be 0.18 % of the people; a half is known to 2.2 %."""
    found = estimated(hits, 2_000, 1_000_000)
    assert (found.low, found.high) == pytest.approx((low, high), abs=20)


def test_a_share_of_an_unknown_number_has_both_intervals() -> None:
    """The ends are the binomial quantiles at the ends of the interval for the number, as scipy has them."""
    for hits, looked_at, population, share in [
        (0, 40, 90, 0.5),
        (40, 40, 90, 0.25),
        (3, 200, 50_000, 0.1),
        (9, 9, 9, 1.0),
    ]:
        known, found = estimated(hits, looked_at, population, 0.0125), drawn(hits, looked_at, population, share)
        assert found.low == max(0, binom.ppf(0.0125, known.low, share))
        assert found.high == max(0, binom.ppf(0.9875, known.high, share))
        assert found.low <= found.estimate <= found.high


@pytest.mark.parametrize(("having", "share"), [(30, 0.5), (3, 0.1), (60, 0.9)])
def test_a_share_is_within_its_interval(having: int, share: float) -> None:
    """Over all samples, and all that can be drawn of those who have it, the interval holds the truth in 95 of 100."""
    held = 0.0
    for hits in range(21):
        found = drawn(hits, 20, 90, share)
        inside = binom.cdf(found.high, having, share) - binom.cdf(found.low - 1, having, share)
        held += chance(hits, 20, having, 90) * float(inside)
    assert held >= 0.95
