"""Assignment to control groups (statistics.md 2.1).

u(scope, person) = BLAKE2b-64(salt | scope | person) / 2^64; control iff u < p. The person id is hashed as it stands
at the decision and the row is stored: never recomputed when p changes, and the earliest row survives a merge.
"""

from __future__ import annotations

from collections.abc import Sequence

from einklang.fact.person import CONTROL, TREATED, Arm
from einklang.kernel import ids, time


def assign(salt: bytes, scope: str, person: str, probability: float, at: int) -> Arm:
    """The arm of a person within a scope; `probability` is that of the control arm."""
    arm = CONTROL if ids.unit(salt, scope, person) < probability else TREATED
    return Arm(arm, probability, at, person)


def holdout_scope(now: int) -> str:
    """The universal control group of the quarter: a wave lasts three months, so nobody is left out for ever."""
    moment = time.to_datetime(now)
    return f"ucg:{moment.year}Q{(moment.month + 2) // 3}"


def earliest(arms: Sequence[Arm]) -> Arm:
    """The row that counts of those which one person was given within a scope: the first; different ones mark it."""
    first = min(arms, key=lambda arm: (arm.at, arm.key))
    mixed = any(arm.contaminated or arm.arm != first.arm for arm in arms)
    return Arm(first.arm, first.probability, first.at, first.key, mixed)


def merge_arms(kept: dict[str, Arm], other: dict[str, Arm]) -> None:
    """Fold the arms of a merged person into `kept`: the earliest row stays, two different arms mark it contaminated."""
    for scope, theirs in other.items():
        ours = kept.get(scope)
        if ours is None:
            kept[scope] = theirs
            continue
        kept[scope] = earliest((ours, theirs))
