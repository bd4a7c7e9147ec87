"""What is remembered between ticks is bounded, whatever names and keys the world makes up."""

from __future__ import annotations

import json
from typing import Any

import pytest

from einklang.app import state as states
from einklang.app.definitions import compile_all
from einklang.app.poison import ASIDE_MAX, Poison
from einklang.app.state import Catalogs, State


class Shelf:
    """A Book with a catalog in which every even key has a row."""

    def __init__(self) -> None:
        self.asked = 0

    def read(self, name: str, *params: Any) -> list[tuple[Any, ...]]:
        """The row of a key."""
        self.asked += 1
        return [(json.dumps({"n": int(params[1])}),)] if int(params[1]) % 2 == 0 else []


def test_keys_that_nobody_knows_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made-up keys of a catalog are remembered up to the bound; within it each is asked once (positive control)."""
    monkeypatch.setattr(states, "CATALOG_ROWS_MAX", 100)
    catalogs, shelf = Catalogs(), Shelf()
    for tick in range(50):
        catalogs.read_from(shelf)  # type: ignore[arg-type]  # a part of a reader
        for n in range(tick * 10, tick * 10 + 10):
            assert catalogs.get("products", n) == ({"n": n} if n % 2 == 0 else None)
            assert catalogs.get("products", n) == ({"n": n} if n % 2 == 0 else None)
        assert len(catalogs._rows) <= 120
    assert shelf.asked == 500


def test_a_row_of_this_tick_is_not_lost() -> None:
    """Rows that a tick puts in force stay until the next one reads, however many they are."""
    catalogs = Catalogs()
    catalogs.read_from(Shelf())  # type: ignore[arg-type]  # a part of a reader
    for n in range(states.CATALOG_ROWS_MAX + 10):
        catalogs.put("products", str(n), {"here": n})
    assert catalogs.get("products", 3) == {"here": 3}
    catalogs.read_from(Shelf())  # type: ignore[arg-type]  # a part of a reader
    assert catalogs.get("products", 3) is None


def test_names_of_events_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made-up names of events are remembered up to the bound."""
    monkeypatch.setattr(states, "NAMES_MAX", 100)
    state = State(b"0" * 16, compile_all({}, {}), link_key=b"", base_url="", channels=frozenset())
    for n in range(1_000):
        assert state.entered_by(f"made up {n}") == []
        assert len(state._entered) <= 100


def test_what_was_put_aside_is_forgotten() -> None:
    """Any number of poison events takes bounded memory; each is put aside after two attempts."""
    poison = Poison()
    for position in range(1, 3 * ASIDE_MAX):
        poison.working_on = position
        for _ in range(2):
            poison.found(ValueError("bad"), 1)
        assert position in poison.aside
        assert len(poison.aside) <= ASIDE_MAX
