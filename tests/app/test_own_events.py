"""What the engine says of itself is history like any other: merges are seen, and what feeds itself ends."""

from __future__ import annotations

from pathlib import Path

from einklang.event import EngineCall
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake
from tests.app.test_rebuild import differences
from tests.app.test_wakes import MESSAGE, track
from tests.app.worlds import DAY, HOUR, START, append, home, run

MERGED = (
    MESSAGE
    + """
{kind: segment, id: joined, where: 'events("Person Merged").exists() && events("Journey Left").exists()'}
---
{kind: journey, id: long, entry: {event: Page Viewed}, steps: [{id: w, wait: 30d}]}
---
{kind: journey, id: after, entry: {event: Journey Left, reenter: never}, steps: [{id: w, wait: 30d}]}
"""
)
#: A segment about its own events, and two journeys that enter by what the other does.
CIRCLES = """
{kind: segment, id: odd, where: 'events("Segment Entered", "Segment Left").count() % 2 == 0'}
---
{kind: journey, id: here, entry: {event: Page Viewed}, steps: [{id: s, set: {a: 1}}]}
---
{kind: journey, id: ping, entry: {event: [Product Added, Segment Entered, Segment Left], reenter: always, at_once: 5},
 steps: [{id: s, set: {a: '=events("Segment Left").count()'}}]}
"""


def history_of(book: SqliteBook) -> list[str]:
    """The names in the history of everybody, in order of seq."""
    rows = [row for lane in range(64) for row in book.read("all_history", lane)]
    return [row[6] for row in sorted(rows, key=lambda row: row[2])]


def verdicts_of(book: SqliteBook) -> set[tuple[str, str]]:
    """(journey, reason) of the verdicts."""
    return {(row[5], row[10]) for row in book.read("all_verdict", 0, 10_000)}


def members_of(book: SqliteBook) -> list[str]:
    """Segments that somebody is in."""
    return sorted(row[1] for lane in range(64) for row in book.read("all_member", lane))


def test_a_merge_is_part_of_the_history(tmp_path: Path) -> None:
    """`Person Merged` and the `Journey Left` of the run that gave way are in the history, and conditions see them."""
    with home(MERGED) as book:
        append(book, [track("Page Viewed", START, "u"), track("Page Viewed", START + HOUR, "v")])
        for at, user in ((START + 2 * HOUR, "u"), (START + 3 * HOUR, "v")):
            append(book, [EngineCall("identify", userId=user, messageId=f"i{user}", at=at)])
        alias = EngineCall("alias", userId="u", messageId="a", at=START + 4 * HOUR)
        alias.previousId = "v"
        append(book, [alias])
        run(book, until=START + DAY)
        assert history_of(book).count("Person Merged") == 1
        assert history_of(book).count("Journey Left") == 1
        assert members_of(book) == ["joined"]
        assert [row[2] for lane in range(64) for row in book.read("all_run", lane)].count("after") == 1
        assert differences(book, Lake(tmp_path), batch=2) == []


def test_what_feeds_itself_ends_and_nothing_is_lost(tmp_path: Path) -> None:
    """An event that would go on for ever at one moment is folded; the journey's runs end, the reason is `circle`."""
    with home(CIRCLES) as book:
        append(book, [track("Product Added", START), track("Page Viewed", START + HOUR)])
        run(book, until=START + DAY)
        assert book.read("dead_count")[0][0] == 0
        names = history_of(book)
        assert names.count("Product Added") == names.count("Page Viewed") == 1
        assert len(names) < 3_000
        assert ("ping", "circle") in verdicts_of(book)
        entered = [row[2] for lane in range(64) for row in book.read("all_run", lane)]
        assert entered.count("here") == 1
        assert differences(book, Lake(tmp_path), batch=1) == []
