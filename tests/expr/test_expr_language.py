"""The expressions of the language reference parse and check, each at the place where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from einklang.expr import Catalog, EventShape, ExprError, Scope, check, compile_one, crowd_supports, explain, type_of
from einklang.expr.functions import FUNCTIONS
from tests.expr.fakes import FakeEntry, FakeEvent, FakeView, at

CATALOG = Catalog(
    traits={"birthday": type_of("date"), "contract_end": type_of("date"), "interests": type_of("list(string)")},
    events={
        "Event Attended": EventShape(properties={"talked_to_us": type_of("bool"), "minutes": type_of("number")}),
        "Order Completed": EventShape(properties={"cart_id": type_of("string")}),
    },
    catalogs={
        "fairs": {"title": type_of("string"), "starts_at": type_of("timestamp"), "ends_at": type_of("timestamp")},
        "products": {"name": type_of("string"), "category": type_of("string"), "in_stock": type_of("bool")},
    },
    scores=dict.fromkeys(("clv", "churn", "lead-fit", "lead-engagement"), (("events().exists()", "10"),)),
    stages={"buying": (("visitor", "events().exists()"), ("customer", 'events("Order Completed").exists()'))},
)
STEPS = {
    **dict.fromkeys(("first", "letter", "coffee", "shoes", "ask", "news", "news_only", "mail", "second"), "contact"),
    **dict.fromkeys(("gift", "worth"), "voucher"),
    "call": "contact",
    "sales": "task",
    "crm": "webhook",
    "tips": "repeat",
    "decide": "task",
}

#: site -> expressions of language.md that need nothing of a later version; long ones go on in lines indented further.
EXPRESSIONS = {
    "entry.where.event": """
        price >= 20
        purpose == "newsletter" && channel == "email"
        events("Product Viewed").within("3d").where(product_id == entry.key).count() >= 2
            && lookup("products", entry.key).in_stock && !inJourney("cart-reminder")
        lookup("fairs", entry.key) != null
        process == "complaint"
        form == "whitepaper"
        amount_due >= 5 && days_overdue >= 7
        products.exists(p, lookup("products", p.product_id).category in ["shoes", "coffee machines"])
    """,
    "entry.key.event": "cart_id\naddress\nproduct_id\nevent_id\ncase_id\ninvoice_id\norder_id",
    "entry.key": "trait.contract_end\nanniversary(trait.birthday)",
    "goal.where": """
        cart_id == entry.key
        products.exists(p, p.product_id == entry.key)
        voucher == "birthday-10"
        order_id != entry.key
    """,
    "goal.value": """
        revenue
        annual_value
        products.filter(p, p.product_id == entry.key).map(p, p.price * coalesce(p.quantity, 1)).sum()
    """,
    "exit": """
        goal
        events("Order Completed").since(entry).where(cart_id == entry.key).exists()
        events("Product Removed").where(cart_id == entry.key).count() >= events("Product Added")
            .where(cart_id == entry.key).count()
        inJourney("cart-reminder")
        trait.contract_end != entry.key
        events("Order Refunded", "Order Cancelled").since(entry).where(order_id == entry.key).exists()
        segment("customers")
    """,
    "until": """
        !events("Product Added").within("3h").where(cart_id == entry.key).exists()
        !events("Product Added", "Product Removed", "Cart Viewed").within("3h").where(cart_id == entry.key).exists()
        !events().within("4h").exists()
        step.first.clicked
        step.letter.clicked || events("Store Visited").since(step.letter).exists()
        step.call.outcome != null
        step.gift.redeemed
        trait.interests != null
        events("Form Submitted").since(step.ask).where(form == "satisfaction").exists()
        events("Payment Received").since(entry)
            .where(invoice_id == entry.key).sum(amount) >= entry.properties.amount_due + coalesce(vars.fee, 0)
    """,
    "when": """
        trait.interests == null
        vars.worth >= 20
        step.coffee.done != true && step.shoes.done != true
        coalesce(step.coffee.opened, step.shoes.opened) == null
        events("Event Attended").since(entry).where(event_id == entry.key && talked_to_us).exists()
        events("Form Submitted").since(step.ask).where(form == "satisfaction").last(stars) <= 2
        events("Message Clicked").of(step.first).where(url.contains("sale")).exists()
        step.gift.expires_at - now > duration("2d")
        entry.properties.products.exists(p, lookup("products", p.product_id).category == "coffee machines")
        !consent("email", "marketing")
        step.first.opened == false
        !segment("hot-leads")
    """,
    "bpmn": """step.decide.outcome == "collect" && entry.properties.amount_due >= 30""",
    "wait": """
        date(lookup("fairs", entry.key).starts_at) - duration("7d")
        date(lookup("fairs", entry.key).ends_at) + duration("1d")
    """,
    "assign": """
        events("Product Added").where(cart_id == entry.key).list(product_id)
            .filter(p, !(p in events("Product Removed").where(cart_id == entry.key).list(product_id)))
        events("Product Added").where(cart_id == entry.key).sum(price * coalesce(quantity, 1))
            - events("Product Removed").where(cart_id == entry.key).sum(price * coalesce(quantity, 1))
    """,
    "data": """
        coalesce(trait.interests, ["bestsellers"])
        lookup("fairs", entry.key).title
        entry.properties.products.filter(p, p.category == "shoes").map(p, p.product_id)
        step.gift.code
        step.tips.rounds
        step.crm.body.id
        journey.id
        person.id
        events("Page Viewed").within("30d").list(path)
    """,
    "score": """
        trait.role in ["head", "buyer", "owner"]
        person.email.endsWith("@gmail.com") || person.email.endsWith("@web.de")
        min(events("Page Viewed").within("30d").where(path.startsWith("/pricing")).count(), 3) * 10
        min(events("Message Clicked").within("60d").distinct(message_id), 4) * 5
    """,
    "segment.where": """
        trait.address.country == "DE" && events("Order Completed").within("365d")
            .where(products.exists(p, p.category == "shoes")).count() >= 2
            && !events("Order Completed").within("90d").exists() && consent("email", "marketing")
        events("Order Completed").within("365d").each(products)
            .where(category == "shoes").sum(price * coalesce(quantity, 1)) >= 300
        events("Product Viewed").within("90d").where(category == "coffee machines")
            .followedBy(events("Order Completed")
            .where(products.exists(p, p.product_id == prior.properties.product_id)), "7d").exists()
        events("Checkout Started").within("30d").notFollowedBy(events("Order Completed")
            .where(order_id == prior.properties.order_id), "1d").count() >= 2
        events("Email Link Clicked").within("60d").followedBy(events("Page Viewed")
            .followedBy(events("Product Added"), "1d"), "1h").exists()
        events("Message Sent").within("90d").where(channel == "email").count() >= 10
            && events("Email Link Clicked").within("90d").distinct(message_id)
            / events("Message Sent").within("90d").where(channel == "email").count() < 0.05
        events("Order Refunded").within("365d").sum(total)
            / events("Order Completed").within("365d").sum(total) > 1 / 3
        anniversary(date(events("Order Completed").first(event.at))) <= today + duration("7d")
            && events("Order Completed").until(now - duration("300d")).exists()
        segment("customers") && changedAt(segment("customers")) <= now - duration("30d")
        events("Order Completed").latest(3).where(coupon != null).count() == 3
        events("Product Viewed").within("180d").where(event.touchpoint == "web")
            .followedBy(events("Order Completed").where(event.touchpoint == "store"
            && products.exists(p, p.product_id == prior.properties.product_id)), "14d").exists()
        events("Order Completed").within("90d").avg(revenue) < 0.5 * events("Order Completed").since(now -
            duration("455d")).until(now - duration("90d")).avg(revenue)
        today >= trait.contract_end - duration("90d") && today < trait.contract_end
        anniversary(trait.birthday) <= today + duration("7d") && age(trait.birthday) >= 17
        events("Page Viewed").since(today - duration("1d")).until(timestamp(today)).exists()
    """,
}


def _lines(text: str) -> list[str]:
    """The expressions of a text, one a line; a line that is indented further goes on with the one before."""
    found: list[str] = []
    for line in text.strip("\n").splitlines():
        part = line.strip()
        if line.startswith(" " * 12):
            found[-1] += part if part.startswith(".") else " " + part
        elif part:
            found.append(part)
    return found


CASES = [(site, line) for site, text in EXPRESSIONS.items() for line in _lines(text)]


def scope_of(site: str, key: str = "dyn") -> Scope:
    """A place in a journey that knows all steps of the examples."""
    steps = STEPS if site not in ("segment.where", "score") else {}
    return Scope(site, CATALOG, steps, key=type_of(key))


VIEW = FakeView(
    at("2026-03-10T12:00:00"),
    traits={"birthday": "1990-03-12", "contract_end": "2026-05-01"},
    events=[FakeEvent("Order Completed", at("2026-03-01"), {"revenue": 20, "products": [{"category": "shoes"}]})],
    entry=FakeEntry(at("2026-03-02"), key="k"),
    event=FakeEvent("Order Completed", at("2026-03-09"), {"price": 30}),
)


@pytest.mark.parametrize(("site", "source"), CASES)
def test_expression_of_the_reference_checks_and_runs(site: str, source: str) -> None:
    """An expression of the reference types at its place, runs for a person, and can be explained."""
    key = "date" if "contract_end != entry.key" in source else "dyn"
    checked = check(source, scope_of(site, key))
    compiled = compile_one(checked)
    assert compiled.value_and_flip(VIEW)[0] == compiled.value(VIEW)
    assert explain(checked, VIEW).text == " ".join(source.split())


def test_segments_of_the_reference_have_plans() -> None:
    """All segments of section 11 that this version knows can be asked for crowds, but for `changedAt`."""
    segments = [source for site, source in CASES if site == "segment.where"]
    missing = {name for source in segments for name in crowd_supports(check(source, scope_of("segment.where")))}
    assert missing == {"changed"}


# the reference itself, where it is at hand

REFERENCE = Path(__file__).parents[3] / "shared" / "language.md"
LATER = re.compile(r"\b(" + "|".join(name for name, fn in FUNCTIONS.items() if fn.later) + r")\(")


def _documents() -> Iterator[dict[str, Any]]:
    reader = YAML(typ="safe", pure=True)
    for block in re.findall(r"```yaml example=.*?\n(.*?)```", REFERENCE.read_text(encoding="utf-8"), re.S):
        yield from (document for document in reader.load_all(block) if document)


def _values(x: Any, site: str) -> Iterator[tuple[str, str]]:
    """Value fields: texts that begin with `=`."""
    if isinstance(x, str) and x.startswith("="):
        yield site, x[1:]
    for inner in x.values() if isinstance(x, dict) else x if isinstance(x, list) else []:
        yield from _values(inner, site)


def _of_step(step: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("when", "until", "while"):
        if name in step:
            yield name, str(step[name])
    wait = step.get("wait")
    if isinstance(wait, dict) and "until" in wait:
        yield "wait", wait["until"]
    for arm in step.get("branch", []):
        yield "branch", arm["when"]
    for name in ("data", "assign", "set"):
        yield from _values(step.get(name), name)
    for inner in step.get("steps", []):
        yield from _of_step(inner)


def _expressions(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    kind = document["kind"]
    if kind == "segment":
        yield "segment.where", document["where"]
    if kind == "policy":
        yield from ((name, rule["when"]) for name in ("deny", "hold") for rule in document[name])
    if kind == "score":
        for rule in document.get("points", []):
            yield from [("score", rule["when"])] if "when" in rule else []
            yield from _values(rule.get("add"), "score")
    if kind == "stage":
        yield from (("stage", stage["when"]) for stage in document["stages"])
    if kind not in ("journey", "process"):
        return
    entry = document["entry"]
    inside = ".event" if "event" in entry else ""
    yield from ((f"entry.{name}{inside}", entry[name]) for name in ("where", "key") if name in entry)
    yield from (("exit", str(rule)) for rule in document.get("exit", {}).values())
    goal = document.get("goal", {})
    yield from ((f"goal.{name}", goal[name]) for name in ("where", "value") if name in goal)
    for step in [*document.get("steps", []), *document.get("bind", {}).values()]:
        yield from _of_step(step)


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference is not part of the repository")
def test_all_expressions_of_the_reference_itself() -> None:
    """Every expression of the reference checks, or says that it needs a function of a later version."""
    steps = dict.fromkeys(re.findall(r"\bstep\.([a-z_0-9]+)", REFERENCE.read_text(encoding="utf-8")), "")
    seen = 0
    for document in _documents():
        for site, source in _expressions(document):
            key = type_of("date" if document["id"] in ("renewal", "birthday") else "dyn")
            seen += 1
            if LATER.search(source):
                with pytest.raises(ExprError) as caught:
                    check(source, Scope(site, CATALOG, steps, key=key))
                assert caught.value.code == "not_supported_yet"
            else:
                check(source, Scope(site, CATALOG, steps, key=key))
    assert seen > 100
