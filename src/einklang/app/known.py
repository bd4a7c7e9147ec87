"""What identity asks about, read from the Book.

Satisfies `identity.Known`; a batch is laid over it by `identity.Overlay`.
"""

from __future__ import annotations

from collections.abc import Sequence

from einklang.app.ports import Reader
from einklang.identity import Edge, Node, Owned, SignIn
from einklang.kernel import ids


def _sign_in(row: Sequence[object]) -> SignIn:
    at, message_id, device, kind, value, void = row
    assert isinstance(at, int)
    return SignIn(at, str(message_id), str(device), str(kind), str(value), bool(void))


class BookKnown:
    """Identity as the snapshot of a tick knows it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def owner(self, kind: str, value: str) -> Owned | None:
        """The living person of an identifier."""
        rows = self._reader.read("identifier_get", kind, value)
        return Owned(*rows[0]) if rows else None

    def edge(self, a: Node, b: Node) -> Edge | None:
        """The edge between two identifiers."""
        rows = self._reader.read("edge_get", *a, *b)
        return Edge(a, b, *rows[0]) if rows else None

    def edges_of(self, kind: str, value: str) -> Sequence[Edge]:
        """All edges of an identifier."""
        return [
            Edge((r[0], r[1]), (r[2], r[3]), *r[4:]) for r in self._reader.read("edges_of", kind, value, kind, value)
        ]

    def identifiers_of(self, person: str) -> Sequence[tuple[str, str, int]]:
        """The identifiers of a living person."""
        return [(row[0], row[1], row[2]) for row in self._reader.read("identifiers_of", person)]

    def aliases_of(self, person: str) -> Sequence[str]:
        """The ids that lead to a living person."""
        return [row[0] for row in self._reader.read("aliases_of", person)]

    def sign_ins(self, device: str) -> Sequence[SignIn]:
        """The sign-ins of a device."""
        return [_sign_in(row) for row in self._reader.read("sign_ins_of", device)]

    def claims(self, kind: str, value: str) -> Sequence[SignIn]:
        """The sign-ins of an identifier."""
        return [_sign_in(row) for row in self._reader.read("claims_of", kind, value)]

    def next_signed(self, device: str, kind: str, value: str, at: int, message_id: str) -> SignIn | None:
        """The earliest later event of an identifier on a device."""
        owner = self.owner(kind, value)
        if owner is None:
            return None
        person = owner.person
        rows = self._reader.read("next_signed", ids.lane_of(person), person, device, kind, value, at, at, message_id)
        return SignIn(rows[0][0], rows[0][1], device, kind, value) if rows else None
