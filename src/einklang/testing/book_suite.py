"""The compliance suite of a Book: what the tick, the web and the shipper rely on, for every engine alike.

Derive a class whose name begins with `Test`, say how to make and open a Book, and let pytest collect it:

    class TestMyBook(BookSuite):
        def make(self, home: Path) -> BookUnderTest: ...
        def open(self, home: Path, *, writer: bool) -> BookUnderTest: ...
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from einklang.kernel.errors import Conflict, EinklangError, Unavailable

T = TypeVar("T")
Suppression = tuple[bytes, str, str, str, int]


@dataclass(frozen=True)
class Body:
    """The simplest blob."""

    body: bytes = b"{}"
    items: int = 1
    received_at: int = 1_000_000
    source: str = "shop"
    kind: str = "json"
    suppress: Sequence[Suppression] = ()


class ReaderUnderTest(Protocol):
    """What a snapshot gives."""

    def read(self, name: str, *params: Any) -> list[tuple[Any, ...]]:
        """Rows of a named statement."""

    def read_many(self, name: str, rows: Iterable[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """Rows of a named statement, run once for each of `rows`."""

    def stream(self, name: str, *params: Any) -> Iterator[tuple[Any, ...]]:
        """Rows of a named statement, one by one."""


class TxUnderTest(ReaderUnderTest, Protocol):
    """What `transact` gives."""

    def write(self, name: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run a named statement once a row; rows changed."""


class BookUnderTest(ReaderUnderTest, Protocol):
    """The Book as its users see it."""

    def append(self, blobs: Sequence[Body]) -> list[int]:
        """Store bodies durably; first position of each."""

    def transact(self, work: Callable[[TxUnderTest], T]) -> T:
        """All or nothing."""

    def snapshot(self) -> AbstractContextManager[ReaderUnderTest]:
        """One state."""

    def close(self) -> None:
        """Let go of the home."""


class BookSuite:
    """Derive from it; each test makes Books below `tmp_path`."""

    def make(self, home: Path) -> BookUnderTest:
        """A new Book in `home`, open for writing."""
        raise NotImplementedError

    def open(self, home: Path, *, writer: bool) -> BookUnderTest:
        """The Book of an existing home."""
        raise NotImplementedError

    def test_positions_follow_the_items(self, tmp_path: Path) -> None:
        """A blob of n items takes n positions; the next one goes on behind them, also in the next call."""
        book = self.make(tmp_path / "home")
        assert book.append([Body(items=3), Body(), Body(items=2)]) == [1, 4, 5]
        assert book.append([Body()]) == [7]
        assert [row[:2] for row in book.read("tail_page", 0, 10)] == [(1, 3), (4, 1), (5, 2), (7, 1)]
        book.close()

    def test_bodies_come_back_as_they_were(self, tmp_path: Path) -> None:
        """Every byte, also NUL and an empty body, and every field."""
        book = self.make(tmp_path / "home")
        blobs = [Body(bytes(range(256))), Body(b""), Body("ß€".encode(), 7, -5, "ü", "jsonl")]
        book.append(blobs)
        assert [row[1:] for row in book.read("tail_page", 0, 10)] == [
            (blob.items, blob.received_at, blob.source, blob.kind, blob.body) for blob in blobs
        ]
        book.close()

    def test_counters_count_items(self, tmp_path: Path) -> None:
        """`position` and `accepted` grow by the items; all others begin at 0."""
        book = self.make(tmp_path / "home")
        book.append([Body(items=3), Body()])
        found = dict(book.read("counters"))
        assert {"seq", "clock", "in_log", "projected", "dead_letters", "duplicates"} <= set(found)
        assert {name: value for name, value in found.items() if value} == {"accepted": 4, "position": 4}
        book.close()

    def test_a_withdrawal_is_in_force_with_its_append(self, tmp_path: Path) -> None:
        """The suppressions of a blob stand when `append` returns; a later one renews the time, an earlier one does
        not.
        """
        book = self.make(tmp_path / "home")
        for at in (10, 30, 20):
            book.append([Body(suppress=[(b"hash", "email", "marketing", "withdrawn", at)])])
        book.append([Body(suppress=[(b"hash", "email", "marketing", "hard_bounce", 5)])])
        assert book.read("suppressions") == [
            (b"hash", "email", "marketing", "hard_bounce", 5),
            (b"hash", "email", "marketing", "withdrawn", 30),
        ]
        book.close()

    def test_eight_threads_lose_and_double_nothing(self, tmp_path: Path) -> None:
        """What eight threads append at once has contiguous positions; each caller gets the position of its own body."""
        book = self.make(tmp_path / "home")
        told: dict[int, bytes] = {}

        def appender(thread: int) -> None:
            for turn in range(40):
                bodies = [b"%d-%d-%d" % (thread, turn, n) for n in range(turn % 3 + 1)]
                told.update(zip(book.append([Body(body, items=2) for body in bodies]), bodies, strict=True))

        _together([partial(appender, n) for n in range(8)])
        kept = {row[0]: row[5] for row in book.read("tail_page", 0, 10_000)}
        assert kept == told
        assert sorted(kept) == list(range(1, 2 * len(kept), 2))
        assert book.read("counter_value", "position") == [(2 * len(kept),)]
        book.close()

    def test_append_and_transact_take_turns(self, tmp_path: Path) -> None:
        """Neither starves or overwrites the other: both kinds of change to one counter add up."""
        book = self.make(tmp_path / "home")

        def bump(tx: TxUnderTest) -> None:
            ((value,),) = tx.read("counter_value", "position")
            tx.write("counter_set", [("position", value + 1)])

        def transactor() -> None:
            for _ in range(30):
                book.transact(bump)

        def appender() -> None:
            for _ in range(30):
                book.append([Body()])

        _together([transactor, appender, transactor, appender])
        assert book.read("counter_value", "position") == [(120,)]
        assert book.read("counter_value", "accepted") == [(60,)]
        book.close()

    def test_transact_is_all_or_nothing(self, tmp_path: Path) -> None:
        """What work raises undoes what it wrote, is raised to the caller, and leaves the Book usable."""
        book = self.make(tmp_path / "home")

        class Stop(Exception):
            pass

        def work(tx: TxUnderTest) -> None:
            tx.write("counter_add", [("a", 1), ("b", 2)])
            assert tx.read("counter_value", "b") == [(2,)]
            raise Stop

        assert _raised(lambda: book.transact(work), Stop)
        assert book.read("counter_value", "a") == []
        assert book.transact(lambda tx: tx.write("counter_add", [("a", 1), ("b", 2)])) == 2
        assert book.read_many("counter_value", [("b",), ("none",), ("a",)]) == [(2,), (1,)]
        book.close()

    def test_a_broken_rule_is_a_conflict(self, tmp_path: Path) -> None:
        """A row that is there already raises Conflict `book_constraint`, and nothing of the transaction stays."""
        book = self.make(tmp_path / "home")
        row = (1, 1, 1, "shop", "json", b"")

        def work(tx: TxUnderTest) -> None:
            tx.write("counter_add", [("a", 1)])
            tx.write("tail_append", [row, row])

        error = _raised(lambda: book.transact(work), Conflict)
        assert isinstance(error, EinklangError)
        assert error.code == "book_constraint"
        assert book.read("counter_value", "a") == []
        assert book.read("tail_page", 0, 1) == []
        book.close()

    def test_a_statement_does_what_its_kind_says(self, tmp_path: Path) -> None:
        """Reading does not write and writing is not done by reading."""
        book = self.make(tmp_path / "home")
        assert _raised(lambda: book.read("counter_add", "a", 1), AssertionError)
        assert _raised(lambda: book.transact(lambda tx: tx.write("counters", [()])), AssertionError)
        assert book.read("counter_value", "a") == []
        book.close()

    def test_a_snapshot_is_one_state(self, tmp_path: Path) -> None:
        """It sees what was committed when it was taken, and nothing of what is committed while it is open."""
        book = self.make(tmp_path / "home")
        book.append([Body()])
        with book.snapshot() as before:
            book.append([Body()])
            book.transact(lambda tx: tx.write("counter_add", [("a", 1)]))
            assert before.read("counter_value", "position") == [(1,)]
            assert before.read("counter_value", "a") == []
            with book.snapshot() as after:
                assert after.read("counter_value", "position") == [(2,)]
            assert len(before.read("tail_page", 0, 10)) == 1
        assert book.read("counter_value", "position") == [(2,)]
        book.close()

    def test_snapshots_never_see_half_a_transaction(self, tmp_path: Path) -> None:
        """Two counters that are always changed together are equal in every snapshot, also in many threads at once."""
        book = self.make(tmp_path / "home")
        unequal: list[Any] = []

        def watch() -> None:
            for _ in range(60):
                with book.snapshot() as reader:
                    a, b = reader.read("counter_value", "a"), reader.read("counter_value", "b")
                    if a != b:
                        unequal.append((a, b))

        def change() -> None:
            for _ in range(60):
                book.transact(lambda tx: [tx.write("counter_add", [(name, 1)]) for name in ("a", "b")])

        _together([watch, watch, change, watch, change])
        assert unequal == []
        assert book.read("counter_value", "a") == [(120,)]
        book.close()

    def test_what_was_kept_is_there_after_opening_again(self, tmp_path: Path) -> None:
        """Close and open: the same rows, and positions go on."""
        book = self.make(tmp_path / "home")
        book.append([Body(b"kept", items=4)])
        book.close()
        book = self.open(tmp_path / "home", writer=True)
        assert [row[5] for row in book.read("tail_page", 0, 10)] == [b"kept"]
        assert book.append([Body()]) == [5]
        book.close()

    def test_there_is_one_writer(self, tmp_path: Path) -> None:
        """A second writer is refused with Conflict `home_in_use` while the first is open, and let in afterwards."""
        book = self.make(tmp_path / "home")
        error = _raised(lambda: self.open(tmp_path / "home", writer=True), Conflict)
        assert isinstance(error, EinklangError)
        assert error.code == "home_in_use"
        book.close()
        self.open(tmp_path / "home", writer=True).close()

    def test_readers_stand_beside_the_writer(self, tmp_path: Path) -> None:
        """A Book opened for reading sees each commit of the writer, and can be opened when nobody writes."""
        book = self.make(tmp_path / "home")
        reader = self.open(tmp_path / "home", writer=False)
        for position in (1, 2):
            book.append([Body()])
            assert reader.read("counter_value", "position") == [(position,)]
        assert _raised(lambda: reader.append([Body()]), AssertionError)
        book.close()
        reader.close()
        reader = self.open(tmp_path / "home", writer=False)
        assert reader.read("counter_value", "position") == [(2,)]
        reader.close()

    def test_a_stream_gives_the_rows_of_a_read(self, tmp_path: Path) -> None:
        """Row by row the same as at once, also two side by side and beside other reads; one may be left half-way."""
        book = self.make(tmp_path / "home")
        book.append([Body(b"%d" % n) for n in range(2_500)])
        whole = book.read("tail_page", 0, 5_000)
        assert len(whole) == 2_500
        assert list(book.stream("tail_page", 0, 5_000)) == whole
        with book.snapshot() as reader:
            half = reader.stream("tail_page", 0, 5_000)
            assert next(half) == whole[0]
            book.append([Body(b"later")])
            assert reader.read("counter_value", "position") == [(2_500,)]
            assert list(reader.stream("tail_page", 10, 20)) == whole[10:30]
            assert next(half) == whole[1]
        assert book.read("counter_value", "position") == [(2_501,)]
        book.close()

    def test_a_closed_book_refuses(self, tmp_path: Path) -> None:
        """After `close` every call raises Unavailable, and closing again does nothing."""
        book = self.make(tmp_path / "home")
        book.close()
        book.close()
        assert _raised(lambda: book.append([Body()]), Unavailable)
        assert _raised(lambda: book.transact(lambda tx: None), Unavailable)
        assert _raised(lambda: book.read("counters"), Unavailable)


def _raised(call: Callable[[], object], kind: type[BaseException]) -> BaseException | None:
    """What `call` raised if it is of this kind, else None."""
    try:
        call()
    except kind as error:
        return error
    return None


def _together(calls: Sequence[Callable[[], None]]) -> None:
    """Run all at once in threads; raise the first error of any."""
    errors: list[BaseException] = []
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], None]) -> None:
        try:
            barrier.wait()
            call()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
