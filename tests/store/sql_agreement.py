"""The harness of the agreement test of plans in SQL: the cases of `tests.expr.agreement`, many in one plan."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from einklang.expr import check
from einklang.expr.sql import compile_sql, sql_lacks
from einklang.expr.sql_text import Unsupported
from einklang.store.lake.engine import Engine
from tests.expr import naive
from tests.expr.agreement import Case, World, comparable
from tests.expr.generate import DECLARED, SCOPE
from tests.expr.people import NOW

#: Written by hand, so that no seed leaves these out.
ANCHORS = (
    'events("A", "B").since(now - duration("2d")).count()',
    'events("A", "B").until(now - duration("2d")).count()',
    'events("A", "B").since(today).count()',
    'events("A").since(events("A").first(event.at)).sum(amount)',
    'events("A").within("2d").where(n != 1).count()',
    'events("A").latest(2).first(event.at)',
    'events("A").latest(3).where(n > 1).latest(1).count()',
    'events("A").each(items).where(q > 1).latest(2).count()',
    'events("A").each(items).distinct(c)',
    'events("A").each(items).last(q)',
    'events("A").avg(n)',
    'events("A").min(amount)',
    'events("A", "B").max(event.at)',
    'events("A").where(date(event.at) == today).count()',
    'events("A").where(hour(event.at) < 9).count()',
    'events("A", "B").notFollowedBy(events("C"), "2d").count()',
    'events("A").followedBy(events("B").followedBy(events("C"), "2d"), "2d").count()',
    'events("A").followedBy(events("B").where(event.at > prior.at && n != prior.properties.n), "1w").last(n)',
    'events("A").followedBy(events("B").latest(2), "1w").count()',
    'events("A").where(items.filter(v0, v0.q > 1).map(v1, v1.price).sum() > 3).count()',
    "trait.l.map(v0, v0 + 1).sum() / 3",
    '"a" in trait.tags || 1 in trait.l || "city" in trait["address"]',
    "trait.points * trait.points",
    "round(trait.points / 3, 2) + min(trait.points, 2) + max(trait.points, 5) + abs(trait.points) - -trait.points",
    'trait.city.contains("o") || trait.city.startsWith("B") || lower(trait.city).endsWith("n")',
    "year(trait.ends) + month(trait.birthday) + day(trait.birthday) + age(trait.birthday) + hour(trait.seen)",
    "days(trait.ends - today) + size(trait.tags) + size(trait.city) + number(trait.x)",
    "string(trait.x) + string(trait.points) + string(trait.vip) + weekday(trait.ends)",
    "trait.l.min() + trait.l.max()",
    "trait.points >= 3 && trait.points <= 7 || trait.points < 0 || !(trait.points > 1)",
    'segment("vip") && consent("email", "news") || person.country == "DE"',
    'events("A").withMachine().within("2d").exists() ? trait.x != trait.nothing : trait.vip',
    'trait.seen - timestamp("2026-03-29T06:00:00Z") > duration("6h") && trait.ends + duration("1mo") > today',
    'events("A").where(items.exists(v0, v0.c == "a")).sum(amount)',
    'events("A").where(items.exists(v0, v0.c in ["a", "x"]) && event.properties.items.exists(v1, v1.q == "b")).count()',
    'events("A").within("2d").each(items).where(q > 1).count() + events("A").within("1d").each(items).count()',
    'events("A").followedBy(events("B"), "2d").each(items).where(c == "b").count()',
    "anniversary(trait.birthday) > date(trait.seen) || date(trait.city) == trait.ends || timestamp(trait.city) == now",
    'trait.tags.exists_one(v0, v0 == "a") && trait.tags.all(v0, has(v0))',
    'events("A").sum(amount * 0.333333333)',
    'events("A").count() > 1 ? events("A").sum(paid) : trait.points',
    'group("house").contact_person || group("house").role == "a"',
    'group("firm").events("A").where(amount > 1).latest(2).last(n)',
    'group("firm").events("A").followedBy(group("firm").events("B"), "2d", group("firm").events("C")).count()',
    'group("firm").events("A").list(n).exists(v0, v0 == trait.x)',
    'size(events("A", "B").list(n).filter(v0, v0 != 1)) + events("A").list(amount).sum()',
    'events("B").list(code).exists(v0, v0 in events("A").list(code))',
    'events("A", "B").within("2d").nth(2, event.at)',
    'events("A").each(items).nth(2, c)',
    'startOf("month", trait.ends)',
    'lookup("shelf", events("A").last(code)).label == null && lookup("shelf", trait.city).until < today',
    'events("A").each(items).where(lookup("shelf", c).label == "Shoe").count()',
)


def with_anchors(world: World) -> World:
    """The world with the cases of this harness."""
    for source in ANCHORS:
        case = Case(source, check(source, SCOPE))
        world.cases.append(case)
        world.kinds.update(case.kinds)
        answers = [naive.evaluate(case.tree, who, NOW, DECLARED) for who in world.people]
        world.answers[source] = [comparable(answer) for answer in answers]
    return world


#: Cases in one statement.
TOGETHER = 50
_LISTED = object()


def can(world: World, engine: str) -> list[Case]:
    """The cases that an engine answers."""
    found = []
    for case in world.cases:
        if case.checked.type.kind != "list" and not sql_lacks(case.checked, engine):
            try:
                compile_sql([("asked", case.checked)], engine, NOW, values=True)
            except Unsupported:  # only whether it holds can be asked
                continue
            found.append(case)
    return found


def disagreements(
    world: World, cases: Sequence[Case], engine: Engine, together: int = TOGETHER, dialect: str = ""
) -> list[str]:
    """Where an engine disagrees with the naive interpreter."""
    found = []
    for start in range(0, len(cases), together):
        part = cases[start : start + together]
        asked = [(str(at), case.checked) for at, case in enumerate(part)]
        plan = compile_sql(asked, dialect or engine.name, NOW, values=True, members_max=world.crowd.members_max)
        rows = {row["person_id"]: row for row in engine.run(plan).to_dicts()}
        for at, case in enumerate(part):
            for number, wanted in enumerate(world.answers[case.source]):
                answer = _value(rows[f"p_{number}"][plan.columns[str(at)]], case.checked.type.kind)
                listed = answer is _LISTED and isinstance(wanted, (list, dict))
                if not listed and comparable(answer) != wanted:
                    found.append(f"{case.source}  p_{number}: naive {wanted!r}, {engine.name} {answer!r}")
    return found


def _value(x: Any, kind: str) -> Any:
    """An undeclared value out of its text."""
    if x is None or kind not in ("dyn", "map"):
        return x
    letter, rest = x[0], x[1:]
    if letter == "n":
        return Decimal(rest)
    return rest if letter == "s" else rest == "true" if letter == "b" else _LISTED
