"""What a builder of conditions can offer: traits, events with their properties, channels, purposes, segments, and the
categories and brands of the products. Names and types, never a value of a person.
"""

from __future__ import annotations

from typing import Any

import msgspec

from einklang.app import discovery, stages
from einklang.app.definitions import Definitions
from einklang.app.ports import Reader
from einklang.app.working import from_json
from einklang.content.message import CHANNELS
from einklang.event import KNOWN_EVENTS
from einklang.expr import Type

#: Traits of Segment's spec that are offered before anybody sent one; days are texts until they are declared.
_TRAITS = {
    "address.city": "string", "address.country": "string", "address.postalCode": "string", "birthday": "string",
    "company.name": "string", "email": "string", "firstName": "string", "gender": "string",
    "lastName": "string", "phone": "string", "title": "string",
}  # fmt: skip
_OF_PERSON = {"country": "string", "language": "string", "known": "bool"}
_PAGE, _EVENTS_MAX, _PATHS_MAX, _VALUES_MAX, _PRODUCTS_MAX = 200, 600, 80, 200, 2_000
_ELEMENTS = "products"


class Field(msgspec.Struct, frozen=True):
    """A trait or property. path: as it is written, `list[].field` for a field of the elements of a list."""

    path: str
    type: str
    seen: int = 0


class EventChoice(msgspec.Struct, frozen=True):
    """An event. volume: how often it was sent; origin: as in the catalog of events."""

    name: str
    title: Any
    origin: str
    volume: int
    properties: list[Field]


class Named(msgspec.Struct, frozen=True):
    """Something with an id and a title."""

    id: str
    title: Any


class StageChoice(msgspec.Struct, frozen=True):
    """A kind of stages with their names, in their order, and what people call them."""

    id: str
    title: Any
    names: list[str]
    titles: dict[str, Any]


class Choices(msgspec.Struct, frozen=True):
    """Everything that a condition of a segment can name. What was sent most stands first."""

    person: list[Field]
    traits: list[Field]
    events: list[EventChoice]
    channels: list[str]
    purposes: list[Named]
    segments: list[Named]
    journeys: list[Named]
    scores: list[Named]
    stages: list[StageChoice]
    categories: list[str]
    brands: list[str]


def choices(reader: Reader, lake: discovery.Columns | None, definitions: Definitions) -> Choices:
    """What can be chosen now."""
    seen, cursor = list[discovery.EventSeen](), ""
    while len(seen) < _EVENTS_MAX:
        page = discovery.catalog(reader, lake, definitions, q="", origin="", cursor=cursor, limit=_PAGE)
        seen += page.items
        if page.next is None:
            break
        cursor = page.next
    said = next((one for one in seen if one.name == "identify"), None)
    events = sorted((_event(one) for one in seen if one.name not in discovery.TYPES), key=lambda one: -one.volume)
    categories, brands = _of_products(reader)
    return Choices(
        person=[Field(name, kind) for name, kind in _OF_PERSON.items()],
        traits=_traits(definitions, said),
        events=events,
        channels=[*CHANNELS, *(name for kind, name in sorted(definitions.docs) if kind == "channel")],
        purposes=[Named(name, _title(definitions, "purpose", name)) for name in definitions.purposes],
        segments=[Named(one.id, _title(definitions, "segment", one.id)) for one in definitions.segments],
        journeys=[Named(name, _title(definitions, "journey", name)) for name in sorted(definitions.journeys)],
        scores=[Named(name, _title(definitions, "score", name)) for name in sorted(definitions.catalog.scores)],
        stages=[_stage(definitions, name) for name in sorted(definitions.ladders)],
        categories=categories,
        brands=brands,
    )


def _stage(definitions: Definitions, name: str) -> StageChoice:
    called = stages.titles(definitions.docs["stage", name][0])
    return StageChoice(name, _title(definitions, "stage", name), definitions.ladders[name].names, called)


def _title(definitions: Definitions, kind: str, name: str) -> Any:
    doc = definitions.docs.get((kind, name))
    return (doc[0].get("title") if doc else None) or name


def _event(seen: discovery.EventSeen) -> EventChoice:
    fields = [Field(one.name, one.declared or _most(one), sum(one.types.values())) for one in seen.properties]
    if any(one.path == _ELEMENTS and one.type.startswith("list") for one in fields):
        known = {one.path for one in fields}
        elements = {f"{_ELEMENTS}[].{name}": kind for name, kind in KNOWN_EVENTS["Product Viewed"].items()}
        fields += [Field(path, kind) for path, kind in elements.items() if path not in known]
    fields.sort(key=lambda one: (-one.seen, one.path))
    return EventChoice(seen.name, seen.title, seen.origin, seen.volume, fields[:_PATHS_MAX])


def _most(seen: discovery.PropertySeen) -> str:
    """The type that most of the values have."""
    return max(seen.types, key=lambda name: seen.types[name], default="dyn")


def _traits(definitions: Definitions, said: discovery.EventSeen | None) -> list[Field]:
    """Those that were sent, with the types that are declared, and after them those that may be sent."""
    seen = said.properties if said is not None else []
    counts = {one.name: sum(one.types.values()) for one in seen}
    known = _TRAITS | {one.name: _most(one) for one in seen}
    known |= {name: _name(kind) for name, kind in definitions.catalog.traits.items()}
    found = [Field(name, kind, counts.get(name, 0)) for name, kind in known.items()]
    return sorted(found, key=lambda one: (-one.seen, one.path))[:_VALUES_MAX]


def _name(kind: Type) -> str:
    return "money" if kind.money else str(kind)


def _of_products(reader: Reader) -> tuple[list[str], list[str]]:
    """Categories and brands of the catalog of products, the most frequent first."""
    counts: tuple[dict[str, int], dict[str, int]] = ({}, {})
    for _, body in reader.read("catalog_page", "products", "", _PRODUCTS_MAX):
        row = from_json(body)
        for name, count in zip(("category", "brand"), counts, strict=True):
            if isinstance(row.get(name), str) and row[name]:
                count[row[name]] = count.get(row[name], 0) + 1
    first, second = (sorted(count, key=lambda name: (-count[name], name))[:_VALUES_MAX] for count in counts)
    return first, second
