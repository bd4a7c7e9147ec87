"""Arms: exact, mergeable, and equal to an independent computation."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from einklang.measure import Arm, arm_of

MONEY = st.decimals(min_value=-10_000, max_value=10_000, places=4)


@settings(max_examples=60)
@given(st.lists(MONEY, max_size=30), st.lists(MONEY, max_size=30), st.lists(MONEY, max_size=30))
def test_merge_is_exact_in_any_order(a: list[Decimal], b: list[Decimal], c: list[Decimal]) -> None:
    """Arms of parts add up to the arm of the whole, to the last digit, however they are grouped."""
    whole = arm_of(a + b + c, 100 + len(a + b + c))
    parts = [arm_of(a, 40 + len(a)), arm_of(b, 60 + len(b)), arm_of(c, len(c))]
    assert parts[0] + parts[1] + parts[2] == whole
    assert parts[2] + (parts[0] + parts[1]) == whole
    assert whole + Arm() == whole


@settings(max_examples=60)
@given(st.lists(MONEY, min_size=3, max_size=40), st.integers(0, 50))
def test_moments_are_those_of_numpy_and_scipy(values: list[Decimal], zeros: int) -> None:
    """Mean, variance and skewness over buyers and zeros are those of numpy and scipy."""
    arm = arm_of(values, len(values) + zeros)
    plain = [float(value) for value in values] + [0.0] * zeros
    assert arm.mean() == pytest.approx(sum(plain) / len(plain), abs=1e-9)
    assert arm.variance() == pytest.approx(float(np.var(plain, ddof=1)), rel=1e-9, abs=1e-9)
    if np.std(plain) > 1e-3 * max(map(abs, plain)):
        assert arm.skewness() == pytest.approx(float(stats.skew(plain)), rel=1e-5, abs=1e-6)


def test_sums_do_not_round() -> None:
    """A sum that needs more digits than a float or the default decimal context keeps every one."""
    values = [Decimal("123456789012345678.000000000001"), Decimal("0.000000000001")]
    arm = arm_of(values, 2)
    assert Fraction(arm.sum) == Fraction(values[0]) + Fraction(values[1])
    assert Fraction(arm.sum_cubes) == sum(Fraction(value) ** 3 for value in values)
    assert (arm + arm).sum == 2 * Fraction(arm.sum)


def test_variance_survives_cancellation() -> None:
    """Large equal parts do not eat the variance: exact rationals, where a float formula gives nonsense (positive
    control).
    """
    values = [Decimal(10**9) + Decimal(k) / 10 for k in (0, 1, 2)]
    floats = [float(value) for value in values]
    assert arm_of(values, 3).variance() == pytest.approx(0.01, rel=1e-12)
    naive = (sum(x * x for x in floats) - sum(floats) ** 2 / 3) / 2
    assert naive != pytest.approx(0.01, rel=1e-3)


def test_small_arms_have_no_statistics() -> None:
    """Nobody has no mean, one customer has no variance, and equal outcomes have no skewness."""
    assert Arm().mean() is None
    assert Arm().third_moment() == 0.0
    assert arm_of([5], 1).variance() is None
    assert arm_of([5, 5], 2).skewness() == 0.0


def test_buyers_may_have_spent_nothing() -> None:
    """Buyers count by outcome, not by amount; more values or buyers than customers are refused."""
    assert arm_of([Decimal("3.50")], 10, buyers=4) == Arm(10, 4, Decimal("3.5"), Decimal("12.25"), Decimal("42.875"))
    with pytest.raises(ValueError, match="2 values"):
        arm_of([1, 2], 1)
    with pytest.raises(ValueError, match="3 buyers"):
        arm_of([1], 2, buyers=3)
