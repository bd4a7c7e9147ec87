"""What is wrong with an expression, where in its text, and the mend."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from einklang.kernel.errors import InputError


class ExprError(InputError):
    """An expression that is not one, or does not type.

    code: stable name of the error; line, column: 1-based, in the text of the expression; expected: what could have
    stood there instead; nearest: the nearest known name, "" if none.
    """

    def __init__(
        self,
        code: str,
        what: str,
        *,
        line: int = 1,
        column: int = 1,
        expected: Iterable[str] = (),
        nearest: str = "",
        mend: str = "",
    ) -> None:
        self.line_number = line
        self.column = column
        self.expected = tuple(expected)
        self.nearest = nearest
        super().__init__(code, what, where=f"line {line}, column {column}", mend=mend)


#: A text in quotes, or a comment.
_COMMENT = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|//[^\n]*""")


def one_line(text: str) -> str:
    """A part of an expression on one line, without comments."""
    return " ".join(_COMMENT.sub(lambda found: found[1] or "", text).split())


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name most like this one, "" if none is like it."""
    names = sorted(known)
    for candidate in names:
        if candidate.lower() == name.lower():
            return candidate
    found = get_close_matches(name, names, n=1, cutoff=0.6)
    return found[0] if found else ""


def position(text: str, offset: int) -> tuple[int, int]:
    """Line and column, both from 1, of an offset in a text."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def error_at(
    text: str,
    offset: int,
    code: str,
    what: str,
    *,
    mend: str = "",
    expected: Iterable[str] = (),
    near: str = "",
) -> ExprError:
    """An ExprError at an offset of the text."""
    line, column = position(text, offset)
    return ExprError(code, what, line=line, column=column, expected=expected, nearest=near, mend=mend)
