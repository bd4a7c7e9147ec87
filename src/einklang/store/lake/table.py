"""The Delta tables of one home: made, appended to, replaced, compacted, and read by file list.

Neither DuckDB nor Polars can read Delta without a download, so readers get the Parquet files of one version;
deletion vectors and column mapping stay off, or that list would not be the table. Statistics are kept for position,
person_id and at alone: identifiers must not stand in the Delta log as minima and maxima.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import unquote

import duckdb
import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import DeltaError

from einklang.fact import columns
from einklang.kernel.errors import Unavailable, UsageError
from einklang.store.lake import durable
from einklang.store.lake.rows import Row, schema_of, to_arrow

TABLES = tuple(columns.LAKE)
STATISTICS = ("position", "person_id", "at")
SMALL_FILE_BYTES = 32 * 1024 * 1024
TARGET_FILE_BYTES = 128 * 1024 * 1024

#: Rows after a mark, and the seq or n of the last one; `none` rows end the shipping.
Fetch = Callable[[int], tuple[Sequence[Row], int]]


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

    # --- reading ----------------------------------------------------------------------------------------------------

    def files(self, table: str, version: int | None = None) -> list[str]:
        """The Parquet files of one version (the newest by default), absolute paths; none where nothing was shipped
        yet.
        """
        assert table in TABLES, table
        folder, uri = self.root / table, self._uri(table)
        if not DeltaTable.is_deltatable(uri):
            return []
        try:
            found = DeltaTable(uri, version=version).file_uris()
        except DeltaError as error:
            raise _unavailable(table, error) from error
        # URIs are percent-encoded and tables are not partitioned: the last part names the file.
        return sorted(str(folder / unquote(uri.rsplit("/", 1)[-1])) for uri in found)

    def scan(self, table: str, version: int | None = None) -> pl.LazyFrame:
        """The table as a Polars plan over one version. `identifiers` is a map."""
        files = self.files(table, version)
        if files:
            return pl.scan_parquet(files, glob=False, hive_partitioning=False)
        empty = pl.from_arrow(schema_of(table).empty_table())
        assert isinstance(empty, pl.DataFrame)
        return empty.lazy()

    def relation(
        self, table: str, connection: duckdb.DuckDBPyConnection | None = None, version: int | None = None
    ) -> duckdb.DuckDBPyRelation:
        """The table as a DuckDB relation over one version; `relation.query("t", sql)` or `create_view` go on from
        it.
        """
        connection = connection or duckdb.connect(config={"autoinstall_known_extensions": "false"})
        files = self.files(table, version)
        if files:
            # DuckDB takes every name for a pattern: put what could be one into brackets.
            return connection.read_parquet([_GLOB.sub(r"[\1]", file) for file in files], hive_partitioning=False)
        return connection.from_arrow(schema_of(table).empty_table())

    def reached(self, table: str) -> int:
        """The last seq (`events`) or n in the table: what its Delta transaction says, whatever the Book's mark says;
        0 if none.
        """
        uri = self._uri(table)
        return self._reached(DeltaTable(uri), table) if DeltaTable.is_deltatable(uri) else 0

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
            if not rows:
                return 0, reached, version
            assert last > reached, "rows come after what was reached"
            self._write(handle, table, to_arrow(table, rows), last, overwrite=False)
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

    def compact(self, table: str, *, always: bool = False) -> int | None:
        """Join small files once there are `compact_every` of them, and remove what no reader may need any more.

        Returns the Delta version, synced, if something was done. Raises Unavailable `lake_failed`.
        """
        try:
            handle = self._open(table)
            version = handle.version()
            sizes = pa.table(handle.get_add_actions(flatten=True)).column("size_bytes").to_pylist()
            small = sum(size < SMALL_FILE_BYTES for size in sizes)
            if small < (2 if always else self._compact_every):
                return None
            handle.optimize.compact(target_size=TARGET_FILE_BYTES, max_concurrent_tasks=1, writer_properties=_WRITER)
            handle.create_checkpoint()
            handle.vacuum(
                retention_hours=self._retention_hours, dry_run=False, enforce_retention_duration=False, full=True
            )
            handle.cleanup_metadata()
            durable.make_durable(self.root / table, version)
            return handle.version()
        except (DeltaError, OSError) as error:
            raise _unavailable(table, error) from error

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
        if DeltaTable.is_deltatable(uri):
            return DeltaTable(uri)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        schema = schema_of(table)
        handle = DeltaTable.create(
            uri,
            schema=schema,
            name=table,
            configuration={
                "delta.dataSkippingStatsColumns": ",".join(name for name in STATISTICS if name in schema.names),
                "delta.enableDeletionVectors": "false",
                "delta.columnMapping.mode": "none",
                "delta.checkpointInterval": "50",
                "delta.logRetentionDuration": f"interval {self._retention_hours} hours",
                "delta.deletedFileRetentionDuration": f"interval {self._retention_hours} hours",
            },
        )
        durable.make_durable(folder, -1)
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


#: What delta-rs 1.6 panics at, or takes for something encoded.
_STRANGE = re.compile(r"[\[\]\\^|]|%[0-9A-Fa-f]{2}")
_GLOB = re.compile(r"([*?\[])")
_WRITER = WriterProperties(compression="ZSTD", compression_level=3, max_row_group_size=100_000)


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
