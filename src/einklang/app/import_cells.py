"""What the cells of an import file mean. Only CSV has to guess: Parquet and JSON Lines say the type of each value.

A CSV cell is read by the declared type of its trait, property or field, where there is one (`kind: trait`, `event`,
`catalog`; else Segment's specification): `string`, `date` and `timestamp` stay text, as expressions read them; `number`
and `money` are exact; `bool` is true or false; `list` and `map` are JSON. Undeclared cells:

- names that hold codes (`TEXTS`, such as `address.postalCode`) stay text;
- `true` and `false` are bool; what JSON would read as a number is one, exactly; so `007`, `+5`, `1e5`, `1,5` and
  numbers of more than 18 digits stay text: codes, not amounts;
- a cell that begins with [ or { and is JSON is a list or a map; all else is text, dates too;
- an empty cell is missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from einklang.app.apply import in_force
from einklang.app.owners import speaks
from einklang.app.ports import Reader
from einklang.app.working import from_json
from einklang.event import KNOWN_EVENTS, canonical_name
from einklang.identity import DEFAULT_RULES
from einklang.profile import Kind

#: Names whose values are codes or words even where they look like numbers.
TEXTS = {"postalCode", "postal_code", "postcode", "zip", "plz", "phone", "email", "id", "username", "name", "title"}
TEXTS |= {"firstName", "lastName", "category", "brand", "sku", "variant", "ean", "gtin", "url", "image_url"}
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,17})(\.\d{1,12})?")
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_PRODUCT = {"price": "money", "margin": "money", "cost": "money", "weight": "number", "stock": "number"}
_PRODUCT |= {"in_stock": "bool", "product_id": "string"}
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


class Declared(msgspec.Struct, frozen=True):
    """Type names by trait, by event and property, by field of `products`; kinds of identifier beside those built in."""

    traits: Mapping[str, str] = {}
    events: Mapping[str, Mapping[str, str]] = {}
    products: Mapping[str, str] = msgspec.field(default_factory=lambda: dict(_PRODUCT))
    kinds: tuple[str, ...] = ()
    objects: Mapping[str, Kind] = {}

    def speaks(self, name: str, properties: Mapping[str, Any] | None) -> bool:
        """Whether an event may come without an identifier, because of the object of which it speaks."""
        return speaks(self.objects, name, properties)

    def of_event(self, name: str) -> Mapping[str, str]:
        """Types of the properties of an event: Segment's, and on top of them the tenant's."""
        return {**KNOWN_EVENTS.get(canonical_name(name), {}), **KNOWN_EVENTS.get(name, {}), **self.events.get(name, {})}


def declared(reader: Reader) -> Declared:
    """What the definitions in force declare."""
    traits: dict[str, str] = {}
    events: dict[str, Mapping[str, str]] = {}
    products = dict(_PRODUCT)
    kinds: tuple[str, ...] = ()
    for kind, name, _, body in reader.read("definitions_active"):
        doc = from_json(body)
        if kind == "trait":
            traits[name] = doc["type"]
        elif kind == "event":
            events[name] = doc.get("properties", {})
        elif kind == "catalog" and name == "products":
            products |= doc.get("fields", {})
        elif kind == "identity":
            kinds = tuple(name for name in doc.get("kinds", {}) if name not in DEFAULT_RULES.kinds)
    return Declared(traits, events, products, kinds, in_force(reader).objects)


def _json(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except (msgspec.MsgspecError, ValueError):
        return text


def typed(text: str, name: str, kind: str | None) -> Any:
    """The value of a CSV cell that is not empty. kind: the declared type of `name`, None if there is none."""
    base = (kind or "").replace(" ", "").removesuffix("|null").partition("(")[0]
    if base in ("string", "date", "timestamp") or (kind is None and name.rpartition(".")[2] in TEXTS):
        return text
    if base == "bool" or kind is None:
        found = _BOOL.get(text)
        if found is not None:
            return found
    if base == "bool":
        return {"1": True, "0": False, "yes": True, "no": False}.get(text, text)
    if base in ("list", "map") or (base in ("", "dyn") and text[0] in "[{"):
        return _json(text)
    if _NUMBER.fullmatch(text):
        return Decimal(text) if "." in text else int(text)
    return text
