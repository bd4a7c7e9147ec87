"""The identifiers of a call: what names a person, strongest first; normal forms of e-mail addresses, phone numbers."""

from __future__ import annotations

from typing import Any

from einklang.event.wire import Call, Id, id_text

_PHONE_NOISE = str.maketrans("", "", " \t()-./\u00a0")


def clean_email(value: object) -> str:
    """Lower case, no blanks around; "" if it is no text with an @."""
    text = value.strip().lower() if isinstance(value, str) else ""
    return text if "@" in text else ""


def clean_phone(value: object) -> str:
    """`+` and digits (00 becomes +; a number without country code keeps its digits); "" if it is no phone number."""
    text = value if isinstance(value, str) else str(value) if type(value) is int else ""
    text = text.translate(_PHONE_NOISE)
    if text.startswith("00"):
        text = "+" + text[2:]
    return text if text.lstrip("+").isdecimal() and text.isascii() and "+" not in text[1:] else ""


def clean(kind: str, value: Id) -> str:
    """The normal form of an identifier of this kind, or "" if it is none."""
    if kind == "email":
        return clean_email(value)
    return clean_phone(value) if kind == "phone" else id_text(value)


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def external_ids(context: dict[str, Any]) -> list[tuple[str, str]]:
    """`context.externalIds`: [{"type": "email", "id": "..."}] as (kind, normal form); what does not fit is left out."""
    pairs = context.get("externalIds")
    if not isinstance(pairs, list):
        return []
    found = []
    for pair in pairs:
        kind, value = _map(pair).get("type"), _map(pair).get("id")
        if isinstance(kind, str) and type(value) in (str, int, float):
            kind = {"user_id": "userId", "anonymous_id": "anonymousId"}.get(kind, kind)
            text = clean(kind, value)
            if kind and text:
                found.append((kind, text))
    return found


def identifiers_of(kind: str, call: Call) -> tuple[tuple[str, str], ...]:
    """(kind, value) pairs: userId, email, phone, external ids, previousId (alias only), anonymousId; one of a kind."""
    found: dict[str, str] = {}
    if call.userId is not None and (text := id_text(call.userId)):
        found["userId"] = text
    context = call.context
    if (kind == "identify" and call.traits) or (context and ("traits" in context or "externalIds" in context)):
        own = call.traits if kind == "identify" and call.traits else {}
        other = _map(context.get("traits")) if context else {}
        if text := clean_email(own.get("email")) or clean_email(other.get("email")):
            found["email"] = text
        if text := clean_phone(own.get("phone")) or clean_phone(other.get("phone")):
            found["phone"] = text
        for name, text in external_ids(context or {}):
            if name not in ("anonymousId", "previousId"):
                found.setdefault(name, text)
    if kind == "alias" and call.previousId is not None and (text := id_text(call.previousId)):
        found["previousId"] = text
    if call.anonymousId is not None and (text := id_text(call.anonymousId)):
        found["anonymousId"] = text
    return tuple(found.items())
