"""`demo`: a retailer from a seed, a year of it worked through, then living on.

The year is run in days: what customers did that day, then what they did because of the mails that reached them. The
world is a pure function of (seed, persons, start, days), kept in the home, so that it goes on the same after a restart.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from einklang.app import apply as applying
from einklang.app import drafts, imports, yaml
from einklang.app.apply import Body
from einklang.app.counts import decode_run
from einklang.app.run import run as run_until
from einklang.app.run import settle_definitions
from einklang.event import LIMITS
from einklang.kernel import ids, time
from einklang.kernel.errors import InputError
from einklang.main import clock
from einklang.main.books import there
from einklang.main.home import USER, Home, create, opened
from einklang.main.serve import Server, logging
from einklang.main.settings import Settings
from einklang.sim.demo import definitions
from einklang.sim.files import write
from einklang.sim.live import Stream
from einklang.sim.response import Sent, react
from einklang.sim.world import World
from einklang.store.book import AnyBook, Setup
from einklang.store.lake import ship_all

SEED = 7
DAYS = 365
COMPANY = "Lindqvist & Co."
PASSWORD = "einklang-demo"
#: Chosen once, so that the same people are in the control groups of every demo; a real home draws its own.
SALT = "e1" * 32
_ZONE = "Europe/Berlin"
_SENT_CHUNK = 5_000
_ENCODE = msgspec.json.Encoder(decimal_format="number").encode


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def make(path: Path, *, persons: int, base_url: str, database_url: str = "") -> None:
    """A new home with a year of the demo company in it.

    It is made beside its place, without waiting for the disk at each step, and moved there when it is whole: what is
    interrupted leaves no half company.
    """
    making = path.with_name(path.name + ".making")
    if making.exists():
        shutil.rmtree(making)
    create(making, SALT, password=PASSWORD, database_url=database_url)
    _fill(making, persons=persons, base_url=base_url, database_url=database_url)
    if path.is_dir():
        path.rmdir()
    making.rename(path)


def _fill(path: Path, *, persons: int, base_url: str, database_url: str) -> None:
    now = clock.now()
    start = time.start_of_day(time.day_of(now - DAYS * time.DAY, _ZONE), _ZONE)
    world = World(SEED, persons, start, DAYS)
    fast = Setup(synchronous="OFF")
    with opened(path, base_url=base_url, database_url=database_url, writer=True, setup=fast) as home:
        rows = [
            ("demo_persons", str(persons)),
            ("demo_start", str(start)),
            ("company", COMPANY),
        ]
        home.book.transact(lambda tx: tx.write("meta_put", rows))
        _definitions(home, now)
        with tempfile.TemporaryDirectory(dir=path) as folder:
            write(world, Path(folder), since=now, until=now)
            for kind in ("products", "people", "consents"):
                imports.import_file(home.book, kind, Path(folder) / f"{kind}.csv", now=now)
        _year(home, world, now)


def _definitions(home: Home, now: int) -> None:
    engine = home.engine()
    applying.apply(home.book, yaml.read([definitions()]), now=now)
    settle_definitions(home.book, engine)


def _year(home: Home, world: World, now: int) -> None:
    """Day after day: the calls of the day and the reactions that fall into it."""
    engine = home.engine()
    reactions: list[tuple[int, bytes]] = []
    after, done, since = 0, 0, world.start - 1
    calls = iter(world.events(world.start - 1, now))
    pending = _next(calls)
    while since < now:
        until = min(since + time.DAY, now)
        batch = []
        while pending is not None and pending[0] <= until:
            batch.append(pending[1])
            pending = _next(calls)
        batch += [line for at, line in reactions if at <= until]
        reactions = [row for row in reactions if row[0] > until]
        _append(home, batch, until)
        run_until(home.book, engine, until, mode="run", handed=home.hand_out)
        sent, after = _sent(home, after)
        reactions += _reactions(react(world, sent))
        done += len(batch)
        if sys.stderr.isatty():
            sys.stderr.write(
                f"\rmaking a year of the demo company: {time.format_moment(until)[:10]} · {done:,} events   "
            )
        since = until
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    home.note_handed_out()
    ship_all(home.book, home.lake)


def _next(calls: Iterator[dict[str, Any]]) -> tuple[int, bytes] | None:
    """The next call and its time, None at the end."""
    found = _reactions([call]) if (call := next(calls, None)) is not None else []
    return found[0] if found else None


def _reactions(calls: list[dict[str, Any]]) -> list[tuple[int, bytes]]:
    return [(time.parse_moment(call["timestamp"]), _ENCODE(call)) for call in calls]


def _append(home: Home, lines: list[bytes], received_at: int) -> None:
    for begin in range(0, len(lines), _SENT_CHUNK):
        part = lines[begin : begin + _SENT_CHUNK]
        home.book.append([Body(len(part), received_at, "demo", "import", b'{"batch":[' + b",".join(part) + b"]}")])


def _sent(home: Home, after: int) -> tuple[list[Sent], int]:
    """Messages handed over since, as the simulator wants them."""
    found: list[Sent] = []
    for n, key, person, run, journey, step, clock_ in home.book.read("sent_after", after):
        after = n
        users = [value for kind, value, _ in home.book.read("identifiers_of", person) if kind == "userId"]
        body = home.book.read("run_get", ids.lane_of(person), person, run)
        if users and body:
            found.append(Sent(users[0], journey, step, key, clock_, decode_run(body[0][0]).key))
    return found, after


class Life:
    """Posts what the customers of the demo do now, until stopped."""

    def __init__(self, home: Home, world: World, wake: Any) -> None:
        self.home = home
        self.wake = wake
        self.stream = Stream(world, clock.now())
        self.after = home.book.read("message_last")[0][0] or 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="life", daemon=True)

    def start(self) -> None:
        """Begin to live."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.5):
            now = clock.now()
            sent, self.after = _sent(self.home, self.after)
            calls = self.stream.due(now, sent)
            if calls:
                body = _ENCODE({"batch": calls})
                self.home.book.append([Body(len(calls), now, "demo", "batch", body)])
                self.wake()


def _world(home: Home) -> World:
    """The world of this home. Raises InputError `not_a_demo`."""
    rows = [home.book.read("meta_value", name) for name in ("demo_persons", "demo_start")]
    if not all(rows):
        raise InputError(
            "not_a_demo", "this home is not a demo company", where=str(home.path), mend="use: einklang serve"
        )
    return World(SEED, int(rows[0][0][0]), int(rows[1][0][0]), DAYS)


def run_demo(path: Path, settings: Settings, *, host: str, port: int, persons: int, prepare_only: bool) -> None:
    """Make the company if there is none, and serve it."""
    logging(settings.log_level)
    if not there(path):
        _say(f"Making a demo company in {path}: a retailer with {persons:,} people and a year behind it.")
        make(path, persons=persons, base_url=settings.base_url, database_url=settings.database_url)
    if prepare_only:
        return
    opening = opened(
        path,
        base_url=settings.base_url,
        database_url=settings.database_url,
        writer=True,
        working_set_mb=settings.working_set_mb,
    )
    with opening as home:
        world = _world(home)
        server = Server(home, settings, host=host, port=port)
        life = Life(home, world, server.loop.wake)
        _say(_addresses(home.book, host, port, _half_filled(home, world)))
        life.start()
        try:
            server.run()
        finally:
            life.stop()


def _half_filled(home: Home, world: World) -> str:
    """Somebody fills in half of a form in the shop, and asks for a code for the phone."""
    person = next(number for number, known in enumerate(world.crowd.known) if known)
    user, said = world.crowd.user_id(person), world.crowd.traits(person)
    fields = {
        "first_name": said["firstName"],
        "last_name": said["lastName"],
        "email": said.get("email", ""),
        "delivery_date": "",
        "message": "The box was open when it came, and the lid is missing.",
        "wishes": {"replacement": True, "refund": False},
        "call_me_back": True,
    }
    now, ref = clock.now(), drafts.begin("complaint", {"userId": user}, clock.new_key(""))
    more: dict[str, Any] = {"by": drafts.OWNER, "actor": "", "source": "web", "touchpoint": "web", "limits": LIMITS}
    owner = {"userId": user}
    drafts.save(home.book, ref, drafts.Saving(fields), form="complaint", identifiers=owner, now=now, **more)
    return drafts.make_code(home.book, ref, clock.new_key(""), now=now, salt=home.salt)


def _addresses(book: AnyBook, host: str, port: int, code: str) -> str:
    write_key = book.read("meta_value", "write_key")[0][0]
    return "\n".join(
        [
            "",
            f"  Console    http://{host}:{port}/          sign in as {USER} with {PASSWORD}",
            f"  Collect    http://{host}:{port}/v1/track  write key {write_key}",
            f"  API        http://{host}:{port}/api/openapi.json",
            f"  Drafts     http://{host}:{port}/drafts    code {code} (half an hour): a customer on the phone",
            "  Ctrl-C ends it; `make demo` goes on where it stopped.",
            "",
        ]
    )
