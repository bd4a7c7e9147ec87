"""How soon what was acknowledged is there for everybody who asks, beside a steady load: five kinds of it.

A call is sent, and from its acknowledgement on the REST API is asked until it shows what the call says: in the
timeline, as a trait, as a business object, as a draft for the agent, as a decision of the door. The load comes from a
process of its own at a stated rate; each round is a person of its own, so nobody's answer is a remembered one.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time as system
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from einklang.app import apply as applying
from einklang.app.run import settle_definitions
from einklang.app.yaml import parse_text
from einklang.main import clock
from einklang.main.books import fresh_schema
from einklang.main.home import Keys, create, opened
from einklang.main.soak import DEFINITIONS
from einklang.main.soak_load import BATCH, Client, Server

RATE = 500
ROUNDS = 100
CLIENTS = 4
SEED = 20_261_123
_POLL_S, _GIVE_UP_S = 0.002, 60.0
#: The load must be on its way, the server warm.
_BEFORE_S = 5.0
_OWN = """
---
kind: journey
id: visible
entry: {event: Bench Asked, reenter: always}
steps: [{id: news, contact: news}]
---
{kind: message, id: news, purpose: marketing, class: marketing, email: {subject: {de: N, en: N}, text: {de: T, en: T}}}
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of visibility. call: (path, body) of a round; asked: what is asked then; shown: whether an answer shows
    it.
    """

    call: Callable[[str, int], tuple[str, dict[str, Any]]]
    asked: str
    shown: Callable[[Any, int], bool]


def _track(event: str) -> Callable[[str, int], tuple[str, dict[str, Any]]]:
    def call(user: str, number: int) -> tuple[str, dict[str, Any]]:
        properties = {"order_id": f"o{number}", "total": 10, "currency": "EUR", "round": number}
        return "/v1/track", {"userId": user, "event": event, "properties": properties}

    return call


KINDS = {
    "timeline": Kind(
        _track("Bench Seen"),
        "/api/persons/userId:{user}/timeline?limit=5",
        lambda found, number: any(item.get("name") == "Bench Seen" for item in found["items"]),
    ),
    "traits": Kind(
        lambda user, number: ("/v1/identify", {"userId": user, "traits": {"round": number}}),
        "/api/persons/userId:{user}",
        lambda found, number: found["traits"].get("round", {}).get("value") == number,
    ),
    "objects": Kind(
        _track("Order Completed"),
        "/api/persons/userId:{user}/objects/order",
        lambda found, number: any(item["id"] == f"o{number}" for item in found["items"]),
    ),
    "drafts": Kind(
        lambda user, number: ("/v1/draft", {"userId": user, "form": "loan", "fields": {"round": str(number)}}),
        "/api/persons/userId:{user}/drafts",
        lambda found, number: any(item["draft"]["fields"].get("round") == str(number) for item in found["items"]),
    ),
    "decisions": Kind(
        _track("Bench Asked"),
        "/api/persons/userId:{user}/why",
        lambda found, number: any(row["journey"] == "visible" for row in found["verdicts"]),
    ),
}


class _Api:
    """One connection that posts with the write key and asks with the server key."""

    def __init__(self, port: int, keys: Keys, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._host, self._keys = f"127.0.0.1:{port}", keys
        self._reader, self._writer = reader, writer

    async def post(self, path: str, body: dict[str, Any]) -> None:
        """Send a call; raises AssertionError unless it is acknowledged."""
        status, said = await self._ask("POST", path, json.dumps(body | {"writeKey": self._keys.write_key}).encode())
        assert status == 200, f"not acknowledged: {status} {said[:200]!r}"

    async def get(self, path: str) -> Any:
        """The answer, None where nobody is known yet."""
        status, said = await self._ask("GET", path)
        assert status in (200, 404), f"{path}: {status} {said[:200]!r}"
        return json.loads(said) if status == 200 else None

    async def _ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Length: {len(body)}\r\n"
        key = f"Authorization: Bearer {self._keys.server_key}\r\n" if method == "GET" else ""
        self._writer.write(f"{head}Content-Type: application/json\r\n{key}\r\n".encode() + body)
        raw = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = next(int(line[15:]) for line in raw.split(b"\r\n") if line.startswith(b"content-length:"))
        return int(raw.split(b" ", 2)[1]), await self._reader.readexactly(length)


async def _measured(port: int, keys: Keys, rounds: int) -> dict[str, list[float]]:
    """Milliseconds from the acknowledgement to the answer that shows it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    api = _Api(port, keys, reader, writer)
    found: dict[str, list[float]] = {name: [] for name in KINDS}
    for number in range(rounds):
        for name, kind in KINDS.items():
            user = f"{name}-{number}"
            path, body = kind.call(user, number)
            await api.post(path, body | {"messageId": f"visible-{user}"} if path != "/v1/draft" else body)
            begun = system.perf_counter()
            while not ((answer := await api.get(kind.asked.format(user=user))) and kind.shown(answer, number)):
                assert system.perf_counter() - begun < _GIVE_UP_S, f"{name} {number} never shows"
                await asyncio.sleep(_POLL_S)
            found[name].append((system.perf_counter() - begun) * 1000)
    writer.close()
    await writer.wait_closed()
    return found


def _spread(values: list[float]) -> dict[str, float]:
    at = {f"p{share}": float(np.percentile(values, share)) for share in (50, 95, 99)}
    return {name: round(value, 1) for name, value in {**at, "max": max(values)}.items()}


def visible(folder: Path, database_url: str = "", *, rate: int = RATE, rounds: int = ROUNDS) -> dict[str, Any]:
    """Acknowledged -> visible in milliseconds, by kind, beside `rate` events a second in batches of BATCH."""
    home, url = folder / "home", fresh_schema(database_url, "visible")
    keys = create(home, None, database_url=url)
    with opened(home, base_url="http://127.0.0.1", database_url=url, writer=True) as one:
        applying.apply(one.book, parse_text(DEFINITIONS + _OWN, "bench.yaml"), now=clock.now())
        settle_definitions(one.book, one.engine())
    server = Server(home, keys, url)
    code = "from einklang.main.bench_visible import load; load()"
    load = subprocess.Popen(
        [sys.executable, "-c", code, str(server.port), str(rate)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert load.stdin is not None, "it is a pipe"
        load.stdin.write(keys.write_key + "\n")
        load.stdin.flush()
        system.sleep(_BEFORE_S)
        begun = system.perf_counter()
        found = asyncio.run(_measured(server.port, keys, rounds))
        took = system.perf_counter() - begun
        said, _ = load.communicate("stop\n", timeout=60)
    finally:
        load.kill()
        load.wait()
        server.end()
    sent = json.loads(said)
    return {
        "load_events_per_s": {"asked": rate, "acknowledged": round(sent["events"] / sent["seconds"])},
        "rounds": rounds,
        "seconds": round(took, 1),
        "latency_ms": {name: _spread(values) for name, values in found.items()},
    }


def load() -> None:
    """The load: a process of its own. argv: port, rate; reads the write key, then sends until the next line."""
    port, rate, key = int(sys.argv[1]), int(sys.argv[2]), sys.stdin.readline().strip()
    over, begun, sent = threading.Event(), system.monotonic(), [0] * CLIENTS

    def send(place: int) -> None:
        with closing(Client(SEED)) as client:
            for number in range(place, 2**31, CLIENTS):
                pause = begun + number * BATCH / rate - system.monotonic()
                if over.wait(max(0.0, pause)):
                    return
                sent[place] += BATCH * client.send(port, key, number)

    threads = [threading.Thread(target=send, args=(place,), daemon=True) for place in range(CLIENTS if rate else 0)]
    for thread in threads:
        thread.start()
    sys.stdin.readline()
    seconds = system.monotonic() - begun
    over.set()
    print(json.dumps({"events": sum(sent), "seconds": seconds}), flush=True)
