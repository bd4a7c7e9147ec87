"""`Tree` -> text: the one way to write a tree down. Parsed again, the text gives the same tree.

Comments, blanks and needless parentheses of the author are not in the tree, so they are gone; what is stored is the
author's own text, this is for trees that a builder or plain words made.
"""

from __future__ import annotations

from decimal import Decimal

from einklang.expr.numbers import text_of
from einklang.expr.tree import Tree

#: How tightly each kind of node binds, loosest first; what binds more loosely than its place asks stands in brackets.
ANY, OR, AND, RELATION, SUM, PRODUCT, UNARY, MEMBER = range(8)
#: Sign -> how tightly it binds. All of them group to the left.
SIGNS = {
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in"), RELATION),
    **dict.fromkeys(("+", "-"), SUM),
    **dict.fromkeys(("*", "/", "%"), PRODUCT),
}
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def write(tree: Tree) -> str:
    """The text of a tree, on one line, with no more brackets than it needs."""
    return _Writer().at(tree, ANY)


def quoted(text: str) -> str:
    """A text as a literal in double quotes."""
    found = (_ESCAPES.get(sign) or (f"\\x{ord(sign):02x}" if sign < " " or sign == "\x7f" else sign) for sign in text)
    return '"' + "".join(found) + '"'


def number_text(value: int | Decimal) -> str:
    """A number without needless zeros and without an exponent."""
    return text_of(value)


class _Writer:
    """One method a kind of node; each gives (how tightly it binds, text)."""

    def at(self, tree: Tree, place: int) -> str:
        """The text of a node where something that binds at least so tightly is asked for."""
        level, text = getattr(self, "_" + tree.kind)(tree)
        return f"({text})" if level < place else str(text)

    def _all(self, parts: tuple[Tree, ...]) -> str:
        return ", ".join(self.at(part, ANY) for part in parts)

    def _null(self, tree: Tree) -> tuple[int, str]:
        return MEMBER, "null"

    def _bool(self, tree: Tree) -> tuple[int, str]:
        return MEMBER, "true" if tree.value else "false"

    def _number(self, tree: Tree) -> tuple[int, str]:
        # `1.5.x` would read on as a number
        return UNARY, number_text(tree.value)

    def _string(self, tree: Tree) -> tuple[int, str]:
        return MEMBER, quoted(tree.value)

    def _name(self, tree: Tree) -> tuple[int, str]:
        return MEMBER, tree.value

    def _field(self, tree: Tree) -> tuple[int, str]:
        return MEMBER, f"{self.at(tree.args[0], MEMBER)}.{tree.value}"

    def _index(self, tree: Tree) -> tuple[int, str]:
        return MEMBER, f"{self.at(tree.args[0], MEMBER)}[{self.at(tree.args[1], ANY)}]"

    def _call(self, tree: Tree) -> tuple[int, str]:
        return MEMBER, f"{tree.value}({self._all(tree.args)})"

    def _method(self, tree: Tree) -> tuple[int, str]:
        return MEMBER, f"{self.at(tree.args[0], MEMBER)}.{tree.value}({self._all(tree.args[1:])})"

    def _not(self, tree: Tree) -> tuple[int, str]:
        return UNARY, "!" + self.at(tree.args[0], UNARY)

    def _neg(self, tree: Tree) -> tuple[int, str]:
        return UNARY, "-" + self.at(tree.args[0], UNARY)

    def _and(self, tree: Tree) -> tuple[int, str]:
        return AND, " && ".join(self.at(part, RELATION) for part in tree.args)

    def _or(self, tree: Tree) -> tuple[int, str]:
        return OR, " || ".join(self.at(part, AND) for part in tree.args)

    def _cond(self, tree: Tree) -> tuple[int, str]:
        ask, yes, no = tree.args
        return ANY, f"{self.at(ask, OR)} ? {self.at(yes, OR)} : {self.at(no, ANY)}"

    def _binary(self, tree: Tree) -> tuple[int, str]:
        level = SIGNS[tree.value]
        left, right = self.at(tree.args[0], level), self.at(tree.args[1], level + 1)
        return level, f"{left} {tree.value} {right}"

    def _list(self, tree: Tree) -> tuple[int, str]:
        return MEMBER, f"[{self._all(tree.args)}]"

    def _map(self, tree: Tree) -> tuple[int, str]:
        pairs = zip(tree.args[::2], tree.args[1::2], strict=True)
        return MEMBER, "{" + ", ".join(f"{self.at(key, OR)}: {self.at(value, ANY)}" for key, value in pairs) + "}"
