"""Who writes waits in two queues: bodies to append, and work to transact; one thread works both off.

Whenever the thread is free it stores **all** waiting bodies with one commit (group commit), then runs one piece of
work, so neither starves the other. What is common to every engine stands here; an engine adds how it commits.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from einklang.kernel.errors import Unavailable

T = TypeVar("T")


class BlobLike(Protocol):
    """A request body as it came, judged: what `append` stores (app.ports.Blob satisfies it)."""

    @property
    def items(self) -> int:
        """Admitted events in it, >= 1: it takes that many positions."""

    @property
    def received_at(self) -> int:
        """Moment of receipt, µs."""

    @property
    def source(self) -> str:
        """Id of the source whose key it came with."""

    @property
    def kind(self) -> str:
        """How `body` is encoded."""

    @property
    def body(self) -> bytes:
        """The bytes."""

    @property
    def suppress(self) -> Sequence[tuple[Any, ...]]:
        """Withdrawals in it: (address_hash, channel, purpose, reason, at), in force with the same commit."""


class Tx(Protocol):
    """What work gets: named reads and writes inside one transaction, of no use after it."""

    def read(self, name: str, *params: Any) -> list[tuple[Any, ...]]:
        """All rows of the named statement."""

    def read_many(self, name: str, rows: Iterable[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """The rows of the named statement run once for each of `rows`."""

    def write(self, name: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run the named statement once a row; the number of rows changed."""


class Append:
    """Bodies that wait, and who waits for them."""

    __slots__ = ("blobs", "future", "size")

    def __init__(self, blobs: Sequence[BlobLike]) -> None:
        self.blobs = blobs
        self.size = sum(len(blob.body) for blob in blobs)
        self.future: Future[list[int]] = Future()


_Work = tuple[Callable[[Any], Any], "Future[Any]"]


class WorkQueue:
    """The queues and their thread; `start` it once, `stop` it once. Every method is safe from any thread."""

    def __init__(self, queue_bytes_max: int) -> None:
        self._queue_bytes_max = queue_bytes_max
        self._appends: deque[Append] = deque()
        self._works: deque[_Work] = deque()
        self._waiting_bytes = 0
        self._wake = threading.Condition()
        self._closing = False
        self._failed = ""
        self._thread = threading.Thread(target=self._run, name="book-writer", daemon=True)

    def start(self) -> None:
        """Begin to take requests."""
        self._thread.start()

    def stop(self) -> None:
        """Work off what waits, then let go of the store."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def check(self) -> None:
        """Raises Unavailable `book_failed` after a failure and `book_closed` after `stop`."""
        if self._failed:
            raise self._failure(self._failed)
        if self._closing:
            raise book_closed()

    def fail(self, error: BaseException) -> None:
        """Poison: from now on every call is refused."""
        if not self._failed:
            self._failed = f"{type(error).__name__}: {error}"

    def append(self, blobs: Sequence[BlobLike]) -> Future[list[int]]:
        """Queue bodies; the future gives the first position of each once they are durable.

        Raises Unavailable `overloaded` at once when more than `queue_bytes_max` waits.
        """
        assert all(blob.items >= 1 for blob in blobs), "a blob without admitted events is not appended"
        request = Append(blobs)
        with self._wake:
            self.check()
            if self._waiting_bytes and self._waiting_bytes + request.size > self._queue_bytes_max:
                raise Unavailable(
                    "overloaded", "too much waits for the disk", where="append", mend="send again a little later"
                )
            self._appends.append(request)
            self._waiting_bytes += request.size
            self._wake.notify()
        return request.future

    def transact(self, work: Callable[[Any], T]) -> T:
        """Run `work` in one transaction on the writer's thread and wait. What it raises is raised here, after a
        rollback.
        """
        assert threading.current_thread() is not self._thread, "work inside work would wait for itself"
        return self.transact_later(work).result()

    def transact_later(self, work: Callable[[Any], T]) -> Future[T]:
        """As `transact`, but at once: the future is done when it is durable. Works are run in their order."""
        future: Future[T] = Future()
        with self._wake:
            self.check()
            self._works.append((work, future))
            self._wake.notify()
        return future

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._wake:
                while not (self._appends or self._works or self._closing):
                    self._wake.wait()
                group = self._take_appends()
                work = self._works.popleft() if self._works else None
                if self._closing and not group and work is None:
                    break
            if group:
                self._append_group(group)
            if work is not None:
                self._transact(*work)
            self._after()
        self._close()

    def _take_appends(self) -> list[Append]:
        group = [request for request in self._appends if request.future.set_running_or_notify_cancel()]
        self._appends.clear()
        self._waiting_bytes = 0
        return group

    def _append_group(self, group: Sequence[Append]) -> None:
        """Store these bodies in one commit and answer who waits for them."""
        raise AssertionError("each engine says how")

    def _transact(self, work: Callable[[Any], Any], future: Future[Any]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = self._in_transaction(work)
        except BaseException as error:
            future.set_exception(self._told(error, "transact"))
        else:
            future.set_result(result)

    def _in_transaction(self, body: Callable[[Any], T]) -> T:
        """Run `body(tx)`, all or nothing, durable on return."""
        raise AssertionError("each engine says how")

    def _told(self, error: BaseException, where: str) -> BaseException:
        """The error as the caller sees it."""
        return error

    def _after(self) -> None:
        """What is to be done after each round."""

    def _close(self) -> None:
        """Let go of the store, on the thread."""

    def _failure(self, cause: str) -> Unavailable:
        """The error of a poisoned Book."""
        raise AssertionError("each engine says what failed")


def insert(tx: Tx, group: Sequence[Append]) -> list[int]:
    """The bodies of these requests into the tail, their withdrawals in force; the first position of each body."""
    ((position,),) = tx.read("counter_value", "position")
    before, positions = position, list[int]()
    rows, suppressed = list[tuple[Any, ...]](), list[tuple[Any, ...]]()
    for request in group:
        for blob in request.blobs:
            first = position + 1
            position += blob.items
            positions.append(first)
            rows.append((first, blob.items, blob.received_at, blob.source, blob.kind, blob.body))
            suppressed.extend(blob.suppress)
    tx.write("tail_append", rows)
    if suppressed:
        tx.write("suppression_raise", suppressed)
    tx.write("counter_add", [("position", position - before), ("accepted", position - before)])
    return positions


def answer(group: Sequence[Append], positions: list[int]) -> None:
    """Tell everybody the positions of their bodies."""
    start = 0
    for request in group:
        end = start + len(request.blobs)
        request.future.set_result(positions[start:end])
        start = end


def book_closed() -> Unavailable:
    """The error of a Book that was closed."""
    return Unavailable("book_closed", "the Book is closed", mend="open it again")
