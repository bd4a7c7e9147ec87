"""The one writing connection of SQLite. Nothing is acknowledged before its COMMIT has returned under synchronous=FULL.

Faults (invariants 8 and 9): a full disk refuses with `disk_full` and recovers by itself, and bodies that carry a
withdrawal get in by giving up the reserve file; any other I/O error poisons the Book: an fsync that failed once is
never retried into an acknowledgement (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC
2020).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import apsw

from einklang.kernel.errors import EinklangError, Unavailable
from einklang.store.book.bulk import ROWS_MIN, Bulk
from einklang.store.book.connect import RESERVE_FILE, book_failed, is_disk_full, is_fatal, translate
from einklang.store.book.setup import Setup
from einklang.store.book.statements import Statement
from einklang.store.book.work import Append, WorkQueue, answer, insert

T = TypeVar("T")

#: Seconds between two attempts to take the reserve file back.
_RESERVE_RETRY_S = 5.0
#: How long cutting the log may wait for readers while nobody is acknowledged.
CHECKPOINT_BUSY_MS = 20
#: The same where that was not enough, and how often it is tried then.
CUT_BUSY_MS = 100
CUT_EVERY_S = 1.0


class Reading:
    """Named reads on one connection."""

    def __init__(self, connection: apsw.Connection, statements: Mapping[str, Statement]) -> None:
        self._connection = connection
        self._statements = statements
        self._streams: list[apsw.Cursor] = []

    def close(self) -> None:
        """End streams that were left half-way: they would hold the state that they read."""
        for cursor in self._streams:
            cursor.close(True)

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

    def stream(self, name: str, *params: Any) -> Iterator[tuple[Any, ...]]:
        """As `read`, but row by row: for what does not fit into the memory."""
        statement = self._statements[name]
        assert statement.reads_only, f"{name} ({statement.where}) writes"
        try:
            cursor = self._connection.execute(statement.sql, params)
            self._streams.append(cursor)
            yield from cursor
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

    def read_each(self, name: str, rows: Iterable[Sequence[Any]]) -> list[list[tuple[Any, ...]]]:
        """The rows of the named statement for each of `rows`."""
        return [self.read(name, *params) for params in rows]


class Writing(Reading):
    """Named reads and writes inside the writer's transaction; of no use after it."""

    def write(self, name: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run the named statement once a row, or for hundreds at once where that is the same. Returns the number of
        rows changed. Raises as `read`, and Conflict.
        """
        statement = self._statements[name]
        assert not statement.reads_only, f"{name} ({statement.where}) only reads"
        before = self._connection.total_changes()
        given = rows if isinstance(rows, list) else list(rows)
        try:
            if len(given) < ROWS_MIN or statement.bulk is None or not statement.bulk.takes(given):
                self._connection.executemany(statement.sql, given).fetchall()
            else:
                self._write_many(statement.bulk, given)
        except apsw.Error as error:
            raise translate(error, name) from error
        return self._connection.total_changes() - before

    def _write_many(self, bulk: Bulk, rows: list[Sequence[Any]]) -> None:
        full = len(rows) - len(rows) % bulk.rows
        if full:
            parts = (list(chain.from_iterable(rows[n : n + bulk.rows])) for n in range(0, full, bulk.rows))
            self._connection.executemany(bulk.sql(bulk.rows), parts).fetchall()
        if rest := rows[full:]:
            sql = bulk.sql(len(rest))
            self._connection.execute(sql, list(chain.from_iterable(rest)), can_cache=False).fetchall()


def _cut(tx: Writing) -> None:
    """Names the work of cutting the log, which is done outside of any transaction."""
    raise AssertionError("it is not run")


class Writer(WorkQueue):
    """Owns the writing connection of SQLite. overlong: readers kept the log from being cut when it was time."""

    def __init__(
        self, connection: apsw.Connection, statements: Mapping[str, Statement], setup: Setup, home: Path
    ) -> None:
        super().__init__(setup.queue_bytes_max)
        self._connection = connection
        self._statements = statements
        self._setup = setup
        self._reserve = home / RESERVE_FILE
        self._reserve_retry_at = 0.0
        self._wal_pages = 0
        self._checkpoint_at = setup.checkpoint_pages
        self.overlong = False
        #: transactions so far, also those that failed
        self.commits = 0
        self._cut_next = 0.0
        connection.set_wal_hook(self._on_commit)

    def start(self) -> None:
        """Begin to take requests."""
        self._take_reserve()
        super().start()

    # --- the thread -------------------------------------------------------------------------------------------------

    def _append_group(self, group: Sequence[Append]) -> None:
        urgent: list[Append] = []
        try:
            positions = self._in_transaction(lambda tx: insert(tx, group))
        except BaseException as error:
            if is_disk_full(_cause(error)):
                urgent = [request for request in group if any(blob.suppress for blob in request.blobs)]
            for request in group:
                if request not in urgent:
                    request.future.set_exception(self._told(error, "append"))
        else:
            answer(group, positions)
            self._take_reserve()
        if urgent:
            self._append_urgent(urgent)

    def _append_urgent(self, group: Sequence[Append]) -> None:
        """Bodies with a withdrawal on a full disk: give up the reserve file for them."""
        self._reserve.unlink(missing_ok=True)
        self._reserve_retry_at = time.monotonic() + _RESERVE_RETRY_S
        try:
            positions = self._in_transaction(lambda tx: insert(tx, group))
        except BaseException as error:
            for request in group:
                request.future.set_exception(self._told(error, "append"))
        else:
            answer(group, positions)

    def _in_transaction(self, body: Callable[[Writing], T]) -> T:
        if self._failed:
            raise book_failed(self._failed)
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = body(Writing(connection, self._statements))
            connection.execute("COMMIT")
            self.commits += 1
        except BaseException as error:
            self.commits += 1
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

    def _failure(self, cause: str) -> Unavailable:
        return book_failed(cause)

    # --- checkpoint and reserve -------------------------------------------------------------------------------------

    def _on_commit(self, connection: apsw.Connection, schema: str, pages: int) -> int:
        if pages < self._wal_pages:  # SQLite began the log anew
            self._checkpoint_at = self._setup.checkpoint_pages
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _after(self) -> None:
        """Copy the log back each time it has grown by `checkpoint_pages`; when it is four times that, cut the file too.

        Readers of old states may prevent either: that costs a moment and disk, and it is tried again after the same
        growth, and by `cut`.
        """
        if self._failed or self._wal_pages < self._checkpoint_at:
            return
        mode = apsw.SQLITE_CHECKPOINT_TRUNCATE if self.long else apsw.SQLITE_CHECKPOINT_PASSIVE
        self._checkpoint_at = self._wal_pages + self._setup.checkpoint_pages
        self._copy_back(mode, CHECKPOINT_BUSY_MS)

    def _copy_back(self, mode: int, busy_ms: int) -> None:
        try:
            self._connection.set_busy_timeout(busy_ms)
            self._connection.wal_checkpoint("main", mode)
            self.overlong = False
            if mode == apsw.SQLITE_CHECKPOINT_TRUNCATE:
                self._wal_pages, self._checkpoint_at = 0, self._setup.checkpoint_pages
        except apsw.Error as error:
            self.overlong = mode == apsw.SQLITE_CHECKPOINT_TRUNCATE and isinstance(error, apsw.BusyError)
            self._poison_if_fatal(error)  # readers and a full disk only leave the log as it is
        finally:
            self._connection.set_busy_timeout(self._setup.busy_ms)

    @property
    def long(self) -> bool:
        """Whether it is time to cut the log."""
        return self.overlong or self._wal_pages >= 4 * self._setup.checkpoint_pages

    def cut(self) -> None:
        """Cut the log, after what waits. For a thread that is about to read or to write, and reads nothing now.

        A tick reads one state until it writes the next, and begins while that is written: left to `_after` alone, the
        log of a busy Book would never be cut. It is cheapest between two write sets, when nothing waits.
        """
        if threading.current_thread() is self._thread or time.monotonic() < self._cut_next:
            return
        self._cut_next = time.monotonic() + CUT_EVERY_S
        with suppress(EinklangError):  # closed or poisoned: the reader is told so itself
            self.transact_later(_cut).result()

    def _transact(self, work: Callable[[Any], Any], future: Future[Any]) -> None:
        if work is not _cut:
            super()._transact(work, future)
        elif future.set_running_or_notify_cancel():
            if not self._failed:
                self._copy_back(apsw.SQLITE_CHECKPOINT_TRUNCATE, CUT_BUSY_MS)
            future.set_result(None)

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
