"""Changed definitions look at everybody in slices; how large these are, and who stops in between, changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from einklang.app.apply import apply
from einklang.app.run import DefinitionSource, settle_definitions
from einklang.app.working import WorkingSet
from einklang.event import EngineCall
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake
from einklang.testing.canonical import canonical_hash
from tests.app.dice import Random
from tests.app.test_rebuild import changed, differences
from tests.app.test_wakes import CALM, track
from tests.app.worlds import DAY, HOUR, START, append, churning_calls, documents, engine_of, home, random_calls, run


def settle(book: SqliteBook, slices: list[int], *, restart: bool) -> None:
    """Put what was applied in force, so many persons a slice, by one process or each slice by another."""
    engine, number = engine_of(book), 0
    while engine.step(DefinitionSource(), slices[number % len(slices)]):
        number += 1
        engine = engine_of(book) if restart else engine


def world(seed: int, slices: list[int], *, restart: bool, folder: Path | None = None) -> str:
    """Three changes of definitions in the midst of a log: the hash of it all."""
    random = Random(seed)
    with home() as book:
        append(book, (churning_calls if seed % 2 else random_calls)(random, 50))
        for day in (4, 7, 11):
            run(book, [7], until=START + day * DAY)
            apply(book, changed(day), now=START + day * DAY)
            settle(book, slices, restart=restart)
        run(book)
        if folder is not None:
            assert differences(book, Lake(folder), batch=2) == []
        return canonical_hash(book, log=True)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_any_slicing_gives_the_same_state(seed: int, tmp_path: Path) -> None:
    """Slices of one, of a few, of all, with restarts in between, and a rebuild in slices of two: one state."""
    expected = world(seed, [5_000], restart=False, folder=tmp_path)
    for slices in ([1], [2, 1], [3]):
        assert world(seed, slices, restart=slices == [2, 1]) == expected


def crowd(book: SqliteBook, count: int) -> None:
    """So many people in a journey that waits."""
    for number in range(count):
        known = EngineCall("identify", userId=f"u{number}", messageId=f"i{number}", at=START)
        append(book, [known, track("Page Viewed", START, f"u{number}")])


def test_slices_are_small_and_nothing_comes_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """No slice writes more persons than it may; events that wait are worked off when all have been looked at."""
    written: list[int] = []
    settled = WorkingSet.settled

    def counting(self: WorkingSet) -> None:
        written.append(len(self.dirty()))
        settled(self)

    with home(CALM) as book:
        crowd(book, 20)
        run(book, until=START + HOUR // 2)
        segment = "{kind: segment, id: known, where: 'person.known'}"
        apply(book, list(documents(segment)), now=START)
        monkeypatch.setattr(WorkingSet, "settled", counting)
        engine = engine_of(book)
        assert engine.step(DefinitionSource(), 6) > 0
        append(book, [track("Other", START + 2 * HOUR, "u0")])
        settle_definitions(book, engine_of(book))
        assert written == [6, 14]
        run(book, [6], until=START + DAY)
        names = [row[6] for row in book.read("all_entry", 0, 1_000)]
        assert names.index("Other") > max(n for n, name in enumerate(names) if name == "Segment Entered")
