"""`einklang soak`: a server under load that is killed, and what its count would find."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from einklang.main.soak import Plan, judge, memory, soak, spread
from einklang.main.soak_load import BATCH, calls

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


def test_memory_that_grows_is_seen() -> None:
    """The slope of the second half, per minute; too few samples say nothing."""
    flat = [(float(at), 100.0) for at in range(60)]
    grows = [(at, value + at / 6) for at, value in flat]
    assert memory(flat) == {"after_a_quarter": 100.0, "at_the_end": 100.0, "max": 100.0, "growth_per_minute": 0.0}
    found = memory(grows)
    assert found is not None
    assert found["growth_per_minute"] == pytest.approx(10.0)
    assert memory(flat[:3]) is None
    assert spread([]) is None
    assert spread([1.0, 2.0, 3.0]) == {"p50": 2.0, "p95": 2.9, "p99": 2.98, "max": 3.0}
