"""Identity by REST: the graph with evidence, merges and splits by staff with a preview, refused merges to review."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from einklang.kernel.time import MINUTE
from tests.web.homes import SERVER_KEY, Home, call

KEY = {"Authorization": f"Bearer {SERVER_KEY}"}


def known(home: Home, *calls: dict[str, Any]) -> None:
    """What the company's server says."""
    answer = home.call("POST", "/api/events", json={"batch": list(calls)}, headers=KEY)
    assert answer.status_code == 200
    home.tick(MINUTE)


def two(home: Home) -> tuple[str, str]:
    """Ada, known by her user id, and a subscriber of whom the address is known; their ids."""
    address = {"externalIds": [{"type": "email", "id": "a@x.example"}]}
    phone = call("identify", userId="ada", traits={"phone": "+491701"})
    known(home, phone, call(event="Subscribed", userId=None, context=address))
    return of(home, "userId:ada"), of(home, "email:a@x.example")


def of(home: Home, text: str) -> str:
    """The person's id."""
    return str(home.get(f"/api/persons/{text}").json()["person_id"])


def post(home: Home, path: str, body: dict[str, Any], **more: Any) -> Any:
    """A POST with the server key."""
    answer = home.call("POST", path, json=body, headers=KEY, **more)
    home.tick(MINUTE)
    return answer


def browser(home: Home) -> None:
    """Anybody says with the key of the page that the two are one."""
    home.track(call("identify", userId="ada", traits={"email": "a@x.example"}))
    home.tick(MINUTE)


def test_a_public_key_never_joins_two_known_persons(home: Home) -> None:
    """The merge that a browser asks for is refused and stands in the list with its evidence; the server's holds."""
    ada, subscriber = two(home)
    browser(home)
    assert of(home, "email:a@x.example") == subscriber != ada
    (review,) = home.get("/api/reviews").json()["items"]
    assert review["reason"] == "unauthenticated"
    assert review["evidence"]["authenticated"] is False
    assert {review["person_a"]["person_id"], review["person_b"]["person_id"]} == {ada, subscriber}
    assert set(review["reason_text"]) == {"de", "en"}
    known(home, call("identify", userId="ada", traits={"email": "a@x.example"}))
    assert of(home, "email:a@x.example") == of(home, "userId:ada"), "the server's word counts"
    assert home.get("/api/reviews").json()["items"] == []


def test_the_guard_of_the_public_key(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: with everybody believed, the browser does join the two."""
    monkeypatch.setattr(sys.modules["einklang.identity.resolve"], "authenticated", lambda event: True)
    ada, subscriber = two(home)
    browser(home)
    assert ada == of(home, "email:a@x.example") != subscriber


@pytest.mark.parametrize(("decision", "one"), [("merge", True), ("keep_apart", False)])
def test_a_review_is_decided(home: Home, decision: str, one: bool) -> None:
    """Merged or kept apart, with before and after; the list is empty afterwards, and later calls change nothing."""
    two(home)
    browser(home)
    (review,) = home.get("/api/reviews").json()["items"]
    path, body = f"/api/reviews/{review['id']}", {"decision": decision, "why": "asked by phone"}
    shown = post(home, f"{path}?preview=true", body).json()
    assert (len(shown["before"]), len(shown["after"]), shown["message_id"]) == (2, 1 if one else 2, "")
    assert home.get("/api/reviews").json()["items"] == [review], "a preview decides nothing"
    assert post(home, path, body).json()["message_id"].startswith("identity-")
    assert (of(home, "userId:ada") == of(home, "email:a@x.example")) is one
    known(home, call("identify", userId="ada", traits={"email": "a@x.example"}))
    assert (of(home, "userId:ada") == of(home, "email:a@x.example")) is one
    assert home.get("/api/reviews").json()["items"] == []
    assert post(home, path, body).json()["code"] == "unknown_review"


def test_a_merge_is_shown_made_and_taken_back(home: Home) -> None:
    """The preview is what then is; the old id leads to the living person, and to its own again after the split."""
    ada, subscriber = two(home)
    body = {"other": "email:a@x.example", "why": "the same human"}
    shown = post(home, f"/api/persons/{ada}/merge?preview=true", body).json()
    assert [side["person_id"] for side in shown["after"]] == [ada]
    assert [one["kind"] for one in shown["after"][0]["identifiers"]] == ["email", "phone", "userId"]
    assert of(home, subscriber) == subscriber, "a preview merges nobody"
    assert post(home, f"/api/persons/{ada}/merge", body).status_code == 200
    assert of(home, subscriber) == ada
    graph = home.get(f"/api/persons/{ada}/identity").json()
    assert [edge["evidence"] for edge in graph["edges"]] == ["staff", "identify"]
    assert graph["aliases"] == [subscriber]
    change = graph["changes"][0]
    assert (change["kind"], change["persons"], change["why"]) == ("merge", [subscriber], "the same human")
    assert change["actor"] == "source:server"
    split = post(home, f"/api/persons/{subscriber}/split", {"why": "they are two"})
    assert {side["person_id"] for side in split.json()["after"]} == {ada, subscriber}
    assert (of(home, subscriber), of(home, "userId:ada")) == (subscriber, ada)
    graph = home.get(f"/api/persons/{ada}/identity").json()
    assert len(graph["apart"]) == 2
    assert [change["kind"] for change in graph["changes"]] == ["merge", "split"]


def test_named_identifiers_are_split_off(home: Home) -> None:
    """What staff names becomes a person of its own, whatever evidence tied it to the rest."""
    known(home, call("identify", userId="ada", traits={"email": "a@x.example", "phone": "+491701"}))
    body = {"identifiers": ["phone:+491701"], "why": "the number of her office"}
    assert post(home, "/api/persons/userId:ada/split", body).status_code == 200
    assert of(home, "phone:+491701") != of(home, "userId:ada") == of(home, "email:a@x.example")
    known(home, call("identify", userId="ada", traits={"phone": "+491701"}))
    assert of(home, "phone:+491701") != of(home, "userId:ada"), "later calls do not undo it"


REFUSED = [
    ("userId:ada/merge", {"other": "userId:ada", "why": "x"}, 409, "same_person"),
    ("userId:ada/merge", {"other": "userId:nobody", "why": "x"}, 404, "unknown_person"),
    ("userId:ada/merge", {"other": "email:a@x.example", "why": " "}, 400, "no_reason"),
    ("userId:ada/merge", {"other": "email:a@x.example"}, 400, "bad_body"),
    ("userId:ada/merge", {"other": "email:a@x.example", "why": "x" * 501}, 400, "reason_too_long"),
    ("userId:ada/split", {"why": "x"}, 409, "never_merged"),
    ("userId:ada/split", {"why": "x", "identifiers": ["email:a@x.example"]}, 400, "bad_identifier"),
    ("userId:ada/split", {"why": "x", "identifiers": ["userId:ada", "phone:+491701"]}, 400, "nothing_left"),
]


@pytest.mark.parametrize(("path", "body", "status", "code"), REFUSED)
def test_what_is_no_decision_is_refused(home: Home, path: str, body: dict[str, Any], status: int, code: str) -> None:
    """A code and a mend, and nothing in the log."""
    two(home)
    answer = post(home, f"/api/persons/{path}", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["mend"]
    assert home.tail() == 0


def test_a_repeated_decision_is_made_once(home: Home) -> None:
    """The same Idempotency-Key gives the same answer and one entry of the log."""
    ada, _ = two(home)
    body = {"other": "email:a@x.example", "why": "the same human"}
    headers = {**KEY, "Idempotency-Key": "m1"}
    first = home.call("POST", f"/api/persons/{ada}/merge", json=body, headers=headers)
    home.tick(MINUTE)
    again = home.call("POST", f"/api/persons/{ada}/merge", json=body, headers=headers)
    assert first.json() == again.json()
    assert len(home.get(f"/api/persons/{ada}/identity").json()["changes"]) == 1
