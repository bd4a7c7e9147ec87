"""The randomisation test against full enumeration, and its promise of equal bytes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from einklang.measure import Stratum, randomisation_p, randomise


def stratum(values: list[float], treated: list[bool], probability: float) -> Stratum:
    """A stratum of these customers, zeros left out of the values."""
    ours = np.array([v for v, t in zip(values, treated, strict=True) if t and v], float)
    theirs = np.array([v for v, t in zip(values, treated, strict=True) if not t and v], float)
    return Stratum(probability, ours, theirs, sum(treated), len(treated) - sum(treated))


def t_of(values: NDArray[np.float64], treated: NDArray[np.bool_]) -> float:
    """The studentised difference written out, NaN where it does not exist."""
    a, b = values[treated], values[~treated]
    if min(len(a), len(b)) < 2:
        return math.nan
    variance = a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)
    return float((a.mean() - b.mean()) / math.sqrt(variance)) if variance > 1e-12 else math.nan


@pytest.mark.parametrize("probability", [0.5, 0.3])
def test_full_enumeration_agrees(probability: float) -> None:
    """On ten customers the drawn p-values lie within 4 standard errors of those over all 1024 assignments."""
    values = [0, 0, 0, 1.5, 2, 2, 3.25, 7, 11, 0]
    treated = [True, False, True, False, True, False, False, True, True, False]
    redraws = 40_000
    found = randomisation_p([stratum(list(map(float, values)), treated, probability)], "tiny", redraws)
    assert found is not None
    array = np.array(values, float)
    observed = t_of(array, np.array(treated))
    upper = lower = 0.0
    for bits in itertools.product([True, False], repeat=len(values)):
        weight = (1 - probability) ** sum(bits) * probability ** (len(bits) - sum(bits))
        t = t_of(array, np.array(bits))
        upper += weight * (not t < observed - 1e-9)
        lower += weight * (not t > observed + 1e-9)
    for drawn, exact in ((found.upper, upper), (found.lower, lower)):
        assert abs(drawn - exact) <= 4 * math.sqrt(exact * (1 - exact) / redraws) + 1 / redraws
    assert found.p == min(1.0, 2 * min(found.upper, found.lower))


def test_row_order_does_not_matter() -> None:
    """Any order of rows and of strata gives the same bytes; another campaign draws other numbers."""
    rng = np.random.Generator(np.random.Philox(key=3))
    values = [np.rint(100 * rng.lognormal(3, 0.9, size)) / 100 for size in (400, 60, 90, 30)]

    def p(order: int, seed: str) -> tuple[float, ...]:
        mixed = [np.random.Generator(np.random.Philox(key=order)).permutation(v) for v in values]
        strata = [Stratum(0.1, mixed[0], mixed[1], 6000, 700), Stratum(0.2, mixed[2], mixed[3], 1500, 380)]
        found = randomisation_p(strata if order % 2 else strata[::-1], seed, 500)
        assert found is not None
        return tuple(found)

    assert len({p(order, "cart") for order in range(6)}) == 1
    assert len({p(0, f"campaign {index}") for index in range(8)}) > 1


def test_values_off_the_cent_grid_keep_their_order() -> None:
    """Sums of values in any scale agree: a constant factor changes no p-value."""
    rng = np.random.Generator(np.random.Philox(key=9))
    a, b = np.rint(rng.lognormal(3, 0.9, 300)), np.rint(rng.lognormal(3, 0.9, 50))
    found = {randomisation_p([Stratum(0.15, a * f, b * f, 3000, 500)], "x", 400) for f in (1.0, 1000.0, 1e9, 0.01)}
    assert len(found) == 1


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many re-draws are worked on at once, the p-value is the same, with even and odd numbers of rows."""
    rng = np.random.Generator(np.random.Philox(key=2))
    for rows in (151, 160):
        values = np.rint(rng.lognormal(3, 0.9, rows))
        found = set()
        for cells in (1, 999, 100_000, 10_000_000):
            monkeypatch.setattr(randomise, "_CELLS_A_CHUNK", cells)
            found.add(randomisation_p([Stratum(0.2, values[30:], values[:30], 800, 200)], "c", 301))
        assert len(found) == 1


def test_zeros_enter_by_count_only() -> None:
    """Zeros written out or left to the counts are the same test."""
    a, b, nothing = np.array([5.0, 7.0, 1.0]), np.array([2.0, 2.5]), np.zeros(20)
    plain = randomisation_p([Stratum(0.4, a, b, 30, 25)], "z", 300)
    written = randomisation_p([Stratum(0.4, np.append(a, nothing), np.append(nothing, b), 30, 25)], "z", 300)
    assert plain == written


def test_a_strong_effect_is_found_on_its_side() -> None:
    """Both tails work: a large plus has a small upper p, its mirror image a small lower p, none of them zero."""
    rng = np.random.Generator(np.random.Philox(key=8))
    high, low = rng.normal(12, 2, 300), rng.normal(10, 2, 300)
    up = randomisation_p([Stratum(0.5, high, low, 300, 300)], "s")
    down = randomisation_p([Stratum(0.5, low, high, 300, 300)], "s")
    assert up is not None
    assert down is not None
    assert up.upper == down.lower == 1 / 2001
    assert up.p == down.p == 2 / 2001


def test_nothing_to_draw() -> None:
    """No customers, one customer in an arm, or outcomes that never vary have no p-value."""
    nobody = np.empty(0)
    assert randomisation_p([], "n") is None
    assert randomisation_p([Stratum(0.5, nobody, nobody, 0, 0)], "n") is None
    assert randomisation_p([Stratum(0.5, np.array([3.0]), nobody, 1, 9)], "n", 50) is None
    assert randomisation_p([Stratum(0.5, nobody, nobody, 10, 10)], "n", 50) is None


def test_an_impossible_redraw_counts_against_us() -> None:
    """With two customers an arm many re-draws have no T; each of them counts in both tails."""
    found = randomisation_p([Stratum(0.5, np.array([9.0, 8.0]), np.array([1.0, 2.0]), 2, 2)], "n", 4000)
    assert found is not None
    assert found.upper == pytest.approx(1 / 16 + 10 / 16, abs=0.04)
    assert found.p == 1.0
