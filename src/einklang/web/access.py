"""Who may: every route names its permission, a route without one is closed to everybody.

| permission | who |
|---|---|
| public | everybody |
| local | this machine itself, else as `read` |
| session | who is signed in |
| read, write | who is signed in (a change only from our own pages), or a server key |
| server | a server key |
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from einklang.app import keys, staff
from einklang.app.answers import Session
from einklang.web.body import HttpError
from einklang.web.limits import Keyring
from einklang.web.services import Services

PERMISSIONS = ("public", "local", "session", "read", "write", "server")
COOKIE = "einklang_session"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_LOCAL = ("127.", "::1")
Connection = ASGIConnection[Any, Any, Any, Any]


def authorise(connection: Connection, handler: BaseRouteHandler) -> None:
    """The guard of every route. Raises HttpError 401 or 403."""
    permission = handler.opt.get("permission")
    if permission == "public" or (permission == "local" and _is_local(connection)):
        return
    if connection.scope.get("method") == "OPTIONS":
        return  # answered by the framework with the methods of the address, which everybody may read in the OpenAPI
    services: Services = connection.app.state.services
    key = _bearer(connection)
    if key and permission in ("read", "write", "server", "local"):
        hashed = keys.key_hash(key)
        found = keys.allowed(services.book, hashed, services.now())
        if found is None or found.kind != keys.SERVER:
            mend = "send a server key: Authorization: Bearer sk_..."
            raise HttpError(401, "unknown_server_key", "no server has this key", where="Authorization", mend=mend)
        keyring: Keyring = connection.app.state.wired.keyring
        keyring.check(hashed, found)
        keyring.spend(hashed, found, 1)
        connection.scope["state"]["principal"] = f"source:{found.source}"
        connection.scope["state"]["key"] = (hashed, found)
        return
    if permission not in ("session", "read", "write", "local"):
        if permission == "server":
            mend = "send a server key: Authorization: Bearer sk_..."
            raise HttpError(401, "no_server_key", "this needs a server key", where="Authorization", mend=mend)
        raise HttpError(403, "not_allowed", "this address is closed", mend="see /api/openapi.json")
    who = session_of(connection, services)
    if who is None:
        raise HttpError(401, "no_session", "you are not signed in", mend="sign in, or send a server key")
    if connection.scope.get("method", "GET") not in _SAFE:
        same_origin(connection, services, strict=True)
    connection.scope["state"]["principal"] = f"staff:{who.name}"
    connection.scope["state"]["session"] = who


def session_of(connection: Connection, services: Services) -> Session | None:
    """Who is signed in by the cookie."""
    token = connection.cookies.get(COOKIE, "")
    if not 16 <= len(token) <= 200:
        return None
    return staff.session(services.book, token, services.now())


def same_origin(connection: Connection, services: Services, *, strict: bool) -> None:
    """Refuse what another site's page sent (CSRF). strict: also what does not say where it comes from.

    Browsers send Sec-Fetch-Site or Origin with every state-changing request.
    """
    site = connection.headers.get("sec-fetch-site")
    origin = connection.headers.get("origin")
    if site is not None:
        fine = site in ("same-origin", "none")
    elif origin is not None:
        ours = {connection.headers.get("host", ""), urlsplit(services.base_url).netloc}
        try:
            fine = urlsplit(origin).netloc in ours and origin != "null"
        except ValueError:
            fine = False
    else:
        fine = not strict
    if not fine:
        mend = "send it from Einklang's own pages, or with a server key"
        raise HttpError(403, "other_origin", "the request came from another site", where="Origin", mend=mend)


def principal(request: Request[Any, Any, Any]) -> str:
    """Who asks, as it stands in keys of repeated requests."""
    return str(request.scope["state"].get("principal", ""))


def _bearer(connection: Connection) -> str:
    scheme, _, value = connection.headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def _is_local(connection: Connection) -> bool:
    client = connection.scope.get("client")
    forwarded = any(name in connection.headers for name in ("x-forwarded-for", "forwarded", "x-real-ip"))
    return client is not None and str(client[0]).startswith(_LOCAL) and not forwarded
