"""What expressions mean: missing values row by row (2.4), functions (2.5), time (2.6), for one person."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from einklang.expr import Catalog, EventShape, Scope, check, compile_one, explain, type_of
from einklang.kernel.time import DAY, HOUR
from tests.expr.fakes import FakeEntry, FakeEvent, FakeView, at

NOW = at("2027-03-10T12:00:00")
SCOPE = Scope(
    "when",
    Catalog(
        traits={
            "birthday": type_of("date"),
            "leap": type_of("date"),
            "yearless": type_of("date"),
            "none_date": type_of("date"),
            "seen": type_of("timestamp"),
            "wrong": type_of("number"),
            "tags": type_of("list(string)"),
        },
        events={"Order": EventShape(properties={"due": type_of("date")})},
    ),
    steps={"first": "contact", "later": "contact"},
)
VIEW = FakeView(
    NOW,
    person={"id": "p_1", "email": "a@b.de", "known": True, "created_at": at("2026-01-01")},
    traits={
        "n": 5,
        "dec": Decimal("2.50"),
        "text": "Bonn",
        "five": "5",
        "empty": "",
        "yes": True,
        "no": False,
        "l": [1, 2, None, "x"],
        "numbers": [3, Decimal("0.5")],
        "none": [],
        "map": {"city": "Bonn", "deep": {"er": 1}},
        "birthday": "1990-03-12",
        "leap": "2000-02-29",
        "yearless": "--03-10",
        "seen": "2027-03-09T12:00:00Z",
        "wrong": "5",
        "tags": ["a", 4],
        "big": 10**28,
        "Größe EU": 42,
    },
    events=[
        FakeEvent(
            "Order",
            at("2027-02-01"),
            {"total": 10, "items": [{"sku": "a", "q": 2}, {"sku": "b"}], "due": "2027-04-01"},
            1,
        ),
        FakeEvent("Order", at("2027-03-03T12:00:00"), {"total": None, "sku": "z"}, 2),
        FakeEvent(
            "Order", at("2027-03-05"), {"total": Decimal("2.5"), "items": [{"sku": "a", "q": 1}]}, 3, touchpoint="store"
        ),
        FakeEvent("Order", at("2027-03-10T12:00:00"), {"total": "7"}, 4, machine=True),
        FakeEvent("Order", at("2027-03-10T12:00:01"), {"total": 100}, 5),
        FakeEvent("Message Clicked", at("2027-03-06"), {"message_id": "m_1", "channel": "email", "url": "/sale"}, 6),
        FakeEvent("Message Clicked", at("2027-03-07"), {"message_id": "m_2", "channel": "sms"}, 7),
        FakeEvent("Ticked", at("2027-03-08"), {}, 8, source="einklang"),
    ],
    consents={("email", "news")},
    channels={"email"},
    segments={"vip": at("2027-01-01")},
    trait_times={"n": at("2027-02-02")},
    journeys={"welcome"},
    catalogs={"products": {"a": {"category": "shoes"}}},
    entry=FakeEntry(at("2027-03-03T12:00:00"), "Order", "k", properties={"cart": 3}),
    steps={"first": {"at": at("2027-03-05"), "done": True, "message": "m_1", "clicked": True, "opened": None}},
    vars={"worth": 12},
    journey={"id": "j", "version": 3},
)


def value(text: str) -> Any:
    """The value of an expression for the person above; both forms of the generated function must agree."""
    compiled = compile_one(check(text, SCOPE))
    found = compiled.value(VIEW)
    assert compiled.value_and_flip(VIEW)[0] == found
    assert compiled.holds(VIEW) == (found is True)
    return found


MISSING = [
    # x.y, x["y"], l[i]: null at any depth
    ("trait.a.b.c", None),
    ('trait.map["no"]["such"]', None),
    ("trait.l[9]", None),
    ("trait.l[-1]", None),
    ("trait.l[0.5]", None),
    ("trait.l[1]", 2),
    ("trait.text.city", None),
    ('trait["Größe EU"]', 42),
    # ==: null equals only null
    ("trait.x == null", True),
    ("trait.x == trait.y", True),
    ("trait.x == 0", False),
    ('trait.x == ""', False),
    ("trait.x == false", False),
    # !=: exactly the opposite
    ('trait.x != "DE"', True),
    ("trait.x != null", False),
    ("trait.n != null", True),
    # < and its like, in, contains: false
    ("trait.x < 1", False),
    ("trait.x >= 1", False),
    ("1 <= trait.x", False),
    ("trait.x < trait.y", False),
    ("trait.x in [null, 1]", False),
    ("1 in trait.x", False),
    ('trait.x.contains("a")', False),
    ("trait.text.startsWith(trait.x)", False),
    ('trait.x.matches(".*")', False),
    # !, &&, ||, ?: null counts as false
    ("!trait.x", True),
    ("!(trait.x < 18)", True),
    ("trait.x && true", False),
    ("trait.x || true", True),
    ("trait.x || trait.y", False),
    ("trait.x ? 1 : 2", 2),
    # arithmetic, +, functions: null
    ("trait.x + 1", None),
    ("-trait.x", None),
    ('trait.x + "a"', None),
    ("abs(trait.x)", None),
    ("size(trait.x)", None),
    ("lower(trait.x)", None),
    ("age(trait.none_date)", None),
    ("days(trait.none_date - today)", None),
    # has, coalesce
    ("has(trait.x)", False),
    ("has(1 + 1)", True),
    ("has(trait.map.city)", True),
    ("has(trait.no)", True),
    ("coalesce(trait.x, trait.y, 3)", 3),
    ("coalesce(trait.x, trait.y)", None),
    ("coalesce(trait.no, true)", False),
    # wrong type at run time
    ("trait.five == 5", False),
    ("trait.five != 5", True),
    ("number(trait.five) == 5", True),
    ("trait.five < 6", False),
    ("trait.five > 4", False),
    ("trait.yes == 1", False),
    ("trait.yes + 1", None),
    ("trait.text && true", False),
    ("trait.n ? 1 : 2", 2),
    ("trait.wrong", None),
    ("trait.tags", ["a", None]),
    ("trait.text.exists(p, true)", False),
    # x / 0, overflow
    ("1 / 0", None),
    ("1 % 0", None),
    ("trait.big * 10", None),
    ("trait.big * 9", 9 * 10**28),
    # aggregates leave nulls out
    ('events("Order").sum(total)', Decimal("12.5")),
    ('events("Order").avg(total)', Decimal("6.25")),
    ('events("Order").count()', 3),
    ('events("Order").min(total)', Decimal("2.5")),
    ('events("Order").distinct(total)', 2),
    ('events("Order").list(total)', [10, Decimal("2.5")]),
    ('events("Order").last(sku)', "z"),
    # of an empty set
    *[(f'events("No").{name}', wanted) for name, wanted in (
        ("count()", 0), ("distinct(x)", 0), ("sum(x)", 0), ("exists()", False), ("list(x)", []),
        ("avg(x)", None), ("min(x)", None), ("max(x)", None), ("first(x)", None), ("last(x)", None))],
    # since(null), until(null): the empty set
    ('events("Order").since(step.later).count()', 0),
    ('events("Order").until(trait.none_date).count()', 0),
    # the empty string is a value
    ("has(trait.empty)", True),
    ('trait.empty == ""', True),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), MISSING)
def test_missing_values(text: str, wanted: Any) -> None:
    """Each row of the table of 2.4."""
    found = value(text)
    assert found == wanted
    assert type(found) is type(wanted)


FUNCTIONS = [
    # numbers: one decimal type
    ("3 / 10", Decimal("0.3")),
    ("1 == 1.0", True),
    ("2 / 3", Decimal("0.666666667")),
    ("0.000000001 * 0.5", 0),
    ("0.000000003 * 0.5", Decimal("2E-9")),
    ("7 % 3", 1),
    ("-12345678901234567890123456789.123456789 + 0", Decimal("-12345678901234567890123456789.123456789")),
    ("12345678901234567890123456789.5 - 0.500000001", Decimal("12345678901234567890123456788.999999999")),
    ("99999999999999.999999999 * 99999999999999.999999999", 9999999999999999999999800000),
    ("-7 % 3", -1),
    ("7.5 % 2", Decimal("1.5")),
    ("round(2.5)", 2),
    ("round(3.5)", 4),
    ("round(1.25, 1)", Decimal("1.2")),
    ("round(1234, -2)", 1200),
    ("abs(-3)", 3),
    ("min(3, trait.n, trait.x, 4)", 3),
    ("max(trait.x, trait.y)", None),
    ("trait.n + trait.dec", Decimal("7.5")),
    ("string(trait.dec)", "2.5"),
    ("string(1000 * 1000)", "1000000"),
    ("string(true) + string(trait.birthday)", "true1990-03-12"),
    ('number("-12.50")', Decimal("-12.5")),
    ('number("12 EUR")', None),
    ("number(true)", None),
    # texts compare by code point, case-sensitive
    ('"a" < "b"', True),
    ('"Z" < "a"', True),
    ('"Ä" == "ä"', False),
    ('lower("ÄB") == "äb"', True),
    ('trait.text.contains("on")', True),
    ('"/pricing/a".startsWith("/pricing")', True),
    ('"a@web.de".endsWith("@web.de")', True),
    ('"abc".matches("^a.c$")', True),
    ('"abc".matches(trait.text)', False),
    ('"abc".matches("b")', True),
    ('size("äöü")', 3),
    # lists and maps
    ("size(trait.l)", 4),
    ("size(trait.map)", 2),
    ("2 in trait.l", True),
    ('"city" in trait.map', True),
    ("[1, 2] == [1.0, 2]", True),
    ("[1] == [true]", False),
    ('{"a": 1} == {"a": 1.0}', True),
    ("[1] + [2]", [1, 2]),
    ("trait.l.exists(p, p == 2)", True),
    ("trait.l.all(p, p != 3)", True),
    ("trait.none.all(p, false)", True),
    ("trait.x.all(p, true)", False),
    ("trait.l.exists_one(p, p == 1 || p == 2)", False),
    ("trait.l.filter(p, has(p))", [1, 2, "x"]),
    ("trait.x.filter(p, true)", []),
    ("trait.numbers.map(p, p * 2)", [6, 1]),
    ("trait.l.sum()", 3),
    ("trait.none.sum()", 0),
    ("trait.none.max()", None),
    ("trait.x.sum()", None),
    ("trait.numbers.min()", Decimal("0.5")),
    ("trait.l.exists(p, trait.numbers.exists(q, q > p))", True),
    # sets of events
    ('events("Order").within("7d").count()', 1),
    ('events("Order").within("169h").count()', 2),
    ('events("Order").since(entry).count()', 1),
    ('events("Order").until(entry.at).count()', 2),
    ('events("Order").since(today - duration("5d")).count()', 1),
    ('events("Order").withMachine().within("1d").count()', 1),
    ('events("Order").latest(2).sum(total)', Decimal("2.5")),
    ('events("Order").where(event.touchpoint == "store").exists()', True),
    ('events("Order").each(items).count()', 3),
    ('events("Order").each(items).where(sku == "a").sum(q)', 3),
    ('events("Order").each(items).last(sku)', "a"),
    ('events("Order").each(items).latest(2).first(sku)', "b"),
    ('events("Order").each(items).where(event.properties.total > 5).count()', 2),
    ('events("Order").first(due)', date(2027, 4, 1)),
    ('events("Order").max(event.at)', at("2027-03-05")),
    ('events("Order").last(event.touchpoint)', "store"),
    ('events("Message Clicked").of(step.first).exists()', True),
    ('events("Message Clicked").of(step.later).exists()', False),
    ('events("Email Link Clicked").count()', 1),
    ('events("Message Clicked").count()', 2),
    ("events().count()", 5),
    ('events("Ticked").count()', 1),
    ('events("Order").followedBy(events("Message Clicked"), "1d").count()', 1),
    ('events("Order").notFollowedBy(events("Message Clicked"), "1d").count()', 2),
    ('events("Order").notFollowedBy(events("Message Clicked"), "8d").count()', 1),
    # the person, the run
    ('segment("vip") && !segment("other")', True),
    ('changedAt(segment("vip"))', at("2027-01-01")),
    ("changedAt(trait.n)", at("2027-02-02")),
    ('inJourney("welcome")', True),
    ('consent("email", "news") && !consent("sms", "news")', True),
    ('reachable("email") && !reachable("sms")', True),
    ('lookup("products", "a").category', "shoes"),
    ('lookup("products", "b").category', None),
    ('lookup("products", trait.x)', None),
    ("person.known && person.email.endsWith(\"b.de\")", True),
    ("person.created_at < now", True),
    ("entry.key", "k"),
    ("entry.properties.cart + vars.worth", 15),
    ("step.first.clicked && step.first.done", True),
    ("step.first.opened == false", False),
    ("!step.first.opened", True),
    ("step.later.done != true", True),
    ("journey.version", 3),
    ("goal", False),
    ('bucket("a") >= 0 && bucket("a") < 1 && bucket("a") != bucket("b")', True),
    # time
    ("age(trait.birthday)", 36),
    ("age(trait.leap)", 27),
    ("age(trait.yearless)", None),
    ("anniversary(trait.birthday)", date(2027, 3, 12)),
    ("anniversary(trait.leap)", date(2028, 2, 29)),
    ("anniversary(trait.yearless)", date(2027, 3, 10)),
    ("trait.yearless", "--03-10"),
    ("month(trait.yearless) * 100 + day(trait.yearless)", 310),
    ("year(trait.yearless)", None),
    ("trait.yearless < today", False),
    ('trait.yearless == date("--03-10")', True),
    ("weekday(today)", "WED"),
    ("hour(now)", 13),
    ("date(now) == today", True),
    ("timestamp(today)", at("2027-03-09T23:00:00")),
    ('date("2027-01-31") + duration("1mo")', date(2027, 2, 28)),
    ('date("2027-01-31") - duration("2w")', date(2027, 1, 17)),
    ('timestamp("2027-03-01T09:00:00+01:00")', at("2027-03-01T08:00:00")),
    ("date(string(trait.birthday))", date(1990, 3, 12)),
    ("days(trait.birthday - today) < -13000", True),
    ("now - trait.seen", DAY),
    ('trait.seen - duration("12h")', at("2027-03-09T00:00:00")),
    ('now - trait.seen <= duration("1d")', True),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), FUNCTIONS)
def test_functions(text: str, wanted: Any) -> None:
    """Each function and operator by an example."""
    found = value(text)
    assert found == wanted
    assert type(found) is type(wanted)


def test_bounds_of_windows_are_half_open() -> None:
    """An event exactly at now - D is out, one at now is in; since excludes its moment, until includes it."""
    view = FakeView(NOW, events=[FakeEvent("A", NOW - DAY), FakeEvent("A", NOW)])
    for text, wanted in (
        ('events("A").within("1d").count()', 1),
        ('events("A").within("25h").count()', 2),
        ('events("A").since(now - duration("1d")).count()', 1),
        ('events("A").until(now - duration("1d")).count()', 1),
        ('events("A").followedBy(events("A"), "1d").count()', 1),
        ('events("A").followedBy(events("A"), "23h").count()', 0),
        ('events("A").notFollowedBy(events("B"), "1d").count()', 1),
    ):
        assert compile_one(check(text, SCOPE)).value(view) == wanted, text


def test_list_keeps_the_newest_thousand() -> None:
    """A list of more than 1,000 values is cut to the newest, and `why` says so, of exactly 1,000 it does not."""
    view = FakeView(NOW, events=[FakeEvent("A", NOW - 2000 + number, {"n": number}, number) for number in range(1200)])
    found = compile_one(check('events("A").list(n)', SCOPE)).value(view)
    assert (len(found), found[0], found[-1]) == (1000, 200, 1199)
    cut = {
        text: "list_cut" in str(explain(check(text, SCOPE), view))
        for text in ('1 in events("A").list(n)', 'events("A").where(n >= 200).list(n).sum() > 1', "[1].exists(x, true)")
    }
    assert list(cut.values()) == [True, False, False], cut
    assert "list_cut" in str(explain(check('[1].exists(x, x in events("A").list(n))', SCOPE), view))


def test_equal_times_keep_their_order() -> None:
    """Events of one moment stand in the order of their seq."""
    view = FakeView(NOW, events=[FakeEvent("A", NOW, {"n": number}, seq=number) for number in (3, 1, 2)])
    assert compile_one(check('events("A").list(n)', SCOPE)).value(view) == [1, 2, 3]
    assert compile_one(check('events("A").latest(1).last(n)', SCOPE)).value(view) == 3


def test_day_without_a_zone_of_its_own_follows_the_view() -> None:
    """`today` and `hour` are in the zone of the view."""
    late = FakeView(at("2027-03-10T23:30:00"), zone="Europe/Berlin")
    assert compile_one(check("today", SCOPE)).value(late) == date(2027, 3, 11)
    assert compile_one(check("hour(now)", SCOPE)).value(late) == 0
    late.zone = "UTC"
    assert compile_one(check("today", SCOPE)).value(late) == date(2027, 3, 10)


@pytest.mark.parametrize(
    ("text", "flip"),
    [
        ('events("A").within("3d").exists()', NOW + DAY),
        ('!events("A", "B").within("3d").exists()', NOW + DAY + HOUR),
        ('events("A").within("3d").count() > 0', NOW + DAY),
        ('events("C").exists()', NOW + 5 * HOUR),
        ('events("A").until(now - duration("60h")).exists()', NOW + 12 * HOUR),
        ('events("never").until(now - duration("60h")).exists()', None),
        ('events("A").notFollowedBy(events("B"), "49h").exists()', NOW + HOUR),
        ('events("A").last(event.at) <= now - duration("3d")', NOW + DAY),
        ('events("A").last(event.at) < now - duration("3d")', NOW + DAY),
        ('now - events("A").last(event.at) > duration("3d")', NOW + DAY),
        ("today > trait.birthday", at("2027-03-10T23:00:00")),
        ("age(trait.birthday) > 3", at("2027-03-10T23:00:00")),
        ("hour(now) == 3", NOW + HOUR),
        ('weekday(now - duration("90m")) == "MON"', at("2027-03-10T23:00:00") + 90 * 60_000_000),
        ('consent("email", "x")', NOW + 7 * HOUR),
        ('segment("vip")', NOW + 9 * HOUR),
        ('events("A").where(n == 1).within("3d").exists()', None),
        ("trait.n > 3", None),
        ('inJourney("x")', None),
        ("now", NOW + 1),
    ],
)
def test_next_flip(text: str, flip: int | None) -> None:
    """The moment at which time alone can change the answer, as the table of appendix C derives it."""
    view = FakeView(
        NOW,
        events=[FakeEvent("A", NOW - 2 * DAY), FakeEvent("B", NOW - 2 * DAY + HOUR), FakeEvent("C", NOW + 5 * HOUR)],
        consent_ends=NOW + 7 * HOUR,
        segments={"vip": 0},
        segment_ends={"vip": NOW + 9 * HOUR},
        traits={"birthday": "1990-03-12"},
    )
    if "notFollowedBy" in text:
        view.events = view.events[:1]
    found = compile_one(check(text, SCOPE)).next_flip(view)
    assert found == flip


def test_midnight_where_clocks_are_set() -> None:
    """The next day begins at the local midnight; a change of the clocks on the way is looked at too."""
    compiled = compile_one(check("today == trait.birthday", SCOPE))
    night = FakeView(at("2026-03-28T23:30:00"), zone="Europe/Berlin", traits={"birthday": "2026-03-30"})
    first = compiled.next_flip(night)
    assert first == at("2026-03-29T01:00:00")
    night.now = first
    assert compiled.next_flip(night) == at("2026-03-29T22:00:00")
    gap = FakeView(at("2018-11-04T02:30:00"), zone="America/Sao_Paulo", traits={"birthday": "2026-03-30"})
    assert compiled.next_flip(gap) == at("2018-11-04T03:00:00")


def test_generated_code_holds_no_text_of_the_user() -> None:
    """Names and texts of the user are constants, whatever they hold."""
    evil = '"]); __import__(\\"os\\").system(\\"x\\")#'
    name = evil[1:]
    text = f'trait["{name}"] == "{name}" && events("{name}").where(event.properties["{name}"] == 1).exists()'
    compiled = compile_one(check(text, SCOPE))
    assert "system" not in compiled.source
    assert compiled.value(VIEW) is False
