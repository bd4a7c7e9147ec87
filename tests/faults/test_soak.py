"""`einklang soak`: a server under load that is killed, and what its count would find."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from einklang.main.soak import Plan, judge, soak, spread
from einklang.main.soak_load import BATCH, calls
from einklang.main.soak_memory import memory

pytestmark = pytest.mark.faults

PLAN = Plan(seconds=14, rate=300, kill_every=4, seed=11)


def test_a_short_soak(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Killed under load: nothing lost or doubled, no dead letter, the rebuild is equal."""
    found = soak(PLAN, tmp_path / "soak")
    figures = ("events_acknowledged", "kills", "batches_sent_again", "batches_repeated", "lost", "doubled", "ack_ms")
    record_property("said", f"soak, seed {PLAN.seed}: " + ", ".join(f"{name} {found[name]}" for name in figures))
    assert found["ok"], found
    assert found["rebuild_equal"]
    assert found["events_acknowledged"] == PLAN.batches * BATCH
    assert found["kills"] >= 1
    assert found["memory_mb"]["max"] > 0
    assert (found["lost"], found["doubled"], found["never_acknowledged"], found["dead_letters"]) == (0, 0, 0, 0)
    assert found["duplicates_dropped"] >= found["batches_repeated"] * BATCH > 0


def test_what_is_lost_or_twice_is_counted() -> None:
    """Positive control: events that are missing though acknowledged, or there twice; unheard ones are neither."""
    counts = np.ones(4 * BATCH, dtype=np.uint32)
    assert judge([0, 1, 2, 3], counts, 4) == {"lost": 0, "doubled": 0, "never_acknowledged": 0}
    counts[:3] = 0
    counts[BATCH : BATCH + 2] = 2
    assert judge([0, 1, 2, 3], counts, 4) == {"lost": 3, "doubled": 2, "never_acknowledged": 0}
    assert judge([1, 2], counts, 4) == {"lost": 0, "doubled": 2, "never_acknowledged": 2 * BATCH}


def test_a_batch_is_the_same_whenever_it_is_sent() -> None:
    """What is sent again has the same ids and bodies; other batches and seeds have others."""
    assert calls(1, 7) == calls(1, 7)
    ids = [call["messageId"] for seed in (1, 2) for batch in range(20) for call in calls(seed, batch)]
    assert len(set(ids)) == len(ids) == 2 * 20 * BATCH


def _resident(seconds: int, leak: float, seed: int) -> list[tuple[float, float]]:
    """What a server under 500 events a second looks like: caches fill, the lake is joined now and then, and `leak`
    bytes an event are never given back.
    """
    noise = np.random.Generator(np.random.Philox([seed])).normal(0, 3, seconds)
    return [
        (float(at), 400 + 190 * (1 - np.exp(-at / 120)) + (150 if at % 250 < 8 else 0) + wave + leak * 500 * at / 1e6)
        for at, wave in enumerate(noise)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_a_leak_is_told_from_caches_that_fill(seed: int) -> None:
    """Ten minutes whose caches have filled are flat; with 400 bytes an event that stay (positive control) not."""
    flat, leaking = memory(_resident(600, 0, seed)), memory(_resident(600, 400, seed))
    assert flat is not None
    assert leaking is not None
    assert flat["flat"] is True
    assert leaking["flat"] is False
    assert leaking["last_quarter"] > leaking["third_quarter"] * 1.03


def test_what_cannot_be_judged_is_not() -> None:
    """A short run, and one whose server was killed, have figures and no verdict; without samples there is nothing."""
    for found in (memory(_resident(120, 5_000, 1)), memory(_resident(600, 5_000, 1), killed=True)):
        assert found is not None
        assert found["flat"] is None
        assert len(found["over_time"]) == 12
    few = [memory(_resident(count, 0, 1)) for count in (1, 2, 3)]
    assert [found and (len(found["over_time"]), found["max"] > 0, found["flat"]) for found in few] == [
        (count, True, None) for count in (1, 2, 3)
    ]
    assert memory([]) is None


def test_the_spread_of_waits() -> None:
    """Percentiles of few values; nothing of none."""
    assert spread([]) is None
    assert spread([1.0, 2.0, 3.0]) == {"p50": 2.0, "p95": 2.9, "p99": 2.98, "max": 3.0}
