"""The live debugger's sources: what was refused and why, what came from whom, and the log by source and person."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from einklang.store.lake import Lake, ship_all
from einklang.web import refusals
from tests.web.homes import SERVER_KEY, WRITE_KEY, Home, call, home

BEARER = {"Authorization": f"Bearer {SERVER_KEY}"}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Home]:
    """A home with an empty log."""
    with home(tmp_path) as made:
        yield made


def refused(shop: Home) -> list[dict[str, Any]]:
    """What the debugger is told, the newest first."""
    found: list[dict[str, Any]] = shop.get("/api/refusals").json()["items"]
    return found


def test_a_refused_item_is_told_with_reason_and_mend(shop: Home) -> None:
    """Of a batch the refused items are shown: source, code, what, the mend, name, whose, and what was sent."""
    bad = {"type": "track", "userId": "c-9", "messageId": "m-1", "properties": {}}
    shop.call("POST", "/v1/batch", json={"batch": [call(), bad]}, auth=(WRITE_KEY, ""))
    (found,) = refused(shop)
    assert (found["source"], found["code"], found["status"]) == ("web", "no_name", 200)
    assert found["where"].startswith("batch[1]")
    assert found["message"]
    assert found["mend"]
    assert (found["message_id"], found["identifiers"], found["name"]) == ("m-1", ["c-9"], "track")
    assert '"userId":"c-9"' in found["body"]


def test_a_refused_request_is_told(shop: Home) -> None:
    """A body that is no JSON is shown as it came; a key that nobody has is counted, not listed again and again."""
    shop.call("POST", "/v1/track", content=b"{nonsense", auth=(WRITE_KEY, ""))
    for _ in range(3):
        shop.call("POST", "/v1/track", json=call(), auth=("wk_wrong", ""))
    key, body = refused(shop)
    assert (body["code"], body["source"], body["body"], body["status"]) == ("not_json", "web", "{nonsense", 400)
    assert (key["code"], key["source"], key["status"], key["times"]) == ("unknown_write_key", None, 401, 3)


def test_server_calls_are_told_too(shop: Home) -> None:
    """An item that POST /api/events refuses stands beside the others, by the name of its source in the log."""
    shop.call("POST", "/api/events", json={"batch": [{"type": "track", "event": "X"}]}, headers=BEARER)
    (found,) = refused(shop)
    assert (found["source"], found["code"], found["name"]) == ("server", "no_identifier", "X")


def test_memory_is_bounded(shop: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest give way; of one request only the first items are kept; a long body is cut."""
    many = [{"type": "track", "userId": "c", "properties": {"n": n, "text": "x" * 5_000}} for n in range(40)]
    for _ in range(16):
        shop.call("POST", "/v1/batch", json={"batch": many}, auth=(WRITE_KEY, ""))
    found = refused(shop)
    assert len(found) == refusals.KEPT
    assert found[0]["n"] == 16 * 20
    assert max(len(one["body"]) for one in found) == 2_000


@pytest.mark.parametrize("kept_in", ["book", "lake"])
def test_what_came_from_whom(tmp_path: Path, kept_in: str) -> None:
    """Events of the last 24 hours by source and hour, wherever they are kept; older ones count no longer."""
    lake = Lake(tmp_path / "lake")
    hour = 3_600_000_000
    with home(tmp_path, lake=lake) as made:
        made.define()
        made.track(call(), call())
        made.tick()
        made.time += 23 * hour
        made.track(call())
        made.call("POST", "/api/events", json={"batch": [call("identify")]}, headers=BEARER)
        made.tick()
        if kept_in == "lake":
            ship_all(made.book, lake, keep_entries=0)
        web, server = made.get("/api/arrivals").json()["items"]
        assert (web["source"], web["events"], web["names"]) == ("web", 3, {"Order Completed": 3})
        assert (web["hours"][0], web["hours"][-1], sum(web["hours"])) == (2, 1, 3)
        assert (server["source"], server["events"], server["names"]) == ("server", 1, {"identify": 1})


@pytest.mark.parametrize("kept_in", ["book", "lake"])
def test_the_log_by_source_and_person(tmp_path: Path, kept_in: str) -> None:
    """Entries of one source, server keys included, and of one person by id or identifier; nobody is 404."""
    lake = Lake(tmp_path / "lake")
    with home(tmp_path, lake=lake) as made:
        made.track(call(), call(userId="u-2", event="Product Viewed"))
        made.call("POST", "/api/events", json={"batch": [call("identify")]}, headers=BEARER)
        made.tick()
        if kept_in == "lake":
            ship_all(made.book, lake, keep_entries=0)

        def names(query: str) -> list[str]:
            return [row["name"] for row in made.get(f"/api/events?{query}").json()["items"]]

        assert sorted(names("source=web")) == ["Order Completed", "Product Viewed"]
        assert names("source=server") == ["identify"]
        assert names("person=userId:u-2") == ["Product Viewed"]
        assert sorted(names("person=userId:u-1")) == ["Order Completed", "identify"]
        assert names("person=userId:u-1&limit=1") == ["identify"]
        assert made.get("/api/events?person=userId:nobody").status_code == 404
