"""Sample messages, facts and hostile values shared by the tests of content."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from einklang.content.mail import Brand, RenderFacts
from einklang.content.message import Message, parse_message

KEY = bytes(range(32))
MESSAGE_KEY = "m_abcdefghijklmnop"
NOW = 1_800_000_000_000_000  # 2027-01-15T08:00:00Z
BASE = "https://mail.shop.example"

PRODUCTS: dict[str, dict[str, Any]] = {
    "p1": {"name": "Schuh", "price": Decimal("9.5"), "url": "/p1", "image_url": "https://cdn.shop.example/1.png"},
    "p2": {"name": "Hut", "price": Decimal("1234"), "url": "https://www.hats.example/2"},
}

CART: dict[str, Any] = {
    "kind": "message",
    "id": "cart-first",
    "purpose": "marketing",
    "class": "marketing",
    "data": {"products": "list(string)", "total": "money"},
    "email": {
        "subject": {"de": "Ihr Warenkorb, {{ trait.firstName | default: '' }}", "en": "Your cart is waiting"},
        "preheader": {"de": "Noch da", "en": "Still there"},
        "blocks": [
            {"heading": {"de": "Guten Tag & willkommen", "en": "Hello"}},
            {"products": "data.products"},
            {"text": {"de": "Zusammen {{ data.total | money }}", "en": "{{ data.total | money }} in total"}},
            {"button": {"text": {"de": "Zum Warenkorb", "en": "To the cart"}, "to": "/cart?total={{ data.total }}"}},
            "divider",
            {"image": {"src": "https://cdn.shop.example/x.png", "alt": {"de": "Bild", "en": "Picture"}}},
        ],
    },
}
HTML = (
    "<html><head><style>p { color: red }</style></head><body><p>{{ trait.firstName }}</p>"
    "<table>{% for p in data.products %}"
    '<tr><td><a href="https://shop.example/{{ p }}?a=1&amp;b=2">{{ p }}</a></td></tr>'
    "{% endfor %}</table><p>{% if trait.vip %}VIP{% else %}no{% endif %} "
    '<img src="/logo.png" alt="{{ trait.firstName }}">'
    '<a href="mailto:a@shop.example">write</a> <a href="#top">top</a></p></body></html>'
)
WRITTEN: dict[str, Any] = {
    "id": "written",
    "purpose": "marketing",
    "class": "marketing",
    "data": {"products": "list"},
    "email": {"subject": "Hi {{ trait.firstName }}", "html": HTML},
}
PLAIN: dict[str, Any] = {
    "id": "plain",
    "purpose": "newsletter",
    "class": "marketing",
    "email": {
        "subject": "Hi",
        "text": "Hello {{ trait.firstName }}, see https://shop.example/a?b=1&c=2.\n\n{{ links.preferences }}",
    },
}
OPT_IN: dict[str, Any] = {
    "id": "confirm-please",
    "purpose": "newsletter",
    "class": "opt_in",
    "email": {
        "subject": {"de": "Bitte bestätigen", "en": "Please confirm"},
        "text": {"de": "Ja: {{ links.confirm }} https://shop.example/", "en": "Yes: {{ links.confirm }}"},
    },
}
INVOICE: dict[str, Any] = {
    "id": "invoice",
    "purpose": "service",
    "class": "transactional",
    "data": {"until": "date", "at": "timestamp"},
    "email": {
        "subject": {"de": "Rechnung", "en": "Invoice"},
        "text": {
            "de": "Bis {{ data.until | date }}, {{ data.at | date: 'datetime' }}, {{ data.at }}",
            "en": "Until {{ data.until | date }}",
        },
    },
}


def message(raw: Mapping[str, Any], **email: Any) -> Message:
    """The parsed sample, with fields of its e-mail replaced."""
    document = dict(raw)
    if email:
        document["email"] = {**raw["email"], **email}
    return parse_message(document)


def facts(**changes: Any) -> RenderFacts:
    """Facts with which every sample renders."""
    values: dict[str, Any] = {
        "message_key": MESSAGE_KEY,
        "link_key": KEY,
        "base_url": BASE,
        "now": NOW,
        "person": {"id": "p_1", "language": "de", "email": "kunde@web.example"},
        "trait": {"firstName": "Ada", "vip": True},
        "data": {
            "products": ["p1", "p2"],
            "total": Decimal("1243.50"),
            "until": "2027-03-01",
            "at": "2027-03-01T09:30:00Z",
        },
        "brand": Brand(name="Shop", url="https://www.shop.example", sender="Shop <shop@shop.example>"),
        "zone": "Europe/Berlin",
        "product": PRODUCTS.get,
    }
    return RenderFacts(**{**values, **changes})


_PARTS = [
    "{{ 7 | times: 7 }}", "{{", "}}", "{% raw %}", "{% endif %}", "{{ links.confirm }}", "lq0x1z", "<!--lq0x0z-->",
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "'\"><svg/onload=alert(1)>", "\"onmouseover=\"x()",
    "javascript:alert(1)", "java\nscript:alert(1)", "&lt;script&gt;", "&#106;avascript:x", "</td></tr></table><b>",
    "<!-- ", "-->", "]]>", "<![endif]-->", "</title>", "</style>", "<style>*{}</style>", "<base href=//x>",
    "a\r\nBcc: evil@x.test", "a\nX: y", "\r\n\r\nbody", "=?utf-8?b?QmNj?=", "a\x00b", "\x01\x02\x03", "\x1b[31m",
    "\u202eevil\u202c", "\u2066x\u2069", "\u200bz", "\ud800", "\udfff\ud800", "a\u0301" * 50, "\U0001f600" * 20,
    "\u0000", "\ufeff", "\u2028line", "%00", "%0d%0aBcc:x", "../../etc/passwd", "'; DROP TABLE x; --", "${7*7}",
    "#{7*7}", "{%- comment -%}", "a" * 5_000, "<" * 500, "\"" * 300, "&" * 300, "\\" * 100, "`id`", "|ls", ";", "()",
    "None", "null", "0", "-1", "1e999", "NaN", "true", "[]", "{}", "\t", " ", "'", '"', "<", ">", "&", "&amp;", "=",
    "=\r\n",
]  # fmt: skip
_HOSTS = [
    "https://evil.test/", "http://evil.test", "HTTPS://EVIL.TEST/x", "www.evil.test", "see http://evil.test now",
    "https://shop.example@evil.test/", "https://shop.example.evil.test/", "http://evil.test\\@shop.example/",
    "https://evil.test?shop.example", "https://evil.test#shop.example", "https://[::1]/", "http://127.0.0.1.evil.test/",
    "https://evilshop.example/", "http:\u200b//evil.test https://evil.test/", "https://evil\uff0etest/.shop.example.test",
]  # fmt: skip
#: values that bring no address, and values that bring one of a host that no author named
HOSTILE = _PARTS + [f"x{part}y" for part in _PARTS[:30]]
FOREIGN = _HOSTS
assert len(HOSTILE) >= 100
