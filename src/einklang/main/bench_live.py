"""Segments of single persons: how long a moment asks them, beside an application that loads rows as objects.

A home of PERSONS persons with a year of events each and SEGMENTS segments, all of them with windows over some of five
names of events. Times are processor seconds of this thread.
"""

from __future__ import annotations

import time as system
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from einklang.app.apply import Body, apply
from einklang.app.run import run, settle_definitions
from einklang.app.state import State
from einklang.app.touched import Touched
from einklang.app.view import PersonView
from einklang.app.working import Live
from einklang.app.yaml import parse_text
from einklang.audience.live import refresh
from einklang.event import EngineCall, body_of
from einklang.kernel import time
from einklang.kernel.ids import lane_of
from einklang.main.home import create, opened

PERSONS = 1_000
EVENTS_EACH = 20
START = 1_735_689_600 * time.SECOND
NOW = START + 365 * time.DAY
#: Names of events, and how often each comes in the mixture of `bench_events`.
_NAMES = {
    "Page Viewed": 0.42, "Product Viewed": 0.33, "Product Added": 0.12, "Order Completed": 0.08,
    "Email Link Clicked": 0.05,
}  # fmt: skip
_GOODS = ("shoes", "coats", "books", "garden")
_SALT = "5a" * 16


def live(folder: Path, texts: list[str], persons: int = PERSONS) -> dict[str, Any]:
    """Milliseconds for all persons, for one, and the ratio to objects out of rows. texts: of the segments."""
    folder.mkdir(parents=True, exist_ok=True)
    create(folder / "home", _SALT)
    rules = "\n---\n".join(msgspec.json.encode(_segment(n, text)).decode() for n, text in enumerate(texts))
    with opened(folder / "home", base_url="http://localhost", database_url="", writer=True, working_set_mb=512) as home:
        apply(home.book, parse_text(rules, "bench.yaml"), now=START)
        engine = home.engine()
        settle_definitions(home.book, engine)
        calls = [_call(n, persons) for n in range(persons * EVENTS_EACH)]
        for first in range(0, len(calls), 500):
            part = calls[first : first + 500]
            home.book.append([Body(len(part), NOW, "bench", "import", body_of(part))])
        run(home.book, engine, NOW, mode="run")
        with home.book.snapshot() as reader:
            engine.state.read_from(reader)
            people = [found for one in engine.state.everybody() if (found := engine.state.working.get(one))]
            touched = {name: _asked(engine.state, people, Touched({name}, person_did=True)) for name in _NAMES}
            whole = _asked(engine.state, people, Touched(everything=True))
            objects = sum(_as_objects(reader, engine.state, one.person.id) for one in people)
    each = sorted(whole.seconds)
    worst = max(touched.values(), key=lambda one: sum(one.seconds))
    return {
        "persons": len(people),
        "segments": len(texts),
        "an event of each person, ms together": {
            name: {"ms": round(sum(one.seconds) * 1e3, 1), "asked a person": one.asked // len(people)}
            for name, one in touched.items()
        },
        "events as they come, ms together": round(
            sum(share * sum(touched[name].seconds) for name, share in _NAMES.items()) * 1e3, 1
        ),
        "all segments of a person, ms": {
            "p50": round(each[len(each) // 2] * 1e3, 2),
            "p99": round(each[len(each) * 99 // 100] * 1e3, 2),
        },
        "rows as objects, ms together": round(objects * 1e3, 1),
        "ratios": {"rows as objects / an event": round(objects / sum(worst.seconds), 1)},
    }


@dataclass
class _Asked:
    """Processor seconds of each person, and how many segments were asked of all."""

    seconds: list[float]
    asked: int


def _segment(n: int, text: str) -> dict[str, str]:
    return {"kind": "segment", "id": f"s{n}", "where": text}


def _call(n: int, persons: int) -> EngineCall:
    """The n-th of all events: time goes on, persons take turns, names and goods come in all combinations."""
    name, goods = list(_NAMES)[n * 7 // 3 % len(_NAMES)], _GOODS[n * 5 // 7 % len(_GOODS)]
    said: dict[str, Any] = {"product_id": f"sku-{n}", "category": goods, "price": n % 199, "quantity": n % 5 + 1}
    if name == "Order Completed":
        said = {"order_id": f"o-{n}", "revenue": n % 399, "products": [said, {**said, "category": "toys"}]}
    at = START + n * ((NOW - START) // (persons * EVENTS_EACH))
    return EngineCall("track", name, userId=f"u{n % persons}", messageId=f"m{n}", properties=said, at=at)


def _asked(state: State, people: list[Live], touched: Touched) -> _Asked:
    """What a moment does about segments where this was touched."""
    found = _Asked([], 0)
    for one in people:
        began = system.thread_time()
        places = state.listeners.touched(touched)
        if places:
            for _ in refresh(state.listeners, one.person.memberships, state.view(one), places, _nothing):
                pass
        found.seconds.append(system.thread_time() - began)
        found.asked += len(places)
    return found


def _nothing() -> None:
    return None


@dataclass
class _Row:
    """An event as an object of an application."""

    name: str
    at: int
    machine: bool
    properties: dict[str, Any]


class _OneView(PersonView):
    """A person whose history is a list of such objects."""

    __slots__ = ("rows",)
    rows: list[_Row]

    def history(self, names: tuple[str, ...]) -> Any:
        return [row for row in self.rows if row.name in names]


def _as_objects(reader: Any, state: State, person: str) -> float:
    """Processor seconds to load a person's rows, make objects of them, and ask every segment."""
    began = system.thread_time()
    held = state.working.get(person)
    assert held is not None, "it was loaded"
    rows = reader.read("history_of", lane_of(person), person)
    view = _OneView(held, NOW, state.rules, lambda *asked: (False, None))
    view.rows = [_Row(row[5], row[0], bool(row[13]), msgspec.json.decode(row[14])) for row in rows]
    for segment in state.definitions.segments:
        segment.condition.holds(view)
    return system.thread_time() - began
