"""Members equal the rule asked of everybody, whatever happens in a running server: late events, merges, splits, steps
of the clock, and definitions that change while all that goes on.

SEGMENT_WORLDS: how many worlds of chance; CI looks at a few.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Set
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from einklang.app import backfill, segments, stitching, survey
from einklang.app.apply import apply
from einklang.app.sources import LiveSource
from einklang.app.state import State
from einklang.audience.live import Listeners, Touch
from einklang.event import EngineCall
from einklang.kernel.errors import EinklangError
from einklang.store.book import SqliteBook
from einklang.store.lake import DuckPlans, Lake
from einklang.testing.canonical import Row, table_rows
from tests.app.couples import reading
from tests.app.dice import Random
from tests.app.test_rebuild import differences
from tests.app.worlds import DAY, HOUR, START, append, documents, engine_of, home

WORLDS = int(os.environ.get("SEGMENT_WORLDS", "3"))
STEPS = 40
AT, SEQ, CLOCK, TYPE, NAME, PROPERTIES = 1, 2, 3, 5, 6, 14


@dataclass(frozen=True)
class Rules:
    """Four segments that speak of each other, `calm` comes later; and one about a score."""

    days: int = 5
    orders: int = 1
    hours: int = 36
    vip: bool = True
    calm: int = 0
    weight: int = 1

    def text(self) -> str:
        """The definitions."""
        good = '(segment("buyers") && !segment("lapsed"))' + (" || trait.vip == true" if self.vip else "")
        views = 'events("Page Viewed")'
        found = {
            "buyers": f'events("Order Completed").within("{self.days}d").count() >= {self.orders}',
            "lapsed": f'{views}.exists() && !{views}.within("{self.hours}h").exists()',
            "good": good,
            "warm": 'score("heat") >= 2',
        }
        if self.calm:
            found["calm"] = f'segment("good") && events("Order Completed").count() < {self.calm}'
        texts = [f"{{kind: segment, id: {name}, where: '{rule}'}}" for name, rule in found.items()]
        points = [(self.weight, 'events("Order Completed").exists()'), (1, f"{views}.exists()")]
        texts.append(f"{{kind: score, id: heat, points: {[{'add': add, 'when': when} for add, when in points]}}}")
        return "\n---\n".join(texts)

    def of(self, events: list[Row], now: int) -> dict[str, bool]:
        """The segments by their words, from the events that had come by `now`."""
        known = [row for row in events if row[CLOCK] <= now and row[AT] <= now]
        orders = [row[AT] for row in known if row[NAME] == "Order Completed"]
        seen = [row[AT] for row in known if row[NAME] == "Page Viewed"]
        vip = [row for row in known if row[TYPE] == "identify" and "vip" in row[PROPERTIES]]
        last = max(vip, key=lambda row: (row[AT], row[SEQ]), default=None)
        buyers = sum(at > now - self.days * DAY for at in orders) >= self.orders
        lapsed = bool(seen) and not any(at > now - self.hours * HOUR for at in seen)
        good = (buyers and not lapsed) or (self.vip and last is not None and last[PROPERTIES]["vip"] is True)
        warm = self.weight * bool(orders) + bool(seen) >= 2
        found = {"buyers": buyers, "lapsed": lapsed, "good": good, "warm": warm}
        return found | ({"calm": good and len(orders) < self.calm} if self.calm else {})


@dataclass
class World:
    """A server under which all sorts of things happen."""

    book: SqliteBook
    random: Random
    lake: Lake
    now: int = START
    rules: Rules = field(default_factory=Rules)
    told: Rules = field(default_factory=Rules)
    planned: bool = False
    joined: bool = False
    seen: Counter[str] = field(default_factory=Counter)
    number: int = 0

    def __post_init__(self) -> None:
        self.engine, self.source = engine_of(self.book), LiveSource(self.crowd if self.planned else None)
        self.asked_at = 0
        self.todo: list[str] | None = None

    def act(self) -> None:
        """One thing of many."""
        chance = self.random.random()
        if chance < 0.5:
            append(self.book, [self.call() for _ in range(self.random.randint(1, 3))], received_at=self.now)
        elif chance < 0.7:
            self.now += self.random.choice((1, HOUR, 9 * HOUR, 30 * HOUR, 4 * DAY))
        elif chance < 0.8:
            self.decide()
        elif chance < 0.9:
            self.change()
        elif chance < 0.95:
            self.__post_init__()  # another process goes on
        else:
            self.engine.state.working.forget()
        self.step()

    def call(self) -> EngineCall:
        """Somebody does something, now, late or in time to come."""
        random = self.random
        self.number += 1
        at = self.now - random.choice((0, 0, 1, HOUR, 2 * DAY, 6 * DAY))
        at += random.choice((5 * HOUR, 3 * DAY)) if random.random() < 0.1 else 0
        found = EngineCall("track", messageId=f"e{self.number}", at=at)
        found.userId = f"u{random.randrange(5)}" if random.random() < 0.7 else None
        if found.userId is None or random.random() < 0.2:
            found.anonymousId = f"d{random.randrange(4)}"
        kind = random.random()
        if kind < 0.2 and found.userId is not None:
            found.type, found.traits = "identify", {"vip": random.choice((True, False))}
        else:
            found.event = "Order Completed" if kind < 0.6 else "Page Viewed"
        return found

    def decide(self) -> None:
        """Staff join two people, or split one."""
        one, other = (f"userId:u{self.random.randrange(5)}" for _ in range(2))
        try:
            with self.book.snapshot() as reader:
                state = reading(self.book)
                if self.random.random() < 0.5:
                    decided = stitching.merge(reader, state, one, other, actor="staff:t", why="one person")
                else:
                    decided = stitching.split(reader, state, one, [other], actor="staff:t", why="two")
            stitching.append(self.book, decided, now=self.now)
            self.joined = True
        except EinklangError:
            self.seen["nobody to join or split"] += 1

    def change(self) -> None:
        """Another definition, unless one waits already."""
        if self.book.read("definitions_waiting"):
            return
        if self.building() is None:
            self.told = self.rules
        random, rules = self.random, self.rules
        self.rules = random.choice(
            (
                replace(rules, days=random.randint(1, 9), orders=random.randint(1, 3)),
                replace(rules, hours=random.randint(5, 90), vip=True),
                replace(rules, vip=False, calm=random.randint(1, 4)),
                replace(rules, weight=random.choice([one for one in range(4) if one != rules.weight])),
            )
        )
        self.seen["score alone"] += self.rules == replace(rules, weight=self.rules.weight) != rules
        apply(self.book, list(documents(self.rules.text())), now=self.now)

    def building(self) -> backfill.Build | None:
        """What is worked out anew."""
        rows = self.book.read("meta_value", "build")
        return backfill.stored(rows[0][0] if rows else "")

    def crowd(self, build: backfill.Build) -> list[str] | None:
        """Who is to be looked at, by plan; not at once."""
        if self.asked_at != build.begun:
            self.asked_at, self.todo = build.begun, None
            return None
        if self.todo is None:
            with self.book.snapshot() as reader:
                state = engine_of(self.book).state
                self.todo = survey.persons(reader, state, self.lake, build, DuckPlans())
                planned = self.todo is not backfill.EVERYBODY
                self.seen["planned"] += planned
                self.seen["left out"] += len(state.after("", 1_000)) - len(self.todo) if planned else 0
        return self.todo

    def step(self) -> int:
        """One tick; then everything that is done is right."""
        self.now += 1
        self.source.now = self.now
        done = self.engine.step(self.source, self.random.choice((2, 9, 5_000)))
        self.now = max(self.now, self.engine.state.clock)
        build = self.building()
        self.seen["look" if build is None or not build.switched else "tell"] += build is not None
        self.check(self.told if build is not None and not build.switched else self.rules)
        return done

    def check(self, rules: Rules) -> None:
        """Members as they are shown are those of the rules, asked of everybody."""
        due = self.book.read("next_timer")
        swept = any(text for (text,) in self.book.read("meta_value", "sweep"))
        if swept or self.book.read("tail_page", 0, 1) or (due and due[0][0] is not None and due[0][0] <= self.now):
            return
        people = defaultdict[str, list[Row]](list)
        for row in table_rows(self.book, "history"):
            people[row[0]] += [row] if row[4] == 0 else []
        expected = {person: rules.of(events, self.now) for person, events in people.items()}
        for name in ("buyers", "lapsed", "good", "warm", "calm"):
            members = {row[0] for row in self.book.read("members_of", name)}
            assert members == {person for person, found in expected.items() if found.get(name)}, (name, self.building())
        self.seen["compared"] += 1

    def check_at(self, moment: int) -> None:
        """Members at a moment of the past are those of the rule, for persons as they are joined and split now."""
        people = defaultdict[str, list[Row]](list)
        for row in table_rows(self.book, "history"):
            if row[4] == 0 and row[AT] <= moment:
                people[row[0]].append((*row[:CLOCK], min(row[CLOCK], moment), *row[CLOCK + 1 :]))
        with self.book.snapshot() as reader:
            known = {person for _, _, person, first_at in reader.read("all_identifier") if first_at <= moment}
            for name in ("buyers", "lapsed", "good", "warm"):
                members = segments.members_at(reader, reading(self.book), name, moment)
                expected = {person for person in known if self.rules.of(people[person], moment)[name]}
                assert set(members) == expected, (name, moment)
                self.seen["members at"] += len(members)

    def told_once(self) -> None:
        """Who was never joined or split, nor got the events of a device, enters and leaves by turns."""
        people = defaultdict[str, list[Row]](list)
        for row in sorted(table_rows(self.book, "history"), key=lambda row: int(row[SEQ])):
            people[row[0]].append(row)
        for events in people.values():
            inside = set[str]()
            if any(row[NAME] in ("Person Merged", "Person Split") or row[10] == "anonymousId" for row in events):
                continue
            for row in events:
                name = str(row[PROPERTIES].get("segment"))
                if row[NAME] == "Segment Entered":
                    assert name not in inside, events
                    inside.add(name)
                elif row[NAME] == "Segment Left":
                    inside.remove(name)
            self.seen["by turns"] += 1


def live(seed: int, folder: Path) -> Counter[str]:
    """A world of this seed; what was seen in it."""
    with home(Rules().text()) as book:
        world = World(book, Random(seed), Lake(folder), planned=seed % 2 == 0)
        for _ in range(STEPS):
            world.act()
        steps = next((n for n in range(300) if not world.step() and world.building() is None), None)
        assert steps is not None, world.building()
        world.told_once()
        assert world.building() is None
        for days in (1, 5, 12):
            world.check_at(START + days * DAY)
        assert differences(book, Lake(folder), batch=world.random.choice((1, 7, 5_000))) == []
        return world.seen


def worlds(count: int, folder: Path) -> Counter[str]:
    """So many worlds; what was seen in them."""
    seen = Counter[str]()
    for seed in range(count):
        seen += live(seed, folder / str(seed))
    return seen


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few people are many."""
    monkeypatch.setattr(backfill, "PERSONS_MIN", 1)
    monkeypatch.setattr(backfill, "STEP_PERSONS", 1)


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_members_are_right_while_definitions_change(tmp_path: Path) -> None:
    """At every moment the members shown are those of the definition in force: the old one until the switch."""
    seen = worlds(WORLDS, tmp_path)
    assert all(seen[name] > 2 * WORLDS for name in ("compared", "look", "tell")), seen
    assert min(seen["planned"], seen["left out"], seen["score alone"], seen["members at"]) > 0, seen


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_shadows_that_nothing_touches_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: what happens between the look and the switch must be heard."""
    listeners = backfill.listeners

    class Deaf(Listeners):
        def touched(self, touch: Touch) -> Set[int]:
            return frozenset()

    def deaf(state: State) -> tuple[Listeners, Listeners | None]:
        told, shadows = listeners(state)
        return told, shadows and Deaf(shadows.segments)

    monkeypatch.setattr(backfill, "listeners", deaf)
    with pytest.raises(AssertionError):
        worlds(20, tmp_path)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.usefixtures("small")
def test_until_the_switch_a_rule_is_asked_as_it_was_checked(together: bool, tmp_path: Path) -> None:
    """With or after the new rule comes a catalog under which the old one has no sense: it is asked of the old one."""
    rule, shops = "{kind: segment, id: buyers, where: '%s'}", "{kind: catalog, id: shops, key: id, fields: {id: %s}}"
    with home(rule % 'lookup("shops", 1).id > 1' + "\n---\n" + shops % "number") as book:
        engine, source = engine_of(book), LiveSource()

        def work(ticks: int) -> None:
            for _ in range(ticks):
                source.now = max(engine.state.clock, source.now) + 1
                engine.step(source, 100)

        append(book, [EngineCall("track", "Bought", userId=f"u{n}", messageId=f"m{n}", at=START) for n in range(9)])
        work(3)
        changes = [rule % 'events("Bought").exists()', shops % "string"]
        for text in ["\n---\n".join(changes)] if together else changes:
            apply(book, list(documents(text)), now=source.now)
            work(1)
        found = backfill.now(book)
        assert found is not None
        assert found.told == {"buyers": 1, "catalog/shops": 1}
        work(25)
        assert (backfill.now(book), len(book.read("members_of", "buyers"))) == (None, 9)
        assert differences(book, Lake(tmp_path), batch=7) == []
