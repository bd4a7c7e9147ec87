"""The half of a plan that changes levels: sets of events, elements of lists, and the aggregates that fold them."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from einklang.expr.crowd_frames import ROW, Crowd, Docs, Level, Token
from einklang.expr.crowd_values import DTYPES, Value, arithmetic, equal, is_null, literal
from einklang.expr.rows import flatten
from einklang.expr.tree import Term
from einklang.expr.types import DYN, Type
from einklang.kernel.limits import LIST_ITEMS_MAX
from einklang.kernel.time import Micros

_FOLDS = frozenset(["exists", "count", "sum", "avg", "min", "max", "distinct", "first", "last", "nth", "list_rows"])


def free_names(term: Term) -> frozenset[Token]:
    """The rows and elements that a term speaks of and that it does not bind itself."""
    found: frozenset[Token] = frozenset()
    for part in term.args:
        found |= free_names(part)
    if term.op in ("prop", "eventfield"):
        return found | {("row", term.data[0])}
    if term.op == "elem":
        return found | {("elem", term.data[0])}
    if term.op == "local":
        return found | {("local", term.data)}
    if term.op.startswith("macro_"):
        return found - {("local", term.data)}
    if term.op in _FOLDS:
        return found - {("row", term.data), ("elem", term.data)}
    if term.op == "followed_without":
        found -= {("row", term.data[3]), ("elem", term.data[3])}
    if term.op in ("followed", "notfollowed", "followed_without"):
        return found - {("row", term.data[1]), ("elem", term.data[1])}
    return found


def _first(column: pl.Expr) -> pl.Expr:
    return column.first()


def _last(column: pl.Expr) -> pl.Expr:
    return column.last()


@dataclass(frozen=True)
class Elements:
    """A list of each row of a level: the level of its elements, which rows hold a list, and the type of an element."""

    level: Level
    present: pl.Expr
    item: Type
    docs: tuple[Docs, str] | None = None
    value: Value | None = None

    def bound(self, token: Token) -> Level:
        """The level of the elements, in which the token names an element."""
        inner = self.level
        docs = inner.docs if self.docs is None else {**inner.docs, token: self.docs}
        values = inner.values if self.value is None else {**inner.values, token: self.value}
        return Level(inner.frame, inner.parent, inner.tokens | {token}, docs, values)


class Sets:
    """What `crowd.Run` inherits: it supplies `value`. properties: the names of all properties that are asked."""

    def __init__(self, crowd: Crowd, root: Level, now: Micros, properties: frozenset[str]) -> None:
        self.properties = properties
        self.crowd = crowd
        self.root = root
        self.now = now
        self._traits: dict[str, Docs] = {}

    def value(self, term: Term, level: Level) -> Value:
        raise NotImplementedError

    def holds(self, term: Term, level: Level) -> pl.Expr:
        raise NotImplementedError

    def part(self, term: Term, level: Level, part: str) -> pl.Expr:
        raise NotImplementedError

    def _group_docs(self, term: Term) -> Docs:
        raise NotImplementedError

    def _catalog_docs(self, term: Term, level: Level) -> Docs:
        raise NotImplementedError

    def _asked_ids(self, term: Term, level: Level) -> pl.DataFrame:
        raise NotImplementedError

    def _holders(self, term: Term, level: Level) -> pl.DataFrame:
        raise NotImplementedError

    # documents

    def _path(self, term: Term, level: Level) -> tuple[Docs, pl.Expr, tuple[str, ...]]:
        """The documents that a name speaks of, the column that says which is a row's, and the path into them."""
        path: tuple[str, ...] = ()
        while term.op == "field":
            path = (term.data, *path)
            term = term.args[0]
        if term.op == "trait":
            return self._trait_docs(term.data), pl.col("_person"), path
        if term.op == "grouptrait":
            return self._group_docs(term), pl.col("_person"), path
        if term.op == "lookup":
            docs = self._catalog_docs(term, level)
            return docs, level.add(pl.int_range(pl.len(), dtype=ROW)), path
        token: Token = (
            ("local", term.data) if term.op == "local" else ("row" if term.op == "prop" else "elem", term.data[0])
        )
        if term.op != "local":
            path = (term.data[1], *path)
        docs, name = self._documents(token, level)
        return docs, name, path

    def _documents(self, token: Token, level: Level) -> tuple[Docs, pl.Expr]:
        if token in level.docs:
            docs, name = level.docs[token]
            return docs, pl.col(name)
        assert level.parent is not None
        docs, column = self._documents(token, level.parent)
        return docs, level.lift({"i": column})["i"]

    def path_value(self, term: Term, level: Level) -> Value:
        """The value of a name or of a field of one, read as its declared type."""
        docs, column, path = self._path(term, level)
        rows = level.column(column)
        return {part: level.add(series.gather(rows)) for part, series in docs.parts(path, term.type.kind).items()}

    def _trait_docs(self, name: str) -> Docs:
        """The value that a trait had at the moment, one a person."""
        if name not in self._traits:
            known = self.crowd.traits.filter((pl.col("name") == name) & (pl.col("at") <= self.now)).sort(
                "at", maintain_order=True
            )
            latest = known.group_by("person_id", maintain_order=True).agg(pl.col("value").last())
            joined = self.root.frame.select("person_id").join(latest, on="person_id", how="left", maintain_order="left")
            self._traits[name] = Docs.of_texts(joined["value"])
        return self._traits[name]

    # sets of events

    def rows(self, term: Term, level: Level) -> Level:
        """The rows of a set, below the rows of a level."""
        chain = flatten(term)
        if chain[0].op == "objects":
            rows = self._objects(chain[0], level)
        else:
            machine = any(part.op == "machine" for part in chain)
            length = max((part.data for part in chain if part.op == "within"), default=None)
            rows = self._events(chain[0], level, machine, length)
        for part in chain[1:]:
            if part.op != "machine":
                rows = getattr(self, "_narrow_" + part.op)(part, rows)
        return rows

    def _events(self, term: Term, level: Level, machine: bool, length: int | None) -> Level:
        number, names, *_ = term.data
        found = self.crowd.events.lazy().filter(pl.col("at") <= self.now)
        found = found.filter(pl.col("name").is_in(names) if names else pl.col("source") != "einklang")
        if length is not None:
            found = found.filter(pl.col("at") > self.now - length)
        if not machine and "machine" in self.crowd.events.columns:
            found = found.filter(~pl.col("machine"))
        events = found.sort("at", "seq", maintain_order=True).collect()
        docs = Docs.of_objects(events["properties"], self.properties)
        events = events.drop("properties").with_columns(pl.int_range(pl.len(), dtype=ROW).alias("_doc"))
        frame = self._asked_ids(term, level).join(events, on="person_id", how="inner").sort("_up", "_doc")
        return Level(frame, level, frozenset({("row", number)}), {("row", number): (docs, "_doc")})

    def _objects(self, term: Term, level: Level) -> Level:
        """The objects of a kind, ordered by when they began."""
        number, kind, *_ = term.data
        found = self.crowd.objects.filter(pl.col("kind") == kind).sort("n", maintain_order=True)
        docs = Docs.of_texts(found["body"])
        found = found.select("person_id").with_columns(pl.int_range(pl.len(), dtype=ROW).alias("_doc"))
        frame = self._holders(term, level).join(found, on="person_id", how="inner").sort("_up", "_doc")
        return Level(frame, level, frozenset({("elem", number)}), {("elem", number): (docs, "_doc")})

    def _narrow_within(self, term: Term, rows: Level) -> Level:
        return rows.filter(pl.col("at") > self.now - term.data)

    def _narrow_since(self, term: Term, rows: Level) -> Level:
        bound = self.part(term.args[1], rows, "t")
        inside = pl.col("at") > bound if term.op == "since" else pl.col("at") <= bound
        return rows.filter(inside.fill_null(False))

    _narrow_until = _narrow_since

    def _narrow_where(self, term: Term, rows: Level) -> Level:
        return rows.filter(self.holds(term.args[1], rows))

    def _narrow_latest(self, term: Term, rows: Level) -> Level:
        _, number = term.data
        behind = pl.int_range(pl.len(), dtype=pl.Int64).over("_up")
        return rows.filter(behind >= pl.len().over("_up").cast(pl.Int64) - number)

    def _narrow_each(self, term: Term, rows: Level) -> Level:
        elements = self.elements(term.args[1], rows)
        assert elements.docs is not None
        inner = elements.level.frame
        columns = rows.frame.select(pl.all().gather(inner["_up"]))
        name = f"_elem{term.data}"
        frame = columns.with_columns(inner[elements.docs[1]].alias(name))
        token: Token = ("elem", term.data)
        return Level(frame, rows.parent, rows.tokens | {token}, {**rows.docs, token: (elements.docs[0], name)})

    def _followers(self, term: Term, rows: Level) -> pl.Expr:
        """Whether an event of the other set follows within the time."""
        _, _, length = term.data
        at = rows.frame["at"]
        inner = self.rows(term.args[1], rows)
        before = inner.add(at.gather(inner.frame["_up"]))
        inner = inner.filter((pl.col("at") > before) & (pl.col("at") <= before + length))
        return inner.counted().is_not_null()

    def _narrow_followed_without(self, term: Term, rows: Level) -> Level:
        """The first that follows comes no later than the first that must not come before it."""
        at, (_, _, length, _) = rows.frame["at"], term.data
        first: list[pl.Expr] = []
        for part in term.args[1:]:
            inner = self.rows(part, rows)
            before = inner.add(at.gather(inner.frame["_up"]))
            inner = inner.filter((pl.col("at") > before) & (pl.col("at") <= before + length))
            first.append(inner.fold(pl.col("at"), pl.Expr.min))
        follows, breaks = first
        return rows.filter(follows.is_not_null() & (breaks.is_null() | (follows <= breaks)))

    def _narrow_followed(self, term: Term, rows: Level) -> Level:
        return rows.filter(self._followers(term, rows))

    def _narrow_notfollowed(self, term: Term, rows: Level) -> Level:
        over = pl.col("at") + term.data[2] <= self.now
        return rows.filter(over & ~self._followers(term, rows))

    # lists

    def elements(self, term: Term, level: Level) -> Elements:
        """The elements of a list, below the rows of a level."""
        if term.op == "macro_filter":
            listed = self.elements(term.args[0], level)
            bound = listed.bound(("local", term.data))
            kept = bound.filter(self.holds(term.args[1], bound))
            return Elements(kept, pl.lit(True), listed.item, listed.docs, listed.value)
        if term.op == "macro_map":
            bound = self.elements(term.args[0], level).bound(("local", term.data))
            value = self.value(term.args[1], bound)
            return Elements(bound, pl.lit(True), term.args[1].type, None, value)
        if term.op == "list_rows":
            rows = self.rows(term.args[0], level)
            value = self.value(term.args[1], rows)
            kept = rows.filter(~is_null(value))
            kept = self._narrow_latest(Term("latest", term.type, (), (0, LIST_ITEMS_MAX)), kept)
            return Elements(kept, pl.lit(True), term.args[1].type, None, value)
        docs, column, path = self._path(term, level)
        children, inner_docs, present = docs.children(path)
        rows_of = level.column(column)
        above = pl.DataFrame({"_doc": rows_of.cast(ROW)}).with_row_index("_up")
        frame = above.join(children.with_columns(pl.col("_elem").cast(ROW)), on="_doc", how="inner").sort(
            "_up", "_elem"
        )
        keep = level.frame.select("_person", "person_id").select(pl.all().gather(frame["_up"]))
        inner = Level(pl.concat([frame.select("_up", "_elem"), keep], how="horizontal"), level)
        item = (term.type.item or DYN) if term.type.kind == "list" else DYN
        return Elements(inner, level.add(present.gather(rows_of)), item, (inner_docs, "_elem"))

    def element_value(self, elements: Elements) -> Value:
        """The elements themselves, as values."""
        if elements.value is not None:
            return elements.value
        assert elements.docs is not None
        docs, name = elements.docs
        rows = elements.level.frame[name]
        return {
            part: elements.level.add(series.gather(rows)) for part, series in docs.parts((), elements.item.kind).items()
        }

    def _in(self, term: Term, level: Level) -> Value:
        item, holder = self.value(term.args[0], level), term.args[1]
        if holder.op == "list":
            found = pl.any_horizontal([pl.lit(False), *(equal(item, self.value(part, level)) for part in holder.args)])
            return {"b": found & ~is_null(item)}
        listed = self.elements(holder, level)
        inner = Level(listed.level.frame, level)
        asked = inner.lift(item)
        listed = Elements(inner, listed.present, listed.item, listed.docs, listed.value)
        same = equal(asked, self.element_value(listed)) & ~is_null(asked)
        key = self._is_key(item, holder, level)
        return {"b": inner.fold(same, pl.Expr.any).fill_null(False) | key}

    def _is_key(self, item: Value, holder: Term, level: Level) -> pl.Expr:
        """`key in map` where the holder may be a map."""
        if holder.type.kind == "list" or "s" not in item or holder.op in ("macro_filter", "macro_map", "list_rows"):
            return pl.lit(False)
        docs, column, path = self._path(holder, level)
        values, keys = docs.at(path), level.column(item["s"])
        rows = level.column(column)
        found = [isinstance(values[row], dict) and key in values[row] for row, key in zip(rows, keys, strict=True)]
        return level.add(pl.Series(found, dtype=pl.Boolean))

    def _macro_exists(self, term: Term, level: Level) -> Value:
        elements = self.elements(term.args[0], level)
        inner = elements.bound(("local", term.data))
        asked = self.holds(term.args[1], inner)
        if term.op == "macro_all":
            return {"b": inner.fold(asked, pl.Expr.all).fill_null(True) & elements.present.fill_null(False)}
        found = inner.fold(asked.cast(pl.Int64), pl.Expr.sum).fill_null(0)
        return {"b": found > 0 if term.op == "macro_exists" else found == 1}

    _macro_all = _macro_exists_one = _macro_exists

    def _list_sum(self, term: Term, level: Level) -> Value:
        elements = self.elements(term.args[0], level)
        value = self.element_value(elements).get("n", literal(None, "n"))
        present = elements.present.fill_null(False)
        if term.op == "list_sum":
            summed = elements.level.fold(value, pl.Expr.sum).fill_null(literal(0, "n"))
            return {"n": level.add(pl.when(present).then(summed))}
        return {"n": elements.level.fold(value, pl.Expr.min if term.op == "list_min" else pl.Expr.max)}

    _list_min = _list_max = _list_sum

    def _size(self, term: Term, level: Level) -> Value:
        part = term.args[0]
        if part.op in ("macro_filter", "macro_map", "list_rows"):
            return {"n": self.elements(part, level).level.counted().fill_null(0).cast(DTYPES["n"])}
        if part.type.kind == "string":
            return {"n": self.part(part, level, "s").str.len_chars().cast(DTYPES["n"])}
        docs, column, path = self._path(part, level)
        return {"n": level.add(docs.sizes(path, part.type.kind).gather(level.column(column))).cast(DTYPES["n"])}

    # aggregates

    def _exists(self, term: Term, level: Level) -> Value:
        return {"b": self.rows(term.args[0], level).counted().is_not_null()}

    def _count(self, term: Term, level: Level) -> Value:
        return {"n": self.rows(term.args[0], level).counted().fill_null(0).cast(DTYPES["n"])}

    def _sum(self, term: Term, level: Level) -> Value:
        rows = self.rows(term.args[0], level)
        return {"n": rows.fold(self.part(term.args[1], rows, "n"), pl.Expr.sum).fill_null(literal(0, "n"))}

    def _avg(self, term: Term, level: Level) -> Value:
        rows = self.rows(term.args[0], level)
        number = self.part(term.args[1], rows, "n")
        summed, counted = rows.fold(number, pl.Expr.sum), rows.fold(number, pl.Expr.count)
        return {"n": arithmetic("div", summed, counted.cast(DTYPES["n"]), level.add)}

    def _min(self, term: Term, level: Level) -> Value:
        rows = self.rows(term.args[0], level)
        part = {"number": "n", "string": "s", "date": "d"}.get(term.type.kind, "t")
        value = self.part(term.args[1], rows, part)
        found = rows.fold(value, pl.Expr.min if term.op == "min" else pl.Expr.max)
        return {part: found, "y": literal(None, "y")} if part == "d" else {part: found}

    _max = _min

    def _distinct(self, term: Term, level: Level) -> Value:
        rows = self.rows(term.args[0], level)
        value = self.value(term.args[1], rows)
        kept = rows.filter(~is_null(value))
        key = pl.struct([code.alias(part) for part, code in value.items()]) if value else pl.lit(0)
        return {"n": kept.fold(key, pl.Expr.n_unique).fill_null(0).cast(DTYPES["n"])}

    def _first(self, term: Term, level: Level) -> Value:
        rows = self.rows(term.args[0], level)
        value = self.value(term.args[1], rows)
        kept = rows.filter(~is_null(value))
        return {part: kept.fold(code, _first if term.op == "first" else _last) for part, code in value.items()}

    _last = _first

    def _nth(self, term: Term, level: Level) -> Value:
        rows = self.rows(term.args[0], level)
        value = self.value(term.args[1], rows)
        kept = rows.filter(~is_null(value))
        place = term.args[2].data - 1
        return {part: kept.fold(code, lambda column: column.slice(place, 1).first()) for part, code in value.items()}
