"""kernel.time against a reader of time zones of its own, and its grammar of moments and durations against itself."""

from __future__ import annotations

import calendar
import zoneinfo
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from einklang.kernel import time as kt
from einklang.kernel.errors import InputError
from tests.kernel import tzif

FROM, TO = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2020, 2041))
ZONES = sorted(zoneinfo.available_timezones() - {"localtime", "Factory"})
KNOWN = {name: tzif.read(name) for name in ZONES}
EPOCH = datetime(1970, 1, 1)
MOMENTS = st.integers(
    kt.from_datetime(datetime(1, 1, 3, tzinfo=UTC)), kt.from_datetime(datetime(9999, 12, 29, tzinfo=UTC))
)


def transitions(name: str) -> list[tuple[int, int, int]]:
    """(instant, offset before, offset after) of 2020 to 2040."""
    zone = KNOWN[name]
    return [(at, zone.offset(at - 1), zone.offset(at)) for at in zone.moments if FROM <= at < TO]


def resolve(name: str, wall: datetime, before: int, after: int) -> int:
    """The oracle: the first of the instants that show this wall clock; in a gap what the offset before gives."""
    naive = int((wall - EPOCH).total_seconds())
    shown = [naive - off for off in (before, after) if KNOWN[name].offset(naive - off) == off]
    return min(shown) if shown else naive - before


def test_the_oracle_sees_enough() -> None:
    """All zones are read, and thousands of transitions, gaps and repeats among them."""
    found = [t for name in ZONES for t in transitions(name)]
    assert len(ZONES) > 400
    assert len(found) > 5_000
    assert {after > before for _, before, after in found} == {True, False}


def test_the_machines_zone_files_are_not_read() -> None:
    """Zones come from the pinned tzdata package alone."""
    assert zoneinfo.TZPATH == ()


@pytest.mark.slow
def test_walls_around_every_transition_of_every_zone() -> None:
    """Wall clocks before, inside and after each gap and repeat of 2020 to 2040 are the oracle's instants."""
    wrong = []
    for name in ZONES:
        for at, before, after in transitions(name):
            for delta in (-7_200, -1, 0, 1, abs(after - before) // 2, abs(after - before) - 1, 7_200):
                for offset in (before, after):
                    wall = EPOCH + timedelta(seconds=at + delta + offset)
                    if kt.moment_of(wall, name) != resolve(name, wall, before, after) * kt.SECOND:
                        wrong.append((name, wall))
    assert wrong == []


def test_a_day_later_is_wall_time_and_24_hours_are_elapsed() -> None:
    """Over each transition of every third zone `1d` keeps the wall clock where it exists, `24h` the length."""
    day, hours = kt.parse_duration("1d"), kt.parse_duration("24h")
    for name in ZONES[::3]:
        for at, before, after in transitions(name):
            for delta in (-90_000, -86_400, -84_600, -82_800, -3_600, -1):
                start = at + delta
                wall = EPOCH + timedelta(seconds=start + KNOWN[name].offset(start), days=1)
                expected = resolve(name, wall, before, after)
                assert kt.shift(start * kt.SECOND, day, name) == expected * kt.SECOND, (name, start)
                assert kt.shift(start * kt.SECOND, hours, name) == (start + 86_400) * kt.SECOND


@given(st.sampled_from(ZONES), st.integers(FROM, TO - 1))
def test_local_is_the_offset_of_the_oracle(name: str, at: int) -> None:
    """The wall clock of an instant is UTC plus the oracle's offset, and leads back to an instant with the same wall."""
    wall = kt.local(at * kt.SECOND, name)
    assert wall.replace(tzinfo=None) == EPOCH + timedelta(seconds=at + KNOWN[name].offset(at))
    back = kt.moment_of(wall.replace(tzinfo=None), name)
    assert back <= at * kt.SECOND
    assert kt.local(back, name).replace(tzinfo=None) == wall.replace(tzinfo=None)


def test_the_first_moment_of_each_day_near_transitions() -> None:
    """start_of_day is the first instant whose wall clock shows that day (or a later one, where the day is skipped)."""
    for name in ZONES[::2]:
        for at, _, after in transitions(name)[:8]:
            day = (EPOCH + timedelta(seconds=at + after)).date()
            start = kt.start_of_day(day, name) // kt.SECOND
            assert kt.day_of(start * kt.SECOND, name) >= day, (name, day)
            assert kt.day_of((start - 1) * kt.SECOND, name) < day, (name, day)


def test_a_positive_control_the_other_reading_of_a_repeat_differs() -> None:
    """The oracle tells fold 0 from fold 1, so the tests above would see it: Berlin, 2027-10-31 02:30."""
    wall, zone = datetime(2027, 10, 31, 2, 30), zoneinfo.ZoneInfo("Europe/Berlin")
    second = int(wall.replace(tzinfo=zone, fold=1).timestamp())
    assert resolve("Europe/Berlin", wall, 7_200, 3_600) == second - 3_600
    assert kt.moment_of(wall, "Europe/Berlin") == (second - 3_600) * kt.SECOND


@given(MOMENTS)
@example(0)
@example(-1)
@example(kt.parse_moment("0001-01-03T00:00:00.000001Z"))
def test_format_and_parse_are_inverse(at: int) -> None:
    """A moment written and read again is the same moment, in 20, 24 or 27 characters."""
    text = kt.format_moment(at)
    assert kt.parse_moment(text) == at
    assert len(text) == (20 if at % kt.SECOND == 0 else 24 if at % 1000 == 0 else 27)


@given(MOMENTS, st.integers(-23 * 60 - 59, 23 * 60 + 59), st.sampled_from("Tt "), st.booleans())
def test_offsets_are_taken_off(at: int, offset: int, separator: str, colon: bool) -> None:
    """The same moment written with any offset reads as the same microseconds."""
    wall = kt.to_datetime(at).replace(tzinfo=None) + timedelta(minutes=offset)
    sign, (hours, minutes) = "-" if offset < 0 else "+", divmod(abs(offset), 60)
    zone = f"{sign}{hours:02}{':' if colon else ''}{minutes:02}"
    assert kt.parse_moment(wall.isoformat(separator, "microseconds") + zone) == at


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2027-03-01T09:00+01:00", "2027-03-01T08:00:00Z"),
        ("2027-03-01 09:00:00.1z", "2027-03-01T09:00:00.100000Z"),
        ("2027-03-01T09:00:00.123456789Z", "2027-03-01T09:00:00.123456Z"),
        ("2027-03-01T09:00-00:00", "2027-03-01T09:00:00Z"),
    ],
)
def test_short_and_long_forms(text: str, same: str) -> None:
    """Seconds may be left out, digits beyond the sixth are cut, small letters and a blank are read."""
    assert kt.parse_moment(text) == kt.parse_moment(same)


@pytest.mark.parametrize(
    "text",
    [
        *("", "2027", "2027-03-01", "2027-03-01T09:00:00", "2027-03-01T09Z", "20270301T090000Z", "2027-W09-1T09:00Z"),
        *("2027-02-29T00:00Z", "2027-13-01T00:00Z", "0000-01-01T00:00Z", "2027-03-01T24:00Z", "2027-03-01T09:60Z"),
        *("2027-03-01T23:59:60Z", "2027-03-01T09:00:00.Z", "2027-03-01T09:00:00.1234567890Z", "2027-03-01T09:00:00,5Z"),
        *(
            "2027-03-01T09:00+05:75",
            "2027-03-01T09:00+24:00",
            "2027-03-01T09:00+1:00",
            "2027-03-01T09:00 Z",
            "-1",
            "now",
        ),
        *(
            "٢٠٢٧-03-01T10:00Z",
            "2027-03-01T10:00:00.٣Z",
            " 2027-03-01T09:00Z",
            "2027-03-01T09:00Z\n",
            "2027-03-01T09:00Z\0",
        ),
        *("0001-01-01T00:00+23:59", "9999-12-31T23:59:59-12:00", "1" * 10_000),
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    """Anything else is InputError bad_moment with a mend, never another exception."""
    with pytest.raises(InputError) as caught:
        kt.parse_moment(text)
    assert caught.value.code == "bad_moment"
    assert caught.value.mend


@given(st.text(max_size=40) | st.from_regex(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)", fullmatch=True))
def test_any_text_is_a_moment_or_refused(text: str) -> None:
    """No text makes parse_moment raise anything but InputError, and what it reads can be written."""
    try:
        at = kt.parse_moment(text)
    except InputError:
        return
    assert kt.parse_moment(kt.format_moment(at)) == at


def test_moments_beyond_the_calendar_are_input_errors() -> None:
    """Arithmetic that leaves the years 1 to 9999 is a refusal with a code, not an OverflowError."""
    last = kt.parse_moment("9999-12-31T20:00:00Z")
    for call in (
        lambda: kt.to_datetime(10**18),
        lambda: kt.format_moment(-(10**18)),
        lambda: kt.local(last, "Pacific/Kiritimati"),
        lambda: kt.start_of_day(date(1, 1, 1), "Asia/Tokyo"),
        lambda: kt.shift(last, kt.parse_duration("2d"), "UTC"),
        lambda: kt.shift(last, kt.parse_duration("1mo"), "UTC"),
    ):
        with pytest.raises(InputError):
            call()
    assert kt.BEFORE_ALL < kt.EARLIEST < kt.LATEST
    assert kt.to_datetime(kt.BEFORE_ALL).year > 1
    assert kt.format_moment(kt.LATEST) == "2200-01-01T00:00:00Z"


UNITS = {"y": (12, 0, 0), "mo": (1, 0, 0), "w": (0, 7, 0), "d": (0, 1, 0)}
UNITS |= {"h": (0, 0, 3_600_000_000), "m": (0, 0, 60_000_000), "s": (0, 0, 1_000_000)}


@given(st.lists(st.integers(0, 999), min_size=7, max_size=7), st.integers(1, 127))
def test_durations_add_up(amounts: list[int], chosen: int) -> None:
    """Any choice of units, largest first, is the sum of its parts."""
    parts = [(n, unit) for i, (n, unit) in enumerate(zip(amounts, UNITS, strict=True)) if chosen >> i & 1]
    found = kt.parse_duration("".join(f"{n}{unit}" for n, unit in parts))
    months, days, micros = (sum(n * UNITS[unit][axis] for n, unit in parts) for axis in range(3))
    assert (found.months, found.days, found.micros) == (months, days, micros)
    if months == 0:
        assert found.exact() == days * kt.DAY + micros


@pytest.mark.parametrize(
    "text",
    [
        "",
        "d",
        "5",
        "5 d",
        "-1d",
        "1.5h",
        "1h1d",
        "1d1d",
        "1m1mo",
        "1D",
        "٣d",
        "1234567d",
        "1001y",
        "400000d",
        "1d ",
        "1d\n",
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Wrong order, repeated units, signs, fractions, other digits and absurd lengths are InputError bad_duration."""
    with pytest.raises(InputError) as caught:
        kt.parse_duration(text)
    assert caught.value.code == "bad_duration"


def test_months_have_no_exact_length() -> None:
    """A window in months is refused with its own code."""
    with pytest.raises(InputError) as caught:
        kt.parse_duration("1mo").exact()
    assert caught.value.code == "months_in_window"


@given(st.dates(date(1900, 1, 1), date(2200, 1, 1)), st.integers(-600, 600))
def test_months_are_clamped_to_their_end(day: date, months: int) -> None:
    """Month arithmetic equals a count of months with the day cut to the length of the month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    assert kt.add_months(day, months) == date(year, month + 1, min(day.day, last))


@given(st.text(max_size=30) | st.sampled_from(["Europe", "../etc", "a\0b", "Europe//Berlin", "x" * 5_000, "\ud800"]))
def test_any_text_is_a_zone_or_refused(name: str) -> None:
    """No name makes zone() raise anything but InputError unknown_zone."""
    if name in KNOWN:
        assert kt.zone(name).key == name
    else:
        with pytest.raises(InputError, match="unknown time zone"):
            kt.zone(name)
