"""What becomes of devices when persons change: sign-ins, the limit of devices, and the owners of stretches of time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice

from einklang.event import Event
from einklang.identity.devices import EVER, SignIn, before, differences, insert, segments
from einklang.identity.graph import Node, Seen, id_of
from einklang.identity.known import Known, Merge, Move, Owned
from einklang.identity.rules import DEVICE, Rules
from einklang.kernel.ids import person_id


class Group:
    """A group while it is worked on: its strong identifiers, node -> when seen. changed: it is not as stored."""

    __slots__ = ("changed", "nodes", "person")

    def __init__(self, nodes: dict[Node, Seen], *, changed: bool) -> None:
        self.nodes = nodes
        self.changed = changed
        self.person = ""


class DeviceChange:
    """The later half of a change: groups have their persons, devices follow. `group`: strong identifier -> group."""

    def __init__(self, event: Event, device: str, known: Known, salt: bytes, rules: Rules) -> None:
        self.event, self.device = event, device
        self.known, self.salt, self.rules = known, salt, rules
        self.group: dict[Node, Group] = {}
        self.stored: dict[Node, Owned] = {}
        self.homes: dict[str, list[tuple[str, int]]] = {}
        self.whole: dict[str, str] = {}
        self.identifiers: list[tuple[str, str, str, int, int]] = []
        self.aliases: dict[str, str] = {}
        self.merges: list[Merge] = []
        self.moves: list[Move] = []
        self.rows_new: list[SignIn] = []
        self.rows_gone: list[SignIn] = []

    def groups(self) -> list[Group]:
        """The groups, each once."""
        return list({id(group): group for group in self.group.values()}.values())

    def name_groups(self) -> dict[str, list[str]]:
        """Ids of the groups; which old persons went over as a whole; identifiers that changed hands.

        The answer: old persons whose identifiers are not one person's any more -> whose they are now.
        """
        became: dict[str, set[str]] = {}
        for group in self.groups():
            group.person = id_of(group.nodes, self.salt, self.rules)
            for node in group.nodes:
                if node in self.stored:
                    became.setdefault(self.stored[node].person, set()).add(group.person)
        divided = {old: sorted(new) for old, new in became.items() if len(new) > 1}
        for old, new in became.items():
            if len(new) > 1:
                continue
            (self.whole[old],) = new
            if self.whole[old] != old:
                self.merges.append(Merge(old, self.whole[old]))
        for node, group in self.group.items():
            was = self.stored.get(node)
            now = Owned(group.person, *group.nodes[node])
            if was != now:
                self.identifiers.append((*node, *now))
            if was is not None and was.person != now.person:
                self._rename(node, was.person, now.person)
                if was.person not in self.whole:
                    self.moves.append(Move(*node, -EVER, EVER, was.person, now.person))
        return divided

    def person_of(self, node: Node) -> str:
        """The person of an identifier after this event."""
        if node in self.group:
            return self.group[node].person
        owned = self.known.owner(*node)
        return owned.person if owned is not None else ""

    def _person_before(self, node: Node) -> str:
        """The person of an identifier before this event, as far as it did not go over as a whole."""
        if node not in self.group:
            return self.person_of(node)
        was = self.stored.get(node)
        return self.whole.get(was.person, was.person) if was is not None else self.group[node].person

    def _rename(self, node: Node, was: str, now: str) -> None:
        """Ids founded by this identifier lead to its new owner."""
        own = person_id(self.salt, *node)
        if own == was or own in self.known.aliases_of(was):
            self.aliases[own] = now

    def sign_in(self, device: str, node: Node) -> None:
        """The event signs the device in by this identifier."""
        event, known = self.event, self.known

        def resumed(row: SignIn, after: SignIn) -> SignIn | None:
            return known.next_signed(device, row.kind, row.value, after.at, after.message_id)

        new = SignIn(event.at, event.message_id, device, *node)
        added, gone = insert(known.sign_ins(device), new, resumed)
        self.rows_new += added
        self.rows_gone += gone

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

    def _claims(self, group: Group) -> Iterator[SignIn]:
        """All rows of a group's identifiers after this event, in time order; read only as far as asked."""
        changed = {row[:3] for row in (*self.rows_new, *self.rows_gone)}
        new = sorted(row for row in self.rows_new if row.node in group.nodes)
        known = (self.known.claims(*node) for node in group.nodes if node in self.stored)
        return (row for row in merge(new, *known) if row in new or row[:3] not in changed)

    def _limit_devices(self) -> set[str]:
        """Void what is beyond the limit or kept apart, in every group that changed or signed in; the devices on which
        that shows.

        In a group that did not change, only the device signed in on and the one it may have displaced can differ.
        """
        limit = self.rules.kind(DEVICE).limit
        flipped: dict[tuple[object, ...], SignIn] = {}
        for group in self.groups():
            if not group.changed and not any(row.node in group.nodes for row in self.rows_new):
                continue
            counted: dict[str, None] = {}
            concerned = {row.device for row in self.rows_new}
            for row in self._claims(group):
                if self._kept_apart(row.device, group):
                    continue
                if len(counted) == limit and row.device not in counted:
                    concerned.add(row.device)
                    break
                counted[row.device] = None
            rows: Iterable[SignIn] = self._claims(group)
            if not group.changed:
                rows = [row for device in concerned for row in self._all_rows(device) if row.node in group.nodes]
            for row in rows:
                void = row.device not in counted or self._kept_apart(row.device, group)
                if row.void is not void:
                    flipped[row[:3]] = row._replace(void=void)
        self.rows_new = [row for row in self.rows_new if row[:3] not in flipped] + list(flipped.values())
        return {row.device for row in self.rows_new}

    def apart(self, node: Node) -> Collection[Node]:
        """The identifiers that staff keeps this one apart from, after this change."""
        return self.known.aparts_of(*node)

    def _kept_apart(self, device: str, group: Group) -> bool:
        """Whether staff said that this device is none of theirs, whoever signs in on it."""
        return any(node in group.nodes for node in self.apart((DEVICE, device)))

    def _all_rows(self, device: str) -> list[SignIn]:
        changed = {row[:3] for row in (*self.rows_new, *self.rows_gone)}
        kept = [row for row in self.known.sign_ins(device) if row[:3] not in changed]
        return kept + [row for row in self.rows_new if row.device == device]

    def follow(self) -> None:
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
                    self.identifiers.append((DEVICE, device, new, first_at, 0))
                    self._rename((DEVICE, device), old, new)

    def _home(self, device: str, rows: Sequence[SignIn], alone: str) -> str:
        """The owner of the device before its first sign-in: who signed in first."""
        changed = {row[:3] for row in (*self.rows_new, *self.rows_gone)}
        stored = (row for row in self.known.sign_ins(device) if row[:3] not in changed and not row.void)
        first = min((*(row for row in rows if not row.void), *islice(stored, 1)), default=None)
        return alone if first is None else self.person_of(first.node)

    def _own(self, device: str) -> None:
        """Home of the device, and the stretches of time whose owner changed."""
        node = (DEVICE, device)
        was = self.known.owner(*node)
        seen = device == self.device and (self.event.type != "alias" or node in self.event.identifiers)
        if was is None and not seen:
            return
        alone = person_id(self.salt, *node)
        before_rows, rows = self._rows(device)
        now = segments(rows, self.person_of, alone)
        home, at = self._home(device, rows, alone), self.event.at
        if was is None:
            self.identifiers.append((*node, home, at, 0))
            return
        first_at = min(was.first_at, at) if seen else was.first_at
        if was[:2] != (home, first_at):
            self.identifiers.append((*node, home, first_at, 0))
        if was.person != home:
            self._rename(node, was.person, home)
        old = segments(before_rows, self._person_before, alone)
        changes = differences(old, now)
        if changes == [(-EVER, EVER, alone, home)]:
            self.merges.append(Merge(alone, home))
        else:
            self.moves.extend(Move(DEVICE, device, lo, hi, was_of, now_of) for lo, hi, was_of, now_of in changes)
