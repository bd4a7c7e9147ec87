"""Requests that may be repeated: with an `Idempotency-Key` the same POST has one effect and one answer for a day."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from litestar import Request, Response

from einklang.app.ports import Row, Tx
from einklang.kernel.errors import Conflict, InputError, Unavailable
from einklang.kernel.ids import content_hash
from einklang.kernel.time import DAY, MINUTE
from einklang.web.access import principal
from einklang.web.encode import encode
from einklang.web.services import Services

KEY_CHARS_MAX = 200
#: The status of a key whose request has no answer yet. After so long whoever had it is gone: who is not says it sooner.
_ACTING, _GONE_AFTER, _SAID_EVERY_S = 0, MINUTE, 20.0
#: How often, and in which pauses, another process is asked for its answer.
_ASKED_TIMES, _PAUSE_S = 200, 0.05
Work = Callable[[], Awaitable[tuple[int, bytes]]]
Kept = Callable[[bytes], bytes]


class Once:
    """Answers of repeated requests, kept in the Book."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._busy: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    async def answer(
        self, request: Request[Any, Any, Any], body: bytes, work: Work, *, kept: Kept = bytes
    ) -> Response[Any]:
        """The stored answer of this key, or that of `work`, of which `kept` is then stored: no secret may be in it.

        Raises InputError `bad_idempotency_key`, Conflict `idempotency_key_reused` for another body or address,
        `idempotency_key_busy`.
        """
        said = request.headers.get("idempotency-key")
        if said is None:
            return _json(*await work())
        if not 1 <= len(said) <= KEY_CHARS_MAX or not said.isprintable():
            mend = f"send 1 to {KEY_CHARS_MAX} printable characters"
            raise InputError("bad_idempotency_key", "not a key", where="Idempotency-Key", mend=mend)
        query = request.scope["query_string"].decode("latin-1")
        route = request.scope["path"] + (f"?{query}" if query else "")
        key, hashed = f"{principal(request)} {said}", content_hash(body)
        lock = self._busy.setdefault(key, asyncio.Lock())
        async with lock:
            before = await self._begin(key, route, hashed)
            if before is not None:
                return _json(before[2], before[3], repeated=True)
            try:
                async with self._at_work(key):
                    status, answer = await work()
            except BaseException:
                await asyncio.shield(self._put(key, route, hashed, 0, b"", self.services.now() - DAY))
                raise
            await self._put(key, route, hashed, status, kept(answer), self.services.now())
            return _json(status, answer)

    async def done(self, request: Request[Any, Any, Any], body: bytes, work: Callable[[], Any]) -> Response[Any]:
        """`answer` of work that blocks, and gives what is to be answered."""

        async def answer() -> tuple[int, bytes]:
            return 200, encode(await asyncio.to_thread(work))

        return await self.answer(request, body, answer)

    async def _begin(self, key: str, route: str, hashed: bytes) -> Row | None:
        """The answer that is kept of this key; None: this request is the one that acts, and others wait for its answer.

        Raises Conflict `idempotency_key_reused`, `idempotency_key_busy`: another process has not answered yet.
        """
        for _ in range(_ASKED_TIMES):
            found = await self._claim(key, route, hashed)
            if found is None:
                return None
            if found[0] != route or found[1] != hashed:
                mend = "use a fresh key for another request"
                what = "the key came with another request"
                raise Conflict("idempotency_key_reused", what, where="Idempotency-Key", mend=mend)
            if found[2] != _ACTING:
                return found
            await asyncio.sleep(_PAUSE_S)
        what, mend = "a request with this key is not answered yet", "send it again in a minute"
        raise Conflict("idempotency_key_busy", what, where="Idempotency-Key", mend=mend)

    async def _claim(self, key: str, route: str, hashed: bytes) -> Row | None:
        """What is known of the key; None: nothing until now, or its process is gone."""
        book, now = self.services.book, self.services.now()

        def claim(tx: Tx) -> Row | None:
            known = tx.read("idempotency_get", key, now - DAY)
            if known and (known[0][2] != _ACTING or tx.read("idempotency_get", key, now - _GONE_AFTER)):
                return known[0]
            tx.write("idempotency_expire", [(now - DAY,)])
            tx.write("idempotency_put", [(key, route, hashed, _ACTING, b"", now)])
            return None

        try:
            return await asyncio.to_thread(book.transact, claim)
        except Unavailable as error:
            if error.code != "disk_full":
                raise
            return None  # a withdrawal is taken all the same

    @asynccontextmanager
    async def _at_work(self, key: str) -> AsyncIterator[None]:
        """However long it takes, no other process takes it for gone: that it is at work is said again and again."""

        def say(tx: Tx) -> None:
            tx.write("idempotency_acting", [(self.services.now(), key, _ACTING)])

        async def stay() -> None:
            while True:
                await asyncio.sleep(_SAID_EVERY_S)
                with suppress(Unavailable):
                    await asyncio.to_thread(self.services.book.transact, say)

        staying = asyncio.create_task(stay())
        try:
            yield
        finally:
            staying.cancel()

    async def _put(self, key: str, route: str, hashed: bytes, status: int, answer: bytes, at: int) -> None:
        """Keep the answer. On a full disk it is given without: what was done is done."""
        row = (key, route, hashed, status, answer, at)
        try:
            await asyncio.to_thread(self.services.book.transact, lambda tx: tx.write("idempotency_put", [row]))
        except Unavailable as error:
            if error.code != "disk_full":
                raise


def _json(status: int, body: bytes, *, repeated: bool = False) -> Response[Any]:
    headers = {"Idempotent-Replayed": "true"} if repeated else {}
    return Response(body, status_code=status, media_type="application/json", headers=headers)
