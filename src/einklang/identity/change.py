"""The slow path of `resolve`: what becomes of the groups of identifiers, then of the devices. Single use."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import combinations

import msgspec

from einklang.event import Event
from einklang.identity.change_devices import DeviceChange, Group
from einklang.identity.graph import Edge, Node, Pair, Seen, pair_of, solve, unjoinable
from einklang.identity.known import Alias, Apart, Known, Owned, Refused, Resolution
from einklang.identity.rules import ACCOUNT, DEVICE, STAFF_STRENGTH, UNPROVED, Rules
from einklang.kernel.reasons import MergeRefused

STAFF = "staff"


class Change(DeviceChange):
    """What one event, one decision of staff or new rules change among persons."""

    def __init__(
        self, event: Event, strong: Sequence[Node], device: str, known: Known, salt: bytes, rules: Rules
    ) -> None:
        super().__init__(event, device, known, salt, rules)
        self.strong = strong
        self.edges: dict[Pair, Edge] = {}
        self.refused: list[tuple[Edge, MergeRefused]] = []
        self.aparts: dict[Pair, Apart | None] = {}

    def of_call(self, links: Iterable[Edge]) -> Resolution:
        """The resolution of an event that carries these identifiers; links: the evidence that it gives."""
        self._take_in(links)
        divided = self.name_groups()
        if self.device:
            self.sign_in(self.device, self.strong[0])
        self.follow()
        return self._resolution(self.strong[0], divided)

    def of_staff(self, join: Iterable[Pair], apart: Iterable[Pair]) -> Resolution:
        """The resolution of a decision: these pairs are one person, those are not; of a pair the latest word counts."""
        event = self.event
        signed: dict[str, list[Node]] = {}
        for x, y in join:
            a, b = pair_of(x, y)
            if DEVICE in (x[0], y[0]):
                device, who = (x[1], y) if x[0] == DEVICE else (y[1], x)
                signed.setdefault(device, []).append(who)
            if self._is_news(a, b):
                self.edges[a, b] = Edge(a, b, STAFF_STRENGTH, event.at, event.message_id, event.source, STAFF)
                self.aparts[a, b] = None
        for x, y in apart:
            a, b = pair_of(x, y)
            if self._is_news(a, b):
                self.aparts[a, b] = Apart(a, b, event.at, event.message_id)
        for named in sorted({node for pair in (*join, *apart) for node in pair if node[0] != DEVICE}):
            group = self._load(named)
            if group is not None:
                group.changed = True
        self._solve_anew(())
        divided = self.name_groups()
        for device, whom in signed.items():
            if self.known.owner(DEVICE, device) is not None:
                self._signed_by(device, whom)
        self.follow()
        return self._resolution(("", ""), divided)

    def _signed_by(self, device: str, whom: Iterable[Node]) -> None:
        """One decision signs a device in once, by the strongest identifier that says anything new."""
        said = len(self.rows_new)
        for who in sorted(whom, key=lambda node: (-self.rules.kind(node[0]).priority, node)):
            self.sign_in(device, who)
            if len(self.rows_new) > said:
                return

    def of_rules(self, nodes: Iterable[Node]) -> Resolution:
        """The resolution when other rules come into force: everybody connected with these identifiers, from scratch."""
        for node in nodes:
            self._load(node)
        self._solve_anew((), again=True)
        for group in self.groups():
            group.changed = True
        divided = self.name_groups()
        self.follow()
        return self._resolution(("", ""), divided)

    def _resolution(self, key: Node, divided: Mapping[str, Sequence[str]]) -> Resolution:
        person = self.group[key].person if key in self.group else ""
        gone = [known for pair, now in self.aparts.items() if now is None and (known := self._apart_row(pair))]
        return Resolution(
            person,
            key,
            self.device,
            bool(person) and person not in self.homes,
            list(self.edges.values()),
            self.identifiers,
            [Alias(*pair) for pair in self.aliases.items()],
            self.merges,
            self.moves,
            self.rows_new,
            self.rows_gone,
            [
                Refused(self.person_of(edge.a), self.person_of(edge.b), reason, edge.a, edge.b)
                for edge, reason in self.refused
            ],
            [now for now in self.aparts.values() if now is not None],
            gone,
            divided,
        )

    # --- decisions of staff ---

    def _apart_row(self, pair: Pair) -> Apart | None:
        return self.known.aparts_of(*pair[0]).get(pair[1])

    def _is_news(self, a: Node, b: Node) -> bool:
        """Whether no later decision about this pair is known."""
        this = self.event.at, self.event.message_id
        row, edge = self._apart_row((a, b)), self.known.edge(a, b)
        if row is not None and (row.at, row.message_id) > this:
            return False
        return edge is None or edge.strength < STAFF_STRENGTH or (edge.at, edge.message_id) <= this

    def apart(self, node: Node) -> Collection[Node]:
        """The identifiers that staff keeps this one apart from, after this change."""
        known: Collection[Node] = self.known.aparts_of(*node)
        if not self.aparts:
            return known
        found = set(known)
        for (a, b), now in self.aparts.items():
            if node in (a, b):
                other = b if node == a else a
                found.discard(other)
                if now is not None:
                    found.add(other)
        return found

    # --- groups ---

    def _load(self, node: Node) -> Group | None:
        """The group of an identifier that was ever carried by an event; None if it was not, and of a device."""
        if node in self.group:
            return self.group[node]
        owned = self.known.owner(*node) if node[0] != DEVICE else None
        if owned is None:
            return None
        group = Group({}, changed=False)
        homes = self.homes.setdefault(owned.person, [])
        for kind, value, *seen in self.known.identifiers_of(owned.person):
            if kind == DEVICE:
                homes.append((value, seen[0]))
            else:
                group.nodes[kind, value] = Seen(*seen)
                self.stored[kind, value] = Owned(owned.person, *seen)
                self.group[kind, value] = group
        return group

    def _take_in(self, links: Iterable[Edge]) -> None:
        """The identifiers of the event and the evidence that it gives."""
        seen = Seen(self.event.at, self.event.received_at)
        pending: list[Edge] = []
        known_before: list[Group] = []
        for node in self.strong:
            group = self._load(node)
            if group is None:
                self.group[node] = Group({node: seen}, changed=True)
                if node[0] == ACCOUNT:  # an alias may have named it before
                    pending.extend(self.known.edges_of(*node))
                continue
            was = group.nodes[node]
            now = Seen(min(was.first_at, seen.first_at), min(was.received_at, seen.received_at))
            if now != was:
                group.nodes[node] = now
                group.changed = True
            if now.received_at < was.received_at:
                known_before.append(group)
        for link in links:
            pending.extend(self._evidence(link))
        if any(self._is_doubtful(group, None) for group in known_before):
            self._solve_anew(pending)
            return
        for edge in sorted(pending, key=lambda edge: edge.rank):
            if not self._join(edge):
                self._solve_anew(pending)
                break

    def _evidence(self, edge: Edge) -> list[Edge]:
        """The edge if it is new, or says more than what is known of this pair."""
        edge = better(self.known.edge(*edge.pair), edge)
        if edge == self.known.edge(*edge.pair):
            return []
        self.edges[edge.pair] = edge
        return [edge]

    def _is_doubtful(self, group: Group, edge: Edge | None) -> bool:
        """Whether unproved evidence within the group comes after this edge (None: at all): it must be weighed anew."""
        inner = (self._edge(x, y) for x, y in combinations(group.nodes, 2))
        return any(
            found is not None and not found.proved and (edge is None or found.rank > edge.rank) for found in inner
        )

    def _join(self, edge: Edge) -> bool:
        """Take the edge in; False if that cannot be told from the groups alone."""
        a, b = self._load(edge.a), self._load(edge.b)
        if a is None or b is None:
            return True
        if a is b:
            return not self._is_doubtful(a, edge)
        reason = unjoinable(a.nodes, b.nodes, edge, self.rules, self.apart)
        if reason is not None:
            self.refused.append((edge, reason))
            return self._is_last(edge, a) and self._is_last(edge, b)
        if self._is_doubtful(a, edge) or self._is_doubtful(b, edge):
            return False
        a.nodes.update(b.nodes)
        a.changed = True
        for node in b.nodes:
            self.group[node] = a
        return True

    def _edge(self, x: Node, y: Node) -> Edge | None:
        pair = pair_of(x, y)
        return self.edges.get(pair) or self.known.edge(*pair)

    def _is_last(self, edge: Edge, group: Group) -> bool:
        inner = (self._edge(x, y) for x, y in combinations(group.nodes, 2))
        return all(found is None or found.rank < edge.rank for found in inner)

    def _solve_anew(self, pending: Iterable[Edge], *, again: bool = False) -> None:
        """All groups that any edges connect with these, from scratch. again: evidence is weighed by the rules anew."""
        edges = {edge.pair: edge for edge in pending} | self.edges
        for pair in edges:
            for end in pair:
                self._load(end)
        todo, seen = list(self.group), set(self.group)
        while todo:
            node = todo.pop()
            for edge in self.known.edges_of(*node):
                if edge.pair in self.edges:
                    continue
                weighed = weigh(edge, self.rules) if again else edge
                if weighed != edge:
                    self.edges[edge.pair] = weighed
                edges[edge.pair] = weighed
                for end in edge.pair:
                    group = self._load(end)
                    fresh = [] if group is None else [other for other in group.nodes if other not in seen]
                    seen.update(fresh)
                    todo.extend(fresh)
        within = [edge for edge in edges.values() if edge.a in self.group and edge.b in self.group]
        all_seen = {node: group.nodes[node] for node, group in self.group.items()}
        groups, refused = solve(all_seen, within, self.rules, self.apart)
        for members in groups:
            group = Group({node: all_seen[node] for node in members}, changed=True)
            self.group.update(dict.fromkeys(members, group))
        self.refused = [(edge, reason) for edge, reason in refused if edge.pair in self.edges]


def better(old: Edge | None, new: Edge) -> Edge:
    """What is known of a pair after another call spoke of it: the strongest, earliest evidence."""
    if old is None:
        return new
    if old.strength >= STAFF_STRENGTH:
        return old
    best = old if old.rank <= new.rank else new
    received_at = 0 if best.proved else min(old.received_at, new.received_at)
    return msgspec.structs.replace(best, received_at=received_at)


def weigh(edge: Edge, rules: Rules) -> Edge:
    """The edge with the strength that these rules give to its evidence; an alias and staff keep theirs."""
    if edge.strength > -UNPROVED - 1:
        return edge
    strength = rules.strength(edge.a[0], edge.b[0], edge.evidence) + (0 if edge.proved else UNPROVED)
    return msgspec.structs.replace(edge, strength=strength)
