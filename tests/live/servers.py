"""`einklang serve` as a process of its own, on a free port, over a home in a folder of the test."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx

from einklang.app import apply as applying
from einklang.app.run import settle_definitions
from einklang.app.yaml import parse_text
from einklang.main import clock
from einklang.main import home as homes
from tests.waits import WAIT_S

#: What is run as `einklang`.
PROGRAM = [sys.executable, "-m", "einklang.main.cli"]
_STEP_S = 0.02
DEFINITIONS = """
kind: journey
id: hello
entry: {event: Product Added, key: cart_id}
steps:
  - {id: first, contact: news, channels: [email], data: {name: '=entry.properties.name'}, then: warm, else: cold}
  - {id: warm, set: {stage: warm}, then: rest}
  - {id: rest, until: 'step.first.clicked', at_most: 1d, then: hot, else: end}
  - {id: hot, set: {stage: hot}, then: end}
  - {id: cold, set: {stage: cold}}
---
{kind: message, id: news, purpose: marketing, class: marketing, data: {name: string},
 email: {subject: "{{ data.name }}", html: '<p>New: <a href="https://shop.example/x">see</a></p>'}}
"""


def environment(**more: str) -> dict[str, str]:
    """The environment of a command, without settings of this machine."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith("EINKLANG_")}
    return {**plain, "EINKLANG_LOG_LEVEL": "error", **more}


def make(path: Path, definitions: str = DEFINITIONS, database_url: str = "") -> homes.Keys:
    """A new home with these definitions."""
    keys = homes.create(path, "5a" * 16, database_url=database_url)
    with homes.opened(path, base_url="http://127.0.0.1:8787", database_url=database_url, writer=True) as home:
        applying.apply(home.book, parse_text(definitions, "live.yaml"), now=clock.now())
        settle_definitions(home.book, home.engine())
    return keys


def wait_for(found: Callable[[], Any], what: str, seconds: float = WAIT_S) -> Any:
    """The first true answer, asked again and again for a while."""
    pause = Event()
    for _ in range(int(seconds / _STEP_S)):
        answer = found()
        if answer:
            return answer
        pause.wait(_STEP_S)
    raise AssertionError(f"{what} did not happen within {seconds} s")


@dataclass
class Server:
    """A running server."""

    process: subprocess.Popen[str]
    url: str
    keys: homes.Keys
    lines: list[str]
    reader: Thread

    def client(self) -> httpx.Client:
        """A client with the server key."""
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.keys.server_key}"}, timeout=WAIT_S
        )

    def post(self, *calls: dict[str, Any], client: httpx.Client | None = None) -> httpx.Response:
        """Calls of the tracking API as one batch."""
        post = client.post if client is not None else httpx.post
        return post(f"{self.url}/v1/batch", json={"batch": list(calls)}, auth=(self.keys.write_key, ""), timeout=WAIT_S)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End the process; its exit status."""
        self.process.send_signal(how)
        status = self.process.wait(WAIT_S)
        self.reader.join(WAIT_S)
        return status


@contextmanager
def serving(path: Path, keys: homes.Keys, *options: str, **settings: str) -> Iterator[Server]:
    """A server over this home; killed at the end if it still runs."""
    command = [*PROGRAM, "serve", "--home", str(path), "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment(**settings))
    lines: list[str] = []
    assert process.stderr is not None
    stream = process.stderr
    first = stream.readline()
    reader = Thread(target=lambda: lines.extend(stream), daemon=True)
    reader.start()
    try:
        found = re.search(r"http://127\.0\.0\.1:\d+", first)
        assert found, first
        yield Server(process, found[0], keys, lines, reader)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(WAIT_S)
        reader.join(WAIT_S)
        stream.close()


def person(number: int, **traits: Any) -> list[dict[str, Any]]:
    """Somebody known, with every consent."""
    address = f"p{number}@shop.example"
    told = {"channel": "email", "address": address}
    return [
        {"type": "identify", "userId": f"u{number}", "traits": {"email": address, **traits}},
        *(
            {
                "type": "track",
                "userId": f"u{number}",
                "event": "Consent Given",
                "properties": {**told, "purpose": purpose},
            }
            for purpose in ("marketing", "track_click")
        ),
    ]


def basket(number: int, cart: str = "c1") -> dict[str, Any]:
    """Somebody puts something into a basket."""
    properties = {"cart_id": cart, "name": "Shoe"}
    return {"type": "track", "userId": f"u{number}", "event": "Product Added", "properties": properties}
