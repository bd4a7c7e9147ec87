"""The token machine: one run, one moment.

`advance` is a generator: it yields a command where the world has to act (ask the door, set traits) and goes on with the
answer. All else it changes in the run. It stops where the run waits; `run.due` then says when time alone concerns it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from einklang.expr import View
from einklang.fact.person import Run, StepLeft
from einklang.flow import wait as waits
from einklang.flow.compile import Journey, Step
from einklang.flow.definition import END
from einklang.flow.values import work_out
from einklang.kernel import ids
from einklang.kernel.limits import STEPS_PER_MOMENT_MAX
from einklang.kernel.reasons import Reason

DELIVERY = "delivery"


@dataclass(frozen=True, slots=True)
class AskDoor:
    """Ask the door for a contact of this step; the answer is an `Answer`."""

    step: Step
    round: int
    data: dict[str, Any]
    patience_ends: int


@dataclass(frozen=True, slots=True)
class SetTraits:
    """Set traits of the person; no answer."""

    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Track:
    """Write an event to the log; no answer."""

    name: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a contact: `sent`, `ghost`, `waiting` (for the hand-over), `held`, `denied` or `failed`.

    unready: of one that is held because its message cannot be made: what was said of it.
    """

    kind: str
    reason: str = ""
    until: int | None = None
    channel: str = ""
    message: str = ""
    tracked: bool = False
    unready: str = ""


Command = AskDoor | SetTraits | Track
Steps = Generator[Command, Answer | None, None]


def _left(run: Run, step: Step) -> StepLeft:
    found = run.steps.get(step.id)
    if found is None:
        found = run.steps[step.id] = StepLeft()
    return found


def _leave(run: Run, step: Step, target: str, now: int, *, done: bool, reason: str = "") -> None:
    left = _left(run, step)
    left.done, left.at, left.reason = done, now, str(reason) or None
    left.left += 1
    run.waiting_for, run.due, run.patience_ends, run.unready = "", None, None, ""
    if target == END:
        finish(run, "done", "", now)
    else:
        run.step = target


def finish(run: Run, status: str, reason: str, now: int) -> None:
    """End the run: `done`, `exited`, `merged`, `stopped` or `failed`. Its timers die."""
    if run.waiting_for:
        _stand = run.steps.get(run.step)
        if _stand is not None:
            _stand.left += 1
    run.status, run.end_reason, run.ended_at = status, str(reason), now
    run.step, run.waiting_for, run.unready = "", "", ""
    run.due = run.exit_due = run.patience_ends = run.wake = None


def _earliest(*moments: int | None) -> int | None:
    found = [moment for moment in moments if moment is not None]
    return min(found) if found else None


def _at_wait(run: Run, step: Step, view: View, zone: str) -> bool:
    assert step.wait is not None
    due = waits.due(step.wait, run.arrived, zone, view)
    # a moment that lies in the past when looked at; the one that was waited for came, however late it is worked off
    missed = due is not None and step.wait.until is not None and due < view.now and due != run.due
    if due is None or missed:
        stopped = run.waiting_for == "wait" and run.due is None
        _leave(run, step, step.otherwise, view.now, done=False, reason=Reason.OVERDUE if stopped else "")
        return True
    if due <= view.now:
        _leave(run, step, step.then, view.now, done=True)
        return True
    run.due, run.waiting_for = due, "wait"
    return False


def zone_of(step: Step, view: View, zone: str) -> str:
    """The IANA zone in which a wait counts: its own, else `zone`, that of the journey."""
    own = step.wait.zone if step.wait is not None else ""
    return zone if not own else view.zone if own == "person" else own


def _at_until(run: Run, step: Step, view: View, timer: bool) -> bool:
    assert step.until is not None
    assert run.patience_ends is not None
    if step.until.holds(view):
        _leave(run, step, step.then, view.now, done=True)
        return True
    if timer and view.now >= run.patience_ends:
        _leave(run, step, step.otherwise, view.now, done=False, reason=Reason.PATIENCE)
        return True
    run.due, run.waiting_for = _earliest(run.patience_ends, step.until.next_flip(view)), "until"
    return False


def _at_branch(run: Run, step: Step, view: View) -> None:
    left = _left(run, step)
    for condition, target in step.arms:
        if condition.holds(view):
            left.arm = target
            _leave(run, step, target, view.now, done=True)
            return
    left.arm = step.otherwise
    _leave(run, step, step.otherwise, view.now, done=False)


def _at_split(run: Run, step: Step, view: View) -> None:
    u = ids.unit(view.salt, f"split:{run.journey}:{step.id}", run.person)
    below = 0.0
    for name, share, target in step.shares:
        below += share
        if u < below or (name, share, target) == step.shares[-1]:
            _left(run, step).arm = name
            _leave(run, step, target, view.now, done=True)
            return


def settle(run: Run, step: Step, answer: Answer, now: int) -> None:
    """Take what became of a contact into the run. Used by the machine and when a later hand-over reports back."""
    left = _left(run, step)
    if answer.kind in ("sent", "ghost"):
        left.channel, left.message = answer.channel, answer.message
        left.delivered = left.bounced = left.replied = left.unsubscribed = left.complained = False
        left.clicked = False if answer.tracked or answer.kind == "ghost" else None
        left.opened = False if answer.kind == "ghost" else None
        run.contacted = run.contacted or answer.kind == "sent"
        if run.waiting_for in ("", "held", DELIVERY):
            _leave(run, step, step.then, now, done=True)
    else:
        _leave(run, step, step.otherwise, now, done=False, reason=answer.reason)


def _at_contact(run: Run, step: Step, view: View) -> Generator[Command, Answer | None, bool]:
    assert run.patience_ends is not None
    if run.waiting_for == DELIVERY:
        return False
    if run.waiting_for == "held" and view.now > run.patience_ends:
        _leave(run, step, step.otherwise, view.now, done=False, reason=Reason.PATIENCE)
        return True
    data = {key: work_out(value, view) for key, value in step.values.items()}
    answer = yield AskDoor(step, _left(run, step).rounds, data, run.patience_ends)
    assert answer is not None, "the door answers"
    if answer.kind == "waiting":
        run.waiting_for, run.due, run.unready = DELIVERY, None, ""
        _left(run, step).message = answer.message
        return False
    if answer.kind == "held":
        if view.now >= run.patience_ends:
            _leave(run, step, step.otherwise, view.now, done=False, reason=Reason.PATIENCE)
            return True
        run.waiting_for, run.due = "held", _earliest(answer.until, run.patience_ends)
        run.unready = answer.unready
        return False
    settle(run, step, answer, view.now)
    return True


def _arrive(run: Run, step: Step, view: View, patience_us: int) -> bool:
    """Begin a step; False if its `when` says that it does nothing."""
    left = _left(run, step)
    left.entered += 1
    left.rounds += 1
    run.arrived = view.now
    if step.when is not None and not step.when.holds(view):
        _leave(run, step, step.otherwise, view.now, done=False, reason=Reason.SKIPPED)
        return False
    if step.kind in ("until", "contact"):
        run.patience_ends = view.now + (step.at_most_us if step.at_most_us is not None else patience_us)
    return True


def advance(journey: Journey, run: Run, view: View, *, timer: bool, zone: str, patience_us: int) -> Steps:
    """Move the token as far as it goes at this moment.

    timer: whether time alone called (patience ends only then, so that an event at its very end still counts).
    zone: the IANA zone of waits, already resolved; patience_us: the policy's default patience of a contact.
    """
    for _ in range(STEPS_PER_MOMENT_MAX):
        if run.status != "active":
            return
        step = journey.steps[run.step]
        if not run.waiting_for and not _arrive(run, step, view, patience_us):
            continue
        if step.kind == "wait":
            moved = _at_wait(run, step, view, zone_of(step, view, zone))
        elif step.kind == "until":
            moved = _at_until(run, step, view, timer)
        elif step.kind == "contact":
            moved = yield from _at_contact(run, step, view)
        else:
            moved = True
            if step.kind == "branch":
                _at_branch(run, step, view)
            elif step.kind == "split":
                _at_split(run, step, view)
            else:
                stored = step.kind in ("set", "track")
                values = {key: work_out(value, view, stored=stored) for key, value in step.values.items()}
                if step.kind == "set":
                    yield SetTraits(values)
                elif step.kind == "track":
                    yield Track(step.track, values)
                else:
                    run.vars.update(values)
                _leave(run, step, step.then, view.now, done=True)
        if not moved:
            return
    if run.status == "active":
        finish(run, "failed", "too many steps at one moment", view.now)


def after_stop(run: Run, step: Step, now: int, gap: int) -> bool:
    """The rule `shift` for what fell due during a pause or standstill of `gap` microseconds; True: ask the step now.

    Waits for a duration, and patience, are lengthened by the stop; a wait to a date that is past takes `else`.
    """
    if step.wait is not None and step.wait.until is not None:
        run.due = None  # nobody waited for it: looked at now, it is past or it was moved
        return True
    if step.kind == "until":
        if run.patience_ends is not None and run.patience_ends <= now:
            run.patience_ends += gap
        return True
    assert run.due is not None, "only what fell due is shifted"
    run.due += gap
    if run.patience_ends is not None:
        run.patience_ends += gap
    return False


def exits_concerned(journey: Journey, run: Run, now: int, due: Callable[[Any], bool]) -> bool:
    """Whether an exit condition may have changed: by what was touched, or because its flip is due."""
    if run.exit_due is not None and run.exit_due <= now:
        return True
    return any(due(condition.needs) for _, condition in journey.exits)


def check_exits(journey: Journey, run: Run, view: View, due: Callable[[Any], bool]) -> bool:
    """End the run if an exit condition holds.

    `due(needs)`: whether the condition may have changed. Sets `run.exit_due`.
    """
    if not exits_concerned(journey, run, view.now, due):
        return False
    flips: list[int | None] = []
    for name, condition in journey.exits:
        held, flip = condition.holds_until(view)
        if held:
            finish(run, "exited", name, view.now)
            return True
        flips.append(flip)
    run.exit_due = _earliest(*flips)
    return False
