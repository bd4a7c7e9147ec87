"""Tables for others: rows are given to a Delta table exactly once, as the shipper gives rows to the lake.

The table itself knows, as a Delta transaction, up to which place of the log it was given rows; asked for the same place
again nothing happens.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import DeltaError

from einklang.kernel.errors import Unavailable
from einklang.store.lake import durable

_APP = "einklang:destination"
#: Who reads a table has so long to finish: then the files that newer versions have replaced go.
_READING_HOURS = 24


def give(folder: Path, frame: pl.DataFrame, upto: int, *, replace: bool) -> bool:
    """Give the table in `folder` these rows, beside those it has or in their place; False: it has them already.

    Raises Unavailable `table_failed`.
    """
    folder = folder.absolute()
    try:
        uri = folder.as_uri()
        there = DeltaTable.is_deltatable(uri)
        handle = DeltaTable(uri) if there else None
        if handle is not None and (handle.transaction_version(_APP) or 0) >= upto:
            durable.make_durable(folder, -1)
            return False
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        before = handle.version() if handle is not None else -1
        write_deltalake(
            handle if handle is not None else uri,
            frame.to_arrow(),
            mode="overwrite" if replace else "append",
            schema_mode="overwrite" if replace else "merge",
            commit_properties=CommitProperties(app_transactions=[Transaction(_APP, upto)], max_commit_retries=0),
        )
        durable.make_durable(folder, before)
    except (DeltaError, OSError) as error:
        raise _failed(folder, error) from error
    return True


def drop_replaced(folder: Path) -> None:
    """Remove the files of replaced rows, which still name whoever is no longer there. Raises Unavailable."""
    folder = folder.absolute()
    try:
        uri = folder.as_uri()
        if not DeltaTable.is_deltatable(uri):
            return
        handle = DeltaTable(uri)
        if not handle.vacuum(_READING_HOURS, enforce_retention_duration=False):
            return
        handle.create_checkpoint()
        handle.vacuum(_READING_HOURS, dry_run=False, enforce_retention_duration=False)
        handle.cleanup_metadata()
        durable.make_durable(folder, handle.version() - 1)
    except (DeltaError, OSError) as error:
        raise _failed(folder, error) from error


def _failed(folder: Path, error: Exception) -> Unavailable:
    first = (str(error).strip().splitlines() or [""])[0]
    return Unavailable("table_failed", first[:300], where=str(folder), mend="check rights and space")
