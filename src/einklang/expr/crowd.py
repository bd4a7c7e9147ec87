"""`Checked` -> a plan over the frames of a crowd: who is a member at a moment, by event time.

"By event time": what is known now about that moment. Events, traits and members count that have `at` <= now. The plan
works column by column: each part of the expression becomes Polars expressions over a level of rows (persons; below
them events, elements of lists, pairs of events), and aggregates fold a level into the one above. JSON is decoded once
for each document that is touched, and calendar arithmetic runs in Python for each row, because the tz database is the
one pinned with Einklang.

`crowd_supports` says what a plan cannot do; for that, `app` asks `compile_one` person by person.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import polars as pl

from einklang.expr import numbers, runtime
from einklang.expr.check import Checked
from einklang.expr.crowd_frames import Crowd, Level, Token, root_of
from einklang.expr.crowd_groups import GroupSets, of_group
from einklang.expr.crowd_reach import crowd_supports, is_path
from einklang.expr.crowd_sets import free_names
from einklang.expr.crowd_values import DTYPES, PARTS, Value, arithmetic, choose, equal, holds, is_null, literal, ordered
from einklang.expr.dates import start_of
from einklang.expr.rows import members_asked
from einklang.expr.tree import Term, walk
from einklang.kernel.errors import UsageError
from einklang.kernel.time import DAY, Micros


def _full_day(day: pl.Expr) -> Value:
    """A day with a year."""
    return {"d": day, "y": literal(None, "y")}


class CrowdPlan:
    """A compiled expression for crowds."""

    def __init__(self, checked: Checked) -> None:
        missing = crowd_supports(checked)
        if missing:
            what = f"a plan for crowds cannot do: {', '.join(missing)}"
            raise UsageError("not_for_crowds", what, mend="ask person by person")
        self.checked = checked
        self.asked = members_asked(checked.tree)

    def members(self, crowd: Crowd, now: Micros) -> pl.DataFrame:
        """person_id, holds: whether the condition holds for each person of the crowd at a moment, in the order of the
        persons.
        """
        run = Run(self.checked, crowd, now)
        found = run.root.column(holds(run.value(self.checked.tree, run.root)))
        return pl.DataFrame({"person_id": crowd.persons["person_id"], "holds": found & ~run.too_many(self.asked)})

    def values(self, crowd: Crowd, now: Micros) -> pl.DataFrame:
        """person_id and the parts of the value (`crowd_values`): for expressions that are no conditions."""
        run = Run(self.checked, crowd, now)
        known = ~run.too_many(self.asked)
        found = {part: run.root.column(code) for part, code in run.value(self.checked.tree, run.root).items()}
        parts = {part: column.zip_with(known, pl.Series([None], dtype=column.dtype)) for part, column in found.items()}
        return pl.DataFrame({"person_id": crowd.persons["person_id"], **parts})


def compile_crowd(checked: Checked) -> CrowdPlan:
    """The plan of an expression. Raises UsageError `not_for_crowds` where `crowd_supports` names something."""
    return CrowdPlan(checked)


class Run(GroupSets):
    """One execution: `value` works out a term for all rows of a level."""

    def __init__(self, checked: Checked, crowd: Crowd, now: Micros) -> None:
        fields = {term.data: term.type.kind for term in walk(checked.tree) if term.op == "person"}
        properties = frozenset(term.data[1] for term in walk(checked.tree) if term.op == "prop")
        super().__init__(crowd, root_of(crowd, fields), now, properties)
        self.checked = checked

    def over(self, crowd: Crowd) -> Run:
        """The same execution over other persons."""
        return Run(self.checked, crowd, self.now)

    def value(self, term: Term, level: Level) -> Value:
        if level.parent is not None and term.op != "const" and not free_names(term) & level.tokens:
            return level.lift(self.value(term, level.parent))
        if is_path(term) and term.op != "local":
            return self.path_value(term, level)
        if kind := of_group(term):
            return self.by_group(term, kind)
        found: Value = getattr(self, "_" + term.op)(term, level)
        return found

    def holds(self, term: Term, level: Level) -> pl.Expr:
        return holds(self.value(term, level))

    def part(self, term: Term, level: Level, part: str) -> pl.Expr:
        """One part of a value; null where it has no such part."""
        found = self.value(term, level)
        return found[part] if part in found else literal(None, part)

    def python(self, level: Level, part: str, function: Callable[..., Any], *asked: pl.Expr) -> pl.Expr:
        """A function of Python, row by row; for calendars and texts."""
        columns = [level.column(expression) for expression in asked]
        return level.add(pl.Series([function(*row) for row in zip(*columns, strict=True)], dtype=DTYPES[part]))

    # names

    def _const(self, term: Term, level: Level) -> Value:
        return {part: literal(term.data, part) for part in PARTS[term.type.kind]}

    def _duration(self, term: Term, level: Level) -> Value:
        return {"t": literal(term.data.exact(), "t")}

    def _now(self, term: Term, level: Level) -> Value:
        return {"t": literal(self.now, "t")}

    def _today(self, term: Term, level: Level) -> Value:
        return {"d": self.date_of(level, literal(self.now, "t")), "y": literal(None, "y")}

    def date_of(self, level: Level, at: pl.Expr) -> pl.Expr:
        return self.python(level, "d", runtime.date_of, at, self.zone(level))

    def zone(self, level: Level) -> pl.Expr:
        return level.add(self.root.frame["zone"].gather(level.frame["_person"]))

    def _person(self, term: Term, level: Level) -> Value:
        name = "person_id" if term.data == "id" else term.data
        return {PARTS[term.type.kind][0]: pl.col(name)}

    def _eventfield(self, term: Term, level: Level) -> Value:
        name = "person_id" if term.data[1] == "person" else term.data[1]
        column = pl.col(name)
        if name == "touchpoint":
            column = level.add(pl.when(column != "").then(column))
        return {PARTS[term.type.kind][0]: column}

    def _money(self, term: Term, level: Level) -> Value:
        """Amounts of a foreign currency are worked out row by row, and only where there are any."""
        value = dict(self.value(term.args[0], level))
        currency = self.part(term.args[1], level, "s")
        if not level.column(currency.fill_null("").is_in(["", term.data])).all():

            def exchange(amount: Any, code: Any, at: Any, zone: Any) -> Decimal | None:
                found = runtime.exchanged(self.crowd.rate, zone, amount, code, at, term.data)
                return None if found is None else Decimal(found)

            asked = (value["n"], currency, self.part(term.args[2], level, "t"), self.zone(level))
            value["n"] = self.python(level, "n", exchange, *asked)
        return value

    def _local(self, term: Term, level: Level) -> Value:
        token: Token = ("local", term.data)
        return level.values[token] if token in level.values else self.path_value(term, level)

    def _segment(self, term: Term, level: Level) -> Value:
        members = self.crowd.segments.filter(pl.col("segment") == term.data)["person_id"]
        return {"b": pl.col("person_id").is_in(members.implode())}

    def _consent(self, term: Term, level: Level) -> Value:
        asked = (pl.col("channel") == term.data[0]) & (pl.col("purpose") == term.data[1])
        given = self.crowd.consents.filter(asked)["person_id"]
        return {"b": pl.col("person_id").is_in(given.implode())}

    # truth

    def _not(self, term: Term, level: Level) -> Value:
        return {"b": ~self.holds(term.args[0], level)}

    def _and(self, term: Term, level: Level) -> Value:
        return {"b": pl.all_horizontal([self.holds(part, level) for part in term.args])}

    def _or(self, term: Term, level: Level) -> Value:
        return {"b": pl.any_horizontal([self.holds(part, level) for part in term.args])}

    def _cond(self, term: Term, level: Level) -> Value:
        ask, yes, no = term.args
        return choose(self.holds(ask, level), self.value(yes, level), self.value(no, level), level.add)

    def _has(self, term: Term, level: Level) -> Value:
        return {"b": ~is_null(self.value(term.args[0], level))}

    def _coalesce(self, term: Term, level: Level) -> Value:
        found = self.value(term.args[-1], level)
        for part in reversed(term.args[:-1]):
            first = self.value(part, level)
            found = choose(is_null(first), found, first, level.add)
        return found

    def _eq(self, term: Term, level: Level) -> Value:
        same = equal(self.value(term.args[0], level), self.value(term.args[1], level))
        return {"b": same if term.op == "eq" else ~same}

    _ne = _eq

    def _lt(self, term: Term, level: Level) -> Value:
        left, right = term.args if term.op in ("lt", "le") else term.args[::-1]
        return {"b": ordered(self.value(left, level), self.value(right, level), strictly=term.op in ("lt", "gt"))}

    _le = _gt = _ge = _lt

    # numbers and texts

    def _add(self, term: Term, level: Level) -> Value:
        a, b = (self.part(arg, level, "n") for arg in term.args)
        return {"n": arithmetic(term.op, a, b, level.add)}

    _sub = _mul = _div = _add

    def _neg(self, term: Term, level: Level) -> Value:
        return {"n": -self.part(term.args[0], level, "n")}

    def _abs(self, term: Term, level: Level) -> Value:
        return {"n": self.part(term.args[0], level, "n").abs()}

    def _round(self, term: Term, level: Level) -> Value:
        places = term.args[1].data if len(term.args) > 1 else 0
        return {"n": self.part(term.args[0], level, "n").round(places, mode="half_to_even")}

    def _least(self, term: Term, level: Level) -> Value:
        parts = [self.part(arg, level, "n") for arg in term.args]
        return {"n": pl.min_horizontal(parts) if term.op == "least" else pl.max_horizontal(parts)}

    _greatest = _least

    def _plus(self, term: Term, level: Level) -> Value:
        left, right = (self.value(arg, level) for arg in term.args)
        found = {}
        if "s" in left and "s" in right:
            found["s"] = left["s"] + right["s"]
        if "n" in left and "n" in right:
            found["n"] = arithmetic("add", left["n"], right["n"], level.add)
        return found

    def _number(self, term: Term, level: Level) -> Value:
        value = self.value(term.args[0], level)
        found = value.get("n", literal(None, "n"))
        if "s" in value:
            text = self.python(level, "n", lambda x: numbers.number_from(x), value["s"])
            found = pl.coalesce(found, text)
        return {"n": found}

    def _string(self, term: Term, level: Level) -> Value:
        value = self.value(term.args[0], level)
        found = [value[part] for part in ("s", "y") if part in value]
        if "b" in value:
            found.append(pl.when(value["b"]).then(pl.lit("true")).when(~value["b"]).then(pl.lit("false")))
        if "n" in value:
            found.append(self.python(level, "s", lambda x: None if x is None else numbers.text_of(x), value["n"]))
        if "d" in value:
            found.append(self.python(level, "s", runtime.string, value["d"]))
        if "t" in value:
            found.append(self.python(level, "s", runtime.string_of_moment, value["t"]))
        return {"s": level.add(pl.coalesce(found)) if found else literal(None, "s")}

    def _lower(self, term: Term, level: Level) -> Value:
        return {"s": self.python(level, "s", runtime.lower, self.part(term.args[0], level, "s"))}

    def _contains(self, term: Term, level: Level) -> Value:
        text, other = (self.part(arg, level, "s") for arg in term.args)
        if term.op == "contains":
            found = text.str.contains(other, literal=True)
        else:
            found = text.str.starts_with(other) if term.op == "startsWith" else text.str.ends_with(other)
        return {"b": found.fill_null(False)}

    _startsWith = _endsWith = _contains

    # time

    def _ts_move(self, term: Term, level: Level) -> Value:
        at, by = (self.part(arg, level, "t") for arg in term.args)
        moved = at + by * term.data
        return {"t": level.add(pl.when(moved.is_between(runtime.FIRST, runtime.LAST)).then(moved))}

    def _ts_diff(self, term: Term, level: Level) -> Value:
        a, b = (self.part(arg, level, "t") for arg in term.args)
        return {"t": a - b}

    def _date_diff(self, term: Term, level: Level) -> Value:
        a, b = (self.part(arg, level, "d") for arg in term.args)
        return {"t": (a - b).dt.total_days() * DAY}

    def _date_move(self, term: Term, level: Level) -> Value:
        day, by = term.args
        at = self.part(day, level, "d")
        if by.op == "duration":
            return _full_day(self.python(level, "d", lambda x: runtime.date_move(x, by.data, term.data), at))
        length = self.part(by, level, "t")
        return _full_day(self.python(level, "d", lambda x, y: runtime.date_move(x, y, term.data), at, length))

    def _days(self, term: Term, level: Level) -> Value:
        length = self.part(term.args[0], level, "t").cast(DTYPES["n"])
        return {"n": arithmetic("div", length, literal(DAY, "n"), level.add)}

    def _date_of_ts(self, term: Term, level: Level) -> Value:
        return _full_day(self.date_of(level, self.part(term.args[0], level, "t")))

    def _ts_of_date(self, term: Term, level: Level) -> Value:
        day = self.part(term.args[0], level, "d")
        return {"t": self.python(level, "t", runtime.moment_of_day, day, self.zone(level))}

    def _date_of_text(self, term: Term, level: Level) -> Value:
        text = self.part(term.args[0], level, "s")

        def year_or_not(x: Any, *, full: bool) -> Any:
            day = runtime.as_date(x)
            return day if isinstance(day, str) != full else None

        return {
            "d": self.python(level, "d", lambda x: year_or_not(x, full=True), text),
            "y": self.python(level, "y", lambda x: year_or_not(x, full=False), text),
        }

    def _ts_of_text(self, term: Term, level: Level) -> Value:
        return {"t": self.python(level, "t", runtime.as_timestamp, self.part(term.args[0], level, "s"))}

    def _day_value(self, term: Term, level: Level) -> tuple[pl.Expr, pl.Expr]:
        value = self.value(term.args[0], level)
        return value.get("d", literal(None, "d")), value.get("y", literal(None, "y"))

    def _age(self, term: Term, level: Level) -> Value:
        today = self.date_of(level, literal(self.now, "t"))
        function = runtime.age if term.op == "age" else runtime.anniversary
        part = "n" if term.op == "age" else "d"
        found = self.python(
            level,
            part,
            lambda d, y, now: function(d if d is not None else y, now),
            *self._day_value(term, level),
            today,
        )
        return {"n": found} if part == "n" else _full_day(found)

    _anniversary = _age

    def _year(self, term: Term, level: Level) -> Value:
        function = {"year": runtime.year, "month": runtime.month, "day": runtime.day, "weekday": runtime.weekday}[
            term.op
        ]
        part = "s" if term.op == "weekday" else "n"
        days = self._day_value(term, level)
        return {part: self.python(level, part, lambda d, y: function(d if d is not None else y), *days)}

    _month = _day = _weekday = _year

    def _start_of(self, term: Term, level: Level) -> Value:
        day = self.part(term.args[0], level, "d")
        return _full_day(self.python(level, "d", lambda x: start_of(x, term.data), day))

    def _hour(self, term: Term, level: Level) -> Value:
        return {"n": self.python(level, "n", runtime.hour, self.part(term.args[0], level, "t"), self.zone(level))}
