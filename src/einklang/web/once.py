"""Requests that may be repeated: with an `Idempotency-Key` the same POST has one effect and one answer for a day."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Request, Response

from einklang.kernel.errors import Conflict, InputError
from einklang.kernel.ids import content_hash
from einklang.kernel.time import DAY
from einklang.web.access import principal
from einklang.web.services import Services

KEY_CHARS_MAX = 200
Work = Callable[[], Awaitable[tuple[int, bytes]]]
Kept = Callable[[bytes], bytes]


class Once:
    """Answers of repeated requests, kept in the Book."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._busy: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    async def answer(
        self, request: Request[Any, Any, Any], body: bytes, work: Work, *, kept: Kept = bytes
    ) -> Response[bytes]:
        """The stored answer of this key, or that of `work`, of which `kept` is then stored: no secret may be in it.

        Raises InputError `bad_idempotency_key`, Conflict `idempotency_key_reused` for another body or address.
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
            book, now = self.services.book, self.services.now()
            rows = await asyncio.to_thread(book.read, "idempotency_get", key, now - DAY)
            if rows:
                if rows[0][0] != route or rows[0][1] != hashed:
                    mend = "use a fresh key for another request"
                    raise Conflict(
                        "idempotency_key_reused",
                        "the key came with another request",
                        where="Idempotency-Key",
                        mend=mend,
                    )
                return _json(rows[0][2], rows[0][3], repeated=True)
            status, answer = await work()

            def store(tx: Any) -> None:
                tx.write("idempotency_expire", [(now - DAY,)])
                tx.write("idempotency_put", [(key, route, hashed, status, kept(answer), now)])

            await asyncio.to_thread(book.transact, store)
            return _json(status, answer)


def _json(status: int, body: bytes, *, repeated: bool = False) -> Response[bytes]:
    headers = {"Idempotent-Replayed": "true"} if repeated else {}
    return Response(body, status_code=status, media_type="application/json", headers=headers)
