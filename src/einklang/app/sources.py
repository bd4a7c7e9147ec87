"""Where a tick's events come from: as they arrive, from the pending entries of `run`, or from the log again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from einklang.app import backfill
from einklang.app.intake import from_row, take
from einklang.app.output import entry_row
from einklang.app.ports import Reader
from einklang.app.state import DELIVER, FOLD, LIVE, RUN, TICK, State, fold_of, tick_entry
from einklang.app.working import to_json
from einklang.event import EXPIRY, Event

if TYPE_CHECKING:
    from einklang.app.tick import Engine


class Source:
    """Where a tick's events come from. `inputs` gives them in order, each with its clock, and how far time may go.

    It may be asked again for the same ones; `settled` says that they are durable. stops: whether time waits at an
    instant that made a message ready, until it is handed over.
    """

    stops = False
    #: whether the next tick may begin before the last one is durable
    flies = False
    #: whether the tracking plan judges what comes: what is in the log already has been judged
    judges = True

    def inputs(self, engine: Engine, reader: Reader, limit: int) -> tuple[list[Event], int]:
        """(events, bound): timers are worked off up to `bound`."""
        raise AssertionError("each source says so itself")

    def settled(self, state: State) -> None:
        """The tick of the last `inputs` was committed."""


def definitions_first(engine: Engine, reader: Reader, now: int = 0) -> list[Event]:
    """Applied definitions wait for nothing: they come before all else, one after the other, at the clock reached.

    A tick with definitions has nothing else to do: what follows waits until everybody has been looked at.
    now: where time goes by, they come when they were applied. Before time has begun they do so too, and it stands.
    """
    state = engine.state
    rows = reader.read("tail_of_kind", "definition")[:1]
    if not rows:
        return []
    taken = take(rows, reader, state.out, clock=state.clock, version=engine.version)
    reached = state.clock
    for event in taken.events:
        reached = event.clock = max(reached, min(event.received_at, now) if state.clock else event.received_at)
    state.counters["in_log"] += len(taken.events)
    state.counters["duplicates"] += taken.duplicates
    state.counters["dead_letters"] += taken.dead
    return taken.events


def build_first(engine: Engine, reader: Reader) -> list[Event]:
    """Where time is not that of the world, what is worked out beside the live work is so at the clock reached."""
    state = engine.state
    step = backfill.next_step(state, reader) if state.build is not None else None
    return [] if step is None else [_built(state.clock, state.mode, engine.version, step)]


def _built(clock: int, mode: str, version: str, step: backfill.Step) -> Event:
    entry = tick_entry(clock, mode, version)
    entry.properties |= step
    return entry


def _turns(state: State) -> bool:
    """Whether the next entry that moves time is the first of another version of the fold, and somebody is there."""
    return state.fold < FOLD and bool(state.after("", 1))


def _sweeps(event: Event, state: State) -> bool:
    """Whether everybody may be looked at after this entry: then it is the last of its tick. So is the first entry of
    another version of the fold.
    """
    if event.type == TICK:
        return fold_of(event) != state.fold or "build" in event.properties
    return event.type in ("definition", EXPIRY)


class LiveSource(Source):
    """Bodies as they arrive: clock = time of receipt. `now` is set by the caller before each step.

    What an import says of times to come stays pending until it has come.
    """

    def __init__(self, crowd: backfill.Crowd | None = None) -> None:
        """crowd: who has to be looked at where segments are worked out anew; without it, everybody."""
        self.now = 0
        self.started = False
        self._alone = False
        self._crowd = crowd

    def inputs(self, engine: Engine, reader: Reader, limit: int) -> tuple[list[Event], int]:
        """Everything that waits, up to about `limit` events; a tick entry where time alone has work to do."""
        state = engine.state
        events = definitions_first(engine, reader, self.now if self.started else 0)
        self._alone = bool(events)
        if events:
            first = events[0]
            if len(events) == 1 and first.type == "definition" and backfill.beside(state, first.properties["changes"]):
                first.properties["beside"] = True
            return events, events[-1].clock
        if not self.started and _turns(state):
            return [tick_entry(max(self.now, state.clock), LIVE, engine.version, resume=True)], state.clock
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
            events.append(tick_entry(max(self.now, state.clock), LIVE, engine.version, resume=True))
            floor = max(floor, self.now)
        for moment, event in self._came(taken.events, engine, reader, limit):
            floor = event.clock = max(floor, moment)
            events.append(event)
        next_due = reader.read("next_timer")
        due = next_due[0][0] if next_due else None
        waits = state.unasked or (due is not None and due <= self.now)
        if self.now >= floor and count < limit:
            step = backfill.next_step(state, reader, self._crowd) if state.build is not None and self.started else None
            if step is not None:
                events.append(_built(self.now, LIVE, engine.version, step))
            elif waits:
                events.append(tick_entry(self.now, LIVE, engine.version))
        return events, events[-1].clock if events else state.clock - 1

    def _came(self, fresh: list[Event], engine: Engine, reader: Reader, limit: int) -> list[tuple[int, Event]]:
        """(moment, event) of what has come, in order: of what arrived, and of what was pending."""
        out = engine.state.out
        rows = reader.read("entry_pending", self.now, limit)
        out.stored = [from_row(row) for row in rows]
        for event, row in zip(out.stored, rows, strict=True):
            out.encoded[id(event)] = (row[-2], row[-1])
        came = [(event.at, event) for event in out.stored]
        for event in fresh:
            if event.at > max(self.now, event.received_at):
                # not out.texts: that remembers by id, and this event is not kept
                texts = to_json(event.properties), to_json(event.context)
                out.add("entry_put", *entry_row(event, texts, sequenced=False))
            else:
                came.append((event.received_at, event))
        return sorted(came, key=lambda pair: (pair[0], pair[1].position)) if rows else came

    def settled(self, state: State) -> None:
        """The entry that says how time goes on is in the log."""
        self.started = self.started or not self._alone


class RunSource(Source):
    """Pending entries by (at, position) up to `until`, clock = max(at, clock reached); then time goes on to `until`.

    Where time stands there already and nothing waits, nothing is written: it would say what the log says.
    """

    def __init__(self, until: int, mode: str) -> None:
        self.until = until
        self.mode = mode
        self.stops = mode == DELIVER
        self.started = False
        self.finished = False
        self._alone = False
        self._idle = False
        self._last = False
        self._end: Event | None = None

    def inputs(self, engine: Engine, reader: Reader, limit: int) -> tuple[list[Event], int]:
        """The next pending entries; the last chunk ends with a tick entry at `until`."""
        state = engine.state
        events = definitions_first(engine, reader) or build_first(engine, reader)
        self._alone = bool(events)
        if events:
            return events, state.clock - 1
        self._idle = not self.started and self._all_done(state, reader)
        if self._idle:
            return [], state.clock - 1
        if not self.started:
            if state.clock == 0:
                first = reader.read("entry_first_at", 0)[0][0]
                state.clock = min(self.until, first if first is not None else self.until)
            events.append(tick_entry(state.clock, self.mode, engine.version))
            if _turns(state):
                self._last = False
                return events, state.clock
        rows = reader.read("entry_pending_after", self.until, *engine.pending_after, limit + 1)
        pending = [from_row(row) for row in rows[:limit]]
        reached = state.clock
        for event in pending:
            event.clock = max(event.at, reached)
        state.out.stored = pending
        for event, row in zip(pending, rows, strict=False):
            state.out.encoded[id(event)] = (row[-2], row[-1])
        events += pending
        self._last = len(rows) <= limit
        self.flies = self.mode == RUN and self.started and not self._last
        if not self._last:
            following = max(from_row(rows[limit]).at, reached)
            last = events[-1].clock
            return events, last if following > last else last - 1
        self._end = tick_entry(max(self.until, reached), self.mode, engine.version)
        events.append(self._end)
        return events, events[-1].clock

    def _all_done(self, state: State, reader: Reader) -> bool:
        """Whether no entry is pending up to `until`, no timer is due, nobody waits for a row, and time stands there."""
        if not 0 < self.until <= state.clock or state.fold < FOLD or state.unasked:
            return False
        due = reader.read("next_timer")
        return not (due and due[0][0] <= state.clock) and not reader.read("entry_pending", self.until, 1)

    def settled(self, state: State) -> None:
        """The chunk is in the log, or, with real delivery, the part of it before a message became ready."""
        if self._alone:
            return
        self.started = True
        self.finished = self._idle or (self._last and bool(state.out.log) and state.out.log[-1] is self._end)


class ReplaySource(Source):
    """Stored inputs with their seq and clock: a rebuild sorts nothing.

    moved: (stored seq, seq now) where they differ.
    """

    judges = False
    flies = True

    def __init__(self, entries: Iterator[Event]) -> None:
        self._entries = entries
        self._ahead: deque[tuple[Event, int]] = deque()
        self._taken = 0
        self.moved: list[tuple[int, int]] = []
        self.folded = 0

    def inputs(self, engine: Engine, reader: Reader, limit: int) -> tuple[list[Event], int]:
        """The next stored inputs."""
        while len(self._ahead) <= limit and (event := next(self._entries, None)) is not None:
            self._ahead.append((event, event.seq))
        events = [event for event, _ in islice(self._ahead, limit)]
        alone = next((n for n, event in enumerate(events, 1) if _sweeps(event, engine.state)), limit)
        events = events[:alone]
        taken = self._taken = len(events)
        if not events:
            return [], engine.state.clock - 1
        engine.state.counters["in_log"] += sum(event.type != TICK for event in events)
        last = events[-1].clock
        more = len(self._ahead) > taken and self._ahead[taken][0].clock == last
        return events, last - 1 if more else last

    def settled(self, state: State) -> None:
        """Forget what was taken, compare its place in the log."""
        for _ in range(self._taken):
            event, stored = self._ahead.popleft()
            if event.seq != stored:
                self.moved.append((stored, event.seq))
        self.folded += self._taken
        self._taken = 0
