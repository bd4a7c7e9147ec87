"""Collect over loopback: the server against the same server without a store."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import statistics
import subprocess
import sys
import time as system
from functools import cache
from pathlib import Path
from typing import Any

from einklang.main.books import fresh_schema
from einklang.main.home import create

CONNECTIONS = 16
BATCH = 100
SECONDS = 4.0
ROUNDS = 3
SINGLES = 64


#: What differs from body to body, so that making one costs the load generator next to nothing.
_NUMBER, _PEOPLE = b"00000000", b"#people#"


@cache
def _pattern(batch: int) -> bytes:
    calls = [
        {
            "type": "track",
            "event": "Product Viewed",
            "userId": f"u#people#{n}",
            "messageId": f"b00000000-{n}",
            "timestamp": "2026-01-01T00:00:00.000Z",
            "properties": {"product_id": f"P{n}", "price": 19.99, "category": "coffee", "cart_id": f"c{n}"},
            "context": {
                "library": {"name": "bench", "version": "1"},
                "page": {"path": "/coffee", "url": "https://shop.example/coffee"},
            },
        }
        for n in range(batch)
    ]
    return json.dumps({"batch": calls, "sentAt": "2026-01-01T00:00:00.000Z"}).encode()


def _body(number: int, batch: int = BATCH) -> bytes:
    """A batch of its own, of 20,000 people."""
    people = b"%08d" % (number % (20_000 // batch))
    return _pattern(batch).replace(_NUMBER, b"%08d" % number).replace(_PEOPLE, people)


def _request(path: str, body: bytes, key: str, port: int) -> bytes:
    auth = base64.b64encode(f"{key}:".encode()).decode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Basic {auth}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    body = await reader.readexactly(length)
    if not head.startswith(b"HTTP/1.1 200"):
        raise AssertionError(f"not acknowledged: {head[:60]!r} {body[:200]!r}")
    return body


class _Server:
    """A server in a process of its own: `serve` as users run it, `store` without ticks, `each` with a commit for
    each request, `null` without a store."""

    def __init__(self, home: Path, mode: str, database_url: str = "") -> None:
        code = "from einklang.main.bench_server import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(home), mode],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "EINKLANG_DATABASE_URL": database_url},
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(30)


async def _load(port: int, key: str, numbers: Any, *, batch: int, connections: int) -> tuple[float, list[float]]:
    """Acknowledged events a second over `connections`, and how long each request took (s)."""
    end = system.perf_counter() + SECONDS
    took: list[float] = []

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (begun := system.perf_counter()) < end:
            writer.write(_request("/v1/batch", _body(next(numbers), batch), key, port))
            await _answer(reader)
            took.append(system.perf_counter() - begun)
        writer.close()
        await writer.wait_closed()

    begun = system.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    return len(took) * batch / (system.perf_counter() - begun), sorted(took)


def _to_disk(file: Path, numbers: Any) -> float:
    """Events a second of the plainest durable thing: decode each batch, write it, fdatasync, one after another. (The
    bodies are made meanwhile, as the load generator makes them for the server.)
    """
    count, end = 0, system.perf_counter() + SECONDS
    begun = system.perf_counter()
    with file.open("wb", buffering=0) as out:
        while system.perf_counter() < end:
            body = _body(next(numbers), BATCH)
            json.loads(body)
            out.write(body)
            os.fdatasync(out.fileno())
            count += BATCH
    return count / (system.perf_counter() - begun)


def _numbers(start: int) -> Any:
    number = start
    while True:
        number += 1
        yield number


def collect(folder: Path, database_url: str = "") -> dict[str, Any]:
    """Acknowledged events/s as ratios measured in turn, medians of ROUNDS. On PostgreSQL the address names no schema:
    each home gets a new one, `bench_...`, which stays.

    100 a batch over 16 connections: the store alone, and as users run it with ticks beside it, against the same server
    whose append does nothing; and against decoding, writing and fdatasync of each batch in one process. One event a
    request over 64 connections: against the same server with a commit for each request.
    """
    batches: dict[str, list[float]] = {"null": [], "store": [], "serve": []}
    singles: dict[str, list[float]] = {"store": [], "each": []}
    disk: list[float] = []
    p99: dict[str, list[float]] = {"batches": [], "singles": []}
    for number in range(ROUNDS):
        disk.append(_to_disk(folder / f"disk-{number}", _numbers(number * 1_000_000)))
        for found, batch, connections, name in (
            (batches, BATCH, CONNECTIONS, "batches"),
            (singles, 1, SINGLES, "singles"),
        ):
            for mode, rates in found.items():
                home = folder / f"home-{number}-{name}-{mode}"
                rate, took = _served(home, database_url, mode, number, batch, connections)
                rates.append(rate)
                if mode == "store":
                    p99[name].append(took[int(len(took) * 0.99)] * 1000)
    return {
        "store": "PostgreSQL" if database_url else "SQLite",
        "events_per_s": {name: round(statistics.median(rates)) for name, rates in (batches | {"disk": disk}).items()},
        "singles_per_s": {name: round(statistics.median(rates)) for name, rates in singles.items()},
        "ratio_store_to_no_store": _ratio(batches["store"], batches["null"]),
        "ratio_with_ticks_to_no_store": _ratio(batches["serve"], batches["null"]),
        "ratio_store_to_disk": _ratio(batches["store"], disk),
        "ratio_singles_to_commit_each": _ratio(singles["store"], singles["each"]),
        "ack_p99_ms": {name: round(statistics.median(values), 1) for name, values in p99.items()},
        "batch": BATCH,
        "connections": {"batches": CONNECTIONS, "singles": SINGLES},
    }


def _served(
    home: Path, database_url: str, mode: str, number: int, batch: int, connections: int
) -> tuple[float, list[float]]:
    url = fresh_schema(database_url, home.name.replace("-", "_"))
    keys = create(home, None, database_url=url)
    server = _Server(home, mode, url)
    try:
        load = _load(server.port, keys.write_key, _numbers(number * 1_000_000), batch=batch, connections=connections)
        return asyncio.run(load)
    finally:
        server.stop()


def _ratio(ours: list[float], theirs: list[float]) -> dict[str, Any]:
    ratios = [round(a / b, 3) for a, b in zip(ours, theirs, strict=True)]
    return {"median": statistics.median(ratios), "rounds": ratios}
