"""A moment asks the segments that what happened can change, and no others."""

from __future__ import annotations

import pytest

from einklang.expr import Condition, View
from tests.app.test_wakes import track
from tests.app.worlds import DAY, START, append, home, run

HUNDRED = "\n---\n".join(
    f'{{kind: segment, id: s{n}, where: \'events("E{n}").within("9d").count() >= 2\'}}' for n in range(99)
)
ABOUT = HUNDRED + "\n---\n{kind: segment, id: about, where: 'segment(\"s7\") && trait.vip != true'}"


def test_one_of_a_hundred_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event asks the one segment that listens to it; one that makes a member asks also what speaks of it."""
    asked: list[object] = []
    traced = Condition.holds_until

    def counting(condition: Condition, view: View) -> tuple[bool, int | None]:
        asked.append(condition)
        return traced(condition, view)

    monkeypatch.setattr(Condition, "holds_until", counting)
    with home(ABOUT) as book:
        counts = []
        for day, name in enumerate(("E0", "E7", "E7", "Other"), 1):
            asked.clear()
            append(book, [track(name, START + day * DAY)])
            run(book, until=START + day * DAY)
            counts.append(len(asked))
    assert counts == [100, 1, 2, 0]
