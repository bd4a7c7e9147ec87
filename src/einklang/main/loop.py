"""The working thread of a server: ticks, shipping and delivery, woken by what arrives and by what falls due."""

from __future__ import annotations

import asyncio
import threading
import time as system
from collections.abc import Callable

import structlog

from einklang.app.deliver import Channel, Delivery
from einklang.app.sources import LiveSource
from einklang.kernel import time
from einklang.kernel.errors import EinklangError
from einklang.main import clock
from einklang.main.home import Home
from einklang.store.lake import refresh, ship
from einklang.store.lake.shipper import GROWING

SHIP_EVERY_S = 5.0
JUMP_MAX_S = 3600.0
_IDLE_S = 1.0
_BATCH = 5_000

log = structlog.get_logger()


class Loop:
    """Ticks until stopped. `told`: called with the newest seq after each tick that wrote something."""

    def __init__(self, home: Home, channels: dict[str, Channel], told: Callable[[], None]) -> None:
        self.home = home
        self.engine = home.engine()
        self.source = LiveSource()
        self.delivery = Delivery(home.book, home.reading_state(), channels, clock.now)
        self.channels = channels
        self.told = told
        self.alarm = ""
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tick", daemon=True)
        self._shipped_at = system.monotonic()
        self._offset = system.time() - system.monotonic()
        self._aliases = (-1, -1)
        self.failed: BaseException | None = None

    def start(self) -> None:
        """Begin to tick."""
        self._thread.start()

    def wake(self) -> None:
        """Something arrived."""
        self._wake.set()

    def stop(self) -> None:
        """End after the present tick, ship what is there."""
        self._stop.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        runner = asyncio.Runner()
        try:
            self.delivery.recover()
            while not self._stop.is_set():
                self._once(runner)
            self._ship(everything=True)
        except BaseException as error:  # the server must not go on without its heart
            self.failed = error
            log.error("the tick failed", error=str(error), kind=type(error).__name__, exc_info=error)
        finally:
            runner.run(self._close())
            runner.close()

    async def _close(self) -> None:
        for channel in self.channels.values():
            await channel.close()

    def _once(self, runner: asyncio.Runner) -> None:
        self._wake.clear()
        if self._jumped():
            self._wake.wait(_IDLE_S)
            return
        self.source.now = clock.now()
        written = self.engine.step(self.source, _BATCH)
        if self.delivery.state.definitions is not self.engine.state.definitions:
            self.delivery.state.take(self.engine.state.definitions)
        handed = runner.run(self.delivery.once())
        if written:
            self.told()
        self._ship(everything=False)
        if not written and not handed:
            self._wake.wait(self._pause())

    def _pause(self) -> float:
        """Seconds until time alone has work to do, at most a second so that a clock that jumps is seen."""
        due = [
            row[0] for name in ("next_timer", "outbox_next") for row in self.home.book.read(name) if row[0] is not None
        ]
        ahead = (min(due) - clock.now()) / time.SECOND if due else _IDLE_S
        return min(_IDLE_S, max(0.001, ahead))

    def _jumped(self) -> bool:
        """A clock that jumps forward by more than an hour is held with an alarm: no mass release."""
        offset = system.time() - system.monotonic()
        if offset - self._offset > JUMP_MAX_S and not self.alarm:
            self.alarm = "clock_jump"
            log.error(
                "the clock jumped forward by more than an hour; nothing is worked off until the server is restarted"
            )
        if not self.alarm:
            self._offset = offset
        return bool(self.alarm)

    def _ship(self, *, everything: bool) -> None:
        if not everything and system.monotonic() - self._shipped_at < SHIP_EVERY_S:
            return
        self._shipped_at = system.monotonic()
        try:
            for table in GROWING:
                while ship(self.home.book, self.home.lake, table):
                    pass
            aliases = self.home.book.read("alias_count")[0][0]
            persons = self.home.book.read("person_count")[0][0]
            if (aliases, persons) != self._aliases and (everything or aliases + persons < 200_000):
                refresh(self.home.book, self.home.lake, "persons")
                self._aliases = (aliases, persons)
        except EinklangError as error:
            log.warning("the lake lags", error=error.line())
