"""The step `track` writes an event to the log; `entry.limit` bounds how many enter in any window (language.md 3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from einklang.store.book import SqliteBook
from einklang.store.lake import Lake
from einklang.testing.canonical import canonical_hash
from tests.app.dice import Random
from tests.app.test_rebuild import differences
from tests.app.test_wakes import track
from tests.app.worlds import DAY, HOUR, START, append, home, run

WRITING = """
{kind: event, id: Deal Opened, properties: {value: number, seller: string}}
---
{kind: segment, id: dealing, where: 'events("Deal Opened").exists()'}
---
kind: journey
id: writes
entry: {event: Form Sent, key: form, reenter: always}
steps:
  - id: deal
    when: 'entry.properties.value > 10'
    track: Deal Opened
    data: {value: '=entry.properties.value', seller: none}
    then: end
    else: small
  - {id: small, assign: {x: 1}}
---
{kind: journey, id: follows, entry: {event: Deal Opened}, steps: [{id: n, set: {deal: '=entry.properties.value'}}]}
"""
LIMITED = """
kind: journey
id: few
entry: {event: Form Sent, reenter: always, at_once: 100, limit: {runs: 3, per: 5h}}
steps: [{id: w, wait: 1h}]
"""


def history_of(book: SqliteBook, name: str) -> list[tuple[Any, ...]]:
    """Rows of this name in the histories of all."""
    return [row for lane in range(64) for row in book.read("all_history", lane) if row[6] == name]


def test_a_step_writes_an_event(tmp_path: Path) -> None:
    """It is history, fills segments, starts journeys, is no doing of the person; a false `when` writes nothing."""
    with home(WRITING) as book:
        append(book, [track("Form Sent", START, "u", form="a"), track("Form Sent", START + HOUR, "v", form="b")])
        (body,) = [track("Form Sent", START + 2 * HOUR, "u", form="c")]
        body.properties = {"form": "c", "value": 25}
        append(book, [body])
        run(book, until=START + DAY)
        ((person, at, _, _, origin, *_, properties, _),) = history_of(book, "Deal Opened")
        assert (at, origin, properties) == (START + 2 * HOUR, 2, '{"value":25,"seller":"none"}')
        assert [row[:2] for lane in range(64) for row in book.read("all_member", lane)] == [(person, "dealing")]
        assert [row[2] for lane in range(64) for row in book.read("all_run", lane)].count("follows") == 1
        assert differences(book, Lake(tmp_path), batch=1) == []


def test_the_control_group_writes_nothing() -> None:
    """The step is left as if it had been done, and nothing is in the log."""
    with home(WRITING.replace("id: writes\n", "id: writes\ncontrol: 1\n")) as book:
        call = track("Form Sent", START)
        call.properties = {"form": "c", "value": 25}
        append(book, [call])
        run(book, until=START + DAY)
        assert history_of(book, "Deal Opened") == []
        assert [row[5] for lane in range(64) for row in book.read("all_run", lane)] == ["done"]


def entered(book: SqliteBook) -> list[int]:
    """When runs began, in hours."""
    runs = [row[7] for lane in range(64) for row in book.read("all_run", lane)]
    return sorted((clock - START) // HOUR for clock in runs)


def oracle(hours: list[int], runs: int, per: int) -> list[int]:
    """Who may enter: at most `runs` in any (now - per, now]."""
    found: list[int] = []
    for hour in hours:
        if sum(hour - per < other for other in found) < runs:
            found.append(hour)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_a_limit_holds_in_any_window(seed: int, tmp_path: Path) -> None:
    """Random arrivals of many people: exactly those that an oracle lets in, however the log is cut."""
    random = Random(seed)
    hours = sorted(random.randint(0, 40) for _ in range(40))
    calls = [track("Form Sent", START + hour * HOUR, f"u{number % 7}-{number}") for number, hour in enumerate(hours)]
    hashes = set()
    for sizes in ([5_000], [1], [3, 7, 2]):
        with home(LIMITED) as book:
            append(book, calls)
            run(book, sizes, until=START + 3 * DAY, forgetful=len(sizes) > 1)
            assert entered(book) == oracle(hours, 3, 5)
            hashes.add(canonical_hash(book, log=True))
            refused = [row for row in book.read("all_verdict", 0, 100) if row[10] == "entry_limit"]
            assert len(refused) == len(hours) - len(entered(book))
            if sizes == [1]:
                assert differences(book, Lake(tmp_path), batch=4) == []
    assert len(hashes) == 1
