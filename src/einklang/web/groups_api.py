"""The REST API of groups: households, companies, their members and contact persons."""

from __future__ import annotations

from litestar import get
from litestar.datastructures import State
from litestar.params import FromQuery

from einklang.app import queries_all_objects as everybody
from einklang.app import queries_groups as queries
from einklang.app.answers import Page
from einklang.web.api import READ, Cursor, Id, Limit, plain, wired


@get("/api/groups", opt=READ, sync_to_thread=True)
def group_types(state: State) -> Page[queries.GroupType]:
    """The types of groups, such as company and household, with how many there are."""
    return queries.types(wired(state).services.book)


@get("/api/groups/{kind:str}", opt=READ, sync_to_thread=True)
def groups(
    state: State, kind: Id, q: FromQuery[str] = "", cursor: Cursor = "", limit: Limit = 50
) -> Page[queries.GroupItem]:
    """The groups of a type by id; `q`: part of the id or of a text among the traits, such as the name."""
    return queries.groups(wired(state).services.book, plain(kind), q, cursor, limit)


@get("/api/groups/{kind:str}/{group_id:str}", opt=READ, sync_to_thread=True)
def group(state: State, kind: Id, group_id: Id, limit: Limit = 50) -> queries.Group:
    """One group: its traits, its size, its contact persons, and the first members with their roles."""
    with wired(state).services.book.snapshot() as reader:
        return queries.group(reader, plain(kind), plain(group_id), limit)


@get("/api/persons/{person_id:str}/groups", opt=READ, sync_to_thread=True)
def groups_of(state: State, person_id: Id) -> Page[queries.Belonging]:
    """The groups to which a person belongs."""
    with wired(state).services.book.snapshot() as reader:
        return queries.of_person(reader, plain(person_id))


@get("/api/groups/{kind:str}/{group_id:str}/members", opt=READ, sync_to_thread=True)
def group_members(
    state: State,
    kind: Id,
    group_id: Id,
    role: FromQuery[str] = "",
    contact: FromQuery[bool] = False,
    cursor: Cursor = "",
    limit: Limit = 50,
) -> Page[queries.Member]:
    """All members of a group by id; `role`: those with this role, `contact`: the contact persons alone."""
    with wired(state).services.book.snapshot() as reader:
        return queries.members(
            reader, plain(kind), plain(group_id), role=role, contact=contact, cursor=cursor, limit=limit
        )


@get("/api/groups/{kind:str}/{group_id:str}/objects/{object_kind:str}", opt=READ, sync_to_thread=True)
def group_objects(
    state: State, kind: Id, group_id: Id, object_kind: Id, cursor: Cursor = "", limit: Limit = 50
) -> Page[everybody.HeldObject]:
    """The business objects of a kind of all members of a group, such as the contracts of a company, by id."""
    found = wired(state)
    with found.services.book.snapshot() as reader:
        return everybody.of_group(
            reader,
            found.in_force().objects,
            (plain(kind), plain(group_id)),
            plain(object_kind),
            cursor=cursor,
            limit=limit,
            now=found.services.now(),
        )


ROUTES = (group_types, groups, group, group_members, group_objects, groups_of)
