"""Station 2: bodies -> events, each once.

Duplicates are dropped by message id for ever; what cannot be read is put aside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from einklang.app.output import Output
from einklang.app.ports import Reader, Row
from einklang.app.working import from_json, to_json
from einklang.event import KINDS, REPLAY, Event, expand, message_identity
from einklang.kernel.ids import keyed_hash
from einklang.kernel.reasons import DeadLetter


@dataclass(slots=True)
class Taken:
    """What a batch of bodies came to."""

    events: list[Event] = field(default_factory=list)
    duplicates: int = 0
    dead: int = 0


def take(rows: Sequence[Row], reader: Reader, out: Output, *, clock: int, version: str) -> Taken:
    """Expand tail rows and drop what was there before.

    Fills `out` with the rows of message ids, dead letters and the tail.
    """
    taken, seen = Taken(), dict[bytes, bytes]()
    salt = bytes.fromhex(reader.read("meta_value", "salt")[0][0])
    for row in rows:
        first_position, items, received_at, source, kind, body = row
        out.add("tail_delete", first_position)
        try:
            events = expand(kind, body, first_position=first_position, received_at=received_at, source=source)
        except (msgspec.MsgspecError, ValueError) as error:
            taken.dead += items
            out.add(
                "dead_put",
                first_position,
                clock,
                received_at,
                source,
                DeadLetter.UNDECODABLE,
                str(error),
                body,
                version,
                kind,
                items,
            )
            continue
        assert len(events) == items, f"a body of {items} items gave {len(events)} events"
        named = [message_identity(event, salt) for event in events]
        # one run over the index for a body; only where it finds something each is looked up
        some = bool(reader.read_many("message_id_get", [(key,) for key, _ in named]))
        unsigned: list[bytes] = []
        for event, (key, told) in zip(events, named, strict=True):
            known = seen.get(key)
            if known is None and some:
                stored = reader.read("message_id_get", key)
                known = stored[0][0] if stored else None
            if known is None:
                seen[key] = told
                out.add("message_id_put", key, told, event.position)
            if known is None or kind == REPLAY:
                taken.events.append(event)
            elif known == told or (kind in KINDS and known == _before_sign_in(row, event.position, unsigned, salt)):
                taken.duplicates += 1
            elif (again := keyed_hash(salt, "put aside", key.hex(), told.hex())) in seen or (
                reader.read("message_id_get", again)
            ):
                taken.duplicates += 1  # the same conflict once more, as when a file is imported again
            else:
                seen[again] = told
                out.add("message_id_put", again, told, event.position)
                taken.dead += 1
                original = to_json(event).encode()
                detail = f"message id {event.message_id[:80]} came before with another body"
                out.add(
                    "dead_put",
                    event.position,
                    clock,
                    received_at,
                    source,
                    DeadLetter.ID_CONFLICT,
                    detail,
                    original,
                    version,
                    REPLAY,
                    1,
                )
    return taken


def _before_sign_in(row: Row, position: int, told: list[bytes], salt: bytes) -> bytes:
    """What would have been told of the body of this event before somebody signed in on its device.

    told: filled at the first question about a body.
    """
    first_position: int
    first_position, _, received_at, source, kind, body = row
    if not told:
        events = expand(
            kind, body, first_position=first_position, received_at=received_at, source=source, signed_in=False
        )
        told += [message_identity(event, salt)[1] for event in events]
    return told[position - first_position]


def from_row(row: Row) -> Event:
    """A pending log row as an event, not yet sequenced."""
    (
        position,
        at,
        received_at,
        origin,
        type_,
        name,
        message_id,
        source,
        touchpoint,
        machine,
        identifiers,
        properties,
        context,
    ) = row
    pairs: list[list[Any]] = from_json(identifiers)
    return Event(
        position=position,
        at=at,
        received_at=received_at,
        type=type_,
        name=name,
        message_id=message_id,
        identifiers=tuple((kind, value) for kind, value in pairs),
        properties=from_json(properties),
        context=from_json(context),
        source=source,
        touchpoint=touchpoint,
        origin=origin,
        machine=bool(machine),
    )
