"""What the screens ask about groups. Reads only; every list is paged by a cursor."""

from __future__ import annotations

from typing import Any

import msgspec

from einklang.app.answers import Page, shown
from einklang.app.ports import Reader
from einklang.app.queries import SEARCH_CHARS_MAX, Many, limit_of, load, pattern_of
from einklang.app.working import from_json
from einklang.kernel.errors import InputError, NotFound
from einklang.kernel.ids import lane_of
from einklang.kernel.limits import GROUP_MEMBERS_MAX


class Member(msgspec.Struct):
    """A person in a group, with the role there."""

    person_id: str
    label: str
    role: str | None
    contact_person: bool
    since: str | None


class Group(msgspec.Struct):
    """A household, company, ...; size: how many belong to it; contacts: the first contact persons; members: the first
    by id, `next` is the cursor of those that follow.

    counted: of how many what they did counts in conditions about the group: of all, or of none where they are more than
    1,000: then such a condition holds for nobody of them.
    """

    type: str
    id: str
    traits: dict[str, Any]
    size: int
    counted: int
    contacts: list[Member]
    members: list[Member]
    next: str | None


class GroupItem(msgspec.Struct):
    """A group in a list."""

    type: str
    id: str
    traits: dict[str, Any]
    size: int


class GroupType(msgspec.Struct):
    """A type of groups: how many there are, and how many persons belong to one."""

    type: str
    groups: int
    members: int


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


def types(reader: Reader) -> Page[GroupType]:
    """The types of groups to which somebody belongs."""
    return Page([GroupType(kind, groups, members) for kind, groups, members in reader.read("party_types")])


def groups(reader: Reader, kind: str, q: str, cursor: str, limit: int) -> Page[GroupItem]:
    """The groups of a type by id; q: part of the id or of a text among the traits. Raises InputError."""
    limit_of(limit)
    wanted = q.strip()
    if len(wanted) > SEARCH_CHARS_MAX:
        what = f"{len(wanted)} characters"
        raise InputError("too_long", what, where="q", mend=f"search for at most {SEARCH_CHARS_MAX}")
    if wanted:
        like = pattern_of(wanted)
        rows = reader.read("parties_matching", kind, cursor, like, like, limit + 1)
    else:
        rows = reader.read("parties_page", kind, cursor, limit + 1)
    told = {str(name): _traits(body) for _, name, body in rows}
    # a search does not find groups without traits but by their id, which has all that is known of them
    for (name,) in reader.read("parties_of_members", kind, cursor, limit + 1) if not wanted else ():
        told.setdefault(name, {})
    names = sorted(told)[: limit + 1]
    items = [GroupItem(kind, name, told[name], _size(reader, kind, name)) for name in names[:limit]]
    found = [item for item in items if not wanted or _holds(item, wanted)]
    return Page(found, names[limit - 1] if len(names) > limit else None)


def _holds(item: GroupItem, wanted: str) -> bool:
    low = wanted.casefold()
    return any(low in text.casefold() for text in (item.id, *item.traits.values()) if isinstance(text, str))


def _size(reader: Reader, kind: str, name: str) -> int:
    return int(reader.read("party_size", kind, name)[0][0])


def group(reader: Many, kind: str, name: str, limit: int) -> Group:
    """One group with its contact persons and first members. Raises NotFound `unknown_group`."""
    stored, size = reader.read("party_get", kind, name), _size(reader, kind, name)
    if not stored and not size:
        raise NotFound("unknown_group", f"no {kind[:40]} {name[:60]!r}", where="id", mend="see GET /api/groups/{type}")
    first = members(reader, kind, name, limit=limit)
    contacts = members(reader, kind, name, contact=True, limit=limit).items
    traits = _traits(stored[0][0]) if stored else {}
    return Group(kind, name, traits, size, size if size <= GROUP_MEMBERS_MAX else 0, contacts, first.items, first.next)


def members(
    reader: Many, kind: str, name: str, *, role: str = "", contact: bool = False, cursor: str = "", limit: int = 50
) -> Page[Member]:
    """Members by id: all, those with a role, the contact persons alone. Raises InputError."""
    limit_of(limit)
    rows = reader.read("party_members_page", kind, name, cursor, role, role, int(contact), limit + 1)
    shown_rows = rows[:limit]
    labels: dict[str, str] = dict(reader.read_many("person_label", [(lane_of(row[0]), row[0]) for row in shown_rows]))
    items = [
        Member(person, labels.get(person) or person, said or None, bool(is_contact), shown(since))
        for person, said, is_contact, since in shown_rows
    ]
    return Page(items, rows[limit - 1][0] if len(rows) > limit else None)


def of_person(reader: Reader, text: str) -> Page[Belonging]:
    """The groups to which a person belongs. Raises NotFound `unknown_person`."""
    items = []
    for kind, one in sorted(load(reader, text)[1].groups.items()):
        if one.id:
            stored = reader.read("party_get", kind, one.id)
            size = _size(reader, kind, one.id)
            traits = _traits(stored[0][0]) if stored else {}
            items.append(Belonging(kind, one.id, one.role or None, one.contact, shown(one.at), traits, size))
    return Page(items)
