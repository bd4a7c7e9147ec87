"""The one writing connection of a process to PostgreSQL.

Every transaction first takes the row of the counter `position` for itself (FOR UPDATE) and keeps it until it is
visible: so all writers of a home, in however many processes, take turns, and positions are given in the order of
commits.

A commit whose answer was lost has happened or not, and PostgreSQL knows: the writer connects again and asks by the
number of the transaction (pg_xact_status) before it answers anybody. Nothing is tried again on a guess.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import TypeVar

import psycopg

from einklang.kernel.errors import Conflict, EinklangError, Unavailable
from einklang.store.book.postgres.dialect import Prepared
from einklang.store.book.postgres.lease import ALONE, TOGETHER, channel, holder, try_lock
from einklang.store.book.postgres.rows import BULK_ROWS_MIN, Stages, Writing
from einklang.store.book.postgres.server import Connection, Server, away, is_lost, translate
from einklang.store.book.work import Append, WorkQueue, answer, insert

T = TypeVar("T")

_BEGIN = b"BEGIN; SELECT pg_current_xact_id()::text, value::text FROM counter WHERE name = 'position' FOR UPDATE"
_STATUS = b"SELECT pg_xact_status(%s::text::xid8)"
_SESSION = b"SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()"
_END_SESSION = (
    b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    b"WHERE pid = %s AND backend_start::text = %s AND usename = current_user"
)
#: How long a lock of a process that has just ended, or of our own lost session, is waited for.
_FREE_S = 1.0
_PAUSE_S = 0.05


class Writer(WorkQueue):
    """Owns the writing connection; it holds the home while it is open.

    together: one of the processes of a server, which share the home; else alone. The home is held by a lock of the
    session, so it is free as soon as the process has gone.
    """

    def __init__(self, server: Server, *, together: bool) -> None:
        super().__init__(server.setup.queue_bytes_max)
        self._server = server
        self._together = together
        self._statements: Mapping[str, Prepared] = {}
        self._connection: Connection | None = None
        self._stages = Stages()
        self._session: tuple[int, str] | None = None
        self._pause = threading.Event()

    # --- the connection ---------------------------------------------------------------------------------------------

    def connect(self) -> Connection:
        """The connection, made anew if it was lost. Raises Unavailable; Conflict `home_in_use`."""
        if self._connection is not None and not self._connection.closed:
            return self._connection
        self._stages = Stages()
        connection = self._server.connect(bulk=True)
        try:
            self._hold(connection)
            ((pid, begun),) = connection.execute(_SESSION, prepare=False).fetchall()
        except psycopg.Error as error:
            connection.close()
            raise translate(error, self._server) from None
        except BaseException:
            connection.close()
            raise
        self._connection, self._session = connection, (pid, begun)
        return connection

    def _hold(self, connection: Connection) -> None:
        """Take the home. Our own lost session, which may still hold it, is ended first."""
        if self._session is not None:
            connection.execute(_END_SESSION, self._session, prepare=False)
        until = time.monotonic() + _FREE_S
        while not try_lock(connection, self._server, TOGETHER if self._together else ALONE):
            if time.monotonic() > until:
                who = holder(connection, self._server)
                raise Conflict(
                    "home_in_use",
                    f"another process{f' ({who})' if who else ''} writes to this home",
                    where=self._server.where,
                    mend="stop it first, or use another schema",
                )
            self._pause.wait(_PAUSE_S)

    def let_go(self) -> None:
        """Close the connection of a Book that could not be opened."""
        self._drop()

    def serve(self, statements: Mapping[str, Prepared]) -> None:
        """Begin to take requests, with these statements."""
        self._statements = statements
        self.start()

    # --- the thread -------------------------------------------------------------------------------------------------

    def _append_group(self, group: Sequence[Append]) -> None:
        few = sum(len(blob.suppress) + 1 for request in group for blob in request.blobs) < BULK_ROWS_MIN

        def store(tx: Writing) -> list[int]:
            with tx.at_once() if few else nullcontext():
                return insert(tx, group)

        try:
            positions = self._in_transaction(store, said="tail")
        except BaseException as error:
            for request in group:
                request.future.set_exception(self._told(error, "append"))
        else:
            answer(group, positions)

    def _in_transaction(self, body: Callable[[Writing], T], said: str = "log") -> T:
        if self._failed:
            raise self._failure(self._failed)
        connection, number, position = self._begun()
        asked = False
        try:
            result = body(Writing(connection, self._statements, self._server, self._stages, position))
            end = f"NOTIFY {channel(self._server)}, '{said}'; COMMIT" if self._together else "COMMIT"
            asked = True
            done = connection.execute(end.encode(), prepare=False)
            while done.nextset():
                pass
            assert done.statusmessage == "COMMIT", "work went on after an error"
        except BaseException as error:
            if not _lost(connection, error):
                self._roll_back(connection)
                raise
            self._drop()
            if not asked or not self._committed(number):
                raise away("the connection broke; nothing was stored", self._server.where) from None
        self._stages.committed()
        return result

    def _begun(self) -> tuple[Connection, str, int]:
        """A transaction whose turn it is, its number, and the last position given out. A connection that broke while it
        was idle is made anew.
        """
        for last in (False, True):
            try:
                connection = self.connect()
            except Conflict as error:  # while we were away somebody else took the home
                self.fail(error)
                raise self._failure(self._failed) from None
            try:
                cursor = connection.execute(_BEGIN, prepare=False)
                cursor.nextset()
                ((number, position),) = cursor.fetchall()
                return connection, str(number), int(position)
            except psycopg.Error as error:
                lost = _lost(connection, error)
                self._roll_back(connection)
                if last or not lost:
                    raise translate(error, self._server, "begin") from None
        raise AssertionError("the second attempt returns or raises")

    def _committed(self, number: str) -> bool:
        """What became of a transaction whose end was not heard. Raises Unavailable `outcome_unknown`."""
        until = time.monotonic() + self._server.setup.outcome_s
        while True:
            try:
                ((status,),) = self.connect().execute(_STATUS, (number,), prepare=False).fetchall()
                if status in ("committed", "aborted"):
                    return bool(status == "committed")
            except Conflict as error:
                self.fail(error)
                raise self._failure(self._failed) from None
            except (Unavailable, psycopg.Error):
                self._drop()
                self._refuse_waiting()
            if time.monotonic() > until:
                raise Unavailable(
                    "outcome_unknown",
                    "PostgreSQL went away while it stored this, and has not come back",
                    where=self._server.where,
                    mend="send it again with the same message ids: what is there already is dropped",
                )
            self._pause.wait(_PAUSE_S)

    def _refuse_waiting(self) -> None:
        """Nobody waits for a database that is away."""
        with self._wake:
            group = self._take_appends()
        for request in group:
            request.future.set_exception(away("PostgreSQL does not answer", self._server.where))

    def _roll_back(self, connection: Connection) -> None:
        self._stages.rolled_back()
        try:
            connection.execute(b"ROLLBACK", prepare=False)
        except psycopg.Error:
            self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _told(self, error: BaseException, where: str) -> BaseException:
        return translate(error, self._server, where) if isinstance(error, psycopg.Error) else error

    def _failure(self, cause: str) -> Unavailable:
        return Unavailable(
            "book_failed",
            f"this process lost the home ({cause}); nothing more is accepted",
            where=self._server.where,
            mend="stop the other process, then start again: what was acknowledged is kept",
        )

    def _close(self) -> None:
        self._drop()


def _lost(connection: Connection, error: BaseException) -> bool:
    """Whether the connection has gone."""
    cause = error.__cause__ if isinstance(error, EinklangError) and error.__cause__ is not None else error
    return connection.closed or is_lost(cause)
