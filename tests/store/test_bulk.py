"""A statement for many rows does what it does row by row."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from einklang.app.ahead import LIGHT
from einklang.store.book import statements
from einklang.store.book.bulk import bulk_of

PUT = """INSERT INTO t (a, b, c) VALUES (?, ?, ?)
ON CONFLICT (a, b) DO UPDATE SET c = excluded.c WHERE excluded.c > t.c"""
ADD = "INSERT INTO t (a, b, c) VALUES (?, ?, ?) ON CONFLICT (a, b) DO UPDATE SET c = c + excluded.c"
DROP = "DELETE FROM t WHERE a = ? AND b = ?"
SET = "UPDATE t SET c = ? WHERE a = ? AND b = ?"
FEW = st.integers(0, 3)
LETTER = st.sampled_from(["", "x", "X", "1"])


def table() -> apsw.Connection:
    """A table with some rows."""
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE t (a INTEGER, b TEXT, c INTEGER, PRIMARY KEY (a, b)) STRICT, WITHOUT ROWID")
    connection.executemany("INSERT INTO t VALUES (?, ?, ?)", [(a, b, 1) for a in range(4) for b in ("x", "1")])
    return connection


def changed(sql: str, parts: Sequence[Sequence[Any]]) -> tuple[int, list[Any]]:
    """Rows changed, and the table afterwards."""
    connection = table()
    before = connection.total_changes()
    connection.executemany(sql, parts)
    return connection.total_changes() - before, connection.execute("SELECT * FROM t ORDER BY a, b").fetchall()


@given(st.lists(st.tuples(FEW, LETTER, FEW), min_size=1, max_size=12), st.sampled_from([PUT, ADD]))
def test_many_rows_are_put_as_one_by_one(rows: list[tuple[int, str, int]], sql: str) -> None:
    """Also where rows of one list meet, with one condition or another, the later one comes after the earlier one."""
    bulk = bulk_of(sql)
    assert bulk is not None
    assert bulk.takes(rows)
    assert changed(sql, rows) == changed(bulk.sql(len(rows)), [list(chain.from_iterable(rows))])


@given(st.lists(st.tuples(FEW, LETTER), min_size=1, max_size=12))
def test_many_rows_are_dropped_as_one_by_one(rows: list[tuple[int, str]]) -> None:
    """The same rows go, each counted once."""
    bulk = bulk_of(DROP)
    assert bulk is not None
    assert bulk.takes(rows)
    assert changed(DROP, rows) == changed(bulk.sql(len(rows)), [list(chain.from_iterable(rows))])


@given(st.lists(st.tuples(FEW, FEW, LETTER), min_size=1, max_size=6))
def test_many_rows_are_set_as_one_by_one(rows: list[tuple[int, int, str]]) -> None:
    """Where no two speak of one row; two of them are told apart."""
    bulk = bulk_of(SET)
    assert bulk is not None
    assert bulk.takes(rows) == (len({row[1:] for row in rows}) == len(rows))
    if bulk.takes(rows):
        assert changed(SET, rows) == changed(bulk.sql(len(rows)), [list(chain.from_iterable(rows))])


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE t SET a = ? WHERE a = ?",  # a row may be changed twice
        "UPDATE t SET c = ? WHERE a = ? AND c IS NULL",
        "DELETE FROM t WHERE a = ? AND c <= ?",
        "INSERT INTO t (a) SELECT ?",
        "INSERT INTO t (a, b) VALUES (?, 1)",
        "INSERT INTO t (a) VALUES (?) ON CONFLICT (a) DO UPDATE SET c = ?",
    ],
)
def test_what_is_more_than_rows_stays_one_by_one(sql: str) -> None:
    """Statements whose rows depend on one another, or that say more than a key, have no form for many."""
    assert bulk_of(sql) is None


def test_what_a_tick_writes_often_has_a_form_for_many() -> None:
    """Every statement of a flight, but for one that lifts what a withdrawal left, is written hundreds at a time."""
    named = {one.name: one for one in statements.load()}
    slow = {name for name in ("entry_put", "entry_sequence", *sorted(LIGHT)) if bulk_of(named[name].sql) is None}
    assert slow == {"suppression_lift"}
