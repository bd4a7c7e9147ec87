"""Business objects are a pure function of the events: any order of arrival gives the same, as a naive re-fold does."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einklang.event import Event
from einklang.kernel.errors import InputError
from einklang.profile import BUILT_IN, Object, fold_objects, kind_of, parse_object, state_of, touched
from einklang.profile.strategies import STRATEGIES, Claim, settle

MINUTE = 60_000_000
OWN = {
    "kind": "object",
    "id": "loan",
    "key": "loan_id",
    "states": ["asked", "granted", "closed"],
    "events": {
        "Loan Asked": "asked",
        "Loan Granted": {"state": "granted", "take": {"rate": "interest"}},
        "Loan Noted": {"state_from": "status"},
        "Loans Read": {"each": "loans", "state": "closed"},
    },
    "fields": {
        "amount": "money",
        "rate": "number",
        "first_amount": {"type": "money", "from": "amount", "merge": "first"},
        "total": {"type": "money", "from": "amount", "merge": "sum"},
        "least": {"type": "money", "from": "amount", "merge": "min"},
        "most": {"type": "money", "from": "amount", "merge": "max", "of": ["Loan Asked", "Loan Granted"]},
        "tags": {"type": "list", "merge": "union"},
        "usual": {"type": "string", "from": "branch", "merge": "most_frequent"},
        "trusted": {"type": "string", "from": "branch", "sources": ["bank", "*"]},
    },
    "valid": {"from": "amount", "until": "rate"},
    "money": "amount",
}
LOAN = kind_of(parse_object(OWN, "f.yaml"), {"Loan Asked": ["Credit Asked"]})
NAMES = ("Loan Asked", "Credit Asked", "Loan Granted", "Loan Noted", "Loans Read", "Page Viewed")


def event(at: int, name: str, properties: dict[str, Any], *, seq: int = 0, source: str = "shop") -> Event:
    """A tracked event at a minute."""
    moment = at * MINUTE
    return Event(0, moment, moment, "track", name, f"m{at}", (), properties, {}, source, "web", seq=seq or at + 1)


_VALUES = st.one_of(st.none(), st.integers(-3, 3), st.decimals(-2, 2, places=1), st.sampled_from(["a", "b", ""]))
_PROPERTIES = st.fixed_dictionaries(
    {"loan_id": st.sampled_from(["1", "2", 1, Decimal("1.0"), None, True, " 2 "])},
    optional={
        "amount": _VALUES,
        "interest": _VALUES,
        "rate": _VALUES,
        "branch": _VALUES,
        "status": st.sampled_from(["granted", "closed", "nonsense", 3]),
        "tags": st.one_of(_VALUES, st.lists(_VALUES, max_size=3)),
        "loans": st.one_of(st.none(), st.lists(st.one_of(st.none(), st.just({"loan_id": "2", "amount": 5})))),
    },
)
_LOGS = st.lists(st.tuples(st.sampled_from(NAMES), _PROPERTIES, st.sampled_from(["shop", "bank"])), max_size=12)


def naive(log: list[Event]) -> dict[str, dict[str, Any]]:
    """The objects again, written from the definition above alone: one pass over the whole log for each field."""
    spoken: dict[str, list[tuple[Event, dict[str, Any]]]] = {}
    for one in sorted(log, key=lambda e: e.at):
        if one.name not in NAMES[:5]:
            continue
        rows = [one.properties]
        if one.name == "Loans Read":
            lines = one.properties.get("loans")
            rows = [one.properties | line for line in lines or [] if line is not None]
        for row in rows:
            key = row.get("loan_id")
            if key is not None and key is not True:
                spoken.setdefault("1" if key == 1 else str(key).strip(), []).append((one, row))
    return {key: _naive_fields(rows) for key, rows in spoken.items()}


def _naive_fields(rows: list[tuple[Event, dict[str, Any]]]) -> dict[str, Any]:
    amounts = [row["amount"] for _, row in rows if "amount" in row]
    numbers = [x for x in amounts if isinstance(x, int | Decimal)]
    asked = [row.get("amount") for one, row in rows if one.name in ("Loan Asked", "Credit Asked", "Loan Granted")]
    branches = [row["branch"] for _, row in rows if row.get("branch") is not None]
    rates = [row[name] for one, row in rows if (name := "interest" if one.name == "Loan Granted" else "rate") in row]
    bank = [(one.source == "bank", row["branch"]) for one, row in rows if "branch" in row]
    banks = [branch for trusted, branch in bank if trusted]
    shops = [branch for trusted, branch in bank if not trusted]
    states = [_state(one, row) for one, row in rows]
    return {
        "state": next((state for state in reversed(states) if state), None),
        "amount": amounts[-1] if amounts else None,
        "rate": rates[-1] if rates else None,
        "first_amount": next((x for x in amounts if x is not None), None),
        "total": sum(numbers) if numbers else None,
        "least": _extreme(amounts, min),
        "most": _extreme(asked, max),
        "usual": max(branches, key=lambda x: (branches.count(x), _last_place(branches, x))) if branches else None,
        "trusted": banks[-1] if banks and banks[-1] is not None else shops[-1] if shops else None,
    }


def _state(one: Event, row: dict[str, Any]) -> str | None:
    if one.name == "Loan Noted":
        return row["status"] if row.get("status") in ("granted", "closed") else None
    return {"Loan Granted": "granted", "Loans Read": "closed"}.get(one.name, "asked")


def _extreme(values: list[Any], how: Any) -> Any:
    numbers = [x for x in values if isinstance(x, int | Decimal)]
    texts = [x for x in values if isinstance(x, str)]
    if how is min:
        return min(numbers) if numbers else min(texts, default=None)
    return max(texts) if texts else max(numbers, default=None)


def _last_place(values: list[Any], x: Any) -> int:
    return max(place for place, value in enumerate(values) if value == x)


def _told(objects: list[Object]) -> list[Any]:
    return [(one.id, one.state, one.state_since, one.began[0], one.changed_at, one.fields) for one in objects]


@settings(max_examples=80, deadline=None)
@given(_LOGS, st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_objects_of_a_naive_fold(log: list[Any], random: Any) -> None:
    """Events that arrive in any order give the same objects, and those that the definition says in words."""
    events = [event(at, name, properties, source=source) for at, (name, properties, source) in enumerate(log)]
    expected = fold_objects(LOAN, events)
    shuffled = list(events)
    random.shuffle(shuffled)
    arrived = [event(one.at // MINUTE, one.name, one.properties, seq=n + 1, source=one.source)
               for n, one in enumerate(shuffled)]  # fmt: skip
    assert _told(fold_objects(LOAN, arrived)) == _told(expected)
    told = naive(events)
    assert {one.id for one in expected} == set(told)
    for one in expected:
        found = {"state": one.state} | {name: one.fields.get(name) for name in told[one.id] if name != "state"}
        assert found == told[one.id]
        mine = [event for event in events if one.id in [key for key, _ in touched(LOAN, event)]]
        assert state_of(LOAN, one.id, mine) == one.state


@settings(max_examples=40, deadline=None)
@given(_LOGS, st.integers(0, 12))
def test_two_halves_of_a_history_merge_and_split(log: list[Any], cut: int) -> None:
    """The objects of a merged person are those of one who sent all; split again, each has those of its own events."""
    events = [event(at, name, properties, source=source) for at, (name, properties, source) in enumerate(log)]
    mine, other = events[:cut], events[cut:]
    assert _told(fold_objects(LOAN, other + mine)) == _told(fold_objects(LOAN, events))
    assert _told(fold_objects(LOAN, mine)) == _told(fold_objects(LOAN, events, cut * MINUTE - 1))


def test_an_invoice_is_an_open_item_until_it_is_paid() -> None:
    """Payments in any order add up, the state is that of the latest event that names one, money keeps its currency."""
    kind = next(kind_of(parse_object(doc, "built in"), {}) for doc in BUILT_IN if doc["id"] == "invoice")
    log = [
        event(1, "Invoice Issued", {"invoice_id": "R1", "amount": 100, "currency": "EUR", "due_at": "2027-01-31"}),
        event(2, "Payment Received", {"invoice_id": "R1", "amount": 40}),
        event(3, "Invoice Overdue", {"invoice_id": "R1", "amount_due": 60, "days_overdue": 7}),
        event(4, "Payment Received", {"invoice_id": "R1", "amount": Decimal("60.00")}),
        event(5, "Invoice Paid", {"invoice_id": "R1"}),
        event(2, "Payment Received", {"amount": 9}, seq=50),
    ]
    (open_item,) = fold_objects(kind, log[:4])
    assert (open_item.state, open_item.fields["paid"], open_item.fields["amount"]) == ("overdue", 100, 100)
    (paid,) = fold_objects(kind, log[::-1])
    assert (paid.state, paid.state_since, len(paid.told)) == ("paid", 5 * MINUTE, 5)
    assert paid.row(kind)["valid_until"] == "2027-01-31"


def test_lines_of_an_order_are_products_that_somebody_owns() -> None:
    """Each line of `products` is an object of its own; what came back is returned, machine-made events make nothing."""
    kind = next(kind_of(parse_object(doc, "built in"), {}) for doc in BUILT_IN if doc["id"] == "owned-product")
    lines = [{"product_id": "a", "quantity": 2, "name": "A"}, {"product_id": "b"}, "no line"]
    log = [
        event(1, "Order Completed", {"order_id": "o1", "products": lines}),
        event(2, "Order Completed", {"order_id": "o2", "products": lines[:1]}),
        event(3, "Order Refunded", {"order_id": "o1", "products": [{"product_id": "b"}]}),
    ]
    log.append(event(4, "Order Completed", {"order_id": "o3", "products": [{"product_id": "c"}]}))
    log[-1].machine = True
    found = {one.id: one for one in fold_objects(kind, log)}
    assert {name: one.state for name, one in found.items()} == {"a": "owned", "b": "returned"}
    assert (found["a"].fields["quantity"], found["a"].fields["order_id"]) == (4, "o2")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_claim_gives_no_value(strategy: str) -> None:
    """Without claims, with nulls only, and with no trusted source there is nothing."""
    nulls = [Claim(None, at, at) for at in range(3)]
    assert settle(strategy, []) is None
    assert settle(strategy, nulls) is None
    assert settle(strategy, [Claim("x", 1, 1, "shop")], ["crm"]) is None


@pytest.mark.parametrize(
    ("change", "code", "where"),
    [
        ({"states": ["asked"]}, "unknown_state", "f.yaml.events.Loan Granted"),
        ({"fields": {"state": "string"}}, "reserved_word", "f.yaml.fields.state"),
        ({"fields": {"amount": "coins"}}, "bad_type", "f.yaml.fields.amount"),
        ({"fields": {"amount": {"type": "money", "merge": "mean"}}}, "unknown_strategy", "f.yaml.fields.amount.merge"),
        ({"fields": {"amount": {"type": "money", "of": "Loan"}}}, "unknown_event", "f.yaml.fields.amount.of"),
        ({"money": "worth"}, "unknown_field", "f.yaml.money"),
        ({"valid": {"from": "start"}}, "unknown_field", "f.yaml.valid.from"),
        ({"events": {}}, "no_events", "f.yaml.events"),
        ({"key": " "}, "no_key", "f.yaml.key"),
    ],
)
def test_a_bad_definition_is_refused_at_its_field(change: dict[str, Any], code: str, where: str) -> None:
    """Each slip of a definition has its code and names the field."""
    with pytest.raises(InputError) as caught:
        parse_object(OWN | change, "f.yaml")
    assert (caught.value.code, caught.value.where) == (code, where)
