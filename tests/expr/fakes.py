"""A View over plain values, for tests of expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from einklang.expr import EventLike, Shared
from einklang.kernel.time import Micros, parse_moment


@dataclass
class FakeEvent:
    """An event; `at` in microseconds or as RFC 3339 in UTC without the zone."""

    name: str
    at: Micros
    properties: dict[str, Any] = field(default_factory=dict)
    seq: int = 0
    touchpoint: str = "web"
    source: str = "test"
    person: str = "p_1"
    type: str = "track"
    message_id: str = ""
    received_at: Micros = 0
    context: dict[str, Any] = field(default_factory=dict)
    machine: bool = False


@dataclass
class FakeEntry:
    """How a run began."""

    at: Micros
    name: str = ""
    key: Any = None
    touchpoint: str = "web"
    properties: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)


@dataclass
class FakeView:
    """One person at one moment: everything that an expression may ask, given as plain values."""

    now: Micros
    zone: str = "Europe/Berlin"
    salt: bytes = b"salt"
    person: dict[str, Any] = field(default_factory=lambda: {"id": "p_1"})
    traits: dict[str, Any] = field(default_factory=dict)
    events: list[FakeEvent] = field(default_factory=list)
    consents: set[tuple[str, str]] = field(default_factory=set)
    consent_ends: Micros | None = None
    consent_times: dict[tuple[str, str], Micros] = field(default_factory=dict)
    channels: set[str] = field(default_factory=set)
    segments: dict[str, Micros] = field(default_factory=dict)
    segment_ends: dict[str, Micros] = field(default_factory=dict)
    trait_times: dict[str, Micros] = field(default_factory=dict)
    stages: dict[str, tuple[str, Micros]] = field(default_factory=dict)
    stage_ends: dict[str, Micros] = field(default_factory=dict)
    journeys: set[str] = field(default_factory=set)
    catalogs: dict[str, dict[Any, dict[str, Any]]] = field(default_factory=dict)
    entry: FakeEntry | None = None
    event: FakeEvent | None = None
    goal: bool = False
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    vars: dict[str, Any] = field(default_factory=dict)
    journey: dict[str, Any] = field(default_factory=dict)
    business: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)

    def person_field(self, name: str, /) -> Any:
        return self.person.get(name)

    def trait(self, name: str, /) -> Any:
        return self.traits.get(name)

    def history(self, names: tuple[str, ...], /) -> Sequence[EventLike]:
        found = [event for event in self.events if (event.name in names if names else event.source != "einklang")]
        return sorted(found, key=lambda event: (event.at, event.seq))

    def objects(self, kind: str, /) -> Sequence[Mapping[str, Any]]:
        return self.business.get(kind, [])

    def objects_flip(self, kind: str, /) -> Micros | None:
        return None

    def group_id(self, kind: str, /) -> str | None:
        return self.groups.get(kind, {}).get("id")

    def group_role(self, kind: str, /) -> str | None:
        return self.groups.get(kind, {}).get("role")

    def group_contact(self, kind: str, /) -> bool | None:
        return self.groups.get(kind, {}).get("contact_person")

    def together(self, kind: str, what: Shared, work: Callable[[], Any], /) -> Any:
        return work()

    def too_many(self, kinds: tuple[str, ...], /) -> bool:
        return any(self.groups.get(kind, {}).get("too_many", False) for kind in kinds)

    def group_size(self, kind: str, /) -> int | None:
        return self.groups.get(kind, {}).get("size")

    def group_trait(self, kind: str, name: str, /) -> Any:
        return self.groups.get(kind, {}).get("traits", {}).get(name)

    def group_history(self, kind: str, names: tuple[str, ...], /) -> Sequence[EventLike]:
        return replace(self, events=self.groups.get(kind, {}).get("events", [])).history(names)

    def consent(self, channel: str, purpose: str, /) -> bool:
        ended = self.consent_ends is not None and self.consent_ends <= self.now
        return (channel, purpose) in self.consents and not ended

    def consent_since(self, channel: str, purpose: str, /) -> Micros | None:
        ended = self.consent_ends if self.consent_ends is not None and self.consent_ends <= self.now else None
        return self.consent_times.get((channel, purpose)) if ended is None else ended

    def consent_flip(self) -> Micros | None:
        return self.consent_ends if self.consent_ends is not None and self.consent_ends > self.now else None

    def reachable(self, channel: str, /) -> bool:
        return channel in self.channels

    def segment(self, name: str, /) -> bool:
        return name in self.segments and not self.now >= self.segment_ends.get(name, self.now + 1)

    def segment_since(self, name: str, /) -> Micros | None:
        ended = self.segment_ends.get(name)
        return ended if ended is not None and ended <= self.now else self.segments.get(name)

    def segment_flip(self, name: str, /) -> Micros | None:
        ended = self.segment_ends.get(name)
        return ended if ended is not None and ended > self.now else None

    def stage(self, name: str, /) -> str | None:
        found = self.stages.get(name)
        return found[0] if found is not None and self.now < self.stage_ends.get(name, self.now + 1) else None

    def stage_since(self, name: str, /) -> Micros | None:
        found, ends = self.stages.get(name), self.stage_ends.get(name, self.now + 1)
        return ends if ends <= self.now else found[1] if found is not None else None

    def stage_flip(self, name: str, /) -> Micros | None:
        ended = self.stage_ends.get(name)
        return ended if ended is not None and ended > self.now else None

    def trait_since(self, name: str, /) -> Micros | None:
        return self.trait_times.get(name)

    def in_journey(self, name: str, /) -> bool:
        return name in self.journeys

    blank: str | None = None

    def rate(self, key: str, /) -> Any:
        return self.catalogs.get("exchange-rates", {}).get(key, {}).get("rate")

    def lookup(self, catalog: str, key: Any, /) -> Mapping[str, Any] | None:
        return self.catalogs.get(catalog, {}).get(str(key))

    def lookup_flip(self, catalog: str, key: Any, /) -> Micros | None:
        return None

    def step(self, name: str, /) -> Mapping[str, Any] | None:
        return self.steps.get(name)

    def var(self, name: str, /) -> Any:
        return self.vars.get(name)

    def journey_field(self, name: str, /) -> Any:
        return self.journey.get(name)


def at(text: str) -> Micros:
    """`2026-03-01` or `2026-03-01T09:30:00`, in UTC."""
    return parse_moment((text if "T" in text else text + "T00:00:00") + "Z")
