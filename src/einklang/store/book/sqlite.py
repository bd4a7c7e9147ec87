"""The Book on SQLite: create, open, append, transact, snapshot, read, backup, close."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import apsw

from einklang.kernel.errors import Conflict, EinklangError
from einklang.store.book import statements as named
from einklang.store.book.connect import BOOK_FILE, check_engine, connect, is_fatal, translate
from einklang.store.book.lock import HomeLock
from einklang.store.book.migrate import check_format, format_of, migrate, migrations
from einklang.store.book.setup import Setup
from einklang.store.book.statements import Statement
from einklang.store.book.work import BlobLike, book_closed
from einklang.store.book.writer import Reading, Writer, Writing

T = TypeVar("T")


class SqliteBook:
    """The rows of one home. Every method is safe from any thread. Do not carry it across a fork: spawn instead.

    With `writer=False` it only reads, beside a running writer if there is one; append and transact are then a fault
    of ours.
    """

    #: whether a question is a way to a server and back
    far = False

    def __init__(self, home: Path, setup: Setup, lock: HomeLock | None) -> None:
        self.home = home
        self._setup = setup
        self._lock = lock
        self._writer: Writer | None = None
        self._statements: Mapping[str, Statement] = {}
        self._idle: deque[apsw.Connection] = deque()
        self._closed = False
        self._guard = threading.Lock()

    @classmethod
    def create(
        cls,
        home: str | os.PathLike[str],
        salt_hex: str,
        *,
        meta: Mapping[str, str] | None = None,
        setup: Setup | None = None,
    ) -> SqliteBook:
        """A new Book in the folder `home` (made if absent, readable by its owner only), open for writing.

        salt_hex: key of every id and hash of this home, kept for ever in `meta('salt')`; meta: further rows. Raises
        Conflict `home_exists` or `home_in_use`, Unavailable.
        """
        assert len(bytes.fromhex(salt_hex)) >= 16, "a salt has at least 16 bytes"
        check_engine(apsw.sqlite_lib_version())
        setup, folder = setup or Setup(), Path(home)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = HomeLock(folder)
        try:
            _create_file(folder, setup, {**(meta or {}), "salt": salt_hex})
            return cls._started(folder, setup, lock)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def open(cls, home: str | os.PathLike[str], *, writer: bool = True, setup: Setup | None = None) -> SqliteBook:
        """The Book of an existing home; as the writer it is migrated first.

        Raises InputError `not_a_home`, Conflict `home_in_use`, `home_too_new` or (only reading) `home_too_old`,
        Unavailable.
        """
        check_engine(apsw.sqlite_lib_version())
        setup, folder = setup or Setup(), Path(home)
        if not (folder / BOOK_FILE).is_file():
            check_format(0, 0, folder)
        lock = HomeLock(folder) if writer else None
        try:
            return cls._started(folder, setup, lock)
        except BaseException:
            if lock is not None:
                lock.release()
            raise

    @classmethod
    def _started(cls, home: Path, setup: Setup, lock: HomeLock | None) -> SqliteBook:
        book = cls(home, setup, lock)
        try:
            connection = connect(home / BOOK_FILE, setup, writer=lock is not None)
        except apsw.Error as error:
            raise translate(error, str(home / BOOK_FILE)) from error
        try:
            known = migrations()
            found, newest = format_of(connection), known[-1][0]
            check_format(found, newest, home)
            if lock is not None:
                connection.execute("PRAGMA journal_mode = WAL").fetchall()  # a restored backup comes without
                # Copy an old WAL back and cut it before anything new is acknowledged: after a failed fsync its
                # middle may exist in the page cache alone, and what is written behind it would be lost with it.
                connection.wal_checkpoint("main", apsw.SQLITE_CHECKPOINT_TRUNCATE)
                if found < newest:
                    migrate(connection, known)
            elif found < newest:
                raise Conflict(
                    "home_too_old",
                    f"format {found} is older than this program reads ({newest})",
                    where=str(home),
                    mend="open it once for writing, for example with: einklang serve",
                )
            book._statements = named.shipped(connection)
        except BaseException as error:
            connection.close(True)
            if isinstance(error, apsw.Error):
                raise translate(error, str(home / BOOK_FILE)) from error
            raise
        if lock is None:
            book._idle.append(connection)
        else:
            book._writer = Writer(connection, book._statements, setup, home)
            book._writer.start()
        return book

    # --- writing ----------------------------------------------------------------------------------------------------

    def append(self, blobs: Sequence[BlobLike]) -> list[int]:
        """Store bodies; durable on return. Returns the first position of each blob (it takes `items` positions,
        contiguous).

        All callers that wait share one fsync. Adds to the counters `position` and `accepted` and puts the blobs'
        suppressions in force in the same transaction. Raises Unavailable `disk_full`, `overloaded`, `book_failed`,
        `book_closed`.
        """
        return self.append_later(blobs).result()

    def append_later(self, blobs: Sequence[BlobLike]) -> Future[list[int]]:
        """As `append`, but at once: the future is done when the bodies are durable (`asyncio.wrap_future`)."""
        return self._writing().append(blobs)

    def transact(self, work: Callable[[Writing], T]) -> T:
        """Run `work(tx)` in one short transaction on the writer's thread; nobody is acknowledged meanwhile.

        What `work` raises undoes everything and is raised here. Raises also Unavailable as `append`.
        """
        return self._writing().transact(work)

    def transact_later(self, work: Callable[[Writing], T]) -> Future[T]:
        """As `transact`, but at once: the future is done when it is durable. Works are run in their order."""
        return self._writing().transact_later(work)

    def shorten(self) -> None:
        """Have a long write-ahead log cut, after what waits to be written. For a thread that reads nothing now."""
        if self._writer is not None and self._writer.long:
            self._writer.cut()

    @property
    def commits(self) -> int | None:
        """A number that every transaction changes; None where another process may write."""
        return None if self._writer is None else self._writer.commits

    def _writing(self) -> Writer:
        assert self._writer is not None, "this Book was opened for reading only"
        return self._writer

    # --- reading ----------------------------------------------------------------------------------------------------

    @contextmanager
    def snapshot(self) -> Iterator[Reading]:
        """A Reader that sees the one state of now, whatever is committed meanwhile. Use it within one thread."""
        if self._writer is not None and self._writer.overlong:
            self._writer.cut()
        connection = self._borrow()
        healthy = False
        try:
            connection.execute("BEGIN DEFERRED")
            # The first read pins the state: do it now, not whenever the caller first reads.
            connection.execute("SELECT value FROM meta WHERE key = 'format'").fetchall()
            reader = Reading(connection, self._statements)
            try:
                yield reader
                healthy = True
            except EinklangError as error:
                healthy = self._note(error.__cause__)
                raise
            except BaseException:
                healthy = True
                raise
            finally:
                reader.close()
        except apsw.Error as error:
            self._note(error)
            raise translate(error, "snapshot") from error
        finally:
            self._give_back(connection, healthy)

    def read(self, name: str, *params: Any) -> list[tuple[Any, ...]]:
        """All rows of one named statement in a state of its own. Raises Unavailable."""
        connection = self._borrow()
        healthy = False
        try:
            rows = Reading(connection, self._statements).read(name, *params)
            healthy = True
            return rows
        except EinklangError as error:
            healthy = self._note(error.__cause__)
            raise
        finally:
            self._give_back(connection, healthy)

    def stream(self, name: str, *params: Any) -> Iterator[tuple[Any, ...]]:
        """As `read`, but row by row: for what does not fit into the memory."""
        with self.snapshot() as reader:
            yield from reader.stream(name, *params)

    def read_many(self, name: str, rows: Iterable[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """The rows of one named statement, run once for each of `rows`, in one state. Raises Unavailable."""
        with self.snapshot() as reader:
            return reader.read_many(name, rows)

    def _note(self, cause: BaseException | None) -> bool:
        """Poison the Book if a read met a broken disk. Returns whether the connection may be used again."""
        if cause is not None and is_fatal(cause):
            if self._writer is not None:
                self._writer.fail(cause)
            return False
        return True

    def _borrow(self) -> apsw.Connection:
        self.check()
        with self._guard:
            if self._idle:
                return self._idle.pop()
        try:
            return connect(self.home / BOOK_FILE, self._setup, writer=False)
        except apsw.Error as error:
            self._note(error)
            raise translate(error, BOOK_FILE) from error

    def _give_back(self, connection: apsw.Connection, healthy: bool) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except apsw.Error:
            healthy = False
        with self._guard:
            if healthy and not self._closed and len(self._idle) < self._setup.idle_readers_max:
                self._idle.append(connection)
                return
        connection.close(True)

    def check(self) -> None:
        """Raises Unavailable `book_failed` once a disk error was met: the process must stop (invariant 9);
        `book_closed`.
        """
        if self._writer is not None:
            self._writer.check()
        if self._closed:
            raise book_closed()

    # --- care -------------------------------------------------------------------------------------------------------

    def backup(self, path: str | os.PathLike[str]) -> None:
        """A compact copy of one state in the new file `path`, durable on return, made beside running writers.

        Raises Conflict `file_exists`, Unavailable.
        """
        target = Path(path)
        if target.exists():
            raise Conflict("file_exists", "there is a file already", where=str(target), mend="name a new file")
        connection = self._borrow()
        try:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            connection.execute("PRAGMA query_only = OFF")  # it forbids writing the copy too; the file is open read-only
            connection.execute("VACUUM INTO ?", (os.fspath(target),))
            for durable in (target, target.parent):
                handle = os.open(durable, os.O_RDONLY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
        except apsw.Error as error:
            target.unlink(missing_ok=True)
            self._note(error)
            raise translate(error, str(target)) from error
        finally:
            self._give_back(connection, healthy=False)

    def close(self) -> None:
        """Work off what waits, close every connection, free the lock. Closing again does nothing."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
            idle, self._idle = self._idle, deque()
        for connection in idle:
            connection.close(True)
        if self._writer is not None:
            self._writer.stop()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> SqliteBook:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _create_file(home: Path, setup: Setup, meta: Mapping[str, str]) -> None:
    """The database file with every migration applied; what a crashed attempt left behind is taken over."""
    file = home / BOOK_FILE
    try:
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = connect(file, setup, writer=True)
        try:
            if format_of(connection):
                raise Conflict("home_exists", "there is a home already", where=str(home), mend="use another --home")
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
            migrate(connection, migrations(), meta)
        finally:
            connection.close(True)
        for folder in (home, home.parent):
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
    except apsw.Error as error:
        raise translate(error, str(file)) from error
