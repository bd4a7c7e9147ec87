"""A product: one record for all channels. Texts per language, prices valid at a time, stock per branch, and what
belongs to it: categories, accessories, successors, substitutes. Every other field is kept as it comes.

In a table a column says where its cell goes: `name.de` and `description.en` are texts of a language, `stock.BERLIN` is
the stock of a branch, and lists are written with `|` between their elements.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from einklang.expr.numbers import number_from, number_of, plain_number, total
from einklang.expr.runtime import as_timestamp
from einklang.kernel.errors import InputError
from einklang.kernel.time import BEFORE_ALL

#: The catalog of products.
PRODUCTS = "products"
TEXTS = ("name", "description", "short_description")
LISTS = ("categories", "accessories", "successors", "substitutes")
RELATED = LISTS[1:]
#: The types that expressions know, beside those of `kinds`.
TYPES = {
    "categories": "list(string)",
    "accessories": "list(string)",
    "successors": "list(string)",
    "substitutes": "list(string)",
    "texts": "map",
    "prices": "list(map)",
    "branches": "map",
    "currency": "string",
    "url": "string",
    "image_url": "string",
}
_PRICE = ("price", "currency", "from", "until")
_AMOUNTS = ("price", "margin", "cost", "weight", "stock")


def _wrong(field: str, what: str, mend: str) -> InputError:
    return InputError("bad_product", what, where=field, mend=mend)


def no_amount(fields: Mapping[str, Any]) -> str:
    """The field of a record that must be a number and is none, "" if there is none."""
    for name in _AMOUNTS:
        value = fields.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | Decimal)):
            return name
    return ""


def is_text(name: str) -> bool:
    """Whether a cell of this column is text, whatever it looks like."""
    head, _, tail = name.partition(".")
    return head in LISTS or (head in TEXTS and bool(tail))


def shaped(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The record of these fields, checked. Raises InputError `bad_product` with the field and the mend."""
    row: dict[str, Any] = {}
    texts: dict[str, dict[str, str]] = {}
    branches: dict[str, Any] = {}
    for name, value in fields.items():
        head, _, tail = name.partition(".")
        if head in TEXTS and tail:
            texts.setdefault(tail, {})[head] = value
        elif head in TEXTS and isinstance(value, dict):
            for language, text in value.items():
                texts.setdefault(language, {})[head] = text
        elif name == "texts":
            for language, told in _map(name, value).items():
                texts.setdefault(language, {}).update(_map(f"texts.{language}", told))
        elif head == "stock" and tail:
            branches[tail] = value
        elif name == "branches" or (name == "stock" and isinstance(value, dict)):
            branches |= _map(name, value)
        else:
            row[name] = value
    row |= {name: _list(name, row[name]) for name in LISTS if row.get(name) is not None}
    if texts:
        row["texts"] = {language: _texts(language, told) for language, told in texts.items()}
        row.setdefault("name", next((told["name"] for told in row["texts"].values() if "name" in told), None))
    if branches:
        row["branches"] = {branch: _stock(branch, value) for branch, value in branches.items()}
        row.setdefault("stock", total(row["branches"].values()))
    if row.get("categories"):
        row.setdefault("category", row["categories"][0])
    if row.get("prices") is not None:
        row["prices"] = _prices(row["prices"])
    return {name: value for name, value in row.items() if value is not None}


def _map(field: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(field, "expected fields, found something else", "write {name: value}")
    return value


def _texts(language: str, told: dict[str, Any]) -> dict[str, str]:
    for name, text in told.items():
        if not isinstance(text, str):
            raise _wrong(f"{name}.{language}", "expected a text", "write it in quotes")
    return told


def _stock(branch: str, value: Any) -> int | Decimal:
    number = number_from(value) if isinstance(value, str) else number_of(value)
    if number is None:
        raise _wrong(f"stock.{branch}", f"not a number: {str(value)[:40]!r}", "write how many there are")
    return plain_number(number)


def _list(field: str, value: Any) -> list[str]:
    found = [part.strip() for part in value.split("|")] if isinstance(value, str) else value
    if not isinstance(found, list) or not all(map(_is_id, found)):
        raise _wrong(field, "expected a list of texts", "write a list, or a|b in a table")
    return list(dict.fromkeys(str(one) for one in found if str(one)))


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _prices(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise _wrong("prices", "expected a list", 'write [{"price": 19.99, "from": "2027-03-01T00:00:00Z"}]')
    for number, one in enumerate(value):
        place = f"prices[{number}]"
        if not isinstance(one, dict) or set(one) - set(_PRICE):
            raise _wrong(place, "expected price, currency, from, until", 'write {"price": 19.99, "from": "..."}')
        if number_of(one.get("price")) is None:
            raise _wrong(f"{place}.price", "not a number", "write it as 19.99")
        start, end = (_moment(f"{place}.{name}", one.get(name)) for name in ("from", "until"))
        if start is not None and end is not None and end <= start:
            raise _wrong(f"{place}.until", "the price ends before it begins", "write a later moment")
    return value


def _moment(field: str, value: Any) -> int | None:
    if value is None:
        return None
    found = as_timestamp(value)
    if found is None:
        raise _wrong(field, f"not a moment: {str(value)[:40]!r}", "write it as 2027-03-01T09:00:00+01:00")
    return found


def price_at(row: Mapping[str, Any], now: int) -> tuple[Any, str | None]:
    """The price of a product at a moment and its currency: of the prices that are valid the one that began last.

    Without any it is the field `price`.
    """
    best: tuple[int, Any, Any] | None = None
    for one in row.get("prices") or ():
        start, end = as_timestamp(one.get("from")), as_timestamp(one.get("until"))
        began = BEFORE_ALL if start is None else start
        if began <= now and (end is None or now < end) and (best is None or best[0] <= began):
            best = (began, one.get("price"), one.get("currency"))
    _, price, currency = best if best is not None else (0, row.get("price"), None)
    said = currency or row.get("currency")
    return price, said if isinstance(said, str) else None


def as_of(row: Mapping[str, Any], now: int) -> Mapping[str, Any]:
    """The record with `price` and `currency` as they are at a moment."""
    if not row.get("prices"):
        return row
    price, currency = price_at(row, now)
    return {**row, "price": price, "currency": currency}


def price_flip(row: Mapping[str, Any], now: int) -> int | None:
    """The next moment after now at which a price begins or ends; None if time alone changes it no more."""
    bounds = (as_timestamp(one.get(name)) for one in row.get("prices") or () for name in ("from", "until"))
    return min((bound for bound in bounds if bound is not None and bound > now), default=None)
