"""What each command does: open the home, call a use case, shape the answer."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from einklang.app import apply as applying
from einklang.app import backfill, computed, counts, imports, persons, reports, segments, stitching, yaml
from einklang.app import why as whys
from einklang.app.deliver import Delivery
from einklang.app.run import run as run_until
from einklang.app.run import settle_definitions
from einklang.app.tick import Engine
from einklang.kernel import time
from einklang.kernel.errors import InputError, UsageError
from einklang.main import clock, lists, moving
from einklang.main.channels import channels_of
from einklang.main.destinations import Destinations
from einklang.main.home import Home, create, opened
from einklang.main.settings import Settings, actor, reachable
from einklang.measure import Basis
from einklang.store.lake import DuckPlans, ship_all

Answer = tuple[int, Any]
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
Args = argparse.Namespace


def lines(value: Any) -> Iterator[str]:
    """A result as lines for people."""
    plain = msgspec.to_builtins(value, enc_hook=str)
    if isinstance(plain, str):
        yield plain
    elif isinstance(plain, dict):
        for key, item in plain.items():
            if isinstance(item, list | dict) and item:
                yield f"{key}:"
                yield from (f"  {line}" for line in lines(item))
            else:
                yield f"{key}: {item if item not in ([], {}, None) else '-'}"
    elif isinstance(plain, list):
        for item in plain:
            found = list(lines(item))
            yield "- " + (found[0] if found else "")
            yield from ("  " + line for line in found[1:])
    else:
        yield str(plain)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


class _Progress:
    """One line on a terminal, rewritten."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.shown = sys.stderr.isatty()

    def __call__(self, done: int, at: int | None = None) -> None:
        if self.shown:
            when = f" · {time.format_moment(at)[:10]}" if at else ""
            sys.stderr.write(f"\r{self.what}: {done:,}{when}   ")
            sys.stderr.flush()

    def close(self) -> None:
        """End the line."""
        if self.shown:
            sys.stderr.write("\n")


def _open(args: Args, *, writer: bool) -> Any:
    found = args.settings
    return opened(
        args.home_path,
        base_url=found.base_url,
        database_url=found.database_url,
        writer=writer,
        working_set_mb=found.working_set_mb,
    )


def _moment(text: str, option: str) -> int:
    try:
        found = time.parse_moment(f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text)
    except InputError as error:
        raise UsageError(error.code, error.what, where=option, mend=error.mend) from error
    if not 0 <= found <= time.parse_moment("2200-01-01T00:00:00Z"):
        raise UsageError("bad_moment", f"{text[:40]!r} lies outside 1970 to 2200", where=option, mend="check the year")
    return found


def init(args: Args) -> Answer:
    """A new empty tenant."""
    keys = create(args.home_path, args.salt, database_url=args.settings.database_url)
    return 0, {
        "home": str(args.home_path),
        "write_key": keys.write_key,
        "server_key": keys.server_key,
        "user": keys.user,
        "password": keys.password,
    }


def backup(args: Args) -> Answer:
    """A copy of the home, beside a running server."""
    progress = _Progress("backup")
    with _open(args, writer=False) as home:
        found = moving.backup(home.book, home.lake, Path(args.folder), progress=progress)
    progress.close()
    return 0, found


def rebuild(args: Args) -> Answer:
    """A copy of the home that follows from the log anew, beside a running server."""
    from einklang.main.rebuild import rebuild
    from einklang.main.verify import Progress

    progress = Progress("rebuild")
    with _open(args, writer=False) as home:
        found = rebuild(home, Path(args.folder), progress=progress)
    progress.close()
    return 0, found


def restore(args: Args) -> Answer:
    """A backup as a home."""
    progress = _Progress("restore")
    url = args.settings.database_url
    found = moving.restore(Path(args.folder), args.home_path, database_url=url, progress=progress)
    progress.close()
    return 0, found


def apply(args: Args) -> Answer:
    """Check and store definitions."""
    if args.schema:
        args.json = True
        return 0, applying.schema()
    if not args.paths:
        raise UsageError("no_path", "nothing to apply", where="apply", mend="name files or folders")
    docs = yaml.read([Path(path) for path in args.paths])
    with _open(args, writer=not args.check) as home:
        if args.check:
            applied, _ = applying.check(home.book, docs)
            changed = [name for kind, name, _, how in applied.changes if (kind, how) == ("journey", "changed")]
            standing = {name: found for name in changed if (found := counts.standing(home.book, name))}
        else:
            engine = home.engine()
            applied = applying.apply(home.book, docs, now=clock.now())
            settle_definitions(home.book, engine)
            home.hand_out_rest()
            ship_all(home.book, home.lake)
    told = {
        "checked": args.check,
        "changed": [{"kind": k, "id": i, "version": v, "change": c} for k, i, v, c in applied.changes],
        "hints": applied.hints,
    }
    return 0, told | ({"standing": standing} if args.check else {})


def import_(args: Args) -> Answer:
    """Import a file."""
    mapping = None
    if args.map:
        docs = yaml.read([Path(args.map)])
        mapping = {str(key): str(value) for key, value in docs[0].body.items()} if docs else {}
    progress = _Progress(f"import {args.kind}")
    with _open(args, writer=True) as home:
        done = imports.import_file(
            home.book, args.kind, Path(args.file), now=clock.now(), mapping=mapping, progress=progress
        )
    progress.close()
    if done.rejected:
        _say(f"{done.rejected} of {done.rows} rows were refused; reasons in {done.rejections}")
    return 0, done_dict(done)


def done_dict(done: imports.Imported) -> dict[str, Any]:
    """The result of an import."""
    return {
        "rows": done.rows,
        "accepted": done.accepted,
        "rejected": done.rejected,
        "rejections": done.rejections,
        "reasons": done.reasons,
        "hints": done.hints,
    }


def run(args: Args) -> Answer:
    """Work through everything pending and due."""
    until = _moment(args.until, "--until")
    progress = _Progress("run")
    with _open(args, writer=True) as home:
        if args.deliver:
            done = deliver_home(home, until, args.settings, progress=progress)
        else:
            done = run_home(home, until, batch=args.batch, progress=progress)
        reached = home.now()
    progress.close()
    if reached > until:
        _say(f"the clock stands at {time.format_moment(reached)} already: time does not go back to --until")
    return 0, {"entries": done, "clock": time.format_moment(reached)}


def run_home(home: Home, until: int, *, batch: int = 5000, progress: Any = None) -> int:
    """`run --until` on an open home: the log, the outbox folder, the lake."""
    engine = home.engine()
    done = run_until(home.book, engine, until, mode="run", batch=batch, handed=home.hand_out, progress=progress)
    home.note_handed_out()
    _end(home, engine)
    return done


def _end(home: Home, engine: Engine) -> None:
    """Make the lake complete, and give destinations what is theirs, which is said in the log."""
    ship_all(home.book, home.lake)
    if Destinations(home, home.now).once(whatever=True):
        settle_definitions(home.book, engine)
        ship_all(home.book, home.lake)


def deliver_home(home: Home, until: int, settings: Settings, *, progress: Any = None) -> int:
    """`run --until --deliver`: as `run`, but over the real channels; time waits for each hand-over."""
    engine = home.engine()
    at = [home.now()]
    channels = channels_of(settings, home)
    delivery = Delivery(home.book, home.reading_state(), channels, lambda: at[0])
    with asyncio.Runner() as runner:

        def deliver(clock_reached: int) -> int:
            at[0] = clock_reached
            return runner.run(delivery.once())

        try:
            delivery.recover()
            done = run_until(home.book, engine, until, mode="deliver", progress=progress, deliver=deliver)
        finally:
            for channel in channels.values():
                runner.run(channel.close())
    _end(home, engine)
    return done


def person(args: Args) -> Answer:
    """Show a person, merge two, split one."""
    if args.action != "show":
        return _stitched(args)
    if args.other is not None or args.apart or args.why or args.preview:
        raise UsageError("wrong_usage", "`show` takes one ID alone", where="person", mend="see: einklang person --help")
    with _open(args, writer=False) as home:
        found = persons.show(home.book, args.id)
        with home.book.snapshot() as reader:
            found["traits"] |= computed.of_person(reader, home.reading_state(), args.id, home.now())
        return 0, found


def _stitched(args: Args) -> Answer:
    """A decision of staff about persons: shown, and unless it is a preview, put into the log and carried out."""
    if (args.action == "merge") is (args.other is None) or (args.apart and args.action != "split"):
        mend = "write: person merge ID OTHER --why TEXT, or person split ID [--apart KIND:VALUE] --why TEXT"
        raise UsageError("wrong_usage", f"`{args.action}` takes other arguments", where="person", mend=mend)
    with _open(args, writer=not args.preview) as home:
        engine = None if args.preview else home.engine()
        state, by = home.reading_state(), actor()
        with home.book.snapshot() as reader:
            if args.action == "merge":
                decision = stitching.merge(reader, state, args.id, args.other, actor=by, why=args.why)
            else:
                decision = stitching.split(reader, state, args.id, args.apart, actor=by, why=args.why)
            shown = stitching.preview(reader, state, decision, now=home.now())
        if engine is not None:
            shown.message_id = stitching.append(home.book, decision, now=home.now())
            settle_definitions(home.book, engine)
            home.hand_out_rest()
            ship_all(home.book, home.lake)
    return 0, shown


def why(args: Args) -> Answer:
    """Every verdict with its reason."""
    with _open(args, writer=False) as home:
        found = whys.why(home.book, home.reading_state(), args.id, journey=args.journey, message=args.message)
    return 0, found if args.json else whys.text(found)


def segment(args: Args) -> Answer:
    """Count or list members, say who answers for a moment of the past; or make a list, or a file of members."""
    lists.check_arguments(args)
    at, plans = _moment(args.at, "--at") if args.at else None, DuckPlans()
    if args.action in _OF_LISTS:
        with _open(args, writer=True) as home:
            done = _OF_LISTS[args.action](home, args, at)
        return 0, msgspec.to_builtins(done)
    with _open(args, writer=False) as home, home.book.snapshot() as reader:
        state = home.reading_state()
        if args.action == "plan":
            return 0, {"plan": segments.answered_by(reader, state, args.id, plans)}
        found = segments.members(reader, state, home.lake, args.id, at, plans)
        gone = segments.missing(reader, state.definitions, args.id, at) if at is not None else {}
        build = backfill.now(reader) if at is None else None
    answer: dict[str, Any] = {"count": len(found)} if args.action == "count" else {"members": found}
    if build is not None and args.id in build.names:
        answer["building"] = {"step": "tell" if build.switched else "look", "looked": build.looked, "of": build.of}
    return 0, answer | (
        {"expired": {name: f"before {time.format_moment(bound)}" for name, bound in gone.items()}} if gone else {}
    )


_OF_LISTS: dict[str, Callable[[Home, Args, int | None], Any]] = {
    "upload": lists.upload,
    "freeze": lists.freeze,
    "empty": lists.empty,
    "export": lists.export,
}


def exports(args: Args) -> Answer:
    """What was exported."""
    with _open(args, writer=False) as home:
        return 0, {"exports": lists.exported(home)}


def journey(args: Args) -> Answer:
    """How many stand where."""
    with _open(args, writer=False) as home:
        return 0, counts.journey_counts(home.book, args.id)


def report(args: Args) -> Answer:
    """What a journey was worth."""
    with _open(args, writer=False) as home:
        again = _basis(Path(args.again)) if args.again else None
        with home.book.snapshot() as reader:
            found = reports.report(reader, home.lake, args.id, now=home.now(), again=again)
    return 0, found if args.json else reports.text(found)


def _basis(file: Path) -> Basis:
    """What an earlier report spoke of. Raises InputError `not_a_report`."""
    try:
        return msgspec.convert(msgspec.json.decode(file.read_bytes())["basis"], Basis)
    except (OSError, KeyError, TypeError, msgspec.MsgspecError) as error:
        mend = "name a file that `einklang report ID --json` wrote"
        raise InputError("not_a_report", f"no report can be read: {error}", where=str(file), mend=mend) from error


def verify(args: Args) -> Answer:
    """The books, and the state against the rebuild."""
    from einklang.main.verify import verify_home

    with _open(args, writer=False) as home:
        found = verify_home(home, books_only=args.books)
    return (0 if found["ok"] else 1), found if args.json else found | {"findings": few(found["findings"])}


def expire(args: Args) -> Answer:
    """Let go what is kept no longer."""
    from einklang.main import retention

    progress = _Progress("expire")
    with _open(args, writer=not args.prove) as home:
        if args.prove:
            os.nice(10)
            different = retention.prove(home, progress=progress)
            found: dict[str, Any] = {"ok": not different, "findings": different}
        else:
            found = retention.expire(home, progress=progress)
    progress.close()
    return (0 if found["ok"] else 1), found if args.json else found | {"findings": few(found["findings"])}


#: What people are shown of a long list, and of each of its lines.
_SHOWN_MAX, _SHOWN_CHARS = 20, 240


def few(findings: list[str]) -> list[str]:
    """Findings for people: the first ones, each of readable length, and how many there are beside."""
    shown = [text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…" for text in findings[:_SHOWN_MAX]]
    more = len(findings) - len(shown)
    return [*shown, f"and {more} more: --json lists them all"] if more else shown


def doctor(args: Args) -> Answer:
    """What is wrong, and the mend."""
    from einklang.main.doctor import examine

    found = examine(args.home_path, args.settings)
    return (1 if any(row["level"] == "error" for row in found) else 0), {"findings": found}


def serve(args: Args) -> Answer:
    """HTTP, ticks and delivery."""
    from einklang.main.serve import serve_home

    found = reachable(args.settings, args.host, args.port)
    if args.workers is None:
        serve_home(args.home_path, found, host=args.host, port=args.port)
    else:
        from einklang.main.workers import serve_workers

        serve_workers(args.home_path, found, host=args.host, port=args.port, workers=args.workers)
    return 0, None


def bench(args: Args) -> Answer:
    """The benchmarks."""
    from einklang.main.bench import Options, run_bench

    return 0, run_bench(args.name, Options(args.size, args.batch, args.settings.database_url, args.rate))


def soak(args: Args) -> Answer:
    """A server under load, killed; what became of every event. In a folder of its own, or in --home, which is kept."""
    from einklang.main.soak import Plan, soak

    if not args.rate or not args.seconds:
        raise UsageError("wrong_usage", "nothing to send", where="--rate, --seconds", mend="write 1 or more")
    plan = Plan(args.seconds, args.rate, args.kill_every, args.seed, args.settings.database_url)
    found = soak(plan, Path(args.home) if args.home else None)
    return 0 if found["ok"] else 1, found


def demo(args: Args) -> Answer:
    """A demo company, served."""
    from einklang.main.demo import run_demo

    run_demo(
        args.home_path,
        reachable(args.settings, args.host, args.port),
        host=args.host,
        port=args.port,
        persons=args.persons,
        prepare_only=args.prepare_only,
    )
    return 0, None
