"""The state is a fold of the log: made anew from it, it is the same (invariant 7)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from einklang.app.apply import Body, apply
from einklang.app.deliver import Delivery
from einklang.app.run import run as run_until
from einklang.app.run import settle_definitions
from einklang.app.sources import LiveSource
from einklang.app.state import State
from einklang.app.tick import Engine
from einklang.app.yaml import Document
from einklang.consent import address_key
from einklang.event import EngineCall, body_of
from einklang.kernel import time
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake, ship, ship_all
from einklang.testing.canonical import table_rows
from einklang.testing.rebuild import findings, inputs_of, rebuilt
from tests.app.dice import Random
from tests.app.worlds import (
    DAY,
    DEFINITIONS,
    HOUR,
    SALT,
    START,
    UNTIL,
    append,
    churning_calls,
    documents,
    engine_of,
    home,
    random_calls,
    run,
    with_reactions,
)


def state_of(book: SqliteBook) -> State:
    """The State of an engine over a scratch Book."""
    return engine_of(book).state


def reading(book: SqliteBook) -> State:
    """The State of a delivery: unlike a tick it knows what was withdrawn and is not folded yet."""
    state = engine_of(book).state
    state.folding = False
    return state


def differences(book: SqliteBook, lake: Lake, *, batch: int = 5_000) -> list[str]:
    """What a rebuild finds."""
    with book.snapshot() as reader, rebuilt(inputs_of(reader, lake), SALT, state_of, batch=batch) as again:
        assert again.entries
        return findings(reader, lake, again)


@pytest.mark.parametrize("seed", range(6))
def test_a_rebuild_of_run_gives_the_same_state(seed: int, tmp_path: Path) -> None:
    """What `run` made, sends included, is made again from the inputs at the same seq, whatever the size of ticks."""
    random = Random(seed)
    kind = churning_calls if seed % 3 == 2 else random_calls
    with home() as book:
        append(book, with_reactions(random, kind(random, 50)))
        run(book, [random.randint(1, 30)])
        assert differences(book, Lake(tmp_path), batch=random.randint(1, 40)) == []


def changed(day: int) -> list[Document]:
    """The definitions as somebody changed them on this day."""
    text = DEFINITIONS.replace("at_most: 2, per: 7d", f"at_most: {day % 3 + 1}, per: 7d")
    text = text.replace('within("5d")', f'within("{day}d")').replace("wait: 2h", f"wait: {day}h")
    return list(documents(text))


@pytest.mark.slow
def test_a_rebuild_follows_changes_of_definitions(tmp_path: Path) -> None:
    """Definitions applied between runs come at their place in the log; runs stay on their version."""
    random = Random(9)
    with home() as book:
        append(book, random_calls(random, 80))
        for day in (4, 7, 11):
            run(book, [random.randint(1, 30)], until=START + day * DAY)
            apply(book, changed(day), now=START + day * DAY)
            settle_definitions(book, engine_of(book))
            assert differences(book, Lake(tmp_path), batch=random.choice((1, 9, 5_000))) == []
        run(book)
        assert {row[3] for row in table_rows(book, "run") if row[2] == "visits"} > {1, 2}
        assert differences(book, Lake(tmp_path)) == []


@pytest.mark.slow
def test_a_rebuild_reads_lake_and_tail(tmp_path: Path) -> None:
    """Shipped and trimmed entries come from the lake, the newest from the Book; later entries stay out of both."""
    random = Random(3)
    calls = with_reactions(random, random_calls(random, 80))
    with home() as book:
        lake = Lake(tmp_path)
        append(book, calls)
        for day in (4, 9, 12):
            run(book, [17], until=START + day * DAY)
            ship_all(book, lake, keep_entries=10)
            assert differences(book, lake) == []
        run(book, until=START + 13 * DAY)
        assert len(book.read("log_page", 0, 10_000)) < book.read("counter_value", "seq")[0][0], "some were trimmed"
        assert differences(book, lake) == []


def test_a_state_that_is_not_the_log_is_found(tmp_path: Path) -> None:
    """A member or a timer that was changed behind the log's back is found: positive control."""
    with home() as book:
        lake = Lake(tmp_path)
        append(book, random_calls(Random(5), 60))
        run(book)
        assert differences(book, lake) == []
        lane, person = next((n, row[0]) for n in range(64) for row in book.read("all_person", n))
        book.transact(lambda tx: tx.write("member_put", [(lane, person, "buyers", 17)]))
        assert any("member" in line for line in differences(book, lake))
        book.transact(lambda tx: tx.write("member_drop", [(lane, person, "buyers")]))
        book.transact(lambda tx: tx.write("timer_put", [(lane, person, 17)]))
        assert any("timer" in line for line in differences(book, lake))


@dataclass(frozen=True)
class Told:
    """What a channel says."""

    status: str
    permanent: bool
    detail: str
    stage: str = ""


class Fake:
    """A channel that hands over, refuses or does not know, by turns."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.handed: list[str] = []

    async def deliver(self, item: Any) -> Told:
        """What became of it."""
        status = self.random.choice(("sent", "sent", "sent", "failed", "unknown"))
        self.handed.append(item.key)
        return Told(status, self.random.random() < 0.5, "")

    async def close(self) -> None:
        """Nothing to close."""


def withdraw(book: SqliteBook, person: int, now: int) -> None:
    """A withdrawal as the web appends it: into the log and, in the same transaction, onto the suppression list."""
    email = f"p{person}@example.org"
    call = EngineCall("track", "Consent Withdrawn", userId=f"u{person}", messageId=f"w{now}-{person}", at=now)
    call.properties = {"channel": "email", "purpose": "marketing", "address": email}
    row = (address_key(bytes.fromhex(SALT), "email", email), "email", "marketing", "withdrawn", now)
    book.append([Body(1, now, "web", "engine", body_of([call]), (row,))])


def live(book: SqliteBook, lake: Lake, random: Random, count: int) -> list[str]:
    """A server's life over twenty days: bodies arrive, ticks, deliveries, shipping, restarts. The keys handed over."""
    calls = sorted(random_calls(random, count), key=lambda call: call.at or 0)
    now, channel = START, Fake(random)
    engine, source = engine_of(book), LiveSource()
    delivery = Delivery(book, reading(book), {"email": channel}, lambda: now)
    while now < UNTIL:
        now += random.choice((time.SECOND, HOUR, 5 * HOUR, 11 * HOUR))
        arrived = [call for call in calls if (call.at or 0) <= now]
        calls = calls[len(arrived) :]
        if arrived:
            append(book, arrived, body=random.randint(1, 5), received_at=now)
        if random.random() < 0.04:  # a withdrawal that is in force before the tick has folded it
            withdraw(book, random.randrange(5), now + random.choice((0, HOUR)))
        if random.random() < 0.1:  # a restart
            now += random.choice((HOUR, DAY))
            engine, source = engine_of(book), LiveSource()
        source.now = now
        while engine.step(source, random.choice((1, 3, 100))):
            pass
        asyncio.run(delivery.once())
        if random.random() < 0.05:
            ship(book, lake, "events", keep_entries=5)
    return channel.handed


@pytest.mark.parametrize("seed", [0, 1, 2, 5])
def test_a_rebuild_of_a_server_gives_the_same_state(seed: int, tmp_path: Path) -> None:
    """Live, with late deliveries, failures, restarts and shipping: sends come from the log, all else is made again."""
    random = Random(seed)
    with home() as book:
        lake = Lake(tmp_path)
        handed = live(book, lake, random, 60)
        assert handed, "something was sent"
        assert differences(book, lake, batch=random.choice((1, 7, 5_000))) == []


@pytest.mark.slow
def test_a_tick_that_looks_ahead_of_the_log_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Positive control: verdicts that know of withdrawals not yet folded cannot be made again from the log."""
    begin = Engine._begin

    def ahead(engine: Engine, reader: Any) -> int:
        engine.state.folding = False
        return begin(engine, reader)

    monkeypatch.setattr(Engine, "_begin", ahead)
    found = []
    for seed in (305, 308, 311, 313):
        random = Random(seed)
        with home() as book:
            lake = Lake(tmp_path / str(seed))
            live(book, lake, random, random.randint(40, 120))
            found += differences(book, lake)
    assert found


@pytest.mark.parametrize("seed", range(3))
def test_a_rebuild_of_run_with_delivery_gives_the_same_state(seed: int, tmp_path: Path) -> None:
    """`run --deliver`: what the channels told stands in the log, the rebuild sends nothing."""
    random = Random(seed)
    with home() as book:
        append(book, random_calls(random, 60))
        at, channel = [START], Fake(random)
        delivery = Delivery(book, reading(book), {"email": channel}, lambda: at[0])

        def deliver(clock: int) -> int:
            at[0] = clock
            return asyncio.run(delivery.once())

        run_until(book, engine_of(book), UNTIL, mode="deliver", batch=random.choice((5, 5_000)), deliver=deliver)
        handed = list(channel.handed)
        assert handed
        assert differences(book, Lake(tmp_path), batch=random.choice((1, 7, 5_000))) == []
        assert channel.handed == handed
