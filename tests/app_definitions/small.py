"""A small home for tests of definitions, imports and `why`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import apsw

from einklang.app import apply as applying
from einklang.app.imports import Imported, import_file
from einklang.app.run import run as run_until
from einklang.app.run import settle_definitions
from einklang.app.state import State
from einklang.app.tick import Engine
from einklang.app.yaml import Document, parse_text
from einklang.kernel import time
from einklang.store.book import Setup, SqliteBook

SETUP = Setup(synchronous="OFF", reserve_bytes=0)
NOW = time.parse_moment("2026-01-01T00:00:00Z")
UNTIL = time.parse_moment("2026-03-01T00:00:00Z")
MESSAGE = """
kind: message
id: note
purpose: marketing
class: marketing
data: {name: string}
email: {subject: {de: "Noch da: {{ data.name }}", en: "Still there: {{ data.name }}"}, text: {de: Hallo, en: Hello}}
"""
JOURNEY = """
kind: journey
id: tour
entry: {event: Product Added, key: cart_id, where: 'price >= 20'}
exit: {bought: 'events("Order Completed").since(entry).where(cart_id == entry.key).exists()'}
goal: {event: Order Completed, where: 'cart_id == entry.key', within: 14d, value: revenue}
steps:
  - {id: idle, until: '!events("Product Added").within("3h").exists()', at_most: 2d, else: end}
  - {id: first, contact: note, channels: [email], data: {name: '=entry.properties.name'}}
"""
BASE = f"""
kind: policy
timezone: Europe/Berlin
languages: [de, en]
---
kind: segment
id: buyers
where: 'events("Order Completed").within("30d").exists()'
---{MESSAGE}---{JOURNEY}"""


def docs(text: str, name: str = "f.yaml") -> list[Document]:
    """The documents of a text, read once."""
    return list(_read(text, name))


@cache
def _read(text: str, name: str) -> tuple[Document, ...]:
    return tuple(parse_text(text, name))


def engine_of(book: SqliteBook, *, channels: frozenset[str] = frozenset({"email"})) -> Engine:
    """The engine, wired as main does it."""
    return Engine(book, state_of(book, channels=channels), version="test")


def state_of(book: SqliteBook, *, channels: frozenset[str] = frozenset({"email"})) -> State:
    """The definitions in force."""
    salt = bytes.fromhex(book.read("meta_value", "salt")[0][0])
    return State(salt, applying.in_force(book), link_key=b"k" * 32, base_url="http://shop.example", channels=channels)


def apply(book: SqliteBook, text: str, name: str = "f.yaml") -> applying.Applied:
    """Apply and settle."""
    engine = engine_of(book)
    applied = applying.apply(book, docs(text, name), now=NOW)
    settle_definitions(book, engine)
    return applied


def run(book: SqliteBook, until: int = UNTIL) -> dict[str, bytes]:
    """`run --until`; the messages that were handed out, by key."""
    found: dict[str, bytes] = {}
    run_until(book, engine_of(book), until, mode="run", handed=lambda channel, key, body: found.update({key: body}))
    return found


def put(book: SqliteBook, folder: Path, kind: str, name: str, text: str | bytes, **options: Any) -> Imported:
    """Import a text as a file."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return import_file(book, kind, path, now=NOW, **options)


def everything(folder: Path) -> list[Any]:
    """All rows that an apply or an import could have written."""
    connection = apsw.Connection(str(folder / "book.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return [
            sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
            for table in ("definition", "entry", "tail", "counter", "catalog")
        ]
    finally:
        connection.close()


@contextmanager
def home(folder: Path, text: str = "") -> Iterator[SqliteBook]:
    """A new Book, with these definitions in force."""
    SqliteBook.create(folder, "5a" * 16, setup=SETUP).close()
    book = SqliteBook.open(folder, setup=SETUP)
    try:
        if text:
            apply(book, text)
        yield book
    finally:
        book.close()
