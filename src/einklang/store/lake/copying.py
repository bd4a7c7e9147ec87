"""One state of the lake in another folder: the one to which a copy of the Book belongs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from einklang.kernel.errors import NotFound, Unavailable
from einklang.store.lake import durable
from einklang.store.lake.table import TABLES, Lake

_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\.parquet")
_LOG = "_delta_log"


def copy_lake(
    lake: Lake, target: Path, marks: Mapping[str, tuple[int, int]], *, progress: Callable[[int], None]
) -> int:
    """The tables of `lake` as they were at `marks` (of a copy of the Book: table -> mark, version) into the new folder
    `target`, durable on return; the number of files.

    A lake goes on while the Book is copied: rows that came later would be there twice once the copy works on. A table
    without a mark is left out, for the Book still has all of its rows. Raises NotFound `lake_version_gone`, Unavailable
    `copy_differs`.
    """
    copied = 0
    target.mkdir(mode=0o700)
    for table in TABLES:
        if table not in marks:
            continue
        mark, version = marks[table][0], _version(lake, table, *marks[table])
        files = [Path(name) for name in lake.files(table, version)]
        for file in files:
            _copy(file, target / table / file.name)
            copied += 1
            progress(copied)
        for file in _log_files(lake.root / table / _LOG, version):
            _copy(file, target / table / _LOG / file.name)
        _check(Lake(target), table, mark, files)
        for folder in (target / table / _LOG, target / table):
            durable.sync(folder)
    durable.sync(target)
    return copied


def _version(lake: Lake, table: str, mark: int, version: int) -> int:
    """The version of a mark; if it is kept no more, the newest one, unless rows have come since."""
    try:
        lake.files(table, version)
        return version
    except NotFound:
        newest = lake.version(table)
        if newest is None or lake.reached(table, newest) != mark:
            raise
        return newest


def _log_files(log: Path, version: int) -> list[Path]:
    """What says which files are the table at a version: the last checkpoint before it, and the commits since."""
    names = [file.name for file in log.iterdir()]
    checkpoints = [int(found[1]) for name in names if (found := _CHECKPOINT.fullmatch(name))]
    since = max((number for number in checkpoints if number <= version), default=-1)
    commits = [name for name in names if (found := _COMMIT.fullmatch(name)) and since <= int(found[1]) <= version]
    return [log / name for name in sorted([*commits, *([f"{since:020}.checkpoint.parquet"] if since >= 0 else [])])]


def _copy(file: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copyfile(file, target)
    durable.sync(target)


def _check(copy: Lake, table: str, mark: int, files: list[Path]) -> None:
    there = [Path(file) for file in copy.files(table)]
    sizes = {file.name: file.stat().st_size for file in there}
    if copy.reached(table) != mark or sizes != {file.name: file.stat().st_size for file in files}:
        raise Unavailable(
            "copy_differs",
            f"the copy of the lake's table {table} is not equal to what was copied",
            where=str(copy.root / table),
            mend="check the disk, then copy again; the original is untouched",
        )
