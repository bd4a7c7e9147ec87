"""Merge then split is the identity for profile, segments, journeys and consent (invariant 31), in 1,000 sequences."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from einklang.app import stitching
from einklang.app.find import person_id
from einklang.event import EngineCall
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake
from tests.app.couples import Couple, couple, decide, everything, ids, reading
from tests.app.dice import Random
from tests.app.test_rebuild import differences
from tests.app.worlds import DAY, DEFINITIONS, START, UNTIL, append, home, run

#: How many sequences of merge and split; the full run has 10,000: MERGE_SEQUENCES=10000 make test.
SEQUENCES = int(os.environ.get("MERGE_SEQUENCES", "1000"))
COUPLES = 50
MERGED_AT = START + 7 * DAY
#: With conditions about objects and groups beside those about events and traits.
WHOLE = (
    DEFINITIONS
    + """
---
{kind: segment, id: owing, where: 'objects("invoice").where(state == "open").count() >= 1'}
---
{kind: segment, id: in-business, where: 'group("company").trait.staff >= 3'}
"""
)


def lives(random: Random, book: SqliteBook) -> tuple[list[Couple], Any]:
    """The couples of a home, their lives worked off up to the moment of the merges; the engine."""
    pairs = [couple(random, number) for number in range(COUPLES)]
    append(book, sorted((call for pair in pairs for call in pair.calls), key=lambda call: call.at or 0))
    return pairs, run(book, (random.choice((5_000, 400, 37)),), until=MERGED_AT)


def acted(known: dict[str, Any], since: int) -> bool:
    """Whether something was decided or done for a person after this seq: that no split can take back."""
    said = [row for row in known["history"] if row[1] > since]
    return any(row[3] != "track" or row[4] in ("Contact Decided", "Journey Entered") for row in said)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(max(1, SEQUENCES // COUPLES // 2)))
def test_a_merge_and_its_split_change_nothing(seed: int) -> None:
    """Profile, consent, segments, arms, caps and rows are as before; so are journeys, unless the joint person acted."""
    random = Random(seed)
    with home(WHOLE) as book:
        pairs, engine = lives(random, book)
        for shift in (0, 1):  # once more with another partner
            keys = [(pair.keys[0], pairs[(n + shift) % COUPLES].keys[1]) for n, pair in enumerate(pairs)]
            _there_and_back(random, book, engine, keys)


def _there_and_back(random: Random, book: SqliteBook, engine: Any, keys: list[tuple[str, str]]) -> None:
    """Merge and split these pairs of persons, and compare what is known of them."""
    before, seq = everything(book), book.read("counter_value", "seq")[0][0]
    people = {pair: ids(book, pair) for pair in keys}
    merged: dict[tuple[str, str], str] = {}
    for pair in keys:
        with book.snapshot() as reader:
            said = stitching.merge(reader, reading(book), *pair, actor="staff:test", why="one human")
        decide(book, engine, said, MERGED_AT)
        assert len(set(ids(book, pair))) == 1, "the two are one"
        merged[pair] = ids(book, pair)[0]
    joint = everything(book)
    quiet = [pair for pair in keys if not acted(joint[merged[pair]], seq)]
    for pair in keys:
        gone = next(person for person in people[pair] if person != merged[pair])
        with book.snapshot() as reader:
            text = random.choice((gone, merged[pair]))
            said = stitching.split(reader, reading(book), text, (), actor="staff:test", why="two humans")
        decide(book, engine, said, MERGED_AT)
        assert ids(book, pair) == people[pair], "the ids lead to the right person again"
        assert not book.read("alias_get", gone)
    after = everything(book, before)
    for pair in quiet:
        for person in people[pair]:
            assert after[person] == before[person], pair
    for pair in keys:
        for person in people[pair]:
            assert after[person]["profile"] == before[person]["profile"], pair
    assert len(quiet) > COUPLES // 2, "most are not contacted at once"


QUIET = "---".join(part for part in WHOLE.split("---") if "kind: journey" not in part)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(max(1, SEQUENCES // COUPLES // 5)))
def test_a_split_gives_each_what_came_in_the_joint_time(seed: int, tmp_path: Path) -> None:
    """Merged, lived on, split: profile, consent, segments are those of two who were never merged; a rebuild agrees."""
    random, again = Random(seed), Random(seed)
    shown = []
    for joint, dice in ((True, random), (False, again)):
        with home(QUIET) as book:
            pairs, engine = lives(dice, book)
            if joint:
                for pair in pairs:
                    with book.snapshot() as reader:
                        said = stitching.merge(reader, reading(book), *pair.keys, actor="staff:test", why="one human")
                    decide(book, engine, said, MERGED_AT)
            later = [couple(dice, pair.number, first=8, kinds=pair.kinds) for pair in pairs]
            append(book, sorted((call for pair in later for call in pair.calls), key=lambda call: call.at or 0))
            engine = run(book, (dice.choice((5_000, 400, 37)),), until=UNTIL)
            if joint:
                for pair in pairs:
                    with book.snapshot() as reader:
                        said = stitching.split(reader, reading(book), pair.keys[0], (), actor="staff:test", why="two")
                    decide(book, engine, said, UNTIL)
                assert differences(book, Lake(tmp_path), batch=dice.choice((1, 7, 5_000))) == []
            known = everything(book)
            shown.append({pair.keys: [own(known[person]) for person in ids(book, pair.keys)] for pair in pairs})
    for keys, both in shown[0].items():
        assert both == shown[1][keys], keys


def own(known: dict[str, Any]) -> Any:
    """What is compared of one who was merged and split and one who never was: numbers of the log differ."""
    _, _, created_at, identifiers, traits, permissions, _, groups = known["profile"]
    return (
        created_at,
        identifiers,
        {name: trait[:2] for name, trait in traits.items()},
        {key: permission[:2] for key, permission in permissions.items()},
        known["members"],
        {kind: (one[0], one[1], one[3]) for kind, one in groups.items()},
        sorted(known["groups"]),
        {key: (state, began, changed) for key, (state, _, began, changed) in known["objects"].items()},
        sorted((row[0], row[3], row[5]) for row in known["history"] if row[2] == 0),
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_merge_by_a_call_is_taken_back_by_staff(seed: int, tmp_path: Path) -> None:
    """Joined by an alias or a shared address; split, each has what one has who was never joined; a rebuild agrees."""
    random, again = Random(100 + seed), Random(100 + seed)
    shown: list[dict[tuple[str, str], Any]] = []
    for joint, dice in ((True, random), (False, again)):
        with home(QUIET) as book:
            pairs, _ = lives(dice, book)
            joined = [pair for pair in pairs if pair.kinds[0] == "userId" and pair.kinds[1] != "anonymousId"]
            append(book, [joining(pair, joint=joint) for pair in joined])
            engine = run(book, (dice.choice((5_000, 37)),), until=UNTIL)
            for pair in joined if joint else ():
                assert len(set(ids(book, pair.keys))) == 1, pair
                with book.snapshot() as reader:
                    said = stitching.split(reader, reading(book), pair.keys[0], (), actor="staff:test", why="two")
                decide(book, engine, said, UNTIL)
            if joint:
                assert differences(book, Lake(tmp_path), batch=dice.choice((1, 5_000))) == []
            known = everything(book)
            shown.append({pair.keys: [own(known[person]) for person in ids(book, pair.keys)] for pair in joined})
    assert len(shown[0]) > 5
    for keys, both in shown[0].items():
        assert both == shown[1][keys], keys


def joining(pair: Couple, *, joint: bool) -> EngineCall:
    """The call that joins the two, or the same without what joins them."""
    user, other = (key.partition(":")[2] for key in pair.keys)
    call = EngineCall("page", name="Joined", userId=user, at=MERGED_AT + DAY, messageId=f"j{pair.number}")
    if pair.kinds[1] == "userId":
        call.type, call.name, call.previousId = "alias", None, other if joint else "nobody"
    elif joint:
        call.identifiers = {"email": other}
    return call


def test_who_was_joined_with_a_visitor_can_be_split() -> None:
    """Staff joined a person with a visitor's device, then with another person: that merge can be taken back."""
    with home(QUIET) as book:
        calls = [
            EngineCall("page", name="Home", anonymousId="d1", at=START + 1),
            EngineCall("identify", userId="u1", at=START + 2),
            EngineCall("identify", identifiers={"phone": "+49301"}, at=START + 3),
        ]
        append(book, calls)
        engine = run(book, until=MERGED_AT)
        for number, other in enumerate(("anonymousId:d1", "phone:+49301"), 1):
            with book.snapshot() as reader:
                said = stitching.merge(reader, reading(book), "userId:u1", other, actor="staff:test", why="one")
            decide(book, engine, said, MERGED_AT + number)
        with book.snapshot() as reader:
            said = stitching.split(reader, reading(book), "userId:u1", (), actor="staff:test", why="two")
        decide(book, engine, said, MERGED_AT + 3)
        assert person_id(book, "phone:+49301") != person_id(book, "userId:u1") == person_id(book, "anonymousId:d1")
