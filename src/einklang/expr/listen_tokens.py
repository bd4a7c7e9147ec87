"""Plain words as tokens: whole phrases, the longest first; names, texts, numbers, signs; and errors that help."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from einklang.expr.errors import ExprError, error_at, nearest
from einklang.expr.parse import RESERVED, parse
from einklang.expr.phrases import FIELDS, PHRASES, POINT, Tongue, field_words, forms
from einklang.expr.tree import Tree

_IDENT = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_QUOTED = re.compile("`([_a-zA-Z][_a-zA-Z0-9]*)`")
_STRING = re.compile(r'"(?:\\[^\r\n]|[^"\\\r\n])*"')


class Token(NamedTuple):
    """kind: `end` `string` `number` `name` `phrase` `sign`; value: what it stands for."""

    kind: str
    value: Any
    start: int
    end: int


class _Lexicon(NamedTuple):
    """The phrases of a language: one pattern for all, phrase -> keys, phrase -> field of a root."""

    pattern: re.Pattern[str]
    keys: dict[str, frozenset[str]]
    fields: dict[str, tuple[str, str]]
    number: re.Pattern[str]


@cache
def _lexicon(tongue: Tongue) -> _Lexicon:
    keys: dict[str, set[str]] = {}
    for key in PHRASES:
        for form in forms(key, tongue):
            keys.setdefault(form.lower(), set()).add(key)
    fields = {str(field_words(*field, tongue)).lower(): field for field in FIELDS}
    longest = sorted((*keys, *fields), key=len, reverse=True)
    said = "|".join(re.escape(phrase).replace("\\ ", r"\s+") for phrase in longest)
    pattern = re.compile(rf"(?:{said})(?!\w)", re.IGNORECASE)
    number = re.compile(rf"\d+(?:{re.escape(POINT[tongue])}\d+)?", re.A)
    return _Lexicon(pattern, {phrase: frozenset(found) for phrase, found in keys.items()}, fields, number)


class Words:
    """Tokens, and what to say where a word is missing."""

    def __init__(self, text: str, tongue: Tongue) -> None:
        self.text = text
        self.tongue = tongue
        self.lexicon = _lexicon(tongue)
        self.at = 0
        self.end = 0
        self.depth = 0
        self._next: Token | None = None
        self._tried: dict[str, None] = {}

    def peek(self) -> Token:
        """The next token."""
        if self._next is None:
            self._next = self._scan()
        return self._next

    def _scan(self) -> Token:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        start = self.at
        sign = self.text[start : start + 1]
        if not sign:
            return Token("end", "", start, start)
        if sign == '"' and (found := _STRING.match(self.text, start)) is not None:
            literal = found[0]
            value = self._literal(literal, start) if "\\" in literal else literal[1:-1]
            return Token("string", value, start, found.end())
        if sign.isdigit() and (found := self.lexicon.number.match(self.text, start)) is not None:
            return Token("number", self._literal(found[0].replace(POINT[self.tongue], "."), start), start, found.end())
        if sign == "`" and (found := _QUOTED.match(self.text, start)) is not None:
            return Token("name", found[1], start, found.end())
        found = self.lexicon.pattern.match(self.text, start)
        if found is not None:
            return Token("phrase", " ".join(found[0].lower().split()), start, found.end())
        found = _IDENT.match(self.text, start)
        return Token("name", found[0], start, found.end()) if found else Token("sign", sign, start, start + 1)

    def _literal(self, text: str, start: int) -> Any:
        try:
            return parse(text).value
        except ExprError as error:
            raise error_at(self.text, start, error.code, error.what, mend=error.mend) from None

    def take(self) -> Token:
        """The next token, gone past."""
        found = self.peek()
        self.at = self.end = found.end
        self._next = None
        self._tried = {}
        return found

    def sign(self, sign: str) -> bool:
        """Goes past a sign if it comes next."""
        token = self.peek()
        if token.kind == "sign" and token.value == sign:
            self.take()
            return True
        self._tried[f"`{sign}`"] = None
        return False

    def says(self, key: str) -> bool:
        """Goes past a phrase if it comes next."""
        token = self.peek()
        if token.kind == "phrase" and key in self.lexicon.keys.get(token.value, ()):
            self.take()
            return True
        self._tried[f"`{forms(key, self.tongue)[0]}`"] = None
        return False

    def key_of(self, keys: Callable[[str], bool]) -> str | None:
        """The key of the next phrase among those asked for, gone past; None if there is none."""
        token = self.peek()
        found = self.lexicon.keys.get(token.value, frozenset()) if token.kind == "phrase" else frozenset()
        for key in sorted(found):
            if keys(key):
                self.take()
                return key
        return None

    def must_sign(self, sign: str) -> None:
        if not self.sign(sign):
            raise self.fault()

    def must_say(self, key: str) -> None:
        if not self.says(key):
            raise self.fault()

    def string(self) -> Tree:
        """A text in quotes."""
        if self.peek().kind != "string":
            raise self.fault("a text in quotes")
        token = self.take()
        return Tree("string", token.value, (), token.start, token.end)

    def whole(self) -> Tree:
        """A whole number."""
        token = self.peek()
        if token.kind != "number" or type(token.value) is not int:
            raise self.fault("a whole number")
        self.take()
        return Tree("number", token.value, (), token.start, token.end)

    def ident(self) -> str:
        """A name that nothing else can be meant by: words of phrases too."""
        if self.peek().kind == "name":
            return str(self._allowed(self.take()))
        start = self.peek().start
        found = _IDENT.match(self.text, start)
        if found is None:
            raise self.fault("a name")
        self.at, self._next = found.end(), None
        self.end = found.end()
        return self._allowed(Token("name", found[0], start, found.end()))

    def _allowed(self, token: Token) -> str:
        if token.value in RESERVED:
            what = f"`{token.value}` is a reserved word"
            raise error_at(self.text, token.start, "reserved_word", what, mend="write it in quotes")
        return str(token.value)

    def fault(self, *wanted: str) -> ExprError:
        """What was found and what was expected."""
        token = self.peek()
        found = "the end" if token.kind == "end" else f"`{self.text[token.start : token.end][:40]}`"
        expected = [*wanted, *self._tried]
        near = nearest(str(token.value), self.lexicon.keys) if token.kind == "name" else ""
        shown = ", ".join(expected[:8]) + (" or other words" if len(expected) > 8 else "")
        mend = f"did you mean `{near}`?" if near else "see the words in the documentation, or write it as a text"
        return error_at(
            self.text,
            token.start,
            "syntax",
            f"found {found}, expected {shown}",
            mend=mend,
            expected=expected,
            near=near,
        )
