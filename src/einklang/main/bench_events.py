"""A year of events as the shipper appends them: rows for the benchmarks of the lake, drawn without a home."""

from __future__ import annotations

import time as system
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from einklang.kernel import time
from einklang.store.lake import Lake
from einklang.store.lake.rows import schema_of

EVENTS_PER_PERSON = 20
ROUNDS = 3
SEED = 20_261_123
START = 1_735_689_600 * time.SECOND
YEAR = 365 * time.DAY


def drawing(start: int) -> np.random.Generator:
    """Chance for the rows from `start` on."""
    return np.random.Generator(np.random.Philox(SEED + start))


def person_id(number: pl.Expr) -> pl.Expr:
    """Ids spread over the whole range, as keyed hashes are."""
    return pl.concat_str(pl.lit("p_"), number.hash(7).cast(pl.String).str.zfill(20))


def message_id(number: pl.Expr) -> pl.Expr:
    """Ids of messages."""
    return pl.concat_str(pl.lit("m-"), number.hash(1).cast(pl.String))


def table(start: int, events: int, told: pl.DataFrame, more: Mapping[str, Any]) -> pa.Table:
    """Rows from `start` on of a year of so many events: time goes on. told: the texts of each; more: other columns."""
    count = told.height
    seq = np.arange(start + 1, start + count + 1)
    schema = schema_of("events")
    moments = pa.array(START + seq * (YEAR // events), schema.field("at").type)
    columns: dict[str, Any] = {name: told[name].to_arrow().cast(pa.string()) for name in told.columns}
    columns |= {"position": pa.array(seq), "seq": pa.array(seq), "clock": moments, "at": moments}
    columns |= {"received_at": moments, **more}
    same = {
        "type": "track", "source": "web", "touchpoint": "web", "origin": 0, "machine": False, "format": 1,
        "context": "{}", "identifiers": [], "identifiers_all": None,
    }  # fmt: skip
    return pa.Table.from_arrays(
        [columns[one.name] if one.name in columns else pa.array([same[one.name]] * count, one.type) for one in schema],
        schema=schema,
    )


def append(lake: Lake, rows: pa.Table) -> None:
    """Append them in one commit."""
    lake.append("events", lambda reached: (rows, reached + rows.num_rows))


def cpu_s(work: Callable[[], Any]) -> float:
    """Processor seconds of this process, all its threads: they say the same on a busy machine."""
    began = system.process_time()
    work()
    return system.process_time() - began
