"""The two trees: `Tree` as parsed, `Term` as checked. Both are frozen; `start` and `end` are offsets into the source
text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from einklang.expr.types import Type


class Tree(msgspec.Struct, frozen=True):
    """A node as parsed.

    kind and value: `null`; `bool` `number` `string` (value); `name` (value); `field` (value = name, one argument);
    `index`; `call` and `method` (value = name; of a method the first argument is its receiver); `not` `neg`; `and` `or`
    (two or more arguments); `cond`; `binary` (value = operator); `list`; `map` (keys and values in turn).
    """

    kind: str
    value: Any
    args: tuple[Tree, ...]
    start: int
    end: int


class Term(msgspec.Struct, frozen=True):
    """A checked node: what it does (`op`), its type, its arguments, and `data` that is no expression (names, lengths).

    rate: how fast a moment or a duration moves when time passes: 1 for `now`, -1 for `x - now`, else 0.
    """

    op: str
    type: Type
    args: tuple[Term, ...] = ()
    data: Any = None
    start: int = 0
    end: int = 0
    rate: int = 0


def walk(term: Term) -> Iterator[Term]:
    """The term and all below it, parents first."""
    stack = [term]
    while stack:
        here = stack.pop()
        yield here
        stack.extend(reversed(here.args))
