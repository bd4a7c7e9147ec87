"""Answers about segments: a condition in all its forms, an estimate of it, what can be chosen, overlap, trend, why.

Forms are made by the language itself, as nobody could write them down; figures are made up.
"""

from __future__ import annotations

from typing import Any

from einklang.expr import of_json, parse, to_json, to_words, write
from einklang.expr.tree import Tree

PERSONS = 20_000
#: What was exported.
EXPORTS = [
    {
        "seq": 9, "at": "2026-11-23T09:00:00Z", "segment": "newsletter", "destination": "", "actor": "staff:admin",
        "purpose": "marketing", "format": "csv", "columns": {"person_id": "pseudonym"}, "persons": 812,
        "left_out": {"no_consent": 3}, "hash": "ab" * 32, "file": "newsletter-20261123T090000-abababababab.csv",
        "there": True,
    }
]  # fmt: skip
Data = dict[str, Any]


def _tree(said: Data) -> Tree:
    return parse(said.get("text") or write(of_json(said.get("tree") or {"kind": "bool", "value": True})))


def _words(tree: Tree) -> Data:
    return {"de": to_words(tree, "de"), "en": to_words(tree, "en")}


def expression(said: Data) -> Data:
    """A condition in all forms; one that ends in the middle is at fault."""
    if str(said.get("text", "")).rstrip().endswith("=="):
        fault = {"code": "syntax", "what": "the text ends in the middle", "line": 1, "column": 11, "expected": []}
        return {"text": None, "tree": None, "words": {}, "fault": fault | {"nearest": "", "mend": "write a value"}}
    tree = _tree(said)
    cost = {"looks": 1_000, "loops": 1, "alone": []}
    forms = {"text": write(tree), "tree": to_json(tree), "words": _words(tree), "fault": None}
    return forms | {"type": "bool", "reads": [], "cost": cost, "hints": []}


def _count(n: int) -> Data:
    return {"estimate": n, "low": n - n // 9, "high": n + n // 8}


def _step(tree: Tree, n: int) -> Data:
    kinds = {"and": "all", "or": "any"}
    inner = tree.args if tree.kind in kinds else ()
    told = {"kind": kinds.get(tree.kind, "condition"), "text": write(tree), "words": _words(tree)}
    missing = _count(40) if tree.kind == "not" else None
    steps = [_step(part, n * 2 // (place + 3)) for place, part in enumerate(inner)]
    return told | {"alone": _count(n), "remaining": _count(n), "missing": missing, "steps": steps}


def listed(name: str, said: Data) -> Data:
    """What an upload came to: one line is refused."""
    refused = [{"row": 3, "code": "unknown_person", "message": "nobody has email:x", "mend": "import the person"}]
    rows = len(str(said.get("rows", "a\nb\nc")).split("\n")) - 1
    told = {"segment": name, "new": True, "rows": rows, "listed": rows - 1, "unlisted": 0, "created": 0}
    return told | {"rejected": 1, "reasons": {"unknown_person": 1}, "refused": refused}


def exported(name: str, said: Data) -> Data:
    """What an export came to."""
    told = {key: EXPORTS[0][key] for key in ("persons", "left_out", "hash")}
    columns = dict.fromkeys(said["columns"], "pseudonym")
    told |= {"segment": name, "purpose": said["purpose"], "format": said["format"], "columns": columns}
    return told | {"file": f"{name}.{said['format']}", "until": "2026-11-30T09:00:00Z"}


def estimate(said: Data) -> Data:
    """Figures that go down step by step."""
    found = _step(_tree(said), 9_000)
    whole = found if found["kind"] != "condition" else found | {"kind": "all", "steps": [found]}
    reach = {"channel": "email", "consented": _count(812), "reachable": _count(790), "under_caps": _count(641)}
    told = {"fault": None, "persons": PERSONS, "looked_at": 2_000, "exact": False, "at": "2026-11-23T10:00:00Z"}
    return told | {"count": whole["remaining"], "funnel": whole, "reach": [reach], "drawn": None, "fixed": False}


FIELDS = [
    {"path": "total", "type": "money", "seen": 90},
    {"path": "products[].category", "type": "string", "seen": 90},
]
CHOICES: Data = {
    "person": [{"path": "country", "type": "string", "seen": 0}],
    "traits": [{"path": "address.country", "type": "string", "seen": 70}, {"path": "vip", "type": "bool", "seen": 3}],
    "events": [
        {"name": "Order Completed", "title": None, "origin": "segment", "volume": 9_100, "properties": FIELDS},
        {"name": "Product Viewed", "title": None, "origin": "segment", "volume": 0, "properties": []},
    ],
    "channels": ["email", "sms"],
    "purposes": [{"id": "marketing", "title": {"de": "Werbung", "en": "Advertising"}}],
    "segments": [{"id": "garden-lovers", "title": "Garden lovers"}],
    "journeys": [],
    "scores": [{"id": "lead-fit", "title": "Lead fit"}],
    "stages": [{"id": "buying", "title": "Buying", "names": ["visitor", "customer"], "titles": {}}],
    "categories": ["Garden furniture"],
    "brands": [],
}
#: What stands behind a segment: /api/segments/ID/NAME.
MORE: dict[str, Data] = {
    "health": {
        "looks": 900, "alone": [], "timed": True, "version": 3, "events": ["Order Completed"], "speaks_of": [],
        "used_in": [{"kind": "journey", "id": "win-back", "field": "entry.where"}],
    },
    "trend": {
        "days": [
            {"day": f"2026-11-{day:02}", "entered": day % 4, "left": day % 3, "members": 4_000 + day * 5}
            for day in range(1, 24)
        ]
    },
    "why": {
        "person_id": "p_4fk2x9", "label": "Ada Lovelace", "segment": "active-shopper", "member": True,
        "since": "2026-11-01T09:00:00Z", "held": True, "at": "2026-11-23T10:00:00Z",
        "rule": {"text": "count() >= 2", "value": True, "held": True, "children": []}, "apart": "",
    },
}  # fmt: skip


#: Where a person is: /api/persons/ID/stages, and why: /api/stages/ID/why.
STAGES: list[Data] = [
    {
        "stage": "buying", "title": {"de": "Weg der Kundschaft", "en": "Customer journey"}, "name": "use",
        "since": "2026-11-20T09:00:00Z", "notes": ["information", "decision"],
    }
]  # fmt: skip
STAGE_COUNTS: list[Data] = [
    {
        "id": "buying", "title": {"de": "Weg der Kundschaft", "en": "Customer journey"}, "note": None,
        "stages": [
            {"name": "purchase", "persons": 310, "title": {"de": "Kauf", "en": "Purchase"}},
            {"name": "use", "persons": 1_204, "title": "use"},
        ],
        "none": 17,
    }
]  # fmt: skip
STAGE_CHANGES: Data = {
    "since": "2026-10-24T10:00:00Z", "changes": [{"was": "purchase", "to": "use", "changes": 96}],
}  # fmt: skip
_RULE: Data = {"text": "count() >= 2", "value": True, "held": True, "children": []}
WHY_STAGE: Data = {
    "person_id": "p_4fk2x9", "label": "Ada Lovelace", "stage": "buying", "name": "use",
    "since": "2026-11-20T09:00:00Z", "stays": None, "at": "2026-11-23T10:00:00Z",
    "rungs": [
        {"name": "purchase", "here": False, "when": _RULE, "exit": None},
        {"name": "use", "here": True, "when": _RULE, "exit": _RULE | {"value": False, "held": False}},
    ],
}  # fmt: skip


def overlap(names: list[str]) -> Data:
    """Each alone, and all together."""
    meetings = [{"segments": [name], "persons": 900 - 100 * place} for place, name in enumerate(names)]
    sizes = {name: 1_300 - 100 * place for place, name in enumerate(names)}
    return {"sizes": sizes, "meetings": [{"segments": names, "persons": 400}, *meetings], "together": 2_000}
