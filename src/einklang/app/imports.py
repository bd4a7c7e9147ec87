"""`import`: files -> log. Rows are judged one by one; a refused row goes to a file beside with its reason.

Safe to repeat: each row gets a message id from its content and its n-th occurrence in the file, so that the same
file again is dropped as duplicates, whatever was imported in between. CSV (UTF-8), Parquet and JSON Lines. A file that
cannot be read as a whole is refused before its first row is taken.
"""

from __future__ import annotations

import csv
import difflib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import polars as pl

from einklang.app.apply import Body
from einklang.app.collect import purposes_of, suppressions, withdrawals
from einklang.app.import_cells import declared
from einklang.app.import_rows import READERS, Row, RowRefused
from einklang.app.ports import Book
from einklang.consent import declare
from einklang.event import WITHDRAWALS, EngineCall, Event, Withdrawal, body_of, canonical_name, expand
from einklang.event.wire import encode_canonical
from einklang.kernel import ids
from einklang.kernel.errors import InputError
from einklang.kernel.limits import EVENT_BYTES_MAX

KINDS = ("events", "people", "products", "consents")
CHUNK = 2_000
#: No cell is longer; a longer row is refused anyway.
_CELL_CHARS_MAX = 64 * 1024 * 1024
_JSON = (".jsonl", ".ndjson", ".json")
_DECODER = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


@dataclass(slots=True)
class Imported:
    """What an import came to; `rejections`: the file beside, None if every row was taken. hints: what may be a slip."""

    rows: int = 0
    accepted: int = 0
    rejected: int = 0
    rejections: str | None = None
    reasons: dict[str, int] = field(default_factory=dict)
    hints: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Table:
    """A file of rows: its columns (None: each row has its own), (line or row number, row), whether cells are text."""

    columns: list[str] | None
    rows: Iterator[tuple[int, Row]]
    text: bool


def _first_not_utf8(path: Path) -> int:
    """The first line that is not UTF-8."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1


def _header(path: Path) -> list[str]:
    """The columns of a CSV file that is one from its first byte to its last. Raises InputError."""
    csv.field_size_limit(_CELL_CHARS_MAX)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, None)
            for _ in reader:
                pass
    except UnicodeDecodeError as error:
        raise InputError(
            "bad_encoding", "not UTF-8", where=f"{path.name}:{_first_not_utf8(path)}", mend="save the file as UTF-8"
        ) from error
    except csv.Error as error:
        raise InputError(
            "bad_csv",
            str(error),
            where=f"{path.name}:{reader.line_num}",
            mend="quote cells that hold commas, quotes or line ends",
        ) from error
    if not header:
        raise InputError("empty_file", "the file is empty", where=path.name, mend="write a header line and rows")
    check_header(header, f"{path.name}:1")
    return header


def check_header(header: list[str], where: str) -> None:
    """Raises InputError for columns that cannot be told apart."""
    if len(header) == 1 and any(sign in header[0] for sign in ";\t|"):
        raise InputError(
            "wrong_delimiter",
            "one column with ; or tab in its name",
            where=where,
            mend="separate the columns by commas",
        )
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise InputError(
            "repeated_column",
            f"the column {twice[:40]!r} stands twice",
            where=where,
            mend="give each column its own name",
        )
    if "" in header:
        raise InputError("bad_csv", "a column without name", where=where, mend="name each column")


def _csv_rows(path: Path, header: list[str]) -> Iterator[tuple[int, Row]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        next(reader)
        number = reader.line_num + 1
        for cells in reader:
            if len(cells) == len(header):
                yield number, {name: cell for name, cell in zip(header, cells, strict=True) if cell != ""}
            elif cells:
                yield number, {"": f"{len(cells)} cells instead of {len(header)}", "cells": cells}
            number = reader.line_num + 1


def _json_rows(path: Path) -> Iterator[tuple[int, Row]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            text = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
            if not text:
                continue
            try:
                row = _DECODER.decode(text)
            except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                yield number, {"": f"not a JSON object: {error}", "line": text.decode("utf-8", "replace")}
                continue
            yield number, row | {"": "a field without name"} if "" in row else row


def _parquet(path: Path) -> Table:
    try:
        frame = pl.scan_parquet(path, glob=False)
        columns = frame.collect_schema().names()
        total = int(frame.select(pl.len()).collect().item()) if columns else 0
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _not_parquet(path, error) from error
    return Table(columns, _parquet_rows(path, frame, total), text=False)


def _not_parquet(path: Path, error: Exception) -> InputError:
    what = (str(error).splitlines() or ["not a Parquet file"])[0]
    return InputError("bad_parquet", what, where=path.name, mend="check that it is a Parquet file")


def _parquet_rows(path: Path, frame: pl.LazyFrame, total: int) -> Iterator[tuple[int, Row]]:
    try:
        for start in range(0, total, 50_000):
            for offset, row in enumerate(frame.slice(start, 50_000).collect().iter_rows(named=True)):
                yield start + offset + 1, {key: found for key, value in row.items() if (found := _plain(value)) != ""}
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _not_parquet(path, error) from error


def _plain(value: Any) -> Any:
    """A value of Parquet as JSON has it: no NaN, times as text (UTC where they have no zone), bytes as UTF-8."""
    if isinstance(value, float):
        return Decimal(repr(value)) if value == value and abs(value) != float("inf") else None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if hasattr(value, "isoformat"):
        text = value.isoformat()
        return text + "Z" if "T" in text and getattr(value, "tzinfo", None) is None else text
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value if value is None or isinstance(value, str | int | Decimal) else str(value)


def table_of(path: Path) -> Table:
    """The rows of a file by its ending. Raises InputError."""
    if path.is_dir():
        raise InputError("is_a_folder", "a folder, not a file", where=str(path), mend="name the files one by one")
    if not path.is_file():
        raise InputError("no_such_file", "no such file", where=str(path), mend="check the path")
    suffix = path.suffix.lower()
    if suffix == ".csv":
        header = _header(path)
        return Table(header, _csv_rows(path, header), text=True)
    if suffix in _JSON:
        with path.open("rb") as file:
            if file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
                raise InputError(
                    "not_json_lines", "one JSON array", where=f"{path.name}:1", mend="write one object a line"
                )
        return Table(None, _json_rows(path), text=False)
    if suffix == ".parquet":
        return _parquet(path)
    if suffix == ".xlsx":
        raise InputError("not_supported_yet", "XLSX is not supported yet", where=path.name, mend="save it as CSV")
    raise InputError(
        "unknown_format", f"unknown ending {suffix[:20]!r}", where=path.name, mend="use .csv, .parquet or .jsonl"
    )


def mapped(table: Table, mapping: dict[str, str], name: str) -> Table:
    """The table with fields named by a map: field -> column; other columns keep their names. Raises InputError."""
    for wanted, column in mapping.items():
        if table.columns is not None and column not in table.columns:
            near = difflib.get_close_matches(column, table.columns, 1)
            mend = f"did you mean {near[0]!r}?" if near else "columns are " + ", ".join(table.columns[:20])
            what = f"the map takes {wanted[:40]!r} from the column {column[:40]!r}, which is not there"
            raise InputError("unknown_column", what, where=name, mend=mend)
    used = set(mapping.values())

    def renamed() -> Iterator[tuple[int, Row]]:
        for number, row in table.rows:
            rest = {key: value for key, value in row.items() if key not in used and key not in mapping}
            yield number, {**rest, **{wanted: row[column] for wanted, column in mapping.items() if column in row}}

    return Table(table.columns, renamed(), table.text)


class Beside:
    """The file of refused rows, written as they come; none if there are none."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(path.name + ".rejected.jsonl")
        self.file: BinaryIO | None = None

    def add(self, number: int, refused: RowRefused, row: Row) -> None:
        """One refused row: its number, code, message, mend, and itself."""
        if self.file is None:
            self.file = self.path.open("wb")
        data = {name: value for name, value in row.items() if name}
        found = {"row": number, "code": refused.code, "message": refused.message, "mend": refused.mend, "data": data}
        self.file.write(msgspec.json.encode(found, enc_hook=str) + b"\n")

    def close(self, *, ended: bool) -> str | None:
        """The path of the file; that of an earlier import is removed if nothing was refused this time."""
        if self.file is not None:
            self.file.close()
            return str(self.path)
        if ended:
            self.path.unlink(missing_ok=True)
        return None


def import_file(
    book: Book,
    kind: str,
    path: Path,
    *,
    now: int,
    mapping: dict[str, str] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Imported:
    """Append a file to the log. now: microseconds, time of receipt. Raises InputError for a file that is none."""
    try:
        table = table_of(path)
        if kind == "events" and mapping is None and path.suffix.lower() not in _JSON:
            raise InputError(
                "no_map", "CSV and Parquet events need a map", where=path.name, mend="give --map FILE: {event: column}"
            )
        if mapping:
            table = mapped(table, mapping, path.name)
        return _take(book, kind, path, table, now=now, progress=progress)
    except OSError as error:
        what = error.strerror or "cannot be read or written"
        raise InputError(
            "unreadable", what, where=str(error.filename or path), mend="check rights and space"
        ) from error


def _take(
    book: Book, kind: str, path: Path, table: Table, *, now: int, progress: Callable[[int], None] | None
) -> Imported:
    result, counts, beside, ended = Imported(), dict[bytes, int](), Beside(path), False
    calls: list[EngineCall] = []
    known, reader, doubts = declared(book), READERS[kind], Counter[str]()
    purposes = purposes_of(book)
    try:
        for number, row in table.rows:
            result.rows += 1
            try:
                call, digest = _call(reader(_named(row), known, table.text))
            except RowRefused as refused:
                result.rejected += 1
                result.reasons[refused.code] = result.reasons.get(refused.code, 0) + 1
                beside.add(number, refused, row)
                continue
            call.nth = counts[digest] = counts.get(digest, 0) + 1
            calls.append(call)
            result.accepted += 1
            if _speaks_of_consent(call) and call.properties and call.properties.get("purpose", "") not in purposes:
                doubts[str(call.properties.get("purpose"))] += 1
            if len(calls) >= CHUNK:
                _append(book, calls, now)
                calls = []
                if progress is not None:
                    progress(result.rows)
        if calls:
            _append(book, calls, now)
        if result.rows == 0:
            raise InputError("empty_file", "the file holds no rows", where=path.name, mend="check the file")
        result.hints = [_doubt(name, count, purposes) for name, count in sorted(doubts.items())]
        ended = True
    finally:
        result.rejections = beside.close(ended=ended)
    return result


def _named(row: Row) -> Row:
    if "" in row:
        raise RowRefused("bad_row", str(row[""]))
    return row


def _call(call: EngineCall) -> tuple[EngineCall, bytes]:
    """The call and the hash of its content, whatever the order of its columns. Raises RowRefused."""
    body = encode_canonical(call)
    if len(body) > EVENT_BYTES_MAX:
        raise RowRefused("too_large", f"{len(body)} bytes; an event has at most {EVENT_BYTES_MAX}")
    return call, ids.content_hash(body)


def _append(book: Book, calls: list[EngineCall], now: int) -> None:
    book.append([Body(len(calls), now, "import", "import", body_of(calls), _withdrawn(book, calls, now))])


def _speaks_of_consent(call: EngineCall) -> bool:
    return call.event is not None and call.event.startswith("Consent ")


def _withdrawn(book: Book, calls: list[EngineCall], now: int) -> tuple[tuple[Any, ...], ...]:
    """The suppressions that put withdrawals of a file in force with its rows, whatever is worked off first."""
    said = [call for call in calls if call.type == "track" and canonical_name(call.event or "") in WITHDRAWALS]
    if not said:
        return ()
    events = expand("import", body_of(said), first_position=0, received_at=now, source="import")
    judged = [_judged(event) for event in events]
    salt = bytes.fromhex(book.read("meta_value", "salt")[0][0])
    return suppressions(book, withdrawals(book, events, judged, salt), salt)


def _judged(event: Event) -> Withdrawal:
    word = declare(event)
    assert word is not None, "a withdrawal declares one"
    return Withdrawal(word.channel, word.address or None, word.purpose, event.identifiers, word.at)


def _doubt(purpose: str, rows: int, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(purpose, known, 1)
    mend = f"did you mean {near[0]!r}?" if near else f"declare it: {{kind: purpose, id: {purpose[:60]}}}"
    return f"{rows} rows speak of the purpose {purpose[:60]!r}, which nobody declared; {mend}"
