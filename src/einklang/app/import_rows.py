"""One row of an import file -> one call for the log (contract.md, "Import columns").

What does not fit is refused with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from einklang.event import RESERVED, EngineCall
from einklang.event import judge as judge_body
from einklang.kernel import time
from einklang.kernel.errors import InputError

Row = dict[str, Any]
_IDENTIFIERS = ("userId", "email", "phone", "anonymousId")
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,17})(\.\d{1,12})?")
_MONEY = ("price", "margin", "cost", "weight", "stock")


class RowRefused(Exception):
    """A row that is not taken: code, what is wrong, the mend."""

    def __init__(self, code: str, message: str, mend: str = "mend the row and import the file again") -> None:
        self.code = code
        self.message = message
        self.mend = mend
        super().__init__(message)


def _moment(value: Any, column: str) -> int:
    try:
        at = time.parse_moment(str(value))
    except InputError as error:
        raise RowRefused("bad_time", f"{column}: {error.what}", error.mend) from error
    if not time.EARLIEST <= at < time.LATEST:
        raise RowRefused("bad_time", f"{column}: {value!r} lies outside 1970 to 2200", "check the year")
    return at


def _clean(row: Row) -> Row:
    for key, value in row.items():
        if "\0" in key or (isinstance(value, str) and "\0" in value):
            raise RowRefused("nul_byte", f"{key[:40]!r} holds a NUL byte", "remove it")
    return row


def events(row: Row) -> EngineCall:
    """A Segment payload (JSON Lines), or a mapped row: event, timestamp, userId / email / ..., and properties."""
    row = _clean(row)
    kind = row.get("type", "track")
    if "type" not in row:
        row = _as_payload(row)
    try:
        judged = judge_body("batch", msgspec.json.encode({"batch": [row]}, enc_hook=_number), received_at=0)
    except InputError as error:
        raise RowRefused(error.code, error.what, error.mend) from error
    if judged.rejected:
        found = judged.rejected[0]
        raise RowRefused(str(found.code), found.message)
    if kind == "track" and row.get("event") in RESERVED:
        raise RowRefused("reserved_name", f"{row['event']!r} is said by Einklang alone", "use another name")
    fields = {
        name: row[name]
        for name in EngineCall.__struct_fields__
        if name in row and name not in ("at", "origin", "machine", "nth", "identifiers")
    }
    call = msgspec.convert(fields, EngineCall, strict=False)
    stamp = row.get("originalTimestamp", row.get("timestamp"))
    if stamp is None:
        raise RowRefused("bad_time", "no timestamp", "an imported event needs the time at which it happened")
    call.timestamp = call.originalTimestamp = call.sentAt = None
    call.at = _moment(stamp, "timestamp")
    return call


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else str(value)


def _as_payload(row: Row) -> Row:
    """A flat row: known columns by name, all others are properties."""
    known = {"event", "timestamp", "messageId", "touchpoint", *_IDENTIFIERS}
    payload: Row = {
        "type": "track",
        "properties": {key: _typed(value) for key, value in row.items() if key not in known},
    }
    for name in ("event", "timestamp", "messageId", "userId", "anonymousId"):
        if name in row:
            payload[name] = str(row[name])
    context: Row = {}
    if "touchpoint" in row:
        context["touchpoint"] = str(row["touchpoint"])
    traits = {name: str(row[name]) for name in ("email", "phone") if name in row}
    if traits:
        context["traits"] = traits
    return payload | ({"context": context} if context else {})


def _typed(value: Any) -> Any:
    """A cell that reads as a number is one, unless it has leading zeros (then it is a code)."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return Decimal(value) if "." in value else int(value)
    return value


def people(row: Row) -> EngineCall:
    """A person: identifiers and traits; without `at` they hold from before the first event."""
    row = dict(_clean(row))
    at = _moment(row.pop("at"), "at") if "at" in row else time.BEFORE_ALL
    found = {name: str(row[name]).strip() for name in _IDENTIFIERS if str(row.get(name, "")).strip()}
    if not found:
        raise RowRefused("no_identifier", "the row names nobody", "fill userId, email, phone or anonymousId")
    _check_email(found.get("email", ""))
    traits = {
        key: _typed(value) if key not in ("postalCode", "zip", "phone", "email") else str(value)
        for key, value in row.items()
        if key not in ("userId", "anonymousId")
    }
    return EngineCall(type="identify", at=at, identifiers=found, traits=_nested(traits))


def _nested(traits: Row) -> Row:
    """`address.city` -> address: {city}."""
    out: Row = {}
    for key, value in traits.items():
        head, dot, rest = key.partition(".")
        if dot and head and rest:
            inner = out.setdefault(head, {})
            if isinstance(inner, dict):
                inner[rest] = value
        else:
            out[key] = value
    return out


def _check_email(address: str) -> None:
    if address and not re.fullmatch(r"[^@\s]+@[^@\s]+", address):
        raise RowRefused(
            "bad_identifier", f"not an e-mail address: {address[:60]!r}", "write name@host or leave it empty"
        )


def products(row: Row) -> EngineCall:
    """A product: `product_id` and its fields; numbers are exact."""
    row = dict(_clean(row))
    key = str(row.get("product_id", "")).strip()
    if not key:
        raise RowRefused("missing_column", "no product_id", "fill the column product_id")
    for name in _MONEY:
        if name in row and isinstance(row[name], str):
            try:
                row[name] = Decimal(row[name])
            except InvalidOperation as error:
                raise RowRefused(
                    "bad_number", f"{name}: not a number: {row[name][:40]!r}", "write it as 19.99"
                ) from error
    fields = {name: _typed(value) if name in _MONEY else value for name, value in row.items()}
    if isinstance(fields.get("in_stock"), str):
        fields["in_stock"] = str(fields["in_stock"]).lower() in ("true", "1", "yes")
    return EngineCall(
        type="row", event="products", properties={**fields, "product_id": key, "key": key}, at=time.BEFORE_ALL
    )


def consents(row: Row) -> EngineCall:
    """A declaration: person, channel, address, purpose, status, at, source, wording, evidence."""
    row = _clean(row)
    for name in ("person", "channel", "purpose", "status"):
        if not str(row.get(name, "")).strip():
            raise RowRefused("missing_column", f"no {name}", f"fill the column {name}")
    kind, colon, value = str(row["person"]).partition(":")
    if not colon or kind not in _IDENTIFIERS or not value.strip():
        raise RowRefused(
            "bad_identifier",
            f"not a person: {str(row['person'])[:60]!r}",
            "write kind:value, such as email:a@b.example",
        )
    names = {"given": "Consent Given", "withdrawn": "Consent Withdrawn", "requested": "Consent Requested"}
    event = names.get(str(row["status"]).strip().lower())
    if event is None:
        raise RowRefused("bad_row", f"unknown status {str(row['status'])[:40]!r}", "write given or withdrawn")
    at = _moment(row["at"], "at") if "at" in row else time.BEFORE_ALL
    properties = {
        key: str(row[key]).strip()
        for key in ("channel", "address", "purpose", "source", "wording", "evidence")
        if str(row.get(key, "")).strip()
    }
    if properties["channel"] == "email":
        _check_email(properties.get("address", ""))
        if "address" not in properties and kind == "email":
            properties["address"] = value.strip().lower()
    return EngineCall(type="track", event=event, at=at, identifiers={kind: value.strip()}, properties=properties)


READERS: dict[str, Callable[[Row], EngineCall]] = {
    "events": events,
    "people": people,
    "products": products,
    "consents": consents,
}
