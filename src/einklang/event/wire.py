"""What travels: the typed form of a call of the tracking API, decoded by msgspec. Unknown fields are ignored."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from einklang.kernel.time import DAY, SECOND, Micros, from_datetime

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
    channel: Any = None
    integrations: Any = None


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


class Envelope(msgspec.Struct, omit_defaults=True):
    """The body of `batch`: items as raw bytes, so that each is judged alone. The rest holds for each item."""

    batch: list[msgspec.Raw]
    sentAt: str | None = None
    context: Map = None
    channel: Any = None
    integrations: Any = None


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


#: What calendars write and `fromisoformat` does not read: blanks around, z, UTC, GMT, a leap second, the end of a day.
_OTHERWISE = re.compile(
    r"\s*(?P<day>[\d-]{8,10}.)(?P<end>24(?=:?00))?(?P<time>(?(end):?00|\d\d:?\d\d))(?P<leap>:?60(?!\d))?(?P<rest>[^a-z]*?)"
    r"\s*(?P<zone>z|utc|gmt)?\s*",
    re.IGNORECASE,
)


def moment(text: str) -> Micros:
    """ISO 8601 -> microseconds; a time without offset is UTC. Raises ValueError or OverflowError."""
    more = 0
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        found = _OTHERWISE.fullmatch(text) if len(text) < 64 else None
        if found is None:
            raise
        day, time, rest = found["day"], found["time"], found["rest"]
        colon = ":" if ":" in time else ""
        if found["end"]:
            if re.search("[1-9]", re.split("[+-]", rest)[0]):
                raise
            day, time, more = day + "00", time, DAY
        if found["leap"]:
            time, more = f"{time}{colon}59", SECOND
        when = datetime.fromisoformat(day + time + rest + ("+00:00" if found["zone"] else ""))
    return from_datetime(when if when.tzinfo else when.replace(tzinfo=UTC)) + more
