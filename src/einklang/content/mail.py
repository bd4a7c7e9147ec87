"""A message and what is known about a person become a mail: subject, HTML and plain text in one language.

The costly part (MJML, CSS, parsing) is done once per message, language and brand; per person Liquid runs, links are
signed, and every address in the result is checked: no mail leads to a host that its author did not name (invariant 20).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from html import escape, unescape
from typing import Any
from urllib.parse import urljoin, urlsplit
from weakref import WeakKeyDictionary

import msgspec

from einklang.content.blocks import LIQUID, Shield, to_mjml, to_text
from einklang.content.filters import Local
from einklang.content.formats import to_day_or_time
from einklang.content.htmltext import html_to_text
from einklang.content.layout import inline, mjml_to_html
from einklang.content.links import Claim, Use, sign
from einklang.content.liquid import Template, Unrenderable, parse_template
from einklang.content.message import Email, Message
from einklang.content.text import choose_language, common_languages
from einklang.kernel.errors import InputError
from einklang.kernel.time import DAY, Micros
from einklang.kernel.time import local as local_time

CONFIRM_VALID: Micros = 30 * DAY
_FONT = "Arial, Helvetica, sans-serif"
_UNSUBSCRIBE = {"de": "Abmelden", "en": "Unsubscribe"}
#: around every address in compiled HTML: where it begins (a link, a resource) and ends; no text can hold these
_LINK, _RESOURCE, _END = "\x01", "\x03", "\x02"
_TAG = re.compile(r'<([a-zA-Z][\w:-]*)((?:[^<>"]|"[^"]*")*)>')
_ADDRESS = re.compile(r'(\s)(href|src|background)="([^"]*)"')
_MARKED = re.compile(f"({_LINK}|{_RESOURCE})([^{_END}]*){_END}")
_URL = re.compile(r"(?:https?://|\bwww\.(?=\w))[^\s<>\"'\x01-\x03]+", re.IGNORECASE)
#: an address of which nothing needs to be joined, escaped or cleaned
_SIGNED = re.compile(r"https?://[\w.:/-]+", re.ASCII)
_REST = re.compile(r"[^\s<>\"'\x01-\x03]{1,500}")
_UNSEEN = re.compile("[\x00-\x20\x7f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+")
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_FAMILY = re.compile(r"[\w ,-]{1,200}")


class Brand(msgspec.Struct, frozen=True):
    """Design and sender of a brand. `url`: where relative links lead; `hosts`: further hosts of the company."""

    id: str = ""
    name: str = ""
    language: str = ""
    url: str = ""
    sender: str = ""
    reply_to: str = ""
    color: str = "#1f4e79"
    font: str = _FONT
    imprint: str = ""
    logo: str = ""
    hosts: tuple[str, ...] = ()


def _nobody() -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class RenderFacts:
    """What a message may know of one person at one moment.

    message_key: names the message in its links · link_key: secret of the home, 16 bytes or more · base_url: public
    address of this Einklang · now: microseconds · track_click: consent to tracked clicks · person, trait, data, event,
    journey: as templates see them (moments as microseconds, numbers int or Decimal) · product: id -> fields of the
    catalogue · recommend: product ids -> recommended ids."""

    message_key: str
    link_key: bytes
    base_url: str
    now: Micros
    person: Mapping[str, Any] = field(default_factory=_nobody)
    trait: Mapping[str, Any] = field(default_factory=_nobody)
    data: Mapping[str, Any] = field(default_factory=_nobody)
    event: Mapping[str, Any] = field(default_factory=_nobody)
    journey: Mapping[str, Any] = field(default_factory=_nobody)
    brand: Brand = field(default_factory=Brand)
    zone: str = "UTC"
    currency: str = "EUR"
    track_click: bool = False
    product: Callable[[str], Mapping[str, Any] | None] | None = None
    recommend: Callable[[Sequence[str]], Sequence[str]] | None = None


class Rendered(msgspec.Struct, frozen=True):
    """A mail ready to be put into MIME. `links[n]` is the target of the click link with number n (empty without
    consent); `unsubscribe`: address for List-Unsubscribe, "" where the class knows none; `sender`: as the message or
    brand says."""

    subject: str
    text: str
    html: str
    language: str
    links: tuple[str, ...]
    unsubscribe: str
    sender: str


@dataclass(frozen=True, slots=True)
class _Mail:
    subject: Template
    html: Template
    text: Template
    hosts: frozenset[str]


_LANGUAGES: WeakKeyDictionary[Message, tuple[str, ...]] = WeakKeyDictionary()
_COMPILED: WeakKeyDictionary[Message, dict[tuple[str, Brand], _Mail]] = WeakKeyDictionary()


def languages(message: Message) -> tuple[str, ...]:
    """The languages in which the whole e-mail is written; () if it is for all."""
    found = _LANGUAGES.get(message)
    if found is None:
        found = common_languages(text for _, text in message.email.texts()) if message.email else ()
        _LANGUAGES[message] = found
    return found


def render_email(message: Message, facts: RenderFacts) -> Rendered:
    """The mail of this message for this person. Raises Missing or Unrenderable (both with `reason` and `detail`)."""
    if message.email is None:
        raise Unrenderable(f"message {message.id} has no e-mail")
    language = choose_language(facts.person.get("language"), facts.brand.language, languages(message))
    mail = _compiled(message, language, facts.brand)
    site = facts.brand.url or facts.base_url
    links = _Links(message, facts, mail.hosts)
    spoken = language or facts.brand.language or "en"
    local = Local(spoken, facts.zone, facts.currency, site, links.product if facts.product else None, facts.recommend)
    values = _values(message, facts, links.own)
    subject = one_line(mail.subject.render(values, local))
    html = mail.html.render(values, local)
    text = mail.text.render(values, local)
    html = _MARKED.sub(links.in_html, html)
    text = _URL.sub(links.in_text, text)
    links.check(subject, html)
    unsubscribe = links.own["unsubscribe"] if message.class_ == "marketing" else ""
    sender = message.email.sender or facts.brand.sender
    return Rendered(subject, text.strip() + "\n", html, language, links.targets, unsubscribe, sender)


def one_line(text: str) -> str:
    """Text for a header: one line, no control characters, no marks that turn the direction of writing."""
    text = re.sub("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", "", text)
    return " ".join(re.sub("[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text).split())


class _OwnLinks(Mapping[str, str]):
    """`links` as templates see them, signed when they are asked for."""

    def __init__(self, facts: RenderFacts) -> None:
        self._facts = facts
        self._made: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        found = self._made.get(name)
        if found is None:
            found = self._made[name] = self._make(name)
        return found

    def _make(self, name: str) -> str:
        use = Use(name) if name in ("confirm", "preferences", "portal", "view") else Use.UNSUBSCRIBE
        if name != "unsubscribe" and use is Use.UNSUBSCRIBE:
            raise KeyError(name)
        expires = self._facts.now + CONFIRM_VALID if use is Use.CONFIRM else 0
        return _address(self._facts, Claim(use, self._facts.message_key, 0, expires))

    def __iter__(self) -> Iterator[str]:
        return iter(("confirm", "unsubscribe", "preferences", "portal", "view"))

    def __len__(self) -> int:
        return 5


def _address(facts: RenderFacts, claim: Claim) -> str:
    return f"{facts.base_url.rstrip('/')}/{claim.use}/{sign(facts.link_key, claim)}"


@lru_cache(maxsize=64)
def _brand_values(brand: Brand) -> Mapping[str, object]:
    return {name: value for name, value in msgspec.structs.asdict(brand).items() if value != ""}


def _values(message: Message, facts: RenderFacts, own: _OwnLinks) -> dict[str, object]:
    now = local_time(facts.now, facts.zone)
    data = {name: _typed(message, name, value, facts.zone) for name, value in facts.data.items()}
    brand = _brand_values(facts.brand)
    return {
        "person": facts.person, "trait": facts.trait, "data": data, "event": facts.event, "journey": facts.journey,
        "brand": brand, "links": own, "offer": data.get("offer"), "voucher": data.get("voucher"),
        "now": now, "today": now.date(),
    }  # fmt: skip


def _typed(message: Message, name: str, value: object, zone: str) -> object:
    declared = message.data.get(name)
    if declared is None or value is None or declared.name not in ("date", "timestamp"):
        return value
    try:
        return to_day_or_time(value, zone)
    except (ValueError, InputError) as error:
        raise Unrenderable(f"data.{name} is no {declared.name}") from error


class _Links:
    """Collects and signs the links of one mail, and refuses addresses that its author did not name."""

    def __init__(self, message: Message, facts: RenderFacts, hosts: frozenset[str]) -> None:
        self.own = _OwnLinks(facts)
        #: target -> its click address; the order is that of the numbers
        self._clicks: dict[str, str] = {}
        self._facts = facts
        self._track = facts.track_click and message.class_ != "opt_in"
        self._site = facts.brand.url or facts.base_url
        self._ours = _own_paths(facts.base_url)
        self._allowed: set[str] = set()
        self._hosts = hosts | _named(facts.base_url, facts.brand.url, facts.brand.logo)

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets of the click links, by number."""
        return tuple(self._clicks)

    def product(self, product_id: str) -> Mapping[str, Any] | None:
        """A product of the catalogue; its hosts are the company's own."""
        found = self._facts.product(product_id) if self._facts.product else None
        addresses = [found.get(name) for name in ("url", "image_url", "image")] if found else []
        self._hosts |= _named(*(address for address in addresses if isinstance(address, str)))
        return found

    def in_html(self, found: re.Match[str]) -> str:
        """The address between the marks as it goes out."""
        written = unescape(found[2]).strip()
        if not written or written.startswith("#"):
            return escape(written)
        if written.startswith(self._ours) and _SIGNED.fullmatch(written):
            return written
        bare = _UNSEEN.sub("", written)
        scheme = bare.partition(":")[0].lower() if re.match(r"[A-Za-z][\w+.-]*:", bare) else ""
        if scheme in ("mailto", "tel", "sms", "cid"):
            return escape(bare)
        if scheme not in ("", "http", "https"):
            raise Unrenderable(f"an address begins with {scheme[:20]}:")
        address = urljoin(self._site, bare)
        self._allow(address)
        return escape(self._tracked(address) if found[1] == _LINK else address)

    def in_text(self, found: re.Match[str]) -> str:
        """An address in plain text as it goes out."""
        address = found.group().rstrip(".,;:!?)")
        self._allow(address if "://" in address else f"http://{address}")
        tail = found.group()[len(address) :]
        return (self._tracked(address) if "://" in address else address) + tail

    def check(self, *texts: str) -> None:
        """Refuse what reads as an address of a foreign host, wherever it stands. (A search for `://` is 50 times as
        fast as a pattern over the whole mail.)"""
        for text in texts:
            at = text.find("://")
            while at >= 0:
                found = _REST.match(text, at)
                if found and text[at - 4 : at].lower() in ("http", "ttps"):
                    self._allow("http" + unescape(found.group()))
                at = text.find("://", at + 3)
            if "www." in text.lower():
                for found in _URL.finditer(text):
                    address = unescape(found.group())
                    self._allow(address if "://" in address else f"http://{address}")

    def _tracked(self, address: str) -> str:
        if not self._track or address.startswith(self._ours):
            return address
        click = self._clicks.get(address)
        if click is None:
            claim = Claim(Use.CLICK, self._facts.message_key, len(self._clicks))
            click = self._clicks[address] = _address(self._facts, claim)
        return click

    def _allow(self, address: str) -> None:
        if address.startswith(self._ours) or address in self._allowed:
            return
        host = _host(address)
        if host is None or not any(host == known or host.endswith("." + known) for known in self._hosts):
            raise Unrenderable(f"leads to a host that its author did not name: {(host or address)[:60]}")
        self._allowed.add(address)


def _host(address: str) -> str | None:
    if "\\" in address:  # browsers read it as a slash
        return None
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


@lru_cache(maxsize=64)
def _own_paths(base_url: str) -> tuple[str, ...]:
    """What the addresses of our own customer pages begin with."""
    return tuple(f"{base_url.rstrip('/')}/{use}/" for use in Use)


@lru_cache(maxsize=1024)
def _named(*addresses: str) -> frozenset[str]:
    """The hosts of these addresses, without a leading www."""
    return frozenset(host.removeprefix("www.") for address in addresses if address and (host := _host(address)))


def _compiled(message: Message, language: str, brand: Brand) -> _Mail:
    table = _COMPILED.setdefault(message, {})
    mail = table.get((language, brand))
    if mail is None:
        assert message.email is not None
        try:
            mail = table[language, brand] = _compile(message, message.email, language, brand)
        except (ValueError, InputError) as error:
            raise Unrenderable(str(error)) from error
    return mail


def _compile(message: Message, email: Email, language: str, brand: Brand) -> _Mail:
    where = f"message {message.id}: email"
    shield = Shield(*(source for _, text in email.texts() for _, source in text.items()))
    words = _UNSUBSCRIBE.get(language.split("-")[0], _UNSUBSCRIBE["en"])
    html = _html(email, language, brand, shield)
    text = email.text.pick(language) if email.text else _text(email, html, language, shield)
    if message.class_ == "marketing" and not _uses(html, shield):
        link = f'<a href="{shield.hide("{{ links.unsubscribe }}")}" style="color:#666666;">{words}</a>'
        foot = f'<div style="padding:16px;font:13px {_font(brand)};color:#666666;text-align:center;">{link}</div>'
        html = _before(html, "</body>", foot)
    if message.class_ == "marketing" and "links.unsubscribe" not in text:
        text = f"{text.rstrip()}\n\n-- \n{words}: {{{{ links.unsubscribe }}}}"
    if email.preheader:
        hidden = "display:none;max-height:0;overflow:hidden;opacity:0;"
        html = _after_body(html, f'<div style="{hidden}">{shield.plain(email.preheader.pick(language))}</div>')
    html = shield.show(_mark(html))
    hosts = _hosts_of(html) | _hosts_of(text) | _hosts_of(f"{brand.name} {brand.imprint}")
    hosts |= {host.removeprefix("www.") for host in (*message.hosts, *brand.hosts)}
    subject = parse_template(email.subject.pick(language), html=False, where=f"{where}.subject")
    return _Mail(
        subject, parse_template(html, html=True, where=where), parse_template(text, html=False, where=where), hosts
    )


def _hosts_of(source: str) -> frozenset[str]:
    """The hosts that an author wrote in a text; of `{{ data.shop }}.example.org` what follows the variable."""
    literal = LIQUID.sub("0liquid0", source)
    found = (match.group() for match in _URL.finditer(literal))
    hosts = _named(*(address if "://" in address else f"http://{address}" for address in found))
    return frozenset(rest for host in hosts if "0liquid0" not in (rest := host.rpartition("0liquid0.")[2]))


def _font(brand: Brand) -> str:
    return brand.font if _FAMILY.fullmatch(brand.font) else _FONT


def _html(email: Email, language: str, brand: Brand, shield: Shield) -> str:
    """The HTML with Liquid hidden and styles inlined."""
    if email.html is not None:
        return inline(shield.markup(email.html.pick(language)))
    if email.mjml is not None:
        return inline(mjml_to_html(shield.markup(email.mjml.pick(language))))
    color = brand.color if _COLOR.fullmatch(brand.color) else Brand().color
    if email.blocks:
        inside = to_mjml(email.blocks, language, shield, color)
    else:
        assert email.text is not None
        inside = f'<mj-text font-size="16px" line-height="24px">{shield.plain(email.text.pick(language))}</mj-text>'
    # what the brand says is printed as a value, so that it is text whatever it holds
    title = shield.hide("{{ brand.name }}") if brand.name else ""
    logo = shield.hide("{{ brand.logo }}")
    image = f'<mj-image src="{logo}" alt="{title}" width="160px" align="left"/>' if brand.logo else ""
    imprint = shield.hide("{{ brand.imprint | newline_to_br }}")
    small = 'font-size="13px" line-height="18px" color="#666666"'
    foot = f"<mj-text {small}>{imprint}</mj-text>" if brand.imprint else ""
    mjml = (
        f'<mjml lang="{escape(language or "und")}"><mj-head><mj-title>{title}</mj-title><mj-attributes>'
        f'<mj-all font-family="{_font(brand)}"/></mj-attributes></mj-head>'
        f'<mj-body background-color="#f4f4f4" width="600px"><mj-section background-color="#ffffff">'
        f"<mj-column>{image}{inside}{foot}</mj-column></mj-section></mj-body></mjml>"
    )
    return inline(mjml_to_html(mjml))


def _text(email: Email, html: str, language: str, shield: Shield) -> str:
    if email.blocks:
        return to_text(email.blocks, language)
    return shield.show(html_to_text(html))


def _uses(html: str, shield: Shield) -> bool:
    return "links.unsubscribe" in shield.show(html)


def _before(html: str, tag: str, part: str) -> str:
    head, found, tail = html.rpartition(tag)
    return head + part + found + tail if found else html + part


def _after_body(html: str, part: str) -> str:
    return re.sub(r"<body\b[^>]*>", lambda found: found.group() + part, html, count=1)


def _mark(html: str) -> str:
    """Marks around every address, so that they are found at once when a person's values are in it."""

    def tag(found: re.Match[str]) -> str:
        clickable = found[1].lower() in ("a", "area")

        def address(part: re.Match[str]) -> str:
            mark = _LINK if clickable and part[2] == "href" else _RESOURCE
            return f'{part[1]}{part[2]}="{mark}{part[3]}{_END}"'

        return f"<{found[1]}{_ADDRESS.sub(address, found[2])}>"

    return _TAG.sub(tag, html)
