"""Connections to PostgreSQL, opened the one way that keeps promises, and the translation of their errors.

The password of the address is never part of an error: what libpq says of an address it cannot read is not repeated, and
what it says of anything else is cleared of the password.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
import zlib
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlencode

import psycopg
from psycopg import conninfo, errors
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format
from psycopg.types.numeric import Int8BinaryDumper, NumericBinaryLoader

from einklang.kernel.errors import Conflict, EinklangError, InputError, Unavailable, UsageError
from einklang.store.book.setup import Setup

# What psycopg logs of an error repeats the values of rows, and we tell each error ourselves.
logging.getLogger("psycopg").addHandler(logging.NullHandler())
logging.getLogger("psycopg").propagate = False

Connection = psycopg.Connection[tuple[Any, ...]]
SERVER_OLDEST = 14
SCHEMA = "einklang"
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,40}")
_SCHEMES = ("postgresql://", "postgres://")
#: After a failed attempt to connect, others are refused at once for so long, or as long as it took.
_AWAY_S = 0.5

#: How long a writer waits for its turn: a tick of another process may write for a while.
_TURN_S = 30
#: Everything is found by key, and a plan is made before the tables have grown: so indexes always, and never a new plan.
_SETTINGS = {
    "TimeZone": "UTC",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "max_parallel_workers_per_gather": "0",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "client_connection_check_interval": "1000",
}

#: Bodies of requests are compressed by PostgreSQL; where it has LZ4, at half the cost of a commit.
_LZ4 = (
    "SELECT set_config('default_toast_compression', 'lz4', false) FROM pg_settings "
    "WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)"
)


class _WholeNumber(Loader):
    """Sums of integers come as NUMERIC: as int, as SQLite gives them."""

    format = Format.BINARY

    def __init__(self, oid: int, context: Any = None) -> None:
        super().__init__(oid, context)
        self._load = NumericBinaryLoader(oid, context).load

    def load(self, data: Buffer) -> int | Decimal:
        found = self._load(data)
        return int(found) if found == found.to_integral_value() else found


class _Flag(Loader):
    """A comparison that is selected: 0 or 1, as SQLite gives it."""

    format = Format.BINARY

    def load(self, data: Buffer) -> int:
        return data[0]


@dataclass(slots=True)
class Server:
    """Where a home's Book lies. `keywords`: libpq's; `schema`: the home's own part of the database."""

    keywords: dict[str, Any]
    schema: str
    setup: Setup
    _away: EinklangError | None = None
    _again_at: float = 0.0
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def lock_class(self) -> int:
        """The first half of the home's advisory locks."""
        return zlib.crc32(self.schema.encode()) - 2**31

    @property
    def where(self) -> str:
        """The address for people, without the password."""
        known = self.keywords
        host = known.get("host") or known.get("hostaddr") or "local"
        return f"postgresql://{host}/{known.get('dbname', '')}?schema={self.schema}"

    def scrub(self, text: str) -> str:
        """Without the password."""
        secret = str(self.keywords.get("password") or "")
        return text.replace(secret, "***") if secret else text

    def connect(self, *, read_only: bool = False, bulk: bool = False) -> Connection:
        """A new connection, in autocommit. Raises Unavailable; for a while after a failure at once."""
        with self._guard:
            if self._away is not None and time.monotonic() < self._again_at:
                known = self._away
                raise type(known)(known.code, known.what, where=known.where, mend=known.mend)
        begun = time.monotonic()
        try:
            connection = self._connect(read_only=read_only, bulk=bulk)
        except psycopg.Error as error:
            told, now = translate(error, self), time.monotonic()
            with self._guard:
                self._away, self._again_at = told, now + max(_AWAY_S, now - begun)
            raise told from None
        self._away = None
        return connection

    def _connect(self, *, read_only: bool, bulk: bool) -> Connection:
        keywords = {"application_name": f"einklang {os.getpid()}", **self.keywords}
        keywords.setdefault("connect_timeout", self.setup.connect_s)
        keywords |= {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}
        connection = psycopg.connect(**keywords, autocommit=True, client_encoding="utf8", prepare_threshold=0)
        try:
            self._check(connection)
            connection.prepared_max = None
            adapters = connection.adapters
            for kind in (int, bool):
                adapters.register_dumper(kind, Int8BinaryDumper)
            adapters.register_loader("numeric", _WholeNumber)
            adapters.register_loader("bool", _Flag)
            settings = _SETTINGS | {
                "search_path": f'"{self.schema}"',
                "synchronous_commit": "on" if self.setup.synchronous == "FULL" else "off",
                "statement_timeout": f"{self.setup.statement_s}s",
                "lock_timeout": f"{self.setup.busy_ms}ms",
                "default_transaction_read_only": "on" if read_only else "off",
            }
            if bulk:  # writers take turns; the stage is small, the table is not: always the index of the table
                settings |= {"enable_hashjoin": "off", "enable_mergejoin": "off", "lock_timeout": f"{_TURN_S}s"}
            told = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in settings.items())
            connection.execute(f"SELECT {told}, ({_LZ4})")
        except BaseException:
            connection.close()
            raise
        return connection

    def _check(self, connection: Connection) -> None:
        version = connection.info.server_version // 10_000
        if version < SERVER_OLDEST:
            raise Unavailable(
                "postgresql_too_old",
                f"PostgreSQL {version} is too old",
                where=self.where,
                mend=f"use PostgreSQL {SERVER_OLDEST} or newer",
            )
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise Unavailable(
                "wrong_encoding",
                f"the database is in {encoding}",
                where=self.where,
                mend="create it with: CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0",
            )


def server_of(url: str, setup: Setup) -> Server:
    """The server of EINKLANG_DATABASE_URL: postgresql://user:password@host:5432/database?schema=einklang.

    Raises UsageError `bad_setting`, which does not repeat the address.
    """
    address, _, query = url.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    schema = options.pop("schema", SCHEMA)
    try:
        if not url.startswith(_SCHEMES) or not _SCHEMA.fullmatch(schema):
            raise ValueError
        keywords = conninfo.conninfo_to_dict(f"{address}?{urlencode(options)}" if options else address)
    except (psycopg.Error, ValueError):
        raise UsageError(
            "bad_setting",
            "not an address of PostgreSQL",
            where="EINKLANG_DATABASE_URL",
            mend="write postgresql://user:password@host:5432/database?schema=einklang (a schema in small letters)",
        ) from None
    return Server(dict(keywords), schema, setup)


def is_lost(error: BaseException) -> bool:
    """Has the connection gone, so that nobody knows what became of what was under way?"""
    if isinstance(error, psycopg.Error) and error.sqlstate is not None:
        return error.sqlstate.startswith(("08", "57P")) and not isinstance(error, errors.ProtocolViolation)
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)


def away(cause: str, where: str) -> Unavailable:
    """The error of a database that cannot be reached."""
    return Unavailable("database_away", cause, where=where, mend="it goes on by itself once PostgreSQL answers again")


_TOLD: tuple[tuple[type[psycopg.Error], str, str, str], ...] = (
    (errors.DiskFull, "disk_full", "the disk of the database is full", "make room; it goes on by itself"),
    (errors.TooManyConnections, "database_busy", "PostgreSQL has no connection left", "raise its max_connections"),
    (errors.QueryCanceled, "book_busy", "it took too long", "try again; see what else works on the database"),
    (errors.LockNotAvailable, "book_busy", "another program holds the rows", "try again a little later"),
    (errors.DeadlockDetected, "book_busy", "another program holds the rows", "try again a little later"),
    (errors.SerializationFailure, "book_busy", "another program changed the rows", "try again a little later"),
    (
        errors.InvalidAuthorizationSpecification,
        "database_refused",
        "PostgreSQL refuses the user or the password",
        "check EINKLANG_DATABASE_URL",
    ),
    (
        errors.InvalidCatalogName,
        "database_refused",
        "there is no such database",
        "create it, or check EINKLANG_DATABASE_URL",
    ),
    (
        errors.InsufficientPrivilege,
        "database_refused",
        "the user has not the rights",
        "GRANT CREATE ON DATABASE ... TO ..., or create the schema for the user",
    ),
    (
        errors.ReadOnlySqlTransaction,
        "database_read_only",
        "this server only reads (a standby?)",
        "name the primary in EINKLANG_DATABASE_URL",
    ),
)


def translate(error: psycopg.Error, server: Server, where: str = "") -> EinklangError:
    """The kernel's error for one of psycopg's: what PostgreSQL said without values of rows. where: the statement."""
    place = where or server.where
    said = server.scrub(" ".join((error.diag.message_primary or str(error)).split()))[:300]
    for kind, code, what, mend in _TOLD:
        if isinstance(error, kind):
            return Unavailable(code, what, where=place, mend=mend)
    if isinstance(error, errors.IntegrityError):
        return Conflict(
            "book_constraint", said, where=place, mend="the row exists already or breaks a rule of its table"
        )
    if isinstance(error, errors.DataError):
        return InputError("bad_value", said, where=place, mend="check the text: PostgreSQL cannot hold it")
    if "password authentication failed" in said or "no password supplied" in said:
        return Unavailable(
            "database_refused",
            "PostgreSQL refuses the user or the password",
            where=place,
            mend="check EINKLANG_DATABASE_URL",
        )
    if is_lost(error):
        return away(f"PostgreSQL does not answer ({said})", place)
    return Unavailable(
        "book_error",
        f"{type(error).__name__}: {said}",
        where=place,
        mend="report this with the log of `einklang doctor`",
    )
