"""Samples of those for whom a condition holds: a share drawn by hash, drawn anew now and then, or kept as it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from einklang.expr import Checked, Condition, Flips, Needs, View
from einklang.kernel.ids import unit
from einklang.kernel.time import Micros


class Asked(Protocol):
    """A condition of a segment."""

    @property
    def needs(self) -> Needs: ...
    @property
    def checked(self) -> Checked: ...
    def holds(self, view: View) -> bool:
        """Whether it holds."""

    def holds_until(self, view: View, flips: Flips | None = None) -> tuple[bool, Micros | None]:
        """Whether it holds, and when time alone may change that. flips: of this view, if more are asked with it."""


@dataclass(frozen=True, slots=True)
class Draw:
    """share: None, all of them. every: microseconds after which it is drawn anew. frozen: the moment from which nobody
    enters or leaves.
    """

    segment: str
    share: float | None = None
    every: Micros | None = None
    frozen: Micros | None = None

    def takes(self, salt: bytes, person: str, now: Micros) -> bool:
        """Whether the hash draws this person."""
        if self.share is None:
            return True
        scope = f"segment:{self.segment}"
        return unit(salt, scope if self.every is None else f"{scope}:{now // self.every}", person) < self.share


class Drawn:
    """A condition of which a sample is taken."""

    def __init__(self, condition: Condition, draw: Draw) -> None:
        self.condition, self.draw = condition, draw
        self.needs, self.checked = condition.needs, condition.checked

    def holds(self, view: View) -> bool:
        """Whether the person is in the sample."""
        return self.holds_until(view)[0]

    def holds_until(self, view: View, flips: Flips | None = None) -> tuple[bool, Micros | None]:
        """The same, and when time alone may change that."""
        draw, now = self.draw, view.now
        if draw.frozen is not None and now > draw.frozen:
            return view.segment(draw.segment), None
        member, flips_at = self.condition.holds_until(view, flips)
        if draw.every is not None:
            again = (now // draw.every + 1) * draw.every
            flips_at = again if flips_at is None else min(flips_at, again)
        if flips_at is not None and draw.frozen is not None and flips_at > draw.frozen:
            flips_at = None
        return member and draw.takes(view.salt, str(view.person_field("id")), now), flips_at


def drawn(condition: Condition, draw: Draw | None) -> Asked:
    """The condition, or the sample of it."""
    return condition if draw is None else Drawn(condition, draw)
