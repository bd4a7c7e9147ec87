"""One arm as mergeable sufficient statistics: n, buyers and the exact sums of Y, Y² and Y³.

Sums are `Decimal` and exact (added under a context wide enough never to round), so merging is associative and
commutative to the last digit and no cancellation hides in a variance. `float` begins where a statistic begins: mean,
variance, third moment are rounded once, from exact rationals.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Context, Decimal, Inexact
from fractions import Fraction

from msgspec import Struct

#: Never rounds: a sum that needs more digits than this raises.
_EXACT = Context(prec=2000, Emax=99_999, Emin=-99_999, traps=[Inexact])

Number = Decimal | int


class Arm(Struct, frozen=True):
    """Sufficient statistics of one arm.

    n: customers; buyers: customers with at least one outcome; sum, sum_squares, sum_cubes: Σy, Σy², Σy³ over all n in
    units, units² and units³ of the outcome (a customer without outcome adds zero). `a + b` is the arm of both sets.
    """

    n: int = 0
    buyers: int = 0
    sum: Decimal = Decimal(0)
    sum_squares: Decimal = Decimal(0)
    sum_cubes: Decimal = Decimal(0)

    def __add__(self, other: Arm) -> Arm:
        """The arm of two disjoint sets of customers; exact, associative, commutative."""
        return Arm(
            n=self.n + other.n,
            buyers=self.buyers + other.buyers,
            sum=_EXACT.add(self.sum, other.sum),
            sum_squares=_EXACT.add(self.sum_squares, other.sum_squares),
            sum_cubes=_EXACT.add(self.sum_cubes, other.sum_cubes),
        )

    def mean(self) -> float | None:
        """Σy / n in units of the outcome; None for an empty arm."""
        return float(Fraction(self.sum) / self.n) if self.n else None

    def variance(self) -> float | None:
        """Sample variance (divisor n - 1) in units²; None below two customers."""
        if self.n < 2:
            return None
        total = Fraction(self.sum)
        return float((Fraction(self.sum_squares) - total * total / self.n) / (self.n - 1))

    def third_moment(self) -> float:
        """Central third moment (divisor n) in units³; 0 for an empty arm."""
        if not self.n:
            return 0.0
        mean = Fraction(self.sum) / self.n
        return float(Fraction(self.sum_cubes) / self.n - 3 * mean * Fraction(self.sum_squares) / self.n + 2 * mean**3)

    def skewness(self) -> float:
        """Third moment / (standard deviation with divisor n)³, without unit; 0 where nothing varies."""
        variance = self.variance()
        if not variance:
            return 0.0
        return self.third_moment() / math.pow(variance * (self.n - 1) / self.n, 1.5)


def arm_of(values: Iterable[Number], n: int, *, buyers: int | None = None) -> Arm:
    """The arm of `n` customers whose outcomes are `values`; customers that are not in `values` have outcome zero.

    values: one Decimal or int a customer, in units of the outcome; buyers: customers with an outcome (default: how
    many values). Raises ValueError if there are more values, or more buyers, than customers.
    """
    ratios = [value.as_integer_ratio() for value in values]
    count = len(ratios) if buyers is None else buyers
    if len(ratios) > n or count > n:
        raise ValueError(f"{len(ratios)} values and {count} buyers among {n} customers")
    # Denominators divide a power of ten, so one common scale makes all values integers and the sums plain int sums.
    scale = 1
    while any(scale % denominator for denominator in {denominator for _, denominator in ratios}):
        scale *= 10
    units = [numerator * (scale // denominator) for numerator, denominator in ratios]
    return Arm(
        n=n,
        buyers=count,
        sum=_scaled(sum(units), scale),
        sum_squares=_scaled(sum(unit * unit for unit in units), scale**2),
        sum_cubes=_scaled(sum(unit * unit * unit for unit in units), scale**3),
    )


def _scaled(units: int, scale: int) -> Decimal:
    """units / scale (a power of ten) as an exact Decimal without trailing zeros after the point."""
    return _EXACT.divide(Decimal(units), Decimal(scale))
