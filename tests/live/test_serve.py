"""A server from the first event to its end: what a client sends is seen, decided, sent, clicked, verified."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from segment.analytics.client import Client

from einklang.main.cli import main
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake, read_log
from tests.live.servers import Server, basket, environment, make, person, serving, wait_for
from tests.waits import WAIT_S

pytestmark = pytest.mark.slow
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def verified(home: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What `einklang verify --json` says beside the running server."""
    capsys.readouterr()
    status = main(["verify", "--home", str(home), "--json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (status, found["ok"], found["state_equal"]) == (0, True, True), found["findings"]
    return found


def stage(client: httpx.Client, who: str) -> Any:
    """What the journey left on a person, None before."""
    answer = client.get(f"/api/persons/{who}")
    traits = answer.json().get("traits", {}) if answer.status_code == 200 else {}
    return traits.get("stage", {}).get("value")


def mails(home: Path) -> list[Path]:
    """What lies in the outbox folder."""
    return sorted((home / "outbox" / "email").glob("*.eml"))


def links(mail: Path) -> tuple[str, str]:
    """The paths of the click link and of the one-click unsubscription in a mail."""
    message = message_from_bytes(mail.read_bytes(), policy=policy.default)
    body = message.get_body(("html",))
    assert body is not None
    click = re.search(r'href="([^"]+/c/[^"]+)"', body.get_content())
    assert click
    return urlsplit(click[1]).path, urlsplit(str(message["List-Unsubscribe"]).strip("<>")).path


def reacted(server: Server, client: httpx.Client, home: Path) -> None:
    """Click, and see it; unsubscribe, and get nothing more."""
    (mail,) = mails(home)
    click, unsubscribe = links(mail)
    answer = client.get(click, headers={"User-Agent": BROWSER})
    assert answer.headers["location"] == "https://shop.example/x"
    wait_for(lambda: stage(client, "email:p1@shop.example") == "hot", "the click")
    assert client.get(unsubscribe).status_code == 200
    answer = client.post(unsubscribe, data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    server.post(basket(1, "c2"))
    wait_for(lambda: stage(client, "email:p1@shop.example") == "cold", "the refusal of the second contact")
    assert mails(home) == [mail]
    why = client.get("/api/persons/email:p1@shop.example/why").json()
    assert [verdict["reason"] for verdict in why["verdicts"]][-1] in ("no_consent", "suppressed")


def test_a_server_from_start_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The Segment client, the API, the outbox, a click, an unsubscription, verify beside it, a second one, SIGTERM."""
    home = tmp_path / "home"
    keys = make(home)
    with serving(home, keys) as server, server.client() as client:
        segment = Client(keys.write_key, host=server.url, sync_mode=True, max_retries=0)
        for call in person(1):
            if call["type"] == "identify":
                segment.identify(call["userId"], call["traits"])
            else:
                segment.track(call["userId"], call["event"], call["properties"])
        added = basket(1)
        segment.track(added["userId"], added["event"], added["properties"])
        wait_for(lambda: stage(client, "email:p1@shop.example") == "warm", "the hand-over")
        status = client.get("/api/status").json()
        assert (status["mode"], status["persons"]) == ("live", 1)
        verified(home, capsys)
        reacted(server, client, home)
        figures = verified(home, capsys)
        assert (figures["dead_letters"], figures["duplicates"]) == (0, 0)

        second = subprocess.run(
            [sys.executable, "-m", "einklang.main.cli", "serve", "--home", str(home), "--port", "0"],
            env=environment(), capture_output=True, text=True, timeout=WAIT_S, check=False,
        )  # fmt: skip
        assert (second.returncode, second.stdout) == (1, "")
        (line,) = second.stderr.splitlines()
        assert re.match(r"einklang: .*; ", line)

        assert server.end() == 0
        assert server.lines == []
    shipped(home)


def shipped(home: Path) -> None:
    """The lake holds the whole log."""
    lake = Lake(home / "lake")
    with SqliteBook.open(home, writer=False) as book:
        last = dict(book.read("counters"))["seq"]
        assert book.read("ship_mark", "events")[0][0] == last
        with book.snapshot() as reader:
            assert sum(len(page) for page in read_log(reader, lake)) == last


def test_a_port_that_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line with the address and the mend, exit 1; the home is free afterwards."""
    make(tmp_path / "home")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--home", str(tmp_path / "home"), "--port", str(port)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"einklang: 127.0.0.1:{port}: cannot listen")
    SqliteBook.open(tmp_path / "home").close()
