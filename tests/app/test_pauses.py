"""What fell due while a journey was paused follows its `overdue` rule, exactly as after a standstill (invariant 21)."""

from __future__ import annotations

from pathlib import Path

import pytest

from einklang.app.apply import apply
from einklang.app.run import settle_definitions
from einklang.app.sources import LiveSource
from einklang.app.yaml import parse_text
from einklang.kernel import time
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake
from tests.app.test_rebuild import differences
from tests.app.test_wakes import MESSAGE, permitted, sent_at, track
from tests.app.worlds import DAY, HOUR, START, append, documents, engine_of, home, run

STEPS = {
    "span": "{id: w, wait: 2h}, {id: c, contact: news}",
    "date": """{id: w, wait: {until: 'timestamp(trait.fair)'}, then: c, else: past}, {id: c, contact: news, then: end},
      {id: past, set: {missed: 1}}""",
    "patience": """{id: w, until: 'events("Paid").exists()', at_most: 2h, then: end, else: c},
      {id: c, contact: news}""",
    "holds": """{id: w, until: '!events("Page Viewed").within("2h").exists()', at_most: 20d, then: c, else: end},
      {id: c, contact: news}""",
}


def definitions(kind: str, rule: str, state: str = "live") -> str:
    """A journey whose step falls due two hours after entry."""
    return (
        MESSAGE
        + "{kind: trait, id: fair, type: string}\n---\n"
        + f"kind: journey\nid: j\nstate: {state}\noverdue: {rule}\n"
        + f"entry: {{event: Page Viewed}}\nsteps: [{STEPS[kind]}]\n"
    )


def step(book: SqliteBook, kind: str, rule: str, state: str, until: int, *, sizes: tuple[int, ...] = (5_000,)) -> None:
    """The journey is in this state from now on; time goes on to `until`."""
    apply(book, list(documents(definitions(kind, rule, state))), now=START)
    settle_definitions(book, engine_of(book))
    run(book, sizes, until=until)


@pytest.mark.parametrize(
    ("kind", "rule", "hours"),
    [
        ("span", "shift", [11.0]),  # two hours of waiting and nine of pause
        ("span", "skip", []),
        ("span", "send", [10.0]),
        ("date", "shift", []),  # it is past: `else`
        ("date", "send", [10.0]),
        ("patience", "shift", [11.0]),
        ("patience", "skip", []),
        ("patience", "send", [10.0]),
        ("holds", "shift", [10.0]),  # a condition is no wait: it is asked when the journey goes on
        ("holds", "send", [10.0]),
    ],
)
def test_what_fell_due_in_a_pause_follows_the_rule(kind: str, rule: str, hours: list[float], tmp_path: Path) -> None:
    """Entered at 0, due at 2, paused from 1 to 10: mailed when the rule says, and a rebuild says the same."""
    with home(definitions(kind, rule)) as book:
        fair = track("Fair Planned", START)
        fair.type, fair.event, fair.traits = "identify", None, {"fair": time.format_moment(START + 2 * HOUR)}
        append(book, [*permitted(), fair, track("Page Viewed", START)])
        run(book, until=START + HOUR)
        step(book, kind, rule, "paused", START + 10 * HOUR)
        assert sent_at(book) == []
        step(book, kind, rule, "live", START + 3 * DAY, sizes=(1, 3))
        assert sent_at(book) == hours
        assert differences(book, Lake(tmp_path), batch=2) == []


def test_a_resume_sends_no_burst() -> None:
    """People who entered one after the other are mailed one after the other, as far apart as without the pause."""
    with home(definitions("span", "shift")) as book:
        for number in range(4):
            user = f"u{number}"
            told = permitted()
            for call in told:
                call.userId, call.messageId = user, f"{call.messageId}-{user}"
                call.traits = {"email": f"{user}@example.org"} if call.type == "identify" else call.traits
                if call.properties:
                    call.properties["address"] = f"{user}@example.org"
            append(book, [*told, track("Page Viewed", START + number * HOUR // 4, user)])
        run(book, until=START + HOUR)
        step(book, "span", "shift", "paused", START + 10 * HOUR)
        step(book, "span", "shift", "live", START + 3 * DAY)
        assert sent_at(book) == [11.0, 11.25, 11.5, 11.75]


def test_a_pause_of_a_quiet_server_lasts_as_long_as_it_lasted() -> None:
    """Where nothing else happens, definitions come when they were applied, not when something last happened."""
    with home(definitions("span", "shift")) as book:
        engine, source = engine_of(book), LiveSource()

        def at(hour: int, state: str | None = None) -> None:
            source.now = START + hour * HOUR
            if state is not None:
                apply(book, parse_text(definitions("span", "shift", state), "t.yaml"), now=source.now)
            while engine.step(source, 100):
                pass

        at(0)
        append(book, [*permitted(), track("Page Viewed", START)], received_at=START)
        at(0)
        at(1, "paused")
        at(9)
        at(10, "live")
        assert waiting(book) == 0
        at(12)
        assert waiting(book) == 1


def waiting(book: SqliteBook) -> int:
    """How many messages are ready."""
    return len(book.read("outbox_ready", START + DAY, 10))


def test_definitions_before_all_else_have_the_moment_of_their_application(tmp_path: Path) -> None:
    """Time does not begin with them: events of long ago come at their own time, and a rebuild is equal."""
    with home("{kind: trait, id: vip, type: bool}") as book:
        append(book, [track("Page Viewed", START - 90 * DAY)])
        run(book, until=START)
        clocks = [(row[6], row[1]) for row in book.read("all_entry", 0, 100)]
        assert clocks[0] == ("Definition Changed", START)
        assert clocks[2] == ("Page Viewed", START - 90 * DAY)
        assert book.read("counter_value", "clock")[0][0] == START
        assert differences(book, Lake(tmp_path), batch=1) == []
