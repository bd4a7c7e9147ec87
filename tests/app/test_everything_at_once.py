"""Everything that can happen to a home, at once and in any order: the state is what the log gives (invariants 4 and 7).

Events of every kind, late and doubled, staff who merge and split, changed definitions, forms, refused hand-overs,
files, expiry, restarts and processes that take the ticks over.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from einklang.app import apply as applying
from einklang.app import drafts, expiry, stitching
from einklang.app.collect import collect
from einklang.app.deliver import Delivery
from einklang.app.imports import import_file
from einklang.app.sources import LiveSource
from einklang.app.yaml import parse_text
from einklang.channel import Parcel, Receipt, failed, sent, unknown
from einklang.event import LIMITS
from einklang.kernel import time
from einklang.kernel.errors import EinklangError
from einklang.main.verify import verify_home
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake, ship_all
from tests.app.dice import Random
from tests.app.test_rebuild import differences, reading
from tests.app.test_verify import Opened
from tests.app.worlds import DAY, DEFINITIONS, HOUR, SALT, START, engine_of, home

WORLDS = int(os.environ.get("WORLDS_AT_ONCE", "0"))
RULES = {
    "owes": 'objects("invoice").where(state == "open").exists()',
    "house": 'group("household").events("Order Completed").within("5d").count() >= 2',
    "company": 'group("company").trait.employees >= 5 || group("company").role == "buyer"',
    "reached": 'reachable("email")',
    "cheap": 'lookup("products", events("Product Added").last(name)).price < 20',
    "spender": "trait.spent > 50 || trait.bonus > 7",
    "lender": 'objects("loan").where(state == "granted").exists()',
    "typed": 'events("Draft Saved").within("2d").exists()',
}
MORE = f"""{DEFINITIONS}
---
{{kind: trait, id: bonus, type: number, merge: sum}}
---
{{kind: trait, id: fav, type: string, merge: most_frequent}}
---
{{kind: trait, id: spent, type: number, value: 'events("Order Completed").within("9d").sum(revenue)'}}
---
kind: object
id: loan
key: loan_id
states: [asked, granted]
events: {{Loan Asked: asked, Loan Granted: granted}}
owner: household
---
kind: stage
id: buying
stages: [{{name: visitor, when: 'true'}}, {{name: buyer, when: 'events("Order Completed").exists()'}}]
---
{{kind: segment, id: moved, where: 'changedAt(stage("buying")) > now - duration("2d")'}}
""" + "".join(f"---\nkind: segment\nid: {name}\nwhere: '{rule}'\n" for name, rule in RULES.items())
PLAN = "{kind: event, id: Order Completed, properties: {order_id: string}, schema: {required: [order_id]}"
CHANGES = (
    "{kind: segment, id: spender, where: 'trait.spent > 20'}",
    "{kind: segment, id: spender, where: 'trait.spent > 50 || trait.bonus > 3'}",
    "{kind: identity, kinds: {card: {priority: 35, unique: true}}}",
    "{kind: identity, kinds: {card: {priority: 35, unique: true}, email: {limit: 1}}}",
    "{kind: identity, kinds: {phone: {limit: 1, blocked: ['+49301*']}}}",
    "{kind: object, id: parcel, key: parcel_id, events: {Parcel Sent: sent, Parcel Noted: null}}",
    "{kind: object, id: parcel, key: track_id, events: {Parcel Sent: sent, Parcel Noted: null}}",
    "{kind: trait, id: fav, type: string, merge: last}",
    "{kind: trait, id: bonus, type: number, merge: max}",
    PLAN + ", on_violation: dead_letter}",
    PLAN + ", on_violation: mark}",
    "{kind: event, id: Parcel Noted, keep: 1d}",
    "{kind: event, id: Page Viewed, keep: 40d}",
)
PEOPLE = 5
STAGES = ((True, "rcpt"), (True, "data"), (False, "rcpt"))
REFUSED = tuple(failed("no", permanent=final, stage=stage) for final, stage in STAGES)
ANSWERS = (sent(), sent(), sent(), unknown("lost"), *REFUSED)


class Post:
    """A channel of which nobody knows what it will answer."""

    def __init__(self, random: Random) -> None:
        self.random = random

    async def deliver(self, item: Parcel) -> Receipt:
        """Any answer."""
        return self.random.choice(ANSWERS)

    async def close(self) -> None:
        """Nothing is open."""


class Life:
    """One home, its clock, and what happens to it."""

    def __init__(self, random: Random, book: SqliteBook, folder: Path) -> None:
        self.random, self.book, self.folder = random, book, folder
        self.lake = Lake(folder / "lake")
        self.now, self.number = START, 0
        self.forms: list[tuple[drafts.Ref, dict[str, str]]] = []
        self.begin()

    def begin(self) -> None:
        """A process that ticks and hands over."""
        self.engine, self.source = engine_of(self.book), LiveSource()
        self.delivery = Delivery(self.book, reading(self.book), {"email": Post(self.random)}, lambda: self.now)

    # --- what comes in ---

    def who(self) -> tuple[int, dict[str, Any]]:
        """Somebody, by account, device or both; sometimes with a card or a phone."""
        random, number = self.random, self.random.randrange(PEOPLE)
        named: dict[str, Any] = {}
        known = random.random()
        if known < 0.45:
            named["userId"] = f"u{number}"
        if known > 0.35:
            named["anonymousId"] = f"d{random.choice((number, number, 9))}"
        if random.random() < 0.15:
            found = {"type": random.choice(("phone", "card")), "id": f"+4930{random.randrange(4)}"}
            named["context"] = {"externalIds": [{**found, "collection": "users", "encoding": "none"}]}
        return number, named

    def call(self) -> dict[str, Any]:
        """One call, sometimes late or early."""
        random, (number, named) = self.random, self.who()
        self.number += 1
        call = {"messageId": f"m{self.number}", **named}
        if random.random() < 0.5:
            late = random.choice((0, 1000, HOUR, 2 * DAY, 30 * DAY)) - random.choice((0, 0, 5 * HOUR))
            call["timestamp"] = time.format_moment(self.now - late)
        said = self.said(number)
        if said["type"] == "alias" and "userId" not in call:
            said = {"type": "page", "name": "Home"}
        if said.pop("alone", False):
            call = {"messageId": call["messageId"]}
        return call | said

    def said(self, number: int) -> dict[str, Any]:
        """What a call says."""
        random, address = self.random, f"p{number}@example.org"
        named, invoice = random.randrange(3), f"i{random.randrange(4)}"

        def track(event: str, **properties: Any) -> dict[str, Any]:
            return {"type": "track", "event": event, "properties": properties}

        where = {"address": address} if random.random() < 0.6 else {}
        ends = {"expires_at": time.format_moment(self.now + 2 * DAY)} if random.random() < 0.3 else {}
        order = {"order_id": f"o{self.number}"} if random.random() < 0.9 else {}
        consent = random.choice(("Given", "Given", "Given", "Withdrawn"))
        bounce = random.choice(("Email Bounced", "Email Marked as Spam", "Unsubscribed"))
        kind = random.choice(("household", "company"))
        role: dict[str, Any] = random.choice(({"role": "buyer"}, {"left": True}, {}))
        parcel = {"parcel_id": f"q{named}", "track_id": f"t{random.randrange(3)}"}
        about = random.choice(("Invoice Issued", "Invoice Paid", "Payment Received", "Parcel Noted", "Parcel Sent"))
        payment = {"invoice_id": invoice, "payment_id": f"y{named}", "amount": 3, **parcel}
        choices: tuple[dict[str, Any], ...] = (
            {"type": "identify", "traits": self.traits(number)},
            {"type": "identify", "traits": self.traits(number)},
            {"type": "group", "groupId": f"g{named}", "traits": {"type": kind, "employees": number, **role}},
            {"type": "alias", "previousId": f"{random.choice('ud')}{random.randrange(PEOPLE)}"},
            {"type": "page", "name": "Home"},
            track(f"Consent {consent}", channel="email", purpose="marketing", **where, **ends),
            track(bounce, kind=random.choice(("hard", "soft")), **where),
            track("Product Added", cart_id=f"c{named}", price=random.choice((5, 25, 40)), name="Hat"),
            track("Product Added", cart_id=f"c{named}", price=30, name="Shoe"),
            track("Order Completed", cart_id=f"c{named}", revenue=random.choice((25, 40, 99)), **order),
            track(random.choice(("Loan Asked", "Loan Granted")), loan_id=f"l{named}"),
            track(about, **payment),
            {**track(about, **payment), "alone": True},
        )
        return random.choice(choices)

    def traits(self, number: int) -> dict[str, Any]:
        """Some traits."""
        values: dict[str, tuple[Any, ...]] = {
            "email": tuple(f"p{one}@example.org" for one in (number, number, 0)),
            "phone": ("+49301", "+49302"),
            "vip": (True, False, None),
            "bonus": (1, 2, 5, None),
            "fav": ("a", "b", None),
            "timezone": ("Asia/Kolkata", "Europe/Berlin", "bad"),
        }
        return {name: self.random.choice(some) for name, some in values.items() if self.random.random() < 0.4}

    def events(self) -> None:
        """A batch, sometimes with one that came before."""
        calls = [self.call() for _ in range(self.random.randint(1, 5))]
        if self.random.random() < 0.1:
            calls.append({**self.call(), "messageId": f"m{self.random.randrange(self.number)}"})
        skew = self.random.choice((0, HOUR, -HOUR))
        body = {"batch": calls} | ({"sentAt": time.format_moment(self.now + skew)} if skew else {})
        found = collect(
            self.book, "batch", msgspec.json.encode(body), source=self.random.choice(("web", "server")), now=self.now,
            salt=bytes.fromhex(SALT), kinds=lambda: self.engine.state.definitions.objects,
        )  # fmt: skip
        if found.durable is not None:
            found.durable.result()

    def file(self) -> None:
        """A file of products, people or consents."""
        random, kind = self.random, self.random.choice(("products", "people", "consents"))
        at = time.format_moment(self.now - random.choice((0, DAY)))
        price = {"price": random.choice((5, 30)), "from": time.format_moment(self.now + random.choice((-DAY, DAY)))}
        row: dict[str, Any] = {"product_id": "Hat", "price": random.choice((5, 15, 25)), "prices": [price]}
        number = random.randrange(PEOPLE)
        if kind == "people":
            row = {"userId": f"u{number}", "email": f"p{random.randrange(PEOPLE)}@example.org", "bonus": 2}
            row |= {"at": at} if random.random() < 0.5 else {}
        elif kind == "consents":
            status = random.choice(("given", "withdrawn"))
            row = {"person": f"userId:u{number}", "address": f"p{number}@example.org", "status": status, "at": at}
            row |= {"channel": "email", "purpose": "marketing"}
        path = self.folder / f"{self.number}.jsonl"
        path.write_bytes(msgspec.json.encode(row))
        import_file(self.book, kind, path, now=self.now)

    def form(self) -> None:
        """A form is begun, gone on with or sent."""
        if not self.forms or self.random.random() < 0.4:
            names = {kind: name for kind, name in self.who()[1].items() if kind != "context"}
            self.forms.append((drafts.begin("loan", names, f"f{len(self.forms)}"), names))
            form, said, (ref, names) = "loan", drafts.Saving({"a": self.number}), self.forms[-1]
        else:
            form, (ref, names) = None, self.random.choice(self.forms)
            said = drafts.Saving({"a": self.number}, outcome=self.random.choice((None, None, "submitted")))
        by = drafts.OWNER if form else self.random.choice((drafts.OWNER, drafts.AGENT))
        drafts.save(
            self.book, ref, said, form=form, identifiers=dict(names), by=by, actor="", source="web", touchpoint="web",
            now=self.now, limits=LIMITS,
        )  # fmt: skip

    # --- staff ---

    def person(self) -> str:
        """Somebody, as staff name people."""
        number = self.random.randrange(PEOPLE)
        return self.random.choice((f"userId:u{number}", f"email:p{number}@example.org", f"anonymousId:d{number}"))

    def staff(self) -> None:
        """A decision about persons."""
        one, other, said = self.person(), self.person(), {"actor": "staff:t", "why": "x"}
        with self.book.snapshot() as reader:
            state = reading(self.book)
            acts: tuple[Callable[[], stitching.Decision], ...] = (
                lambda: stitching.merge(reader, state, one, other, **said),
                lambda: stitching.merge(reader, state, one, other, **said),
                lambda: stitching.split(reader, state, one, [], **said),
                lambda: stitching.split(reader, state, one, [other], **said),
                lambda: stitching.keep_apart(reader, one, other, **said),
            )
            decided = self.random.choice(acts)()
        stitching.append(self.book, decided, now=self.now)

    def define(self) -> None:
        """Another definition."""
        applying.apply(self.book, parse_text(self.random.choice(CHANGES), "changes.yaml"), now=self.now)

    # --- what works ---

    def tick(self) -> None:
        """Work off what waits."""
        self.source.now = self.now
        while self.engine.step(self.source, self.random.choice((1, 3, 7, 100))):
            pass

    def half(self) -> None:
        """Work off some of what waits."""
        self.source.now = self.now
        self.engine.step(self.source, self.random.choice((1, 3, 7)))

    def hand(self) -> None:
        """Hand over what is ready."""
        asyncio.run(self.delivery.once())

    def restart(self) -> None:
        """The process ends; another one begins, sooner or later."""
        self.now += self.random.choice((0, HOUR, DAY))
        self.begin()

    def taken_over(self) -> None:
        """Another process ticks once; whoever gets the ticks back begins anew, as `main` does."""
        engine, source = engine_of(self.book), LiveSource()
        source.now = self.now
        engine.step(source, self.random.choice((1, 5, 100)))
        self.begin()

    def goes_on(self) -> None:
        """One thing happens; what is refused is refused."""
        self.now += self.random.choice((0, 1, time.SECOND, HOUR, HOUR, 5 * HOUR, 5 * HOUR, DAY))
        acts: tuple[tuple[float, Callable[[], object]], ...] = (
            (0.45, self.events), (0.54, self.tick), (0.60, self.half), (0.67, self.hand), (0.75, self.staff),
            (0.81, self.define), (0.86, self.form), (0.90, self.file),
            (0.92, lambda: ship_all(self.book, self.lake, keep_entries=5)), (0.95, self.restart),
            (0.97, lambda: expiry.ask(self.book, now=self.now)), (1.0, self.taken_over),
        )  # fmt: skip
        drawn = self.random.random()
        with suppress(EinklangError):
            next(act for until, act in acts if drawn < until)()

    def ends(self) -> None:
        """All that waits is worked off."""
        self.tick()
        self.hand()
        self.now += 1
        self.tick()


#: Each of these two fails where a guard is gone that this test made us find.
SEEDS = range(1000, 1000 + WORLDS) if WORLDS else (1001, 1009)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_the_state_is_what_the_log_gives(seed: int, tmp_path: Path) -> None:
    """After 120 things that happen the rebuild is equal, the books balance, and no event was a fault of ours."""
    random = Random(seed)
    with home(MORE) as book:
        life = Life(random, book, tmp_path)
        for _ in range(120):
            life.goes_on()
        life.ends()
        assert "poison" not in dict(book.read("dead_counts"))
        assert verify_home(Opened(book, life.lake), books_only=True)["ok"]
        assert differences(book, life.lake, batch=random.choice((1, 7, 5_000))) == []
