"""Money without a rate on its day counts as nothing, so people are told how much of it there is (language.md 2.7)."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import polars as pl

from einklang.app.crowds import Lake
from einklang.app.ports import Reader
from einklang.app.view import RATES
from einklang.kernel import time

_PAGE = 10_000
#: The amount of an event is the first of these that it has.
_AMOUNTS = ("revenue", "total", "value", "price")


class Unrated(NamedTuple):
    """A currency, and how many events and how much of it have no rate."""

    currency: str
    events: int
    amount: Decimal


def unrated(reader: Reader, lake: Lake, currency: str, zone: str) -> list[Unrated]:
    """By currency, over the shipped log. Days are those of `zone`, the policy's; expressions take the person's."""
    known: set[str] = set()
    after = ""
    while page := reader.read("catalog_page", RATES, after, _PAGE):
        known |= {row[0] for row in page}
        after = page[-1][0]
    amount = pl.coalesce(pl.col("properties").str.json_path_match(f"$.{name}") for name in _AMOUNTS)
    foreign = (
        lake.scan("events")
        .filter(pl.col("properties").str.contains('"currency"', literal=True))
        .select(
            pl.col("at").dt.epoch("us"),
            pl.col("properties").str.json_path_match("$.currency").alias("currency"),
            amount.cast(pl.Decimal(38, 9), strict=False).alias("amount"),
        )
        .filter(pl.col("amount").is_not_null() & ~pl.col("currency").is_in(["", currency]))
        .collect()
    )
    found: dict[str, Unrated] = {}
    for at, code, much in foreign.iter_rows():
        if f"{code}/{time.day_of(at, zone)}" not in known:
            _, events, before = found.get(code, Unrated(code, 0, Decimal(0)))
            found[code] = Unrated(code, events + 1, before + much)
    return [found[code] for code in sorted(found)]
