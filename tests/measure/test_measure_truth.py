"""Known truth: the figures of docs/measurement.md with fewer repetitions (all of them: `python -m
tests.measure.measure_truth`).
"""

from __future__ import annotations

import pytest

from tests.measure.measure_truth import LAWS, coverage, interval_misses, no_effect

pytestmark = pytest.mark.slow


def test_two_hundred_seeds_cover_the_truth_and_the_naive_comparison_misses() -> None:
    """95 +- 3 % of the intervals hold the true effect, without bias; contacted against all controls misses in most
    campaigns.
    """
    found = coverage(200)
    print(found)
    assert 0.92 <= found.report <= 0.98
    assert abs(found.bias_report) <= 3 * found.se
    assert found.naive < 0.5
    assert found.bias_naive < -20 * found.se


def test_no_effect_at_95_to_5() -> None:
    """Nothing happens, 5 % control: p rejects 5 % +- 2.1 and 2.5 % +- 1.5 each way; Welch's upper tail does not
    (positive control).
    """
    drawn, welch = no_effect(LAWS["log-normal"], 0.05, 700, 20_000, 400)
    print(drawn, welch)
    assert abs(drawn.both - 0.05) <= 0.021
    assert max(abs(drawn.up - 0.025), abs(drawn.down - 0.025)) <= 0.015
    assert welch.up - 0.025 > 0.015


@pytest.mark.parametrize(("law", "control"), [("exponential", 0.1), ("conversion", 0.5)])
def test_no_effect_under_other_laws(law: str, control: float) -> None:
    """Nothing happens: p rejects 5 % +- 2.1 and 2.5 % +- 1.5 each way also for other spend and other splits."""
    drawn, _ = no_effect(LAWS[law], control, 400, 10_000, 400)
    print(law, control, drawn)
    assert abs(drawn.both - 0.05) <= 0.021
    assert max(abs(drawn.up - 0.025), abs(drawn.down - 0.025)) <= 0.015


def test_the_interval_keeps_both_tails() -> None:
    """60 buyers in a 5 % control group: the interval misses within 2.5 % +- 1.5 on each side, Welch's does not."""
    found = interval_misses(600, 20_000, 0.05, 0.9)
    print(found)
    assert max(abs(found["Hall, pooled"].up - 0.025), abs(found["Hall, pooled"].down - 0.025)) <= 0.015
    assert found["Welch"].up - 0.025 > 0.015
