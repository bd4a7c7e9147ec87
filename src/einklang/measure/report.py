"""The report: what a journey or campaign brought per would-be contacted customer, and whether that can be said yet."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Literal

import polars as pl
from msgspec import Struct, structs

from einklang.kernel.time import DAY
from einklang.measure.arm import Arm, arm_of
from einklang.measure.checks import SampleRatio, Suppression, sample_ratio, suppression
from einklang.measure.customers import ARMS, Metric, customers, metric_of
from einklang.measure.effect import ALPHA, Effect, combined, effect
from einklang.measure.notes import Note, note
from einklang.measure.randomise import REDRAWS, Floats, Stratum, randomisation_p

#: Buyers that the smaller arm must hold before anything is said (statistics.md 2.4).
BUYERS_NEEDED = 50
#: Kohavi et al. (2014), "Seven rules of thumb for web site experimenters", KDD: n >= 355 skewness² for a usable
#: interval.
CUSTOMERS_PER_SKEWNESS_SQUARED = 355
#: Where the control share changed: groups whose smaller arm is below this are left out of the effect.
STRATUM_CUSTOMERS_NEEDED = 30

Verdict = Literal["no_statement_yet", "up", "down", "smaller_than"]


class ArmFigures(Struct, frozen=True):
    """n: matured would-be contacted customers; buyers: of these, with an outcome in the window; revenue: exact Σ Y;
    mean: revenue / n as a float (None for nobody).
    """

    n: int
    buyers: int
    revenue: Decimal
    mean: float | None


class Arms(Struct, frozen=True):
    """Both arms."""

    treated: ArmFigures
    control: ArmFigures


class EffectFigures(Struct, frozen=True):
    """Per would-be contacted customer, in units of the outcome; all None where not computable. p (randomisation)
    decides.
    """

    estimate: float | None = None
    ci: tuple[float, float] | None = None
    p: float | None = None
    p_welch: float | None = None
    se: float | None = None
    method: str | None = None
    lift: float | None = None
    lift_ci: tuple[float, float] | None = None


class Incremental(Struct, frozen=True):
    """Effect x matured would-be contacted customers of the treated arm that have a comparison: the extra revenue so
    far.
    """

    estimate: float | None = None
    ci: tuple[float, float] | None = None


class Excluded(Struct, frozen=True):
    """Would-be contacted customers left out. immature: window not over; contaminated: in two arms after a merge,
    whatever their window; no_control: matured, in the arms' figures, but without comparison.
    """

    immature: int
    contaminated: int
    no_control: int


class Gate(Struct, frozen=True):
    """buyers_smallest: buyers of the arm with fewer of them; no statement below buyers_needed."""

    buyers_needed: int
    buyers_smallest: int


class Checks(Struct, frozen=True):
    """Beside `sample_ratio` of the report: the same on all eligible, suppression by arm, contacted customers of the
    control arm.
    """

    eligible: SampleRatio
    suppression: Suppression
    leakage: int


#: A text for all, or one per language.
Text = str | dict[str, str]


class Basis(Struct, frozen=True):
    """What a report speaks of. clock: its moment; definitions: position of the newest definition in force; lake: the
    version of each table. From the same basis the same report is made again, while the lake keeps these versions.
    """

    clock: str
    definitions: int
    lake: dict[str, int]


class Report(Struct, frozen=True):
    """`einklang report --json`. Money sums are Decimal (encode with `decimal_format="number"`); statistics are
    floats.
    """

    journey: str
    title: Text
    currency: str | None
    metric: Metric
    window_days: int | float
    arms: Arms
    effect: EffectFigures
    verdict: Verdict
    verdict_bound: float | None
    incremental: Incremental
    sample_ratio: SampleRatio
    excluded: Excluded
    contacted: int
    responders: int | None
    position: int
    gate: Gate
    checks: Checks
    warnings: list[Note]
    basis: Basis | None = None


def report(
    assignments: pl.DataFrame,
    outcomes: pl.DataFrame,
    contacts: pl.DataFrame | None,
    persons: pl.DataFrame,
    *,
    journey: str,
    scope: str,
    window_us: int,
    now: int,
    title: Text = "",
    currency: str | None = None,
    position: int = 0,
    probability: float | None = None,
    metric: Metric | None = None,
    relevant: float | None = None,
    redraws: int = REDRAWS,
) -> Report:
    """The report of one journey or campaign at one moment. Pure: equal tables, in any row order, give equal bytes.

    assignments: one row a decision, both arms: person (or person_id), scope, arm ("treated"/"control"), probability
    (of *control*, by design, the same in both arms), decided_at, would_contact, contacted_at (null), contaminated.
    outcomes: one row a goal event and run: person, scope, seq, at, value (decimal text, Decimal or number; null).
    contacts: None, or person, contacted_at (null), responded. persons: person_id, living_id. Moments in µs since 1970
    (or Datetime columns); further columns are ignored.

    journey: id, also the seed of the re-draws; scope: rows of this scope count; window_us: length of (t0, t0 +
    window]; now: windows that end after it are immature; position: of the log, passed through; probability: overrides
    the column; metric: see `customers.Metric`, None: "reached" if no outcome has a value; relevant: report
    "smaller_than" only when the bound is at most this. Raises InputError `missing_column`, `bad_column`,
    `unknown_arm`.
    """
    if probability is not None:
        assignments = assignments.with_columns(probability=pl.lit(probability))
    metric = metric or metric_of(outcomes, scope)
    rows = customers(assignments, outcomes, contacts, persons, scope=scope, window_us=window_us, now=now, metric=metric)
    clean = rows.filter(~pl.col("contaminated"))
    would = clean.filter(pl.col("t0").is_not_null())
    matured = would.filter("matured")
    compared = _compare(matured, journey, redraws)
    arms = {arm: _arm(matured.filter(pl.col("arm") == arm)) for arm in ARMS}
    ratio, checks = sample_ratio(_counts(would)), _checks(clean)
    notes = _notes(ratio, checks, arms, compared, int(matured["missing"].sum()))
    gate = Gate(BUYERS_NEEDED, min(arm.buyers for arm in arms.values()))
    verdict, bound = _verdict(compared.effect, gate, notes, relevant)
    contacted = would.filter((pl.col("arm") == "treated") & pl.col("contacted"))
    return Report(
        journey=journey,
        title=title,
        currency=currency,
        metric=metric,
        window_days=window_us / DAY if window_us % DAY else window_us // DAY,
        arms=Arms(**{arm: ArmFigures(a.n, a.buyers, a.sum, a.mean()) for arm, a in arms.items()}),
        effect=_effect_figures(compared.effect),
        verdict=verdict,
        verdict_bound=bound,
        incremental=_incremental(compared),
        sample_ratio=ratio,
        excluded=Excluded(
            immature=would.height - matured.height,
            contaminated=rows.filter(pl.col("contaminated") & pl.col("t0").is_not_null()).height,
            no_control=matured.height - compared.n,
        ),
        contacted=contacted.height,
        responders=None if contacts is None else contacted.filter("responded").height,
        position=position,
        gate=gate,
        checks=checks,
        warnings=notes,
    )


class _Compared(Struct, frozen=True):
    """The effect over the strata that allow a comparison. n, n_treated: their customers; shares: how many strata."""

    effect: Effect | None
    n: int
    n_treated: int
    shares: int


def _compare(matured: pl.DataFrame, seed: str, redraws: int) -> _Compared:
    """Within each design probability, weighted by its share of the customers, so that a change of the share cannot
    pass for an effect.
    """
    arms: list[tuple[Arm, Arm]] = []
    strata: list[Stratum] = []
    possible = matured.filter((pl.col("probability") > 0) & (pl.col("probability") < 1))
    groups = possible.partition_by("probability", maintain_order=False)
    groups.sort(key=lambda group: float(group["probability"][0]))
    for group in groups:
        treated, control = (group.filter(pl.col("arm") == arm) for arm in ARMS)
        if len(groups) > 1 and min(treated.height, control.height) < STRATUM_CUSTOMERS_NEEDED:
            continue
        arms.append((_arm(treated), _arm(control)))
        values = (_values(treated), _values(control))
        strata.append(Stratum(float(group["probability"][0]), *values, treated.height, control.height))
    n = sum(treated.n + control.n for treated, control in arms)
    found = combined([((treated.n + control.n) / n, treated, control) for treated, control in arms])
    if found is not None:
        drawn = randomisation_p(strata, seed, redraws)
        found = None if drawn is None else structs.replace(found, p=drawn.p)
    return _Compared(found, n, sum(treated.n for treated, _ in arms), len(strata))


def _arm(rows: pl.DataFrame) -> Arm:
    values: list[Decimal] = rows.filter(pl.col("y") != 0)["y"].to_list()
    return arm_of(values, rows.height, buyers=int(rows["buyer"].sum()))


def _values(rows: pl.DataFrame) -> Floats:
    return rows.filter(pl.col("y") != 0)["y"].cast(pl.Float64).to_numpy()


def _counts(rows: pl.DataFrame) -> dict[float, tuple[int, int]]:
    """Design probability -> (treated, control) customers."""
    control = pl.col("arm") == "control"
    counted = rows.group_by("probability").agg((~control).sum().alias("treated"), control.sum().alias("control"))
    return {probability: (treated, held) for probability, treated, held in counted.sort("probability").iter_rows()}


def _checks(clean: pl.DataFrame) -> Checks:
    sides = [clean.filter(pl.col("arm") == arm) for arm in ARMS]
    treated, control = ((int(side["t0"].null_count()), side.height) for side in sides)
    return Checks(
        eligible=sample_ratio(_counts(clean)),
        suppression=suppression(treated, control),
        leakage=int(sides[1]["contacted"].sum()),
    )


def _notes(ratio: SampleRatio, checks: Checks, arms: dict[str, Arm], compared: _Compared, missing: int) -> list[Note]:
    notes = []
    for code, check in (("sample_ratio", ratio), ("sample_ratio_eligible", checks.eligible)):
        if not check.ok:
            notes.append(note(code, observed=check.observed or 0.0, expected=check.expected or 0.0))
    if not checks.suppression.ok:
        shares = checks.suppression
        notes.append(note("suppression_differs", treated=shares.treated or 0.0, control=shares.control or 0.0))
    if checks.leakage:
        notes.append(note("contact_leakage", count=checks.leakage))
    both = arms["treated"] + arms["control"]
    wanted = math.ceil(CUSTOMERS_PER_SKEWNESS_SQUARED * both.skewness() ** 2)
    if 0 < arms["control"].n < wanted:
        notes.append(note("small_control", wanted=wanted, n=arms["control"].n))
    if both.n > compared.n:
        notes.append(note("no_control", count=both.n - compared.n))
    if compared.shares > 1:
        notes.append(note("mixed_shares", count=compared.shares))
    if missing:
        notes.append(note("values_missing", count=missing))
    return notes


def _verdict(
    found: Effect | None, gate: Gate, notes: list[Note], relevant: float | None
) -> tuple[Verdict, float | None]:
    """One statement. None yet: too few buyers, an alarm, or nothing to compute. Else the randomisation p decides:
    below 0.05 the sign; otherwise |effect| < x with x the end of the 95 % interval farther from zero (true with at
    least 95 % whatever x comes out).
    """
    withheld = any(each.level == "alarm" for each in notes)
    if found is None or found.p is None or withheld or gate.buyers_smallest < gate.buyers_needed:
        return "no_statement_yet", None
    if found.p < ALPHA:
        return ("up" if found.estimate > 0 else "down"), None
    bound = max(abs(end) for end in found.ci)
    if relevant is not None and bound > relevant:
        return "no_statement_yet", None
    return "smaller_than", bound


def _effect_figures(found: Effect | None) -> EffectFigures:
    if found is None:
        return EffectFigures()
    return EffectFigures(
        estimate=found.estimate,
        ci=found.ci,
        p=found.p,
        p_welch=found.p_welch,
        se=found.se,
        method=found.method,
        lift=found.lift,
        lift_ci=found.lift_ci,
    )


def _incremental(compared: _Compared) -> Incremental:
    found = compared.effect
    if found is None:
        return Incremental()
    low, high = (end * compared.n_treated for end in found.ci)
    return Incremental(found.estimate * compared.n_treated, (low, high))


def naive(
    assignments: pl.DataFrame,
    outcomes: pl.DataFrame,
    contacts: pl.DataFrame | None,
    persons: pl.DataFrame,
    *,
    scope: str,
    window_us: int,
    now: int,
    metric: Metric | None = None,
) -> Effect | None:
    """What people do in a spreadsheet: contacted customers of the treated arm against *all* controls, suppressed or
    not. Biased.

    Kept so that tests and the documentation can show by how much it misses. Tables and errors as in `report`.
    """
    metric = metric or metric_of(outcomes, scope)
    rows = customers(
        assignments,
        outcomes,
        contacts,
        persons,
        scope=scope,
        window_us=window_us,
        now=now,
        metric=metric,
        everyone=True,
    ).filter(pl.col("matured") & ~pl.col("contaminated"))
    treated = rows.filter((pl.col("arm") == "treated") & pl.col("contacted"))
    return effect(_arm(treated), _arm(rows.filter(pl.col("arm") == "control")))
