"""Money, dates and times as German and English readers write them (Unicode CLDR 46, de and en, the parts used here).

A language without an entry is written as English. Numbers are `Decimal` or int, never float; halves go to even.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from einklang.kernel.time import Micros, parse_moment, to_datetime, zone

_MONTHS = {
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "en": "January February March April May June July August September October November December",
}
_DAYS = {
    "de": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
}
_SIGNS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}
_DIGITS = {"JPY": 0, "KRW": 0, "CLP": 0, "ISK": 0, "VND": 0, "BHD": 3, "KWD": 3, "JOD": 3, "OMR": 3, "TND": 3}
#: named styles of the filter `date`; a style with % is read as by strftime
_STYLES = {
    "de": {"short": "%d.%m.%Y", "long": "%-d. %B %Y", "time": "%H:%M", "datetime": "%d.%m.%Y, %H:%M"},
    "en": {"short": "%-d %b %Y", "long": "%-d %B %Y", "time": "%H:%M", "datetime": "%-d %b %Y, %H:%M"},
}
_DIRECTIVE = re.compile(r"%(-?)([a-zA-Z%])")
_CURRENCY = re.compile(r"[A-Z]{3}")


def _base(language: str) -> str:
    base = language.split("-")[0]
    return base if base in _MONTHS else "en"


def to_decimal(value: object) -> Decimal:
    """A finite Decimal of an int, Decimal, float (by its shortest text) or numeric text. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise ValueError(f"not a number: {type(value).__name__}")
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError("not a number") from error
    if not number.is_finite() or abs(number.adjusted()) > 30:
        raise ValueError("not a finite number of a sensible size")
    return number


def number_text(value: object, digits: int, language: str) -> str:
    """`1234.5` with 2 digits: de `1.234,50`, en `1,234.50`."""
    text = f"{to_decimal(value):,.{digits}f}"
    return text.translate(str.maketrans(",.", ".,")) if _base(language) == "de" else text


def money(value: object, currency: str, language: str) -> str:
    """An amount: de `1.234,50 €` (with a no-break space), en `€1,234.50`. Raises ValueError for what is no amount."""
    if not _CURRENCY.fullmatch(currency):
        raise ValueError("a currency has three capital letters (ISO 4217)")
    text = number_text(value, _DIGITS.get(currency, 2), language)
    sign = _SIGNS.get(currency)
    if _base(language) == "de":
        return f"{text}\u00a0{sign or currency}"
    minus, text = ("-", text[1:]) if text.startswith("-") else ("", text)
    return f"{minus}{sign}{text}" if sign else f"{minus}{currency}\u00a0{text}"


def to_day_or_time(value: object, zone_name: str) -> date | datetime:
    """A day, or a local datetime in the zone, of: date, datetime, microseconds (int), ISO day or RFC 3339 text.

    Raises ValueError for anything else."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(zone(zone_name))
    if isinstance(value, date):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return _local(value, zone_name)
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return date.fromisoformat(value)
    if isinstance(value, str):
        return _local(parse_moment(value), zone_name)
    raise ValueError(f"not a date: {type(value).__name__}")


def _local(at: Micros, zone_name: str) -> datetime:
    try:
        return to_datetime(at).astimezone(zone(zone_name))
    except OverflowError as error:
        raise ValueError("a moment outside the years 1 to 9999") from error


def day_text(value: object, style: str, language: str, zone_name: str) -> str:
    """A date or moment as text: styles `short` `long` `time` `datetime`, or a strftime pattern (`%d.%m.%Y`).

    A month or weekday is written in the language of the message, not of the machine. Raises ValueError."""
    day = to_day_or_time(value, zone_name)
    base = _base(language)
    pattern = style if "%" in style else _STYLES[base].get(style)
    if pattern is None:
        raise ValueError(
            f"unknown style of a date: {style[:20]!r} (short, long, time, datetime or a pattern such as %d.%m.%Y)"
        )
    return _DIRECTIVE.sub(lambda part: _directive(part, day, base), pattern)


def _directive(part: re.Match[str], day: date | datetime, base: str) -> str:
    name = part[2]
    clock: Any = day if isinstance(day, datetime) else datetime(day.year, day.month, day.day)
    month, weekday = _MONTHS[base].split()[day.month - 1], _DAYS[base].split()[day.weekday()]
    table: dict[str, str] = {
        "Y": f"{day.year:04d}", "y": f"{day.year % 100:02d}", "m": f"{day.month:02d}", "d": f"{day.day:02d}",
        "e": f"{day.day:2d}", "j": f"{day.timetuple().tm_yday:03d}", "H": f"{clock.hour:02d}",
        "I": f"{(clock.hour + 11) % 12 + 1:02d}", "M": f"{clock.minute:02d}", "S": f"{clock.second:02d}",
        "p": "AM" if clock.hour < 12 else "PM", "B": month, "b": month[:3], "A": weekday,
        "a": weekday[:2] if base == "de" else weekday[:3], "V": f"{day.isocalendar().week:02d}",
        "F": f"{day.year:04d}-{day.month:02d}-{day.day:02d}", "%": "%",
    }  # fmt: skip
    text = table.get(name)
    if text is None:
        raise ValueError(f"unknown part of a date pattern: %{name}")
    return (text.lstrip("0 ") or "0") if part[1] else text
