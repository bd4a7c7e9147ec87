"""What the tables of a Book hold, as one number a table whatever the order of rows: to show that a copy is exact."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import apsw
import msgspec

from einklang.fact.columns import BOOK
from einklang.kernel.errors import Unavailable
from einklang.store.book.connect import connect
from einklang.store.book.setup import Setup

Row = tuple[Any, ...]
#: Told the number of rows done so far, now and then.
Progress = Callable[[int], None]

_EVERY = 5_000
_ENCODE = msgspec.msgpack.Encoder().encode


def silent(_: int) -> None:
    """Nobody wants to know how far it is."""


def columns_of(table: str) -> str:
    """The names of the columns, for SQL."""
    return ", ".join(column.name for column in BOOK[table])


class Contents:
    """Counts and sums the rows that pass through it. The same rows, in any order, give equal contents."""

    def __init__(self, progress: Progress = silent) -> None:
        self.tables: dict[str, tuple[int, int]] = {}
        self.rows = 0
        self._progress = progress

    def through(self, table: str, rows: Iterable[Row]) -> Iterator[Row]:
        """The same rows; once they are through, `tables` knows what they were."""
        count = total = 0
        for row in rows:
            total += int.from_bytes(blake2b(_ENCODE(row), digest_size=16).digest())
            count += 1
            if count % _EVERY == 0:
                self._progress(self.rows + count)
            yield row
        self.tables[table] = (count, total % 2**128)
        self.rows += count
        self._progress(self.rows)

    def count(self, table: str, rows: Iterable[Row]) -> None:
        """Let rows pass without use for them."""
        for _ in self.through(table, rows):
            pass


def of_sqlite(connection: apsw.Connection) -> Contents:
    """The contents of a file of SQLite. Raises apsw.Error."""
    found = Contents()
    for table in BOOK:
        found.count(table, connection.execute(f"SELECT {columns_of(table)} FROM {table}"))
    return found


def check_file(file: Path) -> None:
    """Look whether a file of SQLite is whole. Raises Unavailable `copy_damaged`."""
    try:
        connection = connect(file, Setup(), writer=False)
        try:
            said = str(connection.execute("PRAGMA quick_check").fetchall()[0][0])
        finally:
            connection.close(True)
    except apsw.Error as error:
        said = str(error)
    if said != "ok":
        raise Unavailable(
            "copy_damaged", f"SQLite says: {said[:200]}", where=str(file), mend="take another backup; check the disk"
        )


def compare(source: Contents, copy: Contents, where: str) -> None:
    """Raises Unavailable `copy_differs`."""
    wrong = [table for table in BOOK if source.tables[table] != copy.tables[table]]
    if wrong:
        raise Unavailable(
            "copy_differs",
            f"the copy is not equal to what was copied: {', '.join(wrong)}",
            where=where,
            mend="check disk and memory of this machine, then copy again; the original is untouched",
        )


def replace(file: Path, other: Path, tables: Iterable[str]) -> None:
    """Put the rows of a second file of SQLite, of the same format, in the place of those of a file that nobody writes.

    All tables or none. Raises Unavailable `copy_damaged`.
    """
    try:
        connection = connect(file, Setup(), writer=True)
        try:
            connection.execute("ATTACH ? AS other", (str(other),))
            with connection:
                for table in tables:
                    names = columns_of(table)
                    connection.execute(f"DELETE FROM main.{table}")
                    connection.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM other.{table}")
        finally:
            connection.close(True)
    except apsw.Error as error:
        mend = "check the disk, and start again"
        raise Unavailable("copy_damaged", f"SQLite says: {str(error)[:200]}", where=str(file), mend=mend) from error
