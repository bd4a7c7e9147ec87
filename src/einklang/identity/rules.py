"""Which identifiers there are, how strong they are, how many a person may have, and which values say nothing: data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from einklang.kernel.limits import IDENTIFIERS_PER_KIND_MAX

DEVICE = "anonymousId"
ACCOUNT = "userId"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of identifier. priority: stronger is higher; limit: how many a person may have; 1 keeps persons apart.

    blocked: values that name nobody, beside those that never do.
    """

    name: str
    priority: int
    limit: int
    blocked: re.Pattern[str] | None = None


#: By what somebody was recognised (`context.evidence`), the weakest first; a call without it proves less than any.
EVIDENCE = ("receipt", "badge", "call_code", "app_code", "card", "sign_in")
_RANKS = {name: rank for rank, name in enumerate(EVIDENCE, 1)}
#: What a call says is at most 99 * 101 + 99 * 10,000; an explicit alias goes before it, a decision of staff before all.
ALIAS_STRENGTH = 1_000_000
STAFF_STRENGTH = 2_000_000
#: Added to what anybody may have sent: it goes after all that was proved.
UNPROVED = -1_000_000
PRIORITY_MAX = 99


@dataclass(frozen=True, slots=True)
class Rules:
    """kinds: by name, others name nobody. blocked: values that are none. alias_limit: unique ids that aliases may join.

    evidence: kind of recognition -> its rank, higher is stronger. blocked_too: what a definition adds.
    believes_all: whoever says so is believed, as in homes of the first format. strengths: worked out so far.
    """

    kinds: dict[str, Kind]
    blocked: re.Pattern[str]
    alias_limit: int = 10
    evidence: Mapping[str, int] = field(default_factory=lambda: _RANKS)
    blocked_too: re.Pattern[str] | None = None
    believes_all: bool = False
    strengths: dict[tuple[str, str, str], int] = field(default_factory=dict, compare=False, repr=False)

    def usable(self, kind: str, value: str) -> bool:
        """Whether this names somebody."""
        known = self.kinds.get(kind)
        if known is None or self.blocked.fullmatch(value) is not None:
            return False
        if known.blocked is None and self.blocked_too is None:
            return True
        return not any(more and more.fullmatch(value) for more in (known.blocked, self.blocked_too))

    def kind(self, name: str) -> Kind:
        """The kind of this name; one that is no kind any more is the weakest of all and has no limit."""
        return self.kinds.get(name) or Kind(name, 0, 1_000_000)

    def strength(self, a: str, b: str, evidence: str = "") -> int:
        """The strength of the evidence that one call gives for two kinds: how the person was recognised, then the
        weaker of both, then the stronger.
        """
        known = self.strengths.get((a, b, evidence))
        if known is None:
            low, high = sorted((self.kind(a).priority, self.kind(b).priority))
            known = self.strengths[a, b, evidence] = 10_000 * self.evidence.get(evidence, 0) + 100 * low + high
        return known


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
