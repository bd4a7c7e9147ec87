"""`kind: segment` as written, and the order of segments that speak of each other."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from einklang.audience.drawn import Draw
from einklang.event import LISTED, UNLISTED
from einklang.fact.strict import convert
from einklang.kernel.errors import InputError
from einklang.kernel.time import parse_duration, parse_moment


class RawSample(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A share of those for whom the condition holds, drawn anew after each `every`."""

    share: Decimal
    every: str | None = None


class RawSegment(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A named condition about a person. on_site: a page may know whether its visitor is a member.

    sample: only this share of them, drawn by hash. frozen: from this moment on nobody enters or leaves.
    manual: who is put on its list is a member too.
    """

    kind: str
    id: str
    where: str = ""
    title: str | dict[str, str] | None = None
    note: str | None = None
    on_site: bool = False
    sample: RawSample | None = None
    frozen: str | None = None
    manual: bool = False

    def conditions(self) -> tuple[str, ...]:
        """What is written, if anything is, and as the last one what is asked."""
        if not self.manual:
            return (self.where,)
        if not self.where:
            return (on_list(self.id),)
        return self.where, f"({self.where}\n) || {on_list(self.id)}"  # what is written may end with a comment

    def draw(self, where: str) -> Draw | None:
        """Which of those for whom the condition holds are members; None: all, as it holds. Raises InputError."""
        if self.sample is None and self.frozen is None:
            return None
        share = every = frozen = None
        if self.sample is not None:
            share = self.sample.share
            if not share.is_finite() or not 0 < share <= 1:
                raise InputError(
                    "bad_share", f"{share} is no share of them", where=f"{where}.sample.share", mend="write 0.01 to 1"
                )
            text = self.sample.every
            if text is not None:
                every = _micros(lambda: parse_duration(text).exact(), f"{where}.sample.every")
                if every <= 0:
                    what = "a sample cannot be drawn anew all the time"
                    raise InputError("bad_duration", what, where=f"{where}.sample.every", mend="write 30d")
        if self.frozen is not None:
            moment = self.frozen
            frozen = _micros(lambda: parse_moment(moment), f"{where}.frozen")
        return Draw(self.id, None if share is None else float(share), every, frozen)


def _micros(parsed: Callable[[], int], where: str) -> int:
    """A moment or a length. Raises InputError at its place."""
    try:
        return parsed()
    except InputError as error:
        raise InputError(error.code, error.what, where=where, mend=error.mend) from error


def parse(doc: dict[str, Any], where: str) -> RawSegment:
    """The mapping of a YAML document -> a segment. Raises InputError."""
    raw = convert(doc, RawSegment, where)
    if not raw.where and not raw.manual:
        mend = "add `where: ...`, or `manual: true` for a list"
        raise InputError("missing_field", "no `where`", where=where, mend=mend)
    return raw


def on_list(segment: str) -> str:
    """The condition that somebody was put on the list of a segment and not taken off it since."""
    listed = f'events("{LISTED}", "{UNLISTED}").where(segment == "{segment}").last(event.name)'
    return f'{listed} == "{LISTED}"'


def in_order(speaks_of: dict[str, frozenset[str]]) -> list[str]:
    """Ids so that each comes after those it speaks of; equals in alphabetical order. Raises InputError `circle`."""
    done: list[str] = []
    known: set[str] = set()
    for start in sorted(speaks_of):
        path = [start] if start not in known else []
        while path:
            name = path[-1]
            todo = next((other for other in sorted(speaks_of[name]) if other in speaks_of and other not in known), None)
            if todo is None:
                known.add(path.pop())
                done.append(name)
            elif todo in path:
                circle = " -> ".join((*path[path.index(todo) :], todo))
                raise InputError(
                    "circle",
                    f"segments speak of each other in a circle: {circle}",
                    where=f"segment {todo}",
                    mend="break the circle",
                )
            else:
                path.append(todo)
    return done
