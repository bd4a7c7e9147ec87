"""Due moments of persons, in order: those that the Book holds, page by page, and those that the tick itself makes."""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from einklang.app.ports import Reader

_PAGE = 1_000


class TimerFeed:
    """Moments up to `bound` (microseconds), each as (due, person).

    The truth is `Person.wake`: an entry with another moment is stale.
    """

    def __init__(self, reader: Reader, bound: int, fresh: Mapping[str, int | None]) -> None:
        """fresh: person -> moment, None if there is none any more; of these the Book may not know yet."""
        self._reader = reader
        self._bound = bound
        self._after = (-(2**62), "")
        self._all = False
        self._heap: list[tuple[int, str]] = []
        self._known: set[tuple[int, str]] = set()
        self._fresh = fresh
        for person, due in fresh.items():
            if due is not None and due <= bound:
                self.push(due, person)

    def push(self, due: int, person: str) -> None:
        """Add a moment; the same one twice counts once."""
        if (due, person) not in self._known:
            self._known.add((due, person))
            heapq.heappush(self._heap, (due, person))

    def peek(self, upto: int) -> int | None:
        """The earliest due moment if it is not after `upto`."""
        while not self._all and (not self._heap or self._heap[0] > self._after):
            due, person = self._after
            rows = self._reader.read("timers_due", self._bound, due, due, person, _PAGE)
            for row in rows:
                if row[1] not in self._fresh:
                    self.push(*row)
            if rows:
                self._after = rows[-1]
            self._all = len(rows) < _PAGE
        return self._heap[0][0] if self._heap and self._heap[0][0] <= upto else None

    def pop(self) -> tuple[int, str]:
        """The earliest entry, taken out."""
        found = heapq.heappop(self._heap)
        self._known.discard(found)
        return found
