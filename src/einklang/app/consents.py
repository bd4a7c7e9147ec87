"""What an event declares about consent -> ledger row (hash-chained), permissions of the person, suppression list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from einklang.app.view import address_of
from einklang.app.working import Live
from einklang.consent import GIVEN, ChainRow, address_key, chain, declare, fold, suppression_of
from einklang.event import Event

if TYPE_CHECKING:
    from einklang.app.state import State


def take(state: State, live: Live, event: Event) -> bool:
    """Fold what the event declares; True if a permission of the person changed."""
    changed = False
    declared = declare(event)
    if declared is not None:
        # a clock that is ahead must not make a word the last one for years: it counts from when it was received
        declared = msgspec.structs.replace(declared, at=min(declared.at, event.clock))
        if not declared.address and declared.status != "withdrawn":
            declared = msgspec.structs.replace(declared, address=address_of(live, declared.channel) or "")
        changed = fold(live.person.permissions, declared, event.seq)
        if declared.address and (declared.status == GIVEN or not changed):
            # the ledger knows every withdrawal by now: what was suppressed ahead of it gives way to a later consent
            key = address_key(state.salt, declared.channel, declared.address)
            state.out.add("suppression_lift", key, declared.channel, declared.purpose, declared.at)
        n = state.count("ledger")
        row = ChainRow(
            n, event.seq, declared.channel, declared.address, declared.purpose, declared.status, declared.at,
            event.clock,
            declared.source, declared.wording, declared.actor, declared.evidence,
        )  # fmt: skip
        state.ledger_hash = chain(state.ledger_hash, row)
        state.out.add(
            "ledger_put", n, event.seq, live.lane, live.person.id, declared.channel, declared.address,
            declared.purpose, declared.status,
            declared.at, event.clock, declared.source, declared.wording, declared.actor, declared.evidence,
            state.ledger_hash,
        )  # fmt: skip
    found = suppression_of(event)
    if found is not None and found.address:
        key = address_key(state.salt, found.channel, found.address)
        state.out.add("suppression_raise", key, found.channel, found.purpose, found.reason, found.at)
    return changed
