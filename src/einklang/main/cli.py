"""The command line. One function a command.

Results go to standard output (one JSON document with --json), messages to standard error.
Exit status: 0 done, 1 a finding or a refusal, 2 wrong usage. An error is one line: what, where, the mend.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from einklang import __version__
from einklang.kernel.errors import EinklangError, InputError, UsageError
from einklang.kernel.reasons import DeadLetter
from einklang.main import commands, dead_letters, destination, interpreter, settings, sources

Answer = tuple[int, Any]


def emit(value: Any, *, as_json: bool) -> None:
    """Print a result: as one JSON document, or as lines for people."""
    if as_json:
        encoder = msgspec.json.Encoder(enc_hook=str, decimal_format="number")
        sys.stdout.write(encoder.encode(value).decode() + "\n")
    else:
        for line in commands.lines(value):
            sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _common(parser: argparse.ArgumentParser, default: Any = argparse.SUPPRESS) -> None:
    """What may stand before the command and after it, where it counts if it stands in both places."""
    home = "folder of the tenant (default: EINKLANG_HOME or ./einklang-home)"
    parser.add_argument("--home", metavar="DIR", default=default, help=home)
    parser.add_argument("--json", action="store_true", default=default, help="one JSON document on standard output")


def _command(sub: Any, name: str, text: str, run: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = sub.add_parser(name, help=text, description=text)
    _common(parser)
    parser.set_defaults(run=run)
    return parser


class _Parser(argparse.ArgumentParser):
    """Tells wrong usage as every other error is told: in one line."""

    def error(self, message: str) -> NoReturn:
        """Raises UsageError `wrong_usage`."""
        command = self.prog.removeprefix("einklang").strip()  # `main` says whose words they are
        raise UsageError("wrong_usage", message, where=command, mend=f"see: {self.prog} --help")


def _port(text: str) -> int:
    """A port, 0 for a free one."""
    if not text.isascii() or not text.isdigit() or int(text[:9]) > 65_535:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no port; write 0 to 65535")
    return int(text)


def _whole(text: str) -> int:
    """A whole number."""
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no whole number")
    return int(text)


def _persons(text: str) -> int:
    """How many people a demo company has."""
    if not text.isascii() or not text.isdigit() or not 10 <= int(text[:9]) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} people; write 10 to 1000000")
    return int(text)


#: Commands of the contract that a later version brings; to say so is better than "invalid choice".
LATER = {
    "person": ("export", "erase"),
    "journey": ("dry-run",),
}


def _later(what: str, mend: str) -> InputError:
    return InputError("not_supported_yet", f"`einklang {what}` is not supported yet", mend=mend)


def _action(command: str, built: Sequence[str]) -> Any:
    """A reader of the action of a command. Raises InputError `not_supported_yet`."""

    def read(text: str) -> str:
        if text in LATER[command] and text not in built:
            raise _later(f"{command} {text}", f"built: {', '.join(f'{command} {name}' for name in built)}")
        return text

    return read


def _workers(text: str) -> int:
    """How many processes for HTTP."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 64:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} workers; write 1 to 64")
    return int(text)


def _letters(sub: Any) -> None:
    letters = _command(sub, "dead-letters", "what was put aside, and taking it in again", dead_letters.dead_letters)
    letters.add_argument("action", choices=["list", "replay"])
    letters.add_argument("positions", nargs="*", type=int, metavar="POSITION", help="to replay: of `list`")
    letters.add_argument(
        "--code", choices=[code.value for code in DeadLetter], help="only those put aside for this reason"
    )
    letters.add_argument("--all", action="store_true", help="replay all")
    letters.add_argument(
        "--as-new", action="store_true", help="replay also what came under a message id that was taken, as new events"
    )


def _set_up(sub: Any) -> None:
    init = _command(sub, "init", "make a new empty tenant", commands.init)
    init.add_argument("--salt", metavar="HEX", help="key of every id and hash (default: random)")
    apply = _command(sub, "apply", "check and store definitions, all or nothing", commands.apply)
    apply.add_argument("paths", nargs="*", metavar="PATH", help="YAML or JSON files, or folders of them")
    apply.add_argument("--check", action="store_true", help="only check")
    apply.add_argument("--schema", action="store_true", help="print the JSON Schema of the definitions")
    imported = _command(sub, "import", "import a file: CSV, Parquet or JSON Lines", commands.import_)
    imported.add_argument(
        "kind",
        choices=["events", "people", "products", "consents"],
        help="people and products without `at` hold from before the first event; a consent needs `at`, "
        "a withdrawal without it counts from its import",
    )
    imported.add_argument(
        "file", metavar="FILE", help="safe to repeat; refused rows go to FILE.rejected.jsonl with their reasons"
    )
    imported.add_argument("--map", metavar="FILE", help="YAML or JSON that names the column of each field")


def _move(sub: Any) -> None:
    backup = _command(sub, "backup", "copy the home into a new folder, also beside a running server", commands.backup)
    backup.add_argument("folder", metavar="DIR", help="the copy: a home whose Book is a file, wherever this one's is")
    restore = _command(
        sub, "restore", "make a new home from a backup; EINKLANG_DATABASE_URL says in which store", commands.restore
    )
    restore.add_argument("folder", metavar="DIR", help="of a backup, or a home on SQLite that nobody serves")
    rebuild = _command(
        sub, "rebuild", "copy the home, what is known made anew from the log; beside a running server", commands.rebuild
    )
    rebuild.add_argument("folder", metavar="DIR", help="the copy: a home as `backup` makes it")


def _work(sub: Any) -> None:
    run = _command(sub, "run", "work through everything pending and due under a virtual clock", commands.run)
    run.add_argument(
        "--until",
        required=True,
        metavar="TIME",
        help="where the clock stops and stays; entries after it stay pending (a day alone is its midnight, UTC)",
    )
    run.add_argument(
        "--deliver", action="store_true", help="hand over to the real channels instead of the outbox folder"
    )
    run.add_argument("--batch", type=int, default=5000, help=argparse.SUPPRESS)
    serve = _command(sub, "serve", "HTTP, ticks and delivery in one process, or in several", commands.serve)
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=_port, default=8787)
    serve.add_argument(
        "--workers",
        type=_workers,
        metavar="N",
        help="N processes for HTTP and two that tick and hand over; needs EINKLANG_DATABASE_URL",
    )


def _ask(sub: Any) -> None:
    person = _command(sub, "person", "show a person, merge two, split one", commands.person)
    actions = ["show", "merge", "split"]
    person.add_argument("action", choices=actions, type=_action("person", actions))
    person.add_argument("id", metavar="ID", help="person id, or kind:value such as email:a@b.example")
    person.add_argument("other", metavar="OTHER", nargs="?", help="merge: the person that is the same")
    person.add_argument(
        "--apart", metavar="KIND:VALUE", action="append", default=[],
        help="split: an identifier that goes; repeat it (default: what the latest merge brought)",
    )  # fmt: skip
    person.add_argument("--why", metavar="TEXT", default="", help="merge, split: the reason, kept in the log")
    person.add_argument("--preview", action="store_true", help="merge, split: only show what would change")
    why = _command(sub, "why", "every verdict with its reason, also for what never happened", commands.why)
    why.add_argument("id", metavar="ID")
    why.add_argument("--journey", metavar="J")
    why.add_argument("--message", metavar="M")
    _segment(sub)
    _command(sub, "exports", "what was exported or sent to a destination: who, what, for what", commands.exports)
    journey = _command(sub, "journey", "how many stand where", commands.journey)
    journey.add_argument("action", choices=["counts"], type=_action("journey", ["counts"]))
    journey.add_argument("id", metavar="ID")


def _segment(sub: Any) -> None:
    segment = _command(sub, "segment", "the members of a segment; static lists; members as a file", commands.segment)
    segment.add_argument(
        "action",
        choices=["count", "members", "plan", "upload", "freeze", "empty", "export"],
        help="plan: which engine answers --at for it and for those it speaks of, and what another one cannot do; "
        "upload: put those whom a file names on the list ID; freeze: put the members on a new list; "
        "empty: take everybody off the list ID",
    )
    segment.add_argument("id", metavar="ID")
    segment.add_argument(
        "other",
        metavar="FILE|NEW",
        nargs="?",
        help="upload: CSV, Parquet or JSON Lines with a column `person` (kind:value) or of a kind such as email; "
        "refused rows go to FILE.rejected.jsonl; freeze: the id of the new list",
    )
    does = segment.add_mutually_exclusive_group()
    does.add_argument("--remove", action="store_true", help="upload: take them off the list")
    does.add_argument("--replace", action="store_true", help="upload: the list is these alone")
    segment.add_argument("--create", action="store_true", help="upload: who is named and not known becomes a person")
    segment.add_argument("--title", metavar="TEXT", help="freeze: what people call the list")
    segment.add_argument("--format", choices=["csv", "parquet"], default="csv", help="export: the form of the file")
    segment.add_argument(
        "--columns",
        metavar="A,B",
        default="person_id",
        help="export: such as person_id,email,trait.country (docs/lists.md)",
    )
    segment.add_argument(
        "--purpose", metavar="P", help="export: for what; who does not permit it is left out and counted"
    )
    segment.add_argument("--channel", metavar="C", help="export: it must be permitted on this channel")
    segment.add_argument(
        "--at",
        metavar="TIME",
        help="the members at that moment by event time: what is known now about it (a day alone is its midnight, UTC); "
        "upload: on the list from then on",
    )


def _sources(sub: Any) -> None:
    source = _command(sub, "source", "who may send: sources and their keys", sources.source)
    source.add_argument("action", choices=["list", "add", "rotate", "revoke", "limit"])
    source.add_argument("id", nargs="?", metavar="ID", help="of a source, such as web-shop; to revoke: of a key")
    source.add_argument("--kind", choices=["write", "server"], default="write", help="write: public, collect only")
    source.add_argument("--name", metavar="TEXT", help="what people call it")
    source.add_argument("--rate", type=_whole, metavar="N", help="events a second that one key may send")
    source.add_argument(
        "--grace", type=_whole, default=86_400, metavar="SECONDS", help="for so long the older keys still work"
    )


def _destinations(sub: Any) -> None:
    found = _command(
        sub, "destination", "where members of segments go: how each is, stop, resume, again", destination.destination
    )
    found.add_argument("action", choices=["list", "deliveries", "run", "pause", "resume", "replay"])
    found.add_argument("id", nargs="?", metavar="ID", help="of a destination, such as crm")
    found.add_argument(
        "--status",
        choices=["dead", "waiting", "overtaken"],
        default="dead",
        help="deliveries: what a webhook has not got",
    )
    found.add_argument(
        "--seq", type=_whole, default=0, metavar="N", help="replay: this change alone, of `deliveries` (default: all)"
    )


def _look_over(sub: Any) -> None:
    report = _command(sub, "report", "what a journey or a campaign was worth", commands.report)
    report.add_argument("id", metavar="ID", help="a journey with a goal, or a campaign: its journeys together")
    report.add_argument("--again", metavar="FILE", help="the same report as in this file of `report --json`")
    verify = _command(sub, "verify", "the books balance and the state equals the rebuild from the log", commands.verify)
    verify.add_argument("--books", action="store_true", help="only the books, which is quick")
    expire = _command(sub, "expire", "let go the events that are kept no longer, as `keep` says", commands.expire)
    expire.add_argument(
        "--prove", action="store_true", help="only prove the state without them, as a server has it done beside it"
    )
    doctor = _command(
        sub, "doctor", "versions, settings, permissions, clocks, disk: what is wrong and the mend", commands.doctor
    )
    assert doctor is not None
    bench = _command(sub, "bench", "the benchmarks, as ratios measured side by side", commands.bench)
    bench.add_argument(
        "name", nargs="?", choices=["collect", "identity", "lake", "pipeline", "segments", "spark", "visible"]
    )
    bench.add_argument(
        "--size",
        type=_whole,
        metavar="N",
        help="persons of pipeline, segments and spark, events of identity and lake (docs/benchmarks.md)",
    )
    bench.add_argument("--batch", type=_whole, default=5_000, metavar="N", help="events a tick of pipeline")
    bench.add_argument(
        "--rate", type=_whole, default=500, metavar="R", help="events a second beside visible (default: 500)"
    )
    soak = _command(sub, "soak", "a server under load, killed again and again: what is lost or twice", commands.soak)
    soak.add_argument("--seconds", type=_whole, default=60, metavar="N", help="how long (default: 60)")
    soak.add_argument("--rate", type=_whole, default=500, metavar="R", help="events a second (default: 500)")
    soak.add_argument(
        "--kill-every", type=_whole, default=60, metavar="N", help="seconds between two kills, 0 = never (default: 60)"
    )
    soak.add_argument("--seed", type=_whole, default=1, metavar="N", help="of persons and events (default: 1)")
    demo = _command(sub, "demo", "make a demo company if there is none, and serve it", commands.demo)
    demo.add_argument("--port", type=_port, default=8787)
    demo.add_argument("--host", default="127.0.0.1")
    demo.add_argument("--persons", type=_persons, default=4000)
    demo.add_argument("--prepare-only", action="store_true", help="make the company and stop")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; docs/commands.md lists them and a test compares."""
    parser = _Parser(
        prog="einklang",
        description="Cross-channel customer engagement: one log, one customer, one language, one door, one clock.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    _common(parser, None)
    sub = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for group in (_set_up, _move, _work, _ask, _sources, _destinations, _letters, _look_over):
        group(sub)
    return parser


def _plain(text: str) -> None:
    """Raises UsageError `bad_argument` for what no name or path can hold."""
    if "\0" in text or any(0xD800 <= ord(sign) <= 0xDFFF for sign in text):
        raise UsageError(
            "bad_argument", f"not text: {text[:40]!r}", where="arguments", mend="write it in UTF-8, without NUL"
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    level = ""
    try:
        given = sys.argv[1:] if argv is None else list(argv)
        for text in given:
            _plain(text)
        if given[:1] == ["insight"]:
            raise _later(" ".join(given[:2]), "see: einklang --help")
        args = build_parser().parse_args(given)
        interpreter.settle()
        found = settings.load()
        level = found.log_level
        args.home_path = settings.home_of(args.home, found)
        args.settings = found
        status, value = args.run(args)
        if value is not None:
            emit(value, as_json=args.json)
        return int(status)
    except EinklangError as error:
        sys.stderr.write(f"einklang: {error.line()} [{error.code}]\n")
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        return 1
    except BrokenPipeError:
        # whoever read the answer has gone; what is left of it must not be tried again at the exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where, what = error.filename or "system", error.strerror or str(error)
        sys.stderr.write(f"einklang: {where}: {what}; check the path, its rights and the space [os_error]\n")
        return 1
    except Exception as error:
        if level == "debug":
            raise
        sys.stderr.write(
            f"einklang: internal error: {type(error).__name__}: {' '.join(str(error).split())[:200]}; "
            "set EINKLANG_LOG_LEVEL=debug and report it [our_fault]\n"
        )
        return 1


def path_of(text: str) -> Path:
    """A path given by a person."""
    return Path(text).expanduser()


if __name__ == "__main__":
    sys.exit(main())
