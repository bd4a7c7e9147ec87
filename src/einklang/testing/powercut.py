"""Power cuts: an apsw VFS that records every write, cut and sync, and rebuilds the files that a power cut could have
left.

The model is that of ALICE (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014) for one file system that
keeps little: what a completed sync of a file covers is on the disk; of what came later, each write on its own is
there, is missing, or is torn at the sectors (512 bytes) it is made of, in any order; a change of length may be
missing too. Files that exist when recording starts and those created later keep their names (directories are synced
by SQLite where it counts).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import apsw
import numpy as np
import numpy.typing as npt

SECTOR_BYTES = 512
_names = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened, in order.

    what: write, cut (to the length `offset`), sync, gone (deleted), ack (note: what was acknowledged).
    """

    what: str
    file: str
    offset: int = 0
    data: bytes = b""
    note: int = 0


class Recorder:
    """A registered VFS named `name` over the system's own; every file opened through it is recorded in `steps`.

    fault: called before each open, write, cut and sync with (what, file); what it raises (apsw.FullError,
    apsw.IOError) SQLite sees.
    """

    def __init__(self) -> None:
        self.name = f"einklang-powercut-{next(_names)}"
        self.steps: list[Step] = []
        self._vfs = _Vfs(self)

    def ack(self, note: int) -> None:
        """Note that `note` was acknowledged to somebody now."""
        self.steps.append(Step("ack", "", note=note))

    def fault(self, what: str, file: str) -> None:
        """Overwrite to inject faults; does nothing."""

    def close(self) -> None:
        """Unregister the VFS; close every connection first."""
        self._vfs.unregister()


class _Vfs(apsw.VFS):
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        super().__init__(recorder.name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        self._recorder.fault("open", _name(name))
        return _File(self._recorder, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self._recorder.steps.append(Step("gone", os.path.basename(filename)))


def _name(name: str | apsw.URIFilename | None) -> str:
    text = name.filename() if isinstance(name, apsw.URIFilename) else name
    return os.path.basename(text or "temporary")


class _File(apsw.VFSFile):
    def __init__(self, recorder: Recorder, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._name = _name(name)
        self._recorder = recorder

    def xWrite(self, data: bytes, offset: int) -> None:
        self._recorder.fault("write", self._name)
        super().xWrite(data, offset)
        self._recorder.steps.append(Step("write", self._name, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:
        self._recorder.fault("cut", self._name)
        super().xTruncate(newsize)
        self._recorder.steps.append(Step("cut", self._name, newsize))

    def xSync(self, flags: int) -> None:
        self._recorder.fault("sync", self._name)
        super().xSync(flags)
        self._recorder.steps.append(Step("sync", self._name))


def rebuild(base: dict[str, bytes], steps: Sequence[Step], draw: np.random.Generator, target: Path) -> set[int]:
    """Write into the folder `target` one state that a power cut after the last of `steps` could have left.

    base: files and their bytes before the first step. Returns the notes acknowledged by then.
    """
    acknowledged = {step.note for step in steps if step.what == "ack"}
    synced = {step.file: index for index, step in enumerate(steps) if step.what == "sync"}
    # One draw for the whole state: from a disk that kept nearly everything to one that kept nearly nothing.
    kept, torn = draw.random(), draw.random() * 0.5
    images = {name: bytearray(data) for name, data in base.items()}
    for index, step in enumerate(steps):
        if step.what == "gone":
            images.pop(step.file, None)
        elif step.what in ("write", "cut"):
            image = images.setdefault(step.file, bytearray())
            if index < synced.get(step.file, -1):
                _apply(image, step, None)
            elif draw.random() < torn:
                sectors = draw.random(len(step.data) // SECTOR_BYTES + 1) < kept
                _apply(image, step, sectors)
            elif draw.random() < kept:
                _apply(image, step, None)
    for name, image in images.items():
        (target / name).write_bytes(image)
    return acknowledged


def _apply(image: bytearray, step: Step, sectors: npt.NDArray[np.bool_] | None) -> None:
    if step.what == "cut":
        if sectors is None:
            del image[step.offset :]
            image.extend(bytes(max(0, step.offset - len(image))))
        return
    for start in range(0, len(step.data), SECTOR_BYTES):
        if sectors is None or sectors[start // SECTOR_BYTES]:
            piece = step.data[start : start + SECTOR_BYTES]
            at = step.offset + start
            image.extend(bytes(max(0, at + len(piece) - len(image))))
            image[at : at + len(piece)] = piece


def power_cuts(
    base: dict[str, bytes], steps: Sequence[Step], seed: int, count: int, folder: Path
) -> Iterator[tuple[Path, set[int]]]:
    """`count` states, each in a folder of its own below `folder`, with what had been acknowledged before the cut."""
    draw = np.random.Generator(np.random.Philox(seed))
    for number in range(count):
        target = folder / f"state-{number}"
        target.mkdir()
        yield target, rebuild(base, steps[: int(draw.integers(1, len(steps) + 1))], draw, target)
