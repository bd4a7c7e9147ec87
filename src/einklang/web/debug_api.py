"""The REST API of what comes in: what was refused lately, and what came from whom. Each route names its permission."""

from __future__ import annotations

from typing import Any

from litestar import get
from litestar.datastructures import State

from einklang.app import queries_sources
from einklang.app.answers import Page
from einklang.web.api import READ, wired
from einklang.web.refusals import Refusal


@get("/api/refusals", opt=READ, sync_to_thread=False)
def refusals(state: State) -> Page[Refusal]:
    """What this process refused at the tracking API lately, the newest first, with code, message and mend.

    In memory only: at most 300, gone when the server stops.
    """
    return Page(wired(state).services.refusals.newest())


@get("/api/arrivals", opt=READ, sync_to_thread=True)
def arrivals(state: State) -> Page[queries_sources.Arrivals]:
    """What came from each source in the last 24 hours, by hour; those with most events first."""
    found = wired(state)
    return Page(found.arrivals.get(found.services))


ROUTES: tuple[Any, ...] = (refusals, arrivals)
