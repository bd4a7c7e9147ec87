"""The hash chain over the ledger: a row's hash covers the row and the hash before it, so a flipped byte is found.

Person and lane are not covered: they follow merges. What a row proves, it proves of its address. BLAKE2b (RFC 7693).
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import msgspec

#: What the first row is chained to.
BEGIN = b""


class ChainRow(msgspec.Struct, frozen=True, array_like=True):
    """The columns of a ledger row that the chain covers, in the order in which they are hashed."""

    n: int
    seq: int
    channel: str
    address: str
    purpose: str
    status: str
    at: int
    clock: int
    source: str
    wording: str
    actor: str
    evidence: str
    until: int = 0


def chain(previous: bytes, row: ChainRow) -> bytes:
    """The 32 bytes of this row, given those of the row before (b"" for the first)."""
    told = msgspec.structs.astuple(row)  # of what does not end it is not said: so are older rows hashed
    body = blake2b(msgspec.json.encode(told if row.until else told[:-1]), digest_size=32, person=b"ledger row").digest()
    return blake2b(previous + body, digest_size=32, person=b"ledger").digest()


def first_broken(rows: Iterable[tuple[ChainRow, bytes]], previous: bytes = BEGIN) -> int | None:
    """The `n` of the first row that is not what it was, lost its neighbour or stands elsewhere; None if all is well.

    rows: (row, stored hash) by n. A cut-off end is not found here: compare the last hash with one kept elsewhere.
    """
    before: int | None = None
    for row, stored in rows:
        if (before is not None and row.n != before + 1) or chain(previous, row) != stored:
            return row.n
        previous, before = stored, row.n
    return None
