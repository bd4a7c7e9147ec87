"""Computed traits (`kind: trait` with `value`) as people and templates see them: worked out when asked."""

from __future__ import annotations

from typing import Any

from einklang.app.find import person_id
from einklang.app.ports import Reader
from einklang.app.state import State
from einklang.app.working import Live
from einklang.expr import as_json


def values(state: State, live: Live) -> dict[str, Any]:
    """Name -> value at the state's clock, of those that have one; moments and days as text."""
    found = {}
    for name, rule in state.definitions.computed.items():
        value = as_json(rule.value(state.view(live)), rule.checked.type)
        if value is not None:
            found[name] = value
    return found


def of_person(reader: Reader, state: State, text: str, now: int) -> dict[str, Any]:
    """The same of a person by id or kind:value. state: for reading only. Raises NotFound."""
    if not state.definitions.computed:
        return {}
    state.read_from(reader)
    state.clock = now
    live = state.working.get(person_id(reader, text))
    return values(state, live) if live is not None else {}
