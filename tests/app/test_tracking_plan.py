"""Events that break their schema are marked or put aside, wherever the log is cut; dead letters come in again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from einklang.app import apply as applying
from einklang.app import dead
from einklang.app.moment import Moments
from einklang.app.run import run as run_until
from einklang.app.state import State
from einklang.event import EngineCall, Event
from einklang.main.verify import check_books
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake
from einklang.testing.canonical import canonical_hash, table_rows
from einklang.testing.rebuild import findings, inputs_of, rebuilt
from tests.app.dice import Random
from tests.app.worlds import DAY, HOUR, SALT, START, UNTIL, append, documents, engine_of, home, random_calls, run

PLAN = """
kind: event
id: Order Completed
alias: Sale
schema: {required: [order_id, total], properties: {total: {type: number, minimum: 0}}}
on_violation: dead_letter
---
kind: event
id: Product Viewed
schema: {properties: {price: {type: number}}}
---
{kind: segment, id: buyers, where: 'events("Order Completed").count() >= 2'}
"""
LOOSE = PLAN.replace("minimum: 0", "minimum: -100")


def sent(number: int, name: str, **properties: Any) -> EngineCall:
    """An event of one of three people, an hour after the one before."""
    at = START + number * HOUR
    return EngineCall("track", name, userId=f"u{number % 3}", at=at, messageId=f"e{number}", properties=properties)


def calls(count: int = 24) -> list[EngineCall]:
    """Orders of which every fourth is negative, views of which every third has no price in numbers."""
    found = []
    for n in range(count):
        if n % 2:
            found.append(
                sent(n, "Sale" if n % 5 == 0 else "Order Completed", order_id=f"o{n}", total=5 - 20 * (n % 4 == 3))
            )
        else:
            found.append(sent(n, "Product Viewed", price="dear" if n % 3 == 0 else 5))
    return found


def state_of(book: SqliteBook) -> State:
    """The State of an engine over a scratch Book."""
    return engine_of(book).state


def balanced(book: SqliteBook, tmp_path: Path) -> None:
    """The books balance."""
    with book.snapshot() as reader:
        assert check_books(reader, Lake(tmp_path))[0] == []


def contexts(book: SqliteBook, name: str) -> list[Any]:
    """What the log says beside each event of a name: the violations."""
    entries = [row for row in table_rows(book, "history") if row[6] == name]
    return [row[15].get("violations") for row in sorted(entries, key=lambda row: row[2])]


@pytest.mark.parametrize("batch", [1, 5, 5_000])
def test_what_breaks_its_schema_is_put_aside_or_marked(batch: int, tmp_path: Path) -> None:
    """A dead letter says event, version, path and rule; a mark stands in the log; nothing behind either waits."""
    with home(PLAN) as book:
        append(book, calls())
        run(book, [batch])
        letters = dead.letters(book, code="schema_violation", cursor="", limit=50).items
        assert {letter.detail for letter in letters} == {"Order Completed version 1: total: minimum"}
        assert [letter.name for letter in letters] == ["Order Completed"] * 2 + ["Sale"] + ["Order Completed"] * 3
        assert contexts(book, "Product Viewed") == [["price: type"] if n % 6 == 0 else None for n in range(0, 24, 2)]
        marked = [row for row in table_rows(book, "entry") if row[6] == "Product Viewed"]
        assert sum("violations" in row[-1] for row in marked) == 4
        balanced(book, tmp_path)


def test_the_result_does_not_depend_on_the_cutting_and_a_rebuild_takes_the_log_as_it_is(tmp_path: Path) -> None:
    """Ticks of any size give one state, and it equals the rebuild from the log."""
    hashes = set()
    for batches in ([1], [5_000], [3, 8]):
        with home(PLAN) as book:
            append(book, calls())
            run(book, batches, until=START + 10 * HOUR)
            applying.apply(book, list(documents(LOOSE)), now=START + 10 * HOUR)
            run(book, batches)
            hashes.add(canonical_hash(book))
            lake = Lake(tmp_path / str(batches[0]))
            with book.snapshot() as reader, rebuilt(inputs_of(reader, lake), SALT, state_of, batch=4) as again:
                assert findings(reader, lake, again) == []
    assert len(hashes) == 1


def test_a_change_of_the_schema_holds_from_where_it_stands(tmp_path: Path) -> None:
    """What came before the new version was judged by the old one."""
    with home(PLAN) as book:
        append(book, calls())
        run(book, until=START + 10 * HOUR)
        before = dead.letters(book, code="", cursor="", limit=50).counts
        applying.apply(book, list(documents(LOOSE)), now=START + 10 * HOUR)
        run(book)
        assert dead.letters(book, code="", cursor="", limit=50).counts == before == {"schema_violation": 2}
        balanced(book, tmp_path)


@pytest.mark.parametrize("batch", [1, 5_000])
def test_a_replay_after_the_mend_gives_the_state_that_would_have_been(batch: int, tmp_path: Path) -> None:
    """With the rule mended and the letters replayed, persons, traits and members are those of a home with that rule."""
    with home(PLAN) as mended, home(LOOSE) as straight:
        append(mended, calls())
        run(mended, [batch])
        applying.apply(mended, list(documents(LOOSE)), now=START + 2 * DAY)
        assert dead.replay(mended, code="schema_violation") == dead.Replayed(6, {})
        run(mended, [batch])
        append(straight, calls())
        run(straight)
        assert dead.letters(mended, code="", cursor="", limit=9).counts == {}
        assert _facts(mended) == _facts(straight)
        assert dead.replay(mended) == dead.Replayed(0, {})
        balanced(mended, tmp_path)


def _facts(book: SqliteBook) -> Any:
    """What is known of people whatever the order of arrival: who they are, what they did and when, who is a member."""
    did = sorted((row[0], row[1], row[6], row[9], repr(row[14])) for row in table_rows(book, "history") if row[4] == 0)
    members = sorted((row[0], row[1]) for row in table_rows(book, "member"))
    persons = sorted((row[0], row[3]["created_at"], row[3]["last_seen_at"]) for row in table_rows(book, "person"))
    return did, members, persons


class Faulty:
    """A fault in our code that meets some events, until it is mended."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.mended = False
        event = Moments.event

        def moment(moments: Moments, live: Any, what: Event, **more: Any) -> None:
            event(moments, live, what, **more)
            if not self.mended and what.message_id in ("e7", "e8", "e20"):
                raise ValueError("a fault of ours")

        patch.setattr(Moments, "event", moment)


def test_poison_comes_in_again_after_the_mend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As if our code had never been at fault, exact numbers included; what is sent again stays one."""
    everything = random_calls(Random(21), 60)
    with home() as poisoned, home() as clean:
        append(clean, everything)
        run(clean)
        fault = Faulty(monkeypatch)
        append(poisoned, everything)
        run(poisoned)
        letters = dead.letters(poisoned, code="poison", cursor="", limit=9, whole=True)
        assert letters.counts == {"poison": 3}
        assert all(letter.version == "test" and "a fault of ours" in letter.detail for letter in letters.items)
        fault.mended = True
        assert dead.replay(poisoned, positions=[letter.position for letter in letters.items]).replayed == 3
        run(poisoned)
        append(poisoned, [call for call in everything if call.messageId in ("e7", "e8", "e20")])
        run(poisoned)
        assert _facts(poisoned) == _facts(clean)
        balanced(poisoned, tmp_path)


def test_what_run_says_it_wrote_is_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of entries is that of the log, in ticks of one that only put an event aside too (schema, poison)."""
    with home(PLAN) as book:
        Faulty(monkeypatch)
        append(book, calls())
        before = book.read("counter_value", "seq")[0][0]
        written = run_until(book, engine_of(book), UNTIL, mode="run", batch=1)
        assert written == book.read("counter_value", "seq")[0][0] - before
        assert {*dead.letters(book, code="", cursor="", limit=9).counts} == {"poison", "schema_violation"}


def test_what_fails_again_is_put_aside_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A replay before the mend loses nothing and doubles nothing."""
    with home() as book:
        Faulty(monkeypatch)
        append(book, random_calls(Random(21), 60))
        run(book)
        assert dead.replay(book, code="poison").replayed == 3
        run(book)
        assert dead.letters(book, code="", cursor="", limit=9).counts == {"poison": 3}
        balanced(book, tmp_path)


def test_two_bodies_of_one_message_id_stay_two(tmp_path: Path) -> None:
    """The second body is kept aside until somebody says that it is an event of its own."""
    with home() as book:
        first, second = sent(1, "Page Read", n=1), sent(1, "Page Read", n=2)
        append(book, [first], body=1)
        append(book, [second], body=1)
        run(book)
        assert dead.replay(book) == dead.Replayed(0, {"id_conflict": 1})
        assert dead.replay(book, as_new=True) == dead.Replayed(1, {})
        run(book)
        told = sorted(row[14]["n"] for row in table_rows(book, "history") if row[6] == "Page Read")
        assert told == [1, 2]
        balanced(book, tmp_path)


@pytest.mark.parametrize("batches", [(5_000,), (1,)])
def test_the_same_conflict_is_put_aside_once(tmp_path: Path, batches: tuple[int, ...]) -> None:
    """A file with a conflict, taken in three times, has one dead letter for each unlike body, in whatever batches."""
    calls = [sent(1, "Page Read", n=n) for n in (1, 2, 3)]
    with home() as book:
        for _ in range(2):
            append(book, calls, body=1)
            run(book, batches)
        append(book, calls, body=3)
        run(book, batches)
        assert dead.letters(book, code="", cursor="", limit=9).counts == {"id_conflict": 2}
        assert dead.replay(book, as_new=True) == dead.Replayed(2, {})
        append(book, calls, body=1)
        run(book, batches)
        assert dead.letters(book, code="", cursor="", limit=9).counts == {}
        told = sorted(row[14]["n"] for row in table_rows(book, "history") if row[6] == "Page Read")
        assert told == [1, 2, 3]
        balanced(book, tmp_path)


def test_an_undecodable_body_comes_in_again_as_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Our decoder failed on a body of three; with it mended all three are there, once."""
    from einklang.app import intake

    def broken(*_: Any, **__: Any) -> list[Event]:
        raise msgspec.DecodeError("a fault of ours")

    three = [sent(n, "Page Read", n=n) for n in range(3)]
    with home() as book, home() as clean:
        append(clean, three)
        run(clean)
        with monkeypatch.context() as patch:
            patch.setattr(intake, "expand", broken)
            append(book, three)
            run(book)
        (letter,) = dead.letters(book, code="undecodable", cursor="", limit=9).items
        assert (letter.items, letter.replayable) == (3, True)
        balanced(book, tmp_path)
        assert dead.replay(book).replayed == 1
        run(book)
        assert _facts(book) == _facts(clean)
        balanced(book, tmp_path)


def test_a_held_timer_goes_on_after_the_mend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whom a faulty timer held is looked at again; what was due is done, and nobody is in the dead letters any more."""
    with home() as book:
        append(book, random_calls(Random(13), 60))
        timer, fault = Moments.timer, [True]

        def faulty(moments: Moments, live: Any) -> None:
            timer(moments, live)
            if fault[0]:
                raise ValueError("a fault of ours")

        monkeypatch.setattr(Moments, "timer", faulty)
        run(book, until=START + 6 * DAY)
        held = dead.letters(book, code="poison", cursor="", limit=50)
        assert held.items
        assert all(letter.position < 0 and letter.replayable for letter in held.items)
        waiting = {row[1]: row for row in table_rows(book, "run") if row[5] == "active"}
        fault[0] = False
        assert dead.replay(book, code="poison").replayed == len(held.items)
        run(book, until=START + 19 * DAY)
        assert dead.letters(book, code="", cursor="", limit=9).items == []
        after = {row[1]: row for row in table_rows(book, "run")}
        assert any(after[name] != row for name, row in waiting.items()), "held runs went on"
        balanced(book, tmp_path)
