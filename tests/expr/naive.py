"""The third opinion: a slow interpreter of the raw parse tree over plain dicts, written from language.md alone.

It shares no code with the checker, the compilers or their runtime. Numbers are `Fraction`, rounded once to 9 places;
moments are aware `datetime`s, durations `timedelta`s, days `date`s, days without a year ("--", month, day). A person
is a dict: `zone`, `traits` (JSON), `events` (dicts with name, at, seq, properties, touchpoint, source, machine),
`segments`, `consents`, `entry`, `steps`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from einklang.expr.tree import Tree
from tests.expr.naive_functions import (
    EPOCH,
    MICRO,
    Functions,
    Person,
    exchanged,
    from_json,
    joined,
    length,
    less,
    moment,
    numbers,
    read,
    rounded,
    same,
)

ALIASES = {"Email Opened": "Message Opened"}
NARROWING = {"within", "since", "until", "where", "latest", "each", "followedBy", "notFollowedBy", "withMachine", "of"}


class Naive(Functions):
    """One person at one moment."""

    # the tree

    def value(self, tree: Tree, env: dict[str, Any]) -> Any:
        method = getattr(self, "on_" + tree.kind)
        return method(tree, env)

    def true(self, tree: Tree, env: dict[str, Any]) -> bool:
        return self.value(tree, env) is True

    def on_null(self, tree: Tree, env: dict[str, Any]) -> Any:
        return None

    def on_bool(self, tree: Tree, env: dict[str, Any]) -> Any:
        return tree.value

    on_string = on_bool

    def on_number(self, tree: Tree, env: dict[str, Any]) -> Any:
        return rounded(Fraction(tree.value))

    def on_list(self, tree: Tree, env: dict[str, Any]) -> Any:
        return [self.value(item, env) for item in tree.args]

    def on_map(self, tree: Tree, env: dict[str, Any]) -> Any:
        pairs = zip(tree.args[::2], tree.args[1::2], strict=True)
        return {self.value(key, env): self.value(value, env) for key, value in pairs}

    def on_not(self, tree: Tree, env: dict[str, Any]) -> Any:
        return not self.true(tree.args[0], env)

    def on_neg(self, tree: Tree, env: dict[str, Any]) -> Any:
        x = self.value(tree.args[0], env)
        return -x if isinstance(x, Fraction) else None

    def on_and(self, tree: Tree, env: dict[str, Any]) -> Any:
        return all(self.true(part, env) for part in tree.args)

    def on_or(self, tree: Tree, env: dict[str, Any]) -> Any:
        return any(self.true(part, env) for part in tree.args)

    def on_cond(self, tree: Tree, env: dict[str, Any]) -> Any:
        return self.value(tree.args[1] if self.true(tree.args[0], env) else tree.args[2], env)

    def on_name(self, tree: Tree, env: dict[str, Any]) -> Any:
        name = tree.value
        if name in env:
            return env[name]
        if name in ("now", "today"):
            return getattr(self, name)
        if name == "goal":
            return self.person["goal"]
        if "element" in env.get("$row", {}):
            element = env["$row"]["element"]
            found = element.get(name) if isinstance(element, dict) else None
            return exchanged(self.person, env["$row"]["event"], name, "dyn", found)
        return self.property(env["$row"], name)

    def property(self, row: dict[str, Any], name: str) -> Any:
        found = from_json(row["event"]["properties"].get(name))
        kind = self.declared.get("event." + name, "dyn") if row["typed"] else "dyn"
        return exchanged(self.person, row["event"], name, kind, read(found, kind))

    def holder(self, tree: Tree, env: dict[str, Any]) -> Any:
        """The event or entry whose properties hold what a tree speaks of; None where there is none."""
        while tree.kind in ("field", "index", "method"):
            tree = tree.args[0]
        if tree.kind != "name" or tree.value == "trait":
            return None
        if tree.value in env:
            return env["$from"][tree.value]
        if tree.value == "entry":
            return self.person["entry"]
        row = env["$prior" if tree.value == "prior" else "$row"] if "$row" in env else None
        return row and row["event"]

    def on_field(self, tree: Tree, env: dict[str, Any]) -> Any:
        return self.access(tree.args[0], tree.value, env)

    def on_index(self, tree: Tree, env: dict[str, Any]) -> Any:
        holder, key = tree.args
        if key.kind == "string":
            return self.access(holder, key.value, env)
        x, at = self.value(holder, env), self.value(key, env)
        if isinstance(x, list) and isinstance(at, Fraction) and at.denominator == 1 and 0 <= at < len(x):
            return x[int(at)]
        return x.get(at) if isinstance(x, dict) and isinstance(at, str) else None

    def group(self, tree: Tree) -> dict[str, Any]:
        """The group of the person that `group("type")` means; empty where there is none."""
        found: dict[str, Any] = self.person.get("groups", {}).get(tree.args[0].value, {})
        return found

    def access(self, holder: Tree, name: str, env: dict[str, Any]) -> Any:
        if is_group(holder):
            return self.group(holder).get(name)
        if holder.kind == "field" and is_group(holder.args[0]):
            kind = self.declared.get(f"trait.{holder.args[0].args[0].value}.{name}", "dyn")
            return read(from_json(self.group(holder.args[0]).get("traits", {}).get(name)), kind)
        if holder.kind == "name" and holder.value not in env:
            root = holder.value
            if root == "trait":
                return read(from_json(self.person["traits"].get(name)), self.declared.get("trait." + name, "dyn"))
            if root == "person":
                return self.person.get(name)
            if root in ("vars", "journey"):
                return from_json(self.person[root].get(name))
            if root in ("event", "prior"):
                return self.of_event(env["$row" if root == "event" else "$prior"], name)
            if root == "entry":
                return self.of_entry(name)
        if holder.kind == "field" and holder.args[0].kind == "name" and holder.args[0].value not in env:
            root, middle = holder.args[0].value, holder.value
            if root in ("event", "prior") and middle == "properties":
                return self.property(env["$row" if root == "event" else "$prior"], name)
            if root == "entry" and middle == "properties":
                entry = self.person["entry"]
                return exchanged(self.person, entry, name, "dyn", from_json(entry["properties"].get(name)))
            if root == "step":
                found = self.person["steps"].get(middle, {}).get(name)
                return moment(found) if name == "at" else from_json(found)
        x = self.value(holder, env)
        found = x.get(name) if isinstance(x, dict) else None
        return exchanged(self.person, self.holder(holder, env), name, "dyn", found)

    def of_event(self, row: dict[str, Any], name: str) -> Any:
        event = row["event"]
        if name == "at":
            return moment(event["at"])
        if name == "touchpoint":
            return event[name] or None
        return from_json(event["properties"]) if name == "properties" else event[name]

    def of_entry(self, name: str) -> Any:
        entry = self.person.get("entry")
        if entry is None:
            return None
        if name == "touchpoint":
            return entry[name] or None
        return moment(entry["at"]) if name == "at" else from_json(entry[name])

    def on_binary(self, tree: Tree, env: dict[str, Any]) -> Any:
        a, b = (self.value(part, env) for part in tree.args)
        sign = tree.value
        if sign in ("==", "!="):
            return same(a, b) == (sign == "==")
        if sign in ("<", "<="):
            return less(a, b, equal=sign == "<=")
        if sign in (">", ">="):
            return less(b, a, equal=sign == ">=")
        if sign == "in":
            if a is None:
                return False
            return (
                any(same(a, item) for item in b)
                if isinstance(b, list)
                else isinstance(b, dict) and isinstance(a, str) and a in b
            )
        if a is None or b is None:
            return None
        return self.arithmetic(sign, a, b)

    def arithmetic(self, sign: str, a: Any, b: Any) -> Any:
        if isinstance(a, (datetime, date, tuple)):
            return self.moved(sign, a, b)
        if sign == "+":
            return joined(a, b)
        if not (isinstance(a, Fraction) and isinstance(b, Fraction)):
            return None
        if sign in ("-", "*"):
            return rounded(a - b if sign == "-" else a * b)
        if b == 0:
            return None
        if sign == "/":
            return rounded(a / b)
        rest = abs(a) % abs(b)
        return -rest if a < 0 else rest

    def moved(self, sign: str, a: Any, b: Any) -> Any:
        if isinstance(b, (datetime, date)):
            return None if isinstance(a, tuple) else a - b
        if isinstance(a, tuple) or (isinstance(b, tuple) and b[0] == "--"):
            return None
        if isinstance(b, tuple):
            return self.by_months(a, (1 if sign == "+" else -1) * b[1])
        if not isinstance(a, datetime) and b % timedelta(days=1):
            return None
        try:
            return a + b if sign == "+" else a - b
        except OverflowError:
            return None

    def by_months(self, day: date, months: int) -> date | None:
        year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
        for last in range(day.day, 27, -1):
            try:
                return date(year, month + 1, last)
            except ValueError:
                continue
        return date(year, month + 1, day.day) if 1 <= year <= 9999 else None

    # methods

    def on_method(self, tree: Tree, env: dict[str, Any]) -> Any:
        name, holder, args = tree.value, tree.args[0], tree.args[1:]
        if is_set(holder):
            return self.aggregate(name, holder, args, env)
        if is_group(holder):
            return from_json(self.group(holder).get(name))
        x = self.value(holder, env)
        if name == "matches":
            return isinstance(x, str) and re.search(args[0].value, x) is not None
        if name in ("contains", "startsWith", "endsWith"):
            other = self.value(args[0], env)
            if not isinstance(x, str) or not isinstance(other, str):
                return False
            return {"contains": other in x, "startsWith": x.startswith(other), "endsWith": x.endswith(other)}[name]
        if not args:
            if not isinstance(x, list):
                return None
            found = numbers(x)
            return (
                rounded(sum(found, Fraction(0)))
                if name == "sum"
                else (min if name == "min" else max)(found, default=None)
            )
        bound = {**env, "$from": {**env.get("$from", {}), args[0].value: self.holder(holder, env)}}
        return self.macro(name, x if isinstance(x, list) else None, args, bound)

    def macro(self, name: str, x: list[Any] | None, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        inner = [{**env, args[0].value: item} for item in x or []]
        if name == "map":
            return [self.value(args[1], each) for each in inner]
        asked = [self.true(args[1], each) for each in inner]
        if name == "filter":
            return [item for item, true in zip(x or [], asked, strict=True) if true]
        if x is None:
            return False
        return {"exists": any(asked), "all": all(asked), "exists_one": sum(asked) == 1}[name]

    # sets of events

    def rows(self, tree: Tree, env: dict[str, Any], machine: bool) -> list[dict[str, Any]]:
        """The rows of a set, in time order."""
        if tree.kind == "call" or is_group(tree.args[0]):
            names = [part.value for part in tree.args if part.kind == "string"]
            happened = self.person["events"] if tree.kind == "call" else self.group(tree.args[0]).get("events", [])
            wanted = {*names, *(mail for mail, ours in ALIASES.items() if ours in names)}
            by_mail = {ALIASES[name] for name in names if name in ALIASES} - wanted
            found = [
                {"event": event, "at": event["at"], "typed": bool(names)}
                for event in happened
                if event["at"] <= self.micros
                and (
                    event["name"] in wanted
                    or (event["name"] in by_mail and event["properties"].get("channel") == "email")
                    if names
                    else event["source"] != "einklang"
                )
                and (machine or not event["machine"])
            ]
            return sorted(found, key=lambda row: (row["at"], row["event"]["seq"]))
        rows = self.rows(tree.args[0], env, machine)
        return self.narrowed(tree.value, rows, tree.args[1:], env)

    def narrowed(
        self, name: str, rows: list[dict[str, Any]], args: tuple[Tree, ...], env: dict[str, Any]
    ) -> list[dict[str, Any]]:
        if name == "withMachine":
            return rows
        if name == "latest":
            return rows[-args[0].value :]
        if name == "within":
            return [row for row in rows if self.micros - length(args[0].value) // MICRO < row["at"]]
        if name in ("since", "until"):
            bound = self.bound(args[0], env)
            if bound is None:
                return []
            return [row for row in rows if (bound < row["at"]) == (name == "since")]
        if name == "where":
            return [row for row in rows if self.true(args[0], {**env, "$row": row})]
        if name == "each":
            lists = [(row, self.value(args[0], {**env, "$row": row})) for row in rows]
            return [{**row, "element": item} for row, items in lists if isinstance(items, list) for item in items]
        if name == "of":
            message = self.person["steps"].get(args[0].value, {}).get("message")
            return [
                row for row in rows if message is not None and row["event"]["properties"].get("message_id") == message
            ]
        return [row for row in rows if self.followed(name, row, args, env)]

    def followed(self, name: str, row: dict[str, Any], args: tuple[Tree, ...], env: dict[str, Any]) -> bool:
        end = row["at"] + length(args[1].value) // MICRO
        others = self.rows(args[0], {**env, "$prior": row}, has_machine(args[0]))
        after = [other["at"] for other in others if row["at"] < other["at"] <= end]
        for without in args[2:]:
            others = self.rows(without, {**env, "$prior": row}, has_machine(without))
            after = [at for at in after if not any(row["at"] < other["at"] < at for other in others)]
        found = bool(after)
        return found if name == "followedBy" else end <= self.micros and not found

    def bound(self, tree: Tree, env: dict[str, Any]) -> int | None:
        if tree.kind == "name" and tree.value == "entry":
            entry = self.person.get("entry")
            return None if entry is None else int(entry["at"])
        if tree.kind == "field" and tree.args[0].kind == "name" and tree.args[0].value == "step":
            found = self.person["steps"].get(tree.value, {}).get("at")
            return None if found is None else int(found)
        x = self.value(tree, env)
        if x is not None and not isinstance(x, datetime):
            x = self.midnight(x)
        return None if x is None else (x - EPOCH) // MICRO

    def aggregate(self, name: str, holder: Tree, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        rows = self.rows(holder, env, has_machine(holder))
        if not args:
            return len(rows) > 0 if name == "exists" else Fraction(len(rows))
        found = [x for x in (self.value(args[-1], {**env, "$row": row}) for row in rows) if x is not None]
        if name == "list":
            return found[-1000:]
        if name in ("first", "last"):
            return None if not found else found[0 if name == "first" else -1]
        if name == "nth":
            return found[args[0].value - 1] if len(found) >= args[0].value else None
        if name == "distinct":
            return Fraction(sum(not any(same(x, y) for y in found[:at]) for at, x in enumerate(found)))
        if name in ("sum", "avg"):
            found = numbers(found)
            summed = rounded(sum(found, Fraction(0)))
            if name == "sum":
                return summed
            return rounded(summed / len(found)) if found and summed is not None else None
        return self.extreme(name, args[0], found)

    def extreme(self, name: str, asked: Tree, found: list[Any]) -> Any:
        """`min` and `max`: of numbers, unless the values are of a type that the check knows to be another."""
        kind = self.kind_of(asked)
        taken: list[Any] = [x for x in found if type(x) is kind]
        return (min if name == "min" else max)(taken, default=None)

    def kind_of(self, tree: Tree) -> type:
        """The type of what is aggregated, as far as the generator of expressions uses it."""
        if tree.kind == "field" and tree.value == "at":
            return datetime
        if tree.kind == "field" and tree.value in ("name", "touchpoint"):
            return str
        name = tree.value if tree.kind in ("name", "field") else ""
        declared = self.declared.get(f"event.{name}", "number")
        return {"timestamp": datetime, "date": date, "string": str}.get(declared, Fraction)


def is_set(tree: Tree) -> bool:
    """Whether a tree is a set of events."""
    while tree.kind == "method" and tree.value in NARROWING:
        tree = tree.args[0]
    return tree.value == "events" and (tree.kind == "call" or (tree.kind == "method" and is_group(tree.args[0])))


def is_group(tree: Tree) -> bool:
    """Whether a tree is `group("type")`."""
    return tree.kind == "call" and tree.value == "group"


def has_machine(tree: Tree) -> bool:
    """Whether machine-made events belong to a set."""
    while tree.kind == "method":
        if tree.value == "withMachine":
            return True
        tree = tree.args[0]
    return False


def evaluate(tree: Tree, person: Person, now: int, declared: dict[str, str] | None = None) -> Any:
    """The value of an expression for a person at a moment; null where it asks too many members together."""
    kinds = set(members_asked(tree))
    if any(person.get("groups", {}).get(kind, {}).get("too_many") for kind in kinds):
        return None
    return Naive(person, now, declared).value(tree, {})


def members_asked(tree: Tree) -> Iterator[str]:
    """The types of groups of whose members as a whole something is asked."""
    if tree.kind == "method" and tree.value in ("size", "events") and is_group(tree.args[0]):
        yield tree.args[0].args[0].value
    for part in tree.args:
        yield from members_asked(part)
