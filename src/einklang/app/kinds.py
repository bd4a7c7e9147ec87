"""Definitions that declare names and types only.

trait, event, campaign, catalog, team, channel, touchpoint, brand, form.
"""

from __future__ import annotations

import difflib
from decimal import Decimal
from typing import Any, Literal

import msgspec

from einklang.app import products
from einklang.expr import Catalog, EventShape, Type, type_of
from einklang.fact.strict import convert
from einklang.kernel.errors import InputError
from einklang.profile import Rule, check_strategy

#: Kinds that come with a later version; a clear refusal is better than a silent promise.
LATER = frozenset({"table", "voucher", "offer", "process", "page", "form"})


class RawTrait(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The type of a trait; an expression that computes it; how several claims for it become one value.

    sources: the order of trust among the sources of events, "*" for all others. privacy: the class of what it holds,
    for exports; where nothing is said, by its name.
    """

    kind: str
    id: str
    type: str
    value: str | None = None
    merge: str = "last"
    sources: list[str] = []
    privacy: Literal["", "content", "identifier"] = ""
    title: Any = None
    note: str | None = None


#: Fields of supported kinds that come with a later version.
LATER_FIELDS: dict[str, tuple[str, ...]] = {
    "campaign": ("starts", "ends", "goal", "budget"),
    "policy": ("capacity", "journeys"),
}


class RawEvent(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The types of an event's properties; another name for the same event; what its properties must be like.

    schema: JSON Schema of the properties; on_violation: `mark` or `dead_letter`. keep: how long the event is kept.
    """

    kind: str
    id: str
    properties: dict[str, str] = {}
    each: dict[str, dict[str, str]] = {}
    alias: str | list[str] = []
    schema: dict[str, Any] | None = None
    on_violation: str = "mark"
    keep: str | None = None
    title: Any = None
    note: str | None = None


class RawCampaign(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Journeys measured together, with one control group."""

    kind: str
    id: str
    control: Decimal = Decimal(0)
    title: Any = None
    note: str | None = None


class RawCatalog(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A look-up table; `rows` in the definition or by import."""

    kind: str
    id: str
    key: str
    fields: dict[str, str] = {}
    rows: list[dict[str, Any]] = []
    title: Any = None
    note: str | None = None


class RawName(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A name that others refer to: team, channel, touchpoint, brand."""

    kind: str
    id: str
    title: Any = None
    note: str | None = None
    type: str | None = None
    name: str | None = None
    url: str | None = None
    sender: str | None = None
    reply_to: str | None = None
    color: str | None = None
    font: str | None = None
    imprint: str | None = None
    language: str | None = None


_PRODUCT = {
    "product_id": "string",
    "name": "string",
    "category": "string",
    "brand": "string",
    "price": "money",
    "margin": "money",
    "in_stock": "bool",
    **products.TYPES,
}


def _type(text: str, where: str) -> Type:
    try:
        return type_of(text)
    except InputError as error:
        raise InputError(error.code, error.what, where=where, mend=error.mend) from error


def refuse_later(kind: str, doc: dict[str, Any], where: str) -> None:
    """Raises InputError `not_supported_yet` for a field of a kind that comes later."""
    for field in LATER_FIELDS.get(kind, ()):
        if doc.get(field):
            raise InputError(
                "not_supported_yet",
                f"`{field}` of a {kind} is not supported yet",
                where=f"{where}.{field}",
                mend="leave it out",
            )


def _trait(doc: dict[str, Any], where: str) -> RawTrait:
    raw = convert(doc, RawTrait, where)
    check_strategy(raw.merge, f"{where}.merge")
    if raw.value is not None and (raw.merge != "last" or raw.sources):
        what = "a computed trait has one value, nobody claims another"
        raise InputError("value_and_merge", what, where=f"{where}.merge", mend="leave out `merge` and `sources`")
    return raw


def rules_of(docs: dict[tuple[str, str], tuple[dict[str, Any], str]]) -> dict[str, Rule]:
    """How conflicts about traits are settled, where it is not by the latest value. Raises InputError."""
    raws = {name: _trait(doc, where) for (kind, name), (doc, where) in docs.items() if kind == "trait"}
    rules = {name: Rule(raw.merge, tuple(raw.sources)) for name, raw in sorted(raws.items())}
    return {name: rule for name, rule in rules.items() if not rule.plain()}


def _check_rows(table: RawCatalog, where: str) -> None:
    if table.fields and table.key not in table.fields:
        near = difflib.get_close_matches(table.key, table.fields, 1)
        mend = f"did you mean {near[0]!r}?" if near else "declare it in `fields`"
        raise InputError("unknown_key", f"the key {table.key[:40]!r} is no field", where=f"{where}.key", mend=mend)
    seen: set[str] = set()
    for n, row in enumerate(table.rows):
        place = f"{where}.rows[{n}]"
        for name in row:
            if table.fields and name not in table.fields:
                near = difflib.get_close_matches(name, table.fields, 1)
                mend = f"did you mean {near[0]!r}?" if near else "declare it in `fields`"
                raise InputError("unknown_field", f"unknown field {name[:40]!r}", where=f"{place}.{name}", mend=mend)
        key = row.get(table.key)
        if not isinstance(key, str | int | Decimal) or isinstance(key, bool) or key == "":
            raise InputError("no_key", f"the row has no {table.key}", where=place, mend="fill the key of each row")
        if str(key) in seen:
            raise InputError(
                "repeated_key", f"{table.key} {str(key)[:40]!r} stands twice", where=place, mend="keep one"
            )
        seen.add(str(key))


def declared(
    docs: dict[tuple[str, str], tuple[dict[str, Any], str]], *, purposes: frozenset[str], currency: str
) -> Catalog:
    """What the definitions declare, for the checker of expressions. Raises InputError with the field."""
    traits: dict[str, Type] = {}
    computed: dict[str, str] = {}
    events: dict[str, EventShape] = {}
    catalogs = {"products": {name: type_of(kind) for name, kind in _PRODUCT.items()}}
    for (kind, name), (doc, where) in docs.items():
        refuse_later(kind, doc, where)
        if kind == "trait":
            trait = _trait(doc, where)
            traits[name] = _type(trait.type, f"{where}.type")
            if trait.value is not None:
                computed[name] = trait.value
        elif kind == "event":
            raw = convert(doc, RawEvent, where)
            shape = EventShape(
                properties={key: _type(text, f"{where}.properties.{key}") for key, text in raw.properties.items()},
                each={
                    item: {key: _type(text, f"{where}.each.{item}.{key}") for key, text in fields.items()}
                    for item, fields in raw.each.items()
                },
            )
            events[name] = shape
            for other in [raw.alias] if isinstance(raw.alias, str) else raw.alias:
                events[other] = EventShape(properties=shape.properties, each=shape.each, alias=name)
        elif kind == "catalog":
            table = convert(doc, RawCatalog, where)
            _check_rows(table, where)
            catalogs[name] = {key: _type(text, f"{where}.fields.{key}") for key, text in table.fields.items()}
    return Catalog(
        traits=traits,
        computed=computed,
        events=events,
        segments=frozenset(name for kind, name in docs if kind == "segment"),
        journeys=frozenset(name for kind, name in docs if kind == "journey"),
        catalogs=catalogs,
        purposes=purposes,
        currency=currency,
    )
