"""Destinations over REST: how each is, what a webhook has not got, stopping and resuming, telling it again; metrics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from einklang.app.activation import Webhooks
from einklang.app.apply import in_force
from einklang.app.state import State
from einklang.channel import Answer
from einklang.kernel.time import DAY
from tests.deliver.test_webhooks import Hooks, nothing_older
from tests.web.homes import BASE, LINK_KEY, SALT, SERVER_KEY, Home, call, home, run

DEFINITIONS = """
{kind: trait, id: vip, type: bool}
---
{kind: segment, id: vip, where: 'trait.vip == true'}
---
{kind: destination, id: crm, title: {de: Kundenkartei, en: CRM}, type: webhook, segment: vip, purpose: service,
 url: "https://crm.example:8443/hook", patience: 1h}
"""


def told(it: Home, hooks: Hooks) -> None:
    """Tell all that is due."""
    state = State(SALT, in_force(it.book), link_key=LINK_KEY, base_url=BASE, channels=frozenset())
    work = Webhooks(it.book, state, hooks, it.services.now, nothing_older)
    while ready := work.due()[0]:
        for name in ready:
            run(work.serve(name))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Home]:
    """One change is dead, and its destination fails."""
    with home(tmp_path) as made:
        made.define(DEFINITIONS)
        told(made, Hooks())
        made.track(call("identify", userId="ann", traits={"vip": True}))
        made.tick()
        hooks = Hooks(lambda item: Answer("failed", 500, "HTTP 500"))
        told(made, hooks)
        made.tick(DAY)
        told(made, hooks)
        yield made


def post(it: Home, path: str, body: str = "{}", key: str = "k1") -> Any:
    """A POST with the server key."""
    headers = {"Authorization": f"Bearer {SERVER_KEY}", "Idempotency-Key": key}
    return it.call("POST", path, headers=headers, content=body)


def test_a_destination_is_shown_stopped_resumed_and_told_again(shop: Home) -> None:
    """Dead with the reason; paused and resumed once each, by whom in the log; replayed, the same request once."""
    (found,) = shop.get("/api/destinations").json()["items"]
    assert (found["to"], found["state"], found["dead"], found["error"]) == (
        "crm.example:8443",
        "failing",
        1,
        "HTTP 500",
    )
    (dead,) = shop.get("/api/destinations/crm/deliveries").json()["items"]
    assert (dead["status"], dead["reason"], dead["attempts"]) == ("dead", "HTTP 500", 2)
    used = shop.get("/api/segments/vip/health").json()["used_in"]
    assert used == [{"kind": "destination", "id": "crm", "field": "segment"}]
    text = shop.get("/metrics").text
    assert 'einklang_deliveries{destination="crm",status="dead"} 1.0' in text
    assert 'einklang_destination_failing{destination="crm"} 1.0' in text

    assert post(shop, "/api/destinations/crm/pause").json()["action"] == "paused"
    assert post(shop, "/api/destinations/crm/pause", key="k2").json()["code"] == "paused_already"
    assert shop.get("/api/destinations").json()["items"][0]["state"] == "paused"
    assert post(shop, "/api/destinations/crm/resume", key="k3").status_code == 200
    for _ in range(2):  # the same request again has one effect
        assert post(shop, "/api/destinations/crm/replay", f'{{"seq": {dead["seq"]}}}', key="k4").json()["replayed"] == 1
    assert shop.get("/api/destinations/crm/deliveries?status=waiting").json()["items"][0]["seq"] == dead["seq"]
    told(shop, Hooks())
    assert shop.get("/api/destinations").json()["items"][0]["state"] == "live"

    shop.tick()
    acts = [one for one in shop.get("/api/events").json()["items"] if one["name"] == "Destination Changed"]
    assert [one["properties"]["action"] for one in reversed(acts)] == ["paused", "resumed", "replayed"]
    assert {one["properties"]["actor"] for one in acts} == {"source:server"}


def test_one_is_served_now_as_staff_asked(shop: Home) -> None:
    """A file is asked for once a key, as the log says; a webhook tries at once what waits; one that is stopped: 409."""
    file = "{kind: destination, id: dwh, type: file, segment: vip, purpose: service, every: 24h}"
    shop.define(file)
    assert [one["asked"] for one in shop.get("/api/destinations").json()["items"]] == [False, False]
    for _ in range(2):
        assert post(shop, "/api/destinations/dwh/run").json() == {"id": "dwh", "action": "asked", "replayed": 0}
    assert [one["asked"] for one in shop.get("/api/destinations").json()["items"]] == [False, True]
    shop.track(call("identify", userId="bob", traits={"vip": True}))
    shop.tick()
    told(shop, Hooks(lambda item: Answer("failed", 500, "HTTP 500")))
    told(shop, Hooks())
    assert [one["seq"] for one in shop.get("/api/destinations/crm/deliveries?status=waiting").json()["items"]] != []
    assert post(shop, "/api/destinations/crm/run", key="k2").status_code == 200
    told(shop, Hooks())
    assert shop.get("/api/destinations/crm/deliveries?status=waiting").json()["items"] == []
    post(shop, "/api/destinations/dwh/pause", key="k3")
    held = post(shop, "/api/destinations/dwh/run", key="k4")
    assert (held.status_code, held.json()["code"], held.json()["mend"]) == (409, "held", "resume it")
    shop.define(file.replace("every", "state: paused, every"))
    post(shop, "/api/destinations/dwh/resume", key="k5")
    assert "state: live" in post(shop, "/api/destinations/dwh/run", key="k6").json()["mend"]
    shop.tick()
    acts = [
        one["properties"] for one in shop.get("/api/events").json()["items"] if one["name"] == "Destination Changed"
    ]
    assert [(one["destination"], one["action"]) for one in reversed(acts)] == [
        ("dwh", "asked"), ("crm", "asked"), ("dwh", "paused"), ("dwh", "resumed"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("none/pause", "{}", "unknown_destination"),
        ("crm/replay", '{"seq": "x"}', "bad_body"),
        ("crm/pause", '{"x": 1}', "bad_body"),
        ("crm/run", '{"x": 1}', "bad_body"),
    ],
)
def test_what_cannot_be_is_refused(shop: Home, path: str, body: str, code: str) -> None:
    """Unknown ids and bodies that say something else."""
    answer = post(shop, f"/api/destinations/{path}", body)
    assert (answer.status_code in (400, 404), answer.json()["code"]) == (True, code)
    assert shop.get("/api/destinations/crm/deliveries?status=x").json()["code"] == "bad_status"
