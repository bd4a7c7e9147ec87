"""Asking at once what a tick will ask one by one, where each question is a way to a server and back.

Whose events come, and for whom time alone has work to do, is known before the work begins: who owns the identifiers,
what is known of these persons, who of them may not be written to. An answer is of the tick's own snapshot, so nothing
is different but the time it takes. What was not foreseen is asked as ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from einklang.app.ports import Each, Row
from einklang.app.view import address_of
from einklang.consent import address_key
from einklang.event import LISTED, UNLISTED, Event
from einklang.identity import DEVICE, pair_of
from einklang.identity.rules import ACCOUNT
from einklang.kernel.ids import lane_of

if TYPE_CHECKING:
    from einklang.app.state import State

#: Fewer questions of one kind than this are asked one by one.
_WORTH = 8
#: What is known of a person: asked once a tick, and then kept in memory elsewhere.
_OF_PERSON = ("person_get", "history_of", "runs_of")


class Foresight:
    """A reader for one tick. Tell it the inputs; it sees for itself who is due."""

    def __init__(self, reader: Each, state: State) -> None:
        self._reader = reader
        self._state = state
        self._known: dict[tuple[Any, ...], list[Row]] = {}
        self._persons: dict[str, None] = {}
        self._addressed: set[tuple[str, str, str]] = set()
        self._one_by_one, self._patience = 0, 2 * _WORTH

    def read(self, name: str, *params: Any) -> list[Row]:
        """All rows of the named statement."""
        key = (name, *params)
        found = self._known.pop(key, None) if name in _OF_PERSON else self._known.get(key)
        if found is None and name == "suppressed":
            self._addresses(*params[1:])
            found = self._known.get(key)
        if found is None:
            found = self._reader.read(name, *params)
        if name == "timers_due":
            self._people(person for _, person in found)
        return found

    def read_many(self, name: str, rows: Iterable[Sequence[Any]]) -> list[Row]:
        """The rows of the named statement run once for each of `rows`."""
        return self._reader.read_many(name, rows)

    def stream(self, name: str, *params: Any) -> Iterator[Row]:
        """As `read`, row by row."""
        return self._reader.stream(name, *params)

    def inputs(self, events: Sequence[Event]) -> None:
        """These events come next."""
        theirs = [
            event
            for event in events
            if (not event.origin and event.type not in ("row", "definition")) or event.name in (LISTED, UNLISTED)
        ]
        remembered = self._state.remembered
        nodes = dict.fromkeys(node for event in theirs for node in event.identifiers)
        self._ask("identifier_get", [node for node in nodes if node not in remembered.owners])
        owners: dict[tuple[str, str], str] = {}
        for node in nodes:
            owned = remembered.owners.get(node)
            rows = self._known.get(("identifier_get", *node), ())
            owner = owned.person if owned is not None else str(rows[0][0]) if rows else ""
            if owner:
                owners[node] = owner
        self._ask("edges_of", [(*node, *node) for node in nodes if node[0] == ACCOUNT and node not in owners])
        devices = (value for kind, value in nodes if kind == DEVICE and value not in remembered.sign_ins)
        self._ask("sign_ins_of", [(device,) for device in devices])
        self._ask("edge_get", [(*a, *b) for a, b in self._pairs(theirs) if a in owners and b in owners])
        named = [dict(event.identifiers).get("person", "") for event in events if event.origin]
        self._ask("alias_get", [(person,) for person in dict.fromkeys(named) if person])
        self._people([*owners.values(), *named])

    def _pairs(self, events: Iterable[Event]) -> Iterable[tuple[tuple[str, str], tuple[str, str]]]:
        """Identifiers that are named together, and whose edge is not remembered."""
        found: dict[tuple[tuple[str, str], tuple[str, str]], None] = {}
        for event in events:
            strong = [node for node in event.identifiers if node[0] != DEVICE]
            for place, node in enumerate(strong):
                found |= dict.fromkeys(pair_of(node, other) for other in strong[:place])
        edges = self._state.remembered.edges
        return (pair for pair in found if pair not in edges)

    def _people(self, persons: Iterable[str]) -> None:
        """What is known of these persons will be asked, of those who are not in memory."""
        fresh = [person for person in dict.fromkeys(persons) if person and person not in self._persons]
        self._persons.update(dict.fromkeys(fresh))
        rows = [(lane_of(person), person) for person in fresh if not self._state.working.holds(person)]
        for name in _OF_PERSON:
            self._ask(name, rows)

    def _addresses(self, channel: str, purpose: str) -> None:
        """Some were written to in this tick one by one: so will others be, and after twice as many those who came in
        since.
        """
        self._one_by_one += 1
        if self._one_by_one < self._patience:
            return
        self._patience *= 2
        working = self._state.working
        keys: dict[bytes, None] = {}
        for person in dict.fromkeys([*self._persons, *(live.person.id for live in working.dirty())]):
            if (person, channel, purpose) not in self._addressed:
                self._addressed.add((person, channel, purpose))
                live = working.get(person)
                address = address_of(live, channel) if live is not None else None
                if address:
                    keys[address_key(self._state.salt, channel, address)] = None
        self._ask("suppressed", [(key, channel, purpose) for key in keys])

    def _ask(self, name: str, rows: Iterable[Sequence[Any]]) -> None:
        asked = [tuple(row) for row in rows if (name, *row) not in self._known]
        if len(asked) < _WORTH:
            return
        for params, answer in zip(asked, self._reader.read_each(name, asked), strict=True):
            if answer is not None:
                self._known[(name, *params)] = answer
