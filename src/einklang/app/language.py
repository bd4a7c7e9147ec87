"""Expressions for builders: text, tree and plain words of one condition, each made of whichever is given, with its
type, what it reads, what it costs, and what is wrong with it and where.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from einklang.app.definitions import Definitions
from einklang.app.queries_rules import listens
from einklang.expr import (
    Checked,
    ExprError,
    Scope,
    Tongue,
    check_tree,
    cost_of,
    crowd_supports,
    hints,
    json_schema,
    of_json,
    of_words,
    parse,
    to_json,
    to_words,
    write,
)
from einklang.expr.crowd_reach import ALONE
from einklang.expr.tree import Tree
from einklang.expr.types import SITES
from einklang.kernel.errors import InputError

#: Where a condition about a person stands; the other places belong to a journey, which `apply` checks as a whole.
PLACES = tuple(sorted(name for name, site in SITES.items() if not (site.entry or site.event)))


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """One of: text; tree, as the schema says; words with their language, `en` or `de`. site: where it is to stand."""

    text: str | None = None
    tree: Any = None
    words: str | None = None
    language: str = "en"
    site: str = "segment.where"


class Fault(msgspec.Struct, frozen=True):
    """What is wrong. line, column: from 1, in the text or the words that were given; of a tree, in its text."""

    code: str
    what: str
    line: int
    column: int
    expected: tuple[str, ...]
    nearest: str
    mend: str


class Spent(msgspec.Struct, frozen=True):
    """An estimate. looks: at events, elements and values, for one busy person; loops: how deep they stand in each
    other; alone: why it is asked person by person instead of by a plan, empty if it is not.
    """

    looks: int
    loops: int
    alone: list[str]


class Expression(msgspec.Struct, frozen=True):
    """One expression in all its forms; without `text` nothing could be read. type, reads, cost: where it checks."""

    text: str | None
    tree: dict[str, Any] | None
    words: dict[str, str]
    fault: Fault | None
    type: str | None = None
    reads: list[str] = []
    cost: Spent | None = None
    hints: list[str] = []


def schema() -> dict[str, Any]:
    """JSON Schema of the tree."""
    return json_schema()


def expression(definitions: Definitions, asked: Asked) -> Expression:
    """What is given, in all forms. Raises InputError for a request that is none."""
    try:
        source, tree = read_tree(asked)
    except ExprError as error:
        return Expression(None, None, {}, fault_of(error))
    forms = write(tree), to_json(tree), {"de": to_words(tree, "de"), "en": to_words(tree, "en")}
    try:
        checked = check_tree(tree, source, Scope(asked.site, definitions.catalog))
    except ExprError as error:
        return Expression(*forms, fault_of(error))
    return Expression(*forms, None, str(checked.type), listens(checked.needs), _spent(checked), hints(checked, sent=()))


def read_tree(asked: Asked) -> tuple[str, Tree]:
    """(the text in which positions are told, the tree). Raises ExprError, and InputError for a request that is none."""
    if asked.site not in PLACES:
        raise InputError(
            "bad_site", f"no place {asked.site[:40]!r}", where="site", mend="use one of: " + " ".join(PLACES)
        )
    given = [name for name in ("text", "tree", "words") if getattr(asked, name) is not None]
    if len(given) != 1:
        what = "nothing is given" if not given else f"{' and '.join(given)} are given"
        raise InputError("bad_body", what, where="body", mend="give one of text, tree, words")
    tongues: dict[str, Callable[[str], Tree]] = {one: _hearing(one) for one in ("en", "de")}
    if asked.language not in tongues:
        raise InputError("bad_language", f"no words in {asked.language[:20]!r}", where="language", mend="use en or de")
    if asked.words is not None:
        return asked.words, tongues[asked.language](asked.words)
    if asked.text is not None:
        return asked.text, parse(asked.text)
    text = write(of_json(asked.tree))
    return text, parse(text)


def _hearing(tongue: Tongue) -> Callable[[str], Tree]:
    return lambda words: of_words(words, tongue)


def _spent(checked: Checked) -> Spent:
    cost = cost_of(checked.tree)
    return Spent(cost.looks, cost.loops, [ALONE.get(name, name) for name in crowd_supports(checked)])


def fault_of(error: ExprError) -> Fault:
    """What is wrong, for builders."""
    return Fault(error.code, error.what, error.line_number, error.column, error.expected, error.nearest, error.mend)
