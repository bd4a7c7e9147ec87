"""`report`: the measurement of a journey, by plan over the lake at a stated position of the log."""

from __future__ import annotations

from typing import Any

import polars as pl

from einklang.app.apply import in_force
from einklang.app.crowds import Lake
from einklang.app.ports import Reader
from einklang.kernel.errors import InputError, NotFound
from einklang.measure import Report
from einklang.measure import report as measured


def _title(doc: dict[str, Any]) -> str:
    title = doc.get("title")
    if isinstance(title, dict):
        title = title.get("en") or next(iter(title.values()), None)
    return str(title or doc["id"])


def report(reader: Reader, lake: Lake, journey: str, *, now: int) -> Report:
    """The report of a journey at the clock `now` (microseconds). Raises NotFound, InputError `no_goal`."""
    definitions = in_force(reader)
    found = definitions.journeys.get(journey)
    if found is None:
        known = ", ".join(sorted(definitions.journeys)) or "none"
        raise NotFound("unknown_journey", f"no journey {journey[:60]!r}", mend=f"known: {known}")
    if found.goal is None:
        raise InputError(
            "no_goal",
            f"journey {journey} has no goal",
            mend="give it one: goal: {event: Order Completed, within: 14d, value: revenue}",
        )
    scope = found.scope
    assignments = lake.scan("assignments").filter(pl.col("scope") == scope).collect()
    outcomes = lake.scan("outcomes").filter(pl.col("scope") == scope).collect()
    marketing = [name for name, message in definitions.messages.items() if message.class_ == "marketing"]
    journeys = [name for name, other in definitions.journeys.items() if other.scope == scope]
    messages = (
        lake.scan("messages")
        .filter(pl.col("journey").is_in(journeys) & pl.col("message").is_in(marketing) & (pl.col("status") == "sent"))
        .collect()
    )
    events = (
        lake.scan("events")
        .filter(pl.col("name").is_in(["Message Clicked", "Email Link Clicked"]))
        .select("properties")
        .collect()
    )
    clicked = events.select(pl.col("properties").str.json_path_match("$.message_id").alias("key")).unique().drop_nulls()
    contacts = messages.select(
        pl.col("person_id").alias("person"),
        pl.col("clock").alias("contacted_at"),
        pl.col("key").is_in(clicked["key"].to_list()).alias("responded"),
    )
    position = int(reader.read("counter_value", "seq")[0][0])
    return measured(
        assignments, outcomes, contacts, lake.scan("persons").collect(), journey=journey, scope=scope,
        window_us=found.goal.within_us, now=now,
        title=_title(definitions.docs["journey", journey][0]), currency=definitions.policy.currency, position=position,
        metric="value" if found.goal.value is not None else "reached",
    )  # fmt: skip
