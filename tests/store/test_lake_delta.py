"""What only Delta on a local disk promises: synced before trimmed, mended after a power cut, decimals, folder names."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable, write_deltalake

from einklang.kernel.errors import UsageError
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake, durable, ship, ship_all, tidy
from einklang.store.lake.rows import identifier_map, lake_decimal, to_arrow
from einklang.testing.lake_suite import ADDRESS, entries
from tests.store.test_lake_compliance import put

SALT = "00" * 16


def test_everything_is_synced_before_the_book_forgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the mark is written, all data and log files of the table have been synced, those of a compaction too."""
    synced: set[Path] = set()
    unsynced: list[list[str]] = []
    monkeypatch.setattr(durable, "sync", synced.add)
    book, lake = SqliteBook.create(tmp_path / "home", SALT), Lake(tmp_path / "lake", compact_every=3)
    put(book, "entry", entries(100))
    transact = book.transact

    def checked(work: Callable[[Any], Any]) -> Any:
        folder = lake.root / "events"
        files = [Path(file) for file in lake.files("events")] + list((folder / "_delta_log").iterdir())
        unsynced.append([file.name for file in files if file.is_file() and file not in synced])
        assert {folder, folder / "_delta_log", lake.root, tmp_path} <= synced
        return transact(work)

    monkeypatch.setattr(book, "transact", checked)
    while ship(book, lake, "events", rows_max=20, keep_entries=0):
        tidy(book, lake)
    assert len(unsynced) >= 5
    assert unsynced == [[]] * len(unsynced)
    book.close()


def tear(file: Path) -> None:
    """Leave the first half of a file."""
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize("damage", ["data torn", "data gone", "commit torn", "commit empty", "nothing"])
def test_a_power_cut_after_the_append_is_mended(tmp_path: Path, damage: str) -> None:
    """What the last, never noted version lost is shipped again from the Book; nothing is doubled."""
    home, root = tmp_path / "home", tmp_path / "lake"
    book, lake = SqliteBook.create(home, SALT), Lake(root)
    put(book, "entry", entries(60))
    ship(book, lake, "events", rows_max=20, keep_entries=0)
    before = set(lake.files("events"))
    lake.append("events", lambda reached: (book.read("ship_events", reached, 20), reached + 20))
    (new,) = set(lake.files("events")) - before
    commit = max((root / "events" / "_delta_log").glob("*.json"))
    if damage == "data torn":
        tear(Path(new))
    elif damage == "data gone":
        Path(new).unlink()
    elif damage == "commit torn":
        tear(commit)
    elif damage == "commit empty":
        commit.write_bytes(b"")
    lake = Lake(root)
    ship_all(book, lake, keep_entries=0)
    assert lake.scan("events").sort("seq").collect()["seq"].to_list() == list(range(1, 61))
    book.close()


def test_a_power_cut_in_the_first_commit_is_mended(tmp_path: Path) -> None:
    """A table of which nothing was ever noted may vanish; it is made again."""
    book = SqliteBook.create(tmp_path / "home", SALT)
    put(book, "entry", entries(5))
    log = tmp_path / "lake" / "events" / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020}.json").write_bytes(b'{"commitInfo":{}}\n{"proto')
    lake = Lake(tmp_path / "lake")
    ship_all(book, lake)
    assert lake.scan("events").collect().height == 5
    book.close()


def test_statistics_would_hold_identifiers(tmp_path: Path) -> None:
    """The positive control of the scan of the Delta log: without the property the addresses stand in it."""
    book = SqliteBook.create(tmp_path / "home", SALT)
    put(book, "entry", entries(20))
    table = to_arrow("events", book.read("ship_events", 0, 20))
    book.close()
    plain = table.drop_columns(["identifiers"]).append_column("address", [[ADDRESS] * 20])
    write_deltalake(tmp_path / "plain", plain)
    log = (tmp_path / "plain" / "_delta_log" / f"{0:020}.json").read_text()
    assert ADDRESS in log


def test_the_table_can_be_read_by_its_file_list(tmp_path: Path) -> None:
    """No deletion vectors, no column mapping: protocol 1 and 2, which every reader of Delta knows."""
    book, lake = SqliteBook.create(tmp_path / "home", SALT), Lake(tmp_path / "lake")
    put(book, "entry", entries(5))
    ship(book, lake, "events")
    table = DeltaTable(lake.root / "events")
    assert (table.protocol().min_reader_version, table.protocol().min_writer_version) == (1, 2)
    assert table.metadata().configuration["delta.enableDeletionVectors"] == "false"
    assert table.metadata().configuration["delta.dataSkippingStatsColumns"] == "position,person_id,at,seq"
    book.close()


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("19.99", Decimal("19.99")),
        ("-0.0000000005", Decimal(0)),
        ("0.0000000015", Decimal("2E-9")),
        ("1e3", Decimal(1000)),
        ("9" * 29, Decimal("9" * 29)),
        ("1" + "0" * 29, None),
        ("99999999999999999999999999999.9999999999", None),
        ("1e999999", None),
        ("NaN", None),
        ("Infinity", None),
        (None, None),
    ],
)
def test_decimals_fit_or_are_absent(text: str | None, number: Decimal | None) -> None:
    """Nine digits after the point, half to even; what 38 digits do not hold is null, never an error."""
    assert lake_decimal(text) == number


def test_identifiers_lose_nothing() -> None:
    """The first of each kind; the whole text beside it only where a kind comes twice."""
    assert identifier_map("[]") == ([], None)
    assert identifier_map('[["email","a"],["userId","1"]]') == ([("email", "a"), ("userId", "1")], None)
    twice = '[["email","a"],["email","b"]]'
    assert identifier_map(twice) == ([("email", "a")], twice)


@pytest.mark.parametrize("name", ["a[b", "a]b", "a\\b", "a^b", "a|b", "a%20b"])
def test_folder_names_that_delta_cannot_open_are_refused(tmp_path: Path, name: str) -> None:
    """One line instead of a panic."""
    with pytest.raises(UsageError) as error:
        Lake(tmp_path / name / "lake")
    assert error.value.code == "bad_home_name"
