"""The thread that tells webhooks: beside one that hangs, from the lake where the Book has trimmed, across kill -9."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from einklang.app.destinations import stand_of
from einklang.app.sources import LiveSource
from einklang.main import activator as module
from einklang.main import clock
from einklang.main import home as homes
from einklang.main.activator import Activator
from einklang.store.lake import ship_all
from tests.deliver.test_webhooks import Hooks
from tests.live.servers import make, serving, wait_for
from tests.waits import WAIT_S

DEFINITIONS = """
{kind: trait, id: vip, type: bool}
---
{kind: segment, id: vip, where: 'trait.vip == true'}
---
{kind: destination, id: crm, type: webhook, segment: vip, purpose: marketing, url: "https://crm.example/hook"}
---
{kind: destination, id: shop, type: webhook, segment: vip, purpose: marketing, url: "http://127.0.0.1:1/hook"}
"""
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def vips(home: homes.Home, first: int, last: int) -> None:
    """So many come into the segment."""
    calls = [{"type": "identify", "userId": f"u{n}", "traits": {"vip": True}} for n in range(first, last)]
    body = json.dumps({"batch": calls}).encode()
    home.book.append([_Blob(len(calls), clock.now(), body)])
    engine, source = home.engine(), LiveSource()
    source.now = clock.now()
    while engine.step(source, 1_000):
        pass


class _Blob:
    def __init__(self, items: int, received_at: int, body: bytes) -> None:
        self.items, self.received_at, self.source, self.kind, self.body = items, received_at, "web", "batch", body
        self.suppress: tuple[Any, ...] = ()


def test_one_that_hangs_delays_no_other_and_what_was_trimmed_is_read_from_the_lake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one never answers, the other is told what came meanwhile too, also where the Book has let the log go."""
    monkeypatch.setattr(module, "_HANGING_S", 0)
    make(tmp_path / "home", DEFINITIONS)
    with homes.opened(tmp_path / "home", base_url="http://127.0.0.1:8787", writer=True) as home:
        hooks = Hooks()
        hooks.hangs = {"crm"}
        it = Activator(home, hooks, clock.now)
        it.work()
        vips(home, 0, 3)
        for _ in range(4):
            it.work()
        assert stand_of(home.book, "shop").sent == 3
        vips(home, 3, 5)
        ship_all(home.book, home.lake, keep_entries=0)
        assert home.book.read("entry_span") == [(None, None)]
        for _ in range(6):
            it.work()
        assert (stand_of(home.book, "shop").sent, stand_of(home.book, "crm").sent) == (5, 0)
        it.close()
        hooks.hangs = set()
        again = Activator(home, hooks, clock.now)
        for _ in range(6):
            again.work()
        assert stand_of(home.book, "crm").sent == 5
        again.close()


class _Receiver(BaseHTTPRequestHandler):
    """Notes the id of each request; `taken` is set, and nothing answered before `answers`."""

    ids: list[str]
    taken: Event
    answers: Event

    def do_POST(self) -> None:  # the name that http.server asks for
        """Take it."""
        self.rfile.read(int(self.headers["content-length"]))
        self.ids.append(self.headers["webhook-id"])
        self.taken.set()
        self.answers.wait(WAIT_S)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


@contextmanager
def receiving(port: list[int]) -> Iterator[type[_Receiver]]:
    """A webhook beside the test."""

    class Here(_Receiver):
        ids: list[str] = []  # noqa: RUF012  # of this class alone
        taken, answers = Event(), Event()

    server = HTTPServer(("127.0.0.1", 0), Here)
    port.append(server.server_port)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Here
    finally:
        Here.answers.set()
        server.shutdown()
        thread.join(WAIT_S)
        server.server_close()


@pytest.mark.slow
def test_kill_9_between_sending_and_noting_tells_it_again_under_its_id(tmp_path: Path) -> None:
    """Killed while the receiver has the request: after the restart it comes again, the same id, and then never more."""
    port: list[int] = []
    with receiving(port) as got:
        hook = "{kind: destination, id: shop, type: webhook, segment: vip, purpose: marketing, url: "
        text = DEFINITIONS.split("---\n{kind: destination", maxsplit=1)[0]
        keys = make(tmp_path / "home", f'{text}---\n{hook}"http://127.0.0.1:{port[0]}/"}}\n')
        secrets = {"EINKLANG_WEBHOOK_SECRETS": f"shop={SECRET}", "EINKLANG_WEBHOOK_NETWORKS": "127.0.0.0/8"}
        with serving(tmp_path / "home", keys, **secrets) as server:
            server.post({"type": "identify", "userId": "u1", "traits": {"vip": True}})
            assert got.taken.wait(WAIT_S)
            server.end(signal.SIGKILL)
        got.answers.set()
        with serving(tmp_path / "home", keys, **secrets) as server:
            wait_for(lambda: len(got.ids) > 1, "the change was told again")
            server.post({"type": "identify", "userId": "u2", "traits": {"vip": True}})
            wait_for(lambda: len(got.ids) > 2, "the next change was told")
            server.end()
    assert (len(got.ids), len(set(got.ids)), got.ids[0]) == (3, 2, got.ids[1])
