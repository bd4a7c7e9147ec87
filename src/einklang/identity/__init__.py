"""Floor 3, `identity`: identifiers and what is known of them -> persons, merges, splits and refused merges.

Persons are a pure function of the set of evidence edges and sign-ins, whatever the order in which they arrived.
`resolve` takes one event and says what changes; it never writes, never looks at traits or consents, reads no clock.
Start reading in `resolve`, then `graph` (who is joined with whom) and `devices` (to whom a device belongs, and when).
"""

from einklang.identity.devices import SignIn, owner_at
from einklang.identity.graph import Edge, Node, solve
from einklang.identity.known import Alias, Known, Merge, Move, Owned, Refused, Resolution
from einklang.identity.overlay import Overlay, Writes
from einklang.identity.resolve import device_of, key_of, resolve
from einklang.identity.rules import DEFAULT_RULES, Kind, Rules

__all__ = [
    "DEFAULT_RULES",
    "Alias",
    "Edge",
    "Kind",
    "Known",
    "Merge",
    "Move",
    "Node",
    "Overlay",
    "Owned",
    "Refused",
    "Resolution",
    "Rules",
    "SignIn",
    "Writes",
    "device_of",
    "key_of",
    "owner_at",
    "resolve",
    "solve",
]
