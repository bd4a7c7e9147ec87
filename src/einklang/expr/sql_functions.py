"""What the SQL engines ask of Einklang itself: calendars of the pinned tz database, and numbers beyond what an engine
counts exactly.

The plans call these by name; who runs a plan registers them first (`FUNCTIONS`). They take and give plain columns: a
number is DECIMAL(38,9), a moment or a duration BIGINT, a day text (`2027-03-31`, `--03-31`). Null comes in and goes out
as None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from einklang.expr import numbers, runtime
from einklang.expr.crowd_values import canonical
from einklang.expr.dates import Day, start_of
from einklang.kernel.time import Duration

TEXT, NUMBER, WHOLE = "text", "number", "whole"

_JSON = msgspec.json.Decoder(float_hook=Decimal)
_ENCODE = msgspec.json.Encoder(decimal_format="number")
#: What stands in front of a text of a safe document (`safe`): a number as text, or a text that begins like a mark.
_MARK = "\x01"


class Function(NamedTuple):
    """A function by which plans ask. takes, gives: TEXT, NUMBER or WHOLE."""

    call: Callable[..., Any]
    takes: tuple[str, ...]
    gives: str


def _decimal(x: Any) -> Decimal | None:
    return None if x is None else x if type(x) is Decimal else Decimal(x)


def _shown(day: Day | None) -> str | None:
    return day.isoformat() if isinstance(day, date) else day


@lru_cache(maxsize=1024)
def _path(text: str) -> tuple[str, ...]:
    return tuple(msgspec.json.decode(text))


def _at(doc: str | None, path: str) -> Any:
    if doc is None:
        return None
    found = _JSON.decode(doc)
    for name in _path(path):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def exact(doc: str | None, path: str) -> Decimal | None:
    """The number at a path of a JSON text, whatever its digits."""
    return _decimal(numbers.number_of(_at(doc, path)))


def _written(x: Any) -> str:
    """JSON. Spark's workers get functions as they are, and the encoder where they import it."""
    return _ENCODE.encode(x).decode()


def compared(doc: str | None, path: str) -> str | None:
    """The list or map at a path as a text that is equal exactly where the values are."""
    found = _at(doc, path)
    return canonical(found) if isinstance(found, (list, dict)) else None


def compared_safe(doc: str | None, path: str) -> str | None:
    """The same of a safe document."""
    found = _plain(_at(doc, path))
    return canonical(found) if isinstance(found, (list, dict)) else None


def safe(doc: str | None, path: str) -> str | None:
    """The value at a path as JSON in which every number that is no small one is a marked text, for engines that read
    numbers as floats.
    """
    found = _at(doc, path)
    return None if found is None else _written(_safe(found))


def _safe(x: Any) -> Any:
    if isinstance(x, dict):
        return {name: _safe(value) for name, value in x.items()}
    if isinstance(x, list):
        return [_safe(value) for value in x]
    if type(x) is str:
        return f"{_MARK}s{x}" if x.startswith(_MARK) else x
    number = None if isinstance(x, bool) else numbers.number_of(x)
    if number is None:
        return x if isinstance(x, bool) else None
    return number if type(number) is int and abs(number) < 10**18 else f"{_MARK}n{format(Decimal(number), 'f')}"


def _plain(x: Any) -> Any:
    if isinstance(x, dict):
        return {name: _plain(value) for name, value in x.items()}
    if isinstance(x, list):
        return [_plain(value) for value in x]
    if type(x) is str and x.startswith(_MARK):
        return Decimal(x[2:]) if x[1:2] == "n" else x[2:]
    return x


def _number_from(text: str | None) -> Decimal | None:
    return _decimal(numbers.number_from(text))


def _number_of(text: str | None) -> Decimal | None:
    """A number that an engine wrote, also with an exponent."""
    return None if text is None else _decimal(numbers.number_of(Decimal(text)))


def _text_of(x: Decimal | None) -> str | None:
    return None if x is None else numbers.text_of(x)


def _mul(a: Decimal | None, b: Decimal | None) -> Decimal | None:
    return _decimal(numbers.mul(a, b))


def _div(a: Decimal | None, b: Decimal | None) -> Decimal | None:
    return _decimal(numbers.div(a, b))


def _days(length: int | None) -> Decimal | None:
    return _decimal(runtime.days(length))


def _date(text: str | None) -> str | None:
    return _shown(runtime.as_date(text))


def _day(at: int | None, zone: str) -> str | None:
    return _shown(runtime.date_of(at, zone))


def _first_moment(day: str | None, zone: str) -> int | None:
    return runtime.moment_of_day(runtime.as_date(day), zone)


def _age(day: str | None, today: str) -> int | None:
    return runtime.age(runtime.as_date(day), date.fromisoformat(today))


def _anniversary(day: str | None, today: str) -> str | None:
    return _shown(runtime.anniversary(runtime.as_date(day), date.fromisoformat(today)))


def _start_of(day: str | None, period: str) -> str | None:
    return _shown(start_of(runtime.as_date(day), period))


def _date_diff(a: str | None, b: str | None) -> int | None:
    return runtime.date_diff(runtime.as_date(a), runtime.as_date(b))


def _date_move(day: str | None, by: int | None, sign: int) -> str | None:
    return _shown(runtime.date_move(runtime.as_date(day), by, sign))


def _date_shift(day: str | None, months: int, days: int, micros: int) -> str | None:
    return _shown(runtime.date_move(runtime.as_date(day), Duration("", months, days, micros), 1))


def _year(day: str | None) -> int | None:
    return runtime.year(runtime.as_date(day))


def _month(day: str | None) -> int | None:
    return runtime.month(runtime.as_date(day))


def _day_of_month(day: str | None) -> int | None:
    return runtime.day(runtime.as_date(day))


def _weekday(day: str | None) -> str | None:
    return runtime.weekday(runtime.as_date(day))


FUNCTIONS: dict[str, Function] = {
    "ek_exact": Function(exact, (TEXT, TEXT), NUMBER),
    "ek_compared": Function(compared, (TEXT, TEXT), TEXT),
    "ek_compared_safe": Function(compared_safe, (TEXT, TEXT), TEXT),
    "ek_safe": Function(safe, (TEXT, TEXT), TEXT),
    "ek_number_from": Function(_number_from, (TEXT,), NUMBER),
    "ek_number_of": Function(_number_of, (TEXT,), NUMBER),
    "ek_text_of": Function(_text_of, (NUMBER,), TEXT),
    "ek_mul": Function(_mul, (NUMBER, NUMBER), NUMBER),
    "ek_div": Function(_div, (NUMBER, NUMBER), NUMBER),
    "ek_days": Function(_days, (WHOLE,), NUMBER),
    "ek_lower": Function(runtime.lower, (TEXT,), TEXT),
    "ek_moment": Function(runtime.as_timestamp, (TEXT,), WHOLE),
    "ek_moment_text": Function(runtime.string_of_moment, (WHOLE,), TEXT),
    "ek_date": Function(_date, (TEXT,), TEXT),
    "ek_day": Function(_day, (WHOLE, TEXT), TEXT),
    "ek_first_moment": Function(_first_moment, (TEXT, TEXT), WHOLE),
    "ek_hour": Function(runtime.hour, (WHOLE, TEXT), WHOLE),
    "ek_age": Function(_age, (TEXT, TEXT), WHOLE),
    "ek_anniversary": Function(_anniversary, (TEXT, TEXT), TEXT),
    "ek_start_of": Function(_start_of, (TEXT, TEXT), TEXT),
    "ek_date_diff": Function(_date_diff, (TEXT, TEXT), WHOLE),
    "ek_date_move": Function(_date_move, (TEXT, WHOLE, WHOLE), TEXT),
    "ek_date_shift": Function(_date_shift, (TEXT, WHOLE, WHOLE, WHOLE), TEXT),
    "ek_year": Function(_year, (TEXT,), WHOLE),
    "ek_month": Function(_month, (TEXT,), WHOLE),
    "ek_day_of_month": Function(_day_of_month, (TEXT,), WHOLE),
    "ek_weekday": Function(_weekday, (TEXT,), TEXT),
}


def exchange(rate: Callable[[str], Any]) -> Function:
    """`ek_exchanged(amount, currency, at, zone, own)` with the rates of a run (`View.rate`)."""

    def exchanged(amount: Any, currency: str | None, at: int | None, zone: str, own: str) -> Decimal | None:
        return _decimal(numbers.number_of(runtime.exchanged(rate, zone, amount, currency, at, own)))

    return Function(exchanged, (NUMBER, TEXT, WHOLE, TEXT, TEXT), NUMBER)


def catalog(lookup: Callable[[str, Any], Any]) -> dict[str, Function]:
    """`ek_lookup(key, catalog, path)` and its like, with the rows of a run (`View.lookup`): what is at a path of a row,
    as JSON. The key is a text, or stands in a document or a safe one.
    """

    def looked_up(key: Any, name: str, path: str) -> str | None:
        found = None if key is None else lookup(name, key)
        for part in _path(path):
            found = found.get(part) if isinstance(found, Mapping) else None
        return None if found is None else _written(found)

    def at(doc: str | None, where: str, name: str, path: str) -> str | None:
        return looked_up(_at(doc, where), name, path)

    def safe_key(doc: str | None, name: str, path: str) -> str | None:
        return looked_up(_plain(_at(doc, "[]")), name, path)

    return {
        "ek_lookup": Function(looked_up, (TEXT, TEXT, TEXT), TEXT),
        "ek_lookup_at": Function(at, (TEXT, TEXT, TEXT, TEXT), TEXT),
        "ek_lookup_safe": Function(safe_key, (TEXT, TEXT, TEXT), TEXT),
    }
