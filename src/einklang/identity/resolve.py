"""One event -> its person, and what it changes among persons. Pure: all that is known is asked of `Known`.

A signed-in visitor's thousandth page view costs a few look-ups (`_unchanged`); what is new goes through `_Change`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice

from einklang.event import Event
from einklang.identity.devices import EVER, SignIn, before, differences, insert, owner_at, segments
from einklang.identity.graph import Edge, Node, Pair, id_of, pair_of, solve, unjoinable
from einklang.identity.known import Alias, Known, Merge, Move, Owned, Refused, Resolution
from einklang.identity.rules import ACCOUNT, ALIAS_STRENGTH, DEFAULT_RULES, DEVICE, Rules
from einklang.kernel.ids import person_id

_PREVIOUS = "previousId"


def _keys(event: Event, rules: Rules) -> tuple[list[Node], str]:
    """(usable identifiers, strongest first; the device or ""). An alias without device signs in the one it replaces."""
    strong: list[Node] = []
    device = previous = ""
    for node in event.identifiers:
        kind, value = node
        if kind == _PREVIOUS:
            previous = value if event.type == "alias" and rules.usable(DEVICE, value) else ""
        elif rules.usable(kind, value):
            if kind == DEVICE:
                device = value
            else:
                strong.append(node)
    if len(strong) > 1:
        strong.sort(key=lambda node: -rules.kinds[node[0]].priority)
    return strong, device or previous


def _replaced(event: Event, strong: Sequence[Node], rules: Rules) -> Node | None:
    """The userId that an alias says to be the same person; the event's own anonymousId is a device, not a userId."""
    if event.type != "alias" or not strong or strong[0][0] != ACCOUNT:
        return None
    said = dict(event.identifiers)
    value = said.get(_PREVIOUS, "")
    if not value or value in (said.get(DEVICE), strong[0][1]) or not rules.usable(ACCOUNT, value):
        return None
    return ACCOUNT, value


def key_of(event: Event, rules: Rules = DEFAULT_RULES) -> Node:
    """What the event is attributed by: its strongest identifier, else (anonymousId, device), else ("", "")."""
    strong, device = _keys(event, rules)
    return strong[0] if strong else (DEVICE, device) if device else ("", "")


def device_of(event: Event, rules: Rules = DEFAULT_RULES) -> str:
    """The device (anonymousId) that the event speaks of, "" if none; of an alias without one, what it replaces."""
    return _keys(event, rules)[1]


def resolve(event: Event, known: Known, salt: bytes, rules: Rules = DEFAULT_RULES) -> Resolution:
    """The person of this event and all that it changes. salt: of the home, keys the person ids.

    The answer depends on the set of events known, not on their order: `Overlay.apply` of every resolution in any order
    leads to the same persons, identifiers and owners of devices.
    """
    strong, device = _keys(event, rules)
    if not strong:
        return _anonymous(event, device, known, salt) if device else Resolution("")
    if event.type != "alias":
        person = _unchanged(event, strong, device, known, rules)
        if person:
            return Resolution(person, strong[0], device)
        newcomer = _newcomer(event, strong, device, known, salt, rules)
        if newcomer is not None:
            return newcomer
    return _Change(event, strong, device, known, salt, rules).run()


def _anonymous(event: Event, device: str, known: Known, salt: bytes) -> Resolution:
    own = known.owner(DEVICE, device)
    rows = known.sign_ins(device)
    signed = owner_at(rows, event.at)
    key = (DEVICE, device)
    person = _living(known, signed) if signed else own.person if own else person_id(salt, *key)
    if own is None:
        home = _living(known, next(row for row in rows if not row.void)) if signed else person
        created = signed is None
        return Resolution(person, key, device, created, identifiers=[(*key, home, event.at)])
    if event.at < own.first_at:
        return Resolution(person, key, device, identifiers=[(*key, own.person, event.at)])
    return Resolution(person, key, device)


def _living(known: Known, row: SignIn) -> str:
    owned = known.owner(row.kind, row.value)
    assert owned is not None, "a sign-in by an identifier that nobody owns"
    return owned.person


def _unchanged(event: Event, strong: Sequence[Node], device: str, known: Known, rules: Rules) -> str:
    """The person if the event says nothing new about identity, else ""."""
    first = strong[0]
    at = event.at
    owned = known.owner(*first)
    if owned is None or at < owned.first_at:
        return ""
    for node in strong[1:]:
        other = known.owner(*node)
        edge = known.edge(*pair_of(first, node))
        if other is None or at < other.first_at or edge is None:
            return ""
        if (-edge.strength, edge.at, edge.message_id) > (-rules.strength(first[0], node[0]), at, event.message_id):
            return ""
    if device:
        own = known.owner(DEVICE, device)
        if own is None or at < own.first_at:
            return ""
        rows = known.sign_ins(device)
        index = before(rows, at, event.message_id)
        if not index or rows[index - 1].node != first:
            return ""
    return owned.person


def _newcomer(
    event: Event, strong: Sequence[Node], device: str, known: Known, salt: bytes, rules: Rules
) -> Resolution | None:
    """Nobody has any of these identifiers, and nobody ever signed in on the device: one person, nothing to weigh."""
    first, at = strong[0], event.at
    rows = known.sign_ins(device) if device else ()
    if rows or any(known.owner(*node) is not None for node in strong):
        return None
    if first[0] == ACCOUNT and known.edges_of(*first):
        return None
    person = person_id(salt, *first)
    edges = []
    for node in strong[1:]:
        strength = rules.strength(first[0], node[0])
        edges.append(Edge(*pair_of(first, node), strength, at, event.message_id, event.source, event.type))
    identifiers = [(*node, person, at) for node in strong]
    if not device:
        return Resolution(person, first, "", True, edges, identifiers)
    own = known.owner(DEVICE, device)
    identifiers.append((DEVICE, device, person, at if own is None else min(at, own.first_at)))
    sign_ins = [SignIn(at, event.message_id, device, *first)]
    aliases = [] if own is None else [Alias(own.person, person)]
    merges = [] if own is None else [Merge(own.person, person)]
    return Resolution(person, first, device, True, edges, identifiers, aliases, merges, sign_ins=sign_ins)


class _Group:
    """A group while it is worked on: its strong identifiers, node -> first seen at. changed: it is not as stored."""

    __slots__ = ("changed", "nodes", "person")

    def __init__(self, nodes: dict[Node, int], *, changed: bool) -> None:
        self.nodes = nodes
        self.changed = changed
        self.person = ""


class _Change:
    """The slow path: what becomes of the groups, then of the devices. Single use."""

    def __init__(self, event: Event, strong: list[Node], device: str, known: Known, salt: bytes, rules: Rules) -> None:
        self.event, self.strong, self.device = event, strong, device
        self.known, self.salt, self.rules = known, salt, rules
        self.group: dict[Node, _Group] = {}
        self.stored: dict[Node, Owned] = {}
        self.homes: dict[str, list[tuple[str, int]]] = {}
        self.edges: dict[Pair, Edge] = {}
        self.refused: list[tuple[Edge, str]] = []
        self.whole: dict[str, str] = {}
        self.identifiers: list[tuple[str, str, str, int]] = []
        self.aliases: dict[str, str] = {}
        self.merges: list[Merge] = []
        self.moves: list[Move] = []
        self.rows_new: list[SignIn] = []
        self.rows_gone: list[SignIn] = []

    def run(self) -> Resolution:
        """The resolution of the event."""
        self._graph()
        self._name_groups()
        self._sign_in()
        self._devices()
        person = self.group[self.strong[0]].person
        return Resolution(
            person,
            self.strong[0],
            self.device,
            person not in self.homes,
            list(self.edges.values()),
            self.identifiers,
            [Alias(*pair) for pair in self.aliases.items()],
            self.merges,
            self.moves,
            self.rows_new,
            self.rows_gone,
            [Refused(self._person(edge.a), self._person(edge.b), reason) for edge, reason in self.refused],
        )

    # --- groups ---

    def _load(self, node: Node) -> _Group | None:
        """The group of an identifier that was ever carried by an event; None if it was not."""
        if node in self.group:
            return self.group[node]
        owned = self.known.owner(*node)
        if owned is None:
            return None
        group = _Group({}, changed=False)
        homes = self.homes.setdefault(owned.person, [])
        for kind, value, first_at in self.known.identifiers_of(owned.person):
            if kind == DEVICE:
                homes.append((value, first_at))
            else:
                group.nodes[kind, value] = first_at
                self.stored[kind, value] = Owned(owned.person, first_at)
                self.group[kind, value] = group
        return group

    def _graph(self) -> None:
        event, first = self.event, self.strong[0]
        pending: list[Edge] = []
        for node in self.strong:
            group = self._load(node)
            if group is None:
                self.group[node] = _Group({node: event.at}, changed=True)
                if node[0] == ACCOUNT:  # an alias may have named it before
                    pending.extend(self.known.edges_of(*node))
            elif event.at < group.nodes[node]:
                group.nodes[node] = event.at
                group.changed = True
        for node in self.strong[1:]:
            pending.extend(self._evidence(first, node, self.rules.strength(first[0], node[0])))
        replaced = _replaced(event, self.strong, self.rules)
        if replaced is not None:
            pending.extend(self._evidence(first, replaced, ALIAS_STRENGTH))
        for edge in sorted(pending, key=lambda edge: edge.rank):
            if not self._join(edge):
                self._solve_anew(pending)
                break

    def _evidence(self, x: Node, y: Node, strength: int) -> list[Edge]:
        """The edge between x and y if it is new, or better than the one that is known."""
        a, b = pair_of(x, y)
        event = self.event
        edge = Edge(a, b, strength, event.at, event.message_id, event.source, event.type)
        old = self.known.edge(a, b)
        if old is not None and old.rank <= edge.rank:
            return []
        self.edges[a, b] = edge
        return [edge]

    def _join(self, edge: Edge) -> bool:
        """Take the edge in; False if that cannot be told from the groups alone."""
        a, b = self._load(edge.a), self._load(edge.b)
        if a is None or b is None or a is b:
            return True
        reason = unjoinable(a.nodes, b.nodes, edge.strength, self.rules)
        if reason is not None:
            self.refused.append((edge, reason))
            return self._is_last(edge, a) and self._is_last(edge, b)
        a.nodes.update(b.nodes)
        a.changed = True
        for node in b.nodes:
            self.group[node] = a
        return True

    def _edge(self, x: Node, y: Node) -> Edge | None:
        pair = pair_of(x, y)
        return self.edges.get(pair) or self.known.edge(*pair)

    def _is_last(self, edge: Edge, group: _Group) -> bool:
        nodes = list(group.nodes)
        inner = (self._edge(x, y) for index, x in enumerate(nodes) for y in nodes[:index])
        return all(found is None or found.rank < edge.rank for found in inner)

    def _solve_anew(self, pending: Iterable[Edge]) -> None:
        """A late edge in conflict: all groups that any edges connect with these, from scratch."""
        edges = {edge.pair: edge for edge in pending} | self.edges
        todo, seen = list(self.group), set(self.group)
        while todo:
            node = todo.pop()
            near = [edge for edge in self.known.edges_of(*node) if edge.pair not in self.edges]
            edges.update((edge.pair, edge) for edge in near)
            for edge in near:
                for end in edge.pair:
                    group = self._load(end)
                    fresh = [] if group is None else [other for other in group.nodes if other not in seen]
                    seen.update(fresh)
                    todo.extend(fresh)
        within = [edge for edge in edges.values() if edge.a in self.group and edge.b in self.group]
        groups, refused = solve(self.group, within, self.rules)
        first_at = {node: group.nodes[node] for node, group in self.group.items()}
        for members in groups:
            group = _Group({node: first_at[node] for node in members}, changed=True)
            self.group.update(dict.fromkeys(members, group))
        self.refused = [(edge, reason) for edge, reason in refused if edge.pair in self.edges]

    def _groups(self) -> list[_Group]:
        return list({id(group): group for group in self.group.values()}.values())

    def _name_groups(self) -> None:
        """Ids of the groups; which old persons went over as a whole; identifiers that changed hands."""
        became: dict[str, set[str]] = {}
        for group in self._groups():
            group.person = id_of(group.nodes, self.salt, self.rules)
            for node in group.nodes:
                if node in self.stored:
                    became.setdefault(self.stored[node].person, set()).add(group.person)
        for old, new in became.items():
            if len(new) > 1:
                continue
            (self.whole[old],) = new
            if self.whole[old] != old:
                self.merges.append(Merge(old, self.whole[old]))
        for node, group in self.group.items():
            was = self.stored.get(node)
            now = Owned(group.person, group.nodes[node])
            if was != now:
                self.identifiers.append((*node, *now))
            if was is not None and was.person != now.person:
                self._rename(node, was.person, now.person)
                if was.person not in self.whole:
                    self.moves.append(Move(*node, -EVER, EVER, was.person, now.person))

    def _person(self, node: Node) -> str:
        """The person of an identifier after this event."""
        if node in self.group:
            return self.group[node].person
        owned = self.known.owner(*node)
        return owned.person if owned is not None else ""

    def _person_before(self, node: Node) -> str:
        """The person of an identifier before this event, as far as it did not go over as a whole."""
        if node not in self.group:
            return self._person(node)
        was = self.stored.get(node)
        return self.whole.get(was.person, was.person) if was is not None else self.group[node].person

    def _rename(self, node: Node, was: str, now: str) -> None:
        """Ids founded by this identifier lead to its new owner."""
        own = person_id(self.salt, *node)
        if own == was or own in self.known.aliases_of(was):
            self.aliases[own] = now

    # --- devices ---

    def _sign_in(self) -> None:
        if not self.device:
            return
        event, known = self.event, self.known
        new = SignIn(event.at, event.message_id, self.device, *self.strong[0])

        def resumed(row: SignIn, after: SignIn) -> SignIn | None:
            return known.next_signed(self.device, row.kind, row.value, after.at, after.message_id)

        self.rows_new, self.rows_gone = insert(known.sign_ins(self.device), new, resumed)

    def _rows(self, device: str) -> tuple[Sequence[SignIn], list[SignIn]]:
        """The rows of a device before and after this event, as far as owners can differ between them.

        If nobody was split, that is around the rows that changed: from the valid row before them to the one after.
        """
        old = self.known.sign_ins(device)
        new = [row for row in self.rows_new if row.device == device]
        changed = sorted(row[:3] for row in (*self.rows_new, *self.rows_gone) if row.device == device)
        if changed and all(was.person in self.whole for was in self.stored.values()):
            start = before(old, *changed[0][:2])
            start -= bool(start) and old[start - 1][:3] == changed[0]
            end = before(old, *changed[-1][:2])
            while start > 0 and (start == len(old) or old[start].void or old[start][:3] >= changed[0]):
                start -= 1
            while end < len(old) and old[end].void:
                end += 1
            old = old[start : end + 1]
        return old, sorted([row for row in old if row[:3] not in changed] + new)

    def _claims(self, group: _Group) -> Iterator[SignIn]:
        """All rows of a group's identifiers after this event, in time order; read only as far as asked."""
        changed = {row[:3] for row in (*self.rows_new, *self.rows_gone)}
        new = sorted(row for row in self.rows_new if row.node in group.nodes)
        known = (self.known.claims(*node) for node in group.nodes if node in self.stored)
        return (row for row in merge(new, *known) if row in new or row[:3] not in changed)

    def _limit_devices(self) -> set[str]:
        """Void what is beyond the limit, in every group that changed or signed in; the devices on which that shows.

        In a group that did not change, only the device signed in on and the one it may have displaced can differ.
        """
        limit = self.rules.kinds[DEVICE].limit
        flipped: dict[tuple[object, ...], SignIn] = {}
        for group in self._groups():
            if not group.changed and not (self.rows_new and self.strong[0] in group.nodes):
                continue
            counted: dict[str, None] = {}
            displaced = ""
            for row in self._claims(group):
                if len(counted) == limit and row.device not in counted:
                    displaced = row.device
                    break
                counted[row.device] = None
            if group.changed:
                rows: Iterable[SignIn] = self._claims(group)
            elif displaced:
                concerned = {displaced, *(row.device for row in self.rows_new)}
                rows = [row for device in concerned for row in self._all_rows(device) if row.node in group.nodes]
            else:
                continue
            for row in rows:
                if row.void is (row.device in counted):
                    flipped[row[:3]] = row._replace(void=not row.void)
        self.rows_new = [row for row in self.rows_new if row[:3] not in flipped] + list(flipped.values())
        return {row.device for row in self.rows_new}

    def _all_rows(self, device: str) -> list[SignIn]:
        changed = {row[:3] for row in (*self.rows_new, *self.rows_gone)}
        kept = [row for row in self.known.sign_ins(device) if row[:3] not in changed]
        return kept + [row for row in self.rows_new if row.device == device]

    def _devices(self) -> None:
        """Owners of the devices concerned: by sign-ins that changed, and by identifiers that left a person."""
        concerned = self._limit_devices() | {row.device for row in self.rows_gone}
        if self.device:
            concerned.add(self.device)
        for node, was in self.stored.items():
            if was.person not in self.whole:
                concerned.update(row.device for row in self.known.claims(*node))
                concerned.update(device for device, _ in self.homes[was.person])
        for device in sorted(concerned):
            self._own(device)
        for old, new in self.whole.items():
            if old == new:
                continue
            for device, first_at in self.homes[old]:
                if device not in concerned:
                    self.identifiers.append((DEVICE, device, new, first_at))
                    self._rename((DEVICE, device), old, new)

    def _home(self, device: str, rows: Sequence[SignIn], alone: str) -> str:
        """The owner of the device before its first sign-in: who signed in first."""
        changed = {row[:3] for row in (*self.rows_new, *self.rows_gone)}
        stored = (row for row in self.known.sign_ins(device) if row[:3] not in changed and not row.void)
        first = min((*(row for row in rows if not row.void), *islice(stored, 1)), default=None)
        return alone if first is None else self._person(first.node)

    def _own(self, device: str) -> None:
        """Home of the device, and the stretches of time whose owner changed."""
        node = (DEVICE, device)
        was = self.known.owner(*node)
        seen = device == self.device and (self.event.type != "alias" or node in self.event.identifiers)
        if was is None and not seen:
            return
        alone = person_id(self.salt, *node)
        before_rows, rows = self._rows(device)
        now = segments(rows, self._person, alone)
        home, at = self._home(device, rows, alone), self.event.at
        if was is None:
            self.identifiers.append((*node, home, at))
            return
        first_at = min(was.first_at, at) if seen else was.first_at
        if was != (home, first_at):
            self.identifiers.append((*node, home, first_at))
        if was.person != home:
            self._rename(node, was.person, home)
        old = segments(before_rows, self._person_before, alone)
        changes = differences(old, now)
        if changes == [(-EVER, EVER, alone, home)]:
            self.merges.append(Merge(alone, home))
        else:
            self.moves.extend(Move(DEVICE, device, lo, hi, was_of, now_of) for lo, hi, was_of, now_of in changes)
