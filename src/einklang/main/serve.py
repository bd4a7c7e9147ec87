"""`serve`: HTTP, ticks and delivery in one process."""

from __future__ import annotations

import resource
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
import uvicorn

from einklang import __version__
from einklang.app import reports, why
from einklang.event import LIMITS, Limits
from einklang.kernel.errors import EinklangError, Unavailable
from einklang.main import clock
from einklang.main.channels import channels_of, webhooks_over
from einklang.main.home import Home, opened
from einklang.main.loop import Loop
from einklang.main.settings import Settings
from einklang.web.app import create_app
from einklang.web.limits import Bounds
from einklang.web.protocol import protocol
from einklang.web.services import Hub, Services

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def logging(level: str) -> None:
    """Structured log to standard error, one JSON object a line."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS.get(level, 30)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def services_of(home: Home, hub: Hub, settings: Settings | None = None, processes: int = 1) -> Services:
    """What web gets from this home. Without settings no key is slowed down. processes: how many serve HTTP together."""
    limits, bounds = LIMITS, Bounds()
    if settings is not None:
        limits = Limits(settings.event_bytes_max, settings.batch_bytes_max)
        bounds = Bounds(
            connections=settings.connections_max,
            body_seconds=settings.body_seconds_max,
            in_flight_bytes=settings.in_flight_bytes_max,
            key_events_per_s=settings.key_events_per_s,
            processes=processes,
        )

    def explain(person: str, journey: str | None, message: str | None) -> object:
        with home.book.snapshot() as reader:
            return why.why(reader, home.reading_state(), person, journey=journey, message=message)

    return Services(
        book=home.book,
        salt=home.salt,
        link_key=home.link_key,
        now=clock.now,
        new_token=lambda: clock.new_key(""),
        base_url=home.base_url,
        company=home.company(),
        version=__version__,
        home=home.path.name,
        report=lambda journey: reports.report(home.book, home.lake, journey, now=max(home.now(), 0)),
        why=explain,
        lake=home.lake,
        folder=home.path,
        hub=hub,
        limits=limits,
        bounds=bounds,
    )


def open_files(connections: int) -> None:
    """As many connections as are taken on need as many open files: many systems allow 1,024 unless asked."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 512
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == -1 else min(wanted, hard), hard))


class _Uvicorn(uvicorn.Server):
    """Ends the streams before it waits for open requests."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop to listen, let requests end."""
        self._hub.close()
        await super().shutdown(sockets)


def web_of(services: Services, hub: Hub) -> _Uvicorn:
    """HTTP for these services."""
    config = uvicorn.Config(
        create_app(services),
        http=protocol(services.bounds),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    return _Uvicorn(config, hub)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises Unavailable `cannot_listen`."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, proto)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(2048)
        except BaseException:
            listener.close()
            raise
    except (OSError, OverflowError, UnicodeError) as error:
        told = getattr(error, "strerror", None) or str(error)
        raise Unavailable(
            "cannot_listen",
            f"cannot listen: {told}",
            where=f"{host[:100]}:{port}",
            mend="choose another --host or --port",
        ) from error
    return listener


@contextmanager
def quiet_signals() -> Iterator[None]:
    """SIGINT and SIGTERM end the server, not the process: what is there is still worked off and shipped."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.signal(one, lambda *_: None) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


class Server:
    """A server in this process. `run` serves until a signal or a fault ends it; `port` is where it listens."""

    def __init__(self, home: Home, settings: Settings, *, host: str, port: int) -> None:
        self.home = home
        channels, webhooks = channels_of(settings, home), webhooks_over(settings)
        self._listener = listen(host, port)
        self.port: int = self._listener.getsockname()[1]
        hub = Hub()
        services = services_of(home, hub, settings)
        self.loop = Loop(
            home,
            channels,
            hub.notify,
            ended=self._end,
            held=lambda alarm: setattr(services, "mode", "held"),
            webhooks=webhooks,
        )
        services.wake = self.loop.wake
        self._bounds = services.bounds
        self._uvicorn = web_of(services, hub)

    def _end(self) -> None:
        """Stop serving: without ticks nothing may be acknowledged for long. Called from any thread."""
        self._uvicorn.should_exit = True

    def run(self) -> None:
        """Serve until Ctrl-C or SIGTERM. Raises Unavailable if the tick, the deliveries or the Book failed."""
        open_files(self._bounds.connections)
        with self._listener, quiet_signals():
            self.loop.start()
            try:
                self._uvicorn.run(sockets=[self._listener])
            finally:
                self.loop.stop()
        failed = self.loop.failed
        if failed is not None:
            told = failed.line() if isinstance(failed, EinklangError) else f"{type(failed).__name__}: {failed}"
            raise Unavailable(
                "stopped", f"the server stopped itself: {told}", mend="see the log above, then: einklang verify"
            ) from failed


def serve_home(path: Path, settings: Settings, *, host: str, port: int) -> None:
    """Open a home and serve it."""
    logging(settings.log_level)
    opening = opened(
        path,
        base_url=settings.base_url,
        database_url=settings.database_url,
        writer=True,
        working_set_mb=settings.working_set_mb,
    )
    with opening as home:
        server = Server(home, settings, host=host, port=port)
        sys.stderr.write(f"einklang {__version__} serves {path} on http://{host}:{server.port} (Ctrl-C ends it)\n")
        sys.stderr.flush()
        server.run()
