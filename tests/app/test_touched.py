"""A moment asks the segments that what happened can change, and no others."""

from __future__ import annotations

import pytest

from einklang.expr import Condition, Flips, View
from tests.app.test_wakes import track
from tests.app.worlds import DAY, HOUR, START, append, home, run

HUNDRED = "\n---\n".join(
    f'{{kind: segment, id: s{n}, where: \'events("E{n}").within("9d").count() >= 2\'}}' for n in range(99)
)
ABOUT = HUNDRED + "\n---\n{kind: segment, id: about, where: 'segment(\"s7\") && trait.vip != true'}"


def test_one_of_a_hundred_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event asks the one segment that listens to it; one that makes a member asks also what speaks of it."""
    asked: list[object] = []
    traced = Condition.holds_until

    def counting(condition: Condition, view: View, flips: Flips | None = None) -> tuple[bool, int | None]:
        asked.append(condition)
        return traced(condition, view, flips)

    monkeypatch.setattr(Condition, "holds_until", counting)
    with home(ABOUT) as book:
        counts = []
        for day, name in enumerate(("E0", "E7", "E7", "Other"), 1):
            asked.clear()
            append(book, [track(name, START + day * DAY)])
            run(book, until=START + day * DAY)
            counts.append(len(asked))
    assert counts == [100, 1, 2, 0]


def test_a_late_event_corrects_membership_and_says_so() -> None:
    """Who enters by an event that came after its time is told when that was; who enters in time is told nothing."""
    with home("{kind: segment, id: twice, where: 'events(\"Order Completed\").count() == 2'}") as book:
        for hour, user in ((9, "u"), (12, "u"), (2, "w"), (3, "w")):
            append(book, [track("Order Completed", START + hour * HOUR, user)])
            run(book, until=START + max(hour, 9) * HOUR)
        rows = [row for lane in range(64) for row in book.read("all_history", lane) if row[6] == "Segment Entered"]
    assert sorted(row[14] for row in rows) == [
        '{"segment":"twice","late":"2026-03-20T03:00:00Z"}',
        '{"segment":"twice"}',
    ]
