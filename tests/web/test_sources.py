"""Sources and keys: made, listed, rotated, revoked; shown once, kept as hashes; each with its own rate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from einklang.app import keys
from einklang.kernel.errors import EinklangError
from einklang.kernel.time import DAY, HOUR, MINUTE, SECOND, format_moment
from einklang.web import create_app
from einklang.web.limits import Bounds
from tests.web.homes import NOW, SERVER_KEY, WRITE_KEY, Home, call

SHOP = {"id": "web-shop", "name": "Shop", "kind": "write"}


def ask(home: Home, method: str, path: str, **more: Any) -> httpx.Response:
    """A request with the server key."""
    headers = {"Authorization": f"Bearer {SERVER_KEY}", **more.pop("headers", {})}
    return home.call(method, path, headers=headers, **more)


def send(home: Home, key: str, count: int = 1) -> httpx.Response:
    """A batch with a write key."""
    return home.call("POST", "/v1/batch", json={"batch": [call()] * count}, auth=(key, ""))


def test_a_source_is_made_with_its_key(home: Home) -> None:
    """The key is in the answer, works at once, and its events carry the source; nothing else ever shows it."""
    made = ask(home, "POST", "/api/sources", json=SHOP)
    key = made.json()["key"]
    assert (made.status_code, key[:3], made.json()["source"]["kind"]) == (201, "wk_", "write")
    assert send(home, key).status_code == 200
    assert [row[0] for row in home.bodies()] == ["web-shop"]
    listed = ask(home, "GET", "/api/sources")
    assert [one["id"] for one in listed.json()["items"]] == ["server", "web", "web-shop"]
    shown = listed.json()["items"][2]["keys"][0]
    assert (key in listed.text, shown["hint"]) == (False, key[-4:])
    assert (shown["created_at"], shown["ends_at"]) == (format_moment(home.time), None), "a moment, as everywhere"


def test_no_key_is_stored(home: Home, tmp_path: Path) -> None:
    """Not a byte of a key is on the disk, with Idempotency-Key neither; the repeated request shows none."""
    headers = {"Idempotency-Key": "once"}
    first = ask(home, "POST", "/api/sources", json=SHOP, headers=headers).json()
    again = ask(home, "POST", "/api/sources", json=SHOP, headers=headers)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == {"source": first["source"], "key": None}
    rotated = ask(home, "POST", "/api/sources/web-shop/keys", json={}).json()["key"]
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert any(b"web-shop" in content for content in files), "the scan reads what is there"
    assert not any(key.encode()[3:-4] in content for content in files for key in (first["key"], rotated))


def test_a_rotation_lets_the_old_key_go_on_for_a_while(home: Home) -> None:
    """Both work during the grace, then the new one alone; another rotation never prolongs an old key."""
    old = ask(home, "POST", "/api/sources", json=SHOP).json()["key"]
    new = ask(home, "POST", "/api/sources/web-shop/keys", json={"grace_s": 3600}).json()["key"]
    assert [send(home, key).status_code for key in (old, new)] == [200, 200]
    newest = ask(home, "POST", "/api/sources/web-shop/keys", json={}).json()["key"]
    home.time = NOW + HOUR + SECOND
    assert [send(home, key).status_code for key in (old, new, newest)] == [401, 200, 200]
    home.time = NOW + DAY + SECOND
    assert [send(home, key).status_code for key in (old, new, newest)] == [401, 401, 200]


def test_a_revoked_key_stops_at_once(home: Home) -> None:
    """Although it was remembered; the source, its other keys and its events stay. Again changes nothing."""
    first = ask(home, "POST", "/api/sources", json=SHOP).json()
    other = ask(home, "POST", "/api/sources/web-shop/keys", json={}).json()["key"]
    assert send(home, first["key"]).status_code == 200
    path = f"/api/keys/{first['source']['keys'][0]['id']}"
    assert [ask(home, "DELETE", path).status_code for _ in range(2)] == [204, 204]
    assert [send(home, key).status_code for key in (first["key"], other)] == [401, 200]
    assert ask(home, "DELETE", "/api/keys/key_nobody").json()["code"] == "unknown_key"


def test_each_kind_of_key_opens_its_own_door(home: Home) -> None:
    """A write key is public: it collects and reads nothing; a server key reads and writes by REST, and collects not."""
    server = ask(home, "POST", "/api/sources", json={**SHOP, "id": "erp", "kind": "server"}).json()["key"]
    assert send(home, server).status_code == 401
    for path in ("/api/persons", "/api/sources", "/api/events", "/metrics"):
        assert home.call("GET", path, headers={"Authorization": f"Bearer {WRITE_KEY}"}).status_code in (200, 401)
        assert home.call("GET", path, headers={"Authorization": f"Bearer {server}"}).status_code == 200
    refused = home.call("GET", "/api/persons", headers={"Authorization": f"Bearer {WRITE_KEY}"})
    assert (refused.status_code, refused.json()["code"]) == (401, "unknown_server_key")
    posted = home.call("POST", "/api/events", json={"batch": [call()]}, headers={"Authorization": f"Bearer {server}"})
    assert (posted.status_code, home.bodies()[-1][0]) == (200, "server:erp")


BAD: list[tuple[str, str, Any, int, str]] = [
    ("POST", "/api/sources", {**SHOP, "id": "Web Shop"}, 400, "bad_source_id"),
    ("POST", "/api/sources", {**SHOP, "id": "import"}, 400, "bad_source_id"),
    ("POST", "/api/sources", {**SHOP, "id": "x" * 61}, 400, "bad_source_id"),
    ("POST", "/api/sources", {**SHOP, "id": "web"}, 409, "source_exists"),
    ("POST", "/api/sources", {**SHOP, "kind": "root"}, 400, "unknown_kind"),
    ("POST", "/api/sources", {**SHOP, "name": ""}, 400, "bad_name"),
    ("POST", "/api/sources", {**SHOP, "name": "a\0b"}, 400, "bad_name"),
    ("POST", "/api/sources", {**SHOP, "events_per_s": 0}, 400, "bad_rate"),
    ("POST", "/api/sources", {**SHOP, "rights": "all"}, 400, "bad_body"),
    ("POST", "/api/sources", [], 400, "bad_body"),
    ("POST", "/api/sources/nobody/keys", {}, 404, "unknown_source"),
    ("POST", "/api/sources/web/keys", {"grace_s": -1}, 400, "bad_grace"),
    ("POST", "/api/sources/web/keys", {"grace_s": 10**9}, 400, "bad_grace"),
    ("PATCH", "/api/sources/nobody", {"events_per_s": 5}, 404, "unknown_source"),
    ("PATCH", "/api/sources/web", {}, 400, "bad_body"),
]


@pytest.mark.parametrize(("method", "path", "said", "status", "code"), BAD)
def test_what_is_wrong_is_told(shared: Home, method: str, path: str, said: Any, status: int, code: str) -> None:
    """Code, place and mend; nothing is made."""
    answer = ask(shared, method, path, json=said)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["where"]
    assert answer.json()["mend"]
    assert [one.id for one in keys.sources(shared.book)] == ["server", "web"]


class _Timer:
    """A timer that stands until it is moved."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def __call__(self) -> float:
        return self.at


def limited(home: Home, monkeypatch: pytest.MonkeyPatch, rate: int) -> _Timer:
    """The application of the home with this rate a key, and its timer."""
    timer = _Timer()
    monkeypatch.setattr("einklang.web.limits.monotonic", timer)
    home.services.bounds = Bounds(key_events_per_s=rate)
    home.app = create_app(home.services)
    return timer


def test_a_key_has_a_rate(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the burst: 429, the seconds to wait, nothing stored; afterwards it goes on; other keys do not mind."""
    other = ask(home, "POST", "/api/sources", json=SHOP).json()["key"]
    timer = limited(home, monkeypatch, 10)
    assert [send(home, WRITE_KEY, 20).status_code, send(home, WRITE_KEY).status_code] == [200, 429]
    assert send(home, other).status_code == 200
    timer.at += 1
    assert send(home, WRITE_KEY, 50).status_code == 200, "a bucket with anything in it lets a whole batch pass"
    refused = send(home, WRITE_KEY)
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (429, "key_rate", "5")
    assert WRITE_KEY not in refused.text
    timer.at += 4
    assert send(home, WRITE_KEY).status_code == 429, "what was taken too much is paid first"
    timer.at += 1.2
    assert send(home, WRITE_KEY).status_code == 200
    assert home.tail() == 20 + 1 + 50 + 1


def test_several_processes_share_the_rate(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of them together let in what one alone would, and each refusal says so."""
    limited(home, monkeypatch, 10)
    home.services.bounds = Bounds(key_events_per_s=10, processes=2)
    passed = 0
    for _ in range(2):
        home.app = create_app(home.services)
        statuses = [send(home, WRITE_KEY).status_code for _ in range(15)]
        passed += statuses.count(200)
        assert statuses[-1] == 429
    assert passed == 10 * Bounds().key_burst_seconds
    assert "each of the 2 processes" in send(home, WRITE_KEY).text


def test_a_key_in_the_body_has_it_too_and_bad_items_count(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Browser forms are held to the same rate, and so is who sends nothing but nonsense."""
    limited(home, monkeypatch, 2)

    def beacon() -> int:
        said = {"batch": [{}] * 4, "writeKey": WRITE_KEY}
        return home.call("POST", "/v1/b", json=said).status_code

    assert [beacon(), beacon()] == [200, 429]


def test_a_rate_of_its_own_goes_first(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source's own rate replaces the server's, takes effect at once, and null gives it back."""
    limited(home, monkeypatch, 0)
    assert ask(home, "PATCH", "/api/sources/web", json={"events_per_s": 1}).json()["events_per_s"] == 1
    assert [send(home, WRITE_KEY, 2).status_code, send(home, WRITE_KEY).status_code] == [200, 429]
    assert ask(home, "PATCH", "/api/sources/web", json={"events_per_s": None}).json()["events_per_s"] is None
    assert send(home, WRITE_KEY, 100).status_code == 200


def test_a_server_key_has_a_rate_too(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """REST answers 429 with Retry-After as a problem document."""
    limited(home, monkeypatch, 1)
    assert [home.get("/api/persons").status_code for _ in range(3)] == [200, 200, 429]
    assert home.get("/api/persons").headers["retry-after"] == "1"


def test_without_the_bucket_everything_passes(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: with `check` taken out the same requests are all answered 200."""
    limited(home, monkeypatch, 1)
    monkeypatch.setattr("einklang.web.limits.Keyring.check", lambda *_: None)
    assert [send(home, WRITE_KEY, 20).status_code for _ in range(3)] == [200] * 3


def test_the_use_case_says_what_is_wrong(home: Home) -> None:
    """Without HTTP: an unknown source or key is NotFound, and a key lapses by the clock that is handed in."""
    with pytest.raises(EinklangError, match="no source"):
        keys.rotate(home.book, "nobody", "x" * 32, now=NOW)
    key = keys.rotate(home.book, "web", "x" * 32, now=NOW, grace=MINUTE)
    old, new = keys.key_hash(WRITE_KEY), keys.key_hash(key)
    found = [keys.allowed(home.book, hashed, NOW + at) is not None for hashed in (old, new) for at in (0, MINUTE)]
    assert found == [True, False, True, True]
