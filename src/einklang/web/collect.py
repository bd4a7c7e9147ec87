"""The tracking API, dispatched in front of the framework: raw ASGI, no object a request more than needed.

The way of a request: method and path -> body within its limits -> unpacked -> whose key -> judged and appended
(`app.collect`) -> answered once durable. What waits in memory is bounded: beyond it requests are answered 429.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import msgspec

from einklang.app import keys
from einklang.app.collect import Accepted, collect
from einklang.kernel.errors import EinklangError, InputError
from einklang.kernel.limits import BODY_BYTES_MAX
from einklang.kernel.reasons import Rejected
from einklang.profile import Kind
from einklang.web.body import RETRY_S, HttpError, read_body, unpack
from einklang.web.drafts import exact, save_own, show_own
from einklang.web.limits import InFlight, Keyring
from einklang.web.metrics import Metrics
from einklang.web.personalize import Asked, Personalize
from einklang.web.services import Services

_LONG = ("identify", "track", "page", "screen", "alias", "group", "batch")
#: Path below /v1/ -> kind of body; the browser forms of analytics.js and the older name of batch beside the full names.
KINDS = {name: name for name in _LONG} | {name[0]: name for name in _LONG} | {"import": "batch"}
_TOO_LARGE = frozenset({Rejected.TOO_LARGE, Rejected.BATCH_TOO_LONG})
_PLAIN = frozenset({b"", b"application/json", b"text/plain", b"text/json", b"application/octet-stream"})
_FORM = b"application/x-www-form-urlencoded"
_CORS = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"retry-after"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
)
_PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, POST"),
    # the star: what monitoring adds to every request of a page; browsers do not count authorization in it
    (b"access-control-allow-headers", b"authorization, content-type, content-encoding, x-retry-count, anonymousid, *"),
    (b"access-control-max-age", b"86400"),
)
_DONE = b'{"success":true}'
_WRITE_KEY = re.compile(rb'"writeKey"\s*:\s*"([^"\\]{1,200})"')
#: Where analytics.js asks how it is set up, before it sends anything.
_SETTINGS = re.compile(r"/v1/projects/([^/]{1,200})/settings")
Answer = tuple[int, bytes, tuple[tuple[bytes, bytes], ...]]


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

    def __init__(
        self,
        services: Services,
        metrics: Metrics,
        keyring: Keyring,
        kinds: Callable[[], Mapping[str, Kind]] | None = None,
    ) -> None:
        self.services = services
        self.kinds = kinds
        self.metrics = metrics
        self.keyring = keyring
        self.personal = Personalize(services)
        self.in_flight = InFlight(services.bounds)
        self._body_bytes_max = max(BODY_BYTES_MAX, services.limits.batch_bytes)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        status, body, extra = await self._answer(scope, receive)
        self.metrics.collected(status)
        headers = [*_CORS, *extra, (b"content-length", str(len(body)).encode())]
        if body:
            headers.append((b"content-type", b"application/json"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: dict[str, Any], receive: Any) -> Answer:
        try:
            path = scope["path"].rstrip("/")
            if path == "/v1/draft":
                return await self._draft(scope, receive)
            if path == "/v1/personalize":
                return await self._personalize(scope, receive)
            found = _SETTINGS.fullmatch(scope["path"])
            kind = "settings" if found else KINDS.get(scope["path"].removeprefix("/v1/").rstrip("/"))
            if kind is None:
                raise HttpError(404, "not_found", "no such call", mend="POST to /v1/" + "|".join(_LONG))
            method, wanted = scope["method"], "GET" if found else "POST"
            if method == "OPTIONS":
                return 204, b"", _PREFLIGHT
            if method != wanted:
                raise HttpError(405, "wrong_method", f"not {wanted}", where=kind, mend=f"send it by {wanted}")
            if found:
                return 200, await self._settings(found[1]), ()
            accepted = await self._collect(kind, scope, receive)
            self.metrics.judged(accepted.items, len(accepted.judged.rejected))
            return 200, answer_of(accepted), ()
        except EinklangError as error:
            answer = _refusal(error)
            if not isinstance(error, InputError) and answer[0] not in (404, 405):
                self.services.refusals.request(error, source=None, status=answer[0], now=self.services.now())
            return answer

    async def _draft(self, scope: dict[str, Any], receive: Any) -> Answer:
        headers, method = dict(scope["headers"]), scope["method"]
        if method == "OPTIONS":
            return 204, b"", _PREFLIGHT
        if method == "GET":
            return 200, await show_own(self.services, headers.get(b"authorization", b"")), ()
        if method != "POST":
            raise HttpError(405, "wrong_method", "not POST or GET", where="draft", mend="save by POST, read by GET")
        async with self._body("draft", scope, receive) as (body, hashed, found):
            self.keyring.spend(hashed, found, 1)
            return 200, await save_own(self.services, body, found.source), ()

    async def _personalize(self, scope: dict[str, Any], receive: Any) -> Answer:
        """A batch as any other, if there is one; then, with no body in memory, what its page may know."""
        if scope["method"] == "OPTIONS":
            return 204, b"", _PREFLIGHT
        if scope["method"] != "POST":
            raise HttpError(405, "wrong_method", "not POST", where="personalize", mend="send it by POST")
        device, position, answer = await self._taken_in(scope, receive)
        told = await self.personal.answer(device, position)
        return 200, answer[:-1] + b"," + msgspec.json.encode(told)[1:], ()

    async def _taken_in(self, scope: dict[str, Any], receive: Any) -> tuple[str, int | None, bytes]:
        """Who asks, where what came along stands in the log (None: nothing came), and the answer of a batch."""
        async with self._body("personalize", scope, receive) as (body, hashed, found):
            asked = exact(body, Asked)
            if not asked.batch:
                self.keyring.spend(hashed, found, 1)
                return asked.device, None, _DONE
            accepted = await self._append("batch", body, hashed, found)
            self.metrics.judged(accepted.items, len(accepted.judged.rejected))
            position = accepted.durable.result()[-1] if accepted.durable is not None else None
            return asked.device, position, answer_of(accepted)

    async def _collect(self, kind: str, scope: dict[str, Any], receive: Any) -> Accepted:
        async with self._body(kind, scope, receive) as (body, hashed, found):
            return await self._append(kind, body, hashed, found)

    @asynccontextmanager
    async def _body(
        self, kind: str, scope: dict[str, Any], receive: Any
    ) -> AsyncIterator[tuple[bytes, bytes, keys.Allowed]]:
        """A body, unpacked, with the hash and the owner of its key; what it takes in memory counts until the end."""
        headers = dict(scope["headers"])
        said = headers.get(b"content-length", b"")
        most = self._body_bytes_max
        counted = min(int(said), most) if said.isdigit() and len(said) < 19 else most
        self.in_flight.enter(counted, kind)
        try:
            user = _basic_user(headers)
            early = await self._allowed(user) if user else None
            async with asyncio.timeout(self.services.bounds.body_seconds):
                raw = await read_body(headers, receive, most)
            body = unpack(headers, raw, most)
            if body is not raw:
                counted += len(body)
                self.in_flight.grow(len(body), kind)
            check_type(headers, packed=body is not raw)
            hashed, found = early or await self._allowed(_key_in(body))
            yield body, hashed, found
        except TimeoutError as error:
            raise HttpError(
                408, "too_slow", "the body did not arrive in time", where=kind, mend="send it again"
            ) from error
        finally:
            self.in_flight.leave(counted)

    async def _append(self, kind: str, body: bytes, hashed: bytes, found: keys.Allowed) -> Accepted:
        services = self.services
        now, source = services.now(), found.source
        try:
            accepted = collect(
                services.book, kind, body, source=source, now=now, salt=services.salt, limits=services.limits,
                kinds=self.kinds,
            )  # fmt: skip
        except InputError as error:
            services.refusals.request(error, source=source, status=_refusal(error)[0], now=now, body=body)
            raise
        if accepted.judged.rejected:
            services.refusals.items(accepted.judged, source=source, now=now, body=body)
        self.keyring.spend(hashed, found, accepted.items + len(accepted.judged.rejected))
        if accepted.durable is not None:
            await asyncio.wrap_future(accepted.durable)
            services.wake()
        return accepted

    async def _allowed(self, key: str) -> tuple[bytes, keys.Allowed]:
        """Whose write key it is, if it may send now. Raises HttpError 401, 429."""
        hashed = keys.key_hash(key)
        found = await self.keyring.find(hashed)
        if found is None or found.kind != keys.WRITE:
            mend = "send the write key as the user name of Basic authentication"
            raise HttpError(401, "unknown_write_key", "no source has this write key", where="Authorization", mend=mend)
        self.keyring.check(hashed, found)
        return hashed, found

    async def _settings(self, key: str) -> bytes:
        """How analytics.js is set up: it sends here, to nobody else, and about nothing but what it is asked to."""
        await self._allowed(key)
        address = urlsplit(self.services.base_url)
        segment = {
            "apiKey": key,
            "apiHost": f"{address.netloc}/v1",
            "protocol": address.scheme,
            "unbundledIntegrations": [],
            "addBundledMetadata": True,
            "maybeBundledConfigIds": {},
        }
        plan = {"__default": {"enabled": True, "integrations": {}}}
        return msgspec.json.encode(
            {
                "integrations": {"Segment.io": segment},
                "plan": {"track": plan, "identify": plan, "group": plan},
                "analyticsNextEnabled": True,
                "edgeFunction": {},
                "middlewareSettings": {},
                "enabledMiddleware": {},
                "metrics": {"sampleRate": 0},
                "legacyVideoPluginsEnabled": False,
                "remotePlugins": [],
            }
        )


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


def _refusal(error: EinklangError) -> Answer:
    status = error.status
    if isinstance(error, InputError) and error.code in _TOO_LARGE:
        status = 413
    if error.code == "overloaded":
        status = 429
    extra: tuple[tuple[bytes, bytes], ...] = ()
    if status in (429, 503):
        extra = ((b"retry-after", str(error.retry_s if isinstance(error, HttpError) else RETRY_S).encode()),)
    elif status == 401:
        extra = ((b"www-authenticate", b'Basic realm="einklang"'),)
    elif status == 405:
        extra = ((b"allow", (b"GET" if error.where == "settings" else b"POST") + b", OPTIONS"),)
    elif status == 415:
        extra = ((b"accept-encoding", b"gzip"),)
    said = {"success": False, "code": str(error.code), "message": error.what, "where": error.where, "mend": error.mend}
    return status, msgspec.json.encode(said), extra
