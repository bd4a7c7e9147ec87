"""A server finds out by plan whom a changed segment may concern, and looks at nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from einklang.app import backfill
from einklang.app.apply import Body, apply
from einklang.app.yaml import parse_text
from einklang.event import EngineCall, body_of
from einklang.kernel import time
from einklang.main.home import create, opened
from einklang.main.loop import Loop

NOW = time.parse_moment("2026-05-01T12:00:00Z")
PEOPLE = 30


def rule(days: int) -> str:
    """Who bought within so many days."""
    return f'{{kind: segment, id: buyers, where: \'events("Order Completed").within("{days}d").exists()\'}}'


def test_who_is_concerned_is_found_beside_the_ticks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ticks wait for the thread of the lake; a third is looked at; members change at the switch and not before."""
    monkeypatch.setattr(backfill, "PERSONS_MIN", PEOPLE)
    create(tmp_path / "home", "5a" * 16)
    clock = [NOW]
    with opened(tmp_path / "home", base_url="http://x", writer=True) as home:
        apply(home.book, parse_text(rule(9), "x.yaml"), now=NOW)
        loop = Loop(home, {}, lambda: None, now=lambda: clock[0], steady=lambda: clock[0] / time.SECOND)
        calls = [
            EngineCall("track", "Page Viewed" if n % 3 else "Order Completed", userId=f"u{n}", messageId=f"m{n}")
            for n in range(PEOPLE)
        ]
        for n, call in enumerate(calls):
            call.at = NOW - n * time.DAY // 2
        home.book.append([Body(len(calls), NOW, "web", "import", body_of(calls))])

        def work() -> None:
            for _ in range(9):
                clock[0] += 1_000
                loop.tick()

        work()
        assert len(home.book.read("members_of", "buyers")) == 6
        apply(home.book, parse_text(rule(3), "x.yaml"), now=clock[0])
        work()
        waiting = backfill.now(home.book)
        assert waiting is not None
        assert (waiting.looked, len(home.book.read("members_of", "buyers"))) == (0, 6)
        loop.ship()
        work()
        assert backfill.now(home.book) is None
        assert len(home.book.read("members_of", "buyers")) == 2
        looked = [row[13] for row in home.book.read("all_entry", 0, 1_000) if '"build":"look"' in str(row)]
        assert len(looked) == 1
        assert str(looked).count("p_") == 10
        loop.stop()
