"""What `resolve` asks for and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from einklang.identity.devices import SignIn
from einklang.identity.graph import Edge, Node, Pair


class Owned(NamedTuple):
    """The living person of an identifier, when it was first seen (event time), and first received; microseconds."""

    person: str
    first_at: int
    received_at: int = 0


class Apart(NamedTuple):
    """Two identifiers (a < b) that staff keeps apart, since when, and the message id of the decision."""

    a: Node
    b: Node
    at: int
    message_id: str

    @property
    def pair(self) -> Pair:
        """The key of the row."""
        return self.a, self.b


class KnownGraph(Protocol):
    """The identifiers and the evidence."""

    def owner(self, kind: str, value: str) -> Owned | None:
        """Table `identifier`."""

    def edge(self, a: Node, b: Node) -> Edge | None:
        """The edge between two identifiers, a < b."""

    def edges_of(self, kind: str, value: str) -> Sequence[Edge]:
        """All edges of an identifier, refused ones too."""

    def identifiers_of(self, person: str) -> Sequence[tuple[str, str, int, int]]:
        """(kind, value, first_at, received_at) of a living person."""

    def aparts_of(self, kind: str, value: str) -> Mapping[Node, Apart]:
        """The identifiers that staff keeps this one apart from."""

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
    """Two persons that one call names, by the identifiers a and b, and that stay apart; they go to review."""

    person_a: str
    person_b: str
    reason: str
    a: Node = ("", "")
    b: Node = ("", "")


class Resolution(msgspec.Struct, frozen=True):
    """What one event changes. Nearly always nothing but `person`.

    person: of this event, "" if nobody is named. key: the identifier that it is attributed by, (anonymousId, device) of
    an anonymous event. device: "" if none. created: `person` is an id that was not living. identifiers: (kind, value,
    person, first_at, received_at), new or changed. merges come before moves. sign_ins: new or changed rows;
    sign_ins_gone: rows to delete, by (device, at, message_id). aparts and aparts_gone likewise. divided: persons whose
    identifiers are not one person's any more -> whose they are now.
    """

    person: str
    key: Node = ("", "")
    device: str = ""
    created: bool = False
    edges: Sequence[Edge] = ()
    identifiers: Sequence[tuple[str, str, str, int, int]] = ()
    aliases: Sequence[Alias] = ()
    merges: Sequence[Merge] = ()
    moves: Sequence[Move] = ()
    sign_ins: Sequence[SignIn] = ()
    sign_ins_gone: Sequence[SignIn] = ()
    refused: Sequence[Refused] = ()
    aparts: Sequence[Apart] = ()
    aparts_gone: Sequence[Apart] = ()
    divided: Mapping[str, Sequence[str]] = {}
