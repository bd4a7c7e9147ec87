"""Effects against scipy and statsmodels, and Hall's interval against its own defining equation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from einklang.measure import Arm, arm_of, combined, effect, interval

CENTS = st.lists(st.integers(-500, 5000), min_size=2, max_size=40)


@settings(max_examples=80)
@given(CENTS, CENTS)
def test_welch_is_that_of_scipy(treated: list[int], control: list[int]) -> None:
    """Estimate, p-value and degrees of freedom are those of ttest_ind(equal_var=False); no effect where nothing
    varies.
    """
    found = effect(arm_of(treated, len(treated)), arm_of(control, len(control)))
    if len(set(treated)) == len(set(control)) == 1:
        assert found is None
        return
    assume(len(set(treated)) > 1 and len(set(control)) > 1)  # scipy warns about an arm that does not vary
    assert found is not None
    oracle = stats.ttest_ind(treated, control, equal_var=False)
    assert found.p_welch == pytest.approx(float(oracle.pvalue), rel=1e-8, abs=1e-12)
    assert found.dof == pytest.approx(float(oracle.df), rel=1e-8)
    assert found.estimate == pytest.approx(float(np.mean(treated) - np.mean(control)), abs=1e-9)
    if found.method == "welch":
        low, high = oracle.confidence_interval(0.95)
        assert found.ci == pytest.approx((float(low), float(high)), rel=1e-8, abs=1e-8)


def test_welch_interval_is_that_of_statsmodels() -> None:
    """Balanced arms get the unequal-variance interval of statsmodels."""
    rng = np.random.Generator(np.random.Philox(key=4))
    treated, control = rng.integers(0, 90, 200), rng.integers(0, 60, 180)
    found = effect(arm_of(treated.tolist(), 200), arm_of(control.tolist(), 180))
    assert found is not None
    oracle = CompareMeans(DescrStatsW(treated), DescrStatsW(control)).tconfint_diff(usevar="unequal")
    assert found.method == "welch"
    assert found.ci == pytest.approx(oracle, rel=1e-9)


@pytest.mark.parametrize(("n", "method"), [(40, "welch"), (39, "hall")])
def test_balance_begins_at_two_fifths(n: int, method: str) -> None:
    """Welch's interval from 40 % in the smaller arm on, Hall's below."""
    found = effect(arm_of([1, 2, 9], 100 - n), arm_of([1, 7], n))
    assert found is not None
    assert found.method == method


@settings(max_examples=60)
@given(st.floats(-2.0, 2.0), st.floats(5.0, 1e6))
def test_hall_inverts_its_transformation(k: float, dof: float) -> None:
    """g(T) = T + kT²/3 + k²T³/27 + k/6 of either end is the quantile of Student's t."""
    low, high = interval(0.0, 1.0, dof, k)
    quantile = float(stats.t.ppf(0.975, dof))
    for t, wanted in ((-low, quantile), (-high, -quantile)):
        assert t + k * t**2 / 3 + k**2 * t**3 / 27 + k / 6 == pytest.approx(wanted, rel=1e-4, abs=1e-4)


def test_hall_goes_over_into_welch() -> None:
    """Without skewness the interval is Welch's, and nothing jumps where k is taken for zero."""
    assert interval(3.0, 2.0, 50.0, 0.0) == pytest.approx(interval(3.0, 2.0, 50.0, 2e-6), abs=1e-5)


def test_hall_leans_against_a_small_control() -> None:
    """With a small skewed control group both ends move down: Welch says "up" too easily."""
    rng = np.random.Generator(np.random.Philox(key=5))
    values = np.rint(rng.lognormal(3, 0.9, 1200)).astype(int).tolist()
    treated, control = arm_of(values[:1140], 19_000), arm_of(values[1140:], 1_000)
    found = effect(treated, control)
    assert found is not None
    low, high = interval(found.estimate, found.se, found.dof, 0.0)
    assert found.method == "hall"
    assert found.ci[0] < low
    assert found.ci[1] < high


def test_lift_by_the_delta_method() -> None:
    """Relative lift and its interval by the formula of statistics.md 2.4, written out; none where control has mean
    zero.
    """
    treated, control = arm_of([4, 6, 8, 2], 10), arm_of([3, 5, 1], 9)
    found = effect(treated, control)
    assert found is not None
    assert found.lift is not None
    assert found.lift_ci is not None
    assert found.lift == pytest.approx(2.0 - 1.0)
    v1, v0 = treated.variance(), control.variance()
    assert v1 is not None
    assert v0 is not None
    half = float(stats.t.ppf(0.975, found.dof)) * math.sqrt(v1 / 10 + v0 / 9 * 4)
    assert found.lift_ci == pytest.approx((1 - half, 1 + half))
    none = effect(treated, arm_of([], 9))
    assert none is not None
    assert none.lift is None


def test_strata_are_weighted() -> None:
    """Two strata: Σ w Δ and Σ w² se², and the same stratum twice is the stratum with se / sqrt 2."""
    a, b = arm_of([4, 6, 8], 10), arm_of([3, 5, 1], 9)
    c, d = arm_of([40], 30), arm_of([10, 30], 20)
    one, two = effect(a, b), effect(c, d)
    both, twice = combined([(0.25, a, b), (0.75, c, d)]), combined([(0.5, a, b), (0.5, a, b)])
    assert one is not None
    assert two is not None
    assert both is not None
    assert twice is not None
    assert both.estimate == pytest.approx(0.25 * one.estimate + 0.75 * two.estimate)
    assert both.se == pytest.approx(math.hypot(0.25 * one.se, 0.75 * two.se))
    assert twice.estimate == pytest.approx(one.estimate)
    assert twice.se == pytest.approx(one.se / math.sqrt(2))


def test_nothing_to_compute() -> None:
    """No strata, one customer in an arm, and outcomes that never vary have no effect."""
    assert combined([]) is None
    assert effect(arm_of([1], 1), arm_of([1, 2], 5)) is None
    assert effect(Arm(n=5), Arm(n=5)) is None
