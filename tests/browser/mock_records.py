"""Sample answers for the pages about data: sources, refusals, catalog, dead letters, identifiers, objects, products."""

from __future__ import annotations

from typing import Any

from tests.browser.mock_data import ago

Data = dict[str, Any]


def key(name: str, hint: str, days: int, ends: int | None) -> Data:
    """A key made so many days ago that ends in so many hours."""
    return {
        "id": name,
        "hint": hint,
        "created_at": ago(days=days),
        "ends_at": None if ends is None else ago(hours=-ends),
    }


SOURCES: list[Data] = [
    {
        "id": "web-shop",
        "kind": "write",
        "name": "Web shop",
        "events_per_s": None,
        "keys": [key("key_1", "x7Qa", 40, 20), key("key_2", "9fTe", 1, None), key("key_0", "aaaa", 300, -200)],
    },
    {"id": "erp", "kind": "server", "name": "ERP", "events_per_s": 50, "keys": [key("key_3", "mK2-", 12, None)]},
]
ARRIVALS: list[Data] = [
    {
        "source": "web-shop",
        "events": 18233,
        "last_at": ago(seconds=40),
        "hours": [(hour * 37) % 900 + 60 for hour in range(24)],
        "names": {"Page Viewed": 11040, "Product Viewed": 5120, "Product Added": 1288},
    },
    {"source": "import", "events": 412, "last_at": ago(hours=9), "hours": [0] * 14 + [412] + [0] * 9, "names": {}},
]
DESTINATION = {
    "title": {"de": "Kundenkartei", "en": "Customer file"}, "type": "webhook", "segments": ["active-shopper"],
    "purpose": "service", "to": "crm.example", "waiting": 3, "dead": 2, "behind": 12, "sent": 1874, "attempts": 4,
    "done_at": ago(hours=2), "tried_at": ago(seconds=30), "again_at": ago(hours=-1), "held_since": None, "left_out": {},
    "asked": False,
}  # fmt: skip
DESTINATIONS: list[Data] = [
    DESTINATION | {"id": "crm", "state": "failing", "error": "HTTP 503"},
    DESTINATION
    | {"id": "ads", "title": None, "type": "audience", "to": "google", "state": "paused", "dead": 0, "error": ""}
    | {"held_since": ago(hours=5), "again_at": None, "left_out": {"no_consent": 320, "no_address": 4}},
]
DELIVERIES: list[Data] = [
    {"seq": 4711 + n, "person_id": person, "status": "dead", "attempts": 9, "taken_at": ago(hours=80), "next_at": None}
    | {"reason": "HTTP 400"}
    for n, person in enumerate(("p_4fk2x9", "p_8mq0c1"))
]
REFUSALS: list[Data] = [
    {
        "n": 8,
        "at": ago(minutes=3),
        "source": "web-shop",
        "status": 200,
        "code": "no_name",
        "message": "a track call without a name",
        "mend": 'send "event"',
        "where": "batch[1].event",
        "name": "track",
        "message_id": "m-77",
        "identifiers": ["c-20417"],
        "body": '{"type":"track","userId":"c-20417","note":"<script>alert(1)</script>\\u202e"}',
        "process": 1,
        "times": 1,
    },
    {
        "n": 7,
        "at": ago(minutes=9),
        "source": None,
        "status": 401,
        "code": "unknown_write_key",
        "message": "no source has this write key",
        "mend": "send the write key as the user name of Basic authentication",
        "where": "Authorization",
        "name": None,
        "message_id": None,
        "identifiers": [],
        "body": "",
        "process": 1,
        "times": 14,
    },
]


def seen(name: str, origin: str, volume: int, **more: Any) -> Data:
    """An event of the catalog."""
    return {
        "name": name,
        "origin": origin,
        "title": None,
        "volume": volume,
        "first_at": ago(days=200),
        "last_at": ago(minutes=1) if volume else None,
        "looked_at": min(volume, 500),
        "marked": 0,
        "dead_letters": 0,
        "schema": None,
        "on_violation": None,
        "version": None,
        "versions": [],
        "properties": [],
    } | more


def looks(name: str, declared: str | None, types: dict[str, int], *samples: str) -> Data:
    """A property as it was seen."""
    return {"name": name, "declared": declared, "types": types, "samples": list(samples)}


CATALOG: list[Data] = [
    seen(
        "Order Completed",
        "declared",
        90211,
        title={"de": "Bestellung", "en": "Order"},
        marked=3,
        dead_letters=2,
        schema={"required": ["order_id"], "properties": {"revenue": {"type": "number"}}},
        on_violation="dead_letter",
        version=2,
        versions=[1, 2],
        properties=[
            looks("order_id", "string", {"string": 500}, "a-999999"),
            looks("revenue", "money", {"number": 488, "string": 12}, "99.99", "999"),
            looks("products[].product_id", None, {"string": 1210}, "a-99"),
        ],
    ),
    seen(
        "Garden Visited",
        "discovered",
        512,
        properties=[looks("beds", None, {"number": 500}, "9"), looks("sunny", None, {"bool": 410}, "true")],
    ),
    seen("Product Viewed", "segment", 310553),
    seen("Contact Decided", "einklang", 0),
]
LETTERS: list[Data] = [
    {
        "position": 90133,
        "at": ago(minutes=6),
        "received_at": ago(minutes=6),
        "source": "web-shop",
        "code": "schema_violation",
        "detail": "Order Completed version 2: revenue: 'a lot' is not of type 'number'",
        "version": "0.1.0",
        "items": 1,
        "name": "Order Completed",
        "replayable": True,
        "body": '{"event": "Order Completed", "properties": {"revenue": "<b>a lot</b>\u202e"}}',
        "encoding": "utf-8",
        "cut": False,
    },
    {
        "position": 88100,
        "at": ago(days=2),
        "received_at": ago(days=2),
        "source": "till",
        "code": "id_conflict",
        "detail": "message id m-9 came before with another body",
        "version": "0.1.0",
        "items": 1,
        "name": "Order Completed",
        "replayable": False,
        "body": "AAEC/w==",
        "encoding": "base64",
        "cut": True,
    },
]


def end(kind: str, value: str) -> Data:
    """An identifier."""
    return {"kind": kind, "value": value}


ACCOUNT, MAIL = end("userId", "c-20417"), end("email", "johanna.lindqvist@example.org")
PHONE, WEB, APP = end("phone", "+49 30 5557810"), end("anonymousId", "web-77d1c0"), end("anonymousId", "app-19e0aa")


def edge(a: Data, b: Data, evidence: str, source: str, proved: bool, **more: Any) -> Data:
    """A piece of evidence."""
    return {
        "a": a,
        "b": b,
        "evidence": evidence,
        "source": source,
        "authenticated": proved,
        "strength": 100 if proved else -100,
        "at": ago(days=120),
        "message_id": "m-1",
        "joined": True,
        "other": None,
    } | more


DOUBT = edge(MAIL, end("userId", "c-31000"), "identify", "web-shop", False, joined=False, other="p_2sd6r5")


def graph(person: Data) -> Data:
    """Who said that a person is one."""
    if not person["known"]:
        nodes, edges, devices = person["identifiers"], [], []
    else:
        nodes = person["identifiers"]
        edges = [
            edge(ACCOUNT, MAIL, "sign_in", "server:erp", True),
            edge(ACCOUNT, PHONE, "card", "server:till", True),
            edge(MAIL, PHONE, "identify", "web-shop", False),
            DOUBT,
        ]
        devices = [
            {"value": "web-77d1c0", "sign_ins": [{"at": ago(days=90), "by": ACCOUNT, "void": False}]},
            {"value": "app-19e0aa", "sign_ins": []},
        ]
    return {
        "person_id": person["person_id"],
        "label": person["label"],
        "nodes": [
            {**one, "priority": 90 - place, "unique": one["kind"] == "userId", "limit": 10, "usable": True}
            for place, one in enumerate(nodes)
        ],
        "edges": edges,
        "apart": [{"a": MAIL, "b": end("email", "j.l@example.org"), "at": ago(days=3)}] if edges else [],
        "devices": devices,
        "aliases": person["aliases"],
        "changes": [
            {
                "kind": "merge",
                "at": ago(days=60),
                "persons": ["p_0old11"],
                "message_id": "staff-1",
                "actor": "staff:ada",
                "why": "Both are <Johanna>: she showed her card.",
            }
        ]
        if edges
        else [],
        "reviews": 1 if edges else 0,
    }


REVIEWS: list[Data] = [
    {
        "id": 12,
        "person_a": {"person_id": "p_4fk2x9", "label": "Johanna Lindqvist"},
        "person_b": {"person_id": "p_2sd6r5", "label": "Piotr Nowak"},
        "reason": "two_user_ids",
        "reason_text": {"de": "Beide haben eine eigene Kundenkennung.", "en": "Each has a customer id of its own."},
        "at": ago(hours=4),
        "calls": 3,
        "a": MAIL,
        "b": end("userId", "c-31000"),
        "evidence": DOUBT,
    }
]


def side(person: str, label: str, identifiers: list[Data], events: int) -> Data:
    """One person of a preview."""
    consent = {"channel": "email", "purpose": "marketing", "address": "x@example.org", "status": "given"}
    run = {"run": "r_1", "journey": "cart-reminder", "step": "reply", "key": "ct-1"}
    return {
        "person_id": person,
        "label": label,
        "identifiers": identifiers,
        "traits": 4,
        "events": events,
        "runs": [run] if events > 100 else [],
        "consents": [consent],
    }


def preview(kind: str, seen_only: bool) -> Data:
    """What a merge or a split of the two samples changes."""
    johanna = side("p_4fk2x9", "Johanna Lindqvist", [ACCOUNT, MAIL], 210)
    piotr = side("p_2sd6r5", "Piotr Nowak", [end("userId", "c-31000")], 12)
    both = side("p_4fk2x9", "Johanna Lindqvist", [ACCOUNT, MAIL, end("userId", "c-31000")], 222)
    before, after = ([johanna, piotr], [both]) if kind == "merge" else ([both], [johanna, piotr])
    return {"kind": kind, "before": before, "after": after, "message_id": "" if seen_only else "staff-9"}


OBJECTS: list[Data] = [
    {"kind": "contract", "title": None, "count": 2, "states": {"active": 1, "ended": 1}},
    {"kind": "order", "title": None, "count": 1, "states": {"delivered": 1}},
]


def item(kind: str, name: str, state: str, money: float, valid: bool | None) -> Data:
    """A business object."""
    return {
        "id": name,
        "kind": kind,
        "state": state,
        "state_since": ago(days=9),
        "began_at": ago(days=300),
        "changed_at": ago(days=9),
        "valid_from": None if valid is None else "2026-01-01",
        "valid_until": None if valid is None else "2027-01-01",
        "valid": valid,
        "money": money,
        "currency": "EUR",
        "fields": {"tariff": "Garden care plus", "monthly": money},
        "events": [{"seq": 7, "at": ago(days=300), "name": "Contract Started"}],
    }


ITEMS: dict[str, list[Data]] = {
    "contract": [
        item("contract", "v-2026-4411", "active", 39.9, True),
        item("contract", "v-19", "ended", 19.9, False),
    ],
    "order": [item("order", "s-552019", "delivered", 1286.4, None)],
}
PRODUCTS: list[Data] = [
    {
        "product_id": "g-118",
        "name": "Oak garden bench",
        "category": "Garden furniture",
        "brand": "Hain",
        "price": 249.0,
        "properties": {
            "product_id": "g-118",
            "name": "Oak garden bench",
            "currency": "EUR",
            "margin": 84.0,
            "material": {"wood": "oak", "care": ["oil", "cover"]},
        },
    },
    {
        "product_id": "g-2",
        "name": None,
        "category": None,
        "brand": None,
        "price": None,
        "properties": {"product_id": "g-2", "texts": {"de": {"name": "Schraube"}, "en": {"name": "Screw"}}},
    },
]


def product(row: Data) -> Data:
    """The whole record of a product."""
    first = row["product_id"] == "g-118"
    dated = [
        {"price": 249.0, "currency": "EUR", "from": "2026-03-01"},
        {"price": 199.0, "currency": "EUR", "from": "2026-11-27", "until": "2026-12-01"},
    ]
    return row | {
        "texts": row["properties"].get("texts", {}),
        "categories": [],
        "currency": "EUR" if first else None,
        "prices": dated if first else [],
        "stock": 12 if first else None,
        "branches": {"Berlin": 12, "Wien": 0} if first else {},
        "accessories": [{"product_id": "g-2", "name": "Screw"}] if first else [],
        "successors": [],
        "substitutes": [],
    }


GROUP: Data = {"type": "company", "id": "k-7", "traits": {"name": "Gartenbau Lindqvist GmbH", "employees": 12}}
MEMBERS: list[Data] = [
    {"person_id": "p_4fk2x9", "label": "Johanna Lindqvist", "role": "purchasing", "contact_person": True}
    | {"since": ago(days=200)},
    {"person_id": "p_8mq0c1", "label": "Emre Yıldız", "role": None, "contact_person": False, "since": None},
]
BELONGS: Data = GROUP | {"role": "purchasing", "contact_person": True, "since": ago(days=200), "size": 2}
