"""The tick: the way of an event, stations 2 to 5. Time moves by entries of the log alone.

    station 2  sequence   `_inputs`    bodies -> events, duplicates dropped, in their order, each with its clock
    station 3  identity   `People.of`  whose event it is; merges, moves
    station 4  moments    `_work_off`  events and due timers in order: profile, segments, goal, exit, step, entry, door
    station 5  commit     `_commit`    one write set, applied if the log still stands where the tick began

Timers before an event at clock c are those due < c. A tick entry at clock c says: all that was due up to c has been
done. So the result does not depend on where the log is cut into ticks, and a rebuild from the stored (seq, clock)
gives the same state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from einklang.app import expiry, lookups, output, sweep
from einklang.app.ahead import AheadReader, Flight, MovedOn, light
from einklang.app.apply import in_force
from einklang.app.changes import change_definitions, put_row
from einklang.app.definitions import Definitions
from einklang.app.moment import Moments
from einklang.app.output import COUNTERS, Output
from einklang.app.people import STAFF, People
from einklang.app.poison import Poison, dead_letter, hold
from einklang.app.ports import Book, Reader, Tx
from einklang.app.sources import Source
from einklang.app.state import DELIVER, FOLD, RUN, SOURCE, TICK, State
from einklang.app.timers import TimerFeed
from einklang.app.tracking import judged
from einklang.app.working import Live
from einklang.event import EXPIRY, LOOK, Event
from einklang.kernel import ids
from einklang.kernel.errors import Unavailable

#: How often members of groups make each other look again at one moment, so that it ends; who is left then is looked at
#: when next concerned.
_HEARING_MAX = 10_000


class Engine:
    """One writer's engine over a Book. `version`: code version, stamped on ticks and dead letters."""

    def __init__(self, book: Book, state: State, *, version: str) -> None:
        self.book = book
        self.state = state
        state.folding = True
        self.version = version
        self.moments = Moments(state)
        self._poison = Poison()
        self._begun = False
        self._reached: int | None = None
        self._flight: Flight | None = None
        #: what became durable during the last `step`
        self.landed: list[Output] = []
        self._limit, self._swept = 1, False

    # --- the tick -------------------------------------------------------------------------------------------------

    def step(self, source: Source, limit: int) -> int:
        """One tick of at most about `limit` events; the number of its log entries, at least 1 if anything was done.

        Durable on return, but for a source that `flies`: then what was durable by then is in `landed`. What raises is
        tried again in smaller ticks; what fails alone is put aside as a dead letter (invariant 6).
        Raises Unavailable: a fault of the world, nothing has happened.
        """
        self.landed = []
        while True:
            before = self.state.definitions
            try:
                self._attempt(source, limit)
            except Exception as error:
                self._fall_back(before)
                if isinstance(error, Unavailable):
                    raise
                if not isinstance(error, MovedOn):
                    limit = self._poison.found(error, limit)
                continue
            if not self._swept:
                source.settled(self.state)
            return len(self.state.out.log) or int(self._swept or "dead_put" in self.state.out.rows)

    def _fall_back(self, definitions: Definitions) -> None:
        """Nothing of this tick is durable: know only what the Book knows."""
        if self._flight is not None and self._flight.over():
            self.landed.append(self._flight.out)
        self._flight = None
        self.state.forget(definitions)
        self.moments = Moments(self.state)

    def _attempt(self, source: Source, limit: int) -> None:
        """Read, compute, commit. Raises MovedOn if the log moved on meanwhile."""
        self._poison.working_on = None
        with ExitStack() as until:
            flight = self._flight
            reader: Reader = (
                AheadReader(self.book, flight, until) if flight else until.enter_context(self.book.snapshot())
            )
            begun_at = self._begin(reader)
            self._limit, self._swept = limit, self.state.sweep is not None
            if self._swept:
                self.state.timers = TimerFeed(reader, self.state.clock, {})
                self._sweep()
            else:
                self._read_on(source, reader, limit)
            self._close()
            self._poison.working_on = None
            self._commit(begun_at, flies=source.flies)
            self._reached = self.state.counters["seq"]

    def _read_on(self, source: Source, reader: Reader, limit: int) -> None:
        inputs, bound = source.inputs(self, reader, limit)
        inputs, bound = self._without_poison(inputs, bound)
        if source.judges:
            inputs, bound = self._within_plan(inputs, bound)
        self._work_off(inputs, bound, reader, stops=source.stops)

    def _begin(self, reader: Reader) -> int:
        state = self.state
        state.read_from(reader)
        state.out = Output()
        if self._flight is None:
            self._recall(reader)
        self.people = People(state)
        return state.counters["seq"]

    @property
    def pending_after(self) -> tuple[int, int]:
        """(at, position) of the last pending entry that is on its way into the log."""
        return (self._flight and self._flight.last) or (-(2**62), 0)

    def _recall(self, reader: Reader) -> None:
        """What an engine in flight has in memory: where the log stands, and how time goes on."""
        state = self.state
        stored: dict[str, int] = dict(reader.read("counters"))
        if self._reached not in (None, stored.get("seq", 0)):
            self._learn(reader)
        state.counters = {name: stored.get(name, 0) for name in COUNTERS}
        state.clock = state.counters["clock"]
        mode, fold = reader.read("meta_value", "mode"), reader.read("meta_value", "fold")
        state.set_mode(mode[0][0] if mode else RUN)
        state.fold = int(fold[0][0]) if fold else 1
        unasked, swept = reader.read("meta_value", "unasked"), reader.read("meta_value", "sweep")
        state.sweep = sweep.stored(swept[0][0] if swept else "")
        state.unasked = set(unasked[0][0].split()) if unasked else set()
        last = reader.read("ledger_last")
        state.ledger_hash = last[0][0] if last else b""
        if not self._begun:
            state.know_old_goals()
            self._begun = True

    def _learn(self, reader: Reader) -> None:
        """Somebody else ticked, or what we wrote last is there although we were told that it might not be: what is in
        memory may be older than the log.
        """
        self.state.forget(in_force(reader))
        self.moments = Moments(self.state)
        self._begun = False

    def _work_off(self, inputs: Sequence[Event], bound: int, reader: Reader, *, stops: bool) -> None:
        """Events and timers up to `bound`, in the order of moments. stops: at an instant that made a message ready."""
        state = self.state
        timers = state.timers = TimerFeed(
            reader, max(bound, inputs[-1].clock) if inputs else bound, self._flight.timers if self._flight else {}
        )
        index = 0
        while True:
            event = inputs[index] if index < len(inputs) else None
            due = timers.peek(bound if event is None else event.clock)
            stop = stops and "outbox_put" in state.out.rows and self._moves_on(due, event)
            if state.unasked and (stop or self._no_row(due, event)):
                lookups.ask(state, self.moments, self._careful)
                continue
            if stop:
                self._event(self.tick_entry(state.clock, DELIVER))
                return
            if event is not None and (due is None or not self._first(due, event)):
                if event.properties.get("resume") and event.type == TICK and state.clock:
                    state.stood_still(state.clock, event.clock)
                if state.counters["ticks"] or event.type != "definition":  # time begins with a tick entry
                    state.clock = max(state.clock, event.clock)
                self._poison.working_on = event.position
                self._event(event)
                self._hear()
                index += 1
                if state.sweep is not None:
                    return  # first everybody is looked at
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

    def _sweep(self) -> None:
        """Look at some of those whom changed definitions concern."""
        if self.state.sweep is not None and self.state.sweep.expire:
            expiry.trim(self.state, self.moments, self._limit, self._careful)
            self._hear()
        elif self.state.sweep is not None:
            sweep.work(self.state, self.moments, self._limit, self._careful, self.people.again)
            self._hear()

    def _careful(self, live: Live, act: Callable[[], None]) -> None:
        """`act` about a person who is looked at for no event or timer of their own."""
        key = (self.state.clock, live.person.id)
        detail = self._poison.aside.get(key)
        if detail is not None:
            hold(self.state, live, detail, self.version)
            return
        self._poison.working_on = key
        act()

    def _moves_on(self, due: int | None, event: Event | None) -> bool:
        """Whether the next moment lies after the present one: with real delivery, time waits for the hand-over."""
        ahead = [moment for moment in (due, event.clock if event is not None else None) if moment is not None]
        return not ahead or min(ahead) > self.state.clock

    def _first(self, due: int, event: Event) -> bool:
        """Whether a timer runs before this event: event before timer at one instant, but a tick closes its instant.

        So do definitions: they come at the clock reached, where all that was due had been done when they came.

        A tick that resumes closes only the instant at which time stood still: what fell due since then comes late.
        """
        if event.type not in (TICK, "definition", EXPIRY):
            return due < event.clock
        return due <= (self.state.clock if event.properties.get("resume") else event.clock)

    def _timer(self, due: int, person: str) -> None:
        state = self.state
        live = state.working.get(person)
        if live is None or live.person.wake != due:
            return
        state.clock = max(state.clock, due)
        detail = self._poison.aside.get((due, person))
        if detail is not None:
            hold(state, live, detail, self.version)
            return
        self._poison.working_on = (due, person)
        self.moments.timer(live)

    def _event(self, event: Event) -> None:
        state = self.state
        event.seq = state.count("seq")
        state.count("ticks" if event.type == TICK else "projected")
        state.out.log.append(event)
        if event.type == TICK:
            event.message_id = event.message_id or ids.keyed_id(state.salt, "tick", "t_", str(event.seq))
            state.set_mode(str(event.properties.get("mode")))
            state.turn(int(event.properties.get("fold", 1)))
        elif event.type == "definition":
            change_definitions(state, event)
            self._sweep()
        elif event.type == EXPIRY:
            expiry.begin(state, event)
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
            state.out.persons[event.seq] = event.person
            told = self.people.told()
            if state.fold < 2:
                told = []
            if live is not None:
                self.moments.event(live, event, whole=whole, told=told)
            for other in others:
                self.moments.everything(other, told=told)

    def _hear(self) -> None:
        """Look at those whose group changed, or of whose group another member did something."""
        concerned = self.state.groups.concerned
        for _ in range(_HEARING_MAX):
            if not concerned:
                return
            person = min(concerned)
            kinds = concerned.pop(person)
            live = self.state.working.get(person)
            if live is not None:
                self.moments.groups(live, kinds)
        concerned.clear()

    def _changed(self, persons: Sequence[Live]) -> None:
        """Look at the persons that a decision of staff or other kinds of identifier changed."""
        told = self.people.told()
        for live in persons:
            self.moments.everything(live, told=told)

    def _without_poison(self, inputs: list[Event], bound: int) -> tuple[list[Event], int]:
        """What is not put aside; time goes no further than what is left."""
        state = self.state
        kept = [event for event in inputs if event.position not in self._poison.aside]
        if len(kept) == len(inputs):
            return inputs, bound
        for event in inputs:
            detail = self._poison.aside.get(event.position)
            if detail is not None:
                dead_letter(state, event, detail, self.version)
        return kept, min(bound, kept[-1].clock if kept else state.clock - 1)

    def _within_plan(self, inputs: list[Event], bound: int) -> tuple[list[Event], int]:
        """What the tracking plan lets in; time goes no further than what is left."""
        kept = judged(self.state, inputs, self.version)
        if len(kept) == len(inputs):
            return inputs, bound
        return kept, min(bound, kept[-1].clock if kept else self.state.clock - 1)

    def _close(self) -> None:
        """Fill the write set with what changed in memory."""
        state = self.state
        state.counters["clock"] = state.clock
        self.people.write()
        state.groups.write()
        state.object_index.write()
        for live in state.working.dirty():
            output.person_rows(state.out, live)
        state.out.close()

    def _commit(self, begun_at: int, *, flies: bool) -> None:
        state = self.state
        if state.out.empty() and not self._swept:
            return
        out, counters, meta = state.out, dict(state.counters), {"code_version": self.version, "mode": state.mode}
        meta["fold"], meta["unasked"] = str(state.fold), " ".join(sorted(state.unasked))
        meta["sweep"] = sweep.text_of(state.sweep)
        self.land()

        def work(tx: Tx) -> bool:
            return output.write(tx, out, counters, meta, expected_seq=begun_at)

        if flies and light(out) and state.sweep is None and not state.unasked:
            self._flight = Flight(out, self.book.transact_later(work))
        elif self.book.transact(work):
            self.landed.append(out)
        else:
            raise MovedOn
        state.working.settled()

    def land(self) -> None:
        """Wait until what is on its way is durable. Raises MovedOn, and what the Book raises."""
        if self._flight is not None:
            flight, self._flight = self._flight, None
            flight.land()
            self.landed.append(flight.out)

    # --- entries that the engine makes ------------------------------------------------------------------------------

    def tick_entry(self, clock: int, mode: str, *, resume: bool = False) -> Event:
        """An entry that moves time to `clock`; with `resume` what fell due meanwhile is late.

        Nobody sent it, so the books leave it out: `ticks` counts it, `accepted`, `in_log` and `projected` do not.
        """
        properties: dict[str, Any] = {"mode": mode, "code_version": self.version, "fold": FOLD}
        if resume:
            properties["resume"] = True
        return Event(0, clock, clock, TICK, "Tick", "", (), properties, {}, SOURCE, "", origin=1, clock=clock)
