"""`lookup("products", ...)` as it is at the moment: the price valid then, the stock of a branch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from einklang.app import segments
from einklang.app.products import as_of, price_at, price_flip
from einklang.app.state import State
from einklang.app.view import PersonView
from einklang.event import EngineCall
from einklang.kernel.time import format_moment
from einklang.store.lake import Lake
from einklang.testing.canonical import table_rows
from tests.app.dice import Random
from tests.app.test_rebuild import differences
from tests.app.test_wakes import track
from tests.app.worlds import DAY, HOUR, START, append, engine_of, home, run

#: Places in a row of the history.
CLOCK, NAME = 3, 6
CHEAP = 'lookup("products", events("Product Viewed").last(product_id)).price < 20'
NEAR = 'lookup("products", events("Product Viewed").last(product_id)).branches[trait.branch] > 0'
DEFINITIONS = f"""
{{kind: segment, id: cheap, where: '{CHEAP}'}}
---
{{kind: segment, id: near, where: '{NEAR}'}}
---
{{kind: segment, id: berlin, where: 'lookup("products", "p1").branches.BERLIN >= 3'}}
"""


def prices(*told: tuple[float | int, int | None, int | None]) -> list[dict[str, Any]]:
    """Prices from a day until a day."""
    names = ("from", "until")
    return [
        {"price": price}
        | {name: format_moment(START + day * DAY) for name, day in zip(names, days, strict=True) if day is not None}
        for price, *days in told
    ]


def product(at: int, key: str = "p1", **fields: Any) -> EngineCall:
    """A record, as an import writes it."""
    properties = {"product_id": key, "key": key, **fields}
    return EngineCall("row", event="products", properties=properties, at=at, messageId=f"r{at}{key}")


def sent() -> list[EngineCall]:
    """A product that is cheap from day 3 to day 5, and who looked at it or at another."""
    return [
        product(START, price=50, prices=prices((30, None, 3), (10, 3, 5)), branches={"BERLIN": 3, "ULM": 0}),
        product(START, "p2", price=9),
        track("Product Viewed", START + HOUR, "u", product_id="p1"),
        track("Product Viewed", START + HOUR, "v", product_id="p2"),
        track("Product Viewed", START + HOUR, "w", product_id="p3"),
        EngineCall("identify", userId="u", traits={"branch": "BERLIN"}, at=START + HOUR, messageId="t1"),
        EngineCall("identify", userId="v", traits={"branch": "ULM"}, at=START + HOUR, messageId="t2"),
    ]


def members(book: Any, segment: str) -> int:
    """How many are in a segment."""
    return sum(row[1] == segment for lane in range(64) for row in book.read("all_member", lane))


@pytest.mark.parametrize("batch", [1, 5_000])
def test_a_price_begins_and_ends_by_time_alone(batch: int, tmp_path: Path) -> None:
    """Who looked at it enters when the low price begins and leaves when it ends, at that moment; a rebuild agrees."""
    with home(DEFINITIONS) as book:
        append(book, sent())
        for day, wanted in ((1, 1), (2, 1), (4, 2), (6, 1)):
            run(book, [batch], until=START + day * DAY)
            assert members(book, "cheap") == wanted, day
        assert members(book, "near") == 1
        assert members(book, "berlin") == 3
        turned = {row[CLOCK] for row in table_rows(book, "history") if row[NAME] in ("Segment Entered", "Segment Left")}
        assert turned == {START + HOUR, START + 3 * DAY, START + 5 * DAY}
        assert differences(book, Lake(tmp_path), batch=1) == []


def test_plans_see_the_price_of_their_moment(tmp_path: Path) -> None:
    """`segment count --at` has the price that was valid then, as a plan and person by person."""
    with home(DEFINITIONS) as book:
        append(book, sent())
        run(book, until=START + 6 * DAY)
        for day, wanted in ((1, 1), (4, 2), (6, 1)):
            with book.snapshot() as reader:
                state = engine_of(book).state
                found = segments.members(reader, state, Lake(tmp_path), "cheap", START + day * DAY)
                assert len(found) == wanted
                assert found == segments.members_at(reader, state, "cheap", START + day * DAY)


def test_the_flip_is_the_next_moment_at_which_the_price_can_change() -> None:
    """Over random prices: between two flips the price is one, and no moment with another price lies before one."""
    random = Random(3)
    for _ in range(60):
        days = [(random.choice((None, *range(9))), random.choice((None, *range(9)))) for _ in range(4)]
        told = prices(*((n, start, end) for n, (start, end) in enumerate(days)))
        row = {"price": 99, "prices": told}
        now = START - DAY
        while now < START + 10 * DAY:
            following = price_flip(row, now) or START + 10 * DAY
            assert {price_at(row, at) for at in range(now, following, HOUR)} == {price_at(row, now)}
            assert as_of(row, now)["price"] == price_at(row, now)[0]
            now = following
    assert as_of({"price": 7}, START) == {"price": 7}


def test_the_folds_before_took_the_plain_field() -> None:
    """What a log says under an older fold is folded again as it was then: the plain price, no flip."""
    with home(DEFINITIONS) as book:
        append(book, sent())
        run(book, until=START + 4 * DAY)
        engine = engine_of(book)
        engine.state.read_from(book)
        for fold, price, flip in ((2, 50, None), (3, 10, START + 5 * DAY)):
            state: State = engine.state
            state.fold, state.clock = fold, START + 4 * DAY
            live = state.working.get(book.read("all_identifier")[0][2])
            assert live is not None
            view: PersonView = state.view(live)
            row = view.lookup("products", "p1")
            assert row is not None
            assert (row["price"], view.lookup_flip("products", "p1")) == (price, flip)
