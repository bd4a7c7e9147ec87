"""One table of bad input over HTTP: each row states status, code, place, mend; nothing may be stored or hang."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from time import process_time
from typing import Any

import httpx
import pytest

from tests.web.homes import SERVER_KEY, WRITE_KEY, Home, call

BASIC = {"Authorization": httpx.BasicAuth(WRITE_KEY, "")._auth_header, "Content-Type": "application/json"}
BEARER = {"Authorization": f"Bearer {SERVER_KEY}"}
SECONDS_MAX = 2.0


@dataclass(frozen=True)
class Row:
    """What is sent, and what is answered. where, mend: parts of them."""

    name: str
    path: str
    status: int
    code: str
    where: str = ""
    mend: str = ""
    method: str = "POST"
    body: bytes | str = b""
    headers: dict[str, str] = field(default_factory=dict)


def one(**fields: Any) -> str:
    """A single track call as JSON."""
    return json.dumps(call(**fields))


def deep(levels: int) -> str:
    """A call nested too deeply."""
    return '{"userId":"u","event":"E","properties":' + '{"a":' * levels + "1" + "}" * levels + "}"


GZIP = {"Content-Encoding": "gzip"}
BOMB = gzip.compress(gzip.compress(bytes(50_000_000)) + bytes(50_000_000))
#: Each line of anchors is nine times the one before.
LAUGHS = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [" + ",".join([f"*{chr(97 + n)}"] * 9) + "]\n" for n in range(9)
)
TRACK, BATCH = "/v1/track", "/v1/batch"
COLLECT = [
    Row("empty body", TRACK, 400, "not_json", "track", "JSON"),
    Row("broken JSON", TRACK, 400, "not_json", "track", "JSON", body='{"event": "E", '),
    Row("broken UTF-8", TRACK, 400, "not_json", "track", "UTF-8", body=b'{"userId":"u","event":"\xff\xfe"}'),
    Row("UTF-16", TRACK, 400, "not_json", "track", "UTF-8", body=one().encode("utf-16")),
    Row("an array", TRACK, 400, "not_an_object", "track", "object", body="[1]"),
    Row("a string", TRACK, 400, "not_an_object", "track", "object", body='"x"'),
    Row("no event name", TRACK, 400, "no_name", "track.event", "name", body=one(event=" ")),
    Row("a name that is a number", TRACK, 400, "wrong_type", "track.event", "send", body=one(event=5)),
    Row("a name that is too long", TRACK, 400, "name_too_long", "track.event", "200", body=one(event="x" * 201)),
    Row(
        "a name of the engine's own",
        TRACK,
        400,
        "reserved_name",
        "track.event",
        "another",
        body=one(event="Message Sent"),
    ),
    Row("nobody", TRACK, 400, "no_identifier", "track.userId", "userId", body='{"event":"E"}'),
    Row("an id that is a list", TRACK, 400, "bad_identifier", "track.userId", "text", body=one(userId=["u"])),
    Row("a huge id", TRACK, 400, "bad_identifier", "track.userId", "500", body=one(userId="u" * 501)),
    Row("a huge messageId", TRACK, 400, "bad_identifier", "track.messageId", "500", body=one(messageId="m" * 501)),
    Row("NUL", TRACK, 400, "nul_byte", "track", "leave", body=one(properties={"a": "x\0y"})),
    Row("deep nesting", TRACK, 400, "too_deep", "track", "32", body=deep(100)),
    Row("bottomless nesting", TRACK, 400, "too_deep", "track", "32", body=deep(80_000)[:400_000]),
    Row("year 1", TRACK, 400, "bad_time", "track.timestamp", "2027", body=one(timestamp="0001-01-01T00:00:00Z")),
    Row("year 9999", TRACK, 400, "bad_time", "track.timestamp", "2027", body=one(timestamp="9999-12-31T23:59:59Z")),
    Row("not a time", TRACK, 400, "bad_time", "track.timestamp", "2027", body=one(timestamp="yesterday")),
    Row(
        "a number without end",
        TRACK,
        400,
        "bad_number",
        "track",
        "text",
        body='{"userId":"u","event":"E","properties":{"n":1e999}}',
    ),
    Row(
        "an alias of nothing", "/v1/alias", 400, "no_identifier", "alias.previousId", "replaces", body='{"userId":"u"}'
    ),
    Row("a group without id", "/v1/group", 400, "no_identifier", "group.groupId", "groupId", body='{"userId":"u"}'),
    Row("an event over 32 KB", TRACK, 413, "too_large", "track", "32768", body=one(properties={"a": "x" * 33_000})),
    Row("a batch over 500 KB", BATCH, 413, "too_large", "batch", "512000", body='{"batch":[' + " " * 511_995 + "]}"),
    Row("10 MB", BATCH, 413, "too_large", "body", "524288", body=b"x" * 10_000_000),
    Row("a gzip bomb", BATCH, 413, "too_large", "body", "524288", body=BOMB, headers=GZIP),
    Row("a gzip bomb that says nothing", BATCH, 413, "too_large", "body", "524288", body=BOMB),
    Row("no gzip", BATCH, 400, "bad_gzip", "Content-Encoding", "pack", body=one(), headers=GZIP),
    Row(
        "half a gzip",
        BATCH,
        400,
        "bad_gzip",
        "body, byte",
        "whole",
        body=gzip.compress(one().encode())[:-9],
        headers=GZIP,
    ),
    Row("spoiled gzip", BATCH, 400, "bad_gzip", "body, byte 0", "again", body=b"\x1f\x8b" + b"x" * 50, headers=GZIP),
    Row(
        "another packing",
        BATCH,
        415,
        "unknown_encoding",
        "Content-Encoding",
        "gzip",
        body=one(),
        headers={"Content-Encoding": "br"},
    ),
    Row(
        "XML",
        TRACK,
        415,
        "not_json_type",
        "Content-Type",
        "json",
        body="<a/>",
        headers={"Content-Type": "application/xml"},
    ),
    Row(
        "a form with files",
        TRACK,
        415,
        "not_json_type",
        "Content-Type",
        "json",
        body=one(),
        headers={"Content-Type": "multipart/form-data"},
    ),
    Row(
        "Latin 1",
        TRACK,
        415,
        "wrong_charset",
        "Content-Type",
        "UTF-8",
        body=one(),
        headers={"Content-Type": "application/json; charset=latin1"},
    ),
    Row("no batch", BATCH, 400, "no_batch", "batch", "batch", body="{}"),
    Row("a batch that is a map", BATCH, 400, "no_batch", "batch", "batch", body='{"batch":{}}'),
    Row("too many items", BATCH, 413, "batch_too_long", "batch", "5000", body='{"batch":[' + "1," * 5000 + "1]}"),
    Row("a bad sentAt", BATCH, 400, "bad_time", "batch.sentAt", "2027", body='{"batch":[],"sentAt":"x"}'),
    Row(
        "a wrong scheme",
        TRACK,
        401,
        "bad_authorization",
        "Authorization",
        "Basic",
        body=one(),
        headers={"Authorization": "Digest x"},
    ),
    Row(
        "broken base64",
        TRACK,
        401,
        "bad_authorization",
        "Authorization",
        "Basic",
        body=one(),
        headers={"Authorization": "Basic ???"},
    ),
    Row(
        "base64 of bytes",
        TRACK,
        401,
        "bad_authorization",
        "Authorization",
        "Basic",
        body=one(),
        headers={"Authorization": "Basic //79"},
    ),
    Row(
        "no key",
        TRACK,
        401,
        "unknown_write_key",
        "Authorization",
        "write key",
        body=one(),
        headers={"Authorization": ""},
    ),
    Row(
        "a key that is a number",
        TRACK,
        401,
        "unknown_write_key",
        "Authorization",
        "write key",
        body=one(writeKey=5),
        headers={"Authorization": ""},
    ),
    Row("PUT", TRACK, 405, "wrong_method", "track", "POST", method="PUT", body=one()),
    Row("an unknown call", "/v1/trackk", 404, "not_found", "", "/v1/", body=one()),
    Row("a path below a call", "/v1/track/more", 404, "not_found", "", "/v1/", body=one()),
]
API = [
    Row("no such address", "/api/nothing", 404, "not_found", "", "openapi", method="GET"),
    Row("a wrong method", "/api/status", 405, "wrong_method", "", "openapi", method="PUT"),
    Row("limit 0", "/api/persons?limit=0", 400, "bad_limit", "limit", "1 to 200", method="GET"),
    Row("limit -1", "/api/events?limit=-1", 400, "bad_limit", "limit", "1 to 200", method="GET"),
    Row("a huge limit", "/api/products?limit=100000", 400, "bad_limit", "limit", "1 to 200", method="GET"),
    Row("a limit in words", "/api/persons?limit=all", 400, "bad_request", "query.limit", "openapi", method="GET"),
    Row(
        "a limit beyond numbers", "/api/persons?limit=" + "9" * 400, 400, "bad_limit", "limit", "1 to 200", method="GET"
    ),
    Row(
        "a bad cursor of persons",
        "/api/persons?cursor=%27%20OR%201=1",
        400,
        "bad_cursor",
        "cursor",
        "next",
        method="GET",
    ),
    Row("a bad place in the log", "/api/events?before=-5", 400, "bad_cursor", "before", "seq", method="GET"),
    Row("a place beyond numbers", f"/api/events?before={2**70}", 400, "bad_cursor", "before", "seq", method="GET"),
    Row("a place in words", "/api/events?before=now", 400, "bad_request", "query.before", "openapi", method="GET"),
    Row("an endless search", "/api/persons?q=" + "x" * 300, 400, "too_long", "q", "200", method="GET"),
    Row("an endless name", "/api/events?name=" + "x" * 300, 400, "too_long", "name", "200", method="GET"),
    Row("nobody", "/api/persons/email:nobody@x.example", 404, "unknown_person", "", "kind:value", method="GET"),
    Row("an id that is none", "/api/persons/p_%27%3B--", 404, "unknown_person", "", "kind:value", method="GET"),
    Row("an id with NUL", "/api/persons/p_%00", 404, "unknown_person", "", "kind:value", method="GET"),
    Row(
        "an id of half characters",
        "/api/persons/userId:%ED%A0%80",
        404,
        "unknown_person",
        "",
        "kind:value",
        method="GET",
    ),
    Row("a huge id", "/api/persons/" + "x" * 5000, 404, "unknown_person", "", "kind:value", method="GET"),
    Row(
        "an id that climbs",
        "/api/persons/..%2F..%2Fetc%2Fpasswd",
        404,
        "unknown_person",
        "",
        "kind:value",
        method="GET",
    ),
    Row("no such segment", "/api/segments/none", 404, "unknown_segment", "id", "known", method="GET"),
    Row("members of nothing", "/api/segments/none/members", 404, "unknown_segment", "id", "known", method="GET"),
    Row("no such journey", "/api/journeys/%E2%80%AE", 404, "unknown_journey", "id", "known", method="GET"),
    Row("events without a batch", "/api/events", 400, "no_batch", "batch", "batch", body="{}"),
    Row("events that are none", "/api/events", 400, "not_json", "batch", "batch", body=b"\x00\x01"),
    Row("a bomb of events", "/api/events", 413, "too_large", "body", "524288", body=BOMB, headers=GZIP),
    Row("3 MB of events", "/api/events", 413, "too_large", "", "less", body=b"x" * 3_000_000),
    Row(
        "an empty key",
        "/api/events",
        400,
        "bad_idempotency_key",
        "Idempotency-Key",
        "200",
        headers={"Idempotency-Key": ""},
        body='{"batch":[]}',
    ),
    Row(
        "a long key",
        "/api/events",
        400,
        "bad_idempotency_key",
        "Idempotency-Key",
        "200",
        headers={"Idempotency-Key": "k" * 201},
        body="{}",
    ),
    Row("no definition", "/api/definitions", 400, "no_definition", "body", "kind"),
    Row("YAML that is none", "/api/definitions", 400, "not_yaml", "body.yaml:", "quote", body="kind: [segment"),
    Row("JSON that is none", "/api/definitions", 400, "not_json", "body.json:", "commas", body='{"kind": '),
    Row("a definition in Latin 1", "/api/definitions", 400, "bad_encoding", "body, byte 4", "UTF-8", body=b"kind\xe4"),
    Row("a definition with NUL", "/api/definitions", 400, "nul_byte", "body.yaml", "UTF-8", body="kind: x\0"),
    Row(
        "an unknown kind",
        "/api/definitions",
        400,
        "unknown_kind",
        "body.yaml:1",
        "segment",
        body="kind: segmnt\nid: x\n",
    ),
    Row(
        "an unknown field",
        "/api/definitions",
        400,
        "unknown_field",
        "segment x",
        "where",
        body="kind: segment\nid: x\nwher: 'true'\n",
    ),
    Row(
        "a rule that does not type",
        "/api/definitions",
        400,
        "wrong_type",
        "segment x.where",
        "",
        body="kind: segment\nid: x\nwhere: '1 + 1'\n",
    ),
    Row("a billion laughs", "/api/definitions", 400, "too_large", "body.yaml:", "split", body=LAUGHS),
    Row("a sign-in that is no JSON", "/api/session", 400, "bad_body", "body", "password", body="name=ada"),
    Row("a sign-in without password", "/api/session", 400, "bad_body", "body", "password", body='{"name":"ada"}'),
    Row(
        "a name that is a number", "/api/session", 400, "bad_body", "name", "password", body='{"name":1,"password":"x"}'
    ),
    Row(
        "a name of half characters",
        "/api/session",
        400,
        "bad_body",
        "body",
        "password",
        body='{"name":"\\ud800","password":"x"}',
    ),
    Row("a wrong sign-in", "/api/session", 401, "bad_sign_in", "", "five", body='{"name":"\\u0000\'--","password":""}'),
    Row(
        "an unknown server key",
        "/api/status",
        401,
        "unknown_server_key",
        "Authorization",
        "sk_",
        method="GET",
        headers={"Authorization": "Bearer sk_x"},
    ),
    Row(
        "a cookie that is none",
        "/api/status",
        401,
        "no_session",
        "",
        "sign in",
        method="GET",
        headers={"Authorization": "", "Cookie": "einklang_session=" + "x" * 50},
    ),
]


def state_of(home: Home) -> list[Any]:
    """What may not change."""
    names = (
        "counters",
        "tail_waiting",
        "suppressions",
        "definitions_active",
        "outbox_counts",
        "person_count",
        "staff_count",
    )
    return [home.book.read(name) for name in names]


def judged(home: Home, row: Row, headers: dict[str, str]) -> None:
    """Send the row and look at the answer, at the work it cost (seconds of processor), and at what is stored."""
    before, begun = state_of(home), process_time()
    answer = home.call(row.method, row.path, content=row.body, headers={**headers, **row.headers})
    took = process_time() - begun
    found = answer.json()
    assert (answer.status_code, found["code"]) == (row.status, row.code), answer.text
    assert row.where in found["where"], answer.text
    assert found["mend"], answer.text
    assert row.mend in found["mend"], answer.text
    assert "Traceback" not in answer.text
    assert took < SECONDS_MAX
    assert state_of(home) == before
    assert home.woken == 0


@pytest.mark.parametrize("row", COLLECT, ids=lambda row: row.name)
def test_collect_refuses(shared: Home, row: Row) -> None:
    """The tracking API answers what is wrong, where, and the mend, and stores nothing."""
    judged(shared, row, BASIC)


@pytest.mark.parametrize("row", API, ids=lambda row: row.name)
def test_the_api_refuses(shared: Home, row: Row) -> None:
    """The REST API answers problem documents."""
    judged(shared, row, BEARER)


@pytest.mark.parametrize("path", ["/u/", "/c/"])
@pytest.mark.parametrize(
    "token", ["x", "..%2f..%2fetc", "%00", "A" * 5000, "%F0%9F%92%A9", "AQI" + "A" * 40, "<script>", "a/b"]
)
def test_bad_tokens_are_pages(shared: Home, path: str, token: str) -> None:
    """A customer's broken link is a page with words, in any of its languages, never a fault, never a change."""
    for method in ("GET", "POST") if path == "/u/" else ("GET",):
        answer = shared.call(method, path + token, headers={"Accept-Language": "de;q=x, *;q=0.1, " + "a" * 9000})
        assert answer.status_code == 404
        assert "<script>" not in answer.text
    assert shared.tail() == 0


def test_lone_surrogates_do_not_spoil_a_body(home: Home) -> None:
    """A text that was cut within an emoji is admitted, the broken half replaced, and the key in the body is found."""
    body = '{"userId":"u","event":"E","properties":{"a":"x\\ud83d"},"writeKey":"' + WRITE_KEY + '"}'
    assert home.call("POST", "/v1/t", content=body).json() == {"success": True}
    assert b"\\ufffd" in home.bodies()[0][2]


def test_a_fault_of_ours_is_told_without_a_traceback(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unexpected exception is a problem document with 500; the traceback stays in the log."""

    def broken(person: str, journey: str | None, message: str | None) -> Any:
        raise ZeroDivisionError("secret detail")

    home.services.why = broken
    answer = home.call("GET", "/api/persons/p_1/why", headers=BEARER)
    assert (answer.status_code, answer.json()["code"]) == (500, "our_fault")
    assert "secret detail" not in answer.text
    assert "secret detail" in capsys.readouterr().out
