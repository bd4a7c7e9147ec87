"""The unmodified Segment client for Python against a running server."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from segment.analytics.client import Client

from einklang.event import expand
from tests.waits import WAIT_S
from tests.web.homes import WRITE_KEY, Home, call


def stored(home: Home) -> list[Any]:
    """The events that wait."""
    rows = home.book.read("tail_page", 0, 1000)
    return [
        event
        for row in rows
        for event in expand(row[4], row[5], first_position=row[0], received_at=row[2], source=row[3])
    ]


@pytest.mark.slow
@pytest.mark.parametrize("gzip", [False, True])
@pytest.mark.parametrize("sync", [False, True])
def test_everything_that_the_client_sends_is_stored(home: Home, address: str, gzip: bool, sync: bool) -> None:
    """All calls of the client, one by one or in batches, packed or not: each once, none lost, no error."""
    errors: list[Any] = []
    client = Client(
        WRITE_KEY,
        host=address,
        gzip=gzip,
        sync_mode=sync,
        on_error=lambda error, batch: errors.append(error),
        max_retries=0,
        upload_size=7,
    )
    client.identify("u-1", {"email": "ada@shop.example"})
    client.page("u-1", "Docs", "Home", {"path": "/"})
    client.screen("u-1", "App", "Start")
    client.alias("a-1", "u-1")
    client.group("u-1", "g-1", {"name": "Shop"})
    for number in range(25):
        client.track("u-1", "Order Completed", {"order_id": f"o-{number}", "total": 19.99})
    if not sync:
        client.flush()
        client.join()
    events = stored(home)
    assert errors == []
    assert len({event.message_id for event in events}) == len(events) == 30
    assert sorted({event.type for event in events}) == ["alias", "group", "identify", "page", "screen", "track"]
    assert {event.properties["order_id"] for event in events if event.type == "track"} == {f"o-{n}" for n in range(25)}
    home.tick()
    assert home.get("/api/persons/email:ada@shop.example").json()["known"] is True


def test_the_client_hears_what_is_wrong(home: Home, address: str) -> None:
    """A wrong key is 401 with code and message in the words that the client reads; it gives up."""
    errors: list[Any] = []
    client = Client("wk_wrong", host=address, on_error=lambda error, batch: errors.append(error), max_retries=0)
    client.track("u-1", "X")
    client.flush()
    client.join()
    assert [(error.status, error.code) for error in errors] == [(401, "unknown_write_key")]
    assert stored(home) == []


def test_a_long_body_is_heard_out_and_refused(home: Home, address: str) -> None:
    """10 MB over a real connection: 413, not a broken pipe; the server goes on."""
    answer = requests.post(f"{address}/v1/batch", data=b"x" * 10_000_000, auth=(WRITE_KEY, ""), timeout=WAIT_S)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert requests.post(f"{address}/v1/track", json=call(), auth=(WRITE_KEY, ""), timeout=WAIT_S).json() == {
        "success": True
    }
    assert len(stored(home)) == 1
