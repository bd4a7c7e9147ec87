"""A message that cannot be made holds the contact, in both arms, however time goes on (language.md 4, invariant 20)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from einklang.app.apply import apply
from einklang.app.deliver import Delivery
from einklang.app.run import run as run_until
from einklang.app.run import settle_definitions
from einklang.app.yaml import parse_text
from einklang.channel import sent
from einklang.event import EngineCall
from einklang.kernel import time
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake, ship_all
from einklang.testing.canonical import canonical_hash
from tests.app.dice import Random
from tests.app.test_rebuild import differences, reading
from tests.app.worlds import DAY, HOUR, START, append, engine_of, home, run
from tests.deliver.post import Memory, Post

_T0 = START + DAY
_UNTIL = START + 6 * DAY
_WORLD = """
{{kind: policy, id: default, patience: 1d, caps: [{{channels: email, at_most: 2, per: 7d}}]}}
---
kind: journey
id: offer
entry: {{event: Product Added, key: cart_id, reenter: always}}
control: {control}
steps:
  - {{id: first, contact: offer, data: {{name: '=events("Product Viewed").last(name)'}}, else: later}}
  - {{id: then,  wait: 2h}}
  - {{id: later, contact: plain, at_most: 12h}}
---
{{kind: message, id: offer, purpose: service, class: marketing, data: {{name: string}}, email: {{
 subject: "{{{{ data.name }}}}", text: "{{{{ trait.city | upcase }}}}{{% if trait.size > 2 %}}!{{% endif %}}"}}}}
---
{{kind: message, id: plain, purpose: service, class: marketing, email: {{subject: Hello, text: "Hello"}}}}
---
{{kind: purpose, id: service, basis: contract}}
"""


def _world(control: str = "0.5") -> str:
    return _WORLD.format(control=control)


def _call(kind: str, at: int, number: int, person: int, **told: Any) -> EngineCall:
    call = EngineCall(type=kind, userId=f"u{person}", at=at, messageId=f"m{number}")
    if kind == "identify":
        call.traits = {"email": f"p{person}@shop.example", **told}
    else:
        call.event, call.properties = told.pop("event"), told
    return call


def _story(city_after: int | None, *, people: int = 12) -> list[EngineCall]:
    """People who put something into the cart at `_T0`; their city is known so much later, or never."""
    calls = []
    for person in range(people):
        calls.append(_call("identify", START, 10 * person, person))
        calls.append(_call("track", START + 1, 10 * person + 1, person, event="Product Viewed", name="Shoe"))
        calls.append(_call("track", _T0, 10 * person + 2, person, event="Product Added", cart_id="c"))
        if city_after is not None:
            calls.append(_call("identify", _T0 + city_after, 10 * person + 3, person, city="Ulm"))
    return calls


def _random(random: Random) -> list[EngineCall]:
    """A log in which cities, sizes that do not compare, and viewed products come and go."""
    calls, at = [_call("identify", START, person, person) for person in range(3)], START + HOUR
    for number in range(40):
        at += random.choice((0, 1, HOUR, 5 * HOUR, 9 * HOUR))
        person, chance = random.randrange(3), random.random()
        if chance < 0.35:
            told: dict[str, Any] = {"city": random.choice(("Ulm", None, "Bonn")), "size": random.choice((1, 3, "tall"))}
            calls.append(_call("identify", at, 100 + number, person, **told))
        elif chance < 0.6:
            name = random.choice(("Shoe", "see http://elsewhere.example/x"))
            calls.append(_call("track", at, 100 + number, person, event="Product Viewed", name=name))
        else:
            cart = f"c{random.randrange(2)}"
            calls.append(_call("track", at, 100 + number, person, event="Product Added", cart_id=cart))
    return calls


def _verdicts(book: SqliteBook) -> list[tuple[Any, ...]]:
    """(person, clock, step, channel, verdict, reason, until, detail), a ghost contact as what it stands for."""
    names = ("person", "clock", "step", "channel", "verdict", "reason", "until", "detail")
    rows = []
    for found in book.read("all_verdict", 0, 10_000):
        row = dict(zip(_VERDICT, found, strict=True))
        if row["verdict"] == "ghost":
            row |= {"verdict": "sent", "reason": ""}
        rows.append(tuple(row[name] for name in names))
    return rows


_VERDICT = (
    "n", "person", "seq", "clock", "run", "journey", "step", "message", "channel", "verdict", "reason", "until",
    "detail",
)  # fmt: skip


@contextmanager
def _run(calls: list[EngineCall], mode: str, text: str = "", *, until: int = _UNTIL) -> Iterator[SqliteBook]:
    """A home in which this log was worked through in this way."""
    with home(text or _world()) as book:
        append(book, calls)
        if mode == "run":
            run(book, until=until)
        else:
            clock = [START]
            channels = {"email": Memory(lambda parcel: sent())}
            delivery = Delivery(book, reading(book), channels, lambda: clock[0])

            def deliver(now: int) -> int:
                clock[0] = now
                return asyncio.run(delivery.once())

            run_until(book, engine_of(book), until, mode="deliver", deliver=deliver)
        yield book


def _assigned(book: SqliteBook) -> list[tuple[Any, ...]]:
    """(person, arm, step, decided_at, would_contact, suppressed_by, channel) of each decision."""
    rows = book.read("all_assignment", 0, 10_000)
    return [(row[1], row[6], row[5], row[10], row[11], row[12], row[13]) for row in rows]


def _of(found: list[tuple[Any, ...]], step: str) -> list[tuple[Any, ...]]:
    """Verdicts of a step, without person and step."""
    return [(row[1], *row[3:]) for row in found if row[2] == step]


@pytest.mark.parametrize("mode", ["run", "deliver"])
def test_a_missing_variable_holds_until_it_is_there(mode: str) -> None:
    """Held with the reason until patience ends, and judged again at the moment when the trait comes, in both arms."""
    with _run(_story(5 * HOUR), mode) as book:
        found = _of(_verdicts(book), "first")
        held = [row for row in found if row[2] == "held"]
        assert {row[:5] for row in held} == {(_T0, "email", "held", "missing_variable", _T0 + DAY)}
        assert all("trait.city" in row[5] for row in held)
        allowed = [row for row in found if row[2] == "sent"]
        assert len(held) == len(allowed) == 12
        assert len(found) == 24
        assert {row[0] for row in allowed} == {_T0 + 5 * HOUR}
        arms = {(row[1], row[3:]) for row in _assigned(book) if row[2] == "first"}
        assert arms == {(arm, (_T0 + 5 * HOUR, 1, "", "email")) for arm in ("treated", "control")}


@pytest.mark.parametrize("mode", ["run", "deliver"])
def test_what_never_comes_ends_with_patience(mode: str) -> None:
    """The contact is denied when patience is over, naming what was missing, in both arms; the run takes `else`."""
    with _run(_story(None), mode) as book:
        rows = _verdicts(book)
        denied = [row for row in _of(rows, "first") if row[2] == "denied"]
        assert {row[:4] for row in denied} == {(_T0 + DAY, "", "denied", "patience")}
        assert all("trait.city" in row[5] for row in denied)
        assert len(_of(rows, "first")) == 24
        arms = {(row[1], row[3:]) for row in _assigned(book) if row[2] == "first"}
        assert arms == {(arm, (_T0 + DAY, 0, "patience", "")) for arm in ("treated", "control")}
        assert {row[:3] for row in _of(rows, "later")} == {(_T0 + DAY, "email", "sent")}


@pytest.mark.parametrize("seed", range(8))
def test_arms_differ_by_the_hash_alone(seed: int) -> None:
    """All control and nobody control: the same verdicts and decisions at the same moments, row by row."""
    calls = _random(Random(seed))
    found = []
    for control in ("0.999999", "0.000001"):
        with _run(calls, "run", _world(control)) as book:
            decided = [(row[0], *row[2:]) for row in _assigned(book)]
            found.append((_verdicts(book), decided, {row[1] for row in _assigned(book)}))
    (ghosts, of_ghosts, control_arm), (sent_, of_sent, treated_arm) = found
    assert ghosts == sent_
    assert of_ghosts == of_sent
    assert control_arm | treated_arm <= {"control", "treated"}
    assert not control_arm & treated_arm


def test_random_logs_hold_for_every_reason() -> None:
    """The control of the test before: what it compares is held for both reasons, passes after that, and runs out."""
    seen = set()
    for seed in range(8):
        with _run(_random(Random(seed)), "run") as book:
            seen |= {(row[4], row[5]) for row in _verdicts(book)}
    wanted = {("held", "missing_variable"), ("held", "template_error"), ("held", "cap"), ("denied", "patience")}
    assert wanted | {("sent", "")} <= seen, seen


@pytest.mark.parametrize("seed", range(4))
def test_held_contacts_do_not_depend_on_ticks_and_are_made_again(seed: int, tmp_path: Path) -> None:
    """One event a tick, all in one tick, and a rebuild from the log give the same state."""
    calls = _random(Random(seed))
    with home(_world()) as one, home(_world()) as other:
        for book, sizes in ((one, [1]), (other, [5_000])):
            append(book, calls)
            run(book, sizes, until=_UNTIL, forgetful=book is other)
        assert canonical_hash(one, log=True) == canonical_hash(other, log=True)
        lake = Lake(tmp_path / "lake")
        ship_all(other, lake)
        assert not differences(other, lake)


def test_run_and_delivery_decide_alike() -> None:
    """Whether messages go to the outbox folder or over a channel, the door says the same at the same moments."""
    calls = _story(5 * HOUR)
    with _run(calls, "run") as folder, _run(calls, "deliver") as real:
        first = [_of(_verdicts(book), "first") for book in (folder, real)]
        assert first[0] == first[1]
        assert first[0]


def test_live_decides_alike() -> None:
    """Under a server too the message is made when it is decided: no row of the outbox before it can be made."""
    with home(_world("0")) as book:
        it = Post(book)
        it.send({"type": "identify", "userId": "u1", "traits": {"email": "ada@shop.example"}})
        it.tell("Product Viewed", name="Shoe")
        it.tell("Product Added", cart_id="c")
        it.tick()
        (held,) = _of(_verdicts(book), "first")
        assert held[2:4] == ("held", "missing_variable")
        assert it.statuses() == []
        it.send({"type": "identify", "userId": "u1", "traits": {"city": "Ulm"}})
        it.tick(time.MINUTE)
        assert it.statuses() == ["ready"]


def test_a_mended_text_frees_what_it_held() -> None:
    """A template that is corrected is taken within the hour, without any event of the person."""
    with home(_world("0")) as book:
        it = Post(book)
        it.send({"type": "identify", "userId": "u1", "traits": {"email": "ada@shop.example"}})
        it.tell("Product Viewed", name="Shoe")
        it.tell("Product Added", cart_id="c")
        it.tick()
        mended = (
            "{kind: message, id: offer, purpose: service, class: marketing, data: {name: string},"
            " email: {subject: Hi, text: Hi}}"
        )
        apply(book, parse_text(mended, "m.yaml"), now=it.now)
        settle_definitions(book, it.engine)
        it.tick(time.MINUTE)
        assert it.statuses() == []
        it.tick(HOUR)
        assert it.statuses() == ["ready"]


def test_no_patience_at_all_is_a_decision_too() -> None:
    """A step that waits for nothing denies at once, and both arms have their row."""
    text = _world().replace("else: later}", "else: later, at_most: 0s}", 1)
    with _run(_story(None), "run", text) as book:
        denied = [row for row in _of(_verdicts(book), "first") if row[2] == "denied"]
        assert {row[:4] for row in denied} == {(_T0, "", "denied", "patience")}
        assert {row[1] for row in _assigned(book) if row[2] == "first"} == {"treated", "control"}


def test_a_channel_that_is_not_set_up_is_passed_over() -> None:
    """It says `channel_unavailable`, and the next one in the list is tried, in both arms."""
    text = _world().replace("contact: plain,", "contact: plain, channels: [push, email],", 1)
    text = text.replace('text: "Hello"}', 'text: "Hello"}, push: {text: Hello}', 1)
    with _run(_story(None), "run", text) as book:
        rows = [row for row in _of(_verdicts(book), "later") if row[0] == _T0 + DAY]
        assert {row[1:4] for row in rows} == {("push", "denied", "channel_unavailable"), ("email", "sent", "")}
        assert len(rows) == 24
