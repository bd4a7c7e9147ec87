"""What the screens ask about business objects. Reads only; every list is paged by a cursor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from einklang.app.answers import ObjectRef, Page, TimelineItem, shown
from einklang.app.objects import Told
from einklang.app.ports import Reader
from einklang.app.queries import bad_cursor, limit_of, load
from einklang.app.working import from_json
from einklang.expr.runtime import as_date, as_timestamp
from einklang.fact.person import Person
from einklang.kernel.errors import NotFound
from einklang.kernel.ids import lane_of
from einklang.profile import PERSON, Kind, Object, fold_objects, touched

Text = str | dict[str, str]


class ObjectEvent(msgspec.Struct):
    """An event that made an object: its place in the log, when it happened, its name."""

    seq: int
    at: str | None
    name: str


class ObjectItem(msgspec.Struct):
    """A business object as it is. valid: whether the moment lies between both ends, null where there are none.

    money: the field that says what it is worth, with its currency.
    """

    id: str
    kind: str
    state: str | None
    state_since: str | None
    began_at: str | None
    changed_at: str | None
    valid_from: Any
    valid_until: Any
    valid: bool | None
    money: Decimal | int | None
    currency: str | None
    fields: dict[str, Any]
    events: list[ObjectEvent]


class ObjectCount(msgspec.Struct):
    """How many objects of a kind a person has, by state ("" for none)."""

    kind: str
    title: Text | None
    count: int
    states: dict[str, int]


class ObjectKind(msgspec.Struct):
    """A kind of business objects in force. events: the names of the events that make it; fields: name -> type."""

    kind: str
    title: Text | None
    key: str
    states: list[str]
    fields: dict[str, str]
    valid_from: str | None
    valid_until: str | None
    money: str | None
    owner: str
    events: list[str]


def kinds(known: Mapping[str, Kind]) -> Page[ObjectKind]:
    """The kinds in force, by id."""
    return Page(
        [
            ObjectKind(
                kind=kind.id,
                title=kind.title,
                key=kind.key,
                states=list(kind.states),
                fields={name: raw.type for name, raw in kind.fields.items()},
                valid_from=kind.valid_from or None,
                valid_until=kind.valid_until or None,
                money=kind.money or None,
                owner=kind.owner,
                events=list(kind.names),
            )
            for kind in known.values()
        ]
    )


def counts(reader: Reader, known: Mapping[str, Kind], text: str, now: int) -> Page[ObjectCount]:
    """The kinds of which a person has objects. Raises NotFound `unknown_person`."""
    person = load(reader, text)[1]
    items = []
    for kind in known.values():
        found = objects_of(reader, kind, owners_of(reader, kind, person), now)
        if found:
            states = Counter(one.state or "" for one in found)
            items.append(ObjectCount(kind.id, kind.title, len(found), dict(sorted(states.items()))))
    return Page(items)


def known_kind(known: Mapping[str, Kind], name: str) -> Kind:
    """The kind of this id. Raises NotFound `unknown_object`."""
    kind = known.get(name)
    if kind is None:
        raise NotFound(
            "unknown_object", f"no kind of objects {name[:60]!r}", where="kind", mend="known: " + ", ".join(known)
        )
    return kind


def objects(
    reader: Reader, known: Mapping[str, Kind], text: str, name: str, *, state: str, cursor: str, limit: int, now: int
) -> Page[ObjectItem]:
    """A person's objects of a kind, the one that began last first. Raises NotFound, InputError."""
    limit_of(limit)
    kind = known_kind(known, name)
    people = owners_of(reader, kind, load(reader, text)[1])
    found = [one for one in reversed(objects_of(reader, kind, people, now)) if not state or one.state == state]
    if cursor:
        places = [place for place, one in enumerate(found) if one.id == cursor]
        if not places:
            raise bad_cursor(cursor)
        found = found[places[0] + 1 :]
    following = found[limit - 1].id if len(found) > limit else None
    return Page([as_item(kind, one, now) for one in found[:limit]], following)


def owners_of(reader: Reader, kind: Kind, person: Person) -> list[str]:
    """Whose events make a person's objects: the person's own, or those of all members of the group that owns them, as
    far as they speak of any.
    """
    one = person.groups.get(kind.owner)
    if kind.owner == PERSON or one is None or not one.id:
        return [person.id]
    return [row[0] for row in reader.read("party_with_objects", kind.owner, one.id, kind.id)]


def objects_of(reader: Reader, kind: Kind, people: list[str], now: int) -> list[Object]:
    """The objects that the events of these people make, as they are at a moment."""
    told = [
        Told(name, at, seq, source, bool(machine), from_json(properties))
        for person in people
        for wanted in kind.names
        for name, at, seq, source, machine, properties in reader.read("history_named", lane_of(person), person, wanted)
    ]
    return fold_objects(kind, told, until=now)


def as_item(kind: Kind, one: Object, now: int) -> ObjectItem:
    """An object as it is shown."""
    fields = {name: value for name, value in one.fields.items() if value is not None}
    valid_from, valid_until = fields.get(kind.valid_from), fields.get(kind.valid_until)
    money, currency = fields.get(kind.money), fields.get("currency")
    is_money = isinstance(money, int | Decimal) and not isinstance(money, bool)
    return ObjectItem(
        id=one.id,
        kind=kind.id,
        state=one.state,
        state_since=shown(one.state_since),
        began_at=shown(one.began[0]),
        changed_at=shown(one.changed_at),
        valid_from=valid_from,
        valid_until=valid_until,
        valid=_valid(valid_from, valid_until, now),
        money=money if is_money else None,
        currency=currency if isinstance(currency, str) else None,
        fields=fields,
        events=[ObjectEvent(seq, shown(at), name) for seq, at, name in one.told],
    )


def _valid(start: Any, end: Any, now: int) -> bool | None:
    """Whether now lies in [start, end); null without both. A day counts as its first moment in UTC."""
    if start is None and end is None:
        return None
    first, last = _moment(start), _moment(end)
    return (first is None or first <= now) and (last is None or now < last)


def _moment(value: Any) -> int | None:
    found = as_timestamp(value)
    if found is None and as_date(value) is not None:
        found = as_timestamp(f"{value}T00:00:00Z")
    return found


def mark(items: Iterable[TimelineItem], known: Mapping[str, Kind]) -> None:
    """Name the objects that each entry of a timeline speaks of."""
    by_name: dict[str, list[Kind]] = {}
    for kind in known.values():
        for name in kind.names:
            by_name.setdefault(name, []).append(kind)
    for item in items:
        for kind in by_name.get(item.name, ()):
            told = Told(item.name, 0, 0, item.source, False, item.properties or {})
            item.objects += [ObjectRef(kind.id, key) for key, _ in touched(kind, told)]
