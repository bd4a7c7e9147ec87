"""The page to unsubscribe before a real Chromium: without scripts, in light and dark, for everybody."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from einklang.content.links import Use
from tests.web.homes import Home, link

pytestmark = pytest.mark.browser


def test_it_works_without_scripts(sent: tuple[Home, str], address: str, browser: Browser) -> None:
    """The button takes consent back; the other language is a link away; no policy is violated."""
    home, key = sent
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 640})
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(address + link(key, Use.UNSUBSCRIBE))
    expect(page.get_by_role("heading")).to_have_text("Abmelden")
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading")).to_have_text("Unsubscribe")
    assert home.book.read("suppressions") == []
    page.get_by_role("button", name="Unsubscribe").click()
    expect(page.get_by_role("status")).to_contain_text(re.compile("we send no more messages"))
    assert len(home.book.read("suppressions")) == 1
    assert said == []
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_for_everybody(sent: tuple[Home, str], address: str, browser: Browser, scheme: str) -> None:
    """axe finds nothing on the page and on the one that a broken link leads to."""
    _, key = sent
    context = browser.new_context(bypass_csp=True, color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    for path in (link(key, Use.UNSUBSCRIBE), "/u/broken"):
        page.goto(address + path)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        width = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert width is True
    context.close()
