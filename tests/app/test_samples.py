"""Samples of a segment: drawn by hash, drawn anew, frozen; live as asked of everybody, and the same in a rebuild."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from einklang.app.apply import check
from einklang.app.definitions import compile_all, key_of
from einklang.app.in_use import check_samples
from einklang.app.segments import members, members_at
from einklang.app.yaml import parse_text
from einklang.kernel import ids
from einklang.kernel.errors import InputError
from einklang.store.lake import DuckPlans, Lake, ship_all
from tests.app.test_rebuild import differences, state_of
from tests.app.test_wakes import track
from tests.app.worlds import DAY, HOUR, SALT, START, append, home, run

PEOPLE = 40
TEXT = """
{kind: segment, id: seen, where: 'events("Page Viewed").within("6d").exists()'}
---
{kind: segment, id: some, where: 'segment("seen")', sample: {share: 0.4}}
---
{kind: segment, id: wave, where: 'segment("seen")', sample: {share: 0.4, every: 3d}}
---
{kind: segment, id: then, where: 'segment("seen")', frozen: "2026-03-22T12:00:00Z"}
---
{kind: segment, id: rest, where: 'segment("seen") && !segment("some") && !segment("then")'}
"""
FROZEN = START + 2 * DAY + 12 * HOUR


def views() -> list[tuple[str, int]]:
    """Who looks at a page, and when: a seventh of them each day."""
    return [
        (f"u{n}", START + day * DAY + n * HOUR // 9) for n in range(PEOPLE) for day in range(8) if (n + day) % 7 == 0
    ]


def expected(now: int, person: dict[str, str]) -> dict[str, set[str]]:
    """The segments by their words."""

    def seen(moment: int) -> set[str]:
        return {person[user] for user, at in views() if moment - 6 * DAY < at <= moment}

    def draw(scope: str) -> set[str]:
        salt = bytes.fromhex(SALT)
        return {one for one in seen(now) if ids.unit(salt, scope, one) < 0.4}

    some, then = draw("segment:some"), seen(min(now, FROZEN))
    wave = draw(f"segment:wave:{now // (3 * DAY)}")
    return {"seen": seen(now), "some": some, "wave": wave, "then": then, "rest": seen(now) - some - then}


@pytest.mark.slow
def test_samples_are_what_their_words_say(tmp_path: Path) -> None:
    """Each half day the live members, and those asked by plan and one by one, are the sample; in a rebuild too."""
    lake = Lake(tmp_path)
    with home(TEXT) as book:
        append(book, [track("Page Viewed", at, user) for user, at in views()])
        drawn = set()
        for step in range(1, 17):
            now = START + step * DAY // 2
            run(book, until=now)
            person = {value: one for kind, value, one, _ in book.read("all_identifier") if kind == "userId"}
            live = {name: {row[0] for row in book.read("members_of", name)} for name in expected(now, person)}
            assert live == expected(now, person), step
            drawn.add(frozenset(live["wave"] & live["seen"]))
        assert len(drawn) > 8
        ship_all(book, lake)
        with book.snapshot() as reader:
            for now in (START + 2 * DAY, START + 6 * DAY):
                for name, known in expected(now, person).items():
                    assert set(members(reader, state_of(book), lake, name, now, DuckPlans())) == known, name
                    assert set(members_at(reader, state_of(book), name, now)) == known, name
        assert differences(book, lake, batch=7) == []


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ("sample: {share: 0}", "bad_share"),
        ("sample: {share: 1.5}", "bad_share"),
        ("sample: {share: 1e-400}", "bad_share"),  # the log holds it as 0
        ("sample: {share: 0.5, every: 1mo}", "months_in_window"),
        ("sample: {share: 0.5, every: 0s}", "bad_duration"),
        ("sample: {share: 0.5, every: 59m}", "bad_duration"),
        ("frozen: soon", "bad_moment"),
    ],
)
def test_a_sample_that_is_none_is_refused(field: str, code: str) -> None:
    """Shares, lengths and moments are checked when definitions are applied, and the error names the field."""
    with home("{kind: trait, id: x, type: bool}") as book, pytest.raises(InputError) as error:
        check(book, parse_text(f"{{kind: segment, id: s, where: 'true', {field}}}", "x.yaml"))
    assert error.value.code == code
    assert field.partition(":")[0] in error.value.where


def test_a_short_turn_of_before_stays_readable() -> None:
    """A log that holds a sample that turns every second compiles; that segment alone is refused when it is applied."""
    text = "{kind: segment, id: s, where: 'true', sample: {share: 0.5, every: 1s}}"
    docs = {key_of(doc): (doc.body, doc.where) for doc in parse_text(text, "old.yaml")}
    compiled = compile_all(docs, dict.fromkeys(docs, 1))
    assert [one.id for one in compiled.segments] == ["s"]
    check_samples(compiled, set())
    with pytest.raises(InputError, match="once an hour"):
        check_samples(compiled, {("segment", "s")})


def test_a_segment_follows_the_response_to_contacts() -> None:
    """The examples of docs/segments.md are accepted; who answers enters, who lets enough go by unanswered leaves."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "segments.md").read_text("utf-8")
    blocks = "\n---\n".join(re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE))
    customers = "{kind: segment, id: customers, where: 'events(\"Order Completed\").exists()'}"
    calls = []
    for n, clicked in enumerate((True, True, True, False, False, False, False, False, False)):
        said = {"channel": "email", "message_id": f"k{n}"}
        calls.append(track("Message Sent", START + n * DAY, **said))
        calls += [track("Message Clicked", START + n * DAY + HOUR, **said)] if clicked else []
    with home(f"{blocks}\n---\n{customers}") as book:
        append(book, calls)
        run(book, until=START + 9 * DAY)
        told = [
            (json.loads(row[14])["segment"], row[6], (row[3] - START) // HOUR)
            for lane in range(64)
            for row in book.read("all_history", lane)
            if row[6].startswith("Segment ")
        ]
    assert ("responsive", "Segment Entered", 25) in told
    assert ("responsive", "Segment Left", 6 * 24) in told
    assert not [one for one in told if one[0] == "tired"]
