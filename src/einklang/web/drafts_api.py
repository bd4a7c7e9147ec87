"""The REST API of drafts, for agents: found by a code that a customer tells, or by the person, and gone on with.

A code stands in a body and never in an address. What is saved is saved once: the same saving again changes nothing.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.datastructures import State
from litestar.params import PathParameter

from einklang.app import drafts
from einklang.app.answers import Page
from einklang.app.drafts import Draft, Ref, Saving
from einklang.app.find import person_id as living
from einklang.kernel.errors import NotFound
from einklang.web.access import principal
from einklang.web.api import READ, plain, wired
from einklang.web.drafts import exact
from einklang.web.services import Services

WRITE = {"permission": "write"}
PersonId = Annotated[str, PathParameter(description="id, or kind:value such as email:a@b.example")]
Req = Request[Any, Any, Any]


class AgentSaving(Saving, forbid_unknown_fields=True):
    """What an agent saves. ref: of the draft, from the answer that showed it."""

    ref: str = ""


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """What leads to a draft: the code that a customer tells, or the reference of one that was shown before."""

    code: str = ""
    ref: str = ""


class AgentDraft(msgspec.Struct):
    """A draft, and the reference by which an agent goes on with it."""

    ref: str
    draft: Draft


def _for_agent(services: Services, ref: Ref, draft: Draft) -> AgentDraft:
    return AgentDraft(drafts.seal(services.link_key, drafts.AGENT, ref), draft)


@get("/api/persons/{person_id:str}/drafts", opt=READ, sync_to_thread=True)
def person_drafts(state: State, person_id: PersonId) -> Page[AgentDraft]:
    """The open drafts of a person, the one saved last first: what was typed on forms and not sent yet."""
    services = wired(state).services
    with services.book.snapshot() as reader:
        person = living(reader, plain(person_id))
        found = drafts.of_person(reader, person, services.now())
    return Page([_for_agent(services, Ref(one.id, "person", person), one) for one in found])


@post("/api/drafts/find", opt=WRITE, status_code=200)
async def find_draft(request: Req, state: State) -> AgentDraft:
    """The draft of a code that a customer tells: `{"code": "K7F3-QX9P"}`. After five wrong ones: 429, five minutes.

    `{"ref"}`: one that was shown before, as it is now.
    """
    found = wired(state)
    services, who = found.services, f"code {principal(request)}"
    said = exact(await request.body(), Wanted)

    def look() -> AgentDraft:
        with services.book.snapshot() as reader:
            if said.ref:
                ref = drafts.unseal(services.link_key, drafts.AGENT, said.ref)
            else:
                ref = drafts.by_code(reader, said.code, now=services.now(), salt=services.salt)
            return _for_agent(services, ref, drafts.find(reader, ref, services.now()))

    if said.ref:
        return await asyncio.to_thread(look)
    found.attempts.check(who, services.now())
    try:
        return await asyncio.to_thread(look)
    except NotFound:
        found.attempts.failed(who, services.now())
        raise


@post("/api/drafts", opt=WRITE, status_code=200)
async def post_draft(request: Req, state: State) -> AgentDraft:
    """Go on with a draft: `{"ref", "fields", "version"}`, or close it by `{"ref", "outcome": "submitted"|"discarded"}`.

    409 `draft_changed` if somebody saved it meanwhile. Answered once durable.
    """
    found = wired(state)
    services, said = found.services, exact(await request.body(), AgentSaving)
    ref = drafts.unseal(services.link_key, drafts.AGENT, said.ref)
    draft = await asyncio.to_thread(
        drafts.save,
        services.book,
        ref,
        Saving(said.fields, said.version, said.outcome),
        form=None,
        identifiers={ref.kind: ref.value},
        by=drafts.AGENT,
        actor=principal(request),
        source="einklang",
        touchpoint="agent",
        now=services.now(),
        limits=services.limits,
    )
    services.wake()
    return _for_agent(services, ref, draft)


ROUTES: tuple[Any, ...] = (person_drafts, find_draft, post_draft)
