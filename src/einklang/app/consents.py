"""What an event declares about consent -> ledger row (hash-chained), permissions of the person, suppression list."""

from __future__ import annotations

from collections.abc import Collection
from operator import itemgetter
from typing import TYPE_CHECKING

import msgspec

from einklang.app.view import address_of, refused_by
from einklang.app.working import Live
from einklang.consent import (
    GIVEN,
    PERSON,
    REQUESTED,
    WITHDRAWN,
    ChainRow,
    Declaration,
    Span,
    address_key,
    chain,
    declare,
    fold,
    held,
    since,
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
    if declared.purpose:
        own = address_key(state.salt, PERSON, live.person.id)
        state.out.add("suppression_lift", own, PERSON, declared.purpose, declared.at)
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


def lasting(
    state: State, live: Live, channel: str, purpose: str, addresses: Collection[str]
) -> tuple[bool, int | None]:
    """Whether one of these addresses is permitted now, and since when that is so without a break."""
    known = state.definitions.purposes[purpose]
    by_consent = known.basis == "consent"
    if not known.allows(channel):
        return False, None
    own = address_of(live, channel) or ""
    words = [(event.seq, _counted(state, one, event)) for event in live.history if (one := declare(event)) is not None]
    told = [word for _, word in sorted(words, key=itemgetter(0))]
    spans: list[Span] = []
    for address in addresses:
        about = [
            one
            for one in told
            if (one.status != REQUESTED or not by_consent)
            and one.channel in (channel, "")
            and (one.purpose == purpose or (one.purpose == "" and by_consent))
            and (one.address if one.status == WITHDRAWN else one.address or own) in (address, "")
        ]
        last = status_of(live.person.permissions, channel, purpose, address, consent=by_consent)
        permitted = state.permits(live, channel, address, purpose, "marketing")
        spans += held(about, last, permitted, state.clock, None if by_consent else live.person.created_at)
    return since(spans, state.clock)


def _counted(state: State, declared: Declaration, event: Event) -> Declaration:
    """What an event declares, as it counts."""
    # a clock that is ahead must not make a word the last one for years: it counts from when it was received
    declared = msgspec.structs.replace(declared, at=min(declared.at, event.clock))
    return declared if authenticated(event) else _claimed(state, declared, event)


def take(state: State, live: Live, event: Event) -> bool:
    """Fold what the event declares; True if a permission of the person changed, or an address was suppressed."""
    changed = False
    declared = declare(event)
    if declared is not None:
        declared = _counted(state, declared, event)
        if state.fold < 5:
            declared = msgspec.structs.replace(declared, until=0)
        if not declared.address and declared.status != "withdrawn":
            declared = msgspec.structs.replace(declared, address=address_of(live, declared.channel) or "")
        changed = fold(live.person.permissions, declared, event.seq, floors=state.fold >= 5)
        changed = changed or state.fold >= 5  # a late word may say since when
        _lift(state, live, declared)
        n = state.count("ledger")
        row = ChainRow(
            n, event.seq, declared.channel, declared.address, declared.purpose, declared.status, declared.at,
            event.clock,
            declared.source, declared.wording, declared.actor, declared.evidence, declared.until,
        )  # fmt: skip
        state.ledger_hash = chain(state.ledger_hash, row)
        state.out.add(
            "ledger_put", n, event.seq, live.lane, live.person.id, declared.channel, declared.address,
            declared.purpose, declared.status,
            declared.at, event.clock, declared.source, declared.wording, declared.actor, declared.evidence,
            state.ledger_hash, declared.until,
        )  # fmt: skip
    found = refused_by(live, event, state.fold)
    if found is not None:
        key = address_key(state.salt, found.channel, found.address)
        state.out.add("suppression_raise", key, found.channel, found.purpose, found.reason, found.at)
        state.out.raised.add((key, found.channel, found.purpose))
        changed = changed or state.fold >= 4
    return changed
