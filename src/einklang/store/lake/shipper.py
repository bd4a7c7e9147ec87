"""Station 6: rows of the Book go to the lake exactly once.

The one shipper of a table reads in the table itself how far it got, takes the next rows from the Book and appends
them with their last number on the same handle. The Book's mark only says what may be trimmed; a crash between append
and mark costs nothing but a mark that lags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from einklang.store.lake.rows import Row
from einklang.store.lake.table import TABLES, Lake

T = TypeVar("T")

#: Lake tables that grow, and the place of the running number (seq or n) in the rows of their statement `ship_<table>`.
GROWING = {"verdicts": 0, "assignments": 0, "outcomes": 0, "messages": 0, "events": 1}
ROWS_MAX = 20_000
#: The newest entries stay in the Book although they are shipped, for those who look at the live stream.
KEEP_ENTRIES = 2_000
_TRIM_STEP = 5_000


class ReaderLike(Protocol):
    """What gives rows: a Book or a snapshot of it."""

    def read(self, name: str, *params: Any) -> list[tuple[Any, ...]]:
        """Rows of a named statement."""


class _Tx(ReaderLike, Protocol):
    def write(self, name: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run a named statement once a row."""


class BookLike(ReaderLike, Protocol):
    """What the shipper needs of a Book."""

    def transact(self, work: Callable[[Any], T]) -> T:
        """All or nothing."""

    def snapshot(self) -> AbstractContextManager[ReaderLike]:
        """One state."""


def ship(
    book: BookLike,
    lake: Lake,
    table: str,
    *,
    rows_max: int = ROWS_MAX,
    keep_entries: int = KEEP_ENTRIES,
    upto: int | None = None,
) -> int:
    """Take the next rows (at most `rows_max`) of a growing table to the lake, then mark and trim. Returns the rows
    shipped.

    Entries that are shipped leave the Book but for the newest `keep_entries`; the other tables stay for `why` and
    reports. upto: the last number to ship. Raises Unavailable; it may be called again after any error or crash.
    """
    place = GROWING[table]
    _mend(book, lake, table)

    def fetch(reached: int) -> tuple[list[Row], int]:
        rows = book.read(f"ship_{table}", reached, rows_max)
        if upto is not None:
            rows = [row for row in rows if row[place] <= upto]
        return rows, rows[-1][place] if rows else reached

    count, reached, version = lake.append(table, fetch)
    _settle(book, table, reached, version, keep_entries)
    return count


def ship_round(
    book: BookLike, lake: Lake, *, keep_entries: int = KEEP_ENTRIES, stopping: Callable[[], bool] = lambda: False
) -> int:
    """Ship every growing table as far as it is now. Returns the rows shipped. Raises Unavailable.

    The events come last, and no further than they were in the beginning: so the other tables hold all that was decided
    up to the last event of the lake, and a report that reads the events first knows its position.
    """
    ((_, newest),) = book.read("entry_span")
    total = 0
    for table in GROWING:
        upto = (newest or 0) if table == "events" else None
        while not stopping() and (count := ship(book, lake, table, keep_entries=keep_entries, upto=upto)):
            total += count
    return total


def ship_all(book: BookLike, lake: Lake, *, keep_entries: int = KEEP_ENTRIES) -> int:
    """Ship every growing table until nothing is left, refresh `persons`, then tidy (the end of `run`). Returns the
    rows shipped.
    """
    total = ship_round(book, lake, keep_entries=keep_entries)
    refresh(book, lake, "persons")
    while tidy(book, lake):
        pass
    return total


def tidy(book: BookLike, lake: Lake, *, stopping: Callable[[], bool] = lambda: False) -> bool:
    """One round of maintenance after shipping: of each table, join what is due and remove what nobody reads any more.

    It may take long, never inside a tick; `stopping` is asked now and then whether to leave it. Returns whether there
    may be more to do. Raises Unavailable; it may be called again after any error or crash.
    """
    again = False
    for table in TABLES:
        if stopping() or lake.version(table) is None:
            continue
        _mend(book, lake, table)
        joined = table in GROWING and lake.compact(table, stopping=stopping) is not None
        if joined or lake.littered(table):
            lake.clean(table)
        again = again or joined
    return again


def refresh(book: BookLike, lake: Lake, table: str) -> None:
    """Write a table anew from the Book: `persons` after merges and splits, `assignments` after hand-overs touched
    old rows.

    Raises Unavailable.
    """
    _mend(book, lake, table)
    with book.snapshot() as reader:
        if table == "persons":
            rows = reader.read("ship_persons")
            ((_, last),) = reader.read("entry_span")
            reached = max(last or 0, lake.reached("events"))
        else:
            assert GROWING[table] == 0, f"{table} leaves the Book and cannot be made anew"
            rows = reader.read(f"ship_{table}", 0, 2**62)
            reached = rows[-1][0] if rows else 0
    version = lake.replace(table, rows, reached)
    _settle(book, table, reached, version, 0)


def _mend(book: BookLike, lake: Lake, table: str) -> None:
    marks = book.read("ship_mark", table)
    lake.mend(table, marks[0][1] if marks else -1)


def _settle(book: BookLike, table: str, mark: int, version: int, keep_entries: int) -> None:
    """Note what is durable in the lake, then forget it in the Book, in short transactions."""
    if book.read("ship_mark", table) != [(mark, version)]:
        book.transact(lambda tx: tx.write("ship_mark_put", [(table, mark, version)]))
    if table != "events":
        return
    ((first, last),) = book.read("entry_span")
    if first is None:
        return
    end = min(mark, last - keep_entries)
    # Only when a tenth more than `keep_entries` is there: not a handful of rows every time.
    if end - first < keep_entries // 10:
        return
    for step in range(first + _TRIM_STEP, end + _TRIM_STEP, _TRIM_STEP):
        _trim(book, min(step, end))


def _trim(book: BookLike, upto: int) -> None:
    book.transact(lambda tx: tx.write("entry_trim", [(upto,)]))
