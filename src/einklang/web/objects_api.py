"""The REST API of business objects. Each route names its permission; each answer is a type of app."""

from __future__ import annotations

from litestar import get
from litestar.datastructures import State
from litestar.params import FromQuery

from einklang.app import queries_all_objects as everybody
from einklang.app import queries_objects as queries
from einklang.app.answers import Page
from einklang.web.api import READ, Cursor, Id, Limit, plain, wired


@get("/api/objects", opt=READ, sync_to_thread=True)
def object_kinds(state: State) -> Page[queries.ObjectKind]:
    """The kinds of business objects in force: those built in and those defined."""
    return queries.kinds(wired(state).in_force().objects)


@get("/api/persons/{person_id:str}/objects", opt=READ, sync_to_thread=True)
def object_counts(state: State, person_id: Id) -> Page[queries.ObjectCount]:
    """Of which kinds a person has objects, and how many in which state."""
    found = wired(state)
    with found.services.book.snapshot() as reader:
        return queries.counts(reader, found.in_force().objects, plain(person_id), found.services.now())


@get("/api/persons/{person_id:str}/objects/{kind:str}", opt=READ, sync_to_thread=True)
def objects(
    state: State, person_id: Id, kind: Id, status: FromQuery[str] = "", cursor: Cursor = "", limit: Limit = 50
) -> Page[queries.ObjectItem]:
    """A person's objects of a kind, the one that began last first; `status`: only those in this state."""
    found = wired(state)
    with found.services.book.snapshot() as reader:
        return queries.objects(
            reader,
            found.in_force().objects,
            plain(person_id),
            plain(kind),
            state=status,
            cursor=cursor,
            limit=limit,
            now=found.services.now(),
        )


@get("/api/objects/{kind:str}", opt=READ, sync_to_thread=True)
def all_objects(
    state: State,
    kind: Id,
    status: FromQuery[str] = "",
    q: FromQuery[str] = "",
    cursor: Cursor = "",
    limit: Limit = 50,
) -> Page[everybody.HeldObject]:
    """The objects of a kind of all persons, by id; `status`: only those in this state, `q`: how the id begins."""
    found = wired(state)
    with found.services.book.snapshot() as reader:
        return everybody.objects(
            reader,
            found.in_force().objects,
            plain(kind),
            state=status,
            q=q,
            cursor=cursor,
            limit=limit,
            now=found.services.now(),
        )


@get("/api/objects/{kind:str}/{object_id:str}", opt=READ, sync_to_thread=True)
def object_of_id(state: State, kind: Id, object_id: Id) -> Page[everybody.HeldObject]:
    """The object of an id as it is, with the person it belongs to; several where several persons have one."""
    found = wired(state)
    with found.services.book.snapshot() as reader:
        return everybody.one(reader, found.in_force().objects, plain(kind), plain(object_id), now=found.services.now())


@get("/api/object-search", opt=READ, sync_to_thread=True)
def object_search(state: State, q: FromQuery[str] = "", limit: Limit = 50) -> Page[everybody.Found]:
    """Objects of any kind whose id begins with `q`: their kind, and the person they belong to."""
    found = wired(state)
    with found.services.book.snapshot() as reader:
        return everybody.search(reader, found.in_force().objects, q, limit)


@get("/api/objects-waiting", opt=READ, sync_to_thread=True)
def objects_waiting(state: State, cursor: Cursor = "", limit: Limit = 50) -> Page[everybody.Waiting]:
    """Events that name nobody and wait for the owner of their object, the oldest first."""
    return everybody.waiting(wired(state).services.book, cursor, limit)


ROUTES = (object_kinds, object_counts, objects, all_objects, object_of_id, object_search, objects_waiting)
