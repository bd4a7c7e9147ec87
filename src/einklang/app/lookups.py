"""Rows of catalogs that arrive ask the conditions with `lookup` again, of those persons who can be concerned.

Rows mostly come many at once: who listens is asked after all rows of one instant, before whatever comes next, so that
it does not depend on how the log is cut into ticks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from einklang.app import backfill
from einklang.app.working import Live
from einklang.flow.compile import Journey

if TYPE_CHECKING:
    from einklang.app.moment import Moments
    from einklang.app.state import State

#: After so many persons those who did not change leave the memory.
_TRIM_EVERY = 1_000


def came(state: State, catalog: str) -> None:
    """A row of this catalog is in force."""
    if state.fold >= 2 and (_by_all(state, {catalog}) or _by_runs(state, {catalog})):
        state.unasked.add(catalog)


def ask(state: State, moments: Moments, work: Callable[[Live, Callable[[], None]], None]) -> None:
    """Ask those who listen, in order of their ids. work(live, act): `act`, unless this person was put aside."""
    names = frozenset(state.unasked)
    state.unasked.clear()
    found = state.everybody() if _by_all(state, names) else in_journeys(state)
    for number, person in enumerate(found, 1):
        live = state.working.get(person)
        if live is not None:
            work(live, partial(moments.catalogs, live, names))
        if number % _TRIM_EVERY == 0:
            state.working.trim()


def in_journeys(state: State) -> list[str]:
    """Ids of the persons who are in a journey, in a fixed order."""
    changed = {live.person.id for live in state.working.dirty() if not live.gone}
    return sorted(changed | {row[0] for row in state.reader.read("runs_active")})


def _by_all(state: State, names: set[str] | frozenset[str]) -> bool:
    return any(not segment.needs.catalogs.isdisjoint(names) for segment in backfill.asked(state))


def _by_runs(state: State, names: set[str] | frozenset[str]) -> bool:
    """Whether a run may listen: to a rule that holds it, or by its journey; older versions may, too."""
    if any(not rule.needs.catalogs.isdisjoint(names) for rule in state.definitions.rules.values()):
        return True
    if any(_listens(journey, names) for journey in state.definitions.journeys.values()):
        return True
    return any("lookup(" in body for (body,) in state.reader.read("journeys_retired"))


def _listens(journey: Journey, names: set[str] | frozenset[str]) -> bool:
    asked = [condition for _, condition in journey.exits]
    for step in journey.steps.values():
        asked += [one for one in (step.until, step.wait.until if step.wait is not None else None) if one is not None]
    return any(not condition.needs.catalogs.isdisjoint(names) for condition in asked)
