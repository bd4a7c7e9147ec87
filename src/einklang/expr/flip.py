"""When time alone can change the value of an expression next.

The generated function has a second form that works out the same value and, wherever it asks something that depends on
now, notes the moment at which that answer can change. Evaluation is deterministic and walks the same path as long as
every answer on it stays the same, so nothing changes before the smallest noted moment; parts that the path leaves out
need no note. The moment may be early (the answer changed, the value did not), never late, and always lies after now.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from operator import attrgetter
from typing import Any

from einklang.expr import runtime
from einklang.expr.numbers import Number
from einklang.expr.past import Past
from einklang.expr.view import EventLike, Shared, View
from einklang.kernel.time import HOUR, Micros, day_of, local, start_of_day

_AT = attrgetter("at")
_QUARTER = HOUR // 4


class Flips:
    """Collects moments at which an answer can change. `at`: the smallest after `now`, None if there is none.

    Conditions that are asked one after the other at one moment may share one, as long as nothing happens to
    the person; then `forget`.
    """

    __slots__ = ("_past", "at", "now", "view")

    def __init__(self, view: View) -> None:
        self.view = view
        self.now = view.now
        self.at: Micros | None = None
        self._past: dict[tuple[str, ...], Past] = {}

    def forget(self) -> None:
        """Something happened to the person at this very moment."""
        self._past = {}

    def note(self, moment: Micros | None) -> None:
        """One moment; those that are not after now are left out."""
        if moment is not None and moment > self.now and (self.at is None or moment < self.at):
            self.at = moment

    def today(self) -> date:
        """`today`: changes at midnight."""
        self.note(next_day(self.now, self.view.zone))
        return runtime.today(self.view)

    def date_of(self, at: Micros | None) -> date | None:
        """`date(now)`, also of a now that was moved."""
        if at is not None:
            self.note(self.now + next_day(at, self.view.zone) - at)
        return runtime.date_of(at, self.view.zone)

    def hour(self, at: Micros | None) -> int | None:
        """`hour(now)`, also of a now that was moved."""
        if at is not None:
            self.note(self.now + next_hour(at, self.view.zone) - at)
        return runtime.hour(at, self.view.zone)

    def cross(self, compare: Callable[[Any, Any], bool], a: Any, b: Any, rate: int) -> bool:
        """A comparison whose left side moves by `rate` against the right one: changes where both are equal, or just
        after.
        """
        if a is not None and b is not None:
            meet = self.now + (b - a) * rate
            self.note(meet)
            self.note(meet + 1)
        return compare(a, b)

    def past(self, names: tuple[str, ...]) -> Past:
        """What the person did up to now. Events that come in later are noted."""
        found = self._past.get(names)
        if found is None:
            found = self._past[names] = Past(self.view.history(names), self.now)
        if found.comes is not None:
            self.note(found.comes)
        return found

    def all(self, names: tuple[str, ...]) -> list[EventLike]:
        """All of it."""
        return self.past(names).events

    def after(self, names: tuple[str, ...], bound: Micros) -> list[EventLike]:
        """What lies after a bound that moves; `leaves` notes who drops out."""
        past = self.past(names)
        place = bisect_right(past.ats, bound)
        return past.events[place:] if place else past.events

    def _place(self, past: Past, bound: Micros | None) -> int:
        """Where the window begins, if there is one; the first to drop out is noted."""
        if bound is None:
            return 0
        ats = past.ats
        if not ats or ats[-1] <= bound:
            return len(ats)
        place = 0 if ats[0] > bound else bisect_right(ats, bound)
        self.note(ats[place] + self.now - bound)
        return place

    def recent(self, names: tuple[str, ...], bound: Micros) -> list[EventLike]:
        """The same as `after`, to be looked at from the oldest on: it is the first to drop out, and noted."""
        past = self.past(names)
        place = self._place(past, bound)
        return past.events[place:] if place else past.events

    def exist(self, names: tuple[str, ...], bound: Micros | None) -> bool:
        """Whether there is any; the newest drops out last."""
        ats = self.past(names).ats
        if bound is None or not ats or ats[-1] <= bound:
            return bound is None and bool(ats)
        self.note(ats[-1] + self.now - bound)
        return True

    def count(self, names: tuple[str, ...], bound: Micros | None) -> int:
        """How many."""
        past = self.past(names)
        return len(past.ats) - self._place(past, bound)

    def total(self, names: tuple[str, ...], bound: Micros | None, name: str) -> Number | None:
        """The sum of a property."""
        past = self.past(names)
        return past.sums(name).total(self._place(past, bound))

    def mean(self, names: tuple[str, ...], bound: Micros | None, name: str) -> Number | None:
        """Its average."""
        past = self.past(names)
        return past.sums(name).mean(self._place(past, bound))

    def span(
        self,
        events: Sequence[EventLike],
        after: tuple[Micros | None, ...],
        to: tuple[Micros | None, ...],
        moving: tuple[bool, ...],
    ) -> Sequence[EventLike]:
        """`runtime.span`; moving: which of `to` move. Events that come in later are noted; those that drop out by
        `leaves`.
        """
        newest = events[-1].at if events else self.now
        if newest > self.now:
            self._comes_in(events, self.now)
        for bound, moves in zip(to, moving, strict=True):
            if events and moves and bound is not None and newest > bound:
                self._comes_in(events, bound)
        return runtime.span(events, self.now, after, to)

    def _comes_in(self, events: Sequence[EventLike], bound: Micros) -> None:
        """The first event after a bound that moves comes in when the bound reaches it."""
        self.note(events[bisect_right(events, bound, key=_AT)].at + self.now - bound)

    def leaves(self, at: Micros, bound: Micros) -> bool:
        """Notes when an event that is after a moving bound drops out. Always true: it stands among the conditions of
        a row.
        """
        self.note(at + self.now - bound)
        return True

    def is_after(self, at: Micros, bound: Micros | None) -> bool:
        """`since` for one event with a moving bound."""
        found = runtime.is_after(at, bound)
        if found and bound is not None:
            self.leaves(at, bound)
        return found

    def is_until(self, at: Micros, bound: Micros | None) -> bool:
        """`until` for one event with a moving bound."""
        found = runtime.is_until(at, bound)
        if not found and bound is not None:
            self.leaves(at, bound)
        return found

    def passed(self, at: Micros) -> bool:
        """Whether a moment has come."""
        self.note(at)
        return at <= self.now

    def objects(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """`objects`: change with the next event that lies in the future."""
        self.note(self.view.objects_flip(kind))
        return self.view.objects(kind)

    def lookup(self, catalog: str, key: Any) -> Mapping[str, Any] | None:
        """`lookup`: changes when a value that holds for a time begins or ends."""
        self.note(None if key is None else self.view.lookup_flip(catalog, key))
        return runtime.lookup(self.view, catalog, key)

    def together(self, kind: str, what: Shared, work: Callable[[Flips], Any]) -> Any:
        """What is the same for all members of a group, and when it changes."""

        def noted() -> tuple[Any, Micros | None]:
            own = Flips(self.view)
            return work(own), own.at

        found, at = self.view.together(kind, what, noted)
        self.note(at)
        return found

    def consent(self, channel: str, purpose: str) -> bool:
        """`consent`: changes at its expiry."""
        self.note(self.view.consent_flip())
        return self.view.consent(channel, purpose)

    def consent_since(self, channel: str, purpose: str) -> Micros | None:
        """`changedAt(consent(...))`: changes with the consent."""
        self.note(self.view.consent_flip())
        return self.view.consent_since(channel, purpose)

    def segment(self, name: str) -> bool:
        """`segment`: changes at its own next flip."""
        self.note(self.view.segment_flip(name))
        return self.view.segment(name)

    def segment_since(self, name: str) -> Micros | None:
        """`changedAt(segment(...))`: changes with the segment."""
        self.note(self.view.segment_flip(name))
        return self.view.segment_since(name)

    def stage(self, name: str) -> str | None:
        """`stage`, where it is kept: changes at its own next flip."""
        self.note(self.view.stage_flip(name))
        return self.view.stage(name)

    def stage_since(self, name: str) -> Micros | None:
        """`changedAt(stage(...))`: changes with the stage."""
        self.note(self.view.stage_flip(name))
        return self.view.stage_since(name)


def _or_transition(at: Micros, to: Micros, zone: str) -> Micros:
    """`to`, or the first moment before it at which the zone's clocks are set."""
    offset = local(at, zone).utcoffset()
    if local(to, zone).utcoffset() == offset:
        return to
    low, high = at, to
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if local(middle, zone).utcoffset() == offset else (low, middle)
    return high


def next_day(at: Micros, zone: str) -> Micros:
    """The next moment at which the day can change in a zone; early where clocks are set before it."""
    midnight = start_of_day(day_of(at, zone) + timedelta(days=1), zone)
    return _or_transition(at, midnight if midnight > at else at + _QUARTER, zone)


def next_hour(at: Micros, zone: str) -> Micros:
    """The next moment at which the hour can change in a zone."""
    wall = local(at, zone)
    into = (wall.minute * 60 + wall.second) * 1_000_000 + wall.microsecond
    return _or_transition(at, at - into + HOUR, zone)
