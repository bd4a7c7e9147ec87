"""Members of a segment or list as rows of chosen columns, and as a file: CSV (RFC 4180, UTF-8) or Parquet.

Everybody who is left out is counted with the reason: who does not permit the purpose, and (for the purposes by consent)
who can be reached at no permitted address. Nothing leaves without an entry of the log that says so before: the entry is
durable, then the file gets its name. A file stays for `KEEP_US`, then it goes.
"""

from __future__ import annotations

import csv
import difflib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import file_digest
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from einklang.app import audits
from einklang.app.definitions import Definitions
from einklang.app.export_columns import PERSON, SINCE, Column, cell_of, check_role, columns_of
from einklang.app.ports import Book, Reader
from einklang.app.state import State
from einklang.app.view import address_of
from einklang.app.working import Live, from_json, person_from
from einklang.consent import PERSON as WHO
from einklang.consent import WITHDRAWN, address_key, split_key, status_of
from einklang.content.message import CHANNELS
from einklang.kernel import ids, time
from einklang.kernel.errors import InputError, NotFound, Unavailable

FORMATS = ("csv", "parquet")
FOLDER = "exports"
#: A file of an export is kept so long.
KEEP_US = 7 * time.DAY
NO_CONSENT, WITHDREW, SUPPRESSED, GONE = "no_consent", "withdrawn", "suppressed", "gone"
#: What a spreadsheet would run; a number with a sign, such as a phone number, is none.
_FORMULA = re.compile(r"[=+\-@\t\r\n]")
#: The same behind what ends a cell where semicolons stand between them, as in German (OWASP, CSV Injection).
_INNER = re.compile(r"([;\t\r\n][ \"]*)(?=[=+\-@])")
_NUMBER = re.compile(r"[+-]\d+(\.\d+)?")
_DRAFT = ".draft"
_REACHED = ("email", "phone")
#: Kinds of identifiers that are addresses -> the channels that reach them.
_REACH = {"email": ("email",), "phone": ("phone", "sms")}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be exported. channel: the purpose must be permitted on this one, "": on any. at: members of then, with
    what is known of them now; None: of now.
    """

    segment: str
    columns: tuple[str, ...]
    purpose: str
    channel: str = ""
    format: str = "csv"
    at: int | None = None


@dataclass(slots=True)
class Chosen:
    """Rows of members, in order of their ids; known once they have been read: who was left out, and why.

    left_out: reason -> persons.
    """

    columns: list[Column]
    persons: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def classes(self) -> dict[str, str]:
        """Column -> privacy class."""
        return {column.name: column.privacy for column in self.columns}


def rows(
    reader: Reader, state: State, people: Iterable[str], chosen: Chosen, asked: Wanted, now: int
) -> Iterator[list[Any]]:
    """A row for each of these people who permits the purpose, counted in `chosen`. state: for reading only."""
    state.read_from(reader)
    state.clock = now
    whole = any(column.whole for column in chosen.columns)
    for person in people:
        live = _load(reader, state, person, whole=whole)
        why = GONE if live is None else why_not(state, live, asked.purpose, asked.channel)
        if live is None or why:
            chosen.left_out[why] += 1
            continue
        chosen.persons += 1
        yield [_cell(state, live, column, asked) for column in chosen.columns]


def _load(reader: Reader, state: State, person: str, *, whole: bool) -> Live | None:
    if whole:
        live = state.working.get(person)
        state.working.trim()
        return live
    found = reader.read("person_get", ids.lane_of(person), person)
    return Live(person_from(found[0][0]), [], []) if found else None


def _cell(state: State, live: Live, column: Column, asked: Wanted) -> Any:
    if column.name == PERSON:
        return live.person.id
    if column.identifier:
        return identifiers_of(state, live, column.identifier, asked.purpose) or None
    if column.name == SINCE:
        known = live.person.memberships.get(asked.segment)
        return known.since if known is not None and known.member else None
    assert column.rule is not None, "every other column has a rule"
    return cell_of(column, column.rule.value(state.view(live)))


def identifiers_of(state: State, live: Live, kind: str, purpose: str) -> list[str]:
    """The identifiers of a kind, but for addresses that were withdrawn, or are suppressed, for this purpose.

    As at the door, a withdrawal of everything concerns only purposes by consent.
    """
    return [
        value
        for known, value, _ in live.person.identifiers
        if known == kind and not any(_refuses(state, live, where, value, purpose) for where in _REACH.get(kind, ()))
    ]


def _refuses(state: State, live: Live, channel: str, address: str, purpose: str) -> bool:
    by_consent = state.definitions.purposes[purpose].basis == "consent"
    word = status_of(live.person.permissions, channel, purpose, address, consent=by_consent)
    return (word is not None and word.status == WITHDRAWN) or state.suppressed(channel, address, purpose)


def why_not(state: State, live: Live, purpose: str, channel: str = "") -> str:
    """Why this person must be left out for a purpose, "" if not."""
    by_consent = state.definitions.purposes[purpose].basis == "consent"
    said = [
        (where, what, address, permission.status)
        for key, permission in live.person.permissions.items()
        for where, what, address, _ in (split_key(key),)
        if (what == purpose or (by_consent and not what)) and (not channel or where in (channel, ""))
    ]
    channels = {channel} if channel else {*_REACHED, *(where for where, *_ in said if where)}
    addresses = {(where, address) for where, what, address, _ in said if where and what and address}
    addresses |= {(where, own) for where in channels if (own := address_of(live, where))}
    withdrew = any(status == WITHDRAWN for *_, status in said)
    if not by_consent:  # whoever did not object, with or without an address, from any address that is known
        known = {(WHO, live.person.id), *addresses}
        known |= {(where, value) for kind, value, _ in live.person.identifiers for where in _REACH.get(kind, ())}
        return WITHDREW if withdrew or any(_withdrew(state, *one, purpose) for one in sorted(known)) else ""
    given = [one for one in addresses if state.permits(live, *one, purpose, "marketing")]
    if not given:
        return WITHDREW if withdrew else NO_CONSENT
    return "" if any(not state.suppressed(*one, purpose) for one in given) else SUPPRESSED


def _withdrew(state: State, channel: str, address: str, purpose: str) -> bool:
    """Whether a withdrawal of this address, or person, arrived and is not folded yet."""
    found = state.reader.read("suppressed", address_key(state.salt, channel, address), channel, purpose)
    return any(row[0] == WITHDRAWN for row in found)


# --- a file -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Exported:
    """An export: its file, how many persons it holds, who was left out and why, the class of each column."""

    segment: str
    purpose: str
    file: str
    format: str
    persons: int
    left_out: dict[str, int]
    columns: dict[str, str]
    hash: str
    path: str


def channels_of(definitions: Definitions) -> list[str]:
    """The channels that are built in, declared, or asked for the consent of an audience."""
    asked = {getattr(one.raw, "channel", "") for one in definitions.destinations.values()} - {""}
    return sorted({*CHANNELS, *(name for kind, name in definitions.docs if kind == "channel"), *asked})


def check_wanted(state: State, wanted: Wanted, role: str) -> list[Column]:
    """The columns of an export that this role may make. Raises InputError, Conflict."""
    if wanted.format not in FORMATS:
        mend = "use " + " or ".join(FORMATS)
        raise InputError("unknown_format", f"no format {wanted.format[:20]!r}", where="format", mend=mend)
    if wanted.purpose not in state.definitions.purposes:
        known = ", ".join(sorted(state.definitions.purposes))
        what = f"no purpose {wanted.purpose[:60]!r}"
        raise InputError("unknown_purpose", what, where="purpose", mend=f"use one of: {known}")
    channels = channels_of(state.definitions)
    if wanted.channel and wanted.channel not in channels:  # else nobody would have withdrawn there
        near = difflib.get_close_matches(wanted.channel, channels, 1)
        mend = f"did you mean {near[0]!r}?" if near else "use one of: " + ", ".join(channels)
        raise InputError("unknown_channel", f"no channel {wanted.channel[:60]!r}", where="channel", mend=mend)
    columns = columns_of(state.definitions, wanted.columns, "columns")
    check_role(((column.name, column.privacy) for column in columns), role)
    return columns


def export(
    book: Book, reader: Reader, state: State, people: Iterable[str], wanted: Wanted, folder: Path,
    *, actor: str, role: str, now: int,
) -> Exported:  # fmt: skip
    """Write the file, with rights for the owner of the home alone. people: the members, by `reader`, in order.

    actor: who asks, for the log. Raises InputError, Conflict `export_not_allowed`, Unavailable.
    """
    chosen = Chosen(check_wanted(state, wanted, role))
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        draft = folder / f"{wanted.segment}-{book.read('counter_value', 'position')[0][0]}-{now}{_DRAFT}"
        digest = write(draft, wanted.format, chosen, rows(reader, state, people, chosen, wanted, now))
        stamp = re.sub(r"[^0-9TZ]", "", time.format_moment(now)[:19])
        name = f"{wanted.segment}-{stamp}-{digest[:12]}.{wanted.format}"
        left_out = dict(sorted(chosen.left_out.items()))
        said = {
            "segment": wanted.segment, "actor": actor, "purpose": wanted.purpose, "channel": wanted.channel,
            "format": wanted.format, "columns": chosen.classes(), "persons": chosen.persons, "left_out": left_out,
            "hash": digest, "file": name,
        }  # fmt: skip
        audits.record(book, audits.EXPORTED, {key: value for key, value in said.items() if value != ""}, now)
        draft.rename(folder / name)
    except OSError as error:
        what = error.strerror or "cannot be written"
        raise Unavailable("export_failed", what, where=str(folder), mend="check rights and space") from error
    return Exported(
        wanted.segment, wanted.purpose, name, wanted.format, chosen.persons, left_out, chosen.classes(), digest,
        str(folder / name),
    )  # fmt: skip


def write(path: Path, form: str, chosen: Chosen, found: Iterator[list[Any]]) -> str:
    """Write rows as a file of this form, with rights for its owner alone; the SHA-256 of its bytes. Raises OSError."""
    if form == "parquet":
        return write_frame(path, frame_of(chosen.columns, found))
    with _opened(path) as file:
        for line in csv_lines(chosen.columns, found):
            file.write(line)
        _settle(file)
    return _hash(path)


def write_frame(path: Path, frame: pl.DataFrame) -> str:
    """The same of a frame, as Parquet."""
    with _opened(path) as file:
        frame.write_parquet(file)
        _settle(file)
    return _hash(path)


def _opened(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _settle(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def frame_of(columns: Sequence[Column], found: Iterable[list[Any]]) -> pl.DataFrame:
    """Rows as a frame; each column has its type whatever it holds."""
    schema = {column.name: column.dtype() for column in columns}
    return pl.DataFrame(list(found), schema=schema, orient="row")


class _Line:
    """What the csv writer writes to: one line of bytes at a time."""

    text = ""

    def write(self, text: str) -> int:
        """Keep the line."""
        self.text = text
        return len(text)


def csv_lines(columns: Sequence[Column], found: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """Rows as CSV: a header, commas, CRLF, UTF-8. What a spreadsheet would run gets an apostrophe before it."""
    line = _Line()
    writer = csv.writer(line, lineterminator="\r\n")
    writer.writerow([column.name for column in columns])
    yield line.text.encode()
    for row in found:
        writer.writerow([csv_text(column, cell) for column, cell in zip(columns, row, strict=True)])
        yield line.text.encode()


def csv_text(column: Column, cell: Any) -> str:
    """A cell as text."""
    if cell is None:
        return ""
    if column.kind == "bool":
        return "true" if cell else "false"
    if column.kind == "number":
        text = format(cell, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if column.kind == "moment":
        return time.format_moment(cell)
    if column.kind == "day":
        return str(cell.isoformat())
    text = " ".join(cell) if column.kind == "list" else str(cell)
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        text = f"'{text}"
    return _INNER.sub(r"\1'", text)


# --- the list of exports ----------------------------------------------------------------------------------------------


def tidy(reader: Reader, folder: Path, now: int, *, drafts: bool = False) -> list[str]:
    """Remove the files whose time is over; their names. drafts: also what an export that was killed left."""
    gone = [row[_FILE] for row in reader.read("all_export") if row[_FILE] and row[_CLOCK] <= now - KEEP_US]
    removed = []
    for name in gone:
        if (folder / name).is_file():
            (folder / name).unlink()
            removed.append(name)
    for path in sorted(folder.glob(f"*{_DRAFT}")) if drafts else ():
        path.unlink()
        removed.append(path.name)
    return removed


_CLOCK, _DESTINATION, _FIELDS, _FILE = 1, 3, 7, 11


def fetch(book: Book, folder: Path, name: str, *, actor: str, role: str, now: int) -> Path:
    """The file of an export that the log knows, for a role that may export it; that it is fetched is recorded first.
    Raises NotFound, Conflict.
    """
    known = book.read("export_get", name)
    if not known or known[0][_DESTINATION]:
        raise NotFound("unknown_export", f"no export {name[:80]!r}", mend="see the list of exports")
    check_role(((column, privacy) for column, privacy in from_json(known[0][_FIELDS]).items()), role)
    path = folder / name
    if not path.is_file():
        days = KEEP_US // time.DAY
        raise NotFound("export_gone", f"its file was removed after {days} days", mend="export it again")
    audits.record(book, audits.FETCHED, {"file": name, "actor": actor}, now)
    return path
