"""The Delta tables of one home: made, appended to, replaced, compacted, and read by file list.

Neither DuckDB nor Polars can read Delta without a download, so readers get the Parquet files of one version;
deletion vectors and column mapping stay off, or that list would not be the table. Statistics are kept for numbers of
the log, person_id and at alone: identifiers must not stand in the Delta log as minima and maxima.

A table that a former version made gets the columns of this one by a change of its metadata alone: its files stay as
they are, and who reads them sees null (docs/lake.md).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Field, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import DeltaError

from einklang.fact import columns
from einklang.kernel.errors import NotFound, Unavailable, UsageError
from einklang.store.lake import commit, durable, layout, rewrite
from einklang.store.lake.rows import Row, schema_of, to_arrow

TABLES = tuple(columns.LAKE)
#: Columns with minima and maxima in the Delta log. No identifier, no property may be among them.
STATISTICS = ("position", "person_id", "at", "seq", "n")

#: Rows after a mark (of the Book, or columns already), and the seq or n of the last one; no rows end the shipping.
Fetch = Callable[[int], tuple[Sequence[Row] | pa.Table, int]]


class Lake:
    """The tables below `root` (HOME/lake). Any number may read; one process, the holder of the home's lock, ships.

    compact_every: small files after which they are joined; retention_hours: how long a reader may go on with an old
    version.
    """

    def __init__(self, root: str | Path, *, compact_every: int = 50, retention_hours: int = 7 * 24) -> None:
        self.root = Path(root).absolute()
        strange = _STRANGE.search(str(self.root))
        if strange:
            raise UsageError(
                "bad_home_name",
                f"the Delta reader cannot open folders with {strange[0]!r} in their names",
                where=str(self.root),
                mend="use another --home",
            )
        self._compact_every = compact_every
        self._retention_hours = retention_hours
        self._mended: set[str] = set()
        self._cleaned: dict[str, int] = {}
        self._pinned: dict[str, int | None] | None = None

    def pinned(self) -> Lake:
        """For reading: the lake as it is now, whatever becomes of it, as long as its versions are kept."""
        other = copy.copy(self)
        other._pinned = {table: self.version(table) for table in TABLES}
        return other

    # --- reading ----------------------------------------------------------------------------------------------------

    def files(self, table: str, version: int | None = None, *, since: int | None = None) -> list[str]:
        """The Parquet files of one version (the newest by default), absolute paths; none where nothing was shipped
        yet. since: only those that may hold rows with `at` from this moment on (microseconds), by what the Delta log
        says of them. Raises NotFound `lake_version_gone`.
        """
        assert table in TABLES, table
        folder, uri = self.root / table, self._uri(table)
        if version is None and self._pinned is not None:
            version = self.version(table)
            if version is None:
                return []
        if not DeltaTable.is_deltatable(uri):
            return []
        # URIs are percent-encoded and tables are not partitioned: the last part names the file.
        handle = _at(uri, table, version)
        names = [unquote(uri.rsplit("/", 1)[-1]) for uri in handle.file_uris()]
        if since is not None:
            ends: dict[str, Any] = {unquote(row["path"]): row.get("max.at") for row in _actions(handle)}
            # the Delta log cuts its maxima to milliseconds
            names = [name for name in names if ends[name] is None or _us(ends[name]) + _MILLISECOND_US > since]
        if version is not None and not all((folder / name).exists() for name in names):
            raise _gone(table, version)
        return sorted(str(folder / name) for name in names)

    def version(self, table: str) -> int | None:
        """The newest version of a table, to be read again while it is kept; None where nothing was shipped yet."""
        if self._pinned is not None:
            return self._pinned[table]
        uri = self._uri(table)
        return DeltaTable(uri).version() if DeltaTable.is_deltatable(uri) else None

    def scan(self, table: str, version: int | None = None) -> pl.LazyFrame:
        """The table as a Polars plan over one version. `identifiers` is a map; a column that a file does not have is
        null.
        """
        files = self.files(table, version)
        empty = pl.from_arrow(schema_of(table).empty_table())
        assert isinstance(empty, pl.DataFrame)
        if not files:
            return empty.lazy()
        return pl.scan_parquet(
            files,
            glob=False,
            hive_partitioning=False,
            schema=empty.schema,
            missing_columns="insert",
            extra_columns="ignore",
        )

    def relation(
        self, table: str, connection: duckdb.DuckDBPyConnection | None = None, version: int | None = None
    ) -> duckdb.DuckDBPyRelation:
        """The table as a DuckDB relation over one version; `relation.query("t", sql)` or `create_view` go on from
        it. A column that a file does not have is null.
        """
        connection = connection or duckdb.connect(config={"autoinstall_known_extensions": "false"})
        files = self.files(table, version)
        empty = connection.from_arrow(schema_of(table).empty_table())
        if not files:
            return empty
        # DuckDB takes every name for a pattern: put what could be one into brackets.
        found = connection.read_parquet(
            [_GLOB.sub(r"[\1]", file) for file in files], hive_partitioning=False, union_by_name=True
        )
        there = set(found.columns)
        return found.project(
            ", ".join(
                f'"{name}"' if name in there else f'CAST(NULL AS {kind}) AS "{name}"'
                for name, kind in zip(empty.columns, empty.types, strict=True)
            )
        )

    def reached(self, table: str, version: int | None = None) -> int:
        """The last seq (`events`) or n in the table: what its Delta transaction says, whatever the Book's mark says;
        0 if none.
        """
        return self._transaction(table, app_id(table), version)

    # --- writing: the shipper alone -----------------------------------------------------------------------------------

    def append(self, table: str, fetch: Fetch) -> tuple[int, int, int]:
        """Append what `fetch(reached)` gives, exactly once. Returns (rows, seq or n reached, Delta version), synced
        to the disk.

        Delta does not refuse a repeated transaction by itself: what was reached is read from and committed on the
        same handle, and a commit by anybody else in between makes this one fail (no retries). Raises Unavailable
        `lake_failed`.
        """
        try:
            handle = self._open(table)
            version = handle.version()
            reached = self._reached(handle, table)
            rows, last = fetch(reached)
            if not len(rows):
                return 0, reached, version
            assert last > reached, "rows come after what was reached"
            data = rows if isinstance(rows, pa.Table) else to_arrow(table, rows)
            self._write(handle, table, rewrite.by_person(data, order_of(table)), last, overwrite=False)
            durable.make_durable(self.root / table, version)
            return len(rows), last, handle.version()
        except (DeltaError, OSError) as error:
            raise _unavailable(table, error) from error

    def replace(self, table: str, rows: Sequence[Row], last: int) -> int:
        """Put `rows` in the place of all there are, as of seq or n `last`, in one commit. Returns the Delta version,
        synced.

        Raises Unavailable `lake_failed`.
        """
        try:
            handle = self._open(table)
            version = handle.version()
            self._write(handle, table, to_arrow(table, rows), last, overwrite=True)
            durable.make_durable(self.root / table, version)
            return handle.version()
        except (DeltaError, OSError) as error:
            raise _unavailable(table, error) from error

    def compact(self, table: str, *, always: bool = False, stopping: Callable[[], bool] = lambda: False) -> int | None:
        """Join files once there are enough of them (`layout.due`), and remove what no reader may need any more.

        The rows of a joined stretch are sorted by person. Call it again until there is nothing to do. stopping: asked
        after each file whether to leave all as it was. Returns the Delta version, synced, if something was done. Raises
        Unavailable `lake_failed`.
        """
        try:
            handle = self._open(table)
            files = self._data_files(handle, table)
            chosen = layout.due(files, self._compact_every, always=always)
            if not chosen:
                return None
            return self._rewrite(handle, table, chosen, operation="OPTIMIZE", changes_rows=False, stopping=stopping)
        except (DeltaError, OSError, pa.ArrowException) as error:
            raise _unavailable(table, error) from error

    def expire(self, match: pc.Expression, *, stopping: Callable[[], bool] = lambda: False) -> int:
        """Remove the events for which `match` holds, one commit a stretch, synced. Returns the rows removed.

        The commit says how many went in all (`expired`), so a crash in between leaves no doubt; after it, or where
        somebody else was faster, call it again. Raises Unavailable `lake_failed`.
        """
        total = 0
        clean: set[str] = set()
        try:
            while not stopping():
                handle = self._open("events")
                names: list[str] = []
                gone = 0
                for stretch in layout.stretches(self._data_files(handle, "events")):
                    names = [file.name for file in stretch.files]
                    gone = 0 if clean.issuperset(names) else rewrite.count(self.root / "events", names, match)
                    if gone:
                        break
                    clean.update(names)
                if not gone:
                    break
                done = self._rewrite(
                    handle,
                    "events",
                    stretch.files,
                    operation="DELETE",
                    changes_rows=True,
                    stopping=stopping,
                    keep=~match,
                    transaction=(_EXPIRED, (handle.transaction_version(_EXPIRED) or 0) + gone),
                )
                total += gone if done is not None else 0
            return total
        except (DeltaError, OSError, pa.ArrowException) as error:
            raise _unavailable("events", error) from error

    def expired(self, version: int | None = None) -> int:
        """How many events `expire` has removed, ever."""
        return self._transaction("events", _EXPIRED, version)

    def _transaction(self, table: str, name: str, version: int | None) -> int:
        version = self.version(table) if version is None else version
        return 0 if version is None else _at(self._uri(table), table, version).transaction_version(name) or 0

    def has(self, match: pc.Expression) -> bool:
        """Whether there is an event for which `match` holds."""
        names = [Path(file).name for file in self.files("events")]
        return bool(names) and rewrite.count(self.root / "events", names, match) > 0

    def littered(self, table: str) -> bool:
        """Whether `compact_every` versions have come since a multiple of it: files that no reader needs pile up."""
        handle = self._open(table)
        return handle.version() // self._compact_every > self._cleaned[table] // self._compact_every

    def clean(self, table: str) -> None:
        """Remove what no reader may need any more: files of versions beyond the retention, and their log.

        Raises Unavailable `lake_failed`.
        """
        try:
            handle = self._open(table)
            version = handle.version()
            handle.create_checkpoint()
            handle.vacuum(
                retention_hours=self._retention_hours, dry_run=False, enforce_retention_duration=False, full=True
            )
            handle.cleanup_metadata()
            durable.make_durable(self.root / table, version - 1)  # the checkpoint is of this version
            self._cleaned[table] = handle.version()
        except (DeltaError, OSError) as error:
            raise _unavailable(table, error) from error

    def _rewrite(
        self,
        handle: DeltaTable,
        table: str,
        chosen: Sequence[layout.File],
        *,
        operation: str,
        changes_rows: bool,
        stopping: Callable[[], bool],
        keep: pc.Expression | None = None,
        transaction: tuple[str, int] | None = None,
    ) -> int | None:
        """Put the rows of some files into new ones, in one commit. Returns the version; None if others were faster.

        What was written and is named by no version is taken by `clean`.
        """
        folder = self.root / table
        counted = [name for name in STATISTICS if name in schema_of(table).names]
        names = [file.name for file in chosen]
        new: list[commit.Written] = []
        for file in rewrite.sorted_files(table, folder, names, order_of(table), counted, keep=keep):
            new.append(file)
            if stopping():
                return None
        done = commit.replace_files(
            folder,
            handle.version() + 1,
            [(file.name, file.size) for file in chosen],
            new,
            operation=operation,
            changes_rows=changes_rows,
            transaction=transaction,
        )
        return handle.version() + 1 if done else None

    def _data_files(self, handle: DeltaTable, table: str) -> list[layout.File]:
        """What the Delta log says of the files; of files of former versions, what they say themselves."""
        actions = _actions(handle)
        order, folder = order_of(table), self.root / table
        found: list[layout.File] = []
        for action in actions:
            name = unquote(action["path"])
            first, last = action.get(f"min.{order}"), action.get(f"max.{order}")
            if first is None or last is None:
                first, last = _span(folder / name, order)
            found.append(layout.File(name, action["size_bytes"], action["num_records"], first, last))
        return found

    def mend(self, table: str, durable_version: int) -> None:
        """Once a process: take back what a power cut left half-written above the version that the Book knows to be
        synced.
        """
        if table not in self._mended:
            durable.mend(self.root / table, durable_version)
            self._mended.add(table)

    def _uri(self, table: str) -> str:
        return (self.root / table).as_uri()

    def _open(self, table: str) -> DeltaTable:
        assert table in TABLES, table
        folder, uri = self.root / table, self._uri(table)
        schema = schema_of(table)
        counted = ",".join(name for name in STATISTICS if name in schema.names)
        if DeltaTable.is_deltatable(uri):
            handle = DeltaTable(uri)
            self._cleaned.setdefault(table, handle.version())
            return self._up_to_date(handle, table, schema, counted)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = DeltaTable.create(
            uri,
            schema=schema,
            name=table,
            configuration={
                _COUNTED: counted,
                "delta.enableDeletionVectors": "false",
                "delta.columnMapping.mode": "none",
                "delta.checkpointInterval": "50",
                "delta.logRetentionDuration": f"interval {self._retention_hours} hours",
                "delta.deletedFileRetentionDuration": f"interval {self._retention_hours} hours",
            },
        )
        durable.make_durable(folder, -1)
        self._cleaned[table] = 0
        return handle

    def _up_to_date(self, handle: DeltaTable, table: str, schema: pa.Schema, counted: str) -> DeltaTable:
        """A table that a former version made gets this one's columns and statistics: no file is touched."""
        version = handle.version()
        there = {field.name for field in handle.schema().fields}
        fresh = [Field.from_arrow(field) for field in schema if field.name not in there]
        if fresh:
            assert all(field.nullable for field in fresh), f"new columns of lake table {table} must be nullable"
            handle.alter.add_columns(fresh)
        if handle.metadata().configuration.get(_COUNTED) != counted:
            handle.alter.set_table_properties({_COUNTED: counted})
        if handle.version() > version:
            durable.make_durable(self.root / table, version)
        return handle

    def _reached(self, handle: DeltaTable, table: str) -> int:
        return handle.transaction_version(app_id(table)) or 0

    @staticmethod
    def _write(handle: DeltaTable, table: str, data: pa.Table, last: int, *, overwrite: bool) -> None:
        write_deltalake(
            handle,
            data,
            mode="overwrite" if overwrite else "append",
            writer_properties=_WRITER,
            commit_properties=CommitProperties(
                app_transactions=[Transaction(app_id(table), last)], max_commit_retries=0
            ),
        )


#: The name under which removals of expired events are counted: its version is the number of rows.
_EXPIRED = "einklang:events:expired"
_EPOCH, _MILLISECOND_US = datetime(1970, 1, 1, tzinfo=UTC), 1_000
#: What delta-rs 1.6 panics at, or takes for something encoded.
_STRANGE = re.compile(r"[\[\]\\^|]|%[0-9A-Fa-f]{2}")
_GLOB = re.compile(r"([*?\[])")
_WRITER = WriterProperties(compression="ZSTD", compression_level=3, max_row_group_size=rewrite.GROUP_ROWS)
_COUNTED = "delta.dataSkippingStatsColumns"


def order_of(table: str) -> str:
    """The running number of a growing table."""
    return "seq" if table == "events" else "n"


def _at(uri: str, table: str, version: int | None) -> DeltaTable:
    """A table at a version. Raises NotFound `lake_version_gone`, Unavailable `lake_failed`."""
    try:
        return DeltaTable(uri, version=version)
    except DeltaError as error:
        if version is not None and DeltaTable(uri).version() != version:
            raise _gone(table, version) from error
        raise _unavailable(table, error) from error


def _gone(table: str, version: int) -> NotFound:
    return NotFound(
        "lake_version_gone",
        f"version {version} of {table} is not there, or not any more",
        where=f"lake/{table}",
        mend="older versions are kept for 7 days; make a new report",
    )


def _actions(handle: DeltaTable) -> list[dict[str, Any]]:
    """What the Delta log says of each file."""
    found: list[dict[str, Any]] = pa.table(handle.get_add_actions(flatten=True)).to_pylist()
    return found


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _span(file: Path, order: str) -> tuple[int, int]:
    """First and last running number of a data file, by its own statistics."""
    found = pq.read_metadata(file)
    place = found.schema.to_arrow_schema().get_field_index(order)
    groups = [found.row_group(number).column(place).statistics for number in range(found.num_row_groups)]
    return min(group.min for group in groups), max(group.max for group in groups)


def app_id(table: str) -> str:
    """The name under which the shipper of a table counts its transactions."""
    return f"einklang:{table}"


def _unavailable(table: str, error: Exception) -> Unavailable:
    return Unavailable(
        "lake_failed",
        f"{type(error).__name__}: {error}",
        where=f"lake/{table}",
        mend="check disk and permissions; the Book keeps the rows and they are shipped again",
    )
