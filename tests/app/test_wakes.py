"""Nothing that waits is forgotten or late: paused and held runs, definitions when something is due."""

from __future__ import annotations

from pathlib import Path

import pytest

from einklang.app.apply import apply
from einklang.app.counts import journey_counts
from einklang.app.course import Course
from einklang.app.run import settle_definitions
from einklang.app.sources import LiveSource
from einklang.event import EngineCall
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake
from tests.app.test_rebuild import differences
from tests.app.worlds import DAY, HOUR, START, append, documents, engine_of, home, run

MESSAGE = """
{kind: message, id: news, purpose: marketing, class: marketing, email: {subject: Hi, text: "x"}}
---
"""
CALM = (
    MESSAGE
    + """
{kind: journey, id: calm, state: live, entry: {event: Page Viewed}, steps: [{id: w, wait: 1h}, {id: c, contact: news}]}
"""
)
HELD = (
    MESSAGE
    + """
{kind: policy, id: default, patience: 5d,
 hold: [{when: 'events("Case Opened").count() > events("Case Closed").count()', reason: case}]}
---
{kind: journey, id: held, entry: {event: Page Viewed}, steps: [{id: c, contact: news}]}
"""
)
HOURLY = """
{kind: segment, id: here, where: 'events("Page Viewed").within("1h").exists()'}
"""


def track(name: str, at: int, user: str = "u", **properties: str) -> EngineCall:
    """A call of a person."""
    call = EngineCall("track", name, userId=user, messageId=f"{name}-{at}-{user}")
    call.at, call.properties = at, dict(properties)
    return call


def page(at: int) -> EngineCall:
    """Somebody looks at a page."""
    return EngineCall("page", name="Home", userId="u", messageId=f"page-{at}", at=at)


def permitted(at: int = START) -> list[EngineCall]:
    """Somebody who may be mailed."""
    known = EngineCall("identify", userId="u", messageId="i", at=at, traits={"email": "u@example.org"})
    return [known, track("Consent Given", at, channel="email", purpose="marketing", address="u@example.org")]


def sent_at(book: SqliteBook) -> list[float]:
    """When messages were handed over, in hours since the start."""
    return [(row[10] - START) / HOUR for row in book.read("all_message_log", 0, 100) if row[8] == "sent"]


def test_a_run_goes_on_when_its_journey_is_resumed(tmp_path: Path) -> None:
    """What fell due while the journey was paused is neither worked off then nor forgotten."""
    with home(CALM) as book:
        append(book, [*permitted(), track("Page Viewed", START)])
        run(book, until=START + HOUR // 2)
        for day, state, sent in ((1, "paused", []), (2, "live", [24.5])):
            apply(book, list(documents(CALM.replace("state: live", f"state: {state}"))), now=START)
            settle_definitions(book, engine_of(book))
            run(book, until=START + day * DAY)
            assert sent_at(book) == sent
        assert differences(book, Lake(tmp_path)) == []


def test_a_held_contact_is_asked_for_again_when_an_event_ends_the_hold() -> None:
    """The closed case lets the contact pass at once, not at the end of its patience."""
    with home(HELD) as book:
        append(book, [*permitted(), track("Case Opened", START), track("Page Viewed", START + HOUR)])
        append(book, [track("Case Closed", START + 2 * HOUR)])
        run(book)
        assert sent_at(book) == [2.0]


def definitions_at_an_instant(book: SqliteBook) -> None:
    """Somebody's flip is worked off at the end of a tick of one event; definitions come at the same instant."""
    engine, source = engine_of(book), LiveSource()
    for hour, user in ((1, "u"), (2, "v")):
        append(book, [track("Page Viewed", START + hour * HOUR, user)], received_at=START + hour * HOUR)
        source.now = START + hour * HOUR
        engine.step(source, 1)
        while hour == 1 and engine.step(source, 1):
            pass
    apply(book, list(documents(HOURLY.replace("1h", "2h"))), now=source.now)
    source.now += DAY
    while engine.step(source, 100):
        pass


def test_definitions_come_after_what_was_due_at_their_instant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A rebuild does them in the order of the server. Control: with definitions as any event it does not."""
    with home(HOURLY) as book:
        definitions_at_an_instant(book)
        assert differences(book, Lake(tmp_path)) == []
        monkeypatch.setattr(Course, "_first", lambda course, due, event: due < event.clock)
        assert differences(book, Lake(tmp_path))


INSIDE = """
{kind: segment, id: inside, where: 'inJourney("calm")'}
---
{kind: journey, id: calm, entry: {event: Page Viewed}, steps: [{id: w, wait: 1h}]}
"""
CLICKED = """
{kind: journey, id: started, entry: {event: Message Clicked}, steps: [{id: w, wait: 1h}]}
---
{kind: journey, id: aimed, entry: {event: Page Viewed}, goal: {event: Message Clicked, within: 5d},
 steps: [{id: w, wait: 1h}]}
"""


def test_a_segment_follows_who_is_in_a_journey() -> None:
    """Entering and leaving a journey are looked at like any other change."""
    with home(INSIDE) as book:
        append(book, [track("Other", START), page(START + HOUR)])
        run(book, until=START + HOUR)
        assert [row[1] for lane in range(64) for row in book.read("all_member", lane)] == ["inside"]
        run(book)
        assert [row for lane in range(64) for row in book.read("all_member", lane)] == []


@pytest.mark.parametrize(("machine", "started", "reached"), [(False, 1, 1), (True, 0, 0)])
def test_a_machine_starts_no_journey_and_reaches_no_goal(machine: bool, started: int, reached: int) -> None:
    """A scanner that follows every link of a mail is no customer (invariant 46)."""
    with home(CLICKED) as book:
        click = track("Message Clicked", START + 2 * HOUR, message_id="m_x")
        click.machine = machine
        append(book, [page(START + HOUR), click])
        run(book)
        assert journey_counts(book, "started")["entered"] == started
        assert journey_counts(book, "aimed")["goal"] == reached
