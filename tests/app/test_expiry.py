"""Events that are kept no longer: what goes, what stays, and that no condition sees the difference."""

from __future__ import annotations

from pathlib import Path

import pytest

from einklang.app import expiry
from einklang.app.apply import apply, in_force
from einklang.app.run import DefinitionSource, settle_definitions
from einklang.app.segments import members, members_at, missing
from einklang.event import EngineCall
from einklang.kernel.errors import Conflict, InputError
from einklang.store.book import AnyBook, SqliteBook
from einklang.store.lake import Lake, ship_all
from einklang.testing.canonical import Row, canonical_hash, table_rows
from tests.app.dice import Random
from tests.app.test_rebuild import differences
from tests.app.worlds import (
    DAY,
    DEFINITIONS,
    START,
    UNTIL,
    append,
    churning_calls,
    documents,
    engine_of,
    home,
    plain_calls,
    run,
)

#: The definitions of the small worlds, without the two that look back further than two days.
SHORT = DEFINITIONS.replace('events("Page Viewed").exists() && ', "").replace(
    '!events().within("6d").exists()', '!events().within("2d").exists()'
)
KEEP = SHORT + "---\n{kind: event, id: Page Viewed, keep: 2d}\n"
DAYS = (3, 6, 9)
AT, ORIGIN, NAME, MESSAGE_ID = 1, 4, 6, 7


def settle(book: AnyBook, slices: list[int], *, restart: bool = False) -> None:
    """Carry out what was appended, so many persons a slice, by one process or each slice by another."""
    engine, number = engine_of(book), 0
    while engine.step(DefinitionSource(), slices[number % len(slices)]):
        number += 1
        engine = engine_of(book) if restart else engine


def world(book: AnyBook, seed: int, batches: list[int], slices: list[int], *, asks: bool = True) -> None:
    """A log in the midst of which events expire three times."""
    append(book, (churning_calls if seed % 2 else plain_calls)(Random(seed), 60))
    for day in DAYS:
        run(book, batches, until=START + day * DAY)
        if asks:
            expiry.ask(book, now=START + day * DAY)
            settle(book, slices, restart=slices == [1])
    run(book, batches)


@pytest.mark.parametrize("seed", range(2))
def test_any_cutting_gives_the_same_state(seed: int, tmp_path: Path) -> None:
    """Ticks of any size, histories trimmed in slices of any size, restarts in between, a rebuild: one state."""
    found = set[str]()
    for batches, slices in (([5_000], [5_000]), ([1], [1]), ([7, 2], [2, 1])):
        with home(KEEP) as book:
            world(book, seed, batches, slices)
            found.add(canonical_hash(book, log=True))
            if slices == [2, 1]:
                assert differences(book, Lake(tmp_path), batch=3) == []
    assert len(found) == 1


def test_no_event_older_than_it_is_kept_is_in_a_history() -> None:
    """Right after the entry the events of its names from before the bound are gone, and those alone."""
    with home(KEEP) as kept, home(SHORT) as whole:
        for book, asks in ((kept, True), (whole, False)):
            append(book, churning_calls(Random(3), 60))
            run(book, until=UNTIL)
            if asks:
                expiry.ask(book, now=UNTIL)
                settle(book, [3])
        ((name, bound, _),) = kept.read("all_expired")
        assert (name, bound) == ("Page Viewed", UNTIL - 2 * DAY)
        here, there = (
            {row[MESSAGE_ID]: row for row in table_rows(book, "history") if not row[ORIGIN]} for book in (kept, whole)
        )
        gone = [row for key, row in there.items() if key not in here]
        assert gone
        assert here.keys() < there.keys()
        assert all(row[NAME] == "Page Viewed" and row[AT] < bound for row in gone)
        assert not any(row[NAME] == "Page Viewed" and row[AT] < bound for row in here.values())


def told(book: SqliteBook, table: str, *places: int) -> list[Row]:
    """Some columns of a table."""
    return sorted(tuple(row[place] for place in places) for row in table_rows(book, table))


@pytest.mark.parametrize("seed", range(3))
def test_no_condition_sees_the_difference(seed: int) -> None:
    """Who is a member since when, what the door said and who was assigned is the same with and without expiry."""
    with home(KEEP) as kept, home(SHORT) as whole:
        world(kept, seed, [9], [4])
        world(whole, seed, [9], [4], asks=False)
        assert kept.read("all_expired")
        for table, places in (("member", (0, 1, 2)), ("verdict", (1, 3, 5, 6, 9, 10)), ("ledger", (2, 3, 4, 5, 6))):
            assert told(kept, table, *places) == told(whole, table, *places)
        assert told(kept, "edge", 0, 1, 2, 3, 4, 5, 6) == told(whole, "edge", 0, 1, 2, 3, 4, 5, 6), "evidence stays"
        assert told(kept, "identifier", 0, 1, 2) == told(whole, "identifier", 0, 1, 2)


def test_a_plan_over_crowds_sees_what_histories_hold(tmp_path: Path) -> None:
    """Before the rows have left the lake, a segment at a moment has the same members by plan and person by person; of
    a moment from which it would look at what has expired, that is said.
    """
    with home(KEEP) as book:
        append(book, plain_calls(Random(5), 60))
        run(book)
        expiry.ask(book, now=UNTIL)
        settle(book, [3])
        lake = Lake(tmp_path)
        ship_all(book, lake, keep_entries=5)
        early = START + 4 * DAY
        for at in (early, UNTIL - DAY):
            with book.snapshot() as reader:
                state = engine_of(book).state
                assert members(reader, state, lake, "lapsed", at) == members_at(reader, state, "lapsed", at)
        definitions = in_force(book)
        assert missing(book, definitions, "lapsed", early) == {"Page Viewed": UNTIL - 2 * DAY}
        assert missing(book, definitions, "lapsed", UNTIL) == {}
        assert missing(book, definitions, "buyers", early) == {}


REFUSED = {
    "segment": """{kind: segment, id: s, where: 'events("Page Viewed").within("31d").count() > 1'}""",
    "without window": """{kind: segment, id: s, where: '!events("Page Viewed").exists()'}""",
    "all events": """{kind: segment, id: s, where: 'events().within("60d").exists()'}""",
    "moment": """{kind: segment, id: s, where: 'events("Page Viewed").since(now - duration("40d")).exists()'}""",
    "followed": """{kind: segment, id: s, where: 'events("A").within("60d").followedBy(events("Page Viewed"), "1d")
 .exists()'}""",
    "trait": """{kind: trait, id: t, type: number, value: 'events("Page Viewed").count()'}""",
    "rule": """{kind: policy, deny: [{when: 'events("Page Viewed").within("90d").count() > 100', reason: busy}]}""",
    "goal": """{kind: journey, id: j, entry: {event: A}, goal: {event: Page Viewed, within: 31d}, steps: [{id: a, wait:
 1d}]}""",
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_window_longer_than_what_is_kept_is_refused(what: str) -> None:
    """It would say something else without anybody noticing; together with the `keep` or after it."""
    with home("{kind: policy, timezone: UTC}") as book:
        keep = documents("{kind: event, id: Page Viewed, keep: 30d}")
        apply(book, list(documents(REFUSED[what])), now=START)
        settle_definitions(book, engine_of(book))
        with pytest.raises(InputError) as found:
            apply(book, list(keep), now=START)
        assert found.value.code == "window_beyond_keep"
        assert "30d" in found.value.mend


ALLOWED = {
    "as long": """{kind: segment, id: s, where: 'events("Page Viewed").within("30d").count() > 1'}""",
    "shorter of two": """{kind: segment, id: s, where: 'events("Page Viewed").within("90d").since(today).exists()'}""",
    "other": """{kind: segment, id: s, where: 'events("Order Completed").exists()'}""",
    "followed": """{kind: segment, id: s, where: 'events("A").within("9d").followedBy(events("Page Viewed"), "1d")
 .exists()'}""",
    "goal": """{kind: journey, id: j, entry: {event: A}, goal: {event: Page Viewed, within: 30d}, steps: [{id: a, wait:
 1d}]}""",
}


@pytest.mark.parametrize("what", ALLOWED)
def test_a_window_within_what_is_kept_is_allowed(what: str) -> None:
    """Each set of events is bounded by what it says, or by the event that it follows."""
    with home("{kind: policy, timezone: UTC}") as book:
        apply(book, list(documents("{kind: event, id: Page Viewed, keep: 30d}\n---\n" + ALLOWED[what])), now=START)


def test_what_may_be_meant_is_a_hint() -> None:
    """A run that may last longer than its events are kept, and objects that go with theirs, are said, not refused."""
    with home("{kind: policy, timezone: UTC}") as book:
        text = """{kind: event, id: Order Completed, keep: 3650d}
---
{kind: event, id: Email Link Clicked, keep: 90d}
---
{kind: segment, id: s, where: 'objects("order").exists()'}
---
{kind: journey, id: j, entry: {event: A}, steps: [{id: a, until: 'events("Order Completed").since(entry).exists()',
 at_most: 30d}]}
"""
        found = apply(book, list(documents(text)), now=START).hints
    assert "event Message Clicked.keep: reports count the clicks that are still there" in found
    assert any(text.startswith("segment s.where: a order goes with its 'Order Completed'") for text in found)
    assert any(text.startswith("journey j.steps[0].until: 'Order Completed' is kept 3650d; a run") for text in found)


@pytest.mark.parametrize("name", ["Consent Given", "Person Merged", "Unsubscribed", "Message Bounced"])
def test_evidence_is_kept_for_ever(name: str) -> None:
    """Consents, withdrawals, merges and splits never expire."""
    with home("{kind: policy, timezone: UTC}") as book, pytest.raises(InputError) as found:
        apply(book, list(documents(f"{{kind: event, id: {name}, keep: 30d}}")), now=START)
    assert found.value.code == "kept_for_ever"


@pytest.mark.parametrize("text", ["12h", "soon", "3mo"])
def test_a_length_is_days(text: str) -> None:
    """Less than a day, no duration, and months, which are not exact, are refused at the field."""
    with home("{kind: policy, timezone: UTC}") as book, pytest.raises(InputError) as found:
        apply(book, list(documents(f"{{kind: event, id: A, keep: {text}}}")), now=START)
    assert found.value.where.endswith(".keep")


def test_nothing_is_asked_where_nothing_is_limited() -> None:
    """Without a `keep` there is nothing to expire."""
    with home("{kind: policy, timezone: UTC}") as book, pytest.raises(Conflict) as found:
        expiry.ask(book, now=START)
    assert found.value.code == "nothing_expires"


def test_what_is_kept_longer_now_goes_no_earlier() -> None:
    """After `keep` was made longer, late events from before the old bound stay until the new one has passed it."""
    late = EngineCall("page", "Page Viewed", userId="u", messageId="late", at=START)
    with home("{kind: policy, timezone: UTC}\n---\n{kind: event, id: Page Viewed, keep: 2d}") as book:
        append(book, [EngineCall("page", "Page Viewed", userId="u", messageId="first", at=START)])
        run(book, until=START + 5 * DAY)
        expiry.ask(book, now=UNTIL)
        settle(book, [3])
        assert not list(table_rows(book, "history"))
        apply(book, list(documents("{kind: event, id: Page Viewed, keep: 9d}")), now=UNTIL)
        append(book, [late])
        run(book, until=START + 6 * DAY)
        expiry.ask(book, now=UNTIL)
        settle(book, [3])
        assert [row[MESSAGE_ID] for row in table_rows(book, "history")] == ["late"]
        run(book, until=START + 13 * DAY)
        expiry.ask(book, now=UNTIL)
        settle(book, [3])
        assert not list(table_rows(book, "history"))
