"""A fault of ours at any station of an event's way: it is put aside, all else is as if it had never come (invariant 6).

Undecodable bodies, timers and replays: tests/app/test_poison.py, test_tracking_plan.py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from einklang.app import moment, people
from einklang.app.contact import Desk
from einklang.app.course import Course
from einklang.app.moment import Moments
from einklang.event import Event
from einklang.testing.canonical import difference
from tests.app.dice import Random
from tests.app.test_poison import balanced, without
from tests.app.worlds import append, home, random_calls, run, with_reactions

pytestmark = pytest.mark.faults

SEEDS = range(3)
#: Station -> the function that is at fault there.
STATIONS: dict[str, tuple[Any, str]] = {
    "identity": (people, "resolve"),
    "profile": (Moments, "_fold"),
    "segments": (moment, "refresh"),
    "goals": (Moments, "_goal"),
    "journeys entered": (Moments, "_candidate"),
    "steps": (Moments, "_advance"),
    "the door": (Desk, "ask"),
}


class Fault:
    """Raises at a station while one event is worked off: the first one that comes there of those that somebody sent.

    event: its message id, "" before it is found.
    """

    def __init__(self, patch: pytest.MonkeyPatch, place: Any, name: str) -> None:
        self.event = ""
        self._at = ""
        self._call = getattr(place, name)
        work, timer = Course._event, Course._timer

        def event_of(course: Course, event: Event) -> None:
            self._at = event.message_id if event.origin == 0 else ""
            work(course, event)

        def timer_of(course: Course, *due: Any) -> None:
            self._at = ""
            timer(course, *due)

        patch.setattr(Course, "_event", event_of)
        patch.setattr(Course, "_timer", timer_of)
        patch.setattr(place, name, lambda *args, **more: self._station(*args, **more))

    def _station(self, *args: Any, **more: Any) -> Any:
        found = self._call(*args, **more)
        if self._at and not self.event and int(self._at[1:].split("-")[0] or 0) > 5:
            self.event = self._at
        if self._at and self._at == self.event:
            raise ZeroDivisionError("a fault of ours")
        return found


@pytest.mark.parametrize("station", STATIONS)
def test_a_fault_at_a_station_stops_nothing(
    station: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """One dead letter with the reason; the state and the log are those without the event; the books balance."""
    for seed in SEEDS:
        random = Random(seed)
        calls = with_reactions(random, random_calls(random, 60))
        with home() as poisoned, home() as clean:
            with pytest.MonkeyPatch.context() as patch:
                fault = Fault(patch, *STATIONS[station])
                append(poisoned, calls)
                run(poisoned, [random.choice([1, 7, 5_000])])
            assert fault.event, "something came to this station"
            append(clean, without(calls, fault.event))
            run(clean)
            ((code, detail, _, _),) = poisoned.read("dead_told")
            assert (code, "ZeroDivisionError: a fault of ours" in detail) == ("poison", True)
            assert difference(clean, poisoned, log=True) == []
            balanced(poisoned, tmp_path)
    record_property("said", f"poison at {station}: seeds {list(SEEDS)}, one dead letter each, all else as without it")
