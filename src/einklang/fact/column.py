"""What a column is: its type, unit and privacy class.

Privacy classes, from the least to the most; a column has the class of the most that it may ever hold:

    none        says nothing about a person by itself
    pseudonym   leads to a person only through this home: ids of persons, runs and messages, keyed hashes
    content     what a person did or is: properties, traits, texts made for one person
    identifier  names or reaches a person directly: addresses, identifier values, raw bodies that hold them
    secret      keys, and hashes that guard access
"""

from __future__ import annotations

from typing import NamedTuple

NONE = "none"
PSEUDONYM = "pseudonym"
CONTENT = "content"
IDENTIFIER = "identifier"
SECRET = "secret"
CLASSES = (NONE, PSEUDONYM, CONTENT, IDENTIFIER, SECRET)

#: Microseconds since 1970-01-01T00:00:00Z.
US = "us"
#: Order of arrival in the log, order of processing in the log, running number in its table.
POSITION = "position"
SEQ = "seq"
N = "n"
JSON = "json"
#: A decimal number; in the lake of 38 digits, 9 of them after the point.
DECIMAL = "decimal"
COUNT = "count"
FLAG = "0 or 1"
SHARE = "0 to 1"
HASH = "hash"
STATE = "JSON text"

#: Types of the Book (SQLite STRICT) and of the lake (Delta).
BOOK_TYPES = ("integer", "text", "blob", "real")
LAKE_TYPES = ("int64", "int16", "int8", "string", "timestamp", "map", "bool", "double", "decimal")


class Column(NamedTuple):
    """One column. type: of BOOK_TYPES or LAKE_TYPES; unit: '' for plain text; null: may be absent."""

    name: str
    type: str
    unit: str
    privacy: str
    null: bool = False


def book_column(name: str, type_: str, unit: str = "", privacy: str = NONE, *, null: bool = False) -> Column:
    """A column of the Book."""
    assert type_ in BOOK_TYPES, type_
    assert privacy in CLASSES, privacy
    return Column(name, type_, unit, privacy, null)


def lake_column(name: str, type_: str, unit: str = "", privacy: str = NONE, *, null: bool = False) -> Column:
    """A column of the lake."""
    assert type_ in LAKE_TYPES, type_
    assert privacy in CLASSES, privacy
    return Column(name, type_, unit, privacy, null)
