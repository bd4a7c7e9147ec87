"""Checkpoints: states of the Book at a place of the log, in `HOME/lake/checkpoint`, from which a rebuild may begin.

A checkpoint is a Book of its own, made by a rebuild and proved to be the live one's (main.retention). It holds what
the state holds and no entry of the log. Beside it stands what the log was counted to up to there, and which events
had expired. Only the newest counts: from it on the log is whole.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from einklang.kernel.errors import Unavailable
from einklang.store.lake import durable

FOLDER = "checkpoint"
_DRAFT, _SAID = "draft", "checkpoint.json"


class Said(msgspec.Struct, frozen=True):
    """What is true at a checkpoint. seq: the last one that it has folded; clock, projected, ticks: the counters there;
    expired: name -> (bound, seq) of what is in no history any more.
    """

    seq: int
    clock: int
    projected: int
    ticks: int
    expired: dict[str, tuple[int, int]]


class Checkpoint(msgspec.Struct, frozen=True):
    """The folder of a Book, and what is said of it."""

    folder: Path
    said: Said

    @property
    def seq(self) -> int:
        """The last seq that it has folded."""
        return self.said.seq


def newest(lake: Path) -> Checkpoint | None:
    """The checkpoint to begin at, if there is one."""
    folders = _all(lake)
    if not folders:
        return None
    said = msgspec.json.decode((folders[-1] / _SAID).read_bytes(), type=Said)
    return Checkpoint(folders[-1], said)


def _all(lake: Path) -> list[Path]:
    folder = lake / FOLDER
    return sorted(place for place in folder.iterdir() if place.name.isdigit()) if folder.is_dir() else []


def draft(lake: Path) -> Path:
    """An empty folder for the Book of the next checkpoint; what a crash left of a former attempt is gone."""
    folder = lake / FOLDER / _DRAFT
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    return folder


def drop_draft(lake: Path) -> None:
    """It is not what it should be."""
    shutil.rmtree(lake / FOLDER / _DRAFT, ignore_errors=True)


def publish(lake: Path, said: Said, *, step: Callable[[str], None] = lambda what: None) -> Checkpoint:
    """The draft is the newest checkpoint from now on, synced; older ones go. step: told of each change before it."""
    folder = lake / FOLDER
    (folder / _DRAFT / _SAID).write_bytes(msgspec.json.encode(said))
    for file in (folder / _DRAFT).iterdir():
        durable.sync(file)
    durable.sync(folder / _DRAFT)
    target = folder / f"{said.seq:020}"
    step("publish the checkpoint")
    os.rename(folder / _DRAFT, target)
    durable.sync(folder)
    durable.sync(lake)
    for old in _all(lake):
        if old != target:
            step("drop an older checkpoint")
            shutil.rmtree(old)
    return Checkpoint(target, said)


def copy_to(lake: Path, target: Path, seq: int) -> None:
    """The checkpoint, if there is one, as that of the copy `target` of a lake, whose Book stands at `seq`; synced.

    Raises Unavailable `copy_differs` where there is a newer one than that Book knows of.
    """
    base = newest(lake)
    if base is None:
        return
    if base.seq > seq:
        what = "events expired while the home was copied"
        raise Unavailable("copy_differs", what, where=str(base.folder), mend="copy again; the original is untouched")
    place = target / FOLDER / base.folder.name
    shutil.copytree(base.folder, place)
    for file in (*place.iterdir(), place, place.parent, target):
        durable.sync(file)
