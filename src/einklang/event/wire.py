"""What travels: the typed form of a call of the tracking API, decoded by msgspec. Unknown fields are ignored."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from einklang.kernel.time import Micros, from_datetime

Id = str | int | float | None
Map = dict[str, Any] | None


class Call(msgspec.Struct, gc=False):
    """One call, or one item of a batch."""

    type: str | None = None
    event: str | None = None
    name: str | None = None
    category: str | None = None
    userId: Id = None
    anonymousId: Id = None
    previousId: Id = None
    groupId: Id = None
    messageId: str | int | None = None
    timestamp: str | None = None
    originalTimestamp: str | None = None
    sentAt: str | None = None
    properties: Map = None
    traits: Map = None
    context: Map = None


class EngineCall(Call, omit_defaults=True):
    """An item that Einklang itself wrote into the log: imports, rows, definitions, ticks, reactions.

    at: microseconds, goes before `timestamp`. identifiers: kind -> value, instead of userId and the like. nth: the
    how-many-th of equal items in one import file (counted within the body if absent).
    """

    at: int | None = None
    identifiers: dict[str, str] = {}
    touchpoint: str = ""
    origin: int = 0
    machine: bool = False
    nth: int | None = None


class Envelope(msgspec.Struct):
    """The body of `batch`: items as raw bytes, so that each is judged alone."""

    batch: list[msgspec.Raw]
    sentAt: str | None = None
    context: Map = None


def decimal_of(text: str) -> Decimal:
    """A JSON number with point or exponent, exactly; zero where a double is zero, so that no exponent is absurd."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return Decimal(0)
    return number if number.adjusted() > -324 else Decimal(0)


judge_item = msgspec.json.Decoder(Call)
judge_envelope = msgspec.json.Decoder(Envelope)
expand_item = msgspec.json.Decoder(Call, float_hook=decimal_of)
expand_engine = msgspec.json.Decoder(EngineCall, float_hook=decimal_of)
expand_envelope = msgspec.json.Decoder(Envelope, float_hook=decimal_of)
encode = msgspec.json.Encoder(decimal_format="number").encode
encode_canonical = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode


def id_text(value: Id) -> str:
    """An identifier as text: numbers as JavaScript prints them, surrounding blanks off, absent as ""."""
    if type(value) is str:
        return value.strip()
    if value is None:
        return ""
    if type(value) is float and value.is_integer():
        return str(int(value))
    return str(value)


def moment(text: str) -> Micros:
    """ISO 8601 -> microseconds; a time without offset is UTC. Raises ValueError or OverflowError."""
    when = datetime.fromisoformat(text)
    return from_datetime(when if when.tzinfo else when.replace(tzinfo=UTC))
