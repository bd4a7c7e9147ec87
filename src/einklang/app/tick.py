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

from collections.abc import Iterator, Sequence
from typing import Any

from einklang.app import output
from einklang.app.changes import change_definitions, put_row
from einklang.app.intake import from_row, take
from einklang.app.moment import Moments
from einklang.app.output import COUNTERS, Output
from einklang.app.people import People
from einklang.app.ports import Book, Reader
from einklang.app.state import SOURCE, State
from einklang.app.timers import TimerFeed
from einklang.event import Event
from einklang.kernel import ids
from einklang.kernel.reasons import DeadLetter

TICK = "tick"
LIVE, RUN, DELIVER = "live", "run", "deliver"


class Engine:
    """One writer's engine over a Book. `version`: code version, stamped on ticks and dead letters."""

    def __init__(self, book: Book, state: State, *, version: str) -> None:
        self.book = book
        self.state = state
        self.version = version
        self.moments = Moments(state)
        self._careful = 0

    # --- the tick -------------------------------------------------------------------------------------------------

    def step(self, source: Source, limit: int) -> int:
        """One tick of at most about `limit` events; the number of log entries written (0: nothing to do)."""
        state = self.state
        try:
            with self.book.snapshot() as reader:
                begun_at = self._begin(reader)
                inputs, bound = source.inputs(self, reader, 1 if self._careful else limit)
                self._work_off(inputs, bound, reader)
                written = self._close()
                done = self._commit(begun_at)
        except Exception:
            state.working.forget()
            state.catalogs.forget()
            raise
        self._careful = max(0, self._careful - 1)
        return written if done else self.step(source, limit)

    def _begin(self, reader: Reader) -> int:
        state = self.state
        state.read_from(reader)
        state.out = Output()
        stored: dict[str, int] = dict(reader.read("counters"))
        state.counters = {name: stored.get(name, 0) for name in COUNTERS}
        state.clock = state.counters["clock"]
        last = reader.read("ledger_last")
        state.ledger_hash = last[0][0] if last else b""
        self.people = People(state)
        return state.counters["seq"]

    def _work_off(self, inputs: Sequence[Event], bound: int, reader: Reader) -> None:
        """Events and timers up to `bound`, in the order of moments."""
        state = self.state
        timers = state.timers = TimerFeed(reader, bound)
        index = 0
        while True:
            event = inputs[index] if index < len(inputs) else None
            due = timers.peek(bound if event is None else min(bound, event.clock))
            if event is not None and (due is None or not self._first(due, event)):
                state.clock = max(state.clock, event.clock)
                self._event(event)
                index += 1
            elif due is not None:
                due, person = timers.pop()
                live = state.working.get(person)
                if live is not None and live.person.wake == due:
                    state.clock = max(state.clock, due)
                    self.moments.timer(live)
            else:
                return

    @staticmethod
    def _first(due: int, event: Event) -> bool:
        """Whether a timer runs before this event: event before timer at one instant, but a tick closes its instant."""
        if event.type != TICK:
            return due < event.clock
        return due <= event.clock and not event.properties.get("resume")

    def _event(self, event: Event) -> None:
        state = self.state
        event.seq = state.count("seq")
        state.counters["projected"] += 1
        state.out.log.append(event)
        if event.type == TICK:
            state.live = event.properties.get("mode") == LIVE
            state.deliver = event.properties.get("mode") == DELIVER
        elif event.type == "definition":
            change_definitions(state, event, self.moments)
        elif event.type == "row":
            put_row(state, event)
        else:
            live, others = self.people.of(event)
            if live is not None:
                self.moments.event(live, event)
            for other in others:
                self.moments.everything(other)

    def _close(self) -> int:
        """Fill the write set with what changed in memory."""
        state = self.state
        state.counters["clock"] = state.clock
        self.people.write()
        for live in state.working.dirty():
            output.person_rows(state.out, live)
        return len(state.out.log)

    def _commit(self, begun_at: int) -> bool:
        state = self.state
        if state.out.empty():
            return True
        out, counters = state.out, state.counters
        done = self.book.transact(
            lambda tx: output.write(tx, out, counters, expected_seq=begun_at, version=self.version)
        )
        if done:
            state.working.settled()
        else:
            state.working.forget()
        return done

    # --- entries that the engine makes ------------------------------------------------------------------------------

    def tick_entry(self, clock: int, mode: str, *, resume: bool = False) -> Event:
        """An entry that moves time to `clock`; with `resume` what fell due meanwhile is late."""
        properties: dict[str, Any] = {"mode": mode, "code_version": self.version}
        if resume:
            properties["resume"] = True
        self.state.counters["in_log"] += 1
        key = ids.keyed_id(self.state.salt, "tick", "t_", str(clock), mode, str(self.state.counters["seq"]))
        return Event(0, clock, clock, TICK, "Tick", key, (), properties, {}, SOURCE, "", origin=1, clock=clock)


class Source:
    """Where a tick's events come from. `inputs` gives them in order, each with its clock, and how far time may go."""

    def inputs(self, engine: Engine, reader: Reader, limit: int) -> tuple[list[Event], int]:
        """(events, bound): timers are worked off up to `bound`."""
        raise AssertionError("each source says so itself")


def definitions_first(engine: Engine, reader: Reader) -> list[Event]:
    """Applied definitions wait for nothing: they come before all else, at the clock reached."""
    state = engine.state
    taken = take(
        reader.read("tail_of_kind", "definition"), reader, state.out, clock=state.clock, version=engine.version
    )
    for event in taken.events:
        event.clock = state.clock
    state.counters["in_log"] += len(taken.events)
    state.counters["duplicates"] += taken.duplicates
    state.counters["dead_letters"] += taken.dead
    return taken.events


class LiveSource(Source):
    """Bodies as they arrive: clock = time of receipt. `now` is set by the caller before each step."""

    def __init__(self) -> None:
        self.now = 0
        self.resume = False
        self.started = False

    def inputs(self, engine: Engine, reader: Reader, limit: int) -> tuple[list[Event], int]:
        """Everything that waits, up to about `limit` events; a tick entry where time alone has work to do."""
        state = engine.state
        events = definitions_first(engine, reader)
        rows, count = [], 0
        for row in reader.read("tail_page", 0, max(1, limit // 4)):
            if row[4] != "definition" and count < limit:
                rows.append(row)
                count += row[1]
        taken = take(rows, reader, state.out, clock=state.clock, version=engine.version)
        state.counters["in_log"] += len(taken.events)
        state.counters["duplicates"] += taken.duplicates
        state.counters["dead_letters"] += taken.dead
        floor = state.clock + 1
        if not self.started:
            events.insert(0, engine.tick_entry(max(self.now, state.clock), LIVE, resume=True))
            floor, self.started = max(floor, self.now), True
        for event in taken.events:
            floor = event.clock = max(floor, event.received_at)
        events += taken.events
        next_due = reader.read("next_timer")
        due = next_due[0][0] if next_due else None
        if due is not None and due <= self.now and self.now >= floor and count < limit:
            events.append(engine.tick_entry(self.now, LIVE))
        return events, events[-1].clock if events else state.clock - 1


class RunSource(Source):
    """Pending entries by (at, position) up to `until`, clock = max(at, clock reached); then time goes on to `until`."""

    def __init__(self, until: int, mode: str) -> None:
        self.until = until
        self.mode = mode
        self.started = False
        self.finished = False

    def inputs(self, engine: Engine, reader: Reader, limit: int) -> tuple[list[Event], int]:
        """The next pending entries; the last chunk ends with a tick entry at `until`."""
        state = engine.state
        events = definitions_first(engine, reader)
        if not self.started:
            if state.clock == 0:
                first = reader.read("entry_first_at", 0)[0][0]
                state.clock = min(self.until, first if first is not None else self.until)
            for event in events:
                event.clock = state.clock
            events.append(engine.tick_entry(state.clock, self.mode))
            self.started = True
        rows = reader.read("entry_pending", self.until, limit + 1)
        pending = [from_row(row) for row in rows[:limit]]
        reached = state.clock
        for event in pending:
            event.clock = max(event.at, reached)
        state.out.stored = pending
        events += pending
        if len(rows) > limit:
            following = max(from_row(rows[limit]).at, reached)
            last = events[-1].clock
            return events, last if following > last else last - 1
        if not self.finished:
            events.append(engine.tick_entry(max(self.until, reached), self.mode))
            self.finished = True
        return events, events[-1].clock if events else reached


class ReplaySource(Source):
    """Stored inputs with their seq and clock: a rebuild sorts nothing."""

    def __init__(self, entries: Iterator[Event]) -> None:
        self._entries = entries
        self._next: Event | None = next(entries, None)

    def inputs(self, engine: Engine, reader: Reader, limit: int) -> tuple[list[Event], int]:
        """The next stored inputs."""
        events: list[Event] = []
        while self._next is not None and len(events) < limit:
            events.append(self._next)
            self._next = next(self._entries, None)
        if not events:
            return [], engine.state.clock - 1
        engine.state.counters["in_log"] += len(events)
        if engine.state.clock == 0:
            engine.state.clock = events[0].clock
        last = events[-1].clock
        more = self._next is not None and self._next.clock == last
        return events, last - 1 if more else last


def dead_letter(engine: Engine, event: Event, detail: str) -> None:
    """Put a poison event aside: it is not folded, and nothing behind it waits."""
    engine.state.counters["dead_letters"] += 1
    engine.state.out.add(
        "dead_put", event.position, engine.state.clock, event.received_at, event.source, DeadLetter.POISON, detail,
        repr(event).encode(), engine.version,
    )  # fmt: skip
