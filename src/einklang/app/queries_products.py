"""One product as the screens and other systems see it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from einklang.app.ports import Reader
from einklang.app.products import RELATED, price_at
from einklang.app.working import from_json
from einklang.expr.numbers import number_of
from einklang.kernel.errors import NotFound


class Related(msgspec.Struct):
    """Another product; name: null where it is not known."""

    product_id: str
    name: str | None


class ProductRecord(msgspec.Struct):
    """A product at a moment. price: the one valid then; branches: stock by branch; properties: the whole record."""

    product_id: str
    name: str | None
    texts: dict[str, dict[str, str]]
    category: str | None
    categories: list[str]
    brand: str | None
    price: Decimal | int | None
    currency: str | None
    prices: list[dict[str, Any]]
    stock: Decimal | int | None
    branches: dict[str, Any]
    accessories: list[Related]
    successors: list[Related]
    substitutes: list[Related]
    properties: dict[str, Any]


def product(reader: Reader, key: str, now: int) -> ProductRecord:
    """One product. Raises NotFound `unknown_product`."""
    rows = reader.read("catalog_get", "products", key)
    if not rows:
        raise NotFound("unknown_product", f"no product {key[:60]!r}", where="id", mend="see GET /api/products")
    row = from_json(rows[0][0])
    price, currency = price_at(row, now)
    related = {name: [_related(reader, one) for one in _listed(row.get(name))] for name in RELATED}
    return ProductRecord(
        product_id=key,
        name=_text(row.get("name")),
        texts=row["texts"] if isinstance(row.get("texts"), dict) else {},
        category=_text(row.get("category")),
        categories=_listed(row.get("categories")),
        brand=_text(row.get("brand")),
        price=number_of(price) if number_of(price) is None else price,
        currency=currency,
        prices=row["prices"] if isinstance(row.get("prices"), list) else [],
        stock=row["stock"] if number_of(row.get("stock")) is not None else None,
        branches=row["branches"] if isinstance(row.get("branches"), dict) else {},
        properties=row,
        **related,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _listed(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _related(reader: Reader, key: str) -> Related:
    rows = reader.read("catalog_get", "products", key)
    return Related(key, _text(from_json(rows[0][0]).get("name")) if rows else None)
