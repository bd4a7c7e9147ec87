"""`serve`: HTTP, ticks and delivery in one process."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import structlog
import uvicorn

from einklang import __version__
from einklang.app import reports, why
from einklang.app.deliver import Channel
from einklang.channel.outbox import OutboxFolder
from einklang.channel.smtp import SmtpChannel
from einklang.kernel.errors import Unavailable, UsageError
from einklang.main import clock
from einklang.main.home import Home, opened
from einklang.main.loop import Loop
from einklang.main.settings import Settings
from einklang.web.app import create_app
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


def channels_of(settings: Settings, home: Home) -> dict[str, Channel]:
    """The channels that are set up: SMTP where EINKLANG_SMTP_URL says so, else the outbox folder. Raises UsageError."""
    if not settings.smtp_url:
        return {"email": OutboxFolder(home.path / "outbox")}
    url = urlsplit(settings.smtp_url)
    if url.scheme not in ("smtp", "smtps") or not url.hostname:
        raise UsageError(
            "bad_setting", "not an SMTP address", where="EINKLANG_SMTP_URL", mend="write smtp://user:password@host:587"
        )
    channel = SmtpChannel(
        url.hostname,
        url.port or (465 if url.scheme == "smtps" else 587),
        username=unquote(url.username or ""),
        password=unquote(url.password or ""),
        starttls=url.scheme == "smtp" and bool(url.username),
    )
    return {"email": channel}


def services_of(home: Home, hub: Hub) -> Services:
    """What web gets from this home."""

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
        hub=hub,
    )


class Server:
    """A running server in this process; `wait` until it ends, `stop` to end it."""

    def __init__(self, home: Home, settings: Settings, *, host: str, port: int) -> None:
        self.home = home
        hub = Hub()
        services = services_of(home, hub)
        self.loop = Loop(home, channels_of(settings, home), hub.notify)
        services.wake = self.loop.wake
        config = uvicorn.Config(
            create_app(services), host=host, port=port, http="httptools", log_level="warning", access_log=False, server_header=False,
            timeout_graceful_shutdown=5,
        )  # fmt: skip
        self.uvicorn = uvicorn.Server(config)

    def run(self) -> None:
        """Serve until Ctrl-C or SIGTERM. Raises Unavailable if the tick failed."""
        sys.setswitchinterval(0.0005)
        self.loop.start()
        try:
            self.uvicorn.run()
        finally:
            self.loop.stop()
        if self.loop.failed is not None:
            raise Unavailable(
                "tick_failed", f"the tick failed: {self.loop.failed}", mend="see the log, then: einklang verify"
            )


def serve_home(path: Path, settings: Settings, *, host: str, port: int) -> None:
    """Open a home and serve it."""
    logging(settings.log_level)
    with opened(path, base_url=settings.base_url, writer=True) as home:
        sys.stderr.write(f"einklang {__version__} serves {path} on http://{host}:{port} (Ctrl-C ends it)\n")
        Server(home, settings, host=host, port=port).run()
