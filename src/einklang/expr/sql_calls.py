"""The functions of the language in SQL: numbers, texts, time."""

from __future__ import annotations

from einklang.expr import runtime
from einklang.expr.sql_rows import Lambda
from einklang.expr.sql_terms import Place, Terms
from einklang.expr.sql_text import NUMBER, Code, made, whole
from einklang.expr.tree import Term

_DATED = {"year": "ek_year", "month": "ek_month", "day": "ek_day_of_month", "weekday": "ek_weekday"}
_SIGNS = {"add": "+", "sub": "-"}
#: Below this both factors and their product have few enough digits for an engine.
_NEAR = 10**9


class Calls(Terms):
    """What `sql.Plan` inherits second."""

    # numbers and texts

    def _add(self, term: Term, at: Place) -> Code:
        a, b = (self.typed(part, at, "number") for part in term.args)
        return self.arithmetic(term.op, a, b, at)

    _sub = _mul = _div = _add

    def arithmetic(self, op: str, a: Code, b: Code, at: Place) -> Code:
        """`add` `sub` `mul` `div` of numbers; null where the result is too large."""
        if op in _SIGNS:
            return self.dialect.sum(_SIGNS[op], a, b)
        if op == "div":
            if isinstance(at, Lambda):
                return self.asked("ek_div", a, b)
            return self.dialect.divided(at.bind(a), at.bind(b), at.bind)
        a, b = self.repeated(a, at), self.repeated(b, at)
        near = " AND ".join(f"ABS({{{n}}}) < {_NEAR}" for n in (0, 1))
        product = made("CAST({0} AS DECIMAL(18, 9)) * CAST({1} AS DECIMAL(18, 9))", a, b)
        rounded = self.dialect.rounded(product, 9)
        return made(f"CASE WHEN {near} THEN {{2}} ELSE {{3}} END", a, b, rounded, self.asked("ek_mul", a, b))

    def _neg(self, term: Term, at: Place) -> Code:
        return made(f"CAST(-{{0}} AS {NUMBER})", self.typed(term.args[0], at, "number"))

    def _abs(self, term: Term, at: Place) -> Code:
        return made(f"CAST(ABS({{0}}) AS {NUMBER})", self.typed(term.args[0], at, "number"))

    def _round(self, term: Term, at: Place) -> Code:
        places = term.args[1].data if len(term.args) > 1 else 0
        return self.dialect.rounded(self.typed(term.args[0], at, "number"), places)

    def _least(self, term: Term, at: Place) -> Code:
        parts = [self.typed(part, at, "number") for part in term.args]
        if len(parts) == 1:
            return parts[0]
        name = self.dialect.least if term.op == "least" else self.dialect.greatest
        return made(f"{name}(" + ", ".join(f"{{{n}}}" for n in range(len(parts))) + ")", *parts)

    _greatest = _least

    def _plus(self, term: Term, at: Place) -> Code:
        a, b = term.args
        kind = term.type.kind
        if kind == "string":
            return made("{0} || {1}", self.typed(a, at, "string"), self.typed(b, at, "string"))
        added = self.dialect.sum("+", self.typed(a, at, "number"), self.typed(b, at, "number"))
        if kind == "number":
            return added
        joined = made("'s' || {0} || {1}", self.typed(a, at, "string"), self.typed(b, at, "string"))
        return made("COALESCE({0}, 'n' || CAST({1} AS STRING))", joined, added)

    def _number(self, term: Term, at: Place) -> Code:
        part = term.args[0]
        found = self.typed(part, at, "number")
        if part.type.kind not in ("string", "dyn"):
            return found
        return made("COALESCE({0}, {1})", found, self.asked("ek_number_from", self.typed(part, at, "string")))

    def _string(self, term: Term, at: Place) -> Code:
        part = term.args[0]
        kind = part.type.kind
        if kind == "timestamp":
            return self.asked("ek_moment_text", self.value(part, at))
        if kind in ("string", "date"):
            return self.value(part, at)
        parts = [self.typed(part, at, "string"), self.typed(part, at, "bool"), self.typed(part, at, "number")]
        flag = "CASE {1} WHEN TRUE THEN 'true' WHEN FALSE THEN 'false' END"
        return made(f"COALESCE({{0}}, {flag}, {{2}})", parts[0], parts[1], self.asked("ek_text_of", parts[2]))

    def _lower(self, term: Term, at: Place) -> Code:
        found = self.dialect.lower(self.repeated(self.typed(term.args[0], at, "string"), at))
        return Code(found.text, found.deps, python=True)

    def _contains(self, term: Term, at: Place) -> Code:
        dialect = self.dialect
        name = {"contains": "contains", "startsWith": dialect.starts, "endsWith": dialect.ends}[term.op]
        a, b = (self.typed(part, at, "string") for part in term.args)
        return made(f"COALESCE({name}({{0}}, {{1}}), FALSE)", a, b)

    _startsWith = _endsWith = _contains

    # time

    def _ts_move(self, term: Term, at: Place) -> Code:
        moment, by = self.typed(term.args[0], at, "timestamp"), self.typed(term.args[1], at, "duration")
        moved = self.repeated(made("({0} + " + str(term.data) + " * {1})", moment, by), at)
        return made(f"CASE WHEN {{0}} BETWEEN {runtime.FIRST} AND {runtime.LAST} THEN {{0}} END", moved)

    def _ts_diff(self, term: Term, at: Place) -> Code:
        return made("({0} - {1})", *(self.typed(part, at, "timestamp") for part in term.args))

    def _date_diff(self, term: Term, at: Place) -> Code:
        return self.asked("ek_date_diff", *(self.typed(part, at, "date") for part in term.args))

    def _date_move(self, term: Term, at: Place) -> Code:
        day, by = term.args
        if by.op == "duration":
            moved = [whole(term.data * x) for x in (by.data.months, by.data.days, by.data.micros)]
            return self.asked("ek_date_shift", self.value(day, at), *moved)
        return self.asked("ek_date_move", self.value(day, at), self.value(by, at), whole(term.data))

    def _days(self, term: Term, at: Place) -> Code:
        return self.asked("ek_days", self.value(term.args[0], at))

    def _date_of_ts(self, term: Term, at: Place) -> Code:
        return self.asked("ek_day", self.typed(term.args[0], at, "timestamp"), self.zone(at))

    def _ts_of_date(self, term: Term, at: Place) -> Code:
        return self.asked("ek_first_moment", self.typed(term.args[0], at, "date"), self.zone(at))

    def _date_of_text(self, term: Term, at: Place) -> Code:
        return self.asked("ek_date", self.typed(term.args[0], at, "string"))

    def _ts_of_text(self, term: Term, at: Place) -> Code:
        return self.asked("ek_moment", self.typed(term.args[0], at, "string"))

    def _age(self, term: Term, at: Place) -> Code:
        today = self.person_column("today", at.rows() if isinstance(at, Lambda) else at)
        found = self.asked("ek_" + term.op, self.typed(term.args[0], at, "date"), today)
        return self._counted(found) if term.op == "age" else found

    _anniversary = _age

    def _counted(self, code: Code) -> Code:
        return made(f"CAST({{0}} AS {NUMBER})", code)

    def _start_of(self, term: Term, at: Place) -> Code:
        return self.asked("ek_start_of", self.typed(term.args[0], at, "date"), self.dialect.text(term.data))

    def _year(self, term: Term, at: Place) -> Code:
        found = self.asked(_DATED[term.op], self.typed(term.args[0], at, "date"))
        return found if term.op == "weekday" else self._counted(found)

    _month = _day = _weekday = _year

    def _hour(self, term: Term, at: Place) -> Code:
        return self._counted(self.asked("ek_hour", self.typed(term.args[0], at, "timestamp"), self.zone(at)))
