"""A ready message across a pause or a standstill; definitions that change in the middle of a batch (invariant 21)."""

from __future__ import annotations

import asyncio

import pytest

from einklang.app import deliver
from einklang.app.apply import apply
from einklang.app.run import settle_definitions
from einklang.app.sources import LiveSource
from einklang.app.yaml import parse_text
from einklang.channel import Parcel, Receipt, sent
from tests.deliver.post import DAY, DEFINITIONS, HOUR, MINUTE, Memory, Post, post

JOURNEY = DEFINITIONS.split("---\n")[3]
NEWS = DEFINITIONS.split("---\n")[1]


def with_rule(rule: str) -> str:
    """The definitions, `offer` with this rule for what is overdue."""
    return DEFINITIONS.replace("id: offer\n", f"id: offer\noverdue: {rule}\n")


def restart(it: Post, after: int) -> None:
    """The server was away."""
    it.source = LiveSource()
    it.tick(after)


@pytest.mark.parametrize(
    ("rule", "sent_then", "reason"), [("shift", 1, None), ("send", 1, None), ("skip", 0, "overdue")]
)
@pytest.mark.parametrize("pause", [False, True])
def test_a_ready_message_follows_the_rule(rule: str, sent_then: int, reason: str | None, pause: bool) -> None:
    """Two days of stop, twice its patience: it goes out afterwards, or is dropped with the reason overdue."""
    with post(with_rule(rule)) as it:
        it.person()
        it.tell("Product Added", name="Shoe")
        it.tick()
        channel = Memory()
        if pause:
            journey = with_rule(rule).split("---\n")[3]
            it.define(journey.replace("id: offer\n", "id: offer\nstate: paused\n"))
            it.both(channel, HOUR)
            it.both(channel, 2 * DAY)
            assert (channel.got, it.statuses()) == ([], ["ready"])
            it.tell("Other")
            it.tick()  # time goes on, then the journey
            it.define(journey)
            it.both(channel, 2 * MINUTE)
        else:
            restart(it, 2 * DAY)
            it.both(channel, MINUTE)
        assert len(channel.got) == sent_then
        assert it.statuses() == ["sent" if sent_then else "failed"]
        assert it.stage() == ("warm" if sent_then else "cold")
        if reason:
            assert it.reason() == reason


def test_patience_goes_on_after_the_stop() -> None:
    """The stop lengthens the patience, it does not end it: a message that still waits long after it is not sent."""
    with post() as it:
        it.person()
        it.tell("Product Added", name="Shoe")
        it.tick()
        channel = Memory()
        restart(it, 2 * DAY)
        it.both(channel, DAY + HOUR)
        assert (channel.got, it.reason()) == ([], "patience")


def test_a_decision_after_the_stop_is_not_overdue() -> None:
    """What is decided when work goes on is sent, under every rule."""
    with post(with_rule("skip")) as it:
        it.person()
        it.tick()
        restart(it, 2 * DAY)
        it.tell("Product Added", name="Shoe")
        it.tick()
        channel = Memory()
        it.both(channel, MINUTE)
        assert it.statuses() == ["sent"]


def batch(it: Post, change: str, *, worked_off: bool) -> tuple[list[bytes], list[str]]:
    """Nine messages are ready; after the first hand-over definitions change. The bodies, and what became of all."""
    for number in range(9):
        it.person(f"u{number}", f"u{number}@shop.example")
        it.tell("Product Added", f"u{number}", name=f"n{number}")
    it.tick()

    def answer(parcel: Parcel) -> Receipt:
        if not changed:
            changed.append(True)
            apply(it.book, parse_text(change, "more.yaml"), now=it.now)
            if worked_off:
                settle_definitions(it.book, it.engine)
        return sent()

    changed: list[bool] = []
    channel = Memory(answer)
    delivery = it.delivery(channel)
    asyncio.run(delivery.once())
    return [parcel.body for parcel in channel.got], it.statuses()


@pytest.mark.parametrize("worked_off", [False, True])
def test_a_pause_in_the_middle_of_a_batch_stops_the_rest(worked_off: bool) -> None:
    """Only what was being handed over goes out, be the pause in force or merely in the log."""
    with post() as it:
        bodies, statuses = batch(it, JOURNEY.replace("id: offer", "id: offer\nstate: paused"), worked_off=worked_off)
        assert len(bodies) == deliver.AT_ONCE
        assert statuses.count("ready") == 9 - deliver.AT_ONCE


def test_a_message_that_changed_is_made_anew() -> None:
    """Nobody gets the old text once the new one is in force."""
    with post() as it:
        bodies, _ = batch(it, NEWS.replace("News of", "Fresh"), worked_off=True)
        assert all(b"News of" in body for body in bodies[: deliver.AT_ONCE])
        assert all(b"Fresh" in body for body in bodies[deliver.AT_ONCE :])
        channel = Memory()
        it.both(channel, MINUTE)
        assert len(bodies) + len(channel.got) == 9
        assert all(b"Fresh" in parcel.body for parcel in channel.got)


def test_without_the_stamp_the_old_text_goes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: a hand-over that does not look at what is in force sends what somebody took back."""
    monkeypatch.setattr(deliver, "_stamp", lambda reader: 1)
    with post() as it:
        bodies, _ = batch(it, JOURNEY.replace("id: offer", "id: offer\nstate: paused"), worked_off=True)
        assert len(bodies) == 9
