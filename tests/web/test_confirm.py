"""Double opt-in end to end: asked for on a page, confirmed by the link in a mail, once, with its proof."""

from __future__ import annotations

import re
from typing import Any

import pytest

from einklang.app.apply import Body, in_force
from einklang.app.deliver import Delivery
from einklang.app.state import State
from einklang.content.links import Claim, Use, sign
from einklang.event import EngineCall, body_of
from einklang.kernel.time import DAY, SECOND
from tests.web.homes import BASE, LINK_KEY, SALT, Home, call, link, run
from tests.web.test_customer_pages import Mailbox

ADDRESS = "ada@shop.example"
DEFINITIONS = """
{kind: purpose, id: newsletter, title: {de: Newsletter, en: Newsletter}, double_opt_in: true}
---
kind: journey
id: welcome
entry: {event: Consent Requested, where: 'purpose == "newsletter"', key: address}
steps:
  - {id: ask, contact: please, channels: email, else: end}
  - {id: answer, until: 'consent("email", "newsletter")', at_most: 2d, else: end}
  - {id: hello, contact: hello, channels: email}
---
kind: journey
id: letter
entry: {event: Read Me}
steps: [{id: mail, contact: hello, channels: email}]
---
{kind: message, id: please, purpose: newsletter, class: opt_in,
 email: {subject: Confirm, text: "{{ links.confirm }}"}}
---
{kind: message, id: hello, purpose: newsletter, class: marketing, email: {subject: Hello, text: Hello}}
"""
SAID = {"channel": "email", "purpose": "newsletter", "address": ADDRESS}


def word(home: Home) -> tuple[str, str, str, str]:
    """(status, source, actor, evidence) of the last row of the ledger."""
    row = home.book.read("all_ledger", 0, 1_000)[-1]
    return row[6], row[9], row[11], row[12]


def ready(home: Home) -> list[tuple[str, str]]:
    """(message, key) of what waits for its hand-over."""
    return [(row[7], row[2]) for row in home.book.read("outbox_ready", home.time, 10)]


@pytest.fixture
def asked(home: Home) -> tuple[Home, str]:
    """A home in which Ada asked for the newsletter; the key of the mail that asks her to confirm."""
    home.define(DEFINITIONS)
    home.tick()
    home.track(call("identify", traits={"email": ADDRESS, "language": "de"}))
    home.track(call(event="Consent Requested", properties=SAID))
    home.tick(after=SECOND)
    ((message, key),) = ready(home)
    assert message == "please"
    state = State(SALT, in_force(home.book), link_key=LINK_KEY, base_url=BASE, channels=frozenset({"email"}))
    mailbox = Mailbox()
    run(Delivery(home.book, state, {"email": mailbox}, lambda: home.time).once())
    assert mailbox.got == [key]
    home.tick(after=SECOND)
    return home, key


def test_the_page_shows_and_changes_nothing(asked: tuple[Home, str]) -> None:
    """Scanners open every link: GET and HEAD confirm nothing, whoever asks; the form needs no script."""
    home, key = asked
    answer = home.call("GET", link(key, Use.CONFIRM), headers={"Accept-Language": "en"})
    assert answer.status_code == 200
    assert "Ja, ich möchte an a…@shop.example Nachrichten zu „Newsletter“ erhalten." in answer.text
    assert re.search(r'<form method="post" action="(/confirm/[^"]+)">', answer.text)
    assert "<script" not in answer.text
    home.call("HEAD", link(key, Use.CONFIRM))
    assert home.tail() == 0
    home.tick(after=SECOND)
    assert word(home)[0] == "requested"


def test_the_button_gives_consent_with_its_proof(asked: tuple[Home, str]) -> None:
    """The ledger names the message, who acted and what was shown; the journey goes on to what the consent permits."""
    home, key = asked
    answer = home.call("POST", link(key, Use.CONFIRM))
    assert (answer.status_code, "Vielen Dank" in answer.text) == (200, True)
    home.tick(after=SECOND)
    assert word(home) == ("given", "double opt-in", "person", key)
    assert home.book.read("all_ledger", 0, 10)[-1][10].startswith("Ja, ich möchte an")
    assert "hello" in [message for message, _ in ready(home)]
    assert "Sie haben bestätigt" in home.call("GET", link(key, Use.CONFIRM)).text


def test_a_link_confirms_once(asked: tuple[Home, str]) -> None:
    """Two presses before any tick and one after it are one consent; after a withdrawal the link gives nothing again."""
    home, key = asked
    for _ in range(2):
        home.time += SECOND
        assert home.call("POST", link(key, Use.CONFIRM)).status_code == 200
    home.tick(after=SECOND)
    assert home.call("POST", link(key, Use.CONFIRM)).status_code == 200
    home.tick(after=SECOND)
    assert [row[6] for row in home.book.read("all_ledger", 0, 10)] == ["requested", "given"]
    counters = dict(home.book.read("counters"))
    assert (counters["duplicates"], counters.get("dead_letters", 0)) == (1, 0)
    home.track(call(event="Consent Withdrawn", properties=SAID))
    home.tick(after=SECOND)
    for method in ("GET", "POST"):
        answer = home.call(method, link(key, Use.CONFIRM))
        assert (answer.status_code, "Bitte melden Sie sich neu an" in answer.text) == (410, True)
    assert home.tail() == 0


def test_foreign_and_old_links(asked: tuple[Home, str]) -> None:
    """A link for another use, of another key or past its day confirms nothing."""
    home, key = asked
    other = sign(b"another key of ours", Claim(Use.CONFIRM, key))
    for path in (f"/confirm/{link(key, Use.UNSUBSCRIBE)[3:]}", f"/confirm/{other}", link(key, Use.CONFIRM, 1)):
        assert home.call("POST", path).status_code == 404
    late = sign(LINK_KEY, Claim(Use.CONFIRM, key, 0, home.time - DAY))
    assert home.call("POST", f"/confirm/{late}").status_code == 410
    assert home.tail() == 0


def given(home: Home, **more: Any) -> None:
    """A consent sent with the write key of a page, dressed up as proof, and a letter that would need it."""
    said = {**SAID, "actor": "notary", "source": "double opt-in", "evidence": "signed", **more}
    home.track(call("identify", traits={"email": ADDRESS}), call(event="Consent Given", properties=said))
    home.tick(after=SECOND)
    home.track(call(event="Read Me"))
    home.tick(after=SECOND)


def test_a_write_key_is_no_proof_where_proof_is_asked_for(home: Home) -> None:
    """Anybody has the key of a page: the purpose wants double opt-in, so it is a request, and says whose key it was."""
    home.define(DEFINITIONS)
    home.tick()
    given(home)
    assert word(home)[0] == "requested"
    assert word(home)[2] == "web"
    assert ready(home) == []
    assert "no_consent" in str(home.book.read("all_verdict", 0, 10))


def test_a_purpose_that_asks_for_none_takes_the_form_at_its_word(home: Home) -> None:
    """Control: without double opt-in the same event is a consent, its actor the key that sent it."""
    home.define(DEFINITIONS.replace("double_opt_in: true", "double_opt_in: false"))
    home.tick()
    given(home)
    assert (word(home)[0], word(home)[2]) == ("given", "web")
    assert [message for message, _ in ready(home)] == ["hello"]


@pytest.mark.parametrize(("source", "status"), [("import", "given"), ("server:crm", "given"), ("web", "requested")])
def test_whose_proof_lies_with_the_company_is_believed(home: Home, source: str, status: str) -> None:
    """Control: the same event out of a file of an operator or by a server key is a consent."""
    home.define(DEFINITIONS)
    home.tick()
    identifiers = {"email": ADDRESS}
    item = EngineCall(type="track", event="Consent Given", at=home.time, identifiers=identifiers, properties=SAID)
    home.book.append([Body(1, home.time, source, "import", body_of([item]))])
    home.tick(after=SECOND)
    assert word(home)[0] == status
