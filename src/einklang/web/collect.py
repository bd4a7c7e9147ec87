"""The tracking API, dispatched in front of the framework: raw ASGI, no object a request more than needed.

The way of a request: method and path -> body within its limits -> unpacked -> whose key -> judged and appended
(`app.collect`) -> answered once durable. What waits in memory is bounded: beyond it requests are answered 429.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode
from time import monotonic
from typing import Any

import msgspec

from einklang.app import keys
from einklang.app.collect import Accepted, collect
from einklang.kernel.errors import EinklangError, InputError, Unavailable
from einklang.kernel.limits import BODY_BYTES_MAX
from einklang.kernel.reasons import Rejected
from einklang.web.body import HttpError, read_body, unpack
from einklang.web.metrics import Metrics
from einklang.web.services import Services

_LONG = ("identify", "track", "page", "screen", "alias", "group", "batch")
#: Path below /v1/ -> kind of body; the browser forms of analytics.js beside the full names.
KINDS = {name: name for name in _LONG} | {name[0]: name for name in _LONG}
#: Request bodies that may be in memory at one time, and how long a client may take to send one.
IN_FLIGHT_MAX = 1_024
IN_FLIGHT_BYTES_MAX = 64 * 1024 * 1024
BODY_SECONDS_MAX = 30.0
RETRY_SECONDS = "1"
_KEY_SECONDS = 30.0
_KEYS_MAX = 1_000
_TOO_LARGE = frozenset({Rejected.TOO_LARGE, Rejected.BATCH_TOO_LONG})
_PLAIN = frozenset({b"", b"application/json", b"text/plain", b"text/json", b"application/octet-stream"})
_FORM = b"application/x-www-form-urlencoded"
_CORS = (
    (b"access-control-allow-origin", b"*"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
)
_PREFLIGHT = (
    (b"access-control-allow-methods", b"POST"),
    (b"access-control-allow-headers", b"authorization, content-type, content-encoding, x-retry-count"),
    (b"access-control-max-age", b"86400"),
)
_DONE = b'{"success":true}'
_WRITE_KEY = re.compile(rb'"writeKey"\s*:\s*"([^"\\]{1,200})"')


class _Keyed(msgspec.Struct):
    writeKey: str | None = None


class _Refused(msgspec.Struct):
    """A refused item of a batch, as clients read it."""

    index: int
    messageId: str
    code: str
    message: str


class _Partly(msgspec.Struct):
    success: bool
    rejected: list[_Refused]


_keyed = msgspec.json.Decoder(_Keyed)


def answer_of(accepted: Accepted) -> bytes:
    """The JSON of 200: `{"success": true}`, with the refused items where there are any."""
    if not accepted.judged.rejected:
        return _DONE
    rows = [_Refused(one.index, one.message_id, one.code, one.message) for one in accepted.judged.rejected]
    return msgspec.json.encode(_Partly(True, rows))


class Collect:
    """ASGI application of /v1/."""

    def __init__(self, services: Services, metrics: Metrics) -> None:
        self.services = services
        self.metrics = metrics
        self._keys: dict[bytes, tuple[str, float]] = {}
        self._in_flight = 0
        self._in_flight_bytes = 0

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        status, body, extra = await self._answer(scope, receive)
        self.metrics.collected(status)
        headers = [*_CORS, *extra, (b"content-length", str(len(body)).encode())]
        if body:
            headers.append((b"content-type", b"application/json"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: dict[str, Any], receive: Any) -> tuple[int, bytes, tuple[tuple[bytes, bytes], ...]]:
        try:
            kind = KINDS.get(scope["path"].removeprefix("/v1/").rstrip("/"))
            if kind is None:
                raise HttpError(404, "not_found", "no such call", mend="POST to /v1/" + "|".join(_LONG))
            if scope["method"] == "OPTIONS":
                return 204, b"", _PREFLIGHT
            if scope["method"] != "POST":
                raise HttpError(
                    405, "wrong_method", f"{scope['method']} is not POST", where=kind, mend="send it by POST"
                )
            accepted = await self._collect(kind, scope, receive)
            self.metrics.judged(accepted.items, len(accepted.judged.rejected))
            return 200, answer_of(accepted), ()
        except EinklangError as error:
            return _refusal(error)

    async def _collect(self, kind: str, scope: dict[str, Any], receive: Any) -> Accepted:
        if self._in_flight >= IN_FLIGHT_MAX or self._in_flight_bytes >= IN_FLIGHT_BYTES_MAX:
            raise Unavailable("overloaded", "too many requests at once", where=kind, mend="send again a little later")
        headers = dict(scope["headers"])
        said = headers.get(b"content-length", b"")
        size = min(int(said), BODY_BYTES_MAX) if said.isdigit() and len(said) < 19 else BODY_BYTES_MAX
        self._in_flight += 1
        self._in_flight_bytes += size
        try:
            async with asyncio.timeout(BODY_SECONDS_MAX):
                raw = await read_body(headers, receive, BODY_BYTES_MAX)
            body = unpack(headers, raw, BODY_BYTES_MAX)
            check_type(headers, packed=body is not raw)
            source = await self._source(headers, body)
            services = self.services
            accepted = collect(services.book, kind, body, source=source, now=services.now(), salt=services.salt)
            if accepted.durable is not None:
                await asyncio.wrap_future(accepted.durable)
                services.wake()
            return accepted
        except TimeoutError as error:
            raise HttpError(
                408, "too_slow", "the body did not arrive in time", where=kind, mend="send it again"
            ) from error
        finally:
            self._in_flight -= 1
            self._in_flight_bytes -= size

    async def _source(self, headers: dict[bytes, bytes], body: bytes) -> str:
        """Id of the source whose write key came with the request. Raises HttpError 401."""
        found = keys.key_hash(_basic_user(headers) or _key_in(body))
        known = self._keys.get(found)
        if known is not None and known[1] > monotonic():
            return known[0]
        allowed = await asyncio.to_thread(keys.allowed, self.services.book, found, self.services.now())
        if allowed is None or allowed.kind != keys.WRITE:
            raise HttpError(
                401,
                "unknown_write_key",
                "no source has this write key",
                where="Authorization",
                mend="send the write key as the user name of Basic authentication",
            )
        if len(self._keys) >= _KEYS_MAX:
            self._keys.clear()
        self._keys[found] = (allowed.source, monotonic() + _KEY_SECONDS)
        return allowed.source


def check_type(headers: dict[bytes, bytes], *, packed: bool) -> None:
    """Whether this may be JSON by its Content-Type; what is gzipped may be called anything. Raises HttpError 415."""
    said = headers.get(b"content-type", b"").lower()
    name, _, rest = said.partition(b";")
    name = name.strip()
    charset = rest.partition(b"charset=")[2].strip(b' "')
    if charset and charset not in (b"utf-8", b"utf8", b"us-ascii"):
        shown = charset[:40].decode("latin-1")
        raise HttpError(415, "wrong_charset", f"charset {shown!r}", where="Content-Type", mend="send JSON in UTF-8")
    if packed or name in _PLAIN or name == _FORM or name.endswith(b"+json"):
        return
    shown = name[:80].decode("latin-1")
    mend = "send Content-Type: application/json"
    raise HttpError(415, "not_json_type", f"{shown!r} is not JSON", where="Content-Type", mend=mend)


def _basic_user(headers: dict[bytes, bytes]) -> str:
    """The user name of Basic authentication, "" without. Raises HttpError 401 if it cannot be read."""
    said = headers.get(b"authorization", b"")
    if not said:
        return ""
    scheme, _, value = said.partition(b" ")
    try:
        if scheme.lower() != b"basic":
            raise ValueError(scheme)
        return b64decode(value.strip(), validate=True).decode().partition(":")[0]
    except ValueError as error:
        mend = "send the write key as the user name of Basic authentication"
        raise HttpError(
            401, "bad_authorization", "not Basic authentication", where="Authorization", mend=mend
        ) from error


def _key_in(body: bytes) -> str:
    """`writeKey` of the body, "" without."""
    try:
        return _keyed.decode(body).writeKey or ""
    except (msgspec.MsgspecError, ValueError, RecursionError):
        found = _WRITE_KEY.search(body)
        return found[1].decode("utf-8", "replace") if found else ""


def _refusal(error: EinklangError) -> tuple[int, bytes, tuple[tuple[bytes, bytes], ...]]:
    status = error.status
    if isinstance(error, InputError) and error.code in _TOO_LARGE:
        status = 413
    if error.code == "overloaded":
        status = 429
    extra: tuple[tuple[bytes, bytes], ...] = ()
    if status in (429, 503):
        extra = ((b"retry-after", RETRY_SECONDS.encode()),)
    elif status == 401:
        extra = ((b"www-authenticate", b'Basic realm="einklang"'),)
    elif status == 405:
        extra = ((b"allow", b"POST, OPTIONS"),)
    elif status == 415:
        extra = ((b"accept-encoding", b"gzip"),)
    said = {"success": False, "code": str(error.code), "message": error.what, "where": error.where, "mend": error.mend}
    return status, msgspec.json.encode(said), extra
