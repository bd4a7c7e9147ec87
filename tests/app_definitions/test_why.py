"""`why`: verdicts for what happened and for what did not; for who never entered, the entry rule with values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from einklang.app import persons, segments
from einklang.app.why import text, why
from einklang.kernel import time
from einklang.kernel.errors import NotFound
from einklang.store.book import SqliteBook
from tests.app_definitions.small import BASE, home, put, run, state_of

RULES = """
kind: policy
timezone: Europe/Berlin
languages: [de, en]
caps: [{channels: email, at_most: 1, per: 7d}]
quiet: [{channels: email, from: "20:00", to: "08:00"}]
deny: [{when: 'trait.cross == true', reason: complaint}]
---
kind: segment
id: buyers
where: 'events("Order Completed").within("30d").exists()'
---
{kind: event, id: Product Added, properties: {cart_id: string}}
"""
WATCHED = """
kind: journey
id: watched
entry: {event: Wish Added, key: list_id, reenter: always}
control: 0.999999
steps: [{id: ask, contact: note, data: {name: '=entry.properties.name'}}]
"""


def added(person: str, at: str, price: float = 30, cart: str | None = "c1", name: str = "Product Added") -> str:
    """A line of the log."""
    properties = {"price": price, "name": "Lamp"} | ({"cart_id": cart, "list_id": cart} if cart else {})
    return json.dumps({"type": "track", "event": name, "userId": person, "timestamp": at, "properties": properties})


PEOPLE = """userId,email,cross
ann,ann@b.example,false
cheap,cheap@b.example,false
calm,calm@b.example,false
nokey,nokey@b.example,false
cross,cross@b.example,true
mute,mute@b.example,false
mailless,,false
night,night@b.example,false
twice,twice@b.example,false
ghost,ghost@b.example,false
"""
EVENTS = [
    added("ann", "2026-01-05T09:00:00Z"),
    added("cheap", "2026-01-05T09:00:00Z", price=10),
    added("nokey", "2026-01-05T09:00:00Z", cart=None),
    added("cross", "2026-01-05T09:00:00Z"),
    added("mute", "2026-01-05T09:00:00Z"),
    added("mailless", "2026-01-05T09:00:00Z"),
    added("night", "2026-01-05T19:00:00Z"),
    added("twice", "2026-01-05T09:00:00Z", cart="c1"),
    added("twice", "2026-01-07T09:00:00Z", cart="c2"),
    added("twice", "2026-01-09T09:00:00Z", cart="c1"),
    added("ghost", "2026-01-05T09:00:00Z", name="Wish Added"),
]


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteBook]:
    """A home in which each person meets another verdict."""
    folder = tmp_path_factory.mktemp("why")
    rest = BASE.split("---", 2)[2]
    with home(folder / "home", f"{RULES}---{rest}---{WATCHED}") as book:
        assert put(book, folder, "people", "p.csv", PEOPLE).rejected == 0
        consents = "person,channel,address,purpose,status,at\n" + "".join(
            f"userId:{name},email,{name}@b.example,marketing,given,2025-12-01T00:00:00Z\n"
            for name in ("ann", "cheap", "calm", "nokey", "cross", "night", "twice", "ghost")
        )
        assert put(book, folder, "consents", "c.csv", consents).rejected == 0
        assert put(book, folder, "events", "e.jsonl", "\n".join(EVENTS)).rejected == 0
        run(book)
        yield book


def asked(book: SqliteBook, person: str, journey: str | None = "tour", message: str | None = None) -> dict[str, Any]:
    """The answer, as JSON would carry it."""
    found = why(book, state_of(book), f"userId:{person}", journey=journey, message=message)
    return dict(json.loads(json.dumps(found, default=str)))


def said(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """(verdict, reason) of each row."""
    return [(row["verdict"], row["reason"]) for row in answer["verdicts"]]


@pytest.mark.parametrize(
    ("person", "verdicts"),
    [
        ("ann", [("sent", "")]),
        ("cross", [("denied", "policy_deny")]),
        ("mute", [("denied", "no_consent")]),
        ("mailless", [("denied", "no_address")]),
        ("night", [("held", "quiet_hours"), ("sent", "")]),
        ("nokey", [("refused", "no_key")]),
        ("cheap", []),
        ("calm", []),
    ],
)
def test_every_verdict_has_its_reason(book: SqliteBook, person: str, verdicts: list[tuple[str, str]]) -> None:
    """Allowed, denied by each gate, held and then allowed, refused at the entry."""
    answer = asked(book, person)
    assert said(answer) == verdicts
    assert answer["entry"]["entered"] is any(verdict != "refused" for verdict, _ in verdicts)


def test_a_hold_says_until_when(book: SqliteBook) -> None:
    """Quiet until 08:00 in Berlin; what was held and what was sent later are both there, with step and message."""
    held, allowed = asked(book, "night")["verdicts"]
    assert (held["clock"], held["until"], held["detail"]) == (
        "2026-01-05T22:00:00Z",
        "2026-01-06T07:00:00Z",
        "20:00-08:00",
    )
    assert (allowed["clock"], allowed["journey"], allowed["step"], allowed["message"], allowed["channel"]) == (
        "2026-01-06T07:00:00Z", "tour", "first", "note", "email"
    )  # fmt: skip


def test_a_full_cap_holds_and_a_running_key_refuses(book: SqliteBook) -> None:
    """The second cart waits for room until patience ends; the first cart again is refused."""
    answer = asked(book, "twice")
    assert ("sent", "") in said(answer)
    assert ("held", "cap") in said(answer)
    assert ("denied", "patience") in said(answer)
    assert ("refused", "reenter") in said(answer)
    room = next(row for row in answer["verdicts"] if row["reason"] == "cap")
    assert (room["until"], room["detail"]) == ("2026-01-12T12:00:00Z", "1 per 7d")


def test_a_ghost_is_said_to_be_one(book: SqliteBook) -> None:
    """The control group: judged and allowed, and only watched."""
    answer = asked(book, "ghost", "watched")
    assert said(answer) == [("ghost", "control")]
    assert answer["entry"]["entered"] is True
    assert persons.show(book, "userId:ghost")["journeys"][0]["status"] == "done"


def test_who_never_entered_sees_the_rule_with_values(book: SqliteBook) -> None:
    """The newest candidate, each part of the rule with its value, and which of them did not hold."""
    entry = asked(book, "cheap")["entry"]
    assert (entry["entered"], entry["candidates"], entry["reason"]) == (False, 1, "where")
    rule = entry["rule"]
    assert (rule["text"], rule["value"], rule["held"]) == ("price >= 20", False, False)
    assert [(child["text"], child["value"]) for child in rule["children"]] == [("price", 10)]


def test_without_an_event_there_was_no_candidate(book: SqliteBook) -> None:
    """The rule names the event that never came."""
    entry = asked(book, "calm")["entry"]
    assert (entry["entered"], entry["reason"], entry["candidates"]) == (False, "no_event", 0)
    assert entry["rule"]["text"] == "event Product Added"
    assert asked(book, "nokey")["entry"]["reason"] == "no_key"


def test_who_entered_needs_no_rule(book: SqliteBook) -> None:
    """Entered, with nothing to explain."""
    entry = asked(book, "ann")["entry"]
    assert (entry["entered"], entry["rule"], entry["reason"]) == (True, None, None)


def test_journey_and_message_narrow(book: SqliteBook) -> None:
    """Only verdicts of that journey, of that message; without a journey no entry."""
    assert asked(book, "ann", "watched")["verdicts"] == []
    assert said(asked(book, "ann", None, "note")) == [("sent", "")]
    assert "entry" not in asked(book, "ann", None)


def test_without_a_journey_all_that_never_happened_is_said(book: SqliteBook) -> None:
    """Each journey that the person never entered with its reason; with a message, those that would have sent it."""
    entries = asked(book, "cheap", None)["entries"]
    assert [(entry["journey"], entry["reason"]) for entry in entries] == [("tour", "where"), ("watched", "no_event")]
    assert [entry["journey"] for entry in asked(book, "ann", None)["entries"]] == ["watched"]
    assert [entry["journey"] for entry in asked(book, "cheap", None, "note")["entries"]] == ["tour", "watched"]
    shown = text(asked(book, "cheap", None)).splitlines()
    assert shown[-3] == "journey tour: never entered (where); 1 events Product Added"


@pytest.mark.parametrize(
    ("person", "journey", "code"), [("nobody", "tour", "unknown_person"), ("ann", "tours", "unknown_journey")]
)
def test_what_is_not_known_is_said(book: SqliteBook, person: str, journey: str, code: str) -> None:
    """With a mend."""
    with pytest.raises(NotFound) as caught:
        asked(book, person, journey)
    assert caught.value.code == code
    assert caught.value.mend


def test_people_read_a_tree(book: SqliteBook) -> None:
    """The text has a line a verdict with its reason in words, and the rule indented with its values."""
    shown = text(asked(book, "cheap")).splitlines()
    assert shown[0].startswith("person p_")
    assert shown[-3].startswith("journey tour: never entered (where); 1 events Product Added")
    assert shown[-2:] == ["no: price >= 20", "    price = 10"]
    assert "{" not in "".join(shown)
    denied = text(asked(book, "cross"))
    assert "denied (policy_deny): A rule of the contact policy forbids the contact. [complaint]" in denied


def test_an_answer_changes_nothing(book: SqliteBook) -> None:
    """Asked twice, the same answer."""
    assert asked(book, "cheap") == asked(book, "cheap")


def test_members_are_counted_at_a_moment(book: SqliteBook, tmp_path: Path) -> None:
    """`--at` before and after an order and after its window; the live answer at the end."""
    order = {"type": "track", "event": "Order Completed", "userId": "ann", "timestamp": "2026-02-10T12:00:00Z"}
    with home(tmp_path / "home", BASE) as own:
        put(own, tmp_path, "events", "e.jsonl", json.dumps({**order, "properties": {}}))
        run(own)
        state = state_of(own)
        ann = persons.show(own, "userId:ann")["person_id"]
        found = {
            text: segments.members_at(own, state, "buyers", time.parse_moment(text))
            for text in ("2026-02-10T11:59:59Z", "2026-02-10T12:00:00Z", "2026-03-12T11:59:59Z", "2026-03-12T12:00:00Z")
        }
        assert list(found.values()) == [[], [ann], [ann], []]
        assert [row[0] for row in own.read("members_of", "buyers")] == [ann]
        with pytest.raises(NotFound) as caught:
            segments.members_at(own, state, "byers", 0)
        assert "buyers" in caught.value.mend
