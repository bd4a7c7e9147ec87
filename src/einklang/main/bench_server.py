"""The server of the collect benchmark: `serve`, or the same without a store. Prints its port, ends on SIGTERM."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from einklang.main import interpreter, settings
from einklang.main.channels import channels_of
from einklang.main.home import opened
from einklang.main.loop import Loop
from einklang.main.serve import services_of, web_of
from einklang.web.services import Hub


class NoStore:
    """A Book whose append is done at once and keeps nothing; everything else is the real one's."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._position = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._book, name)

    def append_later(self, blobs: Sequence[Any]) -> Future[list[int]]:
        """Positions, at once."""
        positions = []
        for blob in blobs:
            positions.append(self._position + 1)
            self._position += blob.items
        done: Future[list[int]] = Future()
        done.set_result(positions)
        return done

    def append(self, blobs: Sequence[Any]) -> list[int]:
        """Positions, at once."""
        return self.append_later(blobs).result()


class CommitEach:
    """A Book that commits the bodies of each request alone, one request after another."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._one = ThreadPoolExecutor(max_workers=1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._book, name)

    def append_later(self, blobs: Sequence[Any]) -> Future[list[int]]:
        """Positions once they are durable."""
        return self._one.submit(self._book.append, blobs)


def main() -> None:
    """Serve the home of the first argument.

    The second says `serve`, `store` (no ticks), `each` (no ticks, no group commit) or `null` (no store).
    """
    interpreter.settle()
    found = settings.load()
    listener = socket.create_server(("127.0.0.1", 0))
    url = found.database_url
    with opened(Path(sys.argv[1]), base_url="http://127.0.0.1", database_url=url, writer=True) as home:
        hub = Hub()
        services = services_of(home, hub)
        loop = None
        if sys.argv[2] == "null":
            services.book = NoStore(home.book)
        elif sys.argv[2] == "each":
            services.book = CommitEach(home.book)
        elif sys.argv[2] == "serve":
            loop = Loop(home, channels_of(found, home), hub.notify)
            services.wake = loop.wake
            loop.start()
        server = web_of(services, hub)
        threading.Timer(0, lambda: print(listener.getsockname()[1], flush=True)).start()
        try:
            server.run(sockets=[listener])
        finally:
            if loop is not None:
                loop.stop()
