"""Who has which business objects: the one index over all persons, kept event by event.

An object itself is a pure function of its owner's history (profile.objects) and is stored nowhere. The index, which is
one too, says of each object and each person whose events speak of it: the state, when it began, when it was told of
last. So a list of all open invoices reads the index, and works out what it shows from the histories of a few persons.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from operator import attrgetter
from typing import TYPE_CHECKING

from einklang.app.working import Live
from einklang.event import Event
from einklang.profile import PERSON, Kind, fold_objects, touched

if TYPE_CHECKING:
    from einklang.app.state import State

_ORDER = attrgetter("at", "seq")
#: Since which fold there is an index.
SINCE = 3
#: Kind, id and person.
Key = tuple[str, str, str]
#: state, first seq, began, changed.
Row = tuple[str, int, int, int]


def row_of(kind: Kind, key: str, events: list[Event]) -> Row:
    """The row of an object. events: those of one person that speak of it, in order of (at, seq).

    What a group owns has a state for the group alone, not for one of its members.
    """
    known = next(one for one in fold_objects(kind, events) if one.id == key)
    state = known.state or "" if kind.owner == PERSON else ""
    return state, min(event.seq for event in events), events[0].at, events[-1].at


class ObjectIndex:
    """The index as the tick writes it."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._kinds: dict[str, list[Kind]] = {}
        self._rows: dict[Key, Row] = {}
        self._dropped: dict[str, None] = {}

    def take(self, kinds: Iterable[Kind]) -> None:
        """Put these kinds in force."""
        self._kinds = {}
        for kind in kinds:
            for name in kind.names:
                self._kinds.setdefault(name, []).append(kind)

    def forget(self) -> None:
        """The tick was not committed."""
        self._rows.clear()
        self._dropped.clear()

    def touch(self, live: Live, event: Event) -> None:
        """A person's history has grown by an event."""
        for kind in self._kinds.get(event.name, ()) if self.state.fold >= SINCE else ():
            keys = dict.fromkeys(key for key, _ in touched(kind, event))
            told = live.by_object.get(kind.id) if keys else None
            if told is None:
                told = live.by_object[kind.id] = self._told(live, kind) if keys else {}
            else:
                for key in keys:
                    insort(told.setdefault(key, []), event, key=_ORDER)
            for key in keys:
                self._rows[kind.id, key, live.person.id] = row_of(kind, key, told[key])

    def _told(self, live: Live, kind: Kind) -> dict[str, list[Event]]:
        """The events of a person by the object of which they speak."""
        found: dict[str, list[Event]] = {}
        for event in live.named(kind.names):
            for key in dict.fromkeys(key for key, _ in touched(kind, event)):
                found.setdefault(key, []).append(event)
        return found

    def again(self, live: Live) -> None:
        """A person's history, or what the kinds are, has changed: all rows anew."""
        if self.state.fold < SINCE:
            return
        self.gone(live.person.id)
        live.by_object.clear()
        kinds = {kind.id: kind for name in live.by_name for kind in self._kinds.get(name, ())}
        for kind in kinds.values():
            told = live.by_object[kind.id] = self._told(live, kind)
            for key, events in told.items():
                self._rows[kind.id, key, live.person.id] = row_of(kind, key, events)

    def gone(self, person: str) -> None:
        """A person has no objects any more."""
        if self.state.fold >= SINCE:
            self._dropped[person] = None
            for key in [key for key in self._rows if key[2] == person]:
                del self._rows[key]

    def write(self) -> None:
        """The rows of what changed in this tick."""
        out = self.state.out
        for person in sorted(self._dropped):
            out.add("object_drop", person)
        for key in sorted(self._rows):
            out.add("object_put", *key, *self._rows[key])
        self.forget()
