"""`kind: stage` ready to be asked: in which of its stages a person is, by conditions and by the stage before.

The first stage from the top that holds counts. One that a person is not in holds where its `when` does, its `exit` does
not, and the stage before may be followed by it. The one that a person is in holds for its `dwell` in any case, then
until its `exit` holds, or without one as long as its `when` does. A stage taken is asked about again at once, so that a
second look at the same facts changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from einklang.expr import Condition, Needs, View
from einklang.fact.person import Stand
from einklang.kernel.time import Micros


@dataclass(frozen=True, slots=True)
class Rung:
    """One stage. place: in the definition, from 0. exit: leaves who is in it. dwell: the least length of stay, 0: none.
    after: the stages that it may follow; None: any.
    """

    name: str
    place: int
    when: Condition
    exit: Condition | None = None
    dwell: Micros = 0
    after: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Climb:
    """A person is in another stage of a definition at `at`; None: in none."""

    stage: str
    was: str | None
    to: str | None
    at: int


class Ladder:
    """The stages of one definition. rungs: the one that counts most first. keeps: whether the stage before matters."""

    def __init__(self, stage: str, rungs: Sequence[Rung]) -> None:
        self.id = stage
        self.rungs = tuple(rungs)
        self.names = [rung.name for rung in sorted(rungs, key=lambda rung: rung.place)]
        self.keeps = any(rung.exit is not None or rung.dwell or rung.after is not None for rung in rungs)
        self.conditions = [one for rung in rungs for one in (rung.when, rung.exit) if one is not None]
        self.needs = _all_of([one.needs for one in self.conditions])
        self._ranks = {rung.name: n for n, rung in enumerate(self.rungs)}

    def stand(self, view: View, known: Stand | None) -> Stand:
        """Where the person stands now, and when time alone may change that."""
        asked: dict[int, bool] = {}
        flips: list[Micros] = []

        def ask(condition: Condition) -> bool:
            held = asked.get(id(condition))
            if held is None:
                held, at = condition.holds_until(view)
                asked[id(condition)] = held
                if at is not None:
                    flips.append(at)
            return held

        now = view.now
        found = Stand(None, now, None) if known is None else msgspec.structs.replace(known, flips_at=None)
        while True:
            rung = self._holding(found, now, ask, flips)
            if (rung.name if rung is not None else None) == found.stage:
                break
            if rung is None:
                found = Stand(None, now, None, last=found.last)
            else:
                found = Stand(rung.name, now, None, last=rung.name, stays=now + rung.dwell if rung.dwell else None)
        if known is not None and found.stage == known.stage:
            found = Stand(known.stage, known.since, None, last=known.last, stays=known.stays)
        found.flips_at = min(flips, default=None)
        return found

    def _holding(self, stand: Stand, now: Micros, ask: Callable[[Condition], bool], flips: list[Micros]) -> Rung | None:
        """The first stage from the top that holds."""
        last = stand.last if stand.last in self._ranks else None
        for rung in self.rungs:
            here = rung.name == stand.stage
            if here and stand.stays is not None and now < stand.stays:
                flips.append(stand.stays)
                return rung
            if not here and rung.after is not None and last is not None and last not in (*rung.after, rung.name):
                continue
            if rung.exit is not None and ask(rung.exit):
                continue
            if (here and rung.exit is not None) or ask(rung.when):
                return rung
        return None

    def further(self, one: Stand, other: Stand) -> bool:
        """Whether `other` is further along than `one`."""
        lowest = len(self.rungs)
        return self._ranks.get(other.stage or "", lowest) < self._ranks.get(one.stage or "", lowest)

    def at(self, name: str | None, since: Micros, last: str | None) -> Stand:
        """What is kept of somebody who came into a stage at a moment, as the log says; last: the stage before."""
        dwell = next((rung.dwell for rung in self.rungs if rung.name == name), 0)
        return Stand(name, since, None, last=name or last, stays=since + dwell if dwell else None)


def _all_of(needs: Sequence[Needs]) -> Needs:
    """What any of them reads."""
    found: dict[str, Any] = {}
    for field in Needs.__struct_fields__:
        values = [getattr(one, field) for one in needs]
        found[field] = any(values) if isinstance(values[0], bool) else frozenset().union(*values)
    return Needs(**found)
