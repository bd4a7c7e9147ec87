"""Builders of segments: estimates against counting by hand, choices, overlap, trend, why, and saving."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from einklang.app import estimates, queries_audience
from einklang.app.apply import apply
from einklang.app.run import settle_definitions
from einklang.app.yaml import parse_text
from einklang.audience.estimate import Count, exactly
from einklang.consent import address_key
from einklang.kernel.errors import NotFound
from einklang.kernel.time import DAY
from einklang.store.lake import Lake, ship_all
from tests.web.homes import SERVER_KEY, Home, call, home

EVERYBODY = range(60)
HEADERS = {"Authorization": f"Bearer {SERVER_KEY}"}
DEFINITIONS = """
{kind: policy, id: default, timezone: Europe/Berlin, caps: [{channels: email, at_most: 0, per: 7d, topics: x},
  {channels: sms, at_most: 0, per: 7d}]}
---
{kind: segment, id: germans, where: 'trait.country == "DE"'}
---
{kind: segment, id: buyers, title: {de: Käufer, en: Buyers}, note: kept, where: 'events("Order Completed").exists()'}
---
{kind: segment, id: german-buyers, where: 'segment("germans") && segment("buyers")'}
---
{kind: stage, id: life, stages: [{name: customer, when: 'segment("buyers")'}]}
"""


def german(n: int) -> bool:
    """Every other of those who have a country."""
    return n % 2 == 0 and n % 5 != 0


def orders(n: int) -> int:
    """How many orders a person has."""
    return n % 4


def agreed(n: int) -> bool:
    """Who agreed to e-mail."""
    return n % 3 == 0


def calls(n: int) -> Iterator[dict[str, Any]]:
    """What a person sends."""
    who = {"userId": f"u-{n}"}
    country = {} if n % 5 == 0 else {"country": "DE" if german(n) else "AT"}
    yield call("identify", **who, traits={"email": f"p{n}@shop.example", **country})
    goods = [{"product_id": "p", "category": "shoes" if n % 8 == 3 else "books"}]
    for k in range(orders(n)):
        yield call(**who, properties={"order_id": f"{n}-{k}", "total": 10, "products": goods})
    if agreed(n):
        for channel, address in (("email", f"p{n}@shop.example"), ("sms", "")):
            said = {"channel": channel, "purpose": "marketing", "address": address, "source": "shop", "wording": "Yes"}
            yield call(event="Consent Given", **who, properties=said)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with sixty persons."""
    folder = tmp_path_factory.mktemp("web")
    with home(folder, lake=Lake(folder / "lake")) as made:
        made.define(DEFINITIONS)
        made.track(*(one for n in EVERYBODY for one in calls(n)))
        made.tick()
        ship_all(made.book, Lake(folder / "lake"))
        yield made


def post(shop: Home, path: str, body: dict[str, Any]) -> Any:
    """The answer to a POST with the server key."""
    answer = shop.call("POST", path, json=body, headers=HEADERS)
    assert answer.status_code == 200, answer.text
    return answer.json()


def count(told: dict[str, int]) -> int:
    """A count that is exact."""
    assert told["low"] == told["estimate"] == told["high"]
    return told["estimate"]


TEXT = (
    'trait.country == "DE" && (events("Order Completed").count() >= 2 || consent("email", "marketing"))'
    ' && !(trait.vip == true || trait.email == "p2@shop.example") && trait.country != "FR"'
)


def test_a_funnel_counts_what_is_left(shop: Home) -> None:
    """Everybody is asked where they are few: alone, remaining after each step, in groups too, as counted by hand."""
    told = post(shop, "/api/estimates", {"text": TEXT})
    assert (told["fault"], told["persons"], told["looked_at"], told["exact"]) == (None, 60, 60, True)
    one = [n for n in EVERYBODY if german(n)]
    two = [n for n in one if orders(n) >= 2 or agreed(n)]
    three = [n for n in two if n != 2]
    funnel = told["funnel"]
    assert [(step["kind"], count(step["remaining"])) for step in funnel["steps"]] == [
        ("condition", len(one)),
        ("any", len(two)),
        ("none", len(three)),
        ("condition", len(three)),
    ]
    assert count(told["count"]) == count(funnel["remaining"]) == len(three)
    either = funnel["steps"][1]["steps"]
    assert [count(step["remaining"]) for step in either] == [len([n for n in one if orders(n) >= 2]), len(two)]
    assert [count(step["alone"]) for step in either] == [30, 20]
    neither = funnel["steps"][2]["steps"]
    assert [count(step["remaining"]) for step in neither] == [len(two), len(three)]
    assert neither[1]["words"]["de"] == 'Merkmal email ist "p2@shop.example"'


def test_who_counts_because_a_value_is_missing(shop: Home) -> None:
    """A negated comparison says for how many it holds because nothing is there; others say nothing of it."""
    told = post(shop, "/api/estimates", {"text": 'trait.country != "DE" && !(trait.age < 18) && trait.email != null'})
    missing = [step["missing"] and count(step["missing"]) for step in told["funnel"]["steps"]]
    elsewhere = [n for n in EVERYBODY if not german(n)]
    assert missing == [len([n for n in EVERYBODY if n % 5 == 0]), len(elsewhere), None]


def test_reach_is_what_the_door_says(shop: Home) -> None:
    """Of the members: consented, with an address that may be used, under the caps; channels that nobody allows are left
    out.
    """
    told = post(shop, "/api/estimates", {"text": 'segment("germans")'})
    members = len([n for n in EVERYBODY if german(n) and agreed(n)])
    reach = {
        one["channel"]: [count(one[name]) for name in ("consented", "reachable", "under_caps")] for one in told["reach"]
    }
    assert reach == {"email": [members, members, members]}


def test_who_consented_may_be_out_of_reach(tmp_path: Path) -> None:
    """Of two who agreed to e-mail one address is suppressed; a channel whose cap is used up reaches nobody more."""
    with home(tmp_path) as made:
        made.define("{kind: policy, caps: [{channels: sms, at_most: 0, per: 7d}]}")
        for n in range(3):
            mail, number = f"p{n}@shop.example", f"+491510000000{n}"
            made.track(call("identify", userId=f"u-{n}", traits={"email": mail, "phone": number}))
            for channel, address in (("email", mail), ("sms", number))[: n % 3]:
                told = {"channel": channel, "purpose": "marketing", "address": address, "source": "x", "wording": "Y"}
                made.track(call(userId=f"u-{n}", event="Consent Given", properties=told))
        made.tick()
        key = address_key(made.services.salt, "email", "p1@shop.example")
        made.book.transact(lambda tx: tx.write("suppression_raise", [(key, "email", "", "hard_bounce", made.time)]))
        reach = post(made, "/api/estimates", {"text": "true"})["reach"]
        stages = {
            one["channel"]: [one[name]["estimate"] for name in ("consented", "reachable", "under_caps")]
            for one in reach
        }
        assert stages == {"email": [2, 1, 1], "sms": [1, 1, 0]}


def test_a_sample_tells_an_interval(shop: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the size a sample is asked, the same each time; the truth lies within; on demand everybody is asked."""
    monkeypatch.setattr(estimates, "PERSONS_MAX", 25)
    monkeypatch.setattr(estimates, "PERSONS_MIN", 25)
    drawn = estimates.Estimator(shop.book, shop.services.salt)
    definitions = shop.engine().state.definitions
    said = estimates.EstimateAsked(text='trait.country == "DE"')
    told = drawn.estimate(definitions, said, now=shop.time)
    truth = len([n for n in EVERYBODY if german(n)])
    assert (told.looked_at, told.persons, told.exact) == (25, 60, False)
    assert told.count is not None
    assert told.count.low < truth < told.count.high
    assert estimates.Estimator(shop.book, shop.services.salt).estimate(definitions, said, now=shop.time) == told
    everybody = drawn.estimate(definitions, estimates.EstimateAsked(text="true"), now=shop.time)
    assert (everybody.count, everybody.funnel and everybody.funnel.steps) == (Count(60, 60, 60), [])
    exact = drawn.estimate(definitions, estimates.EstimateAsked(text=TEXT, exact=True), now=shop.time)
    whole = estimates.Estimator(shop.book, shop.services.salt)
    monkeypatch.undo()
    assert exact == whole.estimate(definitions, estimates.EstimateAsked(text=TEXT), now=shop.time)


def test_a_segment_is_estimated_with_its_sample_its_moment_and_its_list(
    shop: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share of those for whom it holds, to the person where all are asked, else with an interval; of a frozen segment
    those who are in it; who is on a list is a member too.
    """
    given = """
{kind: segment, id: half, where: 'trait.country == "DE"', sample: {share: 0.5}}
---
{kind: segment, id: as-of, where: 'person.known', frozen: "2020-01-01T00:00:00Z"}
---
{kind: segment, id: listed, where: 'trait.country == "DE"', manual: true}
"""
    apply(shop.book, parse_text(given, "more.yaml"), now=shop.time)
    settle_definitions(shop.book, shop.engine())
    definitions = shop.engine().state.definitions

    def told(segment: str, **more: Any) -> estimates.Estimate:
        said = estimates.EstimateAsked(text='trait.country == "DE"', segment=segment, **more)
        return estimates.Estimator(shop.book, shop.services.salt).estimate(definitions, said, now=shop.time)

    half, germans = shop.book.read("members_of", "half"), len([n for n in EVERYBODY if german(n)])
    assert (told("half").count, told("half").drawn) == (exactly(len(half)), 0.5)
    assert told("as-of").count == exactly(0)
    assert told("listed").count == exactly(germans)
    monkeypatch.setattr(estimates, "PERSONS_MAX", 25)
    monkeypatch.setattr(estimates, "PERSONS_MIN", 25)
    some, all_of_them = told("half").count, told("").count
    assert some is not None
    assert all_of_them is not None
    assert some.low < len(half) < some.high < all_of_them.high
    assert told("half", exact=True).count == exactly(len(half))
    with pytest.raises(NotFound):
        told("nobody")
    apart = {
        (why["member"], why["held"], why["apart"])
        for n in EVERYBODY
        for why in [shop.get(f"/api/segments/half/why?person=userId:u-{n}").json()]
    }
    assert apart == {(True, True, ""), (False, True, "sample"), (False, False, "")}


@pytest.mark.parametrize("reached", [0, 1_000])
def test_by_plan_everybody_is_counted_the_same(shop: Home, monkeypatch: pytest.MonkeyPatch, reached: int) -> None:
    """Where they are many a plan counts: the same figures as one by one, but for the reach of very many members."""
    definitions = shop.engine().state.definitions
    text = TEXT + ' && (segment("buyers") || events("Order Completed").exists() || trait.country != "DE")'
    whole = estimates.Estimator(shop.book, shop.services.salt)
    one_by_one = whole.estimate(definitions, estimates.EstimateAsked(text=text), now=shop.time)
    monkeypatch.setattr(estimates, "PERSONS_MAX", 40)
    monkeypatch.setattr(estimates, "PERSONS_MIN", 40)
    monkeypatch.setattr(estimates, "PLAN_PERSONS", 0)
    monkeypatch.setattr(estimates, "EXACT_LOOKS_MAX", 0)
    monkeypatch.setattr(estimates, "REACH_MAX", reached)
    planned = estimates.Estimator(shop.book, shop.services.salt, shop.services.lake)
    told = planned.estimate(definitions, estimates.EstimateAsked(text=text, exact=True), now=shop.time)
    assert (told.count, told.funnel, told.exact) == (one_by_one.count, one_by_one.funnel, True)
    assert (told.reach == one_by_one.reach) == (reached > 0)
    alone = estimates.EstimateAsked(text='trait.email.matches("^p")', exact=True)
    refused = planned.estimate(definitions, alone, now=shop.time).fault
    assert refused is not None
    assert refused.code == "too_costly"


def test_the_draw_knows_nothing_of_people(shop: Home) -> None:
    """Of all samples of five that differ by the salt, everybody is in about a twelfth."""
    seen = dict.fromkeys(estimates.drawn(shop.book, b"", 60), 0)
    assert len(seen) == 60
    for n in range(400):
        for person in estimates.drawn(shop.book, n.to_bytes(16, "big"), 5):
            seen[person] += 1
    assert 12 < min(seen.values()) <= max(seen.values()) < 65


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"text": "trait.a =="}, "syntax"),
        ({"text": 'segment("nope")'}, "unknown_id"),
        ({"text": "1 + 1"}, "wrong_type"),
        ({"text": "trait.l.exists(a, " * 7 + "true" + ")" * 7}, "too_costly"),
        ({"text": "trait.l.exists(a, " * 4 + "true" + ")" * 4}, "too_costly"),
    ],
)
def test_what_cannot_be_estimated_says_why(shop: Home, body: dict[str, Any], code: str) -> None:
    """A condition that is wrong, or too much to look at while typing, is a fault with its mend; nothing ran."""
    told = post(shop, "/api/estimates", body)
    assert (told["fault"]["code"], told["count"]) == (code, None)
    assert told["fault"]["mend"]


def test_requests_that_are_none(shop: Home) -> None:
    """400 with the field; unknown segments are 404."""
    for body, code in (({}, "bad_body"), ({"text": "true", "purpose": "x"}, "unknown_purpose"), ({"x": 1}, "bad_body")):
        answer = shop.call("POST", "/api/estimates", json=body, headers=HEADERS)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
    for path, status in (
        ("/api/overlap?segments=germans", 400),
        ("/api/overlap?segments=germans,nope", 404),
        ("/api/segments/nope/trend", 404),
        ("/api/segments/germans/trend?days=0", 400),
        ("/api/segments/nope/health", 404),
        ("/api/segments/nope/why?person=userId:u-1", 404),
        ("/api/segments/germans/why?person=userId:nobody", 404),
    ):
        assert shop.get(path).status_code == status, path


def test_an_overlap_is_counted_to_the_person(shop: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exclusive intersections: who is in exactly these; too many rows for an answer at once are refused."""
    told = shop.get("/api/overlap?segments=germans,buyers").json()
    both = len([n for n in EVERYBODY if german(n) and orders(n)])
    sizes = {"germans": len([n for n in EVERYBODY if german(n)]), "buyers": len([n for n in EVERYBODY if orders(n)])}
    assert told["sizes"] == sizes
    found = {tuple(one["segments"]): one["persons"] for one in told["meetings"]}
    assert found == {
        ("germans",): sizes["germans"] - both,
        ("buyers",): sizes["buyers"] - both,
        ("germans", "buyers"): both,
    }
    assert told["together"] == sum(found.values())
    monkeypatch.setattr(queries_audience, "OVERLAP_ROWS_MAX", sum(sizes.values()) - 1)
    assert shop.get("/api/overlap?segments=germans,buyers").json()["code"] == "too_costly"


def test_why_with_values(shop: Home) -> None:
    """The rule as a tree, each part with its value, for a member and for one who is none."""
    inside, outside = (shop.get(f"/api/segments/german-buyers/why?person=userId:u-{n}").json() for n in (2, 3))
    assert (inside["member"], inside["held"], outside["member"], outside["held"]) == (True, True, False, False)
    assert inside["since"] is not None
    parts = [(one["text"], one["held"]) for one in outside["rule"]["children"]]
    assert parts == [('segment("germans")', False), ('segment("buyers")', True)]
    assert outside["rule"]["children"][0]["words"]["de"] == 'Mitglied im Segment "germans"'
    rule = shop.get("/api/segments/germans/why?person=userId:u-3").json()["rule"]
    assert [(one["text"], one["value"]) for one in rule["children"]][:1] == [("trait.country", "AT")]


def test_the_trend_adds_up(shop: Home) -> None:
    """The members of today are those that the page tells; before, entered and left are taken back."""
    days = shop.get("/api/segments/buyers/trend?days=3").json()["days"]
    assert [(one["members"], one["entered"], one["left"]) for one in days] == [(0, 0, 0), (0, 0, 0), (45, 45, 0)]
    assert days[-1]["day"] == "2027-03-01"


def test_health_names_who_uses_it(shop: Home) -> None:
    """Segments and stages that ask for it, and what it is made of."""
    told = shop.get("/api/segments/buyers/health").json()
    assert told["used_in"] == [
        {"kind": "segment", "id": "german-buyers", "field": "where"},
        {"kind": "stage", "id": "life", "field": "stages"},
    ]
    assert (told["events"], told["speaks_of"], told["alone"], told["version"]) == (["Order Completed"], [], [], 1)


def test_choices_name_what_is_there(shop: Home) -> None:
    """Traits as seen, events with what was sent most first and the fields of their products, never a value."""
    told = shop.get("/api/choices").json()
    assert [one["path"] for one in told["traits"]][:2] == ["email", "country"]
    order = told["events"][0]
    assert (order["name"], order["volume"]) == ("Order Completed", 90)
    fields = {one["path"]: one["type"] for one in order["properties"]}
    assert (fields["total"], fields["products[].category"]) == ("money", "string")
    assert {"id": "buyers", "title": {"de": "Käufer", "en": "Buyers"}} in told["segments"]
    called = {"names": ["customer"], "titles": {"customer": "customer"}}
    assert told["stages"] == [{"id": "life", "title": "life"} | called]
    assert {"marketing", "service"} <= {one["id"] for one in told["purposes"]}
    assert "shop.example" not in str(told)


def test_a_segment_is_saved_as_apply_does(shop: Home) -> None:
    """What a builder says changes, what it does not know stays; a condition that is wrong changes nothing."""
    before = shop.get("/api/segments/buyers").json()
    changed = post(shop, "/api/segments/buyers", {"where": 'events("Order Completed").count() >= 3'})
    assert changed["changed"] == [{"kind": "segment", "id": "buyers", "version": 2, "change": "changed"}]
    shop.tick(after=DAY)
    now = shop.get("/api/segments/buyers").json()
    assert (now["title"], now["members"]) == (before["title"], len([n for n in EVERYBODY if orders(n) == 3]))
    assert "note: kept" in now["definition"]
    for name, opened in (("buyers", ""), ("buyers", "true"), ("new-one", "true")):
        stale = {"where": "person.known", "before": opened}
        answer = shop.call("POST", f"/api/segments/{name}", json=stale, headers=HEADERS)
        assert (answer.status_code, answer.json()["code"]) == (409, "changed_meanwhile")
    made = post(shop, "/api/segments/new-one", {"where": "person.known", "title": "New", "before": ""})
    assert made["changed"][0]["change"] == "new"
    again = {"where": "!person.known", "before": ""}
    answer = shop.call("POST", "/api/segments/new-one", json=again, headers=HEADERS)
    assert answer.json()["code"] == "changed_meanwhile", "also where the one before waits for its tick"
    for name, where, code in (("Bad Id", "true", "bad_id"), ("wrong", "trait.a ==", "syntax")):
        answer = shop.call("POST", f"/api/segments/{name}", json={"where": where}, headers=HEADERS)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
