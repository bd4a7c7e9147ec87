"""The harness of the agreement test: random expressions x random histories on all engines, and where they disagree."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any

from einklang.expr import Checked, ExprError, check, compile_crowd, compile_one, crowd_supports
from einklang.expr.parse import parse
from einklang.expr.tree import Tree, walk
from tests.expr import naive
from tests.expr.generate import DECLARED, SCOPE, Writer
from tests.expr.naive_functions import EPOCH, MICRO
from tests.expr.people import NOW, Chance, crowd_of, grouped, person, view_of, with_groups

#: Written by hand, so that no seed leaves these out.
ANCHORS = (
    'events("A").latest(2).sum(amount)',
    'events("A", "B").latest(1).last(n)',
    'events("A").within("1d").count()',
    'events("A", "B").since(entry).count()',
    'events("A", "B").until(now - duration("1d")).count()',
    'events("A", "B").since(now - duration("1d")).count()',
    'events("A").avg(amount)',
    "trait.x != trait.address.city",
    "trait.tags.all(v0, has(v0))",
    "trait.points / 3",
    "300000000000000001 / 7",
    'events("A", "B").sum(revenue)',
    'events("A").where(currency == "USD").avg(paid)',
    'events("A").each(items).sum(price)',
    'events("A").where(items.exists(v0, v0.price > 10)).count()',
    'events("A").where(event.touchpoint == null).count()',
    'events("A").each(items).where(c == "a").sum(q)',
    'events("A").notFollowedBy(events("B"), "1d").count()',
    'events("A").followedBy(events("B").where(n == prior.properties.n), "2d").count()',
    'events("A").followedBy(events("B"), "2d", events("C")).count()',
    'events("A", "B").followedBy(events("B"), "36h", events("C", "A").where(n != prior.properties.n)).count()',
    'events("A").nth(2, amount)',
    'date(events("A", "B").nth(3, event.at)) >= startOf("week", today)',
    'events("A").since(startOf("month", today)).count()',
    'group("firm").id',
    'group("firm").size() >= 3 || group("house").size() == null',
    'group("firm").trait.staff >= 50',
    'group("firm").trait.since < today',
    'group("house").trait.x.city',
    'group("house").events("A").count()',
    'group("house").events().distinct(event.person)',
    'group("house").events("A", "B").latest(2).last(n)',
    'group("firm").events("A").where(n == trait.x).count()',
    'group("firm").events("A").where(event.person == person.id).exists()',
    'group("firm").events("A").within("2d").sum(revenue) > events("A").within("2d").sum(revenue)',
    'group("firm").events("A").where(currency == "USD").sum(paid)',
    'group("firm").events("A").where(due >= today).count()',
    'group("house").events("A").followedBy(events("B"), "1d").count()',
    'events("B").followedBy(group("house").events("A"), "1d").count()',
    'group("house").events("A").each(items).where(c == "a").sum(price)',
    'lookup("shelf", trait.city).label',
    'lookup("shelf", trait.x).weight',
    'lookup("shelf", "a").until <= today + duration("1d")',
    'has(lookup("shelf", trait.nothing)) || "label" in lookup("shelf", "5")',
    'events("A").where(lookup("shelf", code).weight == null).count()',
    'events("A").where(items.exists(v0, lookup("shelf", v0.c).label == "Shoe")).count()',
)
#: How often each kind of node is to occur at least.
RARE = 3
#: The kinds of node that the generator writes: all but those of journeys that need a state of their own.
KINDS = frozenset(
    [
        "const",
        "now",
        "today",
        "duration",
        "person",
        "trait",
        "prop",
        "elem",
        "field",
        "local",
        "eventfield",
        "entry",
        "entryprop",
        "money",
        "step",
        "not",
        "and",
        "or",
        "cond",
        "add",
        "sub",
        "mul",
        "div",
        "mod",
        "neg",
        "plus",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "in",
        "list",
        "has",
        "coalesce",
        "size",
        "abs",
        "round",
        "number",
        "string",
        "lower",
        "contains",
        "startsWith",
        "endsWith",
        "ts_move",
        "ts_diff",
        "date_diff",
        "date_move",
        "date_of_ts",
        "date_of_text",
        "ts_of_text",
        "ts_of_date",
        "days",
        "age",
        "anniversary",
        "year",
        "month",
        "day",
        "hour",
        "weekday",
        "least",
        "greatest",
        "segment",
        "consent",
        "groupid",
        "grouprole",
        "groupcontact",
        "groupsize",
        "grouptrait",
        "groupevents",
        "lookup",
        "macro_exists",
        "macro_all",
        "macro_exists_one",
        "macro_filter",
        "macro_map",
        "list_sum",
        "list_min",
        "list_max",
        "events",
        "within",
        "since",
        "until",
        "where",
        "latest",
        "each",
        "followed",
        "notfollowed",
        "machine",
        "of",
        "exists",
        "count",
        "sum",
        "avg",
        "min",
        "max",
        "distinct",
        "first",
        "last",
        "nth",
        "list_rows",
        "followed_without",
        "start_of",
        "index",
        "map",
        "matches",
        "reachable",
        "injourney",
        "changed",
        "var",
        "goal",
        "journey",
        "bucket",
        "stage",
    ]
)


def comparable(x: Any) -> Any:
    """The value of any engine in one form: (type, value)."""
    if isinstance(x, bool) or x is None or isinstance(x, str):
        return x
    if isinstance(x, (int, Decimal, Fraction)):
        return ("number", Fraction(x))
    if isinstance(x, datetime):
        return ("number", Fraction((x - EPOCH) // MICRO))
    if isinstance(x, timedelta):
        return ("number", Fraction(x // MICRO))
    if isinstance(x, date):
        return x.isoformat()
    if isinstance(x, tuple):
        return f"--{x[1]:02}-{x[2]:02}"
    if isinstance(x, list):
        return [comparable(item) for item in x]
    return {key: comparable(value) for key, value in x.items()}


@dataclass
class Case:
    """One expression, asked for every person."""

    source: str
    checked: Checked

    @cached_property
    def tree(self) -> Tree:
        return parse(self.source)

    @cached_property
    def kinds(self) -> set[str]:
        """The kinds of node that it holds."""
        return {term.op for term in walk(self.checked.tree)}

    @cached_property
    def for_crowds(self) -> bool:
        return self.checked.type.kind != "list" and not crowd_supports(self.checked)


class World:
    """Expressions and persons from a seed, with the naive answers worked out once.

    all_kinds: with as many further ones as bring each kind of node.
    """

    def __init__(self, seed: int, expressions: int, persons: int, *, all_kinds: bool = True) -> None:
        chance = Chance(seed)
        self.people = grouped(Chance(seed + 1), [person(chance, number) for number in range(persons)])
        self.views = [view_of(who) for who in self.people]
        self.crowd = with_groups(crowd_of(self.people), self.people)
        self.cases = [Case(source, check(source, SCOPE)) for source in ANCHORS]
        self.kinds: Counter[str] = Counter()
        for attempt in range(20 * expressions if all_kinds else expressions):
            kind = chance.pick(["bool", "bool", "bool", "number", "string", "timestamp", "date", "dyn"])
            source = Writer(chance, depth=chance.pick([1, 2, 2, 3, 4])).write(kind)
            try:
                case = Case(source, check(source, SCOPE))
            except ExprError as error:
                # what is too costly for a busy person is refused before any engine sees it
                if error.code != "too_costly":
                    raise
                continue
            # behind the first ones, only what brings a kind of node that is still rare
            if attempt < expressions or any(self.kinds[kind] < RARE for kind in case.kinds):
                self.cases.append(case)
                self.kinds.update(case.kinds)
        self.answers = {
            case.source: [comparable(naive.evaluate(case.tree, who, NOW, DECLARED)) for who in self.people]
            for case in self.cases
        }

    def for_one(self, cases: list[Case] | None = None) -> list[str]:
        """Where the generated functions disagree with the naive interpreter."""
        found = []
        for case in self.cases if cases is None else cases:
            compiled = compile_one(case.checked)
            for at, view in enumerate(self.views):
                answer, flip = compiled.value_and_flip(view)
                plain, wanted = comparable(compiled.value(view)), self.answers[case.source][at]
                if plain != wanted or comparable(answer) != wanted:
                    found.append(f"{case.source}  p_{at}: naive {wanted!r}, one {plain!r}, traced {answer!r}")
                if flip is not None and flip <= NOW:
                    found.append(f"{case.source}  p_{at}: the flip is not after now")
        return found

    def for_crowds(self, cases: list[Case]) -> list[str]:
        """Where the plans disagree."""
        found = []
        for case in cases:
            frame = compile_crowd(case.checked).values(self.crowd, NOW).drop("person_id")
            for at, row in enumerate(frame.to_dicts()):
                given = [value for value in row.values() if value is not None]
                answer, wanted = comparable(given[0] if given else None), self.answers[case.source][at]
                if answer != wanted and not ("o" in row and row["o"] is not None and isinstance(wanted, (list, dict))):
                    found.append(f"{case.source}  p_{at}: naive {wanted!r}, crowd {answer!r}")
        return found

    def edges(self) -> Counter[str]:
        """How many cases (expression and person) hold a null, equal times, or an instant exactly on a bound of a
        window.
        """
        found: Counter[str] = Counter()
        for case in self.cases:
            windows = [term.data for term in walk(case.checked.tree) if term.op == "within"]
            traits, names = case.checked.needs.traits, case.checked.needs.events
            for who in self.people:
                events = [event for event in who["events"] if event["name"] in names]
                times = [event["at"] for event in events]
                null = any(who["traits"].get(name) is None for name in traits) or any(
                    event["properties"].get(name) is None for event in events for name in ("amount", "n")
                )
                bound = any(time == NOW - length for time in times for length in windows) or NOW in times
                tied = len(set(times)) < len(times)
                found.update(
                    {"cases": 1, "null": null, "bound": bound, "equal times": tied, "edge": null or bound or tied}
                )
        return found
