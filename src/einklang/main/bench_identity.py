"""Reads and single changes of a person in a large Book: timeline, lookup by identifier, merge, split.

The Book is filled by its own statements with persons who have a history; the log is left out, so `verify` has nothing
to say here. Each person has two halves that know nothing of one another: one found by userId, one by e-mail; a merge is
the server's `identify` that names both, a split is the decision of staff that keeps them apart again.
"""

from __future__ import annotations

import random
import time as system
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from einklang.app import find, queries_log, stitching
from einklang.app.apply import Body
from einklang.app.sources import LiveSource
from einklang.app.tick import Engine
from einklang.app.working import pack
from einklang.fact.person import Person
from einklang.kernel import ids, time
from einklang.main.books import open_book
from einklang.main.home import Home, create

EVENTS = 2_000_000
PER_PERSON = 20
SAMPLES = 200
PAGE = 4
SEED = 20_261_123
_PART = 4_000
_START = 1_735_689_600 * time.SECOND
_SALT = "00" * 32
_NAMES = ("Page Viewed", "Product Viewed", "Product Added", "Order Completed")


def _row(person: str, seq: int, at: int, key: tuple[str, str]) -> tuple[Any, ...]:
    name = _NAMES[seq % 4]
    texts = f'{{"product_id":"P{seq % 200}","price":{5 + seq % 50}}}', '{"page":{"path":"/coffee"}}'
    return (
        ids.lane_of(person), person, at, seq, at, at, 0, "track", name, f"b{seq}", "bench", "web", *key, "", 0, *texts,
        person,
    )  # fmt: skip


#: Kind and value of the identifier of each half of a pair.
_KEYS = (("userId", "u{}"), ("email", "u{}@x.example"))


def _in_order(salt: bytes, pairs: int) -> list[tuple[int, str, int, int]]:
    """(lane, person, number of the pair, which half), as the Book's trees have them: so they are filled from one end,
    which is the only quick way beyond what fits into its cache.
    """
    made = (
        (ids.person_id(salt, kind, form.format(n)), n, half)
        for n in range(pairs)
        for half, (kind, form) in enumerate(_KEYS)
    )
    return sorted((ids.lane_of(person), person, n, half) for person, n, half in made)


def _half(person: str, n: int, half: int) -> tuple[Person, list[tuple[Any, ...]]]:
    """One half of a pair with its history."""
    kind, form = _KEYS[half]
    key = (kind, form.format(n))
    seqs = [(2 * n + half) * (PER_PERSON // 2) + k + 1 for k in range(PER_PERSON // 2)]
    rows = [_row(person, seq, _START + seq * time.SECOND, key) for seq in seqs]
    return Person(person, rows[0][2], rows[-1][2], identifiers=[(*key, rows[0][2])]), rows


def fill(home: Home, events: int) -> int:
    """Fill the Book; the number of pairs of halves."""
    pairs = events // PER_PERSON
    order = _in_order(home.salt, pairs)
    for start in range(0, len(order), _PART):
        rows: dict[str, list[tuple[Any, ...]]] = {"person_put": [], "identifier_put": [], "history_put": []}
        for lane, name, number, half in order[start : start + _PART]:
            person, history = _half(name, number, half)
            (kind, value, first_at) = person.identifiers[0]
            rows["person_put"].append((lane, name, value, person.last_seen_at, pack(person)))
            rows["identifier_put"].append((kind, value, name, first_at, 0))
            rows["history_put"] += history
        home.book.transact(lambda tx, rows=rows: [tx.write(name, part) for name, part in rows.items()])  # type: ignore[misc]  # bound early on purpose
    clock = _START + (events + 1) * time.SECOND
    home.book.transact(lambda tx: tx.write("counter_set", [("seq", events), ("clock", clock)]))
    return pairs


def identity(folder: Path, *, events: int = EVENTS, database_url: str = "") -> dict[str, Any]:
    """Milliseconds (p50, p99) of single reads and changes at `events` events of `events / 20` pairs of halves."""
    path = folder / "home"
    create(path, _SALT, database_url=database_url)
    book = open_book(path, database_url=database_url, writer=True)
    try:
        home = Home(path, book, base_url="http://127.0.0.1")
        began = system.perf_counter()
        pairs = fill(home, events)
        filled_s = system.perf_counter() - began
        engine = home.engine()
        chosen = random.Random(SEED).sample(range(pairs), min(SAMPLES, pairs))
        return {
            "events": events,
            "persons": 2 * pairs,
            "filled_s": round(filled_s, 1),
            "whole_timeline": _spread(chosen, lambda n: _timeline(home, n)),
            "lookup": _spread(chosen, lambda n: _lookup(home, n)),
            "merge": _spread(chosen, lambda n: _merge(home, engine, n)),
            "split": _spread(chosen, lambda n: _split(home, engine, n)),
        }
    finally:
        book.close()


def _spread(chosen: list[int], work: Callable[[int], None]) -> dict[str, float]:
    found = []
    for number in chosen:
        began = system.perf_counter()
        work(number)
        found.append((system.perf_counter() - began) * 1000)
    found.sort()
    at = {"p50_ms": found[len(found) // 2], "p99_ms": found[int(len(found) * 0.99)], "max_ms": found[-1]}
    return {name: round(value, 2) for name, value in at.items()}


def _timeline(home: Home, number: int) -> None:
    """The whole of it, page by page."""
    found, cursor = 0, ""
    with home.book.snapshot() as reader:
        while True:
            page = queries_log.timeline(reader, f"userId:u{number}", kind="all", cursor=cursor, limit=PAGE)
            found += len(page.items)
            if not page.next:
                break
            cursor = page.next
    assert found == PER_PERSON // 2, found


def _lookup(home: Home, number: int) -> None:
    with home.book.snapshot() as reader:
        assert find.person_id(reader, f"email:u{number}@x.example")


def _merge(home: Home, engine: Engine, number: int) -> None:
    """From the call on disk to the merged person on disk."""
    now = home.reached() + time.SECOND
    call: dict[str, Any] = {
        "type": "identify",
        "userId": f"u{number}",
        "messageId": f"merge{number}",
        "timestamp": time.format_moment(now),
        "traits": {"email": f"u{number}@x.example"},
    }
    home.book.append([Body(1, now, "bench", "import", msgspec.json.encode({"batch": [call]}))])
    _tick(engine, now)
    with home.book.snapshot() as reader:
        ours, theirs = (find.person_id(reader, text) for text in (f"userId:u{number}", f"email:u{number}@x.example"))
    assert ours == theirs, "the halves are one person now"


def _split(home: Home, engine: Engine, number: int) -> None:
    now = home.reached() + time.SECOND
    with home.book.snapshot() as reader:
        text, apart = f"userId:u{number}", [f"email:u{number}@x.example"]
        decision = stitching.split(reader, home.reading_state(), text, apart, actor="bench", why="bench")
    stitching.append(home.book, decision, now=now)
    _tick(engine, now)
    with home.book.snapshot() as reader:
        ours, theirs = (find.person_id(reader, text) for text in (f"userId:u{number}", f"email:u{number}@x.example"))
    assert ours != theirs, "they are two again"


def _tick(engine: Engine, now: int) -> None:
    source = LiveSource()
    source.now, source.started = now, True
    while engine.step(source, 100):
        pass
