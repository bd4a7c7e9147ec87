"""Events expire on PostgreSQL to the byte as on SQLite."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from einklang.app.apply import apply
from einklang.app.run import settle_definitions
from einklang.main import retention
from einklang.main.verify import verify_home
from einklang.store.book import PostgresBook
from einklang.store.lake import Lake, ship_all
from einklang.testing.canonical import canonical_hash, difference
from einklang.testing.cluster import Cluster
from tests.app.test_expiry import KEEP, world
from tests.app.test_verify import Opened
from tests.app.worlds import SALT, START, documents, engine_of, home

pytestmark = pytest.mark.stores

_numbers = count(1)


def test_events_expire_the_same_on_both_stores(cluster: Cluster, tmp_path: Path) -> None:
    """One canonical hash; the proof of PostgreSQL's state is a checkpoint on SQLite, from which verify begins; what has
    expired leaves lake and tail.
    """
    schema = f"expiry_{next(_numbers)}"
    with home(KEEP) as here, PostgresBook.create(cluster.url(schema=schema), SALT) as there:
        apply(there, list(documents(KEEP)), now=START)
        settle_definitions(there, engine_of(there))
        for book in (here, there):
            world(book, 1, [9], [2])
        if canonical_hash(here, log=True) != canonical_hash(there, log=True):
            raise AssertionError("\n".join(difference(here, there, log=True)))
        lake = Lake(tmp_path / "lake")
        opened = Opened(there, lake)
        ship_all(there, lake, keep_entries=30)
        before = lake.scan("events").collect().height
        tail = len(there.read("log_page", 0, 1_000))
        assert retention.prove(opened) == []
        assert retention.remove(opened) == before - lake.scan("events").collect().height > 0
        assert len(there.read("log_page", 0, 1_000)) <= tail
        assert verify_home(opened, books_only=False)["findings"] == []
    cluster.drop(schema)
