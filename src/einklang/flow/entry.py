"""Who enters: the checks of a candidate event in their order (language.md 3.2), each refusal with its reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from einklang.event import Event
from einklang.expr import View
from einklang.fact.person import Entry, Run
from einklang.flow.compile import Journey
from einklang.kernel import ids, time
from einklang.kernel.reasons import Reason


def key_text(key: Any) -> str:
    """The key of a run as text; equal values give equal texts. No key: the empty text."""
    if key is None:
        return ""
    if isinstance(key, str):
        return key
    if isinstance(key, Decimal):
        return format(key.normalize(), "f")
    return key.isoformat() if hasattr(key, "isoformat") else json.dumps(key, sort_keys=True, default=str)


def begin(event: Event, key: Any) -> Entry:
    """The `entry` root of a run that this event would start."""
    return Entry(
        event.at,
        event.clock,
        event.seq,
        event.name,
        key,
        event.touchpoint,
        event.message_id,
        event.properties,
        event.context,
    )


def refusal(journey: Journey, event: Event, key: Any, runs: Sequence[Run], now: int, *, live: bool) -> Reason | None:
    """Why this candidate may not enter, or None. `runs`: the person's runs of this journey, any version and status.

    live: whether `max_age` counts; under `run` and in a dry run nothing is too old.
    """
    if journey.state == "paused":
        return Reason.PAUSED
    if journey.state != "live" or (journey.starts and now < journey.starts) or (journey.ends and now >= journey.ends):
        return Reason.NOT_OPEN
    if live and now - event.at > journey.max_age_us:
        return Reason.MAX_AGE
    if journey.key is not None and key is None:
        return Reason.NO_KEY
    text = key_text(key)
    same = [run for run in runs if run.key == text]
    active = [run for run in runs if run.status == "active"]
    if any(run.key == text for run in active):
        return Reason.RUNNING
    if same and journey.reenter != "always":
        last = max(run.entry.at for run in same)
        if journey.reenter == "never" or event.at - last < time.parse_duration(journey.reenter).exact():
            return Reason.REENTER
    if journey.at_once is not None and len(active) >= journey.at_once:
        return Reason.AT_ONCE
    return None


def start(journey: Journey, entry: Entry, person: str, salt: bytes, arm: str, probability: float) -> Run:
    """The run that this entry begins, standing before the first step."""
    text = key_text(entry.key)
    run_id = ids.keyed_id(salt, "run", "r_", person, journey.id, text, entry.message_id)
    return Run(
        id=run_id,
        person=person,
        journey=journey.id,
        version=journey.version,
        key=text,
        entry=entry,
        arm=arm,
        probability=probability,
        scope=journey.scope,
        step=journey.first,
        arrived=entry.clock,
    )


def candidate_key(journey: Journey, view: View) -> Any:
    """The value of `entry.key` for the candidate event in `view.event`, None without one."""
    return journey.key.value(view) if journey.key is not None else None
