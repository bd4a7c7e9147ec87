"""The REST API of static lists and of exports: put on a list, freeze, empty, members as a file, what was exported."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.datastructures import State
from litestar.params import PathParameter
from litestar.response import File

from einklang.app import exports, lists, queries_exports
from einklang.app.answers import Page
from einklang.app.import_rows import Row, RowRefused
from einklang.app.queries_exports import ExportedAnswer, ExportShown, ListedAnswer, RefusedRow
from einklang.app.state import State as Reading
from einklang.kernel.errors import Unavailable
from einklang.web.access import principal
from einklang.web.api import READ, WRITE, Cursor, Id, Limit, Req, plain, wired
from einklang.web.destinations_api import Nothing
from einklang.web.services import Services
from einklang.web.sources_api import body_of

#: Of the rows that were refused so many are told one by one.
REFUSED_MAX = 100
#: A list of some 500,000 addresses. What is read of it at once is bounded by `Wired.uploading`.
UPLOAD_BYTES_MAX = 16 * 1024 * 1024
_TYPES = {"csv": "text/csv; header=present", "parquet": "application/vnd.apache.parquet"}
FileName = Annotated[str, PathParameter(description="`file` of an export")]


class Upload(msgspec.Struct, forbid_unknown_fields=True):
    """Who is put on a list. rows: CSV with a header; a column `person` (kind:value) or of a kind such as email.

    action: add, remove or replace; create: who is named and not known becomes a person; title: what people call a new
    list.
    """

    rows: str
    action: str = "add"
    create: bool = False
    title: str | None = None


class Freeze(msgspec.Struct, forbid_unknown_fields=True):
    """The id of the new list, and what people call it."""

    list: str
    title: str | None = None


class Export(msgspec.Struct, forbid_unknown_fields=True):
    """What is exported: csv or parquet, which columns, for what purpose; channel: permitted on this one."""

    purpose: str
    columns: list[str] = []
    format: str = "csv"
    channel: str = ""


def _role(request: Req) -> str:
    """In which role somebody asks: that of staff, or of a server."""
    session = request.scope["state"].get("session")
    return session.role if session is not None else "server"


def _folder(services: Services) -> Path:
    if services.folder is None:
        raise Unavailable("no_folder", "this server has no folder for files", mend="serve a home")
    return services.folder / exports.FOLDER


@post("/api/segments/{segment_id:str}/list", opt=WRITE, status_code=200, request_max_body_size=UPLOAD_BYTES_MAX)
async def upload(request: Req, state: State, segment_id: Id) -> Response[ListedAnswer]:
    """Put those whom rows name on a list, take them off, or let it be these alone; a new id is a new list.

    Rows that name nobody are refused, each with its reason. 16 MB at most; larger files: `einklang segment upload`.
    """
    services, refused = wired(state).services, list[RefusedRow]()

    def note(number: int, why: RowRefused, row: Row) -> None:
        if len(refused) < REFUSED_MAX:
            refused.append(RefusedRow(number, why.code, why.message, why.mend))

    async with wired(state).uploading:
        raw = await request.body()
        said = body_of(raw, Upload)

        def work() -> ListedAnswer:
            done = lists.upload(
                services.book, plain(segment_id), lists.table_of_text(said.rows), action=said.action,
                create=said.create, by=principal(request), now=services.now(), refused=note, title=said.title,
            )  # fmt: skip
            services.wake()
            return queries_exports.listed(done, refused)

        return await wired(state).once.done(request, raw, work)


@post("/api/segments/{segment_id:str}/freeze", opt=WRITE, status_code=200)
async def freeze(request: Req, state: State, segment_id: Id) -> Response[ListedAnswer]:
    """Put the members of a segment, as they are now, on a new list."""
    raw = await request.body()
    said, services = body_of(raw, Freeze), wired(state).services

    def work() -> ListedAnswer:
        with services.book.snapshot() as reader:
            people = lists.members_now(reader, wired(state).in_force(), plain(segment_id))
        done = lists.freeze(
            services.book, plain(segment_id), said.list, people, title=said.title, by=principal(request),
            now=services.now(),
        )  # fmt: skip
        services.wake()
        return queries_exports.listed(done, [])

    return await wired(state).once.done(request, raw, work)


@post("/api/segments/{segment_id:str}/empty", opt=WRITE, status_code=200)
async def empty(request: Req, state: State, segment_id: Id) -> Response[ListedAnswer]:
    """Take everybody off a list; it stays, with nobody on it. 409 for a segment with more than its list."""
    raw = await request.body()
    body_of(raw, Nothing)
    services = wired(state).services

    def work() -> ListedAnswer:
        done = lists.empty(services.book, plain(segment_id), by=principal(request), now=services.now())
        services.wake()
        return queries_exports.listed(done, [])

    return await wired(state).once.done(request, raw, work)


@post("/api/segments/{segment_id:str}/exports", opt=WRITE, status_code=200)
async def export(request: Req, state: State, segment_id: Id) -> Response[ExportedAnswer]:
    """Write the members into a file, recorded in the log; who does not permit the purpose is left out and counted."""
    raw = await request.body()
    said, services = body_of(raw, Export), wired(state).services
    wanted = exports.Wanted(
        plain(segment_id), tuple(said.columns or ["person_id"]), said.purpose, said.channel, said.format
    )

    def work() -> ExportedAnswer:
        definitions, now = wired(state).in_force(), services.now()
        reading = Reading(services.salt, definitions, link_key=b"", base_url="", channels=frozenset())
        with services.book.snapshot() as reader:
            people = lists.members_now(reader, definitions, wanted.segment)
            done = exports.export(
                services.book, reader, reading, people, wanted, _folder(services), actor=principal(request),
                role=_role(request), now=now,
            )  # fmt: skip
        services.wake()
        return queries_exports.exported(done, now)

    return await wired(state).once.done(request, raw, work)


@get("/api/exports", opt=READ, sync_to_thread=True)
def all_exports(state: State, cursor: Cursor = "", limit: Limit = 50) -> Page[ExportShown]:
    """What was exported or given to a destination: who, when, which columns, for what, the newest first."""
    services = wired(state).services
    with services.book.snapshot() as reader:
        return queries_exports.exports(reader, _folder(services), cursor, limit)


@get("/api/exports/{file:str}/content", opt=READ, sync_to_thread=True)
def content(request: Req, state: State, file: FileName) -> File:
    """The file of an export, for the roles that may export each of its columns; who fetched it is recorded first."""
    services = wired(state).services
    path = exports.fetch(
        services.book, _folder(services), plain(file), actor=principal(request), role=_role(request), now=services.now()
    )
    return File(path, filename=path.name, media_type=_TYPES[path.suffix.removeprefix(".")])


ROUTES: tuple[Any, ...] = (upload, freeze, empty, export, all_exports, content)
