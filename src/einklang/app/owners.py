"""Events that name nobody: whose they are follows from the business object of which they speak.

A payment that the bank reports has an `invoice_id` and no customer. Such an event, if it came with a server key or by
import, belongs to the owner of the object: of the persons who named it, the one whose event is the first in the log.
Where nobody has named it yet, the event waits (table object_waiting) and is folded, with its own time, in the moment in
which somebody does. It stands in the history under the key (`object:KIND`, id), so that a split gives it to whom the
object goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from einklang.app.object_index import OBJECT
from einklang.app.poison import dead_letter
from einklang.event import Event, authenticated
from einklang.kernel.reasons import DeadLetter
from einklang.profile import Kind
from einklang.profile.objects import key_text

if TYPE_CHECKING:
    from einklang.app.moment import Moments
    from einklang.app.people import People
    from einklang.app.state import State
    from einklang.app.working import Live

#: So many rows wait at most; what comes then is put aside as a dead letter, to be taken in again.
WAITING_MAX = 100_000


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


def let_in(state: State, inputs: list[Event], version: str) -> list[Event]:
    """The inputs without those that would wait where too many wait already."""
    found = [event for event in inputs if ownerless(event)]
    if not found:
        return inputs
    if state.object_index.on:
        found = [event for event in found if state.object_index.owner(event) is None]
    left = WAITING_MAX - int(state.reader.read("object_waiting_count")[0][0])
    aside = {event.position for event in found[max(left, 0) :]}
    for event in inputs if aside else ():
        if event.position in aside:
            detail = f"{WAITING_MAX} events wait for the owner of their object"
            dead_letter(state, event, detail, version, DeadLetter.NO_OWNER)
    return [event for event in inputs if event.position not in aside]


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


def adopt(state: State, people: People, moments: Moments) -> None:
    """Fold what has waited for the objects that this moment named; each may name others for which more waits."""
    index = state.object_index
    while index.called:
        person, place, event = index.called.popleft()
        live = _given(state, people, event, person, place)
        if live is not None:
            moments.event(live, event, whole=True)
