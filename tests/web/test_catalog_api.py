"""The catalog of events and the dead letters over REST, and the same on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from einklang.main import cli
from einklang.store.lake import Lake
from einklang.store.lake.shipper import ship_all
from tests.web.homes import SERVER_KEY, Home, call, home

PLAN = """
{kind: event, id: Order Completed, title: {de: Kauf, en: Purchase}, on_violation: dead_letter,
 schema: {required: [order_id], properties: {total: {type: number}}}}
---
{kind: event, id: Chat Begun, schema: {properties: {room: {type: string}}}}
"""
SECRET = "ann.geheim@example.org"


@pytest.fixture(params=["book", "lake"])
def shop(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Home]:
    """Good and bad orders, a chat whose room is a number, and an event that nobody declared; in the Book or shipped."""
    lake = Lake(tmp_path / "lake")
    with home(tmp_path, lake=lake) as made:
        made.define(PLAN)
        made.track(
            call(properties={"order_id": "o-1", "total": 9.5}, messageId="good"),
            call(properties={"total": 9}, messageId="bad-1"),
            call(properties={"order_id": SECRET, "total": "a lot"}, messageId="bad-2"),
            call(event="Chat Begun", properties={"room": 7}),
            call(event="Garden Visited", properties={"who": SECRET, "beds": [{"size": 3}, {"size": 14}], SECRET: 1}),
            call(event="Garden Visited", properties={"who": None, "sun": True}),
            call("identify", traits={"shoe": 43}),
        )
        made.tick()
        if request.param == "lake":
            ship_all(made.book, lake, keep_entries=0)
        yield made


def one(shop: Home, name: str) -> dict[str, Any]:
    """One event of the catalog."""
    found: dict[str, Any] = shop.get(f"/api/catalog/{name}").json()
    return found


def test_an_event_that_nobody_declared_is_discovered(shop: Home) -> None:
    """Its name, volume, properties with types, and how values look; no value and no address is shown."""
    found = one(shop, "Garden Visited")
    assert (found["origin"], found["volume"], found["looked_at"], found["schema"]) == ("discovered", 2, 2, None)
    seen = {row["name"]: (row["types"], row["samples"]) for row in found["properties"]}
    assert seen["beds[].size"] == ({"number": 2}, ["9", "99"])
    assert seen["who"] == ({"string": 1, "null": 1}, ["aaa.aaaaaa@aaaaaaa.aaa"])
    assert seen["sun"] == ({"bool": 1}, ["true"])
    assert SECRET not in json.dumps(shop.get("/api/catalog?limit=200").json())
    sent = {row["name"]: row for row in shop.get("/api/catalog?limit=200&origin=sent").json()["items"]}
    assert "Garden Visited" in sent
    assert min(row["volume"] for row in sent.values()) > 0
    assert {row["origin"] for name, row in sent.items() if name == "identify"} <= {"segment"}


def test_a_declared_event_tells_its_schema_its_versions_and_what_breaks_it(shop: Home) -> None:
    """Marked entries and dead letters are counted at the event that they break."""
    order, chat = one(shop, "Order Completed"), one(shop, "Chat Begun")
    assert (order["origin"], order["volume"], order["dead_letters"]) == ("declared", 1, 2)
    assert (order["versions"], order["on_violation"]) == ([1], "dead_letter")
    assert order["schema"]["required"] == ["order_id"]
    assert (chat["volume"], chat["marked"], chat["on_violation"]) == (1, 1, "mark")
    assert one(shop, "identify")["properties"][0]["name"] == "shoe"


def test_the_list_is_filtered_and_paged(shop: Home) -> None:
    """By part of the name, by origin, a page at a time; an unknown name is 404."""
    names = [row["name"] for row in shop.get("/api/catalog?origin=discovered").json()["items"]]
    assert names == ["Garden Visited"]
    assert [row["name"] for row in shop.get("/api/catalog?q=chat").json()["items"]] == ["Chat Begun"]
    first = shop.get("/api/catalog?limit=2").json()
    rest = shop.get(f"/api/catalog?limit=2&cursor={first['next']}").json()
    assert not {row["name"] for row in first["items"]} & {row["name"] for row in rest["items"]}
    assert shop.get("/api/catalog/Nothing").json()["code"] == "unknown_event"


def test_dead_letters_tell_reason_version_and_bytes_and_come_in_again(shop: Home) -> None:
    """After the schema is mended, a replay by code takes both in; a repeated request has one effect."""
    page = shop.get("/api/dead-letters?code=schema_violation").json()
    assert [row["detail"] for row in page["items"]] == [
        "Order Completed version 1: total: type",
        "Order Completed version 1: properties: required order_id",
    ]
    assert page["counts"] == {"schema_violation": 2}
    letter = shop.get(f"/api/dead-letters/{page['items'][0]['position']}").json()
    assert (letter["version"], letter["replayable"], letter["name"]) == ("test", True, "Order Completed")
    assert json.loads(letter["body"])["properties"] == {"order_id": SECRET, "total": "a lot"}
    shop.define(PLAN.replace("on_violation: dead_letter,", ""))
    key = {"Authorization": f"Bearer {SERVER_KEY}", "Idempotency-Key": "once"}
    for _ in range(2):
        answer = shop.call("POST", "/api/dead-letters/replay", json={"code": "schema_violation"}, headers=key)
        assert answer.json() == {"replayed": 2, "kept": {}}
    shop.tick()
    assert shop.get("/api/dead-letters").json()["items"] == []
    assert one(shop, "Order Completed")["volume"] == 3
    assert one(shop, "Order Completed")["marked"] == 2


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/dead-letters?code=nothing", 400, "bad_code"),
        ("/api/dead-letters?cursor=x", 400, "bad_cursor"),
        ("/api/dead-letters/999999", 404, "unknown_letter"),
        ("/api/catalog?limit=0", 400, "bad_limit"),
    ],
)
def test_bad_questions_say_the_mend(shop: Home, path: str, status: int, code: str) -> None:
    """What is asked wrongly is named."""
    answer = shop.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_replay_needs_the_right_and_a_body_that_is_one(shop: Home) -> None:
    """Without a key 401; an unknown field 400."""
    assert shop.call("POST", "/api/dead-letters/replay", json={}).status_code == 401
    key = {"Authorization": f"Bearer {SERVER_KEY}"}
    answer = shop.call("POST", "/api/dead-letters/replay", json={"all": True}, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_body")


def test_the_command_line_lists_and_replays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`dead-letters list` names them, `replay` needs to know which and takes them in."""
    where = ["--home", str(tmp_path / "home"), "--json"]
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN)
    events = tmp_path / "events.jsonl"
    events.write_text('{"type":"track","event":"Order Completed","userId":"u","timestamp":"2027-01-01T00:00:00Z"}\n')
    assert cli.main(["init", *where]) == 0
    assert cli.main(["apply", str(plan), *where]) == 0
    assert cli.main(["import", "events", str(events), *where]) == 0
    assert cli.main(["run", "--until", "2027-01-02", *where]) == 0
    capsys.readouterr()
    assert cli.main(["dead-letters", "list", *where]) == 0
    (letter,) = json.loads(capsys.readouterr().out)["letters"]
    assert letter["detail"] == "Order Completed version 1: properties: required order_id"
    assert cli.main(["dead-letters", "replay", *where]) == 2
    assert cli.main(["dead-letters", "replay", str(letter["position"]), *where]) == 0
    assert json.loads(capsys.readouterr().out) == {"replayed": 1, "kept": {}}
    assert cli.main(["verify", "--books", *where]) == 0
