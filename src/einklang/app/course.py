"""Stations 3 and 4: events and due timers in the order of moments; of each, whose it is and what follows from it.

Timers before an event at clock c are those due < c. A tick entry at clock c says: all that was due up to c has been
done. So the result does not depend on where the log is cut into ticks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from einklang.app import audits, backfill, expiry, lookups, output, owners, sweep
from einklang.app.changes import change_definitions, put_row
from einklang.app.moment import Moments
from einklang.app.object_index import EVER
from einklang.app.people import STAFF, People
from einklang.app.poison import Poison, hold
from einklang.app.state import DELIVER, TICK, State, fold_of, tick_entry
from einklang.app.timers import TimerFeed
from einklang.app.working import Live
from einklang.event import AUDIT, EXPIRY, LOOK, Event
from einklang.kernel import ids

#: How often a person is looked at in one moment because of what the members of their groups did.
_LOOKS_MAX = 100
#: After so many who were looked at, those who did not change need not stay in memory.
_TRIM = 1_000
_CIRCLE = (
    "members of a group make each other look again without an end: conditions about members that change each other"
)


class Course:
    """What happens in one tick. limit: persons whom a sweep looks at in it."""

    def __init__(self, state: State, moments: Moments, poison: Poison, version: str, limit: int) -> None:
        self.state = state
        self.moments = moments
        self.poison = poison
        self.version = version
        self.limit = limit
        self.people = People(state)

    def go(self, inputs: Sequence[Event], bound: int, timers: TimerFeed, *, stops: bool) -> None:
        """Events and timers up to `bound`. stops: at an instant that made a message ready."""
        state = self.state
        state.timers = timers
        index = 0
        while True:
            event = inputs[index] if index < len(inputs) else None
            due = timers.peek(bound if event is None else event.clock)
            stop = stops and "outbox_put" in state.out.rows and self._moves_on(due, event)
            if state.unasked and (stop or self._no_row(due, event)):
                lookups.ask(state, self.moments, self.careful)
                continue
            if stop:
                self._event(tick_entry(state.clock, DELIVER, self.version))
                return
            if event is not None and (due is None or not self._first(due, event)):
                if event.properties.get("resume") and event.type == TICK and state.clock:
                    state.stood_still(state.clock, event.clock)
                if state.counters["ticks"] or event.type != "definition":  # time begins with a tick entry
                    state.clock = max(state.clock, event.clock)
                self.poison.working_on = event.position
                self._event(event)
                self._hear()
                index += 1
                if state.sweep is not None:
                    assert index == len(inputs), "what makes everybody be looked at is the last of its tick"
                    return
            elif due is not None:
                self._timer(*timers.pop())
                self._hear()
            else:
                return

    def _no_row(self, due: int | None, event: Event | None) -> bool:
        """Whether what comes next is no row of a catalog at this same instant."""
        if event is None or (due is not None and self._first(due, event)):
            return due is not None
        return event.type != "row" or event.clock > self.state.clock

    def _moves_on(self, due: int | None, event: Event | None) -> bool:
        """Whether the next moment lies after the present one: with real delivery, time waits for the hand-over."""
        ahead = [moment for moment in (due, event.clock if event is not None else None) if moment is not None]
        return not ahead or min(ahead) > self.state.clock

    def _first(self, due: int, event: Event) -> bool:
        """Whether a timer runs before this event: event before timer at one instant, but a tick closes its instant.

        So do definitions and decisions of staff: they come at the clock reached, where all that was due had been done
        when they came.

        A tick that resumes closes only the instant at which time stood still: what fell due since then comes late.
        """
        closing = event.type in (TICK, "definition", EXPIRY, AUDIT) or (event.type == STAFF and self.state.fold >= 3)
        if not closing:
            return due < event.clock
        return due <= (self.state.clock if event.properties.get("resume") else event.clock)

    def _timer(self, due: int, person: str) -> None:
        state = self.state
        live = state.working.get(person)
        if live is None or live.person.wake != due:
            return
        state.clock = max(state.clock, due)
        detail = self.poison.aside.get((due, person))
        if detail is not None:
            hold(state, live, detail, self.version)
            return
        self.poison.working_on = (due, person)
        self.moments.timer(live)

    def _event(self, event: Event) -> None:
        state = self.state
        event.seq = state.count("seq")
        state.count("ticks" if event.type == TICK else "projected")
        state.out.log.append(event)
        if event.type == TICK:
            event.message_id = event.message_id or ids.keyed_id(state.salt, "tick", "t_", str(event.seq))
            state.set_mode(str(event.properties.get("mode")))
            state.turn(fold_of(event))
            if "build" in event.properties:
                backfill.take_step(state, self.moments, event, self.careful, self.people.living)
        elif event.type == "definition":
            change_definitions(state, event)
            self.sweep()
        elif event.type == EXPIRY:
            expiry.begin(state, event)
        elif event.type == AUDIT:
            audits.told(state, event)
        elif event.type == STAFF:
            self._changed(self.people.decided(event))
        elif event.type == "row":
            put_row(state, event)
        elif event.type == LOOK:
            held = state.working.get(self.people.living(dict(event.identifiers)["person"]))
            if held is not None:
                self.moments.everything(held)
        else:
            live, whole, others = self.people.of(event)
            live = live or owners.owner_of(state, self.people, event)
            state.out.persons[event.seq] = event.person
            told = self.people.told()
            if state.fold < 2:
                told = []
            if live is not None:
                self.moments.event(live, event, whole=whole, told=told)
            for other in others:
                self.moments.everything(other, told=told)
            owners.adopt(state, self.people, self.moments)

    def _hear(self) -> None:
        """Look at those whose group changed, or of whose group another member did something.

        Who makes others look, who make them look again, without an end, is put aside until their next event.
        """
        looks: dict[str, int] = {}
        while (found := self.state.groups.next()) is not None:
            person, kinds = found
            if len(looks) % _TRIM == _TRIM - 1:
                self.state.working.trim()
            live = self.state.working.get(person)
            if live is None:
                continue
            looks[person] = looks.get(person, 0) + 1
            if looks[person] <= _LOOKS_MAX:
                self.moments.groups(live, kinds)
            elif looks[person] == _LOOKS_MAX + 1:
                hold(self.state, live, _CIRCLE, self.version)

    def _changed(self, persons: Sequence[Live]) -> None:
        """Look at the persons that a decision of staff or other kinds of identifier changed."""
        told = self.people.told()
        for live in persons:
            self.moments.everything(live, told=told)

    def sweep(self) -> None:
        """Look at some of those whom changed definitions concern."""
        asked = self.state.sweep
        if asked is not None and asked.expire:
            expiry.trim(self.state, self.moments, self.limit, self.careful)
            self._hear()
        elif asked is not None:
            sweep.work(self.state, self.moments, self.limit, self.careful, self.people.again)
            if asked.index and self.state.sweep is None and self.state.fold >= EVER:
                owners.again(self.state, self.people, self.moments, self.careful)
            self._hear()

    def careful(self, live: Live, act: Callable[[], None]) -> None:
        """`act` about a person who is looked at for no event or timer of their own."""
        key = (self.state.clock, live.person.id)
        detail = self.poison.aside.get(key)
        if detail is not None:
            hold(self.state, live, detail, self.version)
            return
        self.poison.working_on = key
        act()

    def close(self) -> None:
        """Fill the write set with what changed in memory."""
        state = self.state
        state.counters["clock"] = state.clock
        self.people.write()
        state.groups.write()
        state.object_index.write()
        for live in state.working.dirty():
            output.person_rows(state.out, live)
        state.out.close()
