"""What identity asks about, read from the Book.

Satisfies `identity.Known`; a batch is laid over it by `identity.Overlay`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from einklang.app.ports import Reader
from einklang.identity import Apart, Edge, Node, Owned, SignIn, Writes
from einklang.identity.graph import Pair
from einklang.kernel import ids

#: Identifiers, edges and devices that are kept in memory; one is about 300 bytes.
REMEMBERED_MAX = 500_000
_NOBODY: dict[Node, Apart] = {}


def _sign_in(row: Sequence[object]) -> SignIn:
    at, message_id, device, kind, value, void = row
    assert isinstance(at, int)
    return SignIn(at, str(message_id), str(device), str(kind), str(value), bool(void))


class Remembered:
    """What was read of identity, kept between ticks: the engine alone writes it, and tells what it wrote.

    `wrote` is called with what a tick hands the writer, `forget` if that was not applied. aparts: all of them, as
    decisions of staff are few; None if not read yet.
    """

    def __init__(self) -> None:
        self.aparts: dict[Node, dict[Node, Apart]] | None = None
        self.owners: dict[Node, Owned | None] = {}
        self.edges: dict[Pair, Edge | None] = {}
        self.sign_ins: dict[str, Sequence[SignIn]] = {}

    def wrote(self, writes: Writes) -> None:
        """Take over what a tick changed; drop everything when it is too much."""
        if len(self.owners) + len(self.edges) + len(self.sign_ins) > REMEMBERED_MAX:
            self.forget()
        for kind, value, person, first_at, received_at in writes.identifiers:
            self.owners[kind, value] = Owned(person, first_at, received_at)
        if writes.aparts or writes.aparts_gone:
            self.aparts = None
        for edge in writes.edges:
            self.edges[edge.pair] = edge
        for sign_in in (*writes.sign_ins, *writes.sign_ins_gone):
            self.sign_ins.pop(sign_in.device, None)

    def forget(self) -> None:
        """Nothing is remembered."""
        self.aparts = None
        self.owners.clear()
        self.edges.clear()
        self.sign_ins.clear()


class BookKnown:
    """Identity as the snapshot of a tick knows it."""

    def __init__(self, reader: Reader, remembered: Remembered) -> None:
        self._reader = reader
        self._remembered = remembered

    def owner(self, kind: str, value: str) -> Owned | None:
        """The living person of an identifier."""
        owners, node = self._remembered.owners, (kind, value)
        if node not in owners:
            rows = self._reader.read("identifier_get", kind, value)
            owners[node] = Owned(*rows[0]) if rows else None
        return owners[node]

    def edge(self, a: Node, b: Node) -> Edge | None:
        """The edge between two identifiers."""
        edges, pair = self._remembered.edges, (a, b)
        if pair not in edges:
            rows = self._reader.read("edge_get", *a, *b)
            edges[pair] = Edge(a, b, *rows[0]) if rows else None
        return edges[pair]

    def edges_of(self, kind: str, value: str) -> Sequence[Edge]:
        """All edges of an identifier. (Nearly always none; sorted here, as a sort in SQL makes none dear.)"""
        rows = self._reader.read("edges_of", kind, value, kind, value)
        return [Edge((r[0], r[1]), (r[2], r[3]), *r[4:]) for r in sorted(rows)]

    def identifiers_of(self, person: str) -> Sequence[tuple[str, str, int, int]]:
        """The identifiers of a living person."""
        return [(row[0], row[1], row[2], row[3]) for row in self._reader.read("identifiers_known", person)]

    def aparts_of(self, kind: str, value: str) -> Mapping[Node, Apart]:
        """The identifiers that staff keeps this one apart from."""
        known = self._remembered.aparts
        if known is None:
            known = self._remembered.aparts = {}
            for row in self._reader.read("apart_all"):
                apart = Apart((row[0], row[1]), (row[2], row[3]), row[4], row[5])
                known.setdefault(apart.a, {})[apart.b] = apart
                known.setdefault(apart.b, {})[apart.a] = apart
        return known.get((kind, value), _NOBODY)

    def aliases_of(self, person: str) -> Sequence[str]:
        """The ids that lead to a living person."""
        return [row[0] for row in self._reader.read("aliases_of", person)]

    def sign_ins(self, device: str) -> Sequence[SignIn]:
        """The sign-ins of a device."""
        known = self._remembered.sign_ins
        if device not in known:
            known[device] = [_sign_in(row) for row in self._reader.read("sign_ins_of", device)]
        return known[device]

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
