"""The compliance suite of a lake: exactly once, whole, readable by anybody, silent about identifiers.

Derive a class whose name begins with `Test`, say how to make a Book and a lake and how to put rows into a table of
the Book, and let pytest collect it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import numpy as np
import polars as pl
import pyarrow.parquet
from deltalake import DeltaTable

from einklang.fact import columns
from einklang.kernel.errors import Unavailable
from einklang.kernel.time import BEFORE_ALL
from einklang.store.lake import Lake, read_log, refresh, ship, ship_all, tidy
from einklang.store.lake.shipper import GROWING, BookLike, ReaderLike
from einklang.store.lake.table import TABLES

T = TypeVar("T")
Row = tuple[Any, ...]
ADDRESS = "maria.huber@example.org"


def entries(count: int, first: int = 1, seed: int = 1) -> list[Row]:
    """Rows of the Book's `entry` with seq from `first` on, awkward ones among them: nobody, two addresses, odd texts
    and times.
    """
    draw = np.random.Generator(np.random.Philox(seed + first))
    rows: list[Row] = []
    for seq in range(first, first + count):
        person = None if draw.random() < 0.1 else f"p_{draw.integers(50):016d}"
        identifiers = (
            "[]",
            f'[["email","{ADDRESS}"]]',
            f'[["email","{ADDRESS}"],["userId","ü\\"1"],["email","b@b.example"]]',
        )
        at = BEFORE_ALL if draw.random() < 0.05 else int(draw.integers(0, 2**52))
        texts = ('{"n":1.10,"t":"ß\\u0000\\n"}', "{}", '{"list":[1,null,true]}')
        rows.append(
            (
                *(
                    seq + 7,
                    seq,
                    seq * 1_000_003,
                    at,
                    seq,
                    1,
                    int(draw.integers(3)),
                    "track",
                    f"Event {seq % 5}",
                    f"m-{seq}",
                ),
                *(
                    "shop",
                    ("web", "app", "")[seq % 3],
                    seq % 2,
                    person,
                    identifiers[draw.integers(3)],
                    texts[draw.integers(3)],
                    "{}",
                ),
            )
        )
    return rows


def rows_of(table: str, count: int, first: int = 1) -> list[Row]:
    """Rows of another growing table of the Book with n from `first` on."""
    made: dict[str, Callable[[int], Row]] = {
        "verdict": lambda n: (
            n,
            3,
            f"p_{n}",
            n,
            n,
            "r",
            "j",
            "s",
            "m",
            "email",
            "held",
            "cap",
            n if n % 2 else None,
            "{}",
        ),
        "assignment": lambda n: (
            *(n, 3, f"p_{n}", "campaign:j", "r", "j", "s", "control", 0.1, 1, n, n, n % 2, "", None if n % 2 else n),
            *("email", 1.0, "0.12", 0),
        ),
        "outcome": lambda n: (n, 3, f"p_{n}", "campaign:j", "r", n, n, None if n % 2 else "19.99"),
        "message_log": lambda n: (n, f"m_{n}", 3, f"p_{n}", "r", "j", "s", "m", "email", "sent", "", n),
    }
    return [made[table](n) for n in range(first, first + count)]


BOOK_TABLE = {
    "events": "entry",
    "verdicts": "verdict",
    "assignments": "assignment",
    "outcomes": "outcome",
    "messages": "message_log",
}


def fetched(relation: duckdb.DuckDBPyRelation | None) -> list[Row]:
    """All rows of what a query gave."""
    assert relation is not None
    return relation.fetchall()


def code_of(call: Callable[[], object]) -> str:
    """The code of the Unavailable that `call` raises, '' if it goes through."""
    try:
        call()
    except Unavailable as error:
        return error.code
    return ""


class Crash(Exception):
    """The process ends here."""


class CrashingBook:
    """A Book whose process ends whenever it would write."""

    def __init__(self, book: BookLike) -> None:
        self._book = book

    def read(self, name: str, *params: Any) -> list[Row]:
        """As the Book."""
        return self._book.read(name, *params)

    def snapshot(self) -> AbstractContextManager[ReaderLike]:
        """As the Book."""
        return self._book.snapshot()

    def transact(self, work: Callable[[Any], T]) -> T:
        """Never comes back."""
        raise Crash


class CarelessLake(Lake):
    """A lake that believes the Book's mark instead of its own transaction: the positive control, which must double."""

    def __init__(self, root: Path, book: BookLike) -> None:
        super().__init__(root)
        self._book = book

    def _reached(self, handle: DeltaTable, table: str) -> int:
        marks = self._book.read("ship_mark", table)
        return int(marks[0][0]) if marks else 0


class LakeSuite:
    """Derive from it; each test makes a Book and a lake below `tmp_path`."""

    def make_book(self, home: Path) -> BookLike:
        """A new Book."""
        raise NotImplementedError

    def make_lake(self, root: Path, **settings: int) -> Lake:
        """A lake."""
        return Lake(root, **settings)

    def put(self, book: BookLike, table: str, rows: Sequence[Row]) -> None:
        """Insert whole rows into a table of the Book."""
        raise NotImplementedError

    def test_empty_tables_can_be_read(self, tmp_path: Path) -> None:
        """Before anything was shipped every table has its columns and no rows, for Polars and DuckDB."""
        lake = self.make_lake(tmp_path / "lake")
        for table in TABLES:
            names = [column.name for column in columns.LAKE[table]]
            assert lake.files(table) == []
            assert lake.scan(table).collect().columns == names
            assert lake.relation(table).columns == names
            assert lake.reached(table) == 0

    def test_every_column_is_registered(self, tmp_path: Path) -> None:
        """The Delta schema is that of fact.columns: names, order, types, nullability; an extra column would be
        found.
        """
        book, lake = self.make_book(tmp_path / "home"), self.make_lake(tmp_path / "lake")
        for table, source in BOOK_TABLE.items():
            self.put(book, source, entries(1) if table == "events" else rows_of(source, 1))
        ship_all(book, lake)
        delta = {"int64": "long", "int16": "short", "int8": "byte", "bool": "boolean", "decimal": "decimal(38,9)"}
        for table in TABLES:
            found = [(f.name, f.type, f.nullable) for f in DeltaTable(lake.root / table).schema().fields]
            simple = [(name, str(getattr(type_, "type", "map")), null) for name, type_, null in found]
            assert simple == [(c.name, delta.get(c.type, c.type), c.null) for c in columns.LAKE[table]]

    def test_every_reader_sees_the_same(self, tmp_path: Path) -> None:
        """Polars, DuckDB and a plain Parquet reader give the rows that were put, in a folder with an awkward name
        too.
        """
        book, lake = self.make_book(tmp_path / "home"), self.make_lake(tmp_path / "a ü#c*?")
        put = entries(300)
        self.put(book, "entry", put)
        assert ship(book, lake, "events", rows_max=120) == 120
        assert ship(book, lake, "events") == 180
        assert ship(book, lake, "events") == 0
        polars = lake.scan("events").sort("seq").with_columns(pl.col("at", "clock").dt.epoch("us")).collect()
        by_polars = polars.select("position", "seq", "clock", "at", "person_id", "properties").rows()
        assert by_polars == [(row[0], row[1], row[2], row[3], row[13], row[15]) for row in put]
        by_duckdb = lake.relation("events").query(
            "e", 'SELECT position, seq, epoch_us(clock), epoch_us("at"), person_id, properties FROM e ORDER BY seq'
        )
        assert fetched(by_duckdb) == by_polars
        plain = [pyarrow.parquet.ParquetFile(file).read().to_pylist() for file in lake.files("events")]
        by_arrow = sorted((row for rows in plain for row in rows), key=lambda row: int(row["seq"]))
        assert [(row["position"], row["seq"], row["person_id"], row["properties"]) for row in by_arrow] == [
            (row[0], row[1], row[4], row[5]) for row in by_polars
        ]
        emails = lake.relation("events").query("e", f"SELECT seq FROM e WHERE identifiers['email'] = '{ADDRESS}'")
        assert {row[0] for row in fetched(emails)} == {row[1] for row in put if ADDRESS in row[14]}

    def test_other_tables_arrive(self, tmp_path: Path) -> None:
        """Verdicts, assignments, outcomes and messages: each row once, truth values, decimals and nulls kept."""
        book, lake = self.make_book(tmp_path / "home"), self.make_lake(tmp_path / "lake")
        for table, source in list(BOOK_TABLE.items())[1:]:
            for first in (1, 26):
                self.put(book, source, rows_of(source, 25, first))
                assert ship(book, lake, table) == 25
            frame = lake.scan(table).sort("n").collect()
            assert frame["n"].to_list() == list(range(1, 51))
            assert frame["person_id"].to_list() == [f"p_{n}" for n in range(1, 51)]
        assignments = lake.scan("assignments").sort("n").collect()
        assert assignments["would_contact"].to_list() == [bool(n % 2) for n in range(1, 51)]
        assert assignments["contacted_at"].null_count() == 25
        totals = lake.relation("outcomes").query("o", "SELECT sum(value), count(value) FROM o")
        total = fetched(totals)
        assert str(total[0][0]) == "499.750000000"
        assert total[0][1] == 25

    def test_a_crash_between_append_and_mark_costs_nothing(self, tmp_path: Path) -> None:
        """The process ends after the append, again and again; nothing is doubled or lost, and trimming catches up."""
        book, lake = self.make_book(tmp_path / "home"), self.make_lake(tmp_path / "lake")
        self.put(book, "entry", entries(100))
        for _ in range(3):
            try:
                ship(CrashingBook(book), lake, "events", rows_max=30)
                raise AssertionError("the crash did not happen")
            except Crash:
                lake = self.make_lake(tmp_path / "lake")
        assert book.read("ship_mark", "events") == []
        ship_all(book, lake, keep_entries=0)
        assert lake.scan("events").sort("seq").collect()["seq"].to_list() == list(range(1, 101))
        assert book.read("entry_span") == [(None, None)]

    def test_a_shipper_that_trusts_the_mark_doubles(self, tmp_path: Path) -> None:
        """The positive control of the test before: with the mark of the Book as the truth, the same crash doubles
        rows.
        """
        book = self.make_book(tmp_path / "home")
        lake = CarelessLake(tmp_path / "lake", book)
        self.put(book, "entry", entries(100))
        try:
            ship(CrashingBook(book), lake, "events", rows_max=30)
        except Crash:
            ship_all(book, lake)
        assert lake.scan("events").collect().height > 100

    def test_two_shippers_cannot_both_commit(self, tmp_path: Path) -> None:
        """If another one commits between reading and appending, the append fails with `lake_failed` and nothing is
        doubled.
        """
        book, lake = self.make_book(tmp_path / "home"), self.make_lake(tmp_path / "lake")
        self.put(book, "entry", entries(40))
        ship(book, lake, "events", rows_max=10)
        other = self.make_lake(tmp_path / "lake")

        def fetch(reached: int) -> tuple[list[Row], int]:
            ship(book, other, "events", rows_max=20)
            return book.read("ship_events", reached, 5), reached + 5

        assert code_of(lambda: lake.append("events", fetch)) == "lake_failed"
        ship_all(book, lake)
        assert sorted(lake.scan("events").collect()["seq"].to_list()) == list(range(1, 41))

    def test_the_log_is_whole_wherever_it_is_cut(self, tmp_path: Path) -> None:
        """Lake and tail together give each entry once, in order, with all identifiers, whatever is shipped, kept or
        compacted.
        """
        book, lake = self.make_book(tmp_path / "home"), self.make_lake(tmp_path / "lake", compact_every=3)
        put: list[Row] = []
        for keep in (50, 0, 10, 0, 100, 0):
            new = entries(60, len(put) + 1)
            put += new
            self.put(book, "entry", new)
            with book.snapshot() as reader:
                while ship(book, lake, "events", rows_max=25, keep_entries=keep):
                    tidy(book, lake)
                assert [row for rows in read_log(reader, lake, window=37) for row in rows] == put
            with book.snapshot() as reader:
                assert [row for rows in read_log(reader, lake, window=37) for row in rows] == put
                assert [row for rows in read_log(reader, lake, 70, window=9) for row in rows] == put[70:]
                inputs = read_log(reader, lake, names=("at", "person", "seq"), derived=False, window=41)
                assert [row for rows in inputs for row in rows] == [(r[3], r[13], r[1]) for r in put if r[6] != 2]

    def test_compaction_changes_no_row(self, tmp_path: Path) -> None:
        """Many small files become one; rows, what was reached and an older version read as before."""
        book, lake = self.make_book(tmp_path / "home"), self.make_lake(tmp_path / "lake", compact_every=8)
        self.put(book, "entry", entries(100))
        counts = []
        while ship(book, lake, "events", rows_max=10):
            tidy(book, lake)
            counts.append(len(lake.files("events")))
        assert max(counts) == 7
        assert min(counts) == 1
        assert lake.reached("events") == 100
        assert lake.scan("events").sort("seq").collect()["seq"].to_list() == list(range(1, 101))
        assert lake.scan("events", version=5).collect().height == 50

    def test_identifiers_stay_out_of_the_delta_log(self, tmp_path: Path) -> None:
        """No file of the Delta log holds an identifier, checkpoints included: not as text, not in statistics."""
        book, lake = self.make_book(tmp_path / "home"), self.make_lake(tmp_path / "lake", compact_every=4)
        self.put(book, "entry", entries(60))
        while ship(book, lake, "events", rows_max=10):
            tidy(book, lake)
        files = list((lake.root / "events" / "_delta_log").iterdir())
        told = [
            pl.read_parquet(file).write_ndjson() if file.suffix == ".parquet" else file.read_text() for file in files
        ]
        assert any(file.suffix == ".parquet" for file in files)
        assert any("person_id" in text and "p_0000" in text for text in told)
        for secret in (ADDRESS, "b@b.example", "m-1", "Event 1"):
            assert [text for text in told if secret in text] == []

    def test_persons_are_written_anew(self, tmp_path: Path) -> None:
        """Each id that was given out leads to the person it lives on in; a split is seen after the next refresh."""
        book, lake = self.make_book(tmp_path / "home"), self.make_lake(tmp_path / "lake")
        self.put(book, "person", [(1, name, "", 0, b"") for name in ("p_a", "p_b")])
        refresh(book, lake, "persons")
        assert sorted(lake.scan("persons").collect().rows()) == [("p_a", "p_a"), ("p_b", "p_b")]
        self.put(book, "alias", [("p_b", "p_a"), ("p_c", "p_a")])
        refresh(book, lake, "persons")
        assert lake.scan("persons").collect().rows() == [("p_a", "p_a"), ("p_b", "p_a"), ("p_c", "p_a")]

    def test_assignments_can_be_refreshed(self, tmp_path: Path) -> None:
        """A refresh takes the place of all rows, and shipping goes on behind it."""
        book, lake = self.make_book(tmp_path / "home"), self.make_lake(tmp_path / "lake")
        self.put(book, "assignment", rows_of("assignment", 5))
        ship(book, lake, "assignments")
        self.put(book, "assignment", rows_of("assignment", 5, 6))
        refresh(book, lake, "assignments")
        self.put(book, "assignment", rows_of("assignment", 5, 11))
        assert ship(book, lake, "assignments") == 5
        assert sorted(lake.scan("assignments").collect()["n"].to_list()) == list(range(1, 16))

    def test_every_growing_table_is_known(self) -> None:
        """The suite looks at all of them."""
        assert set(GROWING) == set(BOOK_TABLE)
        assert set(TABLES) == {*GROWING, "persons"}
