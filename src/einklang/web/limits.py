"""What bounds a server: memory, connections, time, and how much one key may send; beyond it is refused, early."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from time import monotonic

from einklang.app.keys import Allowed, allowed
from einklang.app.ports import Reader
from einklang.kernel.errors import Unavailable
from einklang.web.body import HttpError

#: A key that was looked up is known for so long; the process that ends a key forgets it at once.
_KEY_SECONDS = 30.0
_KEYS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of one server process. key_events_per_s: of a key without a rate of its own, 0 = no bound.

    processes: how many serve together; the rate of a key is shared equally between them.
    """

    connections: int = 2_000
    head_bytes: int = 64 * 1024
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    in_flight: int = 1_024
    in_flight_bytes: int = 64 * 1024 * 1024
    key_events_per_s: int = 0
    key_burst_seconds: float = 2.0
    processes: int = 1


class Keyring:
    """The keys that requests come with: looked up once, remembered for a while, each with its bucket of tokens.

    A bucket fills at the rate of its key up to what comes in `key_burst_seconds`. A request passes while anything is in
    it and then takes what it carried, so the bucket may go below zero: the next one waits until that is paid. Where
    several processes serve, each has a bucket with its share of the rate.
    """

    def __init__(self, book: Callable[[], Reader], now: Callable[[], int], bounds: Bounds) -> None:
        self.steady = monotonic
        self._book, self._now, self._bounds = book, now, bounds
        self._known: dict[bytes, tuple[Allowed, float]] = {}
        self._buckets: dict[bytes, tuple[float, float]] = {}

    async def find(self, hashed: bytes) -> Allowed | None:
        """Whose key this is, while it works."""
        known = self._known.get(hashed)
        if known is not None and known[1] > self.steady():
            found = known[0]
            return found if found.ends_at is None or found.ends_at > self._now() else None
        asked = await asyncio.to_thread(allowed, self._book(), hashed, self._now())
        if asked is not None:
            if len(self._known) >= _KEYS_MAX:
                self._known.clear()
            self._known[hashed] = (asked, self.steady() + _KEY_SECONDS)
        return asked

    def forget(self) -> None:
        """Keys have changed: look each up again."""
        self._known.clear()

    def _level(self, hashed: bytes, rate: float) -> float:
        full, now = rate * self._bounds.key_burst_seconds, self.steady()
        level, at = self._buckets.get(hashed, (full, now))
        level = min(full, level + (now - at) * rate)
        self._buckets[hashed] = (level, now)
        return level

    def _rate(self, found: Allowed) -> float:
        return (found.events_per_s or self._bounds.key_events_per_s) / self._bounds.processes

    def check(self, hashed: bytes, found: Allowed) -> None:
        """Raises HttpError 429 `key_rate` with the seconds until this key may send again."""
        rate = self._rate(found)
        level = self._level(hashed, rate) if rate else 1.0
        if level <= 0:
            mend = "send again after Retry-After, or ask for a higher rate of this source"
            what = f"more than {round(rate * self._bounds.processes)} events a second with one key"
            if self._bounds.processes > 1:
                what += f" (each of the {self._bounds.processes} processes takes its share)"
            raise HttpError(429, "key_rate", what, where=found.source, mend=mend, retry_s=ceil(-level / rate + 1e-9))

    def spend(self, hashed: bytes, found: Allowed, count: int) -> None:
        """This key sent so many events, or asked once."""
        rate = self._rate(found)
        if rate:
            level = self._level(hashed, rate)
            self._buckets[hashed] = (level - max(1, count), self._buckets[hashed][1])


class InFlight:
    """Requests of which something is in memory. `enter` and `grow` raise Unavailable `overloaded` beyond the bounds."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self.requests = 0
        self.bytes = 0

    def enter(self, size: int, where: str) -> None:
        """A request that announces so many bytes begins. Nothing is counted if it is refused."""
        if self.requests >= self._bounds.in_flight or self.bytes >= self._bounds.in_flight_bytes:
            raise _overloaded(where)
        self.requests += 1
        self.bytes += size

    def grow(self, size: int, where: str) -> None:
        """It takes so many bytes more than it announced; they count in any case, until `leave`."""
        self.bytes += size
        if self.bytes > self._bounds.in_flight_bytes:
            raise _overloaded(where)

    def leave(self, size: int) -> None:
        """It ends; size: all that it was counted with."""
        self.requests -= 1
        self.bytes -= size


def _overloaded(where: str) -> Unavailable:
    return Unavailable("overloaded", "too many requests at once", where=where, mend="send again a little later")
