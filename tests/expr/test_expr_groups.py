"""`group("type")`: id, role, traits, size and what all members did; what there is none of is null."""

from __future__ import annotations

from typing import Any

import pytest

from einklang.expr import Catalog, ExprError, Scope, check, compile_one, crowd_supports, explain, type_of
from einklang.expr.explain import TOO_MANY
from einklang.kernel.time import DAY
from tests.expr.fakes import FakeEvent, FakeView
from tests.expr.people import NOW

SCOPE = Scope("when", Catalog(traits={"company.since": type_of("date")}))
EVENTS = [
    FakeEvent("Order Completed", NOW - 3 * DAY, {"revenue": 700}, 1, person="p_1"),
    FakeEvent("Order Completed", NOW - DAY, {"revenue": 400}, 2, person="p_2"),
    FakeEvent("Page Viewed", NOW - DAY, {"path": "/pricing"}, 3, person="p_2"),
    FakeEvent("Page Viewed", NOW - 2 * DAY, {"path": "/pricing"}, 4, person="p_1"),
]
HOUSE = {"id": "h1", "size": 2, "traits": {}, "events": EVENTS, "contact_person": False}
FIRM = {
    "id": "f1",
    "size": 40,
    "traits": {"employees": 60, "since": "2020-01-01", "seat": {"city": "Ulm"}},
    "events": EVENTS,
    "role": "buyer",
    "contact_person": True,
}
VIEW = FakeView(NOW, groups={"household": HOUSE, "company": FIRM}, events=EVENTS[:1])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('group("company").id', "f1"),
        ('group("company").trait.employees >= 50', True),
        ('group("company").trait.seat.city', "Ulm"),
        ('group("company").trait["employees"] + 1', 61),
        ('group("company").trait.since < today', True),
        ('group("household").size() >= 2', True),
        ('group("household").events("Order Completed").within("365d").sum(revenue)', 1100),
        ('group("household").events("Order Completed").within("2d").count()', 1),
        ('group("company").events("Page Viewed").where(path.startsWith("/pricing")).distinct(event.person)', 2),
        ('group("company").events().count()', 4),
        ('group("company").contact_person && group("company").role in ["head", "buyer"]', True),
        ('group("household").contact_person', False),
        ('group("household").role', None),
        ('group("club").role', None),
        ('group("club").contact_person', None),
        ('!group("club").contact_person', True),
        ('group("club").id', None),
        ('group("club") == null && !has(group("club"))', True),
        ('group("company") != null && has(group("company"))', True),
        ('group("club").trait.x', None),
        ('group("club").size()', None),
        ('group("club").size() >= 1', False),
        ('group("club").events("Order Completed").exists()', False),
    ],
)
def test_what_a_group_is_asked(text: str, wanted: Any) -> None:
    """Each question has its value; without a group it is null, the empty set for events."""
    assert compile_one(check(text, SCOPE)).value(VIEW) == wanted


def test_too_many_members_are_not_asked_together() -> None:
    """What more members did than can be asked is null, and it is said why; the group itself is asked as ever."""
    view = FakeView(NOW, groups={"company": {**FIRM, "too_many": True}})
    text = 'trait.vip || group("company").events("Page Viewed").exists() || group("company").size() > 5'
    rule = check(text, SCOPE)
    assert compile_one(rule).value(view) is None
    assert compile_one(rule).holds_until(view) == (False, None)
    assert explain(rule, view).note == TOO_MANY
    assert compile_one(check('group("company").trait.employees >= 50', SCOPE)).holds(view)
    assert explain(rule, VIEW).note is not TOO_MANY


def test_time_flips_what_the_members_did() -> None:
    """An order of another member leaves the window at its own moment."""
    ask = compile_one(check('group("household").events("Order Completed").within("2d").exists()', SCOPE))
    assert ask.value_and_flip(VIEW) == (True, NOW + DAY)


def test_needs_name_types_and_events() -> None:
    """What a condition listens to: the types of its groups and the events of their members."""
    needs = check('group("household").events("A").exists() && group("company").trait.x == 1', SCOPE).needs
    assert [set(each) for each in (needs.groups, needs.group_events, needs.events)] == [
        {"household", "company"},
        {"A"},
        {"A"},
    ]
    assert not crowd_supports(check('group("company").id == "x"', SCOPE))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('group("company") == "f1"', "wrong_type"),
        ('group("company").trait == null', "wrong_type"),
        ('group("company").name == "x"', "unknown_field"),
        ('group(trait.x).id == "x"', "wrong_arguments"),
        ('group("company").size(1) > 2', "wrong_arguments"),
        ('group("company").events("A")', "wrong_type"),
        ('group("company").trait.since > 5', "wrong_type"),
        ('events("A").where(group("h").events("B").exists()).exists()', "events_inside_event"),
    ],
)
def test_what_is_refused(text: str, code: str) -> None:
    """A group alone, unknown fields, computed types and sets inside sets have their errors."""
    with pytest.raises(ExprError) as caught:
        check(text, SCOPE)
    assert caught.value.code == code
