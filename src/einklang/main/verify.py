"""`verify`: the books balance, the chain of the ledger is whole, and the state equals the rebuild from the log.

The books, in events (contract.md):

    accepted = in_log + duplicates + dead_letters + what is not yet expanded
    in_log   = projected + pending

`in_log` are the entries that somebody sent or the engine appended at the door (definitions, deliveries). Two sorts of
entries come without having been accepted and are left out on both sides: what the tick derives (origin 2) and the tick
entries by which time goes on (`ticks`). Everything is read from one snapshot, also beside a running server.

Where events have expired, all of it begins at the newest checkpoint, which was proved by the log before it; what has
left the lake since is counted there (docs/decisions/0010-retention.md).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import polars as pl

from einklang.app import ports
from einklang.app.apply import in_force
from einklang.app.output import COUNTERS
from einklang.app.state import TICK, State
from einklang.consent import ChainRow, first_broken
from einklang.kernel import time
from einklang.kernel.errors import Conflict
from einklang.store.book import AnyBook, SqliteBook
from einklang.store.lake import Lake, read_log
from einklang.store.lake.checkpoint import Checkpoint, newest
from einklang.testing import canonical
from einklang.testing.rebuild import findings, inputs_of, rebuilt

_PAGE = 5_000
_DERIVED = 2


class Reader(Protocol):
    """A snapshot of the Book."""

    def read(self, name: str, *params: Any) -> list[tuple[Any, ...]]:
        """Rows of a named statement."""


class Snapshot(ports.Reader, canonical.Reader, Protocol):
    """One state of the Book, whatever its size."""


class HomeLike(Protocol):
    """What is verified."""

    @property
    def book(self) -> AnyBook: ...
    @property
    def lake(self) -> Lake: ...
    @property
    def salt(self) -> bytes: ...
    def reading_state(self) -> State: ...


def verify_home(home: HomeLike, *, books_only: bool) -> dict[str, Any]:
    """The findings about a home, at one snapshot; `ok` without any. Raises Unavailable, Conflict `too_early`."""
    progress = Progress()
    with one_state(home) as (reader, lake, base):
        progress.says("the books")
        found, figures = check_books(reader, lake, base)
        found += check_ledger(reader)
        state_equal: bool | None = None
        if not books_only:
            inputs = inputs_of(reader, lake, base.seq if base else 0)
            before = base.said.projected + base.said.ticks if base else 0
            progress.total = figures["projected"] + figures["ticks"] - before
            with rebuilt(inputs, home.salt.hex(), scratch_state(home), progress=progress, base=base) as again:
                progress.says("the rebuilt state against the stored one")
                different = findings(reader, lake, again)
            state_equal = not different
            found += different
    progress.close()
    return {"ok": not found, **figures, "state_equal": state_equal, "findings": found}


@contextmanager
def one_state(home: HomeLike) -> Iterator[tuple[Snapshot, Lake, Checkpoint | None]]:
    """A snapshot of the Book, the lake as it was then or a little later, and the checkpoint to begin at.

    Raises Conflict `too_early` while definitions, or the expiry of events, are being carried out: between two slices of
    that the state is none that follows from the log alone.
    """
    while True:
        with home.book.snapshot() as reader:
            if any(text for (text,) in reader.read("meta_value", "sweep")):
                what = "changed definitions or the expiry of events are being carried out"
                raise Conflict("too_early", what, mend="try again a little later; where no server runs: einklang run")
            # in this order: the lake lacks nothing that the Book has not, the checkpoint knows of all that left it
            lake = home.lake.pinned()
            base = newest(home.lake.root)
            if base is None or base.seq <= reader.read("counter_value", "seq")[0][0]:
                yield reader, lake, base
                return


def scratch_state(home: HomeLike) -> Callable[[SqliteBook], State]:
    """The State of an engine over a scratch Book."""
    channels = home.reading_state()

    def state_of(book: SqliteBook) -> State:
        state = State(
            home.salt,
            in_force(book),
            link_key=channels.link_key,
            base_url=channels.base_url,
            channels=channels.channels,
        )
        state.working.bytes_max = channels.working.bytes_max
        return state

    return state_of


def check_books(reader: Reader, lake: Lake, base: Checkpoint | None = None) -> tuple[list[str], dict[str, int]]:
    """(findings, figures) of the books: the counters against each other and against what is really there."""
    stored = dict(reader.read("counters"))
    count = {name: stored.get(name, 0) for name in (*COUNTERS, "accepted")}
    waiting = reader.read("tail_items")[0][0]
    pending = reader.read("entry_pending_count")[0][0]
    found = _balance(
        "accepted", count["accepted"], count["in_log"] + count["duplicates"] + count["dead_letters"] + waiting
    )
    found += _balance("in_log", count["in_log"], count["projected"] + pending)
    there = {"projected": 0, "ticks": 0, "derived": 0}
    seq = clock = 0
    if base is not None:
        there |= {"projected": base.said.projected, "ticks": base.said.ticks}
        seq, clock = base.said.seq, base.said.clock
        left = int(lake.scan("events").filter(pl.col("seq") <= seq).select(pl.len()).collect().item())
        found += _balance("events before the checkpoint", seq, left + lake.expired())
    for page in read_log(reader, lake, seq, names=("seq", "clock", "origin", "type")):
        for at, reached, origin, type_ in page:
            if at != seq + 1:
                found.append(f"the log goes from seq {seq} to {at}")
            if there["ticks"] and reached < clock:  # definitions may come before time begins
                found.append(f"the clock goes back at seq {at}")
            seq, clock = at, reached
            there["derived" if origin == _DERIVED else "ticks" if type_ == TICK else "projected"] += 1
            if len(found) > 20:
                return found, _figures(count, pending, waiting)
    found += _balance("seq", count["seq"], seq)
    for name in ("projected", "ticks"):
        found += _balance(f"{name} in the log", count[name], there[name])
    dead = reader.read("dead_count")[0][0]
    if dead > count["dead_letters"] + count["held"]:
        found.append(f"{dead} dead letters are kept, {count['dead_letters'] + count['held']} were counted")
    return found, _figures(count, pending, waiting)


def _balance(name: str, counted: int, there: int) -> list[str]:
    return [f"{name}: counted {counted}, found {there}"] if counted != there else []


def _figures(count: dict[str, int], pending: int, waiting: int) -> dict[str, int]:
    names = ("accepted", "in_log", "projected", "duplicates", "dead_letters")
    return {name: count[name] for name in names} | {
        "pending": pending,
        "not_expanded": waiting,
        "ticks": count["ticks"],
    }


def check_ledger(reader: Reader) -> list[str]:
    """Findings about the hash chain of the consent ledger."""
    counters = dict(reader.read("counters"))
    last = 0

    def rows() -> Iterator[tuple[ChainRow, bytes]]:
        nonlocal last
        while page := reader.read("all_ledger", last, _PAGE):
            for n, seq, _, *told, digest in page:
                yield ChainRow(n, seq, *told), digest
            last = page[-1][0]

    broken = first_broken(rows())
    if broken is not None:
        return [f"the consent ledger is not what it was from row {broken} on"]
    return _balance("rows of the consent ledger", counters.get("ledger", 0), last)


class Progress:
    """How far it is, on a terminal. total: entries to fold."""

    def __init__(self, what: str = "verify") -> None:
        self._what = what
        self._shown = sys.stderr.isatty()
        self.total = 0

    def __call__(self, entries: int, clock: int) -> None:
        """So many entries are folded, up to this moment."""
        share = min(100, 100 * entries // max(1, self.total))
        self.says(f"{entries:,} of {self.total:,} entries ({share} %) · {time.format_moment(clock)[:10]}")

    def says(self, what: str) -> None:
        """What is being done."""
        if self._shown:
            sys.stderr.write(f"\r{self._what}: {what:<60}")
            sys.stderr.flush()

    def close(self) -> None:
        """End the line."""
        if self._shown:
            sys.stderr.write("\n")
