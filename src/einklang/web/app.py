"""The server's ASGI application: requests go to collect, to the framework, or to the console, in this order."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from litestar import Litestar
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from einklang.kernel.errors import EinklangError
from einklang.web import (
    api,
    catalog_api,
    customer,
    debug_api,
    destinations_api,
    drafts_api,
    errors,
    estimates_api,
    groups_api,
    identity_api,
    language_api,
    lists_api,
    objects_api,
    products_api,
    sources_api,
    stages_api,
)
from einklang.web.access import authorise
from einklang.web.collect import Collect
from einklang.web.document import document
from einklang.web.encode import Json
from einklang.web.services import ASGIApp, Services
from einklang.web.static import Console
from einklang.web.wiring import Wired

REQUEST_BYTES_MAX = 2 * 1024 * 1024
#: Paths that belong to the server; everything else is the console's.
OURS = ("api", "v1", "c", "o", "u", "confirm", "preferences", "portal", "l", "shop", "pos", "fair", "health", "metrics")
#: What is asked for by HEAD too; a stream has no end, and a click is told apart.
LOOKED_AT = ("api", "confirm", "health", "metrics", "u")
#: The REST API.
API = (
    *(*api.ROUTES, *objects_api.ROUTES, *catalog_api.ROUTES, *sources_api.ROUTES, *drafts_api.ROUTES),
    *(*identity_api.ROUTES, *debug_api.ROUTES, *groups_api.ROUTES, *products_api.ROUTES, *language_api.ROUTES),
    *(*estimates_api.ROUTES, *stages_api.ROUTES),
    *(*destinations_api.ROUTES, *lists_api.ROUTES),
)
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
_API_CSP = b"default-src 'none'; frame-ancestors 'none'"
_HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


def _framework() -> Litestar:
    """Every route with what guards it; nothing of a home is in it."""
    return Litestar(
        route_handlers=[*API, *customer.ROUTES],
        guards=[authorise],
        exception_handlers={
            EinklangError: errors.of_ours,
            HTTPException: errors.of_framework,
            Exception: errors.of_anything,
        },
        response_class=Json,
        openapi_config=None,
        request_max_body_size=REQUEST_BYTES_MAX,
        logging_config=None,
    )


def create_app(services: Services) -> ASGIApp:
    """The application of one home: collect, REST API, customer pages, console."""
    framework, wired = _framework(), Wired(services, lambda: document(API))
    framework.state = State({"services": services, "wired": wired})
    collect, console = Collect(services, wired.metrics, wired.keyring, lambda: wired.in_force().objects), Console()

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await framework(scope, receive, send)  # type: ignore[arg-type]  # ASGI scopes are plain dicts here
            return
        if scope["path"].startswith("//"):  # clients put their path behind a host that ends in a slash
            scope = {**scope, "path": "/" + scope["path"].lstrip("/")}
        first = scope["path"].split("/", 2)[1] if scope["path"].startswith("/") else ""
        if first == "v1":
            await collect(scope, receive, send)
            return
        secured = _secured(send, services.secure, ours=first in OURS)
        if scope["method"] == "HEAD" and first in LOOKED_AT and scope["path"] != "/api/stream":
            scope = {**scope, "method": "GET"}  # the server itself leaves the body out
        if first in OURS:
            await framework(_routed(scope), receive, secured)  # type: ignore[arg-type]  # as above
        else:
            await console(scope, receive, secured)

    return app


def _routed(scope: dict[str, Any]) -> dict[str, Any]:
    """The scope with its path decoded part by part, so that an encoded slash stays within its part."""
    raw = scope.get("raw_path")
    if not raw or (b"%2f" not in raw and b"%2F" not in raw):
        return scope
    kept = raw.split(b"?")[0].decode("latin-1").replace("%2f", "%1F").replace("%2F", "%1F")
    return {**scope, "path": unquote(kept)}


def _secured(send: Any, https: bool, *, ours: bool) -> Any:
    """`send` with the headers that every answer carries, unless it has its own."""

    async def secured(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            names = {name.lower() for name, _ in headers}
            wanted = [*_HEADERS, (b"content-security-policy", _API_CSP)]
            if ours:
                wanted.append((b"cache-control", b"no-store"))
            if https:
                wanted.append(_HSTS)
            headers += [pair for pair in wanted if pair[0] not in names]
            message = {**message, "headers": headers}
        await send(message)

    return secured
