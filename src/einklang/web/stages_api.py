"""The REST API of stages: where somebody is and why, how many are where, who went where, and notes of staff."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.params import FromQuery

from einklang.app import queries_stages
from einklang.app.answers import Page
from einklang.app.state import State as Reading
from einklang.web.access import principal
from einklang.web.api import READ, WRITE, Id, plain, wired
from einklang.web.sources_api import body_of


class StageNote(msgspec.Struct, forbid_unknown_fields=True):
    """What staff know: the id of the stages, the name of one of them ("" takes earlier notes back), and why."""

    stage: str
    name: str
    why: str


class StageNoted(msgspec.Struct):
    """The message id of the entry."""

    message_id: str


@get("/api/stages", opt=READ, sync_to_thread=True)
def all_stages(state: State) -> Page[queries_stages.StageItem]:
    """Every definition of stages, and how many persons are in each stage."""
    found = wired(state)
    with found.services.book.snapshot() as reader:
        return Page(queries_stages.counts(reader, found.in_force()))


@get("/api/stages/{stage_id:str}/changes", opt=READ, sync_to_thread=True)
def stage_changes(state: State, stage_id: Id, days: FromQuery[int] = 30) -> queries_stages.Changes:
    """How often somebody went from one stage to another within the last days, the most frequent first."""
    found = wired(state)
    services = found.services
    with services.book.snapshot() as reader:
        return queries_stages.changes(reader, services.lake, found.in_force(), plain(stage_id), days, services.now())


@get("/api/stages/{stage_id:str}/why", opt=READ, sync_to_thread=True)
def why_stage(state: State, stage_id: Id, person: FromQuery[str]) -> queries_stages.StageWhy:
    """Why a person (id or kind:value) is in a stage: the rules of all of them as trees, each part with its value."""
    services = wired(state).services
    reading = Reading(services.salt, wired(state).in_force(), link_key=b"", base_url="", channels=frozenset())
    with services.book.snapshot() as reader:
        return queries_stages.why(reader, reading, plain(stage_id), person, services.now())


@get("/api/persons/{person_id:str}/stages", opt=READ, sync_to_thread=True)
def person_stages(state: State, person_id: Id) -> Page[queries_stages.StageSince]:
    """In which stages a person is since when, and which ones staff may note."""
    found = wired(state)
    with found.services.book.snapshot() as reader:
        return Page(queries_stages.of_person(reader, found.in_force(), plain(person_id)))


@post("/api/persons/{person_id:str}/stages", opt=WRITE, status_code=200)
async def post_stage(request: Request[Any, Any, Any], state: State, person_id: Id) -> Response[StageNoted]:
    """Note what staff know of a person's stage: {"stage", "name", "why"}; who noted it stands in the log. It counts as
    long as `noted` of the stage says; the name "" takes earlier notes back.
    """
    found, raw = wired(state), await request.body()
    services = found.services
    said, person, actor = body_of(raw, StageNote), plain(person_id), principal(request)

    def work() -> StageNoted:
        key = queries_stages.note(
            services.book, found.in_force(), person, said.stage, said.name, said.why, actor=actor, now=services.now()
        )
        services.wake()
        return StageNoted(key)

    return await found.once.done(request, raw, work)


ROUTES: tuple[Any, ...] = (all_stages, stage_changes, why_stage, person_stages, post_stage)
