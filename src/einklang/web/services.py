"""What web is handed by main: the Book, the keys, the clock, chance, and the use cases that need more than a read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from einklang.app.collect import Log
from einklang.app.ports import Book
from einklang.app.queries import Many
from einklang.app.queries_log import Columns
from einklang.event import LIMITS, Limits
from einklang.web.limits import Bounds
from einklang.web.refusals import Refusals

ASGIApp = Callable[[dict[str, Any], Callable[..., Any], Callable[..., Any]], Any]


class WebBook(Log, Many, Book, Protocol):
    """The Book as web uses it; `check` raises Unavailable once the process must stop."""

    def check(self) -> None: ...


def _no_report(journey: str) -> Any:
    raise AssertionError("main provides Services.report")


def _no_why(person: str, journey: str | None, message: str | None) -> Any:
    raise AssertionError("main provides Services.why")


def _nothing() -> None:
    return None


class Hub:
    """Wakes those who wait for new entries. `notify` may be called from any thread."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._streams: set[asyncio.Event] = set()
        self.closed = False

    def join(self, *, stream: bool = True) -> asyncio.Event:
        """An event of the running loop that every `notify` sets; hand it back to `leave`. stream: who stays."""
        event = asyncio.Event()
        self._waiting[event] = asyncio.get_running_loop()
        if stream:
            self._streams.add(event)
        return event

    def leave(self, event: asyncio.Event) -> None:
        """Stop being woken."""
        self._waiting.pop(event, None)
        self._streams.discard(event)

    def __len__(self) -> int:
        """How many streams listen."""
        return len(self._streams)

    def close(self) -> None:
        """The server stops: whoever waits ends. Call it before the server waits for open requests."""
        self.closed = True
        self.notify()

    def notify(self) -> None:
        """Wake everybody."""
        for event, loop in list(self._waiting.items()):
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)


@dataclass
class Services:
    """Everything that web needs from outside.

    salt, link_key: keys of the home. now: microseconds. new_token: a fresh random text of at least 128 bits.
    base_url: public address, decides whether cookies are Secure. report(journey id) and why(person id, journey,
    message) return what is encoded as JSON, or bytes that are JSON; they raise NotFound and the like. wake is called
    after each append, so that the tick runs at once. lake: older entries of the log than the Book keeps. folder: of the
    home, for files that are exported. limits: what a sender may send at once; bounds: what this process takes on;
    refusals: what it refused lately.
    """

    book: WebBook
    salt: bytes
    link_key: bytes
    now: Callable[[], int]
    new_token: Callable[[], str]
    base_url: str = "http://127.0.0.1:8787"
    company: str = ""
    version: str = ""
    home: str = ""
    mode: str = "live"
    lake: Columns | None = None
    folder: Path | None = None
    report: Callable[[str], Any] = _no_report
    why: Callable[[str, str | None, str | None], Any] = _no_why
    wake: Callable[[], None] = _nothing
    hub: Hub = field(default_factory=Hub)
    limits: Limits = LIMITS
    bounds: Bounds = field(default_factory=Bounds)
    refusals: Refusals = field(default_factory=Refusals)

    @property
    def secure(self) -> bool:
        """Whether the public address is https."""
        return self.base_url.startswith("https:")

    def notify(self) -> None:
        """New entries are in the log: wake the streams. Call it from any thread, after each tick."""
        self.hub.notify()
