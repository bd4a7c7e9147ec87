"""What a tick is made of: processor time of its stations, and what moments in parallel lanes could gain at most."""

from __future__ import annotations

import time as system
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from einklang.app.course import Course
from einklang.app.moment import Moments
from einklang.app.people import People
from einklang.app.sources import RunSource

#: Stations that are worked off in one global order, and those that lanes of persons could share.
_GLOBAL = {"sequence": ((RunSource, "inputs"),), "identity": ((People, "of"), (People, "write"))}
_BY_PERSON = {
    "moments": ((Moments, "event"), (Moments, "everything"), (Moments, "timer"), (Moments, "groups")),
    "write set": ((Course, "close"),),
}
_LANES = (2, 4, 8)


class Parts:
    """Seconds of processor time of the tick's thread by station; `commit` is of the writer's thread."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._within = False

    def timed(self, work: Callable[..., Any], part: str) -> Callable[..., Any]:
        """The same, and how long it takes is noted, unless it is part of another part."""

        def timing(*given: Any, **named: Any) -> Any:
            if self._within:
                return work(*given, **named)
            self._within, begun = True, system.thread_time()
            try:
                return work(*given, **named)
            finally:
                self.seconds[part] += system.thread_time() - begun
                self._within = False

        return timing

    def committed(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """What a write set asks of the writer's thread."""

        def timing(*given: Any, **named: Any) -> Any:
            begun = system.thread_time()
            try:
                return work(*given, **named)
            finally:
                self.seconds["commit"] += system.thread_time() - begun

        return timing

    def told(self, tick_s: float) -> dict[str, Any]:
        """Shares of the tick's thread, and how many times as fast lanes would be at most: a tick takes as long as its
        commit, which runs beside it, or as its global part and the longest lane.
        """
        commit = self.seconds.pop("commit", 0.0)
        self.seconds["rest"] = tick_s - sum(self.seconds.values())
        shared = sum(self.seconds[part] for part in _BY_PERSON)
        alone = tick_s - shared
        now = max(tick_s, commit)
        return {
            "shares": {part: round(seconds / tick_s, 3) for part, seconds in self.seconds.items()},
            "commit_to_tick": round(commit / tick_s, 3),
            "lanes_gain_max": {str(n): round(now / max(commit, alone + shared / n), 2) for n in _LANES},
        }


@contextmanager
def measured() -> Iterator[Parts]:
    """Note the parts of all ticks meanwhile. It costs some time itself."""
    parts = Parts()
    with ExitStack() as before:
        for part, places in (_GLOBAL | _BY_PERSON).items():
            for kind, name in places:
                work = getattr(kind, name)
                setattr(kind, name, parts.timed(work, part))
                before.callback(setattr, kind, name, work)
        yield parts
