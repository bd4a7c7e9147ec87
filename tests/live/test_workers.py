"""`serve --workers`: any process is killed at any moment; what was acknowledged is there once, nothing is sent twice.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from einklang.main import home as homes
from tests.live.servers import WAIT_S, Server, environment, make, serving, wait_for
from tests.live.test_kill import PEOPLE, Customers, Sink, finished, judge

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


def ready(server: Server) -> None:
    """Five processes begin: the first answer may take a while."""
    assert httpx.get(f"{server.url}/health", timeout=60).status_code == 200


def kill(server: Server, name: str) -> None:
    """kill -9, and wait until another process has its place."""
    before = workers_of(server)[name]
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: workers_of(server).get(name, before) != before, f"another {name}")


def test_killed_one_after_another(tmp_path: Path, database_url: str) -> None:
    """Each engine and a web process are killed under load and in the middle of hand-overs; the others go on."""
    home, sink, customers = tmp_path / "home", Sink(), Customers(tmp_path / "acknowledged")
    keys = make(home, database_url=database_url)
    with sink.running():
        settings = {"EINKLANG_SMTP_URL": f"smtp://127.0.0.1:{sink.port}", "EINKLANG_DATABASE_URL": database_url}
        with serving(home, keys, "--workers", "2", **settings) as server:
            ready(server)
            for round_, name in enumerate(("engine 1", "web 1", "engine 2")):
                threads = customers.sending(server)
                enough, held = (round_ + 1) * PEOPLE // 4 * 4, sink.held
                wait_for(lambda: len(customers.acked()) >= enough, "events")  # noqa: B023  # asked at once
                wait_for(lambda: sink.held > held or not customers.waiting, "a hand-over that hangs")  # noqa: B023
                kill(server, name)
                for thread in threads:
                    thread.join(WAIT_S)
            sink.holds = False
            for name in ("engine 1", "engine 2"):  # what hangs, hangs for ever
                kill(server, name)
            finished(server, customers)
    with homes.opened(home, base_url="http://127.0.0.1:8787", database_url=database_url, writer=False) as opened:
        judge(opened, customers, sink)


def test_the_home_is_shared_with_nobody_else(tmp_path: Path, database_url: str) -> None:
    """While several processes serve, another writer is refused in one line that says who holds the home; when the one
    that looks after them is killed they all end, and the home is free.
    """
    home = tmp_path / "home"
    keys = make(home, database_url=database_url)
    settings = environment(EINKLANG_DATABASE_URL=database_url)
    command = [sys.executable, "-m", "einklang.main.cli", "run", "--until", "2026-01-01", "--home", str(home)]
    with serving(home, keys, "--workers", "1", EINKLANG_DATABASE_URL=database_url) as server:
        wait_for(lambda: len(workers_of(server)) == 3, "all processes")
        refused = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
        assert refused.returncode == 1
        assert refused.stderr.count("\n") == 1
        assert "another process (einklang" in refused.stderr
        assert refused.stderr.endswith("[home_in_use]\n")
        processes = workers_of(server).values()
        assert server.end(signal.SIGKILL) == -signal.SIGKILL
        wait_for(lambda: not any(Path(f"/proc/{number}").exists() for number in processes), "the end of all")
    assert subprocess.run(command, env=settings, check=False).returncode == 0
