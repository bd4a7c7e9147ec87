"""Reactions to what a run sent, and the goal (language.md 3.1 `goal`, 3.5)."""

from __future__ import annotations

from decimal import Decimal

from einklang.event import Event, canonical_name, names_of
from einklang.expr import View
from einklang.fact.person import Run
from einklang.flow.compile import Journey

#: Reaction event -> field of `step.ID`.
FIELDS = {
    "Message Delivered": "delivered",
    "Message Bounced": "bounced",
    "Message Opened": "opened",
    "Message Clicked": "clicked",
    "Message Replied": "replied",
    "Message Unsubscribed": "unsubscribed",
    "Message Complained": "complained",
}


def react(run: Run, event: Event) -> bool:
    """Fold a reaction into the step whose message it names; True if something changed. Machines do not count."""
    name = FIELDS.get(canonical_name(event.name))
    key = event.properties.get("message_id")
    if name is None or event.machine or not key:
        return False
    for left in run.steps.values():
        if left.message == key and getattr(left, name) is not True:
            setattr(left, name, True)
            return True
    return False


def counts_until(journey: Journey, run: Run) -> int:
    """The last moment at which an event can still count for this run's goal, by its measurement window or its own."""
    assert journey.goal is not None
    start = max(run.entry.at, run.decided_at if run.decided_at is not None else run.entry.at)
    return start + journey.goal.within_us


def counts(journey: Journey, run: Run, event: Event, view: View) -> bool:
    """Whether this event counts for the run's goal. The view speaks of the run and the event.

    The window is (entry.at, entry.at + within]; for measuring it goes on to (decided_at, decided_at + within].
    """
    goal = journey.goal
    if goal is None or goal.events.isdisjoint(names_of(event)):
        return False
    if not run.entry.at < event.at <= counts_until(journey, run):
        return False
    return goal.where is None or goal.where.holds(view)


def worth(journey: Journey, view: View) -> Decimal | int | None:
    """What an event that counts is worth to the goal; None where its value is missing, or money without a rate."""
    assert journey.goal is not None
    if journey.goal.value is None:
        return 1
    value = journey.goal.value.value(view)
    return value if isinstance(value, int | Decimal) and not isinstance(value, bool) else None


def note_goal(journey: Journey, run: Run, event: Event) -> None:
    """Mark the goal as reached if the event lies in the run's own window; the earliest event stays."""
    assert journey.goal is not None
    if event.at <= run.entry.at + journey.goal.within_us and (run.goal_at is None or event.at < run.goal_at):
        run.goal_at = event.at
