"""The pipeline, sequence to outbox: time of the engine against bulk-writing the same rows alone."""

from __future__ import annotations

import shutil
import sys
import time as system
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from einklang.app import apply as applying
from einklang.app import yaml
from einklang.app.apply import Body
from einklang.app.run import expand_pending, settle_definitions
from einklang.app.run import run as run_until
from einklang.kernel import time
from einklang.main.home import Home, create
from einklang.store.book import SqliteBook

PERSONS = 100_000
EVENTS = 200_000
BATCH = 5_000
START = 1_767_225_600 * time.SECOND
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
    """A Book that notes the write sets of the ticks, each with the time that it took."""

    def __init__(self, book: SqliteBook) -> None:
        self._book = book
        self.ticks: list[list[tuple[str, list[Sequence[Any]]]]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._book, name)

    def transact(self, work: Any) -> Any:
        """As the Book's."""
        log: list[tuple[str, list[Sequence[Any]]]] = []
        result = self._book.transact(lambda tx: work(_Recorder(tx, log)))
        self.ticks.append(log)
        return result


def _lines() -> Iterable[bytes]:
    """Consents, then a month of views, carts and orders of PERSONS people; the n-th person by a fixed permutation."""
    for n in range(0, PERSONS, 2):
        yield _call(
            "Consent Given",
            n,
            START,
            {"channel": "email", "purpose": "marketing", "address": f"u{n}@x.example"},
            email=True,
        )
    kinds = ("Product Viewed", "Product Viewed", "Product Added", "Order Completed")
    for n in range(EVENTS):
        person = (n * 7919) % PERSONS
        at = START + (n + 1) * (30 * time.DAY // EVENTS)
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


def _fill(home: Home) -> None:
    engine = home.engine()
    applying.apply(home.book, yaml.parse_text(_DEFINITIONS, "bench.yaml"), now=START)
    settle_definitions(home.book, engine)
    part: list[bytes] = []
    for line in _lines():
        part.append(line)
        if len(part) == BATCH:
            home.book.append([Body(len(part), START, "bench", "import", b'{"batch":[' + b",".join(part) + b"]}")])
            part = []
    if part:
        home.book.append([Body(len(part), START, "bench", "import", b'{"batch":[' + b",".join(part) + b"]}")])


def pipeline(folder: Path) -> dict[str, Any]:
    """Seconds of bulk-writing the same touched rows / seconds of the pipeline, in one run on equal copies of a home.

    The rows are noted in a run of its own, so that noting them costs the measured one nothing.
    """
    source = folder / "home"
    create(source, "00" * 32)
    book = SqliteBook.open(source)
    _fill(Home(source, book, base_url="http://127.0.0.1"))
    expand_pending(book, version="bench")
    book.backup(folder / "before.db")
    for name in ("noted", "alone"):
        (folder / name).mkdir()
        shutil.copy(folder / "before.db", folder / name / "book.db")
    pipeline_s, entries = _run(Home(source, book, base_url="http://127.0.0.1"), book)
    sent = book.read("counter_value", "messages")[0][0]
    book.close()
    noted = SqliteBook.open(folder / "noted")
    recording = _Recording(noted)
    _run(Home(folder / "noted", noted, base_url="http://127.0.0.1"), recording)
    noted.close()
    bulk_s, rows = _write_alone(folder / "alone", recording)
    sys.stderr.write(f"pipeline {pipeline_s:.1f} s, bulk {bulk_s:.1f} s\n")
    inputs = EVENTS + PERSONS // 2
    return {
        "persons": PERSONS,
        "events": inputs,
        "batch": BATCH,
        "entries": entries,
        "messages": sent,
        "rows_written": rows,
        "events_per_s": round(inputs / pipeline_s),
        "pipeline_s": round(pipeline_s, 2),
        "bulk_write_s": round(bulk_s, 2),
        "ratio": round(bulk_s / pipeline_s, 3),
    }


def _run(home: Home, book: Any) -> tuple[float, int]:
    """Seconds of `run` over everything pending, and the entries written."""
    engine = home.engine()
    engine.book = book
    begun = system.perf_counter()
    entries = run_until(book, engine, START + 31 * time.DAY, mode="run", batch=BATCH)
    return system.perf_counter() - begun, entries


def _write_alone(folder: Path, recording: _Recording) -> tuple[float, int]:
    """Seconds of writing what the ticks wrote, tick by tick, and the rows."""
    book = SqliteBook.open(folder)
    rows = 0
    begun = system.perf_counter()
    for tick in recording.ticks:
        book.transact(lambda tx, tick=tick: [tx.write(name, part) for name, part in tick])  # type: ignore[misc]  # bound early on purpose
        rows += sum(len(part) for _, part in tick)
    bulk_s = system.perf_counter() - begun
    book.close()
    return bulk_s, rows
