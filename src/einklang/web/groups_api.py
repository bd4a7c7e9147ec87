"""The REST API of groups: households, companies, their members and contact persons."""

from __future__ import annotations

from litestar import get
from litestar.datastructures import State

from einklang.app import queries_groups as queries
from einklang.app.answers import Page
from einklang.web.api import READ, Cursor, Id, Limit, plain, wired


@get("/api/groups/{kind:str}", opt=READ, sync_to_thread=True)
def groups(state: State, kind: Id, cursor: Cursor = "", limit: Limit = 50) -> Page[queries.GroupItem]:
    """The groups of a type, such as company or household, by id."""
    return queries.groups(wired(state).services.book, plain(kind), cursor, limit)


@get("/api/groups/{kind:str}/{group_id:str}", opt=READ, sync_to_thread=True)
def group(state: State, kind: Id, group_id: Id, limit: Limit = 50) -> queries.Group:
    """One group: its traits, its size, and the first members with role and contact person."""
    with wired(state).services.book.snapshot() as reader:
        return queries.group(reader, plain(kind), plain(group_id), limit)


@get("/api/persons/{person_id:str}/groups", opt=READ, sync_to_thread=True)
def groups_of(state: State, person_id: Id) -> Page[queries.Belonging]:
    """The groups to which a person belongs."""
    with wired(state).services.book.snapshot() as reader:
        return queries.of_person(reader, plain(person_id))


ROUTES = (groups, group, groups_of)
