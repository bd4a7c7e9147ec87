"""Every column of the Book has a type, a unit and a privacy class in fact.columns."""

from __future__ import annotations

from pathlib import Path

import apsw

from einklang.fact import column as kinds
from einklang.fact import columns
from einklang.store.book import SqliteBook

Shape = dict[str, list[tuple[str, str, bool]]]


def shape_of(file: Path) -> Shape:
    """Tables and columns (name, type, may be null) of the migrated schema."""
    connection = apsw.Connection(str(file))
    tables = [str(row[0]) for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    shape = {
        table: [
            (str(name), str(type_).lower(), not (notnull or key))
            for _, name, type_, notnull, _, key in connection.execute(f"PRAGMA table_info({table})")
        ]
        for table in tables
    }
    connection.close()
    return shape


def missing(shape: Shape) -> list[str]:
    """What differs between a schema and the registry."""
    known = {table: [(c.name, c.type, c.null) for c in found] for table, found in columns.BOOK.items()}
    return sorted(table for table in known.keys() | shape.keys() if known.get(table) != shape.get(table))


def test_every_column_of_the_book_is_registered(tmp_path: Path) -> None:
    """Names, order, types and nullability agree; a column added to the schema alone (positive control) is found."""
    SqliteBook.create(tmp_path, "00" * 16).close()
    assert missing(shape_of(tmp_path / "book.db")) == []
    connection = apsw.Connection(str(tmp_path / "book.db"))
    connection.execute("ALTER TABLE staff ADD COLUMN birthday TEXT; CREATE TABLE extra (a TEXT)")
    connection.close()
    assert missing(shape_of(tmp_path / "book.db")) == ["extra", "staff"]


def test_moments_have_their_unit() -> None:
    """Whatever is named like a moment is in microseconds, and every class and type is of the closed sets."""
    for tables in (columns.BOOK, columns.LAKE):
        for table, found in tables.items():
            for column in found:
                moment = column.name.endswith("_at") or column.name in ("at", "clock", "due", "until", "since")
                assert not moment or column.unit == kinds.US, (table, column.name)
                assert column.privacy in kinds.CLASSES
                assert column.type in kinds.BOOK_TYPES + kinds.LAKE_TYPES
