"""The range of goods: 200 products of ten categories with prices and margins, and draws from it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np

from einklang.sim.calendar import Bools, Floats, Ints
from einklang.sim.words import BRANDS, CATEGORIES, CURRENCY, EDITIONS

PER_CATEGORY = 20


@lru_cache(maxsize=65536)
def money(cents: int) -> Decimal:
    """Whole cents -> a decimal with two places."""
    return Decimal(cents).scaleb(-2)


@dataclass(frozen=True, slots=True)
class Goods:
    """Products by number: `rows` as an import wants them, `cents` prices, `popular` cumulated shares in a category."""

    rows: list[dict[str, Any]]
    cents: Ints
    popular: Floats

    def pick(self, rng: np.random.Generator, favourite: Ints) -> Ints:
        """A product number for each favourite category: half of the time from it, else from any."""
        size = len(favourite)
        own: Bools = rng.random(size) < 0.5
        category = np.where(own, favourite, rng.integers(0, len(CATEGORIES), size))
        rank = np.searchsorted(self.popular, rng.random(size), side="right").clip(0, PER_CATEGORY - 1)
        product: Ints = (category * PER_CATEGORY + rank).astype(np.int64)
        return product


def make_goods(rng: np.random.Generator) -> Goods:
    """Draws the range: log-normal prices around the median of the category, ending in 9; popularity by Zipf's law."""
    rows: list[dict[str, Any]] = []
    prices: list[int] = []
    for number, (category, median, margin, kinds) in enumerate(CATEGORIES):
        spread = np.exp(rng.normal(0.0, 0.38, PER_CATEGORY))
        brands = rng.integers(0, len(BRANDS), PER_CATEGORY)
        shares = np.clip(rng.normal(margin, 0.05, PER_CATEGORY), 0.05, 0.8)
        for rank in range(PER_CATEGORY):
            cents = max(int(median * spread[rank]) // 10 * 10 + 9, 199)
            brand = BRANDS[int(brands[rank])]
            prices.append(cents)
            rows.append(
                {
                    "product_id": f"P{number * PER_CATEGORY + rank + 1:04d}",
                    "name": f"{brand} {kinds[rank % len(kinds)]} {EDITIONS[rank // len(kinds)]}",
                    "category": category,
                    "brand": brand,
                    "price": money(cents),
                    "margin": money(int(cents * shares[rank])),
                    "currency": CURRENCY,
                }
            )
    zipf = 1.0 / np.arange(1, PER_CATEGORY + 1) ** 0.8
    return Goods(rows, np.array(prices, dtype=np.int64), np.cumsum(zipf) / zipf.sum())
