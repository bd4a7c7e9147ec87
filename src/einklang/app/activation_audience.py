"""Ad audiences: the lines that a platform should hold now, and what has to be added and removed since it was last told.

A line is one hashed identifier. It is wanted while its person is a member and permits the purpose for this very address
(invariant 12). Who leaves, withdraws or changes an address is in the next file of removals, made in the same
run as the additions: what was given is kept as hashes, so a removal needs nothing that is still known of the person.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from einklang.app.activation_body import live_of
from einklang.app.activation_definitions import FIELDS, RawAudience
from einklang.app.activation_platforms import EMAIL, PHONE, PLATFORMS, POSTAL, Address, Line
from einklang.app.destinations import Destination
from einklang.app.ports import Reader
from einklang.app.state import State
from einklang.app.syncs import AS, Batch, Job, form_of
from einklang.app.working import Live
from einklang.consent import WITHDRAWN, status_of
from einklang.fact.column import IDENTIFIER
from einklang.fact.person import Person
from einklang.kernel.reasons import Reason

T = TypeVar("T", bound=tuple[Any, ...])
#: Whose consent permits to match an address, where the definition names no channel of its own.
_CHANNELS = {EMAIL: ("email",), PHONE: ("phone", "sms"), POSTAL: ("letter",)}
_KINDS = {EMAIL: "email", PHONE: "phone"}


@dataclass(slots=True)
class Audience:
    """What a platform should hold. left_out: members of whom nothing is told, by the reason that comes first."""

    lines: set[Line] = field(default_factory=set)
    left_out: Counter[str] = field(default_factory=Counter)


def wanted(reader: Reader, state: State, destination: Destination, now: int) -> Audience:
    """What the platform should hold, as one snapshot knows it; what was withdrawn and is not folded yet included.

    state: for reading.
    """
    state.read_from(reader)
    state.clock = now
    found, matched = Audience(), _Matched(state, destination.purpose, _raw(destination))
    for (who,) in reader.read("members_of", destination.segments[0]):
        live = live_of(reader, who)
        lines, reasons = matched.of(live) if live is not None else (set(), set())
        found.lines |= lines
        if not lines:
            order = (Reason.SUPPRESSED, Reason.NO_CONSENT, Reason.NO_ADDRESS)
            found.left_out[next((str(one) for one in order if one in reasons), str(Reason.NO_ADDRESS))] += 1
    return found


def prepare(job: Job) -> Batch | None:
    """What a platform is to be given next: a file of additions, one of removals; None: it has all. Where the platform
    is another one than before, the one before is given its removals too.
    """
    destination, raw = job.destination, _raw(job.destination)
    found = wanted(job.reader, job.state, destination, job.now)
    rows = job.given.rows() if job.given is not None else []
    given = {(str(platform), tuple(json.loads(cells))) for platform, cells in rows}
    now = {(raw.platform, line) for line in found.lines}
    added, removed = changes(given, now)
    if not added and not removed:
        return None
    files: dict[str, Callable[[Path], str]] = {}
    for word, told in (("remove", removed), ("add", added)):
        for platform in sorted({name for name, _ in told}):
            lines = [line for name, line in told if name == platform]
            named = f"{destination.id}-{job.stand.cursor:012d}-{job.seq:012d}-{platform}-{word}.csv"
            files[named] = partial(_write, data=file_of(PLATFORMS[platform].header, lines))
    left_out = dict(sorted(found.left_out.items()))
    said = {
        "segment": destination.segments[0], "destination": destination.id, "actor": f"destination:{destination.id}",
        "purpose": destination.purpose, "format": f"{raw.platform} csv",
        "columns": dict.fromkeys(PLATFORMS[raw.platform].header, IDENTIFIER), "persons": len(added) + len(removed),
        "added": len(added), "removed": len(removed), "left_out": left_out,
    }  # fmt: skip
    kept = [(platform, json.dumps(line)) for platform, line in sorted(now)]
    frame = pl.DataFrame(kept, schema={"platform": pl.String, "line": pl.String}, orient="row")
    notes = {"lines": len(now), "left_out": left_out, AS: form_of(destination)}
    return Batch(frame, files=files, said=said, sent=len(added) + len(removed), notes=notes)


def changes(given: Collection[T], now: Collection[T]) -> tuple[list[T], list[T]]:
    """(lines to add, lines to remove), each in the order of their hashes, which tells nothing about persons."""
    before, after = set(given), set(now)
    return sorted(after - before), sorted(before - after)


def _write(path: Path, data: bytes) -> str:
    """A file for its owner alone, durable; the SHA-256 of its bytes."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return sha256(data).hexdigest()


def file_of(header: Line, lines: Collection[Line]) -> bytes:
    """A file as the platforms take it: CSV in UTF-8, their header first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return text.getvalue().encode()


@dataclass(frozen=True, slots=True)
class _Matched:
    """The lines of one person after the other."""

    state: State
    purpose: str
    raw: RawAudience

    def of(self, live: Live) -> tuple[set[Line], set[Reason]]:
        """(lines, why others are left out)."""
        lines, reasons = set[Line](), set[Reason]()
        for kind, address, line in self._possible(live.person):
            reason = self._refused(live, kind, address)
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

    def _refused(self, live: Live, kind: str, address: str) -> Reason | None:
        """Why this address is not told; None: it is permitted on one of its channels, and withdrawn on none."""
        state, purpose = self.state, self.purpose
        channels = (self.raw.channel,) if self.raw.channel else _CHANNELS[kind]
        words = [status_of(live.person.permissions, channel, purpose, address) for channel in channels]
        permitted = any(state.permits(live, channel, address, purpose, "marketing") for channel in channels)
        if not permitted or any(word is not None and word.status == WITHDRAWN for word in words):
            return Reason.NO_CONSENT
        reached = {*channels, *_CHANNELS[kind]} if address else ()
        return Reason.SUPPRESSED if any(state.suppressed(one, address, purpose) for one in reached) else None


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
