"""`kind: destination`: where the members of a segment go and are kept up to date, as written; and how far each was
served.

Every type has the fields of `Common`; `destination_kinds` knows the types. What is served is no part of the state that
follows from the log: a rebuild serves nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from einklang.app.ports import Book, Reader, Tx
from einklang.fact.strict import convert
from einklang.kernel import time
from einklang.kernel.errors import InputError

#: A batch stays in its folder so long; then it must have been fetched.
KEEP_US = 30 * time.DAY
#: Nothing is served more often.
EVERY_MIN_US = time.MINUTE
#: After a fault a destination is tried again after so long, whatever becomes of the others.
BACKOFF_US = (time.MINUTE, 5 * time.MINUTE, 30 * time.MINUTE, 2 * time.HOUR)


class Common(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What every destination says. purpose: those who do not permit it are left out."""

    kind: str
    id: str
    type: str
    segment: str | list[str]
    purpose: str
    state: Literal["live", "paused"] = "live"
    title: str | dict[str, str] | None = None
    note: str | None = None


class RawSync(Common, kw_only=True):
    """A file or a table with the members. mode: all of them each time, or who came, changed and went since the last.

    every: so often at most. columns: what is told of each.
    """

    type: Literal["file", "table"]
    columns: list[str] = []
    mode: Literal["full", "incremental"] = "full"
    format: Literal["csv", "parquet"] = "csv"
    every: str = "1h"


@dataclass(frozen=True, slots=True)
class Destination:
    """A destination in force. every_us: 0, at once. raw: as written, with what its type alone says."""

    id: str
    type: str
    segments: tuple[str, ...]
    purpose: str
    columns: tuple[str, ...]
    every_us: int
    live: bool
    raw: Common


def made(raw: Common, where: str, *, columns: list[str], every: str | None) -> Destination:
    """The destination of what is written. every: None, at once. Raises InputError."""
    segments = (raw.segment,) if isinstance(raw.segment, str) else tuple(raw.segment)
    if not segments or len(set(segments)) < len(segments):
        raise InputError("bad_segments", "no segment, or one twice", where=f"{where}.segment", mend="name each once")
    every_us = 0
    if every is not None:
        try:
            every_us = time.parse_duration(every).exact()
        except InputError as error:
            raise InputError(error.code, error.what, where=f"{where}.every", mend=error.mend) from error
        if every_us < EVERY_MIN_US:
            raise InputError("bad_duration", f"{every} is too often", where=f"{where}.every", mend="write 1m or more")
    return Destination(
        raw.id, raw.type, segments, raw.purpose, tuple(dict.fromkeys(columns)), every_us, raw.state == "live", raw
    )


def parse_sync(doc: dict[str, Any], where: str) -> Destination:
    """A destination of the types `file` and `table`. Raises InputError."""
    raw = convert(doc, RawSync, where)
    if not isinstance(raw.segment, str):
        raise InputError("bad_segments", "it takes one segment", where=f"{where}.segment", mend="name one segment")
    return made(raw, where, columns=["person_id", *raw.columns], every=raw.every)


# --- how far each was served ------------------------------------------------------------------------------------------


class Stand(msgspec.Struct, array_like=True):
    """How far a destination was served: a row of `destination`.

    version: of its definition; cursor: seq of the log; notes: JSON of its type, without personal data; error: of the
    last try, "" if it went well; again_at: not tried before or, without a fault, when staff asked for it; held: "" or
    why staff or the other side stopped it, since when.
    """

    id: str
    version: int = 0
    cursor: int = 0
    notes: str = "{}"
    done_at: int = 0
    tried_at: int = 0
    again_at: int = 0
    attempts: int = 0
    error: str = ""
    sent: int = 0
    held: str = ""
    since: int = 0


def stand_of(reader: Reader, name: str) -> Stand:
    """How far a destination was served; of one that never was, its beginning."""
    rows = reader.read("destination_get", name)
    return Stand(*rows[0]) if rows else Stand(name)


def stands(reader: Reader) -> dict[str, Stand]:
    """How far all were served, those that were tried at all."""
    return {row[0]: Stand(*row) for row in reader.read("destinations")}


def asked_since(stand: Stand, began: int) -> int:
    """`again_at` of one that was just served: 0, or when staff asked for it after that had begun."""
    return stand.again_at if not stand.error and stand.again_at > began else 0


def put_stand(tx: Tx, stand: Stand) -> None:
    """Note it, within a transaction."""
    tx.write("destination_put", [msgspec.structs.astuple(stand)])


def failed(book: Book, name: str, error: str, now: int) -> None:
    """Note a try that failed: this destination is tried again later, whatever becomes of the others."""

    def work(tx: Tx) -> None:
        stand = stand_of(tx, name)
        pause = BACKOFF_US[min(stand.attempts, len(BACKOFF_US) - 1)]
        attempts = stand.attempts + 1
        put_stand(
            tx,
            msgspec.structs.replace(stand, attempts=attempts, error=error[:300], tried_at=now, again_at=now + pause),
        )

    book.transact(work)
