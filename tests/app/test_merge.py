"""A person merged from two is the one who would have sent everything; consent never widens (invariants 26 and 31)."""

from __future__ import annotations

from typing import Any

import pytest

from einklang.app.state import State
from einklang.event import EngineCall
from einklang.store.book import SqliteBook
from einklang.testing.canonical import table_rows
from tests.app.dice import Random
from tests.app.worlds import DAY, DEFINITIONS, HOUR, START, UNTIL, append, engine_of, home, run

#: The world without what contacts people, and a journey whose tokens only wait.
QUIET = "---".join(part for part in DEFINITIONS.split("---") if "kind: journey" not in part)
QUIET += """---
{kind: segment, id: owing, where: 'objects("invoice").where(state == "open").count() >= 1'}
---
{kind: segment, id: in-business, where: 'group("company").trait.staff >= 3 && group("company").size() == 1'}
---
kind: journey
id: order
entry: {event: Order Completed, key: basket}
steps:
  - {id: soon,  wait: 36h}
  - {id: later, wait: {for: 2d, at: "09:00"}}
  - {id: long, wait: 200d}
"""
EMAIL = "ada@example.org"


def one_humans_calls(random: Random, count: int) -> list[tuple[EngineCall, bool]]:
    """Calls of one human, each with whether the account sent it (else only the address is known), in order of time."""
    found, at = [], START + HOUR
    for number in range(count):
        at += random.choice((0, HOUR, 9 * HOUR, DAY))
        call = EngineCall(at=at - random.choice((0, 0, 0, 2 * HOUR)), messageId=f"e{number}")
        kind = random.randrange(8)
        if kind == 0:
            call.type, call.traits = (
                "identify",
                {"vip": random.choice((True, False, None)), f"t{random.randrange(3)}": number},
            )
        elif kind == 1:
            call.type, call.event = "track", random.choice(("Consent Given", "Consent Given", "Consent Withdrawn"))
            call.properties = {"channel": "email", "purpose": "marketing", "address": EMAIL}
        elif kind == 2:
            call.type, call.event = "track", "Order Completed"
            call.properties = {"order_id": f"o{number}", "revenue": 25, "basket": f"b{random.randrange(3)}"}
        elif kind == 3:
            call.type, call.groupId = "group", f"g{random.randrange(2)}"
            said: tuple[dict[str, Any], ...] = ({"staff": number}, {"role": "buyer"}, {"left": True}, {"type": "house"})
            call.traits = random.choice(said)
        elif kind < 6:
            call.type, call.event = "track", random.choice(("Invoice Issued", "Invoice Paid"))
            call.properties = {"invoice_id": f"i{random.randrange(3)}", "amount": number}
        else:
            call.type, call.name = "page", "Home"
        found.append((call, random.random() < 0.5))
    return found


def folded(calls: list[tuple[EngineCall, bool]], *, apart: bool, until: int = UNTIL) -> dict[str, Any]:
    """The person these calls make. apart: as two persons, joined by a last call; else every call names both."""
    sent, issued = [], False
    for call, by_account in calls:
        named = EngineCall(**{name: getattr(call, name) for name in EngineCall.__struct_fields__})
        named.identifiers = {"email": EMAIL}
        if by_account or not apart:
            named.userId = "u1"
        if apart and by_account:
            named.identifiers = {}
        if call.event == "Invoice Paid" and issued:  # the bank names nobody; whose it is was said before
            named.identifiers, named.userId = {}, None
        issued = issued or call.event == "Invoice Issued"
        sent.append(named)
    last = max(call.at or 0 for call in sent) + DAY
    sent.append(EngineCall("identify", userId="u1", identifiers={"email": EMAIL}, at=last, messageId="join"))
    with home(QUIET) as book:
        append(book, sent)
        engine = run(book, until=until)
        return _shown(book, engine.state)


def _shown(book: SqliteBook, state: State) -> dict[str, Any]:
    (row,) = table_rows(book, "person")
    person = row[3]
    with book.snapshot() as reader:
        state.read_from(reader)
        live = engine_of(book).state.working
        live.reader = reader
        found = live.get(row[0])
        assert found is not None
        permitted = state.permits(found, "email", EMAIL, "marketing", "marketing")
    done = [(e[1], e[5], e[6], e[7], e[14]) for e in table_rows(book, "history") if e[4] == 0]
    return {
        "id": row[0],
        "traits": {name: trait[:2] for name, trait in person["traits"].items()},
        "seen": (person["created_at"], person["last_seen_at"]),
        "identifiers": [pair[:2] for pair in person["identifiers"]],
        "history": sorted(done, key=lambda e: (e[0], e[3])),
        "segments": {name: membership[0] for name, membership in person["memberships"].items()},
        "member": sorted(row[1] for row in table_rows(book, "member")),
        "tokens": sorted(
            (run.journey, run.key, run.entry.message_id, run.status, run.step, run.due or 0)
            for run in found.runs
            if run.status != "merged"
        ),
        "objects": sorted((row[0], row[1], *row[3:4], *row[5:]) for row in table_rows(book, "object")),
        "groups": sorted((row[0], row[1], *row[3:]) for row in table_rows(book, "party_member")),
        "said": {row[:2]: {name: said[-1][2] for name, said in row[2].items()} for row in table_rows(book, "party")},
        "waiting": len(list(table_rows(book, "object_waiting"))),
        "permitted": permitted,
    }


@pytest.mark.parametrize("seed", range(25))
def test_a_merge_is_as_if_one_had_sent_all(seed: int) -> None:
    """Traits, history, times, identifiers, segments and tokens are equal; a permission is never wider."""
    random = Random(seed)
    calls = one_humans_calls(random, 14)
    if not any(by_account for _, by_account in calls) or all(by_account for _, by_account in calls):
        return
    two, one = folded(calls, apart=True), folded(calls, apart=False)
    assert not two["permitted"] or one["permitted"]
    del two["permitted"], one["permitted"]
    assert two == one


def test_lives_have_all_of_it() -> None:
    """Over the seeds every kind of call comes often, from both who are to be one."""
    lives = [call for seed in range(25) for call in one_humans_calls(Random(seed), 14)]
    for kind in ("identify", "group", "page", "Order Completed", "Invoice Issued", "Invoice Paid", "Consent Given"):
        said = [by_account for call, by_account in lives if kind in (call.type, call.event)]
        assert min(said.count(True), said.count(False)) >= 8, kind


def test_a_merge_never_widens_consent() -> None:
    """What one of two withdrew stays withdrawn, whoever gave it and when."""
    said = {"channel": "email", "purpose": "marketing", "address": EMAIL}
    for withdrawn_at, given_at in ((1, 2), (2, 1)):
        withdrawn = EngineCall("track", "Consent Withdrawn", properties=said, messageId="w")
        given = EngineCall("track", "Consent Given", properties=said, messageId="g")
        withdrawn.at, given.at = START + withdrawn_at * HOUR, START + given_at * HOUR
        calls = [(withdrawn, True), (given, False)]
        assert folded(calls, apart=True)["permitted"] is False
