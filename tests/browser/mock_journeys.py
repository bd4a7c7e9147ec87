"""Sample segments, journeys and reports for the mock of the REST API."""

from __future__ import annotations

from einklang.expr import parse, to_words
from tests.browser.mock_data import Data, ago

SEGMENTS: list[Data] = [
    {
        "id": "active-shopper",
        "title": "Active shoppers",
        "where": 'events("Order Completed").within("30d").count() >= 2',
        "members": 4127,
        "updated_at": ago(days=18),
        "on_site": True,
        "building": {"step": "look", "looked": 300, "of": 20_000},
    },
    {
        "id": "garden-lovers",
        "title": "Garden lovers",
        "where": 'events("Product Viewed").within("60d").where(category.startsWith("Garden")).count() >= 3 '
        '&& consent("email", "marketing")',
        "members": 2894,
        "updated_at": ago(days=40),
        "on_site": False,
        "building": None,
    },
    {
        "id": "win-back-due",
        "title": "Due for win-back",
        "where": 'events("Order Completed").within("365d").exists() '
        '&& !events("Order Completed").within("90d").exists()',
        "members": 1630,
        "updated_at": ago(days=3),
        "on_site": False,
        "building": None,
    },
    {
        "id": "newsletter",
        "title": "Newsletter readers",
        "where": 'consent("email", "marketing")',
        "members": 9318,
        "updated_at": ago(days=200),
        "on_site": False,
        "building": None,
    },
]
for _one in SEGMENTS:
    _one["manual"] = _one["id"] == "newsletter"
    _one["words"] = {language: to_words(parse(_one["where"]), language) for language in ("de", "en")}
SEGMENT_MORE: Data = {
    "definition": "kind: segment\nid: active-shopper\ntitle: {de: Aktive Käufer, en: Active shoppers}\n"
    'where: \'events("Order Completed").within("30d").count() >= 2\'\n',
    "listens": ["Order Completed", "time"],
    "used_by": ["win-back"],
    "frozen": None,
}
JOURNEYS: list[Data] = [
    {
        "id": "cart-reminder",
        "title": "Cart reminder",
        "state": "live",
        "version": 3,
        "entered": 8412,
        "in_progress": 236,
        "contacted": 6904,
        "goal": 1711,
        "control": 851,
        "has_goal": True,
    },
    {
        "id": "win-back",
        "title": "Win back",
        "state": "live",
        "version": 1,
        "entered": 1240,
        "in_progress": 88,
        "contacted": 1013,
        "goal": 96,
        "control": 124,
        "has_goal": True,
    },
    {
        "id": "welcome",
        "title": "Welcome",
        "state": "paused",
        "version": 2,
        "entered": 3021,
        "in_progress": 0,
        "contacted": 2987,
        "goal": 0,
        "control": 0,
        "has_goal": False,
    },
]
STEPS: list[tuple[str, str, str, str, str, str | None, int, int]] = [
    (
        "idle",
        "until",
        "Until the cart rests for 3 hours",
        '!events("Product Added").within("3h").where(cart_id == entry.key).exists()',
        "first",
        "end",
        8412,
        41,
    ),
    ("first", "contact", "Message cart-reminder-mail", "e-mail, push", "reply", None, 7790, 12),
    ("reply", "until", "Until the message is clicked", "step.first.clicked", "end", "call", 7778, 120),
    ("call", "contact", "Message cart-reminder-call", 'phone · only when score("clv") > 200', "end", "last", 4102, 8),
    ("last", "contact", "Message cart-reminder-mail", "best channel", "end", None, 3377, 55),
]


def journey(name: str) -> Data:
    """One journey with its steps."""
    item = next(one for one in JOURNEYS if one["id"] == name)
    counts = {key: item[key] for key in ("entered", "in_progress", "contacted", "goal", "control")} | {
        "done": item["entered"] - item["in_progress"] - 300,
        "exited": 300,
    }
    steps = [
        {
            "id": i,
            "kind": k,
            "title": t,
            "detail": d,
            "then": then,
            "else": other,
            "entered": entered,
            "here": here,
            "left": entered - here,
        }
        for i, k, t, d, then, other, entered, here in STEPS
    ]
    text = (
        "kind: journey\nid: cart-reminder\nentry: {event: Product Added, key: cart_id, where: 'price >= 20'}\n"
        "goal:  {event: Order Completed, within: 14d, value: revenue}\ncontrol: 0.10\n"
        "steps:\n  - {id: idle, until: '...', at_most: 2d, else: end}\n"
    )
    return {
        "id": name,
        "title": item["title"],
        "state": item["state"],
        "version": item["version"],
        "definition": text,
        "counts": counts,
        "steps": steps,
        "has_goal": item["has_goal"],
        "entry": {
            "kind": "event",
            "name": "Product Added",
            "where": "price >= 20",
            "key": "cart_id",
            "reenter": "never",
        },
        "exit": [
            {"name": "bought", "when": 'events("Order Completed").since(entry).where(cart_id == entry.key).exists()'}
        ],
        "goal": {"event": "Order Completed", "where": "cart_id == entry.key", "within": "14d"}
        if item["has_goal"]
        else None,
        "control": 0.1 if item["control"] else 0,
    }


SKEWED: Data = {
    "code": "small_control",
    "level": "warning",
    "text": {
        "de": "Der Umsatz ist sehr schief verteilt: Die Kontrollgruppe sollte etwa 900 Kunden haben, sie hat 103.",
        "en": "Revenue is very skewed: the control group should hold about 900 customers, it holds 103.",
    },
}
REPORTS = {"cart-reminder", "win-back"}


def report(name: str) -> Data:
    """A report with a clear effect, and one that cannot say anything yet."""
    title = next(one["title"] for one in JOURNEYS if one["id"] == name)
    common = {
        "journey": name,
        "title": title,
        "currency": "EUR",
        "metric": "value",
        "window_days": 14,
        "position": 1284911,
        "warnings": [],
    }
    if name == "win-back":
        return common | {
            "arms": {
                "treated": {"n": 901, "buyers": 64, "revenue": 4102.5, "mean": 4.553},
                "control": {"n": 103, "buyers": 7, "revenue": 398.1, "mean": 3.865},
            },
            "effect": {
                "estimate": 0.688,
                "ci": [-2.911, 4.287],
                "p": 0.71,
                "p_welch": 0.7077,
                "lift": None,
                "lift_ci": None,
            },
            "verdict": "no_statement_yet",
            "verdict_bound": None,
            "incremental": {"estimate": 696.9, "ci": [-2948.8, 4342.7]},
            "sample_ratio": {"expected": 0.1, "observed": 0.1026, "p": 0.79, "ok": True},
            "excluded": {"immature": 112, "contaminated": 0, "no_control": 0},
            "warnings": [SKEWED],
            "contacted": 1013,
            "responders": 61,
            "gate": {"buyers_needed": 50, "buyers_smallest": 7},
        }
    return common | {
        "arms": {
            "treated": {"n": 6904, "buyers": 1532, "revenue": 98211.4, "mean": 14.225},
            "control": {"n": 774, "buyers": 149, "revenue": 10058.8, "mean": 12.996},
        },
        "effect": {
            "estimate": 1.229,
            "ci": [0.402, 2.101],
            "p": 0.0065,
            "p_welch": 0.0049,
            "lift": 0.0946,
            "lift_ci": [0.029, 0.167],
        },
        "verdict": "up",
        "verdict_bound": None,
        "incremental": {"estimate": 8485.0, "ci": [2775.4, 14505.3]},
        "sample_ratio": {"expected": 0.1, "observed": 0.1008, "p": 0.81, "ok": True},
        "excluded": {"immature": 236, "contaminated": 4, "no_control": 0},
        "contacted": 6904,
        "responders": 2110,
        "gate": {"buyers_needed": 50, "buyers_smallest": 149},
    }
