"""Looking at everybody after definitions changed: in slices, so that memory and transactions stay bounded.

What is left to do is in the Book, and nothing else is worked off before it is done. So the state is the same for any
size of slices, and a server that stops in between goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from einklang.app import traits
from einklang.app.working import Live
from einklang.event import Event

if TYPE_CHECKING:
    from einklang.app.moment import Moments
    from einklang.app.state import State


class Sweep(msgspec.Struct, frozen=True):
    """Who is still to be looked at: everybody, or who is in a journey that was resumed; ids after `after`.

    retell: conflicts about traits are settled by other rules, so the traits are folded anew. kinds: message id of the
    entry that brought other kinds of identifier, so everybody is solved anew. expire: whose history holds what has
    expired, and nobody else (app.expiry). index: the kinds of objects are others, so all objects are indexed anew.
    """

    whole: bool
    journeys: tuple[str, ...]
    after: str = ""
    retell: bool = False
    kinds: str = ""
    expire: bool = False
    index: bool = False


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
    found = state.after(sweep.after, limit)
    for person in found:
        changed, told = again(person, sweep.kinds) if sweep.kinds else ((), ())
        for other in changed:
            act(other, partial(moments.everything, other, told=told))
        live = state.working.get(person)
        if live is not None and sweep.retell:
            traits.retell(live, state)
        if live is not None and sweep.index:
            state.object_index.again(live)
        if live is not None and (sweep.whole or any(run.journey in sweep.journeys for run in live.runs)):
            act(live, partial(moments.everything, live))
    state.sweep = msgspec.structs.replace(sweep, after=found[-1]) if len(found) == limit else None
