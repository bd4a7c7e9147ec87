"""Regular expressions: RE2, which looks at each character once, so no pattern is slow; and none is large."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2

from einklang.kernel.errors import InputError

PATTERN_CHARS_MAX = 500
#: What a compiled pattern may take. Repeats of repeats grow beyond it.
_PATTERN_BYTES_MAX = 256 * 1024
#: Its places: each character of a text may have to be held against all of them.
_PATTERN_PLACES_MAX = 4_000


def _options() -> Any:
    options = re2.Options()
    options.max_mem = _PATTERN_BYTES_MAX
    options.log_errors = False
    return options


_OPTIONS = _options()


def pattern_of(text: str) -> Any:
    """A compiled pattern. Raises InputError `bad_pattern`, `pattern_too_large`."""
    if len(text) > PATTERN_CHARS_MAX:
        what = f"a regular expression of {len(text):,} characters"
        raise InputError("pattern_too_large", what, mend=f"stay within {PATTERN_CHARS_MAX} characters")
    large = InputError(
        "pattern_too_large",
        f"the regular expression {text[:40]!r} grows too large",
        mend="repeat less often, such as {0,20}",
    )
    try:
        found = re2.compile(text, _OPTIONS)
        if found.programsize > _PATTERN_PLACES_MAX:
            raise large
        return found
    except re2.error as error:
        if "too large" in str(error) or "repetition size" in str(error):
            raise large from None
        what = f"not a regular expression: {text[:40]!r}"
        raise InputError("bad_pattern", what, mend="write it in RE2's syntax, without look-around") from None


@lru_cache(maxsize=512)
def _known(text: str) -> Any:
    try:
        return pattern_of(text)
    except InputError:
        return None


def matches(a: Any, b: Any) -> bool:
    """Whether a part of text a matches the pattern b; false where b is none."""
    if type(a) is not str or type(b) is not str:
        return False
    pattern = _known(b)
    return pattern is not None and pattern.search(a) is not None
