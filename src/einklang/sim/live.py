"""Living on after the year: calls for every moment of the present, made of seed and time alone.

Time is cut into blocks of 20 seconds. Each holds twelve calls, at most 1.97 s apart, and ends with an order of a
customer who has an account; an order is a candidate of the journey `thanks`, so that there is a decision at least
every 22 s.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import numpy as np

from einklang.kernel.time import MINUTE, SECOND, format_moment
from einklang.sim.calendar import APP, STORE, WEB
from einklang.sim.payload import Payload, shipping_of, store_of
from einklang.sim.response import Sent, react
from einklang.sim.words import CATEGORIES
from einklang.sim.world import World

BLOCK = 20 * SECOND
CALLS_PER_BLOCK = 12
#: a gap longer than this (a sleeping machine) is not filled up
GAP_MAX = 5 * MINUTE
_LIVE_KEY = 0x6C697665


def live(world: World, now: int, since: int) -> list[Payload]:
    """The calls of (since, now], µs, in time order; of a long gap only its last five minutes."""
    since = max(since, now - GAP_MAX)
    calls: list[Payload] = []
    for block in range(since // BLOCK, now // BLOCK + 1):
        calls += [call for at, call in _block(world, block) if since < at <= now]
    return calls


def _block(world: World, block: int) -> list[tuple[int, Payload]]:
    """Twelve calls: somebody looks around, somebody else buys, at the till, in the app or in the shop."""
    key = np.array([world.seed, _LIVE_KEY], dtype=np.uint64)
    rng = np.random.Generator(np.random.Philox(key=key, counter=np.array([block, 0, 0, 0], dtype=np.uint64)))
    spacing = BLOCK // CALLS_PER_BLOCK
    times = [block * BLOCK + n * spacing + int(rng.integers(0, 300)) * 1000 for n in range(CALLS_PER_BLOCK)]
    buyer = _buyer(world, rng)
    touch = int(rng.choice([WEB, APP, STORE], p=[0.5, 0.2, 0.3]))
    if touch == APP and world.crowd.device[buyer, 2] < 0:
        touch = WEB
    calls = _purchase(world, rng, block, buyer, touch, times)
    looks = _looking(world, rng, block, times[: CALLS_PER_BLOCK - len(calls)])
    return [*looks, *calls]


def _buyer(world: World, rng: np.random.Generator) -> int:
    """Someone with an account; four of five have permitted e-mail."""
    crowd = world.crowd
    permits = (crowd.permits < world.end) & (crowd.withdraws > world.end)
    pool = np.flatnonzero(permits if rng.random() < 0.8 and permits.any() else crowd.known)
    return int(pool[rng.integers(0, len(pool))])


def _purchase(
    world: World, rng: np.random.Generator, block: int, person: int, touch: int, times: list[int]
) -> list[tuple[int, Payload]]:
    """The last calls of the block: in the store the order alone, else page, view, adds, checkout and order."""
    say, crowd = world.payloads, world.crowd
    cart, order, head = f"KL{block}", f"BL{block}", f"live-{world.seed}-{block}-b"
    size = 1 + min(int(rng.poisson(0.9 * crowd.lavish[person])), 4)
    products = [int(n) for n in world.goods.pick(rng, np.full(size, crowd.favourite[person]))]
    lines = [(product, 1) for product in products]
    cents = sum(int(world.goods.cents[product]) for product in products)
    at = times[-1]
    if touch == STORE:
        who = say.who(person, STORE, at, -1, True)
        return [(at, say.order(who, head, format_moment(at), order, "", lines, store=store_of(person)))]
    device = int(crowd.device[person, 2 if touch == APP else 0])
    who = say.who(person, touch, at, device, True)
    slots = iter(times[-(size + 4) :])
    out = [(t := next(slots), say.page(who, f"{head}p", format_moment(t), touch, ""))]
    out.append((t := next(slots), say.view(who, f"{head}v", format_moment(t), products[0])))
    for number, product in enumerate(products):
        out.append((t := next(slots), say.add(who, f"{head}a{number}", format_moment(t), product, 1, cart)))
    out.append((t := next(slots), say.checkout(who, f"{head}c", format_moment(t), cart, order, cents)))
    shipping = shipping_of(cents, touch)
    out.append((at, say.order(who, f"{head}o", format_moment(at), order, cart, lines, shipping=shipping)))
    return out


def _looking(world: World, rng: np.random.Generator, block: int, times: list[int]) -> list[tuple[int, Payload]]:
    """Visitors who look at things: half of them anonymous, some with a cart that they leave."""
    say, crowd = world.payloads, world.crowd
    out: list[tuple[int, Payload]] = []
    for begin in range(0, len(times), 4):
        person = int(rng.integers(0, crowd.size))
        signed = bool(crowd.known[person]) and rng.random() < 0.5
        device = int(crowd.device[person, 0])
        product = int(world.goods.pick(rng, crowd.favourite[person : person + 1])[0])
        leaves_cart = rng.random() < 0.3
        for number, at in enumerate(times[begin : begin + 4]):
            who, stamp = say.who(person, WEB, at, device, signed), format_moment(at)
            message_id = f"live-{world.seed}-{block}-l{begin + number}"
            if number == 0:
                place = CATEGORIES[product // 20][0].replace(" ", "-")
                out.append((at, say.page(who, message_id, stamp, WEB, place)))
            elif number == 3 and leaves_cart:
                out.append((at, say.add(who, message_id, stamp, product, 1, f"KL{block}l{begin}")))
            else:
                out.append((at, say.view(who, message_id, stamp, (product + number - 1) % len(world.goods.rows))))
    return out


class Stream:
    """The present as a stream: `live` plus the reactions to what was sent, in a hurry (weeks become minutes)."""

    def __init__(self, world: World, since: int, *, hurry: float = 600.0) -> None:
        self._world = world
        self._since = since
        self._hurry = hurry
        self._waiting: list[tuple[str, str, Payload]] = []

    def due(self, now: int, sent: Iterable[Sent] = ()) -> list[Payload]:
        """The calls after the last answer, up to `now` (µs), in time order; `sent`: handed over since then."""
        for call in react(self._world, sent, hurry=self._hurry):
            heapq.heappush(self._waiting, (call["timestamp"], call["messageId"], call))
        calls = live(self._world, now, self._since)
        self._since = max(self._since, now)
        limit = format_moment(now)
        while self._waiting and _before(self._waiting[0][0], limit):
            calls.append(heapq.heappop(self._waiting)[2])
        return sorted(calls, key=lambda call: (_sortable(call["timestamp"]), call["messageId"]))


def _sortable(stamp: str) -> str:
    """RFC 3339 in UTC with any number of digits -> a text that sorts by time."""
    return stamp[:-1].ljust(26, "0") if "." in stamp else stamp[:-1] + ".000000"


def _before(stamp: str, limit: str) -> bool:
    return _sortable(stamp) <= _sortable(limit)
