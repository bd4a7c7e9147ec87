"""Full and incremental sync: what a destination is given next, as the difference to what it was given last.

No fold of entered and left: whoever is a member and permits the purpose, at one state of the log, against what was
given. So merges, splits, changed definitions and values, and withdrawals come out right by construction.

    full          all of them, in one file or table that takes the place of the one before
    incremental   who was added, changed or removed since, in a file of its own or as rows of a table
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from einklang.app.destinations import Destination, RawSync, Stand
from einklang.app.export_columns import PERSON, Column, columns_of
from einklang.app.exports import Chosen, Wanted, frame_of, rows, write, write_frame
from einklang.app.ports import Reader
from einklang.app.state import State

CHANGE = "change"
ADDED, CHANGED, REMOVED = "added", "changed", "removed"
#: Column of a table of changes: the log up to which they are known.
SEQ = "seq"
TABLE = "table"
#: Under which name the notes of a destination keep its form.
AS = "as"


@dataclass(frozen=True, slots=True)
class Job:
    """A destination that is to be served at one state of the log, `seq`. given: what it was given last, a row a person.

    stand: how far it was served; reader: the snapshot; state: for reading.
    """

    destination: Destination
    stand: Stand
    reader: Reader
    state: State
    given: pl.DataFrame | None
    seq: int
    now: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What it is given now. files: name -> writes the file and gives the SHA-256 of its bytes; table: rows for a table
    beside, which replace all others or are added. given: what it has then. said: for the log.
    """

    given: pl.DataFrame
    files: Mapping[str, Callable[[Path], str]] = field(default_factory=dict)
    table: tuple[pl.DataFrame, bool] | None = None
    said: Mapping[str, Any] = field(default_factory=dict)
    sent: int = 0
    notes: Mapping[str, Any] = field(default_factory=dict)


def prepare(job: Job) -> Batch | None:
    """What a file or a table is given next; None: it has all. Raises InputError for a column that is gone."""
    destination, raw = job.destination, job.destination.raw
    assert isinstance(raw, RawSync), "a file or a table"
    columns = columns_of(job.state.definitions, destination.columns, f"destination {destination.id}.columns")
    (segment,) = destination.segments
    wanted, chosen = Wanted(segment, destination.columns, destination.purpose), Chosen(columns)
    people = (row[0] for row in job.reader.read("members_of", segment))
    given = frame_of(columns, rows(job.reader, job.state, people, chosen, wanted, job.now))
    if job.given is not None and given.equals(job.given) and given.schema == job.given.schema:
        return None
    full = raw.mode == "full"
    told = given if full else differences(job.given, given)
    if not full and job.given is not None and not told.height:
        return None
    said = {
        "segment": segment, "destination": destination.id, "actor": f"destination:{destination.id}",
        "purpose": destination.purpose, "format": TABLE if raw.type == TABLE else raw.format, "mode": raw.mode,
        "columns": chosen.classes(), "persons": told.height, "left_out": dict(sorted(chosen.left_out.items())),
    }  # fmt: skip
    notes = {"members": given.height, "left_out": said["left_out"], AS: form_of(destination)}
    if raw.type == TABLE:
        table = told if full else told.with_columns(pl.lit(job.seq, pl.Int64).alias(SEQ))
        return Batch(given, table=(table, full or job.given is None), said=said, sent=told.height, notes=notes)
    shown = columns if full else [Column(CHANGE, "text", "none"), *columns]

    def file(path: Path) -> str:
        return write_frame(path, told) if raw.format == "parquet" else write(path, "csv", Chosen(shown), _cells(told))

    name = destination.id if full else f"{destination.id}-{job.stand.cursor:012d}-{job.seq:012d}"
    return Batch(given, files={f"{name}.{raw.format}": file}, said=said, sent=told.height, notes=notes)


def form_of(destination: Destination) -> str:
    """In which form it is served: in another one it is given everything anew."""
    raw = destination.raw
    return f"{raw.type} {raw.mode} {raw.format}" if isinstance(raw, RawSync) else raw.type


def _cells(frame: pl.DataFrame) -> Iterator[list[Any]]:
    """The rows of a frame as cells of columns: moments as microseconds."""
    moments = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime)]
    plain = frame.with_columns(pl.col(moments).dt.epoch("us")) if moments else frame
    return (list(row) for row in plain.iter_rows())


def differences(before: pl.DataFrame | None, after: pl.DataFrame) -> pl.DataFrame:
    """Who was added, changed or removed, with the columns of `after`, in order of the persons; of who was removed the
    id alone: who withdrew must not be told of once more.
    """
    order = [CHANGE, *after.columns]
    if before is None:
        before = after.clear()
    elif before.schema != after.schema:  # other columns than before: everybody has changed
        known = [name for name in after.columns if before.schema.get(name) == after.schema[name]]
        missing = [pl.lit(None, after.schema[name]).alias(name) for name in after.columns if name not in known]
        before = before.select(known).with_columns(missing).select(after.columns)
    columns = [name for name in after.columns if name != PERSON]
    nothing = [pl.lit(None, after.schema[name]).alias(name) for name in columns]
    removed = before.join(after, on=PERSON, how="anti").with_columns(pl.lit(REMOVED).alias(CHANGE), *nothing)
    added = after.join(before, on=PERSON, how="anti").with_columns(pl.lit(ADDED).alias(CHANGE))
    both = after.join(before, on=PERSON, how="inner", suffix="\0before")
    differs = [pl.col(name).ne_missing(pl.col(f"{name}\0before")) for name in columns]
    changed = both.filter(pl.any_horizontal(differs)) if differs else both.clear()
    changed = changed.select(after.columns).with_columns(pl.lit(CHANGED).alias(CHANGE))
    return pl.concat([frame.select(order) for frame in (added, changed, removed)]).sort(PERSON)
