"""`soak`: a server under a steady load that is killed again and again, and a count of what became of every event.

Clients send batches at a steady rate and note, outside of the home, what was acknowledged. A batch without answer is
sent again with the same message ids, and one in a hundred is sent again although it was answered, as clients do that
lost the answer. At the end every event must be in the log once, and the state must equal its rebuild.
"""

from __future__ import annotations

import tempfile
import threading
import time as system
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from einklang.app import apply as applying
from einklang.app.run import settle_definitions
from einklang.app.yaml import parse_text
from einklang.main import clock
from einklang.main import home as homes
from einklang.main.soak_load import BATCH, SERVE, Client, Server, prefix, working_set_mb
from einklang.main.soak_memory import memory
from einklang.main.verify import verify_home
from einklang.store.lake import read_log

Counts = npt.NDArray[np.uint32]

CLIENTS = 8
REPEATED_EVERY = 100
SAMPLE_S = 0.25
DRAIN_S = 120.0
DEFINITIONS = """
{kind: segment, id: keen, where: 'events("Product Viewed").within("7d").count() >= 3'}
---
kind: journey
id: left-behind
entry: {event: Product Added, key: cart_id}
steps:
  - {id: rest, until: 'events("Order Completed").since(entry).exists()', at_most: 1h, then: end, else: mark}
  - {id: mark, set: {left_behind: '=entry.properties.cart_id'}}
"""


@dataclass(frozen=True)
class Plan:
    """What is soaked. rate: events a second; kill_every: seconds, 0 = never; seed: of persons, events, repeats; serve:
    what the interpreter is told to run as the server.
    """

    seconds: float
    rate: int
    kill_every: float
    seed: int
    database_url: str = ""
    serve: tuple[str, ...] = SERVE

    @property
    def batches(self) -> int:
        """How many batches there are to send."""
        return max(1, int(self.seconds * self.rate / BATCH))


@dataclass
class Told:
    """What the clients saw. acked: numbers of batches, in the order of their acknowledgement."""

    acked: list[int] = field(default_factory=list)
    again: int = 0
    repeated: int = 0
    waits_ms: list[float] = field(default_factory=list)
    back_s: list[float] = field(default_factory=list)
    memory_mb: list[tuple[float, float]] = field(default_factory=list)
    kills: int = 0


class Soak:
    """One run over one home. `run` returns the figures."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan, self.told = plan, Told()
        self.home, self._notes = folder / "home", folder / "acknowledged"
        self.keys = homes.create(self.home, None, database_url=plan.database_url)
        with self._opened(writer=True) as home:
            applying.apply(home.book, parse_text(DEFINITIONS, "soak.yaml"), now=clock.now())
            settle_definitions(home.book, home.engine())
        self._lock, self._over, self._up = threading.Lock(), threading.Event(), threading.Event()
        self._todo = deque[int]()
        self._server: Server | None = None

    @contextmanager
    def _opened(self, *, writer: bool) -> Iterator[homes.Home]:
        url = self.plan.database_url
        with homes.opened(self.home, base_url="http://127.0.0.1", database_url=url, writer=writer) as home:
            yield home

    def run(self) -> dict[str, Any]:
        """Send, kill, send the rest, end, count."""
        try:
            return self._run()
        finally:
            if self._server is not None:
                self._server.kill()

    def _run(self) -> dict[str, Any]:
        self._start()
        begun = system.monotonic()  # a machine that is slow to start a server still gets the load at its rate
        clients = [threading.Thread(target=self._client, daemon=True) for _ in range(CLIENTS)]
        with self._notes.open("a", encoding="ascii") as self._file:
            for thread in clients:
                thread.start()
            self._pace(begun)
            self._over.set()
            for thread in clients:
                while thread.is_alive():
                    thread.join(SAMPLE_S)
                    self._sample(system.monotonic() - begun)
        took = system.monotonic() - begun
        assert self._server is not None, "it was started"
        self._server.drained(DRAIN_S)
        status = self._server.end()
        return self._figures(took, status)

    # --- the server ---------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._server = Server(self.home, self.keys, self.plan.database_url, self.plan.serve)
        self._up.set()

    def _pace(self, begun: float) -> None:
        """Hand out batches at the rate asked for; kill the server and start it again when its time has come."""
        plan, handed, killed_at, sampled_at = self.plan, 0, begun, begun - SAMPLE_S
        pause = threading.Event()
        while handed < plan.batches:
            now = system.monotonic()
            due = min(plan.batches, int((now - begun) * plan.rate / BATCH) + 1)
            self._todo.extend(range(handed, due))
            handed = due
            if now - sampled_at >= SAMPLE_S:
                sampled_at = now
                self._sample(now - begun)
            if plan.kill_every and now - killed_at >= plan.kill_every:
                self._kill()
                killed_at = system.monotonic()
            pause.wait(min(0.02, BATCH / plan.rate))

    def _kill(self) -> None:
        assert self._server is not None, "it was started"
        self._up.clear()
        self._server.kill()
        begun = system.monotonic()
        self._start()
        self.told.back_s.append(system.monotonic() - begun)
        self.told.kills += 1

    def _sample(self, at: float) -> None:
        found = self._server.memory_mb() if self._server is not None else None
        if found is not None:
            self.told.memory_mb.append((at, found))

    # --- the clients --------------------------------------------------------------------------------------------------

    def _client(self) -> None:
        """Send what there is until all of it is acknowledged."""
        with closing(Client(self.plan.seed)) as client:
            self._send_all(client)

    def _send_all(self, client: Client) -> None:
        while True:
            try:
                batch = self._todo.popleft()
            except IndexError:
                if self._over.is_set():
                    return
                self._over.wait(0.002)
                continue
            self._send(client, batch)
            if batch % REPEATED_EVERY == 0:  # the answer was lost on its way, as far as this client knows
                self._send(client, batch, repeated=True)

    def _send(self, client: Client, batch: int, *, repeated: bool = False) -> None:
        while True:
            self._up.wait()
            server = self._server
            assert server is not None, "it was started"
            begun = system.monotonic()
            if client.send(server.port, self.keys.write_key, batch):
                break
            with self._lock:
                self.told.again += 1
            system.sleep(0.02)
        with self._lock:
            if repeated:
                self.told.repeated += 1
                return
            self.told.waits_ms.append((system.monotonic() - begun) * 1000)
            self.told.acked.append(batch)
            self._file.write(f"{batch}\n")
            self._file.flush()

    # --- the figures --------------------------------------------------------------------------------------------------

    def _figures(self, took: float, status: int) -> dict[str, Any]:
        told, plan = self.told, self.plan
        noted = [int(line) for line in self._notes.read_text("ascii").split()]
        with self._opened(writer=False) as home:
            found = judge(noted, self._in_log(home), plan.batches)
            verified = verify_home(home, books_only=False)
        found["findings"] = verified["findings"][:5]
        broken = found["lost"] + found["doubled"] + found["never_acknowledged"] + verified["dead_letters"]
        resident = memory(told.memory_mb, killed=bool(told.kills))
        grows = resident is not None and resident["flat"] is False
        found["ok"] = verified["ok"] and status == 0 and not broken and not grows
        sent = len(noted) * BATCH
        return {
            **found,
            "exit_status": status,
            "rebuild_equal": verified["state_equal"],
            "dead_letters": verified["dead_letters"],
            "duplicates_dropped": verified["duplicates"],
            "seed": plan.seed,
            "events_acknowledged": sent,
            "events_per_s": round(sent / took),
            "batch": BATCH,
            "clients": CLIENTS,
            "kills": told.kills,
            "batches_sent_again": told.again,
            "batches_repeated": told.repeated,
            "back_after_kill_s": spread(told.back_s),
            "ack_ms": spread(told.waits_ms),
            "working_set_mb": working_set_mb(),
            "memory_mb": resident,
        }

    def _in_log(self, home: homes.Home) -> Counts:
        """How often each event of the load is in the log."""
        counts = np.zeros(self.plan.batches * BATCH, dtype=np.uint32)
        mine = prefix(self.plan.seed)
        with home.book.snapshot() as reader:
            for page in read_log(reader, home.lake, names=("message_id",), derived=False):
                ids = [int(row[0][len(mine) :]) for row in page if str(row[0]).startswith(mine)]
                np.add.at(counts, ids, 1)
        return counts


def judge(noted: Sequence[int], counts: Counts, batches: int) -> dict[str, Any]:
    """What became of the events: `lost` were acknowledged and are not in the log, `doubled` are there twice.

    noted: batches that were acknowledged; counts: how often each event is in the log.
    """
    acked = np.zeros(batches, dtype=bool)
    acked[list(noted)] = True
    told = np.repeat(acked, BATCH)
    return {
        "lost": int((told & (counts == 0)).sum()),
        "doubled": int((counts > 1).sum()),
        "never_acknowledged": int((~acked).sum()) * BATCH,
    }


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """p50, p95, p99 and the largest; None without any."""
    if not values:
        return None
    found = {f"p{share}": float(np.percentile(values, share)) for share in (50, 95, 99)}
    return {name: round(value, 2) for name, value in {**found, "max": max(values)}.items()}


def soak(plan: Plan, folder: Path | None = None) -> dict[str, Any]:
    """Run it in `folder`, which is kept, or in a folder of its own. `ok` says whether all is as it must be."""
    from einklang.main.bench import stamp

    if folder is not None:
        folder.mkdir(parents=True)
        return {"stamp": stamp(), **Soak(plan, folder).run()}
    with tempfile.TemporaryDirectory(prefix="einklang-soak-") as name:
        return {"stamp": stamp(), **Soak(plan, Path(name)).run()}
