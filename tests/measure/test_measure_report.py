"""The report on small tables: who counts, when, once, and what is said about it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from einklang.kernel.errors import InputError
from einklang.kernel.time import DAY
from einklang.measure import Report, report
from tests.measure.measure_tables import (
    NOW,
    SCOPE,
    T0,
    WINDOW,
    assignment,
    assignments_of,
    outcome,
    outcomes_of,
    persons_of,
    world,
)


def measured(
    assignments: pl.DataFrame,
    outcomes: pl.DataFrame,
    contacts: pl.DataFrame | None = None,
    persons: pl.DataFrame | None = None,
    **changes: Any,
) -> Report:
    """The report with the usual settings."""
    people = persons_of() if persons is None else persons
    settings: dict[str, Any] = {"journey": "win-back", "scope": SCOPE, "window_us": WINDOW, "now": NOW, "redraws": 100}
    return report(assignments, outcomes, contacts, people, **(settings | changes))


def document(made: Report) -> dict[str, Any]:
    """The JSON of a report, decoded again."""
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.Encoder(decimal_format="number").encode(made))
    return found


def crowd(treated: int, control: int, buyers: int, extra: float = 0.0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`buyers` customers in each arm buy for 10.00, 12.00 ... 28.00 (in turn); treated ones for `extra` more."""
    arms = [("treated", index) for index in range(treated)] + [("control", index) for index in range(control)]
    share = control / (treated + control)
    rows = [assignment(f"{arm}-{index}", arm, probability=share) for arm, index in arms]
    bought = [
        outcome(f"{arm}-{index}", f"{10 + 2 * (index % 10) + (extra if arm == 'treated' else 0):.2f}")
        for arm, index in arms
        if index < buyers
    ]
    return assignments_of(*rows), outcomes_of(*bought)


def test_an_empty_report_is_valid() -> None:
    """No rows at all: zeros, nulls, and no statement yet."""
    found = document(measured(assignments_of(), outcomes_of(), currency="EUR", title="Win-back", position=7))
    assert found["arms"]["treated"] == {"n": 0, "buyers": 0, "revenue": 0, "mean": None}
    assert found["effect"]["estimate"] is found["effect"]["ci"] is found["effect"]["p"] is None
    assert found["incremental"] == {"estimate": None, "ci": None}
    assert found["verdict"] == "no_statement_yet"
    assert found["verdict_bound"] is None
    assert found["sample_ratio"] == {"expected": None, "observed": None, "p": None, "ok": True}
    assert (found["journey"], found["title"], found["currency"], found["position"]) == (
        "win-back",
        "Win-back",
        "EUR",
        7,
    )
    assert found["window_days"] == 14
    assert found["gate"] == {"buyers_needed": 50, "buyers_smallest": 0}
    assert found["warnings"] == []


def test_the_window_is_open_at_the_decision_and_closed_at_its_end() -> None:
    """An outcome at t0 does not count, one at t0 + window does, one a microsecond later does not."""
    rows = assignments_of(*(assignment(f"p{i}", "treated") for i in range(3)))
    goals = outcomes_of(
        outcome("p0", "100", T0), outcome("p1", "10.01", T0 + WINDOW), outcome("p2", "100", T0 + WINDOW + 1)
    )
    found = measured(rows, goals).arms.treated
    assert (found.n, found.buyers, found.revenue) == (3, 1, Decimal("10.01"))


@pytest.mark.parametrize(("now", "n"), [(T0 + WINDOW, 1), (T0 + WINDOW - 1, 0)])
def test_only_full_windows_are_counted(now: int, n: int) -> None:
    """A customer matures at the moment the window ends; until then it is counted as immature."""
    found = measured(assignments_of(assignment("p", "control")), outcomes_of(outcome("p", "5")), now=now)
    assert found.arms.control.n == n
    assert found.excluded.immature == 1 - n


def test_the_window_begins_at_the_first_would_be_contact() -> None:
    """Decisions without would-be contact do not start it, later ones do not move it, and all outcomes add up once a
    customer.
    """
    rows = assignments_of(
        assignment("p", "treated", decided_at=T0 - DAY, would_contact=0, contacted_at=None),
        assignment("p", "treated", decided_at=T0),
        assignment("p", "treated", decided_at=T0 + 5 * DAY),
        assignment("q", "treated", would_contact=0, contacted_at=None),
    )
    goals = outcomes_of(
        outcome("p", "1.10", T0 - 1), outcome("p", "2.20", T0 + 1), outcome("p", "3.30", T0 + WINDOW, seq=9)
    )
    found = measured(rows, goals)
    assert found.arms.treated.n == 1
    assert found.arms.treated.revenue == Decimal("5.50")


def test_an_event_that_counts_for_two_runs_counts_once() -> None:
    """Two runs of one customer with the same order: once, with the larger value."""
    rows = assignments_of(assignment("p", "treated"), assignment("p", "treated", decided_at=T0 + 1))
    goals = outcomes_of(outcome("p", "20", seq=5), outcome("p", "35", seq=5, run="r_2"), outcome("p", "1", seq=6))
    found = measured(rows, goals).arms.treated
    assert (found.n, found.buyers, found.revenue) == (1, 1, Decimal(36))


def test_persons_are_resolved_and_two_arms_set_aside() -> None:
    """Merged ids are one customer; who ends up in both arms, or is marked so, is left out of both and counted."""
    rows = assignments_of(
        assignment("a1", "treated"),
        assignment("a2", "treated", decided_at=T0 + 1),
        assignment("b1", "treated"),
        assignment("b2", "control"),
        assignment("c", "control", contaminated=1),
        assignment("d", "control"),
    )
    living = persons_of(a1="a2", a2="a2", b1="b2", b2="b2")
    found = measured(
        rows, outcomes_of(outcome("a1", "4"), outcome("a2", "6", seq=1), outcome("b1", "99")), None, living
    )
    assert (found.arms.treated.n, found.arms.treated.revenue) == (1, Decimal(10))
    assert (found.arms.control.n, found.arms.control.revenue) == (1, Decimal(0))
    assert found.excluded.contaminated == 2
    assert found.checks.leakage == 0


def test_other_scopes_do_not_exist() -> None:
    """Rows and outcomes of another scope change nothing."""
    rows, goals = [assignment("p", "treated")], [outcome("p", "3")]
    alone = measured(assignments_of(*rows), outcomes_of(*goals))
    more = measured(
        assignments_of(*rows, assignment("q", "control", scope="x"), assignment("p", "control", scope="x")),
        outcomes_of(*goals, outcome("p", "900", scope="x")),
    )
    assert more == alone


def test_responders_are_counted_and_change_nothing_else() -> None:
    """Contacted and responded come from the messages; the effect is over all, so both reports agree but for the
    count.
    """
    rows, goals = crowd(120, 80, 60)
    contacts = pl.DataFrame(
        {
            "person": ["treated-0", "treated-0", "treated-7"],
            "contacted_at": [T0, T0, None],
            "responded": [False, True, False],
        }
    )
    without, found = measured(rows, goals), measured(rows, goals, contacts)
    assert (without.contacted, without.responders) == (120, None)
    assert (found.contacted, found.responders) == (120, 1)
    assert found.effect == without.effect
    late = measured(rows.with_columns(contacted_at=pl.lit(None, pl.Int64)), goals, contacts)
    assert (late.contacted, late.responders) == (1, 1)


@pytest.mark.parametrize(("buyers", "said"), [(49, False), (50, True)])
def test_nothing_is_said_below_fifty_buyers(buyers: int, said: bool) -> None:
    """The gate opens with the 50th buyer of the smaller arm; the figures are shown all the same."""
    found = measured(*crowd(300, 150, buyers, extra=40.0), redraws=400)
    assert (found.verdict != "no_statement_yet") is said
    assert found.gate.buyers_smallest == buyers
    assert found.effect.estimate is not None


def test_verdicts() -> None:
    """Proven up, proven down, or proven smaller than the far end of the interval, unless that is more than what is
    relevant.
    """
    rows, goals = crowd(200, 200, 60, extra=30.0)
    up = measured(rows, goals, redraws=400)
    assert (up.verdict, up.verdict_bound) == ("up", None)
    swapped = rows.with_columns(
        pl.col("arm").replace({"treated": "control", "control": "treated"}), contacted_at=pl.lit(None, pl.Int64)
    )
    down = measured(swapped, goals, redraws=400)
    assert down.verdict == "down"
    assert down.effect.estimate == pytest.approx(-(up.effect.estimate or 0))
    small = measured(*crowd(200, 200, 60), redraws=400)
    assert small.verdict == "smaller_than"
    assert small.effect.ci is not None
    assert small.verdict_bound == max(map(abs, small.effect.ci))
    assert measured(*crowd(200, 200, 60), redraws=400, relevant=0.01).verdict == "no_statement_yet"


@pytest.mark.slow
def test_the_randomisation_p_decides() -> None:
    """The verdict follows `p`, also in the campaigns in which Welch's p-value lies on the other side of 0.05 (there
    are some).
    """
    disagreements = 0
    for seed in range(40):
        found = measured(*world(seed, 6000, control=0.12, effect=0.9), redraws=300)
        assert found.gate.buyers_smallest >= 50
        assert found.effect.p is not None
        assert found.effect.p_welch is not None
        assert found.effect.estimate is not None
        direction = "up" if found.effect.estimate > 0 else "down"
        assert found.verdict == (direction if found.effect.p < 0.05 else "smaller_than")
        disagreements += (found.effect.p < 0.05) != (found.effect.p_welch < 0.05)
    assert disagreements > 0


def test_incremental_is_effect_times_customers() -> None:
    """Total = effect x would-be contacted customers of the contact group, the interval with it."""
    found = measured(*crowd(300, 150, 60, extra=4.0))
    assert found.effect.estimate is not None
    assert found.effect.ci is not None
    assert found.incremental.estimate == pytest.approx(300 * found.effect.estimate)
    assert found.incremental.ci == pytest.approx(tuple(300 * end for end in found.effect.ci))


def test_alarms_withhold_the_verdict() -> None:
    """A wrong sample ratio, a rule that sees the arm, and a contacted control customer each alarm and silence the
    verdict.
    """
    rows, goals = crowd(400, 400, 60, extra=30.0)
    assert measured(rows, goals).verdict == "up"
    held = rows.with_columns(
        would_contact=((pl.col("arm") == "treated") | pl.col("person").str.ends_with("5").not_()).cast(pl.Int64)
    )
    leaked = rows.with_columns(
        contacted_at=pl.when(pl.col("person") == "control-399").then(T0).otherwise("contacted_at")
    )
    for tables, codes in (
        (rows.with_columns(probability=pl.lit(0.4)), {"sample_ratio", "sample_ratio_eligible"}),
        (held, {"suppression_differs"}),
        (leaked, {"contact_leakage"}),
    ):
        found = measured(tables, goals)
        assert {note.code for note in found.warnings if note.level == "alarm"} == codes
        assert found.verdict == "no_statement_yet"
        assert all(set(note.text) == {"de", "en"} for note in found.warnings)
    assert not measured(rows, goals, probability=0.4).sample_ratio.ok


def test_a_changed_share_cannot_pass_for_an_effect() -> None:
    """Two times with different shares and levels and no effect: compared within each; taken as one it would be proven
    (control).
    """
    rows, goals = [], []
    for period, (share, level) in enumerate(((0.1, 10), (0.5, 40))):
        n = 1200
        arms = ["control" if index < share * n else "treated" for index in range(n)]
        rows += [assignment(f"{period}-{index}", arm, probability=share) for index, arm in enumerate(arms)]
        goals += [outcome(f"{period}-{i}", str(level + i % 3)) for i in range(0, n, 2)]
    tables = assignments_of(*rows), outcomes_of(*goals)
    found = measured(*tables)
    assert found.verdict == "smaller_than"
    assert "mixed_shares" in {note.code for note in found.warnings}
    assert found.sample_ratio.ok
    pooled = measured(*tables, probability=0.3)
    assert pooled.verdict == "down"


def test_customers_without_comparison_are_told() -> None:
    """A version without control group stays in the arms, is left out of the effect, and is counted."""
    rows, goals = crowd(200, 200, 60)
    alone = assignments_of(*(assignment(f"x{i}", "treated", probability=0.0) for i in range(30)))
    found, plain = measured(pl.concat([rows, alone]), goals), measured(rows, goals)
    assert found.arms.treated.n == 230
    assert found.excluded.no_control == 30
    assert found.effect == plain.effect
    assert found.incremental == plain.incremental
    assert measured(alone, goals).verdict == "no_statement_yet"


def test_goals_without_value_are_counted() -> None:
    """If no outcome has a value the effect is on the share that reached the goal; single missing values are zeros
    with a warning.
    """
    rows = assignments_of(*(assignment(f"p{i}", "treated" if i % 2 else "control") for i in range(10)))
    found = measured(rows, outcomes_of(outcome("p1", None), outcome("p1", None, seq=1), outcome("p3", None)))
    assert found.metric == "reached"
    assert found.arms.treated.mean == pytest.approx(2 / 5)
    mixed = measured(rows, outcomes_of(outcome("p1", "5"), outcome("p3", None)))
    assert mixed.metric == "value"
    assert (mixed.arms.treated.buyers, mixed.arms.treated.revenue) == (2, Decimal(5))
    assert {"values_missing"} <= {note.code for note in mixed.warnings}


def test_any_row_order_gives_the_same_bytes() -> None:
    """Shuffled tables, split partitions and decimal or text values: identical JSON to the byte."""
    rows, goals = world(3, 4000, control=0.2, suppressed_buyers=0.2)
    contacts = rows.select("person", "contacted_at").with_columns(responded=pl.col("contacted_at").is_not_null())
    plain = msgspec.json.encode(measured(rows, goals, contacts))
    for seed in range(4):
        shuffled = [table.sample(fraction=1.0, shuffle=True, seed=seed) for table in (rows, goals, contacts)]
        shuffled[1] = shuffled[1].with_columns(pl.col("value").cast(pl.Decimal(20, 2)))
        assert msgspec.json.encode(measured(*shuffled)) == plain
    other = msgspec.json.encode(measured(rows, goals, contacts, journey="other"))
    assert other.replace(b"other", b"win-back") != plain


def test_counts_agree_with_plain_loops() -> None:
    """On random tables with merges, several decisions and outcomes, counts and sums equal those of loops over
    dictionaries.
    """
    for seed in range(40):
        rng = np.random.Generator(np.random.Philox(key=seed))
        people = [f"p{i}" for i in range(12)]
        living = {person: str(rng.choice(people[:9])) if rng.random() < 0.3 else person for person in people}
        rows = [
            assignment(
                str(rng.choice(people)),
                str(rng.choice(["treated", "control"], p=[0.8, 0.2])),
                decided_at=T0 + int(rng.integers(0, 20)) * DAY,
                would_contact=int(rng.random() < 0.7),
                contaminated=int(rng.random() < 0.05),
            )
            for _ in range(25)
        ]
        goals = [
            outcome(str(rng.choice(people)), str(rng.integers(1, 99)), T0 + int(rng.integers(0, 34)) * DAY, seq=i)
            for i in range(20)
        ]
        found = measured(assignments_of(*rows), outcomes_of(*goals), None, persons_of(**living))
        expected, immature, contaminated = _plain_loops(rows, goals, living)
        for arm in ("treated", "control"):
            figures = getattr(found.arms, arm)
            assert (figures.n, figures.buyers, figures.revenue) == expected[arm]
        assert (found.excluded.immature, found.excluded.contaminated) == (immature, contaminated)


def _plain_loops(
    rows: list[dict[str, Any]], goals: list[dict[str, Any]], living: dict[str, str]
) -> tuple[dict[str, tuple[int, int, int]], int, int]:
    """The oracle: the same counts without a data frame."""
    by_customer: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_customer.setdefault(living[row["person"]], []).append(row)
    found = {"treated": [0, 0, 0], "control": [0, 0, 0]}
    immature = contaminated = 0
    for customer, theirs in by_customer.items():
        starts = [row["decided_at"] for row in theirs if row["would_contact"]]
        if not starts:
            continue
        if len({row["arm"] for row in theirs}) > 1 or any(row["contaminated"] for row in theirs):
            contaminated += 1
            continue
        t0 = min(starts)
        if t0 + WINDOW > NOW:
            immature += 1
            continue
        bought = [goal for goal in goals if living[goal["person"]] == customer and t0 < goal["at"] <= t0 + WINDOW]
        totals = found[theirs[0]["arm"]]
        totals[0] += 1
        totals[1] += bool(bought)
        totals[2] += sum(int(goal["value"]) for goal in bought)
    return {arm: (t[0], t[1], t[2]) for arm, t in found.items()}, immature, contaminated


def test_columns_may_come_as_the_lake_has_them() -> None:
    """`person_id` for `person`, datetimes for µs, booleans for 0 and 1, further columns: the same report."""
    rows, goals = crowd(60, 60, 20)
    moments = [pl.from_epoch(name, "us").dt.replace_time_zone("UTC") for name in ("decided_at", "contacted_at")]
    lake = rows.rename({"person": "person_id"}).with_columns(
        *moments, pl.col("would_contact").cast(pl.Boolean), suppressed_by=pl.lit("")
    )
    assert measured(lake, goals.with_columns(pl.from_epoch("at", "us"))) == measured(rows, goals)


def test_bad_tables_are_refused() -> None:
    """A missing column, an unknown arm, a value that is no number: an error with code, place and mend."""
    rows, goals = crowd(3, 3, 1)
    for tables, code, where in (
        ((rows.drop("decided_at"), goals), "missing_column", "assignments"),
        ((rows.with_columns(arm=pl.lit("blue")), goals), "unknown_arm", "assignments"),
        ((rows, goals.with_columns(value=pl.lit("twelve"))), "bad_column", "outcomes"),
        ((rows.with_columns(would_contact=pl.lit("yes")), goals), "bad_column", "assignments"),
        ((rows.with_columns(probability=pl.lit(10.0)), goals), "bad_column", "assignments"),
        ((rows.with_columns(decided_at=pl.lit(None, pl.Int64)), goals), "bad_column", "assignments"),
    ):
        with pytest.raises(InputError) as caught:
            measured(*tables)
        assert (caught.value.code, caught.value.where) == (code, where)
        assert caught.value.mend


def test_skewness_asks_for_a_larger_control_group() -> None:
    """355 skewness² customers are wanted in control; the warning names both numbers and is no alarm."""
    found = measured(*world(5, 4000))
    note = next(note for note in found.warnings if note.code == "small_control")
    assert note.level == "warning"
    assert str(found.arms.control.n) in note.text["de"]
    even = measured(*crowd(2000, 2000, 1000))
    assert not even.warnings
