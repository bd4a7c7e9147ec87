"""`run --until`: work through pending entries and due timers under a virtual clock, fast and in time order."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

from einklang.app import output
from einklang.app.intake import take
from einklang.app.output import COUNTERS, Output
from einklang.app.ports import Book, Reader
from einklang.app.sources import RunSource, Source, definitions_first
from einklang.app.tick import Engine
from einklang.event import Event

BATCH = 5_000
Handed = Callable[[str, str, bytes], None]
Progress = Callable[[int, int], None]
Deliver = Callable[[int], int]


def expand_pending(book: Book, *, version: str) -> int:
    """Bodies -> pending entries of the log, in short transactions; the number of events."""
    total = 0
    while True:
        with book.snapshot() as reader:
            rows, count = [], 0
            for row in reader.read("tail_page", 0, 200):
                if row[4] != "definition" and count < BATCH:
                    rows.append(row)
                    count += row[1]
            if not rows:
                return total
            out = Output()
            stored = dict(reader.read("counters"))
            taken = take(rows, reader, out, clock=stored.get("clock", 0), version=version)
            counters = {name: stored.get(name, 0) for name in COUNTERS}
        counters["in_log"] += len(taken.events)
        counters["duplicates"] += taken.duplicates
        counters["dead_letters"] += taken.dead
        out.rows["entry_put"] = [output.entry_row(event, out.texts(event), sequenced=False) for event in taken.events]
        assert _store(book, out, counters, version), "one writer expands"
        total += len(taken.events)


def _store(book: Book, out: Output, counters: dict[str, int], version: str) -> bool:
    return book.transact(
        lambda tx: output.write(tx, out, counters, {"code_version": version}, expected_seq=counters["seq"])
    )


def run(
    book: Book,
    engine: Engine,
    until: int,
    *,
    mode: str,
    batch: int = BATCH,
    handed: Handed | None = None,
    progress: Progress | None = None,
    deliver: Deliver | None = None,
) -> int:
    """Everything pending and due up to `until` (microseconds); the number of log entries written.

    handed(channel, key, body): called for each message after its tick is durable. progress(done, clock): once a tick.
    deliver(clock): hands over on real channels what is ready, gives how many. What it reports is worked off before
    time goes on.
    """
    total = 0
    while True:
        expand_pending(book, version=engine.version)
        source = RunSource(until, mode)
        while not source.finished:
            engine.step(source, batch)
            total += sum(len(out.log) for out in engine.landed)
            for channel, key, body in chain.from_iterable(out.files for out in engine.landed):
                if handed is not None:
                    handed(channel, key, body)
            if deliver is not None and deliver(engine.state.clock):
                expand_pending(book, version=engine.version)
            if progress is not None:
                progress(total, engine.state.clock)
        if deliver is None or not deliver(until):
            return total


def settle_definitions(book: Book, engine: Engine) -> None:
    """Put applied definitions in force at the clock reached, look at whom they concern, and do nothing else."""
    with book.snapshot() as reader:
        waiting = bool(
            reader.read("definitions_waiting") or any(text for (text,) in reader.read("meta_value", "sweep"))
        )
    source = DefinitionSource()
    while waiting and engine.step(source, BATCH):
        pass


class DefinitionSource(Source):
    """Only applied definitions."""

    def inputs(self, engine: Engine, reader: Reader, limit: int) -> tuple[list[Event], int]:
        """The waiting definitions; time stands still."""
        return definitions_first(engine, reader), engine.state.clock - 1
