"""Whom a condition would make members where it is that of a segment: with its list, its sample, its moment."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from einklang.app.definitions import Definitions
from einklang.audience import definition as segments
from einklang.audience.drawn import Draw
from einklang.kernel.errors import NotFound


@dataclass(frozen=True, slots=True)
class Meant:
    """text: what is asked. draw: which of these are members. fixed: the segment that nobody enters or leaves now."""

    text: str
    draw: Draw | None = None
    fixed: str = ""


def meant_by(definitions: Definitions, segment: str, text: str, now: int) -> Meant:
    """What the condition asks as that of a segment; "": of none. Raises NotFound."""
    if not segment:
        return Meant(text)
    known = definitions.docs.get(("segment", segment))
    if known is None:
        raise NotFound("unknown_segment", f"no segment {segment[:60]!r}", where="segment")
    raw = segments.parse(*known)
    draw = raw.draw(known[1])
    if draw is not None and draw.frozen is not None and draw.frozen < now:
        return Meant(f'segment("{segment}")', None, segment)
    return Meant(msgspec.structs.replace(raw, where=text).conditions()[-1], draw)


def share_of(draw: Draw | None) -> float | None:
    """The share that is drawn; None: all."""
    return None if draw is None else draw.share
