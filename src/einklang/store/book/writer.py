"""The one writing connection and its thread.

Requests wait in two queues: bodies to append and work to transact. Whenever the thread is free it commits **all**
waiting appends with one fsync (group commit), then runs one piece of work, so neither starves the other. Nothing is
acknowledged before its COMMIT has returned under synchronous=FULL.

Faults (invariants 8 and 9): a full disk refuses with `disk_full` and recovers by itself, and bodies that carry a
withdrawal get in by giving up the reserve file; any other I/O error poisons the Book: an fsync that failed once is
never retried into an acknowledgement (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC
2020).
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol, TypeVar

import apsw

from einklang.kernel.errors import EinklangError, Unavailable
from einklang.store.book.connect import RESERVE_FILE, Setup, book_failed, is_disk_full, is_fatal, translate
from einklang.store.book.statements import Statement

T = TypeVar("T")

#: Seconds between two attempts to take the reserve file back.
_RESERVE_RETRY_S = 5.0
#: How long cutting the log may wait for readers while nobody is acknowledged.
CHECKPOINT_BUSY_MS = 20


class BlobLike(Protocol):
    """A request body as it came, judged: what `append` stores (app.ports.Blob satisfies it)."""

    @property
    def items(self) -> int:
        """Admitted events in it, >= 1: it takes that many positions."""

    @property
    def received_at(self) -> int:
        """Moment of receipt, µs."""

    @property
    def source(self) -> str:
        """Id of the source whose key it came with."""

    @property
    def kind(self) -> str:
        """How `body` is encoded."""

    @property
    def body(self) -> bytes:
        """The bytes."""

    @property
    def suppress(self) -> Sequence[tuple[Any, ...]]:
        """Withdrawals in it: (address_hash, channel, purpose, reason, at), in force with the same commit."""


class Reading:
    """Named reads on one connection."""

    def __init__(self, connection: apsw.Connection, statements: Mapping[str, Statement]) -> None:
        self._connection = connection
        self._statements = statements

    def read(self, name: str, *params: Any) -> list[tuple[Any, ...]]:
        """All rows of the named statement. Raises the kernel's errors; an unknown name is a fault of ours
        (KeyError).
        """
        statement = self._statements[name]
        assert statement.reads_only, f"{name} ({statement.where}) writes"
        try:
            return self._connection.execute(statement.sql, params).fetchall()
        except apsw.Error as error:
            raise translate(error, name) from error

    def read_many(self, name: str, rows: Iterable[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """The rows of the named statement run once for each of `rows`, one after another in one list."""
        statement = self._statements[name]
        assert statement.reads_only, f"{name} ({statement.where}) writes"
        try:
            return self._connection.executemany(statement.sql, rows).fetchall()
        except apsw.Error as error:
            raise translate(error, name) from error


class Writing(Reading):
    """Named reads and writes inside the writer's transaction; of no use after it."""

    def write(self, name: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run the named statement once a row (one executemany). Returns the number of rows changed. Raises as
        `read`, and Conflict.
        """
        statement = self._statements[name]
        assert not statement.reads_only, f"{name} ({statement.where}) only reads"
        before = self._connection.total_changes()
        try:
            self._connection.executemany(statement.sql, rows).fetchall()
        except apsw.Error as error:
            raise translate(error, name) from error
        return self._connection.total_changes() - before


class _Append:
    """Bodies that wait, and who waits for them."""

    __slots__ = ("blobs", "future", "size")

    def __init__(self, blobs: Sequence[BlobLike]) -> None:
        self.blobs = blobs
        self.size = sum(len(blob.body) for blob in blobs)
        self.future: Future[list[int]] = Future()


_Work = tuple[Callable[[Writing], Any], "Future[Any]"]


class Writer:
    """Owns the writing connection; `start` it once, `stop` it once. Every method is safe from any thread."""

    def __init__(
        self, connection: apsw.Connection, statements: Mapping[str, Statement], setup: Setup, home: Path
    ) -> None:
        self._connection = connection
        self._statements = statements
        self._setup = setup
        self._reserve = home / RESERVE_FILE
        self._reserve_retry_at = 0.0
        self._appends: deque[_Append] = deque()
        self._works: deque[_Work] = deque()
        self._waiting_bytes = 0
        self._wake = threading.Condition()
        self._closing = False
        self._failed = ""
        self._wal_pages = 0
        self._checkpoint_at = setup.checkpoint_pages
        self._thread = threading.Thread(target=self._run, name="book-writer", daemon=True)
        connection.set_wal_hook(self._on_commit)

    def start(self) -> None:
        """Begin to take requests."""
        self._take_reserve()
        self._thread.start()

    def stop(self) -> None:
        """Work off what waits, then close the connection (after a failure: without touching the file again)."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def check(self) -> None:
        """Raises Unavailable `book_failed` after a failure and `book_closed` after `stop`."""
        if self._failed:
            raise book_failed(self._failed)
        if self._closing:
            raise book_closed()

    def fail(self, error: BaseException) -> None:
        """Poison: from now on every call is refused."""
        if not self._failed:
            self._failed = f"{type(error).__name__}: {error}"

    def append(self, blobs: Sequence[BlobLike]) -> Future[list[int]]:
        """Queue bodies; the future gives the first position of each once they are durable.

        Raises Unavailable `overloaded` at once when more than `queue_bytes_max` waits.
        """
        assert all(blob.items >= 1 for blob in blobs), "a blob without admitted events is not appended"
        request = _Append(blobs)
        with self._wake:
            self.check()
            if self._waiting_bytes and self._waiting_bytes + request.size > self._setup.queue_bytes_max:
                raise Unavailable(
                    "overloaded", "too much waits for the disk", where="append", mend="send again a little later"
                )
            self._appends.append(request)
            self._waiting_bytes += request.size
            self._wake.notify()
        return request.future

    def transact(self, work: Callable[[Writing], T]) -> T:
        """Run `work` in BEGIN IMMEDIATE on the writer's thread and wait. What it raises is raised here, after a
        rollback.
        """
        assert threading.current_thread() is not self._thread, "work inside work would wait for itself"
        future: Future[T] = Future()
        with self._wake:
            self.check()
            self._works.append((work, future))
            self._wake.notify()
        return future.result()

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._wake:
                while not (self._appends or self._works or self._closing):
                    self._wake.wait()
                group = [request for request in self._appends if request.future.set_running_or_notify_cancel()]
                self._appends.clear()
                self._waiting_bytes = 0
                work = self._works.popleft() if self._works else None
                if self._closing and not group and work is None:
                    break
            if group:
                self._append_group(group)
            if work is not None:
                self._transact(*work)
            self._checkpoint()
        self._close()

    def _append_group(self, group: Sequence[_Append]) -> None:
        urgent: list[_Append] = []
        try:
            positions = self._in_transaction(lambda: self._insert(group))
        except BaseException as error:
            if is_disk_full(_cause(error)):
                urgent = [request for request in group if any(blob.suppress for blob in request.blobs)]
            for request in group:
                if request not in urgent:
                    request.future.set_exception(self._told(error, "append"))
        else:
            self._answer(group, positions)
            self._take_reserve()
        if urgent:
            self._append_urgent(urgent)

    def _append_urgent(self, group: Sequence[_Append]) -> None:
        """Bodies with a withdrawal on a full disk: give up the reserve file for them."""
        self._reserve.unlink(missing_ok=True)
        self._reserve_retry_at = time.monotonic() + _RESERVE_RETRY_S
        try:
            positions = self._in_transaction(lambda: self._insert(group))
        except BaseException as error:
            for request in group:
                request.future.set_exception(self._told(error, "append"))
        else:
            self._answer(group, positions)

    @staticmethod
    def _answer(group: Sequence[_Append], positions: list[int]) -> None:
        start = 0
        for request in group:
            end = start + len(request.blobs)
            request.future.set_result(positions[start:end])
            start = end

    def _insert(self, group: Sequence[_Append]) -> list[int]:
        tx = Writing(self._connection, self._statements)
        ((position,),) = tx.read("counter_value", "position")
        before, positions = position, list[int]()
        rows, suppressed = list[tuple[Any, ...]](), list[tuple[Any, ...]]()
        for request in group:
            for blob in request.blobs:
                first = position + 1
                position += blob.items
                positions.append(first)
                rows.append((first, blob.items, blob.received_at, blob.source, blob.kind, blob.body))
                suppressed.extend(blob.suppress)
        tx.write("tail_append", rows)
        if suppressed:
            tx.write("suppression_raise", suppressed)
        tx.write("counter_add", [("position", position - before), ("accepted", position - before)])
        return positions

    def _transact(self, work: Callable[[Writing], Any], future: Future[Any]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = self._in_transaction(lambda: work(Writing(self._connection, self._statements)))
        except BaseException as error:
            future.set_exception(self._told(error, "transact"))
        else:
            future.set_result(result)

    def _in_transaction(self, body: Callable[[], T]) -> T:
        if self._failed:
            raise book_failed(self._failed)
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = body()
            connection.execute("COMMIT")
        except BaseException as error:
            self._poison_if_fatal(error)
            self._roll_back()
            raise
        return result

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except apsw.Error as error:
            self.fail(error)

    def _poison_if_fatal(self, error: BaseException) -> None:
        cause = _cause(error)
        if is_fatal(cause):
            self.fail(cause)

    def _told(self, error: BaseException, where: str) -> BaseException:
        """The error as the caller sees it. BEGIN itself may have failed, so poison here too."""
        self._poison_if_fatal(error)
        if self._failed and isinstance(error, (apsw.Error, Unavailable)):
            return book_failed(self._failed)
        return translate(error, where) if isinstance(error, apsw.Error) else error

    # --- checkpoint and reserve -------------------------------------------------------------------------------------

    def _on_commit(self, connection: apsw.Connection, schema: str, pages: int) -> int:
        if pages < self._wal_pages:  # SQLite began the log anew
            self._checkpoint_at = self._setup.checkpoint_pages
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint(self) -> None:
        """Copy the log back each time it has grown by `checkpoint_pages`; when it is four times that, cut the file too.

        Readers of old states may prevent either: that costs a moment and disk, and it is tried again after the same
        growth.
        """
        if self._failed or self._wal_pages < self._checkpoint_at:
            return
        far = self._wal_pages >= 4 * self._setup.checkpoint_pages
        mode = apsw.SQLITE_CHECKPOINT_TRUNCATE if far else apsw.SQLITE_CHECKPOINT_PASSIVE
        self._checkpoint_at = self._wal_pages + self._setup.checkpoint_pages
        try:
            self._connection.set_busy_timeout(CHECKPOINT_BUSY_MS)
            self._connection.wal_checkpoint("main", mode)
        except apsw.Error as error:
            self._poison_if_fatal(error)  # readers and a full disk only leave the log as it is
        finally:
            self._connection.set_busy_timeout(self._setup.busy_ms)

    def _take_reserve(self) -> None:
        """Keep some bytes of the disk for withdrawals; on a full disk it is tried again later."""
        if self._reserve_retry_at > time.monotonic():
            return
        self._reserve_retry_at = float("inf")
        try:
            handle = os.open(self._reserve, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                missing = self._setup.reserve_bytes - os.fstat(handle).st_size
                if missing > 0:
                    os.pwrite(handle, bytes(missing), self._setup.reserve_bytes - missing)
            finally:
                os.close(handle)
        except OSError:
            self._reserve.unlink(missing_ok=True)
            self._reserve_retry_at = time.monotonic() + _RESERVE_RETRY_S

    def _close(self) -> None:
        try:
            if self._failed:
                self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            self._connection.close(True)
        except apsw.Error as error:
            self.fail(error)


def _cause(error: BaseException) -> BaseException:
    """What apsw raised, be it translated already or not."""
    return error.__cause__ if isinstance(error, EinklangError) and error.__cause__ is not None else error


def book_closed() -> Unavailable:
    """The error of a Book that was closed."""
    return Unavailable("book_closed", "the Book is closed", mend="open it again")
