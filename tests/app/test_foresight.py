"""What a tick asks at once on a far Book is what it would have asked one by one, and gives the same state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import pytest

from einklang.app import foresight
from einklang.app.ports import Book
from einklang.app.run import expand_pending
from einklang.app.sources import RunSource
from einklang.kernel.errors import EinklangError
from einklang.testing.canonical import canonical_hash, difference
from tests.app.dice import Random
from tests.app.worlds import DAY, START, append, churning_calls, engine_of, home, random_calls, run, with_reactions


class Reading:
    """A snapshot that counts the questions."""

    def __init__(self, reader: Any, asked: Counter[str], *, silent: bool) -> None:
        self._reader, self._asked, self._silent = reader, asked, silent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def read(self, name: str, *params: Any) -> list[Any]:
        """As the Book's."""
        self._asked[name] += 1
        return list(self._reader.read(name, *params))

    def read_each(self, name: str, rows: Sequence[Sequence[Any]]) -> list[Any]:
        """As the Book's; nothing if it is silent."""
        self._asked["at once"] += 1
        found = self._reader.read_each(name, rows)
        return [[] for _ in found] if self._silent else list(found)


class Far:
    """A Book that is far away."""

    def __init__(self, book: Book, *, far: bool, silent: bool = False) -> None:
        self._book, self.far, self._silent = book, far, silent
        self.asked = Counter[str]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._book, name)

    @contextmanager
    def snapshot(self) -> Iterator[Any]:
        """The Book's, counted."""
        with self._book.snapshot() as reader:
            yield Reading(reader, self.asked, silent=self._silent)


def folded(book: Any, calls: Any, sizes: Sequence[int], until: int, *, far: bool, silent: bool = False) -> Counter[str]:
    """Work a log off with an engine that remembers nothing from tick to tick; what it asked, and how often."""
    append(book, calls)
    there = Far(book, far=far, silent=silent)
    engine = engine_of(book)
    engine.book = cast(Book, there)
    expand_pending(book, version=engine.version)
    source, ticks = RunSource(until, "run"), 0
    while not source.finished:
        engine.step(source, sizes[ticks % len(sizes)])
        ticks += 1
        engine.state.working.forget()
        engine.state.remembered.forget()
    engine.land()
    return there.asked


def check(seed: int, *, silent: bool = False) -> tuple[Counter[str], Counter[str]]:
    """One log in three homes: event by event, near, far; what the two asked that took the same ticks."""
    random = Random(seed)
    kind = churning_calls if seed % 3 == 2 else random_calls
    calls = with_reactions(random, kind(random, random.randint(40, 80)))
    until = START + random.randint(5, 20) * DAY
    sizes = [random.randint(8, 40) for _ in range(5)]
    with home() as plain, home() as near, home() as far:
        append(plain, calls)
        run(plain, [1], until=until)
        asked = folded(near, calls, sizes, until, far=False)
        fewer = folded(far, calls, sizes, until, far=True, silent=silent)
        if canonical_hash(plain, log=True) != canonical_hash(far, log=True):
            raise AssertionError("\n".join([f"seed {seed}, {sizes}", *difference(plain, far, log=True)]))
    return asked, fewer


@pytest.mark.slow
@pytest.mark.parametrize("worth", [1, 3])
def test_a_far_book_gives_the_same_state(monkeypatch: pytest.MonkeyPatch, worth: int) -> None:
    """Random logs with merges, splits, devices and withdrawals, folded with foresight, give the state of one event a
    tick; with it most of what is asked of persons and identifiers is asked at once.
    """
    monkeypatch.setattr(foresight, "_WORTH", worth)
    one_by_one, at_once = Counter[str](), Counter[str]()
    for seed in range(9):
        near, far = check(seed)
        one_by_one += near
        at_once += far
    for name in ("identifier_get", "person_get", "history_of", "runs_of", "sign_ins_of"):
        assert at_once[name] < one_by_one[name] * (0.3 if worth == 1 else 1), name
    assert at_once["at once"]
    assert not one_by_one["at once"]


def test_wrong_answers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Book that says nothing when it is asked for many at once gives another state: positive control."""
    monkeypatch.setattr(foresight, "_WORTH", 1)
    with pytest.raises((AssertionError, EinklangError)):
        check(1, silent=True)
