"""Delta tables on a local disk keep what every lake promises."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from einklang.store.book import SqliteBook
from einklang.store.lake.shipper import BookLike
from einklang.testing.lake_suite import LakeSuite


def put(book: BookLike, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Whole rows into a table, past the named statements."""
    marks = ", ".join("?" * len(rows[0]))
    book.transact(lambda tx: tx._connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows).fetchall())


class TestDeltaLake(LakeSuite):
    """All checks of the suite."""

    def make_book(self, home: Path) -> BookLike:
        """A new home."""
        return SqliteBook.create(home, "00" * 16)

    def put(self, book: BookLike, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """As `put`."""
        put(book, table, rows)
