"""The Book on SQLite keeps what every Book promises."""

from __future__ import annotations

from pathlib import Path

from einklang.store.book import SqliteBook
from einklang.testing.book_suite import BookSuite, BookUnderTest

SALT = "00" * 16


class TestSqliteBook(BookSuite):
    """All checks of the suite."""

    def make(self, home: Path) -> BookUnderTest:
        """A new home."""
        return SqliteBook.create(home, SALT)

    def open(self, home: Path, *, writer: bool) -> BookUnderTest:
        """An existing one."""
        return SqliteBook.open(home, writer=writer)
