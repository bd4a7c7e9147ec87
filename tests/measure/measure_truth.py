"""Experiments with known truth. Tests run them short; `python -m tests.measure.measure_truth` prints
docs/measurement.md's figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from einklang.measure import Arm, Stratum, arm_of, effect, interval, naive, randomisation_p, report
from tests.measure.measure_tables import NOW, SCOPE, WINDOW, persons_of, spend, world

Law = Callable[[np.random.Generator, int], NDArray[np.float64]]

LAWS: dict[str, Law] = {
    "log-normal": spend,
    "exponential": lambda rng, n: np.where(rng.random(n) < 0.06, np.rint(rng.exponential(3000.0, n)) / 100, 0.0),
    "conversion": lambda rng, n: (rng.random(n) < 0.06).astype(np.float64),
}


class Tails(NamedTuple):
    """Shares of the A/A campaigns that a p-value below 0.05 calls up and down."""

    up: float
    down: float

    @property
    def both(self) -> float:
        return self.up + self.down


class Coverage(NamedTuple):
    """report, naive: how often the 95 % interval held the truth; bias_*: mean miss; se: standard error of
    bias_report.
    """

    report: float
    naive: float
    bias_report: float
    bias_naive: float
    se: float


def cents(values: NDArray[np.float64]) -> Arm:
    """The arm of these customers, in cents."""
    return arm_of(np.rint(values[values != 0] * 100).astype(np.int64).tolist(), len(values))


def no_effect(law: Law, control: float, reps: int, n: int, redraws: int, first: int = 77_000) -> tuple[Tails, Tails]:
    """(randomisation, Welch) on `reps` campaigns of n customers in which the contact does nothing."""
    found = np.zeros((2, 2))
    for seed in range(first, first + reps):
        rng = np.random.Generator(np.random.Philox(key=seed))
        y = law(rng, n)
        held = rng.random(n) < control
        treated, withheld = y[~held], y[held]
        measured = effect(cents(treated), cents(withheld))
        drawn = randomisation_p([Stratum(control, treated, withheld, len(treated), len(withheld))], str(seed), redraws)
        assert measured is not None
        assert drawn is not None
        direction = 0 if measured.estimate > 0 else 1
        found[0, direction] += drawn.p < 0.05
        found[1, direction] += measured.p_welch < 0.05
    shares = found / reps
    return Tails(*map(float, shares[0])), Tails(*map(float, shares[1]))


def coverage(reps: int, n: int = 10_000, truth: float = 0.5, redraws: int = 20, first: int = 5_000) -> Coverage:
    """`report` and `naive` on whole tables: control of 10, 15 and 20 %, two fifths of the buyers held back by a rule.

    About 60 buyers in a control group of 10 %: just above the gate.
    """
    hits, misses = np.zeros(2), np.zeros((reps, 2))
    for index in range(reps):
        tables = world(first + index, n, control=(0.10, 0.15, 0.20)[index % 3], effect=truth, suppressed_buyers=0.4)
        made = report(
            tables[0],
            tables[1],
            None,
            persons_of(),
            journey=f"j{index}",
            scope=SCOPE,
            window_us=WINDOW,
            now=NOW,
            redraws=redraws,
        )
        simple = naive(*tables, None, persons_of(), scope=SCOPE, window_us=WINDOW, now=NOW)
        assert made.effect.ci is not None
        assert made.effect.estimate is not None
        assert simple is not None
        hits += [low <= truth <= high for low, high in (made.effect.ci, simple.ci)]
        misses[index] = made.effect.estimate - truth, simple.estimate - truth
    se = float(misses[:, 0].std(ddof=1) / np.sqrt(reps))
    bias = misses.mean(axis=0)
    return Coverage(float(hits[0]) / reps, float(hits[1]) / reps, float(bias[0]), float(bias[1]), se)


def interval_misses(reps: int, n: int, control: float, sigma: float, truth: float = 50.0) -> dict[str, Tails]:
    """How often the truth (cents) lies below (`up`) and above (`down`) three intervals: Welch, Hall with the skewness
    of each arm, Hall with the pooled skewness as `effect` has it.
    """
    found = {"Welch": np.zeros(2), "Hall, each arm": np.zeros(2), "Hall, pooled": np.zeros(2)}
    for seed in range(900_000, 900_000 + reps):
        rng = np.random.Generator(np.random.Philox(key=seed))
        y, held = spend(rng, n, sigma=sigma), rng.random(n) < control
        extra = np.where(rng.random(n) < 0.05, np.rint(20 * truth * rng.lognormal(-0.125, 0.5, n)) / 100, 0.0)
        arms = cents((y + extra)[~held]), cents(y[held])
        made = effect(*arms)
        assert made is not None
        own = sum(sign * arm.third_moment() / arm.n**2 for sign, arm in zip((1, -1), arms, strict=True)) / made.se**3
        ends = {"Hall, pooled": made.ci}
        for name, skewness in (("Welch", 0.0), ("Hall, each arm", own)):
            ends[name] = interval(made.estimate, made.se, made.dof, skewness)
        for name, (low, high) in ends.items():
            found[name] += (truth < low, truth > high)
    return {name: Tails(*map(float, misses / reps)) for name, misses in found.items()}


def throughput(customers: int = 1_000_000, buying: float = 0.06) -> float:
    """Seconds for one randomisation p-value with 2000 re-draws."""
    rng = np.random.Generator(np.random.Philox(key=1))
    y = spend(rng, customers, buying)
    held = rng.random(customers) < 0.1
    stratum = Stratum(0.1, y[~held], y[held], int((~held).sum()), int(held.sum()))
    start = time.perf_counter()
    randomisation_p([stratum], "throughput")
    return time.perf_counter() - start


def main() -> None:
    """Prints the tables of docs/measurement.md."""
    print(
        "| A/A, 1000 campaigns of 20 000 | control | randomisation (up / down) | Welch (up / down) |\n|---|---|---|---|"
    )
    for name, law in LAWS.items():
        for control in (0.5, 0.1, 0.05):
            drawn, welch = no_effect(law, control, 1000, 20_000, 400)
            cells = (f"{each.both:.3f} ({each.up:.3f} / {each.down:.3f})" for each in (drawn, welch))
            print(f"| {name} | {control:.0%} | " + " | ".join(cells) + " |", flush=True)
    print("\n| 95 % intervals, 2000 campaigns | control, sigma | misses (truth below / above) |\n|---|---|---|")
    for n, control, sigma in ((10_000, 0.1, 0.9), (20_000, 0.05, 0.9), (20_000, 0.1, 1.2), (5_000, 0.2, 0.9)):
        for name, missed in interval_misses(2000, n, control, sigma).items():
            row = f"{missed.both:.3f} ({missed.up:.3f} / {missed.down:.3f})"
            print(f"| {name} | n = {n}, {control:.0%}, {sigma} | {row} |", flush=True)
    print()
    for reps in (200, 1000):
        print(f"{reps} campaigns with a true effect of 0.50: {coverage(reps)}", flush=True)
    print(f"1M customers, 60k buyers, 2000 re-draws: {throughput():.1f} s")


if __name__ == "__main__":
    main()
