"""Named reads and writes on one connection to PostgreSQL.

A few rows go as prepared statements in one pipeline; many by COPY, into the table itself or into a temporary stage from
which one statement takes them on (docs/decisions/0008-postgresql.md has the measurements).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, TypeVar

import msgspec
import psycopg
from psycopg import RawCursor, RawServerCursor, pq
from psycopg.generators import execute

from einklang.store.book.postgres.dialect import Bulk, Prepared, for_many, statement
from einklang.store.book.postgres.server import Connection, Server, translate
from einklang.store.book.statements import Statement, StatementError

T = TypeVar("T")
Row = tuple[Any, ...]

#: From so many rows on COPY is quicker than a pipeline, and one query for a list quicker than one for each of it.
BULK_ROWS_MIN = 96
MANY_ROWS_MIN = 8
#: How many rows of a stream are fetched at once.
STREAMED_ROWS = 2_000
_TEXT, _BYTEA = 25, 17
_JSON = msgspec.json.Encoder(enc_hook=str)


def prepare(connection: Connection, statements: Iterable[Statement]) -> dict[str, Prepared]:
    """Every statement, checked against the schema of this connection. Raises StatementError with file, line, name."""
    ready: dict[str, Prepared] = {}
    for shared in statements:
        found = statement(shared)
        if found.name in ready:
            raise StatementError(f"{found.where}: {found.name} is also in {ready[found.name].where}")
        connection.pgconn.send_prepare(b"", found.sql.encode())
        (parsed,) = connection.wait(execute(connection.pgconn))
        if parsed.status != pq.ExecStatus.COMMAND_OK:
            raise StatementError(f"{found.where}: {found.name} cannot be prepared: {parsed.get_error_message()}")
        connection.pgconn.send_describe_prepared(b"")
        (told,) = connection.wait(execute(connection.pgconn))
        types = tuple(told.param_type(place) for place in range(told.nparams))
        ready[found.name] = replace(found, types=types)
        if found.reads_only:
            many, each = for_many(found.sql, types), for_many(found.sql, types, numbered=True)
            ready[found.name] = replace(found, types=types, many=many, each=each)
    return ready


class Reading:
    """Named reads on one connection."""

    def __init__(self, connection: Connection, statements: Mapping[str, Prepared], server: Server) -> None:
        self._connection = connection
        self._statements = statements
        self._server = server
        self._cursor: RawCursor[Row] = RawCursor(connection)
        self._streams: list[RawServerCursor[Row]] = []

    def close(self) -> None:
        """End streams that were left half-way."""
        for cursor in self._streams if not self._connection.closed else ():
            cursor.close()

    def read(self, name: str, *params: Any) -> list[Row]:
        """All rows of the named statement. Raises the kernel's errors; an unknown name is a fault of ours
        (KeyError).
        """
        found = self._statements[name]
        assert found.reads_only, f"{name} ({found.where}) writes"
        try:
            return self._cursor.execute(found.sql.encode(), params, prepare=True, binary=True).fetchall()
        except psycopg.Error as error:
            raise translate(error, self._server, name) from error

    def stream(self, name: str, *params: Any) -> Iterator[Row]:
        """As `read`, but row by row: for what does not fit into the memory."""
        found = self._statements[name]
        assert found.reads_only, f"{name} ({found.where}) writes"
        try:
            cursor: RawServerCursor[Row] = RawServerCursor(self._connection, f"{name}_{len(self._streams)}")
            self._streams.append(cursor)
            cursor.itersize = STREAMED_ROWS
            yield from cursor.execute(found.sql.encode(), params, binary=True)
            cursor.close()
        except psycopg.Error as error:
            raise translate(error, self._server, name) from error

    def read_many(self, name: str, rows: Iterable[Sequence[Any]]) -> list[Row]:
        """The rows of the named statement run once for each of `rows`, one after another in one list."""
        found = self._statements[name]
        assert found.reads_only, f"{name} ({found.where}) writes"
        given = list(rows)
        if len(given) < MANY_ROWS_MIN or not found.many:
            return [row for params in given for row in self.read(name, *params)]
        return self._at_once(found, found.many, given)

    def read_each(self, name: str, rows: Sequence[Sequence[Any]]) -> list[list[Row]]:
        """The rows of the named statement for each of `rows`."""
        found = self._statements[name]
        assert found.reads_only, f"{name} ({found.where}) writes"
        if len(rows) < MANY_ROWS_MIN or not found.each:
            return [self.read(name, *params) for params in rows]
        answers: list[list[Row]] = [[] for _ in rows]
        for row in self._at_once(found, found.each, rows):
            answers[row[0] - 1].append(row[1:])
        return answers

    def _at_once(self, found: Prepared, sql: str, rows: Sequence[Sequence[Any]]) -> list[Row]:
        """One of the forms for a list of parameter rows."""
        if _BYTEA in found.types:
            rows = [[cell.hex() if isinstance(cell, bytes) else cell for cell in row] for row in rows]
        try:
            told = (_JSON.encode(rows).decode(),)
            return self._cursor.execute(sql.encode(), told, prepare=True, binary=True).fetchall()
        except psycopg.Error as error:
            raise translate(error, self._server, found.name) from error


class Stages:
    """The temporary tables of a connection that rows are copied into, made when they are first needed."""

    def __init__(self) -> None:
        self._made: set[str] = set()
        self._fresh: set[str] = set()
        self._used: set[str] = set()

    def need(self, cursor: RawCursor[Row], stage: str, types: Sequence[int]) -> None:
        """An empty stage: made unless it is there, emptied by each commit and where a transaction uses it again."""
        again = stage in self._used
        self._used.add(stage)
        if again:
            cursor.execute(f"TRUNCATE {stage}".encode())
        if stage in self._made:
            return
        columns = ", ".join(f"_{place} {_NAMES[oid]}" for place, oid in enumerate(types, 1))
        cursor.execute(f"CREATE TEMP TABLE {stage} ({columns}) ON COMMIT DELETE ROWS".encode())
        self._made.add(stage)
        self._fresh.add(stage)

    def committed(self) -> None:
        """What was made is there to stay."""
        self._fresh.clear()
        self._used.clear()

    def rolled_back(self) -> None:
        """What was made has gone."""
        self._made -= self._fresh
        self._fresh.clear()
        self._used.clear()


_NAMES = {20: "bigint", 23: "integer", _TEXT: 'text COLLATE "C"', _BYTEA: "bytea", 701: "double precision"}


class Writing(Reading):
    """Named reads and writes inside the writer's transaction; of no use after it. position: the last one given out."""

    def __init__(
        self, connection: Connection, statements: Mapping[str, Prepared], server: Server, stages: Stages, position: int
    ) -> None:
        super().__init__(connection, statements, server)
        self._stages = stages
        self._position: int | None = position

    def read(self, name: str, *params: Any) -> list[Row]:
        """As `Reading`; the position is known until a counter is written."""
        if self._position is not None and name == "counter_value" and params == ("position",):
            return [(self._position,)]
        return super().read(name, *params)

    def at_once(self) -> AbstractContextManager[Any]:
        """Writes of few rows within it go to the server together, and fail at its end; it reads nothing."""
        return self._connection.pipeline()

    def write(self, name: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run the named statement once a row. Returns the number of rows changed. Raises as `read`, and Conflict."""
        found = self._statements[name]
        assert not found.reads_only, f"{name} ({found.where}) only reads"
        given = rows if isinstance(rows, list) else list(rows)
        if not given:
            return 0
        if name.startswith("counter_"):
            self._position = None
        assert len(given[0]) == len(found.types), f"{name} ({found.where}) takes {len(found.types)} values"
        try:
            if len(given) >= BULK_ROWS_MIN and found.bulk is not None and found.bulk.fits(given):
                return self._bulk(found, found.bulk, given)
            if len(given) == 1:
                return self._cursor.execute(found.sql.encode(), given[0], prepare=True).rowcount
            self._cursor.executemany(found.sql.encode(), given)
            return self._cursor.rowcount
        except psycopg.Error as error:
            raise translate(error, self._server, name) from error

    def _bulk(self, found: Prepared, bulk: Bulk, rows: Sequence[Sequence[Any]]) -> int:
        cursor = self._cursor
        if bulk.stage:
            self._stages.need(cursor, bulk.stage, found.types)
        with cursor.copy(bulk.copy.encode()) as copy:
            copy.set_types(found.types)
            write_row = copy.write_row
            for row in rows:
                write_row(row)
        if not bulk.stage:
            return cursor.rowcount
        return cursor.execute(bulk.sql.encode(), prepare=True).rowcount


Work = Callable[[Writing], T]
