"""`serve --workers N`: N processes for HTTP and two engines beside one Book on PostgreSQL, and one to look after them.

    who looks after   binds the port, starts the others, starts anew what ends, ends all when it is told to
    web 1 .. N        HTTP: appends and answers; they share the listening socket
    engine 1, 2       whoever holds the lease of the ticks ticks and ships, the other waits for it; both hand over, each
                      in lanes of its own

Nobody's work is lost with a process: what is acknowledged is in the Book, a lease is free as soon as its holder has
gone, and a tick or a claim is one transaction. A process that finds itself alone (the one that looks after it was
killed) ends.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time as system
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from einklang import __version__
from einklang.kernel.errors import EinklangError, Unavailable, UsageError
from einklang.kernel.limits import LANES
from einklang.main import interpreter, settings
from einklang.main.channels import channels_of, webhooks_over
from einklang.main.home import Home, opened
from einklang.main.loop import IDLE_S, Loop
from einklang.main.serve import listen, logging, open_files, quiet_signals, services_of, web_of
from einklang.main.settings import Settings
from einklang.store.book import PostgresBook
from einklang.web.services import Hub

ENGINES = 2
WORKERS_MAX = 64
#: How often the processes are looked at, how long one that ended at once is left alone, how long they may take to end.
_LOOK_S = 0.1
_AGAIN_S = 1.0
_END_S = 20.0

log = structlog.get_logger()


class EngineShare:
    """What engine `index` of `count` does: ticks if nobody else does; hands over in its lanes, and once a second in
    those that nobody holds.
    """

    def __init__(self, book: PostgresBook, index: int, count: int) -> None:
        self._ticks, self._posts = book.leases(), book.leases()
        self._own = frozenset(lane for lane in range(LANES) if lane % count == index % count)
        self._others_at = 0.0

    def ticks(self, *, started: bool) -> tuple[bool, bool]:
        """As `Share`."""
        return self._ticks.ticks(started=started)

    def ticking(self) -> bool:
        """As `Share`."""
        return self._posts.ticking()

    def lanes(self) -> tuple[Collection[int], Collection[int]]:
        """As `Share`."""
        everywhere = system.monotonic() >= self._others_at
        if everywhere:
            self._others_at = system.monotonic() + IDLE_S
        return self._posts.lanes(range(LANES) if everywhere else self._own)

    def close(self) -> None:
        """Give everything back."""
        self._ticks.close()
        self._posts.close()


# --- the processes that work ----------------------------------------------------------------------------------------


def watch(book: PostgresBook, guard: int, end: Callable[[], None]) -> None:
    """Call `end` once the home is lost, or the process that looks after this one: it held the other end of the pipe."""

    def wait() -> None:
        try:
            while not select.select([guard], [], [], IDLE_S)[0]:
                book.check()
        except EinklangError as error:
            if error.code != "book_closed":  # it ends already
                log.error("this process ends", error=error.line())
        end()

    threading.Thread(target=wait, name="guard", daemon=True).start()


def _book(home: Home) -> PostgresBook:
    assert isinstance(home.book, PostgresBook), "several processes share a Book on PostgreSQL"
    return home.book


def web(home: Home, found: Settings, count: int, listener: socket.socket, guard: int) -> None:
    """One of `count` processes for HTTP, until a signal ends it. Raises Unavailable if another took the home."""
    hub = Hub()
    services = services_of(home, hub, found, count)
    server = web_of(services, hub)

    def told(what: str) -> None:
        if what == "log":
            hub.notify()
        elif what == "held":
            services.mode = "held"

    def end() -> None:
        server.should_exit = True

    watch(_book(home), guard, end)
    listener_of_book = _book(home).listener(told)
    listener_of_book.start()
    open_files(services.bounds.connections)
    try:
        with quiet_signals():
            server.run(sockets=[listener])
    finally:
        listener_of_book.stop()


def engine(home: Home, found: Settings, index: int, guard: int) -> None:
    """One engine, until a signal ends it. Raises Unavailable if a thread of it failed."""
    ending = threading.Event()
    share = EngineShare(_book(home), index, ENGINES)
    loop = Loop(
        home,
        dict(channels_of(found, home)),
        lambda: None,
        ended=ending.set,
        held=lambda alarm: _book(home).tell("held"),
        share=share,
        webhooks=webhooks_over(found),
    )

    def told(what: str) -> None:
        loop.wake()
        loop.look()

    watch(_book(home), guard, ending.set)
    listener = _book(home).listener(told)
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda *_: ending.set())
    loop.start()
    listener.start()
    try:
        ending.wait()
    finally:
        listener.stop()
        loop.stop()
        share.close()
    if loop.failed is not None:
        raise Unavailable("stopped", f"an engine stopped itself: {loop.failed}", mend="it is started again") from None


def child(role: str, index: int, count: int, path: Path, file: int, guard: int) -> int:
    """A process of `serve --workers`, one of `count` in its role: its exit status."""
    interpreter.settle()
    found = settings.load()
    logging(found.log_level)
    with socket.socket(fileno=file) as listener:
        try:
            with opened(
                path,
                base_url=found.base_url,
                database_url=found.database_url,
                writer=True,
                together=True,
                working_set_mb=found.working_set_mb,
            ) as home:
                if role == "web":
                    web(home, found, count, listener, guard)
                else:
                    engine(home, found, index, guard)
        except EinklangError as error:
            sys.stderr.write(f"einklang: {role} {index}: {error.line()} [{error.code}]\n")
            return 1
        except KeyboardInterrupt:
            return 0
    return 0


# --- the one that looks after them ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Worker:
    """A process and when it began."""

    role: str
    index: int
    process: subprocess.Popen[bytes]
    begun: float = field(default_factory=system.monotonic)


class Workers:
    """Starts the processes, starts anew what ends, ends them all."""

    def __init__(self, path: Path, listener: socket.socket, count: int, base_url: str) -> None:
        self._path = path
        self._environment = {**os.environ, "EINKLANG_BASE_URL": base_url}
        self._listener = listener
        self._guard, self._held = os.pipe()
        self._roles = [("web", n) for n in range(1, count + 1)] + [("engine", n) for n in range(1, ENGINES + 1)]
        self._workers: dict[tuple[str, int], _Worker] = {}
        self.ending = threading.Event()

    def run(self) -> None:
        """Until `ending` is set."""
        for role, index in self._roles:
            self._start(role, index)
        while not self.ending.wait(_LOOK_S):
            for worker in list(self._workers.values()):
                status = worker.process.poll()
                if status is None:
                    continue
                if system.monotonic() - worker.begun < _AGAIN_S:
                    continue
                log.error("a process ended and is started again", role=worker.role, index=worker.index, status=status)
                self._start(worker.role, worker.index)

    def end(self) -> None:
        """The web first, so that nothing more arrives; then the engines, which work off and ship what is there."""
        for role in ("web", "engine"):
            found = [worker.process for worker in self._workers.values() if worker.role == role]
            for process in found:
                process.terminate()
            until = system.monotonic() + _END_S
            for process in found:
                try:
                    process.wait(max(0.1, until - system.monotonic()))
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        os.close(self._held)
        os.close(self._guard)

    def _start(self, role: str, index: int) -> None:
        file = self._listener.fileno()
        count = sum(one == role for one, _ in self._roles)
        call = f"child({role!r}, {index}, {count}, Path(sys.argv[1]), {file}, {self._guard})"
        code = f"import sys; from pathlib import Path; from einklang.main.workers import child; sys.exit({call})"
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(self._path)], pass_fds=(file, self._guard), env=self._environment
        )
        self._workers[role, index] = _Worker(role, index, process)


def serve_workers(path: Path, found: Settings, *, host: str, port: int, workers: int) -> None:
    """Serve a home with several processes until a signal ends it. Raises UsageError without PostgreSQL."""
    if not found.database_url:
        raise UsageError(
            "needs_postgresql",
            "several processes need the Book on PostgreSQL",
            where="--workers",
            mend="set EINKLANG_DATABASE_URL, or leave --workers out: one process serves, ticks and delivers",
        )
    logging(found.log_level)
    with opened(path, base_url=found.base_url, database_url=found.database_url, writer=True):
        pass  # nobody else writes to it; it is of this version's format
    shared = opened(path, base_url=found.base_url, database_url=found.database_url, writer=True, together=True)
    with shared, listen(host, port) as listener:
        several = Workers(path, listener, workers, found.base_url)
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, lambda *_: several.ending.set())
        at = f"http://{host}:{listener.getsockname()[1]}"
        sys.stderr.write(f"einklang {__version__} serves {path} on {at} with {workers} workers (Ctrl-C ends it)\n")
        sys.stderr.flush()
        try:
            several.run()
        finally:
            several.end()
