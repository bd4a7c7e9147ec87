"""Checks against scipy's chi-square, and their alarms on planted faults."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from einklang.measure import sample_ratio, suppression


@settings(max_examples=60)
@given(st.integers(0, 5000), st.integers(0, 5000), st.floats(0.01, 0.99))
def test_sample_ratio_is_the_chi_square_of_scipy(treated: int, control: int, probability: float) -> None:
    """One probability: Pearson's chi-square with the design share as expectation."""
    found = sample_ratio({probability: (treated, control)})
    n = treated + control
    if not n:
        assert (found.p, found.ok) == (None, True)
        return
    oracle = stats.chisquare([treated, control], [n * (1 - probability), n * probability])
    assert found.p == pytest.approx(float(oracle.pvalue), rel=1e-6, abs=1e-300)
    assert found.observed == pytest.approx(control / n)
    assert found.ok == (float(oracle.pvalue) >= 0.0005)


def test_the_design_share_is_expected_not_half() -> None:
    """9000 to 1000 is healthy at 10 % and an alarm at 12 % or 50 %."""
    assert sample_ratio({0.10: (9000, 1000)}).ok
    assert not sample_ratio({0.12: (9000, 1000)}).ok
    assert not sample_ratio({0.50: (9000, 1000)}).ok


def test_shares_may_change() -> None:
    """Two design shares are expected each by its own; taken for one they would alarm (positive control)."""
    both = sample_ratio({0.1: (9000, 1000), 0.3: (700, 300)})
    assert both.ok
    assert both.expected == pytest.approx(1300 / 11_000)
    assert not sample_ratio({0.1: (9700, 1300)}).ok


def test_no_choice_leaves_no_tolerance() -> None:
    """Without a control group a single customer in it is an alarm."""
    assert sample_ratio({0.0: (500, 0)}).ok
    assert not sample_ratio({0.0: (499, 1)}).ok


@settings(max_examples=60)
@given(st.integers(1, 900), st.integers(1, 900), st.integers(1, 900), st.integers(1, 900))
def test_suppression_is_the_two_by_two_of_scipy(a: int, b: int, c: int, d: int) -> None:
    """Suppressed against not, treated against control: chi2_contingency without correction."""
    found = suppression((a, a + c), (b, b + d))
    oracle = stats.chi2_contingency([[a, b], [c, d]], correction=False)
    assert found.p == pytest.approx(float(oracle.pvalue), rel=1e-6, abs=1e-300)
    assert found.treated == pytest.approx(a / (a + c))


def test_suppression_without_a_margin() -> None:
    """Nobody suppressed, everybody suppressed, or an empty arm: no p-value and no alarm."""
    for treated, control in (((0, 9), (0, 3)), ((9, 9), (3, 3)), ((1, 2), (0, 0))):
        found = suppression(treated, control)
        assert (found.p, found.ok) == (None, True)


def test_faults_are_found_and_health_is_left_alone() -> None:
    """n = 100 000 at 10 %: 2 % points more suppression in one arm alarm in >= 95 % of 300 runs, none in < 2 %."""
    rng = np.random.Generator(np.random.Philox(key=11))
    alarms = {"healthy": 0, "faulty": 0}
    for _ in range(300):
        control = int(rng.binomial(100_000, 0.1))
        held = int(rng.binomial(control, 0.1))
        for name, rate in (("healthy", 0.10), ("faulty", 0.12)):
            treated = int(rng.binomial(100_000 - control, rate))
            alarms[name] += not suppression((treated, 100_000 - control), (held, control)).ok
    assert alarms["faulty"] >= 285
    assert alarms["healthy"] < 6
