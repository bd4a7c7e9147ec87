"""From declarations to permission: the ledger's last word for each channel, purpose and address.

What was given or withdrawn later in event time wins; at equal times the withdrawal wins; what was merely requested
never takes away what was given before it; what was given for a time is expired from its end on. So the state is a
function of the set of declarations: a late "given" never beats a later withdrawal, in whatever order they arrive. To
that end a request is kept beside the last given or withdrawn, under a key of its own, and a withdrawal of "all
addresses" or "all purposes" under a key with "" there.

Permissions are a dict of `permission_key` -> `fact.Permission`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping

from einklang.consent.addresses import normal_address
from einklang.consent.declaration import Declaration
from einklang.consent.purpose import Purpose
from einklang.fact.person import Permission

GIVEN, WITHDRAWN, REQUESTED = "given", "withdrawn", "requested"
#: What was given and has ended; never stored.
EXPIRED = "expired"
_REQUEST = "?"


def permission_key(channel: str, purpose: str, address: str) -> str:
    """`channel|purpose|address`; the address in normal form and last, as it may hold a bar."""
    return f"{channel}|{purpose}|{address}"


def split_key(key: str) -> tuple[str, str, str, bool]:
    """(channel, purpose, address, whether it is the key of a request)."""
    channel, purpose, address = key.split("|", 2)
    return channel.removeprefix(_REQUEST), purpose, address, channel.startswith(_REQUEST)


def _weight(permission: Permission) -> tuple[int, bool, int]:
    return permission.at, permission.status == WITHDRAWN, permission.seq


def _put(permissions: MutableMapping[str, Permission], key: str, new: Permission, *, floors: bool) -> bool:
    old = permissions.get(key)
    if old is not None and _weight(old) >= _weight(new):
        return False
    if floors and old is not None and new.status == GIVEN:
        new.floor = old.at if old.status == WITHDRAWN else old.floor
    permissions[key] = new
    return True


def fold(permissions: MutableMapping[str, Permission], declared: Declaration, seq: int, *, floors: bool = True) -> bool:
    """Take a declaration in; True if a stored permission changed. seq: order of the event that declared it; floors:
    whether what is given remembers the refusal before it.
    """
    key = permission_key(declared.channel, declared.purpose, normal_address(declared.channel, declared.address))
    if declared.status == REQUESTED:
        key = _REQUEST + key
    return _put(permissions, key, Permission(declared.status, declared.at, seq, declared.until), floors=floors)


def _covering(channel: str, purpose: str, address: str, *, consent: bool) -> Iterator[str]:
    """The keys whose declarations cover this one; those for all purposes only where consent is the basis."""
    for place in {channel, ""}:
        for of in {address, ""}:
            yield permission_key(place, purpose, of)
            if consent:
                yield permission_key(place, "", of)


def status_of(
    permissions: Mapping[str, Permission],
    channel: str,
    purpose: str,
    address: str,
    *,
    consent: bool = True,
    now: int | None = None,
) -> Permission | None:
    """The last word for an address: given, withdrawn, requested, expired, or None if nobody ever said anything.

    now: None where what was said is asked for, whether it has ended or not; consent: whether consent is the legal basis
    of the purpose; a withdrawal of "everything" does not touch other bases.
    """
    address = normal_address(channel, address)
    said = [permissions[key] for key in _covering(channel, purpose, address, consent=consent) if key in permissions]
    word = max(said, key=_weight, default=None)
    if word is not None and word.status == GIVEN:
        if now is None or not 0 < word.until <= now:
            return word
        word = Permission(EXPIRED, word.at, word.seq, word.until, word.floor)
    asked = permissions.get(_REQUEST + permission_key(channel, purpose, address))
    if asked is not None and (word is None or asked.at > word.at):
        return asked
    return word


def permits(status: str | None, purpose: Purpose, klass: str, channel: str = "") -> bool:
    """Whether a contact of this class is permitted, given the last word of `status_of`.

    Consent: what was given permits; to whom it was only requested, `opt_in` alone may go, to ask. Any other legal basis
    permits until somebody objects to this very purpose.
    """
    if channel and not purpose.allows(channel):
        return False
    if purpose.basis != "consent":
        return status != WITHDRAWN
    return status == GIVEN or (status == REQUESTED and klass == "opt_in")


def merge_permissions(kept: MutableMapping[str, Permission], lost: Mapping[str, Permission], at: int = 0) -> None:
    """Lay a merged person's permissions over those of the living one; the more restrictive wins, at whatever time.

    at: moment of the merge. A refusal that beats the other's consent counts from then, so that no word which is older
    than the merge and arrives after it widens what the merge narrowed.

    What ends in either ends as early. A merge never permits what was refused to either. Each person's own last words
    count, so what one gave after withdrawing it stays given; what one withdrew (also for all addresses or purposes) and
    the other gave is withdrawn.
    """
    merged: dict[str, Permission] = {}
    for key in {**kept, **lost}:
        channel, purpose, address, request = split_key(key)
        words = [status_of(side, channel, purpose, address) for side in (kept, lost)]
        refusals = [word for word in words if word is not None and word.status == WITHDRAWN]
        own = [side[key] for side in (kept, lost) if key in side]
        if not request:
            refusals += [word for word in own if word.status == WITHDRAWN]
            word = max(refusals or own, key=_weight)
            beaten = refusals and any(other.status == GIVEN for other in own)
            ends = [other.until for other in own if other.until and other.status == GIVEN]
            if beaten:
                word = Permission(WITHDRAWN, max(word.at, at), word.seq)
            elif word.status == GIVEN and ends:
                word = Permission(GIVEN, word.at, word.seq, min(ends), word.floor)
            merged[key] = word
        elif not refusals:
            merged[key] = max(own, key=_weight)
    kept.clear()
    kept.update(merged)
