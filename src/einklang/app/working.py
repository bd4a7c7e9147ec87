"""The working set of a tick: persons with their history and runs.

Loaded on demand, kept between ticks, written when changed.
"""

from __future__ import annotations

from bisect import insort
from collections import OrderedDict
from collections.abc import Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any

import msgspec

from einklang.app.ports import Reader, Row
from einklang.event import OWN_EVENTS, Event, names_of
from einklang.fact.person import Person, Run, Trait
from einklang.kernel import ids
from einklang.profile import Gathered

_JSON_IN = msgspec.json.Decoder(float_hook=Decimal)
_JSON_OUT = msgspec.json.Encoder(decimal_format="number")
_PERSON = msgspec.json.Decoder(Person, float_hook=Decimal)
_RUN = msgspec.json.Decoder(Run, float_hook=Decimal)
_ORDER = attrgetter("at", "seq")
MEGABYTE = 1_000_000
#: What persons may take in memory between ticks, as `Live.weight` estimates it, unless EINKLANG_WORKING_SET_MB says so.
WORKING_SET_MB = 1024
#: Estimates, measured on CPython 3.11: of a person, a run, an event, and a property of one, each with what holds it.
_PERSON_BYTES, _RUN_BYTES, _EVENT_BYTES, _PROPERTY_BYTES = 3_000, 3_000, 900, 110
#: Where properties and context stand in a row of a history.
_TEXTS = slice(14, 16)


def _run_order(run: Run) -> tuple[int, str]:
    return run.entry.clock, run.id


def to_json(value: Any) -> str:
    """Compact JSON text; Decimal as number."""
    return _JSON_OUT.encode(value).decode()


def from_json(text: str | bytes) -> Any:
    """JSON text -> values; numbers are int or Decimal."""
    return _JSON_IN.decode(text)


def label_of(person: Person) -> str:
    """What a list shows for a person: name, e-mail, or the strongest identifier."""
    traits = person.traits
    parts = [str(traits[n].value) for n in ("firstName", "lastName") if n in traits and traits[n].value]
    if parts:
        return " ".join(parts)
    name = traits.get("name")
    if name is not None and name.value:
        return str(name.value)
    for kind in ("email", "userId", "phone", "anonymousId"):
        for found, value, _ in person.identifiers:
            if found == kind:
                return value
    return person.id


def _put(rows: list[Event], event: Event) -> None:
    if not rows or rows[-1].at < event.at or _ORDER(rows[-1]) <= _ORDER(event):
        rows.append(event)
    else:
        insort(rows, event, key=_ORDER)


_DONE = ("track", "page", "screen")
#: Einklang's own events (contract.md): said about the person, not done at a touchpoint, also when they come by import.
_OWN = frozenset(OWN_EVENTS) - {"Page Viewed", "Screen Viewed"}


def did(event: Event) -> bool:
    """Whether the person did this at a touchpoint: what `events()` without a name speaks of."""
    return event.origin == 0 and event.type in _DONE and event.name not in _OWN


def take_zone(person: Person, zone: Trait) -> bool:
    """Take the time zone of a call's context in; True if the person's changed."""
    old = person.zone
    if old is not None and (old.at, old.seq) >= (zone.at, zone.seq):
        return False
    person.zone = zone
    return old is None or old.value != zone.value


def shadows_of(person: Person) -> dict[str, tuple[bool, int]]:
    """What the rows of a person's shadows say."""
    return {name: (found.member, found.since) for name, found in person.shadows.items()}


class Live:
    """One person in memory: state, history in order of (at, seq), runs, and what changed since it was loaded."""

    __slots__ = (
        "by_name",
        "by_object",
        "changed",
        "gathered",
        "gone",
        "heavy",
        "history",
        "indexed",
        "lane",
        "new_events",
        "objects",
        "person",
        "runs",
        "stored_shadows",
        "stored_wake",
        "touched_runs",
        "touched_segments",
        "touched_stages",
        "weighed",
    )

    def __init__(self, person: Person, history: list[Event], runs: list[Run]) -> None:
        self.person = person
        self.history = history
        self.runs = runs
        self.lane = ids.lane_of(person.id)
        #: bytes that the working set has counted for this person
        self.weighed = 0
        #: bytes of the stored history; None after it was replaced
        self.heavy: int | None = 0
        #: business objects by kind, as long as the history stays as it is
        self.objects: dict[str, Any] = {}
        #: claims for traits that have a rule, as long as the history only grows
        self.gathered: dict[str, Gathered] = {}
        #: type -> id of the groups that count the person as a member
        self.indexed = {kind: one.id for kind, one in person.groups.items() if one.id}
        self.by_name: dict[str, list[Event]] = {}
        #: kind -> id of an object -> the events that speak of it, of kinds that were asked for
        self.by_object: dict[str, dict[str, list[Event]]] = {}
        self._index(history)
        self.stored_wake = person.wake
        self.stored_shadows = shadows_of(person)
        self.changed = False
        self.gone = False
        self.new_events: list[Event] = []
        self.touched_runs: set[str] = set()
        self.touched_segments: set[str] = set()
        self.touched_stages: set[str] = set()

    def _index(self, events: list[Event]) -> None:
        by_name = self.by_name
        for event in events:
            for name in names_of(event):
                rows = by_name.get(name)
                if rows is None:
                    by_name[name] = [event]
                else:
                    rows.append(event)

    def add(self, event: Event, names: tuple[str, ...]) -> None:
        """Fold an event into the history where its time belongs. names: of `names_of`."""
        event.folded = self.person.id
        _put(self.history, event)
        if self.objects:
            self.objects.clear()
        by_name = self.by_name
        for name in names:
            rows = by_name.get(name)
            if rows is None:
                by_name[name] = [event]
            else:
                _put(rows, event)
        self.new_events.append(event)

    def add_run(self, run: Run) -> None:
        """Put a run where a load from the Book would put it: equal states act in equal order."""
        insort(self.runs, run, key=_run_order)

    def replace_history(self, events: list[Event]) -> None:
        """Set the whole history, for a merge or a move; the rows are re-keyed by the write set."""
        self.history = sorted(events, key=_ORDER)
        self.heavy = None
        self.objects.clear()
        self.gathered.clear()
        self.by_object.clear()
        self.by_name = {}
        self._index(self.history)

    def named(self, names: tuple[str, ...]) -> Sequence[Event]:
        """Events of these names in order; without names, what the person did at touchpoints."""
        if len(names) == 1:
            return self.by_name.get(names[0], ())
        if names:
            found = {event.seq: event for name in names for event in self.by_name.get(name, ())}
            return sorted(found.values(), key=_ORDER)
        return [event for event in self.history if did(event)]

    def grew(self, event: Event, texts: tuple[str, str]) -> None:
        """An event was added to the stored history. texts: its properties and context as JSON."""
        if self.heavy is not None:
            self.heavy += event_bytes(event, texts)

    def weight(self) -> int:
        """About how many bytes of memory this person takes."""
        if self.heavy is None:
            self.heavy = sum(
                event_bytes(event, (to_json(event.properties), to_json(event.context))) for event in self.history
            )
        return 0 if self.gone else _PERSON_BYTES + _RUN_BYTES * len(self.runs) + self.heavy

    def run(self, run_id: str) -> Run | None:
        """The run of this id."""
        return next((run for run in self.runs if run.id == run_id), None)


def event_bytes(event: Event, texts: tuple[str, str]) -> int:
    """About how many bytes of memory an event of a history takes. texts: its properties and context as JSON."""
    return _EVENT_BYTES + _PROPERTY_BYTES * len(event.properties) + len(texts[0]) + len(texts[1])


def _event(row: Row, person: str) -> Event:
    (
        at,
        seq,
        clock,
        received_at,
        origin,
        type_,
        name,
        message_id,
        source,
        touchpoint,
        *keys,
        machine,
        properties,
        context,
        folded,
    ) = row
    key_kind, key_value, device = keys
    named = ((key_kind, key_value),) if key_kind else ()
    if device and key_kind != "anonymousId":
        named = (*named, ("anonymousId", device))
    return Event(
        position=0,
        at=at,
        received_at=received_at,
        type=type_,
        name=name,
        message_id=message_id,
        identifiers=named,
        properties=from_json(properties),
        context=from_json(context),
        source=source,
        touchpoint=touchpoint,
        origin=origin,
        seq=seq,
        clock=clock,
        person=person,
        machine=bool(machine),
        key=(key_kind, key_value),
        device=device,
        folded=folded or person,
    )


class WorkingSet:
    """Persons in memory. `reader` is the snapshot of the present tick. bytes_max: what they may take between ticks."""

    def __init__(self, bytes_max: int = WORKING_SET_MB * MEGABYTE) -> None:
        self.bytes_max = bytes_max
        self._persons: OrderedDict[str, Live] = OrderedDict()
        self._dirty: dict[str, Live] = {}
        self._passing: set[str] = set()
        self._bytes = 0
        self.reader: Reader | None = None

    def get(self, person: str) -> Live | None:
        """The person, loaded if need be; None if nobody has this id."""
        live = self._persons.get(person)
        if live is not None:
            self._persons.move_to_end(person)
            return None if live.gone else live
        assert self.reader is not None, "a tick reads from its snapshot"
        lane = ids.lane_of(person)
        state = self.reader.read("person_get", lane, person)
        if not state:
            return None
        rows = self.reader.read("history_of", lane, person)
        history = [_event(row, person) for row in rows]
        runs = [_RUN.decode(row[0]) for row in self.reader.read("runs_of", lane, person)]
        live = Live(_PERSON.decode(state[0][0]), history, runs)
        for event, row in zip(history, rows, strict=True):
            live.grew(event, row[_TEXTS])
        self._persons[person] = live
        self._weigh(live)
        return live

    def passing(self, person: str) -> Live | None:
        """The same of somebody who is looked at for no event of their own: not kept when that is written."""
        if person not in self._persons:
            self._passing.add(person)
        return self.get(person)

    def holds(self, person: str) -> bool:
        """Whether the person is in memory."""
        return person in self._persons

    def _weigh(self, live: Live) -> None:
        weight = live.weight()
        self._bytes += weight - live.weighed
        live.weighed = weight

    def create(self, person: str, at: int) -> Live:
        """A new person, first seen at `at`."""
        gone = self._persons.get(person)
        self._bytes -= gone.weighed if gone is not None else 0
        live = Live(Person(person, at, at), [], [])
        self._persons[person] = live
        self.mark(live)
        return live

    def living(self) -> list[str]:
        """Ids of those in memory that are not gone."""
        return [live.person.id for live in self._persons.values() if not live.gone]

    def mark(self, live: Live) -> None:
        """Note that the person changed and must be written."""
        live.changed = True
        self._dirty[live.person.id] = live

    def dirty(self) -> list[Live]:
        """What changed since the last `settled`, in a fixed order."""
        return [self._dirty[key] for key in sorted(self._dirty)]

    def settled(self) -> None:
        """The write set was applied: forget the marks, keep the persons asked for last in memory."""
        for live in self._dirty.values():
            live.changed = False
            live.stored_wake = live.person.wake
            live.stored_shadows = shadows_of(live.person)
            live.new_events.clear()
            live.touched_runs.clear()
            live.touched_segments.clear()
            live.touched_stages.clear()
            self._weigh(live)
            if live.gone:
                self._persons.pop(live.person.id, None)
        self._dirty.clear()
        for person in self._passing & self._persons.keys():
            self._bytes -= self._persons.pop(person).weighed
        self._passing.clear()
        while self._bytes > self.bytes_max:
            self._bytes -= self._persons.popitem(last=False)[1].weighed

    def trim(self) -> None:
        """Within a tick: let those go who did not change, so that looking at everybody takes little memory."""
        if self._bytes > self.bytes_max:
            for person in [name for name, live in self._persons.items() if not live.changed]:
                self._bytes -= self._persons.pop(person).weighed

    def forget(self) -> None:
        """Drop everything: the write set was not applied, or somebody else wrote."""
        self._persons.clear()
        self._dirty.clear()
        self._passing.clear()
        self._bytes = 0


def person_from(state: bytes) -> Person:
    """A person in the stored form."""
    return _PERSON.decode(state)


def pack(value: Person | Run) -> bytes:
    """The stored form of a person or run."""
    return _JSON_OUT.encode(value)
