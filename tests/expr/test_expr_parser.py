"""Text -> tree: the syntax of CEL's subset, its limits, and errors that say where and what to do."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from einklang.expr import ExprError, parse
from einklang.expr.tree import Tree
from einklang.kernel.limits import EXPRESSION_CHARS_MAX


def shape(tree: Tree) -> Any:
    """A tree as nested tuples."""
    head = tree.kind if tree.value is None else f"{tree.kind}:{tree.value}"
    return (head, *map(shape, tree.args)) if tree.args else head


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1 + 2 * 3", ("binary:+", "number:1", ("binary:*", "number:2", "number:3"))),
        ("1 - 2 - 3", ("binary:-", ("binary:-", "number:1", "number:2"), "number:3")),
        ("(1 - 2) - 3", ("binary:-", ("binary:-", "number:1", "number:2"), "number:3")),
        ("1 - (2 - 3)", ("binary:-", "number:1", ("binary:-", "number:2", "number:3"))),
        ("!a && b || c", ("or", ("and", ("not", "name:a"), "name:b"), "name:c")),
        ("a && b && c", ("and", "name:a", "name:b", "name:c")),
        ("a ? b : c ? d : e", ("cond", "name:a", "name:b", ("cond", "name:c", "name:d", "name:e"))),
        ("a + 1 == b in c", ("binary:in", ("binary:==", ("binary:+", "name:a", "number:1"), "name:b"), "name:c")),
        ("-a.b", ("neg", ("field:b", "name:a"))),
        ("a.b(c, d)[0].e", ("field:e", ("index", ("method:b", "name:a", "name:c", "name:d"), "number:0"))),
        ("f()", "call:f"),
        ("[]", "list"),
        ("[1, 2,]", ("list", "number:1", "number:2")),
        ('{"a": 1, "b": [x]}', ("map", "string:a", "number:1", "string:b", ("list", "name:x"))),
        ("a // the rest\n || b", ("or", "name:a", "name:b")),
        ("truely || nullable || inside", ("or", "name:truely", "name:nullable", "name:inside")),
        ("true != false", ("binary:!=", "bool:True", "bool:False")),
    ],
)
def test_syntax(text: str, wanted: Any) -> None:
    """Precedence, associativity, members, literals and comments are CEL's."""
    assert shape(parse(text)) == wanted


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("0x1F", 31),
        ("0.10", Decimal("0.1")),
        (".5", Decimal("0.5")),
        ("1e3", Decimal(1000)),
        ("25E-1", Decimal("2.5")),
        ("0.1234567895", Decimal("0.12345679")),
        ("0.1234567885", Decimal("0.123456788")),
        ("1e-400", Decimal(0)),
        ('"a\\n\\t\\"\\\\"', 'a\n\t"\\'),
        ("'it''s'", None),
        ("'say \"x\"'", 'say "x"'),
        ('"\\u00e4\\U0001F600\\x41\\101"', "ä😀AA"),
        ('r"\\d+"', "\\d+"),
        ("R'''a'b\nc'''", "a'b\nc"),
        ('"""two\nlines "quoted" """', 'two\nlines "quoted" '),
    ],
)
def test_literals(text: str, value: Any) -> None:
    """Numbers are decimal with 9 places, half-even; texts have CEL's quotes and escapes."""
    if value is None:
        with pytest.raises(ExprError):
            parse(text)
    else:
        assert parse(text).value == value


@pytest.mark.parametrize(
    ("text", "code", "line", "column", "part"),
    [
        ("", "syntax", 1, 1, "the end"),
        ("a +", "syntax", 1, 4, "expected"),
        ("a &&\n  (b ||", "syntax", 2, 8, "expected"),
        ("(a", "syntax", 1, 3, "')'"),
        ("a b", "syntax", 1, 3, "found `b`"),
        ("a = 1", "syntax", 1, 3, "=="),
        ("a and b", "syntax", 1, 3, "&&"),
        ("a OR b", "syntax", 1, 3, "||"),
        ("a & b", "syntax", 1, 3, "&&"),
        ("# note", "syntax", 1, 1, "//"),
        ('"abc', "syntax", 1, 1, "quote"),
        ("a $ b", "syntax", 1, 3, "`$`"),
        ("a.b.", "syntax", 1, 5, "a name"),
        (".a", "syntax", 1, 1, "`.`"),
        ("a.if", "reserved_word", 1, 3, 'trait["if"]'),
        ("a.in", "reserved_word", 1, 3, 'trait["in"]'),
        ("while", "reserved_word", 1, 1, "while"),
        ("5u", "not_supported", 1, 2, "unsigned"),
        ('b"x"', "not_supported", 1, 1, "bytes"),
        ("Money{amount: 1}", "not_supported", 1, 6, "map"),
        ('"\\q"', "bad_escape", 1, 1, "escape"),
        ('"\\ud800"', "bad_escape", 1, 1, "escape"),
        ("1e40", "number_too_large", 1, 1, "10^29"),
        ("1e99999999999999999999", "number_too_large", 1, 1, "10^29"),
        ("1" * 30, "number_too_large", 1, 1, "10^29"),
    ],
)
def test_syntax_errors(text: str, code: str, line: int, column: int, part: str) -> None:
    """An error has a code, line and column from 1, and names what was found or the mend."""
    with pytest.raises(ExprError) as caught:
        parse(text)
    error = caught.value
    assert (error.code, error.line_number, error.column) == (code, line, column)
    assert part in error.line()
    assert error.mend


def test_limit_of_characters() -> None:
    """4,000 characters are parsed, one more is an error of its own."""
    text = "a" + " " * (EXPRESSION_CHARS_MAX - 1)
    assert parse(text).kind == "name"
    with pytest.raises(ExprError) as caught:
        parse(text + " ")
    assert caught.value.code == "too_long"


def test_limit_of_levels() -> None:
    """32 levels are parsed, 33 are an error; parentheses and chains of && make no level."""
    assert parse("!" * 31 + "a").kind == "not"
    with pytest.raises(ExprError) as caught:
        parse("!" * 32 + "a")
    assert caught.value.code == "too_deep"
    assert parse("(" * 300 + "a" + ")" * 300).kind == "name"
    assert len(parse(" && ".join(["a"] * 200)).args) == 200


def test_limit_of_nodes() -> None:
    """500 nodes are parsed, 501 are an error of their own."""
    assert len(parse("[" + ",".join(["1"] * 499) + "]").args) == 499
    with pytest.raises(ExprError) as caught:
        parse("[" + ",".join(["1"] * 500) + "]")
    assert caught.value.code == "too_many_nodes"


@given(st.text(alphabet="ab1.\"'()[]{}!&|=<>+-*/%,:?\\ \nrin", max_size=40))
def test_any_text_parses_or_has_a_position(text: str) -> None:
    """Whatever is given, it is a tree or an ExprError inside the text: never another exception."""
    error, tree = None, None
    try:
        tree = parse(text)
    except ExprError as found:
        error = found
    if error is not None:
        assert 1 <= error.line_number <= text.count("\n") + 1
        assert 1 <= error.column <= len(text) + 1
    else:
        assert tree is not None
        assert 0 <= tree.start <= tree.end <= len(text)
