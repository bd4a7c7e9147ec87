"""Random well-typed expressions and random histories, with many nulls, equal times and instants exactly on a bound of
a window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
import polars as pl
from numpy.random import Generator, Philox

from einklang.expr import Catalog, Crowd, EventShape, Scope, type_of
from einklang.kernel.time import HOUR, Micros, format_moment
from tests.expr.fakes import FakeEntry, FakeEvent, FakeView, at

T = TypeVar("T")

#: All cases are asked here; events lie on a grid of 6 hours around it, and so do the windows.
NOW = at("2026-03-29T12:00:00")
STEP = 6 * HOUR
WINDOWS = ("6h", "12h", "1d", "36h", "2d", "1w")
ZONES = ("Europe/Berlin", "UTC", "America/New_York", "Asia/Kathmandu")
DECLARED = {
    "trait.birthday": "date",
    "trait.ends": "date",
    "trait.seen": "timestamp",
    "trait.points": "number",
    "trait.city": "string",
    "trait.vip": "bool",
    "trait.tags": "list(string)",
    "event.amount": "number",
    "event.code": "string",
    "event.due": "date",
    "event.when": "timestamp",
}
_PROPERTIES = {name[6:]: type_of(kind) for name, kind in DECLARED.items() if name.startswith("event.")}
SCOPE = Scope(
    "when",
    Catalog(
        traits={name[6:]: type_of(kind) for name, kind in DECLARED.items() if name.startswith("trait.")},
        events={name: EventShape(properties=_PROPERTIES) for name in ("A", "B", "C", "Email Opened", "Message Opened")},
    ),
    steps={"s": "contact"},
)


class Chance:
    """Seeded choices."""

    def __init__(self, seed: int) -> None:
        self.random = Generator(Philox(seed))

    def below(self, n: int) -> int:
        return int(self.random.integers(n))

    def pick(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def share(self, p: float) -> bool:
        return bool(self.random.random() < p)


# histories


def _scalar(chance: Chance) -> Any:
    """Undeclared data: anything."""
    return chance.pick(
        [
            None,
            0,
            1,
            2,
            5,
            -3,
            Decimal("0.5"),
            Decimal("2.5"),
            Decimal("0.1234567895"),
            "a",
            "b",
            "5",
            "Ab",
            "",
            True,
            False,
            10**18,
        ]
    )


def _properties(chance: Chance) -> dict[str, Any]:
    found: dict[str, Any] = {
        "n": _scalar(chance),
        "amount": chance.pick([None, 1, 2, 10, Decimal("0.01"), Decimal("19.99"), 3 * 10**17, "7"]),
        "code": chance.pick([None, "x", "y", "Xy", 4]),
        "due": chance.pick(
            [None, "2026-03-28", "2026-03-29", "2026-04-02", "--03-30", "nonsense", "2026-03-30T10:00:00Z"]
        ),
        "when": chance.pick([None, format_moment(NOW - STEP), format_moment(NOW + 2 * STEP), "soon", 5]),
        "message_id": chance.pick([None, "m1", "m2"]),
        "channel": chance.pick(["email", "sms", None]),
    }
    if chance.share(0.6):
        item = {"q": 1, "c": "a"}
        found["items"] = [
            chance.pick([item, None, 3])
            if chance.share(0.1)
            else {"q": _scalar(chance), "c": chance.pick(["a", "b", None])}
            for _ in range(chance.below(4))
        ]
    return {name: value for name, value in found.items() if not chance.share(0.1)}


def person(chance: Chance, number: int) -> dict[str, Any]:
    """A person as the naive interpreter reads it."""
    traits = {
        "birthday": chance.pick([None, "1990-03-29", "2000-02-29", "--03-30", "1985-12-31", 7]),
        "ends": chance.pick([None, "2026-03-29", "2026-03-30", "2026-04-05", "2025-01-31"]),
        "seen": chance.pick([None, format_moment(NOW), format_moment(NOW - 4 * STEP), format_moment(NOW + STEP), "x"]),
        "points": chance.pick([None, 0, 3, Decimal("7.25"), 4 * 10**17, "12"]),
        "city": chance.pick([None, "Bonn", "bonn", "", 3]),
        "vip": chance.pick([None, True, False, "true"]),
        "tags": chance.pick([None, [], ["a", "b"], ["a", 1, None], "a"]),
        "x": _scalar(chance),
        "l": chance.pick([None, [], [1, 2, Decimal("0.5")], ["a", None, 3, True], [[1], {"a": 1}], {"a": 1}]),
        "address": chance.pick([None, {"city": "Bonn", "zip": 53111}, {"city": None}, "Bonn"]),
    }
    events = []
    for seq in range(4 + chance.below(14)):
        name = chance.pick(["A", "A", "B", "C", "Email Opened", "Message Opened"])
        time = NOW + (chance.below(22) - 18) * STEP + (chance.below(3) - 1 if chance.share(0.1) else 0)
        machine, touchpoint = chance.share(0.1), chance.pick(["web", "store"])
        source = "einklang" if chance.share(0.1) else "shop"
        events.append(
            {
                "name": name,
                "at": time,
                "seq": seq,
                "properties": _properties(chance),
                "touchpoint": touchpoint,
                "source": source,
                "machine": machine,
                "person": f"p_{number}",
            }
        )
    return {
        "id": f"p_{number}",
        "zone": chance.pick(ZONES),
        "country": chance.pick([None, "DE", "AT"]),
        "traits": {name: value for name, value in traits.items() if not chance.share(0.1)},
        "events": events,
        "segments": {"vip"} if chance.share(0.4) else set(),
        "consents": {("email", "news")} if chance.share(0.4) else set(),
        "entry": {
            "at": NOW - chance.below(20) * STEP,
            "key": chance.pick(["x", 1, None]),
            "properties": _properties(chance),
        },
        "steps": {
            "s": {"at": NOW - chance.below(9) * STEP, "clicked": chance.pick([True, False, None]), "message": "m1"}
        }
        if chance.share(0.7)
        else {},
    }


def view_of(who: dict[str, Any], now: Micros = NOW) -> FakeView:
    """The same person as compiled expressions see it."""
    return FakeView(
        now,
        zone=who["zone"],
        person={"id": who["id"], "country": who["country"]},
        traits=who["traits"],
        events=[FakeEvent(**event) for event in who["events"]],
        segments=dict.fromkeys(who["segments"], 0),
        consents=who["consents"],
        entry=FakeEntry(**who["entry"]),
        steps=who["steps"],
    )


def crowd_of(people: list[dict[str, Any]]) -> Crowd:
    """The same persons as frames."""
    encode = msgspec.json.Encoder(decimal_format="number").encode
    events = [
        {
            **{key: event[key] for key in ("name", "at", "seq", "touchpoint", "source", "machine")},
            "person_id": who["id"],
            "properties": encode(event["properties"]).decode(),
        }
        for who in people
        for event in who["events"]
    ]
    traits = [
        {"person_id": who["id"], "name": name, "value": encode(value).decode(), "at": NOW - 100 * STEP}
        for who in people
        for name, value in who["traits"].items()
    ]
    consents = [{"person_id": who["id"], "channel": c, "purpose": p} for who in people for c, p in who["consents"]]
    segments = [{"person_id": who["id"], "segment": name} for who in people for name in who["segments"]]
    text = pl.String
    return Crowd(
        pl.DataFrame([{"person_id": who["id"], "zone": who["zone"], "country": who["country"]} for who in people]),
        pl.DataFrame(events),
        pl.DataFrame(traits),
        pl.DataFrame(consents, schema={"person_id": text, "channel": text, "purpose": text}),
        pl.DataFrame(segments, schema={"person_id": text, "segment": text}),
    )


# expressions


class Writer:
    """Writes a random expression of a wanted type. inside: whether bare names are properties; variables: macro names
    in reach.
    """

    def __init__(self, chance: Chance, depth: int = 4) -> None:
        self.chance = chance
        self.depth = depth
        self.inside = False
        self.element = False
        self.prior = False
        self.typed = True
        self.variables: list[str] = []
        self.texts: list[str] = []

    def write(self, kind: str) -> str:
        """An expression of a type: bool number string timestamp date duration list dyn."""
        leaves: list[Callable[[], str]] = getattr(self, "leaf_" + kind)()
        inner: list[Callable[[], str]] = getattr(self, "inner_" + kind, list)()
        if self.depth <= 0 or not inner or self.chance.share(0.15):
            return self.chance.pick(leaves)()
        self.depth -= 1
        found = self.chance.pick(inner)()
        self.depth += 1
        return found

    def of(self, *options: str) -> list[Callable[[], str]]:
        return [lambda option=option: option for option in options]  # type: ignore[misc] # a default binds the loop's value

    # bool

    def leaf_bool(self) -> list[Callable[[], str]]:
        found = self.of("true", "trait.vip", 'segment("vip")', 'consent("email", "news")', "trait.x", "step.s.clicked")
        return found + (self.of("n", "n") if self.inside else [])

    def inner_bool(self) -> list[Callable[[], str]]:
        found = (
            [self.compare] * 6 + [self.equality] * 4 + [self.logic] * 5 + [self.has, self.text_test, self.membership]
        )
        found += [self.list_test, self.list_test, self.moving]
        return found if self.inside else found + [self.exists] * 6

    def compare(self) -> str:
        kind = self.chance.pick(["number", "number", "number", "string", "timestamp", "date", "duration", "dyn"])
        right = self.write(kind)
        left = self.write("dyn") if kind in ("number", "string") and self.chance.share(0.3) else self.write(kind)
        if kind == "duration":
            return f"({left}) {self.sign()} {right}"
        return f"({left}) {self.sign()} ({right})"

    def sign(self) -> str:
        return self.chance.pick(["<", "<=", ">", ">="])

    def equality(self) -> str:
        kind = self.chance.pick(["number", "string", "bool", "dyn", "dyn", "date", "timestamp"])
        other = kind if kind in ("date", "timestamp") else self.chance.pick([kind, "dyn"])
        right = "null" if self.chance.share(0.15) else f"({self.write(other)})"
        return f"({self.write(kind)}) {self.chance.pick(['==', '!='])} {right}"

    def logic(self) -> str:
        choice = self.chance.below(4)
        if choice == 0:
            return f"!({self.write('bool')})"
        if choice == 3:
            return f"({self.write('bool')} ? {self.write('bool')} : {self.write('bool')})"
        return f"({self.write('bool')}) {'&&' if choice == 1 else '||'} ({self.write('bool')})"

    def has(self) -> str:
        return f"has({self.write(self.chance.pick(['dyn', 'number', 'date', 'string']))})"

    def text_test(self) -> str:
        name = self.chance.pick(["contains", "startsWith", "endsWith"])
        return f"({self.write('string')}).{name}({self.write('string')})"

    def membership(self) -> str:
        item = self.write(self.chance.pick(["dyn", "string", "number"]))
        choice = self.chance.pick(["trait.tags", "trait.l", '["a", "b", "Bonn"]', "[1, 2, 0.5]", 'trait["address"]'])
        return f'"city" in {choice}' if "address" in choice else f"({item}) in {choice}"

    def list_test(self) -> str:
        items = self.items()
        name, names = self.variable(items)
        test = self.write("bool")
        names.pop()
        return f"{items}.{self.chance.pick(['exists', 'all', 'exists_one'])}({name}, {test})"

    def variable(self, items: str) -> tuple[str, list[str]]:
        """A new name for the elements of a list, now in reach, and the names that it is one of."""
        names = self.texts if items == "trait.tags" else self.variables
        names.append(f"v{len(self.texts) + len(self.variables)}")
        return names[-1], names

    def items(self) -> str:
        found = ["trait.tags", "trait.l"]
        if self.inside and not self.element:
            found += ["items", "items", "event.properties.items"]
        return self.chance.pick(found)

    def moving(self) -> str:
        moment = self.write("timestamp")
        length = self.chance.pick(WINDOWS)
        return self.chance.pick(
            [
                f'({moment}) <= now - duration("{length}")',
                f'now + duration("{length}") {self.sign()} ({moment})',
                f'now - ({moment}) {self.sign()} duration("{length}")',
                f'({moment}) - now > duration("{length}")',
                f"date(now) {self.sign()} ({self.write('date')})",
                f"hour(now) {self.sign()} {self.chance.below(24)}",
                f'weekday(now) == "{self.chance.pick(["SUN", "MON"])}"',
                f"({moment}) {self.sign()} now",
            ]
        )

    def exists(self) -> str:
        return f"{self.set()}.exists()"

    # sets

    def set(self, depth: int = 2) -> str:
        names = self.chance.pick(['"A"', '"A"', '"B"', '"A", "B"', '"C"', "", '"Email Opened"', '"Message Opened"'])
        found = f"events({names})"
        latest = False
        self.typed = bool(names)
        for _ in range(self.chance.below(4)):
            choice = self.chance.pick(
                ["within"] * 4 + ["since"] * 2 + ["until"] * 2 + ["where"] * 5 + ["latest", "machine", "of", "followed"]
            )
            if choice == "within":
                found += f'.within("{self.chance.pick(WINDOWS)}")'
            elif choice in ("since", "until"):
                found += f".{choice}({self.bound()})"
            elif choice == "where":
                found += f".where({self.row('bool')})"
            elif choice == "latest" and not latest:
                found += f".latest({1 + self.chance.below(4)})"
                latest = True
            elif choice == "machine":
                found += ".withMachine()"
            elif choice == "of":
                found += ".of(step.s)"
            elif choice == "followed" and depth > 1 and not latest:
                before, self.prior = (self.prior, self.typed), True
                other = self.set(depth - 1)
                self.prior, self.typed = before
                found += f'.{self.chance.pick(["followedBy", "notFollowedBy"])}({other}, "{self.chance.pick(WINDOWS)}")'
        return found

    def bound(self) -> str:
        length = self.chance.pick(WINDOWS)
        options = ["entry", "step.s", f'now - duration("{length}")', "today", "trait.ends", "trait.seen"]
        options.append(f'timestamp("{format_moment(NOW - self.chance.below(12) * STEP)}")')
        return self.chance.pick(options)

    def row(self, kind: str, *, element: bool = False) -> str:
        """An expression inside an event."""
        before = self.inside, self.element, self.typed
        self.inside, self.element = True, element
        found = self.write(kind)
        self.inside, self.element, self.typed = before
        return found

    def rows_of(self) -> tuple[str, bool]:
        """A set, and whether its rows are elements."""
        if self.chance.share(0.25):
            found = f"{self.set()}.each(items)"
            if self.chance.share(0.5):
                found += f".where({self.row('bool', element=True)})"
            return found, True
        return self.set(), False

    def aggregate(self, name: str, kind: str) -> str:
        rows, element = self.rows_of()
        return f"{rows}.{name}({self.row(kind, element=element)})"

    # numbers

    def leaf_number(self) -> list[Callable[[], str]]:
        found = self.of("0", "1", "2", "0.5", "3.333333333", "300000000000000001", "trait.points", "trait.points")
        return found + (self.of("amount", "amount") if self.inside and not self.element else [])

    def inner_number(self) -> list[Callable[[], str]]:
        found: list[Callable[[], str]] = [self.arithmetic] * 5 + [
            self.function,
            self.function,
            self.number_cond,
            self.list_fold,
        ]
        return found if self.inside else found + [self.count] * 4 + [self.fold] * 5

    def arithmetic(self) -> str:
        right = self.write(self.chance.pick(["number", "number", "dyn"]))
        return f"({self.write('number')}) {self.chance.pick(['+', '-', '*', '/', '/', '%'])} ({right})"

    def function(self) -> str:
        x, y = self.write("number"), self.write(self.chance.pick(["number", "dyn"]))
        day = self.write("date")
        return self.chance.pick(
            [
                f"min({x}, {y})", f"max({x}, {y})", f"abs({x})", f"round({x}, {self.chance.below(4)})",
                f"coalesce({x}, {y}, 0) + 0",
                f"number({self.write('dyn')})", f"size({self.write('string')})", f"size({self.items()})",
                f"age({day})", f"year({day})",
                f"month({day})", f"day({day})", f"days(({day}) - today)", f"hour({self.write('timestamp')})", f"-({x})",
            ]
        )  # fmt: skip

    def number_cond(self) -> str:
        return f"({self.write('bool')} ? {self.write('number')} : {self.write('number')})"

    def list_fold(self) -> str:
        items = self.items()
        name, names = self.variable(items)
        body = self.write(self.chance.pick(["number", "dyn"]))
        names.pop()
        name, names = self.variable("trait.l")
        test = self.write("bool")
        names.pop()
        listed = self.chance.pick([f"{items}.map({name}, ({body}) + 0)", f"trait.l.filter({name}, {test})", "trait.l"])
        return f"{listed}.{self.chance.pick(['sum', 'min', 'max'])}()"

    def count(self) -> str:
        rows, _ = self.rows_of()
        return f"{rows}.count()"

    def fold(self) -> str:
        name = self.chance.pick(["sum", "sum", "avg", "avg", "min", "max", "distinct", "first", "last"])
        if name == "distinct":
            return self.aggregate(name, self.chance.pick(["dyn", "number", "string"]))
        if name in ("min", "max"):
            rows, _ = self.rows_of()
            return f"{rows.split('.each')[0]}.{name}(amount)"
        return self.aggregate(name, "number")

    # texts, time, lists, anything

    def leaf_string(self) -> list[Callable[[], str]]:
        found = self.of('"a"', '"Bonn"', '""', '"5"', "trait.city", "trait.city", "person.country", *self.texts)
        return found + (self.of("code", "event.touchpoint", "event.name") if self.inside and not self.element else [])

    def inner_string(self) -> list[Callable[[], str]]:
        found: list[Callable[[], str]] = [
            lambda: f"lower({self.write('string')})",
            lambda: f"string({self.write(self.chance.pick(['dyn', 'number', 'date', 'timestamp', 'bool']))})",
            lambda: f"({self.write('string')}) + ({self.write('string')})",
            lambda: f"weekday({self.write('date')})",
        ]
        return found if self.inside else [*found, lambda: self.aggregate(self.chance.pick(["first", "last"]), "string")]

    def leaf_timestamp(self) -> list[Callable[[], str]]:
        found = self.of(
            "trait.seen", "trait.seen", f'timestamp("{format_moment(NOW - self.chance.below(20) * STEP)}")', "entry.at"
        )
        found += self.of("event.at", *(["when"] if self.typed else [])) if self.inside and not self.element else []
        return found + (self.of("prior.at") if self.inside and self.prior else [])

    def inner_timestamp(self) -> list[Callable[[], str]]:
        found: list[Callable[[], str]] = [
            lambda: f'({self.write("timestamp")}) {self.chance.pick("+-")} duration("{self.chance.pick(WINDOWS)}")',
            lambda: f"timestamp({self.write('date')})",
        ]
        more = [lambda: f"{self.set()}.{self.chance.pick(['first', 'last', 'min', 'max'])}(event.at)"] * 2
        return found if self.inside else found + more

    def leaf_date(self) -> list[Callable[[], str]]:
        found = self.of("today", "trait.birthday", "trait.ends", 'date("2026-03-29")', 'date("--03-30")')
        return found + (self.of("due", "due") if self.inside and self.typed and not self.element else [])

    def inner_date(self) -> list[Callable[[], str]]:
        lengths = ("1d", "2w", "1mo", "1y")
        return [
            lambda: f'({self.write("date")}) {self.chance.pick("+-")} duration("{self.chance.pick(lengths)}")',
            lambda: f"anniversary({self.write('date')})",
            lambda: f"date({self.write('timestamp')})",
            lambda: f"date(coalesce(trait.nothing, {self.write('string')}))",
        ]

    def leaf_duration(self) -> list[Callable[[], str]]:
        return self.of(f'duration("{self.chance.pick(WINDOWS)}")')

    def inner_duration(self) -> list[Callable[[], str]]:
        return [
            lambda: f"(({self.write('timestamp')}) - ({self.write('timestamp')}))",
            lambda: f"(({self.write('date')}) - ({self.write('date')}))",
        ]

    def leaf_dyn(self) -> list[Callable[[], str]]:
        found = self.of("trait.x", "trait.x", "trait.address.city", "trait.nothing", "trait.address.zip", "entry.key")
        if self.inside and self.element:
            return found + self.of("q", "c", "q", "c")
        found += self.of("n", "n", "event.properties.n") if self.inside else []
        found += self.of("prior.properties.n") if self.inside and self.prior else []
        for name in self.variables:
            found += self.of(name, f"{name}.q", f"{name}.c", name)
        return found

    def inner_dyn(self) -> list[Callable[[], str]]:
        found: list[Callable[[], str]] = [
            lambda: f"coalesce({self.write('dyn')}, {self.write(self.chance.pick(['dyn', 'number', 'string']))})",
            lambda: f"({self.write('bool')} ? {self.write('dyn')} : {self.write('string')})",
        ]
        return found if self.inside else [*found, lambda: self.aggregate(self.chance.pick(["first", "last"]), "dyn")]
