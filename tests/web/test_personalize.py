"""Events in, personalisation out: a page is told what definitions publish, of its own visitor, and of nobody else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from einklang.app import on_site
from einklang.app.apply import apply
from einklang.app.yaml import parse_text
from einklang.kernel.errors import EinklangError
from einklang.kernel.time import SECOND
from einklang.web import create_app, personalize
from einklang.web.limits import Bounds
from tests.waits import WAIT_S
from tests.web.homes import NOW, SERVER_KEY, WRITE_KEY, Home, run

DEFINITIONS = """
{kind: segment, id: viewers, on_site: true, where: 'events("Product Viewed").exists()'}
---
{kind: segment, id: buyers, on_site: true, where: 'events("Order Completed").exists()'}
---
{kind: segment, id: debtors, where: 'events("Order Completed").exists()'}
"""


@pytest.fixture
def site(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A home with two published segments and a secret one, whose engine works off what arrives and tells who waits,
    and a page has all the time of the world: a slow machine decides no later than a fast one.
    """
    monkeypatch.setattr(personalize, "WAIT_S", WAIT_S)
    home.define(DEFINITIONS)
    home.tick()

    def work() -> None:
        home.tick(SECOND)
        home.services.notify()

    with ThreadPoolExecutor(1) as engine:

        def wake() -> None:
            engine.submit(work)

        home.services.wake = wake
        yield home


def ask(home: Home, device: Any = "d-1", *calls: dict[str, Any], **more: Any) -> httpx.Response:
    """What a page asks: events in, personalisation out."""
    said = {"writeKey": WRITE_KEY, "anonymousId": device, "batch": list(calls)} | more
    return home.call("POST", "/v1/personalize", content=json.dumps(said), headers={"Content-Type": "text/plain"})


def told(home: Home, device: Any = "d-1", *calls: dict[str, Any]) -> tuple[str, list[str]]:
    """Whom the answer is about, and their segments."""
    answer = ask(home, device, *calls)
    assert answer.status_code == 200, answer.text
    assert answer.json()["upToDate"] is True
    return answer.json()["visitor"], answer.json()["segments"]


def event(name: str, device: str | None = "d-1", **more: Any) -> dict[str, Any]:
    """A call of a page."""
    return {"type": "track", "event": name, **({"anonymousId": device} if device else {}), **more}


def signed_in(device: str | None, user: str, **more: Any) -> dict[str, Any]:
    """An identify call."""
    return {"type": "identify", "userId": user, **({"anonymousId": device} if device else {}), **more}


def by_server(home: Home, *calls: dict[str, Any]) -> None:
    """Calls with the server key."""
    headers = {"Authorization": f"Bearer {SERVER_KEY}"}
    assert home.call("POST", "/api/events", json={"batch": list(calls)}, headers=headers).status_code == 200
    home.tick(SECOND)


def test_what_came_along_counts_at_once(site: Home) -> None:
    """An event and the answer that it makes, in one request; again without events; nothing that is not published."""
    assert told(site, "d-1", event("Product Viewed")) == ("device", ["viewers"])
    assert told(site, "d-1", event("Order Completed", properties={"order_id": "o-1"})) == (
        "device",
        ["buyers", "viewers"],
    )
    assert told(site, "d-1") == ("device", ["buyers", "viewers"])
    assert told(site, "d-2") == ("device", [])
    members = [row[0] for row in site.book.read("members_page", "debtors", "", 10)]
    assert len(members) == 1, "positive control: the secret segment has the visitor as well"


def test_another_device_that_claims_a_user_gets_nothing_of_her(site: Home) -> None:
    """Ada is known and bought something; whoever claims her user id or her e-mail from elsewhere is told nothing."""
    by_server(
        site,
        signed_in("d-ada", "ada", traits={"email": "ada@shop.example"}),
        event("Order Completed", "d-ada", userId="ada"),
    )
    assert told(site, "d-ada") == ("person", ["buyers"]), "positive control: her own device, as a server said"
    claims: list[dict[str, Any]] = [
        signed_in("d-x", "ada"),
        signed_in("d-x", "x", traits={"email": "ada@shop.example"}),
        {"type": "identify", "anonymousId": "d-x", "traits": {"email": "ada@shop.example"}},
        {"type": "alias", "userId": "ada", "previousId": "d-x"},
        {"type": "alias", "userId": "ada", "previousId": "d-x", "anonymousId": "d-x"},
        event("Product Viewed", "d-x", userId="ada"),
        event("Product Viewed", "d-x", context={"externalIds": [{"id": "ada", "type": "userId"}]}),
    ]
    for number, claim in enumerate(claims):
        device = f"d-x{number}"
        claim = json.loads(json.dumps(claim).replace('"d-x"', f'"{device}"'))
        for _ in range(2):
            visitor, segments = told(site, device, claim)
            assert "buyers" not in segments, claim
            assert visitor != "person"
    assert told(site, "d-ada")[1] == ["buyers", "viewers"], "she is still told: what they claimed is her history only"


def test_a_claim_is_told_nothing_until_a_server_says_so(site: Home) -> None:
    """A visitor signs in: nobody, until the shop's server names the device with the user; then the person."""
    by_server(site, event("Order Completed", None, userId="ada"))
    assert told(site, "d-1", event("Product Viewed")) == ("device", ["viewers"])
    assert told(site, "d-1", signed_in("d-1", "ada")) == ("nobody", [])
    by_server(site, signed_in("d-1", "ada"))
    assert told(site, "d-1") == ("person", ["buyers", "viewers"])
    assert told(site, "d-1", signed_in("d-1", "eve")) == ("nobody", []), "somebody else signed in on it"
    assert told(site, "d-1", signed_in("d-1", "ada")) == ("nobody", []), "the proof was of the time before"


def test_the_proof_is_looked_for_beside_the_sign_in(site: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much a device sends, an answer reads no more than the first events since the sign-in."""
    monkeypatch.setattr(on_site, "PROOF_WITHIN", 3)
    assert told(site, "d-1", signed_in("d-1", "ada"), event("A", userId="ada"), event("B", userId="ada"))[0] == "nobody"
    by_server(site, signed_in("d-1", "ada"))
    assert told(site, "d-1")[0] == "nobody"
    monkeypatch.setattr(on_site, "PROOF_WITHIN", 4)
    assert told(site, "d-1")[0] == "person"


def test_an_identifier_that_was_only_claimed_opens_nothing(site: Home) -> None:
    """Eve's own account is proved; the e-mail that she claims from the page, and what becomes known of it, is not."""
    by_server(site, signed_in("d-eve", "eve"))
    assert told(site, "d-eve") == ("person", [])
    assert told(site, "d-eve", signed_in("d-eve", "eve", traits={"email": "bob@shop.example"})) == ("nobody", [])
    by_server(
        site,
        {
            "type": "track",
            "event": "Order Completed",
            "userId": None,
            "context": {"traits": {"email": "bob@shop.example"}},
        },
    )
    assert told(site, "d-eve") == ("nobody", [])
    by_server(site, signed_in("d-eve", "eve", traits={"email": "bob@shop.example"}))
    assert told(site, "d-eve")[0] == "person", "positive control: once a server joins both"


def test_without_a_device_nothing_is_known_and_without_events_nothing_stored(site: Home) -> None:
    """No consent, no device: the answer is for nobody; asking leaves no trace in the log."""
    before = site.book.read("counter_value", "position")
    for device in (None, "", " "):
        assert told(site, device) == ("nobody", [])
    assert told(site, "d-9") == ("device", [])
    assert site.book.read("counter_value", "position") == before
    assert site.get("/api/persons/anonymousId:d-9").status_code == 404


def test_it_is_durable_before_it_is_answered_and_lag_is_said(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decisions that do not come in time: the events are stored, and the answer says until when it was decided."""
    monkeypatch.setattr(personalize, "WAIT_S", 0.01)
    home.define(DEFINITIONS)
    home.tick()
    home.track(event("Product Viewed"))
    home.tick(SECOND)
    home.time += SECOND
    late = ask(home, "d-1", event("Order Completed")).json()
    home.time += SECOND
    assert (late["segments"], late["upToDate"]) == (["viewers"], False)
    assert late["asOf"] == "2027-03-01T09:00:02Z"
    assert home.tail() == 1
    assert ask(home, "d-1").json()["upToDate"] is False, "what waits from before is waited for too"
    home.tick(SECOND)
    assert told(home, "d-1") == ("device", ["buyers", "viewers"])


def test_too_many_that_wait_are_answered_at_once(site: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits beyond the bound: the answer is what is decided by then, and the events are stored."""
    monkeypatch.setattr(personalize, "WAITING_MAX", 0)
    site.services.wake = lambda: None
    assert ask(site, "d-1", event("Product Viewed")).json()["upToDate"] is False
    assert site.tail() == 1


def test_many_who_wait_are_all_answered(site: Home) -> None:
    """Fifty visitors at once, each told of the own event; nobody is forgotten, whatever woke whom."""

    async def all_at_once() -> list[httpx.Response]:
        bodies = [{"anonymousId": f"d-{n}", "batch": [event("Product Viewed", f"d-{n}")]} for n in range(50)]
        return await asyncio.gather(
            *(site.ask("POST", "/v1/personalize", json=body, auth=(WRITE_KEY, "")) for body in bodies)
        )

    answers = [answer.json() for answer in run(all_at_once())]
    assert [(one["visitor"], one["segments"], one["upToDate"]) for one in answers] == [
        ("device", ["viewers"], True)
    ] * 50
    assert len(site.services.hub) == 0


BAD: list[tuple[Callable[[Home], httpx.Response], int, str]] = [
    (lambda home: ask(home, "d", writeKey="wk_no"), 401, "unknown_write_key"),
    (lambda home: home.call("POST", "/v1/personalize", json={}, auth=(SERVER_KEY, "")), 401, "unknown_write_key"),
    (lambda home: home.call("GET", "/v1/personalize"), 405, "wrong_method"),
    (lambda home: ask(home, "d", batch={}), 400, "bad_body"),
    (lambda home: ask(home, ["d"]), 400, "bad_body"),
    (lambda home: ask(home, "d", batch=[event("x")] * 5_001), 413, "batch_too_long"),
]


@pytest.mark.parametrize(("asked", "status", "code"), BAD)
def test_what_is_wrong_is_told(shared: Home, asked: Callable[[Home], httpx.Response], status: int, code: str) -> None:
    """As everywhere: status, code and mend; nothing is stored."""
    answer = asked(shared)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert shared.tail() == 0


def test_refused_events_are_named_beside_the_answer(site: Home) -> None:
    """As in a batch; their neighbours count. Any page may ask, after a preflight that allows what it sends."""
    answer = ask(site, "d-1", event("Product Viewed"), {"type": "track", "anonymousId": "d-1"}).json()
    assert [one["code"] for one in answer["rejected"]] == ["no_name"]
    assert answer["segments"] == ["viewers"]
    assert site.call("OPTIONS", "/v1/personalize").headers["access-control-allow-methods"] == "GET, POST"


def test_staff_see_what_is_published(site: Home) -> None:
    """The list of segments and each of them say whether pages may know of it."""
    listed = {one["id"]: one["on_site"] for one in site.get("/api/segments").json()["items"]}
    assert listed == {"viewers": True, "buyers": True, "debtors": False}
    assert {name: site.get(f"/api/segments/{name}").json()["on_site"] for name in listed} == listed


def test_asking_is_bounded_by_the_rate_of_the_key(site: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions count as events do."""
    monkeypatch.setattr("einklang.web.limits.monotonic", lambda: 1_000.0)
    site.services.bounds = Bounds(key_events_per_s=1)
    site.app = create_app(site.services)
    assert [ask(site).status_code for _ in range(3)] == [200, 200, 429]


PRIVATE = [
    ("group(\"company\").trait.employees >= 50", 'group("company")'),
    ("group(\"household\").events(\"Order Completed\").exists()", 'group("household")'),
    ('lookup("customers", trait.number).blocked == true', 'lookup("customers"'),
    ('segment("rich") && trait.vip == true', 'segment("rich")'),
    ("trait.big", 'group("company")'),
    ('score("worth") >= 5', 'group("company")'),
]  # fmt: skip


@pytest.mark.parametrize(("where", "named"), PRIVATE)
def test_what_may_tell_of_others_cannot_be_published(home: Home, where: str, named: str) -> None:
    """Groups and rows of catalogs, also behind another segment, a computed trait or a score: refused with the place."""
    docs = f"""
{{kind: trait, id: number, type: string}}
---
{{kind: trait, id: vip, type: bool}}
---
{{kind: trait, id: big, type: bool, value: 'group("company").trait.employees >= 50'}}
---
{{kind: catalog, id: customers, key: number, fields: {{number: string, blocked: bool}}}}
---
{{kind: score, id: worth, points: [{{when: 'group("company").trait.employees >= 50', add: 5}}]}}
---
{{kind: segment, id: rich, where: 'group("company").trait.employees >= 50'}}
---
{{kind: segment, id: shown, where: '{where}'}}
"""
    apply(home.book, parse_text(docs, "d.yaml"), now=NOW)
    with pytest.raises(EinklangError) as refused:
        apply(home.book, parse_text(docs.replace("shown,", "shown, on_site: true,"), "d.yaml"), now=NOW)
    assert (refused.value.code, "on_site" in refused.value.where) == ("not_for_pages", True)
    assert named in refused.value.what + refused.value.mend
