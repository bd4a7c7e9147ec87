"""Serves the destinations that get files or tables, one after the other; what goes wrong with one is its own matter.

A destination is served again when its time has come and the log has moved on, or when it is another one than before.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
import structlog

from einklang.app.activation_audience import prepare as prepare_audience
from einklang.app.destinations import Destination, RawSync, Stand, asked_since, failed, put_stand, stand_of, stands
from einklang.app.exports import FOLDER as EXPORTS
from einklang.app.exports import tidy as tidy_exports
from einklang.app.ports import Tx
from einklang.app.syncs import AS, TABLE, Batch, Job, form_of, prepare
from einklang.app.working import from_json
from einklang.kernel import time
from einklang.kernel.errors import Conflict, EinklangError
from einklang.main import batches
from einklang.main.batches import FOLDER, Step, silent
from einklang.main.home import Home
from einklang.store.lake import drop_replaced

log = structlog.get_logger()
AUDIENCE = "audience"
#: type -> what is given next. Webhooks are told by another thread.
SERVE: Mapping[str, Callable[[Job], Batch | None]] = {"file": prepare, "table": prepare, AUDIENCE: prepare_audience}
#: Files are looked through so often for those whose time is over.
_TIDY_EVERY_US = time.HOUR


class Destinations:
    """All of them. now: the moment, by the clock of the home."""

    def __init__(self, home: Home, now: Callable[[], int], *, step: Step = silent) -> None:
        self.home, self.now, self._step = home, now, step
        self._tidied: int | None = None
        self._known: dict[str, tuple[Destination, int]] = {}
        self._stamp: int | None = None
        #: when the next one is due, as far as it is known what to give, or old files are looked for
        self.later: int | None = None

    def once(self, *, whatever: bool = False, stopping: Callable[[], bool] = lambda: False) -> int:
        """Serve those whose time has come; how many were given something. whatever: all, at whatever time."""
        with _alone(self.home.path) as alone:
            if not alone:
                self.later = self.now()
                return 0
            return self._once(whatever, stopping)

    def _once(self, whatever: bool, stopping: Callable[[], bool]) -> int:
        now, seq = self.now(), self._seq()
        known = stands(self.home.book)
        self.later, served = None, 0
        for name, found in sorted(self._definitions().items()):
            due = self._due(found, known.get(name, Stand(name)), seq)
            if due is None or stopping():
                continue
            if due <= now or whatever:
                served += self._guarded(name, now)
            else:
                self.later = due if self.later is None else min(due, self.later)
        self._tidy(now)
        looked = now + time.DAY
        self.later = looked if self.later is None else min(looked, self.later)
        return served

    def one(self, name: str) -> int:
        """Serve this one now; rows that it was given. Raises Conflict, EinklangError, OSError."""
        with _alone(self.home.path) as alone:
            if not alone:
                what, mend = "another process gives destinations their files", "try again in a moment"
                raise Conflict("being_served", what, where=f"destination {name}", mend=mend)
            return self._serve(name, self.now()) or 0

    def _definitions(self) -> dict[str, tuple[Destination, int]]:
        """Destination and version by id; read again when other definitions are in force."""
        stamp = self.home.book.read("definitions_stamp")[0][0]
        if stamp != self._stamp:
            found = self.home.reading_state().definitions
            self._known = {name: (one, found.versions["destination", name]) for name, one in found.destinations.items()}
            self._stamp = stamp
        return self._known

    def _seq(self) -> int:
        return int(self.home.book.read("counter_value", "seq")[0][0])

    def _due(self, found: tuple[Destination, int], stand: Stand, seq: int) -> int | None:
        """When it is to be served; None: not before something happens."""
        destination, version = found
        if destination.type not in SERVE or not destination.live or stand.held:
            return None
        if stand.cursor and not stand.error and not batches.has(self.home.path / FOLDER / stand.id):
            return 0  # its folder is lost, or was never there, as after a restore
        if stand.again_at:  # after a fault, or as staff asked
            return stand.again_at
        if stand.version == version and stand.cursor == seq and not stand.error:
            return None
        return 0 if stand.error else stand.done_at + destination.every_us if stand.done_at else 0

    def _guarded(self, name: str, now: int) -> bool:
        """Whether it was given a batch. Whatever goes wrong, the others are served, unless the Book is away."""
        try:
            return self._serve(name, now) is not None
        except Exception as error:
            self.home.book.check()
            expected = isinstance(error, EinklangError | OSError)
            line = error.line() if isinstance(error, EinklangError) else f"{type(error).__name__}: {error}"
            log.warning(
                "a destination was not served", destination=name, error=line, exc_info=None if expected else error
            )
            failed(self.home.book, name, line, now)
            return False

    def _serve(self, name: str, now: int) -> int | None:
        """Rows of the batch that it was given; None: it had all."""
        folder, book = self.home.path / FOLDER / name, self.home.book
        batches.settle(book, folder, step=self._step)
        state = self.home.reading_state()
        destination, version = state.definitions.destinations[name], state.definitions.versions["destination", name]
        with book.snapshot() as reader:
            seq = int(reader.read("counter_value", "seq")[0][0])
            stand = stand_of(reader, name)
            before = from_json(stand.notes).get(AS, form_of(destination))
            held = batches.given(folder)
            given = held if before == form_of(destination) else None
            if before == AUDIENCE and given is None and held is not None and len(held):
                what = f"{len(held)} lines lie with an ad platform, and only `type: {AUDIENCE}` can take them back"
                mend = "give what is new an id of its own; let this one be an audience until nobody is left in it"
                raise Conflict("still_given", what, where=f"destination {name}", mend=mend)
            if given is None:
                stand.cursor = 0  # from the beginning
            job = Job(destination, stand, reader, state, given, seq, now)
            batch = SERVE[destination.type](job) if stand.cursor < seq else None
        if batch is not None:
            if given is None:
                book.transact(lambda tx: put_stand(tx, msgspec.structs.replace(stand_of(tx, name), cursor=0)))
            batches.publish(book, folder, job, version, batch, step=self._step)
            batches.remove(folder, keep=_lasting(destination))
            return batch.sent
        fresh = {"version": version, "cursor": max(seq, stand.cursor), "done_at": now, "tried_at": now, "error": ""}
        well = msgspec.structs.replace(stand, **fresh, attempts=0)

        def note(tx: Tx) -> None:
            last = stand_of(tx, name)
            put_stand(tx, msgspec.structs.replace(well, held=last.held, again_at=asked_since(last, now)))

        book.transact(note)
        return None

    def _tidy(self, now: int) -> None:
        if self._tidied is None or now >= self._tidied + _TIDY_EVERY_US:
            with self._own_matter("exports"):
                tidy_exports(self.home.book, self.home.path / EXPORTS, now, drafts=self._tidied is None)
            with self._own_matter("batches"):
                batches.tidy(self.home.book, self.home.path / FOLDER, now)
            for name, stand in stands(self.home.book).items():
                with self._own_matter(name):
                    self._left_behind(name, from_json(stand.notes).get(AS))
            self._tidied = now

    @contextmanager
    def _own_matter(self, what: str) -> Iterator[None]:
        """Whatever goes wrong with files that are over, all else goes on, unless the Book is away."""
        try:
            yield
        except Exception as error:
            self.home.book.check()
            log.warning("files were not tidied", of=what, error=f"{type(error).__name__}: {error}")

    def _left_behind(self, name: str, served_as: str | None) -> None:
        """Remove what lies there of forms of before, and what newer rows of a table have replaced."""
        destination, _ = self._definitions().get(name, (None, 0))
        folder = self.home.path / FOLDER / name
        if destination is None or served_as is None or not folder.is_dir():
            return
        if served_as == form_of(destination):  # else it is served in its new form first
            batches.remove(folder, keep=_lasting(destination))
            drop_replaced(folder / TABLE)
        elif destination.type not in SERVE and served_as != AUDIENCE:  # what a platform has can still be taken back
            batches.forget(folder)


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Whether no other process writes files of destinations into this home now; it then waits for this one. An engine
    that has lost its lease may still be at a batch when the next one begins.
    """
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except BlockingIOError:
            alone = False
        yield alone
    finally:
        os.close(handle)


def _lasting(destination: Destination) -> tuple[str, ...]:
    """What of its form lies in its folder for good."""
    raw = destination.raw
    if destination.type == TABLE:
        return (TABLE,)
    return (f"{destination.id}.{raw.format}",) if isinstance(raw, RawSync) and raw.mode == "full" else ()
