"""The reading half of the REST API over a home that the engine has worked on."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from einklang.app import queries
from einklang.app.queries_rules import yaml_of
from einklang.app.reason_texts import TEXTS, text_of
from einklang.app.yaml import parse_text
from einklang.expr import parse, to_words
from einklang.kernel.errors import NotFound
from einklang.kernel.reasons import Reason
from einklang.kernel.time import HOUR, SECOND, parse_moment
from einklang.store.lake import Lake, ship_all
from einklang.web import create_app
from tests.web.homes import DEFINITIONS, Home, bought, call, home


@pytest.fixture
def busy(home: Home) -> Home:
    """A home with a segment, a journey, and a person who bought, got a message ready, and is known."""
    home.define()
    home.tick()
    home.track(*bought())
    home.tick()
    home.tick(after=HOUR + SECOND)
    return home


def test_status_counts(busy: Home) -> None:
    """Persons, events, what waits, segments, journeys, the last event; nothing pending after a tick."""
    found = busy.get("/api/status").json()
    assert (found["persons"], found["pending"], found["segments"], found["journeys"]) == (1, 0, 1, 1)
    assert (found["company"], found["now"], found["last_event_at"]) == (
        "Grünzeug & Söhne",
        "2027-03-01T10:00:01Z",
        "2027-03-01T09:00:00Z",
    )


def test_messages_of_today(home: Home) -> None:
    """What was sent counts until the day is over where the policy says what day it is."""
    midnight = parse_moment("2027-03-01T18:30:00Z")
    rows = [
        (n, f"k{n}", 0, "p", "r", "j", "s", "m", "email", status, "", midnight + after)
        for n, (status, after) in enumerate((("sent", -1), ("sent", 0), ("sent", HOUR), ("failed", HOUR)))
    ]
    home.book.transact(lambda tx: tx.write("message_log_put", rows))
    about, found = queries.About("0", "", "", "live"), []
    for now in (midnight - 1, midnight, midnight + 24 * HOUR):
        with home.book.snapshot() as reader:
            found.append(queries.status(reader, about, now=now, zone="Asia/Kolkata").messages_today)
    assert found == [3, 2, 0]


def test_a_person_is_found_by_every_name(busy: Home) -> None:
    """By person id, by any identifier (normalised), each percent-encoded; the whole record comes back."""
    found = busy.get("/api/persons/email%3AAda%40shop.example").json()
    assert found["label"] == "Ada"
    assert found["known"] is True
    assert {(one["kind"], one["value"]) for one in found["identifiers"]} == {
        ("userId", "u-1"),
        ("email", "ada@shop.example"),
    }
    assert found["traits"]["country"]["value"] == "DE"
    assert {(one["purpose"], one["status"], one["wording"], one["source"]) for one in found["consents"]} == {
        ("marketing", "given", "Yes", "shop"),
        ("track_click", "given", "Yes", "shop"),
    }
    assert [one["id"] for one in found["segments"]] == ["buyers"]
    (run,) = found["journeys"]
    assert (run["journey"], run["version"], run["status"], run["step"], run["arm"], run["key"]) == (
        "thanks", 1, "active", "mail", "treated", "o-1",
    )  # fmt: skip
    for text in (found["person_id"], "userId:u-1"):
        assert busy.get(f"/api/persons/{text}").json() == found


def test_an_identifier_may_hold_a_slash(home: Home) -> None:
    """An encoded slash stays within its part of the path."""
    home.track(call("identify", userId="a/b"))
    home.tick()
    assert home.get("/api/persons/userId%3Aa%2Fb").json()["label"] == "a/b"
    assert home.get("/api/persons/userId%3Aa%2Fb/timeline").status_code == 200


def test_persons_are_searched_and_paged(home: Home) -> None:
    """Part of a name or identifier finds a person, whatever the case; pages do not overlap and end with null."""
    names = ["Änne", "Bob%", "Carl_", "Dora"]
    home.track(*(call("identify", userId=f"u-{n}", traits={"firstName": name}) for n, name in enumerate(names)))
    home.tick()
    for q, expected in [("ÄNNE", ["Änne"]), ("%", ["Bob%"]), ("_", ["Carl_"]), ("U-3", ["Dora"]), ("nobody", [])]:
        assert [one["label"] for one in home.get("/api/persons", params={"q": q}).json()["items"]] == expected
    seen: list[str] = []
    cursor: str | None = ""
    for _ in range(2):
        page = home.get("/api/persons", params={"limit": 2, "cursor": cursor}).json()
        seen += [one["label"] for one in page["items"]]
        cursor = page["next"]
    assert (sorted(seen), cursor) == (sorted(names), None)


def test_the_timeline_holds_events_and_decisions_once(busy: Home) -> None:
    """Newest first; a decision is shown from its verdict and not again from its event; pages join without gap."""
    everything = busy.get("/api/persons/userId:u-1/timeline").json()["items"]
    names = [(one["kind"], one["name"]) for one in everything]
    assert names.count(("decision", "Contact Decided")) == 1
    assert ("event", "Order Completed") in names
    assert ("system", "Journey Entered") in names
    decision = next(one for one in everything if one["kind"] == "decision")
    assert (decision["verdict"], decision["journey"], decision["step"], decision["channel"]) == (
        "sent",
        "thanks",
        "mail",
        "email",
    )
    assert decision["reason_text"] == {"de": "Alle Regeln haben Ja gesagt.", "en": "All rules said yes."}
    moments = [parse_moment(one["at"]) for one in everything]
    assert moments == sorted(moments, reverse=True)
    paged: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        page = busy.get("/api/persons/userId:u-1/timeline", params={"limit": 2, "cursor": cursor}).json()
        paged, cursor = paged + page["items"], page["next"]
    assert paged == everything
    only = busy.get("/api/persons/userId:u-1/timeline", params={"kind": "decision"}).json()["items"]
    assert only == [decision]
    done = busy.get("/api/persons/userId:u-1/timeline", params={"kind": "event"}).json()["items"]
    assert {one["kind"] for one in done} == {"event"}


def test_a_timeline_without_decisions_is_paged(home: Home) -> None:
    """Whoever was never decided about has pages too; a number beyond 64 bits is no cursor."""
    home.track(*(call("track", userId="u-9", event=f"Step {n}") for n in range(5)))
    home.tick()
    path = "/api/persons/userId:u-9/timeline"
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = home.get(path, params={"limit": 2, "cursor": cursor}).json()
        seen += [one["name"] for one in page["items"]]
        cursor = page["next"]
    assert sorted(seen) == [f"Step {n}" for n in range(5)]
    assert home.get(path, params={"cursor": f"{2**63}.1.1"}).status_code == 400


def test_the_log_is_read_backwards(busy: Home) -> None:
    """Newest first with the label of the person; filtered by touchpoint and by part of the name in any case; paged."""
    page = busy.get("/api/events", params={"limit": 2}).json()
    more = busy.get("/api/events", params={"limit": 200, "before": page["next"]}).json()
    seqs = [one["seq"] for one in page["items"] + more["items"]]
    assert seqs == sorted(seqs, reverse=True)
    assert more["next"] is None
    assert "tick" not in {one["type"] for one in page["items"] + more["items"]}
    (order,) = busy.get("/api/events", params={"name": "order COMP"}).json()["items"]
    assert (order["name"], order["person_label"], order["properties"]["total"], order["origin"]) == (
        "Order Completed",
        "Ada",
        19.99,
        0,
    )
    assert busy.get("/api/events", params={"touchpoint": "store"}).json()["items"] == []
    (changed,) = (one for one in more["items"] if one["type"] == "definition")
    assert {change["id"] for change in changed["properties"]["changes"]} == {
        "default",
        "vip",
        "buyers",
        "thanks",
        "thank-you",
    }


def test_older_entries_come_from_the_lake(tmp_path: Path) -> None:
    """What the Book no longer keeps is read from the lake, without a seam; also when a definition was changed."""
    lake = Lake(tmp_path / "lake")
    with home(tmp_path, lake=lake) as served:
        served.define()
        served.tick()
        served.track(*(call(messageId=f"m-{n}", anonymousId="a-1") for n in range(6)))
        served.tick()
        before = served.get("/api/events", params={"limit": 200}).json()
        segments = served.get("/api/segments").json()
        ship_all(served.book, lake)
        served.book.transact(lambda tx: tx.write("entry_trim", [(before["items"][3]["seq"],)]))
        served.app = create_app(served.services)
        assert len(served.book.read("log_after", 0, 100)) == 3
        assert served.get("/api/events", params={"limit": 200}).json() == before
        paged: list[Any] = []
        cursor: str | None = str(10**9)
        while cursor is not None:
            page = served.get("/api/events", params={"limit": 2, "before": cursor}).json()
            paged, cursor = paged + page["items"], page["next"]
        assert paged == before["items"]
        assert served.get("/api/events", params={"name": "ORDER", "touchpoint": "web"}).json()["items"] == []
        found = served.get("/api/events", params={"name": "ORDER"}).json()["items"]
        assert [one["name"] for one in found] == ["Order Completed"] * 6
        assert served.get("/api/segments").json() == segments


def test_entries_of_somebody_merged_away_have_the_name_of_the_living(home: Home) -> None:
    """The log keeps the id as it was; the label is that of the person who lives on."""
    home.track(call("track", userId=None, anonymousId="a-1"), call("identify", userId="u-2", traits={"name": "Bo"}))
    home.tick()
    home.track(call("identify", userId="u-2", anonymousId="a-1"))
    home.tick()
    labels = {one["person_label"] for one in home.get("/api/events").json()["items"]}
    assert labels == {"Bo"}


def test_segments(busy: Home) -> None:
    """Members, what it listens to, which journeys ask for it, and the definition as YAML that reads back the same."""
    (item,) = busy.get("/api/segments").json()["items"]
    assert (item["id"], item["members"], item["updated_at"]) == ("buyers", 1, "2027-03-01T09:00:00Z")
    assert item["words"] == {language: to_words(parse(item["where"]), language) for language in ("de", "en")}
    found = busy.get("/api/segments/buyers").json()
    assert found["listens"] == ["Order Completed", "trait.vip", "time"]
    assert found["used_by"] == ["thanks"]
    (again,) = parse_text(found["definition"], "x.yaml")
    assert again.body["where"] == item["where"]
    (member,) = busy.get("/api/segments/buyers/members").json()["items"]
    assert (member["label"], member["segments"]) == ("Ada", ["buyers"])


def test_journeys(busy: Home) -> None:
    """Counts of the list and of the page agree; steps say what they do, where they lead, and how many stand there."""
    (item,) = busy.get("/api/journeys").json()["items"]
    assert (item["entered"], item["in_progress"], item["control"], item["has_goal"]) == (1, 1, 0, True)
    found = busy.get("/api/journeys/thanks").json()
    assert found["counts"] == {
        "entered": 1,
        "control": 0,
        "contacted": 0,
        "goal": 0,
        "exited": 0,
        "done": 0,
        "in_progress": 1,
    }
    assert found["entry"] == {
        "kind": "event",
        "name": "Order Completed",
        "where": "total >= 10.50",
        "key": "order_id",
        "reenter": "never",
    }
    assert found["exit"] == [{"name": "left", "when": '!segment("buyers")'}]
    assert found["goal"] == {"event": "Product Viewed", "where": None, "within": "7d"}
    pause, mail = found["steps"]
    assert (pause["kind"], pause["then"], pause["else"], pause["entered"], pause["here"], pause["left"]) == (
        "wait",
        "mail",
        None,
        1,
        0,
        1,
    )
    assert (mail["title"]["en"], mail["detail"], mail["then"], mail["here"]) == (
        "Contact: thank-you",
        "email",
        "end",
        1,
    )


@pytest.mark.parametrize("n", range(5))
def test_definitions_survive_yaml(n: int) -> None:
    """A definition shown as YAML reads back as the same values, numbers exact."""
    body = parse_text(DEFINITIONS, "x.yaml")[n].body
    body["odd"] = {
        "on": "yes",
        "n": "1e3",
        "é": "a: b # c",
        "many": "one\ntwo\n",
        "none": None,
        "t": True,
        "x": "0x1F",
        "": " ",
    }
    body["odd"]["list"] = [1, [], {}, "10:30", "2027-03-31", "~", "=entry.key", "- x", "'", '"', "\t", "null"]
    (again,) = parse_text(yaml_of(body), "x.yaml")
    assert again.body == body


def test_products(home: Home) -> None:
    """The catalog of products in order of its key, exact prices, paged."""
    rows = "".join(f"  - {{product_id: p-{n}, name: Pot {n}, price: 19.9{n}}}\n" for n in range(3))
    home.define(
        "kind: catalog\nid: products\nkey: product_id\nfields: {product_id: string, name: string, price: money}\n"
        f"rows:\n{rows}"
    )
    page = home.get("/api/products", params={"limit": 2}).json()
    assert [(one["product_id"], one["name"], one["price"]) for one in page["items"]] == [
        ("p-0", "Pot 0", 19.9),
        ("p-1", "Pot 1", 19.91),
    ]
    (last,) = home.get("/api/products", params={"limit": 2, "cursor": page["next"]}).json()["items"]
    assert last["product_id"] == "p-2"
    found = home.get("/api/products", params={"q": "POT", "limit": 2, "cursor": "p-0"}).json()
    assert ([one["name"] for one in found["items"]], found["next"]) == (["Pot 1", "Pot 2"], None)
    (found,) = home.get("/api/products?q=p-1").json()["items"]
    assert found.items() <= home.get("/api/products/p-1").json().items()
    assert home.get("/api/products/p-9").json()["code"] == "unknown_product"


def test_report_and_why_are_those_of_main(tmp_path: Path) -> None:
    """Web passes them on, with the reasons in words; what main does not know is 404."""

    def report(journey: str) -> Any:
        if journey != "thanks":
            raise NotFound("unknown_journey", "no such journey")
        return {"verdict": "up", "revenue": Decimal("19.90")}

    def why(person: str, journey: str | None, message: str | None) -> Any:
        return {
            "person_id": person,
            "verdicts": [{"verdict": "held", "reason": "cap", "journey": journey, "step": "", "x": Decimal(1)}],
        }

    with home(tmp_path, report=report, why=why) as served:
        assert served.get("/api/journeys/thanks/report").json() == {"verdict": "up", "revenue": 19.9}
        assert served.get("/api/journeys/other/report").status_code == 404
        found = served.get("/api/persons/p_1/why", params={"journey": "thanks"}).json()
        assert found["verdicts"][0]["reason_text"]["de"] == "Die Kontaktgrenze ist erreicht."
        assert (found["verdicts"][0]["step"], found["verdicts"][0]["x"], found["entry"]) == (None, 1, None)


def test_every_reason_has_words() -> None:
    """Each reason is said in German and English; an unknown one is not."""
    assert set(TEXTS) == set(Reason)
    assert text_of("denied", "no_such") is None


def test_openapi_tells_every_route(home: Home) -> None:
    """The document needs no sign-in and has a typed answer for each GET of the REST API."""
    document = home.call("GET", "/api/openapi.json").json()
    assert document["openapi"].startswith("3.")
    for path in ("/api/persons/{person_id}", "/api/status", "/api/journeys/{journey_id}"):
        assert document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    sign_in, events = (document["paths"][path]["post"] for path in ("/api/session", "/api/events"))
    assert (sign_in["security"], events["security"]) == ([], [{"serverKey": []}])
    assert events["requestBody"]["content"]["application/json"]["schema"]["required"] == ["batch"]
    assert {
        operation["security"] is not None for path in document["paths"].values() for operation in path.values()
    } == {True}
    assert home.call("HEAD", "/health").status_code == 200


def test_metrics_and_health(busy: Home) -> None:
    """Figures without sign-in only from this machine; health says ok, and 503 once the Book is closed."""
    text = busy.call("GET", "/metrics").text
    assert "einklang_accepted_total 5.0" in text
    assert 'einklang_outbox{status="ready"} 1.0' in text
    assert busy.call("GET", "/metrics", headers={"X-Forwarded-For": "203.0.113.7"}).status_code == 401
    assert busy.call("GET", "/health").json() == {"status": "ok"}
    busy.book.close()
    assert busy.call("GET", "/health").status_code == 503


def test_answers_decode_as_they_are_typed(busy: Home) -> None:
    """An empty page is a page, and a decimal is a number."""
    page = busy.get("/api/products").json()
    assert page == {"items": [], "next": None}
    assert (
        msgspec.json.decode(busy.get("/api/events", params={"name": "Order"}).content)["items"][0]["properties"][
            "total"
        ]
        == 19.99
    )
