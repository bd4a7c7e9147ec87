"""The REST API. Each route names its permission; each answer is a type of `app.answers`."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.datastructures import Cookie, State
from litestar.enums import MediaType
from litestar.params import FromQuery, PathParameter, QueryParameter
from litestar.response import Stream

from einklang.app import answers, computed, queries, queries_log, queries_objects, queries_rules, staff
from einklang.app.answers import Page
from einklang.app.apply import apply
from einklang.app.collect import collect
from einklang.app.state import State as Reading
from einklang.app.yaml import parse_text
from einklang.event import server_source
from einklang.kernel.errors import InputError
from einklang.kernel.limits import BODY_BYTES_MAX
from einklang.measure import Report
from einklang.web.access import COOKIE, same_origin
from einklang.web.body import HttpError, unpack
from einklang.web.encode import Json, encode
from einklang.web.stream import last_event_id, open_stream
from einklang.web.wiring import Wired

READ = {"permission": "read"}
WRITE = {"permission": "write"}
Req = Request[Any, Any, Any]
Id = Annotated[str, PathParameter(description="id; of a person also kind:value, such as email:a@b.example")]
Cursor = Annotated[str, QueryParameter(description="`next` of the page before")]
Limit = Annotated[int, QueryParameter(description=f"1 to {queries.LIMIT_MAX}")]
SLASH = "\x1f"
#: How a mapping begins that YAML can read and JSON cannot.
_YAML = re.compile(r"\s*\{\s*[A-Za-z_]")


def plain(part: str) -> str:
    """A part of the path as it was meant: an encoded slash came through routing as SLASH."""
    return part.replace(SLASH, "/")


def wired(state: State) -> Wired:
    """What create_app put together."""
    found: Wired = state.wired
    return found


# --- session ---


class SignIn(msgspec.Struct):
    """Name and password."""

    name: str
    password: str


@post("/api/session", opt={"permission": "public"}, status_code=200)
async def sign_in(request: Req, state: State) -> Response[answers.Session]:
    """Sign in: sets the session cookie."""
    services = wired(state).services
    same_origin(request, services, strict=False)
    data = _decoded(await request.body(), SignIn)
    now, name = services.now(), data.name[: staff.NAME_CHARS_MAX + 1]
    wired(state).attempts.check(name, now)
    who = await wired(state).hashing(staff.checked, services.book, data.name, data.password)
    if who is None:
        wired(state).attempts.failed(name, now)
        mend = "check both; five failed attempts lock the name for five minutes"
        raise HttpError(401, "bad_sign_in", "name and password do not belong together", mend=mend)
    token = services.new_token()
    await asyncio.to_thread(staff.begin, services.book, who, token, now)
    cookie = Cookie(
        COOKIE,
        value=token,
        path="/",
        httponly=True,
        secure=services.secure,
        samesite="strict",
        max_age=staff.SESSION_US // 1_000_000,
    )
    return Json(who, cookies=[cookie])


@get("/api/session", opt={"permission": "session"}, sync_to_thread=False)
def session(request: Req) -> answers.Session:
    """Who is signed in."""
    found: answers.Session = request.scope["state"]["session"]
    return found


@delete("/api/session", opt={"permission": "session"}, sync_to_thread=True)
def sign_out(request: Req, state: State) -> Response[None]:
    """Sign out."""
    services = wired(state).services
    staff.end(services.book, request.cookies.get(COOKIE, ""))
    gone = Cookie(COOKIE, value="", path="/", httponly=True, secure=services.secure, samesite="strict", max_age=0)
    return Response(None, status_code=204, cookies=[gone])


def _decoded(body: bytes, kind: type[SignIn]) -> SignIn:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        what = str(error).split(" - at ")[0]
        where = str(error).partition(" - at ")[2].strip("`$.") or "body"
        raise InputError("bad_body", what, where=where, mend='send {"name": "...", "password": "..."}') from error


# --- the home and its log ---


@get("/api/status", opt=READ, sync_to_thread=True)
def status(state: State) -> answers.Status:
    """How the home is."""
    return wired(state).status()


@get("/api/stream", opt=READ, media_type="text/event-stream")
async def stream(request: Req, state: State) -> Stream:
    """New entries of the log as server-sent events, from `Last-Event-ID` on; `event: status` beside them."""
    services = wired(state).services
    after = last_event_id(request.headers.get("last-event-id", ""))
    events = await open_stream(services, after, wired(state).status)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(events, media_type="text/event-stream", headers=headers)


@get("/api/events", opt=READ, sync_to_thread=True)
def events(
    state: State,
    before: FromQuery[int | None] = None,
    cursor: Cursor = "",
    limit: Limit = 50,
    touchpoint: FromQuery[str] = "",
    name: FromQuery[str] = "",
    source: FromQuery[str] = "",
    person: FromQuery[str] = "",
) -> Page[answers.Entry]:
    """Entries of the log, newest first; `name` is any part of it, `person` an id or kind:value; `before`: a seq."""
    services = wired(state).services
    if cursor:
        (before,) = queries.numbers_of(cursor, 1)
    wanted = queries_log.Wanted(touchpoint, name, source, person)
    return queries_log.log(services.book, services.lake, wanted, before=before, limit=limit)


@post("/api/events", opt={"permission": "server"}, status_code=200)
async def post_events(request: Req, state: State) -> Response[bytes]:
    """Append events: the body of a batch of the tracking API. Answered once durable."""
    services = wired(state).services
    raw = await request.body()
    body = unpack(dict(request.scope["headers"]), raw, max(BODY_BYTES_MAX, services.limits.batch_bytes))
    source = server_source(str(request.scope["state"]["principal"]).removeprefix("source:"))

    async def work() -> tuple[int, bytes]:
        done = collect(
            services.book,
            "batch",
            body,
            source=source,
            now=services.now(),
            salt=services.salt,
            limits=services.limits,
            kinds=lambda: wired(state).in_force().objects,
        )
        hashed, found = request.scope["state"]["key"]
        wired(state).keyring.spend(hashed, found, done.items + len(done.judged.rejected))
        if done.judged.rejected:
            services.refusals.items(done.judged, source=source, now=services.now(), body=body)
        if done.durable is not None:
            await asyncio.wrap_future(done.durable)
            services.wake()
        refused = [answers.Refused(one.index, one.message_id, one.code, one.message) for one in done.judged.rejected]
        return 200, encode(answers.Collected(done.items, refused))

    return await wired(state).once.answer(request, body, work)


@post("/api/definitions", opt=WRITE, status_code=200)
async def post_definitions(request: Req, state: State) -> Response[bytes]:
    """Apply definitions, all or nothing: the body is YAML or JSON text. The next tick puts them in force."""
    services = wired(state).services
    body = unpack(dict(request.scope["headers"]), await request.body(), 2 * 1024 * 1024)

    async def work() -> tuple[int, bytes]:
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(
                "bad_encoding", "not UTF-8", where=f"body, byte {error.start}", mend="send UTF-8"
            ) from error
        name = "body.json" if _is_json(text, request.headers.get("content-type", "")) else "body.yaml"
        docs = await asyncio.to_thread(parse_text, text, name)
        if not docs:
            raise InputError(
                "no_definition", "nothing to apply", where="body", mend="send documents with `kind` and `id`"
            )
        applied = await asyncio.to_thread(lambda: apply(services.book, docs, now=services.now()))
        services.wake()
        changed = [answers.Change(*change) for change in applied.changes]
        return 200, encode(answers.AppliedAnswer(changed, applied.hints))

    return await wired(state).once.answer(request, body, work)


def _is_json(text: str, said: str) -> bool:
    """Whether definitions are JSON: it is said so, or it is; `{kind: segment, ...}` is YAML."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return "json" in said or not _YAML.match(text)
    return True


# --- persons ---


@get("/api/persons", opt=READ, sync_to_thread=True)
def persons(state: State, q: FromQuery[str] = "", cursor: Cursor = "", limit: Limit = 50) -> Page[answers.PersonItem]:
    """Persons, the last seen first; `q` is any part of a name or identifier."""
    return queries.persons(wired(state).services.book, q, cursor, limit)


@get("/api/persons/{person_id:str}", opt=READ, sync_to_thread=True)
def person(state: State, person_id: Id) -> answers.Person:
    """All that is known of a person. Ids that were merged away lead to the living person."""
    services = wired(state).services
    with services.book.snapshot() as reader:
        found = queries.person(reader, plain(person_id))
        reading = Reading(services.salt, wired(state).in_force(), link_key=b"", base_url="", channels=frozenset())
        for name, value in computed.of_person(reader, reading, plain(person_id), services.now()).items():
            found.traits[name] = answers.TraitValue(value, None, computed=True)
    return found


@get("/api/persons/{person_id:str}/timeline", opt=READ, sync_to_thread=True)
def timeline(
    state: State, person_id: Id, kind: FromQuery[str] = "all", cursor: Cursor = "", limit: Limit = 50
) -> Page[answers.TimelineItem]:
    """What happened to a person and what was decided, newest first; `kind`: all, event, decision."""
    with wired(state).services.book.snapshot() as reader:
        found = queries_log.timeline(reader, plain(person_id), kind=kind, cursor=cursor, limit=limit)
    queries_objects.mark(found.items, wired(state).in_force().objects)
    return found


@get("/api/persons/{person_id:str}/why", opt=READ, sync_to_thread=True, media_type=MediaType.JSON)
def why(
    state: State, person_id: Id, journey: FromQuery[str | None] = None, message: FromQuery[str | None] = None
) -> Response[Any]:
    """Every verdict with its reason; with `journey` also how its entry rule stands, as a tree with values."""
    return Json(wired(state).why(plain(person_id), journey or None, message or None))


# --- segments, journeys, products ---


@get("/api/segments", opt=READ, sync_to_thread=True)
def segments(state: State) -> Page[answers.SegmentItem]:
    """All segments."""
    services = wired(state).services
    return queries_rules.segments(services.book, wired(state).in_force(), wired(state).changes)


@get("/api/segments/{segment_id:str}", opt=READ, sync_to_thread=True)
def segment(state: State, segment_id: Id) -> answers.Segment:
    """One segment."""
    found = wired(state)
    return queries_rules.segment(found.services.book, found.in_force(), found.changes, plain(segment_id))


@get("/api/segments/{segment_id:str}/members", opt=READ, sync_to_thread=True)
def members(state: State, segment_id: Id, cursor: Cursor = "", limit: Limit = 50) -> Page[answers.PersonItem]:
    """The members of a segment."""
    return queries_rules.members(wired(state).services.book, wired(state).in_force(), plain(segment_id), cursor, limit)


@get("/api/journeys", opt=READ, sync_to_thread=True)
def journeys(state: State) -> Page[answers.JourneyItem]:
    """All journeys."""
    return queries_rules.journeys(wired(state).services.book, wired(state).in_force())


@get("/api/journeys/{journey_id:str}", opt=READ, sync_to_thread=True)
def journey(state: State, journey_id: Id) -> answers.Journey:
    """One journey with its steps and counts."""
    with wired(state).services.book.snapshot() as reader:
        return queries_rules.journey(reader, wired(state).in_force(), plain(journey_id))


@get("/api/journeys/{journey_id:str}/report", opt=READ, sync_to_thread=True)
def report(state: State, journey_id: Id) -> Response[Report]:
    """What a journey was worth: as `einklang report --json`."""
    return Json(wired(state).services.report(plain(journey_id)))


@get("/api/products", opt=READ, sync_to_thread=True)
def products(state: State, q: FromQuery[str] = "", cursor: Cursor = "", limit: Limit = 50) -> Page[answers.Product]:
    """The catalog of products; `q` is any part of id, name, category or brand."""
    services = wired(state).services
    return queries.products(services.book, cursor, limit, q, now=services.now())


# --- the server itself ---


@get("/api/openapi.json", opt={"permission": "public"}, sync_to_thread=False, include_in_schema=False)
def openapi(state: State) -> Response[bytes]:
    """This API, as OpenAPI."""
    return Response(wired(state).openapi(), media_type="application/json")


@get("/health", opt={"permission": "public"}, sync_to_thread=True)
def health(state: State) -> dict[str, str]:
    """Whether the server can take events. 503 once it cannot."""
    wired(state).services.book.check()
    return {"status": "ok"}


@get("/metrics", opt={"permission": "local"}, sync_to_thread=True, include_in_schema=False)
def metrics(state: State) -> Response[bytes]:
    """Figures for Prometheus."""
    return Response(wired(state).metrics.text(), media_type="text/plain; version=0.0.4")


ROUTES = [
    *(sign_in, session, sign_out),
    *(status, stream, events, post_events, post_definitions),
    *(persons, person, timeline, why),
    *(segments, segment, members, journeys, journey, report, products),
    *(openapi, health, metrics),
]
