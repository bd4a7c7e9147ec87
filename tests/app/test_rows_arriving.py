"""A row of a catalog that arrives later asks the conditions that look it up, of those who listen, and nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from einklang.app.sources import LiveSource
from einklang.app.working import WorkingSet
from einklang.event import EngineCall
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake
from einklang.testing.canonical import canonical_hash
from tests.app.test_rebuild import differences
from tests.app.test_wakes import MESSAGE, page, permitted, sent_at, track
from tests.app.worlds import DAY, HOUR, START, append, engine_of, home, run

STOCK = """
{kind: catalog, id: fairs, key: id, fields: {id: string, starts_at: timestamp}}
---
{kind: segment, id: wishes, where: 'lookup("products", events("Product Viewed").last(product_id)).in_stock == true'}
"""
JOURNEYS = (
    MESSAGE
    + """
{kind: catalog, id: fairs, key: id, fields: {id: string, starts_at: timestamp}}
---
kind: journey
id: stocked
entry: {event: Product Viewed, key: product_id}
exit: {gone: 'lookup("products", entry.key).price > 100'}
steps:
  - {id: w, until: 'lookup("products", entry.key).in_stock == true', at_most: 30d, else: end}
  - {id: c, contact: news}
---
kind: journey
id: fair
entry: {event: Page Viewed}
steps:
  - {id: w, wait: {until: 'lookup("fairs", "f").starts_at - duration("1h")'}, then: c, else: end}
  - {id: c, contact: news}
"""
)


def row(at: int, catalog: str = "products", key: str = "p1", **fields: object) -> EngineCall:
    """A row of a catalog, as an import writes it."""
    name = {"products": "product_id", "fairs": "id"}[catalog]
    return EngineCall(
        "row", event=catalog, properties={**fields, name: key, "key": key}, at=at, messageId=f"r{at}{key}"
    )


def members(book: SqliteBook) -> int:
    """How many are in a segment."""
    return sum(len(book.read("all_member", lane)) for lane in range(64))


def test_a_row_fills_a_segment(tmp_path: Path) -> None:
    """The product comes back into stock: who looked at it is a member from then on, who did not is not."""
    with home(STOCK) as book:
        append(book, [row(START, in_stock=False), track("Product Viewed", START + HOUR, "u", product_id="p1")])
        append(book, [track("Product Viewed", START + HOUR, "v", product_id="p2")])
        append(book, [row(START + DAY, in_stock=True), row(START + DAY, key="p3", in_stock=True)])
        run(book, until=START + DAY - 1)
        assert members(book) == 0
        run(book, until=START + 2 * DAY)
        (since,) = [entry[2] for lane in range(64) for entry in book.read("all_member", lane)]
        assert since == START + DAY
        assert differences(book, Lake(tmp_path), batch=1) == []


def calls() -> list[EngineCall]:
    """Views, rows before and after them, a move of the fair, timers in between."""
    found = [*permitted(), row(START, in_stock=False, price=9), row(START, "fairs", "f", starts_at=_text(9 * DAY))]
    found += [track("Product Viewed", START + HOUR, "u", product_id="p1"), page(START + 2 * HOUR)]
    found += [track("Product Viewed", START + 3 * HOUR, "u", product_id="p2")]
    found += [row(START + 5 * HOUR, "fairs", "f", starts_at=_text(2 * DAY))]
    found += [row(START + DAY, key=key, in_stock=True, price=price) for key, price in (("p1", 9), ("p2", 900))]
    found += [row(START + DAY + 1, key="p3", in_stock=True), track("Other", START + DAY + 1)]
    return found


def _text(after: int) -> str:
    from einklang.kernel import time

    return time.format_moment(START + after)


@pytest.mark.parametrize("sizes", [[1], [2, 3], [4], [5_000]])
def test_waiting_runs_hear_of_rows(sizes: list[int], tmp_path: Path) -> None:
    """An `until`, a wait to a looked-up moment and an exit follow the rows, and no cutting of the log changes that."""
    with home(JOURNEYS) as book, home(JOURNEYS) as other:
        for each in (book, other):
            append(each, calls())
        run(book, sizes, until=START + 5 * DAY, forgetful=sizes == [1])
        run(other, until=START + 5 * DAY)
        assert sent_at(book) == [24.0, 47.0]
        ended = sorted((line[2], line[5]) for lane in range(64) for line in book.read("all_run", lane))
        assert ended == [("fair", "done"), ("stocked", "done"), ("stocked", "exited")]
        assert canonical_hash(book, log=True) == canonical_hash(other, log=True)
        assert differences(book, Lake(tmp_path), batch=sizes[0]) == []


def test_a_server_hears_of_a_row_at_once() -> None:
    """Nothing else has to happen."""
    with home(STOCK) as book:
        engine, source = engine_of(book), LiveSource()
        for hour, call in ((1, track("Product Viewed", START, "u", product_id="p1")), (2, row(START, in_stock=True))):
            append(book, [call], received_at=START + hour * HOUR)
            source.now = START + hour * HOUR
            while engine.step(source, 100):
                source.now += 1
        assert members(book) == 1


def test_nobody_is_loaded_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a catalog that no condition looks up cost no person."""
    with home(STOCK) as book:
        append(book, [track("Product Viewed", START, f"u{n}", product_id="p1") for n in range(5)])
        run(book, until=START + HOUR)
        loaded: list[str] = []
        get = WorkingSet.get

        def counting(self: WorkingSet, person: str) -> object:
            loaded.append(person)
            return get(self, person)

        monkeypatch.setattr(WorkingSet, "get", counting)
        append(book, [row(START + 2 * HOUR, "fairs", "f", starts_at=_text(0))])
        run(book, until=START + DAY)
        assert loaded == []
        append(book, [row(START + 25 * HOUR, in_stock=True)])
        run(book, until=START + 2 * DAY)
        assert len(loaded) == members(book) == 5
