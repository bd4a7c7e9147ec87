"""The tick: the way of an event, stations 2 to 5. Time moves by entries of the log alone.

    station 2  sequence   `_inputs`    bodies -> events, duplicates dropped, in their order, each with its clock
    station 3  identity   `People.of`  whose event it is; merges, moves
    station 4  moments    `Course.go`  events and due timers in order: profile, segments, goal, exit, step, entry, door
    station 5  commit     `_commit`    one write set, applied if the log still stands where the tick began

A rebuild from the stored (seq, clock) gives the same state.
"""

from __future__ import annotations

from contextlib import ExitStack

from einklang.app import backfill, output, sweep
from einklang.app.ahead import AheadReader, Flight, MovedOn, light
from einklang.app.apply import in_force
from einklang.app.course import Course
from einklang.app.definitions import Definitions
from einklang.app.foresight import Foresight
from einklang.app.moment import Moments
from einklang.app.output import Output
from einklang.app.poison import Poison
from einklang.app.ports import Book, Each, Reader, Tx
from einklang.app.sources import Source
from einklang.app.state import State
from einklang.app.timers import TimerFeed
from einklang.app.tracking import judged
from einklang.event import Event
from einklang.kernel.errors import Unavailable


class Engine:
    """One writer's engine over a Book. `version`: code version, stamped on ticks and dead letters."""

    def __init__(self, book: Book, state: State, *, version: str) -> None:
        self.book = book
        self.state = state
        state.folding = True
        self.version = version
        self.moments = Moments(state)
        self._poison = Poison()
        self._reached: int | None = None
        self._flight: Flight | None = None
        #: what became durable during the last `step`
        self.landed: list[Output] = []

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
                with ExitStack() as until:
                    return self._tick(source, until, limit)
            except Exception as error:
                self._fall_back(before)
                if isinstance(error, Unavailable):
                    raise
                if not isinstance(error, MovedOn):
                    limit = self._poison.found(error, limit)

    def _tick(self, source: Source, until: ExitStack, limit: int) -> int:
        state, flight, reader = self.state, self._flight, self._reader(until)
        self._poison.working_on = None
        begun_at = self._begin(reader)
        course = self._course(limit)
        sweeping = state.sweep is not None
        if sweeping:
            state.timers = TimerFeed(reader, state.clock, {})
            course.sweep()
        else:
            inputs, bound = self._inputs(source, reader, limit)
            last = max(bound, inputs[-1].clock) if inputs else bound
            course.go(inputs, bound, TimerFeed(reader, last, flight.timers if flight else {}), stops=source.stops)
        self._poison.working_on = None
        course.close()
        until.close()  # nothing is read any more: the log may be cut before it grows
        if sweeping or not state.out.empty():
            self._commit(begun_at, flies=source.flies)
        self._reached = state.counters["seq"]
        if not sweeping:
            source.settled(state)
        return len(state.out.log) or int(sweeping or "dead_put" in state.out.rows)

    def _course(self, limit: int) -> Course:
        return Course(self.state, self.moments, self._poison, self.version, limit)

    def _reader(self, until: ExitStack) -> Reader:
        """A snapshot, kept until the end of the tick."""
        flight = self._flight
        found: Each = AheadReader(self.book, flight, until) if flight else until.enter_context(self.book.snapshot())
        return Foresight(found, self.state) if self.book.far else found

    def _begin(self, reader: Reader) -> int:
        """Where the log stands. What an engine in flight has in memory is read, where no write set is on its way."""
        state = self.state
        state.read_from(reader)
        state.out = Output()
        if self._flight is None:
            stored: dict[str, int] = dict(reader.read("counters"))
            if self._reached not in (None, stored.get("seq", 0)):
                self._learn(reader)
            state.recall(reader, stored)
            if self._reached != state.counters["seq"]:
                state.know_old_goals()
        return state.counters["seq"]

    def _learn(self, reader: Reader) -> None:
        """Somebody else ticked, or what we wrote last is there although we were told that it might not be: what is in
        memory may be older than the log.
        """
        self._forget(in_force(reader))

    def _inputs(self, source: Source, reader: Reader, limit: int) -> tuple[list[Event], int]:
        """What comes next, but for what is put aside; time goes no further than what is left."""
        inputs, bound = source.inputs(self, reader, limit)
        kept = self._poison.without(self.state, inputs, self.version)
        if source.judges:
            kept = judged(self.state, kept, self.version)
        if isinstance(reader, Foresight):
            reader.inputs(kept)
        if len(kept) == len(inputs):
            return inputs, bound
        return kept, min(bound, kept[-1].clock if kept else self.state.clock - 1)

    @property
    def pending_after(self) -> tuple[int, int]:
        """(at, position) of the last pending entry that is on its way into the log."""
        return (self._flight and self._flight.last) or (-(2**62), 0)

    def _commit(self, begun_at: int, *, flies: bool) -> None:
        """Hand the write set over. Raises MovedOn if the log moved on meanwhile."""
        state = self.state
        out, counters, meta = state.out, dict(state.counters), {"code_version": self.version, "mode": state.mode}
        meta["fold"], meta["unasked"] = str(state.fold), " ".join(sorted(state.unasked))
        meta["sweep"], meta["build"] = sweep.text_of(state.sweep), backfill.text_of(state.build)
        self.land()
        self.book.shorten()

        def work(tx: Tx) -> bool:
            return output.write(tx, out, counters, meta, expected_seq=begun_at)

        if flies and light(out) and state.sweep is None and state.build is None and not state.unasked:
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

    def _fall_back(self, definitions: Definitions) -> None:
        """Nothing of this tick is durable: know only what the Book knows."""
        if self._flight is not None and self._flight.over():
            self.landed.append(self._flight.out)
        self._flight = None
        self._forget(definitions)

    def _forget(self, definitions: Definitions) -> None:
        self.state.forget(definitions)
        self.moments = Moments(self.state)
