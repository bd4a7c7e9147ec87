"""`Tree` -> `Term`, third part: functions called by name, and what their arguments may be."""

from __future__ import annotations

from einklang.expr.check_names import Names
from einklang.expr.dates import PERIODS, date_of_text, moment_of_text
from einklang.expr.errors import ExprError, nearest
from einklang.expr.functions import (
    CEL_NAMES,
    FUNCTIONS,
    METHODS,
    Fn,
)
from einklang.expr.tree import Term, Tree
from einklang.expr.types import (
    BOOL,
    DATE,
    DURATION,
    MONTHS,
    NULL,
    NUMBER,
    STRING,
    TEMPORAL,
    TIMESTAMP,
    Type,
)
from einklang.expr.write import quoted
from einklang.kernel.errors import InputError
from einklang.kernel.time import Duration, parse_duration

_RESULTS = {"bool": BOOL, "string": STRING, "number": NUMBER, "date": DATE}
_LOOPS_MAX = 8


class Functions(Names):
    """Functions called by name."""

    def _duration(self, tree: Tree, text: str) -> Duration:
        try:
            return parse_duration(text)
        except InputError as error:
            raise self.fault(tree, error.code, error.what, error.mend) from None

    def _call(self, tree: Tree) -> Term:
        name = tree.value
        if name not in FUNCTIONS:
            raise self._unknown_call(tree, FUNCTIONS)
        fn = FUNCTIONS[name]
        if fn.later:
            raise self._not_yet(tree)
        self._arity(tree, fn, tree.args)
        special = getattr(self, "_call_" + name, None)
        if special is not None:
            term = special(tree)
            assert isinstance(term, Term)
            return term
        args = []
        for part, wanted in zip(tree.args, fn.args, strict=False):
            kind = wanted.rstrip("?")
            read = self.whether if name == "has" and self.is_group(part) else self.value
            args.append(read(part) if kind == "any" else self.typed(part, kind))
        return self._make(tree, name, _RESULTS[fn.result], tuple(args))

    def _not_yet(self, tree: Tree) -> ExprError:
        what = f"`{tree.value}(...)` is not supported yet"
        return self.fault(tree, "not_supported_yet", what, "leave it out; a later version brings it")

    def _unknown_call(self, tree: Tree, known: object) -> ExprError:
        name = tree.value
        names = sorted({*FUNCTIONS, *METHODS} if tree.kind == "call" else METHODS)
        if CEL_NAMES.get(name):
            return self.fault(
                tree,
                "unknown_function",
                f"unknown function `{name}`",
                f"it is called `{CEL_NAMES[name]}` here",
                near=CEL_NAMES[name],
            )
        if tree.kind == "call" and name in METHODS:
            return self.fault(
                tree, "unknown_function", f"unknown function `{name}`", f"it is a method: x.{name}(...)", near=name
            )
        if tree.kind == "method" and name in FUNCTIONS:
            return self.fault(
                tree, "unknown_function", f"unknown method `{name}`", f"it is a function: {name}(x)", near=name
            )
        return self.unknown(tree, "unknown_function", "function" if tree.kind == "call" else "method", name, names)

    def _arity(self, tree: Tree, fn: Fn, given: tuple[Tree, ...]) -> None:
        least = sum(not arg.endswith(("?", "...")) for arg in fn.args) + (fn.args[-1:] in (("any...",), ("number...",)))
        most = 99 if fn.args and fn.args[-1].endswith("...") else len(fn.args)
        if not least <= len(given) <= most:
            wanted = f"{least}" if least == most else f"{least} or more" if most == 99 else f"{least} to {most}"
            what = f"`{tree.value}` takes {wanted} argument{'' if wanted == '1' else 's'}, found {len(given)}"
            shown = ", ".join(fn.args)
            raise self.fault(tree, "wrong_arguments", what, f"write {tree.value}({shown})")

    def _literal(self, tree: Tree, what: str) -> str:
        if tree.kind != "string" or not tree.value:
            raise self.fault(
                tree,
                "wrong_type",
                f"expected {what} in quotes, found `{self.source(tree)}`",
                "write it in quotes",
                expected=("string",),
            )
        assert isinstance(tree.value, str)
        return tree.value

    def _call_events(self, tree: Tree) -> Term:
        raise self.fault(
            tree, "wrong_type", "a set of events is no value", "end with .exists(), .count(), .last(...) or the like"
        )

    _call_objects = _call_events

    def _call_group(self, tree: Tree) -> Term:
        mend = 'write group("company").id, .role, .contact_person, .trait.NAME, .size() or .events(...)'
        raise self.fault(tree, "wrong_type", "a group alone is no value", mend)

    def _known_id(self, tree: Tree, kind: str, known: frozenset[str] | None) -> str:
        name = self._literal(tree, f"the id of a {kind}")
        if known is not None and name not in known:
            raise self.unknown(tree, "unknown_id", kind, name, known)
        return name

    def _call_segment(self, tree: Tree) -> Term:
        return self._make(tree, "segment", BOOL, (), self._known_id(tree.args[0], "segment", self.catalog.segments))

    def _call_score(self, tree: Tree) -> Term:
        """The sum of the points whose conditions hold."""
        name = self._literal(tree.args[0], "the id of a score")
        if name not in self.catalog.scores:
            if nearest(name, self.catalog.scores):
                raise self.unknown(tree.args[0], "unknown_id", "score", name, self.catalog.scores)
            what = f"`score(...)` is not supported yet for {name[:40]!r}: no score by points is called so"
            raise self.fault(tree, "not_supported_yet", what, "declare its `points`; models come with a later version")
        points = self.catalog.scores[name]
        return self.elsewhere(tree, f'score("{name}")', "score", lambda: self._sum_of(tree, points))

    def _sum_of(self, tree: Tree, points: tuple[tuple[str, str], ...]) -> Term:
        none = self._make(tree, "const", NUMBER, data=0)
        total = none
        for when, add in points:
            held, value = self.said(when, condition=True), self.said(add)
            known = self._make(tree, "coalesce", NUMBER, (value, none))
            part = self._make(tree, "cond", NUMBER, (held, known, none))
            total = part if total is none else self._make(tree, "add", NUMBER, (total, part))
        return total

    def _call_stage(self, tree: Tree) -> Term:
        """The name of the last whose condition holds, or of the stage that is kept."""
        name = self._known_id(tree.args[0], "stage", frozenset(self.catalog.stages))
        if name in self.catalog.kept:
            return self._make(tree, "stage", STRING, (), name)
        stages = self.catalog.stages[name]
        return self.elsewhere(tree, f'stage("{name}")', "stage", lambda: self._last_of(tree, stages))

    def _last_of(self, tree: Tree, stages: tuple[tuple[str, str], ...]) -> Term:
        found = self._make(tree, "const", NULL)
        for stage, when in stages:
            here = self._make(tree, "const", STRING, data=stage)
            found = self._make(tree, "cond", STRING, (self.said(when, condition=True), here, found))
        return found

    def _call_openCases(self, tree: Tree) -> Term:
        """The cases of a process that were opened and not closed, by the events that say so."""
        process = quoted(self._literal(tree.args[0], "the id of a process"))
        opened, closed = (
            f'events("Case {what}").where(process == {process}).list(case_id)' for what in ("Opened", "Closed")
        )
        text = f"size({opened}.filter(c, !(c in {closed})))"
        return self.elsewhere(tree, f"openCases({process})", "score", lambda: self.said(text))

    def _call_inJourney(self, tree: Tree) -> Term:
        return self._make(tree, "injourney", BOOL, (), self._known_id(tree.args[0], "journey", self.catalog.journeys))

    def _call_consent(self, tree: Tree) -> Term:
        channel = self._known_id(tree.args[0], "channel", self.catalog.channels)
        purpose = self._known_id(tree.args[1], "purpose", self.catalog.purposes)
        return self._make(tree, "consent", BOOL, (), (channel, purpose))

    def _call_reachable(self, tree: Tree) -> Term:
        return self._make(tree, "reachable", BOOL, (), self._known_id(tree.args[0], "channel", self.catalog.channels))

    def _call_bucket(self, tree: Tree) -> Term:
        return self._make(tree, "bucket", NUMBER, (), self._literal(tree.args[0], "a salt"))

    def _call_lookup(self, tree: Tree) -> Term:
        catalogs = self.catalog.catalogs
        name = self._known_id(tree.args[0], "catalog", None if catalogs is None else frozenset(catalogs))
        key = self.value(tree.args[1])
        if key.type.kind in TEMPORAL:
            raise self.fault(tree.args[1], "wrong_type", f"a {key.type} cannot be a key", "write string(...)")
        fields = tuple((catalogs or {}).get(name, {}).items())
        return self._make(tree, "lookup", Type("map", None, fields), (key,), name)

    def _call_changedAt(self, tree: Tree) -> Term:
        part = tree.args[0]
        inner = part.args[0] if part.kind in ("field", "index") else part
        if inner.kind == "name" and inner.value == "trait" and part is not inner:
            self._stored(part)
            term = self.check(part)
            return self._make(tree, "changed", TIMESTAMP, (), ("trait", term.data))
        if part.kind == "call" and part.value == "segment":
            return self._make(tree, "changed", TIMESTAMP, (), ("segment", self.check(part).data))
        if part.kind == "call" and part.value == "consent":
            return self._make(tree, "changed", TIMESTAMP, (), ("consent", self.check(part).data))
        if part.kind == "call" and part.value == "stage":
            self._arity(part, FUNCTIONS["stage"], part.args)
            name = self._known_id(part.args[0], "stage", frozenset(self.catalog.stages))
            return self._make(tree, "changed", TIMESTAMP, (), ("stage", name))
        raise self.fault(
            part,
            "wrong_type",
            "changedAt(...) needs a trait, a segment, a stage or a consent",
            'write changedAt(trait.x), changedAt(segment("id")), changedAt(stage("id")) or '
            'changedAt(consent("email", "marketing"))',
        )

    def _stored(self, part: Tree) -> None:
        """Refuses a computed trait where the time of a stored one is asked for."""
        name = part.value if part.kind == "field" else part.args[1].value
        if name in self.catalog.computed:
            what = f"`trait.{name}` is computed: nothing records since when it has its value"
            raise self.fault(part, "wrong_type", what, "ask for a trait that is sent, or for a segment")

    def _call_duration(self, tree: Tree) -> Term:
        length = self._duration(tree.args[0], self._literal(tree.args[0], "a duration"))
        if length.months and length.micros:
            raise self.fault(
                tree, "bad_duration", "months and hours do not go together", "write months and days, or days and hours"
            )
        return self._make(tree, "duration", MONTHS if length.months else DURATION, (), length)

    def _call_timestamp(self, tree: Tree) -> Term:
        term = self.check(tree.args[0])
        if term.type.kind == "timestamp":
            return term
        self.fits(tree.args[0], term, "string", "date")
        if term.type.kind == "date":
            return self._make(tree, "ts_of_date", TIMESTAMP, (term,))
        if term.op == "const" and term.data is not None and moment_of_text(term.data) is None:
            raise self.fault(
                tree.args[0], "bad_moment", f"not a moment: {term.data[:40]!r}", "write it as 2027-03-01T09:00:00+01:00"
            )
        return self._make(tree, "ts_of_text", TIMESTAMP, (term,))

    def _call_date(self, tree: Tree) -> Term:
        term = self.check(tree.args[0])
        if term.type.kind == "date":
            return term
        self.fits(tree.args[0], term, "string", "timestamp")
        if term.type.kind == "timestamp":
            return self._make(tree, "date_of_ts", DATE, (term,))
        if term.op == "const" and term.data is not None and date_of_text(term.data) is None:
            raise self.fault(
                tree.args[0], "bad_date", f"not a date: {term.data[:40]!r}", "write it as 2027-03-31 or --03-31"
            )
        return self._make(tree, "date_of_text", DATE, (term,))

    def _day(self, tree: Tree, op: str, result: Type, *, moving: bool = False) -> Term:
        term = self.check(tree.args[0]) if moving else self.value(tree.args[0])
        if term.type.kind == "dyn":
            raise self.undeclared(tree.args[0], "date")
        self.fits(tree.args[0], term, "date", "timestamp")
        if term.type.kind == "timestamp":
            term = self._make(tree.args[0], "date_of_ts", DATE, (term,))
        return self._make(tree, op, result, (term,))

    def _call_year(self, tree: Tree) -> Term:
        return self._day(tree, tree.value, NUMBER)

    _call_month = _call_year
    _call_day = _call_year

    def _call_weekday(self, tree: Tree) -> Term:
        return self._day(tree, "weekday", STRING, moving=True)

    def _call_startOf(self, tree: Tree) -> Term:
        period = self._literal(tree.args[0], "a period")
        if period not in PERIODS:
            what = f"`{period[:40]}` is no period"
            near = nearest(period, PERIODS)
            mend = "write one of: " + ", ".join(PERIODS)
            raise self.fault(tree.args[0], "bad_period", what, mend, expected=PERIODS, near=near)
        part = tree.args[1]
        term = self.value(part)
        if term.type.kind == "dyn":
            raise self.undeclared(part, "date")
        self.fits(part, term, "date", "timestamp")
        if term.type.kind == "timestamp":
            term = self._make(part, "date_of_ts", DATE, (term,))
        return self._make(tree, "start_of", DATE, (term,), period)

    def _call_hour(self, tree: Tree) -> Term:
        term = self.check(tree.args[0])
        self.fits(tree.args[0], term, "timestamp")
        return self._make(tree, "hour", NUMBER, (term,))

    def _call_coalesce(self, tree: Tree) -> Term:
        args = tuple(self.value(part) for part in tree.args)
        return self._make(tree, "coalesce", self.join(tree, [arg.type for arg in args]), args)

    def _call_size(self, tree: Tree) -> Term:
        return self._make(tree, "size", NUMBER, (self.typed(tree.args[0], "string", "list", "map"),))

    def _call_min(self, tree: Tree) -> Term:
        return self._make(
            tree,
            "least" if tree.value == "min" else "greatest",
            NUMBER,
            tuple(self.typed(part, "number") for part in tree.args),
        )

    _call_max = _call_min

    def _call_number(self, tree: Tree) -> Term:
        return self._make(tree, "number", NUMBER, (self.typed(tree.args[0], "number", "string", "bool"),))

    def _call_string(self, tree: Tree) -> Term:
        term = self.value(tree.args[0])
        if term.type.kind in ("list", "map", "duration", "months"):
            raise self.fault(tree.args[0], "wrong_type", f"a {term.type} cannot be made a text", "write a part of it")
        return self._make(tree, "string", STRING, (term,))
