"""Believable sample answers for the mock of the REST API: a garden retailer. Deterministic; the clock stands at NOW."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

Data = dict[str, Any]
NOW = datetime(2026, 11, 20, 15, 42, 10, tzinfo=UTC)

PEOPLE: list[tuple[str, str, str, list[tuple[str, str]]]] = [
    (
        "p_4fk2x9",
        "Johanna Lindqvist",
        "DE",
        [
            ("userId", "c-20417"),
            ("email", "johanna.lindqvist@example.org"),
            ("phone", "+49 30 5557810"),
            ("anonymousId", "web-77d1c0"),
            ("anonymousId", "app-19e0aa"),
        ],
    ),
    (
        "p_8mq0c1",
        "Emre Yıldız",
        "DE",
        [("userId", "c-18802"), ("email", "emre@example.org"), ("anonymousId", "web-01ff3e")],
    ),
    ("p_1zt7v4", "Besucher web-90c4", "DE", [("anonymousId", "web-90c4e1")]),
    (
        "p_9ub3k8",
        "Katharina von Hohenfels-Zimmermann",
        "AT",
        [("userId", "c-00931"), ("email", "katharina.vonhohenfels@example.org")],
    ),
    ("p_2sd6r5", "Piotr Nowak", "PL", [("email", "piotr.nowak@example.org"), ("anonymousId", "app-5a5a01")]),
    ("p_7hj4w2", "Visitor app-33b0", "CH", [("anonymousId", "app-33b0d9")]),
    (
        "p_6yl1n3",
        "Miriam Osei",
        "DE",
        [("userId", "c-27650"), ("email", "m.osei@example.org"), ("phone", "+49 40 5550117")],
    ),
    ("p_3xa8e7", "Lukas Brandt", "DE", [("userId", "c-11903"), ("email", "lukas.brandt@example.org")]),
]
KINDS: list[tuple[str, str, str, Data]] = [
    (
        "Product Viewed",
        "web",
        "shop",
        {
            "name": "Oak garden bench",
            "category": "Garden furniture",
            "price": 249.0,
            "currency": "EUR",
            "product_id": "g-118",
        },
    ),
    (
        "Product Added",
        "app",
        "shop",
        {"name": "Terracotta pot 30 cm", "cart_id": "ct-90214", "price": 18.5, "currency": "EUR"},
    ),
    (
        "Order Completed",
        "store",
        "till",
        {
            "order_id": "s-552019",
            "revenue": 86.4,
            "currency": "EUR",
            "products": [{"product_id": "g-2"}, {"product_id": "g-9"}],
        },
    ),
    (
        "Contact Decided",
        "",
        "einklang",
        {"journey": "cart-reminder", "step": "first", "verdict": "sent", "channel": "email"},
    ),
    ("Page Viewed", "web", "shop", {"path": "/garden/lawn-care", "title": "Lawn care in autumn"}),
    ("Email Link Clicked", "email", "einklang-tracking", {"subject": "Still there: Oak garden bench"}),
    ("Segment Entered", "", "einklang", {"segment": "active-shopper"}),
    ("Call Answered", "phone", "callcenter", {"topic": "Delivery date", "seconds": 184}),
]


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC."""
    return moment.isoformat().replace("+00:00", "Z")


def ago(**span: float) -> str:
    """The moment so long before NOW."""
    return stamp(NOW - timedelta(**span))


def status(empty: bool) -> Data:
    """What the counters show."""
    full = {
        "persons": 20483,
        "events": 1284911,
        "pending": 3,
        "dead_letters": 2,
        "duplicates": 418,
        "messages_today": 312,
        "segments": 4,
        "journeys": 3,
    }
    counts = dict.fromkeys(full, 0) if empty else full
    return counts | {
        "version": "0.1.0",
        "home": "einklang-home",
        "company": "Grünzeug & Söhne",
        "now": stamp(NOW),
        "mode": "live",
        "last_event_at": None if empty else stamp(NOW),
    }


def entry(seq: int, moment: datetime) -> Data:
    """One entry of the log; its kind and person follow from seq."""
    name, touchpoint, source, properties = KINDS[seq % len(KINDS)]
    person, label, _, _ = PEOPLE[(seq * 5) % len(PEOPLE)]
    return {
        "seq": seq,
        "clock": stamp(moment),
        "at": stamp(moment),
        "type": "track",
        "name": name,
        "person_id": person,
        "person_label": label,
        "source": source,
        "touchpoint": touchpoint,
        "origin": 2 if source == "einklang" else 0,
        "properties": properties,
    }


def fresh(number: int) -> Data:
    """The number-th entry that arrives after the page was opened."""
    return entry(90_000 + number, NOW + timedelta(seconds=number))


def events(query: dict[str, str]) -> list[Data]:
    """The log, newest first, filtered."""
    before = int(query.get("before", "90000"))
    found = [
        entry(seq, NOW - timedelta(seconds=4 * (90_000 - seq)))
        for seq in range(before - 1, max(before - 200, 89_700), -1)
    ]
    touchpoint, name = query.get("touchpoint", ""), query.get("name", "").lower()
    source, person = query.get("source", ""), query.get("person", "")
    return [
        one
        for one in found
        if touchpoint in ("", one["touchpoint"])
        and name in one["name"].lower()
        and source in ("", one["source"])
        and person in ("", one["person_id"])
    ][:25]


def persons(q: str) -> list[Data]:
    """The list of persons, searched by any part of name or identifier."""
    items = []
    for place, (person_id, label, country, identifiers) in enumerate(PEOPLE):
        if q and q.lower() not in " ".join([label, *(value for _, value in identifiers)]).lower():
            continue
        known = any(kind in ("userId", "email") for kind, _ in identifiers)
        items.append(
            {
                "person_id": person_id,
                "label": label,
                "known": known,
                "identifiers": [{"kind": kind, "value": value} for kind, value in identifiers],
                "country": country,
                "last_seen_at": ago(minutes=2 + 47 * place * place),
                "segments": ["active-shopper", "garden-lovers", "win-back-due", "newsletter"][: (place * 3) % 5]
                if known
                else [],
            }
        )
    return items


def consent(channel: str, address: str, purpose: str, status: str, at: str, source: str, wording: str) -> Data:
    """The last word about one channel, address and purpose."""
    evidence = "form checkout-7, 203.0.113.7"
    return {
        "channel": channel,
        "address": address,
        "purpose": purpose,
        "status": status,
        "at": at,
        "source": source,
        "wording": wording,
        "evidence": evidence,
    }


def consents(email: str) -> list[Data]:
    """What a customer permitted and withdrew."""
    yes, measure = "Yes, send me offers and tips by e-mail. I can withdraw at any time.", "You may measure what I open."
    return [
        consent("email", email, "marketing", "given", ago(days=180), "checkout", yes),
        consent("email", email, "track_click", "given", ago(days=180), "checkout", measure),
        consent("phone", "+49 30 555", "marketing", "withdrawn", ago(days=12), "callcenter", "Please do not call me."),
    ]


def run(journey: str, version: int, status: str, step: str | None, key: str | None, days: float, end: float) -> Data:
    """One run of a journey that began so many days ago and ended so many days ago (0: it goes on)."""
    ended = ago(days=end) if end else None
    return {
        "journey": journey,
        "version": version,
        "run": f"r_{journey}",
        "status": status,
        "step": step,
        "arm": "treated",
        "key": key,
        "entered_at": ago(days=days),
        "ended_at": ended,
        "goal": bool(end),
    }


def traits(label: str, country: str) -> Data:
    """What is known of a customer."""
    values = {"firstName": label.split()[0], "country": country, "orders_365d": 7, "revenue_365d": 612.3}
    values |= {"address": {"city": "Berlin", "postalCode": "10999"}, "favourite_category": "Garden furniture"}
    return {name: {"value": value, "at": ago(days=20), "computed": False} for name, value in values.items()}


def person(who: str) -> Data | None:
    """One person by id or kind:value."""
    for person_id, label, country, identifiers in PEOPLE:
        if who == person_id or who in (f"{kind}:{value}" for kind, value in identifiers):
            return described(person_id, label, country, identifiers)
    return None


def described(person_id: str, label: str, country: str, identifiers: list[tuple[str, str]]) -> Data:
    """All that the API says of a person; of a visitor only the device."""
    known = any(kind in ("userId", "email") for kind, _ in identifiers)
    email = next((value for kind, value in identifiers if kind == "email"), "")
    segments = [{"id": "active-shopper", "since": ago(days=21)}, {"id": "garden-lovers", "since": ago(days=64)}]
    runs = [
        run("cart-reminder", 3, "active", "reply", "ct-90214", 0.2, 0),
        run("welcome", 1, "done", None, None, 210, 196),
    ]
    return {
        "person_id": person_id,
        "label": label,
        "known": known,
        "identifiers": [{"kind": k, "value": v, "first_at": ago(days=210)} for k, v in identifiers],
        "traits": traits(label, country) if known else {},
        "consents": consents(email) if known else [],
        "segments": segments if known else [],
        "stages": [{"stage": "buying", "name": "use", "since": ago(days=3)}] if known else [],
        "journeys": runs if known else [],
        "created_at": ago(days=214),
        "last_seen_at": ago(minutes=2),
        "aliases": ["p_0old11", "p_0old12"] if known else [],
    }


QUIET = {
    "de": "Gerade sind Ruhezeiten; der Kontakt wird danach neu geprüft.",
    "en": "It is within quiet hours; the contact is judged again afterwards.",
}
CONSENT = {
    "de": "Für diesen Kanal und Zweck liegt keine Einwilligung vor.",
    "en": "There is no consent for this channel and purpose.",
}
SENT = {
    "de": "Alle Regeln haben Ja gesagt; die Nachricht wurde übergeben.",
    "en": "All rules said yes; the message was handed over.",
}
CONTROL = {
    "de": "Gehört zur Kontrollgruppe: nur beobachtet, nicht kontaktiert.",
    "en": "Belongs to the control group: only watched, not contacted.",
}


def decision(
    seq: int,
    at: str,
    verdict: str,
    reason: str,
    text: dict[str, str],
    step: str,
    channel: str,
    until: str | None = None,
) -> Data:
    """One verdict of the door as the timeline shows it."""
    return {
        "seq": seq,
        "at": at,
        "clock": at,
        "kind": "decision",
        "name": "Contact Decided",
        "touchpoint": "",
        "source": "einklang",
        "properties": None,
        "objects": [],
        "verdict": verdict,
        "reason": reason,
        "reason_text": text,
        "journey": "cart-reminder",
        "step": step,
        "channel": channel,
        "message": "cart-reminder-mail",
        "until": until,
    }


def happened(seq: int, at: str, name: str, touchpoint: str, properties: Data, source: str = "shop") -> Data:
    """One event as the timeline shows it."""
    nothing = dict.fromkeys(("verdict", "reason", "reason_text", "journey", "step", "channel", "message", "until"))
    kind = "system" if source == "einklang" else "event"
    return {
        "seq": seq,
        "at": at,
        "clock": at,
        "kind": kind,
        "name": name,
        "touchpoint": touchpoint,
        "source": source,
        "properties": properties,
        "objects": [{"kind": "order", "id": properties["order_id"]}] if "order_id" in properties else [],
    } | nothing


def timeline(kind: str, cursor: str) -> Data:
    """Two pages of history."""
    first = [
        happened(9012, ago(minutes=2), "Page Viewed", "web", {"path": "/garden/benches", "title": "Garden benches"}),
        happened(
            9001,
            ago(minutes=41),
            "Email Link Clicked",
            "email",
            {"subject": "Still there: Oak garden bench", "url": "https://shop.example/cart"},
        ),
        decision(8990, ago(hours=2), "sent", "handed_over", SENT, "first", "email"),
        decision(8961, ago(hours=5), "held", "quiet_hours", QUIET, "first", "email", ago(hours=2)),
        happened(
            8960, ago(hours=5), "Journey Entered", "", {"journey": "cart-reminder", "key": "ct-90214"}, "einklang"
        ),
        happened(
            8942,
            ago(hours=8),
            "Product Added",
            "app",
            {
                "name": "Oak garden bench",
                "category": "Garden furniture",
                "price": 249.0,
                "currency": "EUR",
                "cart_id": "ct-90214",
            },
        ),
        decision(8500, ago(days=2, hours=1), "denied", "no_consent", CONSENT, "call", "phone"),
        happened(
            8430,
            ago(days=2, hours=3),
            "Order Completed",
            "store",
            {
                "order_id": "s-552019",
                "revenue": 86.4,
                "currency": "EUR",
                "products": [{"product_id": "g-2"}, {"product_id": "g-9"}],
            },
            "till",
        ),
        happened(
            8020, ago(days=12), "Consent Withdrawn", "phone", {"channel": "phone", "purpose": "marketing"}, "callcenter"
        ),
    ]
    older = [happened(300 - n, ago(days=30 + n), "Page Viewed", "web", {"path": f"/tips/{n}"}) for n in range(12)]
    items = [one for one in (older if cursor else first) if kind == "all" or one["kind"] == kind]
    return {"items": items, "next": None if cursor else "300"}


def node(text: str, value: Any, held: bool | None, *children: Data) -> Data:
    """One node of an explained rule."""
    return {"text": text, "value": value, "held": held, "children": list(children)}


def why(person_id: str, journey_id: str) -> Data:
    """The verdicts and the entry rule of a journey."""
    rule = node(
        'events("Order Completed").within("365d").exists() && !segment("active-shopper") '
        "&& coalesce(trait.revenue_365d, 0) >= 200",
        False,
        False,
        node(
            'events("Order Completed").within("365d").exists()',
            True,
            True,
            node('events("Order Completed").within("365d").count()', 7, None),
        ),
        node('!segment("active-shopper")', False, False, node('segment("active-shopper")', True, True)),
        node(
            "coalesce(trait.revenue_365d, 0) >= 200",
            True,
            True,
            node("trait.revenue_365d", 612.3, None),
            node("trait.vip", None, None),
        ),
    )
    if journey_id == "win-back":
        return {
            "person_id": person_id,
            "verdicts": [],
            "entry": {"journey": journey_id, "entered": False, "rule": rule},
        }
    rows = list(timeline("decision", "")["items"])
    rows.append(decision(7000, ago(days=40), "control", "control", CONTROL, "first", "email"))
    return {
        "person_id": person_id,
        "verdicts": rows,
        "entry": {
            "journey": journey_id,
            "entered": True,
            "rule": node("price >= 20", True, True, node("price", 249, None)),
        },
    }
