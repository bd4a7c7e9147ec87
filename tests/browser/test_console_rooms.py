"""What people do in the console: sign in, watch, find somebody, ask why, read what it was worth."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser import mock_data
from tests.browser.mock_api import MockApi

pytestmark = pytest.mark.browser
Visit = Callable[[str], Page]
SENTENCES = {
    "en": "The journey brings €1.23 more revenue per contacted customer (95% confidence interval €0.40 to €2.10).",
    "de": "Die Journey bringt 1,23 € mehr Umsatz je kontaktiertem Kunden "
    "(95\u2011%\u2011Konfidenzintervall 0,40 € bis 2,10 €).",
}


def test_sign_in_leads_to_the_address_asked_for(page: Page, api: MockApi, faults: list[str]) -> None:
    """A wrong password is said in words; the right one leads to the deep link, in the language of the staff member."""
    api.language = "de"
    page.goto(f"{api.url}/journeys/win-back/report")
    expect(page).to_have_url(re.compile(r"/sign-in\?next="))
    page.get_by_label("Name", exact=True).fill("ada")
    page.get_by_label("Password", exact=True).fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Name and password do not belong together.")).to_be_visible()
    page.get_by_label("Password", exact=True).fill("secret")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Bericht: Win back")
    assert faults == []


def test_sign_in_page_is_accessible(page: Page, api: MockApi, axe: Callable[[Page], list[str]]) -> None:
    """The sign-in has no accessibility violation, light or dark, and never leads to a foreign host."""
    page.goto(f"{api.url}/sign-in?next=//evil.example/")
    page.get_by_role("heading", level=1).wait_for()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert axe(page) == []
    page.get_by_label("Name", exact=True).fill("ada")
    page.get_by_label("Password", exact=True).fill("secret")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{api.url}/")


def test_sign_out_ends_the_session(visit: Visit, api: MockApi) -> None:
    """Signing out leads to the sign-in, and the way back is closed."""
    page = visit("/segments")
    page.get_by_role("button", name="Account of ada").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page).to_have_url(f"{api.url}/sign-in")
    page.goto(f"{api.url}/segments")
    expect(page).to_have_url(re.compile("/sign-in"))


def test_language_switch_stays(visit: Visit) -> None:
    """The language chosen by hand holds over a reload, whatever the staff member's own language is."""
    page = visit("/persons")
    page.get_by_role("button", name="Deutsch").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Personen")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Personen")
    expect(page.get_by_role("cell", name="vor 2 Minuten")).to_be_visible()


def test_live_shows_what_arrives_and_can_pause(visit: Visit, api: MockApi) -> None:
    """An event appears as it arrives; while paused it is counted and waits; going on shows it."""
    page = visit("/")
    expect(page.get_by_text("Live", exact=True).last).to_be_visible()
    rows = page.get_by_role("list", name="Events, newest first").get_by_role("listitem")
    api.push(mock_data.fresh(1) | {"name": "First Light"})
    expect(rows.first).to_contain_text("First Light")
    page.get_by_role("button", name="Pause").click()
    api.push(mock_data.fresh(2) | {"name": "Second Light"})
    expect(page.get_by_role("button", name="1 new event")).to_be_visible()
    expect(rows.first).to_contain_text("First Light")
    page.get_by_role("button", name="Resume").click()
    expect(rows.first).to_contain_text("Second Light")


def test_live_filters_stand_in_the_address(visit: Visit, api: MockApi) -> None:
    """Filters by touchpoint and name hold for history and stream, and are kept in the address."""
    page = visit("/")
    rows = page.get_by_role("list", name="Events, newest first").get_by_role("listitem")
    page.get_by_label("Touchpoint").select_option("store")
    expect(page).to_have_url(re.compile(r"touchpoint=store"))
    expect(rows.first).to_contain_text("Order Completed")
    api.push(mock_data.fresh(3) | {"name": "Not Here", "touchpoint": "web"})
    api.push(mock_data.fresh(4) | {"name": "Order Refunded", "touchpoint": "store"})
    expect(rows.first).to_contain_text("Order Refunded")
    expect(page.get_by_text("Not Here")).to_have_count(0)
    page.get_by_label("Name of the event").fill("nothing like this")
    expect(page.get_by_role("heading", name="No event fits the filters")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Name of the event")).to_have_value("nothing like this")


def test_event_texts_are_never_markup(visit: Visit, api: MockApi) -> None:
    """Markup in names and properties is shown as text: nothing of it runs."""
    page = visit("/")
    evil = "<img src=x onerror=\"document.title='owned'\">"
    api.push(mock_data.fresh(5) | {"name": evil, "person_label": evil, "properties": {"name": evil}})
    expect(page.get_by_role("list", name="Events, newest first").get_by_text(evil).first).to_be_visible()
    assert page.title() == "Live · Einklang"


def test_person_is_found_and_back_returns(visit: Visit) -> None:
    """Search by a part of an identifier finds the person; the browser's back leads to the same search."""
    page = visit("/persons")
    page.get_by_role("searchbox", name="Search persons").fill("c-18802")
    expect(page.get_by_role("row")).to_have_count(2)
    page.get_by_role("link", name="Emre Yıldız").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Emre Yıldız")
    page.go_back()
    expect(page.get_by_role("searchbox", name="Search persons")).to_have_value("c-18802")
    expect(page.get_by_role("row")).to_have_count(2)


def test_person_by_identifier(visit: Visit) -> None:
    """An address with kind:value leads to the person, also as a deep link."""
    page = visit("/persons/email%3Aemre%40example.org")
    expect(page.get_by_role("heading", level=1)).to_have_text("Emre Yıldız")


def test_timeline_gives_reasons_in_plain_words(visit: Visit) -> None:
    """Decisions show verdict and reason in words of the language, consent its proof; earlier entries can be loaded."""
    page = visit("/persons/p_4fk2x9")
    page.get_by_text("Decisions", exact=True).click()
    timeline = page.get_by_role("region", name="Timeline, newest first")
    expect(timeline.get_by_role("listitem")).to_have_count(3)
    expect(timeline).to_contain_text("It is within quiet hours; the contact is judged again afterwards.")
    expect(timeline).to_contain_text("There is no consent for this channel and purpose.")
    expect(page).to_have_url(re.compile("show=decision"))
    page.get_by_text("Everything", exact=True).click()
    page.get_by_role("button", name="Load earlier entries").click()
    expect(timeline).to_contain_text("/tips/11")
    page.get_by_text("Proof").first.click()
    expect(page.get_by_text("Yes, send me offers and tips by e-mail.")).to_be_visible()


def test_why_not_shows_the_rule_as_a_tree(visit: Visit) -> None:
    """For somebody who never entered, the entry rule stands as a tree with values: what holds and what does not."""
    page = visit("/persons/p_4fk2x9")
    page.get_by_role("tab", name="Why (not)?").click()
    page.get_by_label("Journey").select_option("win-back")
    expect(page.get_by_text("Did not enter this journey")).to_be_visible()
    tree = page.get_by_role("tabpanel")
    expect(tree.get_by_text('!segment("active-shopper") does not hold')).to_have_count(1)
    expect(tree).to_contain_text("value: 612.3")
    expect(tree).to_contain_text("value: missing")
    page.reload()
    expect(page.get_by_text("Did not enter this journey")).to_be_visible()


def test_a_person_shows_the_stage_and_takes_a_note(visit: Visit, mock_api: MockApi) -> None:
    """Where somebody is on the way, why, and what staff know of it: with a reason, which goes to the log."""
    page = visit("/persons/p_4fk2x9")
    card = page.locator("section", has=page.get_by_role("heading", name="Stages"))
    expect(card).to_contain_text("Customer journey")
    card.locator("summary", has_text="Why").click()
    expect(card.get_by_text("is here")).to_be_visible()
    card.get_by_text("Note what you know").click()
    card.get_by_label("Stage", exact=True).select_option("decision")
    card.get_by_role("textbox", name="Why").fill("asked at the fair")
    card.get_by_role("button", name="Save the note").click()
    expect(card.get_by_role("status")).to_contain_text("Noted")
    said = {"stage": "buying", "name": "decision", "why": "asked at the fair"}
    assert mock_api.posted[-1] == ("/api/persons/p_4fk2x9/stages", said)
    page = visit("/segments")
    expect(page.get_by_role("row", name="use 1,204")).to_be_visible()
    page.get_by_text("Changes of the last 30 days").click()
    expect(page.get_by_text("purchase → use:")).to_be_visible()


def test_journey_shows_where_people_stand(visit: Visit) -> None:
    """A journey is a readable list of steps with entered, here and left, its entry, exit, goal and control group."""
    page = visit("/journeys")
    page.get_by_role("link", name="Cart reminder", exact=True).click()
    step = page.get_by_role("listitem").filter(has_text="Wait until · reply")
    for text in ("Until the message is clicked", "7,778", "120", "7,658", "yes: end", "no: call"):
        expect(step).to_contain_text(text)
    for text in (
        "With the event Product Added",
        "The event Order Completed within 14d after entry",
        "10% of those who enter",
    ):
        expect(page.get_by_text(text)).to_be_visible()


def test_segment_shows_members_and_users(visit: Visit) -> None:
    """A segment shows its condition, who is in it and which journeys use it."""
    page = visit("/segments/active-shopper")
    expect(page.get_by_text("4,127 persons")).to_be_visible()
    page.get_by_text("As text").click()
    expect(page.get_by_role("group", name="Condition")).to_have_text(
        'events("Order Completed").within("30d").count() >= 2'
    )
    expect(page.get_by_role("link", name="Journey: win-back", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Johanna Lindqvist")).to_be_visible()


@pytest.mark.parametrize("language", ["en", "de"])
def test_marketer_finds_the_verdict(visit: Visit, api: MockApi, language: str) -> None:
    """From the start page two clicks lead to one sentence that says what the journey was worth."""
    api.language = language
    page = visit("/")
    page.get_by_role("link", name={"en": "Reports", "de": "Berichte"}[language]).click()
    page.get_by_role("link", name="Cart reminder").click()
    verdict = page.get_by_role("region", name={"en": "Verdict", "de": "Aussage"}[language])
    expect(verdict).to_contain_text(SENTENCES[language])
    page.go_back()
    nothing = {
        "en": "No statement yet: the smaller group has 7 buyers so far, 50 are needed.",
        "de": "Noch keine Aussage möglich: Die kleinere Gruppe hat bisher 7 Käufer, nötig sind 50.",
    }[language]
    expect(page.get_by_text(nothing)).to_be_visible()


CASES: list[tuple[dict[str, Any], str]] = [
    (
        {
            "verdict": "down",
            "effect": {"estimate": -0.5, "ci": [-0.9, -0.1], "p": 0.01, "p_welch": 0.01, "lift": None, "lift_ci": None},
        },
        "The journey costs €0.50 of revenue per contacted customer (95% confidence interval -€0.90 to -€0.10).",
    ),
    (
        {
            "verdict": "smaller_than",
            "verdict_bound": 0.3,
            "effect": {"estimate": 0.01, "ci": [-0.28, 0.3], "p": 0.9, "p_welch": 0.9, "lift": None, "lift_ci": None},
        },
        "The journey changes revenue by less than €0.30 per contacted customer, up or down "
        "(95% confidence interval -€0.28 to €0.30).",
    ),
    (
        {
            "verdict": "up",
            "metric": "reached",
            "effect": {
                "estimate": 0.012,
                "ci": [0.004, 0.02],
                "p": 0.01,
                "p_welch": 0.01,
                "lift": 0.1,
                "lift_ci": None,
            },
        },
        "The journey brings 1.20 percentage points more of the contacted customers to the goal "
        "(95% confidence interval 0.40 to 2.00).",
    ),
    (
        {
            "verdict": "no_statement_yet",
            "effect": {"estimate": 0.4, "ci": [-0.5, 1.3], "p": 0.3, "p_welch": 0.3, "lift": None, "lift_ci": None},
        },
        "No statement yet: the difference could still be chance.",
    ),
    (
        {
            "verdict": "no_statement_yet",
            "effect": {"estimate": None, "ci": None, "p": None, "p_welch": None, "lift": None, "lift_ci": None},
            "arms": {
                "treated": {"n": 0, "buyers": 0, "revenue": 0, "mean": None},
                "control": {"n": 0, "buyers": 0, "revenue": 0, "mean": None},
            },
            "incremental": {"estimate": None, "ci": None},
            "responders": None,
            "currency": None,
            "window_days": None,
        },
        "No statement yet: nobody has a full measuring window behind them so far.",
    ),
]


@pytest.mark.parametrize(("change", "sentence"), CASES, ids=["down", "smaller", "goal", "chance", "nobody"])
def test_report_says_every_verdict_in_words(visit: Visit, api: MockApi, change: dict[str, Any], sentence: str) -> None:
    """Each verdict of the server has its plain sentence, also where there are no figures at all."""
    api.report = change
    page = visit("/journeys/cart-reminder/report")
    expect(page.get_by_role("region", name="Verdict")).to_contain_text(sentence)


def test_report_alarms_on_a_broken_sample_ratio(visit: Visit, api: MockApi) -> None:
    """Groups of the wrong size are said aloud with what to do."""
    api.report = {"sample_ratio": {"expected": 0.1, "observed": 0.21, "p": 1e-9, "ok": False}}
    page = visit("/journeys/cart-reminder/report")
    expect(page.get_by_text("The groups do not have the sizes they should have").first).to_be_visible()
    expect(page.get_by_text("Do not use the result before the cause is found")).to_be_visible()


def test_report_passes_on_the_warnings_of_the_server(visit: Visit, api: MockApi) -> None:
    """What the measurement warns of stands on the page in the language of the screen."""
    page = visit("/journeys/win-back/report")
    expect(page.get_by_text("it holds 103.")).to_be_visible()
    page.get_by_role("button", name="Deutsch").click()
    expect(page.get_by_text("sie hat 103.")).to_be_visible()


def test_report_has_table_twin_and_csv(visit: Visit) -> None:
    """A chart can be read as a table, and taken away as CSV with machine numbers; the p-value waits in a fold."""
    page = visit("/journeys/cart-reminder/report")
    expect(page.get_by_role("img", name="Chart: effect per contacted customer +€1.23")).to_be_visible()
    page.get_by_role("button", name="Show as a table").last.click()
    expect(page.get_by_role("row", name=re.compile("Control group 774 149 19.3% €10,059 €13.00"))).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").last.click()
    assert download.value.suggested_filename == "report-cart-reminder-groups.csv"
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert [row["revenue"] for row in rows] == ["98211.4", "10058.8"]
    expect(page.get_by_text("0.0065")).not_to_be_visible()
    page.get_by_text("For experts").click()
    expect(page.get_by_text("0.0065")).to_be_visible()
    expect(page.get_by_text("4,794 of 6,904 contacted customers did not respond.")).to_be_visible()


def test_error_says_the_mend_and_can_be_tried_again(visit: Visit, api: MockApi, console: Page) -> None:
    """A fault of the server shows what, where and what helps; trying again goes on where one was."""
    api.broken = "/api/segments"
    page = visit("/segments")
    alert = page.get_by_role("alert")
    for text in ("The book could not be read.", "Run einklang doctor.", "HOME/book.db", "book_unreadable"):
        expect(alert).to_contain_text(text)
    api.broken = ""
    alert.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("link", name="Active shoppers")).to_be_visible()


def test_unknown_things_are_said_kindly(console: Page, api: MockApi) -> None:
    """An unknown person and an unknown address each say so and lead on."""
    console.goto(f"{api.url}/persons/nobody")
    expect(console.get_by_role("alert")).to_contain_text("give kind:value such as email:a@b.example")
    console.goto(f"{api.url}/no/such/page")
    expect(console.get_by_role("heading", name="There is nothing at this address")).to_be_visible()


def test_ended_session_leads_back(visit: Visit, api: MockApi) -> None:
    """When the session ends while somebody works, the sign-in leads back to the very same address."""
    page = visit("/segments")
    page.context.clear_cookies()
    page.get_by_role("link", name="Garden lovers").click()
    expect(page).to_have_url(re.compile(r"/sign-in\?next=%2Fsegments%2Fgarden-lovers"))
