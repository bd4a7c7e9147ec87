"""Lists in SQL: arrays that are walked through by lambdas."""

from __future__ import annotations

from dataclasses import dataclass

from einklang.expr.sql_calls import Calls
from einklang.expr.sql_rows import Lambda, Rows, Token
from einklang.expr.sql_terms import PATHS, Place
from einklang.expr.sql_text import FALSE, LETTER, Code, Unsupported, made, number
from einklang.expr.tree import Term
from einklang.expr.types import DYN


@dataclass(frozen=True)
class Items:
    """A list: code of an array, what its elements are (a kind; "" for JSON), their declared type; made: where it is
    null it stands for the empty list.
    """

    code: Code
    kind: str
    item: str
    made: bool = False


class Lists(Calls):
    """What `sql.Plan` inherits third."""

    def items(self, term: Term, at: Place) -> Items:
        """The elements of a list; null where it is none."""
        if term.op == "macro_filter":
            listed, inner = self._bound(term, at)
            asked = self.holds(term.args[1], inner)
            return Items(self._through("filtered", listed, inner, asked), listed.kind, listed.item, made=True)
        if term.op == "macro_map":
            listed, inner = self._bound(term, at)
            kind = term.args[1].type.kind
            if kind in ("list", "map"):
                raise Unsupported("a list of lists")
            value = self.value(term.args[1], inner)
            return Items(
                self._through("mapped", listed, inner, value), "dyn" if kind == "null" else kind, kind, made=True
            )
        if term.op == "list_rows":
            kind = term.args[1].type.kind
            if kind in ("list", "map"):
                raise Unsupported("a list of lists")
            return Items(self.value(term, at), "dyn" if kind == "null" else kind, kind, made=True)
        if term.op not in PATHS:
            raise Unsupported("each of a list that is made")

        def read(term: Term, at: Place) -> Code:
            return self.dialect.items(*self.path(term, at))

        item = (term.type.item or DYN).kind if term.type.kind == "list" else "dyn"
        return Items(self._placed(term, at, read), "", item)

    def _bound(self, term: Term, at: Place) -> tuple[Items, Lambda]:
        """The list of a macro and the variable that walks through it."""
        listed = self.items(term.args[0], at)
        token: Token = ("local", term.data)
        inner = Lambda(token, self.names.new("v"), at)
        self.tokens[token] = (inner, inner.variable)
        self.kinds.pop(token, None)
        if listed.kind:
            self.kinds[token] = listed.kind
        return listed, inner

    def _through(self, how: str, listed: Items, inner: Lambda, body: Code) -> Code:
        """A walk through a list; the variable is bound by it."""
        if body.python and not self.dialect.python_anywhere:
            raise Unsupported("a calendar inside a list")
        found: Code = getattr(self.dialect, how)(listed.code, inner.variable, body)
        deps = {row: layer for row, layer in found.deps.items() if row != inner.key}
        return Code(found.text, deps, python=found.python)

    def element(self, listed: Items, inner: Lambda, kind: str) -> Code:
        """The element itself, read as a kind."""
        variable = Code(inner.variable, {inner.key: 0}, solid=True)
        if listed.kind:
            given = listed.kind
            if given == kind:
                return variable
            if kind == "dyn":
                return self.tagged(variable, given, inner) if given in LETTER else FALSE
            return self.untagged(variable, kind) if given == "dyn" else made("CASE WHEN FALSE THEN {0} END", variable)
        declared = listed.item
        if declared in LETTER and kind == "dyn":
            return self.tagged(self.element(listed, inner, declared), declared, inner)
        read: Code = getattr(self, "_read_" + kind)(variable, None, ())
        return read

    def in_list(self, term: Term, at: Place) -> Code:
        item, holder = term.args
        if item.type.kind not in LETTER and item.type.kind != "dyn":
            return FALSE
        found = self.repeated(self.dyn(item, at), at)
        listed = self.items(holder, at)
        inner = Lambda(("local", ""), self.names.new("v"), at)
        same = made("COALESCE({0} = {1}, FALSE)", self.element(listed, inner, "dyn"), found)
        walked = self.dialect.counted(self._through("filtered", listed, inner, same))
        held = made("COALESCE({0} > 0, FALSE)", walked)
        if holder.type.kind == "list" or holder.op not in PATHS or item.type.kind not in ("string", "dyn"):
            return held
        key = self.typed(item, at, "string")

        def has(term: Term, at: Place) -> Code:
            return self.path(term, at)[0]

        part = self._placed(holder, at, has)
        return made("({0} OR {1})", held, self.dialect.has_key(part, key))

    def _any_field(self, term: Term) -> Code | None:
        """`list.exists(p, p.x == "a")` of a property, without taking the list apart."""
        source, body = term.args
        if term.op != "macro_exists" or source.op != "prop" or body.op not in ("eq", "in"):
            return None
        asked, others = body.args
        texts = others.args if others.op == "list" else (others,)
        if not texts or any(one.op != "const" or one.type.kind != "string" for one in texts):
            return None
        inner: tuple[str, ...] = ()
        while asked.op == "field":
            inner, asked = (asked.data, *inner), asked.args[0]
        place, column = self.tokens["row", source.data[0]]
        if asked.op != "local" or asked.data != term.data or not inner or not isinstance(place, Rows):
            return None
        found = self.dialect.fields(place.column(column), (source.data[1],), inner)
        return None if found is None else self.dialect.any_is(place.named(found), [one.data for one in texts])

    def _macro_exists(self, term: Term, at: Place) -> Code:
        quick = self._any_field(term)
        if quick is not None:
            return quick
        listed, inner = self._bound(term, at)
        asked = self.holds(term.args[1], inner)
        if term.op == "macro_all":
            asked = made("NOT {0}", asked)
        found = self.dialect.counted(self._through("filtered", listed, inner, asked))
        how = {"macro_exists": "> 0", "macro_all": "= 0", "macro_exists_one": "= 1"}[term.op]
        empty = "TRUE" if listed.made and term.op == "macro_all" else "FALSE"
        return made(f"COALESCE({{0}} {how}, {empty})", found)

    _macro_all = _macro_exists_one = _macro_exists

    def _list_sum(self, term: Term, at: Place) -> Code:
        listed = self.items(term.args[0], at)
        inner = Lambda(("local", ""), self.names.new("v"), at)
        value = self.element(listed, inner, "number") if listed.item in ("number", "dyn") else None
        if value is None:
            value = made(f"CASE WHEN FALSE THEN {number(0).text} END")
        numbers = self.repeated(self._through("mapped", listed, inner, value), at)
        how = {"list_sum": "summed", "list_min": "smallest", "list_max": "largest"}[term.op]
        found: Code = getattr(self.dialect, how)(numbers)
        return made("COALESCE({0}, {1})", found, number(0)) if listed.made and how == "summed" else found

    _list_min = _list_max = _list_sum

    def _size(self, term: Term, at: Place) -> Code:
        part = term.args[0]
        kind = part.type.kind
        if part.op in ("macro_filter", "macro_map", "list_rows"):
            return self._counted(made("COALESCE({0}, 0)", self.dialect.counted(self.items(part, at).code)))
        text = made(f"{self.dialect.length}({{0}})", self.typed(part, at, "string"))
        if kind == "string" or part.op not in PATHS or ("local", part.data) in self.kinds:
            return self._counted(text)

        def sized(term: Term, at: Place) -> Code:
            return self.dialect.sized(self.path(term, at)[0], (kind,) if kind in ("list", "map") else ("list", "map"))

        found = self._placed(part, at, sized)
        return self._counted(found if kind in ("list", "map") else made("COALESCE({0}, {1})", found, text))
