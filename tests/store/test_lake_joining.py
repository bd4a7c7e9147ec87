"""Files of the lake are joined: sorted by person, no row changed, whatever comes in between."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from einklang.store.book import SqliteBook
from einklang.store.lake import Lake, commit, durable, rewrite, ship, ship_all, tidy
from einklang.testing.lake_suite import entries
from tests.store.test_lake_compliance import put

SALT = "00" * 16


@pytest.fixture
def book(tmp_path: Path) -> SqliteBook:
    """A Book with 400 entries."""
    made = SqliteBook.create(tmp_path / "home", SALT)
    put(made, "entry", entries(400))
    return made


def shipped(book: SqliteBook, root: Path, rows_max: int = 50, upto: int = 400, **settings: int) -> Lake:
    """A lake of small files."""
    lake = Lake(root, **settings)
    while ship(book, lake, "events", rows_max=rows_max, upto=upto):
        pass
    return lake


def seqs(lake: Lake, version: int | None = None) -> list[int]:
    """Which entries the lake holds."""
    return lake.scan("events", version).sort("seq").collect()["seq"].to_list()


def order(file: str) -> list[tuple[bool, str, int]]:
    """Person and seq of the rows of a file as they lie there, nobody last."""
    rows = pq.read_table(file, columns=["person_id", "seq"]).to_pylist()
    return [(row["person_id"] is None, row["person_id"] or "", row["seq"]) for row in rows]


def test_rows_lie_by_person(book: SqliteBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Appended or joined, each file is in the order of (person, seq); the files of a joining divide the persons, and
    its row groups can be told apart by theirs.
    """
    monkeypatch.setattr(rewrite, "GROUP_ROWS", 32)
    monkeypatch.setattr(rewrite.sorted_files, "__kwdefaults__", {"keep": None, "file_rows": 100})
    lake = shipped(book, tmp_path / "lake")
    for file in lake.files("events"):
        assert order(file) == sorted(order(file))
    assert lake.compact("events", always=True)
    files = sorted(lake.files("events"), key=lambda file: order(file)[0])
    assert len(files) > 2
    rows = [row for file in files for row in order(file)]
    assert rows == sorted(rows)
    for one, other in itertools.pairwise(files):
        assert order(one)[-1][:2] < order(other)[0][:2]
    spans = []
    for file in files[:-1]:
        found = pq.ParquetFile(file).metadata
        place = found.schema.to_arrow_schema().get_field_index("person_id")
        held = [found.row_group(number).column(place).statistics for number in range(found.num_row_groups)]
        spans += [(stats.min, stats.max) for stats in held]
    assert len(spans) > 6
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
    assert seqs(lake) == list(range(1, 401))
    book.close()


@pytest.mark.parametrize("step", ["write", "replace_files", "sync"])
def test_an_interrupted_joining_changes_nothing(
    book: SqliteBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The process ends while files are written, before the commit, or on its way to the disk: the rows are there once,
    and the next process joins them.
    """
    lake = shipped(book, tmp_path / "lake")
    module = {"write": rewrite, "replace_files": commit, "sync": durable}[step]

    class Cut(BaseException):
        """The power goes."""

    def cut(*_: Any, **__: Any) -> None:
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(module, step, cut)
        with pytest.raises(Cut):
            lake.compact("events", always=True)
    lake = Lake(tmp_path / "lake")
    assert seqs(lake) == list(range(1, 401))
    tidy(book, lake)
    assert lake.compact("events", always=True)
    assert seqs(lake) == list(range(1, 401))
    assert len(lake.files("events")) == 1
    assert not list((lake.root / "events" / "_delta_log").glob(".*.draft"))
    book.close()


@pytest.mark.parametrize("damage", ["data torn", "data gone", "commit torn"])
def test_a_joining_that_never_reached_the_disk_is_taken_back(book: SqliteBook, tmp_path: Path, damage: str) -> None:
    """Should its files not be whole after a power cut: the files that it replaced are still there."""
    lake = shipped(book, tmp_path / "lake")
    assert lake.compact("events", always=True)
    (file,) = map(Path, lake.files("events"))
    if damage == "data torn":
        file.write_bytes(file.read_bytes()[:1_000])
    elif damage == "data gone":
        file.unlink()
    else:
        last = max((lake.root / "events" / "_delta_log").glob("*.json"))
        last.write_bytes(last.read_bytes()[:-40])
    lake = Lake(tmp_path / "lake")
    ship_all(book, lake)
    assert seqs(lake) == list(range(1, 401))
    book.close()


def race(book: SqliteBook, root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Lake, int | None]:
    """Another process appends while this one joins. (the lake, what the joining said)"""
    lake, other = shipped(book, root, upto=300), Lake(root)
    files = rewrite.sorted_files

    def slowly(*args: Any, **kwargs: Any) -> Sequence[Any]:
        made = list(files(*args, **kwargs))
        while ship(book, other, "events"):
            pass
        return made

    with monkeypatch.context() as patch:
        patch.setattr(rewrite, "sorted_files", slowly)
        return lake, lake.compact("events", always=True)


def test_who_comes_second_joins_nothing(book: SqliteBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its version is taken: nothing is lost or twice, and the next round joins."""
    lake, done = race(book, tmp_path / "lake", monkeypatch)
    assert done is None
    assert seqs(lake) == list(range(1, 401))
    assert lake.compact("events", always=True)
    assert seqs(lake) == list(range(1, 401))
    book.close()


def test_a_commit_over_another_loses_rows(book: SqliteBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control: a commit that does not ask whether its version exists loses what was appended."""

    def careless(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes())

    monkeypatch.setattr("os.link", careless)
    lake, _ = race(book, tmp_path / "lake", monkeypatch)
    assert seqs(lake) == list(range(1, 301))
    book.close()


def test_only_numbers_persons_and_moments_are_counted(book: SqliteBook, tmp_path: Path) -> None:
    """The commit of a joining has minima and maxima of the same columns as the Delta writer's, and the same values."""
    lake = shipped(book, tmp_path / "lake", rows_max=400)
    log = lake.root / "events" / "_delta_log"

    def stats() -> dict[str, Any]:
        lines = max(log.glob("*.json")).read_text().splitlines()
        (added,) = [json.loads(line)["add"] for line in lines if "add" in json.loads(line)]
        return dict(json.loads(added["stats"]))

    theirs = stats()
    (file,) = lake._data_files(lake._open("events"), "events")
    assert lake._rewrite(
        lake._open("events"), "events", [file], operation="OPTIMIZE", changes_rows=False, stopping=lambda: False
    )
    ours = stats()
    assert ours["numRecords"] == theirs["numRecords"] == 400
    assert ours["nullCount"] == theirs["nullCount"]
    for end in ("minValues", "maxValues"):
        assert set(ours[end]) == {"position", "person_id", "at", "seq"}
        assert {**ours[end], "at": ours[end]["at"][:19]} == {**theirs[end], "at": theirs[end]["at"][:19]}
    book.close()


@pytest.mark.slow
def test_who_asks_for_a_time_gets_the_files_that_may_hold_it(book: SqliteBook, tmp_path: Path) -> None:
    """Fewer files for the end of the log, with every row from that moment on; all of them for its beginning."""
    lake = shipped(book, tmp_path / "lake", rows_max=20)
    rows = lake.scan("events").select("seq", pl.col("at").dt.epoch("us")).collect()
    moments: list[int] = sorted(rows["at"].to_list())
    for since in (moments[0], moments[380], moments[-1] + 1_000):
        chosen = lake.files("events", since=since)
        parts = [pl.read_parquet(file).select("seq", pl.col("at").dt.epoch("us")) for file in chosen]
        there = pl.concat([rows.clear(), *parts])
        wanted = rows.filter(pl.col("at") >= since)["seq"].sort().to_list()
        assert there.filter(pl.col("at") >= since)["seq"].sort().to_list() == wanted
    assert not chosen
    assert 0 < len(lake.files("events", since=moments[380])) < len(lake.files("events"))


def test_a_removal_takes_what_matches_and_nothing_else(book: SqliteBook, tmp_path: Path) -> None:
    """Of several stretches; the table says how many went in all, also after two removals and joinings; an older version
    still has them all; no row is named in the Delta log.
    """
    lake = shipped(book, tmp_path / "lake", rows_max=50)
    before, version = seqs(lake), lake.version("events")
    first = pc.field("seq").isin(list(range(10, 120)))
    assert lake.expire(first) == 110
    lake.compact("events", always=True)
    assert lake.expire(pc.field("seq").isin([5, 50, 200, 390])) == 3, "one of them is gone already"
    assert lake.expired() == 113
    assert seqs(lake) == [seq for seq in before if not 10 <= seq < 120 and seq not in (5, 200, 390)]
    assert seqs(lake, version) == before
    assert lake.expired(version) == 0
    assert lake.expire(first) == 0
    log = "".join(path.read_text() for path in (tmp_path / "lake" / "events" / "_delta_log").glob("*.json"))
    assert "predicate" not in log
