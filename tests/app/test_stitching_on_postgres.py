"""Decisions of staff on PostgreSQL give the state that they give on SQLite, and a rebuild finds the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from einklang.app import stitching
from einklang.store.lake import Lake
from einklang.testing.canonical import canonical_hash, difference
from einklang.testing.cluster import Cluster
from einklang.testing.rebuild import findings, inputs_of, rebuilt
from tests.app.couples import couple, decide, reading
from tests.app.dice import Random
from tests.app.test_on_postgres import home_there
from tests.app.worlds import DAY, SALT, START, UNTIL, append, engine_of, home, run

pytestmark = pytest.mark.stores
COUPLES = 8


def live_on(book: Any, seed: int) -> None:
    """Lives, merges, lives, splits."""
    random = Random(seed)
    pairs = [couple(random, number) for number in range(COUPLES)]
    later = [couple(random, pair.number, first=8, kinds=pair.kinds) for pair in pairs]
    for calls, until, merging in ((pairs, START + 7 * DAY, True), (later, UNTIL, False)):
        append(book, sorted((call for pair in calls for call in pair.calls), key=lambda call: call.at or 0))
        engine = run(book, [random.choice((5_000, 40))], until=until)
        for pair in pairs:
            with book.snapshot() as reader:
                if merging:
                    said = stitching.merge(reader, reading(book), *pair.keys, actor="staff:test", why="one")
                else:
                    said = stitching.split(reader, reading(book), pair.keys[0], (), actor="staff:test", why="two")
            decide(book, engine, said, until)


@pytest.mark.parametrize("seed", range(2))
def test_merges_and_splits_are_the_same_on_both_stores(seed: int, cluster: Cluster, tmp_path: Path) -> None:
    """One canonical hash, and the rebuild from PostgreSQL's log has it too."""
    with home() as here, home_there(cluster) as (there, _):
        for book in (here, there):
            live_on(book, seed)
        if canonical_hash(here, log=True) != canonical_hash(there, log=True):
            raise AssertionError("\n".join(difference(here, there, log=True)))
        with there.snapshot() as reader:
            inputs = inputs_of(reader, Lake(tmp_path))
            with rebuilt(inputs, SALT, lambda book: engine_of(book).state, batch=7) as again:
                assert findings(reader, Lake(tmp_path), again) == []
