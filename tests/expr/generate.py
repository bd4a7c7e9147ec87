"""Random well-typed expressions and random histories, with many nulls, equal times and instants exactly on a bound of
a window.
"""

from __future__ import annotations

from collections.abc import Callable

from einklang.expr import Catalog, EventShape, Scope, type_of
from einklang.kernel.time import format_moment
from tests.expr.people import NOW, STEP, Chance

PATTERNS = ('"^B"', '"n$|5"', '"[a-c]+"', '"^$"')
PERIODS = ("week", "month", "quarter", "year")
WINDOWS = ("6h", "12h", "1d", "36h", "2d", "1w")
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
    "event.paid": "money",
    "trait.firm.since": "date",
    "trait.firm.staff": "number",
    "shelf.label": "string",
    "shelf.until": "date",
}
_PROPERTIES = {name[6:]: type_of(kind) for name, kind in DECLARED.items() if name.startswith("event.")}
SCOPE = Scope(
    "when",
    Catalog(
        traits={name[6:]: type_of(kind) for name, kind in DECLARED.items() if name.startswith("trait.")},
        events={name: EventShape(properties=_PROPERTIES) for name in ("A", "B", "C", "Email Opened", "Message Opened")},
        catalogs={"shelf": {"label": type_of("string"), "until": type_of("date")}},
        stages={"path": (("new", "true"), ("old", "false"))},
        kept=frozenset({"path"}),
        currency="EUR",
    ),
    steps={"s": "contact"},
)


GROUPS = ('group("firm").', 'group("house").')


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
        found += self.of("goal", 'reachable("sms")', 'inJourney("welcome")', 'group("house").contact_person')
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
        if self.chance.share(0.3):
            return f"({self.write('string')}).matches({self.chance.pick(PATTERNS)})"
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
        listed = not self.inside and self.chance.share(0.2)
        return f"{self.set()}.list({self.row('dyn')})" if listed else self.chance.pick(found)

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
        found = f"{self.chance.pick(['', '', '', GROUPS[0], GROUPS[1]])}events({names})"
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
                found += self.sequence(depth)
        return found

    def follower(self, depth: int) -> str:
        """A set that speaks of the earlier event as `prior`."""
        before, self.prior = (self.prior, self.typed), True
        found = self.set(depth - 1)
        self.prior, self.typed = before
        return found

    def sequence(self, depth: int) -> str:
        """A follows B, does not, or does without a third in between."""
        other, length = self.follower(depth), self.chance.pick(WINDOWS)
        if self.chance.share(0.35):
            return f'.followedBy({other}, "{length}", {self.follower(depth)})'
        return f'.{self.chance.pick(["followedBy", "notFollowedBy"])}({other}, "{length}")'

    def bound(self) -> str:
        length = self.chance.pick(WINDOWS)
        options = [
            "entry",
            "step.s",
            f'now - duration("{length}")',
            "today",
            'startOf("week", today)',
            "trait.ends",
            "trait.seen",
        ]
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
        place = f"{1 + self.chance.below(3)}, " if name == "nth" else ""
        return f"{rows}.{name}({place}{self.row(kind, element=element)})"

    # numbers

    def leaf_number(self) -> list[Callable[[], str]]:
        found = self.of("0", "1", "2", "0.5", "3.333333333", "300000000000000001", "trait.points", "trait.points")
        found += self.of('group("firm").trait.staff', 'group("house").size()', 'bucket("s")')
        return found + (self.of("amount", "paid") if self.inside and not self.element else [])

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
        name = self.chance.pick(["sum", "sum", "avg", "avg", "min", "max", "distinct", "first", "last", "nth"])
        if name == "distinct":
            return self.aggregate(name, self.chance.pick(["dyn", "number", "string"]))
        if name in ("min", "max"):
            rows, _ = self.rows_of()
            return f"{rows.split('.each')[0]}.{name}({self.chance.pick(['amount', 'paid', 'revenue'])})"
        return self.aggregate(name, "number")

    # texts, time, lists, anything

    def leaf_string(self) -> list[Callable[[], str]]:
        found = self.of('"a"', '"Bonn"', '""', '"5"', "trait.city", "trait.city", "person.country", *self.texts)
        found += self.of("entry.touchpoint", "journey.id", 'stage("path")', 'group("house").id', 'group("firm").role')
        found += self.of(f'lookup("shelf", {self.key()}).label')
        return found + (self.of("code", "event.touchpoint", "event.name") if self.inside and not self.element else [])

    def inner_string(self) -> list[Callable[[], str]]:
        found: list[Callable[[], str]] = [
            lambda: f"lower({self.write('string')})",
            lambda: f"string({self.write(self.chance.pick(['dyn', 'number', 'date', 'timestamp', 'bool']))})",
            lambda: f"({self.write('string')}) + ({self.write('string')})",
            lambda: f"weekday({self.write('date')})",
        ]
        return (
            found
            if self.inside
            else [*found, lambda: self.aggregate(self.chance.pick(["first", "last", "nth"]), "string")]
        )

    def key(self) -> str:
        """A key of the catalog: a text, or data as it comes."""
        found = ["trait.city", '"a"', '"5"', "trait.x"]
        found += ["n", "code"] if self.inside and not self.element else ["c"] if self.inside else []
        return self.chance.pick(found)

    def leaf_timestamp(self) -> list[Callable[[], str]]:
        found = self.of(
            'changedAt(stage("path"))',
            "changedAt(trait.x)",
            'changedAt(segment("vip"))',
            'changedAt(consent("email", "news"))',
        )
        found += self.of(
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
        found += self.of('group("firm").trait.since', f'lookup("shelf", {self.key()}).until')
        return found + (self.of("due", "due") if self.inside and self.typed and not self.element else [])

    def inner_date(self) -> list[Callable[[], str]]:
        lengths = ("1d", "2w", "1mo", "1y")
        return [
            lambda: f'({self.write("date")}) {self.chance.pick("+-")} duration("{self.chance.pick(lengths)}")',
            lambda: f"anniversary({self.write('date')})",
            lambda: f'startOf("{self.chance.pick(PERIODS)}", {self.write(self.chance.pick(["date", "timestamp"]))})',
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
        found += self.of(
            "vars.w",
            f"trait.l[{self.chance.below(4)}]",
            f'{{"a": trait.x, "b": trait.nothing}}.{self.chance.pick("ab")}',
        )
        found += self.of('group("house").trait.x', f'lookup("shelf", {self.key()}).weight')
        if self.inside and self.element:
            return found + self.of("q", "c", "price", "q", "c")
        found += self.of("entry.properties.revenue")
        found += self.of("n", "revenue", "event.properties.n") if self.inside else []
        found += self.of("prior.properties.n") if self.inside and self.prior else []
        for name in self.variables:
            found += self.of(name, f"{name}.q", f"{name}.c", f"{name}.price")
        return found

    def inner_dyn(self) -> list[Callable[[], str]]:
        found: list[Callable[[], str]] = [
            lambda: f"coalesce({self.write('dyn')}, {self.write(self.chance.pick(['dyn', 'number', 'string']))})",
            lambda: f"({self.write('bool')} ? {self.write('dyn')} : {self.write('string')})",
        ]
        return (
            found
            if self.inside
            else [*found, lambda: self.aggregate(self.chance.pick(["first", "last", "nth"]), "dyn")]
        )
