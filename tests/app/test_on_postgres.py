"""The state is a fold of the log on PostgreSQL too, to the byte that on SQLite, whatever breaks (5, 7, 10)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Event

import pytest

from einklang.app import apply as applying
from einklang.app.run import expand_pending, settle_definitions
from einklang.app.sources import RunSource
from einklang.event import EngineCall
from einklang.kernel.errors import Unavailable
from einklang.store.book import PostgresBook
from einklang.store.lake import Lake, ship_all
from einklang.testing.canonical import canonical_hash, difference
from einklang.testing.cluster import Cluster
from einklang.testing.rebuild import findings, inputs_of, rebuilt
from tests.app.dice import Random
from tests.app.worlds import (
    DEFINITIONS,
    SALT,
    START,
    UNTIL,
    append,
    churning_calls,
    documents,
    engine_of,
    home,
    random_calls,
    run,
    with_reactions,
)
from tests.store.proxy import HEARD, NOT_SENT, UNHEARD, Proxy

pytestmark = pytest.mark.stores

_numbers = count(1)


@contextmanager
def home_there(cluster: Cluster) -> Iterator[tuple[PostgresBook, str]]:
    """A home on PostgreSQL with the definitions in force, and its address."""
    schema = f"world_{next(_numbers)}"
    url = cluster.url(schema=schema)
    with PostgresBook.create(url, SALT) as book:
        applying.apply(book, list(documents(DEFINITIONS)), now=START)
        settle_definitions(book, engine_of(book))
        yield book, url
    cluster.drop(schema)


def log_of(seed: int) -> tuple[list[EngineCall], Random]:
    """A random log, and the dice that made it."""
    random = Random(seed)
    kind = churning_calls if seed % 3 == 2 else random_calls
    return with_reactions(random, kind(random, 50)), random


@contextmanager
def same_as_here(calls: list[EngineCall], url: str) -> Iterator[None]:
    """What happens inside must lead to the state that one run on SQLite gives."""
    with home() as here:
        append(here, calls)
        run(here)
        yield
        with PostgresBook.open(url, writer=False) as book:
            if canonical_hash(book, log=True) != canonical_hash(here, log=True):
                raise AssertionError("\n".join(difference(here, book, log=True)))


@pytest.mark.parametrize("seed", range(4))
def test_the_same_log_gives_the_same_state(seed: int, cluster: Cluster, tmp_path: Path) -> None:
    """Cut at random, on PostgreSQL, one canonical hash with SQLite; and a rebuild from lake and tail finds the same."""
    calls, random = log_of(seed)
    with home_there(cluster) as (book, url), same_as_here(calls, url):
        append(book, calls, body=random.randint(1, 40))
        run(book, [random.choice((1, 3, 30)), random.randint(2, 60)], forgetful=random.random() < 0.5)
        lake = Lake(tmp_path)
        with book.snapshot() as reader, rebuilt(inputs_of(reader, lake), SALT, lambda b: engine_of(b).state) as again:
            assert findings(reader, lake, again) == []


def test_a_rebuild_reads_lake_and_tail(cluster: Cluster, tmp_path: Path) -> None:
    """What was shipped comes from the lake, the rest from PostgreSQL."""
    calls, _ = log_of(3)
    with home_there(cluster) as (book, _):
        append(book, calls)
        run(book, [17])
        lake = Lake(tmp_path)
        ship_all(book, lake, keep_entries=10)
        with book.snapshot() as reader, rebuilt(inputs_of(reader, lake), SALT, lambda b: engine_of(b).state) as again:
            assert again.entries > 10
            assert findings(reader, lake, again) == []
        assert len(book.read("log_page", 0, 10_000)) < book.read("counter_value", "seq")[0][0], "some were trimmed"


def until_done(call: Callable[[], object]) -> int:
    """Call it until it does not find the database away; how often that was."""
    for times in count():
        try:
            call()
            return times
        except Unavailable:
            pause.wait(0.01)
    raise AssertionError("a count does not end")


pause = Event()


@pytest.mark.parametrize("seed", range(2))
def test_ticks_over_a_line_that_breaks_at_commits(seed: int, cluster: Cluster, tmp_path: Path) -> None:
    """Of six commits one is lost and one is done without an answer: each tick counts once."""
    calls, random = log_of(seed)
    with home_there(cluster) as (book, url), same_as_here(calls, url):
        append(book, calls)
        book.close()
        fates = (HEARD, HEARD, UNHEARD, HEARD, NOT_SENT, HEARD)
        proxy = Proxy(tmp_path, cluster.folder, lambda number: fates[number % len(fates)])
        with proxy.running(), PostgresBook.open(url.replace(str(cluster.folder), str(tmp_path))) as far:
            engine, source = engine_of(far), RunSource(UNTIL, "run")
            again = until_done(lambda: expand_pending(far, version=engine.version))
            while not source.finished:
                again += until_done(lambda: engine.step(source, random.randint(1, 6)))
            assert again >= proxy.fates.count(NOT_SENT) > 3
        assert proxy.fates.count(UNHEARD) > 3


def test_ticks_of_a_server_that_is_killed(cluster: Cluster) -> None:
    """PostgreSQL is killed between ticks, and comes back: a tick is refused meanwhile, and the state is the same."""
    calls, random = log_of(1)
    with home_there(cluster) as (book, url), same_as_here(calls, url):
        append(book, calls)
        expand_pending(book, version="test")
        engine, source = engine_of(book), RunSource(UNTIL, "run")
        killed = 0
        while not source.finished:
            if killed < 2 and random.random() < 0.3:
                cluster.crash()
                with pytest.raises(Unavailable):
                    engine.step(source, 3)
                cluster.start()
                killed += 1
            until_done(lambda: engine.step(source, random.randint(1, 8)))
        assert killed == 2
