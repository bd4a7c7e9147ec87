"""The threads of a server, on clocks of the test: idle, woken, held by a jump of the clock, ended by a fault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import msgspec
import pytest

from einklang.app.collect import collect
from einklang.app.tick import Engine
from einklang.kernel import time
from einklang.kernel.errors import Unavailable
from einklang.main import clock
from einklang.main import home as homes
from einklang.main import loop as module
from einklang.main.cli import main
from einklang.main.loop import CLOCK_JUMP, IDLE_S, Beat, Loop
from tests.deliver.post import Memory
from tests.live.servers import basket, make, person
from tests.waits import WAIT_S


class World:
    """A loop without its threads: `loop.tick` and `loop.deliver` are called by the test."""

    def __init__(self, home: homes.Home) -> None:
        self.home = home
        self.now = clock.now()
        self.steady = 1_000.0
        self.told = 0
        self.alarms: list[str] = []
        self.channel = Memory()
        self.loop = Loop(
            home,
            {"email": self.channel},
            self._tell,
            held=self.alarms.append,
            now=lambda: self.now,
            steady=lambda: self.steady,
        )

    def _tell(self) -> None:
        self.told += 1

    def pass_(self, seconds: float, *, steady: float | None = None) -> None:
        """Time goes on, on both clocks alike if nothing else is said."""
        self.now += int(seconds * time.SECOND)
        self.steady += seconds if steady is None else steady

    def send(self, *calls: dict[str, Any]) -> None:
        """Calls come in now."""
        body = msgspec.json.encode({"batch": list(calls)})
        found = collect(self.home.book, "batch", body, source="web", now=self.now, salt=self.home.salt)
        assert found.durable is not None
        found.durable.result()

    def work(self) -> None:
        """Until there is nothing to do."""
        for _ in range(20):
            if self.loop.tick() > 0 and self.loop.deliver() > 0 and not self.tail():
                return
            self.pass_(0.001)

    def tail(self) -> int:
        """Events that wait."""
        return int(self.home.book.read("tail_waiting")[0][0])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A loop over a new home."""
    make(tmp_path / "home")
    with homes.opened(tmp_path / "home", base_url="http://127.0.0.1:8787", writer=True) as home:
        made = World(home)
        yield made
        made.loop.stop()


def test_a_message_goes_its_way(world: World) -> None:
    """An event is worked off, its message handed over, the report of that worked off too; the console is told."""
    world.send(*person(1), basket(1))
    world.work()
    assert [parcel.address for parcel in world.channel.got] == ["p1@shop.example"]
    assert dict(world.home.book.read("outbox_counts")) == {"sent": 1}
    assert world.told >= 2


def test_at_idle_it_wakes_once_a_second(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing due: a second. Due soon: then. Due and not to be done: not at once, and not a thousand times a second."""
    world.work()
    assert (world.loop.tick(), world.loop.deliver()) == (IDLE_S, IDLE_S)
    due = [world.now + 300_000]
    monkeypatch.setattr(world.home.book, "read", lambda name: [(due[0],)])
    assert world.loop._until("next_timer")[0] == pytest.approx(0.3)
    due[0] = world.now - 5
    assert 0.01 <= world.loop._until("next_timer")[0] <= 0.1
    due[0] = world.now + 10**9
    assert world.loop._until("next_timer")[0] == IDLE_S


def test_nothing_is_asked_while_nothing_happens(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """No statement until something is written or falls due; then it is worked off as ever."""
    world.send(*person(1), basket(1))
    for _ in range(3):
        world.work()
        world.loop.ship()
    asked: list[str] = []
    book, read, snapshot = world.home.book, world.home.book.read, world.home.book.snapshot

    def reading(name: str, *params: Any) -> Any:
        asked.append(name)
        return read(name, *params)

    def snapping() -> Any:
        asked.append("snapshot")
        return snapshot()

    monkeypatch.setattr(book, "read", reading)
    monkeypatch.setattr(book, "snapshot", snapping)
    for _ in range(9):
        world.pass_(60)
        for beat in (world.loop.tick, world.loop.deliver, world.loop.ship):
            beat()
    assert not asked
    world.send(*person(2), basket(2))
    world.work()
    assert len(world.channel.got) == 2
    assert asked


@pytest.mark.parametrize(("seconds", "held"), [(3_700, True), (86_400, True), (1_800, False), (-86_400, False)])
def test_a_jump_of_the_clock_is_held(world: World, seconds: int, held: bool) -> None:
    """More than an hour forward: events are stored, nothing is worked off or handed over; the alarm comes once.

    A clock that is set back stops nothing: time stands still until the clock is where it was.
    """
    world.send(*person(1), basket(1))
    world.loop.tick()
    waiting = dict(world.home.book.read("outbox_counts"))
    assert waiting == {"ready": 1}
    world.pass_(seconds, steady=0.0)
    world.send(basket(1, "c2"))
    world.work()
    world.work()
    assert world.alarms == ([CLOCK_JUMP] if held else [])
    assert (world.tail() > 0, len(world.channel.got) == 0) == (held, held)
    if held:
        assert dict(world.home.book.read("outbox_counts")) == waiting


def test_time_that_passes_is_no_jump(world: World) -> None:
    """Days that pass on both clocks, and a clock that is set a little again and again, raise no alarm."""
    for _ in range(50):
        world.pass_(86_400)
        world.pass_(600, steady=0.0)
        world.loop.tick()
    assert world.alarms == []


def test_what_is_left_is_shipped_at_the_end(world: World) -> None:
    """`stop` works off what the last requests left and ships it."""
    world.send(*person(1))
    world.loop.stop()
    counters = dict(world.home.book.read("counters"))
    assert (world.tail(), world.home.book.read("ship_mark", "events")[0][0]) == (0, counters["seq"])


def test_a_fault_of_the_world_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk: the thread goes on, a moment later."""
    monkeypatch.setattr(module, "IDLE_S", 0.001)
    done, ended, faults = Event(), Event(), [Unavailable("disk_full", "the disk is full")] * 3

    def work() -> float:
        if faults:
            raise faults.pop()
        done.set()
        return 0.001

    beat = Beat("test", work, lambda: None, ended.set)
    beat.start()
    assert done.wait(WAIT_S)
    beat.stop()
    assert (beat.failed, ended.is_set()) == (None, False)


def broken_book() -> None:
    """What a Book says after a failed fsync."""
    raise Unavailable("book_failed", "an fsync failed")


def ours() -> float:
    """A fault of ours."""
    raise AssertionError("broken heart")


def full() -> float:
    """A fault of the world."""
    raise Unavailable("disk_full", "the disk is full")


@pytest.mark.parametrize(("work", "told"), [(full, "an fsync failed"), (ours, "broken heart")])
def test_a_fault_that_ends_it(work: Any, told: str) -> None:
    """The thread ends, holds the fault, and tells the server."""
    ended = Event()
    beat = Beat("test", work, broken_book, ended.set)
    beat.start()
    assert ended.wait(WAIT_S)
    beat.stop()
    assert told in str(beat.failed)


def test_serve_ends_when_the_tick_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No server goes on without its heart: it ends by itself, exit 1, the last line says why and what to do."""
    make(tmp_path / "home")
    capsys.readouterr()
    monkeypatch.setattr(Engine, "step", lambda self, source, limit: ours())
    assert main(["serve", "--home", str(tmp_path / "home"), "--port", "0"]) == 1
    found = capsys.readouterr()
    assert found.out == ""
    why = "einklang: the server stopped itself: AssertionError: broken heart"
    assert found.err.splitlines()[-1] == f"{why}; see the log above, then: einklang verify [stopped]"
    assert sum(line.startswith("einklang: ") for line in found.err.splitlines()) == 1
