"""The thread that tells webhooks: each destination is a task of its own, so that one that hangs delays no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import structlog

from einklang.app.activation import Carrier, Webhooks
from einklang.app.destinations import failed
from einklang.app.ports import Reader, Row
from einklang.kernel.errors import Unavailable
from einklang.main.home import Home
from einklang.main.rest import Rest
from einklang.store.lake import read_log

IDLE_S = 1.0
#: While somebody hangs the others are looked after so often.
_HANGING_S = 0.25
#: What is due and could not be done yet is looked at again after this.
_SOON_S = 0.05
_COLUMNS = ("seq", "at", "clock", "name", "person", "properties")

log = structlog.get_logger()


def webhooks_of(home: Home, carrier: Carrier, now: Callable[[], int]) -> Webhooks:
    """The webhooks of a home; what the Book has trimmed is read from the lake."""

    def older(reader: Reader, after: int) -> Iterator[list[Row]]:
        return read_log(reader, home.lake, after, names=_COLUMNS)

    return Webhooks(home.book, home.reading_state(), carrier, now, older)


class Activator:
    """Tells what is due. `work` is called again and again by one thread."""

    def __init__(self, home: Home, carrier: Carrier, now: Callable[[], int]) -> None:
        self._book, self._now = home.book, now
        self.webhooks = webhooks_of(home, carrier, now)
        self._rest = Rest(home.book)
        self._runner = asyncio.Runner()
        self._tasks: dict[str, asyncio.Task[int]] = {}

    def work(self) -> float:
        """Tell what is due; seconds until the next time. Raises Unavailable."""
        if not self._tasks and self._rest.lasts(self._now()):
            return min(IDLE_S, self._rest.seconds(self._now()))
        self._rest.seen()
        ready, later = self.webhooks.due()
        if ready or self._tasks:
            self._runner.run(self._round(ready))
            return 0 if not self._tasks else _SOON_S
        self._rest.begin(later)
        return IDLE_S if later is None else max(_SOON_S, min(IDLE_S, (later - self._now()) / 1_000_000))

    async def _round(self, ready: list[str]) -> None:
        """Begin with those that are ready, wait until one of all is done."""
        for name in ready:
            if name not in self._tasks:
                self._tasks[name] = asyncio.create_task(self.webhooks.serve(name))
        await asyncio.wait(self._tasks.values(), timeout=_HANGING_S, return_when=asyncio.FIRST_COMPLETED)
        for name, task in list(self._tasks.items()):
            if task.done():
                del self._tasks[name]
                self._ended(name, task)

    def _ended(self, name: str, task: asyncio.Task[int]) -> None:
        """What went wrong with one destination is its own matter, unless the Book is away."""
        error = task.exception()
        if isinstance(error, Unavailable):
            raise error
        if error is not None:
            log.error("a destination failed", destination=name, error=str(error), exc_info=error)
            failed(self._book, name, f"{type(error).__name__}: {error}", self._now())

    def close(self) -> None:
        """End. What was under way is told again at the next start, under its id."""
        self._runner.close()
