"""Batches of destinations, each given exactly once whenever the process is killed.

    folder/.next/           drafts of the files and of what the destination has then, last of all `manifest.json`
    folder/<name>           the files, for whoever fetches them
    folder/table            the table, which knows itself how far it was given rows
    folder/.given.parquet   what the destination has

Without a manifest the drafts are nothing and go. With it the batch is settled: the drafts that are still there get
their names (so what was fetched and removed meanwhile does not come again), the table is given its rows, then one
transaction notes how far the destination was served, and says so in the log.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Container
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from einklang.app import audits
from einklang.app.destinations import KEEP_US, asked_since, put_stand, stand_of
from einklang.app.exports import write_frame
from einklang.app.ports import Book, Reader, Tx
from einklang.app.syncs import TABLE, Batch, Job
from einklang.app.working import to_json
from einklang.store.lake import give

FOLDER = "destinations"
GIVEN = ".given.parquet"
_NEXT, _MANIFEST, _TABLE = ".next", "manifest.json", ".table.parquet"
_DESTINATION, _CLOCK, _FILE = 3, 1, 11
Step = Callable[[str], None]


class Manifest(msgspec.Struct):
    """What is settled about a batch. upto: seq of the log. table: whether rows wait for it; replace: all others go."""

    id: str
    version: int
    upto: int
    now: int
    files: list[str]
    table: bool
    replace: bool
    said: dict[str, Any]
    sent: int
    notes: str


def silent(_: str) -> None:
    """Nobody wants to know what is done next."""


def has(folder: Path) -> bool:
    """Whether it is known what the destination has, or a batch is on its way."""
    return (folder / GIVEN).is_file() or (folder / _NEXT / _MANIFEST).is_file()


def given(folder: Path) -> pl.DataFrame | None:
    """What the destination has; None: it was given nothing yet."""
    path = folder / GIVEN
    return pl.read_parquet(path) if path.is_file() else None


def publish(book: Book, folder: Path, job: Job, version: int, batch: Batch, *, step: Step = silent) -> None:
    """Give a destination a batch. step: told of each change before it is made. Raises OSError, Unavailable."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.rmtree(folder / _NEXT, ignore_errors=True)
    (folder / _NEXT).mkdir(mode=0o700)
    step("drafts")
    hashes = [draw(folder / _NEXT / name) for name, draw in sorted(batch.files.items())]
    if batch.table is not None:
        hashes.append(write_frame(folder / _NEXT / _TABLE, batch.table[0]))
    write_frame(folder / _NEXT / GIVEN, batch.given)
    names = sorted(batch.files) + ([TABLE] if batch.table is not None else [])
    digest = hashes[0] if len(hashes) == 1 else sha256(" ".join(hashes).encode()).hexdigest()
    manifest = Manifest(
        job.destination.id, version, job.seq, job.now, sorted(batch.files), batch.table is not None,
        batch.table is not None and batch.table[1], {**batch.said, "hash": digest, "file": " ".join(names)}, batch.sent,
        to_json(dict(batch.notes)),
    )  # fmt: skip
    draft = folder / _NEXT / f"{_MANIFEST}.draft"
    draft.write_bytes(msgspec.json.encode(manifest))
    _sync(draft)
    _sync(folder / _NEXT)
    step("manifest")
    draft.rename(folder / _NEXT / _MANIFEST)
    _sync(folder / _NEXT)
    settle(book, folder, step=step)


def settle(book: Book, folder: Path, *, step: Step = silent) -> Manifest | None:
    """Carry out what is settled; None: nothing was. Raises OSError, Unavailable."""
    waiting = folder / _NEXT
    if not (waiting / _MANIFEST).is_file():
        return None
    manifest = msgspec.json.decode((waiting / _MANIFEST).read_bytes(), type=Manifest)
    for name in manifest.files:
        _move(waiting / name, folder / name, step)
    if manifest.table:
        step("table")
        if (waiting / _TABLE).is_file():
            give(folder / TABLE, pl.read_parquet(waiting / _TABLE), manifest.upto, replace=manifest.replace)
    _move(waiting / GIVEN, folder / GIVEN, step)
    _sync(folder)
    step("book")
    book.transact(lambda tx: _note(tx, manifest))
    step("clean")
    (waiting / _MANIFEST).unlink()
    shutil.rmtree(waiting)
    return manifest


def _move(draft: Path, target: Path, step: Step) -> None:
    step(target.name)
    if draft.is_file():  # else it has its name already, and may have been fetched
        draft.rename(target)
        _sync(target.parent)


def _note(tx: Tx, manifest: Manifest) -> None:
    stand = stand_of(tx, manifest.id)
    if stand.cursor >= manifest.upto:
        return
    served = msgspec.structs.replace(
        stand, version=manifest.version, cursor=manifest.upto, notes=manifest.notes, done_at=manifest.now,
        tried_at=manifest.now, again_at=asked_since(stand, manifest.now), attempts=0, error="",
        sent=stand.sent + manifest.sent,
    )  # fmt: skip
    put_stand(tx, served)
    audits.record_within(tx, audits.EXPORTED, manifest.said, manifest.now)


def tidy(reader: Reader, root: Path, now: int) -> list[str]:
    """Remove the incremental files whose time is over, fetched or not; their names."""
    removed = []
    for row in reader.read("all_export"):
        if not row[_DESTINATION] or row[_CLOCK] > now - KEEP_US:
            continue
        for name in str(row[_FILE]).split():
            path = root / row[_DESTINATION] / name
            if name.startswith(f"{row[_DESTINATION]}-") and path.is_file():
                path.unlink()
                removed.append(name)
    return removed


def remove(folder: Path, *, keep: Container[str]) -> None:
    """Remove the forms that nobody keeps up to date any more. Raises OSError."""
    for name in (f"{folder.name}.csv", f"{folder.name}.parquet"):
        if name not in keep:
            (folder / name).unlink(missing_ok=True)
    if TABLE not in keep and (folder / TABLE).is_dir():
        shutil.rmtree(folder / TABLE)


def forget(folder: Path) -> None:
    """Remove all but the batches that somebody may still fetch. Raises OSError."""
    remove(folder, keep=())
    shutil.rmtree(folder / _NEXT, ignore_errors=True)
    (folder / GIVEN).unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
