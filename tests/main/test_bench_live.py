"""The figures about single persons come out of a home that is filled, and of segments that are really asked."""

from __future__ import annotations

from pathlib import Path

from einklang.main.bench_live import live
from einklang.main.bench_segments import many


def test_an_event_asks_those_who_listen_and_a_look_asks_all(tmp_path: Path) -> None:
    """Of ten segments an order asks five, a page one; every person is measured."""
    found = live(tmp_path / "home", many(10), persons=4)
    asked = {name: said["asked a person"] for name, said in found["an event of each person, ms together"].items()}
    assert (found["persons"], found["segments"], asked["Order Completed"], asked["Page Viewed"]) == (4, 10, 5, 1)
    assert found["ratios"]["rows as objects / an event"] > 0
