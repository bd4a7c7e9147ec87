"""`Tree` -> plain words, in English or German. `listen` reads them back as the same tree.

The words are another way to write the same grammar: brackets group, prefixes and infixes bind as tightly as the table
below says, and what has no words of its own is written as in the text.
"""

from __future__ import annotations

import re
from functools import cache

from einklang.expr.functions import AGGREGATES, MACROS
from einklang.expr.phrases import COMMA, POINT, Tongue, field_words, forms, vocabulary
from einklang.expr.tree import Tree
from einklang.expr.write import number_text, quoted

#: How tightly words bind, loosest first: as in the text, but for `not`, which speaks of a whole comparison.
ANY, OR, AND, NOT, RELATION, SUM, PRODUCT, UNARY, MEMBER = range(9)
SIGNS = {
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in"), RELATION),
    **dict.fromkeys(("+", "-"), SUM),
    **dict.fromkeys(("*", "/", "%"), PRODUCT),
}
#: Methods that stand between two values.
BETWEEN = ("contains", "startsWith", "endsWith", "matches")
#: Functions of one text in quotes.
OF_GROUP = {"id": "group_id", "role": "group_role", "contact_person": "group_contact"}
NAMED = ("segment", "inJourney", "stage", "score", "openCases", "reachable", "bucket", "group")
#: Functions of one value.
OF_ONE = (
    "changedAt", "age", "anniversary", "date", "timestamp", "days", "year", "month", "day", "hour", "weekday", "size",
    "abs", "number", "string", "lower",
)  # fmt: skip
#: Functions of several values -> their phrase.
OF_MANY = {"coalesce": "coalesce", "min": "min of", "max": "max of"}
#: Names that have a word of their own.
WORDS = ("now", "today", "entry", "goal")
#: Roots whose fields are said with the root in front.
FRONT = ("trait", "step", "vars")
PERIODS = ("week", "month", "quarter", "year")
LENGTH = re.compile(r"(0|[1-9]\d*)(mo|[ywdhms])", re.A)
_ORDER = ("y", "mo", "w", "d", "h", "m", "s")
Said = tuple[int, str]


def to_words(tree: Tree, tongue: Tongue) -> str:
    """The tree in plain words."""
    return _Speaker(tongue).at(tree, ANY)


@cache
def _vocabulary(tongue: Tongue) -> frozenset[str]:
    return vocabulary(tongue)


def is_call(tree: Tree, name: str, *kinds: str) -> bool:
    """Whether a node calls a function with arguments of these kinds of node."""
    return tree.kind == "call" and tree.value == name and tuple(arg.kind for arg in tree.args) == kinds


def is_name(tree: Tree, *names: str) -> bool:
    """Whether a node is one of these names."""
    return tree.kind == "name" and tree.value in names


def is_length(text: str) -> bool:
    """Whether a duration can be said in words and read back letter by letter."""
    parts = LENGTH.findall(text)
    ranks = [_ORDER.index(unit) for _, unit in parts]
    return bool(parts) and "".join(map("".join, parts)) == text and ranks == sorted(set(ranks))


def is_shift(tree: Tree) -> bool:
    """A day or moment moved by a duration that can be said."""
    if tree.kind != "binary" or tree.value not in ("+", "-"):
        return False
    by = tree.args[1]
    return is_call(by, "duration", "string") and is_length(by.args[0].value)


class _Sets:
    """Sets of events and objects."""

    def __init__(self, tongue: Tongue) -> None:
        self.tongue = tongue

    def at(self, tree: Tree, place: int) -> str:
        raise NotImplementedError

    def say(self, key: str, form: int = 0) -> str:
        """A phrase."""
        return forms(key, self.tongue)[form]

    def length(self, text: str, *, dative: bool = False) -> str:
        """A duration: `1 day 12 hours`; what cannot be said stays in quotes."""
        if not is_length(text):
            return quoted(text)
        several = 2 if dative else 1
        parts = [f"{n} {self.say(f'unit:{unit}', 0 if n == '1' else several)}" for n, unit in LENGTH.findall(text)]
        return " ".join(parts)

    def set(self, tree: Tree, *, many: bool = False) -> str | None:
        """A set in words; None for what is none, or none that has words. many: said of several."""
        base = self._base(tree, many=many)
        if base is not None:
            return base
        if tree.kind != "method":
            return None
        holder = self.set(tree.args[0], many=many)
        suffix = None if holder is None else self._suffix(tree.value, tree.args[1:])
        return None if suffix is None else f"{holder} {suffix}"

    def _base(self, tree: Tree, *, many: bool) -> str | None:
        form = 1 if many else 0
        if is_call(tree, "objects", "string"):
            return f"{self.say('object', form)} {quoted(tree.args[0].value)}"
        of_group = tree.kind == "method" and tree.value == "events" and is_call(tree.args[0], "group", "string")
        names = tree.args[1:] if of_group else tree.args
        if not (of_group or (tree.kind == "call" and tree.value == "events")):
            return None
        if any(name.kind != "string" for name in names):
            return None
        said = f" {self.say('or_event')} ".join(quoted(name.value) for name in names)
        found = f"{self.say('event', form)} {said}" if names else self.say("any_event", form)
        return f"{found} {self.say('of_members')} {quoted(tree.args[0].args[0].value)}" if of_group else found

    def _suffix(self, name: str, args: tuple[Tree, ...]) -> str | None:
        kinds = tuple(arg.kind for arg in args)
        if name == "within" and kinds == ("string",):
            return self._within(args[0].value)
        if name == "since" and len(args) == 1 and is_shift(args[0]):
            return f"{self.say(name)} {self.shift(args[0], dative=True)}"
        if name in ("since", "until", "of", "each") and len(args) == 1:
            return f"{self.say(name)} {self.at(args[0], UNARY)}"
        if name == "where" and len(args) == 1:
            return f"{self.say(name)} ({self.at(args[0], ANY)})"
        if name == "latest" and kinds == ("number",) and type(args[0].value) is int:
            return f"{self.say(name)} {args[0].value}"
        if name == "withMachine" and not args:
            return self.say("machine")
        if name in ("followedBy", "notFollowedBy") and kinds[1:2] == ("string",):
            return self._sequence(name, args)
        return None

    def shift(self, tree: Tree, *, dative: bool = False) -> str:
        """`7 days before x`, of what `is_shift`."""
        day, by = tree.args
        where = self.say("before" if tree.value == "-" else "after")
        return f"{self.length(by.args[0].value, dative=dative)} {where} {self.at(day, UNARY)}"

    def _within(self, length: str) -> str:
        """`in the last 30 days`, but `within 1 day`."""
        return f"{self.say('within', int(length.startswith('1') and length[1:2].isalpha()))} " + self.length(
            length, dative=True
        )

    def _sequence(self, name: str, args: tuple[Tree, ...]) -> str | None:
        other, more = self.set(args[0]), [self.set(part) for part in args[2:]]
        if other is None or None in more or len(more) > (name == "followedBy"):
            return None
        key = "followed" if name == "followedBy" else "notfollowed"
        said = f"{self.say(key)} {self.length(args[1].value, dative=True)} {self.say('by')} ({other})"
        return f"{said} {self.say('without')} ({more[0]})" if more else said

    def aggregate(self, tree: Tree) -> str | None:
        """What is asked of a set; None where it is not of one that has words."""
        name, args = tree.value, tree.args[1:]
        if name == "exists" and not args:
            got = self._got(tree)
            found = self.set(tree.args[0])
            return got or (found and f"{self.say('exists')} {found}")
        found = self.set(tree.args[0], many=True)
        if found is None or len(args) != len(AGGREGATES[name].args):
            return None
        if name == "count":
            return f"{self.say('count')} {found}"
        asked = f"{self.at(args[-1], ANY)} {self.say('over')} {found}"
        if name == "nth":
            plain = args[0].kind == "number" and type(args[0].value) is int
            return f"{self.say('nth')} {args[0].value}: {asked}" if plain else None
        return f"{self.say(name)} {asked}"

    def _got(self, tree: Tree) -> str | None:
        """`events("Message Sent").within("30d").where(message == "x").exists()`."""
        found = got_message(tree)
        if found is None:
            return None
        message, length = found
        return f"{self.say('got')} {quoted(message)} {self._within(length)}"


def got_message(tree: Tree) -> tuple[str, str] | None:
    """(message, duration) where a tree asks whether a message was sent in the last so many days, written just so."""
    where = tree.args[0]
    within = where.args[0] if where.kind == "method" and where.value == "where" and len(where.args) == 2 else where
    shaped = within is not where and within.kind == "method" and within.value == "within" and len(within.args) == 2
    if not shaped or within.args[1].kind != "string" or not is_call(within.args[0], "events", "string"):
        return None
    asked = where.args[1]
    named = asked.kind == "binary" and asked.value == "==" and is_name(asked.args[0], "message")
    if not named or asked.args[1].kind != "string" or within.args[0].args[0].value != "Message Sent":
        return None
    return asked.args[1].value, within.args[1].value


class _Speaker(_Sets):
    """One method a kind of node; each gives (how tightly it binds, words)."""

    def at(self, tree: Tree, place: int) -> str:
        level, text = getattr(self, "_" + tree.kind)(tree)
        return f"({text})" if level < place else str(text)

    def _all(self, parts: tuple[Tree, ...]) -> str:
        return f"{COMMA[self.tongue]} ".join(self.at(part, ANY) for part in parts)

    def _ident(self, name: str) -> str:
        return f"`{name}`" if name.lower() in _vocabulary(self.tongue) else name

    def _null(self, tree: Tree) -> Said:
        return MEMBER, self.say("null")

    def _bool(self, tree: Tree) -> Said:
        return MEMBER, self.say("true" if tree.value else "false")

    def _number(self, tree: Tree) -> Said:
        return UNARY, number_text(tree.value).replace(".", POINT[self.tongue])

    def _string(self, tree: Tree) -> Said:
        return MEMBER, quoted(tree.value)

    def _name(self, tree: Tree) -> Said:
        return MEMBER, self.say(tree.value) if tree.value in WORDS else self._ident(tree.value)

    def _field(self, tree: Tree) -> Said:
        holder = tree.args[0]
        own = field_words(holder.value, tree.value, self.tongue) if holder.kind == "name" else None
        if own is not None:
            return MEMBER, own
        if is_name(holder, *FRONT):
            return MEMBER, f"{self.say(holder.value)} {tree.value}"
        if is_call(holder, "group", "string") and tree.value in OF_GROUP:
            return MEMBER, f"{self.say(OF_GROUP[tree.value])} {quoted(holder.args[0].value)}"
        if holder.kind == "field" and holder.value == "trait" and is_call(holder.args[0], "group", "string"):
            of = f"{self.say('of_group')} {quoted(holder.args[0].args[0].value)}"
            return MEMBER, f"{self.say('trait')} {tree.value} {of}"
        return MEMBER, f"{self.at(holder, MEMBER)}.{tree.value}"

    def _index(self, tree: Tree) -> Said:
        holder, key = tree.args
        if is_name(holder, *FRONT) and key.kind == "string":
            return MEMBER, f"{self.say(holder.value)} {quoted(key.value)}"
        return MEMBER, f"{self.at(holder, MEMBER)}[{self.at(key, ANY)}]"

    # functions

    def _call(self, tree: Tree) -> Said:
        name, args = tree.value, tree.args
        kinds = tuple(arg.kind for arg in args)
        if name in NAMED and kinds == ("string",):
            return MEMBER, f"{self.say(name)} {quoted(args[0].value)}"
        if name == "consent" and kinds == ("string", "string"):
            return MEMBER, (
                f"{self.say('consent')} {quoted(args[0].value)} {self.say('purpose')} {quoted(args[1].value)}"
            )
        if name == "duration" and kinds == ("string",) and is_length(args[0].value):
            return UNARY, self.length(args[0].value)
        if name == "lookup" and kinds[:1] == ("string",) and len(args) == 2:
            return UNARY, f"{self.say('lookup')} {quoted(args[0].value)} {self.say('key')} {self.at(args[1], UNARY)}"
        if name == "startOf" and kinds[:1] == ("string",) and len(args) == 2 and args[0].value in PERIODS:
            if is_name(args[1], "today"):
                return MEMBER, self.say(f"this:{args[0].value}")
            return UNARY, f"{self.say(f'start:{args[0].value}')} {self.at(args[1], UNARY)}"
        if name == "has" and len(args) == 1:
            return RELATION, f"{self.at(args[0], UNARY)} {self.say('has')}"
        if name in OF_ONE and len(args) == 1:
            return UNARY, f"{self.say(name)} {self.at(args[0], UNARY)}"
        if name in OF_MANY and args:
            return MEMBER, f"{self.say(OF_MANY[name])} ({self._all(args)})"
        return MEMBER, f"{self._ident(name)}({self._all(args)})"

    def _method(self, tree: Tree) -> Said:
        name, holder, args = tree.value, tree.args[0], tree.args[1:]
        if name == "size" and not args and is_call(holder, "group", "string"):
            return MEMBER, f"{self.say('members')} {quoted(holder.args[0].value)}"
        if self.set(holder) is not None:
            found = self.aggregate(tree) if name in AGGREGATES else None
            if found is not None:
                return PRODUCT, found
        elif name in BETWEEN and len(args) == 1:
            return RELATION, f"{self.at(holder, RELATION)} {self.say(name)} {self.at(args[0], RELATION + 1)}"
        elif name in MACROS and len(args) == 2 and args[0].kind == "name":
            asked = self.say("take" if name == "map" else "where")
            of = f"{args[0].value} {self.say('from')} {self.at(holder, UNARY)}"
            return UNARY, f"{self.say(f'macro:{name}')} {of} {asked} ({self.at(args[1], ANY)})"
        elif name in ("sum", "min", "max") and not args:
            return UNARY, f"{self.say(f'list:{name}')} {self.at(holder, UNARY)}"
        return MEMBER, f"{self.at(holder, MEMBER)}.{name}({self._all(args)})"

    # operators

    def _not(self, tree: Tree) -> Said:
        part = tree.args[0]
        asked = part.kind == "method" and part.value == "exists" and len(part.args) == 1
        found = self.set(part.args[0]) if asked and got_message(part) is None else None
        if found is not None:
            return PRODUCT, f"{self.say('none')} {found}"
        return NOT, f"{self.say('not')} {self.at(part, NOT)}"

    def _neg(self, tree: Tree) -> Said:
        return UNARY, f"{self.say('-')} {self.at(tree.args[0], UNARY)}"

    def _and(self, tree: Tree) -> Said:
        return AND, f" {self.say('and')} ".join(self.at(part, NOT) for part in tree.args)

    def _or(self, tree: Tree) -> Said:
        return OR, f" {self.say('or')} ".join(self.at(part, AND) for part in tree.args)

    def _cond(self, tree: Tree) -> Said:
        ask, yes, no = self.at(tree.args[0], OR), self.at(tree.args[1], OR), self.at(tree.args[2], ANY)
        return ANY, f"{self.say('if')} {ask} {self.say('then')} {yes} {self.say('else')} {no}"

    def _binary(self, tree: Tree) -> Said:
        sign, (left, right) = tree.value, tree.args
        if sign in ("==", "!=") and right.kind == "null":
            return RELATION, f"{self.at(left, RELATION)} {self.say('missing' if sign == '==' else 'present')}"
        if is_shift(tree):
            return UNARY, self.shift(tree)
        if sign == "<=" and left.kind == "call" and left.value == "changedAt" and len(left.args) == 1:
            length = unchanged_for(right)
            if length is not None:
                said = f"{self.say('unchanged')} {self.length(length, dative=True)}"
                return RELATION, f"{self.at(left.args[0], UNARY)} {said}"
        level = SIGNS[sign]
        return level, f"{self.at(left, level)} {self.say(sign)} {self.at(right, level + 1)}"

    def _list(self, tree: Tree) -> Said:
        return MEMBER, f"[{self._all(tree.args)}]"

    def _map(self, tree: Tree) -> Said:
        pairs = zip(tree.args[::2], tree.args[1::2], strict=True)
        said = (f"{self.at(key, OR)}: {self.at(value, ANY)}" for key, value in pairs)
        return MEMBER, "{" + f"{COMMA[self.tongue]} ".join(said) + "}"


def unchanged_for(tree: Tree) -> str | None:
    """The duration of `now - duration("30d")`, None for anything else."""
    if tree.kind != "binary" or tree.value != "-" or not is_name(tree.args[0], "now"):
        return None
    by = tree.args[1]
    return by.args[0].value if is_call(by, "duration", "string") and is_length(by.args[0].value) else None
