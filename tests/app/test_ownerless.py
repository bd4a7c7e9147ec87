"""What names nobody but an object belongs to its owner: as if it had named the owner, whatever comes first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from einklang.app import expiry, segments, stitching
from einklang.app.apply import Body, apply
from einklang.app.find import person_id
from einklang.app.object_index import ObjectIndex
from einklang.app.run import settle_definitions
from einklang.event import EngineCall, body_of
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake
from einklang.store.lake.shipper import ship_all
from einklang.testing.canonical import canonical_hash, table_rows
from tests.app.couples import decide, reading
from tests.app.dice import Random
from tests.app.test_rebuild import differences
from tests.app.worlds import DAY, HOUR, START, UNTIL, append, documents, engine_of, home, run

AT, ORIGIN, NAME, MESSAGE = 1, 4, 6, 7
RULES = {
    "owes": 'objects("invoice").where(state == "open").exists()',
    "paid": 'events("Payment Received").within("6d").sum(amount) > 10',
    "paid-twice": 'objects("payment").count() >= 2',
}
DEFINITIONS = "{kind: policy, id: default, currency: EUR}\n" + "".join(
    f"---\nkind: segment\nid: {name}\nwhere: '{rule}'\n" for name, rule in RULES.items()
)
USERS = ("u0", "u1", "u2", "u3")


def calls(seed: int, *, named: bool, count: int = 50) -> list[list[EngineCall]]:
    """What arrives in three parts: invoices that name their customer, payments and notes that name the invoice alone.

    named: the same, each with its customer.
    """
    random, parts = Random(seed), [list[EngineCall](), [], []]
    for number in range(count):
        invoice = random.randrange(8)
        user = USERS[invoice % len(USERS)]
        name = random.choice(("Invoice Issued", "Payment Received", "Payment Received", "Invoice Paid"))
        properties: dict[str, Any] = {"invoice_id": f"i{invoice}", "amount": random.choice((5, 7, 20))}
        alone = name != "Invoice Issued"
        if name == "Payment Received":
            properties["payment_id"] = f"p{number}"
            if random.random() < 0.3:  # known by the payment that came before, not by its invoice
                properties = {"payment_id": f"p{random.randrange(count)}", "amount": 3}
                user = ""
        call = EngineCall("track", name, messageId=f"e{number}", properties=properties, at=START + number * 5 * HOUR)
        if not alone or (named and user):
            call.userId = user
        parts[random.choice((0, 1, 2))].append(call)
    late = [EngineCall("track", "Invoice Issued", messageId=f"z{n}", userId=USERS[n % 4], at=UNTIL - 2 * DAY,
                       properties={"invoice_id": f"i{n}", "amount": 1}) for n in range(8)]  # fmt: skip
    return [*parts, late]


def owned(book: SqliteBook) -> dict[str, list[tuple[int, str]]]:
    """User -> (at, messageId) of what stands in the history."""
    found: dict[str, list[tuple[int, str]]] = {}
    people = {person_id(book, f"userId:{user}"): user for user in USERS}
    for row in table_rows(book, "history"):
        if row[ORIGIN] == 0:
            found.setdefault(people[row[0]], []).append((row[AT], row[MESSAGE]))
    return {user: sorted(rows) for user, rows in found.items()}


def folded(parts: list[list[EngineCall]], batches: list[int], book: SqliteBook, *, forgetful: bool = False) -> None:
    """Append part after part; each is worked off before the next comes."""
    for number, part in enumerate(parts):
        append(book, part)
        run(book, batches, until=START + (10 + number) * DAY if number < 3 else UNTIL, forgetful=forgetful)


@pytest.mark.parametrize("seed", range(6))
def test_as_if_it_had_named_the_owner(seed: int) -> None:
    """Histories, members and the index are those of a log in which each call names its customer."""
    shown = []
    for named in (False, True):
        with home(DEFINITIONS) as book:
            folded(calls(seed, named=named), [Random(seed).randint(1, 40)], book)
            people = {person_id(book, f"userId:{user}"): user for user in USERS}
            members = {(people[row[0]], row[1]) for row in table_rows(book, "member")}
            index = {(row[0], row[1], people[row[2]], row[3]) for row in table_rows(book, "object")}
            waiting = [msgspec.json.decode(row[3])["message_id"] for row in table_rows(book, "object_waiting")]
            shown.append((owned(book), members, index, sorted(waiting)))
    assert shown[0] == shown[1]
    assert sum(map(len, shown[0][0].values())) > 40


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_any_cutting_merges_and_a_rebuild_agree(seed: int, tmp_path: Path) -> None:
    """Two customers are merged and split again: each has what names the own invoices; plans see the same."""
    hashes = set()
    for batches, forgetful in (([1], False), ([5_000], False), ([7, 3], True)):
        with home(DEFINITIONS) as book:
            folded(calls(seed, named=False), batches, book, forgetful=forgetful)
            before = owned(book)
            lake = Lake(tmp_path / f"lake{batches[0]}")
            ship_all(book, lake, keep_entries=5)
            for act in (stitching.merge, stitching.split):
                with book.snapshot() as reader:
                    others: Any = ("userId:u1",) if act is stitching.merge else ((),)
                    said = act(reader, reading(book), "userId:u0", *others, actor="staff:a", why="x")
                decide(book, engine_of(book), said, UNTIL)
                for name in RULES:
                    with book.snapshot() as reader:
                        state = engine_of(book).state
                        found = segments.members(reader, state, lake, name, UNTIL)
                        assert found == segments.members_at(reader, state, name, UNTIL), name
            assert owned(book) == before
            hashes.add(canonical_hash(book))
            assert differences(book, lake, batch=4) == []
    assert len(hashes) == 1


@pytest.mark.parametrize("batches", [[1], [5_000]])
def test_of_two_who_are_named_with_it_the_first_in_the_log_is_the_owner(batches: list[int]) -> None:
    """Not who happened to be named at an earlier time, and not the latest; in one tick as in several."""
    sent = [
        EngineCall("track", "Invoice Issued", userId=user, messageId=user, properties={"invoice_id": "i1"}, at=at)
        for user, at in (("u2", START + 3 * HOUR), ("u0", START + HOUR), ("u1", START + 4 * HOUR))
    ]
    paid = EngineCall("track", "Invoice Paid", messageId="p", properties={"invoice_id": "i1"}, at=START + 5 * HOUR)
    with home(DEFINITIONS) as book:
        for part in (sent[:1], [*sent[1:], paid]):
            append(book, part)
            run(book, batches)
        (row,) = (row for row in table_rows(book, "history") if row[MESSAGE] == "p")
        assert row[0] == person_id(book, "userId:u2")


def test_what_waits_is_kept_until_its_owner_comes() -> None:
    """Nobody has it yet: it waits where it can be seen, belongs to nobody, and is folded with its own time."""
    paid = EngineCall("track", "Invoice Paid", messageId="e1", properties={"invoice_id": "i1"}, at=START + HOUR)
    issued = EngineCall("track", "Invoice Issued", userId="u0", messageId="e2", at=START + DAY)
    issued.properties = {"invoice_id": "i1", "amount": 9}
    with home(DEFINITIONS) as book:
        append(book, [paid])
        run(book, until=START + 2 * HOUR)
        assert [row[:3] for row in book.read("all_object_waiting")] == [("invoice", "i1", 3)]
        assert not list(table_rows(book, "person"))
        append(book, [issued])
        run(book)
        assert book.read("all_object_waiting") == []
        (person,) = [row[0] for row in table_rows(book, "person")]
        assert [(row[AT], row[NAME]) for row in table_rows(book, "history") if row[ORIGIN] == 0] == [
            (START + HOUR, "Invoice Paid"),
            (START + DAY, "Invoice Issued"),
        ]
        assert [row[:4] for row in book.read("all_object")] == [("invoice", "i1", person, "open")]


def test_a_page_cannot_speak_for_somebody() -> None:
    """Without an identifier, with a write key: whatever the log holds, it belongs to nobody and waits for nobody."""
    issued = EngineCall(
        "track", "Invoice Issued", userId="u0", messageId="e2", at=START, properties={"invoice_id": "i1"}
    )
    paid = EngineCall("track", "Invoice Paid", messageId="e1", properties={"invoice_id": "i1"}, at=START + HOUR)
    with home(DEFINITIONS) as book:
        append(book, [issued])
        book.append([Body(1, UNTIL, "web", "import", body_of([paid]))])
        run(book)
        assert [row[MESSAGE] for row in table_rows(book, "history") if row[ORIGIN] == 0] == ["e2"]
        assert book.read("all_object_waiting") == []


KINDS = """
{kind: object, id: badge, key: badge_id, events: {Gate Passed: seen, Badge Given: given}}
---
{kind: object, id: locker, key: locker_id, events: {Gate Passed: seen, Locker Rented: rented}}
---
{kind: object, id: badge, key: other_id, events: {Gate Passed: seen, Badge Given: given}}
"""


@pytest.mark.parametrize("batch", [1, 5_000])
def test_a_kind_that_is_defined_later_finds_what_waits(batch: int, tmp_path: Path) -> None:
    """Without a kind, or for another key, an event waits; the kind that names its owner brings it home, rebuilt too."""

    def call(name: str, at: int, user: str | None = None, **properties: str) -> EngineCall:
        return EngineCall("track", name, messageId=f"{name}{at}", userId=user, at=START + at, properties=properties)

    badge, locker, other = documents(KINDS)
    with home(DEFINITIONS) as book:
        append(book, [call("Gate Passed", 1, badge_id="b1", locker_id="l1"), call("Gate Passed", 2, other_id="o1")])
        run(book, [batch], until=START + HOUR)
        assert [row[:2] for row in book.read("all_object_waiting")] == [("", "")] * 2
        append(book, [call("Locker Rented", DAY, "u0", locker_id="l1"), call("Badge Given", DAY, "u1", other_id="o1")])
        run(book, [batch], until=START + 2 * DAY)
        for kind, left in ((badge, [("", ""), ("badge", "b1")]), (locker, [("", "")]), (other, [])):
            apply(book, [kind], now=START + 2 * DAY)
            settle_definitions(book, engine_of(book))
            assert [row[:2] for row in book.read("all_object_waiting")] == left
        run(book, [batch])
        found = {person_id(book, f"userId:{user}"): user for user in ("u0", "u1")}
        kept = [(found[row[0]], row[NAME], row[AT] - START) for row in table_rows(book, "history") if not row[ORIGIN]]
        assert sorted(kept) == [("u0", "Gate Passed", 1), ("u0", "Locker Rented", DAY), ("u1", "Badge Given", DAY),
                                ("u1", "Gate Passed", 2)]  # fmt: skip
        assert differences(book, Lake(tmp_path), batch=5_001 - batch) == []


def test_an_owner_who_calls_nobody_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: where what waits is not called, histories lack it."""
    monkeypatch.setattr(ObjectIndex, "_call", lambda *_: None)
    with home(DEFINITIONS) as book:
        folded(calls(0, named=False), [5_000], book)
        lacking = owned(book)
    with home(DEFINITIONS) as book:
        folded(calls(0, named=True), [5_000], book)
        assert owned(book) != lacking


def test_what_waits_and_expires_waits_no_longer(tmp_path: Path) -> None:
    """Its time is over before an owner comes: it is in no history then, and a rebuild agrees."""
    keep = DEFINITIONS + "---\n{kind: event, id: Invoice Paid, keep: 3d}\n"
    paid = [
        EngineCall("track", "Invoice Paid", messageId=f"e{n}", properties={"invoice_id": "i1"}, at=START + n * 2 * DAY)
        for n in (0, 2)
    ]
    issued = EngineCall("track", "Invoice Issued", userId="u0", messageId="e9", at=START + 6 * DAY)
    issued.properties = {"invoice_id": "i1", "amount": 9}
    with home(keep) as book:
        append(book, paid)
        run(book, until=START + 5 * DAY)
        assert len(book.read("all_object_waiting")) == 2
        expiry.ask(book, now=START + 5 * DAY)
        settle_definitions(book, engine_of(book))
        assert len(book.read("all_object_waiting")) == 1
        append(book, [issued])
        run(book)
        assert [row[MESSAGE] for row in table_rows(book, "history") if row[ORIGIN] == 0] == ["e2", "e9"]
        assert differences(book, Lake(tmp_path), batch=1) == []


def test_a_split_knows_since_when_somebody_was_known() -> None:
    """What waited is older than the person: created and member since stay as they were before a merge."""
    paid = EngineCall("track", "Invoice Paid", messageId="e0", properties={"invoice_id": "i1"}, at=START)
    calls = [
        EngineCall("track", "Invoice Issued", userId=user, messageId=f"e{n}", at=START + n * DAY,
                   properties={"invoice_id": f"i{n}", "amount": 9})
        for n, user in ((1, "u0"), (2, "u1"))
    ]  # fmt: skip
    with home(DEFINITIONS) as book:
        append(book, [paid, *calls])
        run(book)

        def known() -> list[Any]:
            people = {row[0]: row[3] for row in table_rows(book, "person")}
            found = [people[person_id(book, f"userId:{user}")] for user in ("u0", "u1")]
            return [(one["created_at"], {name: kept[:2] for name, kept in one["memberships"].items()}) for one in found]

        before = known()
        assert before[0][0] == START + DAY
        for act, others in ((stitching.merge, ("userId:u1",)), (stitching.split, ((),))):
            with book.snapshot() as reader:
                said = act(reader, reading(book), "userId:u0", *others, actor="staff:a", why="x")
            decide(book, engine_of(book), said, UNTIL)
        assert known() == before
