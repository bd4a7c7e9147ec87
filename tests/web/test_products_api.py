"""Products as one record: put and read over REST, imported from a table, known to expressions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from einklang.app.imports import import_file
from einklang.kernel.time import parse_moment
from tests.web.homes import SERVER_KEY, Home, call, home

SHOE: dict[str, Any] = {
    "name": {"de": "Schuh", "en": "Shoe"},
    "texts": {"de": {"description": "Leicht"}},
    "categories": ["shoes", "sport"],
    "price": 50,
    "currency": "EUR",
    "prices": [
        {"price": 40.5, "from": "2027-02-01T00:00:00Z", "until": "2027-04-01T00:00:00Z"},
        {"price": 30, "from": "2027-03-01T00:00:00Z", "until": "2027-03-02T00:00:00Z", "currency": "USD"},
    ],
    "stock": {"berlin": 3, "ulm": 0},
    "accessories": ["lace", "wax"],
    "successors": ["shoe-2"],
    "colour": "red",
}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Home]:
    """A shop with one shoe and its laces."""
    with home(tmp_path) as made:
        made.define(
            '{kind: segment, id: sporty, where: \'lookup("products", trait.likes).categories.exists(c, c == "sport")\'}'
        )
        assert put(made, "shoe/1", SHOE).json() == {"product_id": "shoe/1"}
        put(made, "lace", {"name": "Lace"})
        made.tick()
        yield made


def put(shop: Home, key: str, record: Any) -> Any:
    """PUT a product with the server key."""
    path = f"/api/products/{key.replace('/', '%2F')}"
    return shop.call("PUT", path, json=record, headers={"Authorization": f"Bearer {SERVER_KEY}"})


def read(shop: Home, at: str = "") -> dict[str, Any]:
    """The shoe at a moment."""
    found: dict[str, Any] = shop.get(f"/api/products/shoe%2F1?at={at}").json()
    return found


def test_one_record_has_texts_prices_stock_and_relations(shop: Home) -> None:
    """Texts of each language together, stock by branch with its sum, related products with their names."""
    shoe = read(shop)
    assert shoe["texts"] == {"de": {"name": "Schuh", "description": "Leicht"}, "en": {"name": "Shoe"}}
    assert (shoe["name"], shoe["category"], shoe["categories"]) == ("Schuh", "shoes", ["shoes", "sport"])
    assert (shoe["stock"], shoe["branches"]) == (3, {"berlin": 3, "ulm": 0})
    assert shoe["accessories"] == [{"product_id": "lace", "name": "Lace"}, {"product_id": "wax", "name": None}]
    assert (shoe["substitutes"], shoe["properties"]["colour"]) == ([], "red")


def test_the_list_has_the_price_of_now(shop: Home) -> None:
    """Price and currency of each row of the list are those of the record."""
    for moment in (shop.time, parse_moment("2027-03-02T00:00:00Z")):
        shop.time = moment
        listed = next(one for one in shop.get("/api/products").json()["items"] if one["product_id"] == "shoe/1")
        shoe = read(shop)
        assert (listed["price"], listed["properties"]["currency"]) == (shoe["price"], shoe["currency"])
    assert listed["price"] == 40.5


@pytest.mark.parametrize(
    ("at", "price", "currency"),
    [
        ("2027-01-31T23:59:59Z", 50, "EUR"),
        ("2027-02-01T00:00:00Z", 40.5, "EUR"),
        ("2027-03-01T00:00:00Z", 30, "USD"),
        ("2027-03-02T00:00:00Z", 40.5, "EUR"),
        ("2027-04-01T00:00:00Z", 50, "EUR"),
        ("", 30, "USD"),
    ],
)
def test_the_price_is_the_one_valid_at_the_moment(shop: Home, at: str, price: float, currency: str) -> None:
    """Of the prices valid then the one that began last; from its first moment, up to its last; else the plain one."""
    found = read(shop, at)
    assert (found["price"], found["currency"]) == (price, currency)


def test_a_put_takes_the_place_of_the_whole_record_each_time(shop: Home) -> None:
    """Also when it says again what was said before."""
    for record in ({"name": "Boot"}, SHOE, {"name": "Boot"}):
        put(shop, "shoe/1", record)
        shop.tick()
    assert (read(shop)["name"], read(shop)["prices"], read(shop)["stock"]) == ("Boot", [], None)


def test_expressions_look_it_up(shop: Home) -> None:
    """Its categories decide who is in a segment."""
    shop.track(call("identify", traits={"likes": "shoe/1"}), call("identify", userId="u-2", traits={"likes": "lace"}))
    shop.tick()
    members = shop.get("/api/segments/sporty/members").json()["items"]
    assert [one["identifiers"][0]["value"] for one in members] == ["u-1"]


def test_a_table_brings_the_same_record(shop: Home, tmp_path: Path) -> None:
    """Columns name language and branch, lists have a sign between; a bad cell refuses its row alone."""
    file = tmp_path / "products.csv"
    file.write_text(
        "product_id,name.de,name.en,categories,stock.berlin,accessories,price\n"
        "7,Hut,Hat,hats|sale,4,007|shoe/1,5.50\n8,Mütze,Cap,hats,many,,3\n"
    )
    done = import_file(shop.book, "products", file, now=shop.time)
    assert (done.accepted, done.rejected) == (1, 1)
    shop.tick()
    hat = shop.get("/api/products/7").json()
    assert hat["texts"] == {"de": {"name": "Hut"}, "en": {"name": "Hat"}}
    assert (hat["categories"], hat["branches"], hat["price"]) == (["hats", "sale"], {"berlin": 4}, 5.5)
    assert [one["product_id"] for one in hat["accessories"]] == ["007", "shoe/1"]


@pytest.mark.parametrize(
    ("record", "where"),
    [
        ({"prices": [{"price": "x"}]}, "prices[0].price"),
        ({"prices": [{"price": 1, "form": "2027-01-01T00:00:00Z"}]}, "prices[0]"),
        ({"prices": [{"price": 1, "from": "soon"}]}, "prices[0].from"),
        (
            {"prices": [{"price": 1, "from": "2027-02-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"}]},
            "prices[0].until",
        ),
        ({"prices": 5}, "prices"),
        ({"accessories": [True]}, "accessories"),
        ({"stock": {"berlin": "many"}}, "stock.berlin"),
        ({"name": {"de": 5}}, "name.de"),
        ({"texts": []}, "texts"),
        ({"product_id": "other"}, "product_id"),
        ({"price": "50"}, "price"),
    ],
)
def test_a_bad_record_is_refused_at_its_field(shop: Home, record: dict[str, Any], where: str) -> None:
    """400 with code, field and mend; nothing changes."""
    answer = put(shop, "shoe/1", record)
    assert (answer.status_code, answer.json()["code"], answer.json()["where"]) == (400, "bad_product", where)
    assert shop.tail() == 0


def test_rights_and_unknown_products(shop: Home) -> None:
    """Without a key nothing is put; an unknown product is 404; what is no object is refused."""
    assert shop.call("PUT", "/api/products/x", json={}).status_code == 401
    assert shop.get("/api/products/x").json()["code"] == "unknown_product"
    assert put(shop, "x", [1]).json()["code"] == "bad_body"
