"""Which Book a home has: the file book.db in its folder, or a schema of PostgreSQL (EINKLANG_DATABASE_URL).

A home whose Book is elsewhere holds a note that names it by a hash of its salt: so its lake and its outbox are never
mixed with another home's Book.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

from einklang.kernel.errors import Conflict, InputError
from einklang.store.book import AnyBook, PostgresBook, Setup, SqliteBook

BOOK_FILE = "book.db"
NOTE_FILE = "book.postgresql"


def there(path: Path) -> bool:
    """Whether this folder is a home."""
    return (path / BOOK_FILE).is_file() or (path / NOTE_FILE).is_file()


def create_book(
    path: Path,
    salt_hex: str,
    *,
    database_url: str = "",
    meta: Mapping[str, str] | None = None,
    setup: Setup | None = None,
) -> AnyBook:
    """A new Book, open for writing. Raises UsageError, Conflict `home_exists` or `home_in_use`, Unavailable."""
    if not database_url:
        _here(path)
        return SqliteBook.create(path, salt_hex, meta=meta, setup=setup)
    if there(path):
        raise Conflict("home_exists", "there is a home already", where=str(path), mend="use another --home")
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    book = PostgresBook.create(database_url, salt_hex, meta=meta, setup=setup)
    try:
        note(path, salt_hex)
    except BaseException:
        book.close()
        raise
    return book


def open_book(
    path: Path, *, database_url: str = "", writer: bool, together: bool = False, setup: Setup | None = None
) -> AnyBook:
    """The Book of an existing home. together: as one of several processes of a server, on PostgreSQL alone.

    Raises UsageError, InputError `not_a_home`, Conflict `home_in_use`, `other_home`, `home_too_new`, `home_too_old`,
    Unavailable.
    """
    if not database_url:
        _here(path)
        return SqliteBook.open(path, writer=writer, setup=setup)
    if (path / BOOK_FILE).is_file():
        raise Conflict(
            "other_home",
            "the Book of this home is its file book.db, and EINKLANG_DATABASE_URL is set",
            where=str(path),
            mend="unset EINKLANG_DATABASE_URL, or use another --home",
        )
    if not (path / NOTE_FILE).is_file():
        raise InputError(
            "not_a_home", "no home was created here", where=str(path), mend="create one with: einklang init"
        )
    book = PostgresBook.open(database_url, writer=writer, together=together, setup=setup)
    if (path / NOTE_FILE).read_text("utf-8").strip() != _name_of(book.read("meta_value", "salt")[0][0]):
        book.close()
        raise Conflict(
            "other_home",
            "this folder belongs to another Book than EINKLANG_DATABASE_URL names",
            where=str(path),
            mend="check --home and EINKLANG_DATABASE_URL: lake and Book go together",
        )
    return book


def fresh_schema(database_url: str, name: str) -> str:
    """The address of a schema `bench_PROCESS_NAME` for a benchmark, which stays; "" without a database."""
    mark = "&" if "?" in database_url else "?"
    return f"{database_url}{mark}schema=bench_{os.getpid()}_{name}" if database_url else ""


def _here(path: Path) -> None:
    if (path / NOTE_FILE).is_file():
        raise InputError(
            "not_a_home",
            "the Book of this home is on PostgreSQL",
            where=str(path),
            mend="set EINKLANG_DATABASE_URL=postgresql://user:password@host:5432/database",
        )


def _name_of(salt_hex: str) -> str:
    return blake2b(bytes.fromhex(salt_hex), digest_size=16, person=b"home").hexdigest()


def note(path: Path, salt_hex: str) -> None:
    """Say in this folder that its Book is on PostgreSQL, and which one it is; durable on return."""
    handle = os.open(path / NOTE_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, _name_of(salt_hex).encode())
        os.fsync(handle)
    finally:
        os.close(handle)
