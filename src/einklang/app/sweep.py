"""Looking at everybody after definitions changed: in slices, so that memory and transactions stay bounded.

What is left to do is in the Book, and nothing else is worked off before it is done. So the state is the same for any
size of slices, and a server that stops in between goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from einklang.app import concerns, traits
from einklang.app.working import Live, person_from
from einklang.event import Event
from einklang.kernel import ids

if TYPE_CHECKING:
    from einklang.app.moment import Moments
    from einklang.app.state import State


class Sweep(msgspec.Struct, frozen=True):
    """Who is still to be looked at: everybody, or who is in a journey that was resumed; ids after `after`.

    retell: conflicts about traits are settled by other rules, so the traits are folded anew; whose traits that changes
    is looked at. traits: only of those who have one of these; none: of everybody. kinds: message id of the
    entry that brought other kinds of identifier, so everybody is solved anew. expire: whose history holds what has
    expired, and nobody else (app.expiry). index: the kinds of objects are others, so all objects are indexed anew.
    held: who has a run that the door holds, too.
    """

    whole: bool
    journeys: tuple[str, ...]
    after: str = ""
    retell: bool = False
    kinds: str = ""
    expire: bool = False
    index: bool = False
    held: bool = False
    traits: tuple[str, ...] = ()


_DECODER = msgspec.json.Decoder(Sweep)


def stored(text: str) -> Sweep | None:
    """A sweep as the Book keeps it; no text: there is none."""
    return _DECODER.decode(text) if text else None


def text_of(sweep: Sweep | None) -> str:
    """The stored form."""
    return msgspec.json.encode(sweep).decode() if sweep is not None else ""


def work(
    state: State,
    moments: Moments,
    limit: int,
    act: Callable[[Live, Callable[[], None]], None],
    again: Callable[[str, str], tuple[Sequence[Live], Sequence[Event]]],
) -> None:
    """Look at the next persons, about `limit` of them. act(live, do): `do`, unless this person was put aside.

    again(person, cause): solve the identifiers anew; whom that changed, and what is told of it.
    """
    sweep = state.sweep
    assert sweep is not None, "somebody waits to be looked at"
    found = _next(state, sweep, limit)
    for person in found:
        changed, told = again(person, sweep.kinds) if sweep.kinds else ((), ())
        for other in changed:
            act(other, partial(moments.everything, other, told=told))
        if not _may_differ(state, sweep, person):
            continue
        live = state.working.passing(person)
        differs = live is not None and sweep.retell and traits.retell(live, state)
        if live is not None and sweep.index:
            state.object_index.again(live)
        if live is not None and (sweep.whole or differs or _runs(state, sweep, live)):
            act(live, partial(moments.everything, live))
    state.sweep = msgspec.structs.replace(sweep, after=found[-1]) if len(found) == limit else None


def _next(state: State, sweep: Sweep, limit: int) -> list[str]:
    """The next persons in order of their ids: all, or where only runs are concerned those who have one."""
    if sweep.whole or sweep.retell or sweep.kinds or sweep.index or state.fold < concerns.SINCE:
        return state.after(sweep.after, limit)
    journeys = state.definitions.journeys if sweep.held else sweep.journeys
    found = {live.person.id for live in state.working.dirty() if live.person.id > sweep.after}
    for journey in journeys:
        found |= {row[0] for row in state.reader.read("persons_running", journey, sweep.after, limit)}
    return sorted(found)[:limit]


def _may_differ(state: State, sweep: Sweep, person: str) -> bool:
    """Whether there is something to look at; seen without the history of who does not have the traits that changed."""
    other = sweep.whole or sweep.kinds or sweep.index or sweep.journeys or sweep.held
    if other or not sweep.traits or state.working.holds(person):
        return True
    found = state.reader.read("person_get", ids.lane_of(person), person)
    return bool(found) and not person_from(found[0][0]).traits.keys().isdisjoint(sweep.traits)


def _runs(state: State, sweep: Sweep, live: Live) -> bool:
    """Whether a person is in one of the journeys, or in any and the door holds what it wants to say."""
    if state.fold < concerns.SINCE:
        return any(run.journey in sweep.journeys for run in live.runs)
    return any(
        run.status == "active" and (run.journey in sweep.journeys or (sweep.held and run.waiting_for == "held"))
        for run in live.runs
    )
