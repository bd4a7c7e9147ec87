"""Money of language.md 2.7: in expressions a number in the policy's currency, null without a rate."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import polars as pl
import pytest

from einklang.expr import Catalog, Crowd, EventShape, Scope, check, compile_crowd, compile_one, type_of
from einklang.kernel.time import DAY
from tests.expr.fakes import FakeEntry, FakeEvent, FakeView, at

NOW = at("2027-03-10")
RATES: dict[Any, dict[str, Any]] = {
    "USD/2027-03-01": {"rate": Decimal("0.9")},
    "USD/2027-03-02": {"rate": Decimal("0.8")},
    "GBP/2027-03-01": {"rate": "dear"},
}
#: 23:30 in UTC is the next day in Berlin
EVENTS = [
    FakeEvent("Order Completed", at("2027-03-01"), {"revenue": 10, "currency": "EUR"}, 1, touchpoint=""),
    FakeEvent("Order Completed", at("2027-03-01"), {"revenue": 100, "paid": 5, "currency": "USD"}, 2),
    FakeEvent("Order Completed", at("2027-03-01T23:30:00"), {"revenue": 100, "currency": "USD"}, 3),
    FakeEvent("Order Completed", at("2027-03-03"), {"revenue": 7, "currency": "USD"}, 4),
    FakeEvent("Order Completed", at("2027-03-01"), {"revenue": 3}, 5),
    FakeEvent("Order Completed", at("2027-03-01"), {"revenue": 50, "currency": "GBP"}, 6),
    FakeEvent(
        "Basket",
        at("2027-03-01"),
        {"currency": "USD", "value": "high", "products": [{"price": 10, "quantity": 2}, {"price": 1}]},
    ),
    FakeEvent("Basket", at("2027-03-04"), {"currency": "USD", "value": 3, "weight": 2, "products": [{"price": 9}]}),
]
ENTRY = FakeEntry(at("2027-03-01"), "Basket", properties=EVENTS[6].properties, touchpoint="")
CATALOG = Catalog(
    events={
        "Order Completed": EventShape(properties={"paid": type_of("money")}),
        "Plain": EventShape(properties={"total": type_of("number")}),
    },
    currency="EUR",
)
#: Of the reference (2.4, 2.5, 11) and of this person: expression, value.
CASES = [
    ('events("Order Completed").sum(revenue)', 10 + 90 + 80 + 3),
    ('events("Order Completed").avg(revenue)', Decimal("45.75")),
    ('events("Order Completed").max(revenue)', 90),
    ('events("Order Completed").where(revenue == null).count()', 2),
    ('events("Order Completed").where(!(revenue > 5)).count()', 3),
    ('events("Order Completed").last(revenue)', 80),
    ('events("Order Completed").sum(event.properties.revenue)', 183),
    ('events("Order Completed").sum(event.properties["revenue"])', 183),
    ('events("Order Completed").sum(paid)', Decimal("4.5")),
    (
        'events("Order Completed").within("365d").sum(revenue) / events("Order Completed").within("365d").sum(revenue)',
        1,
    ),
    ('events("Basket").each(products).sum(price * coalesce(quantity, 1))', Decimal("18.9")),
    ('events("Basket").where(products.exists(p, p.price == 9)).count()', 1),
    ('events("Basket").where(products.filter(p, p.price > 1).map(p, p.price).sum() == 9).exists()', True),
    ('events("Basket").where(value == "high").count()', 1),
    ('events("Basket").where(value == 3).count()', 0),
    ('events("Basket").sum(weight)', 2),
    ('events("Order Completed").where(event.touchpoint == null).count()', 1),
    ('events("Order Completed").where(event.touchpoint == "").count()', 0),
]
OF_A_RUN = [
    ("entry.properties.products.filter(p, p.price == 9).map(p, p.price * coalesce(p.quantity, 1)).sum()", 18),
    ("entry.properties.products[0].price", 9),
    ("entry.properties.value", "high"),
    ("entry.touchpoint", None),
    ("has(entry.touchpoint)", False),
]


def _view(zone: str = "Europe/Berlin") -> FakeView:
    return FakeView(NOW, zone=zone, events=EVENTS, entry=ENTRY, catalogs={"exchange-rates": RATES})


def _scope(site: str = "segment.where", catalog: Catalog = CATALOG) -> Scope:
    return Scope(site, catalog)


def _crowd() -> Crowd:
    rows = [
        {
            **{name: getattr(event, name) for name in ("name", "at", "seq", "touchpoint", "source", "machine")},
            "person_id": "p_1",
            "properties": msgspec.json.encode(event.properties).decode(),
        }
        for event in EVENTS
    ]
    nothing = pl.DataFrame(schema={"person_id": pl.String, "segment": pl.String})
    people = pl.DataFrame({"person_id": ["p_1"], "zone": ["Europe/Berlin"]})
    traits = pl.DataFrame(schema={"person_id": pl.String, "name": pl.String, "value": pl.String, "at": pl.Int64})
    return Crowd(people, pl.DataFrame(rows), traits, nothing, nothing, rate=lambda key: RATES.get(key, {}).get("rate"))


@pytest.mark.parametrize(("source", "wanted"), CASES)
def test_money_is_a_number_in_the_currency_of_the_policy(source: str, wanted: Any) -> None:
    """The function and the plan convert by the rate of the event's day, and leave out what has no rate."""
    checked = check(source, _scope())
    assert compile_one(checked).value(_view()) == wanted
    (row,) = compile_crowd(checked).values(_crowd(), NOW).drop("person_id").rows()
    assert [value for value in row if value is not None] == [wanted]


@pytest.mark.parametrize(("source", "wanted"), OF_A_RUN)
def test_money_of_the_entry(source: str, wanted: Any) -> None:
    """What a run began with is converted too, in lists of products as well; a missing touchpoint is null."""
    assert compile_one(check(source, _scope("when"))).value(_view()) == wanted


def test_day_of_the_rate_is_that_of_the_person() -> None:
    """The event's day is a day of the calendar where the person is, as `date(event.at)` says."""
    compiled = compile_one(check('events("Order Completed").latest(2).first(revenue)', _scope()))
    assert compiled.value(_view("Europe/Berlin")) == 80
    assert compiled.value(_view("UTC")) == 90


def test_candidate_is_money_too() -> None:
    """The value of a goal is that of the event in the policy's currency."""
    compiled = compile_one(check("revenue", Scope("goal.value", CATALOG, event_names=("Order Completed",))))
    view = _view()
    view.event = EVENTS[1]
    assert compiled.value(view) == 90
    view.event = EVENTS[3]
    assert compiled.value(view) is None


def test_declared_number_is_no_money() -> None:
    """Where the tenant declares one of Segment's names as a plain number, it is one."""
    event = FakeEvent("Plain", NOW - DAY, {"total": 4, "currency": "USD"})
    view = FakeView(NOW, events=[event], catalogs={"exchange-rates": RATES})
    assert compile_one(check('events("Plain").sum(total)', _scope())).value(view) == 4


def test_without_a_currency_of_the_policy_nothing_is_foreign() -> None:
    """A tenant whose policy names no currency adds what is there."""
    checked = check('events("Order Completed").sum(revenue)', _scope(catalog=Catalog()))
    assert compile_one(checked).value(_view()) == 270
