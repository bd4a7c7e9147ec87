"""Static lists and exports over REST: put on a list, freeze, a file that is recorded, fetched by who may, and goes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.homes import SERVER_KEY, Home, call, home

DEFINITIONS = """
{kind: segment, id: seen, where: 'events("Seen").exists()'}
---
{kind: segment, id: vip, manual: true, title: {de: Wichtige, en: Important}}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Home]:
    """Two known persons, and a folder for files."""
    with home(tmp_path) as made:
        made.services.folder = tmp_path
        made.define(DEFINITIONS)
        for user in ("ann", "bob"):
            made.track(call("track", userId=user, event="Seen"))
        made.tick()
        yield made


def ask(it: Home, method: str, path: str, body: Any = None, status: int = 200, *, key: str = "") -> Any:
    """An answer as JSON, asked with the server key. key: of a request that is repeated."""
    headers = {"Authorization": f"Bearer {SERVER_KEY}"} | ({"Idempotency-Key": key} if key else {})
    more = {} if body is None else {"json": body}
    found = it.call(method, path, headers=headers, **more)
    assert found.status_code == status, found.text
    return found.json()


def test_a_list_is_made_of_rows_and_frozen(shop: Home) -> None:
    """Rows by number with their reasons; the same request twice acts once; the list tells that it is one."""
    rows = {"rows": 'person,userId\r\nuserId:ann,\r\n,"bob"\r\n,carl\r\n'}
    done = ask(shop, "POST", "/api/segments/vip/list", rows, key="k")
    assert (done["rows"], done["listed"], done["rejected"], done["reasons"]) == (3, 2, 1, {"unknown_person": 1})
    assert [(one["row"], one["code"]) for one in done["refused"]] == [(4, "unknown_person")]
    assert ask(shop, "POST", "/api/segments/vip/list", rows, key="k") == done
    shop.tick()
    shown = {one["id"]: one for one in ask(shop, "GET", "/api/segments")["items"]}
    assert (shown["vip"]["members"], shown["vip"]["manual"], shown["seen"]["manual"]) == (2, True, False)
    assert ask(shop, "GET", "/api/segments/vip")["manual"] is True
    for header, code in (("userId;name", "wrong_delimiter"), ("userId,userId", "repeated_column"), ("", "bad_csv")):
        wrong = ask(shop, "POST", "/api/segments/vip/list", {"rows": f"{header}\nann\n"}, 400)
        assert (wrong["code"], wrong["where"]) == (code, "rows:1")
    wrong = ask(shop, "POST", "/api/segments/vip/exports", {"purpose": "service", "channel": "emial"}, 400)
    assert (wrong["code"], wrong["mend"]) == ("unknown_channel", "did you mean 'email'?")
    gone = ask(shop, "POST", "/api/segments/vip/list", {"rows": "userId\nann\n", "action": "remove"})
    assert (gone["listed"], gone["unlisted"]) == (0, 1)
    named = {"rows": "userId\nbob\n", "title": "At the fair"}
    assert ask(shop, "POST", "/api/segments/fair/list", named)["new"] is True
    shop.tick()
    assert ask(shop, "GET", "/api/segments/fair")["title"] == "At the fair"
    kept = ask(shop, "POST", "/api/segments/vip/freeze", {"list": "kept", "title": "Kept"})
    assert (kept["new"], kept["listed"]) == (True, 1)
    shop.tick()
    shop.tick()
    assert ask(shop, "GET", "/api/segments/kept")["members"] == 1
    for path, body, status, code in (
        ("vip/freeze", {"list": "kept"}, 409, "list_exists"),
        ("none/freeze", {"list": "new"}, 404, "unknown_segment"),
        ("seen/list", {"rows": "userId\nann\n"}, 409, "not_a_list"),
        ("vip/list", {"rows": "name\nann\n"}, 400, "missing_column"),
        ("vip/list", {"rows": 'userId\n"ann\n'}, 400, "bad_csv"),
        ("vip/list", {"rows": "userId\nann\n", "action": "drop"}, 400, "unknown_action"),
        ("Bad Id/list", {"rows": "userId\nann\n"}, 400, "bad_id"),
    ):
        assert ask(shop, "POST", f"/api/segments/{path}", body, status)["code"] == code, path


def test_everybody_is_taken_off_and_a_freeze_is_taken_back(shop: Home) -> None:
    """Also who was put on it a moment ago; the log says by whom; a segment with more than its list is left as it is."""
    ask(shop, "POST", "/api/segments/vip/list", {"rows": "userId\nann\n"})
    shop.tick()
    ask(shop, "POST", "/api/segments/vip/list", {"rows": "userId\nbob\n"})
    for _ in range(2):  # the same request again has one effect
        done = ask(shop, "POST", "/api/segments/vip/empty", {}, key="k")
        assert (done["listed"], done["unlisted"]) == (0, 2)
    shop.tick()
    assert ask(shop, "GET", "/api/segments/vip")["members"] == 0
    events = ask(shop, "GET", "/api/events")["items"]
    assert [one["properties"]["by"] for one in events if one["name"] == "Segment Unlisted"] == ["source:server"] * 2
    assert ask(shop, "POST", "/api/segments/vip/empty", {})["unlisted"] == 0

    where = 'events("Seen").count() >= 2'
    frozen = "2000-01-01T00:00:00Z"
    beside = f"{{kind: segment, id: both, manual: true, where: '{where}'}}"
    shop.define(f"{{kind: segment, id: kept, frozen: '{frozen}', where: '{where}', note: mine}}\n---\n{beside}")
    shop.track(call("track", userId="ann", event="Seen"))
    shop.tick()
    kept = ask(shop, "GET", "/api/segments/kept")
    assert (kept["frozen"], kept["members"]) == ("2000-01-01T00:00:00Z", 0)
    said = {"where": where, "before": where, "thaw": True}
    assert ask(shop, "POST", "/api/segments/kept", said)["changed"][0]["change"] == "changed"
    for _ in range(3):
        shop.tick()
    kept = ask(shop, "GET", "/api/segments/kept")
    assert (kept["frozen"], kept["members"], "note: mine" in kept["definition"]) == (None, 1, True)

    for name, status, code in (
        ("both", 409, "not_a_list"),
        ("seen", 409, "not_a_list"),
        ("no", 404, "unknown_segment"),
    ):
        assert ask(shop, "POST", f"/api/segments/{name}/empty", {}, status)["code"] == code
    assert ask(shop, "POST", "/api/segments/vip/empty", {"x": 1}, 400)["code"] == "bad_body"


def test_a_list_of_many_addresses_is_taken(shop: Home) -> None:
    """5 MB are, 17 MB are not; what is wrong at the end of the text leaves nothing of its beginning."""
    many = "email\n" + "".join(f"{n:>041d}@shop.example\n" for n in range(4_000)).replace("@", "@" + "x" * 1_200 + ".")
    assert 5_000_000 < len(many) < 6_000_000
    done = ask(shop, "POST", "/api/segments/vip/list", {"rows": many})
    assert (done["rows"], done["rejected"], len(done["refused"])) == (4_000, 4_000, 100)
    ask(shop, "POST", "/api/segments/vip/list", {"rows": "email\n" + "x" * 17_000_000}, 413)
    ask(shop, "POST", "/api/segments/vip/list", {"rows": 'userId\nann\n"bob\n'}, 400)
    shop.tick()
    assert ask(shop, "GET", "/api/segments/vip")["members"] == 0


def test_an_export_is_recorded_fetched_and_listed(shop: Home, tmp_path: Path) -> None:
    """For a purpose, with its columns and their classes; by who may, and only what the log knows."""
    wanted = {"purpose": "service", "columns": ["person_id", "userId"]}
    done = ask(shop, "POST", "/api/segments/seen/exports", wanted)
    assert (done["persons"], done["left_out"]) == (2, {})
    assert done["columns"] == {"person_id": "pseudonym", "userId": "identifier"}
    path = f"/api/exports/{done['file']}/content"
    ask(shop, "GET", path, status=404)
    shop.tick()
    found = shop.call("GET", path, headers={"Authorization": f"Bearer {SERVER_KEY}"})
    assert found.content == (tmp_path / "exports" / done["file"]).read_bytes()
    assert found.headers["content-disposition"].startswith("attachment")
    assert found.headers["content-type"] == "text/csv; header=present; charset=utf-8"
    assert found.headers["cache-control"] == "no-store"
    assert shop.call("GET", path).status_code == 401
    shop.tick()
    (fetched,) = [one for one in ask(shop, "GET", "/api/events")["items"] if one["name"] == "Export Fetched"]
    assert fetched["properties"] == {"file": done["file"], "actor": "source:server"}
    none = ask(shop, "POST", "/api/segments/seen/exports", {"purpose": "marketing", "format": "parquet"})
    assert (none["persons"], none["left_out"]) == (0, {"no_consent": 2})
    shop.tick()
    page = ask(shop, "GET", "/api/exports?limit=1")
    (newest,) = page["items"]
    assert (newest["file"], newest["actor"], newest["there"]) == (none["file"], "source:server", True)
    (older,) = ask(shop, "GET", f"/api/exports?limit=1&cursor={page['next']}")["items"]
    assert (older["purpose"], older["persons"], older["columns"]) == ("service", 2, done["columns"])
    for body, code in (
        ({"purpose": "none"}, "unknown_purpose"),
        ({"purpose": "service", "columns": ["secret"]}, "unknown_column"),
        ({"purpose": "service", "format": "xlsx"}, "unknown_format"),
    ):
        assert ask(shop, "POST", "/api/segments/seen/exports", body, 400)["code"] == code
    ask(shop, "POST", "/api/segments/none/exports", {"purpose": "service"}, 404)
    ask(shop, "GET", "/api/exports/..%2Fbook.db/content", status=404)
