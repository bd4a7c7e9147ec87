"""The REST API of destinations: how each is, what a webhook has not got; stopping, resuming, serving, retelling."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.datastructures import State
from litestar.params import FromQuery, PathParameter

from einklang.app import activation_health as health
from einklang.app.answers import Page
from einklang.web.access import principal
from einklang.web.api import READ, WRITE, Cursor, Limit, Req, plain, wired
from einklang.web.sources_api import body_of

DestinationId = Annotated[str, PathParameter(description="id of a destination, such as crm")]


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """No more is said."""


class Replay(msgspec.Struct, forbid_unknown_fields=True):
    """Which dead change is told again; 0: all of this destination."""

    seq: int = 0


async def _acted(request: Req, state: State, name: str, action: str, raw: bytes, seq: int = 0) -> Response[Any]:
    found = wired(state)
    services = found.services

    def work() -> health.Acted:
        now, actor = services.now(), principal(request)
        done = health.act(services.book, found.in_force(), name, action, actor=actor, now=now, seq=seq)
        services.wake()
        return done

    return await found.once.done(request, raw, work)


@get("/api/destinations", opt=READ, sync_to_thread=True)
def destinations(state: State) -> Page[health.DestinationShown]:
    """All destinations, and how each is: what waits, what is dead, when it is tried again and why."""
    found = wired(state)
    with found.services.book.snapshot() as reader:
        return Page(health.list_destinations(reader, found.in_force(), found.services.now()))


@get("/api/destinations/{destination_id:str}/deliveries", opt=READ, sync_to_thread=True)
def deliveries(
    state: State, destination_id: DestinationId, status: FromQuery[str] = "dead", cursor: Cursor = "", limit: Limit = 50
) -> Page[health.DeliveryShown]:
    """Changes that a webhook has not got, the newest first; `status` is `dead`, `waiting` or `overtaken`."""
    found, name = wired(state), plain(destination_id)
    with found.services.book.snapshot() as reader:
        return health.list_deliveries(reader, found.in_force(), name, status, cursor=cursor, limit=limit)


@post("/api/destinations/{destination_id:str}/pause", opt=WRITE, status_code=200)
async def pause(request: Req, state: State, destination_id: DestinationId) -> Response[health.Acted]:
    """Stop a destination: nothing more is sent or written until it is resumed."""
    raw = await request.body()
    body_of(raw, Nothing)
    return await _acted(request, state, plain(destination_id), "pause", raw)


@post("/api/destinations/{destination_id:str}/resume", opt=WRITE, status_code=200)
async def resume(request: Req, state: State, destination_id: DestinationId) -> Response[health.Acted]:
    """Go on, and try at once: what came while it was stopped is told in its order."""
    raw = await request.body()
    body_of(raw, Nothing)
    return await _acted(request, state, plain(destination_id), "resume", raw)


@post("/api/destinations/{destination_id:str}/run", opt=WRITE, status_code=200)
async def run_now(request: Req, state: State, destination_id: DestinationId) -> Response[health.Acted]:
    """Serve a destination at once, whatever its schedule says; the server begins within a second. 409 while stopped."""
    raw = await request.body()
    body_of(raw, Nothing)
    return await _acted(request, state, plain(destination_id), "run", raw)


@post("/api/destinations/{destination_id:str}/replay", opt=WRITE, status_code=200)
async def replay(request: Req, state: State, destination_id: DestinationId) -> Response[health.Acted]:
    """Tell dead changes again, under the ids that they had: one, or all of this destination."""
    raw = await request.body()
    said = body_of(raw, Replay)
    return await _acted(request, state, plain(destination_id), "replay", raw, said.seq)


ROUTES: tuple[Any, ...] = (destinations, deliveries, pause, resume, run_now, replay)
