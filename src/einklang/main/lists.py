"""`segment upload|freeze|export` and `exports`: static lists, files of members, and the list of what was exported."""

from __future__ import annotations

import getpass
from argparse import Namespace
from pathlib import Path
from typing import Any

from einklang.app import exports, lists, segments
from einklang.app.import_rows import Row, RowRefused
from einklang.app.imports import Beside, table_of
from einklang.app.run import settle_definitions
from einklang.app.working import from_json
from einklang.kernel import time
from einklang.kernel.errors import UsageError
from einklang.main.home import Home
from einklang.store.lake import DuckPlans, ship_all

COLUMNS = "person_id"


def actor() -> str:
    """Who works at the command line, for the log."""
    return f"command line:{getpass.getuser()}"


def check_arguments(args: Namespace) -> None:
    """Raises UsageError for what does not belong to the action."""
    takes = {"upload": "FILE", "freeze": "NEW"}.get(args.action)
    if (args.other is not None) is not (takes is not None):
        what = f"`{args.action}` takes " + (f"ID {takes}" if takes else "ID alone")
        raise UsageError("wrong_usage", what, where="segment", mend="see: einklang segment --help")
    if args.action == "export" and not args.purpose:
        mend = "write --purpose, such as --purpose marketing"
        raise UsageError("wrong_usage", "no purpose: for what is it exported?", where="segment export", mend=mend)


def upload(home: Home, args: Namespace, at: int | None) -> lists.Listed:
    """Put those whom a file names on a list; refused rows go to a file beside."""
    path = Path(args.other)
    table, beside, ended = table_of(path), Beside(path), False

    def refused(number: int, why: RowRefused, row: Row) -> None:
        beside.add(number, why, row)

    engine = home.engine()
    action = "remove" if args.remove else "replace" if args.replace else "add"
    now = home.now() if at is None else at
    done = lists.Listed(args.id)
    try:
        done = lists.upload(
            home.book, args.id, table, action=action, create=args.create, by=actor(), now=now, refused=refused
        )
        ended = True
    finally:
        done.rejections = beside.close(ended=ended)
    settle_definitions(home.book, engine)
    return done


def freeze(home: Home, args: Namespace, at: int | None) -> lists.Listed:
    """Put the members of a segment, now or at a moment, on a new list."""
    engine = home.engine()
    with home.book.snapshot() as reader:
        people = segments.members(reader, home.reading_state(), home.lake, args.id, at, DuckPlans())
    done = lists.freeze(home.book, args.id, args.other, people, title=args.title, by=actor(), now=home.now())
    settle_definitions(home.book, engine)
    return done


def export(home: Home, args: Namespace, at: int | None) -> exports.Exported:
    """Write the members into a file."""
    engine, folder, now = home.engine(), home.path / exports.FOLDER, home.now()
    exports.tidy(home.book, folder, now, drafts=True)
    columns = tuple(name.strip() for name in args.columns.split(",") if name.strip())
    wanted = exports.Wanted(args.id, columns, args.purpose, args.channel or "", args.format, at)
    with home.book.snapshot() as reader:
        state = home.reading_state()
        exports.check_wanted(state, wanted, "command line")
        people = segments.members(reader, state, home.lake, args.id, at, DuckPlans())
        done = exports.export(
            home.book, reader, home.reading_state(), people, wanted, folder, actor=actor(), role="command line", now=now
        )
    settle_definitions(home.book, engine)
    ship_all(home.book, home.lake)
    return done


def exported(home: Home) -> list[dict[str, Any]]:
    """All exports and all batches of destinations, the newest first."""
    found = []
    for _, clock, segment, destination, who, purpose, form, fields, persons, left_out, digest, file in reversed(
        home.book.read("all_export")
    ):
        there = not destination and (home.path / exports.FOLDER / file).is_file()
        found.append(
            {
                "at": time.format_moment(clock), "segment": segment, "destination": destination, "actor": who,
                "purpose": purpose, "format": form, "columns": from_json(fields), "persons": persons,
                "left_out": from_json(left_out), "hash": digest, "file": file, "there": there,
            }
        )  # fmt: skip
    return found
