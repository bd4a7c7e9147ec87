"""The token machine: every kind of step, where it goes on, how long it waits, what it leaves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from einklang.fact.person import CONTROL
from einklang.flow import machine, reaction
from einklang.flow.machine import Answer
from einklang.kernel import ids, time
from tests.flow.journeys import T0, Player, Seen, event, journey

DONE: list[Any] = [{"id": "yes", "assign": {"way": "then"}, "then": "end"}, {"id": "no", "assign": {"way": "else"}}]


def way(player: Player) -> Any:
    """Which of DONE was taken."""
    return player.run.vars.get("way")


def test_then_left_out_is_the_next_step_and_after_the_last_the_run_is_done() -> None:
    """Three assignments in a row, one moment."""
    player = Player(journey([{"id": n, "assign": {n: 1}} for n in ("a", "b", "c")]))
    assert (player.run.status, player.run.vars, player.path()) == ("done", {"a": 1, "b": 1, "c": 1}, ["a", "b", "c"])
    assert player.run.ended_at == T0


@pytest.mark.parametrize("answer", ["sent", "denied", "failed"])
def test_an_action_without_else_goes_on_the_same_way(answer: str) -> None:
    """`else` of a contact left out is its `then`; `done` and `reason` remember."""
    player = Player(
        journey([{"id": "c", "contact": "m"}, *DONE[:1]]),
        answers=[Answer(answer, "why", channel="email", message="m1")],
    )
    left = player.run.steps["c"]
    assert (way(player), left.done, left.reason) == ("then", answer == "sent", None if answer == "sent" else "why")


@pytest.mark.parametrize(
    ("kind", "taken"), [("sent", "then"), ("ghost", "then"), ("denied", "else"), ("failed", "else")]
)
def test_a_contact_with_both_ways(kind: str, taken: str) -> None:
    """Handed over, or recorded as it would have been: `then`. Refused or failed: `else`."""
    player = Player(
        journey([{"id": "c", "contact": "m", "then": "yes", "else": "no"}, *DONE]), answers=[Answer(kind, "r")]
    )
    assert way(player) == taken
    assert player.run.contacted is (kind == "sent")


@pytest.mark.parametrize("tracked", [True, False])
def test_reactions_are_null_where_they_are_not_tracked(tracked: bool) -> None:
    """A sent contact: clicked is false if links are tracked, else null; opened is null without a pixel.

    A ghost's are false.
    """
    player = Player(
        journey([{"id": "c", "contact": "m"}]), answers=[Answer("sent", channel="email", message="k", tracked=tracked)]
    )
    left = player.run.steps["c"]
    assert (left.delivered, left.bounced, left.clicked, left.opened) == (False, False, False if tracked else None, None)
    ghost = Player(journey([{"id": "c", "contact": "m"}]), answers=[Answer("ghost", CONTROL)]).run.steps["c"]
    assert (ghost.done, ghost.clicked, ghost.opened, ghost.delivered) == (True, False, False, False)


def test_a_held_contact_is_asked_again_and_gives_up_after_its_patience() -> None:
    """Held until a moment: asked again then. Held at the very end of patience: `else` with the reason patience."""
    steps = [{"id": "c", "contact": "m", "at_most": "4h", "then": "yes", "else": "no"}, *DONE]
    hour = time.HOUR
    player = Player(
        journey(steps), answers=[Answer("held", "cap", T0 + hour), Answer("sent", channel="e", message="k")]
    )
    assert (player.run.waiting_for, player.run.due) == ("held", T0 + hour)
    player.until(T0 + hour)
    assert (way(player), len(player.asked), player.run.steps["c"].at) == ("then", 2, T0 + hour)
    player = Player(
        journey(steps), answers=[Answer("held", "cap", T0 + 9 * hour), Answer("held", "cap", T0 + 9 * hour)]
    )
    assert player.run.due == T0 + 4 * hour
    player.until(T0 + 4 * hour)
    assert (way(player), player.run.steps["c"].reason, len(player.asked)) == ("else", "patience", 2)
    player = Player(journey(steps), answers=[Answer("held", "cap", T0 + 9 * hour), Answer("sent", channel="e")])
    player.until(T0 + 4 * hour)
    assert way(player) == "then"


def test_the_patience_of_the_policy_is_the_default() -> None:
    """A contact without `at_most` waits as long as the policy says."""
    player = Player(
        journey([{"id": "c", "contact": "m"}]), answers=[Answer("held", "cap", None)], patience_us=time.WEEK
    )
    assert (player.asked[0].patience_ends, player.run.due) == (T0 + time.WEEK, T0 + time.WEEK)


def test_data_is_worked_out_when_the_contact_is_asked_for() -> None:
    """Expressions, literals and a literal `=` inside lists and maps."""
    data = {
        "name": "=entry.properties.name",
        "list": ["=1 + 1", "x"],
        "map": {"a": "=entry.at == entry.at"},
        "eq": '="= t"',
    }
    player = Player(journey([{"id": "c", "contact": "m", "data": data}]))
    assert player.asked[0].data == {"name": "Lamp", "list": [2, "x"], "map": {"a": True}, "eq": "= t"}


UNTIL = [
    {"id": "u", "until": 'events("Order").since(entry).exists()', "at_most": "2d", "then": "yes", "else": "no"},
    *DONE,
]


@pytest.mark.parametrize(
    ("after", "taken"),
    [(1, "then"), (2 * time.DAY - 1, "then"), (2 * time.DAY, "then"), (2 * time.DAY + 1, "else")],
)
def test_an_until_counts_its_end_as_in_time(after: int, taken: str) -> None:
    """An event exactly at the end of patience counts; a microsecond later it does not."""
    player = Player(journey(UNTIL))
    player.happen("Order", T0 + after)
    player.until(T0 + 5 * time.DAY)
    assert way(player) == taken
    left = player.run.steps["u"]
    assert left.at == (T0 + min(after, 2 * time.DAY))
    assert left.reason == (None if taken == "then" else "patience")


def test_an_until_that_holds_already_goes_on_at_once() -> None:
    """A condition is a state, not a signal."""
    steps = [{"id": "u", "until": 'events("Start").exists()', "at_most": "2d", "then": "yes", "else": "no"}, *DONE]
    player = Player(journey(steps))
    assert (way(player), player.run.steps["u"].at) == ("then", T0)


def test_an_until_flips_by_time_alone() -> None:
    """Quiet for three hours, put off by each new event."""
    steps = [
        {"id": "u", "until": '!events("Start", "Add").within("3h").exists()', "at_most": "2d", "else": "no"},
        *DONE,
    ]
    player = Player(journey(steps))
    assert player.run.due == T0 + 3 * time.HOUR
    player.happen("Add", T0 + 2 * time.HOUR)
    assert player.run.due == T0 + 5 * time.HOUR
    player.until(T0 + time.DAY)
    assert player.run.steps["u"].at == T0 + 5 * time.HOUR
    assert way(player) == "then"


@pytest.mark.parametrize(("value", "taken"), [(1, "one"), (5, "few"), (50, "no")])
def test_a_branch_takes_the_first_arm_that_holds(value: int, taken: str) -> None:
    """Arms in order; none holds: `else`. The arm is remembered."""
    arms = [{"when": "trait.n <= 1", "then": "one"}, {"when": "trait.n <= 9", "then": "few"}]
    steps = [
        {"id": "b", "branch": arms, "else": "no"},
        {"id": "one", "assign": {"way": "one"}, "then": "end"},
        {"id": "few", "assign": {"way": "few"}, "then": "end"},
        {"id": "no", "assign": {"way": "no"}},
    ]
    player = Player(journey(steps), Seen(traits={"n": value}))
    assert (way(player), player.run.steps["b"].arm) == (taken, taken)
    assert player.run.steps["b"].done is (taken != "no")


def test_a_skipped_step_does_nothing_and_takes_else() -> None:
    """`when` false: not done, reason skipped, the next step by default; nothing is asked of the door."""
    player = Player(journey([{"id": "c", "when": "trait.vip", "contact": "m"}, {"id": "d", "assign": {"x": 1}}]))
    left = player.run.steps["c"]
    assert (left.done, left.reason, player.asked, player.run.vars) == (False, "skipped", [], {"x": 1})
    told = Player(journey([{"id": "c", "when": "trait.vip", "set": {"a": 1}, "then": "yes", "else": "no"}, *DONE]))
    assert (way(told), told.traits) == ("else", {})
    done = Player(
        journey([{"id": "c", "when": "trait.vip", "set": {"a": 1}, "then": "yes", "else": "no"}, *DONE]),
        Seen(traits={"vip": True}),
    )
    assert (way(done), done.traits) == ("then", {"a": 1})


def test_set_and_assign() -> None:
    """`set` is a command to the caller, `assign` keeps values of the run; the next step sees them."""
    steps = [
        {"id": "a", "assign": {"total": '=events("Start").sum(price) + 1', "who": "me"}},
        {"id": "s", "set": {"worth": "=vars.total * 2"}},
    ]
    player = Player(journey(steps))
    assert str(player.run.vars["total"]) == "10.99"
    assert str(player.traits["worth"]) == "21.98"


@given(st.integers(0, 10_000), st.sampled_from([(0.5, 0.5), (0.1, 0.9), (0.2, 0.3, 0.5)]))
def test_a_split_is_fixed_by_hash(person: int, shares: tuple[float, ...]) -> None:
    """The arm is that of the hash of person, journey and step, however often it is asked."""
    names = ["a", "b", "c"][: len(shares)]
    steps: list[dict[str, Any]] = [
        {
            "id": "s",
            "split": [{"arm": n, "share": Decimal(str(x)), "then": n} for n, x in zip(names, shares, strict=True)],
        },
        *({"id": n, "assign": {"way": n}, "then": "end"} for n in names),
    ]
    made = journey(steps)
    u = ids.unit(bytes(16), "split:j:s", f"p_{person}")
    wanted = next((n for n, x in zip(names, _sums(shares), strict=True) if u < x), names[-1])
    for _ in range(2):
        player = Player(made)
        run = player.run
        assert run.status == "done"
        run.person, run.status, run.step, run.steps = f"p_{person}", "active", "s", {}
        player._advance(timer=False)
        assert (way(player), run.steps["s"].arm) == (wanted, wanted)


def _sums(shares: tuple[float, ...]) -> list[float]:
    total, out = 0.0, []
    for x in shares:
        total += x
        out.append(total)
    return out


def test_splits_keep_their_shares() -> None:
    """Of 4,000 persons 30 % take the arm of 0.3, within 4 standard errors."""
    hits = sum(ids.unit(bytes(16), "split:j:s", f"p_{n}") < 0.3 for n in range(4_000))
    assert abs(hits / 4_000 - 0.3) < 4 * (0.21 / 4_000) ** 0.5


@pytest.mark.parametrize(("count", "status"), [(99, "done"), (100, "done"), (101, "failed")])
def test_at_most_100_steps_a_moment(count: int, status: str) -> None:
    """The hundredth is still taken; a longer chain fails with its reason instead of going on for ever."""
    player = Player(journey([{"id": f"s{n}", "assign": {"n": n}} for n in range(count)]))
    assert player.run.status == status
    assert bool(player.run.end_reason) is (status == "failed")


def test_rounds_of_entering_and_leaving_balance() -> None:
    """What is entered is left, but for the step at which the run stands."""
    player = Player(
        journey([{"id": "a", "assign": {"x": 1}}, {"id": "w", "wait": "1d"}, {"id": "b", "assign": {"y": 1}}])
    )
    counts = {name: (left.entered, left.left) for name, left in player.run.steps.items()}
    assert counts == {"a": (1, 1), "w": (1, 0)}
    player.until(T0 + time.DAY)
    assert {(left.entered, left.left) for left in player.run.steps.values()} == {(1, 1)}


# --- exits and goals --------------------------------------------------------------------------------------------------


def test_an_exit_ends_the_run_wherever_it_stands() -> None:
    """At a wait: exited with the name, timers dead, the step left; the first name that holds counts."""
    exits = {"bought": 'events("Order").since(entry).exists()', "never": "false"}
    player = Player(journey([{"id": "w", "wait": "9d"}], exit=exits))
    run, view = player.run, player.view
    assert not machine.check_exits(player.journey, run, view, lambda needs: True)
    view.now = T0 + 1
    view.events.append(event("Order", T0 + 1))
    assert not machine.check_exits(player.journey, run, view, lambda needs: False)
    assert machine.check_exits(player.journey, run, view, lambda needs: "Order" in needs.events)
    assert (run.status, run.end_reason, run.ended_at, run.due, run.step) == ("exited", "bought", T0 + 1, None, "")
    assert run.steps["w"].left == 1


def test_an_exit_flips_by_time_too() -> None:
    """`exit_due` is the next flip of any exit; asked then although nothing happened."""
    player = Player(journey([{"id": "w", "wait": "9d"}], exit=['!events("Start").within("2d").exists()', "false"]))
    run, view = player.run, player.view
    assert not machine.check_exits(player.journey, run, view, lambda needs: True)
    assert run.exit_due == T0 + 2 * time.DAY
    view.now = T0 + 2 * time.DAY - 1
    assert not machine.check_exits(player.journey, run, view, lambda needs: False)
    view.now += 1
    assert machine.check_exits(player.journey, run, view, lambda needs: False)
    assert run.end_reason == "exit_1"


@pytest.mark.parametrize(
    ("after", "counts", "own"),
    [(0, False, False), (1, True, True), (14 * time.DAY, True, True), (14 * time.DAY + 1, False, False)],
)
def test_the_goal_window_is_open_at_the_entry_and_closed_at_its_end(after: int, counts: bool, own: bool) -> None:
    """Events in (entry.at, entry.at + within]; also after the run has ended; the value is a number an event."""
    goal = {"event": ["Order", "Contract"], "within": "14d", "where": "revenue > 1", "value": "revenue"}
    player = Player(journey([{"id": "w", "assign": {"x": 1}}], goal=goal))
    run, view = player.run, player.view
    order = event("Order", T0 + after, revenue=5)
    view.event, view.now = order, order.at
    assert reaction.counts(player.journey, run, order, view) is counts
    if counts:
        assert reaction.worth(player.journey, view) == 5
        reaction.note_goal(player.journey, run, order)
    assert (run.goal_at is not None) is own


def test_only_the_events_of_the_goal_count_and_the_first_is_kept() -> None:
    """Another name, a `where` that is false: nothing. A value that is no number is missing.

    The earliest event stays.
    """
    goal = {"event": "Order", "within": "14d", "where": "revenue != 1", "value": "revenue"}
    player = Player(journey([{"id": "w", "assign": {"x": 1}}], goal=goal))
    run, view = player.run, player.view

    def value(name: str, **properties: Any) -> Any:
        view.event = event(name, T0 + 9, **properties)
        counts = reaction.counts(player.journey, run, view.event, view)
        return (reaction.worth(player.journey, view),) if counts else ()

    assert (value("Other", revenue=5), value("Order", revenue=1)) == ((), ())
    assert (value("Order", revenue=3), value("Order"), value("Order", revenue="3")) == ((3,), (None,), (None,))
    for at in (T0 + 9, T0 + 5, T0 + 7):
        reaction.note_goal(player.journey, run, event("Order", at))
    assert run.goal_at == T0 + 5
    plain = Player(journey([{"id": "w", "assign": {"x": 1}}], goal={"event": "Order", "within": "14d"}))
    plain.view.event = event("Order", T0 + 1)
    assert reaction.counts(plain.journey, plain.run, plain.view.event, plain.view)
    assert reaction.worth(plain.journey, plain.view) == 1


def test_measuring_goes_on_from_the_decision_and_the_own_window_does_not() -> None:
    """With a decision two days after entry, events count two days longer for measuring, and do not mark the run."""
    player = Player(journey([{"id": "w", "assign": {"x": 1}}], goal={"event": "Order", "within": "14d"}))
    player.run.decided_at = T0 + 2 * time.DAY
    late = event("Order", T0 + 15 * time.DAY)
    player.view.event = late
    assert reaction.counts(player.journey, player.run, late, player.view)
    reaction.note_goal(player.journey, player.run, late)
    assert player.run.goal_at is None
    assert reaction.counts_until(player.journey, player.run) == T0 + 16 * time.DAY


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("Message Clicked", "clicked"),
        ("Email Link Clicked", "clicked"),
        ("Email Bounced", "bounced"),
        ("Unsubscribed", "unsubscribed"),
    ],
)
def test_a_reaction_belongs_to_its_message(name: str, field: str) -> None:
    """Only by its message id, only by humans, by both families of names; it stays true."""
    player = Player(
        journey([{"id": "c", "contact": "m"}]), answers=[Answer("sent", channel="email", message="k1", tracked=True)]
    )
    run = player.run
    machine_made = event(name, T0 + 1, message_id="k1")
    machine_made.machine = True
    for wrong in (
        event(name, T0 + 1, message_id="k2"),
        event(name, T0 + 1),
        machine_made,
        event("Order", T0 + 1, message_id="k1"),
    ):
        assert not reaction.react(run, wrong)
    assert reaction.react(run, event(name, T0 + 2, message_id="k1"))
    assert not reaction.react(run, event(name, T0 + 3, message_id="k1"))
    assert getattr(run.steps["c"], field) is True
