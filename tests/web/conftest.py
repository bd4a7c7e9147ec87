"""A fresh home for each test of web."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from einklang.app.working import from_json, to_json
from einklang.kernel.time import HOUR, SECOND
from tests.waits import WAIT_S
from tests.web.homes import TARGET, Home, bought
from tests.web.homes import home as opened


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An empty home with a write key and a server key."""
    with opened(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One home for all tests of a module that change nothing."""
    with opened(tmp_path_factory.mktemp("shared")) as made:
        yield made


class Running(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    def install_signal_handlers(self) -> None:
        """Signals belong to the test."""


@pytest.fixture
def address(home: Home) -> Iterator[str]:
    """The address of a running server."""
    config = uvicorn.Config(home.app, host="127.0.0.1", port=0, log_level="error", lifespan="off", http="httptools")
    server = Running(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    assert server.listening.wait(WAIT_S)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(WAIT_S)


@pytest.fixture
def sent(home: Home) -> tuple[Home, str]:
    """A home whose engine has a message for Ada, with two links; the key of the message."""
    home.define()
    home.tick()
    home.track(*bought())
    home.tick()
    home.tick(after=HOUR + SECOND)
    ((key, data),) = [(row[2], row[15]) for row in home.book.read("outbox_ready", home.time, 10)]
    found = from_json(data) | {
        "links": [TARGET, "javascript:alert(1)", "//evil.example/x", "https://shop.example/\r\nX: y", "http://["]
    }
    home.book.transact(lambda tx: tx.write("outbox_claim", [("sent", home.time, 1, to_json(found), key)]))
    return home, key
