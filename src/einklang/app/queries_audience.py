"""What the page of a segment shows beside its members: why somebody is (not) in it, how its size went, where it
overlaps with others, what uses it, and how it is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import msgspec
import polars as pl

from einklang.app import backfill
from einklang.app.answers import shown
from einklang.app.definitions import Definitions
from einklang.app.find import load
from einklang.app.ports import Reader
from einklang.app.queries_log import Columns
from einklang.app.segments import draws_of
from einklang.app.state import State
from einklang.app.working import from_json, label_of
from einklang.expr import ExplainNode, ExprError, cost_of, explain, parse, to_words
from einklang.expr.crowd_reach import ALONE, crowd_supports
from einklang.expr.tree import Tree
from einklang.kernel import time
from einklang.kernel.errors import InputError, NotFound
from einklang.kernel.time import Micros

OVERLAP_MIN, OVERLAP_MAX = 2, 6
#: Rows of memberships that an overlap reads: some five seconds.
OVERLAP_ROWS_MAX = 5_000_000
TREND_DAYS_MAX = 366
_PAGE = 20_000
_CHANGES = {"Segment Entered": 1, "Segment Left": -1}


class WhyMember(msgspec.Struct):
    """member: as the live state has it, since when; held: what the rule says at this moment; rule: the tree of it, each
    part with its value and in words. apart: why somebody for whom it holds is no member, or the other way
    round: `sample`, `frozen`, `building`; "" where both say the same, or time has not caught up.
    """

    person_id: str
    label: str
    segment: str
    member: bool
    since: str | None
    held: bool
    at: str
    rule: Any
    apart: str = ""


class Meeting(msgspec.Struct):
    """Persons who are in exactly these of the asked segments, and in no other of them."""

    segments: list[str]
    persons: int


class Overlap(msgspec.Struct):
    """sizes: of each; meetings: the exclusive intersections, the largest first; empty ones are left out."""

    sizes: dict[str, int]
    meetings: list[Meeting]
    together: int


class TrendDay(msgspec.Struct):
    """A day in the policy's time zone: how many entered and left, and how many were members at its end."""

    day: str
    entered: int
    left: int
    members: int


class Trend(msgspec.Struct):
    """The days, the oldest first; the last one is today, so far."""

    days: list[TrendDay]


class User(msgspec.Struct, frozen=True):
    """A definition that asks for it. field: where."""

    kind: str
    id: str
    field: str


class Health(msgspec.Struct):
    """How it is asked. looks: what one busy person costs; alone: why it cannot be asked of all by one plan, if so;
    timed: whether time alone can change its members; version: of the definition.
    """

    looks: int
    alone: list[str]
    timed: bool
    version: int
    events: list[str]
    speaks_of: list[str]
    used_in: list[User]


def why(reader: Reader, state: State, name: str, person: str, now: Micros) -> WhyMember:
    """Why somebody is, or is not, a member. state: for reading only. Raises NotFound."""
    checked = state.definitions.checked.get(f"segment:{name}")
    if checked is None:
        raise _unknown(state.definitions, name)
    state.read_from(reader)
    state.clock = now
    live = load(reader, person)
    known = live.person.memberships.get(name)
    rule = explain(checked, state.view(live))
    member = known is not None and known.member
    since = shown(known.since) if known is not None else None
    at = time.format_moment(now)
    held = rule.held is True
    apart = _apart(reader, state, name) if held is not member else ""
    return WhyMember(live.person.id, label_of(live.person), name, member, since, held, at, in_words(rule), apart)


def _apart(reader: Reader, state: State, name: str) -> str:
    """Why the rule alone does not say who is a member."""
    build = backfill.now(reader)
    if build is not None and name in build.names:
        return "building"
    draw = draws_of(state.definitions).get(name)
    if draw is None:
        return ""
    return "frozen" if draw.frozen is not None and draw.frozen < state.clock else "sample" if draw.share else ""


def in_words(node: ExplainNode) -> dict[str, Any]:
    """A part of a rule, also in words; what is no expression of its own has none."""
    try:
        tree = parse(node.text)
        words = {"de": to_words(tree, "de"), "en": to_words(tree, "en")}
    except ExprError:
        words = None
    value = msgspec.to_builtins(node.value, enc_hook=str)
    children = [in_words(part) for part in node.children]
    told = {"text": node.text, "words": words, "value": value, "held": node.held, "children": children}
    return told if node.note is msgspec.UNSET else told | {"note": node.note}


def overlap(reader: Reader, definitions: Definitions, names: list[str]) -> Overlap:
    """How segments overlap, to the person. Raises InputError, NotFound."""
    names = list(dict.fromkeys(names))
    if not OVERLAP_MIN <= len(names) <= OVERLAP_MAX:
        mend = f"name {OVERLAP_MIN} to {OVERLAP_MAX} of them: segments=a,b,c"
        raise InputError("bad_number", f"{len(names)} segments", where="segments", mend=mend)
    for name in names:
        if ("segment", name) not in definitions.docs:
            raise _unknown(definitions, name)
    sizes: dict[str, int] = dict(reader.read("member_counts"))
    rows = sum(sizes.get(name, 0) for name in names)
    if rows > OVERLAP_ROWS_MAX:
        what = f"together they have {rows:,} members"
        raise InputError("too_costly", what, where="segments", mend=f"stay below {OVERLAP_ROWS_MAX:,}: name fewer")
    where: dict[str, int] = {}
    for place, name in enumerate(names):
        for (person,) in reader.read("members_of", name):
            where[person] = where.get(person, 0) | 1 << place
    counts: dict[int, int] = {}
    for mask in where.values():
        counts[mask] = counts.get(mask, 0) + 1
    meetings = [
        Meeting([name for place, name in enumerate(names) if mask >> place & 1], count)
        for mask, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    ]
    return Overlap({name: sizes.get(name, 0) for name in names}, meetings, len(where))


def trend(reader: Reader, lake: Columns | None, definitions: Definitions, name: str, days: int, now: Micros) -> Trend:
    """How many entered, left and were members, day by day. Raises InputError, NotFound."""
    if ("segment", name) not in definitions.docs:
        raise _unknown(definitions, name)
    if not 1 <= days <= TREND_DAYS_MAX:
        raise InputError("bad_number", f"{days} days", where="days", mend=f"use 1 to {TREND_DAYS_MAX}")
    zone = definitions.policy.timezone
    today = time.day_of(now, zone)
    first = today - timedelta(days=days - 1)
    changes: dict[tuple[date, int], int] = {}
    for at, step in _changes(reader, lake, name, time.start_of_day(first, zone)):
        day = min(today, time.day_of(at, zone))
        changes[day, step] = changes.get((day, step), 0) + 1
    sizes: dict[str, int] = dict(reader.read("member_counts"))
    members = sizes.get(name, 0)
    found: list[TrendDay] = []
    for back in range(days):
        day = today - timedelta(days=back)
        entered, left = changes.get((day, 1), 0), changes.get((day, -1), 0)
        found.append(TrendDay(day.isoformat(), entered, left, max(0, members)))
        members -= entered - left
    return Trend(found[::-1])


def _changes(reader: Reader, lake: Columns | None, name: str, since: Micros) -> Iterator[tuple[Micros, int]]:
    """(when, 1 or -1) of the entries about a segment, from the lake and what it does not hold yet."""
    reached = 0
    if lake is not None:
        frame = lake.scan("events")
        reached = int(frame.select(pl.col("seq").max()).collect().item() or 0)
        wanted = pl.col("name").is_in(list(_CHANGES)) & (pl.col("origin") != 0) & (pl.col("seq") <= reached)
        about = pl.col("properties").str.json_path_match("$.segment") == name
        at = pl.col("at").dt.epoch("us")
        yield from (
            (when, _CHANGES[told])
            for when, told in frame.filter(wanted & (at >= since) & about).select(at, "name").collect().iter_rows()
        )
    while page := reader.read("log_page", reached, _PAGE):
        reached = page[-1][1]
        for row in page:
            if row[6] != 0 and row[8] in _CHANGES and row[3] >= since and from_json(row[15]).get("segment") == name:
                yield row[3], _CHANGES[row[8]]


def health(definitions: Definitions, name: str) -> Health:
    """How a segment is asked, and what uses it. Raises NotFound."""
    checked = definitions.checked.get(f"segment:{name}")
    if checked is None:
        raise _unknown(definitions, name)
    needs = checked.needs
    return Health(
        looks=cost_of(checked.tree).looks,
        alone=[ALONE.get(part, part) for part in crowd_supports(checked)],
        timed=needs.time,
        version=definitions.versions.get(("segment", name), 1),
        events=sorted(needs.events),
        speaks_of=sorted(needs.segments),
        used_in=sorted(set(users_of(definitions, name)), key=lambda one: (one.kind, one.id, one.field)),
    )


def users_of(definitions: Definitions, name: str) -> Iterator[User]:
    """Whatever is in force and asks for the segment."""
    for key, checked in definitions.checked.items():
        if name not in checked.needs.segments:
            continue
        if key.startswith("segment:"):
            yield User("segment", key.removeprefix("segment:"), "where")
        elif key.startswith("entry:"):
            yield User("journey", key.removeprefix("entry:"), "entry.where")
        elif key.startswith("journey "):
            journey, _, field = key.removeprefix("journey ").partition(".")
            yield User("journey", journey, field)
        elif key.startswith("stage "):
            yield User("stage", key.removeprefix("stage ").partition(".")[0], "stages")
    for trait, condition in definitions.computed.items():
        if name in condition.needs.segments:
            yield User("trait", trait, "value")
    for rule, condition in definitions.rules.items():
        if name in condition.needs.segments:
            yield User("policy", "default", rule)
    for one, rows in definitions.catalog.scores.items():
        if any(_speaks(parse(text), name) for row in rows for text in row):
            yield User("score", one, "points")
    for one, destination in definitions.destinations.items():
        if name in destination.segments:
            yield User("destination", one, "segment")


def _speaks(tree: Tree, name: str) -> bool:
    own = tree.kind == "call" and tree.value == "segment" and tree.args[:1] and tree.args[0].value == name
    return bool(own) or any(_speaks(part, name) for part in tree.args)


def _unknown(definitions: Definitions, name: str) -> NotFound:
    known = ", ".join(one for kind, one in sorted(definitions.docs) if kind == "segment") or "none"
    return NotFound("unknown_segment", f"no segment {name[:60]!r}", where="id", mend=f"known: {known[:300]}")
