"""Two loops over one home, as in two processes: one ticks, each hands over in its lanes, who dies is replaced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from einklang.app.deliver import Waiting
from einklang.kernel.errors import Unavailable
from einklang.kernel.ids import lane_of
from einklang.kernel.limits import LANES
from einklang.main import home as homes
from einklang.main import loop as module
from einklang.main.loop import IDLE_S, Loop
from tests.live.servers import basket, make, person
from tests.live.test_loop import World

PEOPLE = 24
ODD, EVEN = frozenset(range(1, LANES, 2)), frozenset(range(0, LANES, 2))


class Leases:
    """A share that the test gives out."""

    def __init__(self, lanes: Collection[int]) -> None:
        self.ticks_now = self.had_ticks = False
        self.lanes_now = frozenset(lanes)
        self.had_lanes = frozenset[int]()
        self.somebody_ticks = True

    def ticks(self, *, started: bool) -> tuple[bool, bool]:
        """As it was given out."""
        fresh = self.ticks_now and not self.had_ticks
        self.had_ticks = self.ticks_now
        return self.ticks_now, fresh

    def ticking(self) -> bool:
        """Whether somebody does."""
        return self.somebody_ticks

    def lanes(self) -> tuple[Collection[int], Collection[int]]:
        """As they were given out."""
        fresh, self.had_lanes = self.lanes_now - self.had_lanes, self.lanes_now
        return self.lanes_now, fresh


class Shared(World):
    """A world whose loop asks its leases."""

    def __init__(self, home: homes.Home, lanes: Collection[int]) -> None:
        super().__init__(home)
        self.loop.stop()
        self.leases = Leases(lanes)
        channels: dict[str, Any] = {"email": self.channel}
        self.loop = Loop(
            home, channels, self._tell, share=self.leases, now=lambda: self.now, steady=lambda: self.steady
        )


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Shared, Shared]]:
    """Two of them; the first ticks."""
    make(tmp_path / "home")
    with homes.opened(tmp_path / "home", base_url="http://127.0.0.1:8787", writer=True) as home:
        one, other = Shared(home, ODD), Shared(home, EVEN)
        one.leases.ticks_now = True
        yield one, other
        for world in (one, other):
            world.loop.stop()


def test_each_hands_over_what_is_its_own(two: tuple[Shared, Shared]) -> None:
    """Who holds no lease of the ticks does not tick; each message goes out once, by whom its lane belongs to."""
    one, other = two
    one.send(*(call for n in range(PEOPLE) for call in (*person(n), basket(n))))
    assert other.loop.tick() == IDLE_S
    assert one.tail() == 4 * PEOPLE
    for _ in range(6):
        for world in (one, other):
            world.loop.tick()
            world.loop.deliver()
    assert {lane_of(parcel.key) % 2 for parcel in one.channel.got} == {1}
    assert {lane_of(parcel.key) % 2 for parcel in other.channel.got} == {0}
    got = Counter(parcel.address for world in two for parcel in world.channel.got)
    assert len(got) == PEOPLE
    assert set(got.values()) == {1}


def test_what_the_dead_had_in_hand_is_unknown_to_the_heir_alone(two: tuple[Shared, Shared]) -> None:
    """Messages that somebody holds are his; who takes his lanes takes them for unknown, and nothing goes out twice."""
    one, other = two
    one.send(*(call for n in range(PEOPLE) for call in (*person(n), basket(n))))
    for _ in range(3):
        one.loop.tick()
        for world in two:
            world.pass_(1)
    rows = one.home.book.read("outbox_ready", one.now, 100)
    held = [Waiting(*row) for row in rows if lane_of(row[2]) in ODD]
    assert held
    one.home.book.transact(
        lambda tx: tx.write("outbox_claim", [("handing_over", one.now, 1, row.data, row.key) for row in held])
    )
    other.loop.deliver()
    assert dict(one.home.book.read("outbox_counts"))["handing_over"] == len(held)
    one.leases.ticks_now, other.leases.ticks_now, other.leases.lanes_now = False, True, ODD | EVEN
    for _ in range(4):
        other.loop.tick()
        other.loop.deliver()
    assert dict(one.home.book.read("outbox_counts")) == {"sent": len(rows) - len(held), "unknown": len(held)}


def test_nobody_hands_over_before_the_ticks_have_started(two: tuple[Shared, Shared]) -> None:
    """How long nothing was done is noted first: it decides what is too late."""
    one, other = two
    one.send(*person(1), basket(1))
    one.loop.tick()
    other.leases.lanes_now, other.leases.somebody_ticks = ODD | EVEN, False
    assert other.loop.deliver() == module._SOON_S
    assert not other.channel.got
    other.leases.somebody_ticks = True
    other.loop.deliver()
    assert len(other.channel.got) == 1


def test_who_cannot_ask_for_its_lease_gives_and_tells_nothing(two: tuple[Shared, Shared]) -> None:
    """While the database is away another process may have got the lease of the ticks: files and webhooks wait too."""
    one, _ = two
    one.loop.tick()

    def away(*, started: bool) -> tuple[bool, bool]:
        raise Unavailable("book_failed", f"the connection was reset, {started}")

    one.loop._destinations = SimpleNamespace(once=lambda **_: pytest.fail("it gave files"))  # type: ignore[assignment]  # a stand-in
    one.leases.ticks = away  # type: ignore[method-assign]  # the database is away
    with pytest.raises(Unavailable):
        one.loop.tick()
    assert one.loop.give() == IDLE_S
