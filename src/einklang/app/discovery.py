"""The catalog of events: what the definitions declare, what Segment and Einklang know, and what was really sent.

Volumes are counted over the whole log, properties are looked at in the newest entries of each name. A sample shows how
values look, never a value: letters become `a`, digits `9`. Nothing of it is stored, so nothing outlives an erasure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
import polars as pl

from einklang.app import expiry
from einklang.app.answers import Page, shown
from einklang.app.definitions import Definitions
from einklang.app.ports import Reader
from einklang.app.queries import limit_of
from einklang.app.working import from_json
from einklang.event import KNOWN_EVENTS, OWN_EVENTS, kind_of_value, shape_of
from einklang.kernel.errors import NotFound
from einklang.kernel.reasons import DeadLetter
from einklang.kernel.time import DAY

#: Asked as an origin: whatever came.
SENT = "sent"
#: The calls of the specification.
TYPES = ("track", "page", "screen", "identify", "group", "alias")
_PAGE = 20_000
#: Newest entries of the lake that are looked at, and of a name that is not among them.
_NEWEST, _RARE = 20_000, 50
_ROWS_OF_NAME_MAX = 500
_PROPERTIES_MAX, _DEPTH_MAX, _ELEMENTS_MAX = 200, 3, 5
_SHAPES_MAX = 3


class Columns(Protocol):
    """The lake."""

    def scan(self, table: str) -> pl.LazyFrame: ...


class PropertySeen(msgspec.Struct):
    """A property: its declared type, and of the looked-at entries: types and how many have it, and how values look."""

    name: str
    declared: str | None
    types: dict[str, int]
    samples: list[str]


class EventSeen(msgspec.Struct):
    """An event of the catalog. origin: `declared`, `segment`, `einklang`, or `discovered`: sent and nobody declared it.

    volume: entries in the log; looked_at: those whose properties were; marked: of them those that break the schema;
    dead_letters: those that were put aside for it. keep_days: how long it is kept, null for ever; expired_before: older
    ones are gone.
    """

    name: str
    origin: str
    title: Any
    volume: int
    first_at: str | None
    last_at: str | None
    looked_at: int
    marked: int
    dead_letters: int
    schema: dict[str, Any] | None
    on_violation: str | None
    version: int | None
    versions: list[int]
    properties: list[PropertySeen]
    keep_days: int | None
    expired_before: str | None


@dataclass(slots=True)
class _Looked:
    """What the entries of one name showed."""

    volume: int = 0
    first: int | None = None
    last: int | None = None
    rows: int = 0
    marked: int = 0
    types: dict[str, Counter[str]] = field(default_factory=dict)
    shapes: dict[str, Counter[str]] = field(default_factory=dict)

    def count(self, volume: int, first: int, last: int) -> None:
        self.volume += volume
        self.first = first if self.first is None else min(first, self.first)
        self.last = last if self.last is None else max(last, self.last)

    def look(self, properties: Any, context: Any) -> None:
        if self.rows >= _ROWS_OF_NAME_MAX:
            return
        self.rows += 1
        self.marked += bool(isinstance(context, dict) and context.get("violations"))
        for path, value in _flat(properties, "", _DEPTH_MAX):
            if path not in self.types and len(self.types) >= _PROPERTIES_MAX:
                continue
            self.types.setdefault(path, Counter())[kind_of_value(value)] += 1
            shape = shape_of(value)
            shapes = self.shapes.setdefault(path, Counter())
            if shape is not None and (shape in shapes or len(shapes) < 50):
                shapes[shape] += 1


def _flat(value: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    """(path, value) of all properties; elements of a list share the path `name[]`."""
    if isinstance(value, dict) and depth:
        for name, inner in value.items():
            place = f"{path}.{_key(name)}" if path else _key(name)
            yield place, inner
            yield from _flat(inner, place, depth - 1)
    elif isinstance(value, list) and depth:
        for inner in value[:_ELEMENTS_MAX]:
            if isinstance(inner, dict):
                yield from _flat(inner, f"{path}[]", depth - 1)


def _key(name: str) -> str:
    """The name of a property; a key that may be a value itself (an address, a number) is shown as its shape."""
    plain = len(name) <= 64 and "@" not in name and sum(sign.isdigit() for sign in name) <= 4
    return name if plain else shape_of(name) or ""


def catalog(
    reader: Reader, lake: Columns | None, definitions: Definitions, *, q: str, origin: str, cursor: str, limit: int
) -> Page[EventSeen]:
    """The events by name. q: part of the name, whatever its case; origin: only these; `sent`: those that came.

    Raises InputError.
    """
    limit_of(limit)
    seen = _seen(reader, lake)
    names = sorted({*seen, *definitions.catalog.events, *KNOWN_EVENTS} if origin not in ("discovered", SENT) else seen)
    low = q.casefold()
    wanted = [
        name
        for name in names
        if low in name.casefold() and name > cursor and (origin in ("", SENT) or _origin(name, definitions) == origin)
    ]
    page = wanted[:limit]
    _look(reader, lake, {name: seen[name] for name in page if name in seen})
    dead = _dead(reader)
    items = [_item(reader, name, seen.get(name, _Looked()), definitions, dead.get(name, 0)) for name in page]
    return Page(items, page[-1] if len(wanted) > limit else None)


def one(reader: Reader, lake: Columns | None, definitions: Definitions, name: str) -> EventSeen:
    """One event of the catalog. Raises NotFound `unknown_event`."""
    seen = _seen(reader, lake)
    if name not in seen and name not in definitions.catalog.events and name not in KNOWN_EVENTS:
        raise NotFound("unknown_event", f"no event {name[:60]!r}", where="name", mend="see GET /api/catalog")
    looked = seen.get(name, _Looked())
    _look(reader, lake, {name: looked})
    return _item(reader, name, looked, definitions, _dead(reader).get(name, 0))


def _origin(name: str, definitions: Definitions) -> str:
    if name in definitions.catalog.events:
        return "declared"
    if name in KNOWN_EVENTS:
        return "einklang" if name in OWN_EVENTS else "segment"
    if name in TYPES:  # a call of the specification that is no event with a name
        return "segment"
    return "discovered"


def _item(reader: Reader, name: str, looked: _Looked, definitions: Definitions, dead: int) -> EventSeen:
    doc = definitions.docs.get(("event", name), ({}, ""))[0]
    declared = {**KNOWN_EVENTS.get(name, {}), **doc.get("properties", {})}
    schema = definitions.schemas.get(name)
    paths = sorted({*declared, *looked.types})
    return EventSeen(
        name=name,
        origin=_origin(name, definitions),
        title=doc.get("title"),
        volume=looked.volume,
        first_at=shown(looked.first),
        last_at=shown(looked.last),
        looked_at=looked.rows,
        marked=looked.marked,
        dead_letters=dead,
        schema=doc.get("schema"),
        on_violation=schema.on_violation if schema is not None else None,
        version=definitions.versions.get(("event", name)),
        versions=[version for (version,) in reader.read("definition_versions", "event", name)] if doc else [],
        properties=[
            PropertySeen(
                path,
                declared.get(path),
                dict(looked.types.get(path, Counter()).most_common()),
                [shape for shape, _ in looked.shapes.get(path, Counter()).most_common(_SHAPES_MAX)],
            )
            for path in paths
        ],
        keep_days=definitions.keeps[name] // DAY if name in definitions.keeps else None,
        expired_before=shown(expiry.bounds_of(reader).get(name, (None,))[0]),
    )


def _dead(reader: Reader) -> Counter[str]:
    """Dead letters of the tracking plan by name of the event."""
    found: Counter[str] = Counter()
    for detail, count in reader.read("dead_details", DeadLetter.SCHEMA_VIOLATION):
        found[detail.split(" version ")[0]] += count
    return found


# --- what was sent ---


def name_of(type_: str, name: str) -> str:
    """The name of an entry in the catalog: identify, group and alias go by their type."""
    return name or type_


def _seen(reader: Reader, lake: Columns | None) -> dict[str, _Looked]:
    """How many entries there are of each name, in the lake and behind it."""
    found: dict[str, _Looked] = {}
    reached = 0
    if lake is not None:
        wanted = (pl.col("origin") == 0) & pl.col("type").is_in(TYPES)
        frame = lake.scan("events")
        reached = int(frame.select(pl.col("seq").max()).collect().item() or 0)
        at = pl.col("at").dt.epoch("us")
        counted = frame.filter(wanted & (pl.col("seq") <= reached)).group_by("type", "name")
        for type_, name, *told in counted.agg(pl.len(), at.min().alias("a"), at.max().alias("b")).collect().iter_rows():
            found.setdefault(name_of(type_, name), _Looked()).count(*told)
    for row in _behind(reader, reached):
        found.setdefault(name_of(row[7], row[8]), _Looked()).count(1, row[3], row[3])
    return found


def _behind(reader: Reader, reached: int) -> Iterator[tuple[Any, ...]]:
    """Rows of the log that the lake does not hold yet."""
    while page := reader.read("log_page", reached, _PAGE):
        reached = page[-1][1]
        yield from (row for row in page if row[6] == 0 and row[7] in TYPES)


def _look(reader: Reader, lake: Columns | None, wanted: dict[str, _Looked]) -> None:
    """Look at the newest entries of these names."""
    reached = 0
    if lake is not None and wanted:
        frame = lake.scan("events").filter((pl.col("origin") == 0) & pl.col("type").is_in(TYPES))
        reached = int(frame.select(pl.col("seq").max()).collect().item() or 0)
    for row in _behind(reader, reached):
        name = name_of(row[7], row[8])
        if name in wanted:
            wanted[name].look(from_json(row[-2]), from_json(row[-1]))
    if lake is None or not wanted:
        return
    parts = ["type", "name", "properties", "context"]
    called = pl.when(pl.col("name") == "").then("type").otherwise("name")
    of_names = frame.filter(called.is_in(sorted(wanted)))
    _note(of_names.filter(pl.col("seq") > reached - _NEWEST).select(parts).collect().iter_rows(), wanted)
    for name in [name for name, looked in wanted.items() if not looked.rows and looked.volume]:
        _note(of_names.filter(called == name).select(parts).head(_RARE).collect().iter_rows(), wanted)


def _note(rows: Iterable[tuple[Any, ...]], wanted: dict[str, _Looked]) -> None:
    for type_, name, properties, context in rows:
        looked = wanted[name_of(type_, name)]
        if looked.rows < _ROWS_OF_NAME_MAX:
            looked.look(from_json(properties), from_json(context))
