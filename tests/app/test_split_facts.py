"""What hangs on a person follows merges and splits by staff: settled traits, objects, groups and their records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from einklang.app import stitching
from einklang.event import EngineCall
from einklang.profile import fold_objects
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake
from einklang.testing.canonical import table_rows
from tests.app.couples import decide, ids, reading
from tests.app.dice import Random
from tests.app.test_rebuild import differences
from tests.app.worlds import DAY, HOUR, START, UNTIL, append, engine_of, home, run

DEFINITIONS = """
{kind: policy, id: default, timezone: UTC}
---
{kind: trait, id: points, type: number, merge: sum}
---
{kind: trait, id: usual, type: string, merge: most_frequent}
---
{kind: object, id: loan, key: nr, owner: household, events: {Loan Taken: open, Loan Repaid: closed}}
---
{kind: segment, id: crowded, where: 'group("household").size() >= 2'}
---
{kind: segment, id: rich, where: 'trait.points > 5 && objects("contract").where(state == "active").exists()'}
---
{kind: segment, id: lent, where: 'objects("loan").where(state == "open").exists()'}
"""
KEYS = ("userId:u1", "userId:u2")
JOINT, PARTED = START + 4 * DAY, START + 9 * DAY


def calls(seed: int) -> list[EngineCall]:
    """Days of two people and a third who shares a household with whoever joins it."""
    random, found = Random(seed), []
    for number in range(45):
        call = EngineCall(userId=random.choice(("u1", "u2", "u3")), messageId=f"e{number}")
        call.at = START + random.randrange(11 * 24) * HOUR
        kind = random.randrange(4)
        if kind == 0:
            call.type = "identify"
            call.traits = {"points": random.choice((1, 2, 5)), "usual": random.choice(("a", "b")), "plain": number}
        elif kind == 1:
            call.type, call.groupId = "group", random.choice(("h1", "h2"))
            call.traits = {"type": "household", "rooms": random.randrange(5), "left": random.random() < 0.2}
        else:
            call.type = "track"
            call.event = random.choice(("Contract Signed", "Contract Ended", "Loan Taken", "Loan Repaid"))
            call.properties = {"contract_id": f"c{random.randrange(2)}", "nr": f"l{random.randrange(2)}"}
        found.append(call)
    return found


def facts(book: SqliteBook) -> dict[str, Any]:
    """All that hangs on each person, and the records of the groups, without what names the order of arrival."""
    engine = engine_of(book)
    found: dict[str, Any] = {}
    members = {(row[0], row[1]) for row in table_rows(book, "member")}
    with book.snapshot() as reader:
        engine.state.read_from(reader)
        for row in table_rows(book, "person"):
            live = engine.state.working.get(row[0])
            assert live is not None
            kind = engine.state.definitions.objects["contract"]
            groups = {name: (one.id, one.at, one.role) for name, one in live.person.groups.items()}
            found[row[0]] = {
                "traits": {name: (trait.value, trait.at) for name, trait in live.person.traits.items()},
                "objects": [one.row(kind) for one in fold_objects(kind, live.named(kind.names))],
                "groups": groups,
                "segments": sorted(segment for person, segment in members if person == row[0]),
            }
        found["members"] = sorted(row[:3] for row in reader.read("all_party_member"))
        parties = [(kind, name, engine.state.groups.claims((kind, name))) for kind, name, _ in reader.read("all_party")]
        found["parties"] = [(*key, {n: [c[::2] for c in said] for n, said in told.items()}) for *key, told in parties]
    return found


@pytest.mark.parametrize("seed", range(6))
def test_merged_lived_on_and_split_is_as_if_never_merged(seed: int, tmp_path: Path) -> None:
    """Traits, contracts, households, shared loans and segments are those of two who were never one."""
    shown = []
    for joint in (True, False):
        with home(DEFINITIONS) as book:
            append(book, calls(seed))
            engine = run(book, [Random(seed).randint(1, 20)], until=JOINT)
            if joint:
                with book.snapshot() as reader:
                    said = stitching.merge(reader, reading(book), *KEYS, actor="staff:test", why="one human")
                decide(book, engine, said, JOINT)
                assert len(set(ids(book, KEYS))) == 1
            engine = run(book, [Random(seed).randint(1, 20)], until=PARTED)
            if joint:
                with book.snapshot() as reader:
                    said = stitching.split(reader, reading(book), KEYS[0], (), actor="staff:test", why="two humans")
                decide(book, engine, said, PARTED)
                assert len(set(ids(book, KEYS))) == 2
            run(book, until=UNTIL)
            if joint:
                assert differences(book, Lake(tmp_path), batch=5) == []
            shown.append(facts(book))
    assert shown[0] == shown[1]
