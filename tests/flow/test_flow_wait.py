"""Waits on the calendar of a zone, against readings of the wall clock made in another way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from einklang.flow.compile import WEEKDAYS
from einklang.kernel import time
from tests.flow.journeys import T0, Player, Seen, event, journey

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kolkata", "UTC")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Days around which clocks change in one of the zones, and one on which none does.
DAYS = ("2026-03-08", "2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25", "2026-11-01", "2026-06-10", "2018-11-04")


def local(at: int, zone: str) -> datetime:
    """The naive wall clock."""
    return (EPOCH + timedelta(microseconds=at)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def resolve(wall: datetime, zone: str) -> int:
    """Every offset of the days around is tried; the first moment that reads so, else the offset of the day before."""
    here = wall.replace(tzinfo=UTC)
    offsets = {
        (here + timedelta(hours=h)).astimezone(ZoneInfo(zone)).utcoffset() or timedelta() for h in range(-36, 37, 6)
    }
    found = [(here - offset - EPOCH) // timedelta(microseconds=1) for offset in offsets]
    fitting = [at for at in found if local(at, zone) == wall]
    if fitting:
        return min(fitting)
    before = (here - timedelta(hours=24)).astimezone(ZoneInfo(zone)).utcoffset() or timedelta()
    return (here - before - EPOCH) // timedelta(microseconds=1)


def expected(start: int, zone: str, at: list[str], days: list[str]) -> int:
    """The first allowed moment: all of the next 16 days are written down and the smallest is taken."""
    if not at and not days:
        return start
    found = []
    first = local(start, zone).date()
    for ahead in range(-1 if at else 0, 16):
        day = first + timedelta(days=ahead)
        if days and WEEKDAYS[day.weekday()] not in days:
            continue
        for text in at or ["00:00"]:
            wall = datetime(day.year, day.month, day.day) + timedelta(hours=int(text[:2]), minutes=int(text[3:]))
            moment = resolve(wall, zone)
            found.append(moment if at else max(moment, start))
    return min(moment for moment in found if moment >= start)


def waited(wait: object, start: int, zone: str) -> int | None:
    """When a run that arrives at `start` leaves the wait."""
    player = Player(journey([{"id": "w", "wait": wait}]), Seen(now=start, zone=zone))
    return player.run.due if player.run.status == "active" else player.run.steps["w"].at


@given(
    zone=st.sampled_from(ZONES),
    day=st.sampled_from(DAYS),
    minute=st.integers(-30 * 60, 30 * 60),
    at=st.lists(
        st.sampled_from(["00:00", "00:30", "02:00", "02:30", "03:00", "09:00", "24:00"]), unique=True, max_size=3
    ),
    days=st.lists(st.sampled_from(WEEKDAYS), unique=True, max_size=3),
    length=st.sampled_from([None, "90m", "1d", "2d12h", "1w", "1mo", "36h"]),
)
def test_waits_end_where_the_calendar_says(
    zone: str, day: str, minute: int, at: list[str], days: list[str], length: str | None
) -> None:
    """Arrival + duration on the calendar (hours exact, days by the wall clock), then forward to what is allowed."""
    if length is None and not at and not days:
        return
    start = time.parse_moment(f"{day}T00:00:00Z") + minute * time.MINUTE
    after = start
    if length is not None:
        span = {
            "90m": (0, 0, 90),
            "1d": (0, 1, 0),
            "2d12h": (0, 2, 720),
            "1w": (0, 7, 0),
            "1mo": (1, 0, 0),
            "36h": (0, 0, 2160),
        }
        months, whole, minutes = span[length]
        wall = local(start, zone)
        if months:
            month = wall.month % 12 + 1
            last = (datetime(wall.year, month, 28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
            wall = wall.replace(year=wall.year + wall.month // 12, month=month, day=min(wall.day, last.day))
        if months or whole:
            after = resolve(wall + timedelta(days=whole), zone)
        after += minutes * time.MINUTE
    wait: dict[str, object] = {"at": at, "days": days}
    if length is not None:
        wait["for"] = length
    assert waited(wait, start, zone) == expected(after, zone, at, days)


@pytest.mark.parametrize(
    ("wait", "start", "end"),
    [
        # spring forward in Berlin: 02:30 does not exist, read with the offset before it: 03:30 summer time
        ({"at": "02:30"}, "2026-03-28T12:00:00+01:00", "2026-03-29T03:30:00+02:00"),
        ({"at": ["02:30", "03:00"]}, "2026-03-29T00:00:00+01:00", "2026-03-29T03:00:00+02:00"),
        # a day later is the same wall clock, 23 or 25 hours later; 24 hours are elapsed
        ("1d", "2026-03-28T12:00:00+01:00", "2026-03-29T12:00:00+02:00"),
        ("24h", "2026-03-28T12:00:00+01:00", "2026-03-29T13:00:00+02:00"),
        ("1d", "2026-10-24T12:00:00+02:00", "2026-10-25T12:00:00+01:00"),
        # 02:30 comes twice: the first
        ({"at": "02:30"}, "2026-10-25T00:00:00+02:00", "2026-10-25T02:30:00+02:00"),
        # between the two, the next is the one of the day after
        ({"at": "02:30"}, "2026-10-25T02:00:00+01:00", "2026-10-26T02:30:00+01:00"),
        # exactly at the time of day it is over at once
        ({"at": "12:00"}, "2026-06-10T12:00:00+02:00", "2026-06-10T12:00:00+02:00"),
        ({"days": ["WED"]}, "2026-06-10T12:00:00+02:00", "2026-06-10T12:00:00+02:00"),
        ({"days": ["THU"]}, "2026-06-10T12:00:00+02:00", "2026-06-11T00:00:00+02:00"),
        ({"for": "1mo"}, "2026-01-31T12:00:00+01:00", "2026-02-28T12:00:00+01:00"),
    ],
)
def test_waits_in_berlin(wait: object, start: str, end: str) -> None:
    """Cases written down by hand."""
    assert waited(wait, time.parse_moment(start), "Europe/Berlin") == time.parse_moment(end)


@pytest.mark.parametrize(("zone", "hour"), [(None, 7), ("UTC", 9), ("policy", 13), ("person", 7), ("Asia/Tokyo", 0)])
def test_the_zone_of_a_wait(zone: str | None, hour: int) -> None:
    """Its own, also one without a slash; the person's; the policy's; left out.

    That of the journey (here the person's).
    """
    start = time.parse_moment("2026-06-09T23:00:00Z")
    wait = {"at": "09:00"} | ({"zone": zone} if zone else {})
    made = journey([{"id": "w", "wait": wait}], policy_zone="America/New_York")
    player = Player(made, Seen(now=start, zone="Europe/Berlin"))
    assert player.run.due == time.parse_moment(f"2026-06-10T{hour:02}:00:00Z")


UNTIL = [
    {"id": "w", "wait": {"until": "timestamp(trait.at)"}, "then": "good", "else": "bad"},
    {"id": "good", "assign": {"came": True}, "then": "end"},
    {"id": "bad", "assign": {"came": False}},
]


@pytest.mark.parametrize(
    ("at", "came"),
    [(None, False), ("2026-06-10T11:59:59Z", False), ("2026-06-10T12:00:00Z", True), ("2026-06-12T00:00:00Z", True)],
)
def test_a_wait_until_a_moment(at: str | None, came: bool) -> None:
    """In the past or missing it takes `else` at once.

    Now or later it waits and takes `then` when the clock gets there.
    """
    player = Player(journey(UNTIL), Seen(traits={"at": at}))
    if at == "2026-06-12T00:00:00Z":
        assert player.run.due == time.parse_moment(at)
        player.until(time.parse_moment(at))
    assert player.run.vars == {"came": came}


@pytest.mark.parametrize(
    ("moved", "came"), [("2026-06-10T13:00:00Z", False), ("2026-06-20T00:00:00Z", True), (None, False)]
)
def test_a_moment_that_moves_is_looked_at_again(moved: str | None, came: bool) -> None:
    """Moved into the past or taken away: `else`; moved on: it waits for the new one."""
    player = Player(journey(UNTIL), Seen(traits={"at": "2026-06-12T00:00:00Z"}))
    player.view.traits["at"] = moved
    player.happen("Changed", T0 + 2 * time.HOUR)
    player.until(T0 + 30 * time.DAY)
    assert player.run.vars == {"came": came}


def test_a_moment_that_is_worked_off_late_still_came() -> None:
    """After a standstill the wait takes `then`: it was waited for, and the clock has passed it."""
    player = Player(journey(UNTIL), Seen(traits={"at": "2026-06-12T00:00:00Z"}))
    player.view.now = time.parse_moment("2026-06-13T00:00:00Z")
    player._advance(timer=True)
    assert player.run.vars == {"came": True}


def test_a_date_is_its_first_moment_in_the_zone() -> None:
    """A wait until a date ends at midnight there."""
    steps = [{"id": "w", "wait": {"until": "date(trait.day)"}, "else": "end"}]
    player = Player(journey(steps), Seen(zone="Asia/Tokyo", traits={"day": "2026-06-14"}))
    assert player.run.due == time.parse_moment("2026-06-13T15:00:00Z")
    assert event("x", 1).at == 1
