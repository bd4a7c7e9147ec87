"""Collect over loopback: the server against the same server without a store; and how soon one event is visible."""

from __future__ import annotations

import asyncio
import base64
import json
import statistics
import subprocess
import sys
import time as system
from pathlib import Path
from typing import Any

from einklang.main.home import create

CONNECTIONS = 16
BATCH = 100
SECONDS = 4.0
ROUNDS = 3
VISIBLE = 200


def _body(number: int) -> bytes:
    calls = [
        {
            "type": "track",
            "event": "Product Viewed",
            "userId": f"u{(number * BATCH + n) % 20_000}",
            "messageId": f"b{number}-{n}",
            "timestamp": "2026-01-01T00:00:00.000Z",
            "properties": {"product_id": f"P{n}", "price": 19.99, "category": "coffee", "cart_id": f"c{n}"},
            "context": {
                "library": {"name": "bench", "version": "1"},
                "page": {"path": "/coffee", "url": "https://shop.example/coffee"},
            },
        }
        for n in range(BATCH)
    ]
    return json.dumps({"batch": calls, "sentAt": "2026-01-01T00:00:00.000Z"}).encode()


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
    """A server in a process of its own: `serve` as users run it, `store` without ticks, `null` without a store."""

    def __init__(self, home: Path, mode: str) -> None:
        code = "from einklang.main.bench_server import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(home), mode], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(30)


async def _load(port: int, key: str, numbers: Any) -> float:
    """Acknowledged events a second over CONNECTIONS connections."""
    end = system.perf_counter() + SECONDS
    counts = [0]

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while system.perf_counter() < end:
            writer.write(_request("/v1/batch", _body(next(numbers)), key, port))
            await _answer(reader)
            counts[0] += BATCH
        writer.close()
        await writer.wait_closed()

    begun = system.perf_counter()
    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return counts[0] / (system.perf_counter() - begun)


def _numbers(start: int) -> Any:
    number = start
    while True:
        number += 1
        yield number


def collect(folder: Path) -> dict[str, Any]:
    """Acknowledged events/s, 100 a batch, 16 connections, as ratios to the same server whose append does nothing.

    Three servers in turn: without a store, with the store alone, and as users run it, with ticks working beside it.
    """
    rates: dict[str, list[float]] = {"null": [], "store": [], "serve": []}
    for number in range(ROUNDS):
        for mode, found in rates.items():
            home = folder / f"home-{number}-{mode}"
            keys = create(home, None)
            server = _Server(home, mode)
            try:
                found.append(asyncio.run(_load(server.port, keys.write_key, _numbers(number * 1_000_000))))
            finally:
                server.stop()
    ratios = {mode: [a / b for a, b in zip(rates[mode], rates["null"], strict=True)] for mode in ("store", "serve")}
    return {
        "events_per_s_without_store": round(statistics.median(rates["null"])),
        "events_per_s_store": round(statistics.median(rates["store"])),
        "events_per_s_with_ticks": round(statistics.median(rates["serve"])),
        "ratio_store": round(statistics.median(ratios["store"]), 3),
        "ratio_with_ticks": round(statistics.median(ratios["serve"]), 3),
        "ratios_store": [round(ratio, 3) for ratio in ratios["store"]],
        "ratios_with_ticks": [round(ratio, 3) for ratio in ratios["serve"]],
        "batch": BATCH,
        "connections": CONNECTIONS,
    }


async def _visible(port: int, write_key: str, server_key: str) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found: list[float] = []
    for n in range(VISIBLE):
        call = {"event": f"Bench {n}", "userId": "bench-person", "messageId": f"v{n}", "properties": {}}
        writer.write(_request("/v1/track", json.dumps(call).encode(), write_key, port))
        await _answer(reader)
        begun = system.perf_counter()
        while True:
            path = "/api/persons/userId:bench-person/timeline?limit=1"
            head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {server_key}\r\n\r\n"
            writer.write(head.encode())
            raw = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in raw.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            body = await reader.readexactly(length)
            if f'"Bench {n}"'.encode() in body:
                break
        found.append((system.perf_counter() - begun) * 1000)
    writer.close()
    await writer.wait_closed()
    return sorted(found)


def visible(folder: Path) -> dict[str, Any]:
    """Single event, acknowledged -> visible in the timeline API, milliseconds."""
    home = folder / "home"
    keys = create(home, None)
    server = _Server(home, "serve")
    try:
        found = asyncio.run(_visible(server.port, keys.write_key, keys.server_key))
    finally:
        server.stop()
    at = {
        name: round(found[min(len(found) - 1, int(len(found) * share))], 2)
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    }
    return {"events": len(found), "latency_ms": {**at, "max": round(found[-1], 2)}}
