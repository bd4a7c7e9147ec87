"""What generated functions call: the meaning of every operator and function over plain values (2.2, 2.4, 2.5).

A value is None, bool, str, int, Decimal, list, dict; a `date` for a day, `--MM-DD` (str) for one without a year; int
microseconds for a moment and for a duration: the checker keeps these apart from numbers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache
from itertools import islice
from operator import attrgetter
from typing import Any

from einklang.expr.dates import Day, date_of_text, moment_of_text
from einklang.expr.numbers import Number, add, div, mul, number_of, text_of
from einklang.expr.view import EventLike, View
from einklang.kernel.errors import InputError
from einklang.kernel.ids import unit
from einklang.kernel.limits import LIST_ITEMS_MAX
from einklang.kernel.time import DAY, Duration, Micros, add_months, day_of, format_moment, local, start_of_day

_AT = attrgetter("at")
_NUMERIC = (int, Decimal)
#: Moments within the years 1 to 9999 in every zone.
FIRST, LAST = -62_135_510_400_000_000, 253_402_214_400_000_000

# reading: a value that does not fit its declared type is None


def as_bool(x: Any) -> bool | None:
    """x if it is a bool."""
    return x if x is True or x is False else None


def as_string(x: Any) -> str | None:
    """x if it is a text."""
    return x if type(x) is str else None


def as_list(x: Any) -> list[Any] | None:
    """x if it is a list."""
    return x if type(x) is list else list(x) if type(x) is tuple else None


def as_list_of(x: Any, read: Callable[[Any], Any]) -> list[Any] | None:
    """x if it is a list, each element read as its declared type."""
    return [read(item) for item in x] if type(x) in (list, tuple) else None


def as_map(x: Any) -> Mapping[str, Any] | None:
    """x if it is a map."""
    return x if isinstance(x, Mapping) else None


_moment = lru_cache(maxsize=8192)(moment_of_text)
_day = lru_cache(maxsize=8192)(date_of_text)


def as_timestamp(x: Any) -> Micros | None:
    """The moment that a JSON value declared as one names."""
    return _moment(x) if type(x) is str else None


def as_moment(x: Any) -> Micros | None:
    """The same for what the View gives: microseconds, or a text."""
    return x if type(x) is int else as_timestamp(x)


def as_date(x: Any) -> Day | None:
    """The day that a JSON value declared as one names."""
    return x if type(x) is date else _day(x) if type(x) is str else None


def field(x: Any, name: str) -> Any:
    """x.name of a map; None of anything else."""
    return x.get(name) if type(x) is dict or isinstance(x, Mapping) else None


def index(x: Any, key: Any) -> Any:
    """x[key] of a list or map; None outside."""
    if type(x) is list:
        at = number_of(key)
        return x[int(at)] if at is not None and 0 <= at < len(x) and at == int(at) else None
    return x.get(key) if isinstance(x, Mapping) and type(key) is str else None


def attribute(x: Any, name: str) -> Any:
    """A field of the entry or the candidate event; None where there is none."""
    return None if x is None else getattr(x, name)


def inside(x: Any, name: str) -> Any:
    """A property of the entry or the candidate event."""
    return None if x is None else x.properties.get(name)


def exchanged(
    rate: Callable[[str], Any],
    zone: str,
    amount: Any,
    currency: str | None,
    at: Micros | None,
    own: str,
) -> Any:
    """An amount of a currency as a number in `own`, at the rate of the event's day; None without a rate.

    What is no number stays as it is, and so does an amount without a currency. rate: of `View`.
    """
    if not currency or currency == own or at is None or type(amount) not in _NUMERIC:
        return amount
    worth = rate(f"{currency}/{day_of(at, zone)}")
    return amount if worth == 1 else mul(amount, worth)


# comparing


def eq(a: Any, b: Any) -> bool:
    """Null equals only null; values of different types are never equal."""
    if a is None or b is None:
        return a is b
    kind, other = type(a), type(b)
    if kind in _NUMERIC:
        return other in _NUMERIC and number_of(a) == number_of(b)
    if kind is list:
        return other is list and len(a) == len(b) and all(map(eq, a, b))
    if isinstance(a, Mapping):
        return isinstance(b, Mapping) and a.keys() == b.keys() and all(eq(a[key], b[key]) for key in a)
    return kind is other and bool(a == b)


def _pair(a: Any, b: Any) -> bool:
    """Whether both can be ordered: two texts, or two full dates."""
    kind = type(a)
    return kind is type(b) and (kind is str or kind is date)


def lt(a: Any, b: Any) -> bool:
    """a < b; false where one is missing or they are of different types."""
    if _pair(a, b):
        return bool(a < b)
    x, y = number_of(a), number_of(b)
    return x is not None and y is not None and x < y


def le(a: Any, b: Any) -> bool:
    """a <= b."""
    if _pair(a, b):
        return bool(a <= b)
    x, y = number_of(a), number_of(b)
    return x is not None and y is not None and x <= y


def same(a: Any, b: Any) -> bool:
    """a == b of two moments or durations."""
    return bool(a == b)


def date_lt(a: Any, b: Any) -> bool:
    """a < b of two days; false where one is missing or has no year."""
    return type(a) is date and type(b) is date and a < b


def date_le(a: Any, b: Any) -> bool:
    """a <= b of two days."""
    return type(a) is date and type(b) is date and a <= b


def within(x: Any, holder: Any) -> bool:
    """x in a list, or a key in a map; false for null."""
    if x is None:
        return False
    if type(holder) is list:
        return any(eq(x, item) for item in holder)
    return isinstance(holder, Mapping) and type(x) is str and x in holder


# values


def plus(a: Any, b: Any) -> Any:
    """Joins texts and lists, adds numbers; None for anything else."""
    if type(a) is str and type(b) is str:
        return a + b
    if type(a) is list and type(b) is list:
        return a + b
    return add(a, b)


def coalesce(*values: Callable[[], Any]) -> Any:
    """The first value that is not null; the others are not worked out."""
    return next((found for found in (value() for value in values) if found is not None), None)


def size(x: Any) -> int | None:
    """Characters of a text, elements of a list, keys of a map."""
    return len(x) if type(x) is str or type(x) is list or isinstance(x, Mapping) else None


def string(x: Any) -> str | None:
    """A text, number, bool or day as text."""
    if type(x) is str:
        return x
    if x is True or x is False:
        return "true" if x else "false"
    if type(x) is date:
        return x.isoformat()
    number = number_of(x)
    return None if number is None else text_of(number)


def string_of_moment(x: Micros | None) -> str | None:
    """A moment as text, RFC 3339 in UTC."""
    return None if x is None else format_moment(x)


def lower(x: Any) -> str | None:
    """A text in small letters."""
    return x.lower() if type(x) is str else None


def contains(a: Any, b: Any) -> bool:
    """Whether text a holds text b."""
    return type(a) is str and type(b) is str and b in a


def starts_with(a: Any, b: Any) -> bool:
    """Whether text a begins with text b."""
    return type(a) is str and type(b) is str and a.startswith(b)


def ends_with(a: Any, b: Any) -> bool:
    """Whether text a ends with text b."""
    return type(a) is str and type(b) is str and a.endswith(b)


def bucket(view: View, name: str) -> Decimal | None:
    """[0, 1), fixed per person and name, cut to 9 places."""
    person = view.person_field("id")
    if type(person) is not str:
        return None
    return Decimal(unit(view.salt, "bucket:" + name, person)).quantize(Decimal("1E-9"), rounding=ROUND_FLOOR)


def lookup(view: View, catalog: str, key: Any) -> Mapping[str, Any] | None:
    """The row of a catalog; None without a key."""
    return None if key is None else view.lookup(catalog, key)


# time


def today(view: View) -> date:
    """The day of `now` in the zone."""
    return day_of(view.now, view.zone)


def ts_move(at: Micros | None, by: Micros | None, sign: int) -> Micros | None:
    """A moment moved by a duration; None outside the years 1 to 9999."""
    if at is None or by is None:
        return None
    moved = at + sign * by
    return moved if FIRST <= moved <= LAST else None


def ts_diff(a: Micros | None, b: Micros | None) -> Micros | None:
    """a - b as a duration."""
    return None if a is None or b is None else a - b


def date_diff(a: Day | None, b: Day | None) -> Micros | None:
    """a - b of two days as a duration of whole days of 24 h."""
    return (a - b).days * DAY if isinstance(a, date) and isinstance(b, date) else None


def date_move(day: Day | None, by: Duration | Micros | None, sign: int) -> date | None:
    """A day moved by whole days or months; None for a part of a day, without a year, or beyond the calendar."""
    if not isinstance(day, date) or by is None:
        return None
    months, days, rest = (by.months, by.days, by.micros) if isinstance(by, Duration) else (0, *divmod(by, DAY))
    if rest:
        return None
    try:
        return add_months(day, sign * months) + timedelta(days=sign * days)
    except (InputError, OverflowError, ValueError):
        return None


def days(length: Micros | None) -> Number | None:
    """A duration in days of 24 h."""
    return div(length, DAY)


def _in_year(day: Day, year: int) -> date | None:
    """The day in another year; 29 February falls on the 28th where there is none."""
    month, of_month = (int(day[2:4]), int(day[5:7])) if isinstance(day, str) else (day.month, day.day)
    for last in (of_month, 28):
        try:
            return date(year, month, last)
        except ValueError:
            continue
    return None


def age(day: Day | None, now: date) -> int | None:
    """Full years from a day to today; None without a year."""
    if not isinstance(day, date):
        return None
    this_year = _in_year(day, now.year)
    return now.year - day.year - (this_year is not None and this_year > now)


def anniversary(day: Day | None, now: date) -> date | None:
    """The next anniversary of a day, today included."""
    if day is None:
        return None
    this_year = _in_year(day, now.year)
    return this_year if this_year is not None and this_year >= now else _in_year(day, now.year + 1)


def date_of(at: Micros | None, zone: str) -> date | None:
    """The day of a moment in a zone."""
    return None if at is None else day_of(at, zone)


def moment_of_day(day: Day | None, zone: str) -> Micros | None:
    """The first moment of a day in a zone; None without a year."""
    return start_of_day(day, zone) if isinstance(day, date) else None


def hour(at: Micros | None, zone: str) -> int | None:
    """The hour of a moment in a zone."""
    return None if at is None else local(at, zone).hour


def year(day: Day | None) -> int | None:
    """The year of a day."""
    return day.year if isinstance(day, date) else None


def month(day: Day | None) -> int | None:
    """The month, 1 to 12."""
    return None if day is None else day.month if isinstance(day, date) else int(day[2:4])


def day(day: Day | None) -> int | None:
    """The day of the month."""
    return None if day is None else day.day if isinstance(day, date) else int(day[5:7])


_WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


def weekday(day: Day | None) -> str | None:
    """MON to SUN."""
    return _WEEKDAYS[day.weekday()] if isinstance(day, date) else None


# sets of events: sequences in time order


def past(events: Sequence[EventLike], now: Micros) -> Sequence[EventLike]:
    """The events up to and including now."""
    if not events or events[-1].at <= now:
        return events
    return events[: bisect_right(events, now, key=_AT)]


def span(
    events: Sequence[EventLike], now: Micros, after: tuple[Micros | None, ...], to: tuple[Micros | None, ...]
) -> Sequence[EventLike]:
    """The events strictly after every `after`, up to and including every `to` and now; none where a bound is null."""
    first: Micros | None = None
    for bound in after:
        if bound is None:
            return ()
        first = bound if first is None or bound > first else first
    last = now
    for bound in to:
        if bound is None:
            return ()
        last = bound if bound < last else last
    if not events:
        return ()
    stop = len(events) if events[-1].at <= last else bisect_right(events, last, key=_AT)
    start = 0 if first is None else bisect_right(events, first, hi=stop, key=_AT)
    return events[start:stop]


def is_after(at: Micros, bound: Micros | None) -> bool:
    """`since` for one event."""
    return bound is not None and at > bound


def is_until(at: Micros, bound: Micros | None) -> bool:
    """`until` for one event."""
    return bound is not None and at <= bound


def caused(event: EventLike, step: Mapping[str, Any] | None) -> bool:
    """Whether the event reacts to the delivery that a step made."""
    message = None if step is None else step.get("message")
    return message is not None and event.properties.get("message_id") == message


def items(x: Any) -> Sequence[Any]:
    """The elements of a list; none of anything else."""
    return x if type(x) is list else ()


def first_of(values: Iterable[Any]) -> Any:
    """The first value that is not null."""
    return next((value for value in values if value is not None), None)


def nth_of(place: int, values: Iterable[Any]) -> Any:
    """The value at a place, counted from 1, among those that are not null; None where there are fewer."""
    return next(islice((value for value in values if value is not None), place - 1, None), None)


def unbroken(follows: Micros | None, breaks: Micros | None) -> bool:
    """Whether the first that follows comes no later than the first that must not come before it."""
    return follows is not None and (breaks is None or follows <= breaks)


def texts(values: Iterable[Any]) -> list[str]:
    """The texts among the values."""
    return [value for value in values if type(value) is str]


def dates(values: Iterable[Any]) -> list[date]:
    """The full dates among the values."""
    return [value for value in values if type(value) is date]


def present(values: Iterable[Any]) -> list[Any]:
    """The values that are not null."""
    return [value for value in values if value is not None]


def smallest(values: list[Any]) -> Any:
    """The smallest; None of none."""
    return min(values, default=None)


def largest(values: list[Any]) -> Any:
    """The largest; None of none."""
    return max(values, default=None)


def listed(values: Iterable[Any]) -> list[Any]:
    """The values that are not null, the newest 1,000."""
    return present(values)[-LIST_ITEMS_MAX:]


def frozen(x: Any) -> Any:
    """A value that can be hashed, equal exactly where `eq` says so."""
    if type(x) in _NUMERIC:
        return ("number", number_of(x))
    if type(x) is list:
        return ("list", *map(frozen, x))
    if isinstance(x, Mapping):
        return ("map", frozenset((key, frozen(value)) for key, value in x.items()))
    return (type(x), x)


def distinct(values: Iterable[Any]) -> int:
    """The number of different values that are not null."""
    return len({frozen(value) for value in values if value is not None})


def exactly_one(values: Iterable[bool]) -> bool:
    """Whether one of the values is true and the others are not."""
    found = 0
    for value in values:
        found += value
        if found > 1:
            return False
    return found == 1


def every(x: Any, holds: Callable[[Any], bool]) -> bool:
    """`all`: true of the empty list, false of null."""
    return type(x) is list and all(map(holds, x))


def of_list(fold: Callable[[Iterable[Any]], Any], x: Any) -> Any:
    """`l.sum()` and its like; None of what is no list."""
    return fold(x) if type(x) is list else None
