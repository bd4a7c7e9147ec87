"""Events that are kept no longer leave the home, and `verify` stays a proof (docs/decisions/0010-retention.md).

    1 ask      an entry `Events Expired`; the tick trims the histories by it (app.expiry)
    2 prove    a rebuild, compared with the live Book, leaves the state right after that entry as a checkpoint
    3 remove   rows of these names leave the lake, and the Book's tail, up to that entry

Each step begins where the one before ended, whatever was interrupted; a row leaves only when the checkpoint from which
rebuilds begin is on the disk. Two steps need the one writer of the home, the proof reads.
"""

from __future__ import annotations

import functools
import operator
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import structlog

from einklang.app import expiry
from einklang.app.apply import in_force
from einklang.app.expiry import Bounds
from einklang.app.ports import Reader
from einklang.kernel import time
from einklang.kernel.errors import Conflict
from einklang.main.home import Home
from einklang.main.verify import HomeLike, Snapshot, one_state, scratch_state
from einklang.store.book.connect import BOOK_FILE
from einklang.store.lake import Lake, checkpoint, ship_all
from einklang.store.lake.checkpoint import Checkpoint, Said
from einklang.testing.rebuild import Rebuilt, findings, inputs_of, log_difference, rebuilt

#: How far a bound must have moved on before a server asks again by itself: a quarter of `keep`, a week at most.
STEP_US = 7 * time.DAY
_PARTS = 4
#: A server looks so often; so long after it asked, the histories are trimmed; a proof that failed is made again after.
EVERY_S, SOON_S, AGAIN_S = 86_400.0, 60.0, 600.0

log = structlog.get_logger()


class Step(Protocol):
    """Told of each change before it is made, for tests of what a crash there leaves."""

    def __call__(self, what: str, /) -> None: ...


class Proof(Protocol):
    """A process that makes the proof."""

    def poll(self) -> int | None: ...
    def terminate(self) -> None: ...
    def wait(self) -> int: ...


def _silent(what: str) -> None:
    return None


def _match(bounds: Bounds) -> pc.Expression:
    """The rows of the lake that have expired."""
    kinds = pc.field("type").isin(sorted(expiry.TYPES))
    parts = [
        (pc.field("name") == name)
        & (pc.field("at") < pa.scalar(bound, pa.timestamp("us", "UTC")))
        & (pc.field("seq") <= seq)
        for name, (bound, seq) in sorted(bounds.items())
    ]
    return kinds & functools.reduce(operator.or_, parts)


# --- 1 ask ------------------------------------------------------------------------------------------------------------


def wanted(book: Reader, lake: Lake, now: int, *, step_us: int = 0) -> bool:
    """Whether the lake holds events beyond their `keep`. step_us: only where a bound moved on by that much, or by a
    quarter of `keep`.
    """
    keeps = in_force(book).keeps
    known = expiry.bounds_of(book)
    moved = {
        name: (bound, 2**62)
        for name, bound in expiry.due(book, keeps, now).items()
        if bound - known.get(name, (0, 0))[0] >= min(step_us, keeps[name] // _PARTS)
    }
    return bool(moved) and lake.has(_match(moved))


# --- 2 prove ----------------------------------------------------------------------------------------------------------


def proved(reader: Reader, lake: Lake) -> bool:
    """Whether a checkpoint knows of all that has expired."""
    base = checkpoint.newest(lake.root)
    return max((seq for _, seq in expiry.bounds_of(reader).values()), default=0) <= (base.seq if base else 0)


def prove(home: HomeLike, *, progress: Callable[[int, int], None] | None = None, step: Step = _silent) -> list[str]:
    """Make the checkpoint after the last expiry, unless it is there. Returns in what the state is not what the log
    says: then there is none, and nothing leaves the lake. It only reads the home, beside a running server too.

    Raises Conflict `too_early` while the entry is being carried out, or the lake does not hold the log up to it.
    """
    with one_state(home) as (reader, lake, base):
        mark = max((seq for _, seq in expiry.bounds_of(reader).values()), default=0)
        if mark <= (base.seq if base else 0):
            return []
        found, said = _rebuild(home, reader, lake, base, mark, progress)
    if found:
        checkpoint.drop_draft(home.lake.root)
    else:
        checkpoint.publish(home.lake.root, said, step=step)
    return found


def _rebuild(
    home: HomeLike,
    reader: Snapshot,
    lake: Lake,
    base: Checkpoint | None,
    mark: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[list[str], Said]:
    """(differences, what is true at the draft): rebuild up to the mark, put the state aside, go on, compare all."""
    found: list[str] = []
    said: list[Said] = []

    def put_aside(again: Rebuilt, reached: int) -> None:
        there = lake.reached("events")
        if there < reached:
            what = f"the lake holds the log up to {there}, not to {reached}"
            raise Conflict("too_early", what, mend="try again a little later")
        found.extend(log_difference(reader, lake, again.book, after=again.after, upto=reached))
        again.book.transact(lambda tx: tx.write("entry_trim", [(reached,)]))
        again.after = reached
        again.book.backup(checkpoint.draft(home.lake.root) / BOOK_FILE)
        count = dict(again.book.read("counters"))
        at = dict(expiry.bounds_of(again.book))
        said.append(Said(reached, count["clock"], count["projected"], count["ticks"], at))

    inputs = inputs_of(reader, lake, base.seq if base else 0)
    with rebuilt(
        inputs, home.salt.hex(), scratch_state(home), progress=progress, base=base, pause=(mark, put_aside)
    ) as again:
        found.extend(findings(reader, lake, again))
    if not said:
        found.append(f"the rebuild did not reach seq {mark}")
        said.append(Said(0, 0, 0, 0, {}))
    return found, said[0]


# --- 3 remove ---------------------------------------------------------------------------------------------------------


def remove(home: HomeLike, *, stopping: Callable[[], bool] = lambda: False, step: Step = _silent) -> int:
    """Take what the newest checkpoint knows to have expired out of the lake and the Book's tail. Returns the rows that
    left the lake; their files go when no reader needs the former versions any more.
    """
    base = checkpoint.newest(home.lake.root)
    if base is None:
        return 0
    step("remove rows")
    count = home.lake.expire(_match(base.said.expired), stopping=stopping)
    rows = [(seq, name, bound) for name, (bound, seq) in sorted(base.said.expired.items())]
    step("remove entries of the tail")
    home.book.transact(lambda tx: tx.write("entry_expire", rows))
    home.lake.clean("events")
    return count


# --- all of it --------------------------------------------------------------------------------------------------------


def expire(home: Home, *, progress: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """All three steps, by the one writer of a home that is not served. Raises Conflict `nothing_expires`."""
    home.engine()  # what was applied is put in force, what was interrupted is carried out
    ship_all(home.book, home.lake)
    if not in_force(home.book).keeps and not expiry.bounds_of(home.book):
        expiry.ask(home.book, now=home.now())
    if wanted(home.book, home.lake, home.now()):
        expiry.ask(home.book, now=home.now())
        home.engine()
        ship_all(home.book, home.lake)
    found = prove(home, progress=progress)
    removed = 0 if found else remove(home)
    said = {name: f"before {time.format_moment(bound)}" for name, (bound, _) in expiry.bounds_of(home.book).items()}
    return {"ok": not found, "removed": removed, "expired": said, "findings": found}


class Keeper:
    """What a server does by itself: it looks once a day, and has the proof made beside it by a process of its own.

    prove: starts that process. now, steady: the clock in microseconds, and a timer in seconds that nobody sets.
    """

    def __init__(
        self,
        home: Home,
        now: Callable[[], int],
        steady: Callable[[], float],
        prove: Callable[[Home], Proof] | None = None,
    ) -> None:
        self._home, self._now, self._steady = home, now, steady
        self._start = prove or _beside
        self._next = steady()
        self._proof: Proof | None = None

    def look(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Take the next step, if it is time. Called by whoever ships, between two rounds. Raises Unavailable."""
        book, lake = self._home.book, self._home.lake
        if self._proof is not None:
            status = self._proof.poll()
            if status is None:
                return
            self._proof, self._next = None, self._steady() + (AGAIN_S if status else 0)
            if status:
                log.warning(
                    "expired events stay in the lake: the proof of the state without them failed", status=status
                )
        if self._steady() < self._next:
            return
        if wanted(book, lake, self._now(), step_us=STEP_US):
            expiry.ask(book, now=self._now())
            self._next = self._steady() + SOON_S
        elif not proved(book, lake):
            self._proof = self._start(self._home)
        else:
            removed = remove(self._home, stopping=stopping)
            self._next = self._steady() + EVERY_S
            if removed:
                log.info("expired events left the lake", rows=removed)

    def stop(self) -> None:
        """End the proof, if one is being made."""
        if self._proof is not None:
            self._proof.terminate()
            self._proof.wait()


def _beside(home: Home) -> Proof:
    """A process that makes the proof: it takes minutes of computing, which a server has no time for."""
    code = "import sys; from einklang.main.cli import main; sys.exit(main(sys.argv[1:]))"
    call = [sys.executable, "-c", code, "expire", "--prove", "--home", str(home.path)]
    return subprocess.Popen(call, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
