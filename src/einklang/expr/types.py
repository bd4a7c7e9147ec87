"""Types, what the definitions declare (`Catalog`), and where an expression stands (`Scope`)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from einklang.kernel.errors import InputError


class Type(msgspec.Struct, frozen=True):
    """One of bool string number timestamp date duration months list map events null dyn.

    item: the type of the elements of a list; fields: the declared fields of a map, others are dyn; money: a number
    that has a currency beside it.
    `months` is a duration with calendar months: a literal that only a date can be moved by.
    """

    kind: str
    item: Type | None = None
    fields: tuple[tuple[str, Type], ...] = ()
    money: bool = False

    def field(self, name: str) -> Type:
        """The declared type of a field, `dyn` if undeclared."""
        for known, kind in self.fields:
            if known == name:
                return kind
        return DYN

    def __str__(self) -> str:
        if self.kind == "list" and self.item is not None and self.item.kind != "dyn":
            return f"list({self.item})"
        return "duration in months" if self.kind == "months" else self.kind


BOOL = Type("bool")
STRING = Type("string")
NUMBER = Type("number")
MONEY = Type("number", money=True)
TIMESTAMP = Type("timestamp")
DATE = Type("date")
DURATION = Type("duration")
MONTHS = Type("months")
EVENTS = Type("events")
NULL = Type("null")
DYN = Type("dyn")
MAP = Type("map")
LIST = Type("list", DYN)

#: Types whose values are never read from undeclared data.
TEMPORAL = frozenset({"timestamp", "date", "duration", "months"})

_NAMES = {
    "bool": BOOL,
    "string": STRING,
    "number": NUMBER,
    "money": MONEY,
    "timestamp": TIMESTAMP,
    "date": DATE,
    "list": LIST,
    "map": MAP,
    "dyn": DYN,
}


def type_of(text: str) -> Type:
    """The type that a declaration names: `string number bool money timestamp date list map list(T) T|null`.

    Raises InputError `bad_type`.
    """
    name = text.replace(" ", "").removesuffix("|null")
    if name in _NAMES:
        return _NAMES[name]
    if name.startswith("list(") and name.endswith(")"):
        return list_of(type_of(name[5:-1]))
    raise InputError("bad_type", f"unknown type {text[:40]!r}", mend="use one of: " + " ".join(_NAMES) + " list(T)")


def list_of(item: Type) -> Type:
    """The list with elements of this type."""
    return Type("list", item)


class EventShape(msgspec.Struct, frozen=True):
    """A declared event: the types of its properties, of the elements of its list properties, and the event it is
    another name of.
    """

    properties: Mapping[str, Type] = {}
    each: Mapping[str, Mapping[str, Type]] = {}
    alias: str = ""


class ObjectShape(msgspec.Struct, frozen=True):
    """A kind of business objects: the types of its fields, the events that make it; closed: it has no other fields.

    group: the type of groups whose members hold the objects together; "" for what each person has alone.
    """

    fields: Mapping[str, Type] = {}
    events: tuple[str, ...] = ()
    closed: bool = True
    group: str = ""


class Catalog(msgspec.Struct, frozen=True):
    """What the definitions declare. A set that is None is not checked; undeclared traits and properties are `dyn`.

    currency: of the policy; without one no currency is foreign. scores: id -> (condition, points), both expressions;
    stages: id -> (name, condition), the last that holds counts. kept: those of which more is said: which stage
    somebody is in depends on the one before, so it is kept with the person.
    """

    traits: Mapping[str, Type] = {}
    computed: Mapping[str, str] = {}
    events: Mapping[str, EventShape] = {}
    segments: frozenset[str] | None = None
    journeys: frozenset[str] | None = None
    catalogs: Mapping[str, Mapping[str, Type]] | None = None
    purposes: frozenset[str] | None = None
    channels: frozenset[str] | None = None
    objects: Mapping[str, ObjectShape] | None = None
    currency: str = ""
    scores: Mapping[str, tuple[tuple[str, str], ...]] = {}
    stages: Mapping[str, tuple[tuple[str, str], ...]] = {}
    kept: frozenset[str] = frozenset()


class Site(msgspec.Struct, frozen=True):
    """What may stand in a field of a definition (2.3): the roots, and whether it is inside an event."""

    event: bool = False
    events: bool = True
    entry: bool = False
    steps: bool = False
    goal: bool = False


_PERSON = Site()
_ENTRY = Site(entry=True)
_STEP = Site(entry=True, steps=True, goal=True)

#: The table of 2.3. `*.event` are the fields of an entry by event.
SITES: Mapping[str, Site] = {
    "segment.where": _PERSON,
    "score": _PERSON,
    "stage": _PERSON,
    "trait.value": _PERSON,
    "offer.eligible": _PERSON,
    "deny": _PERSON,
    "hold": _PERSON,
    "entry.where.event": Site(event=True, entry=True),
    "entry.key.event": Site(event=True, events=False, entry=True),
    "entry.where": _ENTRY,
    "entry.key": _ENTRY,
    "exit": _STEP,
    "goal.where": Site(event=True, entry=True, steps=True),
    "goal.value": Site(event=True, events=False, entry=True, steps=True),
    "when": _STEP,
    "until": _STEP,
    "while": _STEP,
    "branch": _STEP,
    "wait": _STEP,
    "data": _STEP,
    "set": _STEP,
    "assign": _STEP,
    "start.key": _STEP,
    "bpmn": Site(entry=True, steps=True),
}


class Scope(msgspec.Struct, frozen=True):
    """Where an expression stands.

    site: a key of SITES; steps: id -> kind of step (`contact`, `wait`, ...; "" where the kind is not known);
    event_names: of the candidate or the goal's event, where the site is inside an event; entry_events: what the run can
    have begun with; key: type of `entry.key`; vars: types of `vars.NAME`, None = not checked.
    """

    site: str
    catalog: Catalog = Catalog()
    steps: Mapping[str, str] = {}
    event_names: tuple[str, ...] = ()
    entry_events: tuple[str, ...] = ()
    key: Type = DYN
    vars: Mapping[str, Type] | None = None


class Needs(msgspec.Struct, frozen=True):
    """What an expression reads, off the tree. all_events: `events()` without a name; time: time alone can change it;
    groups: types of them, group_members: those of which it asks how many their members are, what they did or own.
    """

    events: frozenset[str] = frozenset()
    all_events: bool = False
    traits: frozenset[str] = frozenset()
    segments: frozenset[str] = frozenset()
    consent: bool = False
    time: bool = False
    journeys: frozenset[str] = frozenset()
    steps: frozenset[str] = frozenset()
    catalogs: frozenset[str] = frozenset()
    goal: bool = False
    vars: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    group_events: frozenset[str] = frozenset()
    group_members: frozenset[str] = frozenset()
    #: when the person was last seen
    seen: bool = False
    #: stages as they are kept with the person
    stages: frozenset[str] = frozenset()
