"""Fail the N-th write, fsync, open or rename of a home at work, in SQLite and in Python's own files (1, 4, 7, 8, 9).

Whatever fails, a fault of the world is said, never another exception; opened again on a disk that obeys, the home has
all that was acknowledged, once, its books balance and its state is the rebuild. What the Delta writer itself writes (in
Rust) is not reached from here. More: EINKLANG_NTH=300 .venv/bin/pytest tests/faults/test_nth.py --timeout 3600
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from einklang.app.sources import LiveSource
from einklang.channel.outbox import OutboxFolder
from einklang.channel.types import Parcel
from einklang.kernel.errors import EinklangError
from einklang.kernel.time import SECOND
from einklang.main import home as homes
from einklang.main.verify import verify_home
from einklang.store.book import Setup
from einklang.store.lake import read_log, ship
from einklang.testing.book_suite import Body
from einklang.testing.powercut import Recorder

pytestmark = pytest.mark.faults

NTH_MAX = int(os.environ.get("EINKLANG_NTH", "50"))
ROUNDS = 8
NOW = 1_780_000_000_000_000
#: What fails -> what SQLite is told, what Python is told.
ERRORS: dict[str, tuple[type[apsw.Error], int]] = {
    "write": (apsw.FullError, errno.ENOSPC),
    "sync": (apsw.IOError, errno.EIO),
    "open": (apsw.CantOpenError, errno.EMFILE),
    "rename": (apsw.IOError, errno.EIO),
}


class Disk(Recorder):
    """Counts what is done to it; the n-th of one kind fails. left: what is still to come before that."""

    def __init__(self, kind: str, n: int) -> None:
        super().__init__()
        self.kind, self.left = kind, n
        self.at_work = False

    def _due(self, kind: str) -> bool:
        if kind != self.kind or not self.at_work:
            return False
        self.left -= 1
        return self.left == 0

    def fault(self, what: str, file: str) -> None:
        """For SQLite."""
        if self._due(what):
            raise ERRORS[what][0]("injected")

    def hook(self, patch: pytest.MonkeyPatch) -> None:
        """For Python."""

        def failing(kind: str, call: Callable[..., Any]) -> Callable[..., Any]:
            def hooked(*args: Any, **more: Any) -> Any:
                if self._due(kind):
                    raise OSError(ERRORS[kind][1], "injected")
                return call(*args, **more)

            return hooked

        for kind, names in (("open", ["open"]), ("sync", ["fsync"]), ("rename", ["replace", "link"])):
            for name in names:
                patch.setattr(os, name, failing(kind, getattr(os, name)))
        patch.setattr(os, "pwrite", failing("write", os.pwrite))


def body(number: int) -> bytes:
    """A batch of two that names its number."""
    named = {"type": "track", "event": "Page", "userId": f"u{number % 3}", "properties": {"x": "y" * 700}}
    calls = [{**named, "messageId": f"{number}-{n}"} for n in range(2)]
    return msgspec.json.encode({"batch": calls})


def worked(path: Path, setup: Setup) -> tuple[list[int], list[str]]:
    """(bodies acknowledged, messages handed over): rounds of storing, ticking, shipping and handing over."""
    acked, handed = list[int](), list[str]()

    def tried(act: Callable[[], object]) -> bool:
        try:
            act()
        except EinklangError:
            return False
        return True

    try:
        with homes.opened(path, base_url="http://127.0.0.1", writer=True, setup=setup) as home:
            engine, source, folder = home.engine(), LiveSource(), OutboxFolder(path / "outbox")
            for number in range(ROUNDS):
                blob = Body(body(number), 2, NOW + number * SECOND, "web", "batch")
                if tried(partial(home.book.append, [blob])):
                    acked.append(number)
                source.now = NOW + number * SECOND
                tried(lambda: engine.step(source, 100))
                if number % 3 == 2:
                    tried(lambda: ship(home.book, home.lake, "events", keep_entries=2))
                if folder.put(Parcel(f"m{number}", "", b"mail %d" % number)).status == "sent":
                    handed.append(f"m{number}")
    except EinklangError:
        pass  # it did not open, or could not be closed: what was told before counts
    except OSError:
        assert not acked, "only what opens a home may leave it to the command line to say what the system refused"
    return acked, handed


def judge(path: Path, acked: list[int], handed: list[str]) -> None:
    """On a disk that obeys: see the docstring of the module."""
    with homes.opened(path, base_url="http://127.0.0.1", writer=True, setup=PLAIN) as home:
        engine, source = home.engine(), LiveSource()
        source.now = NOW + 60 * SECOND
        while engine.step(source, 100):
            pass
        ship(home.book, home.lake, "events", keep_entries=2)
        with home.book.snapshot() as reader:
            told = Counter(row[0] for page in read_log(reader, home.lake, names=("message_id",)) for row in page)
        assert [told[f"{number}-{n}"] for number in acked for n in range(2)] == [1] * 2 * len(acked)
        assert max(told.values(), default=1) == 1
        found = verify_home(home, books_only=False)
        assert found["ok"], found["findings"]
    assert [key for key in handed if not (path / "outbox" / "email" / f"{key}.eml").is_file()] == []


PLAIN = Setup(synchronous="OFF", reserve_bytes=4096)


@pytest.mark.parametrize("kind", ERRORS)
def test_whatever_fails_nothing_is_lost_or_doubled(
    kind: str, memory: Path, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    """For every N up to the last operation of its kind, at most 50; a fault was felt in most of the runs."""
    felt = runs = 0
    for n in range(1, NTH_MAX + 1):
        path, disk = memory / f"home-{n}", Disk(kind, n)
        homes.create(path, "5a" * 16)
        setup = Setup(vfs=disk.name, checkpoint_pages=12, reserve_bytes=4096)
        with monkeypatch.context() as patch:
            disk.hook(patch)
            disk.at_work = True
            acked, handed = worked(path, setup)
            disk.at_work = False
        disk.close()
        judge(path, acked, handed)
        runs += 1
        felt += len(acked) + len(handed) < 2 * ROUNDS
        if disk.left > 0:
            break
    record_property("said", f"fail the N-th {kind}: N = 1 to {runs}, nothing lost or doubled, {felt} runs felt it")
    assert runs > 3
    assert felt or kind == "write"


def test_an_acknowledgement_too_early_is_found(memory: Path) -> None:
    """Positive control: a body that was told to be stored and is not there fails the judgement."""
    homes.create(memory / "home", "5a" * 16)
    acked, handed = worked(memory / "home", PLAIN)
    assert len(acked) == len(handed) == ROUNDS
    judge(memory / "home", acked, handed)
    with pytest.raises(AssertionError):
        judge(memory / "home", [*acked, ROUNDS], handed)
    with pytest.raises(AssertionError):
        judge(memory / "home", acked, [*handed, "m99"])
