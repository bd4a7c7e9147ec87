"""Scores by points and stages in conditions: right also when only time passes, and after their rules change."""

from __future__ import annotations

from pathlib import Path

import pytest

from einklang.app import segments
from einklang.app.apply import apply
from einklang.app.run import settle_definitions
from einklang.app.yaml import parse_text
from einklang.event import EngineCall
from einklang.store.lake import Lake
from tests.app.test_prices import members
from tests.app.test_rebuild import differences
from tests.app.test_wakes import track
from tests.app.worlds import DAY, HOUR, START, append, engine_of, home, run

SCORE = """
kind: score
id: heat
points:
  - {add: '=min(events("Page Viewed").within("3d").count(), 2) * 5'}
  - {when: 'trait.role == "buyer"', add: 4}
  - {when: 'events("Order Completed").exists()', add: -2.5}
  - {add: '=trait.nothing'}
"""
DEFINITIONS = f"""{SCORE}
---
{{kind: segment, id: hot, where: 'score("heat") >= 10'}}
---
{{kind: segment, id: cold, where: 'score("heat") < 0'}}
---
kind: stage
id: path
stages:
  - {{name: new, when: 'true'}}
  - {{name: looking, when: 'events("Page Viewed").within("2d").exists()'}}
  - {{name: customer, when: 'events("Order Completed").exists()'}}
---
{{kind: segment, id: lookers, where: 'stage("path") == "looking"'}}
---
{{kind: segment, id: customers, where: 'stage("path") == "customer" && score("heat") <= 3.5'}}
"""


def sent() -> list[EngineCall]:
    """u looks twice and is a buyer; v looks once and orders."""
    return [
        EngineCall("identify", userId="u", traits={"role": "buyer"}, at=START, messageId="t1"),
        track("Page Viewed", START + HOUR, "u"),
        track("Page Viewed", START + DAY, "u"),
        track("Page Viewed", START + HOUR, "v"),
        track("Order Completed", START + 2 * HOUR, "v"),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 5_000])
def test_they_change_by_time_alone(batch: int, tmp_path: Path) -> None:
    """Points come with events and go with their window, at that moment; a rebuild agrees, so do plans."""
    with home(DEFINITIONS) as book:
        append(book, sent())
        for day, hot, cold, lookers, customers in (
            (0.5, 0, 0, 1, 1), (1.5, 1, 0, 1, 1), (2.9, 1, 0, 1, 1), (3.5, 0, 1, 0, 1), (9, 0, 1, 0, 1),
        ):  # fmt: skip
            run(book, [batch], until=START + int(day * DAY))
            found = [members(book, name) for name in ("hot", "cold", "lookers", "customers")]
            assert found == [hot, cold, lookers, customers], day
            with book.snapshot() as reader:
                state = engine_of(book).state
                asked = [
                    len(segments.members(reader, state, Lake(tmp_path), name, START + int(day * DAY)))
                    for name in ("hot", "cold", "lookers", "customers")
                ]
            assert asked == found
        assert differences(book, Lake(tmp_path), batch=1) == []


def test_a_changed_score_is_felt_at_once() -> None:
    """Everybody is looked at under the new points; what depends on it enters and leaves."""
    with home(DEFINITIONS) as book:
        append(book, sent())
        run(book, until=START + DAY + HOUR)
        assert members(book, "hot") == 1
        apply(book, parse_text(SCORE.replace("add: 4", "add: -4"), "f.yaml"), now=START + DAY + 2 * HOUR)
        settle_definitions(book, engine_of(book))
        assert members(book, "hot") == 0
