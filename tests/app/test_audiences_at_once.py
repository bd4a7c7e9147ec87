"""Lists, samples, stages and segments of all of these, while everything happens to a home: members are who they are for
a reader of the history, now and then, live and by plan, and who enters or leaves is told once.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from einklang.app import apply as applying
from einklang.app import lists, queries_stages
from einklang.app.imports import Table
from einklang.app.yaml import parse_text
from einklang.kernel.errors import EinklangError
from tests.app import audiences
from tests.app import test_everything_at_once as everything
from tests.app.dice import Random
from tests.app.test_rebuild import differences, reading
from tests.app.worlds import HOUR, START, home


class Life(everything.Life):
    """A home with audiences of every kind."""

    def goes_on(self) -> None:
        """Lists change too."""
        if self.random.random() < 0.05:
            with suppress(EinklangError):
                self.listing()
        super().goes_on()

    def define(self) -> None:
        """Another definition."""
        text = self.random.choice((*everything.CHANGES, *audiences.CHANGES))
        applying.apply(self.book, parse_text(text, "changes.yaml"), now=self.now)

    def listing(self) -> None:
        """A list is uploaded, changed, replaced, or another segment frozen onto it; staff note a stage."""
        random, kind = self.random, self.random.random()
        said: dict[str, Any] = {"by": "staff:t", "now": self.now}
        known = applying.in_force(self.book)
        if kind < 0.2:
            name = random.choice(("decide", ""))
            queries_stages.note(self.book, known, self.person(), "need", name, "said so", actor="staff:t", now=self.now)
        elif kind < 0.35:
            source = random.choice(("buyers", "some", "rest", "picked"))
            people = lists.members_now(self.book, known, source)
            lists.freeze(self.book, source, random.choice(("kept", "picked")), people, title=None, **said)
        else:
            rows = [(n + 1, {"person": self.person()}) for n in range(random.randint(1, 4))]
            action = random.choice(("add", "add", "remove", "replace"))
            said |= {"action": action, "create": random.random() < 0.3, "refused": lambda *_: None}
            lists.upload(
                self.book, random.choice(("picked", "chosen", "kept")), Table(["person"], iter(rows), text=True), **said
            )


#: One that finds plans which ask today's kinds of identifier whose an old event was.
SEEDS = range(1000, 1000 + everything.WORLDS) if everything.WORLDS else (7,)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_members_are_who_they_are_whatever_happens(seed: int, tmp_path: Path) -> None:
    """Live, by plan and person by person at any moment; told once each; and the rebuild is equal."""
    random = Random(seed)
    with home(everything.MORE + audiences.AUDIENCES) as book:
        life = Life(random, book, tmp_path)
        for _ in range(100):
            life.goes_on()
        life.ends()
        past = [START + random.randrange((life.now - START) // HOUR + 1) * HOUR]
        assert audiences.told_wrong(book, life.lake) == []
        clock = life.engine.state.clock
        assert audiences.wrong_members(book, life.lake, clock, past, lambda: reading(book)) == []
        assert differences(book, life.lake, batch=random.choice((1, 7, 5_000))) == []
