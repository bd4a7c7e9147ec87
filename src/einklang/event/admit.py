"""The door of the log: a body is judged item by item, each by the literal list of named steps in `ADMISSION`.

The common case costs one typed decode an item; the steps over raw bytes run only if a look at the whole body finds
cause. Measured on one core: about 350k events/s in batches of 100.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from einklang.event.names import RESERVED, canonical_channel, canonical_name
from einklang.event.people import clean, external_ids, identifiers_of
from einklang.event.wire import Call, Envelope, Id, encode, id_text, judge_envelope, judge_item, moment
from einklang.kernel.errors import InputError
from einklang.kernel.limits import (
    BATCH_BYTES_MAX,
    BATCH_ITEMS_MAX,
    EVENT_BYTES_MAX,
    IDENTIFIER_CHARS_MAX,
    JSON_DEPTH_MAX,
    NAME_CHARS_MAX,
)
from einklang.kernel.reasons import Rejected
from einklang.kernel.time import EARLIEST, LATEST, Micros

TYPES = frozenset({"identify", "track", "page", "screen", "alias", "group"})
#: What `judge` takes: the calls of the tracking API.
KINDS = TYPES | {"batch"}

#: What a batch may come to once the context that it says for all is with each item, times its own limit.
GROWTH_MAX = 16

_IDS = ("userId", "anonymousId", "previousId", "groupId")
_TIMES = ("timestamp", "originalTimestamp", "sentAt")
#: Events that take consent back.
WITHDRAWALS = frozenset({"Consent Withdrawn", "Message Unsubscribed"})


class Finding(NamedTuple):
    """Why an item is not admitted: a code of `Rejected`, what was found, the field, and the mend."""

    code: Rejected
    what: str
    field: str
    mend: str


class Rejection(msgspec.Struct, frozen=True):
    """The finding as it is answered: index in the batch (0 for a single call), messageId or "", code, one line."""

    index: int
    message_id: str
    code: str
    message: str


class Withdrawal(NamedTuple):
    """A withdrawal of consent in the body, so that it can suppress in the transaction that appends it.

    channel: "" = all. address: normal form, None = every address of the person. purpose: "" = all.
    at: microseconds, as claimed, but never later than received.
    """

    channel: str
    address: str | None
    purpose: str
    identifiers: tuple[tuple[str, str], ...]
    at: Micros


class Limits(NamedTuple):
    """What a sender may send at once, in bytes."""

    event_bytes: int = EVENT_BYTES_MAX
    batch_bytes: int = BATCH_BYTES_MAX
    #: name, properties -> whether such an event may come without an identifier, because of the object it speaks of
    ownerless: Callable[[str, dict[str, Any] | None], bool] | None = None


#: The limits of a home that sets none.
LIMITS = Limits()


class Judged(NamedTuple):
    """items: admitted, 0 = nothing to append. body: what to append, the body itself if everything was admitted."""

    items: int
    rejected: list[Rejection]
    body: bytes
    withdrawals: list[Withdrawal]


# --- the steps: each says what is wrong, or None ---


def _type(call: Call, kind: str, raw: bytes, limits: Limits) -> Finding | None:
    if kind in TYPES:
        return None
    code = Rejected.WRONG_TYPE if kind == "" else Rejected.UNKNOWN_TYPE
    return Finding(code, f"no such type of call: {kind[:40]!r}", "type", "use one of " + ", ".join(sorted(TYPES)))


def _name(call: Call, kind: str, raw: bytes, limits: Limits) -> Finding | None:
    name = call.event if kind == "track" else call.name if kind in ("page", "screen") else None
    if kind == "track" and not (name and name.strip()):
        return Finding(Rejected.NO_NAME, "a track call without the name of its event", "event", "name the event")
    if name and len(name) > NAME_CHARS_MAX:
        return Finding(Rejected.NAME_TOO_LONG, f"{len(name)} characters", "event", f"use at most {NAME_CHARS_MAX}")
    if kind == "track" and name in RESERVED:
        return Finding(Rejected.RESERVED_NAME, f"only Einklang itself records {name!r}", "event", "choose another name")
    return None


def _plain(value: Id) -> bool:
    return value is None or (type(value) is str and len(value) <= IDENTIFIER_CHARS_MAX and value.strip() != "")


def _identifiers(call: Call, kind: str, raw: bytes, limits: Limits) -> Finding | None:
    user, device, message = call.userId, call.anonymousId, call.messageId
    short = message is None or type(message) is int or len(str(message)) <= IDENTIFIER_CHARS_MAX
    named = user is not None or device is not None
    if short and named and kind not in ("alias", "group") and _plain(user) and _plain(device):
        return None  # as nearly always
    named = False
    for field in _IDS:
        text = id_text(getattr(call, field))
        if len(text) > IDENTIFIER_CHARS_MAX:
            what = f"{len(text)} characters"
            return Finding(Rejected.BAD_IDENTIFIER, what, field, f"use at most {IDENTIFIER_CHARS_MAX}")
        named = named or (text != "" and field in ("userId", "anonymousId"))
    if len(str(message)) > IDENTIFIER_CHARS_MAX:
        return Finding(
            Rejected.BAD_IDENTIFIER, "too long", "messageId", f"use at most {IDENTIFIER_CHARS_MAX} characters"
        )
    if not named and not external_ids(call.context or {}) and not _of_an_object(call, kind, limits):
        return Finding(Rejected.NO_IDENTIFIER, "nobody is named", "userId", "send userId or anonymousId")
    if kind == "alias" and id_text(call.previousId) == "":
        return Finding(Rejected.NO_IDENTIFIER, "an alias of nothing", "previousId", "send the identifier it replaces")
    if kind == "group" and id_text(call.groupId) == "":
        return Finding(Rejected.NO_IDENTIFIER, "a group call without its group", "groupId", "send groupId")
    return None


def _of_an_object(call: Call, kind: str, limits: Limits) -> bool:
    if limits.ownerless is None or kind != "track" or canonical_name(call.event or "") in WITHDRAWALS:
        return False
    return limits.ownerless(call.event or "", call.properties)


def bad_time(text: str | None) -> bool:
    """Whether this is no ISO 8601 time, or one outside [1970, 2200). Absent or empty is fine."""
    if not text:
        return False
    with suppress(ValueError):  # as nearly always
        if 1970 < datetime.fromisoformat(text).year < 2199:
            return False
    try:
        return not EARLIEST <= moment(text) < LATEST
    except (ValueError, OverflowError):
        return True


def _times(call: Call, kind: str, raw: bytes, limits: Limits) -> Finding | None:
    if call.originalTimestamp is None and call.sentAt is None and not bad_time(call.timestamp):
        return None
    for field in _TIMES:
        text: str | None = getattr(call, field)
        if bad_time(text):
            what = f"not a time in 1970 to 2199: {str(text)[:40]!r}"
            return Finding(Rejected.BAD_TIME, what, field, "write it as 2027-03-01T09:00:00.000Z")
    return None


def _size(call: Call, kind: str, raw: bytes, limits: Limits) -> Finding | None:
    if len(raw) <= limits.event_bytes:
        return None
    return Finding(Rejected.TOO_LARGE, f"{len(raw)} bytes", "", f"send at most {limits.event_bytes} bytes an event")


_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def _nul(call: Call, kind: str, raw: bytes, limits: Limits) -> Finding | None:
    found = _NUL.search(raw)
    if found is None:
        return None
    return Finding(Rejected.NUL_BYTE, f"a NUL character at byte {found.end() - 6}", "", "leave it out")


def depth_of(value: Any) -> int:
    """Levels of nesting: 0 for a scalar, 1 for a flat list or object."""
    deepest, todo = 0, [(value, 1)]
    while todo:
        item, level = todo.pop()
        if isinstance(item, dict | list):
            deepest = max(deepest, level)
            todo.extend((inner, level + 1) for inner in (item.values() if isinstance(item, dict) else item))
    return deepest


def _depth(call: Call, kind: str, raw: bytes, limits: Limits) -> Finding | None:
    levels = 1 + max(depth_of(part) for part in (call.properties, call.traits, call.context, call.integrations))
    if levels <= JSON_DEPTH_MAX:
        return None
    return Finding(Rejected.TOO_DEEP, f"{levels} levels of nesting", "", f"use at most {JSON_DEPTH_MAX}")


Step = Callable[[Call, str, bytes, Limits], Finding | None]

#: The steps in their order, after the decoding of the item. A step over bytes runs only where the body gives cause.
ADMISSION: tuple[tuple[str, Step], ...] = (
    ("size", _size),
    ("nul", _nul),
    ("depth", _depth),
    ("type", _type),
    ("name", _name),
    ("identifiers", _identifiers),
    ("times", _times),
)
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"{}[]")


def _shallow(body: bytes) -> bool:
    """True only if nothing is nested deeper than the limit; brackets inside of texts may make it False."""
    brackets = body.translate(None, _NOT_BRACKETS)
    for _ in range(JSON_DEPTH_MAX):
        if not brackets:
            return True
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
    return not brackets


def _steps(body: bytes, limits: Limits) -> list[Step]:
    """The steps that can find anything in this body: one look at the whole spares three at each item."""
    cause = {
        "size": len(body) > limits.event_bytes,
        "nul": b"\\" in body and b"\\u0000" in body,
        "depth": not _shallow(body),
    }
    return [step for name, step in ADMISSION if cause.get(name, True)]


# --- decoding ---

_EXPECTED = re.compile(r"Expected `([^`]*)`")
_PATH = re.compile(r"`\$\.?([^`]*)`")


def _undecodable(error: Exception) -> Finding:
    """The finding for what msgspec says of an item."""
    text = str(error)
    if isinstance(error, RecursionError):
        return Finding(Rejected.TOO_DEEP, "nested too deeply", "", f"use at most {JSON_DEPTH_MAX} levels")
    if "out of range" in text:
        return Finding(Rejected.BAD_NUMBER, "a number that is too large", _field(text), "send it as text")
    if isinstance(error, msgspec.ValidationError):
        field = _field(text)
        what = text.split(" - at ")[0].replace("`", "")
        if field == "":
            return Finding(Rejected.NOT_AN_OBJECT, what, "", "send one JSON object a call")
        if field in _IDS or field == "messageId":
            return Finding(Rejected.BAD_IDENTIFIER, what, field, "send text or a number")
        if field in _TIMES:
            return Finding(Rejected.BAD_TIME, what, field, "write it as 2027-03-01T09:00:00.000Z")
        wanted = _EXPECTED.search(text)
        return Finding(Rejected.WRONG_TYPE, what, field, f"send {wanted[1] if wanted else 'another type'}")
    return Finding(Rejected.NOT_JSON, text.replace("JSON is malformed: ", ""), "", "send JSON in UTF-8")


def _field(text: str) -> str:
    found = _PATH.search(text)
    return found[1] if found else ""


_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)", re.DOTALL
)


def _whole_characters(body: bytes) -> bytes:
    """Escapes of half a character (a text was cut within an emoji) become U+FFFD; they would spoil the whole body."""
    if b"\\ud" not in body and b"\\uD" not in body:
        return body

    def mended(found: re.Match[bytes]) -> bytes:
        text = found[0]
        return rb"\ufffd" if len(text) == 6 and text[2:3] in b"dD" and text[3:4] in b"89abcdefABCDEF" else text

    return _ESCAPE.sub(mended, body)


_CONSTANT = re.compile(rb'"(?:[^"\\]|\\.)*"|-?Infinity|NaN', re.DOTALL)


def _finite(body: bytes) -> bytes:
    """NaN and Infinity, which some clients write, as a number out of range: that item is refused, not the body."""
    if b"NaN" not in body and b"Infinity" not in body:
        return body
    return _CONSTANT.sub(lambda found: found[0] if found[0].startswith(b'"') else b"1e999", body)


def _decode(raw: bytes) -> Call | Finding:
    try:
        return judge_item.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return _undecodable(error)


def _message_id_of(raw: bytes) -> str:
    """The messageId of an item that was refused, as far as it can be read."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ""
    found = value.get("messageId") if isinstance(value, dict) else None
    return str(found)[:IDENTIFIER_CHARS_MAX] if isinstance(found, str | int) else ""


# --- withdrawals ---


def _withdrawal(call: Call, kind: str, received_at: Micros) -> Withdrawal | None:
    name = call.event or ""
    if kind != "track" or canonical_name(name) not in WITHDRAWALS:
        return None
    said = call.properties or {}
    channel = said.get("channel") or canonical_channel(name)
    channel = channel if isinstance(channel, str) else ""
    address = said.get("address")
    if address is None and channel in ("email", ""):
        address = said.get("email")
    if channel in ("email", "phone", "sms"):
        address = clean("email" if channel == "email" else "phone", address)
    purpose = said.get("purpose")
    at = received_at
    for text in (call.originalTimestamp, call.timestamp):
        at = moment(text) if text is not None else at
    return Withdrawal(
        channel,
        id_text(address) or None if isinstance(address, str | int) else None,
        purpose if isinstance(purpose, str) else "",
        identifiers_of(kind, call),
        min(at, received_at),
    )


# --- judging ---


def _judge_item(raw: bytes, kind: str, steps: Sequence[Step], limits: Limits) -> Call | Finding:
    call = _decode(raw)
    if isinstance(call, Finding):
        return call
    kind = kind or call.type or ""
    for step in steps:
        finding = step(call, kind, raw, limits)
        if finding is not None:
            return finding
    return call


def judge(kind: str, body: bytes, *, received_at: Micros, limits: Limits = LIMITS) -> Judged:
    """Judge a body of the tracking API (already unpacked). kind: one of `KINDS`; received_at: microseconds.

    Raises InputError with a code of `Rejected` for a bad single call and for what is no batch at all; bad items of a
    batch are answered in `rejected` and do no harm to their neighbours.
    """
    assert kind in KINDS, kind
    if len(body) > limits.batch_bytes:
        what = f"{len(body)} bytes"
        mend = f"send at most {limits.batch_bytes} bytes a request"
        raise InputError(Rejected.TOO_LARGE, what, where=kind, mend=mend)
    judge_body = _judge_batch if kind == "batch" else _judge_call
    try:
        return judge_body(kind, body, received_at, limits)
    except InputError as error:
        told = body.removeprefix(codecs.BOM_UTF8)
        mended = _finite(_whole_characters(told)) if error.code == Rejected.NOT_JSON else body
        if mended == body:
            raise
    return judge_body(kind, mended, received_at, limits)


def _judge_call(kind: str, body: bytes, received_at: Micros, limits: Limits) -> Judged:
    call = _judge_item(body, kind, _steps(body, limits), limits)
    if isinstance(call, Finding):
        where = f"{kind}.{call.field}" if call.field else kind
        raise InputError(call.code, call.what, where=where, mend=call.mend)
    found = _withdrawal(call, kind, received_at)
    return Judged(1, [], body, [found] if found else [])


def _shared(envelope: Envelope, limits: Limits) -> None:
    """What a batch says for all its items is written with each of them: refuse what would grow beyond all bounds."""
    for field, said in (("context", envelope.context), ("integrations", envelope.integrations)):
        if not isinstance(said, dict | list):
            continue
        if depth_of(said) >= JSON_DEPTH_MAX:
            mend = f"use at most {JSON_DEPTH_MAX} levels"
            raise InputError(Rejected.TOO_DEEP, "nested too deeply", where=f"batch.{field}", mend=mend)
        raw = encode(said)
        if _NUL.search(raw):
            raise InputError(Rejected.NUL_BYTE, "a NUL character", where=f"batch.{field}", mend="leave it out")
        size = len(raw)
        if size > limits.event_bytes or size * len(envelope.batch) > GROWTH_MAX * limits.batch_bytes:
            what = f"{size} bytes for each of {len(envelope.batch)} items"
            mend = f"say it in the items that need it, or send less than {limits.event_bytes} bytes for fewer items"
            raise InputError(Rejected.TOO_LARGE, what, where=f"batch.{field}", mend=mend)


def _envelope(body: bytes, limits: Limits) -> Envelope:
    try:
        envelope = judge_envelope.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        found = _undecodable(error)
        code = Rejected.NO_BATCH if found.code is Rejected.WRONG_TYPE or "batch" in str(error) else found.code
        where = f"batch.{found.field}" if found.field else "batch"
        raise InputError(code, found.what, where=where, mend='send {"batch": [call, ...]}') from error
    if len(envelope.batch) > BATCH_ITEMS_MAX:
        what = f"{len(envelope.batch)} items"
        raise InputError(Rejected.BATCH_TOO_LONG, what, where="batch", mend=f"send at most {BATCH_ITEMS_MAX} a request")
    if bad_time(envelope.sentAt):
        mend = "write it as 2027-03-01T09:00:00.000Z"
        raise InputError(Rejected.BAD_TIME, "not a time", where="batch.sentAt", mend=mend)
    if envelope.context or envelope.integrations:
        _shared(envelope, limits)
    return envelope


def _judge_batch(kind: str, body: bytes, received_at: Micros, limits: Limits) -> Judged:
    envelope = _envelope(body, limits)
    steps = _steps(body, limits)
    admitted: list[bytes] = []
    rejected: list[Rejection] = []
    withdrawals: list[Withdrawal] = []
    for index, item in enumerate(envelope.batch):
        raw = bytes(item)
        call = _judge_item(raw, "", steps, limits)
        if isinstance(call, Finding):
            where = f"batch[{index}].{call.field}" if call.field else f"batch[{index}]"
            line = InputError(call.code, call.what, where=where, mend=call.mend).line()
            rejected.append(Rejection(index, _message_id_of(raw), str(call.code), line))
            continue
        admitted.append(raw)
        if call.event is not None and canonical_name(call.event) in WITHDRAWALS:
            found = _withdrawal(call, call.type or "", received_at)
            withdrawals.extend([found] if found else [])
    if rejected:
        kept = [msgspec.Raw(raw) for raw in admitted]
        body = encode(msgspec.structs.replace(envelope, batch=kept)) if kept else b""
    return Judged(len(admitted), rejected, body, withdrawals)
