"""Events in, personalisation out, of the real server: one process, and several on PostgreSQL."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.live.servers import Server, make, serving, wait_for
from tests.waits import WAIT_S

SEGMENT = "{kind: segment, id: lookers, on_site: true, where: 'events(\"Product Viewed\").exists()'}"


def ask(server: Server, device: str, *names: str) -> dict[str, Any]:
    """What a page asks."""
    batch = [{"type": "track", "event": name, "anonymousId": device, "messageId": f"{device} {name}"} for name in names]
    said = {"writeKey": server.keys.write_key, "anonymousId": device, "batch": batch}
    answer = httpx.post(f"{server.url}/v1/personalize", json=said, timeout=WAIT_S)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def lookers(server: Server, device: str) -> bool:
    """Whether the visitor is told of the event."""
    return bool(ask(server, device)["segments"] == ["lookers"])


def told(server: Server) -> None:
    """Each of some visitors is told of the event that came along, at the latest when asked again."""
    for number in range(8):
        device = f"d-{number}"
        first = ask(server, device, "Product Viewed")
        assert first["visitor"] == "device"
        assert first["segments"] == ["lookers"] or not first["upToDate"]
        wait_for(partial(lookers, server, device), "the decision")
    assert ask(server, "d-other")["segments"] == []


@pytest.mark.slow
def test_one_process(tmp_path: Path) -> None:
    """Durable, decided, told."""
    keys = make(tmp_path / "home", SEGMENT)
    with serving(tmp_path / "home", keys) as server:
        told(server)


@pytest.mark.stores
@pytest.mark.slow
def test_several_processes(tmp_path: Path, database_url: str) -> None:
    """One process takes the events, another decides, and whoever was asked hears of it."""
    keys = make(tmp_path / "home", SEGMENT, database_url=database_url)
    with serving(tmp_path / "home", keys, "--workers", "2", EINKLANG_DATABASE_URL=database_url) as server:
        assert httpx.get(f"{server.url}/health", timeout=WAIT_S).status_code == 200
        told(server)
