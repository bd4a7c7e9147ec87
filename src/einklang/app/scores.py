"""`kind: score` by points: what `score("id")` stands for in a condition.

It is not stored: it is worked out of the present facts wherever it is asked, so it is right at every moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec

from einklang.expr import Catalog, Checked, Scope
from einklang.expr.write import number_text
from einklang.fact.strict import convert
from einklang.kernel.errors import InputError

Rules = tuple[tuple[str, str], ...]
Check = Callable[[str, Scope, str], Checked]
Docs = dict[tuple[str, str], tuple[dict[str, Any], str]]


class RawPoint(msgspec.Struct, forbid_unknown_fields=True):
    """Points while a condition holds; always, without one. add: a number, or `=` and an expression."""

    add: Any
    when: str | None = None


class RawScore(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A score: the sum of its points."""

    kind: str
    id: str
    points: list[RawPoint] = []
    model: str | None = None
    title: Any = None
    note: str | None = None


def scores(docs: Docs) -> dict[str, Rules]:
    """id -> (condition, points) of every score. Raises InputError."""
    found = {}
    for (kind, name), (doc, where) in docs.items():
        if kind == "score":
            if doc.get("model") is not None:
                what = "`model` of a score is not supported yet"
                raise InputError("not_supported_yet", what, where=f"{where}.model", mend="write `points`")
            raw = convert(doc, RawScore, where)
            if not raw.points:
                raise InputError("missing_field", "a score without points", where=f"{where}.points", mend="add one")
            found[name] = tuple(
                (point.when or "true", _added(point, f"{where}.points[{n}].add")) for n, point in enumerate(raw.points)
            )
    return found


def _added(point: RawPoint, where: str) -> str:
    """The points as an expression."""
    add = point.add
    if isinstance(add, str) and add.startswith("="):
        return add[1:]
    if isinstance(add, bool) or not isinstance(add, (int, Decimal)):
        what = f"{str(add)[:40]!r} is no number"
        raise InputError("wrong_type", what, where=where, mend="write a number, or =expression")
    if not abs(Decimal(add)) < 10**9:
        raise InputError("bad_number", f"{add} points", where=where, mend="stay below 10^9")
    return number_text(add)


def check(docs: Docs, catalog: Catalog, expression: Check) -> None:
    """Checks every expression of scores at its place, and that no score or stage asks for itself. Raises InputError."""
    for text, site, where in _expressions(docs, catalog):
        checked = expression(text, Scope(site, catalog), where)
        wanted = "number" if where.endswith(".add") else "bool"
        if checked.type.kind not in (wanted, "dyn", "null"):
            what = f"expected a {wanted}, found a {checked.type}"
            raise InputError("wrong_type", what, where=where, mend=f"write a {wanted}")
    for kind, known in (("score", catalog.scores), ("stage", catalog.stages)):
        for name in sorted(known):
            expression(f'{kind}("{name}") == null', Scope(kind, catalog), docs[kind, name][1])


def _expressions(docs: Docs, catalog: Catalog) -> Iterator[tuple[str, str, str]]:
    for name, points in sorted(catalog.scores.items()):
        for n, (when, add) in enumerate(points):
            where = f"{docs['score', name][1]}.points[{n}]"
            yield from ((when, "score", f"{where}.when"), (add, "score", f"{where}.add"))
