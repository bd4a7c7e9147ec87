"""Stages are those of the rules at every instant, whatever happens in a running server: late events, events of times to
come, merges, notes of staff, steps of the clock, and rules that change while all that goes on.

The oracle knows the log alone: it walks each person from instant to instant, and shares no code with the engine.
STAGE_WORLDS: how many worlds of chance; CI looks at a few.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from einklang.app import backfill, queries_stages, stitching
from einklang.app.apply import apply, in_force
from einklang.app.sources import LiveSource
from einklang.app.working import from_json
from einklang.audience.ladder import Ladder
from einklang.event import EngineCall
from einklang.fact.person import Stand
from einklang.kernel.errors import EinklangError
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake
from einklang.testing.canonical import table_rows
from tests.app.couples import reading
from tests.app.dice import Random
from tests.app.test_rebuild import differences
from tests.app.worlds import DAY, HOUR, START, append, documents, engine_of, home

WORLDS = int(os.environ.get("STAGE_WORLDS", "4"))
STEPS = 45
VIEW, ORDER, ASKS, NOTE = "Product Viewed", "Order Completed", "Support Asked", "Stage Noted"
#: Of the rules that change: hours of the window of views, views that make a decision, hours of its dwell.
Rules = tuple[int, int, int]
FIRST: Rules = (36, 2, 20)
NOTED_H, BOUGHT_H, USED_H = 30, 12, 70


def text(rules: Rules) -> str:
    """The definitions: a plain one, one with everything, and segments that ask since when."""
    hours, views, dwell = rules
    return f"""
{{kind: stage, id: plain, stages: [{{name: seen, when: 'events("{VIEW}").within("{hours}h").exists()'}},
 {{name: keen, when: 'segment("often")'}}, {{name: owner, when: 'events("{ORDER}").exists()', priority: -1}}]}}
---
{{kind: segment, id: often, where: 'events("{VIEW}").within("2d").count() >= {views + 1}'}}
---
kind: stage
id: need
stages:
- {{name: look, when: 'events("{VIEW}").within("{hours}h").exists()', after: [use]}}
- {{name: decide, when: 'events("{VIEW}").within("2d").count() >= {views}', dwell: {dwell}h, noted: {NOTED_H}h}}
- {{name: buy, when: 'events("{ORDER}").within("{BOUGHT_H}h").exists()'}}
- {{name: use, when: 'events("{ASKS}").within("1d").exists()', exit: '!events().within("{USED_H}h").exists()',
   after: [buy]}}
---
{{kind: segment, id: settled, where: 'stage("need") == "decide" && changedAt(stage("need")) <= now - duration("9h")'}}
---
{{kind: segment, id: keen, where: 'stage("plain") == "keen" && changedAt(stage("plain")) <= now - duration("5h")'}}
"""


Said = tuple[int, str, str | None, str | None]
#: Stage, since when, the stage before, until when they stay in it.
Where = tuple[str | None, int, str | None, int]
ORDER_OF_NEED = [None, "look", "decide", "buy", "use"]


@dataclass
class Walker:
    """One person as the oracle knows them. events: (at, name, what a note says), as known by now."""

    now: int
    events: list[tuple[int, str, str]] = field(default_factory=list)
    need: Where = (None, 0, None, 0)
    plain: tuple[str | None, int] = (None, 0)

    def has(self, name: str, hours: int | None = None) -> int:
        """How many of these there are within so many hours."""
        found = [at for at, one, _ in self.events if at <= self.now and (one == name or (not name and one != NOTE))]
        return sum(hours is None or at > self.now - hours * HOUR for at in found)

    def holding(self, rules: Rules) -> str | None:
        """The highest stage of the need that holds, seen from where the person is."""
        here, _, before, stays = self.need
        notes = sorted(one for one in self.events if one[1] == NOTE and self.now - NOTED_H * HOUR < one[0] <= self.now)
        decides = self.has(VIEW, 48) >= rules[1] or (bool(notes) and notes[-1][2] == "decide")
        quiet = not self.has("", USED_H)
        if not quiet and (here == "use" or (self.has(ASKS, 24) and before in (None, "buy", "use"))):
            return "use"
        if self.has(ORDER, BOUGHT_H):
            return "buy"
        if decides or (here == "decide" and self.now < stays):
            return "decide"
        if self.has(VIEW, rules[0]) and (here == "look" or before in (None, "use", "look")):
            return "look"
        return None

    def look(self, rules: Rules) -> list[Said]:
        """What changes at this instant."""
        said: list[Said] = []
        often = self.has(VIEW, 48) > rules[1]
        owner = "owner" if self.has(ORDER) else None
        plain = "keen" if often else "seen" if self.has(VIEW, rules[0]) else owner
        if plain != self.plain[0]:
            said.append((self.now, "plain", self.plain[0], plain))
            self.plain = plain, self.now
        was = self.need[0]
        for _ in range(9):
            to = self.holding(rules)
            if to == self.need[0]:
                break
            stays = self.now + rules[2] * HOUR if to == "decide" else 0
            self.need = to, self.now, to or self.need[2], stays
        if self.need[0] != was:
            said.append((self.now, "need", was, self.need[0]))
        return said

    def walk(self, rules: Rules, to: int) -> list[Said]:
        """What changes by time alone until before `to`."""
        said: list[Said] = []
        lengths = {0, 24, 48, rules[0], NOTED_H, BOUGHT_H, USED_H}
        while True:
            ends = {at + hours * HOUR for at, *_ in self.events for hours in lengths} | {self.need[3]}
            ahead = [at for at in ends if self.now < at < to]
            if not ahead:
                return said
            self.now = min(ahead)
            said += self.look(rules)


@dataclass
class Oracle:
    """The log, read entry by entry."""

    rules: list[Rules]
    people: dict[str, Walker] = field(default_factory=dict)
    said: dict[str, list[Said]] = field(default_factory=dict)
    merged: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    alias: dict[str, str] = field(default_factory=dict)

    def read(self, book: SqliteBook, until: int) -> None:
        """What should have been told, of whom; and where everybody is in the end."""
        log = [(*(row[place] for place in (2, 3, 6, 8, 9, 13)), from_json(row[15])) for row in log_of(book)]
        for _, _, origin, name, _, person, told in log:
            if (name, origin) == ("Person Merged", 2):
                self.merged.setdefault(told["by"], []).append((person, told["from"]))
        later, force, newest, reached = list(self.rules), self.rules[0], self.rules[0], START
        for clock, at, origin, name, message, person, told in log:
            if name == "Definition Changed":
                self.advance(self.people, force, clock + 1)
                newest = later.pop(0)
                if not told.get("beside"):
                    force = newest
                    self.look(self.people, force, clock)
            if "build" in told:  # worked out beside the live work: in force from the switch on, as each is looked at
                self.advance(self.people, force, clock + 1)
                if told["build"] == "switch":
                    force = newest
                    for walker in self.people.values():
                        walker.now = clock
                found = {self.alias.get(one, one) for one in told.get("persons", ())}
                self.look(found & self.people.keys(), force, clock)
            if told.get("resume"):  # time stood still: what fell due meanwhile comes late
                self.advance(self.people, force, reached + 1)
                self.look(self.people, force, clock)
            reached = clock
            if not person:
                continue
            joined = self.merged.pop(told["by"] if (name, origin) == ("Person Merged", 2) else message, [])
            if origin == 2 and not joined:
                continue
            self.people.setdefault(person, Walker(clock))
            concerned = {person, *(lost for _, lost in joined)} & self.people.keys()
            self.advance(concerned, force, clock + (origin == 2))
            for kept, lost in joined:
                self.join(kept, lost, clock)
            if name in (VIEW, ORDER, ASKS, NOTE):
                self.people[person].events.append((at, name, told.get("name", "")))
            self.look({person}, force, clock)
        self.advance(self.people, force, until + 1)

    def advance(self, persons: Iterable[str], rules: Rules, to: int) -> None:
        """Time goes on until before `to`."""
        for one in persons:
            self.said.setdefault(one, []).extend(self.people[one].walk(rules, to))

    def look(self, persons: Iterable[str], rules: Rules, clock: int) -> None:
        """Something happened at this instant."""
        for one in persons:
            self.people[one].now = clock
            self.said.setdefault(one, []).extend(self.people[one].look(rules))

    def join(self, kept: str, lost: str, clock: int) -> None:
        """Two persons are one: who is further along in what depends on the past has it right."""
        mine, other = self.people[kept], self.people.pop(lost, None)
        self.alias = {one: kept if to == lost else to for one, to in self.alias.items()} | {lost: kept}
        if other is None:
            return
        mine.events += other.events
        if ORDER_OF_NEED.index(other.need[0]) > ORDER_OF_NEED.index(mine.need[0]):
            self.said.setdefault(kept, []).append((clock, "need", mine.need[0], other.need[0]))
            mine.need = other.need[0], clock, other.need[2], other.need[3]
        elif mine.need[2] is None:
            mine.need = (*mine.need[:2], other.need[2], mine.need[3])


def log_of(book: SqliteBook) -> list[Any]:
    """The entries of the log."""
    return book.read("log_page", 0, 1_000_000)


@dataclass
class World:
    """A server under which all sorts of things happen."""

    book: SqliteBook
    random: Random
    now: int = START
    rules: list[Rules] = field(default_factory=lambda: [FIRST])
    seen: Counter[str] = field(default_factory=Counter)
    number: int = 0
    splits: bool = False
    stale: bool = False

    def __post_init__(self) -> None:
        self.engine, self.source = engine_of(self.book), LiveSource()

    def act(self) -> None:
        """One thing of many, and a tick."""
        random, chance = self.random, self.random.random()
        if chance < 0.55:
            append(self.book, [self.call() for _ in range(random.randint(1, 3))], received_at=self.now)
        elif chance < 0.75:
            self.now += 1 if self.stale else random.choice((1, HOUR, 7 * HOUR, 20 * HOUR, 3 * DAY))
        elif chance < (0.95 if self.splits else 0.85):
            self.staff()
        elif chance < 0.9 and not self.book.read("definitions_waiting"):
            self.rules.append((random.randint(20, 50), random.randint(1, 3), random.randint(1, 40)))
            apply(self.book, list(documents(text(self.rules[-1]))), now=self.now)
        elif chance < 0.95 and not self.stale:
            self.__post_init__()  # another process goes on
        else:
            self.engine.state.working.forget()
        self.step()

    def call(self) -> EngineCall:
        """Somebody does something, now, late or in time to come; a device comes to be known, or is never."""
        random = self.random
        self.number += 1
        at = self.now - random.choice((0, 0, 0, 1, HOUR, 30 * HOUR))
        at += random.choice((5 * HOUR, 2 * DAY)) if random.random() < 0.1 else 0
        found, who = EngineCall("track", messageId=f"e{self.number}", at=at), random.randrange(4)
        found.event = random.choice((VIEW, VIEW, VIEW, ORDER, ASKS))
        found.userId = f"u{who}" if random.random() < 0.5 else None
        if found.userId is None or random.random() < 0.15:
            found.anonymousId = f"d{who}"
        return found

    def staff(self) -> None:
        """Staff note what they know, or join two people."""
        one, other = (f"userId:u{self.random.randrange(4)}" for _ in range(2))
        try:
            if self.random.random() < (0.3 if self.splits else 0.8):
                name = self.random.choice(("decide", "decide", ""))
                known = in_force(self.book)
                queries_stages.note(self.book, known, one, "need", name, "said so", actor="staff:t", now=self.now)
            else:
                with self.book.snapshot() as reader:
                    state = reading(self.book)
                    if self.splits and self.random.random() < 0.7:
                        decided = stitching.split(reader, state, one, [], actor="staff:t", why="two")
                    else:
                        decided = stitching.merge(reader, state, one, other, actor="staff:t", why="one")
                self.seen[decided.name] += 1
                stitching.append(self.book, decided, now=self.now)
        except EinklangError:
            self.seen["nobody"] += 1

    def step(self) -> int:
        """One tick."""
        self.now += 1
        self.source.now = self.now
        done = self.engine.step(self.source, self.random.choice((1, 2, 9, 5_000)))
        self.now = max(self.now, self.engine.state.clock)
        build = self.engine.state.build
        self.seen["climb" if build is not None and build.climbing else "none"] += 1
        # who was not looked at since the switch: when they will be does not follow from their own events
        self.stale = build is not None and (build.switched or self.stale)
        return done


def ordered(rows: list[Said]) -> list[Said]:
    """By instant and stage; what is told of one stage at one instant stays in its order."""
    return sorted(rows, key=lambda row: row[:2])


def live(seed: int, folder: Path) -> Counter[str]:
    """A world of this seed, compared with the oracle; what was seen in it."""
    with home(text(FIRST)) as book:
        world = World(book, Random(seed))
        for _ in range(STEPS):
            world.act()
        while world.step():
            pass
        until = world.engine.state.clock
        oracle = Oracle(world.rules)
        oracle.read(book, until)
        told: dict[str, list[Said]] = {}
        for row in log_of(book):
            if row[8] == "Stage Changed":
                said = from_json(row[15])
                told.setdefault(row[13], []).append((row[2], said["stage"], said["from"], said["to"]))
                world.seen[f"{said['from']} -> {said['to']}"] += 1
        assert {one: ordered(rows) for one, rows in told.items()} == {
            one: ordered(rows) for one, rows in oracle.said.items() if rows
        }
        standing = {(person, stage): (name, since) for person, stage, name, since in table_rows(book, "standing")}
        expected = {
            (one, stage): (where[0], where[1])
            for one, walker in oracle.people.items()
            for stage, where in (("need", walker.need), ("plain", walker.plain))
            if where[0] is not None
        }
        assert standing == expected
        for segment, stage, name, hours in (("settled", "need", "decide", 9), ("keen", "plain", "keen", 5)):
            members = {row[0] for row in book.read("members_of", segment)}
            assert members == {
                one for (one, of), (here, since) in expected.items()
                if (of, here) == (stage, name) and since <= until - hours * HOUR
            }  # fmt: skip
            world.seen[segment] += len(members)
        world.seen["merged"] += sum(row[8] == "Person Merged" and row[6] == 2 for row in log_of(book))
        assert differences(book, Lake(folder), batch=world.random.choice((1, 7, 5_000))) == []
        return world.seen


def split_world(seed: int, folder: Path) -> Counter[str]:
    """A world with splits: a stage that does not depend on the one before is the rule asked of everybody's history."""
    with home(text(FIRST)) as book:
        world = World(book, Random(seed), splits=True)
        for _ in range(STEPS):
            world.act()
        while world.step():
            pass
        people: dict[str, Walker] = {}
        for row in table_rows(book, "history"):
            walker = people.setdefault(row[0], Walker(world.engine.state.clock))
            if row[4] != 2:
                walker.events.append((row[1], row[6], ""))
        for walker in people.values():
            walker.look(world.rules[-1])
        standing = {row[0]: row[2] for row in table_rows(book, "standing") if row[1] == "plain"}
        assert standing == {one: walker.plain[0] for one, walker in people.items() if walker.plain[0] is not None}
        assert differences(book, Lake(folder), batch=world.random.choice((1, 7, 5_000))) == []
        return world.seen


@pytest.mark.slow
def test_stages_are_right_after_splits(tmp_path: Path) -> None:
    """Whatever was joined and split; and a rebuild agrees, also about what depends on the stage before."""
    seen = sum((split_world(seed, tmp_path / str(seed)) for seed in range(WORLDS)), Counter[str]())
    assert min(seen["Person Split"], seen["Person Merged"]) > 0, seen


@pytest.mark.slow
def test_stages_are_right_at_at_every_instant(tmp_path: Path) -> None:
    """What was told, where everybody stands since when, and who is in segments that ask for it: as the rules say of the
    log; a rebuild agrees, whatever the size of ticks.
    """
    seen = sum((live(seed, tmp_path / str(seed)) for seed in range(WORLDS)), Counter[str]())
    wanted = ("None -> look", "look -> decide", "decide -> buy", "buy -> use", "use -> None", "merged")
    assert all(seen[name] > 0 for name in wanted), seen


def test_a_world_of_stages_is_right(tmp_path: Path) -> None:
    """The same of one world, at every change of the code."""
    assert live(1, tmp_path)["merged"] > 0


def test_stages_that_forget_the_time_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Positive control: a ladder that does not say when time alone changes a stage."""
    real = Ladder.stand

    def deaf(ladder: Ladder, view: Any, known: Stand | None) -> Stand:
        found = real(ladder, view, known)
        found.flips_at = None
        return found

    monkeypatch.setattr(Ladder, "stand", deaf)
    with pytest.raises(AssertionError):
        live(1, tmp_path)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few people are many."""
    monkeypatch.setattr(backfill, "PERSONS_MIN", 1)
    monkeypatch.setattr(backfill, "STEP_PERSONS", 1)


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_stages_are_right_while_rules_change_beside_the_live_work(tmp_path: Path) -> None:
    """The old rules until the switch; from it on the new ones for whoever is touched, or comes to be looked at."""
    seen = sum((live(seed, tmp_path / str(seed)) for seed in range(WORLDS)), Counter[str]())
    assert min(seen["climb"], seen["merged"]) > 0, seen


@pytest.mark.usefixtures("small")
def test_stages_that_nobody_climbs_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Positive control: a changed stage that is asked only of whom something happens to."""
    monkeypatch.setattr(backfill, "climbs", lambda state, person: False)
    with pytest.raises(AssertionError):
        live(1, tmp_path)
