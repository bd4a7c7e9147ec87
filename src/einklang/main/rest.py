"""A thread that found nothing to do asks nothing of the Book again until something is written or falls due."""

from __future__ import annotations

import math

from einklang.kernel.time import SECOND, Micros
from einklang.store.book import AnyBook


class Rest:
    """`seen` before looking, `begin` when there was nothing to do, `lasts` before looking again."""

    def __init__(self, book: AnyBook) -> None:
        self._book = book
        self._commits: int | None = None
        self._due: Micros | None = None
        self._before: int | None = None

    def lasts(self, now: Micros) -> bool:
        """Whether there still is nothing to do. Where others write to the Book too nobody can know."""
        return (
            self._commits is not None and self._commits == self._book.commits and (self._due is None or now < self._due)
        )

    def seconds(self, now: Micros) -> float:
        """How long it lasts at most."""
        return math.inf if self._due is None else (self._due - now) / SECOND

    def seen(self) -> None:
        """What is looked at now holds what was written so far."""
        self._commits, self._before = None, self._book.commits

    def begin(self, *due: Micros | None) -> None:
        """There was nothing to do, and is not before the earliest of these moments."""
        moments = [moment for moment in due if moment is not None]
        self._commits, self._due = self._before, min(moments) if moments else None
