"""Membership and stages of one person at one moment, exact also when only time passes; only what can have changed is
asked.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

from einklang.audience.drawn import Asked
from einklang.audience.ladder import Climb, Ladder
from einklang.expr import Flips, Needs, View
from einklang.fact.person import Membership, Stand

#: Names of events whose listeners are remembered: they may come from anybody, in any number.
NAMES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment ready to be asked."""

    id: str
    condition: Asked

    @property
    def needs(self) -> Needs:
        """What the condition reads."""
        return self.condition.needs


@dataclass(frozen=True, slots=True)
class Change:
    """A person entered or left a segment at `at`."""

    segment: str
    entered: bool
    at: int


class Touch(Protocol):
    """What a moment has touched."""

    @property
    def events(self) -> Set[str]: ...
    @property
    def person_did(self) -> bool: ...
    @property
    def traits(self) -> Set[str]: ...
    @property
    def segments(self) -> Set[str]: ...
    @property
    def stages(self) -> Set[str]: ...
    @property
    def consent(self) -> bool: ...
    @property
    def journeys(self) -> bool: ...
    @property
    def catalogs(self) -> Set[str]: ...
    @property
    def groups(self) -> Set[str]: ...
    @property
    def seen(self) -> bool: ...
    @property
    def everything(self) -> bool: ...


class Listeners:
    """Segments and stages in their order, and which of them listen to what: places in that order."""

    def __init__(self, segments: Sequence[Segment | Ladder]) -> None:
        self.segments = segments
        self.asks = [None if isinstance(one, Ladder) else one.condition.holds_until for one in segments]
        self.everyone = frozenset(range(len(segments)))
        needs = [segment.needs for segment in segments]
        self._events = _places((n, need.events) for n, need in enumerate(needs))
        self._traits = _places((n, need.traits) for n, need in enumerate(needs))
        self._catalogs = _places((n, need.catalogs) for n, need in enumerate(needs))
        self._groups = _places((n, need.groups) for n, need in enumerate(needs))
        self._all_events = frozenset(n for n, need in enumerate(needs) if need.all_events)
        self._consent = frozenset(n for n, need in enumerate(needs) if need.consent)
        self._journeys = frozenset(n for n, need in enumerate(needs) if need.journeys)
        self._seen = frozenset(n for n, need in enumerate(needs) if need.seen)
        self.stages = _places((n, need.stages) for n, need in enumerate(needs))
        #: segment -> places of those that speak of it
        self.speak_of = _places((n, need.segments) for n, need in enumerate(needs))
        self._heard: dict[tuple[str, bool], frozenset[int]] = {}

    def touched(self, touch: Touch) -> Set[int]:
        """The places that what was touched can change."""
        if touch.everything:
            return self.everyone
        parts = [self._by_event(name, touch.person_did) for name in touch.events]
        for names, places in (
            (touch.traits, self._traits),
            (touch.segments, self.speak_of),
            (touch.stages, self.stages),
            (touch.catalogs, self._catalogs),
            (touch.groups, self._groups),
        ):
            parts += [places[name] for name in names if name in places]
        if touch.consent:
            parts.append(self._consent)
        if touch.journeys:
            parts.append(self._journeys)
        if touch.seen:
            parts.append(self._seen)
        return parts[0] if len(parts) == 1 else frozenset().union(*parts)

    def _by_event(self, name: str, person_did: bool) -> frozenset[int]:
        found = self._heard.get((name, person_did))
        if found is None:
            if len(self._heard) >= NAMES_MAX:
                self._heard.clear()
            found = self._events.get(name, frozenset()) | (self._all_events if person_did else frozenset())
            self._heard[name, person_did] = found
        return found

    def open(
        self, memberships: Mapping[str, Membership], now: int, *, due: bool, stands: Mapping[str, Stand] | None = None
    ) -> Set[int]:
        """The places that were never asked and, if a flip may be due, those whose flip is."""
        stands = stands or {}
        if not due and len(memberships) + len(stands) >= len(self.segments):
            return frozenset()
        found = set()
        for place, segment in enumerate(self.segments):
            known = (stands if isinstance(segment, Ladder) else memberships).get(segment.id)
            if known is None or (known.flips_at is not None and known.flips_at <= now):
                found.add(place)
        return found


def _places(rows: Iterable[tuple[int, Iterable[str]]]) -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {}
    for place, names in rows:
        for name in names:
            found.setdefault(name, set()).add(place)
    return {name: frozenset(places) for name, places in found.items()}


def refresh(
    listeners: Listeners,
    memberships: dict[str, Membership],
    view: View,
    places: Iterable[int],
    changed: Callable[[], None],
    stands: dict[str, Stand] | None = None,
) -> Iterator[Change | Climb]:
    """Ask the segments and stages at these places in their order, and those that speak of one that changed.

    Updates `memberships` and `stands` in place, before each change is given out: later ones and the caller see it.
    changed: called where only the next flip is another one.
    """
    now, segments, asks, flips = view.now, listeners.segments, listeners.asks, Flips(view)
    todo, at = sorted(places), 0
    while at < len(todo):
        place = todo[at]
        at += 1
        segment, ask = segments[place], asks[place]
        if ask is None:
            assert isinstance(segment, Ladder), "all others are asked"
            assert stands is not None, "where stages are asked they are kept"
            climb = _climb(segment, stands, view, changed)
            if climb is not None:
                for other in listeners.stages.get(segment.id, ()):
                    if other > place and other not in todo:
                        insort(todo, other)
                yield climb
                flips.forget()
            continue
        known = memberships.get(segment.id)
        member, flips_at = ask(view, flips)
        if known is None or known.member != member:
            memberships[segment.id] = Membership(member, now, flips_at)
            if member or known is not None:
                for other in listeners.speak_of.get(segment.id, ()):
                    if other > place and other not in todo:
                        insort(todo, other)
                yield Change(segment.id, member, now)
                flips.forget()
            else:
                changed()
        elif known.flips_at != flips_at:
            known.flips_at = flips_at
            changed()


def _climb(ladder: Ladder, stands: dict[str, Stand], view: View, changed: Callable[[], None]) -> Climb | None:
    """Ask for the stage of a person, and keep it; what is another one than before."""
    before = stands.get(ladder.id)
    stand = stands[ladder.id] = ladder.stand(view, before)
    was = None if before is None else before.stage
    if stand.stage != was:
        return Climb(ladder.id, was, stand.stage, view.now)
    if stand != before:
        changed()
    return None
