"""Many rows a statement, for SQLite: a statement that says of one row what it does is made to say it of hundreds.

apsw gives the interpreter's lock away while SQLite works and takes it back after each statement. A row at a time,
a writer beside a thread that computes would wait for the lock after each row: here it waits once in hundreds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

#: Values bound to one statement at most; SQLite takes 32,766.
VALUES_MAX = 4_000
#: Fewer rows than this are quicker one by one: a statement for all of them would have to be prepared first.
ROWS_MIN = 16
_INSERT = re.compile(r"(INSERT INTO \w+ \([^)?]*\)\s*VALUES )(\(\?(?:, \?)*\))([^?]*)")
_DELETE = re.compile(r"DELETE FROM (\w+) WHERE (\w+ = \?(?: AND \w+ = \?)*)")
_UPDATE = re.compile(r"UPDATE (\w+) SET (\w+ = \?(?:, \w+ = \?)*) WHERE (\w+ = \?(?: AND \w+ = \?)*)")


@dataclass(frozen=True, slots=True)
class Bulk:
    """The text before and after the list of rows. keys: the last values of a row that must differ from row to row."""

    before: str
    row: str
    after: str
    width: int
    keys: int = 0

    @property
    def rows(self) -> int:
        """Rows of a full statement."""
        return VALUES_MAX // self.width

    def sql(self, rows: int) -> str:
        """The statement for so many rows."""
        return self.before + ",".join([self.row] * rows) + self.after

    def takes(self, rows: Sequence[Sequence[Any]]) -> bool:
        """Whether these may go together: an update of one row by two others would keep any of both."""
        return not self.keys or len({tuple(row[-self.keys :]) for row in rows}) == len(rows)


def bulk_of(sql: str) -> Bulk | None:
    """The form for many rows of an INSERT of values, of a DELETE or an UPDATE by key; None of anything else."""
    if found := _INSERT.fullmatch(sql):
        return Bulk(found[1], found[2], found[3], found[2].count("?"))
    if found := _DELETE.fullmatch(sql):
        columns = _columns(found[2], " AND ")
        return Bulk(
            f"DELETE FROM {found[1]} WHERE ({', '.join(columns)}) IN (VALUES ", _row(columns), ")", len(columns)
        )
    if found := _UPDATE.fullmatch(sql):
        table, assigned, keys = found[1], _columns(found[2], ", "), _columns(found[3], " AND ")
        if set(assigned) & set(keys):  # what one row changes, the next may look for
            return None
        sets = ", ".join(f"{column} = new.column{n}" for n, column in enumerate(assigned, 1))
        where = " AND ".join(f"{table}.{column} = new.column{n}" for n, column in enumerate(keys, len(assigned) + 1))
        return Bulk(
            f"UPDATE {table} SET {sets} FROM (VALUES ",
            _row([*assigned, *keys]),
            f") AS new WHERE {where}",
            len(assigned) + len(keys),
            len(keys),
        )
    return None


def _columns(text: str, separator: str) -> list[str]:
    return [part.partition(" = ")[0] for part in text.split(separator)]


def _row(columns: Sequence[str]) -> str:
    return f"({', '.join('?' * len(columns))})"
