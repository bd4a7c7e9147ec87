"""The REST API of drafts, for agents: found by a code that a customer tells, or by the person, and gone on with.

A code stands in a body and never in an address. What is saved is saved once: the same saving again changes nothing.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.params import PathParameter

from einklang.app import drafts
from einklang.app.answers import Page
from einklang.app.drafts import Draft, Ref, Saving
from einklang.app.find import person_id as living
from einklang.app.ports import Reader
from einklang.kernel.errors import NotFound
from einklang.web.access import principal
from einklang.web.api import READ, WRITE, plain, wired
from einklang.web.drafts import exact
from einklang.web.encode import encode
from einklang.web.services import Services

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
    """A draft, and the reference by which an agent goes on with it.

    token: of its owner, for a server that has signed the owner in, to hand on to the page; null for everybody else.
    """

    ref: str
    draft: Draft
    token: str | None = None


def _for_agent(services: Services, ref: Ref, draft: Draft, user: str = "") -> AgentDraft:
    token = drafts.seal(services.link_key, drafts.OWNER, Ref(draft.id, "userId", user)) if user else None
    return AgentDraft(drafts.seal(services.link_key, drafts.AGENT, ref), draft, token)


def _user_of(reader: Reader, person: str, asked: str) -> str:
    """The user id of a person: the one that was asked for, else the first, "" without one."""
    users = [value for kind, value, _ in reader.read("identifiers_of", person) if kind == "userId"]
    wanted = asked.removeprefix("userId:")
    return wanted if wanted in users else users[0] if users else ""


@get("/api/persons/{person_id:str}/drafts", opt=READ, sync_to_thread=True)
def person_drafts(request: Req, state: State, person_id: PersonId) -> Page[AgentDraft]:
    """The open drafts of a person, the one saved last first: what was typed on forms and not sent yet.

    A server key is also given the token of the owner, with which the page of somebody who has signed in goes on.
    """
    services = wired(state).services
    with services.book.snapshot() as reader:
        person = living(reader, plain(person_id))
        found = drafts.of_person(reader, person, services.now())
        user = _user_of(reader, person, plain(person_id)) if "key" in request.scope["state"] else ""
    return Page([_for_agent(services, Ref(one.id, "person", person), one, user) for one in found])


@post("/api/drafts/find", opt=WRITE, status_code=200)
async def find_draft(request: Req, state: State) -> Response[AgentDraft]:
    """The draft of a code that a customer tells: `{"code": "K7F3-QX9P"}`. After five wrong ones: 429, five minutes.

    `{"ref"}`: one that was shown before, as it is now.
    """
    found = wired(state)
    services, who, raw = found.services, f"code {principal(request)}", await request.body()
    said = exact(raw, Wanted)

    def look() -> AgentDraft:
        with services.book.snapshot() as reader:
            if said.ref:
                ref = drafts.unseal(services.link_key, drafts.AGENT, said.ref)
            else:
                ref = drafts.by_code(reader, said.code, now=services.now(), salt=services.salt)
            return _for_agent(services, ref, drafts.find(reader, ref, services.now()))

    async def work() -> tuple[int, bytes]:
        if said.ref:
            return 200, encode(await asyncio.to_thread(look))
        found.attempts.check(who, services.now())
        try:
            return 200, encode(await asyncio.to_thread(look))
        except NotFound:
            found.attempts.failed(who, services.now())
            raise

    return await found.once.answer(request, raw, work)


@post("/api/drafts", opt=WRITE, status_code=200)
async def post_draft(request: Req, state: State) -> Response[AgentDraft]:
    """Go on with a draft: `{"ref", "fields", "version"}`, or close it by `{"ref", "outcome": "submitted"|"discarded"}`.

    409 `draft_changed` if somebody saved it meanwhile. Answered once durable.
    """
    found, raw = wired(state), await request.body()
    services, said = found.services, exact(raw, AgentSaving)
    ref = drafts.unseal(services.link_key, drafts.AGENT, said.ref)

    async def work() -> tuple[int, bytes]:
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
        return 200, encode(_for_agent(services, ref, draft))

    return await found.once.answer(request, raw, work)


ROUTES: tuple[Any, ...] = (person_drafts, find_draft, post_draft)
