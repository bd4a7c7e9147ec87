"""What `resolve` asks for and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from einklang.identity.devices import SignIn
from einklang.identity.graph import Edge, Node


class Owned(NamedTuple):
    """The living person of an identifier, and when it was first seen (event time, microseconds)."""

    person: str
    first_at: int


class KnownGraph(Protocol):
    """The identifiers and the evidence."""

    def owner(self, kind: str, value: str) -> Owned | None:
        """Table `identifier`."""

    def edge(self, a: Node, b: Node) -> Edge | None:
        """The edge between two identifiers, a < b."""

    def edges_of(self, kind: str, value: str) -> Sequence[Edge]:
        """All edges of an identifier, refused ones too."""

    def identifiers_of(self, person: str) -> Sequence[tuple[str, str, int]]:
        """(kind, value, first_at) of a living person."""

    def aliases_of(self, person: str) -> Sequence[str]:
        """The ids that now lead to this living person."""


class KnownDevices(Protocol):
    """The sign-ins."""

    def sign_ins(self, device: str) -> Sequence[SignIn]:
        """The rows of a device, ordered by (at, message_id), void ones too."""

    def claims(self, kind: str, value: str) -> Sequence[SignIn]:
        """The rows of an identifier, on whatever device, ordered by (at, message_id, device)."""

    def next_signed(self, device: str, kind: str, value: str, at: int, message_id: str) -> SignIn | None:
        """The earliest folded event later than (at, message_id) on this device whose key is this identifier."""


class Known(KnownGraph, KnownDevices, Protocol):
    """All that is known of identity."""


class Merge(NamedTuple):
    """All that belonged to the loser belongs to the winner from now on."""

    loser: str
    winner: str


class Move(NamedTuple):
    """Events whose key is (kind, value) and whose `at` is in [lo, hi) change their person. anonymousId: of a device."""

    kind: str
    value: str
    lo: int
    hi: int
    from_person: str
    to_person: str


class Alias(NamedTuple):
    """This id leads to the living person; if both are equal, the id lives again and its row goes."""

    person: str
    living: str


class Refused(NamedTuple):
    """Two persons that one call names and that stay apart; they go to review."""

    person_a: str
    person_b: str
    reason: str


class Resolution(msgspec.Struct, frozen=True):
    """What one event changes. Nearly always nothing but `person`.

    person: of this event, "" if nobody is named. key: the identifier that it is attributed by, (anonymousId, device) of
    an anonymous event. device: "" if none. created: `person` is an id that was not living. identifiers: (kind, value,
    person, first_at), new or changed. merges come before moves. sign_ins: new or changed rows; sign_ins_gone: rows to
    delete, by (device, at, message_id).
    """

    person: str
    key: Node = ("", "")
    device: str = ""
    created: bool = False
    edges: Sequence[Edge] = ()
    identifiers: Sequence[tuple[str, str, str, int]] = ()
    aliases: Sequence[Alias] = ()
    merges: Sequence[Merge] = ()
    moves: Sequence[Move] = ()
    sign_ins: Sequence[SignIn] = ()
    sign_ins_gone: Sequence[SignIn] = ()
    refused: Sequence[Refused] = ()
