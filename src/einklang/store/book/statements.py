"""Named SQL: files of `-- name: person_put` markers, each followed by exactly one statement, all prepared at boot."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import apsw
import apsw.ext

from einklang.store.book.bulk import Bulk, bulk_of

_MARKER = re.compile(r"^--\s*name:\s*([a-z][a-z0-9_]*)\s*$")


@dataclass(frozen=True, slots=True)
class Statement:
    """One named statement: where it stands (`tick.sql:12`), its text, and (after `prepare`) whether it only reads and
    its form for many rows.
    """

    name: str
    where: str
    sql: str
    reads_only: bool = False
    parameters: int = 0
    bulk: Bulk | None = None


class StatementError(AssertionError):
    """A broken statement of ours: says file, line and name."""


def parse(file: str, text: str) -> Iterator[Statement]:
    """The statements of one file. Raises StatementError on text before the first marker."""
    name, start, lines = "", 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        marker = _MARKER.match(line)
        if marker:
            if name:
                yield _statement(name, f"{file}:{start}", lines)
            name, start, lines = marker[1], number, []
        elif name:
            lines.append(line)
        elif line.strip() and not line.lstrip().startswith("--"):
            raise StatementError(f"{file}:{number}: SQL before the first '-- name:' marker")
    if name:
        yield _statement(name, f"{file}:{start}", lines)


def _statement(name: str, where: str, lines: list[str]) -> Statement:
    sql = (
        "\n".join(line for line in lines if line.strip() and not line.lstrip().startswith("--"))
        .strip()
        .rstrip(";")
        .rstrip()
    )
    if not sql:
        raise StatementError(f"{where}: {name} has no SQL")
    return Statement(name, where, sql)


@cache
def load() -> tuple[Statement, ...]:
    """All statements shipped in `store/book/sql`."""
    folder = files("einklang.store.book").joinpath("sql")
    found = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    return tuple(statement for entry in found for statement in parse(entry.name, entry.read_text("utf-8")))


def shipped(connection: apsw.Connection) -> dict[str, Statement]:
    """All statements of `load`, prepared; a process that opens many homes does that once for each schema it meets.
    Raises StatementError.
    """
    schema = tuple(connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY type, name"))
    found = _PREPARED.get(schema)
    if found is None:
        _PREPARED.clear()  # one is enough: homes of one process have one format
        found = _PREPARED[schema] = prepare(connection, load())
    return found


_PREPARED: dict[tuple[tuple[apsw.SQLiteValue, ...], ...], dict[str, Statement]] = {}


def prepare(connection: apsw.Connection, statements: Iterable[Statement]) -> dict[str, Statement]:
    """Prepare every statement against the schema of this connection. Raises StatementError with file, line and name."""
    ready: dict[str, Statement] = {}
    for statement in statements:
        if statement.name in ready:
            raise StatementError(f"{statement.where}: {statement.name} is also in {ready[statement.name].where}")
        try:
            details = apsw.ext.query_info(connection, statement.sql)
        except apsw.Error as error:
            raise StatementError(f"{statement.where}: {statement.name} cannot be prepared: {error}") from error
        if details.query_remaining:
            raise StatementError(f"{statement.where}: {statement.name} holds more than one statement")
        if details.is_explain or not details.has_vdbe:
            raise StatementError(f"{statement.where}: {statement.name} does nothing")
        ready[statement.name] = Statement(
            statement.name, statement.where, statement.sql, details.is_readonly, details.bindings_count,
            None if details.is_readonly else bulk_of(statement.sql),
        )  # fmt: skip
    return ready
