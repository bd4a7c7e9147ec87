"""The console on the real server: what a client sends is seen, decided and explained, end to end."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from einklang.app.staff import put_staff
from einklang.main import home as homes
from tests.browser.test_builder import EXAMPLE
from tests.browser.test_words import IT_WORDS
from tests.live.servers import PROGRAM, serving
from tests.waits import SHOWN_MS, WAIT_S

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("real server")]
PASSWORD = "a long enough secret"
DEFINITIONS = """
kind: segment
id: shoppers
title: {de: Käufer, en: Shoppers}
where: 'events("Order Completed").sum(revenue) >= 20'
---
kind: message
id: hello-mail
purpose: marketing
class: marketing
email: {subject: {de: Hallo, en: Hello}, text: {de: Guten Tag., en: Good day.}}
---
kind: journey
id: hello
title: {de: Begrüßung, en: Greeting}
entry: {event: Product Added, where: 'price >= 20'}
goal: {event: Order Completed, within: 14d, value: revenue}
control: 0.5
steps:
  - {id: first, contact: hello-mail, channels: [email]}
---
kind: event
id: Plant Watered
on_violation: dead_letter
schema: {required: [litres], properties: {litres: {type: number}}}
"""


@dataclass(frozen=True)
class Served:
    """A running server and the key to write to it."""

    url: str
    write_key: str

    def track(self, event: str, properties: dict[str, object]) -> None:
        """Sends one event of Ada, as a Segment client would."""
        body: dict[str, object] = {
            "userId": "c-1",
            "event": event,
            "properties": properties,
            "context": {"touchpoint": "web"},
        }
        self.post("track", body)

    def post(self, call: str, body: dict[str, object], write_key: str = "") -> None:
        """Sends one call of the collect API."""
        key = base64.b64encode(f"{write_key or self.write_key}:".encode()).decode()
        headers = {"Authorization": f"Basic {key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/v1/{call}", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            assert answer.status == 200


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, console_index: Path) -> Iterator[Served]:
    """A new home with one segment and one journey, served by `einklang serve` in a process of its own."""
    folder = tmp_path_factory.mktemp("served")
    path = folder / "home"
    keys = homes.create(path, "00" * 16)
    with homes.opened(path, base_url="http://127.0.0.1", writer=True) as home:
        put_staff(home.book, "ada", PASSWORD, salt=b"0123456789abcdef")
    (folder / "definitions.yaml").write_text(DEFINITIONS)
    apply = [*PROGRAM, "apply", str(folder / "definitions.yaml"), "--home", str(path)]
    subprocess.run(apply, check=True, timeout=WAIT_S)
    with serving(path, keys) as server:
        yield Served(server.url, keys.write_key)


def sign_in(page: Page, served: Served, path: str = "/") -> None:
    """Signs in as the one member of staff and opens an address."""
    page.goto(served.url + path)
    page.get_by_label("Name", exact=True).fill("ada")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(served.url + path)


def test_event_is_seen_decided_and_explained(page: Page, served: Served, axe: Callable[[Page], list[str]]) -> None:
    """An event sent by a client appears live; its person has a timeline with a refusal in words; counts follow."""
    faults: list[str] = []
    page.on(
        "console", lambda said: faults.append(said.text) if said.type == "error" and "401" not in said.text else None
    )
    page.on("pageerror", lambda error: faults.append(str(error)))
    sign_in(page, served)
    expect(page.get_by_role("heading", name="Waiting for the first event")).to_be_visible()
    served.post("identify", {"userId": "c-1", "traits": {"firstName": "Ada", "email": "ada@shop.example"}})
    served.track("Product Added", {"name": "Garden chair", "price": 49.9, "currency": "EUR"})
    rows = page.get_by_role("list", name="Events, newest first")
    expect(rows.get_by_text("Product Added")).to_be_visible(timeout=SHOWN_MS)
    expect(rows).to_contain_text("€49.90")
    assert axe(page) == []

    page.goto(f"{served.url}/persons/userId%3Ac-1?show=decision")
    timeline = page.get_by_role("region", name="Timeline, newest first")
    expect(timeline).to_contain_text("There is no consent for this channel and purpose.", timeout=SHOWN_MS)
    assert axe(page) == []
    page.get_by_role("tab", name="Why (not)?").click()
    page.get_by_label("Journey").select_option("hello")
    expect(page.get_by_text("Entered this journey")).to_be_visible()

    served.track("Order Completed", {"order_id": "o-1", "revenue": 49.9, "currency": "EUR"})
    page.goto(f"{served.url}/segments/shoppers")
    expect(page.get_by_text("1 person")).to_be_visible(timeout=SHOWN_MS)
    expect(page.get_by_role("link", name=re.compile("Ada|ada@shop"))).to_be_visible()
    page.goto(f"{served.url}/journeys/hello")
    expect(page.get_by_role("listitem").filter(has_text="Contact")).to_contain_text("hello-mail")
    expect(page.get_by_text("50% of those who enter")).to_be_visible()
    page.get_by_role("link", name="Open the report").click()
    expect(page.get_by_role("region", name="Verdict")).to_contain_text("No statement yet")
    assert axe(page) == []
    assert faults == []


def test_what_comes_in_is_told_and_put_right(page: Page, served: Served, axe: Callable[[Page], list[str]]) -> None:
    """A key made on the screen lets events in; a refusal, a new event and a dead letter are told with reasons."""
    sign_in(page, served, "/sources")
    page.get_by_role("button", name="New source").click()
    page.get_by_label("Name", exact=True).fill("Green house")
    page.get_by_role("button", name="Make the source and its key").click()
    key = page.locator("code").filter(has_text="wk_").inner_text()
    made: dict[str, object] = {"userId": "c-7", "event": "Garden Visited", "properties": {"beds": 3}}
    served.post("track", made, key)
    nameless = {"type": "track", "userId": "c-8"}
    served.post("batch", {"batch": [nameless, {**made, "type": "track", "event": "Plant Watered"}]}, key)
    page.goto(f"{served.url}/?outcome=refused&source=green-house")
    refused = page.get_by_role("list", name="Events, newest first").get_by_role("listitem")
    expect(refused).to_contain_text("c-8", timeout=SHOWN_MS)
    expect(refused).to_contain_text("What helps:")
    page.get_by_text("Put aside", exact=True).click()
    expect(refused).to_contain_text("litres", timeout=SHOWN_MS)
    page.goto(f"{served.url}/dead-letters?code=schema_violation")
    page.get_by_role("button", name="Take in again").click()
    expect(page.get_by_text("1 dead letter was taken in again.")).to_be_visible()
    assert axe(page) == []
    page.goto(f"{served.url}/catalog?origin=discovered")
    page.get_by_role("link", name="Garden Visited").click()
    expect(page.get_by_role("row").filter(has_text="beds")).to_contain_text("number 1")
    page.goto(f"{served.url}/sources")
    expect(page.get_by_role("link", name="Garden Visited 1")).to_be_visible(timeout=SHOWN_MS)


def test_staff_merges_and_splits_with_a_preview(page: Page, served: Served, axe: Callable[[Page], list[str]]) -> None:
    """Two persons become one and two again, on the screen, each time with before, after and a reason that is kept."""
    for user, name in (("c-21", "Berta"), ("c-22", "Cora")):
        served.post("identify", {"userId": user, "traits": {"firstName": name, "email": f"{name}@shop.example"}})
    sign_in(page, served, "/persons/userId%3Ac-21/merge")
    page.get_by_role("searchbox", name="The other person").fill("c-22")
    page.get_by_role("button", name=re.compile("c-22")).click()
    expect(page.get_by_role("group", name="What would change")).to_contain_text("Afterwards")
    page.get_by_label("Why").fill("Two accounts of one customer.")
    page.get_by_role("button", name="Merge", exact=True).click()
    expect(page.get_by_text("They are one person.")).to_be_visible()
    page.goto(f"{served.url}/persons/userId%3Ac-21?tab=identity")
    panel = page.get_by_role("tabpanel")
    expect(panel).to_contain_text("Two accounts of one customer.", timeout=SHOWN_MS)
    expect(panel).to_contain_text("decided by staff")
    assert axe(page) == []
    page.get_by_role("link", name="Split").click()
    page.get_by_role("checkbox", name=re.compile("c-22")).check()
    page.get_by_role("checkbox", name=re.compile("cora@shop")).check()
    page.get_by_label("Why").fill("They are sisters.")
    page.get_by_role("button", name="Split", exact=True).click()
    expect(page.get_by_text("They are two persons.")).to_be_visible()
    page.goto(f"{served.url}/persons/userId%3Ac-22?tab=identity")
    expect(page.get_by_role("tabpanel")).to_contain_text("Kept apart by staff", timeout=SHOWN_MS)
    expect(page.get_by_role("tabpanel")).to_contain_text("They are sisters.")
    expect(page.get_by_role("tabpanel").get_by_role("img")).to_have_accessible_name(re.compile("2 identifiers"))


def test_a_form_is_gone_on_with_while_its_customer_types(page: Page, served: Served) -> None:
    """What a customer saved opens by the code, later saves appear by themselves, the agent's are the customer's."""

    def customer(**said: object) -> dict[str, Any]:
        body = json.dumps({"writeKey": served.write_key, "anonymousId": "d-31", "userId": "c-31", **said}).encode()
        with urllib.request.urlopen(f"{served.url}/v1/draft", body, timeout=WAIT_S) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    first = customer(form="loan", fields={"name": "Dora", "amount": "1200"}, code=True)
    sign_in(page, served, "/drafts")
    page.get_by_label("Code").fill(first["code"])
    expect(page.get_by_label("Amount")).to_have_value("1200")
    page.get_by_label("Name").fill("Dora Maar")
    customer(draft=first["draft"], fields={"name": "Dora", "amount": "1500"}, version=1)
    expect(page.get_by_label("Amount")).to_have_value("1500", timeout=SHOWN_MS)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved. The customer sees it too.")).to_be_visible()
    shown = urllib.request.Request(f"{served.url}/v1/draft", headers={"Authorization": f"Bearer {first['draft']}"})
    with urllib.request.urlopen(shown, timeout=WAIT_S) as answer:
        found = json.load(answer)
    assert (found["fields"], found["version"], found["by"]) == ({"name": "Dora Maar", "amount": "1500"}, 3, "agent")
    page.goto(f"{served.url}/persons/userId%3Ac-31")
    page.get_by_role("tab", name="Drafts 1").click()
    expect(page.get_by_role("tabpanel").get_by_label("Name")).to_have_value("Dora Maar")
    customer(draft=first["draft"], outcome="submitted")
    expect(page.get_by_text("This form was submitted.")).to_be_visible(timeout=SHOWN_MS)


#: What stands on the screen, without the names of events and the like to choose from: they are data.
WORDS = """() => {
  const copy = document.querySelector('#content').cloneNode(true);
  copy.querySelectorAll('option').forEach((one) => one.remove());
  return copy.textContent;
}"""


class Hands:
    """What a person does at a page; every click, choice and typing is counted."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.did = 0

    def click(self, name: str) -> None:
        """Press a button."""
        self.did += 1
        self.page.get_by_role("button", name=name, exact=True).click()

    def choose(self, label: str, value: str, place: int = 0) -> None:
        """Choose from a list by what stands in it."""
        self.did += 1
        self.page.get_by_label(label, exact=True).nth(place).select_option(label=value)

    def type(self, label: str, text: str, place: int = 0) -> None:
        """Type into a field."""
        self.did += 1
        self.page.get_by_label(label, exact=True).nth(place).fill(text)


def test_a_marketer_builds_the_example(page: Page, served: Served, axe: Callable[[Page], list[str]]) -> None:
    """Segment 1 of the reference by clicks and words in at most 40 interactions; the text is that of the reference;
    what is typed as text stands in the rows; it is saved, counted and explained; no word of software on the screen.
    """
    goods = [{"product_id": "s-1", "category": "shoes"}]
    order: dict[str, object] = {"order_id": "o-9", "products": goods}
    for user in ("c-41", "c-42"):
        served.post("identify", {"userId": user, "traits": {"address": {"country": "DE"}}})
    served.post("track", {"userId": "c-41", "event": "Order Completed", "properties": order})
    sign_in(page, served, "/segments")
    hands = Hands(page)
    hands.click("New segment")
    expect(page.get_by_role("status").filter(has_text="persons")).to_be_visible(timeout=SHOWN_MS)
    hands.type("Name", "Lapsed shoe buyers")
    hands.click("A trait")
    hands.choose("Trait", "Country (address)")
    hands.type("Value", "DE")
    hands.click("Something done")
    hands.choose("How often", "did so many times")
    hands.choose("Event", "Order Completed")
    hands.choose("When", "in the last")
    hands.type("Length of time", "365")
    hands.click("with a detail")
    hands.choose("Detail", "Category of a product")
    hands.type("Value", "shoes", 1)
    hands.click("Something done")
    hands.choose("How often", "never did", 1)
    hands.choose("Event", "Order Completed", 1)
    hands.choose("When", "in the last", 1)
    hands.type("Length of time", "90", 1)
    hands.click("A consent")
    assert axe(page) == []
    for language in ("Deutsch", "English"):
        page.get_by_role("button", name=language).click()
        assert IT_WORDS.findall(page.evaluate(WORDS)) == []
    page.get_by_text("As text").click()
    box = page.get_by_label("The condition as text")
    expect(box).to_have_value(EXAMPLE)
    box.fill(EXAMPLE + " &&")
    expect(page.get_by_role("alert")).to_contain_text("Line 1", timeout=SHOWN_MS)
    box.fill(EXAMPLE.replace(">= 2", ">= 1").replace('"90d"', '"1h"'))
    page.get_by_text("Choose", exact=True).first.click()
    expect(page.get_by_label("Times", exact=True)).to_have_value("1")
    expect(page.get_by_label("Unit", exact=True).nth(1)).to_have_value("h")
    hands.click("Save segment")
    assert hands.did <= 40
    expect(page.get_by_role("heading", level=1, name="Lapsed shoe buyers")).to_be_visible(timeout=SHOWN_MS)
    page.get_by_label("Person", exact=True).fill("userId:c-41")
    page.get_by_role("button", name="Show why").click()
    expect(page.get_by_text("is not in this segment")).to_be_visible(timeout=SHOWN_MS)
    told = re.compile("^consent by channel “e-mail” for purpose “(marketing|Advertising)”$")
    expect(page.get_by_text(told)).to_be_visible()
    assert axe(page) == []


def test_unknown_person_and_wrong_password_say_the_mend(page: Page, served: Served) -> None:
    """Refusals of the real server reach the screen in words."""
    page.goto(f"{served.url}/sign-in")
    page.get_by_label("Name", exact=True).fill("ada")
    page.get_by_label("Password", exact=True).fill("something else entirely")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Name and password do not belong together.")).to_be_visible()
    sign_in(page, served, "/persons/nobody")
    expect(page.get_by_role("alert")).to_contain_text("kind:value")
