"""`person show`: what is known of one person."""

from __future__ import annotations

from typing import Any

from einklang.app.find import load
from einklang.app.ports import Reader
from einklang.consent import split_key
from einklang.kernel import time
from einklang.profile import current


def _moment(at: int | None) -> str | None:
    return None if at is None or at <= time.BEFORE_ALL else time.format_moment(at)


def show(reader: Reader, text: str) -> dict[str, Any]:
    """Identifiers, traits, consents, segments, stages, journeys of a person. Raises NotFound."""
    live = load(reader, text)
    person = live.person
    consents = []
    for key, permission in sorted(person.permissions.items()):
        channel, purpose, address, _ = split_key(key)
        consents.append(
            {
                "channel": channel,
                "address": address,
                "purpose": purpose,
                "status": permission.status,
                "at": _moment(permission.at),
            }
            | ({"expires_at": _moment(permission.until)} if permission.until else {})
        )
    return {
        "person_id": person.id,
        "identifiers": [
            {"kind": kind, "value": value, "first_at": _moment(first_at)}
            for kind, value, first_at in person.identifiers
        ],
        "traits": current(person.traits),
        "consents": consents,
        "segments": sorted(name for name, known in person.memberships.items() if known.member),
        "stages": {
            name: {"stage": stand.stage, "since": _moment(stand.since)}
            for name, stand in sorted(person.stages.items())
            if stand.stage is not None
        },
        "journeys": [
            {
                "journey": run.journey,
                "version": run.version,
                "run": run.id,
                "key": run.key,
                "status": run.status,
                "step": run.step,
                "entered_at": _moment(run.entry.clock),
            }
            for run in live.runs
        ],
        "aliases": [row[0] for row in reader.read("aliases_of", person.id)],
        "created_at": _moment(person.created_at),
        "last_seen_at": _moment(person.last_seen_at),
    }
