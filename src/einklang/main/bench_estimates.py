"""Estimates while somebody types: each step is a rule that was never asked, of the sample of a million persons.

What grows with the home (drawing and reading the sample) happens once, then every minute or so, and is not in it.
"""

from __future__ import annotations

import time as system
from collections.abc import Iterable, Iterator, Sequence
from statistics import median, quantiles
from typing import Any

import polars as pl

from einklang.app.definitions import compile_all
from einklang.app.estimates import EVENTS_MAX, Answers, EstimateAsked, Sample, of_sample
from einklang.app.funnel import parts_of
from einklang.app.language import read_tree
from einklang.app.ports import Row
from einklang.app.state import State
from einklang.app.working import Live, from_json
from einklang.event import Event
from einklang.expr import Scope
from einklang.fact.person import Permission, Person, Trait
from einklang.main import bench_events as year

POPULATION = 1_000_000
STEPS = 100


class _Nothing:
    """A Book in which nobody's address is suppressed."""

    def read(self, name: str, *params: Any) -> list[Row]:
        return []

    def read_many(self, name: str, rows: Iterable[Sequence[Any]]) -> list[Row]:
        return []

    def stream(self, name: str, *params: Any) -> Iterator[Row]:
        return iter(())


def typing(events: pl.DataFrame, texts: Sequence[str], now: int) -> dict[str, float]:
    """Milliseconds of each estimate, by the clock. events: of the persons of a sample: person_id, name, at, properties
    and the like, as the lake has them.
    """
    definitions = compile_all({}, {})
    state = State(bytes(16), definitions, link_key=b"", base_url="", channels=frozenset())
    state.read_from(_Nothing())
    state.clock = now
    sample = Sample(Answers(state, _people(events)), POPULATION, now, 0)
    taken = []
    for text in texts:
        begun = system.perf_counter()
        asked = EstimateAsked(text=text)
        _, tree = read_tree(asked)
        told = of_sample(sample, parts_of(tree, Scope(asked.site, definitions.catalog)), asked.purpose)
        taken.append((system.perf_counter() - begun) * 1000)
        assert told.count is not None, told.fault
    found = {"p50": median(taken), "p95": quantiles(taken, n=20)[18], "max": max(taken)}
    return {"persons asked": len(sample.answers.people), **{name: round(ms, 1) for name, ms in found.items()}}


def _people(events: pl.DataFrame) -> list[Live]:
    found = []
    for n, rows in enumerate(events.sort("at").partition_by("person_id")[: EVENTS_MAX // year.EVENTS_PER_PERSON]):
        name = str(rows["person_id"][0])
        address = f"p{n}@shop.example"
        country = ("DE", "AT", "CH")[n % 3]
        person = Person(name, year.START, year.START, traits={"address": Trait({"country": country}, year.START, 0)})
        person.identifiers = [("email", address, year.START)]
        if n % 5 < 3:
            person.permissions = {f"email|marketing|{address}": Permission("given", year.START, 0)}
        found.append(Live(person, [_event(row) for row in rows.iter_rows(named=True)], []))
    return found


def _event(row: dict[str, Any]) -> Event:
    return Event(
        position=0, at=row["at"], received_at=row["at"], type="track", name=row["name"], message_id=row["message_id"],
        identifiers=(), properties=from_json(row["properties"]), context={}, source="bench", touchpoint="web", origin=0,
        seq=row["seq"], clock=row["at"], person=row["person_id"],
    )  # fmt: skip
