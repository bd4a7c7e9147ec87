"""Mails for a person: language, blocks, tracked and plain links, hosts, and what hostile values cannot do."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from decimal import Decimal
from functools import cache, partial
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from einklang.content import mail as mail_room
from einklang.content.links import Use, verify
from einklang.content.liquid import Missing, Unrenderable, parse_template
from einklang.content.mail import _COMPILED, Brand, Rendered, RenderFacts, one_line, render_email
from einklang.content.message import parse_message
from einklang.content.text import parse_text
from einklang.kernel.time import DAY
from tests.content.content_samples import (
    BASE,
    CART,
    FOREIGN,
    HOSTILE,
    INVOICE,
    KEY,
    MESSAGE_KEY,
    NOW,
    OPT_IN,
    PLAIN,
    PRODUCTS,
    WRITTEN,
    facts,
    message,
)

SAMPLES = [CART, WRITTEN, PLAIN, OPT_IN, INVOICE]


class Reader(HTMLParser):
    """The structure of HTML (tags, names of attributes), its addresses and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag."""
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "background")]

    def handle_endtag(self, tag: str) -> None:
        """Note the end."""
        self.tags.append((f"/{tag}", ()))

    def handle_data(self, data: str) -> None:
        """Note the text."""
        self.text += data


def hosts(rendered: Rendered) -> set[str]:
    """Every host named in any part, by a pattern of its own."""
    whole = f"{rendered.subject}\n{rendered.text}\n{rendered.html}"
    return {found.lower() for found in re.findall(r"//([\w.-]+)", whole)}


def test_a_mail_of_blocks() -> None:
    """Blocks become HTML and text in the person's language, with money as it is written there."""
    mail = render_email(message(CART), facts())
    assert mail.language == "de"
    assert mail.subject == "Ihr Warenkorb, Ada"
    for part in (Reader(mail.html).text, mail.text):
        for word in (
            "Guten Tag & willkommen",
            "Schuh",
            "9,50\u00a0€",
            "Hut",
            "1.234,00\u00a0€",
            "Zusammen 1.243,50\u00a0€",
        ):
            assert word in part
    assert mail.html.startswith('<!DOCTYPE html><html lang="de"')
    assert "Zum Warenkorb: https://www.shop.example/cart?total=1243.50" in mail.text
    assert "Noch da" in Reader(mail.html).text
    assert mail.sender == "Shop <shop@shop.example>"
    assert "lq0x" not in mail.html + mail.text
    assert "{%" not in mail.html + mail.text


def test_the_html_of_the_author_is_kept() -> None:
    """Loops within tables, conditions and attributes survive; styles go into the tags; text is made from it."""
    mail = render_email(message(WRITTEN), facts())
    read = Reader(mail.html)
    assert [tag for tag, _ in read.tags].count("tr") == 2
    assert '<p style="color: red' in mail.html
    assert "VIP" in read.text
    assert "no" not in read.text.replace("no-", "").split()
    assert "https://shop.example/p1?a=1&b=2" in read.addresses
    assert "https://www.shop.example/logo.png" in read.addresses
    assert {"mailto:a@shop.example", "#top"} <= set(read.addresses)
    assert "p2 (https://shop.example/p2?a=1&b=2)" in mail.text
    assert "color: red" not in mail.text


def test_mjml_of_the_author() -> None:
    """MJML is translated, Liquid within it works, and no font is fetched."""
    mjml = (
        "<mjml><mj-head><mj-title>{{ trait.firstName }}</mj-title></mj-head><mj-body><mj-section><mj-column>"
        '<mj-text font-family="Roboto">Hi {{ trait.firstName }} {% if trait.vip %}VIP{% endif %}</mj-text>'
        "<mj-raw>{% for p in data.products %}<tr><td>{{ p }}</td></tr>{% endfor %}</mj-raw>"
        '<mj-button href="/x?n={{ trait.firstName }}">Go</mj-button></mj-column></mj-section></mj-body></mjml>'
    )
    raw = {
        "id": "m",
        "purpose": "a",
        "class": "marketing",
        "data": {"products": "list"},
        "email": {"subject": "x", "mjml": mjml},
    }
    mail = render_email(parse_message(raw), facts())
    read = Reader(mail.html)
    assert "Hi Ada VIP" in read.text
    assert "<title>Ada</title>" in mail.html
    assert "https://www.shop.example/x?n=Ada" in read.addresses
    assert re.search(r"p1\s*p2", read.text)
    assert hosts(mail) == {"www.shop.example", "mail.shop.example"}


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("tracked", [False, True])
def test_no_foreign_host(sample: Mapping[str, Any], language: str, tracked: bool) -> None:
    """No mail names a host that is not the author's, the brand's, the catalogue's or Einklang's (invariant 20)."""
    mail = render_email(message(sample), facts(person={"language": language}, track_click=tracked))
    known = {"shop.example", "www.shop.example", "cdn.shop.example", "www.hats.example", "mail.shop.example"}
    assert hosts(mail) <= known


@pytest.mark.parametrize(
    ("wanted", "brand", "language"),
    [("de-AT", "en", "de"), ("fr", "en", "en"), ("fr", "", "de"), (None, "en-GB", "en")],
)
def test_the_language_of_a_mail(wanted: str | None, brand: str, language: str) -> None:
    """The person's, else the brand's, else the first given; money follows it."""
    person = {"language": wanted} if wanted else {}
    mail = render_email(message(CART), facts(person=person, brand=Brand(url="https://shop.example", language=brand)))
    assert mail.language == language
    assert ("Zusammen" in mail.text) == (language == "de")
    assert ("€1,243.50" in mail.text) == (language == "en")
    assert ("Abmelden" if language == "de" else "Unsubscribe") in mail.text


def test_dates_follow_declaration_and_zone() -> None:
    """A declared date is a day, a declared timestamp a moment in the person's zone, from text or microseconds."""
    mail = render_email(message(INVOICE), facts())
    assert mail.text == "Bis 01.03.2027, 01.03.2027, 10:30, 01.03.2027, 10:30\n"
    later = render_email(message(INVOICE), facts(data={"until": "2027-03-01", "at": NOW}, zone="America/New_York"))
    assert "15.01.2027, 03:00" in later.text
    with pytest.raises(Unrenderable, match=r"data\.at is no timestamp"):
        render_email(message(INVOICE), facts(data={"until": "2027-03-01", "at": "soon"}))


def test_without_consent_links_are_plain() -> None:
    """No rewritten link and no pixel without consent to tracking (invariant 30)."""
    mail = render_email(message(CART), facts())
    assert mail.links == ()
    assert "/c/" not in mail.html + mail.text
    assert "https://www.shop.example/p1" in Reader(mail.html).addresses
    sources = [address for address in Reader(mail.html).addresses if address.endswith(".png")]
    assert sources == ["https://cdn.shop.example/1.png", "https://cdn.shop.example/x.png"]


def test_with_consent_links_are_signed() -> None:
    """Each link of HTML and text is a click link whose number leads to its target; the same target has one number."""
    mail = render_email(message(CART), facts(track_click=True))
    assert set(mail.links) == {
        "https://www.shop.example/p1",
        "https://www.hats.example/2",
        "https://www.shop.example/cart?total=1243.50",
    }
    clicks = re.findall(rf"{BASE}/c/([\w-]+)", mail.html)
    for part in (clicks, re.findall(rf"{BASE}/c/([\w-]+)", mail.text)):
        claims = [verify(KEY, token, Use.CLICK) for token in part]
        assert {claim.message_key for claim in claims} == {MESSAGE_KEY}
        assert sorted({claim.number for claim in claims}) == [0, 1, 2]
    assert not {address for address in Reader(mail.html).addresses if "shop.example/cart" in address}


def test_a_link_written_in_text() -> None:
    """A literal address in text is clickable in HTML, keeps its punctuation outside, and is tracked once."""
    mail = render_email(message(PLAIN), facts(track_click=True))
    assert mail.links == ("https://shop.example/a?b=1&c=2",)
    assert re.search(rf"see {BASE}/c/[\w-]+\.\n", mail.text)
    assert re.search(rf'see <a href="{BASE}/c/[\w-]+">https://shop\.example/a\?b=1&amp;c=2</a>\.', mail.html)


def test_own_links_are_never_tracked() -> None:
    """Unsubscribe, preferences and confirm lead straight there."""
    mail = render_email(message(PLAIN), facts(track_click=True))
    for use in (Use.UNSUBSCRIBE, Use.PREFERENCES):
        for part in (mail.text, mail.html):
            found = re.search(rf"{BASE}/{use}/([\w-]+)", part)
            assert found
            assert verify(KEY, found[1], use).message_key == MESSAGE_KEY


def test_opt_in_is_not_tracked_and_expires() -> None:
    """A confirm mail has plain links even with consent, no unsubscribe header, and its link ends after 30 days."""
    mail = render_email(message(OPT_IN), facts(track_click=True))
    assert mail.links == ()
    assert mail.unsubscribe == ""
    assert "/u/" not in mail.text + mail.html
    found = re.search(rf"{BASE}/confirm/([\w-]+)", mail.text)
    assert found
    assert found.group() in Reader(mail.html).addresses
    assert verify(KEY, found[1], Use.CONFIRM, NOW).expires == NOW + 30 * DAY


@pytest.mark.parametrize("sample", [CART, WRITTEN, PLAIN])
def test_marketing_can_be_left(sample: Mapping[str, Any]) -> None:
    """HTML, text and header hold the unsubscribe link; the foot is added where the author has none."""
    mail = render_email(message(sample), facts())
    assert verify(KEY, mail.unsubscribe.rpartition("/")[2], Use.UNSUBSCRIBE).message_key == MESSAGE_KEY
    assert mail.unsubscribe in Reader(mail.html).addresses
    assert mail.unsubscribe in mail.text
    assert mail.html.count("Abmelden") + mail.html.count("Unsubscribe") == 1
    assert mail.html.rstrip().endswith("</body></html>")


def test_the_foot_is_not_doubled() -> None:
    """A template that has the link itself gets no second one."""
    text = "Bye: {{ links.unsubscribe }}"
    mail = render_email(message(PLAIN, text=text), facts())
    assert mail.text.count("/u/") == 1
    assert len([address for address in Reader(mail.html).addresses if "/u/" in address]) == 1
    assert "Unsubscribe" not in mail.text + mail.html


def test_transactional_mails_have_no_foot() -> None:
    """An invoice is not a newsletter."""
    mail = render_email(message(INVOICE), facts())
    assert mail.unsubscribe == ""
    assert "/u/" not in mail.text + mail.html


def test_missing_holds_the_mail() -> None:
    """A variable, a product list or recommendations that are missing: nothing half-rendered goes out."""
    with pytest.raises(Missing, match=r"trait\.firstName"):
        render_email(message(PLAIN), facts(trait={}))
    with pytest.raises(Missing, match=r"data\.total"):
        render_email(message(CART), facts(data={"products": ["p1"]}))
    with pytest.raises(Missing, match="products"):
        render_email(message(CART), facts(data={"products": [], "total": 1}))
    recommend = message(CART, blocks=[{"recommend": "data.products"}])
    with pytest.raises(Missing, match="recommend"):
        render_email(recommend, facts())
    assert "Hut" in render_email(recommend, facts(recommend=lambda ids: [x for x in PRODUCTS if x not in ids[:1]])).text
    with pytest.raises(Unrenderable):
        render_email(parse_message({"id": "x", "purpose": "a", "class": "marketing", "sms": {"text": "a"}}), facts())


def test_products() -> None:
    """Lines keep their order without repeats; what the catalogue does not know is named by its id."""
    mail = render_email(message(CART), facts(data={"products": ["p2", "new", "p1", "p2"], "total": Decimal(1)}))
    assert re.findall(r"^- (\w+)", mail.text, re.MULTILINE) == ["Hut", "new", "Schuh"]
    several = message(CART, blocks=[{"products": ["data.products[1]", "p1"]}])
    assert re.findall(r"^- (\w+)", render_email(several, facts()).text, re.MULTILINE) == ["Hut", "Schuh"]


@pytest.mark.parametrize("value", FOREIGN)
@pytest.mark.parametrize("sample", [CART, WRITTEN, PLAIN])
def test_a_value_brings_no_foreign_host(sample: Mapping[str, Any], value: str) -> None:
    """A name or trait that smuggles an address holds the mail, tracked or not (positive control: named hosts pass)."""
    trait = {"firstName": value, "vip": True}
    for tracked in (False, True):
        try:
            mail = render_email(message(sample), facts(trait=trait, track_click=tracked))
        except Unrenderable:
            continue
        assert "evil" not in f"{mail.subject} {mail.text} {mail.html} {mail.links}".lower()
    named = parse_message({**sample, "hosts": ["evil.test"]})
    trait["firstName"] = "https://www.evil.test/x"
    mail = render_email(named, facts(trait=trait))
    assert "www.evil.test" in mail.subject + mail.html


@pytest.mark.parametrize(
    "value", ["javascript:alert(1)", "java\nscript:x", " vbscript:x", "data:text/html,x", "JaVaScRiPt:x"]
)
def test_an_address_from_a_value_has_a_harmless_scheme(value: str) -> None:
    """A value that is the whole address can be a page, mail or phone number, nothing that runs."""
    raw = {
        "id": "m",
        "purpose": "a",
        "class": "transactional",
        "email": {"subject": "x", "html": '<a href="{{ trait.x }}">y</a>'},
    }
    with pytest.raises(Unrenderable, match="begins with"):
        render_email(parse_message(raw), facts(trait={"x": value}))
    for harmless in ("tel:+49", "mailto:a@b.example", "/x", "https://shop.example/", "#a"):
        assert render_email(parse_message(raw), facts(trait={"x": harmless})).html


def _facts_with(value: str, place: str) -> RenderFacts:
    """The facts with a hostile value in one place."""
    base = facts()
    if place == "product":
        product = {"name": value, "price": Decimal(1)}
        return replace(base, product=lambda _: product)
    if place == "data":
        return replace(base, data={**base.data, "products": [value, "p1"]})
    if place == "brand":
        return replace(
            base, brand=Brand(name=value, url="https://www.shop.example", imprint=value, font=value, color=value)
        )
    if place == "address":
        product = {"name": "x", "url": value, "image_url": value}
        return replace(base, product=lambda _: product)
    current: Mapping[str, Any] = getattr(base, place)
    changed: dict[str, Any] = {place: {**dict.fromkeys((*current, "firstName"), value), "language": "de"}}
    return replace(base, **changed)


ATTACKED = {one.id: one for one in (message(CART), message(WRITTEN), message(PLAIN))}


def _without_breaks(tags: list[tuple[str, tuple[str, ...]]]) -> list[tuple[str, tuple[str, ...]]]:
    return [tag for tag in tags if tag[0] not in ("br", "/br")]


@cache
def _harmless(name: str, place: str) -> list[tuple[str, tuple[str, ...]]]:
    return _without_breaks(Reader(render_email(ATTACKED[name], _facts_with("/harmless", place)).html).tags)


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_change_no_structure(value: str) -> None:
    """Whatever a value holds, the tags and attributes of the HTML are those of a harmless one (invariant 40)."""
    places = ("trait", "person", "product", "data", "brand", "address")
    for (name, sample), place in itertools.product(ATTACKED.items(), places):
        try:
            mail = render_email(sample, _facts_with(value, place))
        except Unrenderable:
            continue
        read = Reader(mail.html)
        assert _without_breaks(read.tags) == _harmless(name, place), (name, place, value)
        assert all(re.match(r"https?://|mailto:|#|$", address) for address in read.addresses)
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]", mail.html + mail.text)
        assert not re.search("[\x00-\x1f\u2028\u202e]", mail.subject)
        (mail.html + mail.text + mail.subject).encode("utf-8")


def test_a_mail_is_a_function_of_its_facts() -> None:
    """The same facts give the same mail; nothing is kept from one person to the next (invariant 19)."""
    cart = message(CART)
    first = render_email(cart, facts())
    other = render_email(cart, facts(trait={"firstName": "Grace"}, data={"products": ["p2"], "total": Decimal(2)}))
    assert "Ada" not in other.subject + other.html + other.text
    assert "Schuh" not in other.html + other.text
    assert render_email(cart, facts()) == first == render_email(message(CART), facts())


def test_compiled_once_per_language_and_brand() -> None:
    """The costly part is kept per message, language and brand, and goes with the message."""
    cart = message(CART)
    for trait in ("A", "B", "C"):
        render_email(cart, facts(trait={"firstName": trait}))
    assert len(_COMPILED[cart]) == 1
    render_email(cart, facts(person={"language": "en"}))
    render_email(cart, facts(brand=Brand(url="https://shop.example", color="#ff0000")))
    assert len(_COMPILED[cart]) == 3
    size = len(_COMPILED)
    del cart
    assert len(_COMPILED) < size


def test_a_brand_shapes_the_mail() -> None:
    """Colour, logo and imprint of the brand; values that are no colour or font are left out."""
    brand = Brand(
        name="Söhne & Co",
        url="https://shop.example",
        color="#abcdef",
        imprint="Söhne & Co\nUlm",
        logo="https://logo.example/l.png",
    )
    html = render_email(message(CART), facts(brand=brand)).html
    assert "#abcdef" in html
    assert "https://logo.example/l.png" in Reader(html).addresses
    assert "Söhne &amp; Co<br />\nUlm" in html
    bad = render_email(message(CART), facts(brand=Brand(url="https://shop.example", color='red;"', font="x;}<")))
    assert "red;" not in bad.html
    assert "x;}" not in bad.html


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\r\nBcc: b", "a Bcc: b"),
        ("a\x00b\x07", "a b"),
        ("\u202eevil\u202c", "evil"),
        ("  a \t b\u2028c ", "a b c"),
        ("ok ä 😀", "ok ä 😀"),
    ],
)
def test_one_line(text: str, line: str) -> None:
    """A header is one line without marks that hide or turn it."""
    assert one_line(text) == line


def test_facts_name_their_fields() -> None:
    """RenderFacts is the whole of what a template can see of a person."""
    names = {field.name for field in fields(RenderFacts)}
    assert {"person", "trait", "data", "event", "journey", "brand"} <= names


def test_preheader_and_imprint_see_liquid() -> None:
    """Texts beside the body are templates too."""
    mail = render_email(
        message(CART, preheader="Für {{ trait.firstName }}"), facts(brand=Brand(url="https://shop.example"))
    )
    assert "Für Ada" in Reader(mail.html).text


def test_conditions_around_an_address() -> None:
    """An `if` that begins or ends beside an address stays whole."""
    text = (
        "{% if trait.vip %}https://shop.example/vip{% else %}https://shop.example/{% endif %} {{ links.preferences }}"
    )
    mail = render_email(message(PLAIN, text=text), facts())
    assert "https://shop.example/vip" in Reader(mail.html).addresses
    assert "https://shop.example/vip " in mail.text


def test_the_guards_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: without escaping a value makes tags, without the check of hosts it brings its own."""
    attack = facts(trait={"firstName": "<b>x</b> https://evil.test/", "vip": True})
    with pytest.raises(Unrenderable):
        render_email(message(WRITTEN), attack)
    with monkeypatch.context() as patch:
        patch.setattr(mail_room._Links, "_allow", lambda self, address: None)
        open_mail = render_email(message(WRITTEN), attack)
        assert "evil.test" in open_mail.html
        assert ("b", ()) not in Reader(open_mail.html).tags
        unescaped = partial(parse_template, html=False)
        patch.setattr(mail_room, "parse_template", lambda source, html, where: unescaped(source, where=where))
        assert ("b", ()) in Reader(render_email(message(WRITTEN), attack).html).tags


def test_deep_html_is_refused_before_the_tools_crash() -> None:
    """A definition that came in by another way is Unrenderable, too."""
    sample = message(WRITTEN, html="<p>ok</p>")
    assert sample.email is not None
    deep = msgspec.structs.replace(sample.email, html=parse_text("<i>" * 30_000, "", ""))
    with pytest.raises(Unrenderable, match="nested"):
        render_email(msgspec.structs.replace(sample, email=deep), facts())
