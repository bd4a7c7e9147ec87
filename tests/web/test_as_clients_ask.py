"""What any client of HTTP expects: HEAD and OPTIONS, `next` as `cursor`, one effect a key, YAML as it is written."""

from __future__ import annotations

import pytest

from tests.web.homes import SERVER_KEY, WRITE_KEY, Home, call

KEY = {"Authorization": f"Bearer {SERVER_KEY}"}
ONCE = {**KEY, "Idempotency-Key": "k-1"}


@pytest.mark.parametrize("path", ["/api/status", "/api/openapi.json", "/health", "/metrics"])
def test_head_is_answered_as_get_without_a_body(shared: Home, path: str) -> None:
    """The same status; who may not read may not ask by HEAD either, and may ask which methods there are."""
    assert shared.call("HEAD", path, headers=KEY).status_code == 200
    assert shared.call("OPTIONS", path).headers["allow"] == "GET, OPTIONS"
    assert shared.call("HEAD", "/api/status").status_code == 401


def test_every_list_goes_on_by_cursor(home: Home) -> None:
    """The log too: `next` of a page is the `cursor` of the following one, until there is none."""
    home.call("POST", "/api/events", json={"batch": [call() for _ in range(5)]}, headers=KEY)
    home.tick()
    seqs: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        page = home.call("GET", f"/api/events?limit=2&cursor={cursor}", headers=KEY).json()
        seqs += [item["seq"] for item in page["items"]]
        cursor = page["next"]
    assert seqs == sorted(set(seqs), reverse=True)
    assert len(seqs) == 5
    assert home.call("GET", "/api/events?cursor=x", headers=KEY).json()["code"] == "bad_cursor"


def test_a_draft_is_saved_once_a_key(home: Home) -> None:
    """The same saving with the same key has the same answer; without one it finds that the draft has changed."""
    body = {"writeKey": WRITE_KEY, "form": "loan", "anonymousId": "d-1", "fields": {"a": 1}, "code": True}
    code = home.call("POST", "/v1/draft", json=body).json()["code"]
    ref = home.call("POST", "/api/drafts/find", json={"code": code}, headers=KEY).json()["ref"]
    said = {"ref": ref, "fields": {"a": 2}, "version": 1}
    answers = [home.call("POST", "/api/drafts", json=said, headers=ONCE) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert home.call("POST", "/api/drafts", json={**said, "version": 2}, headers=ONCE).status_code == 409


def test_a_preview_is_another_request_than_the_change(home: Home) -> None:
    """One key for both is refused: the stored answer of a preview is no merge."""
    batch = {"batch": [{"type": "track", "event": "X", "userId": user} for user in ("a", "b")]}
    home.call("POST", "/api/events", json=batch, headers=KEY)
    home.tick()
    said = {"other": "userId:b", "why": "one"}
    codes = [
        home.call("POST", f"/api/persons/userId:a/merge{query}", json=said, headers=ONCE).status_code
        for query in ("?preview=true", "")
    ]
    assert codes == [200, 409]


def test_definitions_may_be_yaml_in_braces(home: Home) -> None:
    """`{kind: segment, ...}` is YAML as it stands in the documents; what is said to be JSON must be JSON."""
    text = "{kind: segment, id: a, where: 'true'}\n---\n{kind: segment, id: b, where: 'true'}"
    answer = home.call("POST", "/api/definitions", content=text, headers=KEY)
    assert [one["id"] for one in answer.json()["changed"]] == ["a", "b"]
    said = {**KEY, "Content-Type": "application/json"}
    assert home.call("POST", "/api/definitions", content=text, headers=said).json()["code"] == "not_json"


def test_every_post_takes_a_key(shared: Home) -> None:
    """But signing in, whose answer is a secret."""
    paths = shared.call("GET", "/api/openapi.json").json()["paths"]
    lacking = [
        path
        for path, operations in paths.items()
        if "post" in operations
        and "Idempotency-Key" not in [found["name"] for found in operations["post"].get("parameters", [])]
    ]
    assert lacking == ["/api/session"]
