"""docs/language.md tells the language as it is: every function, every phrase, the limits, and examples that check."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from einklang.expr import Scope, check_condition, of_words, parse, to_words, write
from einklang.expr.cost import COST_MAX, ELEMENTS, EVENTS_A_NAME
from einklang.expr.functions import AGGREGATES, FUNCTIONS, LIST_METHODS, MACROS, NARROWING, STRING_METHODS
from einklang.expr.phrases import PHRASES, forms
from einklang.expr.texts import PATTERN_CHARS_MAX
from einklang.expr.types import Catalog, type_of
from einklang.kernel import limits

PAGE = (Path(__file__).parents[2] / "docs/language.md").read_text(encoding="utf-8")
SCOPE = Scope("segment.where", Catalog(traits={"birthday": type_of("date"), "contract_end": type_of("date")}), steps={})
BLOCKS: list[str] = re.findall(r"```cel\n(.*?)```", PAGE, re.S)
EXAMPLES = [BLOCKS[0], *BLOCKS[1].splitlines(), *re.findall(r"^\| [^`|]+ \| `([^`]+)` \|$", PAGE, re.M)]


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_check(text: str) -> None:
    """Each example is a condition about a person, in words and back."""
    checked = check_condition(text, SCOPE)
    assert write(of_words(to_words(parse(text), "de"), "de")) == write(parse(checked.source))


def test_examples_are_found() -> None:
    """Positive control: blocks and the table of relative days."""
    assert len(EXAMPLES) >= 12


def test_every_function_is_told() -> None:
    """Each function and method stands on the page, those of later versions as such."""
    methods = {**NARROWING, **AGGREGATES, **MACROS, **LIST_METHODS, **STRING_METHODS}
    assert [name for name in methods if not re.search(rf"\.{name}\(", PAGE)] == []
    assert [name for name, fn in FUNCTIONS.items() if not fn.later and not re.search(rf"[` ]{name}\(", PAGE)] == []
    assert [name for name, fn in FUNCTIONS.items() if fn.later and f"`{name}`" not in PAGE] == []


def test_every_phrase_is_told() -> None:
    """The table of words is the table of phrases."""
    told = re.findall(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \|$", PAGE.partition("## Words")[2], re.M)
    assert told == [(key, forms(key, "en")[0], forms(key, "de")[0]) for key in PHRASES]


def test_limits_are_told() -> None:
    """Their numbers are those of the code."""
    told = PAGE.partition("## Limits")[2].partition("## Words")[0]
    for number in (
        limits.EXPRESSION_CHARS_MAX, limits.EXPRESSION_DEPTH_MAX, limits.EXPRESSION_NODES_MAX, EVENTS_A_NAME, ELEMENTS,
    ):  # fmt: skip
        assert f"{number:,}" in told
    assert f"{COST_MAX // 1_000_000} million" in told
    assert f"{PATTERN_CHARS_MAX} characters" in PAGE
