"""Delta on a local disk, safe from power cuts.

The Delta writer does not sync what it writes, but the Book forgets what was shipped. So after a commit all its files
are synced, and only then the Book takes note of the version (`ship.version`) and trims. After a power cut a later
version may name files that never reached the disk; it is taken back, since the Book still has its rows.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

_LOG_FILE = re.compile(r"(\d{20})\.")
_LOG = "_delta_log"


def sync(path: Path) -> None:
    """What a file or a folder holds is on the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _log_files(folder: Path, above: int) -> list[tuple[int, Path]]:
    """(version, file) of the log files of versions > `above`, commits and checkpoints, in order."""
    log = folder / _LOG
    found = [(_LOG_FILE.match(file.name), file) for file in log.iterdir()] if log.is_dir() else []
    return sorted((int(match[1]), file) for match, file in found if match and int(match[1]) > above)


def _added(commit: Path) -> Iterator[tuple[str, int]]:
    """(file name, bytes) of what a commit adds. Raises ValueError if the commit is torn."""
    text = commit.read_bytes()
    if not text.strip():
        raise ValueError("an empty commit")
    for line in text.splitlines():
        action = json.loads(line)
        if "add" in action:
            yield unquote(action["add"]["path"]), int(action["add"]["size"])


def make_durable(folder: Path, above: int) -> None:
    """Sync everything that the versions > `above` of the table in `folder` wrote."""
    for _, file in _log_files(folder, above):
        if file.suffix == ".json" and file.name.count(".") == 1:
            for name, _ in _added(file):
                # A later commit of the same batch may have replaced it and its file may be gone: then nobody needs it.
                if (folder / name).exists():
                    sync(folder / name)
        sync(file)
    pointer = folder / _LOG / "_last_checkpoint"
    if pointer.exists():
        sync(pointer)
    for place in (folder / _LOG, folder, folder.parent, folder.parent.parent):
        sync(place)


def mend(folder: Path, durable: int) -> int:
    """Take back the versions > `durable` from the first one whose files are not whole. Returns how many log files went.

    Call it before anything of this process has opened the table.
    """
    for draft in (folder / _LOG).glob(".*.draft"):
        draft.unlink()
    bad: int | None = None
    files = _log_files(folder, durable)
    for version, file in files:
        if file.suffix != ".json" or file.name.count(".") != 1:
            continue
        try:
            whole = all(
                (folder / name).is_file() and (folder / name).stat().st_size == size for name, size in _added(file)
            )
        except (ValueError, KeyError, TypeError):
            whole = False
        if not whole:
            bad = version
            break
    if bad is None:
        return 0
    gone = [file for version, file in files if version >= bad]
    for file in [folder / _LOG / "_last_checkpoint", *reversed(gone)]:
        file.unlink(missing_ok=True)
    sync(folder / _LOG)
    return len(gone)
