"""What an event declares about consent -> ledger row (hash-chained), permissions of the person, suppression list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from einklang.app.view import address_of, refused_by
from einklang.app.working import Live
from einklang.consent import (
    GIVEN,
    REQUESTED,
    WITHDRAWN,
    ChainRow,
    Declaration,
    address_key,
    chain,
    declare,
    fold,
    split_key,
    status_of,
)
from einklang.event import Event, authenticated

if TYPE_CHECKING:
    from einklang.app.state import State

#: Why an address is suppressed at once by the hand-over that was refused; the event that says so is folded later.
REFUSED = "refused"
#: Reasons that stand on the suppression list ahead of the log.
NOT_FOLDED = (WITHDRAWN, REFUSED)


def _claimed(state: State, declared: Declaration, event: Event) -> Declaration:
    """What anybody may have sent: its actor is the key it came with, and it proves nothing where proof is asked for.

    A consent to a purpose with double opt-in is then merely requested, until its owner confirms by the link in a mail.
    """
    purpose = state.definitions.purposes.get(declared.purpose)
    asks = declared.status == GIVEN and purpose is not None and purpose.double_opt_in
    return msgspec.structs.replace(declared, actor=event.source, status=REQUESTED if asks else declared.status)


def _lift(state: State, live: Live, declared: Declaration) -> None:
    """What was suppressed at the door of the log, ahead of the ledger, gives way to a later consent.

    Once a withdrawal is folded the ledger knows it; where a consent was given after it, its suppression goes too.
    """
    given = [(declared.channel, declared.address, declared.purpose)] if declared.status == GIVEN else []
    if declared.status == WITHDRAWN:
        about = (declared.channel, declared.address, declared.purpose)
        for place in live.person.permissions:
            channel, purpose, address, request = split_key(place)
            if request or not all(
                mine in ("", its) for mine, its in zip(about, (channel, address, purpose), strict=True)
            ):
                continue
            word = status_of(live.person.permissions, channel, purpose, address)
            if word is not None and word.status == GIVEN:
                given.append((channel, address, purpose))
    for channel, address, purpose in given:
        if address:
            key = address_key(state.salt, channel, address)
            state.out.add("suppression_lift", key, channel, purpose, declared.at)


def take(state: State, live: Live, event: Event) -> bool:
    """Fold what the event declares; True if a permission of the person changed, or an address was suppressed."""
    changed = False
    declared = declare(event)
    if declared is not None:
        # a clock that is ahead must not make a word the last one for years: it counts from when it was received
        declared = msgspec.structs.replace(declared, at=min(declared.at, event.clock))
        if not authenticated(event):
            declared = _claimed(state, declared, event)
        if not declared.address and declared.status != "withdrawn":
            declared = msgspec.structs.replace(declared, address=address_of(live, declared.channel) or "")
        changed = fold(live.person.permissions, declared, event.seq)
        _lift(state, live, declared)
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
    found = refused_by(live, event, state.fold)
    if found is not None:
        key = address_key(state.salt, found.channel, found.address)
        state.out.add("suppression_raise", key, found.channel, found.purpose, found.reason, found.at)
        state.out.raised.add((key, found.channel, found.purpose))
        changed = changed or state.fold >= 4
    return changed
