"""`doctor`: versions, settings, permissions, clocks, disk: what is wrong and the mend. It changes nothing."""

from __future__ import annotations

import platform
import shutil
import stat
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

from einklang import __version__
from einklang.app.apply import in_force
from einklang.kernel import time
from einklang.kernel.errors import EinklangError
from einklang.main import clock
from einklang.main.settings import Settings
from einklang.store.book import SqliteBook

DISK_MIN_MB = 500

Finding = dict[str, Any]


def _row(level: str, what: str, mend: str = "") -> Finding:
    return {"level": level, "what": what, "mend": mend}


def examine(path: Path, settings: Settings) -> list[Finding]:
    """Findings, each with level ok, warning or error, and the mend."""
    found = [
        _row("ok", f"einklang {__version__}, Python {platform.python_version()}, SQLite {apsw.sqlite_lib_version()}")
    ]
    found += _zones()
    if not (path / "book.db").is_file():
        return [*found, _row("error", f"no home in {path}", "einklang init")]
    found += _files(path)
    try:
        book = SqliteBook.open(path, writer=False)
    except EinklangError as error:
        return [*found, _row("error", error.line(), error.mend)]
    try:
        found += _book(book)
    finally:
        book.close()
    if not settings.smtp_url:
        found.append(
            _row(
                "warning",
                "no mail server: mails go to the outbox folder",
                "set EINKLANG_SMTP_URL=smtp://user:password@host:587",
            )
        )
    return found


def _zones() -> Iterator[Finding]:
    known = len(zoneinfo.available_timezones())
    if known < 300:
        yield _row("error", f"only {known} time zones", "install the package tzdata again")
    else:
        yield _row("ok", f"{known} time zones")


def _files(path: Path) -> Iterator[Finding]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield _row("warning", f"others of this machine may read {path} (mode {mode:o})", f"chmod 700 {path}")
    free_mb = shutil.disk_usage(path).free // 2**20
    if free_mb < DISK_MIN_MB:
        yield _row("error", f"{free_mb} MB free", f"make room: at least {DISK_MIN_MB} MB")
    else:
        yield _row("ok", f"{free_mb} MB free")


def _book(book: SqliteBook) -> Iterator[Finding]:
    reached = dict(book.read("counters")).get("clock", 0)
    now = clock.now()
    if reached > now + time.HOUR:
        yield _row(
            "warning",
            f"the log stands at {time.format_moment(reached)}, ahead of this machine's clock",
            "check the clock; after `run --until` this is as asked",
        )
    dead = book.read("counter_value", "dead_letters")[0][0]
    if dead:
        yield _row("warning", f"{dead} events were put aside", "see table dead in the Book, or the console")
    unknown = book.read("outbox_handing_over")
    if unknown:
        yield _row(
            "warning",
            f"{len(unknown)} messages are being handed over, or were when a process ended",
            "einklang serve resolves them",
        )
    definitions = in_force(book)
    counts = (len(definitions.segments), len(definitions.journeys), len(definitions.messages))
    yield _row("ok", "{} segments, {} journeys, {} messages".format(*counts))
    if not definitions.journeys:
        yield _row("warning", "no journey is defined", "einklang apply FOLDER")
