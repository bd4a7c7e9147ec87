"""Which identifiers there are, how strong they are, how many a person may have, and which values say nothing: data."""

from __future__ import annotations

import re
from dataclasses import dataclass

from einklang.kernel.limits import IDENTIFIERS_PER_KIND_MAX

DEVICE = "anonymousId"
ACCOUNT = "userId"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of identifier. priority: stronger is higher; limit: how many a person may have; 1 keeps persons apart."""

    name: str
    priority: int
    limit: int


@dataclass(frozen=True, slots=True)
class Rules:
    """kinds: by name, others name nobody. blocked: values that are none. alias_limit: userIds that aliases may join."""

    kinds: dict[str, Kind]
    blocked: re.Pattern[str]
    alias_limit: int = 10

    def usable(self, kind: str, value: str) -> bool:
        """Whether this names somebody."""
        return kind in self.kinds and self.blocked.fullmatch(value) is None

    def strength(self, a: str, b: str) -> int:
        """The strength of the evidence that one call gives for two kinds: the weaker of both, then the stronger."""
        low, high = sorted((self.kinds[a].priority, self.kinds[b].priority))
        return 100 * low + high


#: An explicit alias goes before any evidence by one call.
ALIAS_STRENGTH = 1_000_000

_BLOCKED = re.compile(
    r"""\s* | [+\s.-]* | [+0\s.-]{2,}                        # empty, zeros (an account may be 0), the UUID of zeros
    | null | none | nil | nan | undefined | unknown | anonymous | guest | n/a | \(not\ set\) | not_set
    | true | false | \[object\ object\]
    | (test|null|none|undefined|unknown|anonymous|no-?reply)@.*""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)

DEFAULT_RULES = Rules(
    {
        name: Kind(name, priority, IDENTIFIERS_PER_KIND_MAX[name])
        for name, priority in ((ACCOUNT, 40), ("email", 30), ("phone", 20), (DEVICE, 10))
    },
    _BLOCKED,
)
