"""The tracking API over HTTP: every status, what is stored, and what is answered."""

from __future__ import annotations

import asyncio
import gzip
import json
from concurrent.futures import Future
from typing import Any

import pytest

from einklang.consent import address_key
from einklang.event import expand
from einklang.kernel.errors import Unavailable
from einklang.web import create_app
from einklang.web.limits import Bounds
from tests.web.homes import BASE, NOW, SALT, WRITE_KEY, Home, call, run

AUTH = (WRITE_KEY, "")


def bounded(home: Home, monkeypatch: pytest.MonkeyPatch, **bounds: Any) -> None:
    """The application of the home with these bounds."""
    monkeypatch.setattr(home.services, "bounds", Bounds(**bounds))
    monkeypatch.setattr(home, "app", create_app(home.services))


def test_a_call_is_stored_before_it_is_answered(home: Home) -> None:
    """200 with success once the body is in the Book, received now, from the source of the key; the tick is woken."""
    answer = home.call("POST", "/v1/track", json=call(), auth=AUTH)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert answer.headers["access-control-allow-origin"] == "*"
    ((source, kind, body),) = home.bodies()
    assert (source, kind, json.loads(body)["event"]) == ("web", "track", "Order Completed")
    assert home.woken == 1


@pytest.mark.parametrize(
    ("short", "kind"),
    [("i", "identify"), ("t", "track"), ("p", "page"), ("s", "screen"), ("g", "group"), ("a", "alias")],
)
def test_browser_forms_carry_the_key_in_the_body(home: Home, short: str, kind: str) -> None:
    """analytics.js posts JSON as text/plain to short paths, with writeKey in the body."""
    fields = {"writeKey": WRITE_KEY, "event": "X", "groupId": "g", "previousId": "a-1"}
    answer = home.call(
        "POST", f"/v1/{short}", content=json.dumps(call(kind, **fields)), headers={"Content-Type": "text/plain"}
    )
    assert answer.json() == {"success": True}
    assert [row[1] for row in home.bodies()] == [kind]


@pytest.mark.parametrize("label", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data", ""])
@pytest.mark.parametrize("said", [True, False])
def test_gzip_is_unpacked_whatever_the_type_says(home: Home, label: str, said: bool) -> None:
    """Gzip is told by Content-Encoding or by its first bytes; the Content-Type does not matter then."""
    headers = ({"Content-Type": label} if label else {}) | ({"Content-Encoding": "gzip"} if said else {})
    packed = gzip.compress(json.dumps({"batch": [call(), call()]}).encode())
    answer = home.call("POST", "/v1/batch", content=packed, headers=headers, auth=AUTH)
    assert answer.json() == {"success": True}
    assert home.tail() == 2


def test_a_batch_is_judged_item_by_item(home: Home) -> None:
    """Bad items are answered with index, messageId, code and message; their neighbours are stored."""
    items = [call(messageId="m-0"), {"type": "track", "userId": "u", "messageId": "m-1"}, call(messageId="m-2")]
    answer = home.call("POST", "/v1/batch", json={"batch": items}, auth=AUTH).json()
    assert answer["success"] is True
    (refused,) = answer["rejected"]
    assert (refused["index"], refused["messageId"], refused["code"]) == (1, "m-1", "no_name")
    assert "batch[1].event" in refused["message"]
    (row,) = home.book.read("tail_page", 0, 10)
    events = expand("batch", row[5], first_position=row[0], received_at=row[2], source=row[3])
    assert [event.message_id for event in events] == ["m-0", "m-2"]


def test_a_batch_of_bad_items_stores_nothing(home: Home) -> None:
    """Nothing admitted: 200, everything in `rejected`, nothing appended."""
    answer = home.call("POST", "/v1/batch", json={"batch": [{}]}, auth=AUTH)
    assert (answer.status_code, len(answer.json()["rejected"]), home.tail()) == (200, 1, 0)


@pytest.mark.parametrize("auth", [("", ""), ("wk_other", ""), ("sk_test", "")])
def test_an_unknown_key_is_refused(home: Home, auth: tuple[str, str]) -> None:
    """401 without a key, with an unknown one, and with a key of another kind; nothing is stored."""
    answer = home.call("POST", "/v1/track", json=call(), auth=auth)
    assert (answer.status_code, answer.json()["code"]) == (401, "unknown_write_key")
    assert answer.headers["www-authenticate"].startswith("Basic")
    assert home.tail() == 0


def test_a_host_with_a_slash_at_its_end_does_no_harm(home: Home) -> None:
    """Clients put their path behind it: `//v1/track` is `/v1/track`."""
    for path in ("//v1/track", "///v1/batch"):
        said = {"userId": "u", "event": "x", "batch": []}
        answer = run(home.ask("POST", f"{BASE}{path}", json=said, auth=(WRITE_KEY, "")))
        assert answer.json() == {"success": True}
    assert home.tail() == 1


def test_a_page_may_send_headers_of_its_monitoring(home: Home) -> None:
    """What tracing adds to every request of a page (`traceparent`, `baggage`) must not end in a refused preflight."""
    allowed = home.call("OPTIONS", "/v1/track").headers["access-control-allow-headers"].split(", ")
    assert {"authorization", "*"} <= set(allowed)


def test_preflight_and_wrong_methods(home: Home) -> None:
    """Browsers may ask first (CORS); anything but POST is 405 with Allow, an unknown call 404."""
    asked = home.call("OPTIONS", "/v1/track", headers={"Origin": "https://shop.example"})
    assert (asked.status_code, asked.headers["access-control-allow-methods"]) == (204, "GET, POST")
    refused = home.call("GET", "/v1/track")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST, OPTIONS")
    assert home.call("POST", "/v1/nothing", json=call(), auth=AUTH).status_code == 404


class _Failing:
    """A Book whose disk is away."""

    def __init__(self, book: Any, error: Exception) -> None:
        self._book = book
        self._error = error

    def append_later(self, blobs: Any) -> Future[list[int]]:
        failed: Future[list[int]] = Future()
        failed.set_exception(self._error)
        return failed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._book, name)


@pytest.mark.parametrize(("code", "status"), [("disk_full", 503), ("book_failed", 503), ("overloaded", 429)])
def test_no_success_without_a_stored_event(home: Home, code: str, status: int) -> None:
    """A store that cannot take it is 503, a full queue 429, both with Retry-After; the tick sleeps on."""
    home.services.book = _Failing(home.book, Unavailable(code, "no", mend="later"))
    answer = home.call("POST", "/v1/track", json=call(), auth=AUTH)
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (status, code, "1")
    assert home.woken == 0


def test_overload_is_answered_before_the_body_is_read(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """With as many requests in flight as allowed, the next is 429 at once, and served again afterwards."""
    bounded(home, monkeypatch, in_flight=1)
    pending: Future[list[int]] = Future()
    taken = asyncio.Event()

    def append_later(blobs: Any) -> Future[list[int]]:
        taken.set()
        return pending

    book = _Failing(home.book, RuntimeError())
    monkeypatch.setattr(book, "append_later", append_later)
    home.services.book = book

    async def both() -> tuple[int, int]:
        first = asyncio.create_task(home.ask("POST", "/v1/track", json=call(), auth=AUTH))
        await taken.wait()
        second = await home.ask("POST", "/v1/track", json=call(), auth=AUTH)
        pending.set_result([1])
        return (await first).status_code, second.status_code

    assert run(both()) == (200, 429)
    assert run(home.ask("POST", "/v1/track", json=call(), auth=AUTH)).status_code == 200


@pytest.mark.parametrize(
    ("properties", "reached"),
    [
        (
            {"channel": "email", "address": "Ada@Shop.example", "purpose": "news"},
            [("email", "ada@shop.example", "news")],
        ),
        ({"channel": "email", "purpose": "news"}, [("email", "ada@shop.example", "news")]),
        (
            {"channel": "email", "address": "ada@shop.example"},
            [("email", "ada@shop.example", one) for one in ("marketing", "track_click", "track_open")],
        ),
    ],
)
def test_a_withdrawal_suppresses_at_once(
    home: Home, properties: dict[str, str], reached: list[tuple[str, str, str]]
) -> None:
    """Consent Withdrawn suppresses with the append, tick or no tick: by address, person, or all purposes."""
    home.track(call("identify", traits={"email": "ada@shop.example"}))
    home.tick()
    home.track(call(event="Consent Withdrawn", properties=properties))
    found = {(row[0], row[1], row[2], row[3], row[4]) for row in home.book.read("suppressions")}
    assert found == {(address_key(SALT, c, a), c, p, "withdrawn", NOW) for c, a, p in reached}


def raw(home: Home, messages: list[dict[str, Any]]) -> int:
    """The status of a request whose body arrives in these messages, and then not at all."""
    todo, told = list(messages), list[int]()

    async def receive() -> dict[str, Any]:
        if todo:
            return todo.pop(0)
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    async def send(message: dict[str, Any]) -> None:
        told.append(message.get("status", 0))

    scope = {"type": "http", "method": "POST", "path": "/v1/track", "headers": [(b"content-length", b"9")]}

    async def ask() -> None:
        await home.app(scope, receive, send)

    run(ask())
    return told[0]


def test_who_sends_too_slowly_is_let_go(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that does not arrive in time is 408, one that is cut off 400; neither holds its place."""
    bounded(home, monkeypatch, body_seconds=0.01, in_flight=1)
    begun = {"type": "http.request", "body": b"{", "more_body": True}
    assert raw(home, [begun]) == 408
    assert raw(home, [begun, {"type": "http.disconnect"}]) == 400
    assert home.call("POST", "/v1/track", json=call(), auth=AUTH).status_code == 200
    assert home.tail() == 1


def test_memory_is_bounded_by_what_is_announced(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bodies count from the moment they are announced: with no room left the next is 429 before it is read."""
    bounded(home, monkeypatch, in_flight_bytes=0)
    assert raw(home, []) == 429
