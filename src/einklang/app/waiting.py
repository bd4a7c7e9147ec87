"""Who a withdrawal means, as far as only events say so that are appended and not worked off yet.

A withdrawal is in force in the transaction that appends it (invariant 12). Identity as the Book knows it is that of the
last tick; what waits in the tail may have told a moment ago whose device it is, or a further address of the person.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from einklang.app.ports import Reader
from einklang.event import Event, Withdrawal, expand

#: So much of the tail is looked at: more than a second of events waits only where the machine is overloaded.
BODIES_MAX, BYTES_MAX = 1_000, 4 * 1024 * 1024
_PAGE = 100
DEVICE, USER = "anonymousId", "userId"
Pair = tuple[str, str]


def named(reader: Reader, found: Withdrawal, own: Sequence[Event]) -> Withdrawal:
    """The withdrawal with all identifiers of its person that the tail and its own body (`own`) know.

    A device stands for who was signed in on it at that moment; if the tail knows who, the Book need not be asked.
    """
    if found.address is not None:
        return found
    bodies = list(_bodies(reader))
    own = [event for event in own if event.identifiers]
    known = {pair for pair in found.identifiers if pair[0] != DEVICE}
    kept = set(found.identifiers)
    if not known:
        events = [*_naming(bodies, kept), *own]
        known = {pair for device in kept for pair in _signed_in(events, device, found.at)}
        kept = known or kept
    grown = known
    while grown:
        events = [*_naming(bodies, grown), *own]
        tied = {pair for event in events if _of(event, known) for pair in event.identifiers}
        grown = {pair for pair in tied if pair[0] != DEVICE} - known
        known |= grown
    return found._replace(identifiers=tuple(sorted(kept | known)))


def _of(event: Event, known: set[Pair]) -> bool:
    """Whether an event is of this person: it shares an identifier, and is of no other user."""
    users = {pair for pair in known if pair[0] == USER}
    others = {pair for pair in event.identifiers if pair[0] == USER} - users
    return not known.isdisjoint(event.identifiers) and not (users and others)


def _signed_in(events: Sequence[Event], device: Pair, at: int) -> list[Pair]:
    """The identifiers of the last sign-in on a device up to the moment, else of the first after it."""
    seen = sorted(
        (event for event in events if device in event.identifiers and event.identifiers[0] != device),
        key=lambda event: (event.at, event.message_id),
    )
    before = [event for event in seen if event.at <= at]
    found = before[-1:] or seen[:1]
    return [pair for event in found for pair in event.identifiers if pair[0] != DEVICE]


def _bodies(reader: Reader) -> Iterator[tuple[int, int, str, str, bytes]]:
    """(first position, received, source, kind, body) of what waits, the oldest first, up to the bounds."""
    after = bodies = size = 0
    while bodies < BODIES_MAX and size < BYTES_MAX and (page := reader.read("tail_page", after, _PAGE)):
        for first, items, received_at, source, kind, body in page:
            yield first, received_at, source, kind, body
            after, bodies, size = first + items - 1, bodies + 1, size + len(body)


def _naming(bodies: Sequence[tuple[int, int, str, str, bytes]], pairs: set[Pair]) -> Iterator[Event]:
    """The events of the bodies that may name one of these identifiers: a look at the bytes spares most decoding."""
    values = [value.lower().encode() for _, value in pairs]
    for first, received_at, source, kind, body in bodies:
        text = body.lower()
        if b"\\u" in text or b"\\/" in text or any(value in text for value in values):
            try:
                yield from expand(kind, body, first_position=first, received_at=received_at, source=source)
            except (msgspec.MsgspecError, ValueError):
                continue  # a dead letter, in the next tick
