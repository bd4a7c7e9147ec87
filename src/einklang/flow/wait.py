"""When a wait ends: arrival + duration on the calendar, then forward to the first moment that `at` and `days` allow."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from einklang.expr import View
from einklang.flow.compile import Wait
from einklang.kernel import time


def _forward(at: int, wait: Wait, zone: str) -> int:
    """The first moment >= `at` that the times of day and the weekdays allow."""
    if not wait.at and not wait.days:
        return at
    day = time.day_of(at, zone)
    for ahead in range(-1 if wait.at else 0, 16):  # the day before ends, at its 24:00, when this one begins
        candidate = day + timedelta(days=ahead)
        if wait.days and candidate.weekday() not in wait.days:
            continue
        if not wait.at:
            return max(at, time.start_of_day(candidate, zone))
        midnight = datetime(candidate.year, candidate.month, candidate.day)
        # in a night whose 02:30 does not exist, 02:30 comes after 03:00
        moments = [time.moment_of(midnight + timedelta(minutes=minute), zone) for minute in wait.at]
        if any(moment >= at for moment in moments):
            return min(moment for moment in moments if moment >= at)
    raise AssertionError("a week has every weekday")


def _moment(value: Any, zone: str) -> int | None:
    """A timestamp (microseconds) or a date (its first moment); anything else is no moment."""
    if isinstance(value, datetime):
        return time.from_datetime(value)
    if isinstance(value, date):
        return time.start_of_day(value, zone)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def due(wait: Wait, arrived: int, zone: str, view: View) -> int | None:
    """The moment at which the wait is over; None if `until` gives no moment. A moment in the past is given as it is."""
    if wait.until is None:
        start = time.shift(arrived, wait.span, zone) if wait.span is not None else arrived
        return _forward(start, wait, zone)
    start_at = _moment(wait.until.value(view), zone)
    return None if start_at is None else _forward(start_at, wait, zone)
