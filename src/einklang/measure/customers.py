"""From the tables of the lake to one row a customer: who was assigned, would have been contacted, and what followed
in the window.

The decision moment starts the window in both arms, so that treated and control are looked at for the same time from
the same point of their way. Identities are resolved to the living person first; whoever ends up in two arms is set
aside, in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import polars as pl

from einklang.kernel.errors import InputError

ARMS = ("treated", "control")
#: 26 digits before and 12 after the point; further places are rounded half to even.
MONEY = pl.Decimal(38, 12)

#: "value": Y is the sum of the outcome values; "reached": Y is 1 for who has an outcome (a goal without a value).
Metric = Literal["value", "reached"]

_ASSIGNMENT = {
    "person": pl.String,
    "scope": pl.String,
    "arm": pl.String,
    "probability": pl.Float64,
    "decided_at": pl.Int64,
    "would_contact": pl.Boolean,
    "contacted_at": pl.Int64,
    "contaminated": pl.Boolean,
}
_OUTCOME: dict[str, pl.DataType | type[pl.DataType]] = {
    "person": pl.String,
    "scope": pl.String,
    "seq": pl.Int64,
    "at": pl.Int64,
    "value": MONEY,
}
_CONTACT = {"person": pl.String, "contacted_at": pl.Int64, "responded": pl.Boolean}
_MAY_BE_NULL = {"contacted_at", "value", "responded", "contaminated"}
_PERSON = {"person_id": pl.String, "living_id": pl.String}


def customers(
    assignments: pl.DataFrame,
    outcomes: pl.DataFrame,
    contacts: pl.DataFrame | None,
    persons: pl.DataFrame,
    *,
    scope: str,
    window_us: int,
    now: int,
    metric: Metric,
    everyone: bool = False,
) -> pl.DataFrame:
    """One row for each living customer assigned within `scope`, sorted by customer.

    Input columns: see `report`. Result: customer, arm, probability (of control), t0 (µs; null: never would have been
    contacted), matured (t0 + window_us <= now), contaminated, contacted, responded (null without contacts), buyer, y
    (Decimal; 0 without outcome), missing (outcomes in the window without a value). `everyone` starts the window of
    those without a would-be contact at their first decision (for the naive comparison only). Raises InputError
    `missing_column`, `bad_column`, `unknown_arm`.
    """
    rows = _table("assignments", assignments, _ASSIGNMENT).filter(pl.col("scope") == scope)
    unknown = rows.filter(~pl.col("arm").is_in(ARMS))["arm"].unique().sort().to_list()
    if unknown:
        raise InputError("unknown_arm", f"arm {unknown[0]!r}", where="assignments", mend="write treated or control")
    living = _table("persons", persons, _PERSON).unique("person_id")
    people = _people(_resolve(rows, living), everyone).with_columns(matured=pl.col("t0") + window_us <= now)
    people = _with_contacts(
        people, None if contacts is None else _resolve(_table("contacts", contacts, _CONTACT), living)
    )
    found = _resolve(_table("outcomes", outcomes, _OUTCOME).filter(pl.col("scope") == scope), living)
    sums = _sums(found, people, window_us, metric)
    return people.join(sums, on="customer", how="left").with_columns(
        pl.col("buyer").fill_null(False), pl.col("y").fill_null(0), pl.col("missing").fill_null(0)
    )


def metric_of(outcomes: pl.DataFrame, scope: str) -> Metric:
    """ "reached" if `scope` has outcomes and none of them has a value, else "value"."""
    values = _table("outcomes", outcomes, _OUTCOME).filter(pl.col("scope") == scope)["value"]
    return "reached" if len(values) and values.null_count() == len(values) else "value"


def _people(rows: pl.DataFrame, everyone: bool) -> pl.DataFrame:
    """One row a customer: arm and probability of the earliest decision, t0 of the earliest would-be contact."""
    would = pl.col("would_contact")
    return (
        rows.sort("customer", "decided_at", "arm", "probability")
        .group_by("customer", maintain_order=True)
        .agg(
            pl.col("arm").first(),
            pl.col("probability").first(),
            pl.col("decided_at").filter(pl.lit(True) if everyone else would).min().alias("t0"),
            (pl.col("contaminated").any() | (pl.col("arm").n_unique() > 1)).alias("contaminated"),
            pl.col("contacted_at").is_not_null().any().alias("contacted"),
        )
    )


def _with_contacts(people: pl.DataFrame, contacts: pl.DataFrame | None) -> pl.DataFrame:
    """Adds what the messages know: `contacted` also from there, `responded` (null without such a table)."""
    if contacts is None:
        return people.with_columns(responded=pl.lit(None, pl.Boolean))
    seen = contacts.group_by("customer").agg(
        pl.col("contacted_at").is_not_null().any().alias("sent"), pl.col("responded").any().alias("responded")
    )
    joined = people.join(seen, on="customer", how="left", maintain_order="left")
    return joined.with_columns(
        pl.col("contacted") | pl.col("sent").fill_null(False), pl.col("responded").fill_null(False)
    ).drop("sent")


def _sums(outcomes: pl.DataFrame, people: pl.DataFrame, window_us: int, metric: Metric) -> pl.DataFrame:
    """Outcomes in (t0, t0 + window]; an event that counts for several runs of one customer counts once, with its
    largest value.
    """
    t0 = people.select("customer", "t0").drop_nulls()
    inside = outcomes.join(t0, on="customer", how="inner").filter(
        (pl.col("at") > pl.col("t0")) & (pl.col("at") <= pl.col("t0") + window_us)
    )
    events = inside.group_by("customer", "seq").agg(pl.col("value").max())
    y = pl.col("value").sum() if metric == "value" else pl.lit(1, MONEY).first()
    missing = pl.col("value").is_null().sum() if metric == "value" else pl.lit(0, pl.UInt32).first()
    return events.group_by("customer").agg(buyer=pl.lit(True).first(), y=y, missing=missing)


def _resolve(table: pl.DataFrame, living: pl.DataFrame) -> pl.DataFrame:
    """Adds `customer`: the living id of `person`, or the id itself where the map does not know it."""
    joined = table.join(living, left_on="person", right_on="person_id", how="left")
    return joined.with_columns(customer=pl.coalesce("living_id", "person")).drop("living_id")


def _table(name: str, table: pl.DataFrame, columns: Mapping[str, pl.DataType | type[pl.DataType]]) -> pl.DataFrame:
    """The needed columns in the needed types. `person_id` may be called `person`; datetimes become µs, texts
    decimals.
    """
    if "person" in columns and "person" not in table.columns and "person_id" in table.columns:
        table = table.rename({"person_id": "person"})
    picked = []
    for column, wanted in columns.items():
        if column not in table.columns:
            raise InputError(
                "missing_column", f"no column {column!r}", where=name, mend="see docs/measurement.md for the columns"
            )
        given = table.schema[column]
        expression = pl.col(column)
        if isinstance(given, pl.Datetime):
            expression = expression.dt.timestamp("us")
        elif wanted == pl.Boolean and given == pl.String:
            raise InputError("bad_column", f"{column!r} is text", where=name, mend="write 0 and 1, or false and true")
        picked.append(expression.cast(wanted))
    try:
        found = table.select(picked)
    except pl.exceptions.PolarsError as error:
        detail = str(error).splitlines()[0][:120]
        raise InputError(
            "bad_column", f"a column cannot be read: {detail}", where=name, mend="see docs/measurement.md"
        ) from error
    empty = [column for column in columns if column not in _MAY_BE_NULL and found[column].null_count()]
    if empty:
        raise InputError("bad_column", f"{empty[0]!r} has empty cells", where=name, mend="fill them in")
    if "probability" in columns and not found["probability"].is_between(0.0, 1.0).all():
        raise InputError("bad_column", "'probability' outside 0 to 1", where=name, mend="write the share of control")
    return found
