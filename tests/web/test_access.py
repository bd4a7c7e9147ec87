"""Who may what: every route has a permission, and every kind of caller gets exactly what it grants."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest
from litestar import Request, get

from einklang.kernel.errors import Conflict
from einklang.kernel.time import HOUR, MINUTE
from einklang.web import access, app, customer, once
from tests.web.homes import BASE, PASSWORD, SERVER_KEY, WRITE_KEY, Home, call, run

HANDLERS = [*app.API, *customer.ROUTES]
ROUTES = sorted(
    (method, path, str(handler.opt.get("permission")))
    for handler in HANDLERS
    for method in handler.http_methods
    for path in handler.paths
)
SAME = {"Sec-Fetch-Site": "same-origin"}
#: Who gets in (anything but 401 and 403), by permission: nobody, a write key, staff, a server key.
MATRIX = {
    "public": (True, True, True, True),
    "session": (False, False, True, False),
    "read": (False, False, True, True),
    "write": (False, False, True, True),
    "server": (False, False, False, True),
    "local": (False, False, True, True),
}


def sign_in(home: Home, name: str = "ada", password: str = PASSWORD, **headers: str) -> httpx.Response:
    """Try to sign in."""
    return home.call("POST", "/api/session", json={"name": name, "password": password}, headers=headers)


def token_of(answer: httpx.Response) -> str:
    """The session's token."""
    return str(answer.cookies[access.COOKIE])


def test_every_route_names_its_permission() -> None:
    """A route without a known permission does not exist; what is public is listed here by hand."""
    assert {permission for _, _, permission in ROUTES} <= set(access.PERMISSIONS)
    assert {(method, path) for method, path, permission in ROUTES if permission == "public"} == {
        ("POST", "/api/session"),
        ("GET", "/api/openapi.json"),
        ("GET", "/health"),
        ("GET", "/c/{token:str}"),
        ("HEAD", "/c/{token:str}"),
        ("GET", "/u/{token:str}"),
        ("POST", "/u/{token:str}"),
        ("GET", "/confirm/{token:str}"),
        ("POST", "/confirm/{token:str}"),
    }


def test_a_route_without_permission_is_closed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: a route that forgot its permission answers 403 to everybody, also with a server key."""

    @get("/api/forgotten", sync_to_thread=False)
    def forgotten() -> str:
        return "secret"

    monkeypatch.setattr(app, "API", [*app.API, forgotten])
    home.app = app.create_app(home.services)
    for headers in ({}, {"Authorization": f"Bearer {SERVER_KEY}"}):
        answer = home.call("GET", "/api/forgotten", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


@pytest.mark.parametrize(("method", "path", "permission"), ROUTES)
def test_the_matrix(shared: Home, method: str, path: str, permission: str) -> None:
    """Each kind of caller at each route."""
    if path == "/api/stream":
        return  # it does not end; test_stream asks it
    shared.staff()
    cookie = f"{access.COOKIE}={token_of(sign_in(shared))}"
    callers = [
        {},
        {"Authorization": f"Bearer {WRITE_KEY}"},
        {"Cookie": cookie, **SAME},
        {"Authorization": f"Bearer {SERVER_KEY}"},
    ]
    address = re.sub(r"\{[^}]*\}", "nobody", re.sub(r"\{[^}]*:int\}", "1", path))
    got_in = []
    for headers in callers:
        answer = shared.call(method, address, headers={"X-Forwarded-For": "203.0.113.7", **headers})
        refused = answer.status_code in (401, 403) and answer.json()["code"] in (
            "no_session",
            "no_server_key",
            "unknown_server_key",
            "not_allowed",
            "other_origin",
        )
        got_in.append(not refused)
    assert tuple(got_in) == MATRIX[permission]


def test_a_session_from_sign_in_to_sign_out(home: Home) -> None:
    """A cookie that scripts and other sites cannot use; it opens the console, ends by time and by signing out."""
    home.staff()
    answer = sign_in(home)
    assert answer.json() == {"name": "ada", "role": "admin", "language": "de"}
    said = answer.headers["set-cookie"]
    assert "HttpOnly" in said
    assert "samesite=strict" in said.lower()
    assert "secure" not in said.lower()
    cookie = {"Cookie": f"{access.COOKIE}={token_of(answer)}"}
    assert home.call("GET", "/api/session", headers=cookie).json()["name"] == "ada"
    assert home.call("GET", "/api/status", headers=cookie).status_code == 200
    home.time += 13 * HOUR
    assert home.call("GET", "/api/session", headers=cookie).status_code == 401
    again = {"Cookie": f"{access.COOKIE}={token_of(sign_in(home))}"}
    assert home.call("DELETE", "/api/session", headers={**again, **SAME}).status_code == 204
    assert home.call("GET", "/api/session", headers=again).status_code == 401


def test_the_book_keeps_no_token_and_no_password(home: Home) -> None:
    """Only a hash of the token and an argon2id hash of the password are stored."""
    home.staff()
    token = token_of(sign_in(home))
    assert home.book.read("staff_get", "ada")[0][3].startswith("$argon2id$")
    stored = (home.book.home / "book.db").read_bytes() + (home.book.home / "book.db-wal").read_bytes()
    assert token.encode() not in stored
    assert PASSWORD.encode() not in stored


def test_cookies_are_secure_behind_https(home: Home) -> None:
    """With a public https address the cookie is Secure and answers ask for https ever after."""
    home.services.base_url = "https://shop.example"
    home.staff()
    answer = sign_in(home)
    assert "secure" in answer.headers["set-cookie"].lower()
    assert answer.headers["strict-transport-security"].startswith("max-age=")


@pytest.mark.parametrize("name", ["ada", "nobody"])
def test_five_failures_lock_a_name(home: Home, name: str) -> None:
    """Wrong passwords and unknown names are answered alike; after five the name rests, the right password included."""
    home.staff()
    for _ in range(5):
        answer = sign_in(home, name, "wrong wrong")
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_sign_in")
    answer = sign_in(home, name)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    home.time += 6 * MINUTE
    assert sign_in(home, name).status_code == (200 if name == "ada" else 401)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 204),
        ({"Origin": BASE}, 204),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": BASE}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://shop.example.evil.example"}, 403),
        ({"Origin": "http://["}, 403),
        ({}, 403),
    ],
)
def test_other_sites_cannot_use_a_session(home: Home, headers: dict[str, str], status: int) -> None:
    """A change by session must come from our own pages; what does not say where it comes from is refused."""
    home.staff()
    cookie = {"Cookie": f"{access.COOKIE}={token_of(sign_in(home))}"}
    assert home.call("DELETE", "/api/session", headers={**cookie, **headers}).status_code == status


def test_another_site_cannot_sign_in(home: Home) -> None:
    """Login CSRF: a foreign page cannot sign somebody in."""
    home.staff()
    assert sign_in(home, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_a_new_password_ends_the_sessions(home: Home) -> None:
    """Whoever had a session must sign in again."""
    home.staff()
    cookie = {"Cookie": f"{access.COOKIE}={token_of(sign_in(home))}"}
    home.staff()
    assert home.call("GET", "/api/session", headers=cookie).status_code == 401


EXPECTED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
}


@pytest.mark.parametrize(
    "path", ["/", "/persons/p_1", "/api/status", "/api/nothing", "/health", "/u/bad", "/c/bad", "/assets/none.js"]
)
def test_every_answer_is_guarded(shared: Home, path: str) -> None:
    """Security headers and a content security policy that no page may loosen, on answers and refusals alike."""
    headers = shared.call("GET", path).headers
    assert {name: headers.get(name) for name in EXPECTED} == EXPECTED
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe-eval" not in headers["content-security-policy"]
    assert headers["cache-control"] in ("no-store", "no-cache")


def test_the_same_key_has_one_effect(home: Home) -> None:
    """Idempotency-Key: the second time the first answer, nothing stored again, for a day; another body: a conflict."""
    headers = {"Authorization": f"Bearer {SERVER_KEY}", "Idempotency-Key": "k-1"}

    def send(items: list[Any]) -> httpx.Response:
        return home.call("POST", "/api/events", json={"batch": items}, headers=headers)

    first, second = send([call()]), send([call()])
    assert (first.json(), second.json()) == ({"accepted": 1, "rejected": []},) * 2
    assert second.headers["idempotent-replayed"] == "true"
    assert home.tail() == 1
    other = send([call(), call()])
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    home.time += 25 * HOUR
    assert send([call(), call()]).json()["accepted"] == 2
    assert home.tail() == 3


def test_two_at_once_with_one_key_have_one_effect(home: Home) -> None:
    """Sent at the same moment, they are still one."""
    headers = {"Authorization": f"Bearer {SERVER_KEY}", "Idempotency-Key": "k-1"}

    async def both() -> list[httpx.Response]:
        sent = [home.ask("POST", "/api/events", json={"batch": [call()]}, headers=headers) for _ in range(2)]
        return list(await asyncio.gather(*sent))

    assert [answer.json()["accepted"] for answer in run(both())] == [1, 1]
    assert home.tail() == 1


def test_two_processes_with_one_key_have_one_effect(home: Home) -> None:
    """Of two processes over one Book, asked at the same moment, one acts and both tell its answer."""
    headers = {"Authorization": f"Bearer {SERVER_KEY}", "Idempotency-Key": "k-1"}

    async def ask(process: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(process), base_url=BASE) as client:
            return await client.post("/api/events", json={"batch": [call()]}, headers=headers)

    async def both() -> list[httpx.Response]:
        return list(await asyncio.gather(*(ask(process) for process in (home.app, app.create_app(home.services)))))

    found = run(both())
    assert [answer.json()["accepted"] for answer in found] == [1, 1]
    assert sorted("idempotent-replayed" in answer.headers for answer in found) == [False, True]
    assert home.tail() == 1


def test_a_key_whose_process_is_gone(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the first request has no answer the second gets none either; a minute later it acts."""
    monkeypatch.setattr(once, "_ASKED_TIMES", 1)
    headers = {"Authorization": f"Bearer {SERVER_KEY}", "Idempotency-Key": "k-1"}

    def send() -> httpx.Response:
        return home.call("POST", "/api/events", json={"batch": [call()]}, headers=headers)

    async def killed(*answer: object) -> None:
        """Ends before the answer is kept."""

    with monkeypatch.context() as patch:
        patch.setattr(once.Once, "_put", killed)
        send()
    assert (send().status_code, send().json()["code"]) == (409, "idempotency_key_busy")
    home.time += MINUTE
    assert (send().json()["accepted"], home.tail()) == (1, 2)


def test_a_request_that_takes_long_keeps_its_key(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upload that takes minutes is not taken for gone by another process: it does not act a second time."""
    monkeypatch.setattr(once, "_SAID_EVERY_S", 0)
    monkeypatch.setattr(once, "_ASKED_TIMES", 1)
    scope = {"type": "http", "method": "POST", "path": "/x", "query_string": b"", "state": {}}
    request = Request[Any, Any, Any]({**scope, "headers": [(b"idempotency-key", b"k-1")]})  # type: ignore[arg-type]  # no more is read
    one, other = once.Once(home.services), once.Once(home.services)

    async def twice() -> tuple[int, bytes]:
        pytest.fail("it acted a second time")

    async def long() -> tuple[int, bytes]:
        home.time += 2 * MINUTE
        for _ in range(1_000):
            if await asyncio.to_thread(home.book.read, "idempotency_get", " k-1", home.time - MINUTE):
                break
        with pytest.raises(Conflict, match="not answered yet"):
            await other.answer(request, b"", twice)
        return 200, b"{}"

    assert run(one.answer(request, b"", long)).status_code == 200


def test_definitions_are_applied_by_staff_and_server(home: Home) -> None:
    """POST /api/definitions takes YAML or JSON, says what changed, and stores it; a mistake changes nothing."""
    home.staff()
    text = "kind: segment\nid: known\nwhere: 'person.known'\n"
    headers = {"Cookie": f"{access.COOKIE}={token_of(sign_in(home))}", **SAME}
    answer = home.call("POST", "/api/definitions", content=text, headers=headers)
    assert answer.json() == {
        "changed": [{"kind": "segment", "id": "known", "version": 1, "change": "new"}],
        "hints": [],
    }
    assert home.tail() == 1
    bad = home.call("POST", "/api/definitions", content=text.replace("known'", "knwon'"), headers=headers)
    assert bad.status_code == 400
    assert "segment known.where" in bad.json()["where"]
    assert "known" in bad.json()["mend"]
    assert home.tail() == 1
