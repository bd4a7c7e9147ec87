"""A server that loses its first answers, and what must be known of Ada whoever told it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from einklang.app.working import from_json
from einklang.web.limits import Bounds
from einklang.web.protocol import protocol
from tests.waits import WAIT_S
from tests.web.conftest import Running
from tests.web.homes import Home

TYPES = ["alias", "group", "identify", "page", "track", "track"]
NAMES = {"Product Viewed", "Page Viewed", "Order Completed"}


class Losing:
    """The application of a home; of the first requests the events are stored, and the answer is a 500."""

    def __init__(self, app: Any, lost: int) -> None:
        self._app = app
        self.lost = lost
        self.answers: list[int] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer, or lose the answer."""
        collects = scope.get("method") == "POST" and scope["path"].startswith("/v1/")
        losing = collects and self.lost > 0
        self.lost -= losing

        async def told(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start" and collects:
                if losing:
                    message = {**message, "status": 500}
                self.answers.append(message["status"])
            await send(message)

        await self._app(scope, receive, told)


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The address of a server of this application, bounded as users run it."""
    http: Any = protocol(Bounds())
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off", http=http)
    server = Running(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert server.listening.wait(WAIT_S)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(WAIT_S)


def entries(home: Home) -> list[dict[str, Any]]:
    """What clients sent, as the log has it."""
    names = ("seq", "clock", "at", "format", "origin", "type", "name", "message_id", "source")
    rows = [row for row in home.book.read("all_entry", 0, 10_000) if row[4] == 0]
    return [
        dict(zip(names, row, strict=False)) | {"properties": from_json(row[13]), "context": from_json(row[14])}
        for row in rows
    ]


def assert_all_is_known(home: Home, *, repeated: bool, names: set[str] = NAMES) -> list[dict[str, Any]]:
    """Each call once in the log, all of one person, who is known by all her identifiers; the log without ticks."""
    home.tick()
    found = entries(home)
    assert sorted(one["type"] for one in found) == TYPES
    assert len({one["message_id"] for one in found}) == len(found)
    counted = dict(home.book.read("counters"))
    assert (counted["duplicates"] > 0, counted["dead_letters"]) == (repeated, 0)
    assert counted["accepted"] == len(found) + counted["duplicates"]
    (order,) = (one for one in found if one["name"] == "Order Completed")
    assert str(order["properties"]["total"]) == "19.99"
    assert {one["source"] for one in found} == {"web"}
    person = home.get("/api/persons/userId:u-1").json()
    kinds = {one["kind"]: one["value"] for one in person["identifiers"] if one["kind"] != "anonymousId"}
    assert kinds["email"] == "ada@shop.example"
    assert any(one["kind"] == "anonymousId" for one in person["identifiers"])
    assert person["traits"]["name"]["value"] == "Ada"
    told = home.get(f"/api/persons/{person['person_id']}/timeline?limit=50").json()["items"]
    assert names <= {one["name"] for one in told}
    return found
