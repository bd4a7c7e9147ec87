"""The log as server-sent events: new entries as they are processed, the status now and then, a heartbeat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from einklang.app import answers
from einklang.app.queries_log import fresh, reached
from einklang.kernel.errors import InputError, Unavailable
from einklang.web.encode import encode
from einklang.web.services import Services

PAGE = 200
STREAMS_MAX = 200
HEARTBEAT_S = 15.0
#: The status is at most a second old: after news it is asked for once more, or the last change would not be told.
AGAIN_S = 1.1


def last_event_id(said: str) -> int | None:
    """The seq after which to go on; None: from now. Raises InputError `bad_cursor`."""
    if not said:
        return None
    if not (said.isascii() and said.isdecimal() and len(said) < 19):
        raise InputError(
            "bad_cursor",
            f"not a place in the log: {said[:40]!r}",
            where="Last-Event-ID",
            mend="send the id of the last event",
        )
    return int(said)


async def open_stream(
    services: Services, after: int | None, status: Callable[[], answers.Status]
) -> AsyncIterator[bytes]:
    """The stream from `after` on. Raises Unavailable `overloaded` when too many listen."""
    if len(services.hub) >= STREAMS_MAX:
        raise Unavailable("overloaded", "too many listen", where="/api/stream", mend="close another window")
    seq = after if after is not None else await asyncio.to_thread(reached, services.book)
    return _events(services, seq, status)


async def _events(services: Services, seq: int, status: Callable[[], answers.Status]) -> AsyncIterator[bytes]:
    woken = services.hub.join()
    try:
        yield b"retry: 2000\n\n"
        told, news = b"", True
        while not services.hub.closed:
            woken.clear()
            found, entries = await asyncio.to_thread(fresh, services.book, seq, PAGE)
            for entry in entries:
                yield b"id: %d\ndata: %s\n\n" % (entry.seq, encode(entry))
            more, seq = found > seq, found
            if more and entries:
                continue
            now_told = encode(await asyncio.to_thread(status))
            if now_told != told:
                told = now_told
                yield b"event: status\ndata: %s\n\n" % told
            try:
                async with asyncio.timeout(min(AGAIN_S, HEARTBEAT_S) if news else HEARTBEAT_S):
                    await woken.wait()
                news = True
            except TimeoutError:
                if not news:
                    yield b": beat\n\n"
                news = False
    finally:
        services.hub.leave(woken)
