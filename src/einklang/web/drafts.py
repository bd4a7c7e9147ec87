"""Drafts of their owners, `/v1/draft`: saved with a write key, read with the token that the first saving gave.

A token stands in a body or in Authorization: never in an address, an error or the log. Agents: `drafts_api`.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from einklang.app import drafts
from einklang.app.drafts import Draft, Ref, Saving
from einklang.kernel.errors import InputError
from einklang.kernel.time import format_moment
from einklang.web.body import HttpError
from einklang.web.encode import encode
from einklang.web.services import Services

T = TypeVar("T", bound=msgspec.Struct)


class OwnSaving(Saving, forbid_unknown_fields=False):
    """What an owner saves. draft: the token of one that is there; form: of a new one. code: a call code is wanted."""

    draft: str | None = None
    form: str = ""
    userId: str | int | None = None
    anonymousId: str | int | None = None
    touchpoint: str = "web"
    code: bool = False


def exact(raw: bytes, kind: type[T]) -> T:
    """A body, its numbers as they were written. Raises InputError `bad_body`."""
    try:
        return msgspec.json.Decoder(kind, float_hook=Decimal).decode(raw)
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError) as error:
        what, _, where = str(error).partition(" - at ")
        mend = "send a JSON object with " + ", ".join(kind.__struct_fields__)
        raise InputError("bad_body", what, where=where.strip("`$.") or "body", mend=mend) from error


# --- their owners ---


async def save_own(services: Services, body: bytes, source: str) -> bytes:
    """Save what an owner typed; the answer, once durable."""
    said = exact(body, OwnSaving)
    ids = {"userId": _text(said.userId), "anonymousId": _text(said.anonymousId)}
    ids = {kind: value for kind, value in ids.items() if value}
    if said.draft is None:
        ref = drafts.begin(said.form, ids, services.new_token())
    else:
        ref = drafts.unseal(services.link_key, drafts.OWNER, said.draft)
        if ref.kind == "userId" and ids.get("userId", ref.value) != ref.value:
            mend = "begin a new draft after a change of user"
            raise HttpError(403, "other_owner", "the draft is somebody else's", where="draft", mend=mend)
        ids[ref.kind] = ref.value
    draft = await asyncio.to_thread(
        drafts.save,
        services.book,
        ref,
        Saving(said.fields, said.version, said.outcome),
        form=said.form if said.draft is None else None,
        identifiers=ids,
        by=drafts.OWNER,
        actor="",
        source=source,
        touchpoint=said.touchpoint[:40],
        now=services.now(),
        limits=services.limits,
    )
    services.wake()
    told: dict[str, Any] = {"success": True, **_shown(services, ref, draft)}
    if said.code and draft.status == "open":
        now = services.now()
        told["code"] = await asyncio.to_thread(
            drafts.make_code, services.book, ref, services.new_token(), now=now, salt=services.salt
        )
        told["codeEndsAt"] = format_moment(now + drafts.CODE_US)
    return encode(told)


async def show_own(services: Services, authorization: bytes) -> bytes:
    """The draft of a token."""
    scheme, _, token = authorization.decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not token:
        mend = "send Authorization: Bearer and the token of the draft"
        raise HttpError(401, "no_token", "a draft is shown to who has its token", where="Authorization", mend=mend)
    ref = drafts.unseal(services.link_key, drafts.OWNER, token.strip())
    draft = await asyncio.to_thread(_found, services, ref)
    return encode({**_shown(services, ref, draft), "form": draft.form, "fields": draft.fields, "by": draft.by})


def _found(services: Services, ref: Ref) -> Draft:
    with services.book.snapshot() as reader:
        return drafts.find(reader, ref, services.now())


def _text(value: str | int | None) -> str:
    return "" if value is None else str(value).strip()


def _shown(services: Services, ref: Ref, draft: Draft) -> dict[str, Any]:
    token = drafts.seal(services.link_key, drafts.OWNER, ref)
    return {"draft": token, "version": draft.version, "status": draft.status, "savedAt": draft.saved_at}
