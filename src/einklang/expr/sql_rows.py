"""The rows that a plan works on: persons and sets of rows, each a SELECT over a SELECT as deep as its columns need.

A piece of code that is needed twice becomes a column of its rows (`bind`), in the layer above those that it reads: so
the text of a plan grows with the expression, never by doubling.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from einklang.expr.sql_text import Code, DuckDB

Token = tuple[str, object]
_COLUMN = re.compile(r"\w+\.\w+")


class Names:
    """Names that are used once in a plan."""

    def __init__(self) -> None:
        self._next = count(1)

    def new(self, letter: str) -> str:
        return f"{letter}{next(self._next)}"


class Rows:
    """Rows with columns in layers. source: gives the text of the lowest SELECT, once all columns are known."""

    def __init__(self, names: Names, dialect: DuckDB, source: Callable[[], str], alias: str = "") -> None:
        self.alias = alias or names.new("r")
        self.source = source
        self.key = id(self)
        self._names = names
        self._dialect = dialect
        self._layers: list[dict[str, str]] = []
        self._bound: dict[str, Code] = {}
        #: document column -> (name of what is asked of it, the paths, whether it is parsed)
        self._documents: dict[str, tuple[str, list[tuple[str, ...]], bool]] = {}

    def column(self, name: str) -> Code:
        """A column of the lowest SELECT."""
        return Code(f"{self.alias}.{name}", {self.key: 0}, solid=True)

    def bind(self, code: Code) -> Code:
        """The code as a column, where it speaks of these rows alone; as it is where that is as cheap."""
        return code if code.solid else self.named(code)

    def named(self, code: Code) -> Code:
        """The code as a column, where it speaks of these rows alone."""
        if set(code.deps) != {self.key} or _COLUMN.fullmatch(code.text):
            return code
        if code.text not in self._bound:
            layer = code.deps[self.key]
            while len(self._layers) <= layer:
                self._layers.append({})
            name = self._names.new("c")
            self._layers[layer][name] = code.text
            self._bound[code.text] = Code(f"{self.alias}.{name}", {self.key: layer + 1}, solid=True)
        return self._bound[code.text]

    def part(self, doc: str, path: tuple[str, ...], *, parsed: bool = False) -> Code:
        """What is at a path of a document column: all that is asked of one is read in one pass. parsed: it is no text,
        but what the engine made of one.
        """
        if not self._layers:
            self._layers.append({})
        if doc not in self._documents:
            self._documents[doc] = (self._names.new("d"), [], parsed)
        column, paths, _ = self._documents[doc]
        if path not in paths:
            paths.append(path)
        asked = self._dialect.asked(f"{self.alias}.{column}", paths, path)
        return Code(asked, {self.key: 1}, solid=True)

    def texts(self) -> list[str]:
        """All columns that were made."""
        return [text for columns in self._layers for text in columns.values()]

    def render(self) -> str:
        """The SELECT with all layers, without the brackets around it."""
        found = self.source()
        for layer, columns in enumerate(self._layers):
            made = dict(columns)
            if layer == 0:
                for doc, (name, paths, parsed) in self._documents.items():
                    made[name] = self._dialect.documents(f"{self.alias}.{doc}", paths, parsed=parsed)
            listed = "".join(f", {text} AS {name}" for name, text in made.items())
            found = f"SELECT {self.alias}.*{listed} FROM ({found}) AS {self.alias}"
        return found


@dataclass
class Group:
    """Conditional aggregates of one pass over some rows: SQL -> name of the column."""

    name: str
    rows: EventRows
    aggregates: dict[str, str] = field(default_factory=dict)

    def add(self, code: Code, names: Names) -> str:
        """The column of an aggregate; the same aggregate is worked out once."""
        if code.text not in self.aggregates:
            self.aggregates[code.text] = names.new("a")
        return self.aggregates[code.text]

    def render(self) -> str:
        """One row a person."""
        listed = "".join(f", {text} AS {name}" for text, name in self.aggregates.items())
        alias = self.rows.alias
        where = f" WHERE {self.rows.where}" if self.rows.where else ""
        return (
            f"SELECT {alias}.person_id{listed} FROM ({self.rows.render()}) AS {alias}{where} GROUP BY {alias}.person_id"
        )


class EventRows(Rows):
    """Rows of persons: events, business objects, elements of lists. rank: of the persons that are joined, -1: none;
    order: the columns that put the rows of a person in order; where: what is asked of all rows at the end.
    """

    def __init__(
        self,
        names: Names,
        dialect: DuckDB,
        source: Callable[[], str],
        *,
        rank: int = -1,
        order: tuple[str, ...] = (),
        alias: str = "",
    ) -> None:
        super().__init__(names, dialect, source, alias)
        self.rank = rank
        self.order = order
        self.where = ""
        #: whose they are: a column of the persons; and the column that says who did it
        self.by, self.actor = "person_id", "person_id"
        #: columns of the persons -> their names here
        self.persons: dict[str, str] = {}
        self.outer: EventRows | None = None

    def of_person(self, code: Code, persons: Rows) -> Code:
        """A column of the persons, joined to these rows."""
        name = code.text.removeprefix(persons.alias + ".")
        return self.column(self.persons.setdefault(name, self._names.new("p")))


class Lambda:
    """The elements of a list, as the variable of a lambda. outer: the rows or elements around it."""

    def __init__(self, token: Token, variable: str, outer: Rows | Lambda) -> None:
        self.token = token
        self.variable = variable
        self.outer = outer
        self.key = id(self)

    def rows(self) -> Rows:
        """The rows in which the list stands."""
        return self.outer.rows() if isinstance(self.outer, Lambda) else self.outer
