"""Segments that speak of each other are answered by several engines in turn; who answers, and why, can be asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from einklang.app import segments
from einklang.event import EngineCall
from einklang.store.lake import DuckPlans, Lake
from einklang.store.lake.shipper import ship_all
from tests.app.dice import Random
from tests.app.worlds import DAY, HOUR, START, UNTIL, append, engine_of, home, run

DEFINITIONS = """
{kind: policy, id: default, timezone: Europe/Berlin}
---
{kind: segment, id: buyers, where: 'events("Paid").within("4d").sum(amount) > 20'}
---
{kind: segment, id: named, where: 'segment("buyers") && trait.city.matches("^B")'}
---
{kind: segment, id: quiet, where: '!segment("named") && !events("Seen").within("2d").exists()'}
---
{kind: segment, id: early, where: 'events("Seen").where(hour(event.at) < 9).count() > events("Paid").count()'}
---
{kind: segment, id: rich, where: 'events("Paid").sum(huge) > 1'}
---
{kind: segment, id: returning, where: 'segment("early") && trait.city in ["Bonn", "Berlin"] && !segment("quiet")'}
"""
NAMES = ("buyers", "named", "quiet", "early", "rich", "returning")


def _calls(seed: int) -> list[EngineCall]:
    random, found = Random(seed), []
    for number in range(60):
        user, at = f"u{random.randint(0, 7)}", START + random.randint(0, 239) * HOUR
        if number % 5 == 0:
            traits = {"city": ["Bonn", "Berlin", "Köln", None][random.randint(0, 3)]}
            found.append(EngineCall("identify", "", userId=user, messageId=f"t{number}", traits=traits, at=at))
            continue
        name = ("Paid", "Seen", "Seen")[random.randint(0, 2)]
        told = {"amount": random.randint(0, 29), "huge": 9 * 10**28 if user == "u1" else 1}
        found.append(EngineCall("track", name, userId=user, messageId=f"e{number}", properties=told, at=at))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_engines_in_turn_find_the_same_members(seed: int, tmp_path: Path) -> None:
    """DuckDB, Polars and asking person by person agree at any moment, also where a sum is too large for DuckDB."""
    filled = 0
    with home(DEFINITIONS) as book:
        append(book, _calls(seed))
        run(book)
        lake = Lake(tmp_path)
        ship_all(book, lake, keep_entries=3)
        for at in (START + 3 * DAY + HOUR, START + 8 * DAY, UNTIL):
            for name in NAMES:
                with book.snapshot() as reader:
                    state = engine_of(book).state
                    asked = segments.members_at(reader, state, name, at)
                    assert segments.members(reader, state, lake, name, at, DuckPlans()) == asked, (name, at)
                    filled += bool(asked)
    assert filled >= 9


def test_who_answers_and_why_can_be_asked() -> None:
    """Each segment that is needed is named with its engine, and with the parts that a quicker one cannot do."""
    with home(DEFINITIONS) as book, book.snapshot() as reader:
        told = segments.answered_by(reader, engine_of(book).state, "returning", DuckPlans())
        without = segments.answered_by(reader, engine_of(book).state, "early", None)
    by = {str(one["segment"]): one for one in told}
    assert {name: one["by"] for name, one in by.items()} == {
        "buyers": "duckdb",
        "named": "person",
        "quiet": "duckdb",
        "early": "duckdb",
        "returning": "duckdb",
    }
    assert by["named"]["because_of"] == ["matches"]
    assert [(one["by"], one["because_of"]) for one in without] == [("polars", [])]
