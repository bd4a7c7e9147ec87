"""The filters that Einklang brings or replaces, and the facts they need beside their arguments (`Local`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Any, cast
from urllib.parse import urljoin

from liquid import RenderContext
from liquid.builtin.filters import array as standard_array
from liquid.builtin.filters import string as standard_string
from liquid.exceptions import FilterArgumentError, OutputStreamLimitError, UndefinedError
from liquid.filter import with_context, with_environment
from liquid.undefined import is_undefined

from einklang.content import formats
from einklang.kernel.limits import TEMPLATE_OUTPUT_BYTES_MAX

#: the name under which `Local` stands in the scope of a template; no path of a checked template can spell it
LOCAL = "einklang local"
#: filters of the library that are not offered: they unescape, or decode what was escaped
REMOVED = (
    "safe", "escapejs", "escape_once", "url_decode", "base64_encode", "base64_decode", "base64_url_safe_encode",
    "base64_url_safe_decode",
)  # fmt: skip
PRODUCTS_MAX = 100


@dataclass(frozen=True, slots=True)
class Local:
    """What filters know: language and zone of the person, currency of the policy, the address that relative links
    start from, and how to look up a product (id -> fields or None) and recommendations (ids -> ids)."""

    language: str = "en"
    zone: str = "UTC"
    currency: str = "EUR"
    site: str = ""
    product: Callable[[str], Mapping[str, Any] | None] | None = None
    recommend: Callable[[Sequence[str]], Sequence[str]] | None = None


def _local(context: RenderContext) -> Local:
    return cast(Local, context.scope[LOCAL])


def _number(value: object) -> Decimal:
    if is_undefined(value):
        str(value)  # raises with the name of what is missing
    try:
        return formats.to_decimal(value)
    except ValueError as error:
        raise FilterArgumentError(str(error), token=None) from error


def _tidy(value: Decimal) -> Decimal | int:
    return int(value) if value == value.to_integral_value() else value.normalize()


def _whole(value: object) -> bool:
    return isinstance(value, int) or (isinstance(value, Decimal) and value == value.to_integral_value())


def _divided_by(value: object, by: object) -> Decimal | int:
    left, right = _number(value), _number(by)
    if not right:
        raise FilterArgumentError("divided_by: 0", token=None)
    quotient = left / right
    return _tidy(quotient.to_integral_value(ROUND_FLOOR) if _whole(value) and isinstance(by, int) else quotient)


def _modulo(value: object, by: object) -> Decimal | int:
    left, right = _number(value), _number(by)
    if not right:
        raise FilterArgumentError("modulo: 0", token=None)
    return _tidy(left - right * (left / right).to_integral_value(ROUND_FLOOR))


def _round(value: object, digits: object = 0) -> Decimal | int:
    places = int(_number(digits))
    if not 0 <= places <= 9:
        raise FilterArgumentError("round: 0 to 9 digits", token=None)
    rounded = _number(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
    return int(rounded) if places == 0 else rounded


def _sum(values: object, key: object = None) -> Decimal | int:
    if is_undefined(values):
        str(values)
    items = values if isinstance(values, list | tuple) else [values]
    if isinstance(key, str):
        items = [item.get(key) if isinstance(item, Mapping) else None for item in items]
    return _tidy(sum((_number(item) for item in items if item is not None), Decimal(0)))


@with_context
def _money(value: object, currency: object = None, *, context: RenderContext) -> str:
    local = _local(context)
    amount = _number(value)
    try:
        return formats.money(amount, local.currency if currency is None else str(currency), local.language)
    except ValueError as error:
        raise FilterArgumentError(str(error), token=None) from error


@with_context
def _date(value: object, style: object = "short", *, context: RenderContext) -> str:
    if is_undefined(value):
        str(value)
    local = _local(context)
    try:
        if value in ("now", "today"):
            value = context.scope[str(value)]
        return formats.day_text(value, str(style), local.language, local.zone)
    except ValueError as error:
        raise FilterArgumentError(str(error), token=None) from error


@with_context
def _number_text(value: object, digits: object = 0, *, context: RenderContext) -> str:
    return formats.number_text(_number(value), min(max(int(_number(digits)), 0), 9), _local(context).language)


def _replace(value: object, seq: object, sub: object = "") -> str:
    text, old, new = str(value), str(seq), str(sub)
    if text.count(old) * len(new) > TEMPLATE_OUTPUT_BYTES_MAX:
        raise OutputStreamLimitError("a text is too long", token=None)
    replaced: str = standard_string.replace(value, seq, sub)
    return replaced


@with_environment
def _join(values: object, separator: object = " ", *, environment: Any) -> str:
    if is_undefined(values):
        str(values)
    if isinstance(values, Sequence) and len(values) * len(str(separator)) > TEMPLATE_OUTPUT_BYTES_MAX:
        raise OutputStreamLimitError("a text is too long", token=None)
    joined: str = standard_array.join(values, separator, environment=environment)
    return joined


@with_context
def _absolute(value: object, *, context: RenderContext) -> str:
    return urljoin(_local(context).site, str(value))


def _ids(values: Sequence[object]) -> list[str]:
    out: list[str] = []
    for value in values:
        if is_undefined(value):
            str(value)
        if isinstance(value, list | tuple):
            out += _ids(value)
        elif isinstance(value, Mapping):
            out += _ids([value.get("product_id")])
        elif isinstance(value, str | int) and not isinstance(value, bool):
            out.append(str(value))
    return out[:PRODUCTS_MAX]


def _lines(local: Local, ids: list[str]) -> list[dict[str, object]]:
    lines = []
    for product in dict.fromkeys(ids):
        found = (local.product(product) if local.product else None) or {}
        url = found.get("url")
        lines.append({
            "id": product,
            "name": found.get("name") or product,
            "price": found.get("price"),
            "url": urljoin(local.site, url) if isinstance(url, str) else None,
            "image": found.get("image_url") or found.get("image"),
        })  # fmt: skip
    return lines


def _shown(lines: list[dict[str, object]], what: str) -> list[dict[str, object]]:
    if not lines:
        raise UndefinedError(what, token=None)
    return lines


@with_context
def _products(value: object, *more: object, context: RenderContext) -> list[dict[str, object]]:
    """The lines {id, name, price, url, image} of product ids (an id that the catalogue does not know is its own name).
    Without any product there is nothing to show: missing."""
    return _shown(_lines(_local(context), _ids([value, *more])), "products")


@with_context
def _recommended(value: object, *more: object, context: RenderContext) -> list[dict[str, object]]:
    """The lines of products recommended for these ids. Where nothing recommends: missing."""
    local = _local(context)
    ids = _ids([value, *more])
    return _shown(_lines(local, list(local.recommend(ids))) if local.recommend else [], "recommend")


OWN: dict[str, Callable[..., Any]] = {
    "abs": lambda value: _tidy(abs(_number(value))),
    "at_least": lambda value, other: _tidy(max(_number(value), _number(other))),
    "at_most": lambda value, other: _tidy(min(_number(value), _number(other))),
    "ceil": lambda value: int(_number(value).to_integral_value(ROUND_CEILING)),
    "floor": lambda value: int(_number(value).to_integral_value(ROUND_FLOOR)),
    "plus": lambda value, other: _tidy(_number(value) + _number(other)),
    "minus": lambda value, other: _tidy(_number(value) - _number(other)),
    "times": lambda value, other: _tidy(_number(value) * _number(other)),
    "divided_by": _divided_by,
    "modulo": _modulo,
    "round": _round,
    "sum": _sum,
    "money": _money,
    "number": _number_text,
    "date": _date,
    "replace": _replace,
    "join": _join,
    "absolute": _absolute,
    "products": _products,
    "recommended": _recommended,
}
