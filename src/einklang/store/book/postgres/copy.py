"""A Book on PostgreSQL as a file of SQLite, and such a file as a Book on PostgreSQL: for backups, and to move a home.

Both ways every row is compared at the end, before anything is taken for a Book.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

from einklang.fact.columns import BOOK
from einklang.store.book.connect import connect, translate
from einklang.store.book.contents import Contents, Progress, columns_of, compare, of_sqlite, silent
from einklang.store.book.migrate import migrate, migrations
from einklang.store.book.postgres.server import Connection
from einklang.store.book.setup import Setup

_ROWS = 10_000
#: It is synced once, at its end.
_SETUP = Setup(synchronous="OFF")
#: Types of the Book -> OIDs of PostgreSQL.
_TYPES = {"integer": 20, "text": 25, "blob": 17, "real": 701}


def to_sqlite(connection: Connection, file: Path, progress: Progress = silent) -> None:
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
            contents = Contents(progress)
            for table, columns in BOOK.items():
                target.execute(f"DELETE FROM {table}")
                marks = ", ".join("?" * len(columns))
                rows = contents.through(table, _rows(connection, table))
                target.executemany(f"INSERT INTO {table} ({columns_of(table)}) VALUES ({marks})", rows)
            target.execute("COMMIT")
            compare(contents, of_sqlite(target), str(file))
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


def _rows(connection: Connection, table: str) -> Iterator[tuple[Any, ...]]:
    with connection.cursor(name="copied") as rows:
        rows.itersize = _ROWS
        yield from rows.execute(f"SELECT {columns_of(table)} FROM {table}".encode(), binary=True)


def from_sqlite(connection: Connection, file: Path, where: str, progress: Progress = silent) -> None:
    """All tables of a Book of this program's format into the empty ones of the schema, within a transaction of
    `connection`.

    Raises psycopg.Error, Unavailable.
    """
    connection.execute(b"SET LOCAL statement_timeout = 0")
    try:
        source = connect(file, Setup(), writer=False)
        try:
            source.execute("BEGIN")
            contents, there = Contents(progress), Contents()
            for table in BOOK:
                _fill(connection, source, table, contents)
                there.count(table, _rows(connection, table))
        finally:
            source.close(True)
    except apsw.Error as error:
        raise translate(error, str(file)) from error
    compare(contents, there, where)


def _fill(connection: Connection, source: apsw.Connection, table: str, contents: Contents) -> None:
    names = columns_of(table)
    connection.execute(f"DELETE FROM {table}".encode())
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)".encode()) as copy,
    ):
        copy.set_types([_TYPES[column.type] for column in BOOK[table]])
        for row in contents.through(table, source.execute(f"SELECT {names} FROM {table}")):
            copy.write_row(row)
