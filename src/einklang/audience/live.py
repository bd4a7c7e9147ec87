"""Membership of one person at one moment, exact also when only time passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from einklang.expr import Condition, View
from einklang.fact.person import Membership


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment ready to be asked."""

    id: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class Change:
    """A person entered or left a segment at `at`."""

    segment: str
    entered: bool
    at: int


def refresh(
    segments: list[Segment], memberships: dict[str, Membership], view: View, touched: Callable[[Any], bool]
) -> Iterator[Change]:
    """Ask, in their order, the segments that what happened or the passing of time can have changed.

    `touched(needs)` says whether the moment touched anything a condition listens to. Updates `memberships` in place,
    before each change is given out, so that later segments and the caller see it.
    """
    now = view.now
    for segment in segments:
        known = memberships.get(segment.id)
        if (
            known is not None
            and not touched(segment.condition.needs)
            and (known.flips_at is None or known.flips_at > now)
        ):
            continue
        member, flips_at = segment.condition.holds_until(view)
        if known is None or known.member != member:
            memberships[segment.id] = Membership(member, now, flips_at)
            if member or known is not None:
                yield Change(segment.id, member, now)
        else:
            known.flips_at = flips_at
