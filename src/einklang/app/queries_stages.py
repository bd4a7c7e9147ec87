"""Stages as people see them: where somebody stands and why, how many stand where, who went from where to where, and
what staff note.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import polars as pl

from einklang.app import stages, stitching
from einklang.app.answers import Text, shown
from einklang.app.appending import append_within
from einklang.app.definitions import Definitions
from einklang.app.find import load, person_id
from einklang.app.ports import Book, Reader, Tx
from einklang.app.queries_audience import in_words
from einklang.app.queries_log import Columns
from einklang.app.state import State
from einklang.app.working import from_json, label_of
from einklang.event import EngineCall
from einklang.expr import Checked, explain
from einklang.kernel import time
from einklang.kernel.errors import InputError, NotFound
from einklang.kernel.time import Micros

DAYS_MAX = 366
_PAGE = 20_000
_NOTED = {"de": "Mitarbeitende haben es festgehalten", "en": "staff noted it"}


class StageSince(msgspec.Struct):
    """In which stage of a definition a person is; name null: in none. notes: the stages that staff may note."""

    stage: str
    title: Text
    name: str | None
    since: str | None
    notes: list[str]


class Standing(msgspec.Struct):
    """How many persons are in one stage; title: what people call it."""

    name: str
    persons: int
    title: Text


class StageItem(msgspec.Struct):
    """A definition of stages: the stages in their order, how many persons are in each, and in none of them."""

    id: str
    title: Text
    note: str | None
    stages: list[Standing]
    none: int


class Change(msgspec.Struct):
    """How often somebody went from one stage to another; null: none of them."""

    was: str | None
    to: str | None
    changes: int


class Changes(msgspec.Struct):
    """Of the last days, the most frequent first."""

    since: str
    changes: list[Change]


class RungWhy(msgspec.Struct):
    """One stage. here: whether the person is in it. when, exit: the rules as trees, each part with its value and in
    words; exit null: there is none.
    """

    name: str
    here: bool
    when: Any
    exit: Any


class StageWhy(msgspec.Struct):
    """Why somebody is in a stage; name null: in none. stays: they do not fall back or out before. rungs: in the order
    of the definition.
    """

    person_id: str
    label: str
    stage: str
    name: str | None
    since: str | None
    stays: str | None
    at: str
    rungs: list[RungWhy]


def _title(definitions: Definitions, stage: str) -> Text:
    found: Text = definitions.docs["stage", stage][0].get("title") or stage
    return found


def _known(definitions: Definitions, stage: str) -> None:
    if stage not in definitions.ladders:
        known = ", ".join(sorted(definitions.ladders)) or "none"
        raise NotFound("unknown_stage", f"no stages {stage[:60]!r}", where="id", mend=f"known: {known[:300]}")


def _noted(definitions: Definitions, stage: str) -> list[str]:
    """The stages that staff may note."""
    rungs = definitions.docs["stage", stage][0]["stages"]
    return [rung["name"] for rung in rungs if rung.get("noted") is not None]


def of_person(reader: Reader, definitions: Definitions, person: str) -> list[StageSince]:
    """Where a person stands, by definition. Raises NotFound."""
    stands = load(reader, person).person.stages if definitions.ladders else {}
    found = []
    for name in sorted(definitions.ladders):
        stand = stands.get(name)
        where, since = (None, None) if stand is None else (stand.stage, shown(stand.since))
        found.append(StageSince(name, _title(definitions, name), where, since, _noted(definitions, name)))
    return found


def counts(reader: Reader, definitions: Definitions) -> list[StageItem]:
    """How many are in which stage."""
    people = int(reader.read("person_count")[0][0])
    rows: dict[tuple[str, str], int] = {(stage, name): count for stage, name, count in reader.read("standing_counts")}
    found = []
    for name, ladder in sorted(definitions.ladders.items()):
        called = stages.titles(definitions.docs["stage", name][0])
        standing = [Standing(one, rows.get((name, one), 0), called[one]) for one in ladder.names]
        none = max(0, people - sum(one.persons for one in standing))
        note = definitions.docs["stage", name][0].get("note")
        found.append(StageItem(name, _title(definitions, name), note, standing, none))
    return found


def changes(
    reader: Reader, lake: Columns | None, definitions: Definitions, stage: str, days: int, now: Micros
) -> Changes:
    """Who went from where to where. Raises InputError, NotFound."""
    _known(definitions, stage)
    if not 1 <= days <= DAYS_MAX:
        raise InputError("bad_number", f"{days} days", where="days", mend=f"use 1 to {DAYS_MAX}")
    since = now - days * time.DAY
    found: dict[tuple[str | None, str | None], int] = {}
    for said in _told(reader, lake, since):
        if said.get("stage") == stage:
            key = said.get("from"), said.get("to")
            found[key] = found.get(key, 0) + 1
    ordered = sorted(found.items(), key=lambda one: (-one[1], one[0][0] or "", one[0][1] or ""))
    return Changes(time.format_moment(since), [Change(was, to, count) for (was, to), count in ordered])


def _told(reader: Reader, lake: Columns | None, since: Micros) -> Iterator[Mapping[str, Any]]:
    """What was said of changes, from the lake and what it does not hold yet."""
    reached = 0
    if lake is not None:
        frame = lake.scan("events")
        reached = int(frame.select(pl.col("seq").max()).collect().item() or 0)
        wanted = (pl.col("name") == stages.CHANGED) & (pl.col("origin") == 2) & (pl.col("seq") <= reached)
        at = pl.col("at").dt.epoch("us")
        for text in frame.filter(wanted & (at > since)).select("properties").collect().to_series():
            yield from_json(text)
    while page := reader.read("log_page", reached, _PAGE):
        reached = page[-1][1]
        yield from (from_json(row[15]) for row in page if row[6] == 2 and row[8] == stages.CHANGED and row[3] > since)


def why(reader: Reader, state: State, stage: str, person: str, now: Micros) -> StageWhy:
    """Why somebody is in a stage, or in none. state: for reading only. Raises NotFound."""
    definitions = state.definitions
    _known(definitions, stage)
    state.read_from(reader)
    state.clock = now
    live = load(reader, person)
    view, stand = state.view(live), live.person.stages.get(stage)
    name = None if stand is None else stand.stage

    def tree(checked: Checked | None) -> Any:
        return None if checked is None else _plain(in_words(explain(checked, view)), noted)

    docs = definitions.docs["stage", stage][0]["stages"]
    noted = {stages.noted_text(stage, one["name"], one["noted"]) for one in docs if one.get("noted")}
    rungs = []
    for n, one in enumerate(definitions.ladders[stage].names):
        key = f"stage {stage}.stages[{n}]"
        when, leave = definitions.checked[f"{key}.when"], definitions.checked.get(f"{key}.exit")
        rungs.append(RungWhy(one, one == name, tree(when), tree(leave)))
    since = None if stand is None else shown(stand.since)
    stays = shown(stand.stays) if stand is not None and stand.stays is not None and stand.stays > now else None
    at = time.format_moment(now)
    return StageWhy(live.person.id, label_of(live.person), stage, name, since, stays, at, rungs)


def _plain(node: dict[str, Any], noted: set[str]) -> dict[str, Any]:
    """A rule in which what asks for a note of staff says so, without the parts it is made of."""
    if node["text"] in noted:
        return node | {"words": _NOTED, "children": []}
    return node | {"children": [_plain(one, noted) for one in node["children"]]}


def note(
    book: Book, definitions: Definitions, person: str, stage: str, name: str, why: str, *, actor: str, now: Micros
) -> str:
    """Put into the log what staff know of a person's stage; name "": what was noted before does not count any more. The
    next tick takes it in. Its message id. Raises InputError, NotFound.
    """
    why = stitching.reason_given(why)
    _known(definitions, stage)
    known = _noted(definitions, stage)
    if name and name not in known:
        mend = f"note one of: {', '.join(known)}" if known else "write `noted: 90d` at the stages that staff may note"
        raise InputError("not_noted", f"{name[:40]!r} is no stage that staff note", where="name", mend=mend)

    def work(tx: Tx) -> str:
        living = person_id(tx, person)
        load(tx, living)
        said = {"stage": stage, "name": name, "why": why, "by": actor}
        call = EngineCall(
            type="track", event=stages.NOTED, identifiers={"person": living}, properties=said, origin=1, at=now
        )
        call.messageId = f"note-{tx.read('counter_value', 'position')[0][0] + 1}"
        append_within(tx, "engine", [call], now)
        return call.messageId

    return book.transact(work)
