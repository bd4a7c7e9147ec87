"""Whom to believe: who may have sent an event."""

from __future__ import annotations

from einklang.event.event import Event

#: Source of what an operator imported.
IMPORT = "import"
#: Sources with a server key are called this, or begin with it; a source with a write key is never called so.
SERVER = "server"


def authenticated(event: Event) -> bool:
    """Whether the engine, an import or a server with its secret key said so.

    A write key is in every page: what came with it anybody may have sent.
    """
    return event.origin != 0 or event.source == IMPORT or event.source.startswith(SERVER)
