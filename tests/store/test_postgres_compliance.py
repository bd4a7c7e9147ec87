"""The Book on PostgreSQL keeps what every Book promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from einklang.store.book import PostgresBook
from einklang.testing.book_suite import BookSuite, BookUnderTest

pytestmark = pytest.mark.stores

SALT = "00" * 16


class TestPostgresBook(BookSuite):
    """All checks of the suite; a home is a schema."""

    @pytest.fixture(autouse=True)
    def _schema(self, database_url: str) -> None:
        self.url = database_url

    def make(self, home: Path) -> BookUnderTest:
        """A new home."""
        return PostgresBook.create(self.url, SALT)

    def open(self, home: Path, *, writer: bool) -> BookUnderTest:
        """An existing one."""
        return PostgresBook.open(self.url, writer=writer)
