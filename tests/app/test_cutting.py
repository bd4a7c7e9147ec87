"""The state does not depend on how the log is cut into ticks (invariant 5).

500 logs: CUTTING_LOGS=500 .venv/bin/pytest tests/app/test_cutting.py (under three minutes).
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from einklang.app import tick
from einklang.app.course import Course
from einklang.app.timers import TimerFeed
from einklang.event import EngineCall, Event
from einklang.testing.canonical import canonical_hash, difference
from tests.app.dice import Random
from tests.app.worlds import DAY, START, append, churning_calls, home, random_calls, run, with_reactions

LOGS = int(os.environ.get("CUTTING_LOGS", "100"))
PARTS = 8


def cuttings(random: Random) -> list[list[int]]:
    """Five ways to cut a log into ticks, beside one event a tick."""
    return [
        [5_000],
        [2],
        [random.randint(1, 4) for _ in range(9)],
        [random.randint(2, 12) for _ in range(9)],
        [random.randint(10, 40) for _ in range(5)],
    ]


def check_cuttings(seed: int) -> None:
    """One log, six homes, one state."""
    random = Random(seed)
    kind = churning_calls if seed % 3 == 2 else random_calls
    calls = with_reactions(random, kind(random, random.randint(25, 50)))
    until = START + random.randint(2, 20) * DAY
    with home() as single:
        append(single, calls)
        run(single, [1], until=until)
        expected = canonical_hash(single, log=True)
        for sizes in cuttings(random):
            with home() as other:
                append(other, calls, body=random.randint(1, 30))
                run(other, sizes, until=until, forgetful=random.random() < 0.5)
                if canonical_hash(other, log=True) != expected:
                    raise AssertionError(
                        "\n".join([f"seed {seed}, ticks of {sizes}", *difference(single, other, log=True)])
                    )


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_any_cutting_gives_the_state_of_one_event_a_tick(part: int) -> None:
    """Random logs, each cut in five ways, give the same canonical hash as ticks of one event."""
    for seed in range(part, LOGS, PARTS):
        check_cuttings(seed)


def test_a_second_home_is_equal() -> None:
    """Two homes with the same salt and log have the same canonical hash."""
    calls = random_calls(Random(7), 60)
    hashes = []
    for _ in range(2):
        with home() as book:
            append(book, calls)
            run(book)
            hashes.append(canonical_hash(book, log=True))
    assert hashes[0] == hashes[1]


def test_one_event_more_is_another_state() -> None:
    """The hash sees a difference: positive control of the tests above."""
    calls = random_calls(Random(7), 60)
    with home() as a, home() as b:
        append(a, calls)
        append(b, calls[:-1])
        run(a)
        run(b)
        assert canonical_hash(a) != canonical_hash(b)
        assert difference(a, b)
        assert not difference(a, a)


class EventsFirst(Course):
    """A course with the error that the cutting property is there to find: a batch's events first, its timers after."""

    def go(self, inputs: Sequence[Event], bound: int, timers: TimerFeed, *, stops: bool) -> None:
        """The events, then what is due."""
        self.state.timers = timers
        for event in inputs:
            self.state.clock = max(self.state.clock, event.clock)
            self._event(event)
        super().go([], bound, timers, stops=stops)


def test_timers_after_events_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tick that folds its events before its timers fails the cutting property: positive control."""
    monkeypatch.setattr(tick, "Course", EventsFirst)
    for seed in range(3):
        with pytest.raises(AssertionError, match="ticks of"):
            check_cuttings(seed)


def shuffled_and_total(random: Random, calls: list[EngineCall]) -> list[EngineCall]:
    """The same calls, no two at one time."""
    used: set[int] = set()
    for call in calls:
        assert call.at is not None
        while call.at in used:
            call.at += 1
        used.add(call.at)
    return calls


@pytest.mark.parametrize("seed", range(4))
def test_two_files_in_either_order_are_equal(seed: int) -> None:
    """Where no two events have one time, the order in which files are imported has no meaning."""
    random = Random(100 + seed)
    calls = shuffled_and_total(random, random_calls(random, 50))
    random.shuffle(calls)
    one, two = calls[::2], calls[1::2]
    with home() as a, home() as b:
        for book, parts in ((a, (one, two)), (b, (two, one))):
            for part in parts:
                append(book, part, body=random.randint(1, 30))
            run(book, [random.randint(1, 20)])
        assert not difference(a, b)
