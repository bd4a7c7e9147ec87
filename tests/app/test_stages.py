"""Stages of a person: since when, rules of entry and exit, dwell, loops back, notes of staff, and what is shown."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from einklang.app import queries_stages, segments, stages, stitching
from einklang.app.apply import apply, in_force
from einklang.app.definitions import compile_all, merge
from einklang.app.run import settle_definitions
from einklang.app.sources import LiveSource
from einklang.app.yaml import parse_text
from einklang.event import EngineCall
from einklang.kernel.errors import EinklangError, InputError
from einklang.sim.demo import definitions
from einklang.store.book import SqliteBook
from einklang.store.lake import DuckPlans, Lake
from einklang.testing.canonical import table_rows
from tests.app.couples import decide, reading
from tests.app.test_rebuild import differences
from tests.app.test_wakes import track
from tests.app.worlds import DAY, HOUR, START, append, documents, engine_of, home, run

CLOCK, NAME, PROPERTIES = 3, 6, 14
EXAMPLE = """
{kind: stage, id: buying, stages: [{name: visitor, when: events().exists()},
 {name: evaluate, when: 'events("Product Viewed").within("30d").count() >= 3'},
 {name: customer, when: 'events("Order Completed").exists()'}]}
---
{kind: segment, id: stuck, where: 'stage("buying") == "evaluate" && changedAt(stage("buying")) <= now - duration("14d")
  && !events().within("5d").exists()'}
---
{kind: journey, id: nudge, entry: {event: Stage Changed, where: 'stage == "buying" && to == "evaluate"'},
 steps: [{id: mark, set: {evaluates: true}}]}
"""


def told(book: SqliteBook, stage: str) -> list[tuple[float, str | None, str | None]]:
    """(hours after the start, from, to) of the changes, of whomever."""
    rows = (row for row in table_rows(book, "history") if row[NAME] == "Stage Changed")
    said = ((row[CLOCK], row[PROPERTIES]) for row in rows)
    return sorted(((clock - START) / HOUR, one["from"], one["to"]) for clock, one in said if one["stage"] == stage)


@pytest.mark.parametrize("batch", [1, 5_000])
def test_the_dwell_time_of_a_stage_is_exact(batch: int, tmp_path: Path) -> None:
    """Example 10 of the language: in after two weeks in `evaluate`, out when the views are old; asked of the past, as
    recorded; a journey begins with the change; a rebuild agrees.
    """
    with home(EXAMPLE) as book:
        append(book, [track("Product Viewed", START + hour * HOUR) for hour in (0, 5, 9)])
        run(book, [batch], until=START + 60 * DAY)
        assert told(book, "buying") == [(0, None, "visitor"), (9, "visitor", "evaluate"), (720, "evaluate", "visitor")]
        rows = [row for row in table_rows(book, "history") if row[NAME].startswith("Segment ")]
        assert [(row[CLOCK] - START) / HOUR for row in rows] == [9 + 14 * 24, 720]
        assert any(
            row[5] == "identify" and row[PROPERTIES] == {"evaluates": True} for row in table_rows(book, "history")
        )
        with book.snapshot() as reader:
            state = engine_of(book).state
            for hour, expected in ((9 + 14 * 24 - 1, 0), (9 + 14 * 24, 1), (719, 1), (720, 0)):
                at = START + hour * HOUR
                assert len(segments.members(reader, state, Lake(tmp_path), "stuck", at)) == expected, hour
        assert differences(book, Lake(tmp_path), batch=1) == []


VIEW, ORDER = 'events("Product Viewed").within("2h").exists()', 'events("Order Completed").within("2h").exists()'


def steps(rungs: str, *happens: tuple[str, float], hours: float = 240, batch: int = 5_000) -> list[Any]:
    """What is told of these stages where this happens at these hours."""
    with home(f"kind: stage\nid: s\nstages:\n{rungs}") as book:
        append(book, [track(name, START + int(hour * HOUR)) for name, hour in happens])
        run(book, [batch], until=START + int(hours * HOUR))
        return told(book, "s")


LOOK = ("Product Viewed", 0)
RULES: list[tuple[str, str, tuple[tuple[str, float], ...], list[tuple[float, str | None, str | None]]]] = [
    ("the last that holds counts", f"- {{name: a, when: '{VIEW}'}}\n- {{name: b, when: '{ORDER}'}}",
     (LOOK, ("Order Completed", 1)), [(0, None, "a"), (1, "a", "b"), (3, "b", None)]),
    ("the greater priority counts first", f"- {{name: a, when: '{VIEW}', priority: 1}}\n- {{name: b, when: '{ORDER}'}}",
     (LOOK, ("Order Completed", 1)), [(0, None, "a"), (2, "a", "b"), (3, "b", None)]),
    ("a dwell keeps, and what is further takes over at once",
     f"- {{name: a, when: '{VIEW}', dwell: 5h}}\n- {{name: b, when: '{ORDER}'}}",
     (LOOK, ("Order Completed", 1)), [(0, None, "a"), (1, "a", "b"), (3, "b", None)]),
    ("a dwell ends by time alone", f"- {{name: a, when: '{VIEW}', dwell: 5h}}",
     (LOOK,), [(0, None, "a"), (5, "a", None)]),
    ("who fell back in the dwell stays", f"- {{name: a, when: '{VIEW}'}}\n- {{name: b, when: '{ORDER}', dwell: 1d}}",
     (("Order Completed", 0), ("Product Viewed", 23)), [(0, None, "b"), (24, "b", "a"), (25, "a", None)]),
    ("an exit ends what entry began", f"- {{name: a, when: '{VIEW}', exit: 'events(\"Order Completed\").exists()'}}",
     (LOOK, ("Order Completed", 50)), [(0, None, "a"), (50, "a", None)]),
    ("nobody enters while the exit holds", f"- {{name: a, when: '{VIEW}', exit: '{ORDER}'}}",
     (("Order Completed", 0), ("Product Viewed", 1)), [(2, None, "a")]),
    ("the dwell goes before the exit", f"- {{name: a, when: '{VIEW}', exit: '{ORDER}', dwell: 3h}}",
     (LOOK, ("Order Completed", 2)), [(0, None, "a"), (3, "a", None)]),
    ("a stage follows only those that it names",
     f"- {{name: a, when: '{VIEW}', after: [b]}}\n- {{name: c, when: 'events(\"X\").within(\"1h\").exists()'}}\n"
     f"- {{name: b, when: '{ORDER}'}}",
     (LOOK, ("X", 2), ("Product Viewed", 4), ("Order Completed", 5), ("Product Viewed", 7)),
     [(0, None, "a"), (2, "a", "c"), (3, "c", None), (5, None, "b"), (7, "b", "a"), (9, "a", None)]),
    ("two steps at one moment are one change",
     f"- {{name: a, when: '{VIEW}'}}\n- {{name: b, when: '{ORDER}', after: [a]}}\n"
     "- {name: c, when: 'events(\"Order Completed\").exists()', after: [b]}",
     (LOOK, ("Order Completed", 1)), [(0, None, "a"), (1, "a", "c")]),
]  # fmt: skip


@pytest.mark.parametrize(("rungs", "happens", "expected"), [pytest.param(*row[1:], id=row[0]) for row in RULES])
def test_rules_of_entry_and_exit(rungs: str, happens: Any, expected: Any) -> None:
    """Priority, dwell, exit and loops back, at the very hour."""
    assert steps(rungs, *happens) == expected


BAD = [
    ("{name: a}", "missing_field", "stages[0].when"),
    ("{name: a, when: 'true', after: [b]}", "unknown_stage", "stages[0].after"),
    ("{name: a, when: 'true', dwell: 0d}", "bad_duration", "stages[0].dwell"),
    ("{name: a, noted: 1mo}", "months_in_window", "stages[0].noted"),
    ("{name: a, when: 'true', exit: '1 + 1'}", "wrong_type", "stages[0].exit"),
    ("{name: a, when: 'true', priority: 2000}", "bad_number", "stages[0].priority"),
    ("{name: a, when: 'stage(\"s\") == null', dwell: 1d}", "circle", ".stages"),
    ("{name: a, when: 'changedAt(stage(\"s\")) < now'}", "circle", ".stages"),
    ("{name: a, when: 'segment(\"of-it\")', dwell: 1d}", "circle", ".where"),
]


@pytest.mark.parametrize(("rung", "code", "where"), BAD)
def test_what_is_wrong_with_a_stage_is_told_at_its_place(rung: str, code: str, where: str) -> None:
    """Code and field; nobody asks for itself, also not over a segment."""
    text = f'kind: stage\nid: s\nstages:\n- {rung}\n---\n{{kind: segment, id: of-it, where: \'stage("s") == "a"\'}}'
    if code != "circle" or "segment" not in rung:
        text = text.partition("\n---")[0]
    with (
        home("{kind: stage, id: other, stages: [{name: a, when: 'true'}]}") as book,
        pytest.raises(InputError) as caught,
    ):
        apply(book, parse_text(text, "f.yaml"), now=START)
    assert (caught.value.code, where in caught.value.where) == (code, True), caught.value


NOTED = """
kind: stage
id: need
title: {de: Bedarf, en: Need}
stages:
- {name: informs, when: 'events("Product Viewed").exists()', noted: 10d}
- {name: decides, noted: 2d, exit: 'events("Order Completed").exists()'}
- {name: buys, when: 'events("Order Completed").exists()'}
"""


def test_staff_note_a_stage(tmp_path: Path) -> None:
    """A note is evidence for its time: it brings somebody in, the rules go on; a later one goes before it. Counts,
    changes and reasons are shown, and a rebuild agrees.
    """
    with home(NOTED) as book:
        append(book, [track("Product Viewed", START + HOUR)], received_at=START + HOUR)
        engine, source = engine_of(book), LiveSource()

        def until(hour: int, *says: str) -> None:
            source.now = START + hour * HOUR
            for name in says:
                queries_stages.note(
                    book, in_force(book), "userId:u", "need", name, "said so", actor="staff:eve", now=source.now
                )
            while engine.step(source, 100):
                pass

        until(1)
        until(2, "decides")
        until(3, "informs")
        until(60)
        for name, code in (("buys", "not_noted"), ("x", "not_noted")):
            with pytest.raises(EinklangError) as caught:
                until(61, name)
            assert caught.value.code == code
        append(book, [track("Order Completed", START + 70 * HOUR)], received_at=START + 70 * HOUR)
        until(71)
        changes = [(1, None, "informs"), (2, "informs", "decides"), (71, "decides", "buys")]
        assert [row[1:] for row in told(book, "need")] == [row[1:] for row in changes]
        with book.snapshot() as reader:
            force = in_force(book)
            (item,) = queries_stages.counts(reader, force)
            assert ([(one.name, one.persons) for one in item.stages], item.none) == (
                [("informs", 0), ("decides", 0), ("buys", 1)], 0,
            )  # fmt: skip
            (here,) = queries_stages.of_person(reader, force, "userId:u")
            assert (here.name, here.notes) == ("buys", ["informs", "decides"])
            went = queries_stages.changes(reader, Lake(tmp_path), force, "need", 30, START + 80 * HOUR)
            assert {(one.was, one.to, one.changes) for one in went.changes} == {(a, b, 1) for _, a, b in changes}
            found = queries_stages.why(reader, engine_of(book).state, "need", "userId:u", START + 80 * HOUR)
            assert [(one.name, one.here, one.when["held"]) for one in found.rungs] == [
                ("informs", False, True), ("decides", False, False), ("buys", True, True),
            ]  # fmt: skip
            assert found.rungs[1].exit["held"] is True
        assert differences(book, Lake(tmp_path), batch=1) == []


def test_changed_rules_are_felt_at_once() -> None:
    """Everybody is looked at; a stage that is there no more is left, and where somebody goes is told."""
    with home(NOTED) as book:
        append(book, [track("Product Viewed", START), track("Order Completed", START, "v")])
        run(book, until=START + HOUR)
        text = NOTED.replace("name: buys", "name: owns")
        apply(book, parse_text(text, "f.yaml"), now=START + 2 * HOUR)
        settle_definitions(book, engine_of(book))
        assert told(book, "need")[-1] == (1, "buys", "owns")
        assert {row[2] for row in table_rows(book, "standing")} == {"informs", "owns"}


def test_folds_before_did_not_keep_stages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A log of then is folded as it was; from the first entry of the new version on, everybody stands somewhere."""
    with ExitStack() as until:
        with monkeypatch.context() as old:
            for place in ("state", "sources"):
                old.setattr(f"einklang.app.{place}.FOLD", stages.SINCE - 1)
            book = until.enter_context(home(NOTED + "# of a home of then"))
            append(book, [track("Product Viewed", START)])
            run(book, until=START + DAY)
            assert (told(book, "need"), list(table_rows(book, "standing"))) == ([], [])
        append(book, [EngineCall("identify", userId="w", at=START + DAY + 1, messageId="w")])
        run(book, until=START + 2 * DAY)
        assert [row[1:] for row in told(book, "need")] == [(None, "informs")]
        assert differences(book, Lake(tmp_path), batch=1) == []


def test_the_rules_of_the_page_are_those_of_the_demo() -> None:
    """docs/stages.md shows what the demo brings along, and the segment there applies beside it."""
    page = (Path(__file__).parents[2] / "docs" / "stages.md").read_text("utf-8")
    shown, segment, *_ = re.findall(r"```yaml\n(.*?)```", page, re.S)
    (doc,) = documents(shown)
    (own,) = documents((definitions() / "stages.yaml").read_text("utf-8"))
    assert doc.body["stages"] == own.body["stages"]
    found = compile_all(merge({}, [doc, *documents(segment)]), {})
    assert found.ladders["buying"].names == [
        "inspiration", "information", "decision", "purchase", "use", "loyalty",
    ]  # fmt: skip
    assert [one.id for one in found.asked] == ["buying", "stuck-deciding"]


def test_a_split_gives_stages_back(tmp_path: Path) -> None:
    """Of two who are one the stage further along is right, and told; apart each has their own again."""
    rungs = f"""- {{name: a, when: '{VIEW}', exit: 'events("X").exists()'}}
- {{name: b, when: '{ORDER}', exit: 'events("X").exists()'}}"""
    with home(f"kind: stage\nid: s\nstages:\n{rungs}") as book:
        append(book, [track("Product Viewed", START), track("Order Completed", START + HOUR, "v")])
        run(book, until=START + 9 * HOUR)
        engine, now = engine_of(book), START + 9 * HOUR
        apart = {row[0]: (row[2], row[3]) for row in table_rows(book, "standing")}
        assert sorted(name for name, _ in apart.values()) == ["a", "b"]
        with book.snapshot() as reader:
            decided = stitching.merge(reader, reading(book), "userId:u", "userId:v", actor="staff:t", why="one")
        decide(book, engine, decided, now)
        assert [row[2] for row in table_rows(book, "standing")] == ["b"]
        with book.snapshot() as reader:
            decided = stitching.split(reader, reading(book), "userId:u", [], actor="staff:t", why="two")
        decide(book, engine, decided, now)
        assert {row[0]: (row[2], row[3]) for row in table_rows(book, "standing")} == apart
        assert differences(book, Lake(tmp_path), batch=1) == []


def test_a_kept_stage_is_asked_person_by_person(tmp_path: Path) -> None:
    """No plan has it, and says so; of the past it is as recorded, so whoever answers agrees with what was live."""
    text = f"{{kind: stage, id: s, stages: [{{name: a, when: '{VIEW}', dwell: 5h}}]}}\n---\n"
    with home(text + '{kind: segment, id: there, where: \'stage("s") == "a"\'}') as book:
        append(book, [track("Product Viewed", START + HOUR)])
        run(book, until=START + 9 * HOUR)
        with book.snapshot() as reader:
            state = engine_of(book).state
            hours = [
                hour for hour in range(9)
                if segments.members(reader, state, Lake(tmp_path), "there", START + hour * HOUR, DuckPlans())
            ]  # fmt: skip
            (answer,) = segments.answered_by(reader, state, "there", DuckPlans())
        assert hours == [1, 2, 3, 4, 5]
        assert (answer["by"], "stage" in str(answer["because_of"])) == ("person", True), answer
        rows = [row for row in table_rows(book, "history") if row[NAME].startswith("Segment ")]
        assert [(row[CLOCK] - START) / HOUR for row in rows] == [1, 6]


def test_a_slip_in_a_stage_is_a_hint() -> None:
    """An event that nobody declared, and one that is near."""
    text = "{kind: stage, id: s, stages: [{name: a, when: 'events(\"Order Complete\").exists()'}]}"
    with home(NOTED) as book:
        applied = apply(book, parse_text(text, "f.yaml"), now=START)
    assert [hint.partition(":")[0] for hint in applied.hints] == ["stage s.stages[0].when"]
    assert "Order Completed" in applied.hints[0]
