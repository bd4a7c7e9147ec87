"""The REST API of identity: the graph of a person, merges and splits by staff with a preview, refused merges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.datastructures import State
from litestar.params import FromQuery, PathParameter

from einklang.app import graph, stitching
from einklang.app.answers import Page
from einklang.app.ports import Reader
from einklang.app.state import State as Engine
from einklang.kernel.errors import InputError
from einklang.web.access import principal
from einklang.web.api import READ, WRITE, Cursor, Id, Limit, Req, plain, wired
from einklang.web.sources_api import body_of

ReviewId = Annotated[int, PathParameter(description="`id` of a review")]
Decide = Callable[[Reader, Engine, str], stitching.Decision]


class Merge(msgspec.Struct, forbid_unknown_fields=True):
    """With whom, by id or kind:value, and why."""

    other: str
    why: str


class Split(msgspec.Struct, forbid_unknown_fields=True):
    """What goes, as kind:value, and why. identifiers: empty = what the latest merge brought."""

    why: str
    identifiers: list[str] = []


class Verdict(msgspec.Struct, forbid_unknown_fields=True):
    """decision: merge or keep_apart; why in a sentence."""

    decision: str
    why: str


async def _decided(request: Req, state: State, raw: bytes, decide: Decide, preview: bool) -> Response[Any]:
    """Show what a decision changes; unless it is a preview, put it into the log first: the next tick carries it out."""
    found = wired(state)
    services = found.services

    def work() -> stitching.Preview:
        now, actor = services.now(), principal(request)
        with services.book.snapshot() as reader:
            engine = Engine(
                services.salt,
                found.in_force(),
                link_key=services.link_key,
                base_url=services.base_url,
                channels=frozenset(),
            )
            decision = decide(reader, engine, actor)
            shown = stitching.preview(reader, engine, decision, now=now)
        if not preview:
            shown.message_id = stitching.append(services.book, decision, now=now)
            services.wake()
        return shown

    return await found.once.done(request, raw, work)


@get("/api/persons/{person_id:str}/identity", opt=READ, sync_to_thread=True)
def identity(state: State, person_id: Id) -> graph.Graph:
    """The identifiers of a person, the evidence between them, devices, merges and splits."""
    found = wired(state)
    with found.services.book.snapshot() as reader:
        return graph.graph(reader, found.in_force().identity, plain(person_id))


@post("/api/persons/{person_id:str}/merge", opt=WRITE, status_code=200)
async def post_merge(
    request: Req, state: State, person_id: Id, preview: FromQuery[bool] = False
) -> Response[stitching.Preview]:
    """This person and another are one; `preview=true` only shows what would change."""
    raw = await request.body()
    said, one = body_of(raw, Merge), plain(person_id)

    def decide(reader: Reader, engine: Engine, actor: str) -> stitching.Decision:
        return stitching.merge(reader, engine, one, said.other, actor=actor, why=said.why)

    return await _decided(request, state, raw, decide, preview)


@post("/api/persons/{person_id:str}/split", opt=WRITE, status_code=200)
async def post_split(
    request: Req, state: State, person_id: Id, preview: FromQuery[bool] = False
) -> Response[stitching.Preview]:
    """This person is two; `preview=true` only shows what would change."""
    raw = await request.body()
    said, one = body_of(raw, Split), plain(person_id)

    def decide(reader: Reader, engine: Engine, actor: str) -> stitching.Decision:
        return stitching.split(reader, engine, one, said.identifiers, actor=actor, why=said.why)

    return await _decided(request, state, raw, decide, preview)


@get("/api/reviews", opt=READ, sync_to_thread=True)
def reviews(state: State, person: FromQuery[str] = "", cursor: Cursor = "", limit: Limit = 50) -> Page[graph.Review]:
    """Refused merges that nobody has decided about, the newest first; `person`: only those of one person."""
    with wired(state).services.book.snapshot() as reader:
        return graph.reviews(reader, person=person, cursor=cursor, limit=limit)


@post("/api/reviews/{review_id:int}", opt=WRITE, status_code=200)
async def post_review(
    request: Req, state: State, review_id: ReviewId, preview: FromQuery[bool] = False
) -> Response[stitching.Preview]:
    """Decide about a refused merge: `merge` or `keep_apart`; `preview=true` only shows what would change."""
    raw = await request.body()
    said = body_of(raw, Verdict)
    if said.decision not in ("merge", "keep_apart"):
        mend = "send merge or keep_apart"
        raise InputError("unknown_decision", f"no decision {said.decision[:40]!r}", where="decision", mend=mend)

    def decide(reader: Reader, engine: Engine, actor: str) -> stitching.Decision:
        found = graph.review(reader, review_id)
        pair = found.person_a.person_id, found.person_b.person_id
        if said.decision == "merge":
            return stitching.merge(reader, engine, *pair, actor=actor, why=said.why)
        return stitching.keep_apart(reader, *pair, actor=actor, why=said.why)

    return await _decided(request, state, raw, decide, preview)


ROUTES: tuple[Any, ...] = (identity, post_merge, post_split, reviews, post_review)
