"""Station 2: a stored body -> events. Pure: the same body gives the same events, whenever it is read."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from einklang.event.event import Event
from einklang.event.people import clean, identifiers_of
from einklang.event.wire import (
    Call,
    EngineCall,
    encode,
    encode_canonical,
    expand_engine,
    expand_envelope,
    expand_item,
    id_text,
    moment,
)
from einklang.kernel.ids import content_hash, keyed_hash
from einklang.kernel.time import BEFORE_ALL, EARLIEST, LATEST, Micros, format_moment

#: Bodies that Einklang wrote itself: {"batch": [EngineCall, ...]}. `import`: events of a file; `row`, `definition`,
#: `tick`: items of that type; `engine`: tracks, such as the clicks that come back; `draft`: what is saved of a form.
DRAFT = "draft"
ENGINE_KINDS = frozenset({"import", "row", "definition", "tick", "engine", DRAFT})

#: Events that had been put aside, as they were: {"batch": [Event, ...]}; under the message id by which they are known,
#: and under a new one.
REPLAY, RENEW = "replay", "renew"
#: The type of an entry that says: look at this person again.
LOOK = "look"
#: The type of an entry that says what was done with the data of many: exported, sent to a destination (app.audits).
AUDIT = "audit"
#: The type of the entry by which events expire (app.expiry).
EXPIRY = "expiry"

_APP_LIBRARIES = ("ios", "android", "swift", "kotlin", "react-native", "flutter", "xamarin")
_CHANNELS = {"browser": "web", "web": "web", "mobile": "app", "server": ""}


def body_of(items: Iterable[EngineCall]) -> bytes:
    """The body of one of `ENGINE_KINDS` for these items."""
    return encode({"batch": list(items)})


def expand(
    kind: str, body: bytes, *, first_position: int, received_at: Micros, source: str, signed_in: bool = True
) -> list[Event]:
    """The events of a body that `judge` admitted or Einklang wrote. first_position: position of its first item.

    `at` of an outside call is its time corrected by `sentAt` as Segment does: received_at - (sentAt - timestamp);
    without sentAt the time as claimed, without either received_at. Nothing happens after its receipt: what claims so
    happened when it was received, and `context.claimedAt` keeps the claim. Times of imports and of the engine hold as
    written; a row without time holds from before all events. An event without messageId gets "h_" + a hash of source,
    body and n-th occurrence.
    signed_in: False gives the calls of devices as they would have come before somebody signed in there: analytics.js
    sends a call again with the user of then.
    Raises msgspec.MsgspecError or ValueError for a body that cannot be read (a dead letter).
    """
    if kind in (REPLAY, RENEW):
        return _again(body, first_position)
    seen: dict[bytes, int] = {}
    events: list[Event] = []
    if kind in ENGINE_KINDS:
        for offset, raw in enumerate(expand_envelope.decode(body).batch):
            call = expand_engine.decode(raw)
            events.append(_engine_event(call, kind, first_position + offset, received_at, source, seen))
    elif kind == "batch":
        envelope = expand_envelope.decode(body)
        for offset, raw in enumerate(envelope.batch):
            item = expand_item.decode(raw)
            item.sentAt = envelope.sentAt or item.sentAt
            if envelope.context:
                item.context = {**envelope.context, **(item.context or {})}
            item.channel = item.channel if item.channel is not None else envelope.channel
            if isinstance(envelope.integrations, dict):
                own = item.integrations if isinstance(item.integrations, dict) else {}
                item.integrations = {**envelope.integrations, **own}
            item.userId = item.userId if signed_in or not item.anonymousId else None
            events.append(_event(item, item.type or "", first_position + offset, received_at, source, seen))
    else:
        single = expand_item.decode(body)
        single.userId = single.userId if signed_in or not single.anonymousId else None
        events.append(_event(single, kind, first_position, received_at, source, seen))
    return events


class _Letters(msgspec.Struct):
    batch: list[Event]


_LETTERS = msgspec.json.Decoder(_Letters, float_hook=Decimal)


def _again(body: bytes, first_position: int) -> list[Event]:
    """Events as they were before they were put aside, at positions of their own."""
    fresh: dict[str, Any] = {"seq": 0, "clock": 0, "person": "", "folded": ""}
    return [
        msgspec.structs.replace(event, position=first_position + offset, **fresh)
        for offset, event in enumerate(_LETTERS.decode(body).batch)
    ]


def message_identity(event: Event, salt: bytes) -> tuple[bytes, bytes]:
    """(name of the message id, name of the body), 16 bytes each: equal ids with unequal bodies are an `id_conflict`.

    Keyed by the salt of the home, as they are kept for ever. Ids that Einklang gives itself have a space of their own,
    so that nobody outside can take one first. The body leaves out when the event was received and sent, so that a retry
    is a duplicate.
    """
    space = "own" if event.origin else "outside"
    return keyed_hash(salt, "message id", space, event.message_id), keyed_hash(salt, "body", event.body_hash.hex())


def _event(call: Call, kind: str, position: int, received_at: Micros, source: str, seen: dict[bytes, int]) -> Event:
    identifiers = identifiers_of(kind, call)
    claimed = call.originalTimestamp or call.timestamp or None
    name, properties, context, body_hash = _hashed(call, kind, identifiers, claimed)
    if call.messageId is None or call.messageId == "":
        # Only a claimed time tells a retry from a second event: without one, each arrival is an event.
        told = body_hash if claimed is not None else body_hash + position.to_bytes(8, "big")
        message_id = _hashed_id(source, told, seen)
    else:
        message_id = str(call.messageId)
    _keep_beside(context, call)
    at = _corrected(call, received_at)
    if at > received_at:
        context["claimedAt"], at = format_moment(at), received_at
    return Event(
        position,
        at,
        received_at,
        kind,
        name,
        message_id,
        identifiers,
        properties,
        context,
        source,
        touchpoint_of(kind, context),
        body_hash=body_hash,
    )


def _engine_event(
    call: EngineCall, kind: str, position: int, received_at: Micros, source: str, seen: dict[bytes, int]
) -> Event:
    type_ = call.type or ("track" if kind in ("import", "engine") else kind)
    claimed: int | str | None = call.at
    if claimed is None:
        claimed = call.timestamp if call.timestamp is not None else call.originalTimestamp
    if claimed is not None:
        at = claimed if isinstance(claimed, int) else moment(claimed)
    else:
        at = BEFORE_ALL if type_ == "row" else received_at
    identifiers = identifiers_of(type_, call)
    if call.identifiers:
        own = ((name_, clean(name_, value)) for name_, value in call.identifiers.items())
        identifiers = _ranked({**dict(identifiers), **{name_: value for name_, value in own if value}})
    name, properties, context, body_hash = _hashed(call, type_, identifiers, claimed)
    if call.messageId is None or call.messageId == "":
        message_id = _hashed_id(source, body_hash, seen, call.nth)
    else:
        message_id = str(call.messageId)
    return Event(
        position,
        at,
        received_at,
        type_,
        name,
        message_id,
        identifiers,
        properties,
        context,
        source,
        call.touchpoint or touchpoint_of(type_, context),
        origin=call.origin,
        machine=call.machine,
        body_hash=body_hash,
    )


_ORDER = ("userId", "email", "phone")


def _ranked(found: dict[str, str]) -> tuple[tuple[str, str], ...]:
    first = [(kind, found[kind]) for kind in _ORDER if kind in found]
    rest = [(kind, value) for kind, value in found.items() if kind not in _ORDER and kind != "anonymousId"]
    last = [("anonymousId", found["anonymousId"])] if "anonymousId" in found else []
    return tuple(first + rest + last)


def _content(call: Call, kind: str) -> tuple[str, dict[str, Any]]:
    """Name and properties of an event of this type."""
    if kind == "track":
        return call.event or "", call.properties or {}
    if kind in ("page", "screen"):
        properties = dict(call.properties or {})
        for field, value in (("name", call.name), ("category", call.category)):
            if value is not None:
                properties.setdefault(field, value)
        page = (call.context or {}).get("page")
        if kind == "page" and isinstance(page, dict):
            for field in ("path", "url", "title", "referrer", "search"):
                if field in page:
                    properties.setdefault(field, page[field])
        return ("Page Viewed" if kind == "page" else "Screen Viewed"), properties
    if kind == "group":
        return "", {**(call.traits or {}), "group_id": id_text(call.groupId)}
    if kind == "identify":
        beside = (call.context or {}).get("traits")  # where RudderStack has them
        return "", {**beside, **(call.traits or {})} if isinstance(beside, dict) else call.traits or {}
    if kind == "alias":
        return "", call.traits or {}
    return call.event or call.name or "", call.properties or {}


def _keep_beside(context: dict[str, Any], call: Call) -> None:
    """What stands beside the context in a call and is about its way, not about what happened."""
    if isinstance(call.channel, str) and call.channel:
        context.setdefault("channel", call.channel)
    if isinstance(call.integrations, dict) and call.integrations:
        context.setdefault("integrations", call.integrations)


def _corrected(call: Call, received_at: Micros) -> Micros:
    """Segment's rule; a correction that leaves [1970, 2200) is not believed."""
    claimed = call.originalTimestamp or call.timestamp
    if not claimed:
        return received_at
    at = moment(claimed)
    if call.sentAt:
        corrected = received_at - (moment(call.sentAt) - at)
        at = corrected if EARLIEST <= corrected < LATEST else at
    return at


def _hashed(
    call: Call, kind: str, identifiers: tuple[tuple[str, str], ...], claimed: int | str | None
) -> tuple[str, dict[str, Any], dict[str, Any], bytes]:
    """(name, properties, context, hash of all that the sender claimed)."""
    name, properties = _content(call, kind)
    # the address of a network is kept of nobody: no rule needs it, and without consent it may not be stored
    context = {name: value for name, value in (call.context or {}).items() if name != "ip"}
    body = encode_canonical((kind, name, identifiers, properties, context, claimed))
    return name, properties, context, content_hash(body)


def _hashed_id(source: str, told: bytes, seen: dict[bytes, int], nth: int | None = None) -> str:
    if nth is None:
        nth = seen.get(told, 0)
        seen[told] = nth + 1
    return "h_" + content_hash(source.encode() + b"\x1f" + told + nth.to_bytes(8, "big")).hex()


def touchpoint_of(kind: str, context: dict[str, Any]) -> str:
    """Where it happened: `context.touchpoint`, else Segment's `context.channel`, else by library and page, else ""."""
    said = context.get("touchpoint")
    if isinstance(said, str):
        return said
    channel = context.get("channel")
    if isinstance(channel, str) and channel in _CHANNELS:
        return _CHANNELS[channel]
    if kind == "screen":
        return "app"
    library = context.get("library")
    name = library.get("name") if isinstance(library, dict) else ""
    if isinstance(name, str) and any(part in name for part in _APP_LIBRARIES):
        return "app"
    if kind == "page" or "page" in context or name == "analytics.js":
        return "web"
    return ""
