"""Two engines take turns on one Book, as when the lease of the ticks passes from one process to another."""

from __future__ import annotations

from contextlib import suppress

import pytest

from einklang.app.ahead import MovedOn
from einklang.app.run import expand_pending
from einklang.app.sources import RunSource
from einklang.app.tick import Engine
from einklang.testing.canonical import canonical_hash, difference
from tests.app.dice import Random
from tests.app.worlds import UNTIL, append, churning_calls, engine_of, home, random_calls, run


def taking_turns(seed: int) -> list[str]:
    """Where the state of two engines that take turns at random differs from that of one."""
    random = Random(seed)
    kind = churning_calls if seed % 2 else random_calls
    calls = kind(random, 40)
    with home() as one, home() as two:
        for book in (one, two):
            append(book, calls)
        run(one)
        engines = [engine_of(two), engine_of(two)]
        expand_pending(two, version="test")
        source = RunSource(UNTIL, "run")
        while not source.finished:
            engine = random.choice(engines)
            engine.step(source, random.randint(1, 8))
            if random.random() < 0.8:  # else the other one ticks while this one computes ahead
                with suppress(MovedOn):
                    engine.land()
        return difference(one, two, log=True) if canonical_hash(one, log=True) != canonical_hash(two, log=True) else []


@pytest.mark.parametrize("seed", range(6))
def test_engines_that_take_turns_give_the_state_of_one(seed: int) -> None:
    """Each notices that the other ticked, and forgets what it had in memory."""
    assert taking_turns(seed) == []


@pytest.mark.slow
def test_an_engine_that_trusts_its_memory_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: an engine that does not look whether somebody else ticked works on a state that has gone."""
    monkeypatch.setattr(Engine, "_learn", lambda self, reader: None)
    found = 0
    for seed in range(4):
        try:
            found += bool(taking_turns(seed))
        except Exception:  # rows that collide, or a state that cannot be
            found += 1
    assert found >= 3
