"""The state made anew from the log of record, to compare: the proof that nothing is known but by the log.

The inputs (origin 0 and 1) come with their stored seq and clock and are folded by the same tick into a scratch Book;
what the engine derives (origin 2) is made again and must stand in the log at the same seq. Messages of `run` are
decided, and rendered, again; those of a server come from the recorded `Message Sent` and `Message Failed`.

A rebuild begins with nothing, or at a checkpoint: the state that an earlier rebuild, which was proved, had reached.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from einklang.app.sources import ReplaySource
from einklang.app.state import State
from einklang.app.tick import Engine
from einklang.app.working import from_json
from einklang.event import Event
from einklang.store.book import Setup, SqliteBook
from einklang.store.lake import Lake, read_log
from einklang.store.lake.checkpoint import Checkpoint
from einklang.store.lake.log import LOG_COLUMNS
from einklang.testing.canonical import Reader, Row, comparable, difference, line

BATCH = 5_000
SCRATCH = Setup(synchronous="OFF", reserve_bytes=0)
_FINDINGS_MAX = 5
_BEYOND = 2**60


@dataclass(slots=True)
class Rebuilt:
    """A rebuilt state. moved: (stored seq, seq now) of inputs that came to another place; entries: inputs folded;
    after: the last seq of the log whose entry it does not hold.
    """

    book: SqliteBook
    moved: list[tuple[int, int]] = field(default_factory=list)
    entries: int = 0
    after: int = 0


def event_of(row: Row) -> Event:
    """A row of the log as the event that it was."""
    cells = dict(zip(LOG_COLUMNS, row, strict=True))
    return Event(
        position=cells["position"],
        at=cells["at"],
        received_at=cells["received_at"],
        type=cells["type"],
        name=cells["name"],
        message_id=cells["message_id"],
        identifiers=tuple((kind, value) for kind, value in from_json(cells["identifiers"])),
        properties=from_json(cells["properties"]),
        context=from_json(cells["context"]),
        source=cells["source"],
        touchpoint=cells["touchpoint"],
        origin=cells["origin"],
        seq=cells["seq"],
        clock=cells["clock"],
        machine=bool(cells["machine"]),
    )


def inputs_of(reader: Reader, lake: Lake, after: int = 0) -> Iterator[Event]:
    """What the log holds from outside, and what the engine recorded, after a seq, in order of seq."""
    for page in read_log(reader, lake, after, derived=False):
        for row in page:
            yield event_of(row)


@contextmanager
def rebuilt(
    inputs: Iterable[Event],
    salt_hex: str,
    state_of: Callable[[SqliteBook], State],
    *,
    batch: int = BATCH,
    folder: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    base: Checkpoint | None = None,
    pause: tuple[int, Callable[[Rebuilt, int], None]] | None = None,
) -> Iterator[Rebuilt]:
    """The state that these inputs give, in a scratch Book that is there for the length of the context.

    state_of: an engine's State over a Book. progress(entries, clock): after each tick. base: where to begin; the inputs
    are those after it. pause: (seq, do), `do(found, reached)` once the state has reached that seq and all that follows
    from it at once is done.
    """
    with tempfile.TemporaryDirectory(prefix="einklang-rebuild-", dir=folder) as home:
        book = _scratch(Path(home) / "home", salt_hex, base)
        try:
            found, source = Rebuilt(book, after=base.seq if base else 0), ReplaySource(iter(inputs))
            engine = Engine(book, state_of(book), version="rebuild")
            while engine.step(source, batch):
                found.entries = source.folded
                if progress is not None:
                    progress(found.entries, engine.state.clock)
                reached = engine.state.counters["seq"]
                if pause is not None and reached >= pause[0] and engine.state.sweep is None:
                    engine.land()
                    pause[1](found, reached)
                    pause = None
            engine.land()
            found.moved = source.moved
            yield found
        finally:
            book.close()


def _scratch(home: Path, salt_hex: str, base: Checkpoint | None) -> SqliteBook:
    """An empty Book, or a copy of a checkpoint."""
    if base is not None:
        shutil.copytree(base.folder, home)
        return SqliteBook.open(home, setup=SCRATCH)
    book = SqliteBook.create(home, salt_hex, setup=SCRATCH)
    # Entries keep their position; what is derived again gets one beyond all of them.
    book.transact(lambda tx: tx.write("counter_set", [("position", _BEYOND)]))
    return book


def log_difference(reader: Reader, lake: Lake, other: Reader, *, after: int = 0, upto: int | None = None) -> list[str]:
    """Where the log and that of the rebuild (which was never shipped) differ, after a seq and up to one; empty if
    they are equal.
    """
    found: list[str] = []
    theirs = _entries(other, after)
    places = [LOG_COLUMNS.index(name) for name in _COMPARED]
    for page in read_log(reader, lake, after):
        for row in page:
            if upto is not None and row[_SEQ] > upto:
                return found
            ours = comparable("entry", tuple([row[place] for place in places]))
            other_row = next(theirs, None)
            if other_row is not None and line(ours) == line(comparable("entry", other_row)):
                continue
            found.append(f"entry - {line(ours).decode()}")
            if other_row is not None:
                found.append(f"entry + {line(comparable('entry', other_row)).decode()}")
            if len(found) >= _FINDINGS_MAX:
                return found
    more = next(theirs, None)
    return found + ([f"entry + {line(comparable('entry', more)).decode()}"] if more is not None else [])


_COMPARED = (
    "seq", "clock", "at", "format", "origin", "type", "name", "message_id", "source", "touchpoint", "machine", "person",
    "identifiers", "properties", "context",
)  # fmt: skip
_SEQ = LOG_COLUMNS.index("seq")


def _entries(reader: Reader, after: int) -> Iterator[Row]:
    while page := reader.read("all_entry", after, BATCH):
        yield from page
        after = page[-1][0]


def findings(reader: Reader, lake: Lake, again: Rebuilt) -> list[str]:
    """Everything in which the state of `reader` is not the rebuilt one, for people; empty if they are equal."""
    found = [f"seq {stored} of the log became {now} in the rebuild" for stored, now in again.moved[:_FINDINGS_MAX]]
    return found + log_difference(reader, lake, again.book, after=again.after) + difference(reader, again.book)
