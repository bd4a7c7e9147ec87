"""What the tests of flow share: journeys from mappings, a view by hand, and a driver that plays the caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from einklang.event import Event
from einklang.expr import Condition, Scope, Shared, check, compile_one
from einklang.fact.person import Entry, Run
from einklang.flow import definition, entry, machine
from einklang.flow.compile import Journey, compile_journey
from einklang.kernel import time

T0 = time.parse_moment("2026-06-10T12:00:00Z")


def event(name: str, at: int, /, **properties: Any) -> Event:
    """An event at a moment."""
    made = Event(0, at, at, "track", name, f"{name}@{at}", (), properties, {}, "test", "web")
    made.clock = at
    return made


@dataclass
class Seen:
    """`expr.View` by hand."""

    now: int = T0
    zone: str = "UTC"
    events: list[Event] = field(default_factory=list)
    traits: dict[str, Any] = field(default_factory=dict)
    run: Run | None = None
    entry: Entry | None = None
    event: Event | None = None
    goal: bool = False
    salt: bytes = bytes(16)

    blank: str | None = None

    def rate(self, key: str) -> Any:
        """No rates."""
        return None

    def objects(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """No business objects."""
        return ()

    def objects_flip(self, kind: str) -> int | None:
        """Never."""
        return None

    def group_id(self, kind: str) -> str | None:
        """In no group."""
        return None

    def group_role(self, kind: str) -> str | None:
        """In no group."""
        return None

    def group_contact(self, kind: str) -> bool | None:
        """In no group."""
        return None

    def together(self, kind: str, what: Shared, work: Callable[[], Any]) -> Any:
        """Each for themselves."""
        return work()

    def too_many(self, kinds: tuple[str, ...]) -> bool:
        """In no group."""
        return False

    def group_size(self, kind: str) -> int | None:
        """In no group."""
        return None

    def group_trait(self, kind: str, name: str) -> Any:
        """In no group."""
        return None

    def group_history(self, kind: str, names: tuple[str, ...]) -> Sequence[Event]:
        """In no group."""
        return ()

    def person_field(self, name: str) -> Any:
        """Nothing is known."""
        return None

    def trait(self, name: str) -> Any:
        """By name."""
        return self.traits.get(name)

    def trait_since(self, name: str) -> int | None:
        """Not kept."""
        return None

    def history(self, names: tuple[str, ...]) -> Sequence[Event]:
        """In order of time."""
        return sorted((e for e in self.events if not names or e.name in names), key=lambda e: e.at)

    def consent(self, channel: str, purpose: str) -> bool:
        """Always."""
        return True

    def consent_flip(self) -> int | None:
        """Never."""
        return None

    def reachable(self, channel: str) -> bool:
        """Always."""
        return True

    def segment(self, name: str) -> bool:
        """Never."""
        return False

    def consent_since(self, channel: str, purpose: str) -> int | None:
        """Never."""
        return None

    def segment_since(self, name: str) -> int | None:
        """Never."""
        return None

    def segment_flip(self, name: str) -> int | None:
        """Never."""
        return None

    def stage(self, name: str) -> str | None:
        """Never."""
        return None

    def stage_since(self, name: str) -> int | None:
        """Never."""
        return None

    def stage_flip(self, name: str) -> int | None:
        """Never."""
        return None

    def in_journey(self, name: str) -> bool:
        """Never."""
        return False

    def lookup_flip(self, catalog: str, key: Any) -> None:
        """Never."""

    def lookup(self, catalog: str, key: Any) -> Any:
        """Nothing."""
        return None

    def step(self, name: str) -> Any:
        """What the step left."""
        left = self.run.steps.get(name) if self.run is not None else None
        return None if left is None else msgspec.structs.asdict(left)

    def var(self, name: str) -> Any:
        """Of the run."""
        return self.run.vars.get(name) if self.run is not None else None

    def journey_field(self, name: str) -> Any:
        """Nothing."""
        return None


def compiler(raw: definition.RawJourney) -> Callable[[str, str, str], Condition]:
    """Expressions of a journey, checked without a catalog."""

    def compile_text(text: str, site: str, where: str) -> Condition:
        scope = Scope(site, steps={step.id: step.kind for step in raw.steps}, event_names=())
        return compile_one(check(text, scope))

    return compile_text


def journey(steps: Sequence[Any], *, policy_zone: str = "UTC", **fields: Any) -> Journey:
    """A compiled journey."""
    doc = {"kind": "journey", "id": "j", "entry": {"event": "Start"}, "steps": list(steps), **fields}
    raw = definition.parse(doc, "test")
    return compile_journey(raw, 1, "test", compiler(raw), campaign_control=None, policy_zone=policy_zone)


@dataclass
class Player:
    """Plays one run: moves its clock, answers for the door, keeps what was asked."""

    journey: Journey
    view: Seen = field(default_factory=Seen)
    answers: list[machine.Answer] = field(default_factory=list)
    asked: list[machine.AskDoor] = field(default_factory=list)
    traits: dict[str, Any] = field(default_factory=dict)
    patience_us: int = time.DAY
    run: Run = field(init=False)

    def __post_init__(self) -> None:
        first = event("Start", self.view.now, name="Lamp", price=Decimal("9.99"))
        self.view.events.append(first)
        self.run = entry.start(self.journey, entry.begin(first, None), "p_1", bytes(16), "treated", 0.0)
        self.view.run, self.view.entry = self.run, self.run.entry
        self._advance(timer=False)

    def _advance(self, *, timer: bool) -> None:
        steps = machine.advance(
            self.journey, self.run, self.view, timer=timer, zone=self.view.zone, patience_us=self.patience_us
        )
        answer: machine.Answer | None = None
        try:
            command = next(steps)
            while True:
                if isinstance(command, machine.AskDoor):
                    self.asked.append(command)
                    answer = (
                        self.answers.pop(0) if self.answers else machine.Answer("sent", channel="email", message="m")
                    )
                else:
                    self.traits |= command.values
                    answer = None
                command = steps.send(answer)
        except StopIteration:
            pass

    def happen(self, name: str, at: int, **properties: Any) -> None:
        """An event: timers before it first, then the event, as in the log."""
        while self.run.status == "active" and self.run.due is not None and self.run.due < at:
            self.view.now = self.run.due
            self._advance(timer=True)
        self.view.now = at
        self.view.events.append(event(name, at, **properties))
        if self.run.status == "active":
            self._advance(timer=False)

    def until(self, at: int) -> None:
        """Let time pass: all that is due up to and including `at`."""
        for _ in range(1_000):
            if self.run.status != "active" or self.run.due is None or self.run.due > at:
                break
            self.view.now = self.run.due
            self._advance(timer=True)
        else:
            raise AssertionError("time does not go on")
        self.view.now = at

    def path(self) -> list[str]:
        """The steps that were left, in the order of leaving."""
        return [name for name, left in self.run.steps.items() if left.left]
