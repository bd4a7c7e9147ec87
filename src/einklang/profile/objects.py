"""Business objects with state: orders, contracts, invoices, ... folded from the events of their owner.

Nothing is stored: an object is a pure function of the history, so late events, merges, splits and rebuilds cannot leave
it behind. Events count in order of (at, seq); the latest value of a field wins unless the definition says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from einklang.expr import ObjectShape, Type, type_of
from einklang.expr.numbers import number_of, text_of
from einklang.kernel.time import format_moment
from einklang.profile.object_definitions import RawField, RawObject, RawRule
from einklang.profile.strategies import Claim, settle

#: The owner of what each person has alone; any other is a type of groups.
PERSON = "person"
#: Of one kind and person; the newest stay.
OBJECTS_MAX = 10_000
#: What every object has beside its own fields.
OWN_FIELDS: dict[str, Type] = {
    "id": type_of("string"),
    "state": type_of("string"),
    "began_at": type_of("timestamp"),
    "changed_at": type_of("timestamp"),
    "state_since": type_of("timestamp"),
}


class Happened(Protocol):
    """What the fold reads of an event."""

    @property
    def name(self) -> str: ...
    @property
    def at(self) -> int: ...
    @property
    def seq(self) -> int: ...
    @property
    def source(self) -> str: ...
    @property
    def machine(self) -> bool: ...
    @property
    def properties(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of objects in force. rules: by the name of the event; own: what the definition says of a field.

    owner: `person`, or a type of groups whose members hold the object together.
    """

    id: str
    key: str
    rules: Mapping[str, RawRule]
    fields: Mapping[str, RawField]
    states: tuple[str, ...]
    valid_from: str
    valid_until: str
    money: str
    owner: str
    title: Any
    names: tuple[str, ...]

    def shape(self) -> ObjectShape:
        """What expressions know of it."""
        types = {name: type_of(raw.type) for name, raw in self.fields.items()}
        valid = {"valid_from": self.valid_from, "valid_until": self.valid_until}
        types |= {name: types[source] for name, source in valid.items() if source}
        group = "" if self.owner == PERSON else self.owner
        return ObjectShape({**OWN_FIELDS, **types}, self.names, closed=bool(self.fields), group=group)


@dataclass(slots=True)
class Object:
    """One object as it is. began: (at, seq) of its first event; told: (seq, at, name) of all that made it."""

    id: str
    began: tuple[int, int]
    changed_at: int = 0
    state: str | None = None
    state_since: int | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    told: list[tuple[int, int, str]] = field(default_factory=list)
    claims: dict[str, list[Claim]] = field(default_factory=dict)

    def row(self, kind: Kind) -> dict[str, Any]:
        """What an expression sees: the fields, and under fixed names what every object has."""
        row = dict(self.fields)
        for name, source in (("valid_from", kind.valid_from), ("valid_until", kind.valid_until)):
            if source:
                row[name] = self.fields.get(source)
        row["id"] = self.id
        row["state"] = self.state
        row["began_at"] = format_moment(self.began[0])
        row["changed_at"] = format_moment(self.changed_at)
        row["state_since"] = None if self.state_since is None else format_moment(self.state_since)
        return row


def key_text(value: Any) -> str:
    """The id of an object from the value of its key; "" for what is no key."""
    if isinstance(value, str):
        return value.strip()
    number = number_of(value)
    return "" if number is None else text_of(number)


def touched(kind: Kind, event: Happened) -> list[tuple[str, Mapping[str, Any]]]:
    """The objects that an event speaks of: id, and where its properties stand."""
    rule = kind.rules.get(event.name)
    if rule is None or event.machine:
        return []
    name = rule.key or kind.key
    if not rule.each:
        found = key_text(event.properties.get(name))
        return [(found, event.properties)] if found else []
    lines = event.properties.get(rule.each)
    rows: list[tuple[str, Mapping[str, Any]]] = []
    for line in lines if isinstance(lines, list) else ():
        if isinstance(line, dict):
            both = {**event.properties, **line}
            found = key_text(both.get(name))
            if found:
                rows.append((found, both))
    return rows


def fold_objects(kind: Kind, events: Iterable[Happened], until: int | None = None) -> list[Object]:
    """The objects that these events give, ordered by when they began. until: later events have not come yet.

    events: in any order, each once; only those of the kind count.
    """
    found: dict[str, Object] = {}
    for event in sorted(events, key=lambda event: (event.at, event.seq)):
        if until is not None and event.at > until:
            break
        for key, properties in touched(kind, event):
            known = found.get(key)
            if known is None:
                known = found[key] = Object(key, (event.at, event.seq))
            _take(kind, known, event, kind.rules[event.name], properties)
    objects = sorted(found.values(), key=lambda one: (one.began, one.id))[-OBJECTS_MAX:]
    for one in objects:
        for name, claims in one.claims.items():
            raw = kind.fields[name]
            one.fields[name] = settle(raw.merge, claims, raw.sources)
    return objects


def state_of(kind: Kind, key: str, events: Sequence[Happened]) -> str | None:
    """The state of one object. events: those that speak of it, in order of (at, seq)."""
    for event in reversed(events):
        for found, properties in reversed(touched(kind, event)):
            state = _state(kind, kind.rules[event.name], properties) if found == key else None
            if state is not None:
                return state
    return None


def _state(kind: Kind, rule: RawRule, properties: Mapping[str, Any]) -> str | None:
    """What an event says of the state; None: nothing."""
    if rule.state_from:
        said = properties.get(rule.state_from)
        return said if isinstance(said, str) and (not kind.states or said in kind.states) else rule.state
    return rule.state


def _take(kind: Kind, one: Object, event: Happened, rule: RawRule, properties: Mapping[str, Any]) -> None:
    one.changed_at = event.at
    if not one.told or one.told[-1][0] != event.seq:
        one.told.append((event.seq, event.at, event.name))
    state = _state(kind, rule, properties)
    if state is not None and state != one.state:
        one.state, one.state_since = state, event.at
    if not kind.fields:
        key = rule.key or kind.key
        one.fields |= {name: value for name, value in properties.items() if name not in (key, *OWN_FIELDS)}
        return
    for name, raw in kind.fields.items():
        source = rule.take.get(name) or raw.source or name
        if source not in properties or (raw.of and event.name not in raw.of):
            continue
        value = properties[source]
        if raw.merge == "last" and not raw.sources:
            one.fields[name] = value
        else:
            one.claims.setdefault(name, []).append(Claim(value, event.at, event.seq, event.source))


def kind_of(raw: RawObject, same: Mapping[str, Iterable[str]]) -> Kind:
    """A definition in force. same: name of an event -> the other names of the same event."""
    rules: dict[str, RawRule] = {}
    for name, rule in raw.events.items():
        said = RawRule(state=rule) if isinstance(rule, str) else rule if rule is not None else RawRule()
        for other in (name, *same.get(name, ())):
            rules.setdefault(other, said)
    fields: dict[str, RawField] = {}
    for name, spec in raw.fields.items():
        known = RawField(type=spec) if isinstance(spec, str) else spec
        of = [known.of] if isinstance(known.of, str) else known.of
        wanted = [other for event in of for other in (event, *same.get(event, ()))]
        fields[name] = msgspec.structs.replace(known, of=wanted)
    return Kind(
        raw.id, raw.key, rules, fields, tuple(raw.states), raw.valid.start, raw.valid.end, raw.money, raw.owner,
        raw.title, tuple(rules),
    )  # fmt: skip
