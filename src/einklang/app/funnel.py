"""A condition as the steps of a funnel: groups (all of, any of, none of) and single conditions, each ready to be asked.

The groups are those of the tree: `&&`, `||` and `!(... || ...)`; whatever else stands there is one condition.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from einklang.expr import Checked, Condition, Scope, check, check_condition, compile_one, cost_of, to_words, write
from einklang.expr.errors import ExprError
from einklang.expr.tree import Tree

ALL, ANY, NONE, ONE = "all", "any", "none", "condition"
_COMPARED = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})
_GROUPS = {"and": ALL, "or": ANY}


class Part(msgspec.Struct, frozen=True):
    """A group with its parts, or one condition. missing: asks, of a comparison that is negated, whether one of its
    values is missing; None where nothing is negated.
    """

    kind: str
    text: str
    words: dict[str, str]
    parts: tuple[Part, ...] = ()
    condition: Condition | None = None
    missing: Condition | None = None
    looks: int = 0
    loops: int = 0


def parts_of(tree: Tree, scope: Scope) -> Part:
    """The parts of a condition that checks. The whole is always a group, as builders show it; of `true` one without
    parts, which is everybody.
    """
    found = _part(tree, scope)
    everybody = tree.kind == "bool" and tree.value is True
    return found if found.kind != ONE else Part(ALL, found.text, found.words, () if everybody else (found,))


def conditions(part: Part) -> Iterator[Part]:
    """All single conditions."""
    if part.kind == ONE:
        yield part
    for inner in part.parts:
        yield from conditions(inner)


def _part(tree: Tree, scope: Scope) -> Part:
    text, words = write(tree), {"de": to_words(tree, "de"), "en": to_words(tree, "en")}
    negated = tree.kind == "not" and tree.args[0].kind == "or"
    if tree.kind in _GROUPS or negated:
        inner = tree.args[0] if negated else tree
        kind = NONE if negated else _GROUPS[tree.kind]
        return Part(kind, text, words, tuple(_part(part, scope) for part in inner.args))
    checked = check_condition(text, scope)
    cost = cost_of(checked.tree)
    return Part(ONE, text, words, (), compile_one(checked), _missing(tree, scope), cost.looks, cost.loops)


def _missing(tree: Tree, scope: Scope) -> Condition | None:
    """Of `a != b` and `!(a < b)`: whether a or b is null. (language.md 2.4: what is missing counts there.)"""
    told = tree.args[0] if tree.kind == "not" else tree
    if told.kind != "binary" or told.value not in _COMPARED or (tree.kind != "not" and told.value != "!="):
        return None
    sides = [side for side in told.args if side.kind not in ("string", "number", "bool", "list", "map", "null")]
    asked = [_tree("binary", "==", side, _tree("null", None)) for side in sides]
    if not asked or any(side.kind == "null" for side in told.args):
        return None
    whole = asked[0] if len(asked) == 1 else _tree("or", None, *asked)
    try:
        checked: Checked = check(write(whole), scope)
    except ExprError:  # what can never be missing is not compared with nothing
        return None
    return compile_one(checked)


def _tree(kind: str, value: str | None, *args: Tree) -> Tree:
    return Tree(kind, value, args, 0, 0)
