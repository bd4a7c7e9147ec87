"""The REST API of the catalog of events and of dead letters. Each route names its permission."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.params import FromQuery, PathParameter

from einklang.app import dead, discovery
from einklang.app.answers import Page
from einklang.app.queries import numbers_of
from einklang.web.api import READ, WRITE, Cursor, Id, Limit, plain, wired
from einklang.web.body import unpack
from einklang.web.sources_api import body_of

BODY_BYTES_MAX = 64 * 1024
Position = Annotated[str, PathParameter(description="where the letter stands: `position` of a list")]


class Replay(msgspec.Struct, forbid_unknown_fields=True):
    """Which dead letters to take in again: those at `positions`, else those of `code`, else all.

    as_new: also those whose message id came before with another body, under an id of their own.
    """

    positions: list[int] = []
    code: str = ""
    as_new: bool = False


@get("/api/catalog", opt=READ, sync_to_thread=True)
def catalog(
    state: State, q: FromQuery[str] = "", origin: FromQuery[str] = "", cursor: Cursor = "", limit: Limit = 50
) -> Page[discovery.EventSeen]:
    """Events by name: declared, known and discovered, with volumes, properties and how values look (never a value).

    `q`: part of the name; `origin`: declared, segment, einklang, discovered; or sent: whatever came.
    """
    found = wired(state)
    with found.services.book.snapshot() as reader:
        lake = found.services.lake
        return discovery.catalog(reader, lake, found.in_force(), q=q, origin=origin, cursor=cursor, limit=limit)


@get("/api/catalog/{name:str}", opt=READ, sync_to_thread=True)
def catalog_event(state: State, name: Id) -> discovery.EventSeen:
    """One event of the catalog."""
    found = wired(state)
    with found.services.book.snapshot() as reader:
        return discovery.one(reader, found.services.lake, found.in_force(), plain(name))


@get("/api/dead-letters", opt=READ, sync_to_thread=True)
def dead_letters(state: State, code: FromQuery[str] = "", cursor: Cursor = "", limit: Limit = 50) -> dead.Letters:
    """What was put aside, the newest first, with its reason; `code`: only these. Long bodies are cut."""
    return dead.letters(wired(state).services.book, code=code, cursor=cursor, limit=limit)


@get("/api/dead-letters/{position:str}", opt=READ, sync_to_thread=True)
def dead_letter(state: State, position: Position) -> dead.Letter:
    """One dead letter with all of its bytes."""
    return dead.letter(wired(state).services.book, numbers_of(plain(position), 1)[0])


@post("/api/dead-letters/replay", opt=WRITE, status_code=200)
async def replay(request: Request[Any, Any, Any], state: State) -> Response[bytes]:
    """Take dead letters in again after the mend, at most 1,000 a call: {"positions": [...]} or {"code": "poison"}."""
    services = wired(state).services
    body = unpack(dict(request.scope["headers"]), await request.body(), BODY_BYTES_MAX)

    def work() -> dead.Replayed:
        asked = body_of(body, Replay)
        done = dead.replay(services.book, positions=asked.positions, code=asked.code, as_new=asked.as_new)
        services.wake()
        return done

    return await wired(state).once.done(request, body, work)


ROUTES = (catalog, catalog_event, dead_letters, dead_letter, replay)
