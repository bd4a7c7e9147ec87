"""The REST API of sources and their keys. A key is in the answer that makes it, and nowhere else, ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.datastructures import State
from litestar.params import PathParameter

from einklang.app import keys
from einklang.app.answers import Page
from einklang.kernel.errors import InputError
from einklang.web.access import principal
from einklang.web.api import READ, WRITE, Req, plain, wired
from einklang.web.encode import encode

SourceId = Annotated[str, PathParameter(description="id of a source, such as web-shop")]
KeyId = Annotated[str, PathParameter(description="id of a key, not the key itself")]
T = TypeVar("T", bound=msgspec.Struct)
_MICROS = 1_000_000


class NewSource(msgspec.Struct, forbid_unknown_fields=True):
    """What a source is. kind: write (public, collect only) or server; events_per_s: of one key."""

    id: str
    name: str
    kind: str = keys.WRITE
    events_per_s: int | None = None


class Rotation(msgspec.Struct, forbid_unknown_fields=True):
    """For how many seconds the keys that were there still work."""

    grace_s: int = keys.GRACE_US // _MICROS


class Rate(msgspec.Struct, forbid_unknown_fields=True):
    """What one key may send a second; null: the server's setting."""

    events_per_s: int | None


class MadeKey(msgspec.Struct):
    """A source with a key that was just made. key: null where the request is repeated, as it is shown once."""

    source: keys.Source
    key: str | None


def body_of(raw: bytes, kind: type[T]) -> T:
    """The body of a request. Raises InputError `bad_body`."""
    try:
        return msgspec.json.decode(raw or b"{}", type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        what, _, where = str(error).partition(" - at ")
        names = ", ".join(kind.__struct_fields__)
        mend = f"send a JSON object with {names}"
        raise InputError("bad_body", what, where=where.strip("`$.") or "body", mend=mend) from error


async def _made(request: Req, state: State, raw: bytes, make: Callable[[str], str], source_id: str) -> Response[Any]:
    """Make a key and answer with it; what is kept to answer a repeated request has no key."""
    found = wired(state)

    async def work() -> tuple[int, bytes]:
        key = await asyncio.to_thread(make, found.services.new_token())
        found.keyring.forget()
        source = await asyncio.to_thread(keys.source, found.services.book, source_id)
        return 201, encode(MadeKey(source, key))

    def kept(answer: bytes) -> bytes:
        made = msgspec.json.decode(answer, type=MadeKey)
        return encode(MadeKey(made.source, None))

    return await found.once.answer(request, raw, work, kept=kept)


@get("/api/sources", opt=READ, sync_to_thread=True)
def sources(state: State) -> Page[keys.Source]:
    """All sources with their keys: ids, last characters, when they were made and when they end."""
    return Page(keys.sources(wired(state).services.book))


@post("/api/sources", opt=WRITE, status_code=201)
async def post_source(request: Req, state: State) -> Response[MadeKey]:
    """A new source with its first key, which is shown in this answer and never again."""
    services = wired(state).services
    raw = await request.body()
    said = body_of(raw, NewSource)

    def make(token: str) -> str:
        return keys.create(
            services.book, said.id, said.kind, said.name, token, now=services.now(), events_per_s=said.events_per_s
        )

    return await _made(request, state, raw, make, said.id)


@post("/api/sources/{source_id:str}/keys", opt=WRITE, status_code=201)
async def post_key(request: Req, state: State, source_id: SourceId) -> Response[MadeKey]:
    """Rotate: a further key, shown in this answer and never again; the others end after `grace_s` (a day)."""
    services = wired(state).services
    raw = await request.body()
    said, name = body_of(raw, Rotation), plain(source_id)

    def make(token: str) -> str:
        return keys.rotate(services.book, name, token, now=services.now(), grace=said.grace_s * _MICROS)

    return await _made(request, state, raw, make, name)


@patch("/api/sources/{source_id:str}", opt=WRITE)
async def patch_source(request: Req, state: State, source_id: SourceId) -> keys.Source:
    """Say how many events a second one key of the source may send."""
    found, name = wired(state), plain(source_id)
    said = body_of(await request.body(), Rate)
    await asyncio.to_thread(keys.limit, found.services.book, name, said.events_per_s)
    found.keyring.forget()
    return await asyncio.to_thread(keys.source, found.services.book, name)


@delete("/api/keys/{key_id:str}", opt=WRITE, status_code=204, sync_to_thread=True)
def delete_key(request: Req, state: State, key_id: KeyId) -> None:
    """Revoke a key: it works no longer. (Another process of this server may know it for up to 30 seconds.)"""
    assert principal(request)
    found = wired(state)
    keys.revoke(found.services.book, plain(key_id), now=found.services.now())
    found.keyring.forget()


ROUTES: tuple[Any, ...] = (sources, post_source, post_key, patch_source, delete_key)
