"""`import`: files -> log. Rows are judged one by one; a refused row goes to a file beside with its reason.

Safe to repeat: each row gets a message id from its content and its n-th occurrence in the file, so that the same
file again is dropped as duplicates, whatever was imported in between. CSV (UTF-8), Parquet and JSON Lines.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from einklang.app.apply import Body
from einklang.app.import_rows import READERS, Row, RowRefused
from einklang.app.ports import Book
from einklang.event import EngineCall, body_of
from einklang.kernel import ids
from einklang.kernel.errors import InputError
from einklang.kernel.limits import EVENT_BYTES_MAX

KINDS = ("events", "people", "products", "consents")
CHUNK = 2_000
_DECODER = msgspec.json.Decoder(dict, float_hook=Decimal)


@dataclass(slots=True)
class Imported:
    """What an import came to; `rejections`: the file beside, None if every row was taken."""

    rows: int = 0
    accepted: int = 0
    rejected: int = 0
    rejections: str | None = None
    reasons: dict[str, int] = field(default_factory=dict)


def _csv_rows(path: Path) -> Iterator[tuple[int, Row]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, None)
            if not header:
                raise InputError(
                    "empty_file", "the file is empty", where=path.name, mend="write a header line and rows"
                )
            if len(header) == 1 and any(sign in header[0] for sign in ";\t|"):
                raise InputError(
                    "wrong_delimiter",
                    "one column with ; or tab in its name",
                    where=f"{path.name}:1",
                    mend="separate the columns by commas",
                )
            if len(set(header)) < len(header):
                raise InputError(
                    "repeated_column",
                    "a column name stands twice",
                    where=f"{path.name}:1",
                    mend="give each column its own name",
                )
            for number, cells in enumerate(reader, 2):
                if len(cells) == len(header):
                    yield number, {name: cell for name, cell in zip(header, cells, strict=True) if cell != ""}
                elif cells:
                    yield number, {"": f"{len(cells)} cells instead of {len(header)}"}
    except UnicodeDecodeError as error:
        raise InputError(
            "bad_encoding", f"not UTF-8 (byte {error.start} of a block)", where=path.name, mend="save the file as UTF-8"
        ) from error
    except csv.Error as error:
        raise InputError(
            "bad_csv", str(error), where=path.name, mend="quote cells that hold commas, quotes or line ends"
        ) from error


def _json_rows(path: Path) -> Iterator[tuple[int, Row]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            text = line.strip()
            if not text:
                continue
            try:
                yield number, _DECODER.decode(text)
            except (msgspec.MsgspecError, ValueError) as error:
                yield number, {"": f"not a JSON object: {error}"}


def _parquet_rows(path: Path) -> Iterator[tuple[int, Row]]:
    try:
        frame = pl.scan_parquet(path, glob=False)
        width = frame.collect_schema().len()
        total = int(frame.select(pl.len()).collect().item())
        assert width > 0
        for start in range(0, total, 50_000):
            for offset, row in enumerate(frame.slice(start, 50_000).collect().iter_rows(named=True)):
                yield start + offset + 1, {key: _plain(value) for key, value in row.items() if value is not None}
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(
            "bad_parquet", str(error).splitlines()[0], where=path.name, mend="check that it is a Parquet file"
        ) from error


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return Decimal(repr(value)) if value == value and abs(value) != float("inf") else None
    if hasattr(value, "isoformat"):
        text = value.isoformat()
        return text + "Z" if "T" in text and getattr(value, "tzinfo", None) is None else text
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, dict) else value


def rows_of(path: Path) -> Iterator[tuple[int, Row]]:
    """(line or row number, row) of a file by its ending. Raises InputError."""
    if not path.is_file():
        raise InputError("no_such_file", "no such file", where=str(path), mend="check the path")
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return _csv_rows(path)
    if suffix in (".jsonl", ".ndjson", ".json"):
        return _json_rows(path)
    if suffix == ".parquet":
        return _parquet_rows(path)
    raise InputError(
        "unknown_format", f"unknown ending {suffix!r}", where=path.name, mend="use .csv, .parquet or .jsonl"
    )


def _mapped(rows: Iterable[tuple[int, Row]], mapping: dict[str, str]) -> Iterator[tuple[int, Row]]:
    """Rows with their columns renamed: mapping gives the name of a field -> column of the file."""
    taken = {column: name for name, column in mapping.items()}
    for number, row in rows:
        yield number, {taken.get(key, key): value for key, value in row.items()}


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
    result, counts = Imported(), dict[bytes, int]()
    beside = path.with_name(path.name + ".rejected.jsonl")
    rejected: list[dict[str, Any]] = []
    calls: list[EngineCall] = []
    reader = READERS[kind]
    rows = rows_of(path)
    if kind == "events" and path.suffix.lower() not in (".jsonl", ".ndjson", ".json") and mapping is None:
        raise InputError(
            "no_map",
            "CSV and Parquet events need a map",
            where=path.name,
            mend="give --map FILE that names the columns",
        )
    for number, row in _mapped(rows, mapping) if mapping else rows:
        result.rows += 1
        try:
            if "" in row:
                raise RowRefused("bad_row", str(row[""]))
            call = reader(row)
            body = msgspec.json.encode(call)
            if len(body) > EVENT_BYTES_MAX:
                raise RowRefused("too_large", f"{len(body)} bytes; an event has at most {EVENT_BYTES_MAX}")
        except RowRefused as refused:
            result.rejected += 1
            result.reasons[refused.code] = result.reasons.get(refused.code, 0) + 1
            rejected.append(
                {"row": number, "code": refused.code, "message": refused.message, "mend": refused.mend, "data": row}
            )
            continue
        digest = ids.content_hash(body)
        call.nth = counts[digest] = counts.get(digest, 0) + 1
        calls.append(call)
        result.accepted += 1
        if len(calls) >= CHUNK:
            _append(book, calls, now)
            calls = []
            if progress is not None:
                progress(result.rows)
    if calls:
        _append(book, calls, now)
    if result.rows == 0:
        raise InputError("empty_file", "the file holds no rows", where=path.name, mend="check the file")
    if rejected:
        beside.write_bytes(b"".join(msgspec.json.encode(row, enc_hook=str) + b"\n" for row in rejected))
        result.rejections = str(beside)
    elif beside.exists():
        beside.unlink()
    return result


def _append(book: Book, calls: list[EngineCall], now: int) -> None:
    book.append([Body(len(calls), now, "import", "import", body_of(calls))])
