"""The state of a home as canonical text: two homes with the same salt and log are equal to the byte of their hash.

What is compared is what the log says: persons, history, identity, runs, members, timers, the ledger with its chain,
verdicts, assignments, outcomes, messages, definitions, in seq order and with the clock. Left out is how it came here:
positions, moments of receipt, and what a delivery notes for itself. The status of a message in the outbox is such a
note: while it is handed over, is tried again, or was found to be of no use at the last moment, it says what the log
does not say yet, and a rebuild, which delivers nothing, cannot know it. What the log says became of a message is in
the message log. Where nobody but the tick writes the status, a test compares it too (tests/app/test_split_messages.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Protocol

import msgspec

from einklang.fact.person import Person, Run
from einklang.kernel.limits import LANES

Row = tuple[Any, ...]

#: Tables read a lane at a time, at once, and by their running number.
BY_LANE = ("person", "history", "run", "member", "shadow", "standing", "timer", "outbox")
WHOLE = (
    "identifier", "edge", "apart", "alias", "sign_in", "refused_merge", "suppression", "definition", "catalog", "stop",
    "expired", "counter", "party", "party_member", "object",
    "object_waiting", "export",
)  # fmt: skip
BY_NUMBER = ("ledger", "verdict", "assignment", "outcome", "message_log")
TABLES = BY_LANE + WHOLE + BY_NUMBER
#: How many cells of a row are its key and give the order, if more than one.
KEY_CELLS = {
    "history": 3, "run": 2, "member": 2, "shadow": 2, "standing": 2, "outbox": 2, "identifier": 2, "edge": 4,
    "apart": 4, "sign_in": 3, "suppression": 4, "definition": 3, "catalog": 2, "party": 2, "party_member": 3,
    "object": 3, "object_waiting": 3,
}  # fmt: skip
#: The log itself, where it has not been shipped and trimmed.
LOG = "entry"
#: Columns that hold JSON whose keys have no order: table -> places in the row.
_JSON = {"history": (14, 15), "definition": (3,), "catalog": (2,), "party": (2,), "entry": (12, 13, 14)}
_PAGE = 5_000

#: Columns that hold a struct: read as such, so that a field that an older version did not know has its default.
_STRUCT: dict[str, tuple[int, msgspec.json.Decoder[Any]]] = {
    "person": (3, msgspec.json.Decoder(Person, float_hook=Decimal)),
    "run": (11, msgspec.json.Decoder(Run, float_hook=Decimal)),
}
_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(order="deterministic", decimal_format="number", enc_hook=lambda value: value.hex())


class Reader(Protocol):
    """A Book or a snapshot of it."""

    def read(self, name: str, *params: Any) -> list[Row]:
        """Rows of a named statement."""

    def stream(self, name: str, *params: Any) -> Iterator[Row]:
        """The same, row by row."""


def table_rows(reader: Reader, table: str) -> Iterator[Row]:
    """The rows of one table in the order of its key, JSON columns decoded."""
    for _, row in _stored(reader, table):
        yield comparable(table, row)


def comparable(table: str, row: Row) -> Row:
    """A stored row with its JSON columns decoded, so that the order of keys has no meaning."""
    cells = list(row)
    if table in _STRUCT:
        place, decoder = _STRUCT[table]
        whole = decoder.decode(cells[place])
        cells[place] = {name: _plain(getattr(whole, name)) for name in whole.__struct_fields__}
    for place in _JSON.get(table, ()):
        cells[place] = _DECODER.decode(cells[place])
    return tuple(cells)


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value, builtin_types=(Decimal,))


def _stored(reader: Reader, table: str) -> Iterator[tuple[int, Row]]:
    """(lane, row), in the order of the key."""
    if table in BY_LANE:
        with _of_now(reader) as state:
            for lane in range(LANES):
                yield from ((lane, row) for row in state.stream(f"all_{table}", lane))
    elif table in WHOLE:
        yield from ((0, row) for row in reader.stream(f"all_{table}"))
    else:
        after = 0
        while page := reader.read(f"all_{table}", after, _PAGE):
            yield from ((0, row) for row in page)
            after = page[-1][0]


def line(row: Row) -> bytes:
    """A row as canonical JSON: keys sorted, numbers exact, bytes as hex."""
    return _ENCODER.encode([cell.hex() if isinstance(cell, bytes) else cell for cell in row])


def canonical_rows(reader: Reader, *, log: bool = False) -> dict[str, list[str]]:
    """The whole state as lines a table in the order of their keys, for small homes. log: with the log itself."""
    return {table: [line(row).decode() for row in table_rows(reader, table)] for table in _tables(log)}


def _tables(log: bool) -> tuple[str, ...]:
    return (*TABLES, LOG) if log else TABLES


def table_hash(reader: Reader, table: str) -> str:
    """32 hex digits that name the content of a table; bounded memory."""
    digest = blake2b(digest_size=16, person=b"canonical")
    for row in table_rows(reader, table):
        digest.update(line(row) + b"\n")
    return digest.hexdigest()


def canonical_hash(reader: Reader, *, log: bool = False) -> str:
    """32 hex digits that name the state. log: with the entries of the log, where the Book holds all of them."""
    digest = blake2b(digest_size=16, person=b"canonical")
    with _of_now(reader) as state:
        for table in _tables(log):
            digest.update(f"{table} {table_hash(state, table)}\n".encode())
    return digest.hexdigest()


def _of_now(reader: Reader) -> AbstractContextManager[Reader]:
    """One state of a Book, opened once for all its tables; a snapshot is one."""
    found: AbstractContextManager[Reader] = reader.snapshot() if hasattr(reader, "snapshot") else nullcontext(reader)
    return found


def difference(a: Reader, b: Reader, *, log: bool = False, rows_max: int = 3) -> list[str]:
    """Where two states differ, for people: a few rows of each table; empty if they are equal. Bounded memory.

    `-`: only in a, `+`: only in b.
    """
    with _of_now(a) as one, _of_now(b) as other:
        return [text for table in _tables(log) for text in _table_difference(table, one, other, rows_max)]


def _table_difference(table: str, a: Reader, b: Reader, rows_max: int) -> list[str]:
    """Both tables are read once, side by side in the order of their keys."""
    here, there = _keyed(table, a), _keyed(table, b)
    one, other = next(here, None), next(there, None)
    only: dict[str, list[bytes]] = {"-": [], "+": []}
    while (one is not None or other is not None) and min(len(rows) for rows in only.values()) <= rows_max:
        if one is not None and other is not None and one == other:
            one, other = next(here, None), next(there, None)
        elif other is None or (one is not None and one < other):
            assert one is not None, "one of them is there"
            only["-"].append(one[1])
            one = next(here, None)
        else:
            only["+"].append(other[1])
            other = next(there, None)
        for rows in only.values():
            del rows[rows_max + 1 :]
    return [
        f"{table} {sign} {text}"
        for sign, rows in only.items()
        for text in [*(row.decode() for row in rows[:rows_max]), *(["and more"] if len(rows) > rows_max else [])]
    ]


def _keyed(table: str, reader: Reader) -> Iterator[tuple[Row, bytes]]:
    """(key, row as canonical JSON), rising."""
    for lane, row in _stored(reader, table):
        yield (lane, *row[: KEY_CELLS.get(table, 1)]), line(comparable(table, row))
