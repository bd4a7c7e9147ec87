"""What a destination was given in another form, or before, does not stay behind: nobody would keep it up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import polars as pl
import pytest

from einklang.app.activation_health import act
from einklang.app.apply import apply, in_force
from einklang.app.run import settle_definitions
from einklang.app.yaml import parse_text
from einklang.main import destinations
from einklang.main.commands import run_home
from einklang.main.destinations import Destinations
from einklang.main.home import Home
from einklang.store.lake import outgoing
from tests.app.dice import Random
from tests.app.worlds import DAY, START
from tests.main.test_given_files import a_home, day, members

SEGMENT = """
{kind: segment, id: recent, where: 'events("Seen").within("2d").exists()'}
---
{kind: trait, id: plan, type: string}
---
{kind: purpose, id: analytics, basis: legitimate_interest}
---
"""
WEBHOOK = '{kind: destination, id: d, type: webhook, segment: recent, purpose: analytics, url: "https://x.example/"}'


def _is(home: Home, said: str) -> set[str]:
    """Define the destination so, serve it; what lies in its folder."""
    text = said if said == WEBHOOK else f"{{kind: destination, id: d, segment: recent, purpose: analytics, {said}}}"
    apply(home.book, parse_text(text, "f.yaml"), now=home.now())
    settle_definitions(home.book, home.engine())
    run_home(home, home.now())
    Destinations(home, home.now).once(whatever=True)
    folder = home.path / "destinations" / "d"
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def test_a_form_of_before_does_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that became a file is gone, and a file that became a table; what became a webhook has no files. The home
    may be named by where one stands, as it is where nothing is said.
    """
    monkeypatch.chdir(tmp_path)
    with a_home(Path(), SEGMENT) as home:
        day(home, Random(1), 1)
        assert _is(home, "type: table") == {"table", ".given.parquet"}
        assert _is(home, "type: file") == {"d.csv", ".given.parquet"}
        assert _is(home, "type: file, format: parquet") == {"d.parquet", ".given.parquet"}
        assert _is(home, "type: table") == {"table", ".given.parquet"}
        assert _is(home, WEBHOOK) == set()


def test_who_is_stopped_is_given_nothing(tmp_path: Path) -> None:
    """Paused by its definition or by staff nothing is written; then all that was missed."""
    with a_home(tmp_path, SEGMENT) as home:
        day(home, Random(1), 1)
        assert _is(home, "type: file, state: paused") == set()
        definitions = in_force(home.book)
        act(home.book, definitions, "d", "pause", actor="ada", now=home.now())
        assert _is(home, "type: file") == set()
        act(home.book, definitions, "d", "resume", actor="ada", now=home.now())
        assert _is(home, "type: file") == {"d.csv", ".given.parquet"}


def test_what_cannot_be_tidied_hinders_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of exports that somebody took away the rights to: destinations are served all the same."""

    def refused(*_: Any, **__: Any) -> NoReturn:
        raise PermissionError(13, "not yours")

    monkeypatch.setattr(destinations, "tidy_exports", refused)
    monkeypatch.setattr(destinations, "drop_replaced", refused)
    with a_home(tmp_path, SEGMENT) as home:
        day(home, Random(1), 1)
        assert "table" in _is(home, "type: table")


def test_a_full_table_keeps_no_copies_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Day after day in place of those before: when readers had their time the folder holds the members alone."""
    monkeypatch.setattr(outgoing, "_READING_HOURS", 0)
    with a_home(tmp_path, SEGMENT) as home:
        random = Random(1)
        for number in range(1, 7):
            day(home, random, number)
            assert "table" in _is(home, "type: table, columns: [trait.plan]")
        files = list((home.path / "destinations" / "d" / "table").glob("*.parquet"))
        held = {row for file in files for row in pl.read_parquet(file)["person_id"]}
        assert held == set(members(home)) != set()
        assert home.now() >= START + 6 * DAY
