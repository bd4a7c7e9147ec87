"""Clicks and unsubscribes, end to end: from the message that the engine decided, over the link, back into the log."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from einklang.app.apply import in_force
from einklang.app.deliver import Delivery
from einklang.app.state import State
from einklang.channel.types import Receipt
from einklang.content.links import Claim, Use, sign
from einklang.event import expand
from einklang.kernel.errors import Unavailable
from einklang.kernel.time import HOUR, MINUTE, SECOND
from tests.web.homes import BASE, LINK_KEY, SALT, TARGET, Home, bought, call, link, run
from tests.web.test_collect import _Failing

HUMAN = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}


def waiting(home: Home) -> list[Any]:
    """The events that wait."""
    rows = home.book.read("tail_page", 0, 100)
    return [
        event
        for row in rows
        for event in expand(row[4], row[5], first_position=row[0], received_at=row[2], source=row[3])
    ]


def test_a_click_goes_on_and_is_noted(sent: tuple[Home, str]) -> None:
    """302 to the stored target; `Message Clicked` of the person and the message; the step of the run has seen it."""
    home, key = sent
    answer = home.call("GET", link(key, Use.CLICK), headers=HUMAN)
    assert (answer.status_code, answer.headers["location"], answer.headers["referrer-policy"]) == (
        302,
        TARGET,
        "no-referrer",
    )
    (event,) = waiting(home)
    assert (event.name, event.origin, event.machine, event.touchpoint) == ("Message Clicked", 1, False, "email")
    assert event.properties == {
        "message_id": key, "message": "thank-you", "channel": "email", "purpose": "marketing",
        "journey": "thanks", "step": "mail", "url": TARGET,
    }  # fmt: skip
    home.tick(after=SECOND)
    (item,) = (
        one for one in home.get("/api/persons/userId:u-1/timeline").json()["items"] if one["name"] == "Message Clicked"
    )
    assert (item["kind"], item["properties"]["message_id"]) == ("event", key)


@pytest.mark.parametrize(
    "headers",
    [
        {"User-Agent": "Mozilla/5.0 (compatible; BarracudaCentral; scanner)"},
        {"User-Agent": "Googlebot/2.1"},
        {"User-Agent": ""},
        {**HUMAN, "Purpose": "prefetch"},
        {**HUMAN, "Sec-Purpose": "prefetch;prerender"},
        {**HUMAN, "X-Moz": "prefetch"},
    ],
)
def test_machines_are_marked(sent: tuple[Home, str], headers: dict[str, str]) -> None:
    """Scanners and prefetches are sent on too, and their click is marked."""
    home, key = sent
    assert home.call("GET", link(key, Use.CLICK), headers=headers).status_code == 302
    assert [event.machine for event in waiting(home)] == [True]


def test_head_is_a_machine(sent: tuple[Home, str]) -> None:
    """HEAD is answered like GET without a body."""
    home, key = sent
    answer = home.call("HEAD", link(key, Use.CLICK), headers=HUMAN)
    assert (answer.status_code, answer.headers["location"], answer.content) == (302, TARGET, b"")
    assert [event.machine for event in waiting(home)] == [True]


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 10**9])
def test_no_open_redirect(sent: tuple[Home, str], number: int) -> None:
    """Only stored targets, and only http and https: anything else is a page that says so, and nothing is noted."""
    home, key = sent
    path = link(key, Use.CLICK, number)
    for address in (path, path + "?url=https://evil.example"):
        answer = home.call("GET", address, headers=HUMAN)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert "location" not in answer.headers
    assert waiting(home) == []


def test_a_target_in_the_url_is_ignored(sent: tuple[Home, str]) -> None:
    """A parameter cannot change where a good link leads."""
    home, key = sent
    answer = home.call("GET", link(key, Use.CLICK) + "?url=https://evil.example&to=//evil.example", headers=HUMAN)
    assert answer.headers["location"] == TARGET


def test_no_click_is_noted_once_tracking_is_withdrawn(sent: tuple[Home, str]) -> None:
    """Who took consent to tracking back is still sent on, and leaves no trace: at once and after the tick."""
    home, key = sent
    home.track(
        call(
            event="Consent Withdrawn",
            properties={"channel": "email", "purpose": "track_click", "address": "ada@shop.example"},
        )
    )
    for _ in range(2):
        assert home.call("GET", link(key, Use.CLICK), headers=HUMAN).status_code == 302
        assert [event.name for event in waiting(home) if event.name == "Message Clicked"] == []
        home.tick(after=SECOND)


def test_a_customer_does_not_wait_for_our_disk(sent: tuple[Home, str]) -> None:
    """If the click cannot be stored, the customer is sent on nevertheless."""
    home, key = sent
    home.services.book = _Failing(home.book, Unavailable("disk_full", "no"))
    assert home.call("GET", link(key, Use.CLICK), headers=HUMAN).headers["location"] == TARGET


# --- unsubscribe ---


def post(home: Home, path: str, **more: Any) -> httpx.Response:
    """As a mail program does (RFC 8058)."""
    return home.call("POST", path, data={"List-Unsubscribe": "One-Click"}, **more)


def test_the_page_shows_and_changes_nothing(sent: tuple[Home, str]) -> None:
    """In the person's language, with a form that needs no script, the address masked; nothing is stored."""
    home, key = sent
    answer = home.call("GET", link(key, Use.UNSUBSCRIBE), headers={"Accept-Language": "en"})
    assert answer.status_code == 200
    html = answer.text
    assert '<html lang="de">' in html
    assert "Ich möchte an a…@shop.example keine Nachrichten mehr zu „Werbung“ erhalten." in html
    assert "Grünzeug &amp; Söhne" in html
    assert "ada@" not in html
    assert "<script" not in html
    assert re.search(r'<form method="post" action="(/u/[^"]+)">', html)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert home.call("GET", link(key, Use.UNSUBSCRIBE) + "?lang=en").text.count("Unsubscribe") >= 2
    assert (home.tail(), home.book.read("suppressions")) == (0, [])


def test_one_click_takes_consent_back_at_once(sent: tuple[Home, str]) -> None:
    """RFC 8058: in force with the answer, no sign-in, no tick needed; declared with proof; twice is once."""
    home, key = sent
    for _ in range(2):
        answer = post(home, link(key, Use.UNSUBSCRIBE))
        assert answer.status_code == 200
        assert "Sie sind abgemeldet" in answer.text
        assert [row[1:4] for row in home.book.read("suppressions")] == [("email", "marketing", "withdrawn")]
    withdrawn, unsubscribed = waiting(home)
    assert (withdrawn.name, unsubscribed.name) == ("Consent Withdrawn", "Message Unsubscribed")
    said = withdrawn.properties
    assert (said["address"], said["purpose"], said["source"], said["evidence"]) == (
        "ada@shop.example",
        "marketing",
        "unsubscribe link",
        key,
    )
    assert said["wording"] == "Ich möchte an a…@shop.example keine Nachrichten mehr zu „Werbung“ erhalten."
    home.tick(after=SECOND)
    found = home.get("/api/persons/userId:u-1").json()["consents"]
    (word,) = (one for one in found if one["purpose"] == "marketing")
    assert (word["status"], word["source"], word["evidence"]) == ("withdrawn", "unsubscribe link", key)
    assert "Sie sind abgemeldet" in home.call("GET", link(key, Use.UNSUBSCRIBE)).text


def test_the_form_of_the_page_works(sent: tuple[Home, str]) -> None:
    """The button posts to the address in the form; also from another site's frame of mind: the token alone counts."""
    home, key = sent
    page = home.call("GET", link(key, Use.UNSUBSCRIBE) + "?lang=en").text
    (action,) = re.findall(r'action="([^"]+)"', page)
    answer = home.call("POST", action.replace("&amp;", "&"), headers={"Origin": "https://mail.example"})
    assert "You are unsubscribed" in answer.text
    assert len(home.book.read("suppressions")) == 1


def test_a_full_disk_is_said_and_nothing_pretended(sent: tuple[Home, str]) -> None:
    """What could not be stored is 503 with Retry-After, in words for a customer."""
    home, key = sent
    home.services.book = _Failing(home.book, Unavailable("disk_full", "no"))
    answer = post(home, link(key, Use.UNSUBSCRIBE))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "Please try again" in answer.text


def test_foreign_and_old_links(sent: tuple[Home, str]) -> None:
    """A click link does not unsubscribe, nor the other way round; expired is 410; another key's link is 404."""
    home, key = sent
    crossed = [f"/u/{link(key, Use.CLICK)[3:]}", f"/c/{link(key, Use.UNSUBSCRIBE)[3:]}", link(key, Use.UNSUBSCRIBE, 1)]
    crossed += [link("m_unknown", Use.UNSUBSCRIBE), "/u/" + sign(b"another key of ours", Claim(Use.UNSUBSCRIBE, key))]
    for path in crossed:
        assert post(home, path).status_code in (404, 405)
        assert home.call("GET", path).status_code == 404
    late = link(key, Use.UNSUBSCRIBE, expires=home.time - MINUTE)
    assert post(home, late).status_code == 410
    assert (home.tail(), home.book.read("suppressions")) == (0, [])


def test_every_flipped_sign_is_refused(sent: tuple[Home, str]) -> None:
    """Positive control of the signature: any changed character makes the link worthless."""
    home, key = sent
    path = link(key, Use.UNSUBSCRIBE)
    for place in range(3, len(path), 7):
        broken = path[:place] + ("A" if path[place] != "A" else "B") + path[place + 1 :]
        assert post(home, broken).status_code == 404
    assert home.tail() == 0


def test_a_later_consent_counts_again(sent: tuple[Home, str]) -> None:
    """Who gives consent again after unsubscribing may be written to again, and may unsubscribe again."""
    home, key = sent
    for _ in range(2):
        assert post(home, link(key, Use.UNSUBSCRIBE)).status_code == 200
        assert len(home.book.read("suppressions")) == 1
        home.tick(after=MINUTE)
        said = {"channel": "email", "purpose": "marketing", "address": "ada@shop.example"}
        home.track(call(event="Consent Given", properties=said))
        home.tick(after=MINUTE)
        assert home.book.read("suppressions") == []


class Mailbox:
    """A channel that keeps what it is handed."""

    def __init__(self) -> None:
        self.got: list[str] = []

    async def deliver(self, item: Any) -> Receipt:
        self.got.append(item.key)
        return Receipt("sent")

    async def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("withdrawn", [True, False])
def test_what_is_ready_is_not_sent_after_an_unsubscribe(home: Home, withdrawn: bool) -> None:
    """A message that waits for its hand-over when consent is taken back never goes out, though no tick has run since.

    Control: without the click it goes out.
    """
    home.define()
    home.tick()
    home.track(*bought())
    home.tick()
    home.tick(after=HOUR + SECOND)
    ((key,),) = [(row[2],) for row in home.book.read("outbox_ready", home.time, 10)]
    if withdrawn:
        assert post(home, link(key, Use.UNSUBSCRIBE)).status_code == 200
    state = State(SALT, in_force(home.book), link_key=LINK_KEY, base_url=BASE, channels=frozenset({"email"}))
    mailbox = Mailbox()
    run(Delivery(home.book, state, {"email": mailbox}, lambda: home.time).once())
    assert mailbox.got == ([] if withdrawn else [key])
