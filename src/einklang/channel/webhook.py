"""Webhooks: signed as the Standard Webhooks specification 1.0.0 says, posted to public addresses, and nowhere twice.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

| what happened | answer |
|---|---|
| 2xx | sent |
| 410 | gone: no more of them is wanted |
| 429, 502, 503, 504, or no answer | busy: the other side as a whole should be left alone for a while |
| anything else, a redirect too (it is not followed) | failed: this one is tried again |
| an address that is not public | refused: it is not tried at all |
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import ssl
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal

import httpcore

from einklang.channel.public import NotPublicError, PublicBackend
from einklang.kernel.errors import UsageError

PREFIX = "whsec_"
_SECRET_BYTES = (24, 64)
#: Seconds for the whole request (the specification: 15 to 30), for the connection alone.
TIMEOUT_S, CONNECT_S = 15.0, 5.0
#: The status is the answer. Of the body no more than this is read, for so long, so that the line can be used again.
DRAIN_S = 1.0
_ANSWER_BYTES_MAX = 16 * 1024
_RETRY_AFTER_S_MAX = 24 * 3600
_BUSY = (429, 502, 503, 504)

Status = Literal["sent", "failed", "busy", "gone", "refused"]


@dataclass(frozen=True, slots=True)
class Post:
    """One request: whose, where to, its id (the same at each attempt), the moment of the attempt (s), its bytes."""

    destination: str
    url: str
    key: str
    at_s: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of it. code: of HTTP, 0 without an answer; retry_after_s: what the other side asked for."""

    status: Status
    code: int = 0
    detail: str = ""
    retry_after_s: int | None = None


def secret_of(text: str, where: str) -> bytes:
    """The key of a serialized secret: `whsec_` and base64. Raises UsageError `bad_secret`, which does not repeat it."""
    try:
        found = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if not text.startswith(PREFIX) or not _SECRET_BYTES[0] <= len(found) <= _SECRET_BYTES[1]:
        mend = f"write {PREFIX} and the base64 text of {_SECRET_BYTES[0]} to {_SECRET_BYTES[1]} random bytes"
        raise UsageError("bad_secret", "not a secret of a webhook", where=where, mend=mend)
    return found


def secrets_of(text: str) -> dict[str, list[bytes]]:
    """`crm=whsec_... shop=whsec_...`: the secrets of each destination; a second one of the same is signed with as well,
    while it is rotated. Raises UsageError.
    """
    found: dict[str, list[bytes]] = {}
    for part in text.split():
        name, _, secret = part.partition("=")
        found.setdefault(name, []).append(secret_of(secret, f"EINKLANG_WEBHOOK_SECRETS, {name[:40]}"))
    return found


def signature(secrets: Iterable[bytes], key: str, at_s: int, body: bytes) -> str:
    """The header `webhook-signature`: one signature a secret, with blanks between."""
    assert "." not in key, "the id is a part of what is signed, and must not move the border"
    signed = f"{key}.{at_s}.".encode() + body
    return " ".join(
        "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode() for secret in secrets
    )


def headers(secrets: Sequence[bytes], post: Post) -> list[tuple[str, str]]:
    """What the other side needs to check that a request is ours, and new."""
    return [
        ("content-type", "application/json"),
        ("user-agent", "Einklang"),
        ("webhook-id", post.key),
        ("webhook-timestamp", str(post.at_s)),
        ("webhook-signature", signature(secrets, post.key, post.at_s, post.body)),
    ]


class WebhookChannel:
    """Posts. secrets: of each destination, the one in use first; backend: what connects; timeout_s: for a request until
    its status has come, drain_s: then for the body.
    """

    def __init__(
        self,
        secrets: Mapping[str, Sequence[bytes]],
        backend: httpcore.AsyncNetworkBackend | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        drain_s: float = DRAIN_S,
    ) -> None:
        self._secrets = secrets
        self._backend = backend or PublicBackend()
        self._timeout_s, self._drain_s = timeout_s, drain_s
        self._pool: httpcore.AsyncConnectionPool | None = None

    def signs(self, destination: str) -> bool:
        """Whether there is a secret for it: nothing goes out unsigned."""
        return bool(self._secrets.get(destination))

    async def post(self, item: Post) -> Answer:
        """Send one request. Never raises for a fault of the world: the answer says it."""
        try:
            async with asyncio.timeout(self._timeout_s) as limit:
                return await self._post(item, limit)
        except TimeoutError:
            return Answer("busy", detail=f"no answer within {self._timeout_s:g} s")
        except NotPublicError as error:
            return Answer("refused", detail=f"not a public address: {error}"[:300])
        except httpcore.TimeoutException as error:
            return Answer("busy", detail=f"no answer in time ({type(error).__name__})")
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, OSError) as error:
            told = " ".join(str(error).split()) or type(error).__name__
            return Answer("busy", detail=f"no answer: {told}"[:300])

    async def close(self) -> None:
        """Close the connections that are kept open."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.aclose()

    async def _post(self, item: Post, limit: asyncio.Timeout) -> Answer:
        if self._pool is None:
            # Nobody waits for a connection that another destination holds: their number is not bounded here.
            self._pool = httpcore.AsyncConnectionPool(
                ssl_context=ssl.create_default_context(),
                max_connections=None,
                keepalive_expiry=30.0,
                network_backend=self._backend,
            )
        timeout = {"connect": CONNECT_S, "read": self._timeout_s, "write": self._timeout_s, "pool": self._timeout_s}
        async with self._pool.stream(
            "POST",
            item.url,
            headers=headers(self._secrets[item.destination], item),
            content=item.body,
            extensions={"timeout": timeout},
        ) as response:
            limit.reschedule(None)
            await self._drain(response)
            return _answer(response, item.at_s)

    async def _drain(self, response: httpcore.Response) -> None:
        """Read the body, unless it is long, slow or breaks off: then the line is closed."""
        faults = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, OSError)  # TimeoutError too
        with suppress(*faults):
            async with asyncio.timeout(self._drain_s):
                read = 0
                async for chunk in response.aiter_stream():
                    read += len(chunk)
                    if read > _ANSWER_BYTES_MAX:
                        break


def _answer(response: httpcore.Response, at_s: int) -> Answer:
    code = response.status
    if 200 <= code < 300:
        return Answer("sent", code)
    told = {name.lower(): value for name, value in response.headers}
    after = _seconds(told.get(b"retry-after", b"").decode("latin-1").strip(), at_s)
    if code == 410:
        return Answer("gone", code, "410: no more of these is wanted")
    if 300 <= code < 400:
        return Answer("failed", code, f"{code}: a redirect is not followed; write the new address into the definition")
    return Answer("busy" if code in _BUSY or after is not None else "failed", code, f"HTTP {code}", after)


def _seconds(text: str, at_s: int) -> int | None:
    """What Retry-After says, in seconds or as a date (RFC 9110, 10.2.3); None: nothing that can be read."""
    if text.isascii() and text.isdigit() and len(text) < 10:
        return min(int(text), _RETRY_AFTER_S_MAX)
    try:
        until = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(int(until) - at_s, 0), _RETRY_AFTER_S_MAX)
