"""Floor 3, `identity`: identifiers and what is known of them -> persons, merges, splits and refused merges.

Persons are a pure function of the set of evidence edges, sign-ins and decisions of staff, whatever the order in which
they arrived. `resolve` takes one event, `decide` a decision of staff, and say what changes; they never write, never
look at traits or consents, read no clock. Start reading in `resolve`, then `graph` (who is joined with whom), `change`
and `devices` (to whom a device belongs, and when); `definition` reads the rules of `kind: identity`.
"""

from einklang.identity.definition import RawIdentity, parse_identity
from einklang.identity.devices import SignIn, owner_at
from einklang.identity.graph import Edge, Node, Pair, Seen, pair_of, solve
from einklang.identity.known import Alias, Apart, Known, Merge, Move, Owned, Refused, Resolution
from einklang.identity.overlay import Overlay, Writes
from einklang.identity.resolve import decide, device_of, key_of, resolve, resolve_again
from einklang.identity.rules import DEFAULT_RULES, DEVICE, EVIDENCE, STAFF_STRENGTH, Kind, Rules

__all__ = [
    "DEFAULT_RULES",
    "DEVICE",
    "EVIDENCE",
    "STAFF_STRENGTH",
    "Alias",
    "Apart",
    "Edge",
    "Kind",
    "Known",
    "Merge",
    "Move",
    "Node",
    "Overlay",
    "Owned",
    "Pair",
    "RawIdentity",
    "Refused",
    "Resolution",
    "Rules",
    "Seen",
    "SignIn",
    "Writes",
    "decide",
    "device_of",
    "key_of",
    "owner_at",
    "pair_of",
    "parse_identity",
    "resolve",
    "resolve_again",
    "solve",
]
