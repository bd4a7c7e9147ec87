"""An agent goes on with a half-filled form while its customer types as well: both see both, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Dialog, Page, expect

from tests.browser.mock_api import MockApi
from tests.browser.mock_drafts import FIELDS
from tests.browser.test_console_pages import OVERFLOWS, STRETCH

pytestmark = pytest.mark.browser
Visit = Callable[[str], Page]
Check = Callable[..., list[str]]


def opened(visit: Visit) -> Page:
    """The form, found by its code; whoever types a code needs no Enter, no capitals and no dash."""
    page = visit("/drafts")
    page.keyboard.type("k7f3 qx9p")
    expect(page.get_by_role("heading", name="Garden planner")).to_be_visible()
    return page


def test_a_code_opens_the_form(visit: Visit, axe: Check) -> None:
    """All that was filled in, each by its kind, with who saved it; no address holds the code or the reference."""
    page = opened(visit)
    expect(page.get_by_label("First name")).to_have_value("Johanna")
    expect(page.get_by_label("Garden size")).to_have_value("240")
    expect(page.get_by_label("Wishes")).to_have_value(str(FIELDS["wishes"]))
    expect(page.get_by_label("Delivery")).to_be_checked()
    expect(page.get_by_label("Newsletter")).not_to_be_checked()
    page.get_by_text("is kept as it is").click()
    expect(page.get_by_text("g-118")).to_be_visible()
    expect(page.get_by_role("link", name="Johanna Lindqvist")).to_be_visible()
    assert page.url.endswith("/drafts")
    assert axe(page) == []


def test_a_wrong_code_says_what_helps(visit: Visit) -> None:
    """The refusal stands there until another code is typed."""
    page = visit("/drafts")
    page.get_by_label("Code").fill("AAAA-AAAA")
    expect(page.get_by_role("alert")).to_contain_text("ask for a new code")
    page.get_by_label("Code").fill("AAAA-AAA")
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_role("button", name="Open the form")).to_be_disabled()


def test_only_the_keyboard_is_needed(visit: Visit, api: MockApi) -> None:
    """Code, Tab to a field, typed, Enter: saved, numbers as numbers, the rest as it was."""
    page = opened(visit)
    page.get_by_label("First name").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Backspace")
    page.keyboard.type("300")
    expect(page.get_by_text("Not saved yet", exact=True)).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved. The customer sees it too.")).to_be_visible()
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_disabled()
    assert api.drafts.kept["r-1"]["fields"] == FIELDS | {"garden_size": 300}
    assert next(body for path, body in api.posted if path == "/api/drafts")["version"] == 3


def test_what_the_customer_saves_appears(visit: Visit, api: MockApi) -> None:
    """Without a reload, marked; what the agent is typing stays; saving keeps both."""
    page = opened(visit)
    page.get_by_label("First name").fill("Johanna M.")
    api.push(api.drafts.saved("r-1", start="2027-04-01", extras={"delivery": False, "assembly": True}))
    expect(page.get_by_label("Start")).to_have_value("2027-04-01")
    expect(page.get_by_text("Just changed by the customer")).to_have_count(2)
    expect(page.get_by_label("Assembly")).to_be_checked()
    expect(page.get_by_label("First name")).to_have_value("Johanna M.")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved. The customer sees it too.")).to_be_visible()
    kept = api.drafts.kept["r-1"]["fields"]
    assert (kept["firstName"], kept["start"], kept["extras"]["assembly"]) == ("Johanna M.", "2027-04-01", True)


def test_saving_in_the_same_moment_keeps_both(visit: Visit, api: MockApi) -> None:
    """The customer saved another field and the agent has not heard of it: the refusal is put right by itself."""
    page = opened(visit)
    page.get_by_label("First name").fill("Hanna")
    api.drafts.saved("r-1", start="soon")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved. The customer sees it too.")).to_be_visible()
    expect(page.get_by_label("Start")).to_have_value("soon")
    kept = api.drafts.kept["r-1"]["fields"]
    assert (kept["firstName"], kept["start"]) == ("Hanna", "soon")


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("theirs", [True, False])
def test_both_changed_one_field(told: bool, theirs: bool, visit: Visit, api: MockApi, axe: Check) -> None:
    """Heard of by the stream or by the refusal: both versions stand side by side; nothing is saved before a choice."""
    page = opened(visit)
    page.get_by_label("Email").fill("by-the-agent@example.org")
    entry = api.drafts.saved("r-1", email="by-the-customer@example.org")
    if told:
        api.push(entry)
    else:
        page.get_by_role("button", name="Save", exact=True).click()
    for text in ("by-the-agent@example.org", "by-the-customer@example.org", "Typed here", "Saved by the customer"):
        expect(page.get_by_role("form").get_by_text(text, exact=True)).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="1 field was changed")).to_be_visible()
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_disabled()
    assert api.drafts.kept["r-1"]["fields"]["email"] == "by-the-customer@example.org"
    assert axe(page) == []
    page.get_by_role("button", name="Take this" if theirs else "Keep this").click()
    expect(page.get_by_text("Typed here")).to_have_count(0)
    if theirs:
        expect(page.get_by_label("Email")).to_have_value("by-the-customer@example.org")
        return
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved. The customer sees it too.")).to_be_visible()
    assert api.drafts.kept["r-1"]["fields"]["email"] == "by-the-agent@example.org"


def test_submitted_by_the_customer_meanwhile(visit: Visit, api: MockApi) -> None:
    """It is said that the form is over; what the agent typed and did not save still stands there."""
    page = opened(visit)
    page.get_by_label("First name").fill("Hanna")
    api.push(api.drafts.closed("r-1", "submitted"))
    expect(page.get_by_text("This form was submitted.")).to_be_visible()
    expect(page.get_by_label("First name")).to_have_value("Hanna")
    expect(page.get_by_text("to be copied")).to_be_visible()
    expect(page.get_by_role("button", name="Save", exact=True)).to_have_count(0)


def test_unsaved_changes_are_not_left_by_accident(visit: Visit) -> None:
    """Leaving asks first; who says no stays with what was typed."""
    page = opened(visit)
    page.get_by_label("First name").fill("Hanna")
    asked: list[str] = []

    def refuse(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    page.once("dialog", refuse)
    page.get_by_role("link", name="Segments").click()
    expect(page.get_by_label("First name")).to_have_value("Hanna")
    assert asked == ["There are changes that are not saved yet. Leave without them?"]
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("link", name="Segments").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Segments")


def test_a_recognised_person_needs_no_code(visit: Visit, api: MockApi) -> None:
    """The person's page counts the open forms; one is submitted with what was typed, one discarded after asking."""
    page = visit("/persons/p_4fk2x9")
    page.get_by_role("tab", name="Drafts 2").click()
    items = page.get_by_role("tabpanel").get_by_role("listitem")
    expect(items).to_have_count(2)
    items.filter(has_text="Warranty claim").get_by_role("button", name="Go on with it").click()
    page.get_by_label("What happened").fill("The frost did it.")
    page.get_by_role("button", name="Mark as submitted").click()
    page.get_by_role("button", name="Submitted", exact=True).click()
    expect(page.get_by_text("This form was submitted.")).to_be_visible()
    assert api.drafts.kept["r-2"]["fields"]["what_happened"] == "The frost did it."
    assert api.drafts.kept["r-2"]["status"] == "submitted"
    items.filter(has_text="Garden planner").get_by_role("button", name="Go on with it").click()
    page.get_by_role("button", name="Discard", exact=True).click()
    assert api.drafts.kept["r-1"]["status"] == "open"
    page.get_by_role("button", name="Discard now").click()
    expect(page.get_by_text("This form was discarded.")).to_be_visible()
    assert api.drafts.kept["r-1"]["status"] == "discarded"


def test_in_german(visit: Visit, api: MockApi, axe: Check) -> None:
    """The same in German, also where both changed a field: dark, with texts 40 % longer, at 200 % and on a phone."""
    page = visit("/drafts")
    page.get_by_role("button", name="Deutsch").click()
    page.get_by_label("Code").fill("K7F3QX9P")
    page.get_by_label("Email").fill("a@example.org")
    api.push(api.drafts.saved("r-1", email="b@example.org"))
    for text in ("Hier eingegeben", "Vom Kunden gespeichert", "Dies behalten", "Verwerfen"):
        expect(page.get_by_text(text).first).to_be_visible()
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    assert axe(page) == []
    page.evaluate(STRETCH)
    found = []
    for width, height in ((640, 400), (360, 740)):  # 1280 x 800 at 200 % has 640 x 400 CSS pixels
        page.set_viewport_size({"width": width, "height": height})
        found += [f"{width}: {one}" for one in page.evaluate(OVERFLOWS)]
    assert found == []
