"""Stages by REST: where somebody is and why, counts, changes, and a note of staff with who and why."""

from __future__ import annotations

from typing import Any

from einklang.kernel.time import HOUR, MINUTE
from einklang.sim import demo
from tests.web.homes import SERVER_KEY, Home, call

KEY = {"Authorization": f"Bearer {SERVER_KEY}"}
RULES = (demo.definitions() / "stages.yaml").read_text("utf-8")


def happens(home: Home, *calls: dict[str, Any]) -> None:
    """At touchpoints, as the company's server says; then an hour goes by."""
    assert home.call("POST", "/api/events", json={"batch": list(calls)}, headers=KEY).status_code == 200
    home.tick(HOUR)


def test_who_bought_and_then_looks_for_the_hotline_uses(home: Home) -> None:
    """The shipped rules, over channels and devices: looks on a phone, buys in the store as a customer, signs in on that
    phone and looks for the hotline: use. Staff note another; all of it is told, with reasons.
    """
    home.define(RULES)
    views = [call(event="Product Viewed", userId=None, anonymousId="phone", messageId=f"v{n}") for n in range(3)]
    happens(home, *views)
    happens(home, call(event="Order Completed", userId="ada", properties={"revenue": 20}, messageId="o"))
    page = {"type": "page", "userId": "ada", "anonymousId": "phone", "properties": {"path": "/service/hotline"}}
    happens(home, {**page, "messageId": "p"})
    told = home.get("/api/persons/userId:ada").json()
    assert [(one["stage"], one["name"]) for one in told["stages"]] == [("buying", "use")]
    (item,) = home.get("/api/stages").json()["items"]
    assert {one["name"]: one["persons"] for one in item["stages"] if one["persons"]} == {"use": 1}
    assert item["none"] == 0
    assert item["stages"][4]["title"] == {"de": "Nutzung", "en": "Use"}
    went = home.get("/api/stages/buying/changes?days=7").json()["changes"]
    assert {"was": "purchase", "to": "use", "changes": 1} in went
    why = home.get("/api/stages/buying/why?person=userId:ada").json()
    assert [one["name"] for one in why["rungs"] if one["here"]] == ["use"]
    use = why["rungs"][4]
    assert (use["when"]["held"], use["exit"]["held"], set(use["when"]["words"])) == (True, False, {"de", "en"})
    noted, viewed = why["rungs"][1]["when"]["children"]
    assert (noted["words"]["en"], noted["held"], viewed["held"]) == ("staff noted it", False, True)


def test_staff_note_a_stage_and_say_why(home: Home) -> None:
    """It stands in the timeline with who and why, and counts; what cannot be noted is refused; asked twice, once."""
    home.define(RULES)
    happens(home, call(event="Product Viewed", userId="ada", messageId="v"))
    path, body = "/api/persons/userId:ada/stages", {"stage": "buying", "name": "decision", "why": "asked at the fair"}
    keyed = KEY | {"Idempotency-Key": "k1"}
    first = home.call("POST", path, json=body, headers=keyed).json()
    assert home.call("POST", path, json=body, headers=keyed).json() == first
    home.tick(MINUTE)
    (here,) = home.get(path).json()["items"]
    assert (here["name"], here["notes"]) == ("decision", ["information", "decision"])
    rows = home.get("/api/persons/userId:ada/timeline").json()["items"]
    (noted,) = [row for row in rows if row["name"] == "Stage Noted"]
    assert (noted["properties"]["why"], bool(noted["properties"]["by"])) == ("asked at the fair", True)
    for wrong, status, code in (
        (body | {"name": "loyalty"}, 400, "not_noted"), (body | {"why": " "}, 400, "no_reason"),
        (body | {"stage": "x"}, 404, "unknown_stage"), ({"stage": "buying"}, 400, "bad_body"),
    ):  # fmt: skip
        answer = home.call("POST", path, json=wrong, headers=KEY)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    answer = home.call("POST", "/api/persons/userId:x/stages", json=body, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_person")
    event = {"type": "track", "event": "Stage Noted", "userId": "ada", "properties": body}
    assert "reserved_name" in home.call("POST", "/api/events", json={"batch": [event]}, headers=KEY).text
