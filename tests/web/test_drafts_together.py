"""Drafts where several processes serve one home on PostgreSQL: of two savings of one version one is accepted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier
from typing import Any

import pytest

from einklang.app import drafts
from einklang.app.drafts import Draft, Ref, Saving
from einklang.event import LIMITS
from einklang.kernel.errors import Conflict
from einklang.store.book import PostgresBook
from tests.waits import WAIT_S
from tests.web.homes import NOW

pytestmark = pytest.mark.stores
REF = Ref("draft-1", "anonymousId", "d-1")
ROUNDS = 15


def save(book: Any, said: Saving, form: str | None = None) -> Draft | str:
    """Save as the owner; the draft, or why not."""
    try:
        return drafts.save(
            book, REF, said, form=form, identifiers={"anonymousId": "d-1"}, by=drafts.OWNER, actor="", source="web",
            touchpoint="web", now=NOW, limits=LIMITS,
        )  # fmt: skip
    except Conflict as refused:
        return str(refused.code)


class Apart:
    """A Book that looks first and writes afterwards, once everybody has looked: as if nothing held both together."""

    def __init__(self, book: PostgresBook, everybody: Barrier) -> None:
        self._book, self._everybody = book, everybody

    def transact(self, work: Callable[[Any], Any]) -> Any:
        """Run `work` on a snapshot, then write what it wrote."""
        written: list[tuple[str, Sequence[Any]]] = []
        with self._book.snapshot() as reader:

            class Tx:
                read = staticmethod(reader.read)

                def write(self, name: str, rows: Sequence[Any]) -> int:
                    written.append((name, rows))
                    return len(rows)

            found = work(Tx())
        self._everybody.wait(WAIT_S)
        bodies = [rows for name, rows in written if name == "tail_append"]

        def put(tx: Any) -> None:
            first = tx.read("counter_value", "position")[0][0] + 1
            for rows in bodies:
                tx.write("tail_append", [(first, *row[1:]) for row in rows])
            tx.write("counter_add", [("position", 1), ("accepted", 1)])

        self._book.transact(put)
        return found


@pytest.fixture
def books(database_url: str) -> Iterator[list[PostgresBook]]:
    """Two processes' Books of one home."""
    PostgresBook.create(database_url, "00" * 16).close()
    with ExitStack() as stack:
        yield [stack.enter_context(PostgresBook.open(database_url, writer=True, together=True)) for _ in range(2)]


def race(books: Sequence[Any], version: int) -> list[Draft | str]:
    """All save this version at once, each something else."""
    start = Barrier(len(books))

    def one(number: int) -> Draft | str:
        start.wait(WAIT_S)
        return save(books[number], Saving({"from": number, "round": version}, version))

    with ThreadPoolExecutor(len(books)) as pool:
        return list(pool.map(one, range(len(books))))


def test_of_two_processes_one_saves_and_the_other_hears_of_it(books: list[PostgresBook]) -> None:
    """Round by round both save the version that they have read; one is accepted, and its text is what is there."""
    save(books[0], Saving({"round": 0}), form="loan")
    for version in range(1, ROUNDS + 1):
        answers = race(books, version)
        (accepted,) = [answer for answer in answers if isinstance(answer, Draft)]
        assert [answer for answer in answers if isinstance(answer, str)] == ["draft_changed"]
        for book in books:
            with book.snapshot() as reader:
                found = drafts.find(reader, REF, NOW)
            assert (found.version, found.fields) == (version + 1, accepted.fields)
    assert books[0].read("counter_value", "accepted") == [(ROUNDS + 1,)]


def test_without_one_transaction_both_would_be_accepted(books: list[PostgresBook]) -> None:
    """Positive control: where looking and writing are two steps, the race is lost and seen."""
    save(books[0], Saving({"round": 0}), form="loan")
    everybody = Barrier(2)
    answers = race([Apart(book, everybody) for book in books], 1)
    assert [answer.version for answer in answers if isinstance(answer, Draft)] == [2, 2]
