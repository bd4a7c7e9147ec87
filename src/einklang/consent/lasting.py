"""Since when a permission is as it is: the moments between which it was there, worked out of all that was declared.

The ledger's last word says what holds; how long it has held without a break only the words before it say: a consent
that is renewed goes on. Late words are in their place, so the order of arrival does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from einklang.consent.declaration import Declaration
from einklang.consent.ledger import WITHDRAWN
from einklang.fact.person import Permission

#: From when on to when; the end does not belong to it.
Span = tuple[int, int]
EVER = 2**62


def held(
    words: Iterable[Declaration], last: Permission | None, permitted: bool, now: int, born: int | None
) -> list[Span]:
    """When an address was permitted, up to now.

    words: all that speak of it, in the order of the log; last: the one that counts, as the ledger has it, None if there
    is none; permitted: what follows from it: it knows of merges, which no word tells; born: from when on no word is
    needed, None where one is.
    """
    lasting = born is not None  # no end of a word ends another legal basis
    counted = [one for one in words if one.at <= now]
    told = [(one.at, one.status == WITHDRAWN, n, 0 if lasting else one.until) for n, one in enumerate(counted)]
    if last is not None and last.floor:
        told.append((last.floor, True, 0, 0))
    start, end = (None, 0) if born is None else (born, EVER)
    spans: list[Span] = []
    for at, refused, _, until in sorted(told):
        if start is not None and (refused or end < at):
            spans.append((start, min(end, at)))
            start = None
        if not refused:
            start, end = at if start is None else start, max(until, at) if until else EVER
    if start is not None:
        spans.append((start, end))
    spans = [(start, end) for start, end in spans if start < end]
    turned = now if last is None else last.at
    if not permitted:
        return [(start, min(end, turned)) if end > now else (start, end) for start, end in spans]
    return spans if any(start <= now < end for start, end in spans) else [*spans, (turned, EVER)]


def since(spans: Sequence[Span], now: int) -> tuple[bool, int | None]:
    """Whether one of these lasts, and since when one of them has without a break, or none; None if there was none."""
    lasting = [start for start, end in spans if start <= now < end]
    if not lasting:
        return False, max((end for start, end in spans if end <= now), default=None)
    first = min(lasting)
    for start, end in sorted(spans, key=lambda span: span[1], reverse=True):
        if start < first <= end:
            first = start
    return True, first
