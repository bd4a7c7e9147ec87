"""The frames of a crowd, JSON columns decoded once, and the levels of rows (person, event, element) that a plan works
on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypedDict

import msgspec
import polars as pl

from einklang.expr.crowd_values import Value, series_as, series_of
from einklang.kernel.errors import InputError
from einklang.kernel.limits import GROUP_MEMBERS_MAX

_JSON = msgspec.json.Decoder(float_hook=Decimal)
ROW = pl.UInt32
OBJECTS = {"person_id": pl.String, "kind": pl.String, "n": pl.Int64, "body": pl.String}
MEMBERS: Mapping[str, type[pl.DataType]] = {
    "person_id": pl.String, "type": pl.String, "group": pl.String, "role": pl.String, "contact": pl.Boolean,
}  # fmt: skip
GROUP_TRAITS = {"type": pl.String, "group": pl.String, "name": pl.String, "value": pl.String, "at": pl.Int64}


def _empty(schema: Mapping[str, type[pl.DataType]]) -> Callable[[], pl.DataFrame]:
    """Of what nobody asks."""
    return lambda: pl.DataFrame(schema=dict(schema))


def holder_of(kind: str, group: pl.Expr) -> pl.Expr:
    """How `objects` names a group that holds objects together, where `person_id` names a person."""
    return pl.concat_str(pl.lit(f"{kind}\x1f"), group)


def _no_row(catalog: str, key: Any) -> None:
    """Where there are no catalogs."""


def _no_rate(key: str) -> None:
    """Where there are no rates."""


@dataclass(frozen=True)
class Crowd:
    """All persons with their history. Moments are int microseconds (Int64), JSON is text (String).

    persons: person_id, zone, and a column for each field of `person` that is asked; events: person_id, seq, at, name,
    touchpoint, source, properties (JSON), if need be received_at and machine; traits: person_id, name, value (JSON),
    at; consents: person_id, channel, purpose: what is permitted; segments: person_id, segment: who is a member; rate:
    as `View.rate`; objects: `person_id` is the person, or the `holder_of` the group, that holds them; members: to which
    group of each type who belongs, role (null where none was said) and contact: what the person is there; group_traits:
    as traits; lookup: as `View.lookup`; members_max: of a group that can be asked together.
    """

    persons: pl.DataFrame
    events: pl.DataFrame
    traits: pl.DataFrame
    consents: pl.DataFrame
    segments: pl.DataFrame
    rate: Callable[[str], Any] = _no_rate
    objects: pl.DataFrame = field(default_factory=_empty(OBJECTS))
    members: pl.DataFrame = field(default_factory=_empty(MEMBERS))
    group_traits: pl.DataFrame = field(default_factory=_empty(GROUP_TRAITS))
    lookup: Callable[[str, Any], Mapping[str, Any] | None] = _no_row
    members_max: int = GROUP_MEMBERS_MAX


class Docs:
    """Decoded JSON values, one a row of their origin; columns are made of them as they are asked for, once."""

    def __init__(self, values: list[Any] | None, read: Callable[[], list[Any]] = list) -> None:
        self._values = values
        self._read = read
        self._parts: dict[tuple[tuple[str, ...], str], dict[str, pl.Series]] = {}
        self._children: dict[tuple[str, ...], tuple[pl.DataFrame, Docs, pl.Series]] = {}

    @classmethod
    def of_texts(cls, texts: pl.Series) -> Docs:
        """JSON texts; null is null."""
        return cls(None, lambda: [None if text is None else _JSON.decode(text) for text in texts])

    @classmethod
    def of_objects(cls, texts: pl.Series, names: frozenset[str]) -> Docs:
        """JSON objects, of which only the fields of these names are decoded."""
        # a TypedDict made at run time: msgspec skips all other fields
        wanted = TypedDict("wanted", dict.fromkeys(sorted(names), Any), total=False)  # type: ignore[misc]  # fields known at run time
        decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(wanted, float_hook=Decimal)
        return cls(None, lambda: [decoder.decode(text) for text in texts])

    @property
    def values(self) -> list[Any]:
        """The documents, decoded when they are first asked for."""
        if self._values is None:
            self._values = self._read()
        return self._values

    def at(self, path: tuple[str, ...]) -> list[Any]:
        """The values at a path into each document; None where there is none."""
        found = self.values
        for name in path:
            found = [value.get(name) if isinstance(value, dict) else None for value in found]
        return found

    def parts(self, path: tuple[str, ...], kind: str) -> dict[str, pl.Series]:
        """The columns of a path, read as a declared type."""
        key = (path, kind)
        if key not in self._parts:
            values = self.at(path)
            self._parts[key] = series_of(values) if kind == "dyn" else series_as(values, kind)
        return self._parts[key]

    def children(self, path: tuple[str, ...]) -> tuple[pl.DataFrame, Docs, pl.Series]:
        """The elements of the lists at a path: frame (doc, elem), their documents, which documents hold a list."""
        if path not in self._children:
            docs, elements = [], []
            values = self.at(path)
            for at, value in enumerate(values):
                if isinstance(value, list):
                    docs.extend([at] * len(value))
                    elements.extend(value)
            frame = pl.DataFrame({"_doc": pl.Series(docs, dtype=ROW)}).with_row_index("_elem")
            present = pl.Series([isinstance(value, list) for value in values], dtype=pl.Boolean)
            self._children[path] = (frame, Docs(elements), present)
        return self._children[path]

    def sizes(self, path: tuple[str, ...], kind: str) -> pl.Series:
        """`size` of the values at a path, read as a declared type."""
        sized_types = {"list": (list,), "map": (dict,)}.get(kind, (str, list, dict))
        sized = [len(value) if isinstance(value, sized_types) else None for value in self.at(path)]
        return pl.Series(sized, dtype=pl.Int64)


Token = tuple[str, Any]


@dataclass
class Level:
    """Rows of one kind: persons at the root; below, events, elements or pairs, each with `_up`, its row in the parent.

    tokens: the names that this level gives a value; docs: token -> documents and the column that says which is a row's;
    values: token -> value, where an element is no document. `frame` only gains columns.
    """

    frame: pl.DataFrame
    parent: Level | None = None
    tokens: frozenset[Token] = frozenset()
    docs: dict[Token, tuple[Docs, str]] = field(default_factory=dict)
    values: dict[Token, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # see add(): repeated values of the given frames are spelled out too
        self.frame = pl.DataFrame(self.frame.get_columns())

    def add(self, column: pl.Expr | pl.Series) -> pl.Expr:
        """A new column, and the expression that names it.

        It is worked out here: Polars keeps a column of one repeated value as that value, and a literal compared with
        such a column comes out with length 1.
        """
        name = f"c{self.frame.width}"
        series = column if isinstance(column, pl.Series) else self.column(column)
        self.frame = self.frame.with_columns(series.alias(name))
        return pl.col(name)

    def column(self, expression: pl.Expr) -> pl.Series:
        """The values of an expression over the rows, also where it is a constant."""
        return self.frame.with_columns(expression.alias("_asked"))["_asked"]

    def filter(self, mask: pl.Expr) -> Level:
        """The rows for which the mask holds, as a level of its own."""
        return Level(self.frame.filter(mask), self.parent, self.tokens, self.docs, self.values)

    def lift(self, value: Value) -> Value:
        """A value of the parent, for the rows below."""
        assert self.parent is not None
        up = self.frame["_up"]
        return {part: self.add(self.parent.column(expression).gather(up)) for part, expression in value.items()}

    def fold(self, asked: pl.Expr, how: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
        """An aggregate of the rows of each parent row, as a column of the parent; null where it has none.

        What is asked becomes a column first: a constant would be folded once, not once a row.
        """
        assert self.parent is not None
        folded = (
            self.frame.select("_up", asked.alias("_asked")).group_by("_up").agg(how(pl.col("_asked")).alias("_folded"))
        )
        rows = pl.DataFrame({"_up": pl.int_range(self.parent.frame.height, dtype=ROW, eager=True)})
        return self.parent.add(rows.join(folded, on="_up", how="left", maintain_order="left")["_folded"])

    def counted(self) -> pl.Expr:
        """The number of rows of each parent row, null where it has none."""
        return self.fold(pl.lit(1), lambda column: column.len())


def root_of(crowd: Crowd, fields: Mapping[str, str]) -> Level:
    """The level of the persons. fields: the fields of `person` that are asked. Raises InputError `missing_column`."""
    for name in ("person_id", "zone", *fields):
        if name not in crowd.persons.columns and name != "id":
            raise InputError("missing_column", f"the persons of the crowd have no column {name}", mend="add the column")
    frame = crowd.persons.with_columns(pl.int_range(pl.len(), dtype=ROW).alias("_person"))
    return Level(frame)
