"""The built console and the browser SDK: files with content hashes for ever, the others always asked for again."""

from __future__ import annotations

import mimetypes
from hashlib import blake2b
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "console"
CSP = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'self'; form-action 'self'; object-src 'none'"
)
_FOR_EVER = b"public, max-age=31536000, immutable"
_TYPES = {".js": "text/javascript", ".svg": "image/svg+xml", ".woff2": "font/woff2", ".json": "application/json"}
_UNBUILT = b"<!doctype html><meta charset=utf-8><title>Einklang</title><p>Not built yet: run <code>make install</code>."
#: Who sends events to a host without the path of the API should hear where they belong.
_NOT_HERE = (
    b'{"success":false,"code":"wrong_method","message":"this address takes nothing in","where":"path",'
    b'"mend":"send events to /v1/batch or /v1/track, everything else to /api/"}'
)


class Console:
    """ASGI application of everything that is no API: a built file, else the page of the console."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder.resolve()
        self._kept: dict[str, tuple[bytes, bytes, bytes]] = {}

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        path, method = scope["path"], scope["method"]
        if method not in ("GET", "HEAD"):
            await _send(send, 405, _NOT_HERE, [(b"allow", b"GET, HEAD"), (b"content-type", b"application/json")])
            return
        found = self._file(path.lstrip("/"))
        if found is None and path.startswith(("/assets/", "/sdk/")):
            await _send(send, 404, b"no such file", [(b"content-type", b"text/plain"), (b"cache-control", b"no-store")])
            return
        body, kind, etag = found or self._file("index.html") or (_UNBUILT, b"text/html; charset=utf-8", b'"unbuilt"')
        for_ever = found is not None and path.startswith("/assets/")
        headers = [
            (b"content-type", kind),
            (b"cache-control", _FOR_EVER if for_ever else b"no-cache"),
            (b"etag", etag),
            (b"content-security-policy", CSP.encode()),
        ]
        if path.startswith("/sdk/"):  # for the pages of others
            headers += [(b"access-control-allow-origin", b"*"), (b"cross-origin-resource-policy", b"cross-origin")]
        if (b"if-none-match", etag) in scope["headers"]:
            await _send(send, 304, b"", headers)
        else:
            await _send(send, 200, body if method == "GET" else b"", headers, size=len(body))

    def _file(self, name: str) -> tuple[bytes, bytes, bytes] | None:
        """(body, type, etag) of a file below the folder; assets are kept in memory."""
        if name in self._kept:
            return self._kept[name]
        if not name or "\0" in name or len(name) > 200:
            return None
        try:
            wanted = (self.folder / name).resolve()
            if not (wanted.is_relative_to(self.folder) and wanted.is_file()):
                return None
            body = wanted.read_bytes()
        except (OSError, ValueError):
            return None
        kind = _TYPES.get(wanted.suffix) or mimetypes.guess_type(wanted.name)[0] or "application/octet-stream"
        charset = "; charset=utf-8" if kind.startswith("text/") else ""
        found = (body, (kind + charset).encode(), f'"{blake2b(body, digest_size=12).hexdigest()}"'.encode())
        if name.startswith("assets/") and wanted.relative_to(self.folder).as_posix() == name:  # each file once
            self._kept[name] = found
        return found


async def _send(
    send: Any, status: int, body: bytes, headers: list[tuple[bytes, bytes]], size: int | None = None
) -> None:
    length = (b"content-length", str(len(body) if size is None else size).encode())
    await send(
        {"type": "http.response.start", "status": status, "headers": [*headers, length] if status != 304 else headers}
    )
    await send({"type": "http.response.body", "body": body})
