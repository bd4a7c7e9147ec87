"""What a moment has touched, so that only what can have changed is asked."""

from __future__ import annotations

from dataclasses import dataclass, field

from einklang.expr import Needs
from einklang.kernel.time import MINUTE

#: An event that comes so long after its time is late: who enters or leaves a segment by it is told so with its time.
LATE_US = MINUTE


@dataclass(slots=True)
class Touched:
    """What a moment has touched so far, to ask only the conditions that can have changed."""

    events: set[str] = field(default_factory=set)
    person_did: bool = False
    traits: set[str] = field(default_factory=set)
    segments: set[str] = field(default_factory=set)
    stages: set[str] = field(default_factory=set)
    consent: bool = False
    journeys: bool = False
    steps: bool = False
    goal: bool = False
    catalogs: frozenset[str] = frozenset()
    groups: set[str] = field(default_factory=set)
    seen: bool = False
    everything: bool = False
    #: the time of an event that came late
    late: int | None = None

    def by(self, needs: Needs) -> bool:
        """Whether a condition with these needs may have another value now."""
        return (
            self.everything
            or not needs.events.isdisjoint(self.events)
            or (needs.all_events and self.person_did)
            or not needs.traits.isdisjoint(self.traits)
            or not needs.segments.isdisjoint(self.segments)
            or not needs.stages.isdisjoint(self.stages)
            or (needs.consent and self.consent)
            or (bool(needs.journeys) and self.journeys)
            or (bool(needs.steps) and self.steps)
            or (needs.goal and self.goal)
            or (needs.seen and self.seen)
            or not needs.catalogs.isdisjoint(self.catalogs)
            or not needs.groups.isdisjoint(self.groups)
        )
