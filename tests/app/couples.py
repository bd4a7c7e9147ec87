"""Pairs of humans in one home, each with a random life, whom staff merges and splits again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from einklang.app import stitching
from einklang.app.find import person_id
from einklang.app.run import settle_definitions
from einklang.app.state import State
from einklang.app.tick import Engine
from einklang.event import EngineCall
from einklang.store.book import AnyBook, SqliteBook
from einklang.testing.canonical import table_rows
from tests.app.dice import Random
from tests.app.worlds import DAY, HOUR, START, engine_of


@dataclass(frozen=True)
class Couple:
    """Two humans: number, the keys by which each is named, and the calls of each."""

    number: int
    keys: tuple[str, str]
    kinds: tuple[str, str]
    calls: list[EngineCall]


def _key(human: str, kind: str) -> dict[str, Any]:
    if kind == "userId":
        return {"userId": f"u{human}"}
    if kind == "email":
        return {"identifiers": {"email": f"h{human}@example.org"}}
    return {"anonymousId": f"d{human}"}


def _invoice(random: Random, call: EngineCall, human: str, number: int) -> EngineCall:
    """Something about an invoice of this human; what the bank says of it names nobody."""
    call.type, call.event = "track", random.choice(("Invoice Issued", "Invoice Changed", "Invoice Paid"))
    call.properties = {"invoice_id": f"i{human}{random.randrange(2)}", "amount": 3 + number}
    if call.event == "Invoice Paid":
        call.userId, call.anonymousId, call.identifiers = None, None, {}
    return call


def couple(
    random: Random, number: int, *, first: int = 0, days: int = 6, count: int = 10, kinds: tuple[str, str] | None = None
) -> Couple:
    """A couple with about `count` calls within some days from `first`; the two may use one cart or one value of all."""
    calls: list[EngineCall] = []
    drawn = (random.choice(("userId", "email")), random.choice(("userId", "email", "anonymousId")))
    kinds = kinds or drawn
    said = {"channel": "email", "purpose": "marketing"}
    for n in range(count):
        side = random.randrange(2)
        human = f"{number}{'ab'[side]}"
        known = kinds[side] == "userId" and random.random() < 0.5
        named = _key(human, kinds[side])
        if known:
            phone = random.random() < 0.5
            named["identifiers"] = {"phone": f"+49{number}{side}"} if phone else {"email": f"h{human}@example.org"}
        call = EngineCall(
            at=START + first * DAY + random.randrange(days * 24) * HOUR, messageId=f"c{number}-{first}-{n}", **named
        )
        kind = random.random()
        if kind < 0.3:
            call.type, call.traits = (
                "identify",
                {"vip": random.choice((True, False, None)), f"t{random.randrange(2)}": n},
            )
        elif kind < 0.5:
            address = f"h{number}{random.choice('ab')}@example.org"
            call.type, call.event = "track", random.choice(("Consent Given", "Consent Given", "Consent Withdrawn"))
            call.properties = {**said, "address": address}
        elif kind < 0.7:
            call.type, call.event = "track", "Product Added"
            call.properties = {"cart_id": f"k{random.randrange(3)}", "price": 30, "name": "Shoe"}
        elif kind < 0.8:
            call.type, call.event = "track", "Order Completed"
            call.properties = {"cart_id": f"k{random.randrange(3)}", "order_id": f"o{number}{n}", "revenue": 25}
        elif kind < 0.86:
            call.type, call.groupId = "group", f"g{number}{random.choice('ab')}"
            staff: dict[str, Any] = {"type": "company", "staff": n}
            call.traits = random.choice((staff, {"type": "company", "role": "buyer"}, {"type": "house", "left": n > 5}))
        elif kind < 0.96:
            call = _invoice(random, call, human, number)
        else:
            call.type, call.name = "page", "Home"
        calls.append(call)
    for side in (0, 1):
        call = EngineCall("page", messageId=f"c{number}-{first}-x{side}", **_key(f"{number}{'ab'[side]}", kinds[side]))
        call.name, call.at = "Home", START + first * DAY + HOUR
        calls.append(call)
    keys = tuple(
        f"userId:u{number}{x}" if k == "userId" else f"email:h{number}{x}@example.org" if k == "email"
        else f"anonymousId:d{number}{x}"
        for x, k in zip("ab", kinds, strict=True)
    )  # fmt: skip
    return Couple(number, (keys[0], keys[1]), kinds, calls)


def reading(book: AnyBook) -> State:
    """A State for decisions and previews."""
    return engine_of(book).state


def decide(book: SqliteBook, engine: Engine, decision: stitching.Decision, now: int) -> str:
    """Put a decision into the log and fold it; its message id."""
    found = stitching.append(book, decision, now=now)
    settle_definitions(book, engine)
    return found


def ids(book: SqliteBook, keys: tuple[str, str]) -> tuple[str, str]:
    """Whom the keys of the two lead to."""
    return person_id(book, keys[0]), person_id(book, keys[1])


def everything(book: SqliteBook, before: dict[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    """All that is known of each living person. before: of what only grows, no more than what was known then."""
    until = max(row[1] for known in before.values() for row in known["history"]) if before is not None else 2**62
    found: dict[str, dict[str, Any]] = {}

    def of(person: str) -> dict[str, Any]:
        return found.setdefault(
            person, {"history": [], "runs": {}, "members": set(), "rows": [], "objects": {}, "groups": []}
        )

    for person, label, seen, state in table_rows(book, "person"):
        of(person)["profile"] = (
            label, seen, state["created_at"], state["identifiers"], state["traits"], state["permissions"],
            state["zone"], state["groups"],
        )  # fmt: skip
        of(person)["arms"] = (state["arms"], state["rival_arms"])
        of(person)["contacts"] = sorted(state["contacts"])
        of(person)["segments"] = {name: known[:2] for name, known in state["memberships"].items()}
    for person, *told in table_rows(book, "history"):
        if told[1] <= until:
            of(person)["history"].append((*told[:2], *told[3:6], told[6], told[13]))
    for person, run, *_, body in table_rows(book, "run"):
        # when a condition or the door is asked again is worked out at each look, with or without a merge
        left_out = ("before", "due", "wake") if body["waiting_for"] in ("held", "until") else ("before",)
        of(person)["runs"][run] = {name: body[name] for name in body if name not in left_out}
    for person, segment, _ in table_rows(book, "member"):
        of(person)["members"].add(segment)
    for kind, key, person, *said in table_rows(book, "object"):
        of(person)["objects"][kind, key] = said
    for kind, key, person, *said in table_rows(book, "party_member"):
        of(person)["groups"].append((kind, key, *said))
    for table, place in (("ledger", 2), ("verdict", 1), ("assignment", 1), ("message_log", 2)):
        for row in table_rows(book, table):
            of(row[place])["rows"].append((table, *row))
    for _, person, *outcome in table_rows(book, "outcome"):
        of(person)["rows"].append(("outcome", tuple(outcome)))
    for person, *ready in table_rows(book, "outbox"):
        of(person)["rows"].append(("outbox", *ready))
    known = {row[:2] for person in before.values() for row in person["rows"]} if before is not None else set()
    for person in found.values():
        person["rows"] = [row for row in person["rows"] if before is None or row[:2] in known]
    return found
