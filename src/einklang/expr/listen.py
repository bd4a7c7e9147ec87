"""Plain words, in English or German -> `Tree`: the way back from `speak`.

A hand-written reader, one method a level of binding. Words are matched as whole phrases, the longest first; a name that
looks like a word of a phrase stands in backticks. Positions of the tree are those in the words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from einklang.expr.errors import error_at
from einklang.expr.functions import AGGREGATES
from einklang.expr.listen_tokens import Token, Words
from einklang.expr.phrases import COMMA, Tongue
from einklang.expr.speak import BETWEEN, FRONT, NAMED, OF_GROUP, OF_MANY, OF_ONE, PERIODS, WORDS
from einklang.expr.tree import Tree
from einklang.kernel.limits import EXPRESSION_CHARS_MAX, EXPRESSION_DEPTH_MAX

#: Words are longer than signs.
_CHARS_MAX = 4 * EXPRESSION_CHARS_MAX
#: Every level of a tree goes through at most three of the methods that count.
_DEPTH_MAX = 3 * (EXPRESSION_DEPTH_MAX + 2)
_AGGREGATES = [name for name in AGGREGATES if name not in ("exists", "count", "nth")]


def of_words(text: str, tongue: Tongue) -> Tree:
    """The tree that plain words say. Raises ExprError with the position in the words."""
    if len(text) > _CHARS_MAX:
        what = f"{len(text):,} characters of words"
        raise error_at(text, _CHARS_MAX, "too_long", what, mend=f"stay within {_CHARS_MAX:,}; use a segment or a trait")
    return _Listener(text, tongue).all()


class _Values(Words):
    """Names, literals, functions, lists: what binds most tightly."""

    def expr(self) -> Tree:
        raise NotImplementedError

    def unary(self) -> Tree:
        raise NotImplementedError

    def made(self, start: int, kind: str, value: Any, *args: Tree) -> Tree:
        """A node from a start to what was read last."""
        return Tree(kind, value, args, start, self.end)

    def call(self, start: int, name: str, *args: Tree) -> Tree:
        """A call of a function."""
        return self.made(start, "call", name, *args)

    def items(self, close: str) -> list[Tree]:
        """Values up to a closing sign."""
        found: list[Tree] = []
        while not self.sign(close):
            if found:
                self.must_sign(COMMA[self.tongue])
            found.append(self.expr())
        return found

    def bracket(self, read: Callable[[], Tree]) -> Tree:
        """Something in brackets."""
        self.must_sign("(")
        found = read()
        self.must_sign(")")
        return found

    def deeper(self, read: Callable[[], Tree]) -> Tree:
        """Reads one level further down, within the limit."""
        self.depth += 1
        if self.depth > _DEPTH_MAX:
            what = f"nested deeper than {EXPRESSION_DEPTH_MAX} levels"
            raise error_at(self.text, self.at, "too_deep", what, mend="put a part of it into a segment or a trait")
        found = read()
        self.depth -= 1
        return found

    def length(self) -> Tree:
        """A duration as a text: `1 day 12 hours`, or in quotes."""
        start = self.peek().start
        if self.peek().kind == "string":
            return self.string()
        text = self.units(self.whole())
        if text is None:
            raise self.fault("a unit of time")
        return self.made(start, "string", text)

    def units(self, number: Tree) -> str | None:
        """The rest of a duration after its first number; None where no unit follows."""
        text, part = "", number
        while True:
            key = self.key_of(lambda key: key.startswith("unit:"))
            if key is None:
                if text:
                    raise self.fault("a unit of time")
                return None
            text += f"{part.value}{key[5:]}"
            if self.peek().kind != "number" or type(self.peek().value) is not int:
                return text
            part = self.whole()

    def member(self) -> Tree:
        """A value and what is asked of it with `.name`, `.name(...)` and `[...]`."""
        start = self.peek().start
        found = self.primary()
        while True:
            if self.sign("."):
                name = self.ident()
                if self.sign("("):
                    found = self.made(start, "method", name, found, *self.items(")"))
                else:
                    found = self.made(start, "field", name, found)
            elif self.sign("["):
                key = self.expr()
                self.must_sign("]")
                found = self.made(start, "index", None, found, key)
            else:
                return found

    def primary(self) -> Tree:
        token = self.peek()
        start = token.start
        if token.kind in ("string", "number"):
            self.take()
            return self.made(start, token.kind, token.value)
        if token.kind == "name":
            name = self.ident()
            if self.sign("("):
                return self.call(start, name, *self.items(")"))
            return self.made(start, "name", name)
        if token.kind == "phrase":
            return self._said(token)
        if token.value == "(":
            return self.bracket(self.expr)
        if self.sign("["):
            return self.made(start, "list", None, *self.items("]"))
        if self.sign("{"):
            return self.made(start, "map", None, *self._pairs())
        raise self.fault("a value")

    def _pairs(self) -> list[Tree]:
        found: list[Tree] = []
        while not self.sign("}"):
            if found:
                self.must_sign(COMMA[self.tongue])
            found.append(self.expr())
            self.must_sign(":")
            found.append(self.expr())
        return found

    def _said(self, token: Token) -> Tree:
        """A value that begins with a phrase."""
        start = token.start
        field = self.lexicon.fields.get(token.value)
        if field is not None:
            self.take()
            return self.made(start, "field", field[1], self.made(start, "name", field[0]))
        for key, kind, value in (("null", "null", None), ("true", "bool", True), ("false", "bool", False)):
            if self.says(key):
                return self.made(start, kind, value)
        for key in WORDS:
            if self.says(key):
                return self.made(start, "name", key)
        for key in FRONT:
            if self.says(key):
                return self._of_root(start, key)
        return self._named(start)

    def _of_root(self, start: int, root: str) -> Tree:
        if self.peek().kind == "string":
            key = self.string()
            return self.made(start, "index", None, self.made(start, "name", root), key)
        name = self.ident()
        if root == "trait" and self.says("of_group"):
            group = self.call(start, "group", self.string())
            return self.made(start, "field", name, self.made(start, "field", "trait", group))
        return self.made(start, "field", name, self.made(start, "name", root))

    def _named(self, start: int) -> Tree:
        for key in NAMED:
            if self.says(key):
                return self.call(start, key, self.string())
        if self.says("consent"):
            channel = self.string()
            self.must_say("purpose")
            return self.call(start, "consent", channel, self.string())
        if self.says("members"):
            return self.made(start, "method", "size", self.call(start, "group", self.string()))
        for name, key in OF_GROUP.items():
            if self.says(key):
                return self.made(start, "field", name, self.call(start, "group", self.string()))
        for period in PERIODS:
            if self.says(f"this:{period}"):
                today = self.made(start, "name", "today")
                return self.call(start, "startOf", self.made(start, "string", period), today)
        for name, key in OF_MANY.items():
            if self.says(key):
                self.must_sign("(")
                return self.call(start, name, *self.items(")"))
        raise self.fault("a value")


class _Sets(_Values):
    """Sets, and what is asked of them."""

    def set(self) -> Tree:
        """A set of events or objects."""
        start = self.peek().start
        found = self._base(start)
        while True:
            more = self._narrowed(start, found)
            if more is None:
                return found
            found = more

    def _base(self, start: int) -> Tree:
        if self.says("object"):
            return self.call(start, "objects", self.string())
        names: list[Tree] = []
        if self.says("event"):
            names.append(self.string())
            while self.says("or_event"):
                names.append(self.string())
        elif not self.says("any_event"):
            raise self.fault()
        if self.says("of_members"):
            return self.made(start, "method", "events", self.call(start, "group", self.string()), *names)
        return self.call(start, "events", *names)

    def _narrowed(self, start: int, found: Tree) -> Tree | None:
        """The set narrowed by what comes next; None where nothing does."""
        if self.says("within"):
            return self.made(start, "method", "within", found, self.length())
        for name in ("since", "until", "of", "each"):
            if self.says(name):
                return self.made(start, "method", name, found, self.unary())
        if self.says("where"):
            return self.made(start, "method", "where", found, self.bracket(self.expr))
        if self.says("latest"):
            return self.made(start, "method", "latest", found, self.whole())
        if self.says("machine"):
            return self.made(start, "method", "withMachine", found)
        for key, name in (("followed", "followedBy"), ("notfollowed", "notFollowedBy")):
            if self.says(key):
                length = self.length()
                self.must_say("by")
                args = [self.bracket(self.set), length]
                if key == "followed" and self.says("without"):
                    args.append(self.bracket(self.set))
                return self.made(start, "method", name, found, *args)
        return None

    def asked(self, start: int) -> Tree | None:
        """What is asked of a set; None where nothing is."""
        if self.says("exists"):
            return self.made(start, "method", "exists", self.set())
        if self.says("none"):
            return self.made(start, "not", None, self.made(start, "method", "exists", self.set()))
        if self.says("got"):
            return self._got(start)
        if self.says("count"):
            return self.made(start, "method", "count", self.set())
        if self.says("nth"):
            place = self.whole()
            self.must_sign(":")
            value = self.expr()
            self.must_say("over")
            return self.made(start, "method", "nth", self.set(), place, value)
        for name in _AGGREGATES:
            if self.says(name):
                value = self.expr()
                self.must_say("over")
                return self.made(start, "method", name, self.set(), value)
        return None

    def _got(self, start: int) -> Tree:
        message = self.string()
        self.must_say("within")
        sent = self.call(start, "events", self.made(start, "string", "Message Sent"))
        within = self.made(start, "method", "within", sent, self.length())
        same = self.made(start, "binary", "==", self.made(start, "name", "message"), message)
        return self.made(start, "method", "exists", self.made(start, "method", "where", within, same))


class _Listener(_Sets):
    """Operators, loosest last."""

    def all(self) -> Tree:
        """The whole text."""
        found = self.expr()
        if self.peek().kind != "end":
            raise self.fault("the end")
        return found

    def unary(self) -> Tree:
        return self.deeper(self._unary)

    def _unary(self) -> Tree:
        start = self.peek().start
        if self.says("-"):
            return self.made(start, "neg", None, self.unary())
        if self.peek().kind == "number" and type(self.peek().value) is int:
            return self._number(start)
        found = self.asked(start)
        if found is not None:
            return found
        for name in OF_ONE:
            if self.says(name):
                return self.call(start, name, self.unary())
        if self.says("lookup"):
            catalog = self.string()
            self.must_say("key")
            return self.call(start, "lookup", catalog, self.unary())
        for period in PERIODS:
            if self.says(f"start:{period}"):
                return self.call(start, "startOf", self.made(start, "string", period), self.unary())
        for name in ("sum", "min", "max"):
            if self.says(f"list:{name}"):
                return self.made(start, "method", name, self.unary())
        macro = self.key_of(lambda key: key.startswith("macro:"))
        return self.member() if macro is None else self._macro(start, macro[6:])

    def _macro(self, start: int, name: str) -> Tree:
        variable = self.made(self.peek().start, "name", self.ident())
        self.must_say("from")
        items = self.unary()
        self.must_say("take" if name == "map" else "where")
        return self.made(start, "method", name, items, variable, self.bracket(self.expr))

    def _number(self, start: int) -> Tree:
        """A number, a duration, or a day so long before or after another."""
        number = self.whole()
        text = self.units(number)
        if text is None:
            return number
        length = self.call(start, "duration", self.made(start, "string", text))
        for key, sign in (("before", "-"), ("after", "+")):
            if self.says(key):
                return self.made(start, "binary", sign, self.unary(), length)
        return length

    def _left(self, read: Callable[[], Tree], signs: tuple[str, ...]) -> Tree:
        """Operators that group to the left."""
        start = self.peek().start
        found = read()
        while True:
            sign = self.key_of(signs.__contains__)
            if sign is None:
                return found
            found = self.made(start, "binary", sign, found, read())

    def product(self) -> Tree:
        return self._left(self.unary, ("*", "/", "%"))

    def sum(self) -> Tree:
        return self._left(self.product, ("+", "-"))

    def relation(self) -> Tree:
        start = self.peek().start
        found = self.sum()
        while True:
            more = self._related(start, found)
            if more is None:
                return found
            found = more

    def _related(self, start: int, left: Tree) -> Tree | None:
        sign = self.key_of(("==", "!=", "<", "<=", ">", ">=", "in").__contains__)
        if sign is not None:
            return self.made(start, "binary", sign, left, self.sum())
        for name in BETWEEN:
            if self.says(name):
                return self.made(start, "method", name, left, self.sum())
        for key, sign in (("missing", "=="), ("present", "!=")):
            if self.says(key):
                return self.made(start, "binary", sign, left, self.made(self.end, "null", None))
        if self.says("has"):
            return self.call(start, "has", left)
        if self.says("unchanged"):
            length = self.call(start, "duration", self.length())
            then = self.made(start, "binary", "-", self.made(start, "name", "now"), length)
            return self.made(start, "binary", "<=", self.call(start, "changedAt", left), then)
        return None

    def negation(self) -> Tree:
        return self.deeper(self._negation)

    def _negation(self) -> Tree:
        start = self.peek().start
        return self.made(start, "not", None, self.negation()) if self.says("not") else self.relation()

    def _joined(self, read: Callable[[], Tree], kind: str) -> Tree:
        start = self.peek().start
        parts = [read()]
        while self.says(kind):
            parts.append(read())
        if len(parts) == 1:
            return parts[0]
        flat = [inner for part in parts for inner in (part.args if part.kind == kind else (part,))]
        return self.made(start, kind, None, *flat)

    def choice(self) -> Tree:
        """Conditions joined by `or`."""
        return self._joined(lambda: self._joined(self.negation, "and"), "or")

    def expr(self) -> Tree:
        return self.deeper(self._expr)

    def _expr(self) -> Tree:
        start = self.peek().start
        if not self.says("if"):
            return self.choice()
        ask = self.choice()
        self.must_say("then")
        yes = self.choice()
        self.must_say("else")
        return self.made(start, "cond", None, ask, yes, self.expr())
