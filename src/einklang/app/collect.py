"""Station 1: a request body is judged, appended, and what it withdraws is suppressed in the same transaction.

`web` unpacks and answers; here a body becomes a blob for the Book. Nothing is acknowledged before the future is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from einklang.app import waiting
from einklang.app.apply import Body
from einklang.app.known import BookKnown, Remembered
from einklang.app.owners import speaks
from einklang.app.ports import Reader
from einklang.app.working import from_json
from einklang.consent import PERSON, Purpose, address_key, built_in_purposes, parse_purpose
from einklang.event import (
    LIMITS,
    WITHDRAWALS,
    Event,
    Judged,
    Limits,
    Withdrawal,
    canonical_name,
    expand,
    judge,
    message_identity,
)
from einklang.event.trust import trusted
from einklang.identity import owner_at
from einklang.kernel.ids import lane_of
from einklang.profile import Kind

WITHDRAWN = "withdrawn"
#: Channels that are reached by an identifier of this kind.
CHANNELS_OF = {"email": ("email",), "phone": ("phone", "sms", "whatsapp", "fax")}
_KIND_OF = {channel: kind for kind, channels in CHANNELS_OF.items() for channel in channels}

SuppressionRow = tuple[bytes, str, str, str, int]


class Log(Reader, Protocol):
    """The Book as station 1 sees it: `append_later` stores bodies, its future is done when they are durable."""

    def append_later(self, blobs: Sequence[Any]) -> Future[list[int]]: ...


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a body. durable: done when it is stored, None where nothing was admitted."""

    judged: Judged
    durable: Future[list[int]] | None

    @property
    def items(self) -> int:
        """Admitted events."""
        return self.judged.items


def collect(
    book: Log,
    kind: str,
    body: bytes,
    *,
    source: str,
    now: int,
    salt: bytes,
    limits: Limits = LIMITS,
    kinds: Callable[[], Mapping[str, Kind]] | None = None,
) -> Accepted:
    """Judge a body of the tracking API (unpacked) and hand it to the Book. now: moment of receipt, microseconds.

    kinds: of business objects in force; an event about one of them needs no identifier if it came with a server key.

    Raises InputError with a code of `Rejected`, Unavailable `disk_full`, `overloaded`, `book_failed`, `book_closed`.
    """
    if kinds is not None and trusted(0, source):
        limits = limits._replace(ownerless=lambda name, properties: speaks(kinds(), name, properties))
    judged = judge(kind, body, received_at=now, limits=limits)
    if not judged.items:
        return Accepted(judged, None)
    suppress: tuple[SuppressionRow, ...] = ()
    if judged.withdrawals:
        events = expand(kind, judged.body, first_position=0, received_at=now, source=source)
        fresh = withdrawals(book, events, judged.withdrawals, salt)
        suppress = suppressions(book, (waiting.named(book, found, events) for found in fresh), salt)
    blob = Body(judged.items, now, source, kind, judged.body, suppress)
    return Accepted(judged, book.append_later([blob]))


def withdrawals(
    reader: Reader, events: Iterable[Event], judged: Sequence[Withdrawal], salt: bytes
) -> Iterator[Withdrawal]:
    """What was judged to be a withdrawal in a body of these events, at its corrected time, unless it came before.

    A retry is dropped when it is folded, so that nothing would lift its row: a consent given meanwhile would be void.
    """
    said = (event for event in events if event.type == "track" and canonical_name(event.name) in WITHDRAWALS)
    for event, found in zip(said, judged, strict=True):
        key, told = message_identity(event, salt)
        if told not in (row[0] for row in reader.read("message_id_get", key)):
            yield found._replace(at=min(event.at, event.received_at))


def suppressions(reader: Reader, withdrawals: Iterable[Withdrawal], salt: bytes) -> tuple[SuppressionRow, ...]:
    """The rows that put withdrawals in force at once, whatever the tick does: one an address, channel and purpose.

    A withdrawal without address means every address known of the person, one without purpose every purpose whose basis
    is consent (a withdrawal of "everything" touches no other basis). Who objects to a purpose on another basis is
    left out of it altogether: they have a row of their own, with or without an address, until it is folded.
    """
    rows: list[SuppressionRow] = []
    given = list(withdrawals)
    known = purposes_of(reader) if given else {}
    by_consent = sorted(purpose.id for purpose in known.values() if purpose.basis == "consent")
    for found in given:
        purposes = [found.purpose] if found.purpose else by_consent
        if found.purpose in known and known[found.purpose].basis != "consent":
            keys = [address_key(salt, PERSON, person) for person in _owners(reader, found)]
            rows += [(key, PERSON, found.purpose, WITHDRAWN, found.at) for key in keys]
        for channel, address in sorted(_reached(reader, found)):
            key = address_key(salt, channel, address)
            rows += [(key, channel, purpose, WITHDRAWN, found.at) for purpose in purposes]
    return tuple(rows)


def purposes_of(reader: Reader) -> dict[str, Purpose]:
    """The purposes in force by id, built in and defined."""
    found = built_in_purposes()
    for kind, name, _, body in reader.read("definitions_active"):
        if kind == "purpose":
            found[name] = parse_purpose(from_json(body), name)
    return found


def _reached(reader: Reader, found: Withdrawal) -> set[tuple[str, str]]:
    """(channel, address) pairs that a withdrawal is about."""
    channels = [found.channel] if found.channel else sorted(_KIND_OF)
    if found.address is not None:
        kind = "email" if "@" in found.address else "phone"
        return {(channel, found.address) for channel in channels if found.channel or _KIND_OF[channel] == kind}
    known = set(found.identifiers)
    for person in _owners(reader, found):
        known |= {(kind, value) for kind, value, _ in reader.read("identifiers_of", person)}
    return {(channel, value) for channel in channels for kind, value in known if kind == _KIND_OF.get(channel, channel)}


def _owners(reader: Reader, found: Withdrawal) -> list[str]:
    """Who is meant, by all identifiers that are known of the withdrawal."""
    return sorted({owner for owner in (_owner(reader, *pair, found.at) for pair in found.identifiers) if owner})


def _owner(reader: Reader, kind: str, value: str, at: int) -> str | None:
    """Whose identifier it is; a device's: who was signed in on it at that moment."""
    signed = owner_at(BookKnown(reader, Remembered()).sign_ins(value), at) if kind == "anonymousId" else None
    if signed is not None:
        kind, value = signed.node
    rows = reader.read("identifier_get", kind, value)
    if rows:
        return str(rows[0][0])
    if kind == "person" and reader.read("person_get", lane_of(value), value):
        return value
    return None
