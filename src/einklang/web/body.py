"""Request bodies within their limits: read, drained where too long, unpacked without ever growing beyond."""

from __future__ import annotations

import zlib
from typing import Any

from einklang.kernel.errors import EinklangError

#: How much of a body that is too long is still read and thrown away, so that its sender hears the answer.
DRAIN_BYTES_MAX = 32 * 1024 * 1024
#: When to send again what came too early, in seconds.
RETRY_S = 1
_GZIP = b"\x1f\x8b"


class HttpError(EinklangError):
    """A refusal that HTTP has a status of its own for."""

    def __init__(
        self, status: int, code: str, what: str, *, where: str = "", mend: str = "", retry_s: int = RETRY_S
    ) -> None:
        super().__init__(code, what, where=where, mend=mend)
        self.status = status
        self.retry_s = retry_s


def _too_large(size: str, limit: int) -> HttpError:
    return HttpError(413, "too_large", f"{size} bytes", where="body", mend=f"send at most {limit} bytes a request")


async def read_body(headers: dict[bytes, bytes], receive: Any, limit: int) -> bytes:
    """The body as it came, at most `limit` bytes. Raises HttpError 413, and 400 if the client went away."""
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HttpError(400, "cut_off", "the connection ended within the body", where="body", mend="send it again")
        chunk, more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        if size <= limit:
            chunks.append(chunk)
        else:
            chunks.clear()
            if size > DRAIN_BYTES_MAX:
                break
    if size > limit:
        raise _too_large(str(size) if not more else f"over {DRAIN_BYTES_MAX}", limit)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def unpack(headers: dict[bytes, bytes], raw: bytes, limit: int) -> bytes:
    """The body without gzip, told by Content-Encoding or by its first bytes; `raw` itself if it is not packed.

    Raises HttpError 413 as soon as more than `limit` bytes come out, 400 `bad_gzip`, 415 for another encoding.
    """
    said = headers.get(b"content-encoding", b"").strip().lower()
    if said not in (b"", b"identity", b"gzip", b"x-gzip"):
        shown = said[:40].decode("latin-1")
        mend = "send gzip or nothing"
        raise HttpError(415, "unknown_encoding", f"encoding {shown!r}", where="Content-Encoding", mend=mend)
    if not raw.startswith(_GZIP):
        if said in (b"gzip", b"x-gzip") and raw:
            raise HttpError(
                400, "bad_gzip", "not gzip, byte 0", where="Content-Encoding", mend="pack it or do not say so"
            )
        return raw
    out = bytearray()
    rest = raw
    while rest:
        inflate = zlib.decompressobj(31)
        try:
            out += inflate.decompress(rest, limit + 1 - len(out))
        except zlib.error as error:
            where = f"body, byte {len(raw) - len(rest)}"
            raise HttpError(
                400, "bad_gzip", "gzip that cannot be unpacked", where=where, mend="pack it again"
            ) from error
        if len(out) > limit:
            raise _too_large(f"more than {limit} unpacked", limit)
        if not inflate.eof:
            raise HttpError(
                400, "bad_gzip", "gzip that ends too early", where=f"body, byte {len(raw)}", mend="send it whole"
            )
        rest = inflate.unused_data.lstrip(b"\0")
    return bytes(out)
