"""The log of record: the lake and the tail of it that the Book still has, in seq order, for rebuild and `verify`."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import polars as pl

from einklang.store.lake.rows import Row
from einklang.store.lake.shipper import ReaderLike
from einklang.store.lake.table import Lake

WINDOW_ROWS = 50_000


def read_log(reader: ReaderLike, lake: Lake, after: int = 0, *, window: int = WINDOW_ROWS) -> Iterator[list[Row]]:
    """All sequenced entries with seq > `after` that `reader` (a snapshot of the Book) knows, in seq order, in lists
    of at most `window` rows.

    A row is as in the Book's `entry`: position, seq, clock, at, received_at, format, origin, type, name, message_id,
    source, touchpoint, person, identifiers (JSON pairs), properties, context. Memory is bounded by the window. What
    is shipped while this runs changes nothing: the end is the last entry of the snapshot. Raises Unavailable.
    """
    ((_, newest),) = reader.read("entry_span")
    marks = reader.read("ship_mark", "events")
    end = max(newest or 0, marks[0][0] if marks else 0)
    # First how far the lake got, then its files: they may hold more than that, never less.
    reached = min(lake.reached("events"), end)
    files = lake.files("events")
    start = after
    while start < reached:
        rows = _from_lake(files, start, min(start + window, reached))
        if rows:
            yield rows
        start = min(start + window, reached)
    while rows := [_from_book(row) for row in reader.read("ship_events", start, window)]:
        yield rows
        start = rows[-1][1]


def _from_book(row: Row) -> Row:
    position, seq, clock, message_id, person, type_, name, at, received_at, source, touchpoint, identifiers = row[:12]
    properties, context, origin, format_ = row[12:]
    return (
        *(position, seq, clock, at, received_at, format_, origin, type_, name, message_id, source, touchpoint, person),
        *(identifiers, properties, context),
    )


def _from_lake(files: list[str], above: int, upto: int) -> list[Row]:
    """Entries with above < seq <= upto."""
    frame = (
        pl.scan_parquet(files, glob=False, hive_partitioning=False)
        .filter((pl.col("seq") > above) & (pl.col("seq") <= upto))
        .sort("seq")
        .with_columns(pl.col("clock", "at", "received_at").dt.epoch("us"))
        .collect()
    )
    identifiers = [
        everything if everything is not None else msgspec.json.encode(list(pairs.items())).decode()
        for pairs, everything in zip(frame["identifiers"].to_list(), frame["identifiers_all"].to_list(), strict=True)
    ]
    columns = [
        "position",
        "seq",
        "clock",
        "at",
        "received_at",
        "format",
        "origin",
        "type",
        "name",
        "message_id",
        "source",
    ]
    columns += ["touchpoint", "person_id"]
    return [
        (*head, pairs, *tail)
        for head, pairs, tail in zip(
            frame.select(columns).rows(), identifiers, frame.select("properties", "context").rows(), strict=True
        )
    ]
