"""Text -> `Tree`: the CEL subset of 2.1, with its limits and errors that name the mend."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from importlib.resources import files
from typing import Any

from lark import Lark, Token, UnexpectedCharacters, UnexpectedInput, UnexpectedToken, v_args
from lark.exceptions import VisitError
from lark.tree import Meta
from lark.visitors import Transformer_NonRecursive

from einklang.expr.errors import ExprError, error_at
from einklang.expr.tree import Tree
from einklang.kernel.limits import EXPRESSION_CHARS_MAX, EXPRESSION_DEPTH_MAX, EXPRESSION_NODES_MAX

RESERVED = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "namespace",
        "null",
        "package",
        "return",
        "true",
        "var",
        "void",
        "while",
    ]
)

_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\?\"'`])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.?))", re.S
)
#: Literals are rounded as every number is: half-even, 9 places after the point.
_WIDE = Context(prec=5_100, rounding=ROUND_HALF_EVEN)
_NINTH = Decimal("1E-9")
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}

#: How a person calls what the parser expects.
_HUMAN = {
    "IDENT": "a name",
    "STRING": "a text",
    "HEX": "a number",
    "INTEGER": "a number",
    "DECIMAL": "a number",
    "TRUE": "a value",
    "FALSE": "a value",
    "NULL": "a value",
    "LPAR": "'('",
    "RPAR": "')'",
    "LSQB": "'['",
    "RSQB": "']'",
    "LBRACE": "'{'",
    "RBRACE": "'}'",
    "COMMA": "','",
    "COLON": "':'",
    "DOT": "'.'",
    "BANG": "'!'",
    "MINUS": "'-'",
    "PLUS": "an operator",
    "TIMES": "an operator",
    "RELATION": "an operator",
    "IN": "an operator",
    "__ANON_0": "an operator",
    "__ANON_1": "an operator",
    "QMARK": "an operator",
    "$END": "the end",
}


class _Stop(Exception):
    """An error found while the tree is built."""

    def __init__(self, offset: int, code: str, what: str, mend: str = "") -> None:
        self.offset, self.code, self.what, self.mend = offset, code, what, mend
        super().__init__(what)


def _unquote(token: Token) -> str:
    """The text that a string literal stands for."""
    text = str(token)
    raw = text[0] in "rR"
    body = text[1:] if raw else text
    size = 3 if body[:3] in ('"""', "'''") else 1
    body = body[size:-size]
    if raw:
        return body

    def escape(found: re.Match[str]) -> str:
        simple, two, four, eight, octal, _ = found.groups()
        if simple:
            return _SIMPLE.get(simple, simple)
        number = int(octal, 8) if octal else int(two or four or eight or "110000", 16)
        if number > 0x10FFFF or 0xD800 <= number < 0xE000:
            what = f"unknown escape {found.group()!r} in a text"
            raise _Stop(token.start_pos or 0, "bad_escape", what, 'write a backslash as \\\\, or the text as r"..."')
        return chr(number)

    return _ESCAPE.sub(escape, body)


def _given(children: list[Any]) -> tuple[Tree, ...]:
    """The arguments that are there: an empty list of them is None to lark."""
    return tuple(child for child in children if child is not None)


@v_args(meta=True)
class _Build(Transformer_NonRecursive[Token, Tree]):
    """Called bottom-up by the parser: lark's rules -> `Tree`."""

    def _make(self, kind: str, value: Any, args: tuple[Tree, ...], meta: Meta) -> Tree:
        return Tree(kind, value, args, meta.start_pos, meta.end_pos)

    def start(self, meta: Meta, children: list[Tree]) -> Tree:
        return children[0]

    def group(self, meta: Meta, children: list[Tree]) -> Tree:
        return children[0]

    def ternary(self, meta: Meta, children: list[Tree]) -> Tree:
        return self._make("cond", None, tuple(children), meta)

    def _flat(self, kind: str, meta: Meta, children: list[Tree]) -> Tree:
        args = tuple(part for child in children for part in (child.args if child.kind == kind else (child,)))
        return self._make(kind, None, args, meta)

    def any_of(self, meta: Meta, children: list[Tree]) -> Tree:
        return self._flat("or", meta, children)

    def all_of(self, meta: Meta, children: list[Tree]) -> Tree:
        return self._flat("and", meta, children)

    def relation(self, meta: Meta, children: list[Any]) -> Tree:
        left, operator, right = children
        return self._make("binary", str(operator), (left, right), meta)

    addition = relation
    product = relation

    def negation(self, meta: Meta, children: list[Tree]) -> Tree:
        return self._make("not", None, tuple(children), meta)

    def minus(self, meta: Meta, children: list[Any]) -> Tree:
        return self._make("neg", None, (children[1],), meta)

    def _name(self, token: Token) -> str:
        name = str(token)
        if name in RESERVED:
            raise _Stop(
                token.start_pos or 0,
                "reserved_word",
                f"`{name}` is a reserved word",
                f'write it as an index: trait["{name}"]',
            )
        return name

    def field(self, meta: Meta, children: list[Any]) -> Tree:
        return self._make("field", self._name(children[1]), (children[0],), meta)

    def method(self, meta: Meta, children: list[Any]) -> Tree:
        return self._make("method", self._name(children[1]), (children[0], *_given(children[2:])), meta)

    def index(self, meta: Meta, children: list[Tree]) -> Tree:
        return self._make("index", None, tuple(children), meta)

    def name(self, meta: Meta, children: list[Any]) -> Tree:
        return self._make("name", self._name(children[0]), (), meta)

    def call(self, meta: Meta, children: list[Any]) -> Tree:
        return self._make("call", self._name(children[0]), _given(children[1:]), meta)

    def list_of(self, meta: Meta, children: list[Any]) -> Tree:
        return self._make("list", None, _given(children), meta)

    def map_of(self, meta: Meta, children: list[Any]) -> Tree:
        return self._make("map", None, _given(children), meta)

    def number(self, meta: Meta, children: list[Any]) -> Tree:
        token = str(children[0])
        value: int | Decimal
        if token[:2] in ("0x", "0X"):
            value = int(token, 16)
        elif token.isdigit():
            value = int(token)
        else:
            _, _, exponent = token.lower().partition("e")
            near = len(exponent) < 5 and abs(int(exponent or "0")) < 1_000
            value = Decimal(token).quantize(_NINTH, context=_WIDE) if near else Decimal(10**29)
        if not -(10**29) < value < 10**29:
            raise _Stop(meta.start_pos, "number_too_large", f"the number {token[:40]} is too large", "stay below 10^29")
        return self._make("number", value, (), meta)

    def string(self, meta: Meta, children: list[Any]) -> Tree:
        return self._make("string", _unquote(children[0]), (), meta)

    def true(self, meta: Meta, children: list[Any]) -> Tree:
        return self._make("bool", True, (), meta)

    def false(self, meta: Meta, children: list[Any]) -> Tree:
        return self._make("bool", False, (), meta)

    def null(self, meta: Meta, children: list[Any]) -> Tree:
        return self._make("null", None, (), meta)


_PARSER = Lark(
    files("einklang.expr").joinpath("grammar.lark").read_text(encoding="utf-8"),
    parser="lalr",
    propagate_positions=True,
    maybe_placeholders=True,
)
_BUILD = _Build()


@lru_cache(maxsize=512)
def parse(text: str) -> Tree:
    """The tree of an expression. What was parsed lately is at hand: definitions are checked again and again.

    Raises ExprError `too_long` `too_deep` `too_many_nodes` `syntax` `reserved_word` `bad_escape` `number_too_large`
    `not_supported`.
    """
    if len(text) > EXPRESSION_CHARS_MAX:
        what = f"the expression has {len(text):,} characters"
        raise error_at(
            text,
            EXPRESSION_CHARS_MAX,
            "too_long",
            what,
            mend=f"stay within {EXPRESSION_CHARS_MAX:,}; use a segment or a trait",
        )
    try:
        parsed = _BUILD.transform(_PARSER.parse(text))
    except UnexpectedInput as error:
        raise _syntax_error(text, error) from None
    except VisitError as error:
        stop = error.orig_exc
        if not isinstance(stop, _Stop):
            raise
        raise error_at(text, stop.offset, stop.code, stop.what, mend=stop.mend) from None
    except _Stop as stop:
        raise error_at(text, stop.offset, stop.code, stop.what, mend=stop.mend) from None
    assert isinstance(parsed, Tree)
    _measure(text, parsed)
    return parsed


def _measure(text: str, tree: Tree) -> None:
    """The limits on nodes and levels."""
    nodes, level = 0, [tree]
    for depth in range(1, EXPRESSION_NODES_MAX + 2):
        if not level:
            return
        nodes += len(level)
        if nodes > EXPRESSION_NODES_MAX:
            what = f"the expression has more than {EXPRESSION_NODES_MAX} parts"
            raise error_at(text, 0, "too_many_nodes", what, mend="put a part of it into a segment or a trait")
        if depth > EXPRESSION_DEPTH_MAX:
            what = f"the expression is nested deeper than {EXPRESSION_DEPTH_MAX} levels"
            raise error_at(text, level[0].start, "too_deep", what, mend="put a part of it into a segment or a trait")
        level = [child for node in level for child in node.args]


def _syntax_error(text: str, error: UnexpectedInput) -> ExprError:
    names: Iterable[str] = ()
    offset, found = len(text), "the end of the expression"
    if isinstance(error, UnexpectedToken):
        names = error.accepts or error.expected
        if error.token.type != "$END":
            offset, found = error.token.start_pos or 0, f"`{str(error.token)[:40]}`"
    elif isinstance(error, UnexpectedCharacters):
        names = error.allowed or ()
        offset = sum(len(row) + 1 for row in text.split("\n")[: error.line - 1]) + error.column - 1
        found = f"`{text[offset : offset + 1]}`"
    expected = sorted({_HUMAN.get(name, name.lower()) for name in names})
    special = _special(text, offset, found)
    if special is not None:
        return special
    what = f"found {found}, expected " + _listed(expected)
    return error_at(text, offset, "syntax", what, expected=expected, mend="correct the expression there")


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " or " + names[-1] if names else "something else"


def _special(text: str, offset: int, found: str) -> ExprError | None:
    """What CEL has and this language has not, and slips that are common."""
    before, rest = text[:offset], text[offset:]
    if before[-1:].isalnum() and rest[:1] in ("u", "U") and before[-1:].isdigit():
        return error_at(
            text,
            offset,
            "not_supported",
            "there are no unsigned numbers",
            mend="leave out the u: there is one number type",
        )
    if re.search(r"(?<![\w])[rR]?[bB][rR]?$", before.rstrip()) and rest[:1] in ("'", '"'):
        return error_at(
            text, max(offset - 1, 0), "not_supported", "there are no bytes literals", mend="leave out the b"
        )
    if rest[:1] in ("'", '"'):
        return error_at(
            text,
            offset,
            "syntax",
            "a text that does not end, or a text too many",
            mend="close it with the quote it began with",
        )
    if rest[:1] == "=":
        return error_at(text, offset, "syntax", "found `=`, expected `==`", expected=("'=='",), mend="compare with ==")
    if rest[:1] in ("&", "|"):
        return error_at(text, offset, "syntax", f"found {found}, expected `{rest[:1] * 2}`", mend="write && or ||")
    if rest[:1] == "#":
        return error_at(text, offset, "syntax", "found `#`", mend="begin a comment with //")
    word = re.match(r"(and|or|not|AND|OR|NOT|is)\b", rest)
    if word:
        sign = {"and": "&&", "or": "||", "not": "!", "is": "=="}[word[0].lower()]
        return error_at(
            text, offset, "syntax", f"found `{word[0]}`, expected an operator", near=sign, mend=f"write {sign}"
        )
    if before.endswith(".") and re.match(r"(in|true|false|null)\b", rest):
        name = re.match(r"\w+", rest)
        assert name is not None
        return error_at(
            text,
            offset,
            "reserved_word",
            f"`{name[0]}` is a reserved word",
            mend=f'write it as an index: trait["{name[0]}"]',
        )
    if rest[:1] == "{" and re.search(r"\w$", before.rstrip()):
        return error_at(text, offset, "not_supported", "messages cannot be made", mend='write a map: {"name": value}')
    return None
