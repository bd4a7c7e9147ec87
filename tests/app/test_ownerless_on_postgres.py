"""What names nobody but an object: on PostgreSQL the same state to the byte as on SQLite."""

from __future__ import annotations

import pytest

from einklang.app import stitching
from einklang.app.apply import apply
from einklang.app.run import settle_definitions
from einklang.store.book import AnyBook
from einklang.testing.canonical import canonical_hash, difference, table_rows
from einklang.testing.cluster import Cluster
from tests.app.couples import reading
from tests.app.test_on_postgres import home_there
from tests.app.test_ownerless import calls
from tests.app.worlds import DAY, START, UNTIL, append, documents, engine_of, home, run

#: What waits, waits for another kind too.
LATER = "{kind: object, id: slip, key: payment_id, events: {Payment Received: seen}}"
pytestmark = pytest.mark.stores


def live(book: AnyBook, seed: int, batches: list[int]) -> None:
    """Part after part of a log, then two of its persons are merged and split."""
    for number, part in enumerate(calls(seed, named=False)):
        append(book, part)
        run(book, batches, until=START + (10 + number) * DAY if number < 3 else UNTIL)
    for act, others in ((stitching.merge, ("userId:u1",)), (stitching.split, ((),))):
        with book.snapshot() as reader:
            said = act(reader, reading(book), "userId:u0", *others, actor="staff:a", why="x")
        stitching.append(book, said, now=UNTIL)
        settle_definitions(book, engine_of(book))
    apply(book, list(documents(LATER)), now=UNTIL)
    settle_definitions(book, engine_of(book))


@pytest.mark.parametrize("seed", range(2))
def test_both_stores_have_one_state(cluster: Cluster, seed: int) -> None:
    """Index, what waits and whose it is are equal, in ticks of any size."""
    with home() as here, home_there(cluster) as (there, _):
        live(here, seed, [5_000])
        live(there, seed, [17, 4])
        assert canonical_hash(there) == canonical_hash(here), "\n".join(difference(here, there))
        assert len(list(table_rows(there, "object"))) > 10
        assert "slip" in {row[0] for row in table_rows(there, "object_waiting")}
