"""A Book on PostgreSQL as a file of SQLite: for backups, and to move to one machine."""

from __future__ import annotations

import os
from pathlib import Path

import apsw

from einklang.fact.columns import BOOK
from einklang.store.book.connect import connect, translate
from einklang.store.book.migrate import migrate, migrations
from einklang.store.book.postgres.server import Connection
from einklang.store.book.setup import Setup

_ROWS = 10_000
#: It is synced once, at its end.
_SETUP = Setup(synchronous="OFF")


def to_sqlite(connection: Connection, file: Path) -> None:
    """All tables, as the transaction of `connection` sees them, into a new file; it is whole or not there.

    Raises psycopg.Error, Unavailable.
    """
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        target = connect(file, _SETUP, writer=True)
        try:
            target.execute("PRAGMA journal_mode = OFF").fetchall()
            migrate(target, migrations())
            target.execute("BEGIN")
            for table, columns in BOOK.items():
                names = ", ".join(column.name for column in columns)
                target.execute(f"DELETE FROM {table}")
                marks = ", ".join("?" * len(columns))
                with connection.cursor(name="backup") as rows:
                    rows.itersize = _ROWS
                    rows.execute(f"SELECT {names} FROM {table}".encode(), binary=True)
                    target.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)
            target.execute("COMMIT")
        finally:
            target.close(True)
        for durable in (file, file.parent):
            handle = os.open(durable, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
    except apsw.Error as error:
        file.unlink(missing_ok=True)
        raise translate(error, str(file)) from error
    except BaseException:
        file.unlink(missing_ok=True)
        raise
