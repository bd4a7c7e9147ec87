"""Who is looked at when definitions change: whom the change concerns, and nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from einklang.app.apply import apply
from einklang.app.concerns import concerns
from einklang.app.definitions import Definitions, compile_all, merge
from einklang.app.run import settle_definitions
from einklang.app.state import FOLD
from einklang.app.working import Live, WorkingSet
from einklang.event import EngineCall
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake
from tests.app.test_rebuild import differences
from tests.app.test_wakes import HELD, permitted, sent_at, track
from tests.app.worlds import DAY, HOUR, START, append, documents, engine_of, home, run

RULES = """
{kind: score, id: heat, points: [{add: 1, when: 'events("Seen").count() > 0'}]}
---
{kind: segment, id: seen, title: Seen, where: 'events("Seen").sum(worth) > 1'}
---
{kind: segment, id: hot, where: 'score("heat") > 0'}
"""


@contextmanager
def looked(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Whoever is loaded meanwhile."""
    found, get = set[str](), WorkingSet.get

    def noted(self: WorkingSet, person: str) -> Live | None:
        found.add(person)
        return get(self, person)

    with monkeypatch.context() as patch:
        patch.setattr(WorkingSet, "get", noted)
        yield found


def change(book: SqliteBook, text: str) -> None:
    """Put a change in force."""
    apply(book, list(documents(text)), now=START + DAY)
    settle_definitions(book, engine_of(book))


def members(book: SqliteBook, segment: str) -> int:
    """How many."""
    return len(book.read("members_of", segment))


@pytest.mark.parametrize(
    ("text", "everybody"),
    [
        ("{kind: policy, id: default, caps: [{at_most: 1, per: 1d}]}", False),
        ("{kind: policy, id: default, timezone: Europe/Berlin}", True),
        ("{kind: trait, id: size, type: number}", False),
        ("{kind: purpose, id: service-news, basis: consent}", False),
        ("{kind: score, id: other, points: [{add: 2, when: 'person.known'}]}", False),
        ("{kind: score, id: heat, points: [{add: 0, when: 'events(\"Seen\").count() > 0'}]}", True),
        ("{kind: event, id: Other, properties: {worth: number}}", False),
        ("{kind: event, id: Seen, properties: {worth: number}}", True),
        ("{kind: segment, id: seen, title: Looked, where: 'events(\"Seen\").sum(worth) > 1'}", False),
        ("{kind: segment, id: seen, title: Seen, where: 'events(\"Seen\").sum(worth) > 2'}", True),
    ],
)
def test_only_what_a_change_concerns_is_looked_at(
    text: str, everybody: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A title, a cap, what no segment speaks of: nobody is loaded. A score or a type within a condition: everybody."""
    with home(RULES) as book:
        calls = [EngineCall("track", "Seen", userId=f"u{n}", messageId=f"m{n}", at=START) for n in range(5)]
        for call in calls:
            call.properties = {"worth": 2}
        append(book, calls)
        run(book, until=START + DAY)
        assert (members(book, "seen"), members(book, "hot")) == (5, 5)
        with looked(monkeypatch) as found:
            change(book, text)
        assert len(found) == (5 if everybody else 0)
        assert (members(book, "hot"), members(book, "seen")) == (
            0 if "add: 0" in text else 5,
            0 if "> 2" in text else 5,
        )
        assert differences(book, Lake(tmp_path), batch=2) == []


def test_another_rule_for_a_trait_concerns_who_has_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Who has none is not loaded; who has it is folded anew, and asked where its value is another one."""
    rule = "{kind: trait, id: size, type: number, merge: %s}"
    text = "{kind: segment, id: small, where: 'trait.size < 5'}\n---\n" + rule
    with home(text % "last") as book:
        calls = [EngineCall("track", "Seen", userId=f"u{n}", messageId=f"m{n}", at=START) for n in range(5)]
        for n, size in enumerate((1, 9, 9)):
            said = EngineCall("identify", userId=f"u{n // 2}", messageId=f"s{n}", at=START + n + 1)
            said.traits = {"size": size}
            calls.append(said)
        append(book, calls)
        run(book, until=START + DAY)
        assert members(book, "small") == 0
        for merge, loaded, found in (("first", 2, 1), ("max", 5, 0)):
            with looked(monkeypatch) as seen:
                change(book, rule % merge)
            assert (len(seen), members(book, "small")) == (loaded, found)
        assert differences(book, Lake(tmp_path), batch=2) == []


def compiled(text: str) -> Definitions:
    """These definitions alone."""
    return compile_all(merge({}, list(documents(text))), {})


def test_a_purpose_that_is_not_there_any_more_has_changed() -> None:
    """Nothing takes a definition away today; if it did, those who ask for consents would be looked at."""
    rule = '{kind: segment, id: agreed, where: \'consent("email", "extra")\'}\n---\n'
    before = compiled(rule + "{kind: purpose, id: extra, basis: legitimate_interest}")
    after = compiled(rule + "{kind: purpose, id: extra, basis: legitimate_interest}")
    assert not concerns(before, after, (), FOLD).everybody
    del after.purposes["extra"]
    assert concerns(before, after, (), FOLD).segments == {"agreed"}


def test_who_is_only_looked_at_does_not_stay_in_memory() -> None:
    """A look at everybody leaves those in memory who were there, and nobody else."""
    rule = "{kind: segment, id: hot, where: 'score(\"heat\") > %d'}"
    with home(RULES) as book:
        append(book, [EngineCall("track", "Seen", userId=f"u{n}", messageId=f"m{n}", at=START) for n in range(5)])
        busy, idle = run(book, until=START + DAY), engine_of(book)
        for number, (engine, kept) in enumerate(((busy, 5), (idle, 0))):
            apply(book, list(documents(rule % (number + 1))), now=START + DAY)
            settle_definitions(book, engine)
            assert len(engine.state.working.living()) == kept


def test_another_policy_asks_only_for_what_is_held(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Who waits at the door is asked for again under the new policy; who came through is not looked at."""
    with home(HELD) as book:
        others = [EngineCall("page", name="Home", userId=f"o{n}", messageId=f"p{n}", at=START) for n in range(3)]
        append(book, [*others, *permitted(), track("Case Opened", START), track("Page Viewed", START + HOUR)])
        run(book, until=START + DAY)
        with looked(monkeypatch) as found:
            change(book, "{kind: policy, id: default, patience: 5d}")
        assert len(found) == 1
        run(book, until=START + 2 * DAY)
        assert sent_at(book) == [24.0]
        assert differences(book, Lake(tmp_path), batch=2) == []
