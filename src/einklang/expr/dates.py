"""Days and moments out of text. A date without a year stays the text `--05-17`."""

from __future__ import annotations

import re
from datetime import date

from einklang.kernel.errors import InputError
from einklang.kernel.time import Micros, parse_moment

#: A day of the calendar: with a year a `date`, without one a text such as `--05-17`.
Day = date | str

#: What has a first day: of ISO weeks a Monday.
PERIODS = ("week", "month", "quarter", "year")
_FULL = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[Tt ].*)?", re.A | re.S)
_YEARLESS = re.compile(r"--(\d{2})-(\d{2})", re.A)


def date_of_text(text: str) -> Day | None:
    """The day that a text names: `2027-03-31`, `--03-31`, or a moment in RFC 3339 (the day as it is written)."""
    found = _FULL.fullmatch(text)
    if found is not None:
        if len(text) > 10 and moment_of_text(text) is None:
            return None
        try:
            return date.fromisoformat(found[1])
        except ValueError:
            return None
    short = _YEARLESS.fullmatch(text)
    if short is not None:
        try:
            date(2000, int(short[1]), int(short[2]))
        except ValueError:
            return None
        return text
    return None


def moment_of_text(text: str) -> Micros | None:
    """The moment that a text in RFC 3339 names, None if it names none."""
    try:
        return parse_moment(text)
    except InputError:
        return None


def start_of(day: Day | None, period: str) -> date | None:
    """The first day of the week (a Monday), month, quarter or year that a day is in; None without a year."""
    if not isinstance(day, date):
        return None
    if period == "week":
        return date.fromordinal(max(day.toordinal() - day.weekday(), 1))
    first = {"month": day.month, "quarter": day.month - (day.month - 1) % 3, "year": 1}[period]
    return date(day.year, first, 1)
