"""Tables as the lake holds them, made from arrays: customers, arms, suppression and outcomes of a known world."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import polars as pl

from einklang.kernel.time import DAY

SCOPE = "journey:win-back"
T0 = 1_700_000_000_000_000
WINDOW = 14 * DAY
NOW = T0 + 30 * DAY


def assignment(person: str, arm: str, **changes: object) -> dict[str, object]:
    """One row of `assignments`; by default would-be contacted at T0, with a control share of 0.5."""
    row: dict[str, object] = {
        "person": person,
        "scope": SCOPE,
        "arm": arm,
        "probability": 0.5,
        "decided_at": T0,
        "would_contact": 1,
        "contacted_at": T0 if arm == "treated" else None,
        "contaminated": 0,
    }
    return row | changes


def outcome(person: str, value: object, at: int = T0 + DAY, **changes: object) -> dict[str, object]:
    """One row of `outcomes`."""
    return {"person": person, "scope": SCOPE, "run": "r_1", "seq": at, "at": at, "value": value} | changes


def assignments_of(*rows: dict[str, object]) -> pl.DataFrame:
    """The table, typed also when empty."""
    schema: dict[str, type[pl.DataType]] = {
        "person": pl.String,
        "scope": pl.String,
        "arm": pl.String,
        "probability": pl.Float64,
        "decided_at": pl.Int64,
        "would_contact": pl.Int64,
        "contacted_at": pl.Int64,
        "contaminated": pl.Int64,
    }
    return pl.DataFrame(list(rows), schema=schema)


def outcomes_of(*rows: dict[str, object]) -> pl.DataFrame:
    """The table, typed also when empty; values are decimal texts."""
    schema: dict[str, type[pl.DataType]] = {
        "person": pl.String,
        "scope": pl.String,
        "run": pl.String,
        "seq": pl.Int64,
        "at": pl.Int64,
        "value": pl.String,
    }
    return pl.DataFrame(list(rows), schema=schema)


def persons_of(**living: str) -> pl.DataFrame:
    """person_id -> living_id."""
    rows = list(living.items())
    return pl.DataFrame(rows, schema={"person_id": pl.String, "living_id": pl.String}, orient="row")


def spend(rng: np.random.Generator, n: int, buying: float = 0.06, sigma: float = 0.9) -> np.ndarray:
    """Zero-inflated log-normal spend of n customers in whole cents, as euros. Mean of a buyer: exp(3 + sigma²/2)."""
    return np.where(rng.random(n) < buying, np.rint(100 * rng.lognormal(3.0, sigma, n)) / 100, 0.0)


def world(
    seed: int, n: int = 6000, control: float = 0.15, effect: float = 0.5, suppressed_buyers: float = 0.0
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(assignments, outcomes) of n customers of whom 10 % buy; a contact makes each would-be contacted spend `effect`
    more on average (one in twenty buys for 20 times that). suppressed_buyers: share of the buyers whom a rule holds
    back in both arms.
    """
    rng = np.random.Generator(np.random.Philox(key=seed))
    base = spend(rng, n, buying=0.10)
    is_control = rng.random(n) < control
    held = (base > 0) & (rng.random(n) < suppressed_buyers)
    extra = np.where(rng.random(n) < 0.05, np.rint(100 * 20 * effect * rng.lognormal(-0.125, 0.5, n)) / 100, 0.0)
    y = base + np.where(is_control | held, 0.0, extra)
    people = [f"p_{index}" for index in range(n)]
    assignments = pl.DataFrame(
        {
            "person": people,
            "scope": [SCOPE] * n,
            "arm": np.where(is_control, "control", "treated").tolist(),
            "probability": np.full(n, control),
            "decided_at": T0 + rng.integers(0, DAY, n),
            "would_contact": (~held).astype(np.int64),
            "contacted_at": [None if c or h else T0 + 2 * DAY for c, h in zip(is_control, held)],
            "contaminated": np.zeros(n, np.int64),
        },
        schema_overrides={"contacted_at": pl.Int64},
    )
    buyers = np.flatnonzero(y)
    outcomes = outcomes_of(
        *(outcome(people[i], str(Decimal(round(y[i] * 100)) / 100), T0 + 3 * DAY + int(i)) for i in buyers)
    )
    return assignments, outcomes
