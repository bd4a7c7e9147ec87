"""Messages while their person is merged and split: none is lost, none goes to the other, each has what it got."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from einklang.app import stitching
from einklang.app.find import load, person_id
from einklang.app.run import settle_definitions
from einklang.app.sources import LiveSource
from einklang.event import EngineCall
from einklang.fact.person import Run
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake
from einklang.testing.canonical import table_rows
from einklang.testing.rebuild import inputs_of, rebuilt
from tests.app.couples import couple, decide, reading
from tests.app.dice import Random
from tests.app.test_merge_and_split import MERGED_AT, WHOLE, lives
from tests.app.test_rebuild import differences, state_of
from tests.app.worlds import DAY, HOUR, SALT, START, UNTIL, append, engine_of, home, run

DEFINITIONS = """
kind: journey
id: thanks
entry: {event: Order Completed, key: order_id, reenter: always}
steps:
  - {id: pause, wait: 1h}
  - {id: slip, contact: receipt, else: end}
  - {id: rest, wait: 9d}
---
{kind: message, id: receipt, purpose: service, class: transactional,
 email: {subject: {en: Receipt}, text: {en: "Thank you"}}}
"""


class Live:
    """A server's engine over a Book, by hand."""

    def __init__(self, book: SqliteBook) -> None:
        self.book, self.engine, self.source = book, engine_of(book), LiveSource()
        self.now = START

    def tick(self, *calls: EngineCall, after: int = 0) -> None:
        """What arrives, and the time that has passed."""
        self.now += after
        if calls:
            append(self.book, calls, received_at=self.now)
        self.source.now = self.now
        while self.engine.step(self.source, 100):
            pass

    def decide(self, decision: stitching.Decision) -> None:
        """What staff decides."""
        stitching.append(self.book, decision, now=self.now)
        settle_definitions(self.book, self.engine)

    def merge(self, one: str, other: str) -> None:
        """Two are one."""
        with self.book.snapshot() as reader:
            self.decide(stitching.merge(reader, reading(self.book), one, other, actor="staff:test", why="one"))

    def split(self, one: str) -> None:
        """One is two."""
        with self.book.snapshot() as reader:
            self.decide(stitching.split(reader, reading(self.book), one, (), actor="staff:test", why="two"))

    def messages(self) -> dict[str, tuple[str, str]]:
        """Address -> status and person of the messages."""
        rows = [row for key in self.message_keys() for row in self.book.read("outbox_get", key)]
        return {row[11]: (row[12], row[1]) for row in rows}

    def message_keys(self) -> list[str]:
        """Keys of all messages."""
        return [row[1] for lane in range(64) for row in self.book.read("all_outbox", lane)]


def bought(user: str, order: str, at: int) -> EngineCall:
    """An order."""
    found = EngineCall("track", "Order Completed", userId=user, messageId=f"{user}-{order}", at=at)
    found.properties = {"order_id": order}
    return found


@contextmanager
def two() -> Iterator[Live]:
    """A server that knows Ada and Bea, each with an address."""
    with home(DEFINITIONS) as book:
        live = Live(book)
        people = [("ada", "ada@x.example"), ("bea", "bea@x.example")]
        live.tick(
            *(EngineCall("identify", userId=u, identifiers={"email": e}, at=START, messageId=u) for u, e in people)
        )
        yield live


def runs(live: Live, who: str) -> list[Run]:
    """The runs of a person."""
    return load(live.book, who).runs


def statuses(book: SqliteBook) -> dict[str, str]:
    """Message -> status, where nobody but the tick says it."""
    keys = [row[1] for row in table_rows(book, "outbox")]
    return {key: book.read("outbox_get", key)[0][12] for key in keys}


def made_again(book: SqliteBook, lake: Lake) -> dict[str, str]:
    """The statuses that a rebuild gives."""
    with book.snapshot() as reader, rebuilt(inputs_of(reader, lake), SALT, state_of, batch=3) as again:
        return statuses(again.book)


def test_a_message_that_a_merge_withdrew_is_ready_again(tmp_path: Path) -> None:
    """Of two runs with one key the later gives way, and what waited for it; after the split both wait for hand-over.

    Where nobody delivers, a rebuild gives the same status: the canonical form leaves it out, as a delivery notes it.
    """
    with two() as live:
        live.tick(bought("ada", "o", live.now), bought("bea", "o", live.now))
        live.tick(after=2 * HOUR)
        before = live.messages()
        assert {status for status, _ in before.values()} == {"ready"}
        live.merge("userId:ada", "userId:bea")
        assert sorted(status for status, _ in live.messages().values()) == ["ready", "withdrawn"]
        assert made_again(live.book, Lake(tmp_path)) == statuses(live.book)
        assert sorted(run.status for run in runs(live, "userId:ada")) == ["active", "merged"]
        live.split("userId:bea")
        assert live.messages() == before
        assert made_again(live.book, Lake(tmp_path)) == statuses(live.book)
        assert [run.status for who in ("userId:ada", "userId:bea") for run in runs(live, who)] == ["active", "active"]


def test_no_message_goes_to_the_address_of_another() -> None:
    """Written to the address in use of the joint person: after the split the other's order is not answered there."""
    with two() as live:
        live.merge("userId:ada", "userId:bea")
        live.tick(bought("ada", "a", live.now), bought("bea", "b", live.now))
        live.tick(after=2 * HOUR)
        (address,) = live.messages()
        assert len(live.message_keys()) == 2, "both orders are answered to one address"
        live.split("userId:bea")
        whose = person_id(live.book, f"email:{address}")
        other = {"ada@x.example": "userId:bea", "bea@x.example": "userId:ada"}[address]
        sent = [row for key in live.message_keys() for row in live.book.read("outbox_get", key)]
        assert sorted((row[12], row[1]) for row in sent) == sorted(
            [("ready", whose), ("withdrawn", person_id(live.book, other))]
        )
        (run,) = runs(live, other)
        assert (run.status, run.steps["slip"].reason) == ("done", "no_address")


SAID = """
kind: journey
id: thanks
entry: {event: Order Completed, key: order_id, reenter: always}
control: 0.5
steps:
  - {id: mark, set: {stage: warm}}
  - {id: slip, contact: receipt, else: end}
  - {id: rest, wait: 9d}
---
{kind: message, id: receipt, purpose: service, class: transactional,
 email: {subject: {en: Receipt}, text: {en: "Thank you"}}}
"""


@pytest.mark.parametrize("batch", [1, 5_000])
def test_who_got_a_message_has_it_and_whose_run_it_is_has_the_run(batch: int, tmp_path: Path) -> None:
    """Ada's order was answered to Bea's address: after the split the message, its slot and its event are Bea's, the
    run, its arm and what it noted are Ada's; a rebuild agrees.
    """
    keys = ("userId:ada", "userId:bea")
    with home(SAID) as book:
        named = [("ada", "ada@x.example"), ("bea", "bea@x.example")]
        calls = [EngineCall("identify", userId=u, identifiers={"email": e}, messageId=u, at=START) for u, e in named]
        append(book, calls)
        engine = run(book, [batch], until=START + HOUR)
        alone = {who: load(book, who).person.id for who in keys}
        with book.snapshot() as reader:
            said = stitching.merge(reader, reading(book), *keys, actor="staff:test", why="one")
        decide(book, engine, said, START + HOUR)
        append(book, [bought("ada", str(n), START + 2 * HOUR + n) for n in range(3)])
        engine = run(book, [batch], until=START + DAY)
        whole = load(book, keys[0])
        (arm,) = whole.person.arms.values()
        assert len(whole.person.contacts) == len(whole.runs) == 3
        with book.snapshot() as reader:
            said = stitching.split(reader, reading(book), keys[1], (), actor="staff:test", why="two")
        decide(book, engine, said, START + DAY)
        ada, bea = (load(book, who) for who in keys)
        assert (ada.person.id, bea.person.id) == (alone[keys[0]], alone[keys[1]])
        assert (len(ada.runs), len(bea.runs)) == (3, 0)
        assert ([one.arm for one in ada.person.arms.values()], ada.person.contacts) == ([arm.arm], [])
        assert len(bea.person.contacts) == 3
        assert (ada.person.traits["stage"].value, "stage" in bea.person.traits) == ("warm", False)
        assert [event.name for event in bea.history].count("Message Sent") == 3
        assert "Message Sent" not in ada.by_name
        assert len(ada.by_name["Contact Decided"]) == 3
        for table, at in (("outbox", 0), ("message_log", 2)):
            assert {row[at] for row in table_rows(book, table)} == {bea.person.id}, table
        assert differences(book, Lake(tmp_path), batch=5_001 - batch) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_in_random_lives_each_message_is_with_its_address(seed: int, tmp_path: Path) -> None:
    """Couples are merged, live on in journeys, and are split: what was sent to an address is with whoever has it, a
    slot stands with its message, nobody lacks the arm of an own run; a rebuild agrees.
    """
    random = Random(seed)
    with home(WHOLE) as book:
        pairs, engine = lives(random, book)
        for pair in pairs:
            with book.snapshot() as reader:
                said = stitching.merge(reader, reading(book), *pair.keys, actor="staff:test", why="one")
            decide(book, engine, said, MERGED_AT)
        later = [couple(random, pair.number, first=8, kinds=pair.kinds) for pair in pairs]
        append(book, sorted((call for pair in later for call in pair.calls), key=lambda call: call.at or 0))
        engine = run(book, (random.choice((5_000, 37)),), until=UNTIL)
        for pair in pairs:
            with book.snapshot() as reader:
                said = stitching.split(reader, reading(book), pair.keys[1], (), actor="staff:test", why="two")
            decide(book, engine, said, UNTIL)
        owners = {value: person for kind, value, person, _ in table_rows(book, "identifier") if kind == "email"}
        sent = {row[1]: row[0] for row in table_rows(book, "outbox") if row[10] in owners}
        assert sent == {row[1]: owners[row[10]] for row in table_rows(book, "outbox") if row[10] in owners}
        slots = {(row[3], row[10]): sent[row[1]] for row in table_rows(book, "message_log") if row[1] in sent}
        moved = 0
        for person in {row[0] for row in table_rows(book, "person")}:
            live = load(book, person)
            kept = {(one.run, one.clock) for one in live.person.contacts} & slots.keys()
            assert kept == {slot for slot, owner in slots.items() if owner == person}
            assert all(one.scope in live.person.arms for one in live.runs if one.probability)
            moved += len({slot[0] for slot in kept} - {one.id for one in live.runs})
        assert moved > 3, "some got what the run of the other sent"
        assert differences(book, Lake(tmp_path), batch=random.choice((1, 7, 5_000))) == []
