"""Moments, durations and wall clocks.

A moment is an `int`: microseconds since 1970-01-01T00:00:00Z (`Micros`). Nothing here reads a clock. Zones follow the
`tzdata` package pinned with Einklang, never the machine's files. Local times that do not exist or exist twice are read
as RFC 5545, Temporal's `compatible` and Python's `fold=0` do.
"""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from einklang.kernel.errors import InputError

Micros = int

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY

#: What an import row without a time means: before the first event.
BEFORE_ALL: Micros = -(2**52)
#: Events outside [1970, 2200) are refused.
EARLIEST: Micros = 0
LATEST: Micros = 7_258_118_400 * SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)

zoneinfo.reset_tzpath(to=())


def from_datetime(moment: datetime) -> Micros:
    """Microseconds of an aware datetime."""
    return (moment - _EPOCH) // _MICRO


def to_datetime(at: Micros) -> datetime:
    """The aware UTC datetime of a moment. Raises InputError `bad_moment` outside the years 1 to 9999."""
    try:
        return _EPOCH + timedelta(microseconds=at)
    except OverflowError as error:
        raise _beyond() from error


def _beyond() -> InputError:
    return InputError("bad_moment", "a moment outside the years 1 to 9999", mend="use a time that a calendar has")


_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ]([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,9}))?)?"
    r"([Zz]|[+-](?:[01]\d|2[0-3]):?[0-5]\d)",
    re.ASCII,
)


def parse_moment(text: str) -> Micros:
    """RFC 3339 with offset -> microseconds. Seconds may be left out, digits beyond 6 are cut.

    Raises InputError `bad_moment`.
    """
    parts = _RFC3339.fullmatch(text)
    if parts:
        day, hour, minute, second, digits, offset = parts.groups()
        clock = f"{hour}:{minute}:{second or '00'}.{(digits or '')[:6]:0<6}"
        try:
            at = from_datetime(datetime.fromisoformat(f"{day}T{clock}{offset.upper()}"))
            to_datetime(at)
            return at
        except ValueError:
            pass  # no such day, such as 30 February
    raise InputError("bad_moment", f"not a moment: {text[:60]!r}", mend="write it as 2027-03-01T09:00:00+01:00")


def format_moment(at: Micros) -> str:
    """RFC 3339 in UTC, with as many digits after the second as needed (0, 3 or 6)."""
    spec = "seconds" if at % SECOND == 0 else "milliseconds" if at % 1000 == 0 else "microseconds"
    return to_datetime(at).replace(tzinfo=None).isoformat(timespec=spec) + "Z"


_UNITS = ("y", "mo", "w", "d", "h", "m", "s")
_SIZE = {"w": WEEK, "d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND}
_PART = re.compile(r"(\d{1,6})(y|mo|w|d|h|m|s)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time: calendar `months`, calendar `days` (weeks are 7) and exact `micros`.

    Windows and limits use `exact()` (a day is 24 hours); waits use `shift` on the calendar of a zone.
    """

    text: str
    months: int
    days: int
    micros: int

    def exact(self) -> Micros:
        """Length in microseconds with d = 24 h; months are refused (InputError `months_in_window`)."""
        if self.months:
            raise InputError("months_in_window", f"months are not exact: {self.text!r}", mend="write days, such as 30d")
        return self.days * DAY + self.micros


@lru_cache(maxsize=4096)
def parse_duration(text: str) -> Duration:
    """`90s` `15m` `1d12h` `2w` `3mo` `1y`, largest unit first. Raises InputError `bad_duration`."""
    end, last, months, days, micros = 0, -1, 0, 0, 0
    while end < len(text):
        part = _PART.match(text, end)
        rank = _UNITS.index(part[2]) if part else -1
        if part is None or rank <= last:
            break
        amount, unit = int(part[1]), part[2]
        if unit in ("y", "mo"):
            months += amount * (12 if unit == "y" else 1)
        elif unit in ("w", "d"):
            days += amount * (7 if unit == "w" else 1)
        else:
            micros += amount * _SIZE[unit]
        end, last = part.end(), rank
    if not text or end < len(text) or months > 12_000 or days > 366_000:
        raise InputError(
            "bad_duration",
            f"not a duration: {text[:40]!r}",
            mend="write number and unit, largest first: 90s 15m 1d12h 2w 3mo",
        )
    return Duration(text, months, days, micros)


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The IANA zone of the pinned database. Raises InputError `unknown_zone`."""
    try:
        return ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(
            "unknown_zone", f"unknown time zone {name[:40]!r}", mend="use an IANA name such as Europe/Berlin"
        ) from error


def local(at: Micros, zone_name: str) -> datetime:
    """The aware local datetime of a moment in a zone."""
    try:
        return to_datetime(at).astimezone(zone(zone_name))
    except OverflowError as error:
        raise _beyond() from error


@lru_cache(maxsize=16_384)
def moment_of(wall: datetime, zone_name: str) -> Micros:
    """The moment of a naive wall-clock time in a zone; a gap takes the offset before it, a repeat the first.

    Each reading is checked by the way back: where a zone file's list of transitions ends in its rule, `zoneinfo` can
    take the rule an hour too early (America/Godthab, 2023-10-28 23:30).
    """
    where = zone(zone_name)
    readings = [wall.replace(tzinfo=where, fold=fold) for fold in (0, 1)]
    try:
        for reading in readings:
            if reading.astimezone(UTC).astimezone(where).replace(tzinfo=None) == wall:
                return from_datetime(reading)
    except OverflowError as error:
        raise _beyond() from error
    return from_datetime(readings[0])


def day_of(at: Micros, zone_name: str) -> date:
    """The calendar day of a moment in a zone."""
    return local(at, zone_name).date()


def start_of_day(day: date, zone_name: str) -> Micros:
    """The first moment of a calendar day in a zone."""
    return moment_of(datetime(day.year, day.month, day.day), zone_name)


def add_months(day: date, months: int) -> date:
    """`day` moved by whole months, clamped to the end of the month."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month + 1, min(day.day, last))
        except ValueError:
            continue
    raise InputError("bad_date", f"no such month: {year}-{month + 1}", mend="stay within the years 1 to 9999")


def shift(at: Micros, by: Duration, zone_name: str) -> Micros:
    """`at` moved on the calendar of a zone: months and days keep the wall clock, hours and less are exact."""
    if by.months or by.days:
        wall = local(at, zone_name).replace(tzinfo=None)
        try:
            day = add_months(wall.date(), by.months) + timedelta(days=by.days)
        except OverflowError as error:
            raise _beyond() from error
        at = moment_of(datetime.combine(day, wall.time()), zone_name)
    return at + by.micros
