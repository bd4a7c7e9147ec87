"""What an event says about consent: a declaration for the ledger, a suppression of an address, or nothing."""

from __future__ import annotations

import msgspec

from einklang.consent.addresses import PHONE_CHANNELS, normal_address
from einklang.event import Event, canonical_channel, canonical_name
from einklang.kernel.errors import InputError
from einklang.kernel.time import parse_moment

_STATUS = {
    "Consent Given": "given",
    "Consent Withdrawn": "withdrawn",
    "Consent Requested": "requested",
    "Message Unsubscribed": "withdrawn",
    "Message Complained": "withdrawn",
}


class Declaration(msgspec.Struct, frozen=True):
    """One declaration, ready for the ledger. at: microseconds.

    "" in channel, address or purpose means all, and only a withdrawal may say so: consent is for one purpose on one
    channel. An address "" in what is given or requested is for the caller to fill with the person's address in use.
    until: when what is given ends, 0: never.
    """

    status: str
    channel: str
    address: str
    purpose: str
    at: int
    source: str
    wording: str
    actor: str
    evidence: str
    until: int = 0


class Suppression(msgspec.Struct, frozen=True):
    """An address that nothing may reach on this channel. purpose "" = for none. reason: complaint or hard_bounce.

    address "": the event names none; it is for the caller to say which one it was.
    """

    channel: str
    address: str
    purpose: str
    reason: str
    at: int


def _said(event: Event, *names: str) -> str:
    for name in names:
        value = event.properties.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return ""


def _channel(event: Event) -> str:
    return _said(event, "channel") or canonical_channel(event.name)


def _address(event: Event, channel: str, *, implied: bool) -> str:
    """The address that the event names; else, if that may be implied, the identifier of the channel that it carries."""
    said = _said(event, "address") or (_said(event, "email") if channel == "email" else "")
    if not said and channel and implied:
        kind = "phone" if channel in PHONE_CHANNELS else channel
        said = dict(event.identifiers).get(kind, "")
    return normal_address(channel, said)


def _until(event: Event, at: int) -> int:
    """When what is given ends; one whose end nobody can read ends at once."""
    said = event.properties.get("expires_at")
    if said is None:
        return 0
    text = said.strip() if isinstance(said, str) else ""
    try:
        return max(1, parse_moment(f"{text}T00:00:00Z" if len(text) == 10 else text))
    except InputError:
        return max(1, at)


def declare(event: Event) -> Declaration | None:
    """What the event declares, or None. A consent without channel or purpose is too vague to be one."""
    name = canonical_name(event.name)
    status = _STATUS.get(name) if event.type == "track" or event.type == "row" else None
    if status is None:
        return None
    channel, purpose = _channel(event), _said(event, "purpose")
    if status != "withdrawn" and not (channel and purpose):
        return None
    if name == "Message Complained":
        purpose = ""  # who reports spam wants none of it
    return Declaration(
        status,
        channel,
        _address(event, channel, implied=status != "withdrawn"),
        purpose,
        event.at,
        _said(event, "source") or event.source,
        _said(event, "wording"),
        _said(event, "actor") or event.source,
        _said(event, "evidence") or event.message_id,
        _until(event, event.at) if status == "given" else 0,
    )


def suppression_of(event: Event) -> Suppression | None:
    """The address that a complaint or a hard bounce suppresses, "" where none is named; None for a soft bounce."""
    name = canonical_name(event.name)
    if event.type != "track" or name not in ("Message Complained", "Message Bounced"):
        return None
    hard = _said(event, "kind", "type", "bounce_type", "bounceType").lower() in ("hard", "permanent")
    if name == "Message Bounced" and not (hard or event.properties.get("hard") is True):
        return None
    channel = _channel(event)
    if not channel:
        return None
    address = _address(event, channel, implied=True)
    reason = "complaint" if name == "Message Complained" else "hard_bounce"
    return Suppression(channel, address, "", reason, event.at)
