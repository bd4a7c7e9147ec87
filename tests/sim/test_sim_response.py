"""What messages cause: reactions, potential outcomes and the true effect."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from einklang.kernel.time import DAY, parse_moment
from einklang.sim.eligible import eligible
from einklang.sim.payload import cart_id
from einklang.sim.response import (
    EFFECTS,
    WINDOW_DAYS,
    Sent,
    draw_reaction,
    potential_outcomes,
    react,
    true_effect,
)
from einklang.sim.world import World

START = parse_moment("2025-01-01T12:00:00+01:00")


@pytest.fixture(scope="module")
def world() -> World:
    """A year of 2,000 people."""
    return World(seed=5, persons=2_000, start=START)


@pytest.fixture(scope="module")
def contacts(world: World) -> dict[str, list[Sent]]:
    """Would-be contacts of each journey of the demo."""
    return {journey: eligible(world, journey) for journey in WINDOW_DAYS}


def test_reactions_follow_their_message_in_time_order(world: World, contacts: dict[str, list[Sent]]) -> None:
    """Every call lies after its message, the list is sorted, message ids are unique, and a repetition is equal."""
    sent = contacts["win-back"] + contacts["cart-reminder"]
    calls = react(world, sent)
    stamps = [parse_moment(call["timestamp"]) for call in calls]
    assert stamps == sorted(stamps)
    assert stamps[0] > min(one.at for one in sent)
    assert len({call["messageId"] for call in calls}) == len(calls)
    assert calls == react(world, reversed(sent))


def test_tracing_needs_its_permission(world: World, contacts: dict[str, list[Sent]]) -> None:
    """Opens and clicks come only from those who permit it, visits also from others."""
    calls = react(world, contacts["thanks"])
    for name, may in (("Email Opened", world.crowd.shows), ("Email Link Clicked", world.crowd.tracks)):
        people = {world.person(call["userId"]) for call in calls if call.get("event") == name}
        assert len(people) > 20
        assert all(may[person] for person in people)
    clicks = sum(call.get("event") == "Email Link Clicked" for call in calls)
    assert sum(call["type"] == "page" for call in calls) > clicks


def test_reactions_name_their_message(world: World, contacts: dict[str, list[Sent]]) -> None:
    """message_id, journey and step of a reaction are those of what was sent."""
    sent = {one.message_key: one for one in contacts["welcome"]}
    reactions = [call for call in react(world, sent.values()) if call.get("event", "").startswith("Email")]
    assert len(reactions) > 20
    for call in reactions:
        one = sent[call["properties"]["message_id"]]
        assert (call["userId"], call["properties"]["journey"], call["properties"]["step"]) == (
            one.person,
            "welcome",
            "hello",
        )


def test_a_reminder_brings_back_its_own_cart(world: World, contacts: dict[str, list[Sent]]) -> None:
    """Additional orders after a cart reminder are of the abandoned cart, and only of carts nobody bought."""
    sent = {one.person: one.key for one in contacts["cart-reminder"]}
    returned = {cart_id(int(basket)) for basket in world.carts.basket[world.carts.returns]}
    orders = [call for call in react(world, contacts["cart-reminder"]) if call.get("event") == "Order Completed"]
    assert len(orders) > 10
    for call in orders:
        assert call["properties"]["cart_id"] == sent[call["userId"]]
        assert call["properties"]["cart_id"] not in returned


def test_without_a_key_the_latest_cart_is_meant(world: World, contacts: dict[str, list[Sent]]) -> None:
    """A reminder without the key of its run is about the cart filled last before it."""
    carts = world.carts
    checked = 0
    for one in contacts["cart-reminder"][:60]:
        person = world.person(one.person)
        assert person is not None
        mine = [int(n) for n in np.flatnonzero((carts.person == person) & (carts.at <= one.at))]
        latest = max(mine, key=lambda n: int(carts.at[n]))
        bare = replace(one, key="", at=one.at + 1)
        found = {draw.cart for n in range(40) if (draw := draw_reaction(world, person, bare, replicate=n)).ordered}
        assert found <= {cart_id(int(carts.basket[latest]))}
        checked += len(found)
    assert checked > 10


def test_the_baseline_does_not_depend_on_who_is_contacted(world: World, contacts: dict[str, list[Sent]]) -> None:
    """Outcomes without contact and draws of a person stay the same when others are left out or keys change."""
    sent = contacts["win-back"]
    whole = {one.person: one for one in potential_outcomes(world, "win-back", sent)}
    half = potential_outcomes(world, "win-back", [replace(one, message_key="other") for one in sent[::2]])
    assert [whole[one.person] for one in half] == half
    assert all(one.contacted >= one.without for one in half)


def test_outcomes_match_what_react_shows(world: World, contacts: dict[str, list[Sent]]) -> None:
    """Y(1) - Y(0) of each person is the revenue of the orders that react() adds within the window."""
    sent = contacts["win-back"]
    begin = {one.person: one.at for one in sent}
    added: Counter[str] = Counter()
    for call in react(world, sent):
        if call.get("event") == "Order Completed":
            at = parse_moment(call["timestamp"])
            assert begin[call["userId"]] < at <= begin[call["userId"]] + WINDOW_DAYS["win-back"] * DAY
            added[call["userId"]] += int(call["properties"]["revenue"] * 100)
    caused = {one.person: one.contacted - one.without for one in potential_outcomes(world, "win-back", sent)}
    assert {person: cents for person, cents in caused.items() if cents} == dict(added)


def test_the_true_effect_is_what_the_parameters_say(world: World, contacts: dict[str, list[Sent]]) -> None:
    """Share of additional buyers over many draws = mean of open x (click x p_clicked + (1 - click) x p_read)."""
    sent, crowd = contacts["win-back"], world.crowd
    effect = EFFECTS["win-back", "mail"]
    people = np.array([world.person(one.person) for one in sent], dtype=np.int64)
    clicks, respond = crowd.clicks[people], crowd.respond[people]
    chance = clicks * np.minimum(effect.clicked * respond, 0.95) + (1 - clicks) * np.minimum(
        effect.read * respond, 0.95
    )
    expected = float((crowd.opens[people] * chance).mean())
    replicates = 30
    bought = [
        bool(draw_reaction(world, int(person), one, replicate=n).ordered)
        for person, one in zip(people, sent, strict=True)
        for n in range(replicates)
    ]
    error = (expected * (1 - expected) / len(bought)) ** 0.5
    assert abs(float(np.mean(bought)) - expected) < 4 * error


def test_truths_of_the_demo(world: World, contacts: dict[str, list[Sent]]) -> None:
    """win-back, cart and welcome have a positive effect, thanks has none at all; the window is that of the goal."""
    truths = {journey: true_effect(world, journey, contacts[journey], replicates=3) for journey in WINDOW_DAYS}
    assert all(truths[journey].effect > 1 for journey in ("win-back", "cart-reminder", "welcome"))
    assert truths["thanks"].effect == 0
    assert all(truth.window_days == WINDOW_DAYS[truth.journey] and truth.n > 100 for truth in truths.values())
    assert truths["win-back"].buyers_contacted > truths["win-back"].buyers_without


def test_the_document_lists_the_effects_as_they_are() -> None:
    """The table of the known truth in docs/sim.md says what the code says."""
    text = (Path(__file__).parents[2] / "docs" / "sim.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| `(\w+)` \| (.+) \|$", text, re.MULTILINE)
    listed = {(journey, step): [part.strip() for part in rest.split("|")] for journey, step, rest in rows}
    assert {journey: listed[journey, step][-1] for journey, step in listed} == {
        journey: f"{days} d" for journey, days in WINDOW_DAYS.items()
    }
    for key, effect in EFFECTS.items():
        figures = [float(part) for part in listed[key][:4]]
        assert figures == [effect.read, effect.clicked, effect.delay_days, effect.delay_days_max]
    assert {key for key in listed if listed[key][0] != "0"} == set(EFFECTS)


def test_strangers_and_unknown_steps_cause_nothing(world: World, contacts: dict[str, list[Sent]]) -> None:
    """People of another world are passed over; a step without an effect brings no order; nobody contacted is n = 0."""
    assert react(world, [Sent("nobody", "win-back", "mail", "m_1", world.start)]) == []
    other = [replace(one, step="more") for one in contacts["win-back"]]
    assert not any(call.get("event") == "Order Completed" for call in react(world, other))
    assert true_effect(world, "win-back", []).n == 0


def test_in_a_hurry_reactions_come_within_minutes(world: World, contacts: dict[str, list[Sent]]) -> None:
    """hurry divides the delays: the same people react, much sooner."""
    sent = [replace(one, at=world.start) for one in contacts["win-back"]]
    slow, fast = react(world, sent), react(world, sent, hurry=600.0)
    assert Counter(call.get("event") for call in slow) == Counter(call.get("event") for call in fast)
    assert max(parse_moment(call["timestamp"]) for call in fast) < world.start + DAY // 6
    assert max(parse_moment(call["timestamp"]) for call in slow) > world.start + 5 * DAY
