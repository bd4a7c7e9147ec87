"""PostgreSQL goes away, connections break at the worst moment, processes die: nothing acknowledged is lost or twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from einklang.kernel.errors import Conflict, EinklangError, Unavailable
from einklang.store.book import PostgresBook, Setup
from einklang.store.book.postgres import writer as writing
from einklang.testing.book_suite import Body
from einklang.testing.cluster import Cluster
from tests.store.proxy import HEARD, NOT_SENT, UNHEARD, Proxy
from tests.waits import WAIT_S

pytestmark = [pytest.mark.stores, pytest.mark.faults]

SALT = "00" * 16


def kept(book: PostgresBook) -> list[bytes]:
    """Bodies in the tail, in order."""
    return [row[5] for row in book.read("tail_page", 0, 100_000)]


def code_of(call: Callable[[], Any]) -> str:
    """The code of what it raises, "" if nothing."""
    try:
        call()
    except EinklangError as error:
        return error.code
    return ""


# --- the order of positions -------------------------------------------------------------------------------------------


def eight_writers(url: str, seed: int) -> tuple[list[int], list[int]]:
    """(positions as a reader met them, positions that are there): eight writers, each waits before it commits."""
    pause, done, seen = threading.Event(), threading.Event(), list[int]()

    def write(number: int) -> None:
        draw = np.random.Generator(np.random.Philox(seed + number))
        with PostgresBook.open(url, together=True) as book:
            for _ in range(10):
                seconds = float(draw.random()) * 0.004

                def work(tx: Any, seconds: float = seconds) -> None:
                    ((position,),) = tx.read("counter_value", "position")
                    pause.wait(seconds)
                    tx.write("tail_append", [(position + 1, 1, 1, "shop", "json", b"")])
                    tx.write("counter_set", [("position", position + 1)])

                book.append([Body()]) if draw.random() < 0.5 else book.transact(work)

    def read(book: PostgresBook) -> None:
        while True:
            last = done.is_set()
            seen.extend(row[0] for row in book.read("tail_page", seen[-1] if seen else 0, 1_000))
            if last:
                return

    errors: list[BaseException] = []

    def guarded(call: Callable[[], None]) -> None:
        try:
            call()
        except BaseException as error:
            errors.append(error)

    with PostgresBook.open(url, writer=False) as book:
        reader = threading.Thread(target=guarded, args=(lambda: read(book),))
        writers = [threading.Thread(target=guarded, args=(lambda n=n: write(n),)) for n in range(8)]
        for thread in [reader, *writers]:
            thread.start()
        for thread in writers:
            thread.join()
        done.set()
        reader.join()
        if errors:
            raise errors[0]
        return seen, [row[0] for row in book.read("tail_page", 0, 1_000)]


def test_a_reader_meets_each_position_once_and_in_order(database_url: str) -> None:
    """What eight writers store with random delays before their commits, a reader meets without a gap, in order."""
    PostgresBook.create(database_url, SALT).close()
    seen, there = eight_writers(database_url, 1)
    assert seen == there == list(range(1, 81))


def test_without_their_turns_writers_collide(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: writers that do not wait for each other give positions twice, or out of order."""
    PostgresBook.create(database_url, SALT).close()
    monkeypatch.setattr(writing, "_BEGIN", writing._BEGIN.removesuffix(b" FOR UPDATE"))
    try:
        seen, there = eight_writers(database_url, 1)
    except Conflict:
        return
    assert seen != there or there != list(range(1, 81))


# --- commits of which nobody heard ------------------------------------------------------------------------------------


def append_through(proxy_url: str, count: int) -> tuple[list[bytes], list[bytes]]:
    """(acknowledged, refused) bodies."""
    acknowledged, refused = list[bytes](), list[bytes]()
    with PostgresBook.open(proxy_url) as book:
        for number in range(count):
            body = b"%d" % number
            try:
                book.append([Body(body)])
                acknowledged.append(body)
            except Unavailable:
                refused.append(body)
    return acknowledged, refused


def proxied(cluster: Cluster, url: str, folder: Path, fate: Callable[[int], str]) -> tuple[Proxy, str]:
    """A proxy and the address through it."""
    proxy = Proxy(folder, cluster.folder, fate)
    return proxy, url.replace(str(cluster.folder), str(folder))


def dice(seed: int) -> Callable[[int], str]:
    """Every third commit goes wrong, in one way or the other."""
    draw = np.random.Generator(np.random.Philox(seed))
    return lambda _: str(draw.choice([HEARD, HEARD, HEARD, HEARD, UNHEARD, NOT_SENT]))


def test_what_became_of_a_commit_is_found_out(cluster: Cluster, database_url: str, tmp_path: Path) -> None:
    """Connections break at random commits: exactly what was acknowledged is there, once; what was refused is not."""
    PostgresBook.create(database_url, SALT).close()
    proxy, url = proxied(cluster, database_url, tmp_path, dice(1))
    with proxy.running():
        acknowledged, refused = append_through(url, 60)
    assert set(proxy.fates) == {HEARD, UNHEARD, NOT_SENT}
    assert len(refused) == proxy.fates.count(NOT_SENT)
    with PostgresBook.open(database_url, writer=False) as book:
        assert kept(book) == acknowledged


def test_who_does_not_ask_refuses_what_is_there(
    cluster: Cluster, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Positive control: taking a lost answer for a failure refuses bodies that are stored; clients send them again."""
    PostgresBook.create(database_url, SALT).close()
    monkeypatch.setattr(writing.Writer, "_committed", lambda self, number: False)
    proxy, url = proxied(cluster, database_url, tmp_path, dice(1))
    with proxy.running():
        _, refused = append_through(url, 60)
    with PostgresBook.open(database_url, writer=False) as book:
        assert set(kept(book)) & set(refused)


def test_a_lost_answer_of_work_is_found_out(cluster: Cluster, database_url: str, tmp_path: Path) -> None:
    """`transact` returns the result of what was committed, and raises where nothing happened."""
    PostgresBook.create(database_url, SALT).close()
    fates = iter([UNHEARD, NOT_SENT, HEARD])
    proxy, url = proxied(cluster, database_url, tmp_path, lambda _: next(fates))

    def work(tx: Any) -> int:
        return int(tx.write("counter_add", [("a", 1)]))

    with proxy.running(), PostgresBook.open(url) as book:
        assert book.transact(work) == 1
        assert code_of(lambda: book.transact(work)) == "database_away"
        assert book.transact(work) == 1
        assert book.read("counter_value", "a") == [(2,)]


# --- the server goes away ---------------------------------------------------------------------------------------------


def crash_under_load(cluster: Cluster, url: str, setup: Setup) -> tuple[set[bytes], set[bytes], list[bytes]]:
    """(acknowledged, said to be unknown, kept): the server is killed while four threads append, and comes back."""
    acknowledged, unknown = set[bytes](), set[bytes]()
    calm, ended = threading.Event(), threading.Event()

    def write(book: PostgresBook, number: int) -> None:
        for turn in range(100_000):
            if ended.is_set():
                return
            body = b"%d-%d" % (number, turn)
            try:
                book.append([Body(body)])
                acknowledged.add(body)
            except Unavailable as error:
                if error.code == "outcome_unknown":
                    unknown.add(body)
                calm.wait(0.01)

    with PostgresBook.open(url, setup=setup) as book:
        writers = [threading.Thread(target=write, args=(book, number)) for number in range(4)]
        for thread in writers:
            thread.start()
        for enough in (40, 80):
            while len(acknowledged) < enough:
                calm.wait(0.001)
            cluster.crash()
            assert code_of(lambda: book.append([Body()])) in ("database_away", "outcome_unknown")
            assert code_of(lambda: book.read("counters")) == "database_away"
            cluster.start()
            before = len(acknowledged)
            while len(acknowledged) == before:  # by itself, without opening again
                calm.wait(0.001)
        ended.set()
        for thread in writers:
            thread.join()
    with PostgresBook.open(url, writer=False) as reader:
        return acknowledged, unknown, kept(reader)


def test_a_crash_of_the_server_loses_nothing(cluster: Cluster, database_url: str) -> None:
    """Twice killed under load: refused while it is away, taken again by itself; all that was acknowledged is there,
    once, and nothing else but what was said to be unknown.
    """
    PostgresBook.create(database_url, SALT).close()
    acknowledged, unknown, there = crash_under_load(cluster, database_url, Setup())
    assert acknowledged <= set(there)
    assert max(Counter(there).values()) == 1
    assert set(there) <= acknowledged | unknown | {Body().body}


def test_an_answer_before_the_disk_is_found(cluster: Cluster, database_url: str) -> None:
    """Positive control: with synchronous_commit off a crash loses what was acknowledged."""
    PostgresBook.create(database_url, SALT).close()
    for turn in range(20):
        with PostgresBook.open(database_url, setup=Setup(synchronous="OFF")) as book:
            positions = book.append([Body(b"%d-%d" % (turn, n)) for n in range(50)])
            cluster.crash()
        cluster.start()
        with PostgresBook.open(database_url, writer=False) as book:
            if book.read("counter_value", "position")[0][0] < positions[-1]:
                return
    raise AssertionError("nothing was lost in twenty crashes")


def test_what_waits_for_a_server_that_is_away_is_bounded(cluster: Cluster, database_url: str) -> None:
    """While the server is away each append is refused soon, whether it waits or comes new; none hangs."""
    PostgresBook.create(database_url, SALT).close()
    with PostgresBook.open(database_url, setup=Setup(outcome_s=0.5)) as book:
        book.append([Body()])
        cluster.crash()
        futures: list[Future[list[int]]] = [book.append_later([Body(bytes(1_000))]) for _ in range(200)]
        finished = wait(futures, timeout=WAIT_S)
        assert not finished.not_done
        assert {code_of(future.result) for future in futures} <= {"database_away", "outcome_unknown"}
        cluster.start()
        positions = list[list[int]]()
        while code_of(lambda: positions.append(book.append([Body()]))):
            threading.Event().wait(0.01)
        assert positions == [[2]]


def test_idle_connections_that_broke_are_nobody_s_concern(cluster: Cluster, database_url: str) -> None:
    """After a restart of the server the next read, snapshot and append simply work."""
    with PostgresBook.create(database_url, SALT) as book:
        with ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(book.snapshot()).read("counters")
        cluster.crash()
        cluster.start()
        assert book.read("counter_value", "position") == [(0,)]
        with book.snapshot() as reader:
            assert reader.read("counter_value", "position") == [(0,)]
        assert book.append([Body()]) == [1]


# --- processes die ----------------------------------------------------------------------------------------------------


def test_a_home_is_free_once_its_process_is_killed(database_url: str) -> None:
    """kill -9 of the writer: the next one opens the home at once."""
    PostgresBook.create(database_url, SALT).close()
    code = (
        "import sys; from einklang.store.book import PostgresBook; from threading import Event\n"
        "book = PostgresBook.open(sys.argv[1]); print('open', flush=True); Event().wait()"
    )
    process = subprocess.Popen([sys.executable, "-c", code, database_url], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        assert code_of(lambda: PostgresBook.open(database_url)) == "home_in_use"
        process.send_signal(signal.SIGKILL)
        process.wait(WAIT_S)
    with PostgresBook.open(database_url) as book:
        assert book.append([Body()]) == [1]


def test_who_lost_the_home_stops(cluster: Cluster, database_url: str) -> None:
    """A writer whose session ended while another took the home accepts nothing more and says why; the other goes on."""
    PostgresBook.create(database_url, SALT).close()
    with PostgresBook.open(database_url) as book:
        book.append([Body()])
        cluster.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'einklang %'")
        with PostgresBook.open(database_url) as other:
            assert code_of(lambda: book.append([Body()])) == "book_failed"
            assert code_of(book.check) == "book_failed"
            assert other.append([Body()]) == [2]


def test_a_lost_session_that_lingers_is_ended(cluster: Cluster, database_url: str, tmp_path: Path) -> None:
    """Where PostgreSQL has not noticed that a connection broke, the writer ends its old session and goes on."""
    PostgresBook.create(database_url, SALT).close()
    proxy, url = proxied(cluster, database_url, tmp_path, lambda number: NOT_SENT if number == 0 else HEARD)
    with proxy.running(), PostgresBook.open(url) as book:
        assert code_of(lambda: book.append([Body()])) == "database_away"
        assert book.append([Body()]) == [1]
