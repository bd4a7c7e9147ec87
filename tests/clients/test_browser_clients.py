"""The unmodified client for browsers, @segment/analytics-next, in a real page of another origin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.clients import node
from tests.clients.shop import Losing, assert_all_is_known, serving
from tests.web.homes import WRITE_KEY, Home

pytestmark = pytest.mark.browser

CALLS = """
async ([address, writeKey, mode]) => {
  const batching = { strategy: "batching", config: { size: 10, timeout: 20 } };
  const [analytics] = await window.AnalyticsNext.AnalyticsBrowser.load(
    { writeKey, cdnURL: address },
    mode === "batching" ? { integrations: { "Segment.io": { deliveryStrategy: batching } } } : {},
  );
  await analytics.setAnonymousId("a-1");
  await analytics.track("Product Viewed", { product_id: "p-1" });
  await analytics.identify("u-1", { email: "ada@shop.example", name: "Ada" });
  await analytics.page("Docs", "Home", { path: "/docs" });
  await analytics.track("Order Completed", { order_id: "o-1", total: 19.99 });
  await analytics.group("g-1", { name: "Shop" });
  await analytics.alias("u-1", "old-1");
}
"""


def site(folder: Path) -> Any:
    """An application that serves the page and the files of the client."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        name = scope["path"].removeprefix("/umd/")
        body = (folder / name).read_bytes() if name.endswith(".js") else (node.HERE / "page.html").read_bytes()
        kind = b"text/javascript" if name.endswith(".js") else b"text/html"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": body})

    return app


@pytest.mark.parametrize(("mode", "lost"), [("standard", 0), ("standard", 1), ("batching", 0), ("batching", 1)])
def test_a_page_with_analytics_next_is_understood(page: Page, home: Home, mode: str, lost: int) -> None:
    """Changing the host is all: set-up, preflight, all calls, each once, of one person, also after a lost answer."""
    shop = site(node.packages() / "@segment" / "analytics-next" / "dist" / "umd")
    app = Losing(home.app, lost)
    with serving(app) as address, serving(shop) as origin:
        home.services.base_url = address
        page.goto(f"{origin}/")
        page.evaluate(CALLS, [address, WRITE_KEY, mode])
        wanted = 6 if mode == "standard" else 1
        for _ in range(200):
            if app.answers.count(200) >= wanted and home.tail() >= 6:
                break
            page.evaluate("() => new Promise((done) => setTimeout(done, 50))")
        page.goto("about:blank")
    found = assert_all_is_known(home, repeated=lost > 0)
    assert app.answers.count(500) == lost
    (viewed,) = (one for one in found if one["name"] == "Page Viewed")
    assert viewed["properties"]["path"] == "/docs"
    assert viewed["context"]["library"]["name"] == "analytics.js"
