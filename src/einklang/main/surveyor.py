"""Who is to be looked at where segments changed: asked of the lake by the thread that ships, beside the ticks."""

from __future__ import annotations

import structlog

from einklang.app import survey
from einklang.app.backfill import EVERYBODY, Build
from einklang.kernel.errors import EinklangError
from einklang.main.home import Home
from einklang.store.lake import DuckPlans

log = structlog.get_logger()


class Surveyor:
    """One thread asks, another finds out."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._wanted: Build | None = None
        self._known: tuple[int, list[str]] | None = None

    def crowd(self, build: Build) -> list[str] | None:
        """The persons of a build; None: they are not known yet. Satisfies `backfill.Crowd`."""
        known = self._known
        if known is not None and known[0] == build.begun:
            return known[1]
        self._wanted = build
        return None

    @property
    def waits(self) -> bool:
        """Whether somebody asked and has no answer yet."""
        return self._wanted is not None

    def work(self) -> None:
        """Find out what was asked."""
        build = self._wanted
        if build is None:
            return
        home = self._home
        try:
            with home.book.snapshot() as reader:
                found = survey.persons(reader, home.reading_state(), home.lake, build, DuckPlans())
        except EinklangError as error:
            log.warning("everybody is looked at", error=error.line())
            found = EVERYBODY
        self._known, self._wanted = (build.begun, found), None
