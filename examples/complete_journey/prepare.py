"""Turns the Parquet files of "The Complete Journey" into files that `einklang import` reads.

    python examples/complete_journey/prepare.py ../shared/data/complete_journey build/complete_journey

Source: R package `completejourney` (84.51° / dunnhumby), CC0, as Parquet: a sample of 75,000 lines of the baskets of
2,377 households of a grocery retailer in 2017. Only Polars and the standard library are needed. What the data do not
say is assumed, and each assumption is written in README.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

STORE_ZONE = "America/New_York"
DEMOGRAPHICS = ("age", "income", "home_ownership", "marital_status", "household_size", "household_comp", "kids_count")


def money(column: str) -> pl.Expr:
    """A float column of dollars -> whole cents; the source has no digit beyond (a check at reading makes sure)."""
    return (pl.col(column) * 100).round().cast(pl.Int64)


def dollars(cents: int) -> str:
    """Cents -> the text of a JSON number, exact."""
    return str(Decimal(cents).scaleb(-2))


def address(household: str) -> str:
    """An invented address: the data have none, and mails need one. The host is reserved (RFC 2606)."""
    return f"household-{household}@households.example"


def lines(source: Path) -> pl.DataFrame:
    """The lines of the baskets with cents and category, in the order of the file."""
    products = pl.read_parquet(source / "products.parquet").select("product_id", "product_category")
    frame = pl.read_parquet(source / "transactions.parquet").with_columns(
        money("sales_value").alias("cents"),
        (money("coupon_disc") + money("coupon_match_disc")).alias("discount_cents"),
    )
    assert frame.select(((pl.col("cents") / 100 - pl.col("sales_value")).abs() < 1e-6).all()).item()
    return frame.join(products, on="product_id", how="left", maintain_order="left")


def orders(frame: pl.DataFrame) -> Iterator[str]:
    """One `Order Completed` a basket as JSON text, in time order."""
    baskets = (
        frame.group_by("basket_id", maintain_order=True)
        .agg(
            pl.col("household_id", "store_id", "transaction_timestamp").first(),
            pl.col("cents", "discount_cents").sum().name.suffix("_sum"),
            pl.col("product_id", "product_category", "quantity", "cents"),
        )
        .sort("transaction_timestamp", "basket_id")
    )
    for basket in baskets.iter_rows(named=True):
        yield order(basket)


def order(basket: dict[str, Any]) -> str:
    """The call of one basket. `price` of a line is dollars a piece after discounts, to six places."""
    rows = zip(basket["product_id"], basket["product_category"], basket["quantity"], basket["cents"], strict=True)
    products = ",".join(line(*row) for row in rows)
    head = {
        "type": "track",
        "event": "Order Completed",
        "messageId": f"basket-{basket['basket_id']}",
        "userId": basket["household_id"],
        "timestamp": basket["transaction_timestamp"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "context": {"touchpoint": "store", "timezone": STORE_ZONE},
    }
    revenue = dollars(basket["cents_sum"])
    properties = (
        f'{{"order_id":"{basket["basket_id"]}","store_id":"{basket["store_id"]}","currency":"USD",'
        f'"revenue":{revenue},"total":{revenue},'
        f'"discount":{dollars(basket["discount_cents_sum"])},"products":[{products}]}}'
    )
    return json.dumps(head, separators=(",", ":"))[:-1] + f',"properties":{properties}}}'


def line(product: str, category: str | None, quantity: float, cents: int) -> str:
    """One line of a basket. A quantity of 0 (deposits, corrections) keeps the amount as its price."""
    pieces = int(quantity)
    price = Decimal(cents).scaleb(-2) if pieces <= 1 else (Decimal(cents) / 100 / pieces).quantize(Decimal("0.000001"))
    text = f'{{"product_id":"{product}","price":{price},"quantity":{pieces}'
    return text + (f',"category":{json.dumps(category)}}}' if category else "}")


def people(source: Path) -> pl.DataFrame:
    """Every household that bought, was targeted or described, with its demographics as traits; userId = household."""
    described = pl.read_parquet(source / "demographics.parquet")
    described = described.with_columns(pl.col(name).cast(pl.String) for name in DEMOGRAPHICS)
    ids = [
        pl.read_parquet(source / f"{name}.parquet").select(pl.col("household_id").cast(pl.String))
        for name in ("transactions", "campaigns", "demographics")
    ]
    return (
        pl.concat(ids)
        .unique()
        .join(described, on="household_id", how="left")
        .sort(pl.col("household_id").cast(pl.Int64))
        .select(
            pl.col("household_id").alias("userId"),
            pl.col("household_id").map_elements(address, return_dtype=pl.String).alias("email"),
            pl.lit("US").alias("country"),
            pl.lit("en").alias("language"),
            *DEMOGRAPHICS,
        )
    )


def products(source: Path, frame: pl.DataFrame) -> pl.DataFrame:
    """The products with the mean price paid in the sample, empty for what nobody bought there."""
    paid = (
        frame.filter(pl.col("quantity") > 0)
        .group_by("product_id")
        .agg((pl.col("cents").sum() / pl.col("quantity").sum() / 100).round(2).alias("price"))
    )
    return (
        pl.read_parquet(source / "products.parquet")
        .join(paid, on="product_id", how="left")
        .sort("product_id")
        .select(
            "product_id",
            pl.col("product_type").alias("name"),
            pl.col("product_category").alias("category"),
            pl.col("brand").cast(pl.String),
            "price",
            pl.col("department").cast(pl.String),
            "manufacturer_id",
            "package_size",
        )
    )


def consents(source: Path) -> pl.DataFrame:
    """E-mail advertising permitted by who was targeted by a campaign, from the start of the first such campaign."""
    starts = pl.read_parquet(source / "campaign_descriptions.parquet").select("campaign_id", "start_date")
    targeted = (
        pl.read_parquet(source / "campaigns.parquet")
        .select(pl.col("household_id", "campaign_id").cast(pl.String))
        .join(starts.with_columns(pl.col("campaign_id").cast(pl.String)), on="campaign_id")
        .sort("start_date", pl.col("campaign_id").cast(pl.Int64))
        .group_by("household_id", maintain_order=True)
        .first()
        .sort(pl.col("household_id").cast(pl.Int64))
    )
    at = pl.col("start_date").dt.replace_time_zone(STORE_ZONE).dt.convert_time_zone("UTC")
    return targeted.select(
        ("userId:" + pl.col("household_id")).alias("person"),
        pl.lit("email").alias("channel"),
        pl.col("household_id").map_elements(address, return_dtype=pl.String).alias("address"),
        pl.lit("marketing").alias("purpose"),
        pl.lit("given").alias("status"),
        at.dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("at"),
        pl.lit("campaigns.parquet").alias("source"),
        pl.lit("assumed: who was targeted by a campaign had permitted advertising").alias("wording"),
        ("campaign_id=" + pl.col("campaign_id")).alias("evidence"),
    )


def prepare(source: Path, target: Path) -> dict[str, int]:
    """Writes events.jsonl, people.csv, products.csv and consents.csv into `target`; returns the rows of each."""
    target.mkdir(parents=True, exist_ok=True)
    frame = lines(source)
    rows = {"events.jsonl": 0}
    with (target / "events.jsonl").open("w", encoding="utf-8", newline="\n") as out:
        for text in orders(frame):
            out.write(text + "\n")
            rows["events.jsonl"] += 1
    for name, table in (
        ("people", people(source)),
        ("products", products(source, frame)),
        ("consents", consents(source)),
    ):
        table.write_csv(target / f"{name}.csv")
        rows[f"{name}.csv"] = table.height
    return rows


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="The Complete Journey as files for `einklang import`")
    parser.add_argument("source", type=Path, help="folder with the Parquet files")
    parser.add_argument("target", type=Path, help="folder to write to")
    options = parser.parse_args()
    for name, count in prepare(options.source, options.target).items():
        print(f"{name}: {count} rows")


if __name__ == "__main__":
    main()
