"""Retention per class of events: `keep` of a `kind: event`, and the entry of the log by which older ones go.

An entry `Events Expired` says that now is the time; what goes follows from the definitions in force at its clock:
events of a name from before clock - keep, by event time. `expired` in the Book says so for good (name, bound, seq of
the entry). Then the histories of all persons are trimmed in slices, like the sweep after a change of definitions, and
nothing else is worked off before that is done; so the state follows from the log, however it is cut. The rows of the
lake go later, once the state without them is proved (main.retention, docs/decisions/0010-retention.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from einklang.app.apply import Body, in_force
from einklang.app.ports import Book, Reader
from einklang.app.sweep import Sweep
from einklang.event import EXPIRY, EngineCall, Event, body_of
from einklang.kernel import ids
from einklang.kernel.errors import Conflict

if TYPE_CHECKING:
    from einklang.app.moment import Moments
    from einklang.app.state import State
    from einklang.app.working import Live

NAME = "Events Expired"
#: Types of calls that a `kind: event` speaks of.
TYPES = frozenset({"track", "page", "screen"})
#: name -> (bound, seq): its events from before the bound that were in the log by seq have expired.
Bounds = Mapping[str, tuple[int, int]]


def bounds_of(reader: Reader) -> Bounds:
    """What has expired, as the Book knows it."""
    return {name: (bound, seq) for name, bound, seq in reader.read("all_expired")}


def due(reader: Reader, keeps: Mapping[str, int], now: int) -> dict[str, int]:
    """name -> new bound, of those whose bound moves on."""
    known = bounds_of(reader)
    wanted = {name: now - keep for name, keep in sorted(keeps.items())}
    return {name: bound for name, bound in wanted.items() if bound > known.get(name, (0, 0))[0]}


def ask(book: Book, *, now: int) -> None:
    """Append the entry; the next tick carries it out. now: microseconds, stamped on it.

    Raises Conflict `nothing_expires` where no definition in force has a `keep`.
    """
    if not in_force(book).keeps:
        raise Conflict(
            "nothing_expires", "no event says how long it is kept", mend="write `keep: 400d` at a `kind: event`"
        )
    call = EngineCall(type=EXPIRY, event=NAME, at=now, origin=1)
    call.messageId = f"expiry-{book.read('counter_value', 'position')[0][0] + 1}"
    book.append([Body(1, now, "einklang", "definition", body_of([call]))])


def begin(state: State, event: Event) -> None:
    """What has expired at this moment; what waits for an owner goes at once, then the histories are trimmed."""
    found = due(state.reader, state.definitions.keeps, state.clock)
    for name, bound in found.items():
        state.out.add("expired_put", name, bound, event.seq)
    if found:
        bounds = {**bounds_of(state.reader), **{name: (bound, event.seq) for name, bound in found.items()}}
        state.object_index.expire(partial(gone, bounds))
        state.sweep = Sweep(False, (), expire=True)


def trim(state: State, moments: Moments, limit: int, act: Callable[[Live, Callable[[], None]], None]) -> None:
    """Trim the next histories, about `limit` of them. act(live, do): `do`, unless this person was put aside.

    What a person has of business objects may be made of what went: then the person is looked at again. No other
    condition can have changed: its window is no longer than what is kept (`checked_windows`).
    """
    sweep = state.sweep
    assert sweep is not None, "histories wait to be trimmed"
    bounds = bounds_of(state.reader)
    again = any(not bounds.keys().isdisjoint(kind.names) for kind in state.definitions.objects.values())
    place = (ids.lane_of(sweep.after), sweep.after) if sweep.after else (-1, "")
    found = [str(row[0]) for row in state.reader.read("persons_expiring", *place, limit)]
    for person in found:
        live = state.working.get(person)
        assert live is not None, "a history belongs to somebody"
        _without(state, live, bounds)
        if again:
            act(live, partial(moments.everything, live))
    state.sweep = Sweep(False, (), after=found[-1], expire=True) if len(found) == limit else None


def gone(bounds: Bounds, event: Event) -> bool:
    """Whether this event has expired."""
    bound, seq = bounds.get(event.name, (0, 0))
    return event.at < bound and event.seq <= seq and event.type in TYPES


def _without(state: State, live: Live, bounds: Bounds) -> None:
    kept: list[Event] = []
    for event in live.history:
        if gone(bounds, event):
            state.out.add("history_expire", live.lane, live.person.id, event.at, event.seq)
        else:
            kept.append(event)
    live.replace_history(kept)
    state.object_index.again(live)
    state.working.mark(live)


def told(reader: Reader) -> list[dict[str, Any]]:
    """What has expired, for people: name, bound, seq."""
    return [{"name": name, "before": bound, "seq": seq} for name, (bound, seq) in bounds_of(reader).items()]
