"""Who may do what, among processes: advisory locks of PostgreSQL, which end with the session that holds them.

A lock is (class of the home, number): 0 the home itself, 1 the ticks, 2 that they have started, from 100 on the lanes
of deliveries. A process
that is killed loses all of its locks as soon as PostgreSQL sees its connection close; there is no time to wait for, and
no clock that could be wrong.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import Any

import psycopg

from einklang.kernel.errors import EinklangError
from einklang.store.book.postgres.server import Connection, Server, translate

ALONE = b"SELECT pg_try_advisory_lock(%s::int, %s::int)"
TOGETHER = b"SELECT pg_try_advisory_lock_shared(%s::int, %s::int)"
_HOME = 0
_TICKS = 1
_STARTED = 2
_LANES = 100
_HOLDER = b"""SELECT a.application_name, a.client_addr::text FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.classid = (%s::bigint & 4294967295)::oid AND l.objid = %s::oid AND l.objsubid = 2
  AND l.granted AND l.pid <> pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY l.pid LIMIT 1"""
_TAKE = b"""SELECT n FROM unnest(%s::integer[]) n WHERE pg_try_advisory_lock(%s::int, %s::int + n)"""
_GIVE = b"""SELECT pg_advisory_unlock(%s::int, %s::int + n) FROM unnest(%s::integer[]) n"""
_LISTEN_S = 1.0


def try_lock(connection: Connection, server: Server, mode: bytes) -> bool:
    """Whether the home is now held by this session."""
    rows = connection.execute(mode, (server.lock_class, _HOME), prepare=False).fetchall()
    return bool(rows[0][0])


def holder(connection: Connection, server: Server) -> str:
    """Who holds the home, for people."""
    rows = connection.execute(_HOLDER, (server.lock_class, _HOME), prepare=False).fetchall()
    return " at ".join(str(part) for part in rows[0] if part) if rows else ""


class Leases:
    """The leases of one process, on a connection of their own. Use it from one thread."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection: Connection | None = None
        self._lanes: frozenset[int] = frozenset()
        self._ticks = self._started = False

    def ticks(self, *, started: bool) -> tuple[bool, bool]:
        """(whether this process ticks, whether it does so only since now). started: others may be told that it does.

        Raises Unavailable.
        """
        connection = self._alive()
        if self._ticks:
            if started and not self._started:
                self._started = bool(self._asked(connection, ALONE, (self._server.lock_class, _STARTED))[0][0])
            return True, False
        self._ticks = bool(self._asked(connection, ALONE, (self._server.lock_class, _TICKS))[0][0])
        return self._ticks, self._ticks

    def ticking(self) -> bool:
        """Whether some process ticks and has started. Raises Unavailable."""
        return bool(self._asked(self._alive(), _HOLDER, (self._server.lock_class, _STARTED)))

    def lanes(self, wanted: Collection[int]) -> tuple[frozenset[int], frozenset[int]]:
        """(the lanes that this process delivers, those of them it has only since now): what is free of `wanted`, and
        nothing else. Raises Unavailable.
        """
        connection = self._alive()
        given = sorted(self._lanes - set(wanted))
        if given:
            self._asked(connection, _GIVE, (self._server.lock_class, _LANES, given))
            self._lanes -= set(given)
        missing = sorted(set(wanted) - self._lanes)
        fresh = frozenset[int]()
        if missing:
            fresh = frozenset(n for (n,) in self._asked(connection, _TAKE, (missing, self._server.lock_class, _LANES)))
            self._lanes |= fresh
        return self._lanes, fresh

    def close(self) -> None:
        """Give everything back."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self._ticks, self._started, self._lanes = None, False, False, frozenset()

    def _alive(self) -> Connection:
        """The connection that holds the leases; a new one, without any, if it was lost."""
        if self._connection is not None:
            try:
                self._connection.execute(b"SELECT 1", prepare=False)
                return self._connection
            except psycopg.Error:
                self.close()
        self._connection = self._server.connect()
        return self._connection

    def _asked(self, connection: Connection, sql: bytes, params: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        try:
            return connection.execute(sql, params, prepare=False).fetchall()
        except psycopg.Error as error:
            self.close()
            raise translate(error, self._server) from None


class Listener:
    """Tells when another process appended (`tail`) or committed (`log`); `start` it once, `stop` it once."""

    def __init__(self, server: Server, told: Callable[[str], None]) -> None:
        self._server = server
        self._told = told
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="book-listener", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End, within a second."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                connection = self._server.connect(read_only=True)
            except EinklangError:
                self._stopping.wait(_LISTEN_S)
                continue
            try:
                connection.execute(f"LISTEN {channel(self._server)}".encode(), prepare=False)
                self._told("log")  # what happened meanwhile was not heard
                while not self._stopping.is_set():
                    for notice in connection.notifies(timeout=_LISTEN_S, stop_after=1):
                        self._told(notice.payload)
            except psycopg.Error:
                continue
            finally:
                connection.close()


def channel(server: Server) -> str:
    """The channel of the home's notices."""
    return f"einklang_{server.schema}"
