"""A lake of an earlier version goes on with new columns, and no file of it is written again."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
import pyarrow.dataset
import pytest
from deltalake import DeltaTable

from einklang.fact import columns
from einklang.fact.column import CONTENT, DECIMAL, Column
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake, ship
from einklang.store.lake.shipper import ReaderLike
from einklang.testing.lake_suite import fetched, rows_of
from tests.store.test_lake_compliance import put

T = TypeVar("T")
FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "home-1.tar.gz"
TABLE = "verdicts"
NEW = Column("score", "decimal", DECIMAL, CONTENT, True)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of an earlier landing."""
    subprocess.run(["tar", "-xzf", FIXTURE, "-C", tmp_path], check=True)
    return tmp_path


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """This version has one column more."""
    monkeypatch.setitem(columns.LAKE, TABLE, (*columns.LAKE[TABLE], NEW))


class ScoringBook:
    """A Book of which each verdict has a score."""

    def __init__(self, book: SqliteBook) -> None:
        self._book = book

    def read(self, name: str, *params: Any) -> list[tuple[Any, ...]]:
        """As the Book."""
        rows = self._book.read(name, *params)
        return [(*row, "0.5") for row in rows] if name == f"ship_{TABLE}" else rows

    def snapshot(self) -> AbstractContextManager[ReaderLike]:
        """As the Book."""
        return self._book.snapshot()

    def transact(self, work: Callable[[Any], T]) -> T:
        """As the Book."""
        return self._book.transact(work)


def contents(lake: Lake) -> dict[str, tuple[bytes, int]]:
    """What the data files of the table hold, and when each was written."""
    files = [Path(file) for file in lake.files(TABLE)]
    return {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in files}


def counted(lake: Lake, version: int | None = None) -> set[tuple[Any, ...]]:
    """(score, rows) by Polars, which DuckDB and a plain reader of the Delta schema must confirm."""
    by_polars = lake.scan(TABLE, version).group_by(NEW.name).agg(pl.len()).collect().rows()
    by_duckdb = lake.relation(TABLE, version=version).query("v", "SELECT score, count(*) FROM v GROUP BY score")
    assert set(fetched(by_duckdb)) == set(by_polars)
    schema = pyarrow.schema(DeltaTable(lake.root / TABLE, version=version).schema().to_arrow())
    if NEW.name in schema.names:
        plain = pyarrow.dataset.dataset(lake.files(TABLE, version), schema=schema).to_table()
        assert set(plain.group_by(NEW.name).aggregate([([], "count_all")]).to_pydict()[NEW.name]) == {
            row[0] for row in by_polars
        }
    return set(by_polars)


@pytest.mark.usefixtures("planted")
def test_a_new_column_touches_no_file(home: Path) -> None:
    """Older rows have null, new ones their value, for each reader, before and after a joining; the files that were
    there are as they were, and so is the older version.
    """
    book, lake = SqliteBook.open(home), Lake(home / "lake")
    before, version, reached = contents(lake), lake.version(TABLE), lake.reached(TABLE)
    old = lake.scan(TABLE).collect().height
    assert old > 20
    assert counted(lake) == {(None, old)}
    put(book, "verdict", rows_of("verdict", 5, reached + 1))
    assert ship(ScoringBook(book), lake, TABLE) == 5
    after = contents(lake)
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 1
    assert counted(lake) == {(None, old), (Decimal("0.5"), 5)}
    assert lake.compact(TABLE, always=True)
    assert len(lake.files(TABLE)) == 1
    assert counted(lake) == {(None, old), (Decimal("0.5"), 5)}
    assert counted(lake, version) == {(None, old)}
    assert {name: ((lake.root / TABLE / name).read_bytes()) for name in before} == {
        name: held for name, (held, _) in before.items()
    }
    book.close()


def test_a_new_column_that_cannot_be_null_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows that are there have no value for it: a fault of ours, found before anything is written."""
    monkeypatch.setitem(columns.LAKE, TABLE, (*columns.LAKE[TABLE], NEW._replace(null=False)))
    lake = Lake(home / "lake")
    version = lake.version(TABLE)
    with pytest.raises(AssertionError, match="must be nullable"):
        lake.compact(TABLE, always=True)
    assert lake.version(TABLE) == version
