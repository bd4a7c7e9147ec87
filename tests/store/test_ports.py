"""The stores satisfy app's Protocols: mypy proves the types, this the calls."""

from __future__ import annotations

from pathlib import Path

from einklang.app import ports
from einklang.store.book import SqliteBook
from einklang.store.book.work import BlobLike
from einklang.testing.book_suite import Body


def as_port(book: ports.Book) -> ports.Book:
    """Takes what app takes."""
    return book


def as_blob(blob: ports.Blob) -> BlobLike:
    """What app appends is what the Book stores."""
    return blob


def test_the_book_is_what_app_asks_for(tmp_path: Path) -> None:
    """Append, transact, snapshot, read and close through the port."""
    book = as_port(SqliteBook.create(tmp_path, "00" * 16))
    assert book.append([as_blob(Body())]) == [1]
    assert book.transact(lambda tx: tx.write("counter_add", [("a", 1)])) == 1
    with book.snapshot() as reader:
        assert reader.read("counter_value", "a") == [(1,)]
    assert book.read("counter_value", "position") == [(1,)]
    book.close()
