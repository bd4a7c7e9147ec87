"""Our own client for browsers, sdk/js: small, offline, with consent, and with drafts of forms, in a real page."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import hatch_build
from einklang.kernel.time import SECOND
from tests.clients import node
from tests.clients.shop import Losing, entries, serving
from tests.web.homes import SERVER_KEY, WRITE_KEY, Home

BYTES_MAX = 5_000
LOAD = "([host, consent]) => { window.e = einklang.load({ writeKey: 'wk_test', host, consent }); }"
STORED = "() => Object.keys(localStorage)"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """einklang.js, built by the tools of the console and checked by TypeScript."""
    console = hatch_build.ROOT / "console"
    if not (console / "node_modules").is_dir():
        hatch_build.ensure_console()
    folder = tmp_path_factory.mktemp("built")
    tools = (
        ["node_modules/typescript/bin/tsc", "--noEmit", "-p", "../sdk/js/tsconfig.json"],
        ["node_modules/vite/bin/vite.js", "build", "--config", "sdk.config.ts"],
    )
    for tool in tools:
        done = subprocess.run(
            [str(node.NODE), *tool],
            cwd=console,
            env={**os.environ, "EINKLANG_CONSOLE_OUT": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "sdk" / "einklang.js"


@pytest.mark.clients
def test_it_is_small(built: Path) -> None:
    """Less than 5 kB as it travels."""
    assert len(gzip.compress(built.read_bytes(), mtime=0)) < BYTES_MAX


class Shop:
    """A page with the SDK, the server it sends to, and what was asked of that."""

    def __init__(self, home: Home, page: Page, address: str, origin: str, app: Losing) -> None:
        self.home, self.page, self.address, self.origin, self.app = home, page, address, origin, app

    def open(self, consent: str | None = None) -> None:
        """Open the page anew and load the SDK."""
        self.page.goto(f"{self.origin}/")
        self.page.evaluate(LOAD, [self.address, consent or "given"])

    def do(self, script: str) -> Any:
        """Run something with the SDK, `e`."""
        return self.page.evaluate(f"async () => {script}")

    def until(self, found: Callable[[], bool]) -> None:
        """Wait for something to be so at the server."""
        for _ in range(300):
            if found():
                return
            self.page.evaluate("() => new Promise((done) => setTimeout(done, 30))")
        raise AssertionError("it did not happen")

    def stored(self) -> list[str]:
        """Names of what is kept in the browser."""
        names: list[str] = self.page.evaluate(STORED)
        return names


@pytest.fixture
def shop(home: Home, page: Page, built: Path, request: pytest.FixtureRequest) -> Iterator[Shop]:
    """The page; `indirect` parameter: how many answers get lost."""
    app = Losing(home.app, getattr(request, "param", 0))
    script, html = built.read_bytes(), (node.HERE / "form.html").read_bytes()

    async def site(scope: dict[str, Any], receive: Any, send: Any) -> None:
        asked = scope["path"].endswith(".js")
        body, kind = (script, b"text/javascript") if asked else (html, b"text/html")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": body})

    with serving(app) as address, serving(site) as origin:
        yield Shop(home, page, address, origin, app)
        page.goto("about:blank")


browser = pytest.mark.browser


@browser
@pytest.mark.xdist_group("built sdk")
@pytest.mark.parametrize("shop", [0, 1], indirect=True)
def test_events_arrive_once(shop: Shop) -> None:
    """Calls of a visitor who signs in are of one person, and what is sent again after a lost answer counts once."""
    shop.open()
    shop.do("e.page('Start')")
    shop.do("e.track('Product Viewed', { product_id: 'p-1', price: 19.9 })")
    shop.do("{ e.identify('u-1', { email: 'ada@shop.example' }); e.group('g-1'); await e.flush(); }")
    shop.until(lambda: not any(":q:" in name for name in shop.stored()))
    shop.home.tick()
    found = entries(shop.home)
    assert sorted(one["type"] for one in found) == ["group", "identify", "page", "track"]
    person = shop.home.get("/api/persons/userId:u-1").json()
    told = shop.home.get(f"/api/persons/{person['person_id']}/timeline").json()["items"]
    assert {"Page Viewed", "Product Viewed"} <= {one["name"] for one in told}
    (page,) = (one for one in found if one["type"] == "page")
    assert page["properties"]["title"] == "Loan"
    assert page["context"]["library"]["name"] == "einklang.js"
    assert dict(shop.home.book.read("counters"))["dead_letters"] == 0


@browser
@pytest.mark.xdist_group("built sdk")
def test_what_happens_offline_is_sent_later(shop: Shop) -> None:
    """Without a network events wait in the browser, survive the page, and are sent in their order when it is back."""
    shop.open()
    shop.page.route("**/v1/b", lambda route: route.abort())
    for number in range(3):
        shop.do(f"e.track('Offline {number}')")
    shop.do("e.flush()")
    assert shop.app.answers == []
    assert len([name for name in shop.stored() if ":q:" in name]) == 3
    shop.page.unroute("**/v1/b")
    shop.open()
    shop.until(lambda: not any(":q:" in name for name in shop.stored()))
    shop.home.tick()
    assert [one["name"] for one in entries(shop.home)] == ["Offline 0", "Offline 1", "Offline 2"]


@browser
@pytest.mark.xdist_group("built sdk")
def test_the_last_event_of_a_page_is_not_lost(shop: Shop) -> None:
    """Who clicks and is gone at once has been counted, once, though nobody heard the answer."""
    shop.open()
    shop.do("{ window.fetch = () => Promise.reject(new TypeError('busy')); }")
    shop.do("e.track('Left')")
    shop.page.goto("about:blank")
    shop.until(lambda: shop.home.tail() >= 1)
    shop.open()
    shop.until(lambda: not any(":q:" in name for name in shop.stored()))
    shop.home.tick()
    assert [one["name"] for one in entries(shop.home)] == ["Left"]


@browser
@pytest.mark.xdist_group("built sdk")
def test_before_consent_nothing_is_sent_or_stored(shop: Shop) -> None:
    """Nothing before yes; after it everything, the open form too, also on the next page; after no nothing is left."""
    shop.open("required")
    shop.do("{ e.page(); e.identify('u-1', {}); e.track('Early'); e.draft('#loan'); await e.flush(); }")
    shop.page.get_by_label("Name").fill("Ada")
    expect(shop.page.locator("output")).to_have_attribute("data-state", "off")
    assert (shop.stored(), shop.app.answers) == ([], [])
    shop.do("{ e.consent(true); e.track('Agreed'); await e.flush(); }")
    shop.open("required")
    shop.do("{ e.track('Still'); await e.flush(); }")
    shop.until(lambda: shop.home.tail() == 3)
    shop.do("{ e.consent(false); e.track('Late'); await e.flush(); }")
    assert shop.stored() == []
    shop.home.tick()
    assert sorted(one["name"] for one in entries(shop.home)) == ["Agreed", "Draft Saved", "Still"]


@browser
@pytest.mark.xdist_group("built sdk")
def test_reset_forgets_who_was_here(shop: Shop) -> None:
    """The next visitor of this browser is another device and nobody's draft is shown to them."""
    shop.open()
    shop.do("{ e.identify('u-1', {}); e.track('First'); e.reset(); e.track('Second'); await e.flush(); }")
    shop.until(lambda: shop.home.tail() == 3)
    shop.home.tick()
    persons = [row[11] for row in shop.home.book.read("all_entry", 0, 100) if row[6] in ("First", "Second")]
    assert len(set(persons)) == 2


SEGMENTS = """
{kind: segment, id: lookers, on_site: true, where: 'events("Product Viewed").exists()'}
---
{kind: segment, id: buyers, on_site: true, where: 'events("Order Completed").exists()'}
"""


@contextmanager
def deciding(shop: Shop) -> Iterator[None]:
    """The engine works off what arrives, as beside a server."""
    shop.home.define(SEGMENTS)
    shop.home.tick()
    with ThreadPoolExecutor(1) as engine:

        def work() -> None:
            shop.home.tick(SECOND)
            shop.home.services.notify()

        def wake() -> None:
            engine.submit(work)

        shop.home.services.wake = wake
        yield


def in_time(shop: Shop) -> Any:
    """What a page is told, asked again where a slow machine did not decide within the second that an answer waits."""
    for _ in range(100):
        told = shop.do("e.personalize()")
        if told["upToDate"]:
            return told
    raise AssertionError("never decided in time")


@browser
@pytest.mark.xdist_group("built sdk")
def test_events_in_personalisation_out(shop: Shop) -> None:
    """One call sends what waits and says what the page may know; of a claimed user nothing, until a server says
    who it is; after reset() nothing of who was here.
    """
    shop.open()
    with deciding(shop):
        shop.do("e.track('Product Viewed', { product_id: 'p-1' })")
        told = in_time(shop)
        assert (told["visitor"], told["segments"]) == ("device", ["lookers"])
        assert not any(":q:" in name for name in shop.stored())
        both = shop.do(
            "{ e.track('A'); const first = e.flush(); e.track('B'); await first; return [await e.personalize()]; }"
        )
        assert both[0]["segments"] == ["lookers"]
        shop.do("e.identify('u-1', { email: 'ada@shop.example' })")
        assert in_time(shop)["visitor"] == "nobody"
        device = shop.do("e.device()")
        said = {"type": "identify", "userId": "u-1", "anonymousId": device, "traits": {"email": "ada@shop.example"}}
        bought = {"type": "track", "event": "Order Completed", "userId": "u-1"}
        agent = {"Authorization": f"Bearer {SERVER_KEY}"}
        shop.home.call("POST", "/api/events", json={"batch": [said, bought]}, headers=agent)
        told = in_time(shop)
        assert (told["visitor"], told["segments"]) == ("person", ["buyers", "lookers"])
        shop.do("e.reset()")
        assert in_time(shop)["segments"] == []
    names = [one["name"] for one in entries(shop.home) if one["type"] == "track"]
    assert sorted(names) == ["A", "B", "Order Completed", "Product Viewed"]


@browser
@pytest.mark.xdist_group("built sdk")
def test_personalisation_never_keeps_a_page_waiting(shop: Shop) -> None:
    """Without consent nobody is asked about and nothing is sent or stored; without a network or with a server that says
    nothing the page has its answer, and the events are sent later, once.
    """
    nobody = {"visitor": "nobody", "segments": [], "upToDate": False, "asOf": ""}
    shop.open("required")
    assert shop.do("{ e.track('Early'); return await e.personalize(); }") == nobody
    assert (shop.stored(), shop.app.answers) == ([], [])
    shop.open()
    shop.page.route("**/v1/*", lambda route: route.abort())
    assert shop.do("{ e.track('Offline'); return await e.personalize(); }") == nobody
    assert any(":q:" in name for name in shop.stored())
    shop.page.unroute("**/v1/*")
    shop.page.evaluate("() => { window.real = window.fetch; window.fetch = () => new Promise(() => undefined); }")
    shop.page.clock.install()
    shop.page.evaluate("() => { window.late = e.personalize(); }")
    shop.page.clock.run_for(2_100)
    assert shop.page.evaluate("() => window.late") == nobody
    shop.open()
    shop.until(lambda: not any(":q:" in name for name in shop.stored()))
    shop.home.tick()
    assert [one["name"] for one in entries(shop.home)] == ["Offline"]


def typed(shop: Shop) -> None:
    """The form filled in, and saved visibly."""
    shop.do("{ window.d = e.draft('#loan'); }")
    shop.page.get_by_label("Name").fill("Ada")
    shop.page.get_by_label("Secret").fill("hunter2")
    shop.page.get_by_label("Card").fill("4111")
    shop.page.get_by_label("Plan").select_option("long")
    shop.page.get_by_label("Travel").check()
    expect(shop.page.locator("output")).to_contain_text("Saved")


@browser
@pytest.mark.xdist_group("built sdk")
def test_a_form_is_gone_on_with_elsewhere(shop: Shop) -> None:
    """Typed, saved visibly, restored on the next page, gone on with by an agent with a code, sent and over."""
    shop.open()
    typed(shop)
    assert (b"hunter2" in b"".join(row[2] for row in shop.home.bodies()), "4111" in str(shop.home.bodies())) == (
        False,
        False,
    )
    shop.open()
    shop.do("{ window.d = e.draft('#loan'); }")
    expect(shop.page.locator("output")).to_contain_text("Restored")
    assert [shop.page.get_by_label(name).input_value() for name in ("Name", "Secret", "Card", "Plan")] == [
        "Ada", "", "", "long",
    ]  # fmt: skip
    assert shop.page.get_by_label("Travel").is_checked()
    code = shop.do("d.code()")
    agent = {"Authorization": f"Bearer {SERVER_KEY}"}
    found = shop.home.call("POST", "/api/drafts/find", json={"code": code}, headers=agent).json()
    assert found["draft"]["fields"] == {"name": "Ada", "plan": "long", "extras": {"travel": True}}
    said = {"ref": found["ref"], "fields": {**found["draft"]["fields"], "name": "Ada Lovelace"}, "version": None}
    assert shop.home.call("POST", "/api/drafts", json=said, headers=agent).status_code == 200
    shop.open()
    shop.do("{ window.d = e.draft('#loan'); }")
    expect(shop.page.get_by_label("Name")).to_have_value("Ada Lovelace")
    shop.do("d.close('submitted')")
    assert not [name for name in shop.stored() if ":d:" in name]
    assert shop.home.get("/api/drafts/find").status_code == 405


@browser
@pytest.mark.xdist_group("built sdk")
def test_a_form_begun_on_another_device_is_gone_on_with(shop: Shop) -> None:
    """After signing in the page has the token from the shop's server: what was typed on the phone is there."""
    said = {"writeKey": WRITE_KEY, "form": "loan", "userId": "u-1", "anonymousId": "phone", "fields": {"name": "Ada"}}
    assert shop.home.call("POST", "/v1/draft", json=said).status_code == 200
    shop.home.tick()
    (item,) = shop.home.get("/api/persons/userId:u-1/drafts").json()["items"]
    shop.open()
    shop.do(f"{{ e.identify('u-1'); window.d = e.draft('#loan', {{ token: '{item['token']}' }}); }}")
    expect(shop.page.get_by_label("Name")).to_have_value("Ada")
    shop.page.get_by_label("Plan").select_option("long")
    expect(shop.page.locator("output")).to_contain_text("Saved")
    (item,) = shop.home.get("/api/persons/userId:u-1/drafts").json()["items"]
    assert (item["draft"]["version"], item["draft"]["fields"]["plan"], item["draft"]["by"]) == (2, "long", "owner")


@browser
@pytest.mark.xdist_group("built sdk")
def test_what_was_changed_elsewhere_is_not_written_over(shop: Shop) -> None:
    """An agent changed one field while another was typed: both are in the draft afterwards."""
    shop.open()
    typed(shop)
    shop.home.tick()
    agent = {"Authorization": f"Bearer {SERVER_KEY}"}
    device = shop.page.evaluate("() => localStorage.getItem('einklang:wk_test:device')")
    (item,) = shop.home.get(f"/api/persons/anonymousId:{device}/drafts").json()["items"]
    said = {"ref": item["ref"], "fields": {**item["draft"]["fields"], "plan": "short"}, "version": None}
    shop.home.call("POST", "/api/drafts", json=said, headers=agent)
    shop.page.get_by_label("Name").fill("Grace")
    expect(shop.page.get_by_label("Plan")).to_have_value("short")
    expect(shop.page.locator("output")).to_contain_text("Saved")
    shop.home.tick()
    (item,) = shop.home.get(f"/api/persons/anonymousId:{device}/drafts").json()["items"]
    assert (item["draft"]["fields"]["name"], item["draft"]["fields"]["plan"]) == ("Grace", "short")


@browser
@pytest.mark.xdist_group("built sdk")
def test_a_draft_that_cannot_be_saved_says_so(shop: Shop) -> None:
    """Without a network the form says "Not saved yet", in the language of the page, and saves when it is back."""
    shop.open()
    shop.page.route("**/v1/draft", lambda route: route.abort())
    shop.do("{ document.documentElement.lang = 'de'; window.d = e.draft('#loan'); }")
    shop.page.get_by_label("Name").fill("Ada")
    shop.do("d.save()")
    expect(shop.page.locator("output")).to_have_text("Noch nicht gespeichert")
    assert shop.home.tail() == 0
    shop.page.unroute("**/v1/draft")
    shop.page.evaluate("() => window.dispatchEvent(new Event('online'))")
    expect(shop.page.locator("output")).to_contain_text("Gespeichert")
    assert json.loads(shop.home.bodies()[0][2])["batch"][0]["properties"]["fields"]["name"] == "Ada"


@pytest.mark.clients
def test_the_key_of_the_tests_is_the_one_of_the_page() -> None:
    """LOAD names the write key of the home that the tests make."""
    assert WRITE_KEY in LOAD
