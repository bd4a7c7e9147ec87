"""Conflicts about traits, live: late events, merges, changed rules, plans and rebuilds give what a plain fold gives."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from einklang.app import apply as applying
from einklang.app import segments
from einklang.app.apply import Body
from einklang.app.state import State
from einklang.event import EngineCall, body_of
from einklang.profile.strategies import Claim, settle
from einklang.store.book import SqliteBook
from einklang.store.lake import DuckPlans, Lake
from einklang.store.lake.shipper import ship_all
from einklang.testing.canonical import canonical_hash, table_rows
from einklang.testing.rebuild import findings, inputs_of, rebuilt
from tests.app.dice import Random
from tests.app.worlds import DAY, HOUR, SALT, START, UNTIL, documents, engine_of, home, run

RULES: dict[str, tuple[str, tuple[str, ...]]] = {
    "name": ("last", ("crm", "*")),
    "since": ("first", ()),
    "usual": ("most_frequent", ()),
    "low": ("min", ()),
    "high": ("max", ()),
    "points": ("sum", ()),
    "likes": ("union", ("shop", "crm")),
    "plain": ("last", ()),
}
VALUES: tuple[Any, ...] = (None, 1, 2, 7, "a", "b", ["a", 2], True)
SEGMENTS = """
---
{kind: segment, id: rich, where: 'trait.points > 6 || trait.high == "b"'}
---
{kind: segment, id: known, where: 'has(trait.likes) && trait.name != 1 && trait.usual != 7'}
---
{kind: segment, id: fresh, where: 'changedAt(trait.since) > now - duration("5d") && trait.total > 1'}
"""
COMPUTED = (
    "\n---\n{kind: trait, id: total, type: number, value: 'coalesce(trait.points, 0) + coalesce(trait.low, 0)'}\n"
)
OTHER = {**RULES, "points": ("max", ()), "name": ("last", ()), "plain": ("first", ())}


def definitions(rules: dict[str, tuple[str, tuple[str, ...]]]) -> str:
    """Traits with these rules, and segments that read them."""
    kinds = {"low": "number", "points": "number"}
    traits = [
        f"{{kind: trait, id: {name}, type: {kinds.get(name, 'dyn')}, merge: {merge}, sources: {list(sources)}}}"
        for name, (merge, sources) in rules.items()
    ]
    return "\n---\n".join(["{kind: policy, id: default, timezone: UTC}", *traits]) + COMPUTED + SEGMENTS


def send(book: SqliteBook, seed: int, count: int = 50) -> None:
    """Calls of three sources about people of whom two become one; some come late."""
    random, at = Random(seed), START
    for number in range(count):
        at += random.choice((0, 1, HOUR, 7 * HOUR))
        traits = {name: random.choice(VALUES) for name in RULES if random.random() < 0.4}
        call = EngineCall("identify", messageId=f"e{number}", traits=traits)
        call.at = at - random.choice((0, 0, 2 * DAY))
        if random.random() < 0.5:
            call.userId = random.choice(("u1", "u2"))
        else:
            call.identifiers = {"email": "ada@example.org"}
        if number == count // 2:
            call.userId, call.identifiers = "u1", {"email": "ada@example.org"}
        source = random.choice(("crm", "shop", "till"))
        book.append([Body(1, UNTIL, source, "import", body_of([call]))])


def naive(book: SqliteBook, rules: dict[str, tuple[str, tuple[str, ...]]]) -> dict[str, dict[str, Any]]:
    """The traits of everybody by a plain fold over the stored history."""
    claims: dict[tuple[str, str], list[Claim]] = defaultdict(list)
    for row in table_rows(book, "history"):
        if row[5] == "identify":
            for name, value in row[14].items():
                claims[row[0], name].append(Claim(value, row[1], row[2], row[8]))
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for (person, name), said in claims.items():
        merge, sources = rules[name]
        value = settle(merge, said, sources)
        if value is not None:
            found[person][name] = value
    return found


def traits(book: SqliteBook) -> dict[str, dict[str, Any]]:
    """What the state says."""
    rows = ((row[0], row[3].get("traits", {})) for row in table_rows(book, "person"))
    found = {person: {name: told[0] for name, told in all_.items() if told[0] is not None} for person, all_ in rows}
    return {person: told for person, told in found.items() if told}


def state_of(book: SqliteBook) -> State:
    """The State of an engine over a scratch Book."""
    return engine_of(book).state


@pytest.mark.parametrize("seed", range(4))
def test_the_state_is_the_plain_fold_whatever_the_cutting(seed: int, tmp_path: Path) -> None:
    """Ticks of any size, memory or none, and a rebuild give the values of a plain fold over everything."""
    hashes = set()
    for batches, forgetful in (([1], False), ([5_000], False), ([4, 9], True)):
        with home(definitions(RULES)) as book:
            send(book, seed)
            run(book, batches, forgetful=forgetful)
            assert traits(book) == naive(book, RULES)
            hashes.add(canonical_hash(book))
            if forgetful:
                lake = Lake(tmp_path)
                with book.snapshot() as reader, rebuilt(inputs_of(reader, lake), SALT, state_of, batch=6) as again:
                    assert findings(reader, lake, again) == []
    assert len(hashes) == 1


@pytest.mark.parametrize("seed", range(2))
def test_changed_rules_tell_everybody_anew(seed: int, tmp_path: Path) -> None:
    """After another strategy is applied, the traits are those that it would always have given; a rebuild agrees."""
    with home(definitions(RULES)) as book:
        send(book, seed)
        run(book, until=START + 4 * DAY)
        applying.apply(book, list(documents(definitions(OTHER))), now=START + 4 * DAY)
        run(book, [3])
        assert traits(book) == naive(book, OTHER)
        lake = Lake(tmp_path)
        with book.snapshot() as reader, rebuilt(inputs_of(reader, lake), SALT, state_of) as again:
            assert findings(reader, lake, again) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_plans_see_the_settled_values(seed: int, tmp_path: Path) -> None:
    """At any moment the plan and asking person by person agree, computed traits included; at the end live does too."""
    random, filled = Random(seed), 0
    with home(definitions(RULES)) as book:
        lake = Lake(tmp_path)
        send(book, seed)
        run(book, until=START + 5 * DAY)
        ship_all(book, lake, keep_entries=0)
        run(book)
        for at in [START + random.randrange(12 * 24) * HOUR for _ in range(5)] + [UNTIL]:
            for name in ("rich", "known", "fresh"):
                with book.snapshot() as reader:
                    planned = segments.members(reader, state_of(book), lake, name, at)
                    asked = segments.members_at(reader, state_of(book), name, at)
                    assert segments.members(reader, state_of(book), lake, name, at, DuckPlans()) == asked, (name, at)
                assert planned == asked, (name, at)
                filled += bool(planned)
                if at == UNTIL:
                    assert planned == sorted(row[0] for row in table_rows(book, "member") if row[1] == name)
    assert filled >= 4
