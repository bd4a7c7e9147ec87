"""The event: one entry of the log, as every room above sees it."""

from __future__ import annotations

from typing import Any

import msgspec


class Event(msgspec.Struct, gc=False):
    """What happened, once admitted and expanded.

    position: order of arrival; at, received_at, clock: microseconds since epoch UTC; seq, clock: 0 until sequenced.
    type: track page screen identify group alias row definition tick, and identity (a decision of staff). name: as sent
    ("" for identify, group, alias).
    identifiers: (kind, value) pairs, strongest first, at most one of a kind. properties: of track, page and screen; the
    traits of identify and group; the fields of a row. Numbers are int or Decimal. origin: 0 outside, 1 recorded by the
    engine, 2 derived. person: "" until resolved. machine: made by a scanner or proxy. body_hash: 16 bytes over what the
    sender claimed. key: the identifier that it is attributed by; device: "" if none; folded: whose it was when it was
    folded, which merges and splits do not change.
    """

    position: int
    at: int
    received_at: int
    type: str
    name: str
    message_id: str
    identifiers: tuple[tuple[str, str], ...]
    properties: dict[str, Any]
    context: dict[str, Any]
    source: str
    touchpoint: str
    origin: int = 0
    seq: int = 0
    clock: int = 0
    person: str = ""
    machine: bool = False
    body_hash: bytes = b""
    key: tuple[str, str] = ("", "")
    device: str = ""
    folded: str = ""
