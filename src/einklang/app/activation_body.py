"""What a webhook is told of one change: the thin payload of Standard Webhooks, and as much more as was asked for.

    {"type": "segment.entered", "timestamp": "2027-03-01T09:00:00Z",
     "data": {"segment": "vip", "seq": 4711, "person": {"id": "p_...", "identifiers": {...}, "traits": {...}}}}

Identifiers and traits are filled in at each attempt, as they are known then, and only of a person who permits the
purpose then; of the others, and of who is gone, the id alone is told: that somebody left must arrive. So what waits, or
is dead, holds nothing that somebody could withdraw.
"""

from __future__ import annotations

from typing import Any

from einklang.app.activation_definitions import RawWebhook
from einklang.app.destinations import Destination
from einklang.app.exports import identifiers_of, why_not
from einklang.app.ports import Reader, Row
from einklang.app.state import State
from einklang.app.working import Live, from_json, person_from, to_json
from einklang.kernel import time
from einklang.kernel.ids import lane_of


def body_of(row: Row) -> bytes:
    """The bytes of one change that wait, a row of `changes_after`: of the person the id alone."""
    seq, at, _, name, who, properties = row
    told = from_json(properties)
    data: dict[str, Any] = {"segment": told.pop("segment"), "seq": seq, "person": {"id": who}, **told}
    kind = "segment.entered" if name == "Segment Entered" else "segment.left"
    return to_json({"type": kind, "timestamp": time.format_moment(at), "data": data}).encode()


def filled(state: State, destination: Destination, body: bytes) -> bytes:
    """The bytes that are posted: with what the snapshot of `state` knows of the person and may tell."""
    told = from_json(body.decode())
    live = live_of(state.reader, told["data"]["person"]["id"])
    if live is not None:
        told["data"]["person"] = {"id": live.person.id}
        if not why_not(state, live, destination.purpose):
            told["data"]["person"] |= _known(state, live, destination)
    return to_json(told).encode()


def live_of(reader: Reader, who: str) -> Live | None:
    """The living person of an id, without history and runs; None if it is gone."""
    alias = reader.read("alias_get", who)
    living = str(alias[0][0]) if alias else who
    rows = reader.read("person_get", lane_of(living), living)
    return Live(person_from(rows[0][0]), [], []) if rows else None


def _known(state: State, live: Live, destination: Destination) -> dict[str, Any]:
    """What the definition asks for and the person has and permits to tell."""
    person, raw = live.person, destination.raw
    assert isinstance(raw, RawWebhook), "only webhooks have a body"
    found: dict[str, Any] = {}
    if raw.identifiers:
        told = {kind: identifiers_of(state, live, kind, destination.purpose) for kind in raw.identifiers}
        found["identifiers"] = {kind: values for kind, values in told.items() if values}
    if raw.traits:
        found["traits"] = {
            name: person.traits[name].value
            for name in raw.traits
            if name in person.traits and person.traits[name].value is not None
        }
    return found
