"""Questions about exports: the list of them, and how an upload or an export came out, as the API answers."""

from __future__ import annotations

from pathlib import Path

import msgspec

from einklang.app.answers import Page
from einklang.app.exports import KEEP_US, Exported
from einklang.app.lists import Listed
from einklang.app.ports import Reader, Row
from einklang.app.queries import limit_of
from einklang.app.working import from_json
from einklang.kernel import time
from einklang.kernel.errors import InputError

_EVER = 2**62


class RefusedRow(msgspec.Struct):
    """A row of an upload that was not taken, and the mend."""

    row: int
    code: str
    message: str
    mend: str


class ListedAnswer(msgspec.Struct):
    """What an upload or a freeze came to. new: the list is a new one; refused: the first of the rows not taken."""

    segment: str
    new: bool
    rows: int
    listed: int
    unlisted: int
    created: int
    rejected: int
    reasons: dict[str, int]
    refused: list[RefusedRow]


class ExportedAnswer(msgspec.Struct):
    """An export: its file, how many persons it holds, who was left out and why, the privacy class of each column.

    left_out: no_consent, withdrawn, suppressed -> persons. until: the file stays till then.
    """

    segment: str
    purpose: str
    file: str
    format: str
    persons: int
    left_out: dict[str, int]
    columns: dict[str, str]
    hash: str
    until: str


class ExportShown(msgspec.Struct):
    """An export, or a batch of a destination, as the log tells it. there: whether its file can be fetched."""

    seq: int
    at: str
    segment: str
    destination: str
    actor: str
    purpose: str
    format: str
    columns: dict[str, str]
    persons: int
    left_out: dict[str, int]
    hash: str
    file: str
    there: bool


def listed(done: Listed, refused: list[RefusedRow]) -> ListedAnswer:
    """The answer to an upload."""
    return ListedAnswer(
        done.segment,
        done.new,
        done.rows,
        done.listed,
        done.unlisted,
        done.created,
        done.rejected,
        done.reasons,
        refused,
    )


def exported(done: Exported, now: int) -> ExportedAnswer:
    """The answer to an export."""
    return ExportedAnswer(
        done.segment, done.purpose, done.file, done.format, done.persons, done.left_out, done.columns, done.hash,
        time.format_moment(now + KEEP_US),
    )  # fmt: skip


def exports(reader: Reader, folder: Path, cursor: str, limit: int) -> Page[ExportShown]:
    """What was exported, the newest first. Raises InputError `bad_cursor`."""
    limit_of(limit)
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InputError("bad_cursor", f"not a cursor: {cursor[:40]!r}", where="cursor", mend="use `next` of the page")
    rows = reader.read("exports_before", int(cursor) if cursor else _EVER, limit + 1)
    return Page([shown(row, folder) for row in rows[:limit]], str(rows[limit - 1][0]) if len(rows) > limit else None)


def shown(row: Row, folder: Path) -> ExportShown:
    """A row of the table, as it is told. folder: where files of exports lie."""
    seq, clock, segment, destination, actor, purpose, form, fields, persons, left_out, digest, file = row
    return ExportShown(
        seq, time.format_moment(clock), segment, destination, actor, purpose, form, from_json(fields), persons,
        from_json(left_out), digest, file, not destination and (folder / file).is_file(),
    )  # fmt: skip
