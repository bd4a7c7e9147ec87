"""What the door, the arms and the counts promise, on random logs, each with the guard taken out as positive control."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from einklang.app.apply import apply
from einklang.app.counts import journey_counts
from einklang.app.run import settle_definitions
from einklang.decide import door
from einklang.event import EngineCall
from einklang.kernel import time
from einklang.store.book import SqliteBook
from einklang.testing.canonical import table_rows
from tests.app.dice import Random
from tests.app.worlds import (
    DAY,
    DEFINITIONS,
    START,
    append,
    documents,
    engine_of,
    home,
    plain_calls,
    random_calls,
    run,
    with_reactions,
)

MARKETING = ("reminder", "news")
JOURNEYS = ("cart", "visits", "thanks")
BUSY = 120


def verdicts(book: SqliteBook, *kinds: str) -> list[tuple[str, int, str, str, str]]:
    """(person, clock, run, message, verdict) of marketing messages with these verdicts."""
    return [
        (row[1], row[3], row[4], row[7], row[9])
        for row in table_rows(book, "verdict")
        if row[9] in kinds and row[7] in MARKETING
    ]


def runs(book: SqliteBook) -> dict[str, dict[str, Any]]:
    """Stored runs by id."""
    return {row[1]: row[11] for row in table_rows(book, "run")}


def over_cap(book: SqliteBook) -> list[str]:
    """Persons with three contacts or ghosts within a window of seven days (policy: at most two)."""
    at = defaultdict(list)
    for person, clock, *_ in verdicts(book, "sent", "ghost"):
        at[person].append(clock)
    return [
        person
        for person, clocks in at.items()
        if any(third - first < 7 * DAY for first, third in zip(sorted(clocks), sorted(clocks)[2:]))
    ]


def in_quiet_hours(book: SqliteBook) -> list[datetime]:
    """Local times of contacts and ghosts between 20:00 and 08:00."""
    zones = {row[0]: row[3]["traits"]["timezone"][0] for row in table_rows(book, "person")}
    found = []
    for person, clock, *_ in verdicts(book, "sent", "ghost"):
        here = datetime.fromtimestamp(clock // time.SECOND, ZoneInfo(zones[person]))
        if here.hour >= 20 or here.hour < 8:
            found.append(here)
    return found


def busy(seed: int) -> list[Any]:
    """A log in which the caps bind."""
    return plain_calls(Random(seed), BUSY)


@pytest.mark.parametrize("seed", range(5))
def test_caps_hold_in_every_window(seed: int) -> None:
    """Never cap + 1 in any sliding window, ghosts counted; the caps did bind."""
    with home() as book:
        append(book, busy(seed))
        run(book)
        assert over_cap(book) == []
        assert any(row[10] == "cap" for row in table_rows(book, "verdict"))


def without_gate(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a gate out of the door."""
    monkeypatch.setattr(door, "GATES", [gate for gate in door.GATES if gate[0] != name])


def test_without_the_gate_the_caps_break(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control."""
    without_gate("caps", monkeypatch)
    with home() as book:
        append(book, busy(0))
        run(book)
        assert over_cap(book)


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_handed_over_in_quiet_hours(seed: int) -> None:
    """No contact and no ghost between 20:00 and 08:00 of the person's local time; contacts were held for it."""
    with home() as book:
        append(book, busy(seed))
        run(book)
        assert in_quiet_hours(book) == []
        assert any(row[10] == "quiet_hours" for row in table_rows(book, "verdict"))


def test_without_the_gate_quiet_hours_break(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control."""
    without_gate("quiet_hours", monkeypatch)
    with home() as book:
        append(book, busy(0))
        run(book)
        assert in_quiet_hours(book)


def to_control(book: SqliteBook) -> list[str]:
    """Messages of class marketing that were handed over for a run of the control arm."""
    known = runs(book)
    return [person for person, _, run_id, _, _ in verdicts(book, "sent") if known[run_id]["arm"] == "control"]


@pytest.mark.parametrize("seed", [0, 1, 2, 4, 5])
def test_the_control_arm_gets_no_marketing(seed: int) -> None:
    """Nothing of class marketing goes to a control run; ghosts are recorded, transactional messages go to both arms."""
    random = Random(seed)
    with home() as book:
        append(book, with_reactions(random, random_calls(random, BUSY)))
        run(book)
        assert to_control(book) == []
        known = runs(book)
        sent = {row[2] for row in table_rows(book, "outbox") if row[7] == "marketing"}
        assert not any(known[run_id]["arm"] == "control" for run_id in sent)
        assert verdicts(book, "ghost")


def test_a_door_that_forgets_the_arm_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: without the last gate the control arm is contacted."""
    from einklang.app.contact import Desk

    monkeypatch.setattr(Desk, "_ghost", lambda *_: "")
    with home() as book:
        append(book, busy(1))
        run(book)
        assert to_control(book)


def quarter(clock: int) -> str:
    """The scope of the universal holdout at a moment."""
    here = datetime.fromtimestamp(clock // time.SECOND, ZoneInfo("UTC"))
    return f"ucg:{here.year}Q{(here.month + 2) // 3}"


@pytest.mark.parametrize("seed", range(5))
def test_nobody_held_out_gets_marketing(seed: int) -> None:
    """Who is in the universal holdout of a quarter gets nothing of class marketing in it; each decision has its row."""
    with home() as book:
        append(book, busy(seed))
        run(book)
        assigned = list(table_rows(book, "assignment"))
        held_out = {(row[1], row[2]) for row in assigned if row[2].startswith("ucg:") and row[6] == "control"}
        assert held_out
        assert not held_out & {(row[0], quarter(row[1])) for row in verdicts(book, "sent")}
        rows = {(row[3], row[5]) for row in assigned if not row[2].startswith("ucg:")}
        final = ("sent", "ghost", "denied")
        decided = [row for row in table_rows(book, "verdict") if row[7] in MARKETING and row[9] in final]
        assert {(row[4], row[6]) for row in decided} <= rows


@pytest.mark.parametrize("seed", range(4))
def test_set_does_nothing_to_those_who_are_only_watched(seed: int) -> None:
    """A trait is set in treated runs alone: the control arm and the held out go the same way and stay as they are."""
    with home() as book:
        append(book, busy(seed))
        run(book)
        people = {row[0]: row[3] for row in table_rows(book, "person")}
        marked = {body["person"]: body for body in runs(book).values() if body["steps"].get("mark", {}).get("done")}
        for person, state in people.items():
            if "stage" in state["traits"]:
                assert state["arms"]["journey:cart"][0] == "treated"
                assert person in marked


def shares(text: str, share: str) -> str:
    """The definitions with this share of control in every journey, no holdout, and nothing that only one arm does."""
    changed = text.replace("holdout: 0.15", "holdout: 0").replace("control: 0.30", f"control: {share}")
    changed = changed.replace("control: 0.50", f"control: {share}").replace("set: {stage", "assign: {stage")
    assert changed.count(f"control: {share}") == 2
    return changed


@pytest.mark.parametrize("seed", range(3))
def test_no_gate_can_read_the_arm(seed: int) -> None:
    """With everybody in control the door decides the same contacts at the same moments as with nobody there."""
    decided = []
    for share in ("0.0", "0.9999"):
        with home(shares(DEFINITIONS, share)) as book:
            append(book, busy(seed))
            run(book)
            rows = [row for row in table_rows(book, "assignment") if row[4] != "thanks"]
            decided.append([(row[3], row[5], row[10], row[11], row[12]) for row in rows])
            arms = {row["arm"] for row in runs(book).values() if row["journey"] != "thanks"}
            assert arms == {"control" if share == "0.9999" else "treated"}
    assert decided[0] == decided[1]
    assert decided[0]


@pytest.mark.parametrize("seed", range(8))
def test_counts_balance(seed: int) -> None:
    """entered = control + treated = in progress + done + exited; entered of a step = here + left; merges included."""
    random = Random(seed)
    with home() as book:
        append(book, with_reactions(random, random_calls(random, 80)))
        previous = 0
        for day in (3, 6, 9, 20):
            run(book, [random.randint(1, 40)], until=START + day * DAY)
            known = runs(book)
            for journey in JOURNEYS:
                counts = journey_counts(book, journey)
                mine = [body for body in known.values() if body["journey"] == journey]
                assert counts["entered"] == len(mine)
                assert counts["entered"] == counts["in_progress"] + counts["done"] + counts["exited"]
                treated = sum(body["arm"] == "treated" for body in mine)
                assert counts["entered"] == counts["control"] + treated
                assert counts["contacted"] <= counts["entered"]
                for step in counts["steps"].values():
                    assert step["entered"] == step["here"] + step["left"]
                    assert step["here"] >= 0
                assert sum(step["here"] for step in counts["steps"].values()) == counts["in_progress"]
            assert len(known) >= previous
            previous = len(known)


@pytest.mark.slow
def test_the_worlds_are_rich() -> None:
    """The random logs hold what they are for: merges, refusals, late events, every kind of verdict."""
    found: dict[str, int] = defaultdict(int)
    for seed in range(20):
        random = Random(seed)
        calls = with_reactions(random, random_calls(random, 50))
        with home() as book:
            append(book, calls)
            run(book)
            for row in table_rows(book, "verdict"):
                found[row[9]] += 1
                found[str(row[10])] += 1
            for row in table_rows(book, "history"):
                found[row[6]] += 1
            for table in ("alias", "refused_merge", "sign_in", "outcome", "suppression", "outbox"):
                found[table] += sum(1 for _ in table_rows(book, table))
            found["clicked"] += sum(
                left.get("clicked") is True for body in runs(book).values() for left in body["steps"].values()
            )
            found |= {body["status"]: found[body["status"]] + 1 for body in runs(book).values()}
        found["late"] += sum(later.at < call.at for call, later in pairwise(calls) if call.at and later.at)
        found["equal"] += sum(later.at == call.at for call, later in pairwise(calls))
    missing = [name for name in _WANTED if not found[name]]
    assert not missing, f"{missing} of {dict(found)}"


_WANTED = (
    "alias", "refused_merge", "sign_in", "outcome", "suppression", "outbox", "late", "equal", "clicked", "sent",
    "ghost", "held", "denied", "cap", "quiet_hours", "no_consent", "control", "holdout", "patience", "running",
    "reenter", "suppressed", "done", "exited", "merged", "Segment Entered", "Segment Left", "Journey Entered",
    "Message Sent",
)  # fmt: skip


CONTROL = """
{kind: journey, id: again, entry: {event: Page Viewed, reenter: always}, goal: {event: Order Completed, within: 10d},
 control: 0.999999, steps: [{id: c, contact: news}]}
---
{kind: message, id: news, purpose: marketing, class: marketing, email: {subject: Hi, text: "x"}}
"""


def test_an_assignment_says_the_arm_that_the_run_followed() -> None:
    """Without control group a person of the former one is contacted, is counted as such, and is known as mixed."""
    with home(CONTROL) as book:
        calls = plain_calls(Random(1), 0)
        visit = EngineCall("page", name="Home", userId="u0", messageId="v1", at=START + DAY)
        append(book, [*calls, visit])
        run(book, until=START + 2 * DAY)
        apply(book, list(documents(CONTROL.replace("0.999999", "0"))), now=START + 2 * DAY)
        settle_definitions(book, engine_of(book))
        append(book, [EngineCall("page", name="Home", userId="u0", messageId="v2", at=START + 3 * DAY)])
        run(book)
        assert [row[9] for row in table_rows(book, "verdict")] == ["ghost", "sent"]
        rows = [(row[6], row[7], bool(row[-1])) for row in book.read("ship_assignments", 0, 100)]
        assert rows == [("control", 0.999999, False), ("treated", 0.0, True)]
