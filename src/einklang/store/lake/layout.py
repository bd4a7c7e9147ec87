"""Which files of a growing table are to be joined: pure, from what the Delta log says of them.

A table grows by small files in the order of `seq` (or n). A **stretch** is what covers a range of it: one appended
file, or the files that a joining wrote, which share the range and divide the persons. Joining sorts the rows by person,
so a stretch is quick to ask for persons, and the shorter it is, the quicker to ask for a time. Hence two sizes: the
newest stretches stay short ("all events of last week"), older ones are joined into long ones ("all events of these
persons"). Each row is rewritten a few times in all: a stretch is joined only with as much again of newer ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: Newest rows of a table that are in short stretches: so many, or this part of all (of a year, 18 days); how long a
#: short and a long one may be.
RECENT_ROWS = 250_000
RECENT_PART = 20
SHORT_ROWS = 250_000
LONG_ROWS = 16_000_000
#: A stretch joins when those after it have together at least its rows divided by this.
GROWTH = 4
#: Long stretches are joined so many at once.
LONG_PIECES = 4


@dataclass(frozen=True, slots=True)
class File:
    """A data file of the table: name below its folder, bytes, rows, first and last seq (or n)."""

    name: str
    size: int
    rows: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """Files whose ranges overlap."""

    files: tuple[File, ...]

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(file.rows for file in self.files)

    @property
    def last(self) -> int:
        """The last seq (or n)."""
        return max(file.last for file in self.files)


def stretches(files: Sequence[File]) -> list[Stretch]:
    """The files in the order of their ranges, those that overlap together."""
    found: list[list[File]] = []
    last = -1
    for file in sorted(files, key=lambda file: (file.first, file.last, file.name)):
        if found and file.first <= last:
            found[-1].append(file)
        else:
            found.append([file])
        last = max(last, file.last)
    return [Stretch(tuple(group)) for group in found]


def due(files: Sequence[File], compact_every: int, *, always: bool = False) -> list[File]:
    """The files to join next; none if it is fine as it is. always: join the newest ones however few they are."""
    line = stretches(files)
    newest = _worth(line, SHORT_ROWS, 2, growth=SHORT_ROWS) if always else _worth(line, SHORT_ROWS, compact_every)
    if newest:
        return newest
    recent, after = len(line), 0
    recent_rows = max(RECENT_ROWS, sum(stretch.rows for stretch in line) // RECENT_PART)
    while recent and after + line[recent - 1].rows <= recent_rows:
        recent -= 1
        after += line[recent].rows
    return _worth(line[:recent], LONG_ROWS, LONG_PIECES)


def _worth(line: Sequence[Stretch], rows_max: int, pieces: int, *, growth: int = GROWTH) -> list[File]:
    """The files at the end of the line that are worth joining, if they are: `pieces` stretches, or as many as make a
    whole one; each not much longer than all after it.
    """
    taken: list[Stretch] = []
    rows, full = 0, False
    for stretch in reversed(line):
        full = rows + stretch.rows > rows_max
        if full or (taken and stretch.rows > growth * rows):
            break
        taken.append(stretch)
        rows += stretch.rows
    if len(taken) < pieces and not (full and len(taken) > 1 and 2 * rows >= rows_max):
        return []
    return [file for stretch in reversed(taken) for file in stretch.files]
