"""Every page of the console: readable for everybody, in both schemes and languages, at every size."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.mock_api import MockApi

pytestmark = pytest.mark.browser

PAGES = {
    "live": "/",
    "persons": "/persons",
    "person": "/persons/p_4fk2x9",
    "visitor": "/persons/p_1zt7v4",
    "why": "/persons/p_4fk2x9?tab=why&journey=win-back",
    "decisions": "/persons/p_4fk2x9?tab=why&journey=cart-reminder",
    "traits": "/persons/p_4fk2x9?tab=traits",
    "segments": "/segments",
    "segment-why": "/segments/active-shopper?person=p_4fk2x9",
    "builder": "/segments/garden-lovers/edit",
    "journeys": "/journeys",
    "journey": "/journeys/cart-reminder",
    "reports": "/reports",
    "report": "/journeys/cart-reminder/report",
    "report-without-statement": "/journeys/win-back/report",
    "refused": "/?outcome=refused",
    "identifiers": "/persons/p_4fk2x9?tab=identity",
    "objects": "/persons/p_4fk2x9?tab=objects",
    "merge": "/persons/p_4fk2x9/merge?other=p_2sd6r5",
    "split": "/persons/p_4fk2x9/split",
    "reviews": "/reviews",
    "sources": "/sources",
    "destinations": "/destinations",
    "catalog": "/catalog",
    "catalog-event": "/catalog/Order%20Completed",
    "dead-letters": "/dead-letters",
    "products": "/products",
    "product": "/products/g-118",
    "groups": "/groups/company",
    "group": "/groups/company/k-7",
    "drafts": "/drafts",
    "drafts-of": "/persons/p_4fk2x9?tab=drafts",
}
EMPTY = ("/", "/persons", "/segments", "/journeys", "/reports", "/catalog", "/products")
#: New homes have none of these either: the page says what that means.
NOTHING = {
    "/dead-letters": "Nothing was put aside",
    "/reviews": "Nothing to decide",
    "/sources": "No source yet",
    "/destinations": "No destination yet",
    "/groups/company": "None yet",
    "/persons/p_1zt7v4?tab=objects": "No orders, contracts or the like yet",
    "/persons/p_1zt7v4?tab=drafts": "No open draft",
}
Visit = Callable[[str], Page]
Check = Callable[..., list[str]]


def settle(page: Page) -> None:
    """Waits until every skeleton has given way to data."""
    expect(page.get_by_role("status", name="Loading")).to_have_count(0)
    expect(page.get_by_role("status", name="Wird geladen")).to_have_count(0)


def test_axe_finds_a_planted_violation(visit: Visit, axe: Check) -> None:
    """Positive control: a picture without a text and a pale line are found."""
    page = visit("/segments")
    page.evaluate("""document.querySelector('#content').insertAdjacentHTML('beforeend',
        '<img src="/mark.svg"><p style="color:#ccc;background:#fff">pale</p>')""")
    found = "\n".join(axe(page))
    assert "image-alt" in found
    assert "color-contrast" in found


@pytest.mark.parametrize("path", EMPTY)
def test_empty_home_teaches(path: str, visit: Visit, axe: Check, api: MockApi) -> None:
    """A new home shows on every list what to do next, as text that can be copied."""
    api.empty = True
    page = visit(path)
    settle(page)
    code = page.locator("pre")
    expect(code).to_have_count(1)
    wanted = {
        "/": "/v1/track -u WRITE_KEY:",
        "/persons": "/v1/identify",
        "/segments": "kind: segment",
        "/journeys": "kind: journey",
        "/reports": "goal:",
        "/catalog": "kind: event",
        "/products": "einklang import products",
    }
    expect(code).to_contain_text(wanted[path])
    assert axe(page) == []


def test_nothing_is_said_in_words(visit: Visit, axe: Check, api: MockApi) -> None:
    """Lists that are empty in a sound home say so, and what would stand there; axe finds nothing on one of them."""
    api.empty = True
    for path, words in NOTHING.items():
        expect(visit(path).get_by_text(words)).to_be_visible()
    assert axe(visit("/sources")) == []


STRETCH = """() => {
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const longer = (text) => text.replace(/\\p{L}{4,}/gu, (word) => word + word.slice(0, Math.ceil(word.length * 0.4)));
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const parent = node.parentElement;
    if (parent.closest('script, style, noscript, pre, svg, code')) continue;
    if (node.data.trim()) node.data = longer(node.data);
  }
}"""
#: Charts follow the width of their place in the frame after it has changed.
OVERFLOWS = """async () => {
  for (let n = 0; n < 2; n++) await new Promise(requestAnimationFrame);
  const found = [];
  const room = document.documentElement.clientWidth;
  const wide = document.documentElement.scrollWidth;
  if (wide > room) found.push(`page ${wide} > ${room}`);
  for (const one of document.querySelectorAll('#content *, nav *, main *')) {
    const style = getComputedStyle(one);
    if (style.overflowX !== 'hidden' || style.webkitLineClamp !== 'none' || one.closest('svg, pre')) continue;
    if (one.clientWidth > 1 && one.scrollWidth > one.clientWidth + 1) found.push(one.tagName + '.' + one.className);
  }
  return found;
}"""


@pytest.mark.parametrize("name", PAGES)
def test_page_is_readable_for_everybody(name: str, visit: Visit, axe: Check) -> None:
    """No axe violation, light or dark; one heading, a title; German texts 40 % longer fit at 200 % and on a phone."""
    page = visit(PAGES[name])
    settle(page)
    assert axe(page) == []
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    assert axe(page, "color-contrast") == []
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    assert page.title().endswith("· Einklang")
    page.get_by_role("button", name="Deutsch").click()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    page.evaluate(STRETCH)
    found = []
    for width, height in ((640, 400), (360, 740)):  # 1280 x 800 at 200 % has 640 x 400 CSS pixels
        page.set_viewport_size({"width": width, "height": height})
        found += [f"{width}: {one}" for one in page.evaluate(OVERFLOWS)]
    assert found == []


def test_overflow_check_finds_a_planted_one(visit: Visit) -> None:
    """Positive control: a block wider than the page is found."""
    page = visit("/segments")
    page.evaluate(
        "document.querySelector('#content').insertAdjacentHTML('beforeend', '<div style=\"width:2000px\">x</div>')"
    )
    assert page.evaluate(OVERFLOWS) != []


def test_phone_has_a_menu(visit: Visit, axe: Check) -> None:
    """On a phone the navigation hides behind a button, opens, leads on and closes again."""
    page = visit("/")
    page.set_viewport_size({"width": 390, "height": 780})
    page.get_by_role("button", name="Open the navigation").click()
    page.get_by_role("link", name="Reports").click()
    expect(page).to_have_url(re.compile("/reports$"))
    expect(page.get_by_role("button", name="Open the navigation")).to_be_visible()
    assert axe(page) == []


def test_keyboard_reaches_the_content(visit: Visit) -> None:
    """The first Tab offers the way past the navigation, and every stop shows where the focus is."""
    page = visit("/segments")
    settle(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    for _ in range(4):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none"
    page.get_by_role("link", name="Active shoppers").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="Active shoppers")).to_be_visible()
