"""The log of record: the lake and the tail of it that the Book still has, in seq order, for rebuild and `verify`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import polars as pl

from einklang.fact import columns
from einklang.store.lake.rows import Row
from einklang.store.lake.shipper import ReaderLike
from einklang.store.lake.table import Lake

WINDOW_ROWS = 10_000
#: Entries that are read from the lake at once: its files are sorted by person, so each pass looks at whole files.
PASS_ROWS = 200_000
#: Origin of entries that a rebuild makes anew.
DERIVED = 2
_LAKE_NAME = {"person": "person_id"}
#: What a row of the log holds: all columns of the Book's `entry`, in its order.
LOG_COLUMNS = tuple(column.name for column in columns.BOOK["entry"])


def read_log(
    reader: ReaderLike,
    lake: Lake,
    after: int = 0,
    *,
    names: Sequence[str] = LOG_COLUMNS,
    derived: bool = True,
    window: int = WINDOW_ROWS,
) -> Iterator[list[Row]]:
    """The log in seq order: all sequenced entries with seq > `after` that `reader` (a snapshot of the Book) knows.

    Yields lists of at most `window` rows, which bounds the memory. A row has the columns `names` of the Book's
    `entry` as the Book would give them (moments in µs, `identifiers` JSON pairs). derived=False leaves out entries
    of origin 2. What is shipped while this runs changes nothing: the end is the last entry of the snapshot. Raises
    Unavailable.
    """
    ((_, newest),) = reader.read("entry_span")
    marks = reader.read("ship_mark", "events")
    end = max(newest or 0, marks[0][0] if marks else 0)
    # First how far the lake got, then its files: they may hold more than that, never less.
    reached = min(lake.reached("events"), end)
    version = lake.version("events")
    start = after
    while start < reached:
        upto = min(start + max(window, PASS_ROWS), reached)
        yield from _from_lake(lake, version, start, upto, names, derived, window)
        start = upto
    places, origin = [LOG_COLUMNS.index(name) for name in names], LOG_COLUMNS.index("origin")
    while page := reader.read("log_page", start, window):
        rows = [tuple([row[place] for place in places]) for row in page if derived or row[origin] != DERIVED]
        if rows:
            yield rows
        start = page[-1][1]


def _from_lake(
    lake: Lake, version: int | None, above: int, upto: int, names: Sequence[str], derived: bool, window: int
) -> Iterator[list[Row]]:
    """Entries with above < seq <= upto, at most `window` at once."""
    plan = lake.scan("events", version).filter((pl.col("seq") > above) & (pl.col("seq") <= upto))
    if not derived:
        plan = plan.filter(pl.col("origin") != DERIVED)
    needed = [_LAKE_NAME.get(name, name) for name in names]
    frame = (
        plan.with_columns(pl.col("clock", "at", "received_at").dt.epoch("us"), pl.col("machine").cast(pl.Int8))
        .select(list(dict.fromkeys(["seq", *needed, *(["identifiers_all"] if "identifiers" in names else [])])))
        .collect()
        .sort("seq")
    )
    for start in range(0, frame.height, window):
        part = frame.slice(start, window)
        cells = [
            _pairs(part) if name == "identifiers" else part[lake_name].to_list()
            for name, lake_name in zip(names, needed)
        ]
        yield list(zip(*cells))


def _pairs(frame: pl.DataFrame) -> list[str]:
    """`identifiers` as the Book has them."""
    return [
        everything if everything is not None else msgspec.json.encode(list(pairs.items())).decode()
        for pairs, everything in zip(frame["identifiers"].to_list(), frame["identifiers_all"].to_list(), strict=True)
    ]
