"""One row of an import file -> one call for the log (contract.md, "Import columns").

What does not fit is refused with a reason. Each reader takes the row, what is declared, and whether its cells are text
(CSV), in which case they are typed by `import_cells`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from einklang.app.import_cells import Declared, typed
from einklang.app.products import is_text, no_amount, shaped
from einklang.event import RESERVED, EngineCall
from einklang.event import judge as judge_body
from einklang.event.admit import LIMITS
from einklang.event.wire import encode
from einklang.kernel import time
from einklang.kernel.errors import InputError
from einklang.kernel.limits import IDENTIFIER_CHARS_MAX, JSON_DEPTH_MAX, NAME_CHARS_MAX

Row = dict[str, Any]
_IDENTIFIERS = ("userId", "email", "phone", "anonymousId")
_STATUS = {"given": "Consent Given", "withdrawn": "Consent Withdrawn", "requested": "Consent Requested"}


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
        raise RowRefused("bad_time", f"{column}: {str(value)[:40]!r} lies outside 1970 to 2200", "check the year")
    return at


def _check(value: Any, left: int = JSON_DEPTH_MAX) -> None:
    """Refuses NUL bytes, absurd numbers and depth, wherever they are."""
    if left < 0:
        raise RowRefused("too_deep", f"nested deeper than {JSON_DEPTH_MAX} levels", "make it flatter")
    if isinstance(value, str):
        if "\0" in value:
            raise RowRefused("nul_byte", f"{value[:40]!r} holds a NUL byte", "remove it")
    elif isinstance(value, Decimal):
        if not value.is_finite() or abs(value.adjusted()) > 308:
            raise RowRefused("bad_number", f"not a number to reckon with: {str(value)[:40]}", "write it as 19.99")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check(key, left)
            _check(inner, left - 1)
    elif isinstance(value, list):
        for inner in value:
            _check(inner, left - 1)


def _fitted(value: Any) -> Any:
    """The value with whole numbers beyond 64 bits as Decimal: JSON has them, its encoder has not."""
    if isinstance(value, dict):
        return {name: _fitted(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_fitted(inner) for inner in value]
    return Decimal(value) if type(value) is int and not -(2**63) <= value < 2**63 else value


def _present(row: Row) -> Row:
    """The row without what is missing, checked; whole numbers beyond 64 bits as Decimal."""
    for name in row:
        if len(name) > NAME_CHARS_MAX:
            raise RowRefused("name_too_long", f"a column name of {len(name)} characters", "give it a shorter name")
    _check(row, JSON_DEPTH_MAX + 1)
    found: Row = _fitted({name: value for name, value in row.items() if value is not None})
    return found


def text_of(value: Any) -> str:
    """An identifier as text: whole numbers without point, surrounding blanks off, absent as ""."""
    if value is None or isinstance(value, bool | dict | list):
        return ""
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return format(value.quantize(Decimal(1)), "f") if abs(value) < 10**27 else str(value)
    return str(value).strip()


def _identifiers(row: Row, known: Declared) -> dict[str, str]:
    found = {name: text for name in (*_IDENTIFIERS, *known.kinds) if (text := text_of(row.get(name)))}
    for name, text in found.items():
        if len(text) > IDENTIFIER_CHARS_MAX:
            raise RowRefused("bad_identifier", f"{name} has {len(text)} characters", "write a shorter one")
    _check_email(found.get("email", ""))
    return found


def events(row: Row, known: Declared, text: bool) -> EngineCall:
    """A Segment payload (JSON Lines), or a flat row: event, timestamp, userId / email / ..., all else properties.

    A row without `type` that has `properties` is a `track` payload. A time needs an offset.
    """
    if "type" not in row:
        payload = isinstance(row.get("properties"), dict)
        row = {"type": "track", **row} if payload else _as_payload(_present(row), known, text)
    try:
        judged = judge_body("batch", _batch(row), received_at=0, limits=LIMITS._replace(ownerless=known.speaks))
    except InputError as error:
        raise RowRefused(error.code, error.what, error.mend) from error
    if judged.rejected:
        found = judged.rejected[0]
        raise RowRefused(str(found.code), found.message)
    if row["type"] == "track" and str(row.get("event")).strip() in RESERVED:
        raise RowRefused("reserved_name", f"{row['event']!r} is said by Einklang alone", "use another name")
    own = ("at", "origin", "machine", "nth", "identifiers", "touchpoint")
    fields = {name: row[name] for name in EngineCall.__struct_fields__ if name in row and name not in own}
    call = msgspec.convert(fields, EngineCall, strict=False)
    # in what Segment archives both stand, and `timestamp` is the one that it corrected
    stamp = row.get("timestamp") or row.get("originalTimestamp")
    if not stamp:
        raise RowRefused("bad_time", "no timestamp", "an imported event needs the time at which it happened")
    call.timestamp = call.originalTimestamp = call.sentAt = None
    call.at = _moment(stamp, "timestamp")
    return call


def _batch(row: Row) -> bytes:
    """The row as the body of a call; the door of the log looks at it as at any other."""
    try:
        return encode({"batch": [row]})
    except OverflowError:
        row |= _fitted(row)
        return encode({"batch": [row]})
    except RecursionError as error:
        raise RowRefused("too_deep", f"nested deeper than {JSON_DEPTH_MAX} levels", "make it flatter") from error


def _as_payload(row: Row, known: Declared, text: bool) -> Row:
    """A flat row: known columns by name, all others are properties."""
    name = str(row.get("event", "")).strip()
    types = known.of_event(name)
    taken = {"event", "timestamp", "messageId", "touchpoint", *_IDENTIFIERS, *known.kinds}
    properties = {
        key: typed(value, key, types.get(key)) if text else value for key, value in row.items() if key not in taken
    }
    payload: Row = {"type": "track", "event": name, "properties": _nested(properties)}
    found = _identifiers(row, known)
    for key in ("timestamp", "messageId"):
        if key in row:
            payload[key] = text_of(row[key])
    payload |= {key: value for key, value in found.items() if key in ("userId", "anonymousId")}
    context: Row = {}
    if "touchpoint" in row:
        context["touchpoint"] = str(row["touchpoint"])
    traits = {key: value for key, value in found.items() if key in ("email", "phone")}
    if traits:
        context["traits"] = traits
    others = [{"type": kind, "id": found[kind]} for kind in known.kinds if kind in found]
    if others:
        context["externalIds"] = others
    return payload | ({"context": context} if context else {})


def people(row: Row, known: Declared, text: bool) -> EngineCall:
    """A person: identifiers and traits; `address.city` is a field of the map `address`.

    Without `at` they hold from before the first event.
    """
    row = _present(row)
    at = _moment(row.pop("at"), "at") if "at" in row else time.BEFORE_ALL
    found = _identifiers(row, known)
    if not found:
        names = ", ".join((*_IDENTIFIERS[:3], *known.kinds))
        raise RowRefused("no_identifier", "the row names nobody", f"fill {names} or anonymousId")
    traits = {
        key: typed(value, key, known.traits.get(key)) if text else value
        for key, value in row.items()
        if key not in ("userId", "anonymousId", *known.kinds)
    }
    traits |= {key: found[key] for key in ("email", "phone") if key in found}
    return EngineCall(type="identify", at=at, identifiers=found, traits=_nested(traits))


def _nested(traits: Row) -> Row:
    """`address.city` -> address: {city}."""
    out: Row = {}
    for key, value in traits.items():
        head, dot, rest = key.partition(".")
        if not dot or not head or not rest:
            out[key] = {**out[key], **value} if isinstance(value, dict) and isinstance(out.get(key), dict) else value
            continue
        inner = out.setdefault(head, {})
        if not isinstance(inner, dict):
            raise RowRefused("bad_row", f"{head!r} is a value and has fields too", "name the columns apart")
        inner[rest] = value
    return out


def _check_email(address: str) -> None:
    if address and not re.fullmatch(r"[^@\s]+@[^@\s]+", address):
        raise RowRefused(
            "bad_identifier", f"not an e-mail address: {address[:60]!r}", "write name@host or leave it empty"
        )


def products(row: Row, known: Declared, text: bool) -> EngineCall:
    """A product: `product_id` and its fields; numbers are exact. Without `at` it holds from before the first event."""
    row = _present(row)
    key = text_of(row.pop("product_id", None))
    if not key:
        raise RowRefused("missing_column", "no product_id", "fill the column product_id")
    at = _moment(row.pop("at"), "at") if "at" in row else time.BEFORE_ALL
    fields = {
        name: typed(value, name, known.products.get(name)) if text and not is_text(name) else value
        for name, value in row.items()
    }
    try:
        fields = shaped(fields)
    except InputError as error:
        raise RowRefused("bad_row", f"{error.where}: {error.what}", error.mend) from error
    if name := no_amount(fields):
        raise RowRefused("bad_number", f"{name}: not a number: {str(fields[name])[:40]!r}", "write it as 19.99")
    return EngineCall(type="row", event="products", properties={**fields, "product_id": key, "key": key}, at=at)


def consents(row: Row, known: Declared, text: bool) -> EngineCall:
    """A declaration: person, channel, address, purpose, status, at, expires_at, source, wording, evidence.

    A consent proves nothing without its moment. A withdrawal is always taken: without `at`, from its import on.
    """
    row = _present(row)
    for name in ("person", "channel", "purpose", "status"):
        if not str(row.get(name, "")).strip():
            raise RowRefused("missing_column", f"no {name}", f"fill the column {name}")
    kind, colon, value = str(row["person"]).partition(":")
    value = value.strip()
    if not colon or kind not in (*_IDENTIFIERS, *known.kinds) or not value or len(value) > IDENTIFIER_CHARS_MAX:
        raise RowRefused(
            "bad_identifier",
            f"not a person: {str(row['person'])[:60]!r}",
            "write kind:value, such as email:a@b.example",
        )
    event = _STATUS.get(str(row["status"]).strip().lower())
    if event is None:
        raise RowRefused("bad_row", f"unknown status {str(row['status'])[:40]!r}", "write given or withdrawn")
    at = _moment(row["at"], "at") if "at" in row else None
    properties = {
        key: str(row[key]).strip()
        for key in ("channel", "address", "purpose", "source", "wording", "evidence")
        if str(row.get(key, "")).strip()
    }
    if "expires_at" in row:
        properties["expires_at"] = time.format_moment(_moment(row["expires_at"], "expires_at"))
    if properties["channel"] == "email":
        _check_email(properties.get("address", ""))
        if "address" not in properties and kind == "email":
            properties["address"] = value.lower()
    if at is None and event != "Consent Withdrawn":
        raise RowRefused("missing_column", "no at: a consent without its moment proves nothing", "fill the column at")
    return EngineCall(type="track", event=event, at=at, identifiers={kind: value}, properties=properties)


READERS: dict[str, Callable[[Row, Declared, bool], EngineCall]] = {
    "events": events,
    "people": people,
    "products": products,
    "consents": consents,
}
