"""Business objects follow their owner: rules, plans, late events, merges and rebuilds all see the same ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from einklang.app import segments
from einklang.app.state import State
from einklang.event import EngineCall
from einklang.profile import fold_objects
from einklang.store.book import SqliteBook
from einklang.store.lake import DuckPlans, Lake
from einklang.store.lake.shipper import ship_all
from einklang.testing.canonical import canonical_hash, table_rows
from einklang.testing.rebuild import findings, inputs_of, rebuilt
from tests.app.dice import Random
from tests.app.worlds import DAY, HOUR, SALT, START, UNTIL, append, engine_of, home, run

RULES = {
    "under-contract": 'objects("contract").where(state == "active").exists()',
    "runs-out": 'objects("contract").where(state == "active" && ends_at < now + duration("3d")).exists()',
    "owes": 'objects("invoice").where(state != "paid" && amount > coalesce(paid, 0)).sum(amount) > 20',
    "borrower": 'objects("loan").count() >= 2',
    "first-big": 'objects("contract").first(annual_value) > 50 || objects("loan").last(state) == "granted"',
}
DEFINITIONS = """
{kind: policy, id: default, timezone: Europe/Berlin, currency: EUR}
---
kind: object
id: loan
title: {de: Darlehen, en: Loan}
key: loan_id
events: {Loan Asked: asked, Loan Granted: granted}
---
{kind: event, id: Loan Asked, alias: Credit Asked}
""" + "".join(f"---\nkind: segment\nid: {name}\nwhere: '{rule}'\n" for name, rule in RULES.items())
USERS = ("u1", "u2", "u3")


def calls(seed: int, count: int = 60) -> list[EngineCall]:
    """Random events about contracts, invoices and loans, some late, some to come; two of the users become one."""
    random, found, at = Random(seed), [], START
    for number in range(count):
        at += random.choice((0, HOUR, 5 * HOUR, 9 * HOUR))
        name = random.choice(
            ("Contract Signed", "Contract Changed", "Contract Ended", "Invoice Issued", "Payment Received",
             "Invoice Paid", "Loan Asked", "Credit Asked", "Loan Granted", "Page Read")
        )  # fmt: skip
        kind = name.split()[0].replace("Payment", "Invoice").replace("Credit", "Loan").lower()
        properties: dict[str, Any] = {f"{kind}_id": f"{kind[0]}{random.randrange(3)}"}
        properties |= {"amount": random.choice((5, 15, 30))} if kind == "invoice" else {}
        properties |= {"annual_value": random.choice((40, 90)), "ends_at": _day(random)} if kind == "contract" else {}
        call = EngineCall("track", name, messageId=f"e{number}", properties=properties)
        call.at = at - random.choice((0, 0, 0, 2 * DAY)) + random.choice((0, 0, 0, 0, 4 * DAY))
        user = random.choice(USERS)
        call.userId, call.identifiers = (user, {}) if user != "u3" else (None, {"email": "ada@example.org"})
        found.append(call)
    join = EngineCall("identify", userId="u1", identifiers={"email": "ada@example.org"}, messageId="join")
    join.at = START + (2 + random.randrange(7)) * DAY
    return [*found, join]


def _day(random: Random) -> str:
    return f"2026-0{random.choice((3, 4))}-{10 + random.randrange(20)}T00:00:00Z"


def state_of(book: SqliteBook) -> State:
    """The State of an engine over a scratch Book."""
    return engine_of(book).state


def members(book: SqliteBook) -> set[tuple[Any, ...]]:
    """(person, segment) of the live state."""
    return {(row[0], row[1]) for row in table_rows(book, "member")}


def objects_of(book: SqliteBook) -> dict[tuple[str, str], Any]:
    """(person, kind) -> its objects as the fold gives them from the stored history, whoever is in memory."""
    engine = engine_of(book)
    found = {}
    with book.snapshot() as reader:
        engine.state.read_from(reader)
        for row in table_rows(book, "person"):
            live = engine.state.working.get(row[0])
            assert live is not None
            for name in ("contract", "invoice", "loan"):
                kind = engine.state.definitions.objects[name]
                found[row[0], name] = [one.row(kind) for one in fold_objects(kind, live.named(kind.names))]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_live_plan_and_person_by_person_see_the_same_objects(seed: int, tmp_path: Path) -> None:
    """At random moments the plan over the lake and asking each person agree; at the end the live members are those."""
    random = Random(seed + 100)
    with home(DEFINITIONS) as book:
        lake = Lake(tmp_path)
        append(book, calls(seed))
        run(book, [random.randint(1, 30)], until=START + 8 * DAY)
        ship_all(book, lake, keep_entries=0)
        run(book, [random.randint(1, 30)])
        filled = 0
        for at in [START + random.randrange(20 * 24) * HOUR for _ in range(6)] + [UNTIL]:
            for name in RULES:
                with book.snapshot() as reader:
                    state = engine_of(book).state
                    planned = segments.members(reader, state, lake, name, at)
                    asked = segments.members_at(reader, state, name, at)
                    assert segments.members(reader, state, lake, name, at, DuckPlans()) == asked, (name, at)
                assert planned == asked, (name, at)
                filled += bool(planned)
                if at == UNTIL:
                    assert {person for person, segment in members(book) if segment == name} == set(planned), name
        assert filled > 8, "most segments have members at most moments"


@pytest.mark.parametrize("seed", range(3))
def test_any_cutting_and_a_rebuild_give_the_same_state(seed: int, tmp_path: Path) -> None:
    """Ticks of one event and of all of them, kept in memory or not, and a rebuild: one canonical hash."""
    hashes = set()
    for batches, forgetful in (([1], False), ([5_000], False), ([7, 2], True)):
        with home(DEFINITIONS) as book:
            append(book, calls(seed))
            run(book, batches, forgetful=forgetful)
            hashes.add(canonical_hash(book))
            if forgetful:
                lake = Lake(tmp_path / str(seed))
                with book.snapshot() as reader, rebuilt(inputs_of(reader, lake), SALT, state_of, batch=9) as again:
                    assert findings(reader, lake, again) == []
                    assert objects_of(book) == objects_of(again.book)
    assert len(hashes) == 1


def test_a_merged_person_has_the_objects_of_one_who_sent_all() -> None:
    """Joined at the end or known as one from the start: the same contracts, invoices and loans."""
    found = []
    for together in (False, True):
        sent = calls(11)
        for call in sent:
            if together and call.userId in (None, "u1"):
                call.userId, call.identifiers = "u1", {"email": "ada@example.org"}
        with home(DEFINITIONS) as book:
            append(book, sent)
            run(book)
            found.append(sorted(map(repr, objects_of(book).values())))
    assert found[0] == found[1]
    assert any("c1" in text for text in found[0])
