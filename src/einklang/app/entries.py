"""When runs of journeys with an entry limit began: what the Book has, and what the present tick adds to it."""

from __future__ import annotations

from collections import deque

from einklang.app.ports import Reader
from einklang.flow.compile import Journey


class Entries:
    """Counts entries over all persons in sliding windows. Windows end at the clock, which never goes back."""

    def __init__(self) -> None:
        self._fresh: list[tuple[str, int]] = []
        self._known: dict[str, tuple[int, deque[int]]] = {}

    def full(self, journey: Journey, reader: Reader, now: int) -> bool:
        """Whether as many runs as may have begun in (now - per, now]."""
        assert journey.limit is not None
        since = now - journey.limit.per_us
        known = self._known.get(journey.id)
        if known is None or since < known[0]:  # the window has become longer
            stored = [row[0] for row in reader.read("run_entries", journey.id, since)]
            fresh = [clock for name, clock in self._fresh if name == journey.id and clock > since]
            known = (since, deque(stored + fresh))
        began = known[1]
        while began and began[0] <= since:
            began.popleft()
        self._known[journey.id] = (since, began)
        return len(began) >= journey.limit.runs

    def note(self, journey: str, clock: int) -> None:
        """A run of this journey begins."""
        self._fresh.append((journey, clock))
        if journey in self._known:
            self._known[journey][1].append(clock)

    def settled(self) -> None:
        """What was noted is in the Book."""
        self._fresh.clear()

    def forget(self) -> None:
        """The tick was not committed: drop what it noted."""
        self._fresh.clear()
        self._known.clear()
