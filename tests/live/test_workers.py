"""`serve --workers`: any process is killed at any moment; what was acknowledged is there once, nothing goes twice."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from threading import Event

import httpx
import pytest

from einklang.kernel.errors import Conflict
from einklang.main import home as homes
from einklang.main.workers import watch
from einklang.store.book import PostgresBook
from einklang.testing.cluster import Cluster
from tests.live.servers import Server, make, serving, wait_for
from tests.live.test_kill import Customers, Sink, finished, judge
from tests.waits import WAIT_S

pytestmark = [pytest.mark.stores, pytest.mark.slow]


def workers_of(server: Server) -> dict[str, int]:
    """The processes of a server by what they do: `web 1` -> its number."""
    found: dict[str, int] = {}
    for entry in Path("/proc").iterdir():
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1]) if entry.name.isdigit() else 0
            line = (entry / "cmdline").read_text() if parent == server.process.pid else ""
        except OSError:
            continue
        if "child('" in line:
            role, index = line.split("child('")[1].split("', ")
            found[f"{role} {index.split(',')[0]}"] = int(entry.name)
    return found


def ready(server: Server, cluster: Cluster) -> None:
    """Five processes begin, which may take a while: HTTP answers, an engine ticks."""
    assert httpx.get(f"{server.url}/health", timeout=WAIT_S).status_code == 200
    wait_for(lambda: ticking(cluster), "an engine")


def ticking(cluster: Cluster) -> int:
    """The number of the process that holds the lease of the ticks, 0 if none does."""
    held = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND objid = 1 AND granted"
    rows = cluster.ask(f"SELECT application_name FROM pg_stat_activity WHERE pid IN ({held})")
    return int(rows[0][0].split()[1]) if rows else 0


def test_killed_one_after_another(tmp_path: Path, cluster: Cluster, database_url: str) -> None:
    """A web process and both engines are killed under load and in the middle of hand-overs. Another engine ticks within
    seconds, and at the end everything has happened, once. Meanwhile another writer is refused, and told who writes.
    """
    home, sink, customers = tmp_path / "home", Sink(), Customers(tmp_path / "acknowledged")
    keys = make(home, database_url=database_url)
    settings = {"EINKLANG_DATABASE_URL": database_url}
    with sink.running():
        settings["EINKLANG_SMTP_URL"] = f"smtp://127.0.0.1:{sink.port}"
        with serving(home, keys, "--workers", "2", **settings) as server:
            ready(server, cluster)
            with pytest.raises(Conflict) as refused:
                PostgresBook.open(database_url)
            assert refused.value.code == "home_in_use"
            assert "another process (einklang " in refused.value.what
            threads = customers.sending(server)
            wait_for(lambda: sink.held, "a hand-over that hangs")
            first = ticking(cluster)
            assert first in workers_of(server).values()
            for victim in (workers_of(server)["web 1"], first):
                os.kill(victim, signal.SIGKILL)
            second = wait_for(lambda: ticking(cluster) not in (0, first) and ticking(cluster), "another engine")
            for thread in threads:
                thread.join(WAIT_S)
            sink.holds = False
            os.kill(second, signal.SIGKILL)
            finished(server, customers)
            assert len(workers_of(server)) == 0
    with homes.opened(home, base_url="http://127.0.0.1:8787", database_url=database_url, writer=False) as opened:
        judge(opened, customers, sink, kills=1)


def running(pid: int) -> bool:
    """Whether a process is there and does something."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_one_that_looks_after_them_is_killed(tmp_path: Path, cluster: Cluster, database_url: str) -> None:
    """Under load and in the middle of hand-overs a web process is killed, then the one that would start it anew: the
    others end by themselves, also one whose mail server does not answer, and leave the home free. The next server goes
    on; at the end everything has happened, once.
    """
    home, sink, customers = tmp_path / "home", Sink(), Customers(tmp_path / "acknowledged")
    keys = make(home, database_url=database_url)
    settings = {"EINKLANG_DATABASE_URL": database_url}
    with sink.running():
        settings["EINKLANG_SMTP_URL"] = f"smtp://127.0.0.1:{sink.port}"
        with serving(home, keys, "--workers", "2", **settings) as server:
            ready(server, cluster)
            threads = customers.sending(server)
            wait_for(lambda: sink.held, "a hand-over that hangs")
            everybody = workers_of(server)
            os.kill(everybody["web 2"], signal.SIGKILL)
            server.process.kill()
            for thread in threads:
                thread.join(WAIT_S)
            wait_for(lambda: not any(map(running, everybody.values())), "the end of who is alone")
        sink.holds = False
        with serving(home, keys, "--workers", "2", **settings) as server:
            ready(server, cluster)
            finished(server, customers)
    with homes.opened(home, base_url="http://127.0.0.1:8787", database_url=database_url, writer=False) as opened:
        judge(opened, customers, sink, kills=1)


@pytest.mark.parametrize("fate", ["its parent dies", "its home is lost"])
def test_a_process_that_is_alone_ends(database_url: str, fate: str) -> None:
    """A worker notices that nobody looks after it any more, or that another writer took its home."""
    PostgresBook.create(database_url, "5a" * 16).close()
    guard, held = os.pipe()
    ending = Event()
    with PostgresBook.open(database_url, together=True) as book:
        watch(book, guard, ending.set)
        assert not ending.wait(0.05)
        if fate == "its parent dies":
            os.close(held)
        else:
            assert book._writer is not None
            book._writer.fail(RuntimeError("taken"))
        assert ending.wait(WAIT_S)
    os.close(guard)
    if fate != "its parent dies":
        os.close(held)
