"""What is known, with the resolutions of a batch laid over it. Reads through to `base` once for each thing asked."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence

import msgspec

from einklang.event import Event
from einklang.identity.devices import SignIn
from einklang.identity.graph import Edge, Node, Pair
from einklang.identity.known import Alias, Apart, Known, Owned, Resolution


class Nothing:
    """A `Known` that knows nothing: the base of a home without events."""

    def owner(self, kind: str, value: str) -> Owned | None:
        """None."""
        return None

    def edge(self, a: Node, b: Node) -> Edge | None:
        """None."""
        return None

    def edges_of(self, kind: str, value: str) -> Sequence[Edge]:
        """Empty."""
        return ()

    def identifiers_of(self, person: str) -> Sequence[tuple[str, str, int, int]]:
        """Empty."""
        return ()

    def aparts_of(self, kind: str, value: str) -> Mapping[Node, Apart]:
        """Empty."""
        return {}

    def aliases_of(self, person: str) -> Sequence[str]:
        """Empty."""
        return ()

    def sign_ins(self, device: str) -> Sequence[SignIn]:
        """Empty."""
        return ()

    def claims(self, kind: str, value: str) -> Sequence[SignIn]:
        """Empty."""
        return ()

    def next_signed(self, device: str, kind: str, value: str, at: int, message_id: str) -> SignIn | None:
        """None."""
        return None


class Writes(msgspec.Struct, frozen=True):
    """What a batch changed, ready for the tables `edge`, `identifier`, `alias`, `sign_in`.

    identifiers: (kind, value, person, first_at, received_at). aliases: person -> living; equal means: delete the row.
    sign_ins: rows to put, sign_ins_gone: rows to delete; aparts likewise.
    """

    edges: list[Edge]
    identifiers: list[tuple[str, str, str, int, int]]
    aliases: list[Alias]
    sign_ins: list[SignIn]
    sign_ins_gone: list[SignIn]
    aparts: list[Apart]
    aparts_gone: list[Apart]


_Key = tuple[str, int, str]


class Overlay:
    """A `Known` over another one. `apply` each resolution before the next event is resolved; then `writes`."""

    def __init__(self, base: Known | None = None) -> None:
        self._base: Known = base if base is not None else Nothing()
        self._owners: dict[Node, Owned | None] = {}
        self._changed: dict[Node, Owned] = {}
        self._by_person: dict[str, dict[Node, Owned]] = {}
        self._members: dict[str, Sequence[tuple[str, str, int, int]]] = {}
        self._edges: dict[Pair, Edge | None] = {}
        self._new_edges: dict[Pair, Edge] = {}
        self._near: dict[Node, Sequence[Edge]] = {}
        self._new_near: dict[Node, dict[Pair, Edge]] = {}
        self._alias: dict[str, str] = {}
        self._new_alias_of: dict[str, dict[str, None]] = {}
        self._alias_of: dict[str, Sequence[str]] = {}
        self._rows: dict[str, list[SignIn]] = {}
        self._claims: dict[Node, list[SignIn]] = {}
        self._put_of: dict[Node, dict[_Key, SignIn]] = {}
        self._put: dict[_Key, SignIn] = {}
        self._gone: dict[_Key, SignIn] = {}
        self._signed: dict[str, list[SignIn]] = {}
        self._aparts: dict[Pair, Apart] = {}
        self._aparts_gone: dict[Pair, Apart] = {}
        self._aparts_of: dict[Node, Mapping[Node, Apart]] = {}

    def owner(self, kind: str, value: str) -> Owned | None:
        """The living person of an identifier."""
        node = (kind, value)
        try:
            return self._owners[node]
        except KeyError:
            found = self._owners[node] = self._base.owner(kind, value)
            return found

    def edge(self, a: Node, b: Node) -> Edge | None:
        """The edge between two identifiers."""
        pair = (a, b)
        try:
            return self._edges[pair]
        except KeyError:
            found = self._edges[pair] = self._base.edge(a, b)
            return found

    def edges_of(self, kind: str, value: str) -> Sequence[Edge]:
        """All edges of an identifier."""
        node = (kind, value)
        if node not in self._near:
            self._near[node] = self._base.edges_of(kind, value)
        new = self._new_near.get(node)
        if not new:
            return self._near[node]
        return [edge for edge in self._near[node] if edge.pair not in new] + list(new.values())

    def aparts_of(self, kind: str, value: str) -> Mapping[Node, Apart]:
        """The identifiers that staff keeps this one apart from."""
        found = self._aparts_of.get((kind, value))
        return found if found is not None else self._base.aparts_of(kind, value)

    def identifiers_of(self, person: str) -> Sequence[tuple[str, str, int, int]]:
        """The identifiers of a living person."""
        if person not in self._members:
            self._members[person] = self._base.identifiers_of(person)
        stored = [row for row in self._members[person] if (row[0], row[1]) not in self._changed]
        return stored + [(*node, *owned[1:]) for node, owned in self._by_person.get(person, {}).items()]

    def aliases_of(self, person: str) -> Sequence[str]:
        """The ids that lead to a living person."""
        if person not in self._alias_of:
            self._alias_of[person] = self._base.aliases_of(person)
        stored = [alias for alias in self._alias_of[person] if alias not in self._alias]
        return stored + [alias for alias in self._new_alias_of.get(person, ()) if alias != person]

    def sign_ins(self, device: str) -> Sequence[SignIn]:
        """The rows of a device, in order."""
        rows = self._rows.get(device)
        if rows is None:
            rows = self._rows[device] = list(self._base.sign_ins(device))
        return rows

    def claims(self, kind: str, value: str) -> Sequence[SignIn]:
        """The rows of an identifier."""
        node = (kind, value)
        rows = self._claims.get(node)
        if rows is None:
            stored = self._base.claims(kind, value)
            rows = [row for row in stored if _key(row) not in self._gone and _key(row) not in self._put]
            rows = self._claims[node] = sorted([*rows, *self._put_of.get(node, {}).values()])
        return rows

    def next_signed(self, device: str, kind: str, value: str, at: int, message_id: str) -> SignIn | None:
        """The earliest later event of an identifier on a device, in the history or in this batch."""
        stored = self._base.next_signed(device, kind, value, at, message_id)
        rows = self._signed.get(device, ())
        after = bisect_right(rows, (at, message_id), key=lambda row: row[:2])
        here = next((row for row in rows[after:] if row.node == (kind, value)), None)
        found = [row for row in (stored, here) if row is not None]
        return min(found) if found else None

    def apply(self, event: Event, change: Resolution) -> None:
        """Lay what the event changed over what is known."""
        if change.created:
            self._members.setdefault(change.person, ())
        if change.device and change.key[0] != "anonymousId":
            signed = SignIn(event.at, event.message_id, change.device, *change.key)
            insort(self._signed.setdefault(change.device, []), signed)
        for edge in change.edges:
            self._edges[edge.pair] = self._new_edges[edge.pair] = edge
            for node in edge.pair:
                self._new_near.setdefault(node, {})[edge.pair] = edge
        for kind, value, person, first_at, received_at in change.identifiers:
            node = (kind, value)
            was = self._changed.get(node)
            if was is not None:
                del self._by_person[was.person][node]
            now = self._owners[node] = self._changed[node] = Owned(person, first_at, received_at)
            self._by_person.setdefault(now.person, {})[node] = now
        for apart in change.aparts_gone:
            self._keep_apart(apart, None)
        for apart in change.aparts:
            self._keep_apart(apart, apart)
        for alias in change.aliases:
            was_living = self._alias.get(alias.person)
            if was_living is not None:
                del self._new_alias_of[was_living][alias.person]
            self._alias[alias.person] = alias.living
            self._new_alias_of.setdefault(alias.living, {})[alias.person] = None
        for row in change.sign_ins_gone:
            self._take_out(row)
            self._gone[_key(row)] = row
        for row in change.sign_ins:
            self._take_out(row)
            self._gone.pop(_key(row), None)
            self._put[_key(row)] = row
            self._put_of.setdefault(row.node, {})[_key(row)] = row
            if row.node in self._claims:
                insort(self._claims[row.node], row)
            insort(self._rows[row.device], row)

    def _keep_apart(self, row: Apart, now: Apart | None) -> None:
        for node, other in ((row.a, row.b), (row.b, row.a)):
            found = dict(self.aparts_of(*node))
            found.pop(other, None)
            self._aparts_of[node] = found if now is None else {**found, other: now}
        put, gone = (self._aparts_gone, self._aparts) if now is None else (self._aparts, self._aparts_gone)
        put[row.pair] = row
        gone.pop(row.pair, None)

    def _take_out(self, row: SignIn) -> None:
        """Remove the row with this key from what is cached."""
        self.sign_ins(row.device)
        for rows in (self._rows[row.device], self._claims.get(row.node, [])):
            index = bisect_left(rows, row[:3], key=lambda other: other[:3])
            if index < len(rows) and rows[index][:3] == row[:3]:
                del rows[index]
        if self._put.pop(_key(row), None) is not None:
            del self._put_of[row.node][_key(row)]

    def writes(self) -> Writes:
        """All changes since the overlay was made, each thing once, in a fixed order."""
        return Writes(
            [self._new_edges[pair] for pair in sorted(self._new_edges)],
            [(*node, *self._changed[node]) for node in sorted(self._changed)],
            [Alias(person, self._alias[person]) for person in sorted(self._alias)],
            [self._put[key] for key in sorted(self._put)],
            [self._gone[key] for key in sorted(self._gone)],
            [self._aparts[pair] for pair in sorted(self._aparts)],
            [self._aparts_gone[pair] for pair in sorted(self._aparts_gone)],
        )


def _key(row: SignIn) -> _Key:
    return row.device, row.at, row.message_id
