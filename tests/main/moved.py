"""A small home with everything in it that a move may lose, for the tests of backup and restore."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from einklang.app import apply as applying
from einklang.app.apply import Body
from einklang.app.run import settle_definitions
from einklang.app.yaml import parse_text
from einklang.kernel import time
from einklang.main.commands import run_home
from einklang.main.home import Home, create, opened
from einklang.main.verify import verify_home
from einklang.testing.canonical import canonical_hash

DEFINITIONS = """
{kind: segment, id: buyers, where: 'events("Order Completed").within("30d").exists()'}
---
kind: journey
id: cart
entry: {event: Product Added, key: cart_id}
exit: {bought: goal}
goal: {event: Order Completed, where: 'cart_id == entry.key', within: 14d, value: revenue}
control: 0.3
steps:
  - {id: first, contact: reminder, channels: email}
---
kind: message
id: reminder
purpose: marketing
class: marketing
email: {subject: {en: Your cart}, text: {en: "It is waiting."}}
"""
START = time.parse_moment("2026-01-01T00:00:00Z")


def home_of(path: Path, *, url: str = "") -> None:
    """A home with thirty people whose first ten days are worked off and shipped; the rest is pending."""
    create(path, "5a" * 16, database_url=url)
    with at(path, url) as home:
        engine = home.engine()
        applying.apply(home.book, parse_text(DEFINITIONS, "d.yaml"), now=START)
        settle_definitions(home.book, engine)
        send(home, range(30))
        run_home(home, START + 10 * time.DAY)


@contextmanager
def at(path: Path, url: str = "", *, writer: bool = True) -> Iterator[Home]:
    """A home, open."""
    with opened(path, base_url="http://x", database_url=url, writer=writer) as home:
        yield home


def send(home: Home, numbers: range) -> None:
    """What some people do in January."""
    for n in numbers:
        mail = f"u{n}@x.example"
        consent = {"channel": "email", "purpose": "marketing", "address": mail}
        added, done = {"cart_id": f"c{n}", "price": 5.25}, {"cart_id": f"c{n}", "revenue": 9.5}
        told: list[tuple[str, int, dict[str, Any]]] = [
            ("Consent Given", 1, consent),
            ("Product Added", 2 + n % 20, added),
            ("Order Completed", 5 + n % 20, done),
        ]
        calls = [
            {"type": "track", "event": event, "userId": f"u{n}", "messageId": f"{event}{n}"}
            | {"timestamp": f"2026-01-{day:02}T10:00:00Z", "properties": properties}
            | {"context": {"traits": {"email": mail, "city": "Köln ☕"}}}
            for event, day, properties in told
        ]
        body = msgspec.json.encode({"batch": calls})
        home.book.append([Body(len(calls), START, "shop", "import", body)])


def state(path: Path, url: str = "") -> str:
    """The canonical hash of a home that equals its rebuild, with what is left of its log in the Book."""
    with at(path, url, writer=False) as home:
        found = verify_home(home, books_only=False)
        assert found["ok"], found["findings"]
        with home.book.snapshot() as reader:
            return canonical_hash(reader, log=True)


def goes_on(path: Path, url: str = "") -> str:
    """The state after more has come and the rest of the month was worked off."""
    with at(path, url) as home:
        send(home, range(20, 40))
        run_home(home, START + 31 * time.DAY)
    return state(path, url)


def told(text: str) -> Any:
    """The answer of a command."""
    return json.loads(text)
