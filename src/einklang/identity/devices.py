"""To whom a device (anonymousId) belongs, and when.

A device is never merged with a person: it is *signed in* by the strongest identifier that comes with it in one call.
Its anonymous events belong to whoever was signed in at their time, those before the first sign-in to the first one.
Kept are only the sign-ins at which the identifier changes (the run starts), so a thousand page views add no row; a late
sign-in that cuts a run in two restores the second half from the history. A row is void if its person claims more
devices than the limit: the first ones, by time, count.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

from einklang.identity.graph import Node

EVER = 2**62
Segment = tuple[int, str]


class SignIn(NamedTuple):
    """From `at` (microseconds) until the next row the device is signed in by this identifier. Order: at, message_id."""

    at: int
    message_id: str
    device: str
    kind: str
    value: str
    void: bool = False

    @property
    def node(self) -> Node:
        """The identifier that signed in."""
        return self.kind, self.value


def before(rows: Sequence[SignIn], at: int, message_id: str) -> int:
    """How many rows lie at or before this moment."""
    return bisect_right(rows, (at, message_id), key=lambda row: row[:2])


def owner_at(rows: Sequence[SignIn], at: int) -> SignIn | None:
    """The sign-in that an anonymous event of this moment belongs to: the latest up to it, else the first, else None."""
    for index in range(bisect_right(rows, at, key=lambda row: row[0]) - 1, -1, -1):
        if not rows[index].void:
            return rows[index]
    return next((row for row in rows if not row.void), None)


def insert(
    rows: Sequence[SignIn], new: SignIn, resumed: Callable[[SignIn, SignIn], SignIn | None]
) -> tuple[list[SignIn], list[SignIn]]:
    """(rows to add, rows to take away) when this sign-in becomes known; both empty if it says nothing new.

    resumed(row, after): the first sign-in later than `after` by the identifier of `row` on this device, from history.
    """
    index = before(rows, new.at, new.message_id)
    previous = rows[index - 1] if index else None
    following = rows[index] if index < len(rows) else None
    if previous is not None and previous.node == new.node:
        return [], []
    if previous is not None:
        again = resumed(previous, new)
        if again is not None and (following is None or again[:2] < following[:2]):
            return [new, again._replace(void=previous.void)], []
    gone = [following] if following is not None and following.node == new.node else []
    return [new], gone


def segments(rows: Sequence[SignIn], person_of: Callable[[Node], str], alone: str) -> list[Segment]:
    """(from, person) pairs in time order, beginning with -EVER; `alone`: the person of a device nobody signed in on."""
    found: list[Segment] = []
    for row in rows:
        if row.void:
            continue
        at, person = (row.at if found else -EVER), person_of(row.node)
        while found and found[-1][0] >= at:
            found.pop()
        if not found or found[-1][1] != person:
            found.append((at if found else -EVER, person))
    return found or [(-EVER, alone)]


def differences(old: Sequence[Segment], new: Sequence[Segment]) -> list[tuple[int, int, str, str]]:
    """(from, until, old person, new person) for each stretch of time whose owner changed; half-open, in time order."""
    cuts = sorted({at for at, _ in old} | {at for at, _ in new})
    found: list[tuple[int, int, str, str]] = []
    for lo, hi in zip(cuts, [*cuts[1:], EVER], strict=True):
        was, now = (side[bisect_right(side, lo, key=lambda part: part[0]) - 1][1] for side in (old, new))
        if was == now:
            continue
        if found and found[-1][1:] == (lo, was, now):
            found[-1] = (found[-1][0], hi, was, now)
        else:
            found.append((lo, hi, was, now))
    return found
