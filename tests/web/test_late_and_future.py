"""Late and future events: what happened long ago is history, what claims to be of the future happened now."""

from __future__ import annotations

from typing import Any

import pytest

from einklang.app.apply import Body
from einklang.app.definitions import compile_all
from einklang.app.run import expand_pending
from einklang.app.sources import RunSource
from einklang.app.state import State
from einklang.app.working import from_json
from einklang.event import EngineCall, body_of
from einklang.kernel.ids import lane_of
from einklang.kernel.time import DAY, HOUR, SECOND, parse_moment
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake
from einklang.testing.rebuild import findings, inputs_of, rebuilt
from tests.web.homes import BASE, LINK_KEY, NOW, SALT, Home, call

FAR = "2090-01-01T00:00:00.000Z"


def traits(home: Home, user: str = "u-1") -> dict[str, Any]:
    """Name -> value of what is known of a user."""
    person = home.book.read("identifier_get", "userId", user)[0][0]
    state = from_json(home.book.read("person_get", lane_of(person), person)[0][0])
    return {name: trait[0] for name, trait in state["traits"].items()}


def entries(home: Home) -> list[tuple[Any, ...]]:
    """(message id, at, context) of the log, in order of seq, ticks left out."""
    return [(row[7], row[2], row[14]) for row in home.book.read("all_entry", 0, 1_000) if row[5] != "tick"]


def assert_rebuilds(home: Home, tmp_path: Any) -> None:
    """The rebuild from the log gives the state."""

    def state_of(_: SqliteBook) -> State:
        channels = frozenset({"email"})
        return State(SALT, compile_all({}, {}), link_key=LINK_KEY, base_url=BASE, channels=channels)

    lake = Lake(tmp_path / "lake")
    with home.book.snapshot() as reader, rebuilt(inputs_of(reader, lake), SALT.hex(), state_of) as again:
        assert findings(reader, lake, again) == []


@pytest.mark.parametrize(
    "claim", [{"timestamp": FAR}, {"originalTimestamp": FAR}, {"timestamp": FAR, "sentAt": "2027"}]
)
def test_a_claim_of_the_future_pins_nothing(home: Home, claim: dict[str, str]) -> None:
    """It counts from its receipt, the claim stays in the context, and what comes later wins."""
    claim = {name: "2027-03-01T00:00:00Z" if value == "2027" else value for name, value in claim.items()}
    home.track(call("identify", messageId="m-1", traits={"name": "Old", "vip": True}, **claim))
    home.tick(after=SECOND)
    assert traits(home) == {"name": "Old", "vip": True}
    home.track(call("identify", messageId="m-2", traits={"name": "New"}))
    home.tick(after=SECOND)
    assert traits(home) == {"name": "New", "vip": True}
    first, second = entries(home)
    assert (first[:2], second[:2]) == (("m-1", NOW), ("m-2", NOW + SECOND))
    assert parse_moment(from_json(first[2])["claimedAt"]) >= parse_moment(FAR)
    assert "claimedAt" not in from_json(second[2])


def test_a_sign_in_of_the_future_does_not_keep_the_device(home: Home) -> None:
    """Who signs in on the device afterwards gets what happens on it."""
    home.track(call("identify", userId="eve", anonymousId="d", timestamp=FAR, messageId="m-1"))
    home.tick(after=SECOND)
    home.track(call("identify", userId="ada", anonymousId="d", messageId="m-2"))
    home.tick(after=SECOND)
    home.track(call(userId=None, anonymousId="d", messageId="m-3"))
    home.tick(after=SECOND)
    ada = home.book.read("identifier_get", "userId", "ada")[0][0]
    assert [row[11] for row in home.book.read("all_entry", 0, 100) if row[7] == "m-3"] == [ada]


def test_history_is_taken_whatever_its_age(home: Home) -> None:
    """Times since 1970 are kept as claimed and folded where they belong: an old value never covers a newer one."""
    home.track(call("identify", messageId="m-1", traits={"name": "New"}))
    home.tick(after=SECOND)
    old = {"name": "Old", "city": "Jena"}
    home.track(call("identify", messageId="m-2", traits=old, timestamp="1970-01-01T00:00:00Z"))
    home.tick(after=SECOND)
    assert traits(home) == {"name": "New", "city": "Jena"}
    assert [row[:2] for row in entries(home)] == [("m-1", NOW), ("m-2", 0)]


def planned(home: Home, *, at: int, message: str, name: str) -> None:
    """An import of something that is yet to happen."""
    said = EngineCall(type="identify", userId="u-1", traits={"name": name}, messageId=message, at=at)
    home.book.append([Body(1, home.time, "file", "import", body_of([said]))])


def test_what_an_import_says_of_the_future_waits_for_it(home: Home, tmp_path: Any) -> None:
    """It is pending, the books balance, it counts when its time has come, and the rebuild agrees."""
    planned(home, at=NOW + DAY, message="m-2", name="Planned")
    home.track(call("identify", messageId="m-1", traits={"name": "Now"}))
    home.tick(after=SECOND)
    counted = dict(home.book.read("counters"))
    assert (traits(home), home.book.read("entry_pending_count")) == ({"name": "Now"}, [(1,)])
    assert (counted["in_log"], counted["projected"], counted["accepted"]) == (2, 1, 2)
    home.tick(after=DAY - 2 * SECOND)
    assert traits(home) == {"name": "Now"}
    home.tick(after=SECOND)
    assert (traits(home), home.book.read("entry_pending_count")) == ({"name": "Planned"}, [(0,)])
    assert [row[:2] for row in entries(home)] == [("m-1", NOW), ("m-2", NOW + DAY)]
    assert_rebuilds(home, tmp_path)


def test_what_came_due_meanwhile_stands_in_order(home: Home) -> None:
    """Pending and fresh entries of one tick are folded in the order of their moments."""
    planned(home, at=NOW + HOUR, message="m-2", name="Planned")
    home.tick(after=SECOND)
    home.time = NOW + 2 * HOUR
    home.track(call("identify", messageId="m-3", traits={"name": "After"}))
    home.tick(after=SECOND)
    assert [row[0] for row in entries(home)] == ["m-2", "m-3"]
    assert traits(home) == {"name": "After"}


def test_run_leaves_entries_after_its_end_pending(home: Home) -> None:
    """An import of the future stays pending under `run --until`; a live server takes it on when it is due."""
    planned(home, at=NOW - HOUR, message="m-1", name="Past")
    planned(home, at=NOW + HOUR, message="m-2", name="Planned")
    engine = home.engine()
    expand_pending(home.book, version="test")
    source = RunSource(NOW, "run")
    while not source.finished:
        engine.step(source, 100)
    assert (traits(home), home.book.read("entry_pending_count")) == ({"name": "Past"}, [(1,)])
    home.tick(after=2 * HOUR)
    assert traits(home) == {"name": "Planned"}


def test_a_retry_with_the_user_of_later_is_the_same_event(home: Home) -> None:
    """analytics.js sends a call again with whoever has signed in meanwhile: still one event, and no conflict."""
    first = {"type": "track", "event": "Viewed", "anonymousId": "d", "messageId": "m-1", "timestamp": "2027-01-01"}
    home.track(first, {**first, "messageId": "m-2"})
    home.tick(after=SECOND)
    home.track({**first, "messageId": "m-2", "userId": "ada"}, {**first, "userId": "ada"})
    home.track({**first, "userId": "ada"}, {**first, "userId": "ada", "properties": {"other": True}})
    home.tick(after=SECOND)
    counted = dict(home.book.read("counters"))
    assert [row[0] for row in entries(home)] == ["m-1", "m-2"]
    assert (counted["duplicates"], counted["dead_letters"]) == (3, 1), "another body is a conflict as ever"
