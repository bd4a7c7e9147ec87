"""Living on after the year: dense, deterministic, without gaps or doubles."""

from __future__ import annotations

import itertools

import pytest

from einklang.kernel.time import HOUR, MINUTE, SECOND, parse_moment
from einklang.sim.live import Stream, live
from einklang.sim.response import Sent
from einklang.sim.world import World

START = parse_moment("2025-01-01T12:00:00+01:00")


@pytest.fixture(scope="module")
def world() -> World:
    """A small world."""
    return World(seed=9, persons=400, start=START, days=60)


def test_there_is_a_call_every_two_seconds_and_an_order_every_thirty(world: World) -> None:
    """Over an hour no two calls are more than 2 s apart, no two orders of customers more than 30 s."""
    now, calls = world.end, []
    for _ in range(60):
        calls += live(world, now + MINUTE, now)
        now += MINUTE
    stamps = [parse_moment(call["timestamp"]) for call in calls]
    orders = [
        parse_moment(call["timestamp"]) for call in calls if call.get("event") == "Order Completed" and call["userId"]
    ]
    assert max(b - a for a, b in itertools.pairwise(stamps)) <= 2 * SECOND
    assert max(b - a for a, b in itertools.pairwise(orders)) <= 30 * SECOND
    assert stamps == sorted(stamps)
    assert len({call["messageId"] for call in calls}) == len(calls)


def test_cutting_the_time_changes_nothing(world: World) -> None:
    """Asked every 700 ms or once a minute, the same calls come, each once."""
    begin = world.end + 3 * HOUR
    whole = live(world, begin + MINUTE, begin)
    pieces = [
        call
        for n in range(0, 60_000, 700)
        for call in live(world, min(begin + (n + 700) * 1000, begin + MINUTE), begin + n * 1000)
    ]
    assert pieces == whole


def test_a_long_gap_is_not_filled(world: World) -> None:
    """After a night of sleep only the last five minutes come."""
    calls = live(world, world.end + 10 * HOUR, world.end)
    assert parse_moment(calls[0]["timestamp"]) > world.end + 10 * HOUR - 5 * MINUTE
    assert len(calls) == 180


def test_all_touchpoints_and_anonymous_visitors_take_part(world: World) -> None:
    """Five minutes show web, app and store, signed-in people and anonymous ones."""
    calls = live(world, world.end + 5 * MINUTE, world.end)
    assert {call["context"]["touchpoint"] for call in calls} == {"web", "app", "store"}
    assert any(not call.get("userId") for call in calls)


def test_the_stream_adds_reactions_when_they_are_due(world: World) -> None:
    """Reactions to what was sent come once, in time order, not before their time."""
    people = [world.crowd.user_id(n) for n in range(world.persons) if world.crowd.shows[n]]
    sent = [Sent(user, "thanks", "mail", f"m_{user}", world.end) for user in people]
    stream, now, seen = Stream(world, world.end), world.end, []
    for minute in range(20):
        now += MINUTE
        calls = stream.due(now, sent if minute == 0 else ())
        stamps = [parse_moment(call["timestamp"]) for call in calls]
        assert stamps == sorted(stamps)
        assert now - MINUTE < stamps[0] <= stamps[-1] <= now
        seen += [call["messageId"] for call in calls if call["context"]["touchpoint"] == "email"]
    assert len(set(seen)) == len(seen) > 10
