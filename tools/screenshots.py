"""Takes the pictures of the documentation, docs/img/*.png (English, light): live, persons and who they are, segments
and their builder, journey, report, the catalog of events, sources, a half-filled form.

It starts nothing: a server must be running, by default that of `make demo`. The person shown is the one
in most segments among the last seen, the journey the first whose report makes a statement, else the first. The form is
found by `--code`, as `make demo` printed it; without, its picture stays as it is.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Error, Page, expect, sync_playwright

from einklang.main.demo import PASSWORD
from einklang.main.home import USER

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "img"
WIDTH, HEIGHT = 1360, 850
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
]
#: How long the live page listens before its picture is taken, in milliseconds.
LISTEN_MS = 6_000
#: How long the builder of segments may draw its first sample.
BUILD_MS = 4_000


@contextmanager
def opened(url: str, user: str, password: str) -> Iterator[Page]:
    """A page of a quiet Chromium, signed in. Raises RuntimeError when the server or the sign-in fails."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise RuntimeError("no Chromium found; on Debian: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        try:
            context = browser.new_context(
                viewport={"width": WIDTH, "height": HEIGHT},
                color_scheme="light",
                locale="en-GB",
                reduced_motion="reduce",
            )
            context.add_init_script("localStorage.setItem('einklang-language', 'en')")
            page = context.new_page()
            try:
                page.goto(f"{url}/sign-in")
            except Error as error:
                raise RuntimeError(f"nothing answers at {url}; start it with: make demo") from error
            page.get_by_label("Name", exact=True).fill(user)
            page.get_by_label("Password", exact=True).fill(password)
            page.keyboard.press("Enter")
            try:
                page.wait_for_url(f"{url}/", timeout=10_000)
            except Error as error:
                raise RuntimeError(
                    "the sign-in was refused; give --user and --password as make demo printed"
                ) from error
            yield page
        finally:
            browser.close()


def settled(page: Page, path: str) -> None:
    """Opens an address and waits for its heading and data."""
    page.goto(path)
    page.get_by_role("heading", level=1).wait_for()
    expect(page.get_by_role("status", name="Loading")).to_have_count(0, timeout=30_000)
    page.wait_for_timeout(400)


def best_link(page: Page, url: str, path: str, rows: str, score: str) -> str:
    """The address of the first link in the best row of a list; `score` is a function of JavaScript from row to number.

    Raises RuntimeError when the list is empty.
    """
    settled(page, url + path)
    try:
        page.locator(rows).first.wait_for(timeout=30_000)
    except Error as error:
        raise RuntimeError(f"{url}{path} lists nothing to show; is this home empty?") from error
    found = page.locator(rows).evaluate_all(
        f"""(rows) => {{
          const score = {score};
          const best = [...rows].sort((a, b) => score(b) - score(a))[0];
          return best.querySelector('th a, h2 a').getAttribute('href');
        }}"""
    )
    return f"{url}{found}"


def half_filled(page: Page, url: str, code: str) -> None:
    """A form that a customer left, and what an agent types into it."""
    settled(page, f"{url}/drafts")
    page.get_by_label("Code").fill(code)
    page.get_by_label("Delivery date").fill("Tuesday afternoon")
    page.mouse.move(0, 0)


def take(url: str, user: str, password: str, folder: Path, code: str = "") -> list[Path]:
    """Takes all pictures; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []

    def shot(page: Page, name: str) -> None:
        target = folder / f"{name}.png"
        page.screenshot(path=target)
        made.append(target)

    with opened(url, user, password) as page:
        settled(page, f"{url}/")
        page.wait_for_timeout(LISTEN_MS)
        shot(page, "live")
        person = best_link(page, url, "/persons", "tbody tr", "(row) => row.querySelectorAll('td a, td span').length")
        settled(page, person)
        shot(page, "person")
        settled(page, f"{person}?tab=identity")
        shot(page, "identifiers")
        for name, path in (("catalog", "catalog/Order%20Completed"), ("sources", "sources")):
            settled(page, f"{url}/{path}")
            shot(page, name)
        if code:
            half_filled(page, url, code)
            shot(page, "draft")
            page.on("dialog", lambda asked: asked.accept())
        settled(page, f"{url}/segments")
        shot(page, "segments")
        longest = "(row) => row.querySelector('code').innerText.length"
        segment = best_link(page, url, "/segments", "tbody tr", longest)
        settled(page, f"{segment}/edit")
        page.wait_for_timeout(BUILD_MS)
        shot(page, "builder")
        unsaid = "(row) => (row.innerText.includes('No statement yet') ? 0 : 1)"
        report = best_link(page, url, "/reports", "article:has(p)", unsaid)
        settled(page, report.removesuffix("/report"))
        shot(page, "journey")
        settled(page, report)
        page.wait_for_timeout(600)
        shot(page, "report")
    return made


def main() -> int:
    """Reads the arguments, takes the pictures, says where they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8787", help="address of the running server")
    parser.add_argument("--user", default=os.environ.get("EINKLANG_USER", USER))
    parser.add_argument("--password", default=os.environ.get("EINKLANG_PASSWORD", PASSWORD))
    parser.add_argument("--code", default="", help="code of the half-filled form, as make demo printed it")
    parser.add_argument("--to", type=Path, default=IMAGES, help="folder of the pictures")
    options = parser.parse_args()
    try:
        made = take(options.url.rstrip("/"), options.user, options.password, options.to, options.code)
    except RuntimeError as error:
        sys.stderr.write(f"screenshots: {error}\n")
        return 1
    for path in made:
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
