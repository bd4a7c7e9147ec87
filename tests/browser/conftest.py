"""The built console before a real Chromium: a mock of the API, a signed-in page, axe."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

from tests.browser.mock_api import MockApi
from tests.conftest import CHROMIUM
from tests.waits import SHOWN_MS, WAIT_S

ROOT = Path(__file__).resolve().parents[2]
expect.set_options(timeout=SHOWN_MS)
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """The machine's Chromium, quiet: it calls nobody and updates nothing."""
    return {"executable_path": CHROMIUM or "chromium", "args": QUIET}


@pytest.fixture(scope="session")
def base_url() -> None:
    """None: the tests name their server. (The plugin's own fixture is of a form that pytest will remove.)"""


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """An English browser at a fixed size and time zone."""
    return browser_context_args | {
        "viewport": {"width": 1280, "height": 800},
        "locale": "en-GB",
        "timezone_id": "Europe/Berlin",
        "reduced_motion": "reduce",
    }


@pytest.fixture(scope="session")
def _window(browser: Browser, browser_context_args: dict[str, Any]) -> Iterator[BrowserContext]:
    """One window of the browser for all tests: it keeps the console's scripts, read and compiled."""
    window = browser.new_context(**browser_context_args)
    yield window
    window.close()


@pytest.fixture
def context(_window: BrowserContext) -> Iterator[BrowserContext]:
    """The window with nothing left of the test before: no page, no cookie, no choice that a page remembers."""
    yield _window
    sweeper = _window.new_page()
    remembered = {one["origin"] for one in _window.storage_state()["origins"]}
    for page in _window.pages:
        if page is not sweeper:
            page.close()
    session = _window.new_cdp_session(sweeper)
    for origin in remembered:
        session.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
    sweeper.close()
    _window.clear_cookies()


@pytest.fixture(scope="session")
def console_index() -> Path:
    """The built console, made by the project's own hook when the sources are newer."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    built: Path = hook.ensure_console(ROOT)
    return built


@pytest.fixture(scope="session")
def mock_api(console_index: Path) -> Iterator[MockApi]:
    """One mock server for all tests of a session."""
    api = MockApi()
    thread = threading.Thread(target=api.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield api
    api.stop()
    thread.join(timeout=WAIT_S)


@pytest.fixture
def api(mock_api: MockApi) -> Iterator[MockApi]:
    """The mock server as a full home in English; whatever a test turns is turned back."""
    mock_api.reset()
    yield mock_api
    mock_api.reset()


Watch = list[str]


@pytest.fixture
def faults(page: Page, api: MockApi) -> Watch:
    """What must not happen on a page: script errors, refusals by the content policy, requests to foreign hosts."""
    seen: Watch = []

    def console(message: ConsoleMessage) -> None:
        if message.type == "error" and "status of 4" not in message.text and "status of 5" not in message.text:
            seen.append(f"console: {message.text}")

    def request(sent: Request) -> None:
        if not sent.url.startswith((api.url, "data:", "blob:")):
            seen.append(f"foreign host: {sent.url}")

    page.on("console", console)
    page.on("pageerror", lambda error: seen.append(f"script: {error}"))
    page.on("request", request)
    return seen


@pytest.fixture
def console(page: Page, api: MockApi, faults: Watch) -> Iterator[Page]:
    """A page of somebody who is signed in; afterwards there must have been no fault."""
    page.context.add_cookies([{"name": "einklang_session", "value": "ada", "url": api.url}])
    page.set_default_timeout(SHOWN_MS)
    yield page
    assert faults == []


@pytest.fixture
def visit(console: Page, api: MockApi) -> Callable[[str], Page]:
    """Opens an address of the console and waits until its heading stands."""

    def go(path: str) -> Page:
        console.goto(api.url + path)
        console.get_by_role("heading", level=1).first.wait_for()
        return console

    return go


@pytest.fixture(scope="session")
def axe() -> Callable[..., list[str]]:
    """What axe finds on a page: rule, element, what is wrong; all its rules, or only those named."""
    script = Axe().axe_script

    def check(page: Page, *rules: str) -> list[str]:
        if not page.evaluate("() => 'axe' in window"):
            page.evaluate(script)
        options = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
        response = page.evaluate("(options) => axe.run(document, options)", options)
        return [
            f"{one['id']}: {node['target']} {node['failureSummary']}"
            for one in response["violations"]
            for node in one["nodes"]
        ]

    return check
