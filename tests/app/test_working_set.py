"""What the working set keeps between ticks, by bytes."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from einklang.app.output import Output, person_rows
from einklang.app.working import Live, WorkingSet
from einklang.event import Event, names_of
from einklang.fact.person import Person


def _event(seq: int, properties: dict[str, Any]) -> Event:
    at = 1_790_000_000_000_000 + seq * 1_000_000
    named = (("anonymousId", f"d{seq}"),)
    return Event(
        seq, at, at, "track", "Product Viewed", f"message-{seq}", named, properties, {}, "web", "web", 0, seq, at,
        person="p", key=named[0], device=f"d{seq}",
    )  # fmt: skip


def _filled(working: WorkingSet, person: str, events: list[Event]) -> Live:
    live = working.create(person, 0)
    for event in events:
        live.add(event, names_of(event))
    return live


def _write(working: WorkingSet) -> None:
    for live in working.dirty():
        person_rows(Output(), live)
    working.settled()


PAYLOADS: dict[str, Callable[[int], dict[str, Any]]] = {
    "few": lambda n: {"product_id": f"P{n}", "price": Decimal("4.5"), "category": f"coffee {n}"},
    "many": lambda n: {f"key {n} {k}": f"a longer text of event {n} and key {k}" for k in range(20)},
    "numbers": lambda n: {f"key {k}": Decimal(n) / 7 for k in range(20)},
    "long": lambda n: {"text": f"{n} " * 2_000},
}


@pytest.mark.slow
@pytest.mark.parametrize("payload", PAYLOADS)
def test_the_estimate_is_near_what_python_takes(payload: str) -> None:
    """Whatever events hold, the weight of a person is within half and twice what is really allocated."""
    working = WorkingSet()
    gc.collect()
    tracemalloc.start()
    try:
        live = _filled(working, "p", [_event(n, PAYLOADS[payload](n)) for n in range(1, 500)])
        live.new_events.clear()
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    live.heavy = None
    assert taken / 2 < live.weight() < taken * 2


def test_no_more_is_kept_than_the_bound() -> None:
    """After each tick the persons in memory weigh no more than the bound, those asked for last stay."""
    working = WorkingSet(bytes_max=60_000)
    for n in range(50):
        _filled(working, f"p{n}", [_event(n, {"text": "x" * 5_000})])
        if n >= 3:
            assert working.get("p0") is not None
        _write(working)
        held = [working.get(person) for person in working.living()]
        assert sum(live.weight() for live in held if live is not None) <= 60_000
    assert "p0" in working.living()
    assert "p49" in working.living()
    assert len(working.living()) < 10


def test_a_large_event_weighs_what_it_holds() -> None:
    """Positive control of the bound: it is no count of events; one event of 32 KB weighs more than 20 small ones."""
    working = WorkingSet()
    large = _filled(working, "large", [_event(1, {"text": "x" * 32_000})])
    small = _filled(working, "small", [_event(n, {"n": n}) for n in range(20)])
    _write(working)
    assert large.weight() > small.weight()


def test_weights_are_the_same_however_they_came() -> None:
    """A history that was replaced (a merge) weighs what it weighed event by event; nothing is counted twice."""
    working = WorkingSet()
    live = _filled(working, "p", [_event(n, PAYLOADS["few"](n)) for n in range(30)])
    _write(working)
    before = live.weight()
    live.replace_history(list(live.history))
    live.add(_event(31, {"n": 1}), ("Product Viewed",))
    working.mark(live)
    _write(working)
    assert live.weight() - before == pytest.approx(1_017, abs=50)
    assert isinstance(live.person, Person)
