"""Business objects where they meet the rest: definitions in force, a person in memory, the frames of a crowd."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from einklang.event import ALIASES, Event
from einklang.expr import EventShape
from einklang.expr.crowd_frames import OBJECTS, holder_of
from einklang.profile import BUILT_IN, PERSON, Kind, RawObject, fold_objects, kind_of, parse_object

if TYPE_CHECKING:
    from einklang.app.working import Live

_AT = attrgetter("at")
#: Before all events: nothing lies in the future of a person without any.
_FIRST = -(2**63)
Docs = Mapping[tuple[str, str], tuple[dict[str, Any], str]]


@cache
def _built_in() -> tuple[RawObject, ...]:
    return tuple(parse_object(doc, f"built in: object {doc['id']}") for doc in BUILT_IN)


def object_kinds(docs: Docs, events: Mapping[str, EventShape]) -> dict[str, Kind]:
    """The kinds of objects in force: those built in, each replaced by a definition of its id. Raises InputError."""
    raws = {raw.id: raw for raw in _built_in()}
    raws |= {name: parse_object(doc, where) for (kind, name), (doc, where) in docs.items() if kind == "object"}
    same: dict[str, list[str]] = {}
    for other, shape in events.items():
        if shape.alias:
            same.setdefault(shape.alias, []).append(other)
    for other, (own, _) in ALIASES.items():
        same.setdefault(own, []).append(other)
    return {name: kind_of(raw, same) for name, raw in sorted(raws.items())}


class Known:
    """The objects of one kind and person, kept until the person's history changes. last: time of the newest event."""

    __slots__ = ("events", "kind", "last", "rows")

    def __init__(self, live: Live, kind: Kind) -> None:
        self.kind = kind
        self.events: Sequence[Event] = live.named(kind.names)
        self.last = self.events[-1].at if self.events else _FIRST
        self.rows: list[dict[str, Any]] = [one.row(kind) for one in fold_objects(kind, self.events)]


def _known(live: Live, kind: Kind) -> Known:
    found = live.objects.get(kind.id)
    if found is None or found.kind is not kind:
        found = live.objects[kind.id] = Known(live, kind)
    return found


def rows_at(live: Live, kind: Kind, now: int) -> list[dict[str, Any]]:
    """What expressions see of a person's objects at a moment: what lies in its future has not come yet."""
    known = _known(live, kind)
    if known.last <= now:
        return known.rows
    return [one.row(kind) for one in fold_objects(kind, known.events, until=now)]


def flip_at(live: Live, kind: Kind, now: int) -> int | None:
    """When the next event that lies in the future comes."""
    known = _known(live, kind)
    if known.last <= now:
        return None
    return known.events[bisect_right(known.events, now, key=_AT)].at


class Told(msgspec.Struct):
    """An event as far as the fold of objects reads it."""

    name: str
    at: int
    seq: int
    source: str
    machine: bool
    properties: dict[str, Any]


_PROPERTIES = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_TEXT = msgspec.json.Encoder(decimal_format="number")


def frame_at(events: pl.DataFrame, kinds: Iterable[Kind], members: pl.DataFrame) -> pl.DataFrame:
    """The `objects` of a crowd. events: of persons up to the moment, with person_id, seq, at, name, source, machine,
    properties (JSON); members: of the crowd.

    What a group owns is folded once, from what its members did; who has no such group, or one of which nobody did
    anything of the kind, has what the own events give.
    """
    rows: list[tuple[str, str, int, str]] = []
    wanted = events.select("person_id", "name", "at", "seq", "source", "machine", "properties")
    for kind in kinds:
        of_kind = wanted.filter(pl.col("name").is_in(list(kind.names)))
        if kind.owner != PERSON:
            mine = members.filter(pl.col("type") == kind.owner)
            shared = of_kind.join(mine.select("person_id", "group"), on="person_id", how="inner")
            of_groups = mine.join(shared.select("group").unique(), on="group", how="semi")
            alone = of_kind.join(of_groups, on="person_id", how="anti")
            held = shared.with_columns(holder_of(kind.owner, pl.col("group")).alias("person_id")).drop("group")
            of_kind = pl.concat([alone, held])
        of_kind = of_kind.sort("person_id", "at", "seq")
        for (person,), group in of_kind.group_by("person_id", maintain_order=True):
            rows_of = group.drop("person_id").iter_rows()
            told = [
                Told(name, at, seq, source, machine, _PROPERTIES.decode(text))
                for name, at, seq, source, machine, text in rows_of
            ]
            objects = enumerate(fold_objects(kind, told))
            rows += [(str(person), kind.id, n, _TEXT.encode(one.row(kind)).decode()) for n, one in objects]
    return pl.DataFrame(rows, schema=OBJECTS, orient="row")
