"""The REST API of builders of segments: what can be chosen, estimates, overlap, trend, why, and saving."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.params import FromQuery

from einklang.app import answers, choices, queries_audience
from einklang.app.apply import save_segment
from einklang.app.estimates import EstimateAsked
from einklang.app.state import State as Reading
from einklang.kernel.limits import DEFINITION_BYTES_MAX
from einklang.web.api import READ, WRITE, Id, plain, wired
from einklang.web.body import unpack
from einklang.web.sources_api import body_of

Text = str | dict[str, str]


class SavedSegment(msgspec.Struct, forbid_unknown_fields=True):
    """What a builder says of a segment; the other fields of one that is there stay as they are.

    before: the condition it had when it was opened, "" for none; if it has another one by now, it is left as it is.
    thaw: it follows its condition again, from now on.
    """

    where: str
    title: Text | None = None
    note: str | None = None
    before: str | None = None
    thaw: bool = False


@get("/api/choices", opt=READ, sync_to_thread=True)
def all_choices(state: State) -> choices.Choices:
    """What a condition can name: traits, events with their properties, channels, purposes, segments, and the categories
    and brands of products. Never a value of a person.
    """
    return wired(state).choices()


@post("/api/estimates", opt=READ, status_code=200)
async def estimate(request: Request[Any, Any, Any], state: State) -> Response[bytes]:
    """How many would be members, condition by condition, and on which channels they can be reached.

    Send {"text"}, {"tree"} or {"words", "language"}, with "purpose" for the reach. Few persons are asked all, of many a
    sample, with intervals that hold the true number in at least 95 of 100 samples; "exact": true asks everybody. The
    answer has `fault` where the condition is wrong or would cost too much.
    """
    found = wired(state)
    body = unpack(dict(request.scope["headers"]), await request.body(), DEFINITION_BYTES_MAX)
    asked = body_of(body, EstimateAsked)
    now = found.services.now()
    return await found.once.done(request, body, lambda: found.estimator.estimate(found.in_force(), asked, now=now))


@get("/api/overlap", opt=READ, sync_to_thread=True)
def overlap(state: State, segments: FromQuery[str] = "") -> queries_audience.Overlap:
    """How 2 to 6 segments overlap: `segments=a,b,c`; the persons in exactly these of them, for each set that occurs."""
    names = [name.strip() for name in segments.split(",") if name.strip()]
    with wired(state).services.book.snapshot() as reader:
        return queries_audience.overlap(reader, wired(state).in_force(), names)


@get("/api/segments/{segment_id:str}/why", opt=READ, sync_to_thread=True)
def why_member(state: State, segment_id: Id, person: FromQuery[str]) -> queries_audience.WhyMember:
    """Why a person (id or kind:value) is, or is not, in a segment: its rule as a tree, each part with its value."""
    services = wired(state).services
    reading = Reading(services.salt, wired(state).in_force(), link_key=b"", base_url="", channels=frozenset())
    with services.book.snapshot() as reader:
        return queries_audience.why(reader, reading, plain(segment_id), person, services.now())


@get("/api/segments/{segment_id:str}/trend", opt=READ, sync_to_thread=True)
def trend(state: State, segment_id: Id, days: FromQuery[int] = 90) -> queries_audience.Trend:
    """How many entered, left and were members, day by day."""
    found = wired(state)
    services = found.services
    with services.book.snapshot() as reader:
        return queries_audience.trend(reader, services.lake, found.in_force(), plain(segment_id), days, services.now())


@get("/api/segments/{segment_id:str}/health", opt=READ, sync_to_thread=True)
def health(state: State, segment_id: Id) -> queries_audience.Health:
    """How a segment is asked: its cost, what it listens to, and every definition that uses it."""
    return queries_audience.health(wired(state).in_force(), plain(segment_id))


@post("/api/segments/{segment_id:str}", opt=WRITE, status_code=200)
async def post_segment(request: Request[Any, Any, Any], state: State, segment_id: Id) -> Response[bytes]:
    """Make a segment, or change the condition, title or note of one: {"where", "title", "note"}; as `apply` does.

    With "before", the condition it had when it was opened ("" for a new one), 409 if it has another one by now. "thaw":
    true takes `frozen` back.
    """
    found, name = wired(state), plain(segment_id)
    services = found.services
    body = unpack(dict(request.scope["headers"]), await request.body(), DEFINITION_BYTES_MAX)

    def work() -> answers.AppliedAnswer:
        said = msgspec.to_builtins(body_of(body, SavedSegment))
        opened, thaw = said.pop("before"), said.pop("thaw")
        applied = save_segment(services.book, name, said, opened=opened, now=services.now(), thaw=thaw)
        services.wake()
        return answers.AppliedAnswer([answers.Change(*change) for change in applied.changes], applied.hints)

    return await found.once.done(request, body, work)


ROUTES = (all_choices, estimate, overlap, why_member, trend, health, post_segment)
