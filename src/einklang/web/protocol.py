"""HTTP on a connection, bounded: who connects and says nothing, or says it too slowly or without end, is let go.

uvicorn has no limit on the time and size of a request's head; without one, a thousand silent connections are all that
it takes to shut everybody else out (slow loris).
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from einklang.web.body import HttpError
from einklang.web.errors import PROBLEM, encoded, headers_of, problem_of
from einklang.web.limits import Bounds


def _answer(error: HttpError) -> bytes:
    """A whole answer, for a connection on which no application can answer any more; it ends there."""
    found = problem_of(error)
    body = encoded(found)
    headers = {"content-type": PROBLEM, "content-length": str(len(body)), "connection": "close"}
    lines = [f"HTTP/1.1 {error.status} {found.title}"]
    lines += [f"{name.lower()}: {value}" for name, value in {**headers, **headers_of(error.status)}.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


_FULL = _answer(HttpError(503, "overloaded", "too many connections", mend="connect again a little later"))
_LONG = _answer(
    HttpError(431, "head_too_large", "address and headers are too long", where="head", mend="send shorter ones")
)
_BROKEN = _answer(HttpError(400, "not_http", "this is no HTTP/1.1 request", where="head", mend="see RFC 9112"))
#: How much longer than its route allows a body may take before the connection is cut without an answer.
_LENIENCE = 2.0
#: How long somebody who was refused may go on sending.
_LISTEN_SECONDS = 1.0


class _Bounded(HttpToolsProtocol):
    bounds: Bounds
    _timer: asyncio.TimerHandle | None = None
    _in_head = _begun = _refused = False
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) > self.bounds.connections:
            self.transport.write(_FULL)
            self.transport.close()
        else:
            self._arm(self.bounds.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._arm(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing() or self._refused:
            return
        self._begun = False
        super().data_received(data)
        if self._in_head and not self._begun:  # this piece belongs to the head alone
            self._head_bytes += len(data)
            if self._head_bytes > self.bounds.head_bytes:
                self._refuse(_LONG)
        cycle: RequestResponseCycle | None = self.cycle
        if self._timer is None and (cycle is None or cycle.response_complete):
            self._arm(self.bounds.head_seconds)

    def send_400_response(self, msg: str) -> None:
        self._refuse(_BROKEN)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._begun, self._head_bytes = True, True, 0
        if self._timer is None:
            self._arm(self.bounds.head_seconds)

    def on_headers_complete(self) -> None:
        self._in_head = False
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > self.bounds.head_bytes:
            self._refuse(_LONG)  # it came in one piece
        if not self._refused:
            super().on_headers_complete()
            self._arm(self.bounds.body_seconds * _LENIENCE)

    def on_body(self, body: bytes) -> None:
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._refused:
            self._arm(None)
            super().on_message_complete()

    def _arm(self, seconds: float | None) -> None:
        """Let go of the connection in so many seconds unless something arrives; None: it may take its time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None and not self.transport.is_closing():
            self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _refuse(self, answer: bytes) -> None:
        """Answer what no application can read. What still comes is thrown away for a moment: to close with bytes unread
        would reset the connection, and the answer with it."""
        if self._refused:
            return
        self._refused = True
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.pipeline.clear()
        self.transport.write(answer)
        self.transport.write_eof()
        self._arm(min(_LISTEN_SECONDS, self.bounds.head_seconds))


def protocol(bounds: Bounds) -> type[asyncio.Protocol]:
    """The protocol class of a server with these bounds: uvicorn makes one object a connection."""
    made: Any = type("BoundedProtocol", (_Bounded,), {"bounds": bounds})
    return made  # type: ignore[no-any-return]  # a class made at run time
