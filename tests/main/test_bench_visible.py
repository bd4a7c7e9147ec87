"""`einklang bench visible`: each kind of visibility is really waited for, beside a load."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from einklang.main import bench_visible
from einklang.main.bench_visible import KINDS, visible


@pytest.mark.slow
def test_a_short_run(tmp_path: Path) -> None:
    """Two rounds beside 100 events a second: figures of all five kinds, and the load that was really sent."""
    found = visible(tmp_path, rate=100, rounds=2)
    assert set(found["latency_ms"]) == {"timeline", "traits", "objects", "drafts", "decisions"}
    for spread in found["latency_ms"].values():
        assert 0 < spread["p50"] <= spread["p99"] <= spread["max"] < 60_000
    assert found["load_events_per_s"]["acknowledged"] > 10


SHOWN: dict[str, Callable[[int], dict[str, Any]]] = {
    "timeline": lambda n: {"items": [{"name": "Bench Seen"}]},
    "traits": lambda n: {"traits": {"round": {"value": n}}},
    "objects": lambda n: {"items": [{"id": f"o{n}"}]},
    "drafts": lambda n: {"items": [{"draft": {"fields": {"round": str(n)}}}]},
    "decisions": lambda n: {"verdicts": [{"journey": "visible"}]},
}
NOT_YET: dict[str, dict[str, Any]] = {
    "timeline": {"items": []},
    "traits": {"traits": {}},
    "objects": {"items": []},
    "drafts": {"items": []},
    "decisions": {"verdicts": []},
}


@pytest.mark.parametrize("name", KINDS)
def test_only_what_was_said_counts(name: str) -> None:
    """Positive control: an answer without it, or with that of another round, is not taken for the visible one."""
    kind = KINDS[name]
    assert kind.shown(SHOWN[name](7), 7)
    assert not kind.shown(NOT_YET[name], 7)
    if name not in ("timeline", "decisions"):  # there the person is of the round
        assert not kind.shown(SHOWN[name](6), 7)
    assert kind.call("ada", 7) != kind.call("ada", 8)


def test_what_never_shows_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind that never becomes visible fails the run and does not count as fast."""

    class Deaf:
        async def post(self, path: str, body: dict[str, Any]) -> None:
            """Taken."""

        async def get(self, path: str) -> Any:
            """Nobody is known."""
            return None

    class Closing:
        def close(self) -> None:
            """Closed."""

        async def wait_closed(self) -> None:
            """Closed."""

    async def connected(*_: Any) -> tuple[None, Closing]:
        return None, Closing()

    monkeypatch.setattr(bench_visible, "_Api", lambda *_: Deaf())
    monkeypatch.setattr(asyncio, "open_connection", connected)
    monkeypatch.setattr(bench_visible, "_GIVE_UP_S", 0.01)
    with pytest.raises(AssertionError, match="timeline 0 never shows"):
        asyncio.run(bench_visible._measured(0, None, 1))  # type: ignore[arg-type]  # no key is asked for
