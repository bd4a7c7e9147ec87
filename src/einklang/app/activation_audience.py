"""Ad audiences: the lines that a platform should hold now, and what has to be added and removed since it was last told.

A line is one hashed identifier. It is wanted while its person is a member and permits the purpose for this very address
(invariant 12). Who leaves, withdraws, changes an address or is erased is in the next file of removals, made in the same
run as the additions: what was given is kept as hashes, so a removal needs nothing that is still known of the person.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from einklang.app.activation_body import person_of
from einklang.app.activation_definitions import FIELDS, RawAudience
from einklang.app.activation_platforms import EMAIL, PHONE, PLATFORMS, POSTAL, Address, Line, Platform
from einklang.app.destinations import Destination
from einklang.app.ports import Reader
from einklang.consent import WITHDRAWN, Purpose, address_key, permits, status_of
from einklang.fact.person import Person
from einklang.kernel.reasons import Reason

#: Whose consent permits to match an address, where the definition names no channel of its own.
_CHANNELS = {EMAIL: ("email",), PHONE: ("phone", "sms"), POSTAL: ("letter",)}
_KINDS = {EMAIL: "email", PHONE: "phone"}


@dataclass(slots=True)
class Audience:
    """What a platform should hold. left_out: members of whom nothing is told, by the reason that comes first."""

    lines: set[Line] = field(default_factory=set)
    left_out: Counter[str] = field(default_factory=Counter)


def wanted(reader: Reader, salt: bytes, destination: Destination, purpose: Purpose) -> Audience:
    """What the platform should hold, as one snapshot knows it; what was withdrawn and is not folded yet included."""
    found = Audience()
    for (who,) in reader.read("members_of", destination.segments[0]):
        person = person_of(reader, who)
        lines, reasons = _Matched(reader, salt, purpose, _raw(destination)).of(person) if person else (set(), set())
        found.lines |= lines
        if not lines:
            order = (Reason.SUPPRESSED, Reason.NO_CONSENT, Reason.NO_ADDRESS)
            found.left_out[next((str(one) for one in order if one in reasons), str(Reason.NO_ADDRESS))] += 1
    return found


def changes(given: Collection[Line], now: Collection[Line]) -> tuple[list[Line], list[Line]]:
    """(lines to add, lines to remove), each in the order of their hashes, which tells nothing about persons."""
    before, after = set(given), set(now)
    return sorted(after - before), sorted(before - after)


def file_of(header: Line, lines: Collection[Line]) -> bytes:
    """A file as the platforms take it: CSV in UTF-8, their header first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return text.getvalue().encode()


def platform_of(destination: Destination) -> Platform:
    """The platform of an audience."""
    return PLATFORMS[_raw(destination).platform]


@dataclass(slots=True)
class _Matched:
    """The lines of one person."""

    reader: Reader
    salt: bytes
    purpose: Purpose
    raw: RawAudience

    def of(self, person: Person) -> tuple[set[Line], set[Reason]]:
        """(lines, why others are left out)."""
        lines, reasons = set[Line](), set[Reason]()
        for kind, address, line in self._possible(person):
            reason = self._refused(person, kind, address)
            if reason is None:
                lines.add(line)
            else:
                reasons.add(reason)
        return lines, reasons

    def _possible(self, person: Person) -> Iterator[tuple[str, str, Line]]:
        """(kind, address, line) of everything that the platform could match."""
        platform = PLATFORMS[self.raw.platform]
        for kind, make in ((EMAIL, platform.email), (PHONE, platform.phone)):
            for known, value, _ in person.identifiers:
                line = make(value) if known == _KINDS[kind] else None
                if line is not None:
                    yield kind, value, line
        where = {name: _text(person, self.raw.fields.get(name, usual)) for name, usual in FIELDS.items()}
        line = platform.postal(Address(**where))
        if line is not None:
            yield POSTAL, "", line

    def _refused(self, person: Person, kind: str, address: str) -> Reason | None:
        """Why this address is not told; None: it is permitted."""
        channels = (self.raw.channel,) if self.raw.channel else _CHANNELS[kind]
        words = {channel: status_of(person.permissions, channel, self.purpose.id, address) for channel in channels}
        said = {channel: word.status for channel, word in words.items() if word is not None}
        permitted = any(permits(status, self.purpose, "marketing", channel) for channel, status in said.items())
        if WITHDRAWN in said.values() or not permitted:
            return Reason.NO_CONSENT
        for channel in {*channels, *_CHANNELS[kind]} if address else channels:
            key = address_key(self.salt, channel, address)
            if self.reader.read("suppressed", key, channel, self.purpose.id):
                return Reason.SUPPRESSED
        return None


def _text(person: Person, path: str) -> str:
    """A trait as text, or what lies in it after the points; "" for none."""
    name, *inner = path.split(".")
    trait = person.traits.get(name)
    value: Any = None if trait is None else trait.value
    for part in inner:
        value = value.get(part) if isinstance(value, dict) else None
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _raw(destination: Destination) -> RawAudience:
    assert isinstance(destination.raw, RawAudience), "only audiences are known here"
    return destination.raw
