"""State of one person and of one run, as the tick folds it and the Book stores it (JSON with exact numbers).

Moments are microseconds (`kernel.time.Micros`). Numbers are `int` or `Decimal`. Field order is the stored format:
append new fields at the end with a default, never reorder. What holds its default is not stored, so that a field that
is added later leaves what was stored before as it would be stored now. None of it holds a cycle: Python need not look
for one (`gc=False`).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

TREATED = "treated"
CONTROL = "control"


class Trait(msgspec.Struct, array_like=True, gc=False):
    """The value of one trait, and the event time and order of the event that set it. A removed trait keeps its time."""

    value: Any
    at: int
    seq: int


class Permission(msgspec.Struct, array_like=True, gc=False):
    """The ledger's last word for one channel, address and purpose: `given`, `withdrawn` or `requested`.

    until: when what was given ends, 0: never. floor: of what was given, the latest refusal before it; 0: none.
    """

    status: str
    at: int
    seq: int
    until: int = 0
    floor: int = 0


class Membership(msgspec.Struct, array_like=True, gc=False):
    """Member of a segment or not, since when, and when time alone may change it."""

    member: bool
    since: int
    flips_at: int | None


class Stand(msgspec.Struct, array_like=True, gc=False):
    """In which stage of a definition, None in none; since when, and when time alone may change it. last: the stage that
    the person was in last, the present one included. stays: until when they stay in it in any case.
    """

    stage: str | None
    since: int
    flips_at: int | None
    last: str | None = None
    stays: int | None = None


class Contact(msgspec.Struct, array_like=True, gc=False):
    """A slot of the contact policy that was used up, by a real contact or by a ghost of the control arm."""

    clock: int
    channel: str
    purpose: str
    klass: str
    topic: str
    campaign: str
    run: str


class Arm(msgspec.Struct, array_like=True, gc=False):
    """Where a hash put this person within a scope; the stored probability is the design weight."""

    arm: str
    probability: float
    at: int
    key: str
    contaminated: bool = False


class Belongs(msgspec.Struct, array_like=True):
    """The group of one type to which a person belongs, by the latest call; id "" after leaving. contact: is its contact
    person.
    """

    id: str
    at: int
    seq: int
    role: str = ""
    contact: bool = False


class StepLeft(msgspec.Struct, omit_defaults=True, gc=False):
    """What a step left (language.md 3.5). Reactions are None where they are not tracked."""

    done: bool | None = None
    at: int | None = None
    reason: str | None = None
    rounds: int = 0
    entered: int = 0
    left: int = 0
    arm: str | None = None
    channel: str | None = None
    message: str | None = None
    delivered: bool | None = None
    bounced: bool | None = None
    opened: bool | None = None
    clicked: bool | None = None
    replied: bool | None = None
    unsubscribed: bool | None = None
    complained: bool | None = None
    outcome: str | None = None


class Entry(msgspec.Struct, gc=False):
    """How a run began."""

    at: int
    clock: int
    seq: int
    name: str
    key: Any
    touchpoint: str
    message_id: str
    properties: dict[str, Any]
    context: dict[str, Any]


class Run(msgspec.Struct, omit_defaults=True, gc=False):
    """The one token of one run. `status`: active, done, exited, merged, stopped, failed.

    due: the moment at which the current step must be looked at again by itself (a wait, patience, a flip), or None.
    arrived: when the token reached `step`. counted: seq of the events that count for the goal. unready: of a contact
    that is held because its message cannot be made: what was said of it. before: the latest merge that
    it went through.
    """

    id: str
    person: str
    journey: str
    version: int
    key: str
    entry: Entry
    arm: str
    probability: float
    scope: str
    status: str = "active"
    step: str = ""
    arrived: int = 0
    due: int | None = None
    exit_due: int | None = None
    patience_ends: int | None = None
    wake: int | None = None
    waiting_for: str = ""
    steps: dict[str, StepLeft] = {}
    vars: dict[str, Any] = {}
    goal_at: int | None = None
    goal_value: Decimal | int | None = None
    decided_at: int | None = None
    contacted: bool = False
    ended_at: int | None = None
    end_reason: str = ""
    counted: list[int] = []
    unready: str = ""
    before: Before | None = None


class Before(msgspec.Struct, omit_defaults=True, gc=False):
    """How a run stood when `lost` was merged into `kept`, for a split to give back."""

    kept: str
    lost: str
    run: Run


class Person(msgspec.Struct, omit_defaults=True, gc=False):
    """All that is known of one person now, but for the history of events and the runs, which have rows of their own.

    permissions: key `channel|address|purpose`. wake: the earliest moment at which time alone changes something.
    shadows: memberships by definitions of segments that are not told yet (app.backfill).
    rival_arms: all arms within a scope, where a merge brought two together; `arms` holds the earliest.
    stages: of each definition of stages.
    """

    id: str
    created_at: int
    last_seen_at: int
    identifiers: list[tuple[str, str, int]] = []
    traits: dict[str, Trait] = {}
    permissions: dict[str, Permission] = {}
    memberships: dict[str, Membership] = {}
    contacts: list[Contact] = []
    arms: dict[str, Arm] = {}
    wake: int | None = None
    zone: Trait | None = None
    rival_arms: dict[str, list[Arm]] = {}
    groups: dict[str, Belongs] = {}
    shadows: dict[str, Membership] = {}
    stages: dict[str, Stand] = {}
