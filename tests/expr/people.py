"""Random persons: as the naive interpreter reads them, as a View, and as the frames of a crowd."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
import polars as pl
from numpy.random import Generator, Philox

from einklang.expr import Crowd
from einklang.expr.crowd_frames import GROUP_TRAITS, MEMBERS
from einklang.kernel.time import HOUR, Micros, format_moment
from tests.expr.fakes import FakeEntry, FakeEvent, FakeView, at

T = TypeVar("T")

#: All cases are asked here; events lie on a grid of 6 hours around it, and so do the windows.
NOW = at("2026-03-29T12:00:00")
STEP = 6 * HOUR
ZONES = ("Europe/Berlin", "UTC", "America/New_York", "Asia/Kathmandu")


class Chance:
    """Seeded choices."""

    def __init__(self, seed: int) -> None:
        self.random = Generator(Philox(seed))

    def below(self, n: int) -> int:
        return int(self.random.integers(n))

    def pick(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def share(self, p: float) -> bool:
        return bool(self.random.random() < p)


#: Rates into euros by day; Swiss francs have none.
RATES: dict[Any, dict[str, Any]] = {
    f"USD/2026-03-{day}": {"rate": rate}
    for day, rate in (("25", Decimal("0.9")), ("26", 1), ("27", Decimal("0.123456789")), ("28", "dear"), ("29", 3))
}


#: A catalog: rows by key, some of them without a field.
SHELF: dict[str, dict[str, Any]] = {
    "a": {"label": "Shoe", "weight": Decimal("0.5"), "until": "2026-03-30"},
    "b": {"label": None, "weight": "heavy", "until": "2026-02-31"},
    "5": {"label": "Coat", "weight": 3},
    "Bonn": {"weight": 12, "until": 7},
}


def _scalar(chance: Chance) -> Any:
    """Undeclared data: anything."""
    return chance.pick(
        [
            None,
            0,
            1,
            2,
            5,
            -3,
            Decimal("0.5"),
            Decimal("2.5"),
            Decimal("0.1234567895"),
            "a",
            "b",
            "5",
            "Ab",
            "",
            True,
            False,
            10**18,
        ]
    )


def _properties(chance: Chance) -> dict[str, Any]:
    found: dict[str, Any] = {
        "n": _scalar(chance),
        "amount": chance.pick([None, 1, 2, 10, Decimal("0.01"), Decimal("19.99"), 3 * 10**17, "7"]),
        "code": chance.pick([None, "x", "y", "Xy", 4]),
        "due": chance.pick(
            [None, "2026-03-28", "2026-03-29", "2026-04-02", "--03-30", "nonsense", "2026-03-30T10:00:00Z"]
        ),
        "when": chance.pick([None, format_moment(NOW - STEP), format_moment(NOW + 2 * STEP), "soon", 5]),
        "message_id": chance.pick([None, "m1", "m2"]),
        "channel": chance.pick(["email", "sms", None]),
        "currency": chance.pick([None, "EUR", "EUR", "USD", "USD", "CHF", "", 7]),
        "paid": chance.pick([None, 3, Decimal("12.5"), 10**28, "7"]),
        "revenue": chance.pick([None, 10, Decimal("0.99"), "free", True, 25]),
    }
    if chance.share(0.6):
        item = {"q": 1, "c": "a"}
        found["items"] = [
            chance.pick([item, None, 3])
            if chance.share(0.1)
            else {"q": _scalar(chance), "c": chance.pick(["a", "b", None]), "price": chance.pick([None, 4, "x", 30])}
            for _ in range(chance.below(4))
        ]
    return {name: value for name, value in found.items() if not chance.share(0.1)}


def person(chance: Chance, number: int) -> dict[str, Any]:
    """A person as the naive interpreter reads it."""
    traits = {
        "birthday": chance.pick([None, "1990-03-29", "2000-02-29", "--03-30", "1985-12-31", 7]),
        "ends": chance.pick([None, "2026-03-29", "2026-03-30", "2026-04-05", "2025-01-31"]),
        "seen": chance.pick([None, format_moment(NOW), format_moment(NOW - 4 * STEP), format_moment(NOW + STEP), "x"]),
        "points": chance.pick([None, 0, 3, Decimal("7.25"), 4 * 10**17, "12"]),
        "city": chance.pick([None, "Bonn", "bonn", "", 3]),
        "vip": chance.pick([None, True, False, "true"]),
        "tags": chance.pick([None, [], ["a", "b"], ["a", 1, None], "a"]),
        "x": _scalar(chance),
        "l": chance.pick([None, [], [1, 2, Decimal("0.5")], ["a", None, 3, True], [[1], {"a": 1}], {"a": 1}]),
        "address": chance.pick([None, {"city": "Bonn", "zip": 53111}, {"city": None}, "Bonn"]),
    }
    events = []
    for seq in range(4 + chance.below(14)):
        name = chance.pick(["A", "A", "B", "C", "Email Opened", "Message Opened"])
        time = NOW + (chance.below(22) - 18) * STEP + (chance.below(3) - 1 if chance.share(0.1) else 0)
        machine, touchpoint = chance.share(0.1), chance.pick(["web", "store", ""])
        source = "einklang" if chance.share(0.1) else "shop"
        events.append(
            {
                "name": name,
                "at": time,
                "seq": 100 * number + seq,
                "properties": _properties(chance),
                "touchpoint": touchpoint,
                "source": source,
                "machine": machine,
                "person": f"p_{number}",
            }
        )
    return {
        "id": f"p_{number}",
        "zone": chance.pick(ZONES),
        "country": chance.pick([None, "DE", "AT"]),
        "traits": {name: value for name, value in traits.items() if not chance.share(0.1)},
        "events": events,
        "rates": RATES,
        "catalogs": {"shelf": SHELF},
        "groups": {},
        "segments": {"vip"} if chance.share(0.4) else set(),
        "consents": {("email", "news")} if chance.share(0.4) else set(),
        "changed": {"x": NOW - chance.below(9) * STEP} if chance.share(0.6) else {},
        "agreed": {("email", "news"): NOW - chance.below(9) * STEP} if chance.share(0.6) else {},
        "joined": {"vip": NOW - chance.below(9) * STEP} if chance.share(0.6) else {},
        "journeys": {"welcome"} if chance.share(0.4) else set(),
        "channels": {"sms"} if chance.share(0.4) else set(),
        "vars": {"w": _scalar(chance)},
        "goal": chance.share(0.4),
        "journey": {"id": chance.pick(["a", "welcome", None])},
        "entry": {
            "at": NOW - chance.below(20) * STEP,
            "key": chance.pick(["x", 1, None]),
            "touchpoint": chance.pick(["web", ""]),
            "properties": _properties(chance),
        },
        "steps": {
            "s": {"at": NOW - chance.below(9) * STEP, "clicked": chance.pick([True, False, None]), "message": "m1"}
        }
        if chance.share(0.7)
        else {},
        "stages": {"path": (chance.pick(["new", "old", "5"]), NOW - chance.below(9) * STEP)}
        if chance.share(0.7)
        else {},
    }


def grouped(chance: Chance, people: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Puts persons into groups; some have none. The largest have too many members to be asked together."""
    made: dict[tuple[str, str], dict[str, Any]] = {
        (kind, name): {
            "id": name,
            "traits": {
                "staff": chance.pick([None, 3, 60, "many"]),
                "since": chance.pick([None, "2026-03-29", "2020-01-01", 5]),
                "x": chance.pick([None, 1, "a", True, {"city": "Ulm"}]),
            },
            "members": [],
        }
        for kind in ("firm", "house")
        for name in ("g1", "g2", "g3")
    }
    for who in people:
        for kind in ("firm", "house"):
            name = chance.pick(["g1", "g2", "g3", None])
            if name is not None:
                made[kind, name]["members"].append(who)
                who["groups"][kind] = made[kind, name]
    for group in made.values():
        group["size"] = len(group["members"])
        group["events"] = [event for who in group["members"] for event in who["events"]]
    most = max(group["size"] for group in made.values())
    for group in made.values():
        group["too_many"] = group["size"] == most
    for who in people:
        for kind, group in who["groups"].items():
            there = {"role": chance.pick([None, "a", "buyer"]), "contact_person": chance.pick([True, False])}
            who["groups"][kind] = group | there
    return people


def view_of(who: dict[str, Any], now: Micros = NOW) -> FakeView:
    """The same person as compiled expressions see it."""
    return FakeView(
        now,
        zone=who["zone"],
        person={"id": who["id"], "country": who["country"]},
        traits=who["traits"],
        events=[FakeEvent(**event) for event in who["events"]],
        segments={name: who["joined"].get(name) for name in who["segments"]},
        trait_times=who["changed"],
        stages=who["stages"],
        consent_times=who["agreed"],
        journeys=who["journeys"],
        channels=who["channels"],
        vars=who["vars"],
        goal=who["goal"],
        journey=who["journey"],
        consents=who["consents"],
        entry=FakeEntry(**who["entry"]),
        steps=who["steps"],
        catalogs={"exchange-rates": who["rates"], **who["catalogs"]},
        groups={
            kind: {**group, "events": [FakeEvent(**event) for event in group["events"]]}
            for kind, group in who["groups"].items()
        },
    )


def crowd_of(people: list[dict[str, Any]]) -> Crowd:
    """The same persons as frames."""
    encode = msgspec.json.Encoder(decimal_format="number").encode
    events = [
        {
            **{key: event[key] for key in ("name", "at", "seq", "touchpoint", "source", "machine")},
            "person_id": who["id"],
            "properties": encode(event["properties"]).decode(),
        }
        for who in people
        for event in who["events"]
    ]
    traits = [
        {"person_id": who["id"], "name": name, "value": encode(value).decode(), "at": NOW - 100 * STEP}
        for who in people
        for name, value in who["traits"].items()
    ]
    consents = [{"person_id": who["id"], "channel": c, "purpose": p} for who in people for c, p in who["consents"]]
    segments = [{"person_id": who["id"], "segment": name} for who in people for name in who["segments"]]
    text = pl.String
    return Crowd(
        pl.DataFrame([{"person_id": who["id"], "zone": who["zone"], "country": who["country"]} for who in people]),
        pl.DataFrame(events),
        pl.DataFrame(traits),
        pl.DataFrame(consents, schema={"person_id": text, "channel": text, "purpose": text}),
        pl.DataFrame(segments, schema={"person_id": text, "segment": text}),
        rate=lambda key: RATES.get(key, {}).get("rate"),
        lookup=lambda catalog, key: SHELF.get(str(key)) if catalog == "shelf" else None,
    )


def with_groups(crowd: Crowd, people: list[dict[str, Any]]) -> Crowd:
    """The frames with the groups of these persons."""
    encode = msgspec.json.Encoder(decimal_format="number").encode
    members, said = [], {}
    for who in people:
        for kind, group in who["groups"].items():
            members.append((who["id"], kind, group["id"], group["role"], group["contact_person"]))
            for name, value in group["traits"].items():
                said[kind, group["id"], name] = (encode(value).decode(), NOW - 100 * STEP)
    traits = [(*key, *claim) for key, claim in said.items()] + [
        (*key, '"later"', NOW + 1) for key in said
    ]  # what is said after the moment does not count
    return replace(
        crowd,
        members=pl.DataFrame(members, schema=MEMBERS, orient="row"),
        group_traits=pl.DataFrame(traits, schema=GROUP_TRAITS, orient="row"),
        members_max=max(group["size"] for who in people for group in who["groups"].values()) - 1,
    )
