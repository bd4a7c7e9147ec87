"""A world of which the truth is known: customers, who buys by himself, what a contact does; as files of events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from einklang.app import apply as applying
from einklang.app import imports
from einklang.app.run import settle_definitions
from einklang.app.yaml import read
from einklang.kernel.time import DAY, HOUR, MINUTE, Micros, format_moment, parse_moment
from einklang.main.commands import run_home
from einklang.main.home import Home, create, opened

START = parse_moment("2027-02-01T00:00:00Z")
SALT = "c0" * 16
WINDOW = 14 * DAY
Call = dict[str, Any]

MESSAGES = """
---
{kind: message, id: points, purpose: marketing, class: marketing, email: {subject: {de: Punkte, en: Points}, text: Hi}}
---
{kind: message, id: look, purpose: marketing, class: marketing, email: {subject: {de: Neu, en: New}, text: Hi}}
"""
#: `loyal` writes to those who are good customers anyway, and so takes their slot: the cap then keeps `offer` from them.
DEFINITIONS = (
    """
{kind: policy, id: default, timezone: Europe/Berlin, currency: EUR, patience: 12h, holdout: 0.05,
 caps: [{channels: email, at_most: 1, per: 7d}]}
---
kind: journey
id: loyal
entry: {event: Points Earned}
steps: [{id: mail, contact: points}]
---
kind: journey
id: offer
title: {de: Angebot, en: Offer}
entry: {event: Product Viewed}
goal: {event: Order Completed, within: 14d, value: revenue}
control: 0.25
steps: [{id: mail, contact: look}]
"""
    + MESSAGES
)


@contextmanager
def home(folder: Path, definitions: str) -> Iterator[Home]:
    """A new home with these definitions in force."""
    create(folder / "home", SALT)
    file = folder / "definitions.yaml"
    file.write_text(definitions, encoding="utf-8")
    with opened(folder / "home", base_url="https://shop.example", writer=True) as found:
        engine = found.engine()
        applying.apply(found.book, read([file]), now=START)
        settle_definitions(found.book, engine)
        yield found


def take(found: Home, calls: Iterable[Call], until: Micros, name: str = "events") -> None:
    """Import the calls from a file and run up to a moment."""
    file = found.path.parent / f"{name}.jsonl"
    file.write_text("".join(json.dumps(call) + "\n" for call in calls), encoding="utf-8")
    done = imports.import_file(found.book, "events", file, now=START)
    assert done.rejected == 0
    run_home(found, until)


def track(user: str, event: str, at: Micros, **properties: Any) -> Call:
    """A call of a signed-in customer; the message id tells it from all others."""
    return {
        "type": "track",
        "event": event,
        "userId": user,
        "timestamp": format_moment(at),
        "messageId": f"{event}-{user}-{at}",
        "properties": properties,
    }


def known(user: str, email: str, at: Micros, *, consent: bool) -> Iterator[Call]:
    """A customer becomes known, with or without permission."""
    yield {
        "type": "identify",
        "userId": user,
        "traits": {"email": email},
        "timestamp": format_moment(at),
        "messageId": f"identify-{user}-{at}",
    }
    if consent:
        said = {"channel": "email", "purpose": "marketing", "address": email}
        yield track(user, "Consent Given", at + MINUTE, **said)


class World:
    """n customers. buying: who buys by himself in the window; spent: for how much (whole cents as euros)."""

    def __init__(self, seed: int, n: int, *, effect: float) -> None:
        rng = np.random.Generator(np.random.Philox(key=seed))
        self.users = [f"c{number:05}" for number in range(n)]
        self.consent = rng.random(n) < 0.7
        self.buying = rng.random(n) < 0.2
        self.spent = np.rint(100 * rng.lognormal(3.0, 0.5, n)) / 100
        self.points = rng.random(n) < np.where(self.buying, 0.5, 0.1)
        self.viewed_at = START + 2 * DAY + rng.integers(0, 2 * DAY, n)
        self.twice = rng.random(n) < 0.05
        # what a contact does: one in eight buys once more, for eight times the effect on average
        self.moved = rng.random(n) < 0.125
        self.extra = np.rint(100 * 8 * effect * rng.lognormal(-0.02, 0.2, n)) / 100
        self.later = rng.integers(HOUR, WINDOW - 4 * DAY, n)

    def before(self) -> Iterator[Call]:
        """What happens until everybody is decided on: customers, views, orders that no window holds.

        Some are met as two: one under the account, one under a second account that is an alias of it, told later.
        """
        for number, user in enumerate(self.users):
            viewed = int(self.viewed_at[number])
            consent = bool(self.consent[number])
            yield from known(user, f"{user}@example.org", START + number, consent=consent)
            yield track(user, "Order Completed", START + HOUR, revenue=999, order_id=f"old-{user}")
            if self.points[number]:
                yield track(user, "Points Earned", START + DAY + number)
            yield track(user, "Product Viewed", viewed, product_id="p")
            if self.twice[number]:
                yield from known(f"{user}-b", f"{user}-b@example.org", START + DAY, consent=consent)
                yield track(f"{user}-b", "Product Viewed", viewed + HOUR, product_id="p")
                yield {
                    "type": "alias",
                    "userId": user,
                    "previousId": f"{user}-b",
                    "timestamp": format_moment(START + 5 * DAY),
                    "messageId": f"alias-{user}",
                }

    def after(self, contacted: frozenset[str]) -> Iterator[Call]:
        """Who buys by himself, and because of a contact; and orders after the window."""
        for number, user in enumerate(self.users):
            at = START + 6 * DAY + int(self.later[number])
            if self.buying[number]:
                yield track(user, "Order Completed", at, revenue=float(self.spent[number]), order_id=f"own-{user}")
            if user in contacted and self.moved[number]:
                revenue = float(self.extra[number])
                yield track(user, "Order Completed", at + HOUR, revenue=revenue, order_id=f"more-{user}")
            yield track(user, "Order Completed", START + 25 * DAY, revenue=777, order_id=f"late-{user}")
