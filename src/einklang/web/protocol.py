"""HTTP on a connection, bounded: who connects and says nothing, or says it too slowly or without end, is let go.

uvicorn has no limit on the time and size of a request's head; without one, a thousand silent connections are all that
it takes to shut everybody else out (slow loris).
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from einklang.web.limits import Bounds

_CLOSE = b"retry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_FULL = b"HTTP/1.1 503 Service Unavailable\r\n" + _CLOSE
_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + _CLOSE
#: How much longer than its route allows a body may take before the connection is cut without an answer.
_LENIENCE = 2.0


class _Bounded(HttpToolsProtocol):
    bounds: Bounds
    _timer: asyncio.TimerHandle | None = None
    _in_head = _begun = False
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) > self.bounds.connections:
            self._end(_FULL)
        else:
            self._arm(self.bounds.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._arm(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._begun = False
        super().data_received(data)
        if self._in_head and not self._begun:  # this piece belongs to the head alone
            self._head_bytes += len(data)
            if self._head_bytes > self.bounds.head_bytes:
                self._end(_LONG)
        cycle: RequestResponseCycle | None = self.cycle
        if self._timer is None and (cycle is None or cycle.response_complete):
            self._arm(self.bounds.head_seconds)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._begun, self._head_bytes = True, True, 0
        if self._timer is None:
            self._arm(self.bounds.head_seconds)

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()
        self._arm(self.bounds.body_seconds * _LENIENCE)

    def on_message_complete(self) -> None:
        self._arm(None)
        super().on_message_complete()

    def _arm(self, seconds: float | None) -> None:
        """Let go of the connection in so many seconds unless something arrives; None: it may take its time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None and not self.transport.is_closing():
            self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _end(self, answer: bytes) -> None:
        self._arm(None)
        self.transport.write(answer)
        self.transport.close()


def protocol(bounds: Bounds) -> type[asyncio.Protocol]:
    """The protocol class of a server with these bounds: uvicorn makes one object a connection."""
    made: Any = type("BoundedProtocol", (_Bounded,), {"bounds": bounds})
    return made  # type: ignore[no-any-return]  # a class made at run time
