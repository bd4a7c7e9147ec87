"""`kind: segment` as written, and the order of segments that speak of each other."""

from __future__ import annotations

from typing import Any

import msgspec

from einklang.fact.strict import convert
from einklang.kernel.errors import InputError


class RawSegment(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A named condition about a person. on_site: a page may know whether its visitor is a member."""

    kind: str
    id: str
    where: str
    title: str | dict[str, str] | None = None
    note: str | None = None
    on_site: bool = False


def parse(doc: dict[str, Any], where: str) -> RawSegment:
    """The mapping of a YAML document -> a segment. Raises InputError."""
    if doc.get("manual"):
        raise InputError(
            "not_supported_yet", "members by list are not supported yet", where=f"{where}.manual", mend="write `where`"
        )
    return convert(doc, RawSegment, where)


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
