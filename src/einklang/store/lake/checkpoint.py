"""Checkpoints: states of the Book at a place of the log, in `HOME/checkpoint`, from which a rebuild may begin.

A checkpoint is a Book of its own (a folder named after the last seq that it has folded), made by a rebuild and proved
to be the live one's (main.retention). It holds what the state holds and no entry of the log. Only the newest counts.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from einklang.store.lake import durable

FOLDER = "checkpoint"
_DRAFT = "draft"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A state of the Book: its folder, and the last seq that it has folded."""

    folder: Path
    seq: int


def newest(home: Path) -> Checkpoint | None:
    """The checkpoint to begin at, if there is one."""
    found = _all(home)
    return found[-1] if found else None


def _all(home: Path) -> list[Checkpoint]:
    folder = home / FOLDER
    names = sorted(place.name for place in folder.iterdir() if place.name.isdigit()) if folder.is_dir() else []
    return [Checkpoint(folder / name, int(name)) for name in names]


def draft(home: Path) -> Path:
    """An empty folder for the next checkpoint; what a crash left of a former attempt is gone."""
    folder = home / FOLDER / _DRAFT
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    return folder


def publish(home: Path, seq: int, *, step: Callable[[str], None] = lambda what: None) -> Checkpoint:
    """The draft is the newest checkpoint from now on; older ones go. step: called before each change, for tests."""
    folder = home / FOLDER
    for file in (folder / _DRAFT).iterdir():
        durable.sync(file)
    durable.sync(folder / _DRAFT)
    target = folder / f"{seq:020}"
    shutil.rmtree(target, ignore_errors=True)
    step("rename")
    os.rename(folder / _DRAFT, target)
    durable.sync(folder)
    durable.sync(home)
    for old in _all(home):
        if old.seq < seq:
            step("remove old")
            shutil.rmtree(old.folder)
    durable.sync(folder)
    return Checkpoint(target, seq)
