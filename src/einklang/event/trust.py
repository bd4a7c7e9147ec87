"""Whom to believe: who may have sent an event."""

from __future__ import annotations

from einklang.event.event import Event

#: Source of what an operator imported.
IMPORT = "import"
#: What came with a server key stands in the log under this, or what begins with it; what came with a write key never.
SERVER = "server"


def server_source(source: str) -> str:
    """What the log calls a source whose call came with a server key."""
    return source if source.startswith(SERVER) else f"{SERVER}:{source}"


def authenticated(event: Event) -> bool:
    """Whether the engine, an import or a server with its secret key said so.

    A write key is in every page: what came with it anybody may have sent.
    """
    return trusted(event.origin, event.source)


def trusted(origin: int, source: str) -> bool:
    """As `authenticated`, of the origin and the source of an event."""
    return origin != 0 or source == IMPORT or source.startswith(SERVER)
