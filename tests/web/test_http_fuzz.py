"""Random bytes and texts over HTTP: never a fault of ours, never a change without success."""

from __future__ import annotations

import json
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from einklang.web.collect import KINDS
from tests.web.homes import SERVER_KEY, WRITE_KEY, Home, call, run

SETTINGS = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
AUTH = (WRITE_KEY, "")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = (
    "type",
    "event",
    "userId",
    "anonymousId",
    "messageId",
    "timestamp",
    "sentAt",
    "properties",
    "traits",
    "context",
    "channel",
    "integrations",
)
calls = st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=6).map(lambda found: {**call(), **found})


def stored(home: Home, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, int]:
    """(status, events stored) of one request."""
    before = home.tail()
    answer = home.call("POST", path, content=body, headers=headers, auth=AUTH)
    if answer.status_code != 200:
        assert answer.json()["code"]
    return answer.status_code, home.tail() - before


@SETTINGS
@given(
    st.sampled_from(sorted(KINDS)),
    st.binary(max_size=200),
    st.sampled_from(["", "gzip"]),
    st.sampled_from([b"", b"\x1f\x8b\x08", b"{", b"["]),
)
def test_bytes_are_answered(shared: Home, kind: str, body: bytes, packing: str, head: bytes) -> None:
    """Any bytes to any call: a refusal in the 400s, nothing stored."""
    headers = {"Content-Encoding": packing} if packing else {}
    status, count = stored(shared, f"/v1/{kind}", head + body, headers)
    assert 400 <= status < 500
    assert count == 0


@SETTINGS
@given(st.lists(calls, max_size=4))
def test_batches_balance(shared: Home, items: list[dict[str, object]]) -> None:
    """Any JSON values in any field: what is stored and what is refused make up the batch; it can be expanded."""
    before = shared.tail()
    answer = shared.call("POST", "/v1/batch", content=json.dumps({"batch": items}), auth=AUTH)
    assert answer.status_code == 200
    assert shared.tail() - before + len(answer.json().get("rejected", [])) == len(items)
    shared.tick()
    assert shared.tail() == 0


DRAFT_FIELDS = ("draft", "form", "fields", "version", "outcome", "userId", "anonymousId", "touchpoint", "code")
drafts = st.dictionaries(st.sampled_from(DRAFT_FIELDS), json_values, max_size=5).map(
    lambda found: {"form": "f", "anonymousId": "d", **found}
)


@SETTINGS
@given(drafts, st.text(max_size=40), st.binary(max_size=60))
def test_drafts_and_keys_are_answered(shared: Home, said: dict[str, object], token: str, noise: bytes) -> None:
    """Any JSON as a draft, any token, code, reference or body of a source: refused or saved, never a fault of ours."""
    before = shared.tail()

    async def ask() -> list[int]:
        head = {"Authorization": f"Bearer {SERVER_KEY}"}
        odd = [
            (b"authorization", b"Bearer " + token.encode("utf-8", "replace").replace(b"\n", b"").replace(b"\r", b""))
        ]
        answers = [
            await shared.ask("POST", "/v1/draft", content=json.dumps(said), auth=AUTH),
            await shared.ask("POST", "/v1/draft", content=noise, auth=AUTH),
            await shared.ask("GET", "/v1/draft", headers=odd),
            await shared.ask("POST", "/api/drafts/find", content=json.dumps({"code": token}), headers=head),
            await shared.ask("POST", "/api/drafts", content=json.dumps({**said, "ref": token}), headers=head),
            await shared.ask("POST", "/api/sources", content=json.dumps({"id": token, "name": token}), headers=head),
            await shared.ask("POST", "/api/sources", content=noise, headers=head),
            await shared.ask("GET", f"/v1/projects/{quote(token, safe='') or 'x'}/settings"),
        ]
        return [answer.status_code for answer in answers]

    statuses = run(ask())
    assert max(statuses) < 500
    assert shared.tail() - before == (statuses[0] == 200)


@SETTINGS
@given(
    st.sampled_from(["persons", "events", "products", "persons/x/timeline", "segments/x"]),
    st.text(max_size=30),
    st.text(max_size=12),
    st.text(max_size=12),
)
def test_texts_are_answered(shared: Home, path: str, text: str, cursor: str, number: str) -> None:
    """Any text as path, query, cursor, limit or header: an answer or a problem document, never a 5xx."""

    async def ask() -> list[int]:
        value = quote(text, safe="")
        head = {"Authorization": f"Bearer {SERVER_KEY}"}
        query = {"q": text, "name": text, "cursor": cursor, "limit": number, "kind": text, "before": number}
        odd = {
            **head,
            "Idempotency-Key": quote(text),
            "Last-Event-ID": quote(cursor),
            "Cookie": f"einklang_session={quote(text)}",
        }
        answers = [
            await shared.ask("GET", f"/api/{path}", params=query, headers=head),
            await shared.ask("GET", f"/api/persons/{value or 'x'}", headers=head),
            await shared.ask("GET", f"/u/{value or 'x'}"),
            await shared.ask("GET", f"/{value}"),
            await shared.ask("POST", "/api/events", content=text.encode(), headers=odd),
        ]
        return [answer.status_code for answer in answers]

    assert max(run(ask())) < 500
