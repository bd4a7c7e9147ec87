"""examples/complete_journey against an independent computation with pandas, where the real data are present."""

from __future__ import annotations

import csv
import importlib.util
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from einklang.event import judge
from einklang.kernel.time import parse_moment

ROOT = Path(__file__).parents[2]
LATER = parse_moment("2018-02-01T00:00:00Z")
EXAMPLE = ROOT / "examples" / "complete_journey"
DATA = ROOT.parent / "shared" / "data" / "complete_journey"

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not DATA.is_dir(), reason="the real data are not here: ../shared/data/complete_journey is absent"
    ),
]


def load() -> Callable[[Path, Path], dict[str, int]]:
    """prepare() of the script, loaded as a user would run it."""
    spec = importlib.util.spec_from_file_location("complete_journey_prepare", EXAMPLE / "prepare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[[Path, Path], dict[str, int]] = module.prepare
    return found


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the four files."""
    folder = tmp_path_factory.mktemp("complete_journey")
    rows = load()(DATA, folder)
    assert set(rows) == {"events.jsonl", "people.csv", "products.csv", "consents.csv"}
    return folder


@pytest.fixture(scope="module")
def events(prepared: Path) -> list[dict[str, Any]]:
    """The events, numbers as decimals."""
    text = (prepared / "events.jsonl").read_text(encoding="utf-8")
    return [json.loads(line, parse_float=Decimal) for line in text.splitlines()]


@pytest.fixture(scope="module")
def lines() -> pd.DataFrame:
    """The transactions as pandas reads them."""
    return pd.read_parquet(DATA / "transactions.parquet")


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_each_basket_is_one_order_with_its_exact_revenue(events: list[dict[str, Any]], lines: pd.DataFrame) -> None:
    """Basket by basket: household, moment, number of lines and revenue to the cent."""
    cents = (lines["sales_value"] * 100).round().astype("int64")
    groups = lines.assign(cents=cents).groupby("basket_id")
    baskets = groups.agg(
        household=("household_id", "first"),
        at=("transaction_timestamp", "first"),
        cents=("cents", "sum"),
        lines=("cents", "size"),
    )
    assert len(events) == len(baskets) == 47_243
    found = pd.DataFrame(
        {
            "basket_id": [event["properties"]["order_id"] for event in events],
            "household": [event["userId"] for event in events],
            "at": pd.to_datetime([event["timestamp"] for event in events]),
            "cents": [int(event["properties"]["revenue"] * 100) for event in events],
            "lines": [len(event["properties"]["products"]) for event in events],
        }
    ).set_index("basket_id")
    expected = baskets.loc[found.index]
    assert (found["household"] == expected["household"]).all()
    assert (found["at"] == expected["at"]).all()
    assert (found["cents"] == expected["cents"]).all()
    assert (found["lines"] == expected["lines"]).all()
    assert found["household"].nunique() == 2_377


def test_the_sums_of_households_agree(events: list[dict[str, Any]], lines: pd.DataFrame) -> None:
    """Revenue a household, and over all, equals the sum of its lines."""
    spent: dict[str, Decimal] = {}
    for event in events:
        spent[event["userId"]] = spent.get(event["userId"], Decimal(0)) + event["properties"]["revenue"]
    expected = lines.groupby("household_id")["sales_value"].sum()
    assert set(spent) == set(expected.index)
    assert max(abs(float(value) - expected[household]) for household, value in spent.items()) < 1e-6
    assert abs(float(sum(spent.values())) - float(lines["sales_value"].sum())) < 1e-4


def test_events_are_calls_of_segment_in_time_order(events: list[dict[str, Any]]) -> None:
    """Tracks with unique message ids at the touchpoint store, sorted by time, lines that name their category."""
    stamps = [event["timestamp"] for event in events]
    assert stamps == sorted(stamps)
    assert len({event["messageId"] for event in events}) == len(events)
    assert {(event["type"], event["event"], event["context"]["touchpoint"]) for event in events} == {
        ("track", "Order Completed", "store")
    }
    categories = [line.get("category") for event in events for line in event["properties"]["products"]]
    products = pd.read_parquet(DATA / "products.parquet").set_index("product_id")["product_category"]
    sold = pd.read_parquet(DATA / "transactions.parquet")["product_id"]
    assert sum(category is not None for category in categories) == int(sold.map(products).notna().sum())


def test_every_order_is_admitted(prepared: Path) -> None:
    """The door of `event` refuses none of the 47,243 calls."""
    found = (prepared / "events.jsonl").read_bytes().splitlines()
    for begin in range(0, len(found), 200):
        chunk = found[begin : begin + 200]
        verdict = judge("batch", b'{"batch":[' + b",".join(chunk) + b"]}", received_at=LATER)
        assert verdict.rejected == []
        assert verdict.items == len(chunk)


def test_people_are_all_households_with_their_demographics(prepared: Path, lines: pd.DataFrame) -> None:
    """One row a household that bought, was targeted or is described; traits as in the table of demographics."""
    people = {row["userId"]: row for row in rows_of(prepared / "people.csv")}
    campaigns, described = (pd.read_parquet(DATA / f"{name}.parquet") for name in ("campaigns", "demographics"))
    assert set(people) == {*lines["household_id"], *campaigns["household_id"], *described["household_id"]}
    assert len(described) == sum(row["age"] != "" for row in people.values()) == 801
    for row in described.itertuples(index=False):
        assert people[str(row.household_id)]["income"] == row.income
        assert people[str(row.household_id)]["kids_count"] == row.kids_count
    assert all(row["email"].endswith(".example") for row in people.values())


def test_who_was_targeted_has_permitted_from_the_first_campaign(prepared: Path) -> None:
    """A consent for each targeted household, at the start of its first campaign by the clocks of New York."""
    consents = {row["person"]: row for row in rows_of(prepared / "consents.csv")}
    campaigns, starts = (pd.read_parquet(DATA / f"{name}.parquet") for name in ("campaigns", "campaign_descriptions"))
    first = campaigns.merge(starts, on="campaign_id").groupby("household_id")["start_date"].min()
    assert len(consents) == len(first) == 1_559
    for household, start in first.items():
        row = consents[f"userId:{household}"]
        assert pd.Timestamp(row["at"]) == pd.Timestamp(start).tz_localize("America/New_York")
        assert (row["channel"], row["purpose"], row["status"]) == ("email", "marketing", "given")


def test_products_are_those_of_the_table(prepared: Path, lines: pd.DataFrame) -> None:
    """Every product once; the price is the mean paid a piece in the sample, empty where nobody bought."""
    products = {row["product_id"]: row for row in rows_of(prepared / "products.csv")}
    table = pd.read_parquet(DATA / "products.parquet")
    assert set(products) == set(table["product_id"])
    assert len(products) == len(table) == 92_331
    bought = lines[(lines["quantity"] > 0) & lines["product_id"].isin(table["product_id"])].groupby("product_id")
    mean = bought["sales_value"].sum() / bought["quantity"].sum()
    assert sum(row["price"] != "" for row in products.values()) == len(mean)
    assert max(abs(float(products[str(name)]["price"]) - value) for name, value in mean.items()) < 0.0051
