"""The business objects of everybody over REST: by kind, state and id, with those to whom they belong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from einklang.app.imports import import_file
from tests.web.homes import SERVER_KEY, WRITE_KEY, Home, call, home


def told(user: str, name: str, **properties: Any) -> dict[str, Any]:
    """A track call of somebody."""
    return call(userId=user, event=name, properties=properties)


def joined(user: str, house: str) -> dict[str, Any]:
    """Somebody joins a household."""
    return call("group", userId=user, groupId=house, traits={"type": "household"})


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Home]:
    """Five people with invoices, two of whom share a household and its loan."""
    with home(tmp_path) as made:
        made.define("{kind: object, id: loan, key: loan_id, owner: household, events: {Loan Asked: asked, Lent: lent}}")
        calls = [told(f"u{n}", "Invoice Issued", invoice_id=f"r-{n % 4}", amount=10 * n) for n in range(5)]
        calls += [told("u1", "Invoice Paid", invoice_id="r-1"), told("u2", "Invoice Paid", invoice_id="r-2")]
        calls += [joined("u1", "h1"), joined("u2", "h1"), told("u1", "Loan Asked", loan_id="l/1")]
        calls += [told("u2", "Lent", loan_id="l/1"), told("u3", "Loan Asked", loan_id="l/1")]
        made.track(*calls)
        made.tick()
        yield made


def listed(shop: Home, query: str) -> list[tuple[str, str | None, int]]:
    """(id, state, how many persons) of a list."""
    items = shop.get(f"/api/objects/{query}").json()["items"]
    return [(one["object"]["id"], one["object"]["state"], len(one["persons"])) for one in items]


def test_the_objects_of_everybody_by_id(shop: Home) -> None:
    """One row an object and holder; what two persons have under one id are two objects."""
    found = [("r-0", "open", 1), ("r-0", "open", 1), ("r-1", "paid", 1), ("r-2", "paid", 1), ("r-3", "open", 1)]
    assert listed(shop, "invoice") == found
    assert listed(shop, "invoice?status=open") == [row for row in found if row[1] == "open"]
    assert listed(shop, "invoice?status=paid&q=r-2") == [("r-2", "paid", 1)]
    assert listed(shop, "invoice?q=r-9") == []


def test_what_a_household_owns_is_one_object(shop: Home) -> None:
    """Both members of the household hold the one loan; who belongs to none has another."""
    assert listed(shop, "loan") == [("l/1", "lent", 2), ("l/1", "asked", 1)]
    assert listed(shop, "loan?status=asked") == [("l/1", "asked", 1)]
    items = shop.get("/api/objects/loan/l%2F1").json()["items"]
    assert [one["group"] for one in items] == ["household h1", None]
    assert len(items[0]["object"]["events"]) == 2


@pytest.mark.parametrize("limit", [1, 2, 4])
def test_pages_hold_each_object_once(shop: Home, limit: int) -> None:
    """Pages of any size, with and without a state, are the list."""
    for query in ("invoice?", "invoice?status=open&", "loan?"):
        found, cursor, begun = [], "", False
        while not begun or cursor:
            page = shop.get(f"/api/objects/{query}limit={limit}&cursor={cursor}").json()
            found += [(one["object"]["id"], one["persons"][0]["person_id"]) for one in page["items"]]
            cursor, begun = page["next"] or "", True
        whole = shop.get(f"/api/objects/{query}limit=100").json()["items"]
        assert found == [(one["object"]["id"], one["persons"][0]["person_id"]) for one in whole]


def test_an_id_is_found_among_all_kinds(shop: Home) -> None:
    """The search tells the kind and the person; an empty search and unknown objects are refused."""
    found = shop.get("/api/object-search?q=r-1").json()["items"]
    assert [(one["kind"], one["id"]) for one in found] == [("invoice", "r-1")]
    assert shop.get(f"/api/persons/{found[0]['person_id']}/objects/invoice").status_code == 200
    assert shop.get("/api/object-search?q=").json()["code"] == "bad_search"
    assert shop.get("/api/objects/invoice/r-77").json()["code"] == "unknown_object"
    assert shop.get("/api/objects/lease").status_code == 404
    assert shop.get("/api/objects/invoice?cursor=x").json()["code"] == "bad_cursor"
    assert shop.call("GET", "/api/objects/invoice").status_code == 401


def test_what_names_an_object_alone_is_taken_with_a_server_key(shop: Home) -> None:
    """It needs no identifier there and belongs to the owner, or is seen waiting; with a write key it is refused."""
    paid = {"type": "track", "event": "Invoice Paid", "properties": {"invoice_id": "r-3"}}
    unknown = {**paid, "properties": {"invoice_id": "r-99"}}
    nothing = {**paid, "properties": {"total": 3}}
    body = {"batch": [paid, unknown, nothing]}
    answer = shop.call("POST", "/v1/batch", json=body, auth=(WRITE_KEY, ""))
    assert [one["code"] for one in answer.json()["rejected"]] == ["no_identifier"] * 3
    answer = shop.call("POST", "/api/events", json=body, headers={"Authorization": f"Bearer {SERVER_KEY}"})
    assert [(one["index"], one["code"]) for one in answer.json()["rejected"]] == [(2, "no_identifier")]
    shop.tick()
    assert ("r-3", "paid", 1) in listed(shop, "invoice")
    page = shop.get("/api/objects-waiting").json()
    assert [(one["kind"], one["id"], one["name"]) for one in page["items"]] == [("invoice", "r-99", "Invoice Paid")]
    assert page["next"] is None


def test_an_import_needs_no_customer_where_the_object_has_one(shop: Home, tmp_path: Path) -> None:
    """Rows of a bank: the known invoice is paid, a row that names neither is refused with its reason."""
    file = tmp_path / "bank.csv"
    file.write_text("event,timestamp,invoice_id,amount\nInvoice Paid,2027-01-02T00:00:00Z,r-3,30\n"
                    "Invoice Paid,2027-01-02T00:00:00Z,,4\n")  # fmt: skip
    done = import_file(shop.book, "events", file, now=shop.time, mapping={"event": "event"})
    assert (done.accepted, done.rejected) == (1, 1)
    shop.tick()
    assert ("r-3", "paid", 1) not in listed(shop, "invoice"), "it was issued later"
    events = shop.get("/api/objects/invoice/r-3").json()["items"][0]["object"]["events"]
    assert [one["name"] for one in events] == ["Invoice Paid", "Invoice Issued"]
