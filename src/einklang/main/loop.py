"""The working threads of a server: one ticks, one hands over, so that a slow mail server stops no journey, one tells
webhooks, one gives destinations their files and tables, and one ships to the lake and keeps it tidy, so that nothing
waits for that.

The first two are woken by what arrives and by what falls due, and look at the clock once a second at most. Where
several processes work on one home, each asks its leases first: one of them ticks, tells, gives and ships, and each
hands over in lanes of its own.
"""

from __future__ import annotations

import asyncio
import threading
import time as system
from collections.abc import Callable, Collection
from typing import Protocol

import structlog

from einklang.app.activation import Carrier
from einklang.app.deliver import Channel, Delivery
from einklang.app.sources import LiveSource
from einklang.kernel import time
from einklang.kernel.errors import EinklangError, Unavailable
from einklang.main import clock
from einklang.main.activator import Activator
from einklang.main.destinations import Destinations
from einklang.main.home import Home
from einklang.main.rest import Rest
from einklang.main.retention import Keeper
from einklang.main.surveyor import Surveyor
from einklang.store.lake import refresh, ship_round, tidy

SHIP_EVERY_S = 5.0
#: Where nothing is written the lake is looked at so often.
TIDY_EVERY_US = time.HOUR
#: A clock that jumps forward by more than this is held (invariant 35).
JUMP_MAX_S = 3600.0
CLOCK_JUMP = "clock_jump"
#: The clock is looked at so often, a fault of the world is tried again after so long.
IDLE_S = 1.0
#: What is due and could not be done yet is looked at again after this.
_SOON_S = 0.05
_BATCH = 5_000
_LAST_TICKS_MAX = 100

log = structlog.get_logger()


class Share(Protocol):
    """What a process may do among others that work on the same home. All raise Unavailable."""

    def ticks(self, *, started: bool) -> tuple[bool, bool]:
        """(whether this process ticks, whether only since now). started: it has noted how long nothing was done."""

    def ticking(self) -> bool:
        """Whether some process ticks and has started."""

    def lanes(self) -> tuple[Collection[int], Collection[int]]:
        """(lanes of business keys that this process hands over, those of them that it has only since now)."""


def _nothing() -> None:
    return None


class Beat:
    """A thread that does `work` until stopped; `work` says in how many seconds it wants to be called again.

    A fault of the world is tried again, unless the Book is broken; that, and a fault of ours, ends the thread: `failed`
    holds it, and `ended` is called.
    """

    def __init__(
        self, name: str, work: Callable[[], float], check: Callable[[], None], ended: Callable[[], None]
    ) -> None:
        self.failed: BaseException | None = None
        self.stopping = threading.Event()
        self._wake = threading.Event()
        self._work, self._check, self._ended = work, check, ended
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    def stop(self) -> None:
        """End after the present work. A thread that never began has nothing to end."""
        self.stopping.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self.stopping.is_set():
                self._wake.clear()
                pause = self._once()
                if pause > 0 and not self.stopping.is_set():  # `stop` may have come before `clear`
                    self._wake.wait(pause)
        except BaseException as error:  # the server must not go on without its heart
            self.failed = error
            log.error("stopped", thread=self._thread.name, error=str(error), exc_info=error)
            self._ended()

    def _once(self) -> float:
        try:
            return self._work()
        except Unavailable as error:
            self._check()
            log.warning("tried again", thread=self._thread.name, error=error.line())
            return IDLE_S


class Loop:
    """Ticks, ships and hands over until stopped.

    told: called after each tick that wrote something. ended: called once a thread has failed. share: what this process
    may do among others; without it, everything. webhooks: what posts to them; without it nobody is told. now, steady:
    the clock in microseconds and a timer in seconds that nobody sets, for tests.
    """

    def __init__(
        self,
        home: Home,
        channels: dict[str, Channel],
        told: Callable[[], None],
        *,
        ended: Callable[[], None] = _nothing,
        held: Callable[[str], None] = lambda alarm: None,
        share: Share | None = None,
        webhooks: Carrier | None = None,
        now: Callable[[], int] = clock.now,
        steady: Callable[[], float] = system.monotonic,
    ) -> None:
        self.home = home
        self.engine = home.engine() if share is None else None
        self._resting, self._posted, self._shipped = Rest(home.book), Rest(home.book), Rest(home.book)
        self._surveyor = Surveyor(home)
        self.source = LiveSource(self._surveyor.crowd)
        self._share = share
        self.delivery = Delivery(home.book, home.reading_state(), channels, self.time)
        self.channels = channels
        self.alarm = ""
        self._told, self._held, self._now, self._steady = told, held, now, steady
        self._offset = self._offset_now()
        self._guard = threading.Lock()
        self._aliases = (-1, -1)
        self._runner = asyncio.Runner()
        self._recovered = self._stopped = False
        self._ticking = share is None
        self._tick = Beat("tick", self.tick, home.book.check, ended)
        self._post = Beat("deliver", self.deliver, home.book.check, ended)
        self._lake = Beat("lake", self.ship, home.book.check, ended)
        self._activator = Activator(home, webhooks, self.time) if webhooks is not None else None
        self._tell = Beat("activate", self.activate, home.book.check, ended)
        self._destinations, self._given = Destinations(home, self.time), Rest(home.book)
        self._give = Beat("destinations", self.give, home.book.check, ended)
        self._keeper = Keeper(home, self.time, steady)

    @property
    def failed(self) -> BaseException | None:
        """What ended a thread."""
        return self._tick.failed or self._post.failed or self._lake.failed or self._tell.failed or self._give.failed

    def time(self) -> int:
        """The present moment: the clock, or, where that was set back, the moment that the log has reached."""
        return max(self._now(), self.engine.state.clock if self._ticking and self.engine else self.home.reached())

    def start(self) -> None:
        """Begin to work."""
        self._tick.start()
        self._post.start()
        self._lake.start()
        self._give.start()
        if self._activator is not None:
            self._tell.start()

    def wake(self) -> None:
        """Something arrived."""
        self._tick.wake()

    def look(self) -> None:
        """Another process ticked: there may be something to hand over."""
        self._post.wake()

    def stop(self) -> None:
        """End after the present hand-overs and the present tick; work off and ship what is there. Once is enough."""
        self._post.stop()
        self._tick.stop()
        self._lake.stop()
        self._tell.stop()
        self._give.stop()
        self._keeper.stop()
        if self._stopped:
            return
        self._stopped = True
        if self._activator is not None:
            self._activator.close()
        with self._runner:
            self._runner.run(self._close())
        if self.failed is None:
            self._last()

    async def _close(self) -> None:
        for channel in self.channels.values():
            await channel.close()

    def _last(self) -> None:
        """What the last requests and hand-overs left, so that the lake is complete."""
        try:
            if self._may_tick():
                for _ in range(_LAST_TICKS_MAX):
                    if self.alarm or not self.step():
                        break
                self._ship()
        except EinklangError as error:  # it is all in the Book: the next start goes on there
            log.warning("not everything was shipped", error=error.line())

    # --- ticks ---

    def tick(self) -> float:
        """One tick; seconds until the next one."""
        if self.jumped() or not self._may_tick():
            return IDLE_S
        if self._resting.lasts(self.time()):
            return min(IDLE_S, self._resting.seconds(self.time()))
        self._resting.seen()
        if self.step():
            return 0
        pause, due = self._until("next_timer")
        assert self.engine is not None, "who ticks has an engine"
        state, pending = self.engine.state, self.home.book.read("entry_first_at", 0)[0][0]
        if self.source.started and state.build is None and state.sweep is None and not state.unasked:
            self._resting.begin(due, pending)
        return pause

    def _may_tick(self) -> bool:
        """Whether this process ticks. Who takes over begins as after a start: how long nothing was done is noted."""
        if self._share is None:
            return True
        try:
            self._ticking, fresh = self._share.ticks(started=self.source.started)
        except Unavailable:
            self._ticking = False  # the lease may be another's: what this process tells and gives waits too
            raise
        if fresh:
            self.engine, self.source = self.home.engine(), LiveSource(self._surveyor.crowd)
            log.warning("this process ticks now")
        return self._ticking

    def step(self) -> int:
        """One tick at the present clock; the number of entries written."""
        assert self.engine is not None, "who ticks has an engine"
        self.source.now = self.time()
        written = self.engine.step(self.source, _BATCH)
        if written:
            self._told()
            self._post.wake()
            self._tell.wake()
        if self._surveyor.waits:
            self._lake.wake()
        return written

    def _until(self, statement: str) -> tuple[float, int | None]:
        """Seconds until time alone has work to do, and when that is; what is due already could not be done, it waits a
        little.
        """
        found = self.home.book.read(statement)
        if not found or found[0][0] is None:
            return IDLE_S, None
        due = int(found[0][0])
        ahead = (due - self.time()) / time.SECOND
        return (min(IDLE_S, ahead) if ahead > 0 else _SOON_S), due

    # --- hand-overs ---

    def deliver(self) -> float:
        """Hand over what is ready; seconds until the next time."""
        if self._recovered and not self.jumped() and self._posted.lasts(self.time()):
            return min(IDLE_S, self._posted.seconds(self.time()))
        self._posted.seen()
        lanes, fresh = self._lanes()
        if fresh is None or fresh:
            self._recovered = False
            self.delivery.recover(fresh)
            self._recovered = True
            self.wake()
        if self.jumped():
            return IDLE_S
        if not (self.source.started if self._share is None else self._share.ticking()):
            return _SOON_S  # how long nothing was done is not known yet
        try:
            looked_at = self._runner.run(self.delivery.once(stopping=self._stopping, lanes=lanes))
        except Unavailable:
            self._recovered = False  # a claim may be there although nobody heard of it; nothing is under way now
            raise
        if looked_at:
            self.wake()
            return 0
        pause, due = self._until("outbox_next")
        self._posted.begin(due)
        return pause

    def _lanes(self) -> tuple[Collection[int] | None, Collection[int] | None]:
        """(lanes to hand over in, those of them in which somebody may have died); None: all of them."""
        if self._share is None:
            return None, () if self._recovered else None
        lanes, fresh = self._share.lanes()
        return lanes, fresh if self._recovered else lanes

    def _stopping(self) -> bool:
        return self._post.stopping.is_set() or self.jumped()

    def activate(self) -> float:
        """Tell webhooks what is due; seconds until the next time. One process does: the one that ticks."""
        if self._activator is None or not self._ticking or self.jumped():
            return IDLE_S
        return self._activator.work()

    def give(self) -> float:
        """Give destinations their files and tables; seconds until the next time. One process does, as above."""
        if not self._ticking or self.jumped() or self._given.lasts(self.time()):
            return IDLE_S
        self._given.seen()
        if self._destinations.once(stopping=self._give.stopping.is_set):
            self.wake()
        self._given.begin(self._destinations.later)
        return IDLE_S

    # --- the clock ---

    def _offset_now(self) -> float:
        return self._now() / time.SECOND - self._steady()

    def jumped(self) -> bool:
        """A clock that jumps forward by more than an hour is held with an alarm: no mass release."""
        with self._guard:
            offset = self._offset_now()
            if offset - self._offset > JUMP_MAX_S and not self.alarm:
                self.alarm = CLOCK_JUMP
                log.error(
                    "the clock jumped forward by more than an hour; events are taken, nothing else is done",
                    mend="set the clock right, then restart the server; a restart also says that the new time is right",
                )
                self._held(self.alarm)
            if not self.alarm:
                self._offset = offset
            return bool(self.alarm)

    # --- the lake ---

    def ship(self) -> float:
        """Ship what is new, then one round of tidying; seconds until the next time."""
        if not self._ticking:  # one shipper: the process that ticks
            return IDLE_S
        try:
            if not self._surveyor.waits and self._shipped.lasts(self.time()):
                self._keeper.look(self._lake.stopping.is_set)
                return SHIP_EVERY_S
            self._shipped.seen()
            self._ship(self._lake.stopping.is_set)
            if self._surveyor.waits:
                self._surveyor.work()
                self._tick.wake()
            again = tidy(self.home.book, self.home.lake, stopping=self._lake.stopping.is_set)
            self._keeper.look(self._lake.stopping.is_set)
        except EinklangError as error:
            log.warning("the lake lags", error=error.line())
            self.home.book.check()
            return SHIP_EVERY_S
        if not again:
            self._shipped.begin(self.time() + TIDY_EVERY_US)
        return _SOON_S if again else SHIP_EVERY_S

    def _ship(self, stopping: Callable[[], bool] | None = None) -> None:
        """Everything new; without `stopping`, to the end and with persons however many they are."""
        ship_round(self.home.book, self.home.lake, stopping=stopping or (lambda: False))
        aliases = self.home.book.read("alias_count")[0][0]
        persons = self.home.book.read("person_count")[0][0]
        if (aliases, persons) != self._aliases and (stopping is None or aliases + persons < 200_000):
            refresh(self.home.book, self.home.lake, "persons")
            self._aliases = (aliases, persons)
