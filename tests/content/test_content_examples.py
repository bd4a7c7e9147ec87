"""The messages of the examples of the language: all parse, all e-mails render in German and English."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from einklang.content.liquid import Missing
from einklang.content.mail import render_email
from einklang.content.message import DataType, Message, check_data, parse_message
from einklang.content.mime import Envelope, build_mime
from tests.content.content_samples import MESSAGE_KEY, NOW, facts

LANGUAGE = Path(__file__).resolve().parents[3] / "shared" / "language.md"
#: written out, so that the test says something where the reference is absent
OWN = """
kind: message
id: welcome-picks
purpose: newsletter
class: marketing
data: {topics: list(string)}
email:
  subject: {de: Für Sie ausgesucht, en: Picked for you}
  text: {de: "Neues zu {{ data.topics | join: ', ' }}", en: "New in {{ data.topics | join: ', ' }}"}
---
kind: message
id: cart-first
purpose: marketing
class: marketing
data: {products: list(string), total: money}
email:
  subject: {de: Ihr Warenkorb wartet, en: Your cart is waiting}
  blocks:
    - {products: data.products}
    - {text: {de: "Zusammen {{ data.total | money }}", en: "{{ data.total | money }} in total"}}
    - {button: {text: {de: Zum Warenkorb, en: To the cart}, to: /cart}}
push:
  title: {de: Ihr Warenkorb, en: Your cart}
  text: {de: "Noch {{ data.products.size }} Artikel da", en: "{{ data.products.size }} items are still there"}
---
kind: message
id: browse-mail
purpose: marketing
class: marketing
data: {product: string, name: string}
email:
  subject: {de: "Noch Fragen zu {{ data.name }}?", en: "Any questions about {{ data.name }}?"}
  blocks: [{products: [data.product]}]
---
kind: message
id: renewal-offer
purpose: marketing
class: marketing
data: {end: date}
email:
  subject: {de: Verlängern und sparen, en: Renew and save}
  text: {de: "Noch bis {{ data.end | date }}.", en: "Until {{ data.end | date }}."}
sms: {text: {de: "Ende {{ data.end | date }}", en: "Ends {{ data.end | date }}: {{ links.portal }}"}}
letter: {template: plain, text: {de: "Bis {{ data.end | date }}.", en: "Until {{ data.end | date }}."}}
---
kind: message
id: letter-call
purpose: marketing
class: marketing
phone:
  script: {de: Auf den Brief beziehen., en: Refer to the letter.}
  outcomes: [visit_agreed, no_interest, not_reached]
"""
VALUES: dict[str, Any] = {
    "string": "x-1",
    "number": 3,
    "bool": True,
    "money": Decimal("19.99"),
    "timestamp": NOW,
    "date": date(2027, 3, 1),
    "list": ["p1", "p2"],
    "map": {"a": 1},
}


def messages_of(text: str) -> list[Message]:
    """The messages of a YAML stream."""
    loader = YAML(typ="safe", pure=True)
    return [parse_message(doc, "language.md") for doc in loader.load_all(text) if doc and doc.get("kind") == "message"]


def rendered_in_both(found: list[Message]) -> int:
    """Render each e-mail in both languages and write its bytes; returns how many."""
    mails = 0
    for one in found:
        if one.email is None:
            continue
        data = {name: VALUES[declared.name] for name, declared in one.data.items()}
        for language in ("de", "en"):
            held = facts(person={"language": language}, data=data, recommend=lambda ids: ids)
            mail = render_email(one, held)
            assert mail.language == language
            assert mail.subject
            assert mail.text.strip()
            assert "{{" not in mail.subject + mail.text + mail.html
            assert build_mime(mail, Envelope(MESSAGE_KEY, "k@web.example", NOW))
            mails += 1
    return mails


def test_own_examples() -> None:
    """The written-out examples parse and render."""
    found = messages_of(OWN)
    assert [one.id for one in found] == ["welcome-picks", "cart-first", "browse-mail", "renewal-offer", "letter-call"]
    assert rendered_in_both(found) == 8
    assert found[3].channels == ("email", "sms", "letter")


def test_what_they_say() -> None:
    """The words of two of them, in German and English."""
    picks, cart = messages_of(OWN)[:2]
    assert render_email(picks, facts(data={"topics": ["Schuhe", "Hüte"]})).text.startswith("Neues zu Schuhe, Hüte\n")
    data = {"products": ["p1"], "total": Decimal("19.9")}
    assert "€19.90 in total" in render_email(cart, facts(person={"language": "en"}, data=data)).text
    with pytest.raises(Missing):
        render_email(picks, facts(data={}))


def test_their_data_is_checked() -> None:
    """What the steps of the examples hand over fits what the messages declare."""
    for one in messages_of(OWN):
        check_data(one, {name: _type(declared) for name, declared in one.data.items()})


def _type(declared: DataType) -> str:
    return declared.name + (f"({declared.item})" if declared.item else "")


@pytest.mark.skipif(not LANGUAGE.is_file(), reason="the reference of the language is not here")
def test_every_message_of_the_reference() -> None:
    """All messages of language.md parse; all its e-mails render in German and English."""
    blocks = re.findall(r"```yaml example=\w+\n(.*?)```", LANGUAGE.read_text("utf-8"), re.DOTALL)
    found = [one for block in blocks for one in messages_of(block)]
    assert len(found) >= 40
    assert rendered_in_both(found) >= 70
