"""A home in a folder of its own, a clock that stands, and a client of the application in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import httpx

from einklang.app import staff
from einklang.app.apply import apply, in_force
from einklang.app.keys import key_hash
from einklang.app.run import settle_definitions
from einklang.app.sources import LiveSource
from einklang.app.state import State
from einklang.app.tick import Engine
from einklang.app.yaml import Document, parse_text
from einklang.content.links import Claim, Use, sign
from einklang.kernel import time
from einklang.store.book import Setup, SqliteBook
from einklang.web import Services, create_app

T = TypeVar("T")
SALT = bytes(range(32))
LINK_KEY = b"links" * 8
WRITE_KEY = "wk_test"
SERVER_KEY = "sk_test"
NOW = time.parse_moment("2027-03-01T09:00:00Z")
PASSWORD = "correct horse"
BASE = "http://shop.example"
TARGET = "https://shop.example/orders?a=1&b=2#top"

DEFINITIONS = """
kind: policy
id: default
timezone: Europe/Berlin
---
{kind: trait, id: vip, type: bool}
---
kind: segment
id: buyers
title: {de: Käufer, en: Buyers}
where: 'events("Order Completed").within("30d").count() >= 1 && trait.vip != true'
---
kind: journey
id: thanks
title: Thanks
entry: {event: Order Completed, key: order_id, where: 'total >= 10.50'}
exit: {left: '!segment("buyers")'}
goal: {event: Product Viewed, within: 7d}
control: 0
steps:
  - {id: pause, wait: 1h}
  - {id: mail, contact: thank-you, channels: [email], data: {order: '=entry.key'}}
---
kind: message
id: thank-you
purpose: marketing
class: marketing
data: {order: string}
email:
  subject: {de: Danke, en: Thanks}
  html: {en: '<p>Order {{ data.order }}: <a href="https://shop.example/orders">see</a></p>'}
"""


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, in a thread of its own: a browser test leaves a loop behind in the main thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@cache
def _read(text: str) -> tuple[Document, ...]:
    return tuple(parse_text(text, "test.yaml"))


class Home:
    """A Book, the services over it, and the application."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.book = SqliteBook.create(folder / "home", SALT.hex(), setup=Setup(synchronous="OFF", reserve_bytes=0))
        rows = [("web", "write", "Web", None), ("server", "server", "Server", None)]
        made = [("web-1", "web", "test", WRITE_KEY), ("server-1", "server", "test", SERVER_KEY)]
        self.book.transact(lambda tx: tx.write("source_put", rows))
        self.book.transact(lambda tx: tx.write("access_key_put", [(*row[:3], key_hash(row[3]), NOW) for row in made]))
        self.time = NOW
        self.woken = 0
        self.tokens = count()
        self.services = Services(
            book=self.book,
            salt=SALT,
            link_key=LINK_KEY,
            now=lambda: self.time,
            new_token=lambda: f"token-of-a-session-{next(self.tokens)}",
            base_url=BASE,
            company="Grünzeug & Söhne",
            version="0",
            wake=self._wake,
            **more,
        )
        self.app = create_app(self.services)
        self._engine: Engine | None = None
        self._source = LiveSource()
        self._turn = Lock()

    def _wake(self) -> None:
        self.woken += 1

    def staff(self, name: str = "ada", language: str = "de") -> None:
        """Somebody who may sign in."""
        staff.put_staff(self.book, name, PASSWORD, salt=bytes(16), language=language)

    def define(self, text: str = DEFINITIONS) -> None:
        """Put definitions in force."""
        apply(self.book, list(_read(text)), now=self.time)
        settle_definitions(self.book, self.engine())

    def engine(self) -> Engine:
        """The engine of this home."""
        if self._engine is None:
            channels = frozenset({"email"})
            state = State(SALT, in_force(self.book), link_key=LINK_KEY, base_url=BASE, channels=channels)
            self._engine = Engine(self.book, state, version="test")
        return self._engine

    def tick(self, after: int = 0) -> None:
        """Work off what waits, `after` microseconds later. An engine has one worker: who comes meanwhile waits."""
        with self._turn:
            self.time += after
            self._source.now = self.time
            while self.engine().step(self._source, 100):
                pass

    def tail(self) -> int:
        """Events that wait."""
        return int(self.book.read("tail_waiting")[0][0])

    def bodies(self) -> list[tuple[str, str, bytes]]:
        """(source, kind, body) of what waits."""
        return [(row[3], row[4], row[5]) for row in self.book.read("tail_page", 0, 1000)]

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request to the application."""
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)  # type: ignore[arg-type]  # a plain ASGI callable
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            return await client.request(method, path, **more)

    def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request, from a test that is not async."""
        return run(self.ask(method, path, **more))

    def get(self, path: str, **more: Any) -> httpx.Response:
        """GET with the server key."""
        return self.call("GET", path, headers={"Authorization": f"Bearer {SERVER_KEY}"}, **more)

    def track(self, *calls: dict[str, Any]) -> None:
        """Send calls as one batch."""
        answer = self.call("POST", "/v1/batch", json={"batch": list(calls)}, auth=(WRITE_KEY, ""))
        assert answer.json() == {"success": True}


@contextmanager
def home(folder: Path, **more: Any) -> Iterator[Home]:
    """A home for the length of a test."""
    made = Home(folder, **more)
    try:
        yield made
    finally:
        made.book.close()


def call(kind: str = "track", **fields: Any) -> dict[str, Any]:
    """A call of the tracking API."""
    return {"type": kind, "userId": "u-1", **({"event": "Order Completed"} if kind == "track" else {}), **fields}


def bought(order: str = "o-1", **more: Any) -> Sequence[dict[str, Any]]:
    """A person with consent who bought something."""
    consent = {
        "channel": "email",
        "purpose": "marketing",
        "address": "ada@shop.example",
        "source": "shop",
        "wording": "Yes",
    }
    track = {**consent, "purpose": "track_click"}
    return [
        call("identify", traits={"email": "ada@shop.example", "firstName": "Ada", "country": "DE", "language": "de"}),
        call(event="Consent Given", properties=consent),
        call(event="Consent Given", properties=track),
        call(properties={"order_id": order, "total": 19.99}, **more),
    ]


def link(key: str, use: Use, number: int = 0, **more: Any) -> str:
    """The path of a signed link."""
    return f"/{use}/{sign(LINK_KEY, Claim(use, key, number, **more))}"
