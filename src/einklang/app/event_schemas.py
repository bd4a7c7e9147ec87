"""The schemas of events in force, from the definitions (`kind: event`, `schema`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from einklang.app import kinds
from einklang.event import EventSchema
from einklang.fact.strict import convert

Docs = Mapping[tuple[str, str], tuple[dict[str, Any], str]]
Versions = Mapping[tuple[str, str], int]


def schemas_of(docs: Docs, versions: Versions) -> dict[str, EventSchema]:
    """The schemas in force by the name of the event, its other names too. Raises InputError with the field."""
    found: dict[str, EventSchema] = {}
    for (kind, name), (doc, where) in sorted(docs.items(), key=lambda pair: pair[0]):
        if kind == "event":
            found |= schema_of(name, doc, versions.get((kind, name), 1), where)
    return found


def schema_of(name: str, doc: dict[str, Any], version: int, where: str) -> dict[str, EventSchema]:
    """The schema of one definition by the names of its event; none if it has none. Raises InputError."""
    raw = convert(doc, kinds.RawEvent, where)
    schema = EventSchema(name, version, raw.schema or True, raw.on_violation, where)
    aliases = [raw.alias] if isinstance(raw.alias, str) else raw.alias
    return {} if raw.schema is None else dict.fromkeys((name, *aliases), schema)
