"""From arms to an effect: difference of means, its standard error, 95 % interval, Welch p-value and relative lift.

Sources: Welch (1947), Biometrika 34, 28-35 (standard error, degrees of freedom); Hall (1992), "On the removal of
skewness by transformation", JRSS B 54, 221-228 (the monotone cubic that takes the skewness out of a studentised mean);
Willink (2005), Communications in Statistics 34, 753-766 (the same with Student's quantiles).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct
from scipy import special  # scipy.stats takes a second of every command to load, and asks these

from einklang.measure.arm import Arm

ALPHA = 0.05
#: Arms are balanced when the smaller one holds at least this share of both: their skewness then cancels in the
#: difference.
BALANCED_SHARE = 0.4


class Effect(Struct, frozen=True):
    """Treated minus control, per customer, in units of the outcome.

    estimate: difference of means; se: standard error; dof: Welch's degrees of freedom; ci: 95 % interval (low, high)
    by `method` ("welch" or "hall"); p: the randomisation p-value, which decides (None until it was drawn); p_welch:
    two-sided; lift: estimate / |mean of control| with lift_ci by the delta method (None if control has mean zero).
    """

    estimate: float
    se: float
    dof: float
    ci: tuple[float, float]
    method: str
    p_welch: float
    p: float | None = None
    lift: float | None = None
    lift_ci: tuple[float, float] | None = None


def effect(treated: Arm, control: Arm) -> Effect | None:
    """The effect of one comparison; None where it cannot be computed (an arm below two customers, nothing varies)."""
    return combined([(1.0, treated, control)])


def combined(strata: Sequence[tuple[float, Arm, Arm]]) -> Effect | None:
    """Σ weight x (mean treated - mean control) over strata (weight, treated, control); weights sum to one.

    All moments are those of a linear combination of independent means, so one stratum is the plain Welch comparison.
    None where it cannot be computed.
    """
    if not strata or any(arm.n < 2 for _, *arms in strata for arm in arms):
        return None
    parts = [(weight * sign, arm) for weight, *arms in strata for sign, arm in zip((1.0, -1.0), arms, strict=True)]
    estimate = math.fsum(factor * (arm.mean() or 0.0) for factor, arm in parts)
    variances = [factor**2 * (arm.variance() or 0.0) / arm.n for factor, arm in parts]
    variance = math.fsum(variances)
    if not variance > 0.0:
        return None
    se = math.sqrt(variance)
    dof = variance**2 / math.fsum(part**2 / (arm.n - 1) for part, (_, arm) in zip(variances, parts, strict=True))
    skewness = _pooled_skewness([arm for _, arm in parts])
    third = math.fsum(factor**3 * skewness * _cubed_deviation(arm) / arm.n**2 for factor, arm in parts) / se**3
    smaller, larger = sorted((sum(arm.n for _, arm, _ in strata), sum(arm.n for _, _, arm in strata)))
    method = "welch" if smaller >= BALANCED_SHARE * (smaller + larger) else "hall"
    low, high = interval(estimate, se, dof, third if method == "hall" else 0.0)
    lift, lift_ci = _lift(parts, estimate, dof)
    return Effect(
        estimate=estimate,
        se=se,
        dof=dof,
        ci=(low, high),
        method=method,
        p_welch=float(2 * special.stdtr(dof, -abs(estimate) / se)),
        lift=lift,
        lift_ci=lift_ci,
    )


def _pooled_skewness(arms: Sequence[Arm]) -> float:
    """Skewness of the outcome within the arms. Pooled, because a small control group sees too few large orders to
    know its own: with 60 buyers in control the interval misses 4.7 % instead of 5.7 % (docs/measurement.md).
    """
    second = math.fsum((arm.n - 1) * (arm.variance() or 0.0) for arm in arms)
    third = math.fsum(arm.n * arm.third_moment() for arm in arms)
    return third / math.pow(second, 1.5) * math.sqrt(sum(arm.n for arm in arms))


def _cubed_deviation(arm: Arm) -> float:
    return math.pow(arm.variance() or 0.0, 1.5)


def interval(estimate: float, se: float, dof: float, skewness: float, alpha: float = ALPHA) -> tuple[float, float]:
    """The 1 - alpha interval for a mean-like estimate. `skewness`: third cumulant of the estimate / se³ (0: Welch's
    interval).

    Hall's g(T) = T + k T²/3 + k² T³/27 + k/6 is nearly normal for T = (estimate - truth) / se. It is (((1 + kT/3)³ -
    1) / k) + k/6, hence monotone, and T = 3/k ((1 + k (x - k/6))^(1/3) - 1). Quantiles are Student's, so k -> 0 gives
    Welch without a jump.
    """
    quantile = float(special.stdtrit(dof, 1 - alpha / 2))
    upper, lower = _inverse(quantile, skewness), _inverse(-quantile, skewness)
    return estimate - se * upper, estimate - se * lower


def _inverse(x: float, k: float) -> float:
    if abs(k) < 1e-6:
        return x
    return 3.0 / k * (math.cbrt(1.0 + k * (x - k / 6.0)) - 1.0)


def _lift(
    parts: Sequence[tuple[float, Arm]], estimate: float, dof: float
) -> tuple[float | None, tuple[float, float] | None]:
    """Relative lift by the delta method: var = v1 / m0² + v0 m1² / m0⁴ with v the variances of the two (weighted)
    means.
    """
    sides = [[(factor, arm) for factor, arm in parts if (factor > 0) is positive] for positive in (True, False)]
    treated, control = (math.fsum(abs(factor) * (arm.mean() or 0.0) for factor, arm in side) for side in sides)
    v1, v0 = (math.fsum(factor**2 * (arm.variance() or 0.0) / arm.n for factor, arm in side) for side in sides)
    if control == 0.0:
        return None, None
    half = float(special.stdtrit(dof, 1 - ALPHA / 2)) * math.sqrt(v1 / control**2 + v0 * treated**2 / control**4)
    lift = estimate / abs(control)
    return lift, (lift - half, lift + half)
