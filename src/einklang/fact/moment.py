"""What crosses from a step to the door and back: request and verdict."""

from __future__ import annotations

from typing import Any

import msgspec

ALLOWED = "sent"
HELD = "held"
DENIED = "denied"


class Request(msgspec.Struct):
    """A step asks for one contact on one of `channels` (in order of preference).

    Until `patience_ends` it may be held.
    """

    run: str
    journey: str
    campaign: str
    version: int
    step: str
    round: int
    message: str
    klass: str
    purpose: str
    topic: str
    channels: tuple[str, ...]
    priority: int
    data: dict[str, Any]
    patience_ends: int


class Refusal(msgspec.Struct, array_like=True):
    """What one gate said about one channel."""

    channel: str
    verdict: str
    reason: str
    until: int | None
    detail: str


class Verdict(msgspec.Struct):
    """The door's answer. refusals: what the gates said about the channels that were not taken, in order."""

    verdict: str
    reason: str
    channel: str
    address: str
    until: int | None
    detail: str
    refusals: list[Refusal]
