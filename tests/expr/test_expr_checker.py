"""Names, types and places: what the check refuses, where it says so, and the mend it names."""

from __future__ import annotations

import pytest

from einklang.expr import Catalog, EventShape, ExprError, Scope, check, check_condition, hints, type_of
from einklang.expr.functions import FUNCTIONS
from einklang.expr.roots import ROOTS
from einklang.expr.types import SITES
from einklang.kernel.errors import InputError

CATALOG = Catalog(
    traits={
        "birthday": type_of("date"),
        "seen": type_of("timestamp"),
        "city": type_of("string"),
        "n": type_of("number"),
    },
    events={
        "Order": EventShape(
            properties={"due": type_of("date"), "total": type_of("money")}, each={"lines": {"price": type_of("money")}}
        ),
        "Purchase": EventShape(alias="Order"),
    },
    segments=frozenset({"customers", "vip"}),
    journeys=frozenset({"welcome"}),
    catalogs={"fairs": {"starts_at": type_of("timestamp")}},
    purposes=frozenset({"newsletter"}),
    channels=frozenset({"email"}),
)
STEPS = {"first": "contact", "gift": "voucher", "rest": "wait"}


def scope(site: str = "when") -> Scope:
    """A place in a journey."""
    return Scope(site, CATALOG, STEPS, event_names=("Order",), key=type_of("date"))


def refused(text: str, site: str = "when") -> ExprError:
    """The error of an expression."""
    with pytest.raises(ExprError) as caught:
        check(text, scope(site))
    assert caught.value.mend
    return caught.value


def test_bare_name_elsewhere_is_the_error_of_the_reference() -> None:
    """The message of 2.3, word for word."""
    error = refused("category == 1")
    assert error.what + "; " + error.mend == (
        "unknown name `category`; did you mean `trait.category`, or a property inside `where(...)`?"
    )
    assert error.nearest == "trait.category"


@pytest.mark.parametrize(
    ("text", "code", "column", "near"),
    [
        ("todya > trait.birthday", "unknown_name", 1, "today"),
        ("brithday == null", "unknown_name", 1, "trait.birthday"),
        ('evnts("x").exists()', "unknown_function", 1, "events"),
        ('events("x").exist()', "unknown_function", 1, "exists"),
        ('events("x").wihtin("3d").exists()', "unknown_function", 1, "within"),
        ("getMonth(today) == 3", "unknown_function", 1, "month"),
        ('count(events("x"))', "unknown_function", 1, "count"),
        ("trait.city.lower()", "unknown_function", 1, "lower"),
        ("person.emial", "unknown_field", 1, "email"),
        ("person.birthday", "unknown_field", 1, "trait.birthday"),
        ("step.frist.clicked", "unknown_step", 1, "first"),
        ("step.first.clickd", "unknown_field", 1, "clicked"),
        ("step.rest.clicked", "unknown_field", 1, ""),
        ("entry.cart_id == 1", "unknown_field", 1, "entry.properties.cart_id"),
        ('segment("custmers")', "unknown_id", 9, "customers"),
        ('inJourney("welcom")', "unknown_id", 11, "welcome"),
        ('consent("email", "newsleter")', "unknown_id", 18, "newsletter"),
        ('lookup("fair", 1)', "unknown_id", 8, "fairs"),
    ],
)
def test_unknown_names(text: str, code: str, column: int, near: str) -> None:
    """What is unknown is named with the nearest known name."""
    error = refused(text)
    assert (error.code, error.column, error.nearest) == (code, column, near)


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("trait.n == 1 && trait.n", "wrong_type", "compare it"),
        ("!trait.n", "wrong_type", "condition"),
        ('trait.n + "1"', "wrong_type", "number(...)"),
        ("trait.city < 5", "wrong_type", "number(...)"),
        ("true < false", "wrong_type", "<"),
        ("[1] < [2]", "wrong_type", "<"),
        ("lower(5)", "wrong_type", "string(...)"),
        ("trait.city.sum()", "wrong_type", "list"),
        ("now + 5 > now", "wrong_type", "duration"),
        ('trait.birthday + duration("2h") > today', "wrong_type", "days"),
        ("trait.birthday < now", "date_with_timestamp", "timestamp(trait.birthday)"),
        ("trait.seen == today", "date_with_timestamp", "date(trait.seen)"),
        ("trait.other > today", "undeclared", "date(trait.other)"),
        ("trait.other < now", "undeclared", "timestamp(trait.other)"),
        ("age(trait.other) > 3", "undeclared", "date(trait.other)"),
        ('trait.other + duration("1d")', "undeclared", "declare"),
        ("coalesce(trait.seen, 5)", "wrong_type", "one type"),
        ('{"a": today}', "wrong_type", "string(...)"),
        ("{5: 1}", "wrong_type", "keys"),
        ("trait == 5", "wrong_type", "trait.firstName"),
        ("trait[trait.city]", "wrong_type", "quotes"),
        ("step.first == null", "wrong_type", "step.first.done"),
        ('events("x")', "wrong_type", "exists()"),
        ('events("x").within("3d") == null', "wrong_type", "exists()"),
        ('has(events("x"))', "wrong_type", "exists()"),
        ("trait.city.exists()", "wrong_type", "events("),
        ('events("x").within("3mo").exists()', "months_in_window", "days"),
        ('events("x").within("0d").exists()', "bad_duration", "7d"),
        ('events("x").within("3 days").exists()', "bad_duration", "90s"),
        ('trait.seen + duration("1mo") > now', "months_in_window", "days"),
        ('now - trait.seen > duration("1y")', "months_in_window", "days"),
        ('events("x").latest(0).exists()', "wrong_type", "1 to 1000"),
        ('events("x").latest(n).exists()', "wrong_type", "whole number"),
        ('events("x").since(trait.other).exists()', "undeclared", "timestamp(trait.other)"),
        ('events("x").of(entry).exists()', "wrong_type", "of(step.ID)"),
        ('events("x").each(a).each(b).exists()', "wrong_type", "once"),
        ('events("x").count(1)', "wrong_arguments", "count()"),
        ("size()", "wrong_arguments", "1 argument"),
        ("coalesce()", "wrong_arguments", "1 or more"),
        ("round(1, 2, 3)", "wrong_arguments", "1 to 2"),
        ("trait.l.all(1, true)", "wrong_arguments", "list.all(p"),
        ("trait.l.all(entry, true)", "reserved_word", "p"),
        ('date("2027-13-01")', "bad_date", "2027-03-31"),
        ('timestamp("tomorrow")', "bad_moment", "2027-03-01"),
        ('trait.city.matches("(")', "bad_pattern", "RE2"),
        ("segment(trait.city)", "wrong_type", "quotes"),
        ("changedAt(entry.at)", "wrong_type", "changedAt(trait.x)"),
        ('changedAt(stage("x")) < now', "unknown_id", "known"),
    ],
)
def test_types(text: str, code: str, part: str) -> None:
    """A wrong type, literal or number of arguments is refused with the mend."""
    error = refused(text)
    assert error.code == code
    assert part in error.line()


@pytest.mark.parametrize(
    "text", ["now", 'now + duration("1d")', 'entry.key - duration("7d")', '5 == "5"', "null == trait.birthday"]
)
def test_accepted_at_the_edge(text: str) -> None:
    """A moment that moves may be the value of the whole; values of different types may be compared for equality."""
    check(text, scope())


@pytest.mark.parametrize(
    "text",
    [
        "has(now)",
        "[now]",
        "coalesce(now, trait.seen)",
        "string(now)",
        "year(now) == 2027",
        "days(now - trait.seen) > 3",
        "now in [trait.seen]",
        "min(days(now - trait.seen), 3)",
        "trait.vip ? now : trait.seen",
        "now - trait.seen > trait.seen - now",
        "trait.seen + (now - trait.seen) > trait.seen",
        'events("x").list(now)',
        "bucket(now)",
    ],
)
def test_now_beyond_its_bounds(text: str) -> None:
    """`now` may be compared, moved, and taken off a moment; nothing else (2.6)."""
    assert refused(text).code in ("now_beyond", "wrong_type")


@pytest.mark.parametrize(
    "text",
    [
        'trait.seen <= now - duration("30d")',
        "trait.seen == now",
        'now - trait.seen > duration("2d")',
        'trait.seen - now > duration("2d")',
        "date(now) == today",
        'weekday(now) == "MON"',
        "hour(now) >= 8",
        'hour(now - duration("30m")) >= 8',
        'events("x").since(now - duration("9d")).until(now - duration("2d")).exists()',
        'events("x").where(event.at > now - duration("9d")).exists()',
    ],
)
def test_now_within_its_bounds(text: str) -> None:
    """What 2.6 allows is accepted and known to change by time."""
    assert check(text, scope()).needs.time


#: root -> the sites of 2.3 at which it has a value; `*` = all.
PLACES = {
    "person.id": "*",
    "trait.x": "*",
    "today": "*",
    "entry.key": "entry exit goal step bpmn",
    "journey.id": "entry exit goal step bpmn",
    "step.first.done": "exit goal step bpmn",
    "vars.x": "exit goal step bpmn",
    "goal": "exit step",
    "event.name": "entry.where.event entry.key.event goal",
    "price": "entry.where.event entry.key.event goal",
    "prior.name": "",
    "data.x": "",
}


def _group(site: str) -> str:
    head = site.split(".")[0]
    return head if head in ("entry", "exit", "goal", "bpmn") else "step" if SITES[site].steps else "person"


@pytest.mark.parametrize("site", sorted(SITES))
def test_roots_stand_where_the_table_says(site: str) -> None:
    """The table of 2.3: each root at each place."""
    for text, places in PLACES.items():
        allowed = places == "*" or site in places.split() or _group(site) in places.split()
        if allowed:
            check(text, scope(site))
        else:
            with pytest.raises(ExprError) as caught:
                check(text, scope(site))
            assert caught.value.code in ("root_not_here", "unknown_name"), text


def test_roots_are_reserved() -> None:
    """Inside an event a root is still the root; the property is written out."""
    for root in ROOTS:
        if root not in ("now", "today", "goal"):
            error = refused(f'events("x").where({root} == 1).exists()', "segment.where")
            assert error.code in ("wrong_type", "root_not_here")
    check('events("x").where(event.properties.step == 1).exists()', scope("segment.where"))


def test_events_inside_an_event() -> None:
    """Refused inside where(...), allowed at the top of entry.where and goal.where, not in keys and values."""
    inner = 'events("Order").exists()'
    assert refused(f'events("x").where({inner}).exists()').code == "events_inside_event"
    for site in ("entry.where.event", "goal.where"):
        check(inner, scope(site))
        assert refused(f'events("x").where({inner}).exists()', site).code == "events_inside_event"
    for site in ("entry.key.event", "goal.value"):
        assert refused(inner, site).code == "events_inside_event"
    check('events("a").followedBy(events("b").where(x == prior.properties.x), "1d").exists()', scope())


@pytest.mark.parametrize("name", sorted(name for name, fn in FUNCTIONS.items() if fn.later))
def test_functions_of_later_versions(name: str) -> None:
    """They are known and refused by name."""
    error = refused(f'{name}("x").where(a == 1).count() > 3' if name == "objects" else f'{name}("x", {{}}) == 3')
    assert error.code == "not_supported_yet"
    assert name in error.what


def test_too_many_loops() -> None:
    """Loops inside each other are bounded, with an error of their own."""
    text = "true"
    for level in range(9):
        text = f"trait.l.all(p{level}, {text})"
    assert refused(text).code == "too_deep"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("trait.n + 1", "number"),
        ("trait.x", "dyn"),
        ('trait.city + "x"', "string"),
        ("trait.birthday - today", "duration"),
        ('lookup("fairs", 1).starts_at', "timestamp"),
        ('date(lookup("fairs", 1).starts_at) - duration("7d")', "date"),
        ('events("Order").last(due)', "date"),
        ('events("Purchase", "Order").last(due)', "dyn"),
        ('events("Order").each(lines).last(price)', "number"),
        ('events("Order").list(event.at)', "list(timestamp)"),
        ("[1, 2].filter(p, p > 1)", "list(number)"),
        ("step.first.clicked", "bool"),
        ("step.gift.expires_at", "timestamp"),
        ("entry.key", "date"),
        ("null", "null"),
    ],
)
def test_types_of_values(text: str, kind: str) -> None:
    """The type of an expression follows from the declarations."""
    assert str(check(text, scope()).type) == kind


def test_needs() -> None:
    """What an expression reads is read off its tree."""
    text = (
        'events("Order").exists() && trait.city == "x" && segment("vip") && consent("email", "newsletter") && goal'
        ' && inJourney("welcome") && step.first.done && lookup("fairs", vars.k) != null'
        " && changedAt(trait.n) < trait.seen"
    )
    needs = check(text, scope()).needs
    assert needs.events == {"Order", "Purchase"}
    assert needs.traits == {"city", "n", "seen"}
    assert [*needs.segments, *needs.journeys, *needs.steps] == ["vip", "welcome", "first"]
    assert [*needs.catalogs, *needs.vars] == ["fairs", "k"]
    assert needs.consent
    assert needs.goal
    assert not needs.all_events
    assert check("events().exists()", scope()).needs.all_events
    assert not check("trait.n > 1", scope()).needs.time
    assert check('events("Email Opened").exists()', scope()).needs.events == {"Email Opened", "Message Opened"}


def test_condition_is_asked_for() -> None:
    """A field that asks refuses what is no condition."""
    check_condition("trait.x", scope())
    with pytest.raises(ExprError) as caught:
        check_condition("trait.n", scope())
    assert caught.value.code == "wrong_type"
    with pytest.raises(ExprError):
        check_condition("now", scope())


def test_unknown_type_of_a_declaration() -> None:
    """Types of declarations are named, nullable ones too."""
    assert str(type_of("list(string)")) == "list(string)"
    assert type_of("string|null") == type_of("string")
    with pytest.raises(InputError) as caught:
        type_of("text")
    assert caught.value.code == "bad_type"


def test_hints() -> None:
    """What may be a slip is said, with the mend of the reference, and nothing where all is known."""
    place = Scope("segment.where", CATALOG)
    for text, wanted in (
        ('events("Order Completed").where(category == "shoes").exists()',
         "`Order Completed` has no `category`; its products have: `products.exists(p, p.category == ...)`"),
        ('events("Order Completed").sum(revenu) > 1', "`Order Completed` has no `revenu`; did you mean `revenue`?"),
        ('events("Order Complete").exists()',
         "nobody declared or sent `Order Complete`; did you mean `Order Completed`?"),
        ('events("Order Completed", "Other").sum(x) > 1', "nobody declared or sent `Other`"),
    ):  # fmt: skip
        assert hints(check(text, place))[0].startswith(wanted)
    fine = 'events("Email Opened", "Sent").where(campaign_id == 1).exists() && events("Order").sum(total) > 1'
    assert hints(check(fine, place), sent=["Sent"]) == []
    keyed = check('events("Order").since(entry).exists()', scope())
    assert "entry.key" in hints(keyed, keyed=True)[0]
    assert hints(keyed) == []
    assert hints(check('events("Order").where(due == entry.key).exists()', scope()), keyed=True) == []
