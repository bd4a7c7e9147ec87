"""Every named statement does on PostgreSQL what it does on SQLite, for few rows and for many."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from einklang.fact.columns import BOOK
from einklang.kernel.errors import Conflict
from einklang.store.book import AnyBook, PostgresBook, Setup, SqliteBook
from einklang.store.book.postgres.dialect import Prepared
from einklang.store.book.postgres.rows import BULK_ROWS_MIN

pytestmark = pytest.mark.stores

SALT = "00" * 16
ROUNDS = 6
#: Few values, so that rows meet: by type of the parameter.
VALUES: dict[int, tuple[Any, ...]] = {
    20: (0, 1, 2, 3, 2**40),
    23: (0, 1, 2, 3),
    25: ("", "a", "A", "b", "ß", "€\t\\n\n"),
    17: (b"", b"\0\xff", b"a", b"\\x"),
    701: (0.0, 0.1, 1.0),
}
#: The counters and the settings that the Book itself lives by are left alone, with what deletes at random.
OWN = {"counter_set", "counter_add", "meta_put"}


@pytest.fixture
def both(tmp_path: Path, database_url: str) -> Iterator[tuple[SqliteBook, PostgresBook]]:
    """Two empty homes."""
    light = SqliteBook.create(tmp_path / "home", SALT, setup=Setup(synchronous="OFF", reserve_bytes=0))
    with light, PostgresBook.create(database_url, SALT) as server:
        yield light, server


def rows_for(draw: np.random.Generator, statement: Prepared, count: int) -> list[tuple[Any, ...]]:
    """Rows of parameters."""
    pools = [VALUES[oid] for oid in statement.types]
    if statement.name == "person_put":  # nobody is in two lanes
        pools[0] = (1,)
    if "LIKE" in statement.sql:  # patterns are in small letters
        pools = [tuple(value for value in pool if value != "A") for pool in pools]
    return [tuple(pool[int(draw.integers(len(pool)))] for pool in pools) for _ in range(count)]


def comparable(statement: Prepared, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows, in their order where the statement says one."""
    return rows if "ORDER BY" in statement.sql else sorted(rows, key=repr)


def written(book: AnyBook, name: str, rows: list[tuple[Any, ...]]) -> int | str:
    """The rows changed, or that it was refused."""
    try:
        return book.transact(lambda tx: tx.write(name, rows))
    except Conflict as error:
        return error.code


def content(book: AnyBook, name: str) -> list[tuple[Any, ...]]:
    """A table, whole, in the order of its rows."""
    columns = ", ".join(column.name for column in BOOK[name])

    def read(tx: Any) -> list[tuple[Any, ...]]:
        if isinstance(book, SqliteBook):
            return list(tx._connection.execute(f"SELECT {columns} FROM {name}").fetchall())
        return list(tx._cursor.execute(f"SELECT {columns} FROM {name}".encode(), binary=True).fetchall())

    return sorted(book.transact(read), key=repr)


def test_every_write_changes_the_same_rows(both: tuple[SqliteBook, PostgresBook]) -> None:
    """Random rows through every statement, in numbers below and above the bulk forms: the same refusals, the same
    number of changed rows, at the end the same tables.
    """
    _, server = both
    draw = np.random.Generator(np.random.Philox(5))
    writes = [found for found in server._statements.values() if not found.reads_only and found.name not in OWN]
    assert sum(found.bulk is not None for found in writes) > len(writes) * 0.8
    filled = set[str]()
    for round_ in range(ROUNDS):
        for place in draw.permutation(len(writes)):
            statement = writes[place]
            count = int(draw.choice([1, 3, BULK_ROWS_MIN, 2 * BULK_ROWS_MIN]))
            rows = rows_for(draw, statement, count)
            if draw.random() < 0.6:  # whole tables are rarely filled by rows that collide
                rows = list(dict.fromkeys(rows))
            told = [written(book, statement.name, rows) for book in both]
            assert told[0] == told[1], (round_, statement.name, rows)
        for table in BOOK:
            contents = [content(book, table) for book in both]
            assert contents[0] == contents[1], (round_, table)
            filled |= {table} if contents[0] else set()
    assert len(filled) > len(BOOK) * 0.7


def read_each(book: AnyBook, name: str, rows: list[tuple[Any, ...]]) -> list[list[tuple[Any, ...]]]:
    """The answers for each of some parameter rows, in one state."""
    with book.snapshot() as reader:
        return list(reader.read_each(name, rows))


def test_every_read_finds_the_same_rows(both: tuple[SqliteBook, PostgresBook]) -> None:
    """Over the same random rows every statement gives the same rows in the same order, one by one and for many."""
    _, server = both
    draw = np.random.Generator(np.random.Philox(6))
    for statement in server._statements.values():
        if statement.name.endswith(("_put", "_append", "_raise")) and statement.name not in OWN:
            for row in dict.fromkeys(rows_for(draw, statement, 30)):
                told = [written(book, statement.name, [row]) for book in both]
                assert told[0] == told[1]
    found, many = 0, 0
    for statement in server._statements.values():
        if not statement.reads_only:
            continue
        rows = rows_for(draw, statement, 2 * BULK_ROWS_MIN) if statement.types else [()]
        for row in rows[:8]:
            answers = [book.read(statement.name, *row) for book in both]
            assert comparable(statement, answers[0]) == comparable(statement, answers[1]), (statement.name, row)
            assert [[type(cell) for cell in line] for line in answers[0]] == [
                [type(cell) for cell in line] for line in answers[1]
            ], statement.name
            found += bool(answers[0])
        answers = [book.read_many(statement.name, rows) for book in both]
        assert comparable(statement, answers[0]) == comparable(statement, answers[1]), statement.name
        many += len(answers[0])
        each = [read_each(book, statement.name, rows[:12]) for book in both]
        assert [comparable(statement, one) for one in each[0]] == [comparable(statement, one) for one in each[1]]
    assert found > 100
    assert many > 1_000
