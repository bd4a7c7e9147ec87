"""The lake: "all events of last week" and "all events of these 1,000 persons" against the whole, sorted and not.

The same rows lie twice: as the shipper and its joining leave them, and in the order of arrival. Both are asked by
DuckDB and by Polars for every event's columns, so that what is skipped shows. Times are processor seconds of this
process (all its threads): they say the same on a busy machine.
"""

from __future__ import annotations

import os
import time as system
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from einklang.kernel import time
from einklang.main import bench_events as year
from einklang.store.lake import Lake

EVENTS = 5_000_000
APPEND_ROWS = 20_000
ASKED = 1_000
_NAMES = ("Page Viewed", "Product Viewed", "Product Added", "Order Completed")
_ALL = ("message_id", "person_id", "name", "touchpoint", "properties", "context")
Asking = Callable[[], Any]


def lake(folder: Path, events: int = EVENTS) -> dict[str, Any]:
    """A year of events; medians."""
    kept = Lake(folder / "lake")
    unsorted = _copy(folder / "unsorted")
    began = system.perf_counter()
    for start in range(0, events, APPEND_ROWS):
        rows = made(start, min(APPEND_ROWS, events - start), events)
        year.append(kept, rows)
        unsorted(rows)
    appended = system.perf_counter()
    while kept.compact("events"):
        pass
    tidied = system.perf_counter()
    unsorted(None)
    files = {"lake": kept.files("events"), "unsorted": sorted(str(path) for path in (folder / "unsorted").iterdir())}
    recent = {"lake": kept.files("events", since=_last_week(events)), "unsorted": files["unsorted"]}
    found = {place: _asked(files[place], recent[place], events) for place in files}
    ratios = {
        f"{engine}, {what} / whole": {
            place: round(found[place][engine][what] / found[place][engine]["whole"], 3) for place in files
        }
        for engine in ("DuckDB", "Polars")
        for what in ("last week", "1,000 persons")
    }
    return {
        "events": events,
        "persons": events // year.EVENTS_PER_PERSON,
        "files": {place: len(names) for place, names in files.items()},
        "bytes_per_event": {
            place: round(sum(os.path.getsize(name) for name in names) / events, 1) for place, names in files.items()
        },
        "append_s": round(appended - began, 1),
        "join_s": round(tidied - appended, 1),
        "cpu_s": found,
        "ratios": ratios,
    }


def _last_week(events: int) -> int:
    return year.START + events * (year.YEAR // events) - 7 * time.DAY


def made(start: int, count: int, events: int) -> pa.Table:
    """Rows `start` to `start + count` of the year: time goes on, persons come at random."""
    draw = year.drawing(start)
    goods = draw.integers(0, 10**6, count)
    frame = pl.DataFrame({
        "seq": np.arange(start + 1, start + count + 1), "goods": goods,
        "person": draw.integers(0, events // year.EVENTS_PER_PERSON, count),
        "kind": draw.integers(0, len(_NAMES), count),
    })  # fmt: skip
    number = pl.col("goods")
    told = frame.select(
        year.message_id(pl.col("seq")).alias("message_id"),
        year.person_id(pl.col("person")).alias("person_id"),
        pl.col("kind").replace_strict(dict(enumerate(_NAMES)), return_dtype=pl.String).alias("name"),
        pl.format(
            '{{"product_id":"sku-{}","name":"Product {}","category":"cat-{}","price":{}.{},"quantity":{}}}',
            number, number % 977, number % 31, number % 199, number % 90 + 10, number % 5 + 1,
        ).alias("properties"),
        pl.format(
            '{{"page":{{"path":"/products/{}","referrer":"https://www.example.org/{}"}},"userAgent":"Browser {}"}}',
            number % 977, number % 313, number % 17,
        ).alias("context"),
    )  # fmt: skip
    users = frame.select(pl.format("u{}", pl.col("person"))).to_series().to_arrow().cast(pa.string())
    places = pa.array(range(count + 1), pa.int32())
    identifiers = pa.MapArray.from_arrays(places, pa.array(["userId"] * count), users)
    return year.table(start, events, told, {"identifiers": identifiers})


def _copy(folder: Path) -> Callable[[pa.Table | None], None]:
    """Writes rows as they come, half a million a file; None ends it."""
    folder.mkdir()
    waiting: list[pa.Table] = []

    def put(rows: pa.Table | None) -> None:
        if rows is not None:
            waiting.append(rows)
        count = sum(part.num_rows for part in waiting)
        if count >= 500_000 or (rows is None and count):
            name = folder / f"{len(list(folder.iterdir())):05}.parquet"
            pq.write_table(
                pa.concat_tables(waiting), name, compression="zstd", compression_level=3, row_group_size=100_000
            )
            waiting.clear()

    return put


def _asked(files: list[str], recent: list[str], events: int) -> dict[str, dict[str, float]]:
    """Processor seconds of each question by engine. recent: the files to ask for last week."""
    draw = year.drawing(0)
    numbers = draw.choice(events // year.EVENTS_PER_PERSON, ASKED, replace=False)
    persons = pl.DataFrame({"person": numbers}).select(year.person_id(pl.col("person"))).to_series().to_list()
    since = _last_week(events)
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "threads": 2})
    wanted = ", ".join([f"sum(length({name}))" for name in _ALL] + ["max(seq)", "sum(cardinality(identifiers))"])
    listed = ", ".join(f"'{person}'" for person in persons)
    where = {
        "whole": "",
        "last week": f'WHERE "at" > make_timestamptz({since})',
        "1,000 persons": f"WHERE person_id IN ({listed})",
    }
    asked = {"whole": files, "last week": recent, "1,000 persons": files}
    filters = {
        "whole": pl.lit(True),
        "last week": pl.col("at") > pl.lit(since, pl.Int64).cast(pl.Datetime("us", "UTC")),
        "1,000 persons": pl.col("person_id").is_in(persons),
    }
    sums = [pl.col(name).str.len_bytes().sum() for name in _ALL] + [pl.col("seq").max()]
    asking: dict[str, dict[str, Asking]] = {
        "DuckDB": {
            what: partial(
                lambda text: connection.sql(text).fetchall(),
                f"SELECT {wanted} FROM read_parquet({asked[what]!r}) {rule}",
            )
            for what, rule in where.items()
        },
        "Polars": {
            what: partial(
                lambda plan: plan.collect(engine="streaming").rows(),
                pl.scan_parquet(asked[what], glob=False).filter(rule).select(sums),
            )
            for what, rule in filters.items()
        },
    }
    for what in where:  # both engines answer alike
        by_duckdb, by_polars = asking["DuckDB"][what]()[0], asking["Polars"][what]()[0]
        assert by_duckdb[: len(sums)] == by_polars, (what, by_duckdb, by_polars)
    return {
        engine: {what: round(median(year.cpu_s(ask) for _ in range(year.ROUNDS)), 3) for what, ask in questions.items()}
        for engine, questions in asking.items()
    }
