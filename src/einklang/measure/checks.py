"""Is the comparison sound? Sample ratio, suppression by arm: chi-square tests at a level that stays quiet on healthy
days.

Source: Fabijan et al. (2019), "Diagnosing sample ratio mismatch in online controlled experiments", KDD; the expected
share is always the design probability, never 50/50, and the size of the deviation is shown beside the p-value
(statistics.md 2.8).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from msgspec import Struct
from scipy import special

#: Below this p a check alarms. Small because reports are read every day.
ALARM_BELOW = 0.0005


class SampleRatio(Struct, frozen=True):
    """expected, observed: share of control by design and in the data; p: chi-square, one degree of freedom; ok: p >=
    0.0005.

    observed and p are None where nobody was counted (then ok).
    """

    expected: float | None
    observed: float | None
    p: float | None
    ok: bool


class Suppression(Struct, frozen=True):
    """treated, control: share of the eligible whom a rule held back before the arm was revealed; p: 2x2 chi-square;
    ok: p >= 0.0005.
    """

    treated: float | None
    control: float | None
    p: float | None
    ok: bool


def sample_ratio(counts: Mapping[float, tuple[int, int]]) -> SampleRatio:
    """counts: design probability of control -> (treated, control) customers.

    X² = (O - E)² / Σ n p (1 - p) with O, E the observed and expected customers in control; for one probability this is
    Pearson's chi-square. Where the design leaves no choice (p of 0 or 1 for all), any deviation at all is an alarm.
    """
    n = sum(treated + control for treated, control in counts.values())
    if not n:
        return SampleRatio(None, None, None, True)
    observed = sum(control for _, control in counts.values())
    expected = math.fsum(p * (treated + control) for p, (treated, control) in sorted(counts.items()))
    variance = math.fsum(p * (1 - p) * (treated + control) for p, (treated, control) in sorted(counts.items()))
    if variance > 0:
        p_value = float(special.chdtrc(1, (observed - expected) ** 2 / variance))
    else:
        p_value = 1.0 if abs(observed - expected) < 0.5 else 0.0
    return SampleRatio(expected / n, observed / n, p_value, p_value >= ALARM_BELOW)


def suppression(treated: tuple[int, int], control: tuple[int, int]) -> Suppression:
    """(suppressed, eligible) customers of each arm -> shares and Pearson's 2x2 chi-square without correction (p is
    None if a margin is 0).
    """
    (a, n1), (b, n0) = treated, control
    shares = (a / n1 if n1 else None, b / n0 if n0 else None)
    pooled, n = a + b, n1 + n0
    if not n1 or not n0 or pooled in (0, n):
        return Suppression(*shares, None, True)
    statistic = n * (a * (n0 - b) - b * (n1 - a)) ** 2 / (pooled * (n - pooled) * n1 * n0)
    p_value = float(special.chdtrc(1, statistic))
    return Suppression(*shares, p_value, p_value >= ALARM_BELOW)
