"""The log as the screens read it: page by page backwards, or what is new; and the timeline of one person."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import polars as pl

from einklang.app import answers
from einklang.app.answers import Page, shown
from einklang.app.find import person_id
from einklang.app.ports import Reader, Row
from einklang.app.queries import Many, limit_of, load, numbers_of, pattern_of
from einklang.app.reason_texts import text_of, word_of
from einklang.app.working import from_json
from einklang.event import server_source
from einklang.kernel import time
from einklang.kernel.errors import InputError
from einklang.kernel.ids import lane_of

NEWEST = 2**62
TIMELINE_KINDS = ("all", "event", "decision")
NAME_CHARS_MAX = 200
#: Entries that are looked at at once for those of one person.
_PAGE = 500
#: What a person did that the engine recorded.
_DID = frozenset({"Message Clicked", "Message Opened", "Message Unsubscribed", "Consent Given", "Consent Withdrawn"})
_COLUMNS = ("seq", "clock", "at", "type", "name", "person_id", "source", "touchpoint", "origin", "properties")


class Columns(Protocol):
    """The lake: older entries than the Book keeps."""

    def scan(self, table: str) -> pl.LazyFrame: ...


def entries(reader: Many, rows: list[Row]) -> list[answers.Entry]:
    """Rows of the log with the label of their person."""
    labels = _labels(reader, sorted({row[5] for row in rows if row[5]}))
    return [
        answers.Entry(
            seq=seq,
            clock=time.format_moment(clock),
            at=shown(at) or time.format_moment(clock),
            type=type_,
            name=name or type_,
            person_id=person or None,
            person_label=labels.get(person),
            source=source,
            touchpoint=touchpoint,
            origin=origin,
            properties=_properties(type_, properties),
        )
        for seq, clock, at, type_, name, person, source, touchpoint, origin, properties in rows
    ]


def _labels(reader: Many, persons: list[str]) -> dict[str, str]:
    """The labels of persons; of one who was merged away, that of the living one."""
    found: dict[str, str] = dict(reader.read_many("person_label", [(lane_of(one), one) for one in persons]))
    merged = {one: alias[0][0] for one in persons if one not in found and (alias := reader.read("alias_get", one))}
    living = sorted(set(merged.values()))
    known: dict[str, str] = dict(reader.read_many("person_label", [(lane_of(one), one) for one in living]))
    return found | {one: known[to] for one, to in merged.items() if to in known}


def _properties(type_: str, text: str) -> dict[str, Any]:
    """The properties of an entry; of a changed definition its name only."""
    found: dict[str, Any] = from_json(text)
    if type_ == "definition":
        changes = [{key: change.get(key) for key in ("kind", "id", "version")} for change in found.get("changes", [])]
        return {"changes": changes}
    return found


class Wanted(NamedTuple):
    """Which entries. name: part of it, whatever its case; source: id of a source; person: an id or kind:value."""

    touchpoint: str = ""
    name: str = ""
    source: str = ""
    person: str = ""


def log(reader: Many, lake: Columns | None, wanted: Wanted, *, before: int | None, limit: int) -> Page[answers.Entry]:
    """Entries before a seq, newest first. Raises InputError, NotFound `unknown_person`.

    What the Book no longer keeps is read from the lake.
    """
    limit_of(limit)
    if before is not None and not 0 <= before <= NEWEST:
        raise InputError(
            "bad_cursor", f"no such place in the log: {before}", where="before", mend="use the seq of an entry"
        )
    for field, value in wanted._asdict().items():
        if len(value) > NAME_CHARS_MAX:
            raise InputError("too_long", f"{len(value)} characters", where=field, mend=f"use at most {NAME_CHARS_MAX}")
    living = person_id(reader, wanted.person) if wanted.person else ""
    persons = frozenset([living, *(row[0] for row in reader.read("aliases_of", living))] if living else ())
    start = NEWEST if before is None else before
    rows = _kept(reader, start, limit + 1, wanted, persons)
    if len(rows) <= limit and lake is not None:
        first = reader.read("log_first")[0][0]
        oldest = min(start, first if first is not None else NEWEST)
        rows += _older(lake, oldest, limit + 1 - len(rows), wanted, persons)
    items = entries(reader, rows[:limit])
    return Page(items, str(rows[limit - 1][0]) if len(rows) > limit else None)


def _kept(reader: Many, before: int, limit: int, wanted: Wanted, persons: frozenset[str]) -> list[Row]:
    """Entries that the Book keeps, before a seq."""
    touchpoint, source = wanted.touchpoint, wanted.source
    like = (pattern_of(wanted.name), touchpoint, touchpoint, source, source, server_source(source))
    found: list[Row] = []
    size = max(limit, _PAGE) if persons else limit
    while page := reader.read("log_before", before, *like, size):
        found += [row for row in page if not persons or row[5] in persons][: limit - len(found)]
        before = page[-1][0]
        if len(found) >= limit or len(page) < size:
            break
    return found


def _older(lake: Columns, before: int, limit: int, wanted: Wanted, persons: frozenset[str]) -> list[Row]:
    """Entries of the lake before a seq."""
    frame = lake.scan("events").filter((pl.col("seq") < before) & (pl.col("type") != "tick"))
    if wanted.touchpoint:
        frame = frame.filter(pl.col("touchpoint") == wanted.touchpoint)
    if wanted.name:
        frame = frame.filter(pl.col("name").str.to_lowercase().str.contains(wanted.name.lower(), literal=True))
    if wanted.source:
        frame = frame.filter(pl.col("source").is_in([wanted.source, server_source(wanted.source)]))
    if persons:
        frame = frame.filter(pl.col("person_id").is_in(sorted(persons)))
    found = frame.top_k(limit, by="seq").sort("seq", descending=True)
    names = found.collect_schema().names()
    origin = pl.col("origin") if "origin" in names else pl.when(pl.col("source") == "einklang").then(2).otherwise(0)
    moments = [pl.col(one).dt.epoch("us").alias(one) for one in ("clock", "at")]
    return found.with_columns(origin.alias("origin"), *moments).select(*_COLUMNS).collect().rows()


def fresh(reader: Many, after: int, limit: int) -> tuple[int, list[answers.Entry]]:
    """(seq reached, entries after a seq, oldest first); ticks are passed over."""
    rows = reader.read("log_after", after, limit)
    reached = rows[-1][0] if rows else after
    return reached, entries(reader, [row for row in rows if row[3] != "tick"])


def reached(reader: Reader) -> int:
    """The last seq of the log."""
    rows = reader.read("counter_value", "seq")
    return int(rows[0][0]) if rows else 0


# --- the timeline ---


def timeline(reader: Reader, text: str, *, kind: str, cursor: str, limit: int) -> Page[answers.TimelineItem]:
    """What happened to a person and what was decided, newest first. Raises NotFound, InputError."""
    limit_of(limit)
    if kind not in TIMELINE_KINDS:
        raise InputError(
            "bad_kind", f"no such kind: {kind[:40]!r}", where="kind", mend="use " + " ".join(TIMELINE_KINDS)
        )
    person = load(reader, text)[1].id
    at, seq, n = numbers_of(cursor, 3) if cursor else (NEWEST, NEWEST, NEWEST)
    lane = lane_of(person)
    happened, decided = [], []
    if kind != "decision":
        rows = reader.read("timeline_events", lane, person, at, at, seq, int(kind == "event"), limit + 1)
        happened = [((row[0], row[1]), row) for row in rows]
    if kind != "event":
        decided = [((row[2], row[1]), row) for row in reader.read("timeline_verdicts", lane, person, n, limit + 1)]
    items: list[answers.TimelineItem] = []
    while (happened or decided) and len(items) < limit:
        if not decided or (happened and happened[0][0] > decided[0][0]):
            _, row = happened.pop(0)
            at, seq = row[0], row[1]
            items.append(_happened(row))
        else:
            _, row = decided.pop(0)
            n = row[0]
            items.append(_decided(row))
    return Page(items, f"{at}.{seq}.{n}" if happened or decided else None)


def _happened(row: Row) -> answers.TimelineItem:
    at, seq, clock, origin, type_, name, source, touchpoint, properties = row
    return answers.TimelineItem(
        seq=seq,
        at=shown(at) or time.format_moment(clock),
        clock=time.format_moment(clock),
        kind="event" if origin == 0 or name in _DID else "system",
        name=name or type_,
        touchpoint=touchpoint or None,
        source=source,
        properties=_properties(type_, properties),
    )


def _decided(row: Row) -> answers.TimelineItem:
    _, seq, clock, journey, step, message, channel, verdict, reason, until, detail = row
    moment = time.format_moment(clock)
    return answers.TimelineItem(
        seq=seq,
        at=moment,
        clock=moment,
        kind="decision",
        name="Contact Decided" if step else "Entry Refused",
        touchpoint=None,
        source="einklang",
        properties={"detail": detail} if detail else None,
        verdict=word_of(verdict),
        reason=reason or None,
        reason_text=text_of(word_of(verdict), reason),
        journey=journey or None,
        step=step or None,
        channel=channel or None,
        message=message or None,
        until=shown(until),
    )
