"""Who has which business objects: the one index over all persons, kept event by event.

An object itself is a pure function of its owner's history (profile.objects) and is stored nowhere. The index, which is
one too, says of each object and each person whose events speak of it: the state, when it began, when it was told of
last. So a list of all open invoices reads the index, and works out what it shows from the histories of a few persons.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

from einklang.app.working import Live, from_json, to_json
from einklang.event import Event
from einklang.profile import PERSON, Kind, state_of, touched

if TYPE_CHECKING:
    from einklang.app.state import State

_ORDER, _SEQ = attrgetter("at", "seq"), attrgetter("seq")
#: What the kind of the key begins with under which an event stands that names nobody; kinds of identifier have no
#: colon.
OBJECT = "object:"
#: Since which fold there is an index.
SINCE = 3
#: Since which fold an event that names nobody waits also where no kind speaks of it, and again for other kinds.
EVER = 4
#: Kind and id of an object.
Place = tuple[str, str]
#: Where an event waits of which no kind speaks: a later one may.
NOWHERE: Place = ("", "")
_KEPT = (
    "at", "clock", "received_at", "type", "name", "message_id", "source", "touchpoint", "machine", "properties",
    "context",
)  # fmt: skip
#: state, first seq, began, changed.
Row = tuple[str, int, int, int]


def row_of(kind: Kind, key: str, events: list[Event]) -> Row:
    """The row of an object. events: those of one person that speak of it, in order of (at, seq).

    What a group owns has a state for the group alone, not for one of its members.
    """
    state = state_of(kind, key, events) or "" if kind.owner == PERSON else ""
    return state, min(map(_SEQ, events)), events[0].at, events[-1].at


class ObjectIndex:
    """The index as the tick writes it, and the events that wait for the owner of their object."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._kinds: dict[str, list[Kind]] = {}
        self._rows: dict[Place, dict[str, Row]] = {}
        self._dropped: dict[str, None] = {}
        self._waiting: dict[Place, dict[int, Event]] = {}
        self._called: set[int] = set()
        self._waits: bool | None = None
        #: events whose owner has come in this moment: person, object, event
        self.called: deque[tuple[str, Place, Event]] = deque()

    @property
    def on(self) -> bool:
        """Whether there is an index in the present fold."""
        return self.state.fold >= SINCE

    def take(self, kinds: Iterable[Kind]) -> None:
        """Put these kinds in force."""
        self._kinds = {}
        for kind in kinds:
            for name in kind.names:
                self._kinds.setdefault(name, []).append(kind)

    def forget(self) -> None:
        """What is known of the tick that is over, or was not committed."""
        self._rows.clear()
        self._dropped.clear()
        self._waiting.clear()
        self._called.clear()
        self.called.clear()
        self._waits = None

    # --- the index ------------------------------------------------------------------------------------------------

    def touch(self, live: Live, event: Event) -> None:
        """A person's history has grown by an event."""
        for kind in self._kinds.get(event.name, ()) if self.on else ():
            keys = dict.fromkeys(key for key, _ in touched(kind, event))
            if not keys:
                continue
            told = live.by_object.get(kind.id)
            if told is None:
                told = live.by_object[kind.id] = self._told(live, kind)
            else:
                for key in keys:
                    insort(told.setdefault(key, []), event, key=_ORDER)
            for key in keys:
                self._rows.setdefault((kind.id, key), {})[live.person.id] = row_of(kind, key, told[key])
                self._call(live, (kind.id, key))

    def _told(self, live: Live, kind: Kind) -> dict[str, list[Event]]:
        """The events of a person by the object of which they speak."""
        found: dict[str, list[Event]] = {}
        for event in live.named(kind.names):
            for key in dict.fromkeys(key for key, _ in touched(kind, event)):
                found.setdefault(key, []).append(event)
        return found

    def again(self, live: Live) -> None:
        """A person's history, or what the kinds are, has changed: all rows anew."""
        if not self.on:
            return
        self.gone(live.person.id)
        live.by_object.clear()
        kinds = {kind.id: kind for name in live.by_name for kind in self._kinds.get(name, ())}
        for kind in kinds.values():
            told = live.by_object[kind.id] = self._told(live, kind)
            for key, events in told.items():
                self._rows.setdefault((kind.id, key), {})[live.person.id] = row_of(kind, key, events)

    def gone(self, person: str) -> None:
        """A person has no objects any more."""
        if self.on:
            self._dropped[person] = None
            for rows in self._rows.values():
                rows.pop(person, None)

    def write(self) -> None:
        """The rows of what changed in this tick."""
        out = self.state.out
        for person in sorted(self._dropped):
            out.add("object_drop", person)
        for place in sorted(self._rows):
            for person, row in sorted(self._rows[place].items()):
                out.add("object_put", *place, person, *row)
        self.forget()

    # --- events that name nobody ----------------------------------------------------------------------------------

    def places(self, event: Event) -> list[Place]:
        """The objects that an event is about, without those of its lines."""
        kinds = [kind for kind in self._kinds.get(event.name, ()) if not kind.rules[event.name].each]
        return [(kind.id, key) for kind in kinds for key, _ in touched(kind, event)]

    def owner(self, event: Event) -> tuple[str, Place] | None:
        """Whose the event is, by which object: of those who named it, the one whose event is the first in the log."""
        for place in self.places(event):
            rows = self.state.reader.read("object_owners", *place)
            known = {person: first for person, first in rows if person not in self._dropped}
            known |= {person: row[1] for person, row in self._rows.get(place, {}).items()}
            if known:
                return min(known, key=lambda person: (known[person], person)), place
        return None

    def wait(self, event: Event) -> None:
        """Keep an event until somebody names its object."""
        for place in self._waits_at(event):
            self._waiting.setdefault(place, {})[event.seq] = event
            self.state.out.add("object_waiting_put", *place, event.seq, to_json(kept(event)))
            self._waits = True

    def _waits_at(self, event: Event) -> list[Place]:
        """The objects for whose owner an event waits."""
        return self.places(event) or ([NOWHERE] if self.state.fold >= EVER else [])

    def _all_waiting(self) -> Iterator[tuple[Event, set[Place]]]:
        """What waits, in order of seq, and for which objects; what is called meanwhile is left out."""
        here: dict[int, tuple[Event, set[Place]]] = {}
        for place, events in self._waiting.items():
            for seq, event in events.items():
                here.setdefault(seq, (event, set()))[1].add(place)
        stored = self.state.reader.stream("object_waiting_by_seq")
        for seq, rows in groupby(stored, key=itemgetter(0)):
            told = list(rows)
            if seq not in self._called and seq not in here:
                yield given(seq, from_json(told[0][3])), {(kind, key) for _, kind, key, _ in told}
        yield from (here[seq] for seq in sorted(here) if seq not in self._called)

    def expire(self, gone: Callable[[Event], bool]) -> None:
        """What waits and has expired waits no longer."""
        for seq in [event.seq for event, _ in self._all_waiting() if gone(event)]:
            self._called.add(seq)
            self.state.out.add("object_waiting_drop", seq)

    def wait_again(self) -> None:
        """The kinds are others: what waits, waits for their objects, and is called where somebody has named one."""
        moved: list[Event] = []
        for event, places in self._all_waiting():
            found = self.owner(event)
            if found is not None:
                self._take(event.seq, found[0], found[1], event)
            elif places != set(self._waits_at(event)):
                moved.append(event)
        out, again = self.state.out, {event.seq for event in moved}
        put = out.rows.get("object_waiting_put", [])
        put[:] = [row for row in put if row[2] not in again]
        for events in self._waiting.values():
            for seq in again & events.keys():
                del events[seq]
        for event in moved:
            out.early.append(("object_waiting_drop", (event.seq,)))
            self.wait(event)

    def _take(self, seq: int, person: str, place: Place, event: Event) -> None:
        self._called.add(seq)
        self.called.append((person, place, event))
        self.state.out.add("object_waiting_drop", seq)

    def _call(self, live: Live, place: Place) -> None:
        """Somebody has named an object: what waits for it is theirs."""
        reader = self.state.reader
        if self._waits is None:
            self._waits = bool(reader.read("object_waiting_any"))
        if not self._waits:
            return
        found = {seq: given(seq, from_json(body)) for seq, body in reader.read("object_waiting_of", *place)}
        if self.state.fold >= EVER:  # in the tick of other kinds the Book says for what it waited until then
            found = {seq: event for seq, event in found.items() if place in self.places(event)}
        found |= self._waiting.pop(place, {})
        for seq in sorted(found.keys() - self._called):
            self._take(seq, live.person.id, place, found[seq])


def kept(event: Event) -> dict[str, Any]:
    """An event as it is kept while it waits."""
    return {name: getattr(event, name) for name in _KEPT}


def given(seq: int, body: dict[str, Any]) -> Event:
    """The event that was kept."""
    return Event(position=0, origin=0, identifiers=(), seq=seq, **body)
