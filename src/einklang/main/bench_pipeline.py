"""The pipeline, sequence to outbox: time of the engine against bulk-writing the same rows alone."""

from __future__ import annotations

import gc
import shutil
import sys
import time as system
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from einklang.app import apply as applying
from einklang.app import yaml
from einklang.app.apply import Body
from einklang.app.run import expand_pending, settle_definitions
from einklang.app.run import run as run_until
from einklang.kernel import time
from einklang.main import bench_parts, settings
from einklang.main.books import fresh_schema, open_book
from einklang.main.home import Home, create
from einklang.store.book import AnyBook

PERSONS = 100_000
EVENTS_PER_PERSON = 2
BATCH = 5_000
_PART = 5_000
START = 1_767_225_600 * time.SECOND
_SITE = "http://127.0.0.1"
_DEFINITIONS = """
kind: policy
timezone: Europe/Berlin
caps: [{channels: email, at_most: 2, per: 7d}]
quiet: [{channels: email, from: "20:00", to: "08:00"}]
---
{kind: segment, id: buyers, where: 'events("Order Completed").within("30d").exists()'}
---
{kind: segment, id: lookers, where: 'events("Product Viewed").within("7d").count() >= 3'}
---
{kind: segment, id: big, where: 'events("Order Completed").within("90d").sum(revenue) >= 100'}
---
kind: journey
id: cart
entry: {event: Product Added, key: cart_id}
exit: {bought: 'events("Order Completed").since(entry).where(cart_id == entry.key).exists()'}
goal: {event: Order Completed, where: 'cart_id == entry.key', within: 14d, value: revenue}
control: 0.1
steps:
  - {id: idle, until: '!events("Product Added").within("3h").exists()', at_most: 2d, else: end}
  - {id: size, branch: [{when: 'entry.properties.price >= 10', then: first}], else: end}
  - {id: first, contact: reminder, channels: email}
  - {id: calm, wait: {for: 1d, at: "09:00"}}
  - {id: last, contact: reminder, channels: email}
---
kind: message
id: reminder
purpose: marketing
class: marketing
email: {subject: {en: Your cart}, text: {en: "It is waiting."}}
"""


class _Recorder:
    """A transaction that notes what is written, to be written again alone."""

    def __init__(self, tx: Any, log: list[tuple[str, list[Sequence[Any]]]]) -> None:
        self._tx = tx
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)

    def write(self, name: str, rows: Iterable[Sequence[Any]]) -> int:
        """Write, and note."""
        kept: list[Sequence[Any]] = [tuple(row) for row in rows]
        self._log.append((name, kept))
        return int(self._tx.write(name, kept))


class _Recording:
    """A Book that notes the write sets of the ticks in a file. timed: what each is wrapped into."""

    def __init__(self, book: AnyBook, path: Path, timed: Callable[[Any], Any]) -> None:
        self._book, self._path, self._timed = book, path, timed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._book, name)

    def transact(self, work: Any) -> Any:
        """As the Book's."""
        return self._book.transact(self._noting(work))

    def transact_later(self, work: Any) -> Any:
        """As the Book's."""
        return self._book.transact_later(self._noting(work))

    def _noting(self, work: Any) -> Any:
        def noted(tx: Any) -> Any:
            log: list[tuple[str, list[Sequence[Any]]]] = []
            found = work(_Recorder(tx, log))
            part = msgspec.msgpack.encode(log)
            with self._path.open("ab") as out:
                out.write(len(part).to_bytes(8, "big") + part)
            return found

        return self._timed(noted)

    def ticks(self) -> Iterator[list[tuple[str, list[Any]]]]:
        """What was written, tick by tick."""
        with self._path.open("rb") as stored:
            while size := stored.read(8):
                yield msgspec.msgpack.decode(
                    stored.read(int.from_bytes(size, "big")), type=list[tuple[str, list[tuple[Any, ...]]]]
                )


def _lines(persons: int) -> Iterable[bytes]:
    """Consents, then a month of views, carts and orders of as many people; the n-th person by a fixed permutation."""
    events = persons * EVENTS_PER_PERSON
    for n in range(0, persons, 2):
        yield _call(
            "Consent Given",
            n,
            START,
            {"channel": "email", "purpose": "marketing", "address": f"u{n}@x.example"},
            email=True,
        )
    kinds = ("Product Viewed", "Product Viewed", "Product Added", "Order Completed")
    for n in range(events):
        person = (n * 7919) % persons
        at = START + (n + 1) * (30 * time.DAY // events)
        properties = {"cart_id": f"c{person}", "price": 5 + n % 50, "revenue": 5 + n % 50, "product_id": f"P{n % 200}"}
        yield _call(kinds[n * 2654435761 // 65536 % 4], person, at, properties)


def _call(event: str, person: int, at: int, properties: dict[str, Any], *, email: bool = False) -> bytes:
    call = {
        "type": "track",
        "event": event,
        "userId": f"u{person}",
        "messageId": f"{event}{person}-{at}",
        "timestamp": time.format_moment(at),
        "properties": properties,
    }
    if email:
        call["context"] = {"traits": {"email": f"u{person}@x.example"}}
    return msgspec.json.encode(call)


def _fill(home: Home, persons: int) -> None:
    """Definitions in force and all events pending: what `run` begins with."""
    engine = home.engine()
    applying.apply(home.book, yaml.parse_text(_DEFINITIONS, "bench.yaml"), now=START)
    settle_definitions(home.book, engine)
    part: list[bytes] = []
    for line in _lines(persons):
        part.append(line)
        if len(part) == _PART:
            home.book.append([Body(len(part), START, "bench", "import", b'{"batch":[' + b",".join(part) + b"]}")])
            part = []
    if part:
        home.book.append([Body(len(part), START, "bench", "import", b'{"batch":[' + b",".join(part) + b"]}")])
    expand_pending(home.book, version="bench")


class _Copies:
    """Equal homes, filled before the measurement: files are copied, schemas of PostgreSQL filled one by one."""

    def __init__(self, folder: Path, persons: int, database_url: str) -> None:
        self._folder = folder
        self._persons = persons
        self._url = database_url
        if not database_url:
            create(folder / "first", "00" * 32)
            with self._opened(folder / "first", "") as book:
                _fill(Home(folder / "first", book, base_url=_SITE), persons)
                book.backup(folder / "before.db")

    @contextmanager
    def home(self, name: str) -> Iterator[tuple[Home, AnyBook]]:
        """One of them, open for writing."""
        path, url = self._folder / name, fresh_schema(self._url, name)
        if url:
            create(path, "00" * 32, database_url=url)
        else:
            path.mkdir()
            shutil.copy(self._folder / "before.db", path / "book.db")
        with self._opened(path, url) as book:
            home = Home(path, book, base_url=_SITE, working_set_mb=settings.load().working_set_mb)
            if url:
                _fill(home, self._persons)
            yield home, book

    @staticmethod
    @contextmanager
    def _opened(path: Path, url: str) -> Iterator[AnyBook]:
        book = open_book(path, database_url=url, writer=True)
        try:
            yield book
        finally:
            book.close()


def pipeline(folder: Path, *, persons: int = PERSONS, batch: int = BATCH, database_url: str = "") -> dict[str, Any]:
    """Seconds of bulk-writing the same touched rows / seconds of the pipeline, in one run on equal homes.

    The rows are noted in a file by a run of its own, so that noting them costs the measured one nothing. On PostgreSQL
    the address names no schema: each home gets a new one, `bench_...`, which stays. There, too, the parts of a tick are
    measured, by processor time (on PostgreSQL without that of the server).
    """
    copies = _Copies(folder, persons, database_url)
    with copies.home("measured") as (home, book):
        pipeline_s, entries = _run(home, book, batch)
        sent = book.read("counter_value", "messages")[0][0]
    with copies.home("noted") as (home, book), bench_parts.measured() as parts:
        recording = _Recording(book, folder / "noted.msgpack", parts.committed)
        begun = system.thread_time()
        _run(home, recording, batch)
        shares = parts.told(system.thread_time() - begun)
    with copies.home("alone") as (_, book):
        bulk_s, rows = _write_alone(book, recording)
    sys.stderr.write(f"pipeline {pipeline_s:.1f} s, bulk {bulk_s:.1f} s\n")
    inputs = persons * EVENTS_PER_PERSON + (persons + 1) // 2
    return {
        "store": "PostgreSQL" if database_url else "SQLite",
        "persons": persons,
        "working_set_mb": settings.load().working_set_mb,
        "events": inputs,
        "batch": batch,
        "entries": entries,
        "messages": sent,
        "rows_written": rows,
        "events_per_s": round(inputs / pipeline_s),
        "pipeline_s": round(pipeline_s, 2),
        "bulk_write_s": round(bulk_s, 2),
        "ratio": round(bulk_s / pipeline_s, 3),
        "parts": shares,
    }


def _run(home: Home, book: Any, batch: int) -> tuple[float, int]:
    """Seconds of `run` over everything pending, and the entries written."""
    engine = home.engine()
    engine.book = book
    begun = system.perf_counter()
    entries = run_until(book, engine, START + 31 * time.DAY, mode="run", batch=batch)
    seconds = system.perf_counter() - begun
    del engine
    gc.collect()  # the persons of this run would lie in memory beside those of the next
    return seconds, entries


def _write_alone(book: AnyBook, recording: _Recording) -> tuple[float, int]:
    """Seconds of writing what the ticks wrote, tick by tick, and the rows."""
    rows, spent = 0, 0.0
    for tick in recording.ticks():
        begun = system.perf_counter()
        book.transact(lambda tx, tick=tick: [tx.write(name, part) for name, part in tick])  # type: ignore[misc]  # bound early on purpose
        spent += system.perf_counter() - begun
        rows += sum(len(part) for _, part in tick)
    return spent, rows
