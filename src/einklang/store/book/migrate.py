"""Numbered plain SQL migrations; `meta('format')` is the format of the home and the number of the last one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

import apsw

from einklang.kernel.errors import Conflict, InputError

Migration = tuple[int, str, str]


def migrations() -> tuple[Migration, ...]:
    """All (number, file name, SQL), from 1 without a gap."""
    folder = files("einklang.store.book").joinpath("migrations")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    found = tuple((int(name[:4]), name, folder.joinpath(name).read_text("utf-8")) for name in names)
    assert [number for number, _, _ in found] == list(range(1, len(found) + 1)), "migrations are numbered without a gap"
    return found


def format_of(connection: apsw.Connection) -> int:
    """The format of this home, 0 when nothing has been created in it."""
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'meta'").fetchall():
        return 0
    rows = connection.execute("SELECT value FROM meta WHERE key = 'format'").fetchall()
    return int(str(rows[0][0])) if rows else 0


def check_format(found: int, newest: int, where: Path | str) -> None:
    """Refuse a home that is empty (`not_a_home`) or written by a newer Einklang (`home_too_new`)."""
    if found == 0:
        raise InputError(
            "not_a_home", "no home was created here", where=str(where), mend="create one with: einklang init"
        )
    if found > newest:
        raise Conflict(
            "home_too_new",
            f"format {found} is newer than this program knows ({newest})",
            where=str(where),
            mend="use the Einklang that wrote it, or a newer one",
        )


def migrate(connection: apsw.Connection, known: Sequence[Migration], meta: Mapping[str, str] | None = None) -> int:
    """Bring the schema to the newest of `known` in one transaction; `meta`: first rows of a new home. Returns the
    format reached.

    Whatever fails leaves the home as it was. Raises apsw.Error.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        reached = format_of(connection)
        for number, _, sql in known:
            if number > reached:
                connection.execute(sql).fetchall()
                reached = number
        put = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        connection.executemany(put, [*(meta or {}).items(), ("format", str(reached))])
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return reached
