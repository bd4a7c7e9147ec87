"""Audiences of every kind, how they change, and what must hold of them whatever happened to a home."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from einklang.app import segments
from einklang.app.state import State
from einklang.app.working import from_json
from einklang.expr import Checked
from einklang.expr.tree import walk
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake, read_log
from einklang.testing.canonical import table_rows

AUDIENCES = """
---
{kind: segment, id: picked, manual: true}
---
{kind: segment, id: chosen, manual: true, where: 'trait.vip == true'}
---
{kind: segment, id: some, where: 'segment("house") || segment("buyers")', sample: {share: 0.5}}
---
{kind: segment, id: wave, where: 'events().exists()', sample: {share: 0.5, every: 2d}}
---
{kind: segment, id: then, where: 'segment("buyers") || segment("picked")', frozen: "2026-03-22T12:00:00Z"}
---
{kind: segment, id: rest, where: 'segment("picked") && !segment("some") && !segment("lapsed")'}
---
{kind: segment, id: may, where: 'consent("email", "marketing")'}
---
{kind: segment, id: owner, where: 'stage("buying") == "buyer" && !(hour(now) < 6)'}
---
{kind: segment, id: chain, where: 'events("Product Added").followedBy(events("Order Completed"), "1d").exists()'}
---
{kind: segment, id: quiet, where: 'events("Page Viewed").notFollowedBy(events("Page Viewed"), "12h").count() >= 2'}
---
{kind: segment, id: settled, where: 'changedAt(segment("buyers")) <= now - duration("2d")'}
---
{kind: score, id: warmth, points: [{when: 'segment("chosen")', add: 5}, {when: 'trait.fav == "a"', add: 3}]}
---
{kind: segment, id: warm, where: 'score("warmth") >= 5'}
---
kind: stage
id: need
stages:
- {name: look, when: 'events("Page Viewed").within("36h").exists()', after: [use]}
- {name: decide, when: 'segment("warm")', dwell: 20h, noted: 30h}
- {name: use, when: 'events("Order Completed").within("12h").exists()', exit: '!events().within("70h").exists()'}
---
{kind: segment, id: deciding, where: 'stage("need") == "decide"'}
"""
CHANGES = (
    "{kind: segment, id: chosen, manual: true, where: 'trait.vip == false'}",
    "{kind: segment, id: some, where: 'segment(\"lapsed\")', sample: {share: 0.3}}",
    "{kind: segment, id: some, where: 'segment(\"house\") || segment(\"buyers\")', sample: {share: 0.7, every: 1d}}",
    "{kind: segment, id: then, where: 'segment(\"house\")', frozen: \"2026-03-25T00:00:00Z\"}",
    "{kind: segment, id: buyers, where: 'events(\"Order Completed\").within(\"2d\").count() >= 1'}",
    "{kind: segment, id: rest, where: 'segment(\"picked\") || segment(\"quiet\")'}",
    "{kind: segment, id: chain,where: 'events(\"Product Added\").followedBy(events(\"Page Viewed\"),\"5h\").exists()'}",
    "{kind: score, id: warmth, points: [{when: 'segment(\"chosen\") && consent(\"email\", \"marketing\")', add: 7}]}",
    "{kind: trait, id: vip, type: string}",
    "{kind: trait, id: vip, type: bool}",
    "{kind: trait, id: spent, type: number, value: 'events(\"Order Completed\").within(\"4d\").count() * 30'}",
    "{kind: policy, id: default, timezone: Asia/Tokyo, currency: USD}",
    "{kind: policy, id: default, timezone: Europe/Berlin, currency: EUR}",
    "{kind: stage, id: buying, stages: [{name: buyer, when: 'events(\"Order Completed\").within(\"3d\").exists()'}]}",
    "{kind: stage, id: buying, stages: [{name: visitor, when: 'true'}, {name: buyer, when: 'segment(\"spender\")'}]}",
)  # fmt: skip
#: Ways in which a rule depends on what was recorded: what was told stays told, whatever comes to be known later.
RECORDED = ("changed", "injourney", "stage")


def recorded(state: State, segment: str) -> bool:
    """Whether what was recorded at the time has a say, so that what is known now cannot tell it."""
    asked: list[tuple[str, Checked]] = segments.needed(state.definitions, segment)
    draws = segments.draws_of(state.definitions)
    frozen = any(name in draws and draws[name].frozen is not None for name, _ in asked)
    return frozen or any(term.op in RECORDED for _, rule in asked for term in walk(rule.tree))


def wrong_members(book: SqliteBook, lake: Lake, now: int, past: list[int], state: Any) -> list[Any]:
    """Where who is a member is not who it is for a naive reader: live, by plan, and person by person."""
    found: list[Any] = []
    names = [one.id for one in state().definitions.segments]
    for name in names:
        live = segments.members(book, state(), lake, name, None)
        with book.snapshot() as reader:
            alone = segments.members_at(reader, state(), name, now)
            if live != alone and not recorded(state(), name):
                found.append((name, "live", live, "alone", alone))
            for at in past:
                alone = segments.members_at(reader, state(), name, at)
                planned = segments.members(reader, state(), lake, name, at)
                if planned != alone:
                    found.append((name, at, planned, "alone", alone))
    return found


def told_wrong(book: SqliteBook, lake: Lake) -> list[Any]:
    """Where entering and leaving is not told once each, of persons who never exchanged anything with another."""
    owner = {row[2]: row[0] for row in table_rows(book, "history")}
    told: dict[tuple[str, str], list[bool]] = defaultdict(list)
    mixed: set[str] = set()
    for page in read_log(book, lake, 0, names=("seq", "name", "person", "properties", "origin")):
        for seq, name, person, properties, origin in page:
            if person and owner.get(seq, person) != person:
                mixed |= {person, owner[seq]}
            if origin == 2 and name in ("Segment Entered", "Segment Left"):
                told[person, from_json(properties)["segment"]].append(name == "Segment Entered")
            elif origin == 2 and name in ("Person Merged", "Person Split"):
                mixed.add(person)
    known = {one[1] for one in told}
    members = {(row[0], name) for name in known for row in book.read("members_of", name)}
    found = []
    for key in sorted(members | told.keys()):
        said = told[key]
        right = all(entered is (n % 2 == 0) for n, entered in enumerate(said)) and len(said) % 2 == (key in members)
        if key[0] not in mixed and not right:
            found.append((*key, said, key in members))
    return found
