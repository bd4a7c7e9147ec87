"""The rows of the builder of segments make the tree they were made of, whatever stands in it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from einklang.expr import parse, to_json
from tests.browser.mock_api import MockApi
from tests.clients.node import NODE
from tests.expr.generate import Writer
from tests.expr.people import Chance
from tests.expr.test_expr_language import CASES

SCRIPT = Path(__file__).with_name("builder.mjs")
EXAMPLE = (
    'trait.address.country == "DE"'
    ' && events("Order Completed").within("365d").where(products.exists(p, p.category == "shoes")).count() >= 2'
    ' && !events("Order Completed").within("90d").exists() && consent("email", "marketing")'
)
#: Text -> the rows that show it.
ROWS = {
    EXAMPLE: ["all", "trait", "event", "event", "consent"],
    "true": ["all"],
    'trait.vip == true || !(trait["Größe EU"] >= 42.5 || trait["if"] != "x")': [
        "any",
        "trait",
        "none",
        "trait",
        "trait",
    ],
    'trait.country in ["DE", "AT"] && has(trait.email) && !has(trait.phone)': ["all", "trait", "trait", "trait"],
    'trait.birthday < date("1990-01-01") && trait.balance <= -3.5': ["all", "trait", "trait"],
    'events("Order Completed").where(event.properties.journey == "a" && event.touchpoint == "web").sum(total) > 100': [
        "all",
        "event",
    ],
    '!(segment("buyers") && reachable("email"))': ["all", "other"],
    '!segment("buyers") && !reachable("sms") && person.known == true': ["all", "segment", "reach", "trait"],
    '!inJourney("hello") && score("clv") > 200 && stage("buying") in ["use", "loyal"]': [
        "all",
        "segment",
        "trait",
        "trait",
    ],
    'events("A", "B").within("3w").latest(3).count() >= 1': ["all", "other"],
    'events("A").where(x == 1).within("3d").exists()': ["all", "other"],
    'age(trait.birthday) >= 18 && anniversary(trait.birthday) <= today + duration("7d")': ["all", "trait", "trait"],
    "age(trait.birthday) > 18 && days(today - trait.birthday) < 9": ["all", "other", "other"],
    'trait.a == null || trait["a.b"] == 1': ["any", "other", "other"],
}


def told(trees: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the builder makes of trees."""
    command = [str(NODE), "--no-warnings", str(SCRIPT)]
    done = subprocess.run(command, input=json.dumps(trees), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def plain(tree: Any) -> Any:
    """A tree without fields that say nothing."""
    if isinstance(tree, dict):
        return {name: plain(value) for name, value in tree.items() if value != [] or name != "args"}
    return [plain(one) for one in tree] if isinstance(tree, list) else tree


def trees(texts: list[str]) -> list[dict[str, Any]]:
    """Texts as the trees that the API answers."""
    return [to_json(parse(text)) for text in texts]


def test_rows_show_what_they_can_say() -> None:
    """Each condition is shown by the rows that fit; what has no row is kept as it is. All make the same tree again."""
    given = trees(list(ROWS))
    found = told(given)
    assert {text: one["kinds"] for text, one in zip(ROWS, found, strict=True)} == ROWS
    assert [plain(one["tree"]) for one in found] == [plain(one) for one in given]


def test_no_condition_is_changed_by_looking_at_it() -> None:
    """Random conditions and those of the reference: the tree that the rows make is the one they were made of."""
    chance = Chance(7)
    texts = [Writer(chance).write("bool") for _ in range(150)] + [case[0] for case in CASES]
    given = [tree for tree in trees(texts) if tree["kind"] != "bool"]
    assert len(given) > 150
    assert [plain(one["tree"]) for one in told(given)] == [plain(one) for one in given]


@pytest.mark.browser
def test_faults_and_drafts_are_told(visit: Callable[[str], Page], axe: Callable[..., list[str]], api: MockApi) -> None:
    """What cannot be counted says so and comes back; a reload loses nothing; the keyboard alone adds and removes."""
    api.broken = "/api/estimates"
    page = visit("/segments/new")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Run einklang doctor.")
    assert axe(page) == []
    api.broken = ""
    alert.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("between")).not_to_have_count(0)
    page.get_by_label("Name", exact=True).fill("From the keyboard")
    page.get_by_role("button", name="A trait").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Trait", exact=True)).to_be_focused()
    expect(page.get_by_text("1 row is not filled in yet")).to_be_visible()
    expect(page.get_by_role("button", name="Save segment")).to_be_disabled()
    page.get_by_label("Trait", exact=True).select_option("trait:vip")
    page.reload()
    expect(page.get_by_label("Name", exact=True)).to_have_value("From the keyboard")
    expect(page.get_by_label("Value", exact=True)).to_have_value("true")
    page.get_by_role("button", name="Remove this condition").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Something done")).to_be_focused()
    page.get_by_role("button", name="Discard the draft").click()
    expect(page.get_by_role("heading", level=1, name="Segments")).to_be_visible()
