"""The shared SQL in PostgreSQL's words: migrations when they are applied, statements once at boot.

Migrations and statements keep to a common subset. What differs is here, and nowhere else: the names of the four
types, SQLite's table options, triggers that refuse, and the marks of parameters. Texts are compared byte by byte
(COLLATE "C"), as SQLite does, whatever the database's own order is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from einklang.store.book.statements import Statement, StatementError

_TYPES = {"INTEGER": "BIGINT", "BLOB": "BYTEA", "REAL": "DOUBLE PRECISION", "TEXT": 'TEXT COLLATE "C"'}
_TYPE = re.compile(r"\b(INTEGER|BLOB|REAL|TEXT)\b")
_OPTIONS = re.compile(r"\)\s*(?:STRICT|WITHOUT\s+ROWID)(?:\s*,\s*(?:STRICT|WITHOUT\s+ROWID))*")
_COMMENT = re.compile(r"--[^\n]*")
_TRIGGER = re.compile(
    r"CREATE\s+TRIGGER\s+(\w+)\s+(BEFORE\s+(?:UPDATE(?:\s+OF\s+[\w\s,]+?)?|DELETE|INSERT)\s+ON\s+\w+)\s+(?:WHEN\s+(.+?)\s+)?"
    r"BEGIN\s+SELECT\s+RAISE\s*\(\s*ABORT\s*,\s*('(?:[^']|'')*')\s*\)\s*;\s*END",
    re.DOTALL,
)
#: What a trigger calls to refuse; its argument is what it says.
REFUSE = """CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation'; END $$;
"""

_INSERT = re.compile(
    r"INSERT INTO (\w+) \(([^)]*)\)\s+VALUES \(([^)]*)\)(?:\s+ON CONFLICT \(([^)]*)\)\s+(DO .*))?", re.DOTALL
)
_UPDATE = re.compile(r"UPDATE (\w+) SET (.*?)\s+WHERE (.*)", re.DOTALL)
_DELETE = re.compile(r"DELETE FROM (\w+)\s+WHERE (.*)", re.DOTALL)
_MARK = re.compile(r"\$(\d+)")
_EQUALS = re.compile(r"\w+ = \$(\d+)")
_FIXED = re.compile(r"\w+ = ('[^'$]*'|\d+)|\w+ IS (NOT )?NULL")

Row = Sequence[Any]


def migration(sql: str) -> str:
    """A migration for PostgreSQL."""
    text = _COMMENT.sub("", sql)
    text = _OPTIONS.sub(")", text)
    text = _TYPE.sub(lambda found: _TYPES[found[1]], text)
    return _TRIGGER.sub(_trigger, text)


def _trigger(found: re.Match[str]) -> str:
    name, event, when, said = found.groups()
    condition = f" WHEN ({when})" if when else ""
    return f"CREATE TRIGGER {name} {event} FOR EACH ROW{condition} EXECUTE FUNCTION refuse({said})"


@dataclass(frozen=True, slots=True)
class Bulk:
    """How many rows of a statement are written at once: COPY into the table itself, or into a stage and on from there.

    stage: "" where rows go straight into the table; sql: from the stage into the table; keys: places in a row that must
    differ from row to row, for a row that is written twice takes its turns.
    """

    copy: str
    stage: str
    sql: str
    keys: tuple[int, ...]

    def fits(self, rows: Sequence[Row]) -> bool:
        """Whether no row depends on one before it."""
        keys = self.keys
        return not keys or len({tuple([row[place] for place in keys]) for row in rows}) == len(rows)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement in PostgreSQL's words. types: OIDs of its parameters; many: the same for a list of parameter rows;
    each: as `many`, with the number of the parameter row before each row.
    """

    name: str
    where: str
    sql: str
    reads_only: bool
    types: tuple[int, ...] = ()
    many: str = ""
    each: str = ""
    bulk: Bulk | None = None


def statement(shared: Statement) -> Prepared:
    """A shared statement. Raises StatementError."""
    sql = _numbered(shared.sql)
    reads_only = sql.lstrip().upper().startswith(("SELECT", "WITH"))
    if ";" in "".join(sql.split("'")[::2]):
        raise StatementError(f"{shared.where}: {shared.name} holds more than one statement")
    return Prepared(shared.name, shared.where, sql, reads_only, bulk=None if reads_only else _bulk(shared.name, sql))


def _numbered(sql: str) -> str:
    """`?` -> `$1`, `$2`, ..., outside of quotes."""
    numbers = count(1)
    parts = sql.split("'")
    return "'".join(
        re.sub(r"\?", lambda _: f"${next(numbers)}", part) if place % 2 == 0 else part
        for place, part in enumerate(parts)
    )


def _staged(text: str) -> str:
    return _MARK.sub(r"staged_._\1", text)


def _bulk(name: str, sql: str) -> Bulk | None:
    """The bulk form of a write; None where it has none and is run once a row."""
    stage = f"stage_{name}"
    if found := _INSERT.fullmatch(sql):
        return _bulk_insert(stage, *found.groups())
    if found := _UPDATE.fullmatch(sql):
        table, sets, where = found.groups()
        keys = _keys(where)
        if keys is None:
            return None
        return Bulk(
            _copy(stage), stage, f"UPDATE {table} SET {_staged(sets)} FROM {stage} staged_ WHERE {_staged(where)}", keys
        )
    if (found := _DELETE.fullmatch(sql)) and _keys(found[2]) is not None:
        return Bulk(_copy(stage), stage, f"DELETE FROM {found[1]} USING {stage} staged_ WHERE {_staged(found[2])}", ())
    return None


def _copy(table: str, columns: str = "") -> str:
    return f"COPY {table}{f' ({columns})' if columns else ''} FROM STDIN (FORMAT BINARY)"


def _bulk_insert(stage: str, table: str, columns: str, values: str, target: str | None, action: str | None) -> Bulk:
    names = [name.strip() for name in columns.split(",")]
    marks = [value.strip() for value in values.split(",")]
    if target is None and marks == [f"${place}" for place in range(1, len(names) + 1)]:
        return Bulk(_copy(table, columns), "", "", ())
    place_of = {name: int(mark[1:]) - 1 for name, mark in zip(names, marks, strict=True) if mark.startswith("$")}
    keys = tuple(place_of[name.strip()] for name in target.split(",")) if target else ()
    conflict = f" ON CONFLICT ({target}) {action}" if target else ""
    selected = ", ".join(_staged(mark) for mark in marks)
    return Bulk(
        _copy(stage), stage, f"INSERT INTO {table} ({columns}) SELECT {selected} FROM {stage} staged_{conflict}", keys
    )


def _keys(where: str) -> tuple[int, ...] | None:
    """Places of the parameters that a condition compares with columns; None if it is more than equalities."""
    keys: list[int] = []
    for part in re.split(r"\s+AND\s+", where):
        if equal := _EQUALS.fullmatch(part.strip()):
            keys.append(int(equal[1]) - 1)
        elif not _FIXED.fullmatch(part.strip()):
            return None
    return tuple(keys)


#: Types of parameters that a list of them in JSON can carry, and how they come out of it.
_FROM_JSON = {20: "({})::bigint", 23: "({})::integer", 25: "{}", 17: "decode({}, 'hex')", 701: "({})::float8"}


def for_many(sql: str, types: Sequence[int], *, numbered: bool = False) -> str:
    """The statement for a JSON list of parameter rows, in their order; "" where a type does not go through JSON.
    numbered: each row begins with the number, from 1, of the parameter row that it is for.

    OFFSET 0 keeps the inner query whole, so that it is run once for each row of the list, one after another.
    """
    if not types or any(oid not in _FROM_JSON for oid in types):
        return ""
    cells = ", ".join(f"{_FROM_JSON[oid].format(f'j.v->>{place}')} AS _{place + 1}" for place, oid in enumerate(types))
    inner = _MARK.sub(r"given_._\1", sql)
    number = ("given_.n, ", ", j.n AS n", " WITH ORDINALITY j(v, n)") if numbered else ("", "", " j(v)")
    return (
        f"SELECT {number[0]}q.* FROM (SELECT {cells}{number[1]} FROM json_array_elements($1::text::json){number[2]} "
        f"OFFSET 0) given_, LATERAL ({inner} OFFSET 0) q"
    )
