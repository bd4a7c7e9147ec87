"""What a webhook is told of one change: the thin payload of Standard Webhooks, and as much more as was asked for.

    {"type": "segment.entered", "timestamp": "2027-03-01T09:00:00Z",
     "data": {"segment": "vip", "seq": 4711, "person": {"id": "p_...", "identifiers": {...}, "traits": {...}}}}

Identifiers and traits are those of the moment at which the change was taken from the log, and only of a person who
permits the purpose; of the others, and of who is gone, the id alone is told: that somebody left must arrive.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from einklang.app.activation_definitions import RawWebhook
from einklang.app.destinations import Destination
from einklang.app.ports import Reader, Row
from einklang.app.working import from_json, to_json
from einklang.consent import GIVEN, WITHDRAWN, Purpose, split_key, status_of
from einklang.fact.person import Person
from einklang.kernel import time
from einklang.kernel.ids import lane_of

_PERSON = msgspec.json.Decoder(Person, float_hook=Decimal)


def body_of(reader: Reader, destination: Destination, purpose: Purpose, row: Row) -> bytes:
    """The bytes of one change, a row of `changes_after`."""
    seq, at, _, name, who, properties = row
    told = from_json(properties)
    data: dict[str, Any] = {"segment": told.pop("segment"), "seq": seq, "person": {"id": who}, **told}
    person = person_of(reader, who)
    if person is not None:
        data["person"] = {"id": person.id}
        if permitted(person, purpose):
            data["person"] |= _known(person, destination.raw)
    kind = "segment.entered" if name == "Segment Entered" else "segment.left"
    return to_json({"type": kind, "timestamp": time.format_moment(at), "data": data}).encode()


def person_of(reader: Reader, who: str) -> Person | None:
    """The living person of an id, None if it is gone."""
    alias = reader.read("alias_get", who)
    living = str(alias[0][0]) if alias else who
    rows = reader.read("person_get", lane_of(living), living)
    return _PERSON.decode(rows[0][0]) if rows else None


def permitted(person: Person, purpose: Purpose) -> bool:
    """Whether the purpose is permitted on some channel; where its basis is not consent, whether nobody objected."""
    said = [split_key(key) for key in person.permissions]
    words = [
        status_of(person.permissions, channel, purpose.id, address, consent=purpose.basis == "consent")
        for channel, of, address, _ in said
        if of in (purpose.id, "")
    ]
    status = [word.status for word in words if word is not None]
    return GIVEN in status if purpose.basis == "consent" else WITHDRAWN not in status


def _known(person: Person, raw: Any) -> dict[str, Any]:
    """What the definition asks for and the person has."""
    assert isinstance(raw, RawWebhook), "only webhooks have a body"
    found: dict[str, Any] = {}
    if raw.identifiers:
        has = [(kind, value) for kind, value, _ in person.identifiers if kind in raw.identifiers]
        found["identifiers"] = {kind: [v for k, v in has if k == kind] for kind in dict.fromkeys(k for k, _ in has)}
    if raw.traits:
        found["traits"] = {
            name: person.traits[name].value
            for name in raw.traits
            if name in person.traits and person.traits[name].value is not None
        }
    return found
