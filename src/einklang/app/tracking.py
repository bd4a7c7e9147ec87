"""The tracking plan where events come in: schemas in force, and what becomes of the events that break theirs.

Judged is before anything is folded, by the definitions that come before an event in the order of the log. So the result
does not depend on how the log is cut, and what is in the log has been judged: a rebuild takes it as it stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from einklang.app.event_schemas import schema_of
from einklang.app.poison import dead_letter
from einklang.app.working import to_json
from einklang.event import Event, EventSchema, Violation
from einklang.event.schemas import DEAD_LETTER
from einklang.kernel.reasons import DeadLetter

if TYPE_CHECKING:
    from einklang.app.state import State


def judged(state: State, inputs: list[Event], version: str) -> list[Event]:
    """The inputs without those that break a schema which wants none of them; marked are those that break another."""
    schemas = state.definitions.schemas
    if not schemas and not any(event.type == "definition" for event in inputs):
        return inputs
    kept = []
    for event in inputs:
        if event.type == "definition":
            schemas = _changed(schemas, event.properties["changes"])
        schema = schemas.get(event.name) if event.origin == 0 else None
        found = schema.violations(event.properties) if schema is not None else []
        if schema is not None and found:
            if schema.on_violation == DEAD_LETTER:
                dead_letter(state, event, _told(schema, found), version, DeadLetter.SCHEMA_VIOLATION)
                continue
            _mark(state, event, found)
        kept.append(event)
    return kept


def _changed(schemas: Mapping[str, EventSchema], changes: Sequence[dict[str, Any]]) -> dict[str, EventSchema]:
    """The schemas after these definitions have changed."""
    found = dict(schemas)
    for change in changes:
        if change["kind"] == "event":
            found = {name: schema for name, schema in found.items() if schema.event != change["id"]}
            found |= schema_of(change["id"], change["body"], change["version"], f"event {change['id']}")
    return found


def _told(schema: EventSchema, found: Sequence[Violation]) -> str:
    return f"{schema.event} version {schema.version}: " + "; ".join(map(str, found))


def _mark(state: State, event: Event, found: Sequence[Violation]) -> None:
    """Say in the context what breaks the schema; a row that is stored already says so too."""
    event.context = {**event.context, "violations": [str(one) for one in found]}
    if state.out.encoded.pop(id(event), None) is not None:
        state.out.add("entry_mark", to_json(event.context), event.position)
