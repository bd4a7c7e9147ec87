"""What app needs from the world: small Protocols, owned by the consumer.

`store` and `channel` satisfy them structurally.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Row = tuple[Any, ...]


class Blob(Protocol):
    """One judged request body to append:
    `items` admitted calls of `kind`, and what must be suppressed in the same transaction.

    suppress: rows (address_hash, channel, purpose, reason, at).
    """

    @property
    def items(self) -> int: ...
    @property
    def received_at(self) -> int: ...
    @property
    def source(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def body(self) -> bytes: ...
    @property
    def suppress(self) -> Sequence[Row]: ...


class Reader(Protocol):
    """Reads by the name of a prepared statement."""

    def read(self, name: str, *params: Any) -> list[Row]: ...
    def read_many(self, name: str, rows: Iterable[Sequence[Any]]) -> list[Row]: ...
    def stream(self, name: str, *params: Any) -> Iterator[Row]: ...


class Each(Reader, Protocol):
    """Reads of one state, also of many keys at once."""

    def read_each(self, name: str, rows: Sequence[Sequence[Any]]) -> Sequence[list[Row] | None]:
        """The rows of the named statement for each of `rows`; None for what cannot be said yet."""


class Tx(Reader, Protocol):
    """A transaction on the one writer."""

    def write(self, name: str, rows: Iterable[Sequence[Any]]) -> int: ...


class Book(Reader, Protocol):
    """Rows that must be right now. far: whether each question is a way to a server and back. shorten: said between two
    write sets by who reads nothing at that moment, the one time at which a log in front of the rows may be cut.
    """

    @property
    def far(self) -> bool: ...
    def append(self, blobs: Sequence[Any]) -> list[int]: ...
    def transact(self, work: Callable[[Any], T]) -> T: ...
    def transact_later(self, work: Callable[[Any], T]) -> Future[T]: ...
    def snapshot(self) -> AbstractContextManager[Any]: ...
    def shorten(self) -> None: ...
    def close(self) -> None: ...


class Parcel(Protocol):
    """What is handed to a channel: the business key, the address and the finished bytes."""

    @property
    def key(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def body(self) -> bytes: ...


class Receipt(Protocol):
    """`sent`, `failed` or `unknown`. permanent: a retry cannot mend it; at the stage `rcpt` speaks of the address."""

    @property
    def status(self) -> str: ...
    @property
    def permanent(self) -> bool: ...
    @property
    def detail(self) -> str: ...
    @property
    def stage(self) -> str: ...
