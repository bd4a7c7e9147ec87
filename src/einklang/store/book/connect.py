"""Connections of apsw, opened the one way that keeps promises, and the translation of their errors.

SQLite below 3.51.3 may lose a commit when a WAL is reset (https://sqlite.org/wal.html#walresetbug), so it is refused.
"""

from __future__ import annotations

import os
from pathlib import Path

import apsw

from einklang.kernel.errors import Conflict, EinklangError, Unavailable
from einklang.store.book.setup import Setup

SQLITE_OLDEST = (3, 51, 3)
BOOK_FILE = "book.db"
LOCK_FILE = "lock"
RESERVE_FILE = "reserve"
#: Page cache of a connection. 64 MiB writes a third more rows a second than SQLite's 2 MiB.
WRITER_CACHE_KIB = 64 * 1024
READER_CACHE_KIB = 16 * 1024


def check_engine(version: str) -> None:
    """Refuse an SQLite (`3.51.3`) that is too old. Raises Unavailable `sqlite_too_old`."""
    numbers = tuple(int(part) for part in version.split(".")[:3])
    if numbers < SQLITE_OLDEST:
        oldest = ".".join(map(str, SQLITE_OLDEST))
        raise Unavailable(
            "sqlite_too_old",
            f"SQLite {version} may lose commits when its write-ahead log is reset",
            where="apsw",
            mend=f"install an apsw built with SQLite {oldest} or newer: pip install --upgrade apsw",
        )


def connect(file: Path, setup: Setup, *, writer: bool) -> apsw.Connection:
    """A hardened connection to an existing database file; only the writer may write. Raises apsw.Error."""
    flags = apsw.SQLITE_OPEN_READWRITE if writer else apsw.SQLITE_OPEN_READONLY
    connection = apsw.Connection(os.fspath(file), flags=flags, vfs=setup.vfs, statementcachesize=512)
    try:
        connection.set_busy_timeout(setup.busy_ms)
        for option, value in (
            (apsw.SQLITE_DBCONFIG_DEFENSIVE, 1),
            (apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
            (apsw.SQLITE_DBCONFIG_DQS_DML, 0),
            (apsw.SQLITE_DBCONFIG_DQS_DDL, 0),
            (apsw.SQLITE_DBCONFIG_ENABLE_FKEY, 1),
            (apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0),
            (apsw.SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, 1),
        ):
            connection.config(option, value)
        connection.execute("PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0").fetchall()
        connection.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB if writer else READER_CACHE_KIB}").fetchall()
        if writer:
            # The order counts: secure_delete before the first page is written. fullfsync is for macOS, elsewhere
            # without effect.
            connection.execute(
                "PRAGMA secure_delete = ON; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON"
            ).fetchall()
            connection.execute(f"PRAGMA synchronous = {setup.synchronous}").fetchall()
            connection.wal_autocheckpoint(0)  # the writer does it itself: SQLite hides errors of automatic ones
        else:
            connection.execute("PRAGMA query_only = ON").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def is_disk_full(error: BaseException) -> bool:
    """Is this a full disk (also while the shared-memory file grows), which mends itself once there is room?"""
    if isinstance(error, apsw.FullError):
        return True
    return isinstance(error, apsw.IOError) and getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_SHMSIZE


def is_fatal(error: BaseException) -> bool:
    """May this error have left the store and the disk in disagreement, so that nothing may be acknowledged any more?"""
    return isinstance(error, (apsw.IOError, apsw.CorruptError, apsw.NotADBError)) and not is_disk_full(error)


def book_failed(cause: str) -> Unavailable:
    """The error of a poisoned Book."""
    return Unavailable(
        "book_failed",
        f"the disk refused a write or read ({cause}); nothing more is accepted",
        where=BOOK_FILE,
        mend="check the disk, then start again: what was acknowledged is kept",
    )


def translate(error: apsw.Error, where: str) -> EinklangError:
    """The kernel's error for one of apsw's. `where` names the statement or the file."""
    text = str(error) or type(error).__name__
    if is_disk_full(error):
        return Unavailable("disk_full", "the disk is full", where=where, mend="make room; it goes on by itself")
    if is_fatal(error):
        return book_failed(f"{type(error).__name__}: {text}")
    if isinstance(error, (apsw.BusyError, apsw.LockedError)):
        return Unavailable(
            "book_busy", "another program holds the database", where=where, mend="close other SQLite tools, try again"
        )
    if isinstance(error, apsw.ConstraintError):
        return Conflict(
            "book_constraint", text, where=where, mend="the row exists already or breaks a rule of its table"
        )
    if isinstance(error, apsw.CantOpenError):
        return Unavailable(
            "book_unreadable", text, where=where, mend="check that the file exists and may be read and written"
        )
    return Unavailable(
        "book_error",
        f"{type(error).__name__}: {text}",
        where=where,
        mend="report this with the log of `einklang doctor`",
    )
