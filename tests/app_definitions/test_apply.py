"""`apply`: what changed and only that, versions, `--check`, hints; the schema; the examples of the language."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from einklang.app import apply as applying
from einklang.app import expiry, stitching
from einklang.kernel.errors import InputError
from einklang.store.book import SqliteBook
from tests.app_definitions.small import BASE, JOURNEY, NOW, apply, docs, everything, home

LANGUAGE = Path(__file__).resolve().parents[3] / "shared" / "language.md"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The folder of a home."""
    return tmp_path / "home"


@pytest.fixture
def book(place: Path) -> Iterator[SqliteBook]:
    """A home with good definitions in force."""
    with home(place, BASE) as book:
        yield book


def test_the_second_time_changes_nothing(book: SqliteBook, place: Path) -> None:
    """Neither a definition nor an entry of the log is new."""
    before = everything(place)
    assert apply(book, BASE).changes == []
    assert everything(place) == before


def test_order_and_files_have_no_meaning(place: Path) -> None:
    """The same documents in another order are the same definitions."""
    with home(place) as book:
        parts = BASE.split("---")
        turned = "---".join(reversed(parts))
        apply(book, turned)
        assert apply(book, BASE).changes == []


@pytest.mark.parametrize(
    ("old", "new", "version"),
    [
        ("id: tour", "id: tour\ntitle: Tour", 1),
        ("id: tour", "id: tour\npriority: 70", 1),
        ("price >= 20", "price >= 30", 2),
        ("at_most: 2d", "at_most: 3d", 2),
        ("within: 14d", "within: 7d", 2),
        ("id: tour", "id: tour\ncontrol: 0.1", 2),
        ("exit: {bought:", "exit: {paid:", 2),
    ],
)
def test_only_the_graph_is_versioned(book: SqliteBook, old: str, new: str, version: int) -> None:
    """A changed title or priority keeps the version of a journey, a changed graph is a new one."""
    assert apply(book, JOURNEY.replace(old, new, 1)).changes == [("journey", "tour", version, "changed")]
    active = {(row[0], row[1]): row[2] for row in book.read("definitions_active")}
    assert active["journey", "tour"] == version


def test_a_changed_segment_is_a_new_version(book: SqliteBook) -> None:
    """All other kinds count every change."""
    changed = "{kind: segment, id: buyers, where: 'true'}"
    assert apply(book, changed).changes == [("segment", "buyers", 2, "changed")]


def _segment(name: str, where: str) -> str:
    return f"{{kind: segment, id: {name}, where: '{where}'}}"


def test_what_waits_is_known_too(book: SqliteBook) -> None:
    """Before the next tick: another change is the next version, the same is none, and others may speak of it."""
    for where, changes in (("true", [("segment", "buyers", 2, "changed")]), ("true", []), ("false", None)):
        told = applying.apply(book, docs(_segment("buyers", where)), now=NOW).changes
        assert told == ([("segment", "buyers", 3, "changed")] if changes is None else changes)
    applying.apply(book, docs(_segment("fresh", "person.known")), now=NOW)
    applying.apply(book, docs(_segment("of-fresh", 'segment("fresh")')), now=NOW)
    apply(book, _segment("last", "true"))
    assert [row[0] for row in book.read("definition_versions", "segment", "buyers")] == [1, 2, 3]
    assert {row[1] for row in book.read("definitions_active")} >= {"fresh", "of-fresh", "last"}


def test_what_else_waits_to_be_carried_out_is_no_definition(book: SqliteBook) -> None:
    """A decision of staff and an expiry that no tick has worked off yet do not hinder who applies."""
    apply(book, "{kind: event, id: Seen, keep: 9d}")
    expiry.ask(book, now=NOW)
    pair = (("userId", "a"), ("userId", "b"))
    stitching.append(book, stitching.Decision("Persons Merged", [pair], (), (), "staff:a", "one person"), now=NOW)
    assert applying.apply(book, docs(_segment("fresh", "true")), now=NOW).changes == [("segment", "fresh", 1, "new")]


def test_of_two_who_apply_at_once_none_is_lost(book: SqliteBook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else applies while this one is checked: it is checked again, and both are in the log, in turn."""
    checked = applying.check
    others = [_segment("buyers", "true"), _segment("buyers", "false")]

    def meanwhile(reader: Any, mine: Any) -> Any:
        found = checked(reader, mine)
        if others:
            applying.apply(book, docs(others.pop()), now=NOW)
        return found

    monkeypatch.setattr(applying, "check", meanwhile)
    told = applying.apply(book, docs(_segment("buyers", "person.known")), now=NOW)
    assert told.changes == [("segment", "buyers", 4, "changed")]
    apply(book, _segment("last", "true"))
    assert [row[0] for row in book.read("definition_versions", "segment", "buyers")] == [1, 2, 3, 4]
    assert not book.read("dead_counts")


def test_check_only_checks(book: SqliteBook, place: Path) -> None:
    """`--check` says what would change and changes nothing."""
    before = everything(place)
    applied, changes = applying.check(book, docs("{kind: segment, id: new, where: 'true'}"))
    assert applied.changes == [("segment", "new", 1, "new")]
    assert [change["id"] for change in changes] == ["new"]
    assert everything(place) == before


HINTS = [
    ("{kind: segment, id: s, where: 'events(\"Order Complete\").exists()'}", "'Order Complete' is neither known"),
    ("{kind: segment, id: s, where: 'events(\"Order Completed\").where(category == \"x\").exists()'}",
     "products.exists(p, p.category"),
    ("{kind: segment, id: s, where: 'events(\"Order Completed\").where(ordr_id == \"x\").exists()'}",
     "did you mean 'order_id'"),
    ("{kind: segment, id: s, where: 'events(\"Order Completed\").where(wrapped == true).exists()'}",
     "typed on first use"),
    ("{kind: trait, id: birthday, type: date}\n---\n{kind: segment, id: s, where: 'trait.birthdy != null'}",
     "'birthday'"),
    ("{kind: journey, id: j, entry: {event: X Y}, steps: [{id: w, wait: 1d}]}", "'X Y' is neither known"),
    (JOURNEY.replace("exit:", "note:").replace("{bought: '", "'").replace(".exists()'}", ".exists()'"),
     "go on through the steps"),
    (JOURNEY, "asks for events of all keys"),
    (
        "{kind: journey, id: j, entry: {event: Signed Up}, steps: [{id: b, branch: [{when: 'true', then: end}, "
        "{when: 'false', then: end}], else: end}]}",
        "can never be taken",
    ),
    (
        "{kind: journey, id: j, entry: {event: Signed Up}, steps: ["
        "{id: c, when: 'trait.a', contact: note, data: {name: a}}, "
        "{id: u, until: 'step.c.clicked', at_most: 1d}]}",
        "may have been skipped",
    ),
    ("{kind: message, id: m, purpose: service, class: transactional, sms: {text: {de: b}}}",
     "sms.text: no text in 'en'"),
    ("{kind: message, id: m, purpose: service, class: transactional, email: {subject: {de: a}, text: {de: b}}}",
     "no text in 'en'"),
    ("{kind: segment, id: s, where: '" + "trait.l.exists(a, " * 5 + "true" + ")" * 5 + "'}", "for a busy person"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "hint"), HINTS, ids=[hint for _, hint in HINTS])
def test_hints_are_shown_and_refuse_nothing(book: SqliteBook, text: str, hint: str) -> None:
    """What may be a slip is applied and said, with the place."""
    found = applying.check(book, docs(text))[0].hints
    assert any(hint in line for line in found), found
    assert all(line.split(" ", 1)[0] in ("segment", "journey", "message") for line in found)


def test_good_definitions_give_no_hints(book: SqliteBook) -> None:
    """A journey that asks of its key everywhere and lets people go who reach the goal."""
    quiet = JOURNEY.replace('within("3h")', 'within("3h").where(cart_id == entry.key)')
    declared = "\n---\n{kind: event, id: Order Completed, properties: {cart_id: string}}"
    assert applying.check(book, docs(quiet + declared))[0].hints == []


# --- the schema -------------------------------------------------------------------------------------------------------


def fits(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """As much of JSON Schema as ours uses; an unknown keyword is an error."""
    known = {
        "$ref",
        "anyOf",
        "oneOf",
        "const",
        "enum",
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
    }
    known |= {
        "title",
        "description",
        "default",
        "pattern",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "$schema",
        "$defs",
    }
    assert set(schema) <= known, set(schema) - known
    if "$ref" in schema:
        return fits(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root)
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int}
    kind = schema.get("type")
    if kind == "number":
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            return False
    elif kind is not None and (not isinstance(value, kinds[kind]) or (kind == "integer" and isinstance(value, bool))):
        return False
    if "anyOf" in schema and not any(fits(value, one, root) for one in schema["anyOf"]):
        return False
    if "oneOf" in schema and sum(fits(value, one, root) for one in schema["oneOf"]) != 1:
        return False
    if ("const" in schema and value != schema["const"]) or ("enum" in schema and value not in schema["enum"]):
        return False
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return False
    if isinstance(value, dict):
        named, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
        if not set(schema.get("required", ())) <= set(value):
            return False
        for key, inner in value.items():
            below = named.get(key, rest)
            if below is False or (isinstance(below, dict) and not fits(inner, below, root)):
                return False
    if isinstance(value, list) and "items" in schema:
        return all(fits(item, schema["items"], root) for item in value)
    return True


TOUR = """
kind: journey
id: tour
entry: {event: Product Added, key: cart_id, where: 'price >= 20'}          # one run per person and cart
exit:  {bought: 'events("Order Completed").since(entry).where(cart_id == entry.key).exists()'}
goal:  {event: Order Completed, where: 'cart_id == entry.key', within: 14d, value: revenue}
control: 0.10
steps:
  - {id: idle,   until: '!events("Product Added").within("3h").where(cart_id == entry.key).exists()',
     at_most: 2d, else: end}
  - {id: first,  contact: tour-reminder, channels: [email, push], data: {name: '=entry.properties.name'}}
  - {id: reply,  until: 'step.first.clicked', at_most: 1d, then: end, else: call}
  - {id: call,   when: 'score("clv") > 200', contact: tour-call, channels: [phone], at_most: 1d, then: end, else: last}
  - {id: last,   contact: tour-reminder, channels: best, data: {name: '=entry.properties.name'}}
---
kind: message
id: tour-reminder
purpose: marketing
class: marketing
data: {name: string}
email: {subject: {de: "Noch da: {{ data.name }}", en: "Still there: {{ data.name }}"},
        text: {de: "Ihr Warenkorb wartet.", en: "Your cart is waiting."}}
push:  {title: {de: Ihr Warenkorb, en: Your cart},
        text: {de: "{{ data.name }} wartet.", en: "{{ data.name }} is waiting."}}
---
kind: message
id: tour-call
purpose: marketing
class: marketing
phone: {script: {de: "Fragen, ob etwas unklar ist.", en: "Ask whether anything is unclear."}}
"""


def test_the_schema_takes_what_apply_takes() -> None:
    """The first example of the language and all definitions of these tests fit; it is plain JSON."""
    schema = json.loads(json.dumps(applying.schema()))
    for doc in [*docs(TOUR), *docs(BASE), *docs("{kind: team, id: a}\n---\n{kind: purpose, id: b, channels: email}")]:
        assert fits(doc.body, schema, schema), doc.body


@pytest.mark.parametrize(
    "text",
    [
        "{kind: segmnt, id: a, where: 'true'}", "{kind: segment, id: a}", "{kind: segment, id: a, wher: 'true'}",
        "{kind: segment, where: 'true'}", "{kind: journey, id: a, entry: {evnt: x}, steps: []}",
        "{kind: journey, id: a, entry: {event: x}, steps: [], control: '0.1'}",
        "{kind: message, id: m, purpose: p, class: ads}",
        "{kind: message, id: m, purpose: p, class: opt_in, emial: {}}",
        "{kind: campaign, id: c, control: a lot}",
    ],
)  # fmt: skip
def test_the_schema_refuses_what_is_misspelt(text: str) -> None:
    """Unknown kinds and fields, missing fields, wrong types."""
    schema = applying.schema()
    assert not fits(docs(text)[0].body, schema, schema)


# --- the language -----------------------------------------------------------------------------------------------------


def test_the_first_example_waits_for_scores(book: SqliteBook) -> None:
    """`tour` asks for a score: exactly that is said to be missing. Without it, all of it applies."""
    with pytest.raises(InputError) as caught:
        applying.check(book, docs(TOUR))
    assert caught.value.code == "not_supported_yet"
    assert caught.value.where == "f.yaml:13: journey tour.steps[3].when, line 1, column 1"
    assert "score" in caught.value.what
    plain = TOUR.replace('score("clv") > 200', "trait.clv > 200")
    assert len(applying.check(book, docs(plain))[0].changes) == 3


def test_apply_is_stamped_with_the_time_given(book: SqliteBook) -> None:
    """One entry of the log for all that changed, at the moment of the call."""
    applying.apply(book, docs("{kind: team, id: a}\n---\n{kind: team, id: b}"), now=NOW + 5)
    assert len(book.read("tail_page", 0, 10)) == 1
