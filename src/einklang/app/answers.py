"""What the REST API answers, as types: the OpenAPI document is made from them. Moments are RFC 3339 in UTC.

A value that is not known is null, never left out. Texts are one for all languages, or one per language.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec

from einklang.kernel.time import BEFORE_ALL, Micros, format_moment

T = TypeVar("T")
Text = str | dict[str, str]


def shown(at: Micros | None) -> str | None:
    """A moment as text; null for none, and for one that means *before everything*."""
    return None if at is None or at <= BEFORE_ALL else format_moment(at)


class Page(msgspec.Struct, Generic[T]):
    """Items, and the cursor of the next page or null."""

    items: list[T]
    next: str | None = None


class Status(msgspec.Struct):
    """How the home is."""

    version: str
    home: str
    company: str
    now: str
    mode: str
    persons: int
    events: int
    pending: int
    dead_letters: int
    duplicates: int
    messages_today: int
    last_event_at: str | None
    segments: int
    journeys: int


class Entry(msgspec.Struct):
    """One entry of the log. origin: 0 outside, 1 recorded by the engine, 2 derived."""

    seq: int
    clock: str
    at: str
    type: str
    name: str
    person_id: str | None
    person_label: str | None
    source: str
    touchpoint: str
    origin: int
    properties: dict[str, Any]


class Identifier(msgspec.Struct):
    """What identifies a person, and since when it is known."""

    kind: str
    value: str
    first_at: str | None = None


class PersonItem(msgspec.Struct):
    """A person in a list."""

    person_id: str
    label: str
    known: bool
    identifiers: list[Identifier]
    country: str | None
    last_seen_at: str | None
    segments: list[str]


class TraitValue(msgspec.Struct):
    """The value of a trait and the event time that set it; one that is computed has none."""

    value: Any
    at: str | None
    computed: bool = False


class Consent(msgspec.Struct):
    """The last word about one channel, address and purpose, with its proof. expires_at: when it ends, "": never."""

    channel: str
    address: str
    purpose: str
    status: str
    at: str
    source: str
    wording: str
    evidence: str
    expires_at: str = ""


class SegmentSince(msgspec.Struct):
    """A segment that somebody is in."""

    id: str
    since: str


class StageAt(msgspec.Struct):
    """The stage of one definition that somebody is in."""

    stage: str
    name: str
    since: str


class PersonRun(msgspec.Struct):
    """One run of a person through a journey. Staff see the arm."""

    journey: str
    version: int
    run: str
    status: str
    step: str | None
    arm: str
    key: str | None
    entered_at: str
    ended_at: str | None
    goal: bool


class Person(msgspec.Struct):
    """All that is known of a person but the timeline."""

    person_id: str
    label: str
    known: bool
    identifiers: list[Identifier]
    traits: dict[str, TraitValue]
    consents: list[Consent]
    segments: list[SegmentSince]
    stages: list[StageAt]
    journeys: list[PersonRun]
    created_at: str | None
    last_seen_at: str | None
    aliases: list[str]


class TimelineItem(msgspec.Struct):
    """What happened (`event`), what the engine did (`system`), what the door decided (`decision`)."""

    seq: int
    at: str
    clock: str
    kind: str
    name: str
    touchpoint: str | None
    source: str
    properties: dict[str, Any] | None
    verdict: str | None = None
    reason: str | None = None
    reason_text: dict[str, str] | None = None
    journey: str | None = None
    step: str | None = None
    channel: str | None = None
    message: str | None = None
    until: str | None = None
    objects: list[ObjectRef] = []


class ObjectRef(msgspec.Struct):
    """A business object by its kind and id."""

    kind: str
    id: str


class Building(msgspec.Struct):
    """A changed segment whose members are being worked out; `step`: `look` while the old definition is in force, `tell`
    once the new one is; persons looked at so far, of about so many, 0 if nobody knows.
    """

    step: str
    looked: int
    of: int


class SegmentItem(msgspec.Struct):
    """A segment in a list. on_site: pages may know whether their visitor is a member. building: it was changed.

    words: the condition in plain words, by language. manual: who is put on its list is a member too.
    """

    id: str
    title: Text
    where: str
    members: int
    updated_at: str | None
    on_site: bool
    building: Building | None
    words: dict[str, str]
    manual: bool


class Segment(msgspec.Struct):
    """A segment: also its definition as YAML, what it listens to, and which journeys ask for it.

    frozen: the moment from which nobody enters or leaves.
    """

    id: str
    title: Text
    where: str
    members: int
    updated_at: str | None
    on_site: bool
    building: Building | None
    words: dict[str, str]
    manual: bool
    definition: str
    listens: list[str]
    used_by: list[str]
    frozen: str | None


class JourneyItem(msgspec.Struct):
    """A journey in a list."""

    id: str
    title: Text
    state: str
    version: int
    entered: int
    in_progress: int
    contacted: int
    goal: int
    control: int
    has_goal: bool


class JourneyCounts(msgspec.Struct):
    """entered = in_progress + done + exited, both arms; control of them are in the control group."""

    entered: int
    control: int
    contacted: int
    goal: int
    exited: int
    done: int
    in_progress: int


class JourneyStep(msgspec.Struct, rename={"otherwise": "else"}):
    """A step and how many entered it, stand at it, left it."""

    id: str
    kind: str
    title: Text
    detail: Text
    then: str | None
    otherwise: str | None
    entered: int
    here: int
    left: int


class JourneyEntry(msgspec.Struct):
    """How people enter."""

    kind: str
    name: str | None
    where: str | None
    key: str | None
    reenter: str | None


class JourneyExit(msgspec.Struct):
    """A condition that ends a run early."""

    name: str
    when: str


class JourneyGoal(msgspec.Struct):
    """What counts as success."""

    event: str
    where: str | None
    within: str | None


class Journey(msgspec.Struct):
    """A journey: its definition as YAML and in parts, and its counts."""

    id: str
    title: Text
    state: str
    version: int
    definition: str
    counts: JourneyCounts
    steps: list[JourneyStep]
    has_goal: bool
    entry: JourneyEntry
    exit: list[JourneyExit]
    goal: JourneyGoal | None
    control: float


class Product(msgspec.Struct):
    """A row of the catalog `products`; `properties` is the whole row, with the price and currency that hold now."""

    product_id: str
    name: str | None
    category: str | None
    brand: str | None
    price: Decimal | int | None
    properties: dict[str, Any]


class Session(msgspec.Struct):
    """Who is signed in."""

    name: str
    role: str
    language: str


class Refused(msgspec.Struct):
    """A refused item of a batch."""

    index: int
    message_id: str
    code: str
    message: str


class Collected(msgspec.Struct):
    """What became of events: stored durably, and which items were refused."""

    accepted: int
    rejected: list[Refused]


class Change(msgspec.Struct):
    """A definition that an apply changed."""

    kind: str
    id: str
    version: int
    change: str


class AppliedAnswer(msgspec.Struct):
    """What an apply changed."""

    changed: list[Change]
    hints: list[str]


class Problem(msgspec.Struct):
    """RFC 9457, with Einklang's code, the place and the mend."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    where: str
    mend: str
