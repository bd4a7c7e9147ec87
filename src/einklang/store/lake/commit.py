"""Commits that the Delta writer does not offer: some files of a table take the place of others.

A joining (no row changes) and a removal of rows by their class. Neither may name rows by a predicate, since that
stands in the Delta log. A commit is one JSON file that must not exist before: whoever comes second sees that another
one was faster and looks again. All that it names is on the disk before it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from einklang.store.lake import durable

_LOG = "_delta_log"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Written:
    """A data file that was written: name below the folder of the table, bytes, moment (ms, of the file system),
    statistics.
    """

    name: str
    size: int
    at_ms: int
    stats: dict[str, Any]


def statistics(data: pa.Table, names: Sequence[str]) -> dict[str, Any]:
    """Rows, and minimum, maximum and nulls of the columns `names` alone, as Delta writes them."""
    low: dict[str, Any] = {}
    high: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    for name in names:
        column = data.column(name)
        nulls[name] = column.null_count
        if nulls[name] < len(column):
            timed = pa.types.is_timestamp(column.type)
            ends = pc.min_max(column.cast(pa.int64()) if timed else column).as_py()
            low[name], high[name] = (_moment(ends[end]) if timed else ends[end] for end in ("min", "max"))
    return {"numRecords": data.num_rows, "minValues": low, "maxValues": high, "nullCount": nulls}


def _moment(us: int) -> str:
    return (_EPOCH + timedelta(microseconds=us)).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def replace_files(
    folder: Path,
    version: int,
    gone: Sequence[tuple[str, int]],
    new: Sequence[Written],
    *,
    operation: str,
    changes_rows: bool,
    transaction: tuple[str, int] | None = None,
) -> bool:
    """Commit `version`: the files `gone` (name, bytes) leave, `new` ones, which are synced already, come. Returns
    False, and does nothing, if that version exists.

    transaction: an application and its number, committed with it.
    """
    at_ms = max([file.at_ms for file in new] or [_now_ms(folder)])
    actions: list[dict[str, Any]] = [
        {"commitInfo": {"timestamp": at_ms, "operation": operation, "operationParameters": {}}},
        *(
            {"remove": {"path": name, "deletionTimestamp": at_ms, "dataChange": changes_rows, "size": size}}
            for name, size in gone
        ),
        *(
            {
                "add": {
                    "path": file.name,
                    "partitionValues": {},
                    "size": file.size,
                    "modificationTime": file.at_ms,
                    "dataChange": changes_rows,
                    "stats": msgspec.json.encode(file.stats).decode(),
                }
            }
            for file in new
        ),
    ]
    if transaction is not None:
        actions.append({"txn": {"appId": transaction[0], "version": transaction[1], "lastUpdated": at_ms}})
    text = b"\n".join(msgspec.json.encode(action) for action in actions) + b"\n"
    target = folder / _LOG / f"{version:020}.json"
    draft = folder / _LOG / f".{version:020}.{os.getpid()}.draft"
    draft.write_bytes(text)
    durable.sync(draft)
    try:
        os.link(draft, target)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    durable.sync(target)
    durable.sync(folder / _LOG)
    return True


def _now_ms(folder: Path) -> int:
    """The moment by the file system, which knows it: this room has no clock."""
    mark = folder / _LOG / ".moment"
    mark.write_bytes(b"")
    at_ms = mark.stat().st_mtime_ns // 1_000_000
    mark.unlink()
    return at_ms
