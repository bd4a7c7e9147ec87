"""What happened before it was known whose it was; and what a call's context says of the zone."""

from __future__ import annotations

from typing import Any

from einklang.app.apply import Body, apply
from einklang.app.counts import journey_counts
from einklang.app.find import load
from einklang.app.run import run, settle_definitions
from einklang.app.yaml import parse_text
from einklang.event import EngineCall, body_of
from einklang.kernel.time import DAY, HOUR, parse_moment
from einklang.store.book import SqliteBook
from tests.app.worlds import engine_of, home

_T0 = parse_moment("2026-01-05T00:30:00Z")
_DEFINITIONS = """
{kind: policy, timezone: Europe/Berlin}
---
kind: journey
id: cart
entry: {event: Product Added, key: cart_id}
goal: {event: Order Completed, where: 'cart_id == entry.key', within: 14d, value: revenue}
steps:
  - {id: wait, wait: {at: "09:00"}}
  - {id: told, set: {said: '=step.wait.at', why: '=step.gone.reason'}}
  - {id: gone, when: 'false', set: {x: 1}}
  - {id: know, branch: [{when: 'step.gone.reason == "skipped"', then: yes_}], else: end}
  - {id: yes_, set: {known: true}}
---
kind: journey
id: clicked
entry: {event: Email Link Clicked}
steps: [{id: s, set: {c: 1}}]
"""


_Map = dict[str, Any]


def _track(name: str, at: int, properties: _Map, context: _Map | None = None, **who: str) -> EngineCall:
    return EngineCall(type="track", event=name, identifiers=who, at=at, properties=properties, context=context)


def _worked_off(book: SqliteBook, calls: list[EngineCall]) -> None:
    engine = engine_of(book)
    apply(book, parse_text(_DEFINITIONS, "t.yaml"), now=_T0)
    settle_definitions(book, engine)
    book.append([Body(len(calls), _T0, "web", "import", body_of(calls))])
    run(book, engine, _T0 + 10 * DAY, mode="run")


_CART = {"cart_id": "c", "revenue": 10}


def test_an_order_before_the_sign_in_counts_once() -> None:
    """A guest's order on a device reaches the goal of the run as soon as the device is known to be the customer's."""
    with home() as book:
        calls = [
            _track("Product Added", _T0, _CART, userId="u"),
            _track("Order Completed", _T0 + HOUR, _CART, anonymousId="d"),
            _track("Page Seen", _T0 + 2 * HOUR, {}, userId="u", anonymousId="d"),
            _track("Page Seen", _T0 + 3 * HOUR, {}, userId="u", email="u@x.example"),
        ]
        _worked_off(book, calls)
        assert journey_counts(book, "cart")["goal"] == 1
        assert len(book.read("ship_outcomes", 0, 10)) == 1


def test_a_late_entry_finds_the_order_that_came_before_it() -> None:
    """An entry event that arrives after its order has the order as its goal."""
    with home() as book:
        _worked_off(book, [_track("Order Completed", _T0 + HOUR, _CART, userId="u")])
        late = [_track("Product Added", _T0, _CART, userId="u")]
        book.append([Body(1, _T0, "web", "import", body_of(late))])
        run(book, engine_of(book), _T0 + 11 * DAY, mode="run")
        assert journey_counts(book, "cart")["goal"] == 1


def test_the_zone_of_a_call_is_the_zone_of_the_person() -> None:
    """A wait for nine o'clock follows `context.timezone`, here nine in Tokyo: midnight in UTC of the next day."""
    with home() as book:
        _worked_off(book, [_track("Product Added", _T0, _CART, {"timezone": "Asia/Tokyo"}, userId="u")])
        traits = load(book, "userId:u").person.traits
        assert traits["said"].value == "2026-01-06T00:00:00Z"


def test_a_reason_is_text_at_once_and_after_a_restart() -> None:
    """`step.X.reason` compares with a text in the same moment in which it was set."""
    with home() as book:
        _worked_off(book, [_track("Product Added", _T0, _CART, userId="u")])
        assert load(book, "userId:u").person.traits["known"].value is True


def test_an_alias_starts_a_journey() -> None:
    """`Message Clicked` on e-mail is Segment's `Email Link Clicked`, for entries too."""
    with home() as book:
        _worked_off(book, [_track("Message Clicked", _T0, {"channel": "email"}, userId="u")])
        assert journey_counts(book, "clicked")["entered"] == 1
