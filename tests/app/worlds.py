"""Small random worlds: definitions that use every kind of step, random logs with all that makes order and time hard.

A log is a list of calls as an importer would write them. Reactions name messages that the engine has sent:
`with_reactions` runs the log once and adds clicks on what came out.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any

from einklang.app import apply as applying
from einklang.app.apply import Body
from einklang.app.run import expand_pending, settle_definitions
from einklang.app.sources import RunSource
from einklang.app.state import State
from einklang.app.tick import Engine
from einklang.app.yaml import Document, read
from einklang.event import EngineCall, body_of
from einklang.kernel import time
from einklang.store.book import AnyBook, Setup, SqliteBook
from tests.app.dice import Random

SALT = "5a" * 16
START = time.parse_moment("2026-03-20T00:00:00Z")  # the clocks change on the 29th
HOUR, DAY = time.HOUR, time.DAY
UNTIL = START + 20 * DAY
SETUP = Setup(synchronous="OFF", reserve_bytes=0)

DEFINITIONS = """
kind: policy
id: default
timezone: Europe/Berlin
currency: EUR
patience: 2d
holdout: 0.15
caps: [{channels: email, at_most: 2, per: 7d}]
quiet: [{channels: email, from: "20:00", to: "08:00"}]
---
{kind: trait, id: vip, type: bool}
---
kind: segment
id: buyers
where: 'events("Order Completed").within("5d").count() >= 1'
---
kind: segment
id: lapsed
where: 'events("Page Viewed").exists() && !events("Page Viewed").within("36h").exists()'
---
kind: segment
id: good
where: '(segment("buyers") && !segment("lapsed")) || trait.vip == true'
---
kind: journey
id: cart
entry: {event: Product Added, key: cart_id, where: 'price >= 20', reenter: 2d}
exit:
  bought: 'events("Order Completed").since(entry).where(cart_id == entry.key).exists()'
  idle: '!events().within("6d").exists()'
goal: {event: Order Completed, where: 'cart_id == entry.key', within: 5d, value: revenue}
control: 0.30
steps:
  - id: idle
    until: '!events("Product Added").within("3h").where(cart_id == entry.key).exists()'
    at_most: 1d
    else: end
  - {id: first,  contact: reminder, channels: [email], data: {name: '=entry.properties.name'}}
  - {id: reply,  until: 'step.first.clicked', at_most: 1d, then: mark, else: which}
  - {id: which,  branch: [{when: 'segment("good")', then: mark}, {when: 'segment("lapsed")', then: calm}], else: last}
  - {id: mark,   set: {stage: warm, seen: '=events("Product Added").count()'}, then: calm}
  - {id: calm,   wait: {for: 1d, at: ["09:00", "19:30"]}}
  - {id: last,   contact: reminder, channels: best, at_most: 3d, data: {name: '=entry.properties.name'}}
---
kind: journey
id: visits
entry: {event: Page Viewed, reenter: 1d, where: 'person.known'}
exit: {bought: goal}
goal: {event: Order Completed, within: 4d, value: revenue}
control: 0.50
zone: policy
steps:
  - {id: pause,  wait: 2h}
  - {id: news,   when: 'trait.stage == null', contact: news, else: end}
  - {id: halves, split: [{arm: a, share: 0.5, then: soon}, {arm: b, share: 0.5, then: later}]}
  - {id: soon,   wait: 3h, then: again}
  - {id: later,  wait: {for: 1d, at: "12:00", days: [MON, TUE, WED, THU, FRI]}}
  - {id: again,  contact: news, at_most: 12h}
---
kind: journey
id: thanks
entry: {event: Order Completed, key: order_id, reenter: always}
steps:
  - {id: note,   assign: {total: '=entry.properties.revenue'}}
  - {id: slip,   contact: receipt, data: {total: =vars.total}}
  - {id: moved,  until: 'changedAt(segment("good")) > entry.at', at_most: 3d, else: end}
  - {id: praise, contact: news}
---
{kind: message, id: reminder, purpose: marketing, class: marketing, data: {name: string},
 email: {subject: {de: "Noch da: {{ data.name }}", en: "Still there: {{ data.name }}"}, text: "Ihr Korb wartet."}}
---
{kind: message, id: news, purpose: marketing, class: marketing,
 email: {subject: {de: Neues, en: News}, text: "Guten Tag {{ trait.firstName | default: '' }}"}}
---
{kind: message, id: receipt, purpose: service, class: transactional, data: {total: money},
 email: {subject: {de: Beleg, en: Receipt}, text: {de: "{{ data.total | money }}", en: "{{ data.total | money }}"}}}
"""


@cache
def documents(text: str = DEFINITIONS) -> tuple[Document, ...]:
    """The definitions, read once."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "definitions.yaml"
        file.write_text(text)
        return tuple(read([file]))


@cache
def _template(text: str) -> bytes:
    """book.db of a home in which these definitions are in force."""
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        home = Path(folder) / "home"
        book = SqliteBook.create(home, SALT, setup=SETUP)
        applying.apply(book, list(documents(text)), now=START)
        settle_definitions(book, engine_of(book))
        book.close()
        return (home / "book.db").read_bytes()


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def engine_of(book: AnyBook) -> Engine:
    """The engine of a Book, wired as main does it."""
    salt = bytes.fromhex(book.read("meta_value", "salt")[0][0])
    state = State(
        salt, _definitions(book), link_key=b"k" * 32, base_url="http://shop.example", channels=frozenset({"email"})
    )
    return Engine(book, state, version="test")


_COMPILED: dict[str, Any] = {}


def _definitions(book: AnyBook) -> Any:
    rows = book.read("definitions_active")
    key = repr(rows)
    if key not in _COMPILED:
        _COMPILED[key] = applying.in_force(book)
    return _COMPILED[key]


@contextmanager
def home(text: str = DEFINITIONS) -> Iterator[SqliteBook]:
    """A Book in memory with the definitions in force."""
    folder = Path(tempfile.mkdtemp(dir=_memory()))
    (folder / "book.db").write_bytes(_template(text))
    book = SqliteBook.open(folder, setup=SETUP)
    try:
        yield book
    finally:
        book.close()
        shutil.rmtree(folder)


def append(book: AnyBook, calls: Sequence[EngineCall], *, body: int = 20, received_at: int = UNTIL) -> None:
    """Put calls into the tail, `body` of them a body."""
    for first in range(0, len(calls), body):
        part = calls[first : first + body]
        book.append([Body(len(part), received_at, "import", "import", body_of(part))])


def run(book: AnyBook, batches: Sequence[int] = (5_000,), *, until: int = UNTIL, forgetful: bool = False) -> Engine:
    """`run --until`, each tick of the next of these sizes; the engine. forgetful: it keeps nobody in memory."""
    engine = engine_of(book)
    expand_pending(book, version=engine.version)
    source = RunSource(until, "run")
    for size in cycle(batches):
        if source.finished:
            return engine
        engine.step(source, size)
        if forgetful:
            engine.state.working.forget()
    raise AssertionError("a cycle does not end")


_PEOPLE = 5


def random_calls(random: Random, count: int) -> list[EngineCall]:
    """A log of about `count` calls over some twelve days: several devices, shared ones, late events, equal times."""
    calls = _introductions(random)
    known = [random.random() < 0.7 for _ in range(_PEOPLE)]
    at = START + 8 * HOUR
    for number in range(count):
        at += random.choice((0, 0, 1, time.MINUTE, HOUR, 3 * HOUR, 7 * HOUR, 12 * HOUR))
        person = random.randrange(_PEOPLE)
        late = random.random() < 0.15
        when = at - (random.choice((1, HOUR, 2 * DAY)) if late else 0)
        calls.append(_call(random, number, person, when, known))
    return calls


def with_reactions(random: Random, calls: list[EngineCall]) -> list[EngineCall]:
    """The same log with clicks on some of the messages that it makes the engine send."""
    with home() as book:
        append(book, calls)
        run(book)
        sent = [(row[1], row[10]) for row in book.read("all_message_log", 0, 1_000) if row[8] == "sent"]
        people = {row[1]: row[0] for lane in range(64) for row in book.read("all_outbox", lane)}
    clicks = []
    for key, clock in sent:
        if random.random() < 0.5:
            at = clock + random.choice((time.MINUTE, 5 * HOUR, DAY))
            clicks.append(
                EngineCall(
                    type="track",
                    event=random.choice(("Message Clicked", "Message Opened", "Email Link Clicked")),
                    identifiers={"person": people[key]},
                    properties={"message_id": key, "channel": "email"},
                    messageId=f"k-{key}",
                    origin=1,
                    at=at,
                )
            )
    return [*calls, *clicks]


def _introductions(random: Random) -> list[EngineCall]:
    """Most people are known from the start and have given their consent."""
    calls: list[EngineCall] = []
    for person in range(_PEOPLE):
        if random.random() < 0.8:
            email, user = f"p{person}@example.org", f"u{person}"
            given = {"channel": "email", "purpose": "marketing", "address": email}
            traits = {"email": email}
            calls += [
                EngineCall(type="identify", userId=user, traits=traits, at=START + person, messageId=f"i{person}"),
                EngineCall(
                    type="track",
                    event="Consent Given",
                    userId=user,
                    properties=given,
                    at=START + HOUR,
                    messageId=f"g{person}",
                ),
            ]
    if random.random() < 0.3:  # one cart, filled on a device before and on the account beside it, then a sign-in
        cart: dict[str, Any] = {"cart_id": "c00", "price": 25, "name": "Shoe"}
        for hour in (2, 3):
            call = EngineCall("track", "Product Added", messageId=f"c{hour}")
            call.anonymousId, call.userId = ("d0", None) if hour == 2 else (None, "u0")
            call.properties, call.at = cart, START + hour * HOUR
            calls.append(call)
        calls.append(EngineCall("identify", userId="u0", anonymousId="d0", at=START + 4 * HOUR, messageId="c4"))
    return calls


def _call(random: Random, number: int, person: int, at: int, known: list[bool]) -> EngineCall:
    device = f"d{random.choice((person, person, person + _PEOPLE, 99))}"
    user, email = f"u{person}", f"p{person}@example.org"
    if person == 4 and random.random() < 0.5:
        user = "u4b"  # one human, two accounts, joined by nothing but the address
    signed = known[person] and random.random() < 0.75
    base: dict[str, Any] = {"at": at, "messageId": f"e{number}", "touchpoint": random.choice(("web", "app", "store"))}
    base |= {"userId": user} if signed else {"anonymousId": device}
    if signed and random.random() < 0.4:
        base["anonymousId"] = device
    kind = random.random()
    if kind < 0.22:
        traits: dict[str, Any] = {}
        if random.random() < 0.8:
            traits["email"] = email
        for name, values in (
            ("timezone", ("Europe/Berlin", "America/New_York", "Asia/Kolkata")),
            ("language", ("de", "en")),
            ("vip", (True, False, None)),
            ("firstName", ("Ada", "Bo")),
        ):
            if random.random() < 0.3:
                traits[name] = random.choice(values)
        known[person] = True
        return EngineCall(type="identify", traits=traits, **{**base, "userId": user})
    if kind < 0.37:
        status = "Consent Given" if random.random() < 0.75 else "Consent Withdrawn"
        said = {"channel": "email", "purpose": "marketing", "address": email}
        return EngineCall(type="track", event=status, properties=said, **base)
    if kind < 0.57:
        return EngineCall(type="page", name="Home", properties={"path": "/"}, **base)
    cart = f"c{person}{random.choice((0, 0, 0, 1))}"
    if kind < 0.80:
        added = {"cart_id": cart, "price": random.choice((5, 25, 40)), "name": random.choice(("Shoe", "Hat"))}
        return EngineCall(type="track", event="Product Added", properties=added, **base)
    if kind < 0.93:
        bought = {"cart_id": cart, "order_id": f"o{number}", "revenue": random.choice((25, 40, 99))}
        return EngineCall(type="track", event="Order Completed", properties=bought, **base)
    if kind < 0.96:
        return EngineCall(type="alias", userId=user, messageId=f"e{number}", at=at, anonymousId=device)
    return EngineCall(
        type="track",
        event="Message Bounced",
        properties={"channel": "email", "email": email, "kind": random.choice(("hard", "soft", "soft"))},
        **base,
    )


def plain_calls(random: Random, count: int) -> list[EngineCall]:
    """A log in which everybody is known by one account all the time: nobody merges, time zones do not change."""
    calls: list[EngineCall] = []
    for person in range(_PEOPLE):
        zone = random.choice(("Europe/Berlin", "America/New_York", "Asia/Kolkata"))
        traits = {"email": f"p{person}@example.org", "timezone": zone}
        given = {"channel": "email", "purpose": "marketing", "address": f"p{person}@example.org"}
        user, at = f"u{person}", START + person
        calls += [
            EngineCall(type="identify", userId=user, traits=traits, at=at, messageId=f"i{person}"),
            EngineCall(
                type="track", event="Consent Given", userId=user, properties=given, at=at, messageId=f"g{person}"
            ),
        ]
    for call in random_calls(random, count):
        if call.type == "alias" or not str(call.messageId).startswith("e"):
            continue
        owner = call.userId or call.anonymousId or ""
        call.userId, call.anonymousId = f"u{int(str(owner)[1:].rstrip('b')) % _PEOPLE}", None
        if call.traits:
            call.traits = {name: value for name, value in call.traits.items() if name not in ("email", "timezone")}
        calls.append(call)
    return calls


def churning_calls(random: Random, count: int) -> list[EngineCall]:
    """A log in which identifiers meet in every combination, often late: merges, refusals, moves of devices."""
    calls: list[EngineCall] = []
    at = START
    for number in range(count):
        at += random.choice((0, 1, HOUR, 5 * HOUR))
        late = random.choice((HOUR, DAY, 5 * DAY)) if random.random() < 0.4 else 0
        call = EngineCall(at=at - late, messageId=f"e{number}")
        found = {"email": f"e{random.randrange(4)}@example.org", "phone": f"+4930{random.randrange(3)}"}
        call.identifiers = {kind: value for kind, value in found.items() if random.random() < 0.45}
        call.userId = f"u{random.randrange(3)}" if random.random() < 0.5 else None
        if random.random() < 0.5 or not (call.userId or call.identifiers):
            call.anonymousId = f"d{random.randrange(4)}"
        _say(random, call, number)
        calls.append(call)
    return calls


def _say(random: Random, call: EngineCall, number: int) -> None:
    """What a call of `churning_calls` is about."""
    kind, cart = random.random(), f"c{random.randrange(3)}"
    if kind < 0.35:
        call.type, call.traits = "identify", {f"t{random.randrange(3)}": number}
    elif kind < 0.5:
        call.type, call.name = "page", "Home"
    elif kind < 0.75:
        call.type, call.event = "track", "Product Added"
        call.properties = {"cart_id": cart, "price": 30, "name": "Hat"}
    elif kind < 0.85:
        call.type, call.event = "track", "Order Completed"
        call.properties = {"cart_id": cart, "order_id": f"o{number}", "revenue": 30}
    elif kind < 0.95:
        call.type, call.event = "track", random.choice(("Consent Given", "Consent Given", "Consent Withdrawn"))
        address = f"e{random.randrange(4)}@example.org"
        call.properties = {"channel": "email", "purpose": "marketing", "address": address}
    else:
        call.type, call.identifiers, call.anonymousId = "alias", {}, None
        call.userId, call.previousId = call.userId or "u0", f"u{random.randrange(3)}"
