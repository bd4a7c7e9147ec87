"""What staff decide in the middle of a `run` is folded in a rebuild where it was folded then (invariant 7)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from einklang.app import stitching
from einklang.app.ahead import light
from einklang.app.find import person_id
from einklang.app.output import Output, write
from einklang.app.run import expand_pending
from einklang.app.sources import RunSource
from einklang.event import EngineCall
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake
from tests.app.couples import decide, reading
from tests.app.test_rebuild import differences
from tests.app.worlds import HOUR, START, UNTIL, append, engine_of, home, run

WAITING = """
kind: journey
id: j
entry: {event: Order Completed, key: order_id, reenter: always}
steps:
  - {id: w, wait: 2h}
  - {id: s, set: {stage: warm}}
  - {id: r, wait: 9d}
"""


def call(user: str, hour: int, name: str) -> EngineCall:
    """An event of somebody."""
    at = START + hour * HOUR
    return EngineCall("track", name, userId=user, messageId=f"{user}-{hour}", properties={"order_id": "o"}, at=at)


def merged(book: SqliteBook) -> None:
    """Staff join two people at the clock that is reached."""
    with book.snapshot() as reader:
        decided = stitching.merge(reader, reading(book), "userId:ada", "userId:bea", actor="staff:t", why="one person")
    stitching.append(book, decided, now=START)


def test_a_decision_at_an_instant_comes_after_what_was_due_at_it(tmp_path: Path) -> None:
    """Timers of the instant that is reached have run when staff decide; a rebuild runs them first too."""
    sent = [call("ada", 0, "Order Completed"), call("bea", 0, "Order Completed")]
    sent += [call("x", hour, "Other") for hour in (2, 5, 6)]
    with home(WAITING) as book:
        append(book, sent)
        engine, source = engine_of(book), RunSource(UNTIL, "run")
        expand_pending(book, version=engine.version)
        engine.step(source, 3)
        engine.land()
        merged(book)
        while not source.finished:
            engine.step(source, 3)
        assert differences(book, Lake(tmp_path), batch=50) == []


def test_the_last_word_about_a_message_counts() -> None:
    """What is taken back and said again within one tick is written in that order, whatever the tick holds beside."""
    message = (1, "p_1", "m", "r", "j", "s", 0, "hello", "marketing", "news", "email", "a@x.example", "ready", START)
    again: tuple[str, Sequence[Any]] = ("outbox_ready_again", (START, "m"))
    off: tuple[str, Sequence[Any]] = ("outbox_withdraw", ("withdrawn", "exited", START, "m"))
    for words, status in (([off, again], "ready"), ([off, again, off], "withdrawn")):
        with home(WAITING) as book:
            out = Output(words=words)
            out.add("outbox_put", *message, START, 0, "", "{}")
            assert not out.empty()
            assert not light(out)
            seq = book.read("counter_value", "seq")[0][0]
            assert book.transact(partial(write, out=out, counters={}, meta={}, expected_seq=seq))
            assert [row[12] for row in book.read("outbox_get", "m")] == [status]


def test_who_was_kept_apart_with_their_devices_can_be_merged(tmp_path: Path) -> None:
    """Staff take back that a device and several identifiers are not one: the two are one person, as in a rebuild."""
    with home(WAITING) as book:
        mine = EngineCall("identify", userId="ada", anonymousId="d", at=START, messageId="1")
        names = {"email": "b@x.example", "phone": "+49301234567"}
        other = EngineCall("identify", userId="bea", at=START, messageId="2", identifiers=names)
        append(book, [mine, other])
        run(book)
        engine = engine_of(book)
        for merges in (False, True):
            with book.snapshot() as reader:
                state, two = reading(book), ("userId:ada", "userId:bea")
                if merges:
                    said = stitching.merge(reader, state, *two, actor="staff:t", why="one person")
                else:
                    said = stitching.keep_apart(reader, *two, actor="staff:t", why="two persons")
            decide(book, engine, said, START)
        assert not book.read("dead_counts")
        assert len({person_id(book, who) for who in ("userId:ada", "email:b@x.example", "anonymousId:d")}) == 1
        assert differences(book, Lake(tmp_path)) == []
