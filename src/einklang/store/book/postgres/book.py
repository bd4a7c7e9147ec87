"""The Book on PostgreSQL: create, open, append, transact, snapshot, read, backup, close."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from einklang.kernel.errors import Conflict, EinklangError, Unavailable
from einklang.store.book import statements as named
from einklang.store.book.contents import Progress, silent
from einklang.store.book.migrate import Migration, check_format, migrations
from einklang.store.book.postgres.copy import from_sqlite, to_sqlite
from einklang.store.book.postgres.dialect import REFUSE, Prepared, migration
from einklang.store.book.postgres.lease import Leases, Listener, channel
from einklang.store.book.postgres.rows import Reading, Writing, prepare
from einklang.store.book.postgres.server import Connection, Server, is_lost, server_of, translate
from einklang.store.book.postgres.writer import Writer
from einklang.store.book.setup import Setup
from einklang.store.book.work import BlobLike, book_closed

T = TypeVar("T")

_FORMAT = b"SELECT value FROM meta WHERE key = 'format'"
_SNAPSHOT = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT value FROM meta WHERE key = 'format'"
_PUT = b"INSERT INTO meta (key, value) VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
#: How long a thread waits for a connection to read with.
_BORROW_S = 10.0


class PostgresBook:
    """The rows of one home, in one schema. Every method is safe from any thread. Do not carry it across a fork.

    With `writer=False` it only reads, beside running writers; append and transact are then a fault of ours. With
    `together=True` it is one of the processes of one server, which write side by side.
    """

    #: whether a question is a way to a server and back
    far = True
    #: how many transactions there were: nobody knows, others write too
    commits: int | None = None

    def __init__(self, server: Server) -> None:
        self.server = server
        self._writer: Writer | None = None
        self._statements: Mapping[str, Prepared] = {}
        self._idle: deque[Connection] = deque()
        self._lent = 0
        self._closed = False
        self._returned = threading.Condition()

    @classmethod
    def create(
        cls, url: str, salt_hex: str, *, meta: Mapping[str, str] | None = None, setup: Setup | None = None
    ) -> PostgresBook:
        """A new Book in the schema that the address names (made if absent), open for writing.

        salt_hex: key of every id and hash of this home, kept for ever in `meta('salt')`; meta: further rows. Raises
        UsageError, Conflict `home_exists` or `home_in_use`, Unavailable.
        """
        assert len(bytes.fromhex(salt_hex)) >= 16, "a salt has at least 16 bytes"
        server = server_of(url, setup or Setup())
        writer = Writer(server, together=False)
        with _told(server, writer):
            connection = writer.connect()
            _refuse_used(connection, server)
            migrate(connection, server, migrations(), {**(meta or {}), "salt": salt_hex})
            return cls._started(server, writer)

    @classmethod
    def open(cls, url: str, *, writer: bool = True, together: bool = False, setup: Setup | None = None) -> PostgresBook:
        """The Book of an existing home; as the writer it is migrated first.

        Raises UsageError, InputError `not_a_home`, Conflict `home_in_use`, `home_too_new` or (only reading)
        `home_too_old`, Unavailable.
        """
        server = server_of(url, setup or Setup())
        found = Writer(server, together=together) if writer else None
        with _told(server, found):
            return cls._started(server, found)

    @classmethod
    def _started(cls, server: Server, writer: Writer | None) -> PostgresBook:
        book = cls(server)
        connection = writer.connect() if writer is not None else server.connect(read_only=True)
        try:
            known = migrations()
            found, newest = format_of(connection, server), known[-1][0]
            check_format(found, newest, server.where)
            if found < newest and writer is not None:
                migrate(connection, server, known)
            elif found < newest:
                raise Conflict(
                    "home_too_old",
                    f"format {found} is older than this program reads ({newest})",
                    where=server.where,
                    mend="open it once for writing, for example with: einklang serve",
                )
            book._statements = prepare(connection, named.load())
        except BaseException:
            connection.close()
            raise
        if writer is None:
            book._idle.append(connection)
        else:
            book._writer = writer
            writer.serve(book._statements)
        return book

    # --- writing ----------------------------------------------------------------------------------------------------

    def append(self, blobs: Sequence[BlobLike]) -> list[int]:
        """Store bodies; durable on return. Returns the first position of each blob (it takes `items` positions,
        contiguous).

        All callers that wait share one commit. Adds to the counters `position` and `accepted` and puts the blobs'
        suppressions in force in the same transaction. Raises Unavailable `database_away`, `overloaded`,
        `outcome_unknown`, `book_failed`, `book_closed`.
        """
        return self.append_later(blobs).result()

    def append_later(self, blobs: Sequence[BlobLike]) -> Future[list[int]]:
        """As `append`, but at once: the future is done when the bodies are durable (`asyncio.wrap_future`)."""
        return self._writing().append(blobs)

    def transact(self, work: Callable[[Writing], T]) -> T:
        """Run `work(tx)` in one short transaction; nobody who writes to this home does so meanwhile.

        What `work` raises undoes everything and is raised here. Raises also Unavailable as `append`.
        """
        return self._writing().transact(work)

    def transact_later(self, work: Callable[[Writing], T]) -> Future[T]:
        """As `transact`, but at once: the future is done when it is durable. Works are run in their order."""
        return self._writing().transact_later(work)

    def shorten(self) -> None:
        """Nothing: the server sees to its log itself."""

    def _writing(self) -> Writer:
        assert self._writer is not None, "this Book was opened for reading only"
        return self._writer

    # --- reading ----------------------------------------------------------------------------------------------------

    @contextmanager
    def snapshot(self) -> Iterator[Reading]:
        """A Reader that sees the one state of now, whatever is committed meanwhile. Use it within one thread."""
        connection = self._borrow(_SNAPSHOT)
        reader = Reading(connection, self._statements, self.server)
        try:
            yield reader
        finally:
            reader.close()
            self._give_back(connection)

    def read(self, name: str, *params: Any) -> list[tuple[Any, ...]]:
        """All rows of one named statement in a state of its own. Raises Unavailable."""
        return self._again(lambda reader: reader.read(name, *params))

    def stream(self, name: str, *params: Any) -> Iterator[tuple[Any, ...]]:
        """As `read`, but row by row: for what does not fit into the memory."""
        with self.snapshot() as reader:
            yield from reader.stream(name, *params)

    def read_many(self, name: str, rows: Iterable[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """The rows of one named statement, run once for each of `rows`, in one state. Raises Unavailable."""
        given = list(rows)
        with self.snapshot() as reader:
            return reader.read_many(name, given)

    def _again(self, read: Callable[[Reading], T]) -> T:
        """One read; once more over a new connection if an idle one had broken."""
        for last in (False, True):
            connection = self._borrow()
            try:
                return read(Reading(connection, self._statements, self.server))
            except EinklangError as error:
                if last or error.__cause__ is None or not is_lost(error.__cause__):
                    raise
                connection.close()
                self._forget_idle()
            finally:
                self._give_back(connection)
        raise AssertionError("the second attempt returns or raises")

    def _borrow(self, begin: bytes = b"") -> Connection:
        """A connection to read with, in a transaction that `begin` begins. Raises Unavailable."""
        connection = self._idle_or_new()
        if not begin:
            return connection
        try:
            connection.execute(begin, prepare=False)
            return connection
        except psycopg.Error as error:
            connection.close()
            self._give_back(connection)
            if not is_lost(error):
                raise translate(error, self.server, "snapshot") from error
        self._forget_idle()  # it had broken while it was idle
        connection = self._idle_or_new()
        try:
            connection.execute(begin, prepare=False)
            return connection
        except psycopg.Error as error:
            connection.close()
            self._give_back(connection)
            raise translate(error, self.server, "snapshot") from error

    def _idle_or_new(self) -> Connection:
        until = time.monotonic() + _BORROW_S
        with self._returned:
            while True:
                self.check()
                if self._idle:
                    self._lent += 1
                    return self._idle.pop()
                if self._lent < self.server.setup.readers_max:
                    self._lent += 1
                    break
                if not self._returned.wait(until - time.monotonic()):
                    raise Unavailable(
                        "overloaded", "too many reads at once", where=self.server.where, mend="try again a little later"
                    )
        try:
            return self.server.connect(read_only=True)
        except BaseException:
            with self._returned:
                self._lent -= 1
                self._returned.notify()
            raise

    def _give_back(self, connection: Connection) -> None:
        try:
            if not connection.closed and connection.info.transaction_status:
                connection.execute(b"ROLLBACK", prepare=False)
        except psycopg.Error:
            connection.close()
        with self._returned:
            self._lent -= 1
            self._returned.notify()
            if not connection.closed and not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def _forget_idle(self) -> None:
        """What broke one idle connection broke all of them."""
        with self._returned:
            idle, self._idle = self._idle, deque()
        for connection in idle:
            connection.close()

    def check(self) -> None:
        """Raises Unavailable `book_failed` once another process took the home: this one must stop; `book_closed`."""
        if self._writer is not None:
            self._writer.check()
        if self._closed:
            raise book_closed()

    # --- several processes ------------------------------------------------------------------------------------------

    def leases(self) -> Leases:
        """What this process may do among others; for one thread."""
        return Leases(self.server)

    def tell(self, what: str) -> None:
        """Tell the other processes. Raises Unavailable."""
        connection = self._borrow()
        try:
            connection.execute(b"SELECT pg_notify(%s, %s)", (channel(self.server), what), prepare=False)
        except psycopg.Error as error:
            raise translate(error, self.server, "tell") from error
        finally:
            self._give_back(connection)

    def listener(self, told: Callable[[str], None]) -> Listener:
        """Calls `told` when a process appended (`tail`) or committed (`log`), and with what one told."""
        return Listener(self.server, told)

    # --- care -------------------------------------------------------------------------------------------------------

    @classmethod
    def restore(
        cls, url: str, file: str | os.PathLike[str], *, progress: Progress = silent, setup: Setup | None = None
    ) -> None:
        """The Book in `file`, a file of SQLite of this program's format, as a new Book in the schema that the address
        names: exact and durable on return, or nothing is there.

        Raises as `create`; Unavailable `copy_differs`; InputError `bad_value` for what PostgreSQL cannot hold.
        """
        server = server_of(url, setup or Setup())
        writer = Writer(server, together=False)
        with _told(server, writer):
            connection = writer.connect()
            _refuse_used(connection, server)
            with connection.transaction():
                migrate(connection, server, migrations())
                from_sqlite(connection, Path(file), server.where, progress)
        writer.let_go()

    def backup(self, path: str | os.PathLike[str], *, progress: Progress = silent) -> None:
        """A compact copy of one state in the new file `path`, durable on return, made beside running writers.

        It is a Book of SQLite with the same rows: it is opened with any tool, and by Einklang itself. Raises Conflict
        `file_exists`, Unavailable.
        """
        target = Path(path)
        if target.exists():
            raise Conflict("file_exists", "there is a file already", where=str(target), mend="name a new file")
        connection = self._borrow(_SNAPSHOT)
        try:
            to_sqlite(connection, target, progress)
        except psycopg.Error as error:
            raise translate(error, self.server, "backup") from error
        finally:
            self._give_back(connection)

    def facts(self) -> dict[str, str]:
        """Settings of the server on which it depends that nothing is lost."""
        names = ("server_version", "fsync", "full_page_writes", "data_checksums", "max_connections")
        connection = self._borrow()
        try:
            shown = ", ".join(f"current_setting('{name}')" for name in names)
            (found,) = connection.execute(f"SELECT {shown}".encode(), prepare=False).fetchall()
        except psycopg.Error as error:
            raise translate(error, self.server, "facts") from error
        finally:
            self._give_back(connection)
        return dict(zip(names, found, strict=True))

    def close(self) -> None:
        """Work off what waits, close every connection, free the home. Closing again does nothing."""
        with self._returned:
            if self._closed:
                return
            self._closed = True
            self._returned.notify_all()
        self._forget_idle()
        if self._writer is not None:
            self._writer.stop()

    def __enter__(self) -> PostgresBook:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


@contextmanager
def _told(server: Server, writer: Writer | None) -> Iterator[None]:
    """Errors as the kernel's; the home is let go of if it could not be opened."""
    try:
        yield
    except BaseException as error:
        if writer is not None:
            writer.let_go()
        if isinstance(error, psycopg.Error):
            raise translate(error, server) from None
        raise


def _refuse_used(connection: Connection, server: Server) -> None:
    """Raises Conflict `home_exists`."""
    if format_of(connection, server):
        raise Conflict(
            "home_exists", "there is a home already", where=server.where, mend="use another schema: ?schema=NAME"
        )


def format_of(connection: Connection, server: Server) -> int:
    """The format of this home, 0 when nothing has been created in its schema."""
    asked = connection.execute(b"SELECT to_regclass(%s)", (f'"{server.schema}".meta',), prepare=False).fetchall()
    if asked[0][0] is None:
        return 0
    rows = connection.execute(_FORMAT, prepare=False).fetchall()
    return int(rows[0][0]) if rows else 0


def migrate(
    connection: Connection, server: Server, known: Sequence[Migration], meta: Mapping[str, str] | None = None
) -> int:
    """Bring the schema to the newest of `known` in one transaction; `meta`: first rows of a new home. Returns the
    format reached.

    Whatever fails leaves the home as it was. Raises psycopg.Error.
    """
    with connection.transaction():
        there = connection.execute(b"SELECT 1 FROM pg_namespace WHERE nspname = %s", (server.schema,), prepare=False)
        if not there.fetchall():
            connection.execute(f'CREATE SCHEMA "{server.schema}"'.encode(), prepare=False)
        reached = format_of(connection, server)
        connection.execute(REFUSE.encode(), prepare=False)
        for number, _, sql in known:
            if number > reached:
                connection.execute(migration(sql).encode(), prepare=False)
                reached = number
        for row in [*(meta or {}).items(), ("format", str(reached))]:
            connection.execute(_PUT, row, prepare=False)
    return reached
