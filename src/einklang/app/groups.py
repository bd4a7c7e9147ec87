"""Households, companies and other groups: who belongs to them, what is known of them, and who must hear of it.

A `group` call says both: that the person belongs to this group of this type from then on (the latest call wins, by
event time), and what the group is like (each trait by event time, whoever says it). Of the traits, `role`,
`contact_person` and `left` speak of the person in the group, the others of the group itself.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from heapq import heappop, heappush
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from einklang.app.working import Live, from_json, to_json
from einklang.event import OWN_EVENTS, Event
from einklang.fact.person import Belongs
from einklang.kernel import limits

if TYPE_CHECKING:
    from einklang.app.state import State

_ORDER = attrgetter("at", "seq")
DEFAULT_TYPE = "company"
#: Of the traits of a call those that speak of the person, and those that name the group.
OF_PERSON, OF_CALL = ("role", "contact_person", "left"), ("type", "group_id")
#: Since which fold a group is asked as a whole, or not at all where it has too many members.
WHOLE = 4
#: Before, these counted, by their id.
_FIRST = 1_000
#: What the engine says of persons, while they are looked at.
_SAID = frozenset(OWN_EVENTS) - {"Page Viewed", "Screen Viewed"}
#: Claims that are kept of one trait of a group.
CLAIMS_MAX = 1_000
TEXT_CHARS_MAX = 200
#: Groups that are kept in memory between ticks.
_KEPT_MAX = 100_000
Key = tuple[str, str]
#: Name of a trait -> (at, seq, value) in order.
Claims = dict[str, list[tuple[int, int, Any]]]


def group_of(event: Event) -> Key | None:
    """Type and id of the group that a call is about; None where it names none."""
    said = event.properties.get("type")
    kind = said.strip() if isinstance(said, str) and said.strip() else DEFAULT_TYPE
    name = event.properties.get("group_id")
    return (kind[:TEXT_CHARS_MAX], name[:TEXT_CHARS_MAX]) if isinstance(name, str) and name else None


def belongs(history: Iterable[Event]) -> dict[str, Belongs]:
    """To which group of each type a person belongs, by the calls of a history."""
    found: dict[str, Belongs] = {}
    for event in history:
        if event.type == "group":
            join(found, event)
    return found


def join(groups: dict[str, Belongs], event: Event) -> bool:
    """Take what a call says of the person in; whether anything changed."""
    key = group_of(event)
    if key is None:
        return False
    kind, name = key
    old = groups.get(kind)
    if old is not None and (old.at, old.seq) >= (event.at, event.seq):
        return False
    role = event.properties.get("role")
    groups[kind] = Belongs(
        "" if event.properties.get("left") is True else name,
        event.at,
        event.seq,
        role[:TEXT_CHARS_MAX] if isinstance(role, str) else "",
        event.properties.get("contact_person") is True,
    )
    return True


def joined(kept: dict[str, Belongs], lost: Mapping[str, Belongs]) -> None:
    """Lay the groups of a merged person over those of the living one."""
    for kind, one in lost.items():
        old = kept.get(kind)
        if old is None or (old.at, old.seq) < (one.at, one.seq):
            kept[kind] = one


class Groups:
    """Groups as the tick sees them: read on demand, kept between ticks, written when changed."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._members: dict[Key, set[str]] = {}
        self._claims: dict[Key, Claims] = {}
        self._moved: set[tuple[str, str, str]] = set()
        self._told: set[Key] = set()
        self._order: list[str] = []
        self._histories: dict[tuple[Key, tuple[str, ...]], list[Event]] | None = None
        self._folds: dict[tuple[Key, Hashable], Any] = {}
        #: persons who must be looked at, because a group of theirs changed or another member did something
        self.concerned: dict[str, set[str]] = {}

    def forget(self) -> None:
        """The tick was not committed, or somebody else wrote."""
        for kept in (self._members, self._claims, self._moved, self._told, self.concerned, self._order):
            kept.clear()
        self._histories = None

    # --- reading ----------------------------------------------------------------------------------------------------

    def members(self, key: Key) -> set[str]:
        """Ids of those who belong to a group now."""
        found = self._members.get(key)
        if found is None:
            found = self._members[key] = {row[0] for row in self.state.reader.read("party_members", *key)}
        return found

    def claims(self, key: Key) -> Claims:
        """What was said of a group."""
        found = self._claims.get(key)
        if found is None:
            rows = self.state.reader.read("party_get", *key)
            found = {name: [(at, seq, value) for at, seq, value in said] for name, said in _stored(rows).items()}
            self._claims[key] = found
        return found

    def key_of(self, live: Live, kind: str) -> Key | None:
        """The group of this type to which a person belongs."""
        one = live.person.groups.get(kind)
        return (kind, one.id) if one is not None and one.id else None

    def trait(self, key: Key, name: str, now: int) -> Any:
        """The value of a trait of a group at a moment."""
        said = self.claims(key).get(name, ())
        place = bisect_right(said, now, key=lambda claim: claim[0])
        return said[place - 1][2] if place else None

    def too_many(self, key: Key) -> bool:
        """Whether a group has more members than can be asked together."""
        return self.state.fold >= WHOLE and len(self.members(key)) > limits.GROUP_MEMBERS_MAX

    def history(self, key: Key, names: tuple[str, ...]) -> Sequence[Event]:
        """What all members did, in order of (at, seq)."""
        kept = self._histories if _SAID.isdisjoint(names) else None
        found = kept.get((key, names)) if kept is not None else None
        if found is None:
            members = sorted(self.members(key))
            people = map(self.state.working.get, members if self.state.fold >= WHOLE else members[:_FIRST])
            found = sorted((event for live in people if live is not None for event in live.named(names)), key=_ORDER)
            if kept is not None:
                kept[key, names] = found
        return found

    def together(self, key: Key, what: Hashable, names: frozenset[str], work: Callable[[], Any]) -> Any:
        """What is the same for all members, of those who are looked at one after the other; names: of what they did."""
        if self._histories is None or not _SAID.isdisjoint(names):
            return work()
        if (key, what) not in self._folds:
            self._folds[key, what] = work()
        return self._folds[key, what]

    # --- folding ----------------------------------------------------------------------------------------------------

    def call(self, live: Live, event: Event) -> None:
        """Fold a `group` call."""
        key = group_of(event)
        if key is None:
            return
        before = self.key_of(live, key[0])
        if join(live.person.groups, event):
            self.sync(live)
        claims = self.claims(key)
        changed = self.state.fold < WHOLE and before != self.key_of(live, key[0])  # `sync` has told of it since then
        for name, value in event.properties.items():
            if name not in OF_PERSON and name not in OF_CALL:
                said = claims.setdefault(name, [])
                insort(said, (event.at, event.seq, value), key=lambda claim: claim[:2])
                changed = changed or said[-1][1] == event.seq
                del said[:-CLAIMS_MAX]
                self._told.add(key)
        if changed:
            for one in (key, before) if self.state.fold < WHOLE else (key,):
                self._concern(one, but=live.person.id)

    def heard(self, live: Live, names: Iterable[str]) -> None:
        """Somebody did something that conditions ask all members of a group about."""
        kept = self._histories
        if kept and not _SAID.issuperset(names):
            mine = [place for place in kept if place[0] == self.key_of(live, place[0][0])]
            for place in mine:
                if not place[1] or not set(names).isdisjoint(place[1]):
                    del kept[place]
                    self._folds = {}
        listening = self.state.listened_in_groups
        if listening and live.person.groups and ("" in listening or not listening.isdisjoint(names)):
            for kind in sorted(live.person.groups):
                self._concern(self.key_of(live, kind), but=live.person.id, members=True)

    def _concern(self, key: Key | None, *, but: str, members: bool = False, joined: bool = False) -> None:
        """These must be looked at. members: for who they are or what they did, not for what was said of the group;
        joined: somebody has come in.
        """
        if key is None or key[0] not in self.state.asked_groups:
            return
        found = self.members(key)
        if self.state.fold < WHOLE:
            found = set(sorted(found)[:_FIRST])
        elif members and (key[0] not in self.state.asked_members or len(found) > limits.GROUP_MEMBERS_MAX + joined):
            return
        for person in found:
            if person != but:
                if person not in self.concerned:
                    heappush(self._order, person)
                self.concerned.setdefault(person, set()).add(key[0])

    def next(self) -> tuple[str, set[str]] | None:
        """Who is to be looked at next, the first by id, and for groups of which types; None if nobody is.

        Until then what members did is worked out once for all who are looked at.
        """
        if not self.concerned:
            self._histories = None
            self._order.clear()
            return None
        if self._histories is None:
            self._histories = {}
            self._folds = {}
        while self._order:
            person = heappop(self._order)
            if person in self.concerned:
                return person, self.concerned.pop(person)
        self._order = sorted(self.concerned)
        return self.next()

    def sync(self, live: Live) -> None:
        """Bring the members up to date with what a person's state says, or with that the person is gone."""
        person = live.person
        now = {} if live.gone else {kind: one.id for kind, one in person.groups.items() if one.id}
        for kind in sorted(live.indexed.keys() | now.keys()):
            old, new = live.indexed.get(kind), now.get(kind)
            if old is not None:
                self.members((kind, old)).discard(person.id)
                self._moved.add((kind, old, person.id))
            if new is not None:
                self.members((kind, new)).add(person.id)
                self._moved.add((kind, new, person.id))
            if old != new:
                self._histories = None
                for name in (old, new):
                    place = (kind, name) if name is not None else None
                    self._concern(place, but=person.id, members=True, joined=name == new)
        live.indexed = now

    def write(self) -> None:
        """The rows of what changed in this tick."""
        out = self.state.out
        for kind, name, person in sorted(self._moved):
            live = self.state.working.get(person) if person in self.members((kind, name)) else None
            one = live.person.groups.get(kind) if live is not None else None
            if one is not None and one.id == name:
                out.add("party_member_put", kind, name, person, one.role, int(one.contact), one.at)
            else:
                out.add("party_member_drop", kind, name, person)
        for key in sorted(self._told):
            out.add("party_put", *key, to_json(self.claims(key)))
        self._moved.clear()
        self._told.clear()
        if len(self._members) + len(self._claims) > _KEPT_MAX:
            self._members.clear()
            self._claims.clear()


def _stored(rows: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    return dict(from_json(rows[0][0])) if rows else {}
