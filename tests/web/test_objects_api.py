"""Business objects over REST: those of a person by kind, counts, the kinds in force, marks in the timeline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from einklang.app.imports import import_file
from einklang.kernel.time import DAY, format_moment
from tests.web.homes import NOW, Home, call, home


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Home]:
    """A customer with two contracts, an invoice half paid and two orders."""
    with home(tmp_path) as made:
        made.define()
        made.track(
            call("identify", traits={"email": "ada@shop.example"}),
            told("Contract Signed", contract_id="c-1", annual_value=120, currency="EUR", ends_at=_day(30)),
            told("Contract Signed", contract_id="c-2", starts_at=_day(2)),
            told("Contract Cancelled", contract_id="c-2", reason="moved"),
            told("Invoice Issued", invoice_id="r-1", amount=80, due_at=_day(-1)),
            told("Payment Received", invoice_id="r-1", payment_id="p-1", amount=30),
            told("Order Completed", order_id="o/1", total=19.99, products=[{"product_id": "shoe", "quantity": 2}]),
            told("Order Completed", order_id="o-2", total=5),
        )
        made.tick()
        yield made


def _day(shift: int) -> str:
    return format_moment(NOW + shift * DAY)


def told(name: str, **properties: Any) -> dict[str, Any]:
    """A track call of the customer."""
    return call(event=name, properties=properties)


def test_objects_of_a_kind_with_state_validity_and_money(shop: Home) -> None:
    """Each contract says what it is, since when, until when, what it is worth and which events made it."""
    answer = shop.get("/api/persons/userId:u-1/objects/contract").json()
    cancelled, active = answer["items"]
    assert (active["id"], active["state"], active["money"], active["currency"]) == ("c-1", "active", 120, "EUR")
    assert (active["valid_until"], active["valid"]) == (_day(30), True)
    assert (cancelled["id"], cancelled["state"], cancelled["valid"]) == ("c-2", "cancelled", False)
    assert [event["name"] for event in cancelled["events"]] == ["Contract Signed", "Contract Cancelled"]
    assert cancelled["fields"]["reason"] == "moved"
    only = shop.get("/api/persons/userId:u-1/objects/contract?status=active").json()["items"]
    assert [one["id"] for one in only] == ["c-1"]


def test_an_open_item_adds_its_payments_up(shop: Home) -> None:
    """The invoice knows what was paid, and that its day has passed."""
    (item,) = shop.get("/api/persons/userId:u-1/objects/invoice").json()["items"]
    assert (item["state"], item["money"], item["fields"]["paid"], item["valid"]) == ("open", 80, 30, False)


def test_pages_follow_their_cursor(shop: Home) -> None:
    """Two pages of one order each hold both; a cursor of another list is refused."""
    first = shop.get("/api/persons/userId:u-1/objects/order?limit=1").json()
    rest = shop.get(f"/api/persons/userId:u-1/objects/order?limit=1&cursor={first['next']}").json()
    assert {one["id"] for one in first["items"] + rest["items"]} == {"o/1", "o-2"}
    assert rest["next"] is None
    assert shop.get("/api/persons/userId:u-1/objects/order?cursor=nothing").json()["code"] == "bad_cursor"


def test_counts_and_kinds(shop: Home) -> None:
    """The overview counts by state; the kinds in force tell their states and fields."""
    counts = {row["kind"]: row["states"] for row in shop.get("/api/persons/userId:u-1/objects").json()["items"]}
    assert counts == {
        "contract": {"active": 1, "cancelled": 1},
        "invoice": {"open": 1},
        "order": {"placed": 2},
        "owned-product": {"owned": 1},
        "payment": {"received": 1},
    }
    kinds = {row["kind"]: row for row in shop.get("/api/objects").json()["items"]}
    assert kinds["contract"]["states"] == ["active", "paused", "cancelled", "ended"]
    assert kinds["invoice"]["fields"]["paid"] == "money"


def test_the_timeline_names_the_objects(shop: Home) -> None:
    """Every entry says which objects it is about: an order and the products that it made somebody's own."""
    items = shop.get("/api/persons/userId:u-1/timeline?kind=event").json()["items"]
    marks = {item["properties"].get("order_id"): item["objects"] for item in items if item["name"] == "Order Completed"}
    assert marks["o/1"] == [{"kind": "order", "id": "o/1"}, {"kind": "owned-product", "id": "shoe"}]
    assert [item["objects"] for item in items if item["name"] == "identify"] == [[]]


def test_unknown_kind_and_person_say_what_is_known(shop: Home) -> None:
    """404 with the mend, and no list without the right to read."""
    answer = shop.get("/api/persons/userId:u-1/objects/lease")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_object")
    assert "contract" in answer.json()["mend"]
    assert shop.get("/api/persons/userId:nobody/objects/order").status_code == 404
    assert shop.call("GET", "/api/persons/userId:u-1/objects/order").status_code == 401


def test_a_defined_kind_takes_the_place_of_the_built_in_one_and_is_imported(shop: Home, tmp_path: Path) -> None:
    """Own events, own states, from a CSV file with a map; the person's old contracts are what the new rules say."""
    shop.define(
        "{kind: object, id: contract, key: nr, events: {Lease Begun: running, Lease Over: over}, fields: {rent: money},"
        " states: [running, over], money: rent}"
    )
    file = tmp_path / "leases.csv"
    file.write_text("who,what,when,nr,rent\nu-1,Lease Begun,2027-01-01T00:00:00Z,7,900\n"
                    "u-1,Lease Over,2027-02-01T00:00:00Z,7,\nu-1,Lease Begun,2027-02-01T00:00:00Z,8,950\n")  # fmt: skip
    mapping = {"userId": "who", "event": "what", "timestamp": "when"}
    assert import_file(shop.book, "events", file, now=shop.time, mapping=mapping).accepted == 3
    shop.tick()
    items = shop.get("/api/persons/userId:u-1/objects/contract").json()["items"]
    assert [(one["id"], one["state"], one["began_at"][:10]) for one in items] == [
        ("8", "running", "2027-02-01"),
        ("7", "over", "2027-01-01"),
    ]
