"""`segment upload|freeze|empty|export` and `exports`: static lists, files of members, the list of exports."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from einklang.app import exports, lists, segments
from einklang.app.imports import Beside, table_of
from einklang.app.queries_exports import ExportShown, shown
from einklang.app.run import settle_definitions
from einklang.kernel.errors import UsageError
from einklang.main.home import Home
from einklang.main.settings import actor
from einklang.store.lake import DuckPlans, ship_all


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
    engine = home.engine()
    action = "remove" if args.remove else "replace" if args.replace else "add"
    now = home.now() if at is None else at
    done = lists.Listed(args.id)
    try:
        done = lists.upload(
            home.book, args.id, table, action=action, create=args.create, by=actor(), now=now, refused=beside.add
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


def empty(home: Home, args: Namespace, at: int | None) -> lists.Listed:
    """Take everybody off a list."""
    engine = home.engine()
    done = lists.empty(home.book, args.id, by=actor(), now=home.now() if at is None else at)
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
            home.book, reader, state, people, wanted, folder, actor=actor(), role="command line", now=now
        )
    settle_definitions(home.book, engine)
    ship_all(home.book, home.lake)
    return done


def exported(home: Home) -> list[ExportShown]:
    """All exports and all batches of destinations, the newest first."""
    folder = home.path / exports.FOLDER
    return [shown(row, folder) for row in reversed(home.book.read("all_export"))]
