"""What signed links in messages lead to: `/c/` goes on to the stored target, `/u/` takes consent back, `/confirm/`
confirms what somebody asked for (double opt-in).

No sign-in, no cookie, no script. GET changes nothing, but a click is appended; POST acts at once.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import structlog
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request, Response, get, head, post
from litestar.datastructures import State
from litestar.params import FromPath

from einklang.app import returning
from einklang.app.returning import Sent
from einklang.content.links import Use
from einklang.kernel.errors import EinklangError, NotFound
from einklang.web.services import Services

PAGES = Path(__file__).parent / "pages"
PUBLIC = {"permission": "public"}
LANGUAGES = ("en", "de")
Req = Request[Any, Any, Any]
_LOG = structlog.get_logger("einklang.web")
_STYLE = (PAGES / "style.css").read_text("utf-8").strip()
_CSP = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_MACHINE = re.compile(
    r"(?<!cu)bot\b|crawl|spider|slurp|scan|preview|prefetch|safelinks|barracuda|proofpoint|mimecast|ironport|symantec|trendmicro|"
    r"urldefense|virustotal|facebookexternalhit|whatsapp|telegram|slack|skype|headless|phantom|imageproxy|monitor",
    re.IGNORECASE,
)
_PREFETCH = ("purpose", "sec-purpose", "x-purpose", "x-moz")
_WORDS = {
    "en": {
        "title": "Unsubscribe",
        "wording": "I no longer want to receive messages about “{purpose}” at {address}.",
        "button": "Unsubscribe",
        "done_title": "You are unsubscribed",
        "done": "From now on we send no more messages about “{purpose}” to {address}.",
        "confirm_title": "Please confirm",
        "confirm_wording": "Yes, I want to receive messages about “{purpose}” at {address}.",
        "confirm_button": "Confirm",
        "confirmed_title": "Thank you",
        "confirmed": "You have confirmed. We may now send messages about “{purpose}” to {address}.",
        "used": "It was used already, and the consent was taken back since. Please sign up again.",
        "bad_title": "This link does not work",
        "bad_token": "It is damaged or not one of ours. Please use the link as it stands in the message.",
        "expired_token": "It has expired. Please use the link of a newer message.",
        "unknown_message": "The message that it belongs to is no longer kept.",
        "unknown_link": "It leads nowhere. Please use the link as it stands in the message.",
        "later_title": "Please try again",
        "later": "This could not be stored just now. Please send it again in a moment.",
        "name": "English",
    },
    "de": {
        "title": "Abmelden",
        "wording": "Ich möchte an {address} keine Nachrichten mehr zu „{purpose}“ erhalten.",
        "button": "Abmelden",
        "done_title": "Sie sind abgemeldet",
        "done": "Ab sofort senden wir an {address} keine Nachrichten mehr zu „{purpose}“.",
        "confirm_title": "Bitte bestätigen",
        "confirm_wording": "Ja, ich möchte an {address} Nachrichten zu „{purpose}“ erhalten.",
        "confirm_button": "Bestätigen",
        "confirmed_title": "Vielen Dank",
        "confirmed": "Sie haben bestätigt. Wir dürfen nun Nachrichten zu „{purpose}“ an {address} senden.",
        "used": "Er wurde schon verwendet, und die Einwilligung ist seither widerrufen. Bitte melden Sie sich neu an.",
        "bad_title": "Dieser Link funktioniert nicht",
        "bad_token": "Er ist beschädigt oder nicht von uns. Bitte nutzen Sie ihn so, wie er in der Nachricht steht.",
        "expired_token": "Er ist abgelaufen. Bitte nutzen Sie den Link einer neueren Nachricht.",
        "unknown_message": "Die Nachricht, zu der er gehört, ist nicht mehr vorhanden.",
        "unknown_link": "Er führt nirgendwohin. Bitte nutzen Sie den Link so, wie er in der Nachricht steht.",
        "later_title": "Bitte noch einmal versuchen",
        "later": "Das konnte gerade nicht gespeichert werden. Bitte senden Sie es gleich noch einmal.",
        "name": "Deutsch",
    },
}
_JINJA = Environment(loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined, trim_blocks=True)


def is_machine(method: str, headers: Any) -> bool:
    """Whether no human clicked: HEAD, a prefetch, a scanner, or nobody who says what it is."""
    if method == "HEAD" or any(
        re.search("prefetch|preview", headers.get(name, ""), re.IGNORECASE) for name in _PREFETCH
    ):
        return True
    agent = headers.get("user-agent", "")
    return not agent or _MACHINE.search(agent) is not None


def language_of(request: Req, known: str = "") -> str:
    """`?lang=`, else the person's language, else what the browser asks for."""
    wanted = [request.query_params.get("lang", ""), known]
    rated = []
    for part in request.headers.get("accept-language", "")[:500].split(","):
        name, _, weight = part.strip().partition(";q=")
        try:
            rated.append((-float(weight or 1), name))
        except ValueError:
            continue
    wanted += [name for _, name in sorted(rated, key=lambda pair: pair[0])]
    return next((name[:2].lower() for name in wanted if name[:2].lower() in LANGUAGES), LANGUAGES[0])


def masked(address: str) -> str:
    """An address that its owner knows and a stranger does not learn."""
    name, at, host = address.partition("@")
    return f"{name[:1]}…@{host}" if at else f"…{address[-3:]}" if len(address) > 5 else "…"


def _page(services: Services, template: str, status: int, language: str, **words: Any) -> Response[bytes]:
    html = _JINJA.get_template(template).render(company=services.company, language=language, style=_STYLE, **words)
    headers = {"Content-Security-Policy": _CSP, "Cache-Control": "no-store", "Vary": "Accept-Language"}
    headers |= {"Content-Language": language, "X-Robots-Tag": "noindex"} | (
        {"Retry-After": "5"} if status == 503 else {}
    )
    return Response(html.encode(), status_code=status, media_type="text/html", headers=headers)


def _broken(services: Services, request: Req, error: EinklangError) -> Response[bytes]:
    """The page for a link that does not work, or for a store that does not answer."""
    words = _WORDS[language := language_of(request)]
    if error.status == 503:
        return _page(services, "notice.html", 503, language, title=words["later_title"], text=words["later"])
    status = 410 if error.code == "expired_token" else 404
    return _page(
        services,
        "notice.html",
        status,
        language,
        title=words["bad_title"],
        text=words.get(error.code, words["bad_token"]),
    )


# --- clicks ---


async def _click(request: Req, state: State, token: str) -> Response[bytes]:
    services: Services = state.services
    now = services.now()

    def find() -> tuple[Sent, str, bool]:
        with services.book.snapshot() as reader:
            sent, number = returning.message_of(reader, services.link_key, token, Use.CLICK, now)
            return sent, returning.target_of(sent, number), returning.may_note_click(reader, sent, services.salt)

    try:
        sent, target, noted = await asyncio.to_thread(find)
    except EinklangError as error:
        return _broken(services, request, error)
    if noted:
        try:
            machine = is_machine(request.method, request.headers)
            await asyncio.wrap_future(returning.click(services.book, sent, target, now=now, machine=machine))
            services.wake()
        except EinklangError as error:
            # The customer is not to wait for our disk: the click is lost, and said so.
            _LOG.warning("click_lost", code=error.code)
    return Response(
        b"", status_code=302, headers={"Location": target, "Cache-Control": "no-store"}, media_type="text/plain"
    )


@get("/c/{token:str}", opt=PUBLIC)
async def click(request: Req, state: State, token: FromPath[str]) -> Response[bytes]:
    """Goes on to the target that was stored with the message."""
    return await _click(request, state, token)


@head("/c/{token:str}", opt=PUBLIC, status_code=302)
async def click_head(request: Req, state: State, token: FromPath[str]) -> Response[None]:
    """The same for a machine that only looks."""
    answer = await _click(request, state, token)
    return Response(None, status_code=answer.status_code, headers=dict(answer.headers))


# --- unsubscribe ---


def _words_of(reader: Any, sent: Sent, language: str) -> dict[str, str]:
    purpose = returning.purpose_title(reader, sent.purpose, language)
    return {"purpose": purpose, "address": masked(sent.address)}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a link for a button is about. done: None = not used yet; of a confirmation, whether it still stands."""

    sent: Sent
    language: str
    values: dict[str, str]
    done: bool | None


def _found(services: Services, request: Req, token: str, use: Use) -> _Asked:
    """Raises InputError `bad_token`, `expired_token`, NotFound, Unavailable."""
    with services.book.snapshot() as reader:
        sent, number = returning.message_of(reader, services.link_key, token, use, services.now())
        if number:
            raise NotFound("bad_token", "not a link with a button")
        language = language_of(request, returning.language_of(returning.person_of(reader, sent)))
        if use is Use.CONFIRM:
            done = returning.confirmed(reader, sent)
        else:
            done = returning.withdrawn(reader, sent, services.salt) or None
        return _Asked(sent, language, _words_of(reader, sent, language), done)


def _notice(services: Services, asked: _Asked, title: str, text: str, status: int = 200) -> Response[bytes]:
    words = _WORDS[asked.language]
    return _page(
        services, "notice.html", status, asked.language, title=words[title], text=words[text].format(**asked.values)
    )


def _button(services: Services, asked: _Asked, path: str, kind: str) -> Response[bytes]:
    """The page with the wording and the one button. kind: which of the words."""
    words = _WORDS[asked.language]
    other = "de" if asked.language == "en" else "en"
    return _page(
        services,
        "button.html",
        200,
        asked.language,
        title=words[f"{kind}title"],
        wording=words[f"{kind}wording"].format(**asked.values),
        button=words[f"{kind}button"],
        action=f"{path}?lang={asked.language}",
        other={"href": f"{path}?lang={other}", "language": other, "name": _WORDS[other]["name"]},
    )


@get("/u/{token:str}", opt=PUBLIC)
async def unsubscribe_page(request: Req, state: State, token: FromPath[str]) -> Response[bytes]:
    """Shows what would be withdrawn; changes nothing."""
    services: Services = state.services
    try:
        asked = await asyncio.to_thread(_found, services, request, token, Use.UNSUBSCRIBE)
    except EinklangError as error:
        return _broken(services, request, error)
    if asked.done:
        return _notice(services, asked, "done_title", "done")
    return _button(services, asked, f"/u/{token}", "")


@post("/u/{token:str}", opt=PUBLIC, status_code=200)
async def unsubscribe(request: Req, state: State, token: FromPath[str]) -> Response[bytes]:
    """Takes consent back, at once and for good: from the page, or by RFC 8058 from a mail program."""
    services: Services = state.services
    try:
        asked = await asyncio.to_thread(_found, services, request, token, Use.UNSUBSCRIBE)
        if not asked.done:
            wording = _WORDS[asked.language]["wording"].format(**asked.values)
            durable = await asyncio.to_thread(
                returning.unsubscribe,
                services.book,
                asked.sent,
                now=services.now(),
                salt=services.salt,
                wording=wording,
            )
            if durable is not None:
                await asyncio.wrap_future(durable)
            services.wake()
    except EinklangError as error:
        return _broken(services, request, error)
    return _notice(services, asked, "done_title", "done")


# --- double opt-in ---


@get("/confirm/{token:str}", opt=PUBLIC)
async def confirm_page(request: Req, state: State, token: FromPath[str]) -> Response[bytes]:
    """Shows what would be confirmed; changes nothing, as scanners open every link."""
    services: Services = state.services
    try:
        asked = await asyncio.to_thread(_found, services, request, token, Use.CONFIRM)
    except EinklangError as error:
        return _broken(services, request, error)
    if asked.done is None:
        return _button(services, asked, f"/confirm/{token}", "confirm_")
    return _confirmed(services, asked)


@post("/confirm/{token:str}", opt=PUBLIC, status_code=200)
async def confirm(request: Req, state: State, token: FromPath[str]) -> Response[bytes]:
    """Gives the consent that the message asked for, once, with its proof."""
    services: Services = state.services
    try:
        asked = await asyncio.to_thread(_found, services, request, token, Use.CONFIRM)
        if asked.done is None:
            wording = _WORDS[asked.language]["confirm_wording"].format(**asked.values)
            durable = await asyncio.to_thread(
                returning.confirm, services.book, asked.sent, now=services.now(), wording=wording
            )
            if durable is not None:
                await asyncio.wrap_future(durable)
            services.wake()
    except EinklangError as error:
        return _broken(services, request, error)
    return _confirmed(services, asked)


def _confirmed(services: Services, asked: _Asked) -> Response[bytes]:
    """Said after the button, and to who comes back; a link that was used and taken back gives nothing again."""
    if asked.done is False:
        return _notice(services, asked, "bad_title", "used", 410)
    return _notice(services, asked, "confirmed_title", "confirmed")


ROUTES = [click, click_head, unsubscribe_page, unsubscribe, confirm_page, confirm]
