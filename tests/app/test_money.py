"""Money of several currencies at work (language.md 2.7): segments, goals, and logs that were folded before."""

from __future__ import annotations

from typing import Any

from einklang.app.segments import members_at
from einklang.app.state import State
from einklang.app.why import why
from einklang.app.working import Live
from einklang.event import EngineCall
from einklang.fact.person import Person
from einklang.testing.canonical import table_rows
from tests.app.worlds import DAY, HOUR, START, append, engine_of, home, run

_DEFINITIONS = """
{kind: policy, id: default, currency: EUR, timezone: Europe/Berlin}
---
kind: catalog
id: exchange-rates
key: pair
fields: {pair: string, rate: number}
rows: [{pair: USD/2026-03-21, rate: 0.9}]
---
{kind: segment, id: big, where: 'events("Order Completed").sum(revenue) >= 90'}
---
{kind: segment, id: unplaced, where: 'events("Order Completed").where(event.touchpoint == null).exists()'}
---
kind: journey
id: thanks
entry: {event: Signed Up}
goal: {event: Order Completed, within: 9d, value: revenue}
steps: [{id: rest, wait: 10d}]
"""
_T0 = START + DAY  # the 21st in Berlin


def _log() -> list[EngineCall]:
    orders: dict[str, tuple[int, dict[str, Any], str]] = {
        "dollar": (_T0 + HOUR, {"revenue": 100, "currency": "USD"}, "web"),
        "cheap": (_T0 + HOUR, {"revenue": 99, "currency": "USD"}, "web"),
        "late": (_T0 + 2 * DAY, {"revenue": 100, "currency": "USD"}, ""),
        "franc": (_T0 + HOUR, {"revenue": 500, "currency": "CHF"}, "web"),
        "own": (_T0 + HOUR, {"revenue": 90, "currency": "EUR"}, "web"),
        "plain": (_T0 + HOUR, {"revenue": 90}, "web"),
    }
    calls = []
    for who, (at, properties, touchpoint) in orders.items():
        calls.append(EngineCall(type="track", event="Signed Up", userId=who, at=START, messageId=f"s-{who}"))
        order = EngineCall(type="track", event="Order Completed", userId=who, at=at, messageId=f"o-{who}")
        order.properties, order.touchpoint = properties, touchpoint
        calls.append(order)
    return calls


def test_segments_and_goals_count_money_at_its_rate() -> None:
    """100 dollars at 0.9 are 90 euros; without a rate they are nothing, and the goal's event has no value."""
    with home(_DEFINITIONS) as book:
        append(book, _log())
        run(book)
        people = {row[1]: row[2] for row in book.read("all_identifier")}
        big = {row[0] for row in table_rows(book, "member") if row[1] == "big"}
        assert big == {people[who] for who in ("dollar", "own", "plain")}
        assert {row[0] for row in table_rows(book, "member") if row[1] == "unplaced"} == {people["late"]}
        with book.snapshot() as reader:
            state = engine_of(book).state
            assert set(members_at(reader, state, "big", START + 15 * DAY)) == big
            assert why(reader, state, "userId:late", journey="thanks", message=None)["entry"]["entered"]
        worth = {row[1]: row[6] for row in table_rows(book, "outcome")}
        assert {who: worth[people[who]] for who in people} == {
            "dollar": "90", "cheap": "89.1", "late": None, "franc": None, "own": "90", "plain": "90",
        }  # fmt: skip


def test_the_first_fold_took_all_money_for_its_own() -> None:
    """What was folded before is folded again as it was: every currency one to one, no touchpoint as empty text."""
    with home(_DEFINITIONS) as book:
        state: State = engine_of(book).state
        view = state.view(Live(Person("p", 0, 0), [], []))
        with book.snapshot() as reader:
            state.read_from(reader)
            assert (str(view.rate("USD/2026-03-21")), view.rate("CHF/2026-03-21"), view.blank) == ("0.9", None, None)
            state.fold = 1
            assert (view.rate("CHF/2026-03-21"), view.blank) == (1, "")
