"""Who enters: the rules of entry one by one, and keys of runs."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from einklang.fact.person import Run
from einklang.flow import entry
from einklang.flow.compile import Journey
from einklang.kernel import time
from einklang.kernel.reasons import Reason
from tests.flow.journeys import T0, event, journey

STEPS = [{"id": "w", "wait": "1d"}]


def made(state: str = "live", **rules: Any) -> Journey:
    """A journey with these rules of entry."""
    window = {key: rules.pop(key) for key in ("starts", "ends") if key in rules}
    return journey(STEPS, entry={"event": "Start", **rules}, state=state, **window)


def run(at: int, key: str = "", status: str = "active") -> Run:
    """An earlier run that entered at `at`."""
    begun = entry.start(made(), entry.begin(event("Start", at), key or None), "p", bytes(16), "treated", 0.0)
    begun.status = status
    return begun


def refused(
    journey: Journey, *runs: Run, at: int = T0, key: Any = None, live: bool = False, now: int | None = None
) -> Any:
    """The reason, or None."""
    return entry.refusal(journey, event("Start", at), key, runs, at if now is None else now, live=live)


@pytest.mark.parametrize(
    ("state", "reason"),
    [("live", None), ("draft", Reason.NOT_OPEN), ("paused", Reason.PAUSED), ("stopped", Reason.NOT_OPEN)],
)
def test_only_live_journeys_take_people_in(state: str, reason: Reason | None) -> None:
    """Each state."""
    assert refused(made(state)) == reason


def test_starts_and_ends_are_half_open() -> None:
    """From `starts` on, no longer at `ends`."""
    window = made(starts="2026-06-10T12:00:00Z", ends="2026-06-11T12:00:00Z")
    day = time.DAY
    found = [refused(window, at=at) for at in (T0 - 1, T0, T0 + day - 1, T0 + day)]
    assert found == [Reason.NOT_OPEN, None, None, Reason.NOT_OPEN]


def test_old_events_start_nothing_live_only() -> None:
    """Older than `max_age` on arrival: refused when live, not under a virtual clock; exactly as old is in time."""
    journey = made(max_age="1d")
    assert refused(journey, live=True, now=T0 + time.DAY) is None
    assert refused(journey, live=True, now=T0 + time.DAY + 1) == Reason.MAX_AGE
    assert refused(journey, live=False, now=T0 + 900 * time.DAY) is None


def test_never_is_never_and_per_key() -> None:
    """After a run that has ended, by default nobody enters again; another key may."""
    journey = made(key="cart")
    ended = run(T0 - 90 * time.DAY, "a", "done")
    assert refused(journey, ended, key="a") == Reason.REENTER
    assert refused(journey, ended, key="b") is None
    assert refused(journey, key=None) == Reason.NO_KEY


def test_always_but_not_while_it_runs() -> None:
    """`reenter: always` after the end of a run; while it lasts: running."""
    journey = made(key="cart", reenter="always")
    assert refused(journey, run(T0 - 1, "a", "done"), key="a") is None
    assert refused(journey, run(T0 - 1, "a"), key="a") == Reason.RUNNING


@pytest.mark.parametrize(("age", "reason"), [(30 * time.DAY - 1, Reason.REENTER), (30 * time.DAY, None)])
def test_a_duration_counts_from_the_entry_of_the_run_before(age: int, reason: Reason | None) -> None:
    """Exactly 30 days after the entry of the latest run of this key it is allowed again."""
    journey = made(reenter="30d")
    runs = [run(T0 - 90 * time.DAY, "", "done"), run(T0 - age, "", "exited")]
    assert refused(journey, *runs) == reason


def test_runs_at_once() -> None:
    """Without a key one at a time; with a key no limit unless written; ended runs do not count."""
    assert refused(made(key="cart"), run(T0 - 5, "a"), run(T0 - 4, "b"), key="c") is None
    two = made(key="cart", at_once=2)
    assert refused(two, run(T0 - 5, "a"), run(T0 - 4, "b"), key="c") == Reason.AT_ONCE
    assert refused(two, run(T0 - 5, "a", "done"), run(T0 - 4, "b"), key="c") is None
    assert refused(made(reenter="always"), run(T0 - 5)) == Reason.RUNNING


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (None, ""), ("c1", "c1"), (5, "5"), (Decimal("5.0"), "5"), (Decimal("1E+2"), "100"), (Decimal("0.10"), "0.1"),
        (date(2026, 6, 1), "2026-06-01"), (True, "true"), (["b", 1], '["b", 1]'),
    ],
)  # fmt: skip
def test_equal_keys_give_equal_texts(key: Any, text: str) -> None:
    """Numbers by value, dates as they are written."""
    assert entry.key_text(key) == text


def test_a_run_is_named_by_person_journey_key_and_message() -> None:
    """The same candidate always gives the same run; another key, person or message another one."""
    journey = made(key="cart")

    def named(key: str, person: str, at: int) -> str:
        return entry.start(journey, entry.begin(event("Start", at), key), person, bytes(16), "treated", 0.1).id

    found = [named("a", "p", 1), named("a", "p", 1), named("b", "p", 1), named("a", "q", 1), named("a", "p", 2)]
    assert found[0] == found[1]
    assert len(set(found)) == 4
