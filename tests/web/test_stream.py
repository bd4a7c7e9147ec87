"""Server-sent events from the log: from where the reader left off, new ones at once, and the status."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from einklang.app import queries_log
from einklang.web import stream
from tests.waits import WAIT_S
from tests.web.homes import SERVER_KEY, Home, bought, call, run


class Reader:
    """A client that hears the answer as it comes."""

    def __init__(self, home: Home, **headers: str) -> None:
        self.home = home
        self.headers = {"authorization": f"Bearer {SERVER_KEY}", **headers}
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.gone = asyncio.Event()
        self.status = 0
        self.rest = b""

    async def __aenter__(self) -> Reader:
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/api/stream",
            "raw_path": b"/api/stream",
            "query_string": b"",
            "scheme": "http",
            "headers": [(name.encode(), value.encode()) for name, value in self.headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("x", 80),
            "http_version": "1.1",
            "root_path": "",
            "asgi": {"version": "3.0"},
            "state": {},
        }
        self.task = asyncio.create_task(self.home.app(scope, self.receive, self.send))
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.gone.set()
        await asyncio.wait_for(self.task, WAIT_S)

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.heard.put_nowait(message.get("body", b""))
            if not message.get("more_body"):
                self.gone.set()  # as a server does once the answer is complete

    async def block(self) -> str:
        """The next block that is no comment."""
        while True:
            head, end, rest = self.rest.partition(b"\n\n")
            if end:
                self.rest = rest
                return head.decode()
            self.rest += await asyncio.wait_for(self.heard.get(), WAIT_S)

    async def events(self, count: int) -> list[dict[str, Any]]:
        """The next entries."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            block = await self.block()
            if block.startswith("id: "):
                found.append(json.loads(block.partition("data: ")[2]))
        return found


def test_new_entries_arrive_at_once(home: Home) -> None:
    """What the tick puts into the log after the stream was opened is sent as soon as it is told; with the status."""

    async def listen() -> tuple[list[dict[str, Any]], str]:
        async with Reader(home) as reader:
            assert (await reader.block()).startswith("retry:")
            first = await reader.block()
            await asyncio.to_thread(work)
            return await reader.events(2), first

    def work() -> None:
        home.track(*bought())
        home.tick()
        home.services.notify()

    events, first = run(listen())
    assert first.startswith("event: status\ndata: {")
    assert [event["type"] for event in events] == ["identify", "track"]
    assert events[0]["person_label"] == "Ada"
    assert len(home.services.hub) == 0


def test_a_reader_goes_on_where_it_left_off(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Last-Event-ID: everything after it, in order, once, over as many pages as it takes."""
    monkeypatch.setattr(stream, "PAGE", 2)
    home.track(*(call(messageId=f"m-{n}") for n in range(5)))
    home.tick()
    all_of_them = [entry.seq for entry in queries_log.fresh(home.book, 0, 1000)[1]]

    async def listen() -> list[int]:
        async with Reader(home, **{"last-event-id": str(all_of_them[1])}) as reader:
            return [event["seq"] for event in await reader.events(len(all_of_them) - 2)]

    assert run(listen()) == all_of_them[2:]


def test_streams_end_when_the_server_stops(home: Home) -> None:
    """Closing the hub ends the answer, so that a server with open consoles stops at once."""

    async def listen() -> None:
        async with Reader(home) as reader:
            await reader.block()
            await reader.block()
            home.services.hub.close()
            await asyncio.wait_for(asyncio.shield(reader.task), WAIT_S)

    run(listen())
    assert len(home.services.hub) == 0


@pytest.mark.parametrize("said", ["x", "-1", "9" * 30, "1.5"])
def test_a_bad_place_is_refused(home: Home, said: str) -> None:
    """What is no seq is 400 with the header's name."""
    answer = home.call("GET", "/api/stream", headers={"Authorization": f"Bearer {SERVER_KEY}", "Last-Event-ID": said})
    assert (answer.status_code, answer.json()["code"], answer.json()["where"]) == (400, "bad_cursor", "Last-Event-ID")


def test_too_many_readers_are_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit a stream is 429."""
    monkeypatch.setattr(stream, "STREAMS_MAX", 0)
    assert home.get("/api/stream").status_code == 429
    assert home.call("GET", "/api/stream").status_code == 401
