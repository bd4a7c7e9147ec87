"""Segments of everybody at a moment, column by column: whose an event is, which values a trait had, who is a member.

Persons are those that identity knows now; what they did counts by its own time. What a plan cannot do is asked person
by person, by a function of the caller's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec
import polars as pl

from einklang.audience.drawn import Draw
from einklang.event import OWN_EVENTS
from einklang.expr import Checked, Crowd, compile_crowd, crowd_supports
from einklang.expr.tree import walk

#: Fields of `person` that the caller's frame can hold for a moment of the past.
FIELDS = frozenset({"id", "known", "email", "phone", "language", "country", "timezone"})
#: Ops that read the zone of a person.
_ZONED = frozenset({"today", "date_of_ts", "ts_of_date", "hour", "age", "anniversary", "money"})
Alone = Callable[[str, "dict[str, set[str]]"], "set[str]"]
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Plans(Protocol):
    """An engine that answers many conditions by one plan."""

    @property
    def name(self) -> str: ...

    def lacks(self, checked: Checked) -> list[str]:
        """The parts of a condition that it cannot do."""

    def members(self, conditions: Sequence[tuple[str, Checked]], crowd: Crowd, now: int) -> dict[str, set[str]]:
        """Condition -> ids of those for whom it holds; nothing where the data are beyond the engine."""


class Asked(msgspec.Struct, frozen=True):
    """What plans read of the frames. events: names, all: what persons did under any name."""

    events: frozenset[str] = frozenset()
    all_events: bool = False
    traits: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()
    consents: frozenset[tuple[str, str]] = frozenset()
    zone: bool = False
    objects: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    group_traits: frozenset[tuple[str, str]] = frozenset()


def by_plan(checked: Checked) -> bool:
    """Whether a plan answers this condition as the condition itself does."""
    persons = {term.data for term in walk(checked.tree) if term.op == "person"}
    return not crowd_supports(checked) and persons <= FIELDS


def asked(conditions: Sequence[Checked]) -> Asked:
    """What the plans of these conditions read."""
    terms = [term for checked in conditions for term in walk(checked.tree)]
    return Asked(
        events=frozenset(name for checked in conditions for name in checked.needs.events),
        all_events=any(checked.needs.all_events for checked in conditions),
        traits=frozenset(name for checked in conditions for name in checked.needs.traits),
        fields=frozenset(term.data for term in terms if term.op == "person"),
        consents=frozenset((term.data[0], term.data[1]) for term in terms if term.op == "consent"),
        zone=any(term.op in _ZONED for term in terms),
        objects=frozenset(term.data[1] for term in terms if term.op == "objects"),
        groups=frozenset(kind for checked in conditions for kind in checked.needs.groups),
        group_traits=frozenset(term.data for term in terms if term.op == "grouptrait"),
    )


def owned(
    events: pl.DataFrame,
    identifiers: pl.DataFrame,
    sign_ins: pl.DataFrame,
    living: pl.DataFrame,
    given: pl.DataFrame,
    believed: Callable[[pl.DataFrame], pl.DataFrame] | None = None,
) -> pl.DataFrame:
    """The events with `person_id` as identity knows it now; those of nobody are left out. Order is kept.

    events: seq, at, person_id (as processed, null: nobody), own (said by Einklang), identifiers (list of {key, value},
    strongest first); identifiers: kind, value, person; sign_ins, in order of (at, message id): device, at, kind, value,
    of those that count; living: person, living. An event belongs to the owner of its strongest identifier; one with a
    device alone to whom was signed in there at its time, before the first sign-in to the first (identity.devices).
    given: seq, person of those that name nobody and belong to the owner of an object. believed: of the identifiers of
    events (seq, at, kind, value) those that named somebody when the event was worked off, strongest first; None: all.
    """
    owners = identifiers.select(pl.concat_str("kind", "value", separator="\x1f").alias("_key"), "person")
    keys = (
        events.filter(pl.col("identifiers").list.len() > 0)
        .select("seq", "at", "identifiers")
        .explode("identifiers")
        .select("seq", "at", pl.col("identifiers").struct.unnest())
        .select("seq", "at", pl.col("key").alias("kind"), "value")
        .pipe(believed or (lambda all_: all_))
        .with_columns(pl.concat_str("kind", "value", separator="\x1f").alias("_key"))
        .join(owners, on="_key", how="inner", maintain_order="left")
    )
    device = pl.col("kind") == "anonymousId"
    strong = keys.filter(~device).group_by("seq", maintain_order=True).agg(pl.col("person").first())
    alone = keys.filter(device).join(strong, on="seq", how="anti")
    signed = _signed_in(alone, sign_ins, owners)
    found = pl.concat([strong, signed.select("seq", "person"), given])
    rows = events.join(living.rename({"person": "person_id"}), on="person_id", how="left", maintain_order="left")
    rows = rows.join(found, on="seq", how="left", maintain_order="left")
    rows = rows.with_columns(pl.coalesce("person", "living", "person_id").alias("person_id")).drop("living", "person")
    return rows.filter(pl.col("person_id").is_not_null())


def _signed_in(alone: pl.DataFrame, sign_ins: pl.DataFrame, owners: pl.DataFrame) -> pl.DataFrame:
    """Events of devices alone (seq, at, value: the device, person: of the device) -> seq, person."""
    rows = (
        sign_ins.with_columns(pl.concat_str("kind", "value", separator="\x1f").alias("_key"))
        .join(owners, on="_key", how="inner", maintain_order="left")
        .select(pl.col("device").alias("value"), "at", pl.col("person").alias("signed"))
    )
    first = rows.group_by("value", maintain_order=True).agg(pl.col("signed").first().alias("first"))
    last = rows.unique(["value", "at"], keep="last", maintain_order=True).sort("at")
    found = (
        alone.sort("at")
        .join_asof(last, on="at", by="value", strategy="backward", check_sortedness=False)
        .join(first, on="value", how="left")
    )
    return found.select("seq", pl.coalesce("signed", "first", "person").alias("person"))


def traits_of(identifies: pl.DataFrame, names: frozenset[str]) -> pl.DataFrame:
    """person_id, name, value (JSON), at of these traits.

    identifies, sorted by seq: person_id, at, properties (JSON).
    """
    rows: list[tuple[str, str, str, int]] = []
    for person, at, text in identifies.select("person_id", "at", "properties").iter_rows():
        said = _OBJECT.decode(text)
        rows += [(person, name, bytes(said[name]).decode(), at) for name in names & said.keys()]
    schema = {"person_id": pl.String, "name": pl.String, "value": pl.String, "at": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def events_of(done: pl.DataFrame) -> pl.DataFrame:
    """The `events` of a crowd, Einklang's own marked by their source.

    done: owned tracks, pages and screens with person_id, seq, at, name, touchpoint, source, own, machine, properties.
    """
    own = pl.col("own") | pl.col("name").is_in(sorted(set(OWN_EVENTS) - {"Page Viewed", "Screen Viewed"}))
    source = pl.when(own).then(pl.lit("einklang")).otherwise("source").alias("source")
    return done.select("person_id", "seq", "at", "name", "touchpoint", source, "machine", "properties")


def how(checked: Checked, plans: Plans | None) -> tuple[str, list[str]]:
    """Who answers a condition for everybody, and which of its parts those before could not do: the engine of `plans`,
    else `polars`, else `person` (person by person).
    """
    if not by_plan(checked):
        fields = {term.data for term in walk(checked.tree) if term.op == "person"} - FIELDS
        return "person", sorted({*crowd_supports(checked), *(f"person.{name}" for name in fields)})
    missing = plans.lacks(checked) if plans is not None else []
    return (plans.name, []) if plans is not None and not missing else ("polars", missing)


def members(
    order: Sequence[tuple[str, Checked]],
    crowd: Crowd,
    now: int,
    alone: Alone,
    plans: Plans | None = None,
    *,
    draws: Mapping[str, Draw] = {},
    salt: bytes = b"",
    given: Mapping[str, set[str]] = {},
) -> dict[str, set[str]]:
    """Segment -> ids of its members at `now`, segments in an order in which each comes after those it speaks of.

    alone(segment, members so far): the members of a segment that is asked person by person; plans: answers those that
    it can, as many together as may be. draws: samples, by hashes with this salt. given: members that are known.
    """
    found: dict[str, set[str]] = {}
    waiting: list[tuple[str, Checked]] = []

    def known() -> Crowd:
        frames = [pl.DataFrame({"person_id": sorted(ids)}, schema={"person_id": pl.String}) for ids in found.values()]
        named = [frame.with_columns(segment=pl.lit(name)) for name, frame in zip(found, frames, strict=True)]
        return dataclasses.replace(crowd, segments=pl.concat([crowd.segments, *named]))

    def by_frames(name: str, checked: Checked) -> None:
        plan = compile_crowd(checked).members(known(), now)
        found[name] = set(plan.filter("holds")["person_id"])

    def settle() -> None:
        assert plans is not None or not waiting
        if plans is not None and waiting:
            told = plans.members(waiting, known(), now)
            for name, checked in waiting:
                if name in told:
                    found[name] = told[name]
                else:
                    by_frames(name, checked)
            waiting.clear()

    for name, checked in order:
        engine, _ = how(checked, plans)
        if plans is not None and engine == plans.name and name not in draws and name not in given:
            waiting.append((name, checked))
            continue
        settle()
        if name in given:
            found[name] = given[name]
        elif engine == "person":
            found[name] = alone(name, found)
        else:
            by_frames(name, checked)
        if name in draws and name not in given:
            found[name] = {person for person in found[name] if draws[name].takes(salt, person, now)}
    settle()
    return found
