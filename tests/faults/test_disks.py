"""A running server on a disk that gets full or breaks: nothing is said that is not stored (invariants 8 and 9)."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from einklang.main import home as homes
from einklang.main.verify import verify_home
from einklang.store.lake import read_log
from tests.live import servers
from tests.live.servers import Server, make, person, serving, wait_for
from tests.waits import WAIT_S

pytestmark = pytest.mark.faults


class Disk:
    """The disk of a server in another process."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder

    def get(self, what: str) -> None:
        """`full` or `broken`, from now on."""
        (self.folder / what).touch()

    def mend(self) -> None:
        """All well again."""
        for file in self.folder.iterdir():
            file.unlink()


@contextmanager
def on(disk: Disk, home: Path, keys: homes.Keys) -> Iterator[Server]:
    """A server on this disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(servers, "PROGRAM", [sys.executable, "-m", "tests.faults.bad_disk", str(disk.folder)])
        with serving(home, keys, PYTHONPATH=str(Path(__file__).resolve().parents[2])) as server:
            yield server


def call(number: int) -> dict[str, Any]:
    """An event with an id of its own."""
    return {"type": "track", "event": "Page", "userId": f"u{number % 3}", "messageId": f"m{number}"}


def withdrawal(number: int) -> dict[str, Any]:
    """Somebody takes consent back."""
    properties = {"channel": "email", "address": "p1@shop.example", "purpose": "marketing"}
    return {**call(number), "event": "Consent Withdrawn", "properties": properties}


def stored(home: Path) -> Counter[str]:
    """How often each message id is in the log; the home must be in order."""
    with homes.opened(home, base_url="http://127.0.0.1:8787", writer=False) as opened:
        with opened.book.snapshot() as reader:
            told = Counter(row[0] for page in read_log(reader, opened.lake, names=("message_id",)) for row in page)
        found = verify_home(opened, books_only=False)
        assert found["ok"], found["findings"]
        assert found["dead_letters"] == 0
        return told


def test_a_full_disk(tmp_path: Path) -> None:
    """503 with Retry-After for events while a withdrawal is still taken; when there is room the server goes on by
    itself. In the log is what was answered 200, once, and nothing else.
    """
    home, disk, answers = tmp_path / "home", Disk(tmp_path / "disk"), dict[str, int]()
    keys = make(home)

    def post(one: dict[str, Any]) -> httpx.Response:
        answer = server.post(one)
        answers[one["messageId"]] = answer.status_code
        return answer

    with on(disk, home, keys) as server:
        assert server.post(*({**one, "messageId": f"p{n}"} for n, one in enumerate(person(1)))).status_code == 200
        assert post(call(1)).status_code == 200
        disk.get("full")
        for number in range(2, 8):
            answer = post(call(number))
            assert (answer.status_code, answer.json()["code"]) == (503, "disk_full")
            assert int(answer.headers["retry-after"]) > 0
        assert (home / "reserve").exists()
        assert post(withdrawal(8)).status_code == 200
        assert not (home / "reserve").exists()
        disk.mend()
        assert post(call(9)).status_code == 200
        with server.client() as client:
            wait_for(lambda: "einklang_pending 0" in client.get("/metrics").text, "the folding of what came")
        assert server.end() == 0
    told = stored(home)
    assert {one: told[one] for one in answers} == {one: int(status == 200) for one, status in answers.items()}
    assert [one for one, status in answers.items() if status == 200] == ["m1", "m8", "m9"]
    serving_again(home, keys)
    assert (home / "reserve").exists(), "the reserve is taken back"


def serving_again(home: Path, keys: homes.Keys) -> None:
    """The home opens and takes events."""
    with serving(home, keys) as server:
        assert server.post(call(100)).status_code == 200
        assert server.end() == 0


def refused(server: Server, one: dict[str, Any]) -> bool:
    """Whether it was answered 503 `book_failed`, or not at all: the server may have ended already."""
    try:
        answer = server.post(one)
    except httpx.TransportError:
        return True
    return (answer.status_code, answer.json()["code"]) == (503, "book_failed")


def test_a_failed_fsync_ends_the_server(tmp_path: Path) -> None:
    """503 and never 200 from then on, though the disk obeys again; the server ends itself with status 1 and says why.
    Started again it has all that was acknowledged.
    """
    home, disk = tmp_path / "home", Disk(tmp_path / "disk")
    keys = make(home)
    with on(disk, home, keys) as server:
        assert server.post(call(1)).status_code == 200
        disk.get("broken")
        assert refused(server, call(2))
        disk.mend()
        assert refused(server, call(3))
        assert server.process.wait(WAIT_S) == 1
        server.reader.join(WAIT_S)
        assert server.lines[-1].endswith("[stopped]\n")
    serving_again(home, keys)
    told = stored(home)
    assert (told["m1"], told["m3"], told["m100"]) == (1, 0, 1)
