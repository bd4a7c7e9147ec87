"""What the screens ask about groups. Reads only; every list is paged by a cursor."""

from __future__ import annotations

from typing import Any

import msgspec

from einklang.app.answers import Page, shown
from einklang.app.ports import Reader
from einklang.app.queries import Many, limit_of, load
from einklang.app.working import from_json
from einklang.kernel.errors import NotFound
from einklang.kernel.ids import lane_of


class Member(msgspec.Struct):
    """A person in a group, with the role there."""

    person_id: str
    label: str
    role: str | None
    contact_person: bool
    since: str | None


class Group(msgspec.Struct):
    """A household, company, ...; size: how many belong to it."""

    type: str
    id: str
    traits: dict[str, Any]
    size: int
    members: list[Member]


class GroupItem(msgspec.Struct):
    """A group in a list."""

    type: str
    id: str
    traits: dict[str, Any]


class Belonging(msgspec.Struct):
    """A group of a person, and the person's role there."""

    type: str
    id: str
    role: str | None
    contact_person: bool
    since: str | None
    traits: dict[str, Any]
    size: int


def _traits(body: str) -> dict[str, Any]:
    """The present values."""
    found = {name: said[-1][2] for name, said in from_json(body).items() if said}
    return {name: value for name, value in sorted(found.items()) if value is not None}


def groups(reader: Reader, kind: str, cursor: str, limit: int) -> Page[GroupItem]:
    """The groups of a type by id. Raises InputError."""
    limit_of(limit)
    rows = reader.read("parties_page", kind, cursor, limit + 1)
    items = [GroupItem(type_, name, _traits(body)) for type_, name, body in rows[:limit]]
    return Page(items, rows[limit - 1][1] if len(rows) > limit else None)


def group(reader: Many, kind: str, name: str, limit: int) -> Group:
    """One group with its first members by id. Raises NotFound `unknown_group`."""
    limit_of(limit)
    stored = reader.read("party_get", kind, name)
    rows = reader.read("party_members", kind, name)
    if not stored and not rows:
        raise NotFound("unknown_group", f"no {kind[:40]} {name[:60]!r}", where="id", mend="see GET /api/groups/{type}")
    shown_rows = rows[:limit]
    labels: dict[str, str] = dict(reader.read_many("person_label", [(lane_of(row[0]), row[0]) for row in shown_rows]))
    members = [
        Member(person, labels.get(person) or person, role or None, bool(contact), shown(since))
        for person, role, contact, since in shown_rows
    ]
    return Group(kind, name, _traits(stored[0][0]) if stored else {}, len(rows), members)


def of_person(reader: Reader, text: str) -> Page[Belonging]:
    """The groups to which a person belongs. Raises NotFound `unknown_person`."""
    items = []
    for kind, one in sorted(load(reader, text)[1].groups.items()):
        if one.id:
            stored = reader.read("party_get", kind, one.id)
            size = len(reader.read("party_members", kind, one.id))
            traits = _traits(stored[0][0]) if stored else {}
            items.append(Belonging(kind, one.id, one.role or None, one.contact, shown(one.at), traits, size))
    return Page(items)
