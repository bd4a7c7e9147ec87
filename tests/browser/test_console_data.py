"""What people do on the pages about data: keys, the live debugger, the catalog, dead letters, identifiers, objects."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import cycle

import pytest
from playwright.sync_api import Page, expect

from tests.browser import mock_audience, mock_data, mock_journeys, mock_records
from tests.browser.mock_api import MockApi

pytestmark = pytest.mark.browser
Visit = Callable[[str], Page]
Check = Callable[..., list[str]]


def test_live_tells_refused_from_accepted_and_why(visit: Visit, api: MockApi) -> None:
    """Refusals and what was put aside stand among the events, with reason and mend; filters hold for all."""
    page = visit("/?outcome=refused")
    rows = page.get_by_role("list", name="Events, newest first").get_by_role("listitem")
    expect(rows).to_have_count(2)
    for text in ("batch[1].event", "a track call without a name", 'send "event"', "from web-shop · c-20417"):
        expect(rows.first).to_contain_text(text)
    expect(rows.last).to_contain_text("14 times")
    rows.first.get_by_text("What was sent").click()
    expect(rows.first.locator("pre")).to_contain_text("<script>alert(1)</script>\\u202e")
    page.get_by_label("Source").select_option("web-shop")
    expect(rows).to_have_count(1)
    page.get_by_text("Put aside", exact=True).click()
    expect(rows.first).to_contain_text("'a lot' is not of type 'number'")
    expect(page).to_have_url(re.compile("outcome=aside"))
    page.get_by_text("Everything", exact=True).click()
    page.get_by_label("Source").select_option("")
    expect(rows.filter(has_text="Refused")).to_have_count(2)
    person = page.get_by_label("Person")
    person.fill("c-18802")
    expect(page).to_have_url(re.compile("person=c-18802"))
    expect(rows.filter(has_text="Emre Yıldız").first).to_be_visible()
    expect(rows.filter(has_not_text="Emre Yıldız")).to_have_count(0)
    api.push(mock_data.fresh(1) | {"name": "Not Emre", "person_id": "p_4fk2x9"})
    api.push(mock_data.fresh(2) | {"name": "It Is Emre", "person_id": "p_8mq0c1", "person_label": "Emre Yıldız"})
    expect(rows.first).to_contain_text("It Is Emre")
    expect(page.get_by_text("Not Emre")).to_have_count(0)
    person.fill("nobody@example.org")
    expect(page.get_by_text("Nobody has this identifier.")).to_be_visible()


def test_a_key_is_made_shown_once_and_revoked(visit: Visit, api: MockApi) -> None:
    """A new source gets its key on the screen, which forgets it; another key, an end and a limit are told on."""
    page = visit("/sources")
    expect(page.get_by_role("link", name="1 call was refused lately: see why")).to_be_visible()
    page.get_by_role("button", name="New source").click()
    page.get_by_label("Name").fill("Chat & Bot")
    page.get_by_role("button", name="Make the source and its key").click()
    expect(page.get_by_text("wk_shown-once")).to_be_visible()
    page.get_by_role("button", name="It is kept, hide it").click()
    expect(page.get_by_text("wk_shown-once")).to_have_count(0)
    shop = page.get_by_role("region", name="Keys of Web shop")
    shop.get_by_role("row").filter(has_text="9fTe").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("Whoever still sends with this key is refused")).to_be_visible()
    page.get_by_role("button", name="Revoke now").click()
    expect(page.get_by_role("button", name="Revoke now")).to_have_count(0)
    page.get_by_role("button", name="Make another key").first.click()
    page.get_by_label("The keys that are there now still work for").select_option("3600")
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_text("wk_shown-once-again")).to_be_visible()
    limit = page.get_by_label("Events a second and key, at most").last
    limit.fill("80 a")
    with page.expect_response(lambda answer: answer.request.method == "PATCH"):
        page.get_by_role("button", name="Save").click()
    assert api.posted == [
        ("/api/sources", {"id": "chat-bot", "name": "Chat & Bot", "kind": "write"}),
        ("/api/keys/key_2", None),
        ("/api/sources/web-shop/keys", {"grace_s": 3600}),
        ("/api/sources/erp", {"events_per_s": 80}),
    ]


def test_a_destination_says_why_it_fails_and_what_did_not_arrive(visit: Visit, api: MockApi) -> None:
    """Its state, fault and next try; dead changes are sent again, one or all; one is paused, another resumed."""
    page = visit("/destinations")
    for text in ("failing", "HTTP 503", "320 without consent, 4 without a usable address"):
        expect(page.get_by_text(text)).to_be_visible()
    page.get_by_text("2 changes did not arrive").click()
    page.get_by_role("button", name="Send again").first.click()
    expect(page.get_by_text("1 change is sent again.")).to_be_visible()
    page.get_by_role("button", name="Send all again").click()
    page.get_by_role("button", name="Send now").click()
    expect(page.get_by_role("button", name="Send now")).to_have_count(0)
    page.get_by_role("button", name="Pause", exact=True).click()
    with page.expect_response(lambda answer: answer.url.endswith("/crm/pause")):
        page.get_by_role("button", name="Pause now").click()
    with page.expect_response(lambda answer: answer.url.endswith("/ads/resume")):
        page.get_by_role("button", name="Resume").click()
    assert api.posted == [
        ("/api/destinations/crm/replay", {"seq": 4711}),
        ("/api/destinations/crm/replay", {}),
        ("/api/destinations/crm/pause", {}),
        ("/api/destinations/ads/resume", {}),
    ]


def test_a_destination_is_served_now_and_the_page_follows(
    visit: Visit, api: MockApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not while it is stopped; while it goes on that is shown; what came of it appears without a reload."""
    page = visit("/destinations")
    expect(page.get_by_role("button", name="Pause", exact=True)).to_have_count(1)
    expect(page.get_by_role("button", name="Sync now")).to_have_count(0)
    ads = mock_records.DESTINATIONS[1]
    for field, value in (("state", "live"), ("held_since", None)):
        monkeypatch.setitem(ads, field, value)
    page = visit("/destinations")
    monkeypatch.setitem(ads, "asked", True)
    page.get_by_role("button", name="Sync now").click()
    expect(page.get_by_text("is being passed on")).to_be_visible()
    assert api.posted == [("/api/destinations/ads/run", {})]
    monkeypatch.setitem(ads, "asked", False)
    monkeypatch.setitem(mock_audience.EXPORTS[0], "persons", 813)
    api.push(mock_data.fresh(3) | {"name": "Segment Exported", "person_id": None})
    expect(page.get_by_role("cell", name="813")).to_be_visible()
    expect(page.get_by_text("is being passed on")).to_have_count(0)


def test_a_list_is_uploaded_changed_frozen_and_exported(
    visit: Visit, api: MockApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines that were not taken are told; who was left out of a file, and what was exported, with its file."""
    page = visit("/segments")
    page.get_by_text("Upload a list").click()
    page.get_by_label("Name of the list").fill("Visitors of the fair")
    page.get_by_label("Or write the lines here").fill("email\na@x.example\nnobody")
    page.get_by_role("button", name="Upload", exact=True).click()
    page.get_by_text("1 line was not taken").click()
    expect(page.get_by_text("Line 3: Nobody known is called so.")).to_be_visible()
    page = visit("/segments/newsletter")
    page.get_by_text("Freeze as a list").click()
    page.get_by_label("Name of the list").fill("Kept in May")
    page.get_by_role("button", name="Freeze").click()
    page.get_by_text("Export as a file").click()
    page.get_by_label("For what is it used?").select_option("marketing")
    page.locator("summary", has_text="Identifiers").click()
    page.get_by_label("E-mail", exact=True).check()
    page.get_by_role("button", name="Export").click()
    expect(page.get_by_text("812 persons are in the file. Left out: 3 without consent")).to_be_visible()
    monkeypatch.setitem(mock_journeys.SEGMENTS[3], "where", "")
    page = visit("/segments/newsletter")
    page.get_by_role("button", name="Take everybody off the list").click()
    expect(page.get_by_text(re.compile(r"persons leave the list\..* It is used in: Journey"))).to_be_visible()
    page.get_by_role("button", name="Empty the list").click()
    expect(page.get_by_text("812 persons left the list")).to_be_visible()
    assert [said for said in api.posted if said[0] != "/api/expressions"] == [
        ("/api/segments/visitors-of-the-fair/list",
         {"rows": "email\na@x.example\nnobody", "action": "add", "create": False, "title": "Visitors of the fair"}),
        ("/api/segments/newsletter/freeze", {"list": "kept-in-may", "title": "Kept in May"}),
        ("/api/segments/newsletter/exports",
         {"format": "csv", "purpose": "marketing", "columns": ["person_id", "email"]}),
        ("/api/segments/newsletter/empty", {}),
    ]  # fmt: skip
    monkeypatch.setitem(mock_journeys.SEGMENTS[3], "members", 0)
    page = visit("/segments")
    expect(page.get_by_text("Newsletter readers")).to_have_count(0)
    page.get_by_role("button", name="Empty lists (1)").click()
    expect(page.get_by_text("Newsletter readers")).to_be_visible()
    monkeypatch.setitem(mock_journeys.SEGMENT_MORE, "frozen", "2026-11-20T09:00:00Z")
    page = visit("/segments/garden-lovers")
    page.get_by_role("button", name="Take the freeze back").click()
    page.get_by_role("button", name="Follow the condition again").click()
    expect(page.get_by_text("Who belongs to it now is being worked out.")).to_be_visible()
    where = mock_journeys.SEGMENTS[1]["where"]
    assert ("/api/segments/garden-lovers", {"where": where, "before": where, "thaw": True}) in api.posted
    page = visit("/destinations")
    expect(page.get_by_role("link", name="Fetch the file")).to_have_attribute("href", re.compile("newsletter-2026"))


def test_the_catalog_tells_what_was_sent_and_what_was_declared(visit: Visit) -> None:
    """Events by origin with violations; a property shows its declared type, what it was seen as, and masked samples."""
    page = visit("/catalog")
    page.get_by_label("Origin").select_option("discovered")
    expect(page.get_by_role("row")).to_have_count(2)
    page.get_by_role("link", name="Garden Visited").click()
    expect(page.get_by_role("group", name="event.yaml")).to_contain_text('"sunny": {type: boolean}')
    page.get_by_role("link", name="Event catalog").first.click()
    page.get_by_role("link", name="Order Completed").click()
    row = page.get_by_role("row").filter(has_text="revenue")
    for text in ("money", "number 488", "string 12", "99.99"):
        expect(row).to_contain_text(text)
    expect(page.get_by_role("row").filter(has_text="products[].product_id")).to_contain_text("not declared")
    expect(page.get_by_text("An event that breaks it is put aside")).to_be_visible()


def test_dead_letters_show_their_bytes_and_are_taken_in_again(visit: Visit, api: MockApi) -> None:
    """Reason, what it means, bytes as text that nothing runs; one or all are taken in again, with what came of it."""
    page = visit("/dead-letters")
    letter = page.get_by_role("listitem").filter(has_text="breaks its schema")
    expect(letter).to_contain_text("revenue: 'a lot' is not of type 'number'")
    letter.get_by_text("Original bytes").click()
    expect(letter.locator("pre")).to_contain_text("<b>a lot</b>\\u202e")
    letter.get_by_role("button", name="Take in again").click()
    expect(page.get_by_text("1 dead letter was taken in again.")).to_be_visible()
    page.get_by_role("button", name="Take in all again (2)").click()
    page.get_by_role("button", name="Take in", exact=True).click()
    expect(page.get_by_text("1 stay: their messageId came before")).to_be_visible()
    conflict = page.get_by_role("listitem").filter(has_text="same id, other content")
    conflict.get_by_text("Original bytes").click()
    expect(conflict).to_contain_text("shown as base64")
    conflict.get_by_role("button", name="Take in as a new event").click()
    conflict.get_by_role("button", name="Take in", exact=True).click()
    expect(page.get_by_text("1 dead letter was taken in again.")).to_be_visible()
    again = [body for path, body in api.posted if path == "/api/dead-letters/replay"]
    assert again == [{"positions": [90133]}, {}, {"positions": [88100], "as_new": True}]


def test_identifiers_show_who_said_so(visit: Visit) -> None:
    """Each piece of evidence names its source, its time and whether it was proved; staff's words stand as text."""
    page = visit("/persons/p_4fk2x9?tab=identity")
    expect(page.get_by_role("img", name="Picture: 5 identifiers, joined by 4 lines of evidence")).to_be_visible()
    item = page.get_by_role("listitem").filter(has_text="+49 30 5557810").filter(has_text="customer card")
    for text in ("proved", "recognised by a customer card", "Source server:till"):
        expect(item).to_contain_text(text)
    expect(page.get_by_role("listitem").filter(has_text="c-31000")).to_contain_text("not proved")
    expect(page.get_by_text("“Both are <Johanna>: she showed her card.”")).to_be_visible()
    expect(page.get_by_text("Signed in: Customer id c-20417")).to_be_visible()
    page.get_by_role("link", name="1 merge was refused and waits for a decision").click()
    expect(page).to_have_url(re.compile(r"/reviews\?person=p_4fk2x9"))


def test_a_merge_is_previewed_and_needs_a_reason(visit: Visit, api: MockApi) -> None:
    """A refusal says the mend; before and after stand there first; without a reason nothing goes."""
    page = visit("/persons/p_4fk2x9/merge")
    page.get_by_role("searchbox", name="The other person").fill("yıldız")
    page.get_by_role("button", name=re.compile("Emre Yıldız")).click()
    expect(page.get_by_role("alert")).to_contain_text("split off what is too many")
    page.get_by_role("searchbox", name="The other person").fill("nowak")
    page.get_by_role("button", name=re.compile("Piotr Nowak")).click()
    expect(page.get_by_role("group", name="What would change")).to_contain_text("222 events, 4 traits")
    go = page.get_by_role("button", name="Merge", exact=True)
    expect(go).to_be_disabled()
    page.get_by_label("Why").fill("  Same card at the till. ")
    go.click()
    expect(page.get_by_text("They are one person.")).to_be_visible()
    assert [body["why"] for path, body in api.posted if "preview" not in path] == ["Same card at the till."]


def test_a_split_and_a_review_are_decided(visit: Visit, api: MockApi) -> None:
    """A split names the identifiers that go, never all of them; a refused merge is decided after a preview."""
    page = visit("/persons/p_8mq0c1/split")
    for name in ("Customer id c-18802", "E-mail emre@example.org"):
        page.get_by_role("checkbox", name=name).check()
    expect(page.get_by_role("group", name="What would change")).to_be_visible()
    page.get_by_role("checkbox", name="Device web-01ff3e").check()
    expect(page.get_by_text("Leave at least one identifier with this person.")).to_be_visible()
    page.get_by_role("checkbox", name="Device web-01ff3e").uncheck()
    page.get_by_label("Why").fill("A shared computer.")
    page.get_by_role("button", name="Split", exact=True).click()
    expect(page.get_by_text("They are two persons.")).to_be_visible()
    page = visit("/reviews")
    expect(page.get_by_text("Each has a customer id of its own.")).to_be_visible()
    page.get_by_role("button", name="Decide").click()
    expect(page.get_by_role("group", name="What would change")).to_contain_text("222 events")
    page.get_by_text("Two persons", exact=True).click()
    page.get_by_label("Why").fill("Father and son.")
    page.get_by_role("button", name="Keep apart").click()
    expect(page.get_by_text("They stay two persons, whatever a call says.")).to_be_visible()
    decided = [(path, body) for path, body in api.posted if "preview" not in path]
    split = {"identifiers": ["userId:c-18802", "email:emre@example.org"], "why": "A shared computer."}
    assert decided == [
        ("/api/persons/p_8mq0c1/split", split),
        ("/api/reviews/12", {"decision": "keep_apart", "why": "Father and son."}),
    ]


def test_objects_and_products_are_read(visit: Visit) -> None:
    """Contracts by state with money, validity and the events they come from; a product leads to what goes with it."""
    page = visit("/persons/p_4fk2x9?tab=objects")
    row = page.get_by_role("row").filter(has_text="v-2026-4411")
    for text in ("active", "€39.90", "valid", "until 1 Jan 2027"):
        expect(row).to_contain_text(text)
    row.get_by_text("Why so?").click()
    expect(row).to_contain_text("Contract Started")
    page.get_by_label("State").select_option("ended")
    expect(page.get_by_role("row").filter(has_text="v-2026-4411")).to_have_count(0)
    page = visit("/products")
    page.get_by_role("searchbox", name="Search products").fill("oak")
    page.get_by_role("link", name="Oak garden bench").click()
    for text in ("from 27 Nov 2026 until 1 Dec 2026", "€199.00", "Wien", "oil"):
        expect(page.get_by_text(text).first).to_be_visible()
    page.get_by_role("link", name="Screw").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Screw")


def test_a_segment_says_that_pages_know_of_it(visit: Visit) -> None:
    """What is published is marked, nothing else."""
    expect(visit("/segments/active-shopper").get_by_text("published for pages")).to_be_visible()
    expect(visit("/segments/garden-lovers").get_by_text("published for pages")).to_have_count(0)


def test_a_company_is_reached_from_its_people(visit: Visit) -> None:
    """The person's page names the company and the role there; the company names its people and contact person."""
    page = visit("/persons/p_4fk2x9")
    page.get_by_role("link", name="Gartenbau Lindqvist GmbH").click()
    row = page.get_by_role("row").filter(has_text="Johanna Lindqvist")
    expect(row).to_contain_text("purchasing")
    expect(row).to_contain_text("contact person")
    expect(page.get_by_text("2 persons")).to_be_visible()
    page.get_by_role("link", name="Companies").click()
    expect(page.get_by_role("link", name="Gartenbau Lindqvist GmbH")).to_be_visible()


#: Ways to make a page run a text, 200 of them.
PAYLOADS = [
    shape.replace("@@", f"window.ran=(window.ran||0)+1{gap}")
    for gap in ("", ";", "//", " ", "\n", "/**/", "&#59;", "\u2028", ",0", "||0")
    for shape in (
        "<script>@@</script>", "<img src=x onerror=@@>", "<svg onload=@@>", "<svg><script>@@</script></svg>",
        '"><img src=x onerror=@@>', "'><script>@@</script>", "</script><script>@@</script>", "javascript:@@",
        "<a href='javascript:@@' autofocus onfocus=@@>", "<iframe srcdoc='<script>parent.@@</script>'></iframe>",
        "<body onload=@@>", "<details open ontoggle=@@>", "<input autofocus onfocus=@@>", "<video><source onerror=@@>",
        "<math><mtext></form><img src=x onerror=@@>", "</title><script>@@</script>", "`${@@}`", "{{@@}}",
        "<style>@import'javascript:@@'</style>", "<object data='javascript:@@'>",
    )
]  # fmt: skip
SPOILED = [
    "/", "/?outcome=refused", "/?outcome=aside", "/persons", "/persons/p_4fk2x9", "/persons/p_4fk2x9?tab=identity",
    "/persons/p_4fk2x9?tab=objects", "/persons/p_4fk2x9?tab=traits", "/persons/p_4fk2x9?tab=why&journey=cart-reminder",
    "/persons/p_4fk2x9/merge?other=p_2sd6r5", "/persons/p_4fk2x9/split", "/reviews", "/sources", "/destinations",
    "/catalog", "/catalog/Order%20Completed", "/dead-letters", "/products", "/products/g-118", "/groups/company/k-7",
    "/persons/p_4fk2x9?tab=drafts",
]  # fmt: skip


def test_no_page_runs_what_somebody_wrote(visit: Visit, api: MockApi, faults: list[str]) -> None:
    """200 payloads behind every text from outside, on every page with its folds open: shown as text, none runs."""
    assert len(set(PAYLOADS)) == 200
    api.evil = cycle(PAYLOADS)
    for path in SPOILED:
        page = visit(path)
        expect(page.get_by_role("status", name="Loading")).to_have_count(0)
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
        expect(page.locator("#content")).to_contain_text("window.ran")
        assert page.evaluate("window.ran") is None
    assert faults == []
    # Positive control: were a payload markup, the content policy would have said so.
    with page.expect_console_message(lambda said: "Content Security Policy" in said.text):
        page.evaluate("(evil) => document.body.insertAdjacentHTML('beforeend', evil)", PAYLOADS[1])
    faults.clear()


def test_a_fault_stays_in_its_place(visit: Visit, api: MockApi, axe: Check) -> None:
    """A list that cannot be read says what helps; what else the page knows is shown."""
    api.broken = "/api/catalog"
    page = visit("/catalog")
    expect(page.get_by_role("alert")).to_contain_text("Run einklang doctor.")
    assert axe(page) == []
    api.broken = "/api/arrivals"
    page = visit("/sources")
    expect(page.get_by_role("heading", name="Web shop")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("Run einklang doctor.")
