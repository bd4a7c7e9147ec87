"""`doctor`: versions, settings, permissions, clocks, disk: what is wrong and the mend. It changes nothing."""

from __future__ import annotations

import difflib
import platform
import shutil
import stat
import zoneinfo
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

from einklang import __version__
from einklang.app.apply import in_force
from einklang.app.misfits import misfits
from einklang.app.rates import unrated
from einklang.kernel import time
from einklang.kernel.errors import EinklangError
from einklang.main import books, clock
from einklang.main.settings import Settings
from einklang.store.book import AnyBook, PostgresBook
from einklang.store.lake import Lake

DISK_MIN_MB = 500
_PAGE = 20_000

Finding = dict[str, Any]


def _row(level: str, what: str, mend: str = "") -> Finding:
    return {"level": level, "what": what, "mend": mend}


def examine(path: Path, settings: Settings) -> list[Finding]:
    """Findings, each with level ok, warning or error, and the mend."""
    found = [
        _row("ok", f"einklang {__version__}, Python {platform.python_version()}, SQLite {apsw.sqlite_lib_version()}")
    ]
    found += _zones()
    if not books.there(path):
        return [*found, _row("error", f"no home in {path}", "einklang init")]
    found += _files(path)
    try:
        book = books.open_book(path, database_url=settings.database_url, writer=False)
    except EinklangError as error:
        return [*found, _row("error", error.line(), error.mend)]
    try:
        found += _book(book)
        found += _money(book, path)
        found += _misfits(book, path)
        if isinstance(book, PostgresBook):
            found += _server(book)
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


def _book(book: AnyBook) -> Iterator[Finding]:
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
        yield _row("warning", f"{dead} events were put aside", "see them with: einklang dead-letters list")
    unknown = book.read("outbox_handing_over")
    if unknown:
        yield _row(
            "warning",
            f"{len(unknown)} messages are being handed over, or were when a process ended",
            "einklang serve resolves them",
        )
    definitions = in_force(book)
    yield from _purposes(book, set(definitions.purposes))
    counts = (len(definitions.segments), len(definitions.journeys), len(definitions.messages))
    yield _row("ok", "{} segments, {} journeys, {} messages".format(*counts))
    if not definitions.journeys:
        yield _row("warning", "no journey is defined", "einklang apply FOLDER")


def _money(book: AnyBook, path: Path) -> Iterator[Finding]:
    """Amounts in a currency that has no rate: in expressions they are nothing."""
    definitions = in_force(book)
    own = definitions.catalog.currency
    for lost in unrated(book, Lake(path / "lake"), own, definitions.policy.timezone) if own else ():
        yield _row(
            "warning",
            f"{lost.events} events of {lost.amount.normalize():f} {lost.currency} count as nothing: no rate",
            f"import the catalog exchange-rates: a row {lost.currency}/2027-03-01 with the field rate, for each day",
        )


def _misfits(book: AnyBook, path: Path) -> Iterator[Finding]:
    """Values of traits that are of another type than declared: in expressions they are missing."""
    for name, kind, claims in misfits(in_force(book), Lake(path / "lake")):
        yield _row(
            "warning",
            f"{claims} values of the trait {name[:60]!r} are no {kind}: they count as missing",
            "send the declared type, or declare another one",
        )


def _purposes(book: AnyBook, known: set[str]) -> Iterator[Finding]:
    """Purposes that people agreed or objected to and nobody declared: nothing can be sent for them."""
    found, after = Counter[str](), 0
    while page := book.read("all_ledger", after, _PAGE):
        found.update(row[5] for row in page if row[5] and row[5] not in known)
        after = page[-1][0]
    for purpose, words in sorted(found.items()):
        near = difflib.get_close_matches(purpose, known, 1)
        yield _row(
            "warning",
            f"{words} consents or withdrawals speak of the purpose {purpose[:60]!r}, which nobody declared",
            f"{f'did you mean {near[0]!r}? ' if near else ''}declare it: {{kind: purpose, id: {purpose[:60]}}}",
        )


def _server(book: PostgresBook) -> Iterator[Finding]:
    """Whether PostgreSQL keeps what it acknowledged."""
    facts = book.facts()
    yield _row("ok", f"PostgreSQL {facts['server_version']} at {book.server.where}")
    for name in ("fsync", "full_page_writes"):
        if facts[name] != "on":
            yield _row(
                "error", f"{name} is off: a power cut loses what was acknowledged", f"ALTER SYSTEM SET {name} = on"
            )
    if facts["data_checksums"] != "on":
        yield _row("warning", "no checksums: a disk that decays is not noticed", "pg_checksums --enable, once, offline")
