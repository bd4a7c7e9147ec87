"""How a Book is opened, for every engine; and which engine a home has."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setup:
    """How a Book is opened; the defaults are the only promise of durability.

    synchronous: FULL in use, NORMAL and OFF as positive controls of the tests of power cuts (on PostgreSQL both mean
    synchronous_commit = off); busy_ms: how long to wait for a lock that somebody else holds; queue_bytes_max: appended
    bodies that may wait for the writer.

    Of SQLite alone: vfs, the name of a registered apsw VFS (tests); idle_readers_max; reserve_bytes, the size of the
    file that is given up on a full disk so that withdrawals of consent still get in; checkpoint_pages, WAL pages after
    which it is copied back.

    Of PostgreSQL alone: readers_max, connections for reading; connect_s, how long one attempt to connect may take;
    statement_s, how long one statement; outcome_s, how long to ask what became of a commit whose answer was lost.
    """

    synchronous: str = "FULL"
    vfs: str | None = None
    busy_ms: int = 5_000
    idle_readers_max: int = 4
    queue_bytes_max: int = 64 * 1024 * 1024
    reserve_bytes: int = 4 * 1024 * 1024
    checkpoint_pages: int = 16_000
    readers_max: int = 8
    connect_s: int = 3
    statement_s: int = 120
    outcome_s: float = 10.0
