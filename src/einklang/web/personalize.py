"""`POST /v1/personalize`: events in, and at once what the page may know of its visitor, decided with these events.

The way of a request: collected as any batch, so durable first; then it waits, at most a second, until what arrived up
to now is folded; then it reads what definitions publish (`app.on_site`). What takes longer is said; nothing is lost.
"""

from __future__ import annotations

import asyncio

import msgspec

from einklang.app import on_site
from einklang.app.on_site import NOBODY, Told
from einklang.kernel.time import format_moment
from einklang.web.services import Services

#: How long an answer waits for the decisions, and how many wait at one time; the others get what is decided by then.
WAIT_S = 1.0
WAITING_MAX = 500


class Asked(msgspec.Struct):
    """A batch, and the device that asks. Without one nobody is known."""

    batch: list[msgspec.Raw] = []
    anonymousId: str | int | None = None

    @property
    def device(self) -> str:
        """The device as events name it, "" without."""
        return "" if self.anonymousId is None else str(self.anonymousId).strip()


class Answer(Told, frozen=True):
    """What a page is told. upToDate: all that had arrived counts; asOf: until when it is decided, now or before."""

    upToDate: bool
    asOf: str


class Folded:
    """Waits until the log is folded up to a position. However many wait, one reads at a time, for all of them."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._reading: asyncio.Task[int] | None = None
        self.waiting = 0

    async def wait(self, position: int, seconds: float) -> bool:
        """Whether everything up to this position was folded within so many seconds."""
        hub = self._services.hub
        woken = hub.join(stream=False)
        self.waiting += 1
        try:
            async with asyncio.timeout(seconds):
                while not hub.closed:
                    woken.clear()
                    if await self._read() > position:
                        return True
                    await woken.wait()
        except TimeoutError:
            pass
        finally:
            self.waiting -= 1
            hub.leave(woken)
        return False

    async def _read(self) -> int:
        """Until where the log is folded, read after this call began."""
        running = self._reading
        if running is not None and not running.done():
            await asyncio.wait([running])
        if self._reading is running:
            self._reading = asyncio.create_task(asyncio.to_thread(self._until))
        assert self._reading is not None
        return await asyncio.shield(self._reading)

    def _until(self) -> int:
        return int(self._services.book.read("folded_until")[0][0])


class Personalize:
    """What one server's pages may know. Answers what was collected already."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._folded = Folded(services)
        self._published: tuple[object, frozenset[str]] = (None, frozenset())

    async def answer(self, device: str, position: int | None) -> Answer:
        """What whoever uses this device may know. position: of the last event of the request, None if it had none."""
        if not device:
            return Answer(NOBODY, [], True, format_moment(self._services.now()))
        if position is None:
            position = await asyncio.to_thread(self._arrived)
        if self._folded.waiting < WAITING_MAX:
            await self._folded.wait(position, WAIT_S)
        return await asyncio.to_thread(self._told, device, position)

    def _arrived(self) -> int:
        return int(self._services.book.read("counter_value", "position")[0][0])

    def _told(self, device: str, position: int) -> Answer:
        now = self._services.now()
        with self._services.book.snapshot() as reader:
            stamp = reader.read("definitions_stamp")
            if self._published[0] != stamp:
                self._published = stamp, on_site.published(reader)
            told = on_site.told(reader, device, self._published[1], now)
            done = int(reader.read("folded_until")[0][0]) > position
            oldest = reader.read("tail_waiting")[0][1]
        at = now if done or oldest is None else min(now, oldest)
        return Answer(told.visitor, told.segments, done, format_moment(at))
