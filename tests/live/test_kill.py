"""kill -9 at any moment: what was acknowledged is there once, nothing is sent twice, journeys go on (1, 2, 14)."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from einklang.main import home as homes
from einklang.main.verify import verify_home
from einklang.store.lake import read_log
from tests.live.servers import Server, basket, make, person, serving, wait_for
from tests.waits import WAIT_S

pytestmark = pytest.mark.slow
PEOPLE = 60
ROUNDS = 2
POSTERS = 3


class Sink:
    """A mail server that takes everything; while `holds`, some mails are taken and never answered."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.holds = True
        self.held = 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._listening = Event()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take the mail; answer or not."""
        self.got.append(envelope.rcpt_tos[0])
        if self.holds and len(self.got) % 5 == 3:
            self.held += 1
            await asyncio.Event().wait()
        return "250 taken"

    def run(self) -> None:
        """Listen until stopped."""

        async def begin() -> asyncio.Server:
            server = await self._loop.create_server(
                lambda: SMTP(self, hostname="mx.example", loop=self._loop, auth_require_tls=False), "127.0.0.1", 0
            )
            self.port = server.sockets[0].getsockname()[1]
            self._listening.set()
            return server

        server = self._loop.run_until_complete(begin())
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    @contextmanager
    def running(self) -> Iterator[Sink]:
        """Beside the test, in a thread."""
        thread = Thread(target=self.run, daemon=True)
        thread.start()
        assert self._listening.wait(WAIT_S)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(WAIT_S)


class Customers:
    """Clients that send what they have, note outside what was acknowledged, and keep the rest for the next server."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.waiting = deque(batch(number) for number in range(PEOPLE))

    def acked(self) -> list[str]:
        """Ids of calls that were acknowledged."""
        return self.file.read_text().split() if self.file.exists() else []

    def send(self, server: Server) -> None:
        """Until everything is sent or the line breaks. A batch without answer is sent again, with the same ids."""
        with httpx.Client() as client:
            while True:
                try:
                    calls = self.waiting.popleft()
                except IndexError:  # others send the rest
                    return
                try:
                    answer = server.post(*calls, client=client)
                except httpx.HTTPError:
                    self.waiting.append(calls)
                    return
                assert answer.json() == {"success": True}
                with self.file.open("a") as file:
                    file.write("".join(f"{call['messageId']}\n" for call in calls))

    def sending(self, server: Server) -> list[Thread]:
        """Several at once."""
        threads = [Thread(target=self.send, args=(server,)) for _ in range(POSTERS)]
        for thread in threads:
            thread.start()
        return threads


def batch(number: int) -> list[dict[str, Any]]:
    """Somebody appears, consents, fills a basket."""
    calls = [*person(number), basket(number)]
    return [{**call, "messageId": f"b{number}-{n}"} for n, call in enumerate(calls)]


def killed(server: Server, customers: Customers, sink: Sink, round_: int) -> None:
    """Send, and kill the server while it takes events and hands messages over."""
    threads = customers.sending(server)
    enough = (round_ + 1) * PEOPLE // (ROUNDS + 1) * 4
    held = sink.held
    wait_for(lambda: len(customers.acked()) >= enough and sink.held > held, "a hand-over that hangs")
    assert server.end(signal.SIGKILL) == -signal.SIGKILL
    for thread in threads:
        thread.join(WAIT_S)


def finished(server: Server, customers: Customers) -> None:
    """The rest, until nothing waits any more; then a clean end."""
    for thread in customers.sending(server):
        thread.join(WAIT_S)

    with server.client() as client:

        def idle() -> bool:
            figures = client.get("/metrics").text
            waits = ('einklang_outbox{status="ready"}', 'einklang_outbox{status="handing_over"}')
            reached = client.get("/api/journeys/hello").json()["counts"]["entered"]
            return reached == PEOPLE and not any(one in figures for one in waits)

        wait_for(idle, "the end of all hand-overs")
    assert server.end() == 0


def test_killed_again_and_again(tmp_path: Path) -> None:
    """Two kills under load and in the middle of hand-overs, then a calm server: see the docstring of the module."""
    home, sink, customers = tmp_path / "home", Sink(), Customers(tmp_path / "acknowledged")
    keys = make(home)
    with sink.running():
        smtp = {"EINKLANG_SMTP_URL": f"smtp://127.0.0.1:{sink.port}"}
        for round_ in range(ROUNDS):
            with serving(home, keys, **smtp) as server:
                killed(server, customers, sink, round_)
        sink.holds = False
        with serving(home, keys, **smtp) as server:
            finished(server, customers)
    with homes.opened(home, base_url="http://127.0.0.1:8787", writer=False) as opened:
        judge(opened, customers, sink)


def judge(home: homes.Home, customers: Customers, sink: Sink, kills: int = ROUNDS) -> None:
    """Each acknowledged event once; each message at most once, unknown where the answer was cut; every run went on."""
    with home.book.snapshot() as reader:
        told = Counter(row[0] for page in read_log(reader, home.lake, names=("message_id",)) for row in page)
    assert {told[one] for one in customers.acked()} == {1}
    assert len(set(customers.acked())) == 4 * PEOPLE
    statuses = dict(home.book.read("outbox_counts"))
    assert set(statuses) == {"sent", "unknown"}
    assert sum(statuses.values()) == PEOPLE
    assert max(Counter(sink.got).values()) == 1
    assert statuses["unknown"] >= kills
    assert len(sink.got) >= statuses["sent"]
    assert dict(home.book.read("counters"))["unknown_outcomes"] == statuses["unknown"]
    assert dict(home.book.read("counters")).get("dead_letters", 0) == 0
    found = verify_home(home, books_only=False)
    assert found["ok"], found["findings"]
    assert found["pending"] == found["not_expanded"] == 0
