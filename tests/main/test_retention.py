"""Expired events leave the lake, and `verify` stays a proof: after a crash at any write, and from checkpoint to
checkpoint.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.compute as pc
import pytest

from einklang.app import expiry
from einklang.app.apply import apply
from einklang.app.run import run as run_until
from einklang.event import EngineCall
from einklang.kernel import time
from einklang.kernel.errors import Conflict
from einklang.main import retention
from einklang.main.cli import main
from einklang.main.home import Home, create, opened
from einklang.main.verify import verify_home
from einklang.store.lake import checkpoint, commit, ship_all
from tests.app.worlds import DAY, SALT, SETUP, START, append, documents

DEFINITIONS = """
{kind: event, id: Page Viewed, keep: 2d}
---
{kind: event, id: Segment Entered, keep: 3d}
---
{kind: segment, id: lookers, where: 'events("Page Viewed").within("1d").exists()'}
"""
UNTIL = START + 12 * DAY


@contextmanager
def at_home(folder: Path) -> Iterator[Home]:
    """The home, for its one writer."""
    with opened(folder, base_url="http://shop.example", writer=True, setup=SETUP) as home:
        yield home


def visits(days: range) -> list[EngineCall]:
    """Three people, each of whom looks at a page, buys, and says so, every other day."""
    calls = []
    for day in days:
        for n in range(3):
            for name, hour in (("Page Viewed", 1), ("Order Completed", 2)):
                call = EngineCall(
                    "track", name, messageId=f"{name}-{n}-{day}", userId=f"u{n}", anonymousId=f"a{n}-{day}"
                )
                call.at = START + day * DAY + (hour + n) * time.HOUR
                calls.append(call)
    return calls


def lived(folder: Path, days: range) -> None:
    """So many days in a home, all of it shipped but the last few entries."""
    with at_home(folder) as home:
        append(home.book, visits(days))
        run_until(home.book, home.engine(), START + days.stop * DAY, mode="run")
        ship_all(home.book, home.lake, keep_entries=4)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with twelve days of events, nothing expired yet."""
    folder = tmp_path_factory.mktemp("retention") / "home"
    create(folder, SALT, password="correct horse")
    with at_home(folder) as home:
        apply(home.book, list(documents(DEFINITIONS)), now=START)
    lived(folder, range(0, 12, 2))
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(prepared, tmp_path / "home"))


def findings(folder: Path) -> list[str]:
    """What verify says; what was interrupted between two slices is carried out first."""
    with opened(folder, base_url="http://shop.example", writer=False) as home:
        under_way = any(text for (text,) in home.book.read("meta_value", "sweep"))
        if not under_way:
            found: list[str] = verify_home(home, books_only=False)["findings"]
            return found
        with pytest.raises(Conflict):
            verify_home(home, books_only=False)
    with at_home(folder) as home:
        home.engine()
    return findings(folder)


def events(folder: Path) -> set[tuple[str, int]]:
    """(name, seq) of what the lake holds."""
    with opened(folder, base_url="", writer=False) as home:
        return set(home.lake.scan("events").select("name", "seq").collect().rows())


def expired(folder: Path) -> dict[str, Any]:
    """Carry all of it out."""
    with at_home(folder) as home:
        return retention.expire(home)


@pytest.mark.slow
def test_what_expired_leaves_and_the_rest_is_proved(folder: Path) -> None:
    """Twice: the rows go, those that the engine derived too, all others stay, and verify begins at the checkpoint."""
    before = events(folder)
    found = expired(folder)
    bounds = {"Page Viewed": UNTIL - 2 * DAY, "Segment Entered": UNTIL - 3 * DAY}
    assert found["ok"]
    assert found["expired"] == {name: f"before {time.format_moment(at)}" for name, at in bounds.items()}
    after = events(folder)
    gone = before - after
    assert found["removed"] == len(gone) > 20
    assert {name for name, _ in gone} == set(bounds)
    with opened(folder, base_url="", writer=False) as home:
        rows = home.lake.scan("events").select("name", pl.col("at").dt.epoch("us")).collect().rows()
        assert not [name for name, at in rows if at < bounds.get(name, 0)]
        assert not [row for row in home.book.read("log_page", 0, 99) if row[3] < bounds.get(row[8], 0)], "nor the tail"
        base = checkpoint.newest(home.lake.root)
        assert base is not None
    assert findings(folder) == []
    lived(folder, range(12, 18, 2))
    assert findings(folder) == []
    assert expired(folder)["removed"] > 10
    with opened(folder, base_url="", writer=False) as home:
        later = checkpoint.newest(home.lake.root)
        assert later is not None
        assert later.seq > base.seq
        assert [place.name for place in (home.lake.root / "checkpoint").iterdir()] == [later.folder.name]
    assert findings(folder) == []
    assert expired(folder)["removed"] == 0, "there is nothing to do"


@pytest.mark.slow
def test_rows_that_leave_without_a_proof_are_found(folder: Path) -> None:
    """Positive control: where anything else than what the checkpoint knows of leaves the lake, verify says so."""
    other = Path(shutil.copytree(folder, folder.parent / "other"))
    with at_home(folder) as home:
        assert home.lake.expire(pc.field("name") == "Page Viewed") > 0
    assert any("the log goes from seq" in text for text in findings(folder))
    expired(other)
    with at_home(other) as home:
        base = checkpoint.newest(home.lake.root)
        assert base is not None
        before = pc.field("seq") <= base.seq
        handle = home.lake._open("events")
        names = home.lake._data_files(handle, "events")
        home.lake._rewrite(
            handle, "events", names, operation="DELETE", changes_rows=True, stopping=lambda: False,
            keep=~((pc.field("name") == "Order Completed") & before),
        )  # fmt: skip
    assert any("events before the checkpoint" in text for text in findings(other))


class Crash(BaseException):
    """The process ends here."""


class Fuse:
    """Ends the process at the n-th of the changes that it is told of."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.seen: list[str] = []

    def __call__(self, what: str) -> None:
        self.seen.append(what)
        if len(self.seen) == self.at:
            raise Crash(what)

    def around(self, what: str, change: Callable[..., Any]) -> Callable[..., Any]:
        """The same change, with an end before it and one after it."""

        def changing(*args: Any, **kwargs: Any) -> Any:
            self(f"before {what}")
            done = change(*args, **kwargs)
            self(f"after {what}")
            return done

        return changing


def crashed(folder: Path, at: int, monkeypatch: pytest.MonkeyPatch) -> Fuse:
    """All of it, ended at the n-th change."""
    fuse = Fuse(at)
    with monkeypatch.context() as patch, at_home(folder) as home:
        patch.setattr(commit, "replace_files", fuse.around("a commit of the lake", commit.replace_files))
        patch.setattr(os, "rename", fuse.around("publishing", os.rename))
        patch.setattr(home.book, "transact", fuse.around("a transaction", home.book.transact))
        patch.setattr(home.lake, "clean", fuse.around("cleaning", home.lake.clean))
        patch.setattr(home, "engine", fuse.around("the tick", home.engine))
        with suppress(Crash):
            retention.expire(home)
    return fuse


@pytest.mark.slow
def test_a_crash_at_any_change_leaves_a_whole_home(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it ends, verify finds nothing, and doing it again brings the same lake as without the crash."""
    whole = crashed(Path(shutil.copytree(folder, tmp_path / "whole")), 0, monkeypatch).seen
    expected = events(tmp_path / "whole")
    assert whole.count("before publishing") == 1
    assert whole.count("before a commit of the lake") >= 1
    for at in range(1, len(whole) + 1):
        place = Path(shutil.copytree(folder, tmp_path / f"at-{at}"))
        fuse = crashed(place, at, monkeypatch)
        assert fuse.seen[-1] == whole[at - 1]
        assert findings(place) == [], f"after a crash {fuse.seen[-1]}"
        assert expired(place)["ok"]
        assert events(place) == expected
        assert findings(place) == []
        shutil.rmtree(place)


def test_a_state_that_is_not_what_the_log_says_is_no_checkpoint(folder: Path) -> None:
    """Then nothing leaves the lake."""
    with at_home(folder) as home:
        home.book.transact(lambda tx: tx.write("identifier_put", [("email", "x@y.example", "p_nobody", 1, 1)]))
    before = events(folder)
    found = expired(folder)
    assert not found["ok"]
    assert any("identifier" in text for text in found["findings"])
    assert before <= events(folder)
    with opened(folder, base_url="", writer=False) as home:
        assert checkpoint.newest(home.lake.root) is None
        assert not (home.lake.root / "checkpoint" / "draft").exists()


class FakeProof:
    """A process that makes the proof when it is asked how it is, the second time."""

    def __init__(self, home: Home, status: int) -> None:
        self.home, self.status, self.polls, self.ended = home, status, 0, False

    def poll(self) -> int | None:
        """None while it works."""
        self.polls += 1
        if self.polls < 2:
            return None
        if self.status == 0:
            assert retention.prove(self.home) == []
        return self.status

    def terminate(self) -> None:
        """It is not wanted any more."""
        self.ended = True

    def wait(self) -> int:
        """It has ended."""
        return self.status


def test_a_server_lets_go_by_itself(folder: Path) -> None:
    """Once a day: it asks, has the proof made beside it, again after a failure, and removes; then it is quiet."""
    seconds = [0.0]
    proofs: list[FakeProof] = []

    def begin(home: Home) -> FakeProof:
        proofs.append(FakeProof(home, status=1 if not proofs else 0))
        return proofs[-1]

    with at_home(folder) as home:
        before = home.lake.scan("events").collect().height
        keeper = retention.Keeper(home, lambda: UNTIL, lambda: seconds[0], begin)
        keeper.look()
        assert home.book.read("tail_items")[0][0] == 1, "it has asked"
        keeper.look()
        assert not proofs, "the tick comes first"
        home.engine()
        ship_all(home.book, home.lake)
        seconds[0] += retention.SOON_S
        for _ in range(3):
            keeper.look()
        assert (len(proofs), proofs[0].polls) == (1, 2)
        keeper.look()
        assert len(proofs) == 1, "not at once again"
        seconds[0] += retention.AGAIN_S
        for _ in range(4):
            keeper.look()
        assert len(proofs) == 2
        assert home.lake.expired() > 20
        assert home.lake.scan("events").collect().height < before
        seconds[0] += retention.EVERY_S
        keeper.look()
        keeper.look()
        assert len(proofs) == 2
        keeper.stop()
    assert findings(folder) == []


def test_a_server_that_stops_ends_the_proof(folder: Path) -> None:
    """No process is left behind."""
    with at_home(folder) as home:
        expiry.ask(home.book, now=UNTIL)
        home.engine()
        ship_all(home.book, home.lake)
        proof = FakeProof(home, 0)
        keeper = retention.Keeper(home, lambda: UNTIL, lambda: 0.0, lambda _: proof)
        keeper.look()
        keeper.stop()
        assert proof.ended


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`einklang expire` does all of it; `--prove` alone removes nothing; a segment of the past says what is gone."""
    at = ["--home", str(folder), "--json"]
    assert main(["expire", "--prove", *at]) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "findings": []}
    assert main(["expire", *at]) == 0
    assert json.loads(capsys.readouterr().out)["removed"] > 20
    assert main(["verify", *at]) == 0
    assert json.loads(capsys.readouterr().out)["state_equal"] is True
    assert main(["segment", "count", "lookers", "--at", time.format_moment(START + 5 * DAY), *at]) == 0
    assert json.loads(capsys.readouterr().out)["expired"].keys() == {"Page Viewed"}


@pytest.mark.slow
def test_a_backup_holds_the_checkpoint(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A copy of a home from which events have gone is proved like the home itself."""
    assert expired(folder)["removed"] > 20
    assert main(["backup", str(tmp_path / "copy"), "--home", str(folder), "--json"]) == 0
    shutil.rmtree(folder)
    assert findings(tmp_path / "copy") == []
    with opened(tmp_path / "copy", base_url="", writer=False) as home:
        assert checkpoint.newest(home.lake.root) is not None
