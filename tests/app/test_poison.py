"""What cannot be worked off is put aside, what was not committed has not happened (invariant 6)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from einklang.app import backfill
from einklang.app.apply import apply
from einklang.app.moment import Moments
from einklang.app.sources import LiveSource
from einklang.app.working import Live
from einklang.event import EngineCall, Event
from einklang.kernel.errors import Unavailable
from einklang.main.verify import check_books
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake
from einklang.testing.canonical import canonical_hash, difference
from tests.app.dice import Random
from tests.app.worlds import DAY, START, UNTIL, append, documents, engine_of, home, random_calls, run


class Trap:
    """A fault in the code: the moment of an event with this message id raises, `times` times."""

    def __init__(self, message_id: str, times: int = 1_000) -> None:
        self.message_id = message_id
        self.times = times
        self.calls = 0
        self._event = Moments.event

    def __call__(self, moments: Moments, live: Any, event: Event, *, whole: bool, told: Any) -> None:
        """What `Moments.event` does, or a fault half way."""
        self._event(moments, live, event, whole=whole, told=told)
        if event.message_id == self.message_id:
            self.calls += 1
            if self.calls <= self.times:
                raise ZeroDivisionError("a fault of ours")


def without(calls: list[EngineCall], message_id: str) -> list[EngineCall]:
    """The log as if this event had never been sent."""
    return [call for call in calls if call.messageId != message_id]


def balanced(book: SqliteBook, tmp_path: Path) -> None:
    """The books balance."""
    with book.snapshot() as reader:
        assert check_books(reader, Lake(tmp_path))[0] == []


@pytest.mark.parametrize("batch", [1, 7, 5_000])
def test_a_poison_event_is_put_aside(batch: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It becomes a dead letter with reason, bytes and code version; all else is as if it had never been sent."""
    calls = random_calls(Random(11), 50)
    trap = Trap("e17")
    monkeypatch.setattr(Moments, "event", lambda *args, **more: trap(*args, **more))
    with home() as poisoned, home() as clean:
        append(poisoned, calls)
        append(clean, without(calls, "e17"))
        run(poisoned, [batch])
        run(clean, [batch])
        assert difference(clean, poisoned, log=True) == []
        ((code, detail, body, version),) = poisoned.read("dead_told")
        assert (code, version) == ("poison", "test")
        assert "ZeroDivisionError: a fault of ours" in detail
        assert msgspec.json.decode(body)["message_id"] == "e17"
        balanced(poisoned, tmp_path)


def test_many_poison_events_stop_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A fault that every third event meets leaves the other two thirds folded."""
    calls = random_calls(Random(12), 60)
    event = Moments.event

    def faulty(moments: Moments, live: Any, what: Event, *, whole: bool, told: Any) -> None:
        if what.message_id.startswith("e") and what.origin == 0 and int(what.message_id[1:]) % 3 == 0:
            raise ValueError("no")
        event(moments, live, what, whole=whole, told=told)

    monkeypatch.setattr(Moments, "event", faulty)
    with home() as book:
        append(book, calls)
        run(book)
        assert len(book.read("dead_told")) == 20
        balanced(book, tmp_path)


def test_a_fault_that_passes_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What raises once and works when it is tried again is folded: no dead letter, the same state."""
    calls = random_calls(Random(13), 50)
    trap = Trap("e20", times=1)
    with home() as book, home() as clean:
        append(clean, calls)
        run(clean)
        append(book, calls)
        monkeypatch.setattr(Moments, "event", lambda *args, **more: trap(*args, **more))
        run(book)
        assert trap.calls > 1
        assert book.read("dead_told") == []
        assert difference(clean, book, log=True) == []


def test_a_poison_event_among_bodies_that_arrive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Live too: the neighbours in its body are folded, a retry of it is a duplicate."""
    calls = [EngineCall(type="page", userId=f"u{n}", messageId=f"e{n}", at=UNTIL - n) for n in range(5)]
    trap = Trap("e3")
    monkeypatch.setattr(Moments, "event", lambda *args, **more: trap(*args, **more))
    with home() as book:
        source, engine = LiveSource(), engine_of(book)
        source.now = UNTIL
        for _ in range(2):
            append(book, calls, received_at=UNTIL)
            while engine.step(source, 100):
                pass
        assert len(book.read("dead_told")) == 1
        assert sum(1 for lane in range(64) for _ in book.read("all_person", lane)) == 4
        assert dict(book.read("counters"))["duplicates"] == 5
        balanced(book, tmp_path)


def test_a_poison_timer_holds_its_person(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A timer that always raises is told as a dead letter; the others go on, and so does time."""
    calls = random_calls(Random(14), 50)
    timer = Moments.timer
    held: set[str] = set()

    def faulty(moments: Moments, live: Any) -> None:
        if not held or live.person.id in held:
            held.add(live.person.id)
            raise ValueError("no")
        timer(moments, live)

    monkeypatch.setattr(Moments, "timer", faulty)
    with home() as book:
        append(book, calls)
        run(book)
        assert {bytes(row[2]).decode() for row in book.read("dead_told")} == held
        assert book.read("counter_value", "clock")[0][0] == UNTIL
        balanced(book, tmp_path)


def test_a_fault_of_the_world_is_no_poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that refuses is told to the caller; nothing is put aside."""
    calls = random_calls(Random(15), 30)
    with home() as book:
        append(book, calls)
        before = canonical_hash(book)

        def refuse(work: Any) -> Any:
            raise Unavailable("disk_full", "no space")

        engine, source = engine_of(book), LiveSource()
        source.now = UNTIL
        monkeypatch.setattr(book, "transact", refuse)
        with pytest.raises(Unavailable):
            engine.step(source, 100)
        monkeypatch.undo()
        assert canonical_hash(book) == before
        while engine.step(source, 100):
            pass
        assert book.read("dead_told") == []


def test_a_crash_before_the_commit_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies between computing and commit has done nothing; the next one does all of it, once."""
    calls = random_calls(Random(16), 50)
    with home() as book, home() as clean:
        append(book, calls)
        append(clean, calls)
        run(clean, [10], until=START + 5 * DAY)
        run(clean, [10])

        class Died(BaseException):
            """The process is gone."""

        def die(work: Any) -> Any:
            raise Died

        run(book, [10], until=START + 5 * DAY)
        before = canonical_hash(book, log=True)
        monkeypatch.setattr(book, "transact", die)
        with pytest.raises(Died):
            run(book, [10])
        monkeypatch.undo()
        assert canonical_hash(book, log=True) == before
        run(book, [10])
        assert difference(clean, book, log=True) == []


def test_a_log_that_moved_on_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the log stands elsewhere at the commit, the write set is dropped and the tick computed anew."""
    calls = random_calls(Random(17), 40)
    with home() as book, home() as clean:
        append(book, calls)
        append(clean, calls)
        run(clean, [10])
        transact, turns = book.transact, [0]

        def stale(work: Any) -> Any:
            turns[0] += 1
            if turns[0] % 3 == 0:

                def late(tx: Any) -> Any:
                    seq = tx.read("counter_value", "seq")[0][0]
                    tx.write("counter_set", [("seq", seq + 1)])
                    try:
                        return work(tx)
                    finally:
                        tx.write("counter_set", [("seq", seq)])

                return transact(late)
            return transact(work)

        monkeypatch.setattr(book, "transact", stale)
        run(book, [10])
        assert turns[0] > 6
        assert difference(clean, book, log=True) == []


@pytest.mark.parametrize("switched", [False, True])
def test_nobody_waits_for_whom_a_changed_segment_cannot_ask(switched: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who cannot be looked at, or told, is held once, and is right from the next event on; all others are right."""
    monkeypatch.setattr(backfill, "PERSONS_MIN", 1)
    rule = '{kind: segment, id: buyers, where: \'events("Bought").within("%dd").exists()\'}'
    with home(rule % 5) as book:
        engine, source, asked = engine_of(book), LiveSource(), Moments.look
        first = ""

        def work(ticks: int = 9) -> None:
            for _ in range(ticks):
                source.now += 1
                engine.step(source, 100)

        def look(moments: Moments, live: Live) -> None:
            build = moments.state.build
            if live.person.id == first and build is not None and build.switched == switched:
                raise ZeroDivisionError("a fault of ours")
            asked(moments, live)

        def happens(name: str, at: int) -> None:
            calls = [EngineCall("track", name, userId=f"u{n}", messageId=f"{name}{n}", at=at) for n in range(3)]
            append(book, calls, received_at=source.now)
            work()

        source.now = START
        happens("Bought", START - 4 * DAY)
        first = min(row[0] for row in book.read("members_of", "buyers"))
        monkeypatch.setattr(Moments, "look", look)
        apply(book, list(documents(rule % 3)), now=source.now)
        work(30)
        assert (backfill.now(book), book.read("shadow_persons", 9)) == (None, [])
        assert book.read("counter_value", "held") == [(1,)]
        assert book.read("members_of", "buyers") == [(first,)]
        happens("Seen", source.now)
        assert book.read("members_of", "buyers") == []
