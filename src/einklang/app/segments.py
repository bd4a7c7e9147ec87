"""`segment count|members`: members now as the live state has them, or at a past time by what is known now about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import polars as pl

from einklang.app.ports import Reader
from einklang.app.state import State
from einklang.app.working import WorkingSet
from einklang.fact.person import Membership
from einklang.kernel.errors import NotFound


class Lake(Protocol):
    """The columns of the log."""

    def scan(self, table: str) -> pl.LazyFrame: ...


def _known(state: State, segment: str) -> None:
    names = [found.id for found in state.definitions.segments]
    if segment not in names:
        raise NotFound("unknown_segment", f"no segment {segment[:60]!r}", mend="known: " + (", ".join(names) or "none"))


def everybody(reader: Reader) -> Iterator[str]:
    """Ids of all living persons."""
    for lane in range(64):
        after = ""
        while page := reader.read("persons_page", lane, after, 1000):
            yield from (row[0] for row in page)
            after = page[-1][0]


def members(reader: Reader, state: State, segment: str, at: int | None) -> list[str]:
    """Sorted person ids of the members. at: microseconds, None: as the live state has them. Raises NotFound."""
    _known(state, segment)
    if at is None:
        return sorted(row[0] for row in reader.read("members_of", segment))
    return members_at(reader, state, segment, at)


def members_at(reader: Reader, state: State, segment: str, at: int) -> list[str]:
    """Members at a moment by event time: what is known now about then."""
    found = []
    working = WorkingSet()
    working.reader = reader
    state.read_from(reader)
    state.clock = at
    for person in everybody(reader):
        live = working.get(person)
        assert live is not None
        live.person.memberships = {}
        view = state.view(live)
        for candidate in state.definitions.segments:
            live.person.memberships[candidate.id] = Membership(candidate.condition.holds(view), at, None)
            if candidate.id == segment:
                break
        if live.person.memberships[segment].member:
            found.append(person)
        working.forget()
    return sorted(found)


def summary(reader: Reader) -> dict[str, Any]:
    """Members of each segment."""
    return {row[0]: row[1] for row in reader.read("member_counts")}
