"""`backup` and `restore`: a home in another folder, and its Book in another store.

A copy grows in `DIR.part` and gets its name once it is whole and on the disk: what has its name is a home. It holds
the Book, the lake as it was at the Book's marks, and what ad platforms were given: nobody else could take it back.
Left out is the folder of mails that `run` wrote, of which the Book has all, and files that are made again from it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from einklang.app.working import from_json
from einklang.kernel.errors import Conflict, InputError
from einklang.main.batches import FOLDER, GIVEN
from einklang.main.books import BOOK_FILE, note, there
from einklang.store.book import AnyBook, PostgresBook, SqliteBook
from einklang.store.book.connect import LOCK_FILE, RESERVE_FILE
from einklang.store.book.contents import Progress, check_file
from einklang.store.book.lock import HomeLock
from einklang.store.lake import Lake, checkpoint
from einklang.store.lake.copying import copy_lake
from einklang.store.lake.table import TABLES


def backup(
    book: AnyBook, lake: Lake, target: Path, *, progress: Progress, then: Callable[[Path], None] | None = None
) -> dict[str, Any]:
    """A copy of one state, made beside a running server: a home on SQLite, wherever this one is. then: what is done to
    the whole copy before it gets its name.

    Raises Conflict `home_exists`, `unfinished_copy`, Unavailable.
    """
    with _growing(target) as part:
        if isinstance(book, PostgresBook):
            book.backup(part / BOOK_FILE, progress=progress)
        else:
            book.backup(part / BOOK_FILE)
        found = _rest(part, lake, progress)
        if then is not None:
            then(part)
    return {"home": str(target), **found}


def restore(source: Path, target: Path, *, database_url: str, progress: Progress) -> dict[str, Any]:
    """The home `source` (a backup, or a home on SQLite that nobody serves) as the home `target`, its Book on PostgreSQL
    if there is an address. The source stays as it is.

    Raises InputError `not_a_home`, Conflict `home_in_use`, `home_exists`, `unfinished_copy`, `home_too_new`,
    Unavailable `copy_differs` and others.
    """
    if not (source / BOOK_FILE).is_file():
        raise InputError(
            "not_a_home",
            "there is no copy of a home here",
            where=str(source),
            mend="name the folder of a backup (einklang backup DIR), or of a home on SQLite",
        )
    with _still(source), _growing(target) as part:
        for name in (BOOK_FILE, f"{BOOK_FILE}-wal"):
            if (source / name).exists():
                shutil.copyfile(source / name, part / name)
                (part / name).chmod(0o600)
        with SqliteBook.open(part) as copy:  # takes the log in, and brings a former version's Book up to date
            salt = str(copy.read("meta_value", "salt")[0][0])
        for name in (LOCK_FILE, RESERVE_FILE):
            (part / name).unlink(missing_ok=True)
        found = _rest(part, Lake(source / "lake"), progress)
        if database_url:
            PostgresBook.restore(database_url, part / BOOK_FILE, progress=progress)
            (part / BOOK_FILE).unlink()
            note(part, salt)
    return {"home": str(target), "store": "PostgreSQL" if database_url else "SQLite", **found}


@contextmanager
def _still(source: Path) -> Iterator[None]:
    """Nobody writes to the source meanwhile, or the copy would go on with what the other has done already."""
    lock: HomeLock | None = None
    with suppress(OSError):  # a medium that cannot be written to: nobody does
        lock = HomeLock(source)
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


@contextmanager
def _growing(target: Path) -> Iterator[Path]:
    """The folder in which a copy grows; it gets its name at the end, or goes."""
    if there(target) or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise Conflict("home_exists", "there is something already", where=str(target), mend="name a new folder")
    part = target.with_name(f"{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        part.mkdir(mode=0o700)
    except FileExistsError:
        raise Conflict(
            "unfinished_copy",
            "a copy is being made here, or was not finished",
            where=str(part),
            mend="if nobody works on it: delete this folder, and start again",
        ) from None
    try:
        yield part
        _sync(part)
        part.rename(target)
        _sync(target.parent)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _rest(part: Path, lake: Lake, progress: Progress) -> dict[str, Any]:
    """Look the Book of `part` through, and copy what belongs to it; what it holds."""
    check_file(part / BOOK_FILE)
    with SqliteBook.open(part, writer=False) as copy:
        marks = {table: copy.read("ship_mark", table) for table in TABLES}
        seq = copy.read("counter_value", "seq")[0][0]
        _audiences(copy, lake.root.parent / FOLDER, part / FOLDER)
    at = {table: found[0] for table, found in marks.items() if found}
    count = copy_lake(lake, part / "lake", at, progress=progress)
    checkpoint.copy_to(lake.root, part / "lake", seq)
    return {"entries": seq, "lake_files": count}


def _audiences(book: SqliteBook, source: Path, target: Path) -> None:
    """Copy what was given to ad platforms, and the files that nobody has fetched yet.

    What was given comes first: a batch that is published meanwhile is then told once more, and never not at all.
    """
    for kind, name, _, body in book.read("definitions_active"):
        folder = source / str(name)
        if kind != "destination" or from_json(body).get("type") != "audience" or not folder.is_dir():
            continue
        (target / str(name)).mkdir(mode=0o700, parents=True)
        for path in [folder / GIVEN, *sorted(folder.glob(f"{name}-*.csv"))]:
            with suppress(FileNotFoundError):  # fetched meanwhile
                shutil.copyfile(path, target / str(name) / path.name)
                (target / str(name) / path.name).chmod(0o600)
                _sync(target / str(name) / path.name)
        _sync(target / str(name))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
