"""Events that name nobody: whose they are follows from the business object of which they speak.

A payment that the bank reports has an `invoice_id` and no customer. Such an event, if it came with a server key or by
import, belongs to the owner of the object: of the persons who named it, the one whose event is the first in the log.
Where nobody has named it yet, the event waits (table object_waiting) and is folded, with its own time, in the moment in
which somebody does, or in which a definition comes by which somebody has. It stands in the history under the key
(`object:KIND`, id), so that a split gives it to whom the object goes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from einklang.app.object_index import OBJECT
from einklang.event import Event, authenticated
from einklang.profile import Kind
from einklang.profile.objects import key_text

if TYPE_CHECKING:
    from einklang.app.moment import Moments
    from einklang.app.people import People
    from einklang.app.state import State
    from einklang.app.working import Live

    Act = Callable[[Live, Callable[[], None]], None]


def speaks(kinds: Mapping[str, Kind], name: str, properties: Mapping[str, Any] | None) -> bool:
    """Whether an event of this name is about an object, by a key of its own, not by those of its lines."""
    for kind in kinds.values():
        rule = kind.rules.get(name)
        if rule is not None and not rule.each and key_text((properties or {}).get(rule.key or kind.key)):
            return True
    return False


def ownerless(event: Event) -> bool:
    """Whether an event names nobody, and may be given to the owner of its object."""
    return not event.identifiers and event.origin == 0 and event.type == "track" and authenticated(event)


def owner_of(state: State, people: People, event: Event) -> Live | None:
    """The owner of the object that an event speaks of; None where it has none yet: then the event waits."""
    index = state.object_index
    if not index.on or not ownerless(event):
        return None
    found = index.owner(event)
    if found is None:
        index.wait(event)
        return None
    return _given(state, people, event, *found)


def _given(state: State, people: People, event: Event, person: str, place: tuple[str, str]) -> Live | None:
    live = state.working.get(people.living(person))
    if live is not None:
        event.person, event.key = live.person.id, (OBJECT + place[0], place[1])
    return live


def adopt(state: State, people: People, moments: Moments, act: Act | None = None) -> None:
    """Fold what has waited for the objects that this moment named; each may name others for which more waits.

    act(live, do): `do`, unless this person was put aside.
    """
    index = state.object_index
    while index.called:
        person, place, event = index.called.popleft()
        live = _given(state, people, event, person, place)
        if live is not None and act is not None:
            act(live, partial(moments.event, live, event, whole=True))
        elif live is not None:
            moments.event(live, event, whole=True)


def again(state: State, people: People, moments: Moments, act: Act) -> None:
    """The kinds of objects are others, and everybody is indexed by them: so is what waits."""
    state.object_index.wait_again()
    adopt(state, people, moments, act)
