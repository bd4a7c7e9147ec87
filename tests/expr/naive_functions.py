"""The third opinion, first half: values and functions of the naive interpreter.

It shares no code with the checker, the compilers or their runtime. Numbers are `Fraction`, rounded once to 9 places;
moments are aware `datetime`s, durations `timedelta`s, days `date`s, days without a year ("--", month, day). A person
is a dict: `zone`, `traits` (JSON), `events` (dicts with name, at, seq, properties, touchpoint, source, machine),
`segments`, `consents`, `entry`, `steps`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

from einklang.expr.tree import Tree

Person = dict[str, Any]
NINTH = Fraction(1, 10**9)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICRO = timedelta(microseconds=1)
WEEKDAYS = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
UNITS = {
    "w": timedelta(days=7),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}


def rounded(x: Fraction, places: int = 9) -> Fraction | None:
    """Half-even to so many places; None beyond 10^29."""
    step = Fraction(10) ** -places
    found = round(x / step) * step
    return found if abs(found) < 10**29 else None


def from_json(x: Any) -> Any:
    """A JSON value with numbers as Fraction."""
    if isinstance(x, bool) or x is None or isinstance(x, str):
        return x
    if isinstance(x, (int, Decimal)):
        return rounded(Fraction(x))
    if isinstance(x, list):
        return [from_json(item) for item in x]
    return {key: from_json(value) for key, value in x.items()}


def moment(micros: int | None) -> datetime | None:
    """Microseconds as a datetime."""
    return None if micros is None else EPOCH + micros * MICRO


def read(x: Any, kind: str) -> Any:
    """A JSON value of a declared type; None where it does not fit."""
    if kind == "timestamp":
        return text_moment(x) if isinstance(x, str) else None
    if kind == "date":
        return text_day(x) if isinstance(x, str) else None
    if kind.startswith("list("):
        return [read(item, kind[5:-1]) for item in x] if isinstance(x, list) else None
    fits = {"bool": bool, "string": str, "number": Fraction, "money": Fraction, "map": dict, "list": list}.get(kind)
    return x if fits is None or isinstance(x, fits) else None


def exchanged(person: Person, event: Any, name: str, kind: str, x: Any) -> Any:
    """Money of an event in euros; None without a rate for the day on which it happened where the person is."""
    of_segment = ("revenue", "total", "subtotal", "value", "price", "tax", "shipping", "discount")
    if event is None or not isinstance(x, Fraction) or not (kind == "money" or (kind == "dyn" and name in of_segment)):
        return x
    currency = event["properties"].get("currency")
    if not isinstance(currency, str) or currency in ("", "EUR"):
        return x
    day = (EPOCH + event["at"] * MICRO).astimezone(ZoneInfo(person["zone"])).date()
    rate = person["rates"].get(f"{currency}/{day.isoformat()}", {}).get("rate")
    return None if rate is None or isinstance(rate, str) else rounded(x * Fraction(rate))


def text_moment(text: str) -> datetime | None:
    """RFC 3339."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)", text):
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None


def text_day(text: str) -> Any:
    """A day, with or without a year, or the day of a moment as it is written."""
    short = re.fullmatch(r"--(\d\d)-(\d\d)", text)
    try:
        if short:
            date(2024, int(short[1]), int(short[2]))
            return ("--", int(short[1]), int(short[2]))
        if "T" in text and text_moment(text) is None:
            return None
        return date.fromisoformat(text.split("T")[0]) if re.match(r"\d{4}-\d\d-\d\d(T|$)", text) else None
    except ValueError:
        return None


def same(a: Any, b: Any) -> bool:
    """`==`."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return bool(a == b)


def less(a: Any, b: Any, *, equal: bool) -> bool:
    """`<` and `<=`."""
    if type(a) is not type(b) or isinstance(a, (bool, list, dict, tuple)) or a is None:
        return False
    return bool(a <= b if equal else a < b)


def joined(a: Any, b: Any) -> Any:
    """`+`."""
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return rounded(a + b)
    if isinstance(a, str) and isinstance(b, str):
        return a + b
    if isinstance(a, list) and isinstance(b, list):
        return a + b
    return None


def length(text: str) -> Any:
    """A duration; months as a tuple."""
    parts = re.findall(r"(\d+)(mo|[ywdhms])", text)
    if any(unit in ("mo", "y") for _, unit in parts):
        return ("months", sum(int(count) * (12 if unit == "y" else 1) for count, unit in parts))
    return sum((int(count) * UNITS[unit] for count, unit in parts), timedelta())


def numbers(values: list[Any]) -> list[Fraction]:
    """The numbers among the values."""
    return [x for x in values if isinstance(x, Fraction)]


def decimal_text(x: Fraction) -> str:
    """A number with at most 9 places as text."""
    whole, rest = divmod(abs(x), 1)
    digits = str(int(rest * 10**9)).rjust(9, "0").rstrip("0")
    return ("-" if x < 0 else "") + str(whole) + ("." + digits if digits else "")


class Functions:
    """Functions called by name, over one person at one moment. declared: the types of traits and properties by name."""

    def __init__(self, person: Person, now: int, declared: dict[str, str] | None = None) -> None:
        self.person = person
        self.micros = now
        self.now = moment(now)
        self.declared = declared or {}
        self.zone = ZoneInfo(person.get("zone", "UTC"))

    def local(self, at: datetime) -> datetime:
        return at.astimezone(self.zone)

    @property
    def today(self) -> date:
        assert self.now is not None
        return self.local(self.now).date()

    def midnight(self, day: Any) -> datetime | None:
        """The first moment of a day."""
        if not isinstance(day, date):
            return None
        return datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(UTC)

    def value(self, tree: Tree, env: dict[str, Any]) -> Any:
        raise NotImplementedError

    def on_call(self, tree: Tree, env: dict[str, Any]) -> Any:
        return getattr(self, "f_" + tree.value)(tree.args, env)

    def one(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        return self.value(args[0], env)

    def f_lookup(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        key = self.value(args[1], env)
        text = str(key.numerator) if isinstance(key, Fraction) and key.denominator == 1 else key
        row = self.person["catalogs"].get(args[0].value, {}).get(text) if isinstance(text, str) else None
        kinds = {name: self.declared.get(f"{args[0].value}.{name}", "dyn") for name in row or {}}
        return None if row is None else {name: read(from_json(x), kinds[name]) for name, x in row.items()}

    def f_segment(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        return args[0].value in self.person["segments"]

    def f_consent(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        return (args[0].value, args[1].value) in self.person["consents"]

    def f_inJourney(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        return args[0].value in self.person["journeys"]

    def f_reachable(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        return args[0].value in self.person["channels"]

    def f_stage(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        return self.person["stages"].get(args[0].value, (None, None))[0]

    def f_bucket(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        data = f"salt|bucket:{args[0].value}|{self.person['id']}".encode()
        bits = int.from_bytes(blake2b(data, digest_size=8).digest(), "big") // 2**11
        return Fraction(10**9 * bits // 2**53, 10**9)

    def f_changedAt(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        if args[0].kind == "field":
            return moment(self.person["changed"].get(args[0].value))
        if args[0].value == "consent":
            return moment(self.person["agreed"].get(tuple(part.value for part in args[0].args)))
        name = args[0].args[0].value
        if args[0].value == "stage":
            return moment(self.person["stages"].get(name, (None, None))[1])
        return moment(self.person["joined"].get(name)) if name in self.person["segments"] else None

    def f_duration(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        return length(args[0].value)

    def f_timestamp(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        x = self.one(args, env)
        if isinstance(x, datetime):
            return x
        return text_moment(x) if isinstance(x, str) else self.midnight(x)

    def f_date(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        x = self.one(args, env)
        if isinstance(x, datetime):
            return self.local(x).date()
        return text_day(x) if isinstance(x, str) else x if isinstance(x, (date, tuple)) else None

    def f_days(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        x = self.one(args, env)
        return None if x is None else rounded(Fraction(x // MICRO, 86_400_000_000))

    def f_age(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        born = self.one(args, env)
        if not isinstance(born, date):
            return None
        birthday = self.in_year(born.month, born.day, self.today.year)
        return Fraction(self.today.year - born.year - (1 if birthday > self.today else 0))

    def in_year(self, month: int, day: int, year: int) -> date:
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        return date(year, month, 28 if (month, day) == (2, 29) and not leap else day)

    def f_anniversary(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        day = self.one(args, env)
        if day is None:
            return None
        month, of_month = (day[1], day[2]) if isinstance(day, tuple) else (day.month, day.day)
        found = self.in_year(month, of_month, self.today.year)
        return found if found >= self.today else self.in_year(month, of_month, self.today.year + 1)

    def part(self, args: tuple[Tree, ...], env: dict[str, Any], pick: Callable[[date], Any], at: int | None) -> Any:
        x = self.one(args, env)
        if isinstance(x, datetime):
            x = self.local(x).date()
        if isinstance(x, tuple):
            return None if at is None else Fraction(x[at])
        return None if x is None else pick(x)

    def f_year(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        return self.part(args, env, lambda day: Fraction(day.year), None)

    def f_month(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        return self.part(args, env, lambda day: Fraction(day.month), 1)

    def f_day(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        return self.part(args, env, lambda day: Fraction(day.day), 2)

    def f_weekday(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        return self.part(args, env, lambda day: WEEKDAYS[day.weekday()], None)

    def f_startOf(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        x = self.one(args[1:], env)
        if isinstance(x, datetime):
            x = self.local(x).date()
        if not isinstance(x, date):
            return None
        while not {
            "week": x.isoweekday() == 1,
            "month": x.day == 1,
            "quarter": x.day == 1 and x.month in (1, 4, 7, 10),
            "year": x.day == x.month == 1,
        }[args[0].value]:
            x -= timedelta(days=1)
        return x

    def f_hour(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        x = self.one(args, env)
        return None if x is None else Fraction(self.local(x).hour)

    def f_has(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        return self.one(args, env) is not None

    def f_coalesce(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        for part in args:
            found = self.value(part, env)
            if found is not None:
                return found
        return None

    def f_size(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        x = self.one(args, env)
        return Fraction(len(x)) if isinstance(x, (str, list, dict)) else None

    def f_min(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        return min(numbers([self.value(part, env) for part in args]), default=None)

    def f_max(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        return max(numbers([self.value(part, env) for part in args]), default=None)

    def f_abs(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        x = self.one(args, env)
        return abs(x) if isinstance(x, Fraction) else None

    def f_round(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        x = self.one(args, env)
        places = self.value(args[1], env) if len(args) > 1 else Fraction(0)
        return rounded(x, int(places)) if isinstance(x, Fraction) and isinstance(places, Fraction) else None

    def f_number(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        x = self.one(args, env)
        if isinstance(x, str):
            return rounded(Fraction(x)) if re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", x) else None
        return x if isinstance(x, Fraction) else None

    def f_string(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        x = self.one(args, env)
        if isinstance(x, bool):
            return str(x).lower()
        if isinstance(x, Fraction):
            return decimal_text(x)
        if isinstance(x, datetime):
            digits = x.isoformat(
                timespec="auto" if x.microsecond % 1000 else "milliseconds" if x.microsecond else "seconds"
            )
            return digits.replace("+00:00", "Z")
        if isinstance(x, tuple):
            return f"--{x[1]:02}-{x[2]:02}"
        return x.isoformat() if isinstance(x, date) else x if isinstance(x, str) else None

    def f_lower(self, args: tuple[Tree, ...], env: dict[str, Any]) -> Any:
        x = self.one(args, env)
        return x.lower() if isinstance(x, str) else None
