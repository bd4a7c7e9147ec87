"""One moment of one person: profile -> segments -> goal -> exit -> step -> entry (language.md 3.7).

What the engine itself does at a moment (entered, decided, sent) is an event of the same clock, folded at once and
worked off as a moment of its own before anything else happens to the person.
"""

from __future__ import annotations

from collections import ChainMap, Counter, deque
from collections.abc import Sequence
from functools import partial
from typing import Any

from einklang.app import backfill, traits
from einklang.app.contact import Desk
from einklang.app.groups import group_of
from einklang.app.stages import CHANGED
from einklang.app.state import State
from einklang.app.touched import LATE_US, Touched
from einklang.app.view import PersonView, is_zone, zone_of
from einklang.app.working import Live, did, take_zone
from einklang.audience.ladder import Climb
from einklang.audience.live import Change, refresh
from einklang.content.message import traits_read
from einklang.decide import arms
from einklang.event import Event, canonical_name, names_of
from einklang.fact.person import TREATED, Arm, Membership, Run, Trait
from einklang.flow import entry as entries
from einklang.flow import machine, reaction
from einklang.flow.compile import Journey, Step
from einklang.flow.values import conditions
from einklang.kernel.limits import STEPS_PER_MOMENT_MAX
from einklang.kernel.reasons import Reason
from einklang.kernel.time import format_moment

#: Traits that `person.*` and the addresses are made of: a change touches everything.
_BASIC = frozenset({"email", "phone", "language", "country", "timezone", "address"})


class Moments:
    """Works off the moments of persons. `state` is what is known, `desk` carries requests to the door."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.desk = Desk(state, self._emit)
        self._queue: deque[tuple[Event, Touched]] = deque()
        self._circles: Counter[tuple[str, str]] = Counter()

    # --- events ---------------------------------------------------------------------------------------------------

    def event(self, live: Live, event: Event, *, whole: bool = False, told: Sequence[Event] = ()) -> None:
        """Fold an event into its person and work off what follows.

        whole: the person changed by more than the event; told: what the engine said meanwhile, of any person.
        """
        touched = self._fold(live, event)
        touched.everything = touched.everything or whole
        self._queue.append((event, touched))
        self._take(live, told)
        self._drain(live)

    def everything(self, live: Live, *, told: Sequence[Event] = ()) -> None:
        """Look at the whole person again: after a merge, or when definitions changed."""
        self._take(live, told)
        self._moment(live, None, Touched(everything=True), timer=False)
        self._drain(live)

    def look(self, live: Live) -> None:
        """Ask what was never asked of this person, or tell what is not told yet."""
        self._moment(live, None, Touched(), timer=False)
        self._drain(live)

    def catalogs(self, live: Live, names: frozenset[str]) -> None:
        """Ask what looks rows up in these catalogs."""
        self._moment(live, None, Touched(catalogs=names), timer=False)
        self._drain(live)

    def groups(self, live: Live, kinds: set[str]) -> None:
        """Ask what speaks of groups of these types: another member did or said something."""
        self._moment(live, None, Touched(groups=kinds), timer=False)
        self._drain(live)

    def _take(self, live: Live, told: Sequence[Event]) -> None:
        """Fold and queue what the engine said of this person."""
        for event in told:
            if event.person == live.person.id:
                self._queue.append((event, self._fold(live, event)))

    def timer(self, live: Live) -> None:
        """Work off what is due at the present clock."""
        self._moment(live, None, Touched(), timer=True)
        self._drain(live, timer=True)

    def _drain(self, live: Live, *, timer: bool = False) -> None:
        while self._queue:
            event, touched = self._queue.popleft()
            self._moment(live, event, touched, timer=False)
        self._circles.clear()
        self._set_wake(live, timer=timer)

    def _again(self, what: str, name: str) -> bool:
        """Whether this may happen once more to the person of this moment: what feeds itself ends."""
        self._circles[what, name] += 1
        return self._circles[what, name] <= STEPS_PER_MOMENT_MAX

    def _fold(self, live: Live, event: Event) -> Touched:
        state, person = self.state, live.person
        state.working.mark(live)
        names = names_of(event)
        live.add(event, names)
        state.object_index.touch(live, event)
        touched = Touched(events=set(names))
        if event.origin == 0:
            touched.late = event.at if event.clock - event.at >= LATE_US else None
            touched.seen = state.fold >= 4 and event.at > person.last_seen_at
            person.last_seen_at = max(person.last_seen_at, event.at)
            touched.person_did = did(event)
            zone = event.context.get("timezone")
            if isinstance(zone, str) and is_zone(zone):
                touched.everything = take_zone(person, Trait(zone, event.at, event.seq))
        elif event.name in ("Journey Entered", "Journey Left"):
            touched.journeys = True
        if event.type == "identify":
            touched.traits = state.fold_traits(live, event)
            touched.everything = touched.everything or not _BASIC.isdisjoint(touched.traits)
            if state.fold >= 4:
                touched.traits |= traits.late(live, event)
        if event.type == "group" and state.fold >= 2:
            state.groups.call(live, event)
            key = group_of(event)
            touched.groups = {key[0]} if key is not None else set()
        state.groups.heard(live, names)
        if state.declare(live, event):
            touched.consent = True
        if canonical_name(event.name) in reaction.FIELDS:
            for run in live.runs:
                if reaction.react(run, event):
                    live.touched_runs.add(run.id)
                    touched.steps = True
        return touched

    def _emit(self, live: Live, name: str, said: dict[str, Any], *, kind: str = "track", run: str = "") -> Event:
        """An event of the engine's own at the present clock: logged, folded, queued."""
        event = self.state.own_event(live.person.id, name, said, kind=kind, run=run)
        self._queue.append((event, self._fold(live, event)))
        return event

    # --- the moment -----------------------------------------------------------------------------------------------

    def _moment(self, live: Live, event: Event | None, touched: Touched, *, timer: bool) -> None:
        self._segments(live, touched)
        if touched.everything:
            self._goals_of_history(live, touched, live.runs)
        if event is not None:
            self._goals(live, event, touched)
            if event.name in ("Message Sent", "Message Failed") and event.origin == 1:
                self._handed_over(live, event, touched)
        for run in [run for run in live.runs if run.status == "active"]:
            self._step(live, run, touched, timer=timer)
        if event is not None:
            self._enter(live, event)

    def _segments(self, live: Live, touched: Touched) -> None:
        """Ask the segments that what was touched, or the time, can have changed; say who entered and left."""
        state, person = self.state, live.person
        listeners, mark = state.listeners, partial(state.working.mark, live)
        if person.shadows and state.shadows is None:
            self._take_over(live, touched)
        due = person.wake is not None and person.wake <= state.clock
        places = listeners.touched(touched) | listeners.open(
            person.memberships, state.clock, due=due, stands=person.stages
        )
        if backfill.climbs(state, person.id):
            places = places | state.climbing
        if places:
            for change in refresh(listeners, person.memberships, state.view(live), places, mark, person.stages):
                if isinstance(change, Climb):
                    self._climbed(live, change, touched)
                else:
                    self._moved(live, change, touched)
        if state.shadows is not None:
            view = state.view(live)
            view.memberships = ChainMap(person.shadows, person.memberships)
            places = state.shadows.touched(touched) | state.shadows.open(person.shadows, state.clock, due=due)
            for _ in refresh(state.shadows, person.shadows, view, places, mark):
                mark()

    def _take_over(self, live: Live, touched: Touched) -> None:
        """The new definitions of some segments are in force: what the person's shadows say is told."""
        state, person = self.state, live.person
        for name in state.build.names if state.build is not None else ():
            shadow, known = person.shadows.get(name), person.memberships.get(name)
            if shadow is None:
                continue
            if known is not None and known.member == shadow.member:
                known.flips_at = shadow.flips_at
                continue
            person.memberships[name] = Membership(shadow.member, state.clock, shadow.flips_at)
            if shadow.member or known is not None:
                self._moved(live, Change(name, shadow.member, state.clock), touched)
        if state.build is not None:
            touched.segments.update(state.build.names)
        person.shadows = {}
        state.working.mark(live)

    def _moved(self, live: Live, change: Change, touched: Touched) -> None:
        """Say that a person entered or left a segment."""
        state = self.state
        touched.segments.add(change.segment)
        state.working.mark(live)
        live.touched_segments.add(change.segment)
        told = {"segment": change.segment}
        self._say(
            live, "Segment Entered" if change.entered else "Segment Left", told, ("segment", change.segment), touched
        )

    def _climbed(self, live: Live, change: Climb, touched: Touched) -> None:
        """Say that a person is in another stage."""
        touched.stages.add(change.stage)
        self.state.working.mark(live)
        live.touched_stages.add(change.stage)
        told = {"stage": change.stage, "from": change.was, "to": change.to}
        self._say(live, CHANGED, told, ("stage", change.stage), touched)

    def _say(self, live: Live, name: str, told: dict[str, Any], what: tuple[str, str], touched: Touched) -> None:
        """Tell of a change that this moment made."""
        state = self.state
        if touched.late is not None and state.fold >= backfill.SINCE:
            told["late"] = format_moment(touched.late)
        if self._again(*what):
            self._emit(live, name, told)
        else:  # a segment about its own members: it is said, and nobody asks again at this moment
            live.add(state.own_event(live.person.id, name, told), (name,))

    def _goals(self, live: Live, event: Event, touched: Touched) -> None:
        if not event.machine and not self.state.goal_events.isdisjoint(names_of(event)):
            for run in live.runs:
                self._goal(live, run, event, touched)

    def _goal(self, live: Live, run: Run, event: Event, touched: Touched) -> None:
        """Count the event for the run's goal, once."""
        journey = self.state.journey(run.journey, run.version)
        if journey.goal is None or event.seq in run.counted:
            return
        view = self.state.view(live).of_run(run)
        view.event = event
        if not reaction.counts(journey, run, event, view):
            return
        value = reaction.worth(journey, view)
        if value is None and self.state.fold < 2:
            value = 0
        reached = run.goal_at
        run.counted.append(event.seq)
        reaction.note_goal(journey, run, event)
        touched.goal = touched.goal or run.goal_at != reached
        live.touched_runs.add(run.id)
        self.state.working.mark(live)
        self.state.add_outcome(live, run, event, value)

    def _goals_of_history(self, live: Live, touched: Touched, runs: list[Run]) -> None:
        """What happened before it was known whose it was, or before the run was, counts too."""
        for run in runs:
            journey = self.state.journey(run.journey, run.version)
            for name in sorted(journey.goal.events) if journey.goal is not None else ():
                for event in list(live.by_name.get(name, ())):
                    if event.at > run.entry.at and not event.machine:
                        self._goal(live, run, event, touched)

    def _handed_over(self, live: Live, event: Event, touched: Touched) -> None:
        """A delivery reports back: the run that waits for it goes on."""
        key = event.properties.get("message_id")
        for run in live.runs:
            for step_id, left in run.steps.items():
                if left.message == key:
                    live.touched_runs.add(run.id)
                    journey = self.state.journey(run.journey, run.version)
                    answer = self.desk.reported(live, run, event)
                    if run.status == "active" and run.step == step_id and run.waiting_for == machine.DELIVERY:
                        machine.settle(run, journey.steps[step_id], answer, self.state.clock)
                        touched.steps = True
                    elif answer.kind == "sent":
                        run.contacted = True

    # --- runs -----------------------------------------------------------------------------------------------------

    def _concerned(self, run: Run, step: Step, touched: Touched, *, timer: bool) -> bool:
        if not run.waiting_for or (timer and run.due is not None and run.due <= self.state.clock):
            return True
        if step.kind == "until":
            return step.until is not None and touched.by(step.until.needs)
        if step.kind == "wait":
            return step.wait is not None and step.wait.until is not None and touched.by(step.wait.until.needs)
        if run.waiting_for != "held":
            return False
        return self._may_pass(touched) or (bool(run.unready) and self._may_be_ready(step, touched))

    def _may_be_ready(self, step: Step, touched: Touched) -> bool:
        """Whether a message that could not be made may be made now: what it reads of its person was touched."""
        message = self.state.definitions.messages[step.message]
        return not traits_read(message).isdisjoint(touched.traits) or any(
            touched.by(condition.needs) for condition in conditions(step.values)
        )

    def _may_pass(self, touched: Touched) -> bool:
        """Whether the door may say something else of a held contact before its time has come."""
        rules = self.state.definitions.rules.values()
        return touched.consent or touched.everything or any(touched.by(rule.needs) for rule in rules)

    def _step(self, live: Live, run: Run, touched: Touched, *, timer: bool) -> None:
        state = self.state
        journey = state.journey(run.journey, run.version)
        concerned = self._concerned(run, journey.steps[run.step], touched, timer=timer)
        if not concerned and not machine.exits_concerned(journey, run, state.clock, touched.by):
            if touched.everything:  # the journey may have been paused or resumed
                self._wake(live, run)
            return
        view = state.view(live).of_run(run)
        moment, known = state.clock, run.exit_due
        if machine.check_exits(journey, run, view, touched.by):
            self._left(live, run)
            return
        if run.exit_due != known:
            live.touched_runs.add(run.id)
            state.working.mark(live)
        paused = state.definitions.journeys[run.journey].state == "paused"
        if paused or not concerned:
            self._wake(live, run)
            return
        skip = False
        if run.due is not None and run.due < moment:
            gap = state.delay(run.journey, run.due)
            if gap and journey.overdue == "shift":
                live.touched_runs.add(run.id)
                state.working.mark(live)
                if not machine.after_stop(run, journey.steps[run.step], moment, gap):
                    self._wake(live, run)
                    return
            elif gap and journey.overdue == "skip":
                skip = True
            elif timer:
                view.now = run.due
        self._advance(live, journey, run, view, timer=timer, skip=skip)

    def _advance(
        self, live: Live, journey: Journey, run: Run, view: PersonView, *, timer: bool, skip: bool = False
    ) -> None:
        """Move the token as far as it goes. skip: contacts that fell due during a stop take `else`."""
        state = self.state
        live.touched_runs.add(run.id)
        state.working.mark(live)
        zone = state.definitions.policy.timezone if journey.zone == "policy" else zone_of(live, state.rules)
        if journey.zone not in ("person", "policy"):
            zone = journey.zone
        held = {run.step: run.unready} if run.waiting_for == "held" else {}
        steps = machine.advance(
            journey, run, view, timer=timer, zone=zone, patience_us=state.definitions.policy.patience_us
        )
        answer: machine.Answer | None = None
        try:
            command = next(steps)
            while True:
                answer = None
                if skip and isinstance(command, machine.AskDoor):
                    answer = self.desk.overdue(live, journey, run, command)
                elif isinstance(command, machine.AskDoor):
                    answer = self.desk.ask(live, journey, run, command)
                    if answer.kind == "held" and state.fold >= 2:  # before, a step without patience said nothing
                        held[command.step.id] = answer.unready
                elif not self.desk.only_watched(live, run):
                    if isinstance(command, machine.Track):
                        self._emit(live, command.name, command.values, run=run.id)
                    else:
                        self._emit(live, "", command.values, kind="identify", run=run.id)
                command = steps.send(answer)
        except StopIteration:
            pass
        for name, unready in held.items():
            if run.steps[name].reason == Reason.PATIENCE and run.step != name:
                self.desk.gave_up(live, journey, run, journey.steps[name], unready)
        if run.status != "active":
            self._left(live, run)
        else:
            self._exits_again(live, journey, run, view)

    def _exits_again(self, live: Live, journey: Journey, run: Run, view: PersonView) -> None:
        """What a step did may have made an exit true; its next flip is worked out anew."""
        view.now = self.state.clock
        if machine.check_exits(journey, run, view, lambda needs: True):
            self._left(live, run)
        else:
            self._wake(live, run)

    def _wake(self, live: Live, run: Run) -> None:
        """When time alone concerns the run: in a paused journey only its exits, no step is taken."""
        paused = self.state.definitions.journeys[run.journey].state == "paused"
        moments = [moment for moment in (None if paused else run.due, run.exit_due) if moment is not None]
        wake = min(moments) if moments else None
        if wake != run.wake:
            run.wake = wake
            live.touched_runs.add(run.id)
            self.state.working.mark(live)

    def _left(self, live: Live, run: Run) -> None:
        live.touched_runs.add(run.id)
        self.state.working.mark(live)
        self.desk.withdraw(live, run)
        self._emit(
            live,
            "Journey Left",
            {"journey": run.journey, "run": run.id, "key": run.key, "status": run.status, "reason": run.end_reason},
        )

    # --- entry ----------------------------------------------------------------------------------------------------

    def _enter(self, live: Live, event: Event) -> None:
        if event.machine:
            return  # what a scanner did is nobody's wish
        for name in names_of(event):
            for journey in self.state.entered_by(name):
                self._candidate(live, journey, event)

    def _candidate(self, live: Live, journey: Journey, event: Event) -> None:
        state = self.state
        view = state.view(live)
        view.event = event
        entry = view.entry = entries.begin(event, None)
        key = entry.key = entries.candidate_key(journey, view)
        if journey.where is not None and not journey.where.holds(view):
            return
        runs = [run for run in live.runs if run.journey == journey.id]
        reason = entries.refusal(journey, event, key, runs, state.clock, live=state.live)
        if reason is None and journey.limit is not None:
            reason = Reason.ENTRY_LIMIT if state.entries.full(journey, state.reader, state.clock) else None
        if reason is None and not self._again("journey", journey.id):
            reason = Reason.CIRCLE
        if reason is not None:
            state.add_verdict(live, "", journey.id, "", "", "", "refused", reason, None, entries.key_text(key))
            return
        arm = self.arm_of(live, journey.scope, journey.control)
        run = entries.start(journey, entry, live.person.id, state.salt, arm.arm, arm.probability)
        live.add_run(run)
        state.entries.note(journey.id, state.clock)
        self._emit(
            live, "Journey Entered", {"journey": journey.id, "version": journey.version, "run": run.id, "key": run.key}
        )
        if live.history[-1].at > event.at:
            self._goals_of_history(live, Touched(), [run])
        fresh = state.view(live).of_run(run)
        if machine.check_exits(journey, run, fresh, lambda needs: True):
            self._left(live, run)
            return
        self._advance(live, journey, run, fresh, timer=False)

    def arm_of(self, live: Live, scope: str, probability: float) -> Arm:
        """The stored arm of a person within a scope; hashed and stored the first time."""
        if probability <= 0:
            return Arm(TREATED, 0.0, self.state.clock, live.person.id)
        known = live.person.arms.get(scope)
        if known is None:
            known = arms.assign(self.state.salt, scope, live.person.id, probability, self.state.clock)
            live.person.arms[scope] = known
            self.state.working.mark(live)
        return known

    # --- time -----------------------------------------------------------------------------------------------------

    def _set_wake(self, live: Live, *, timer: bool) -> None:
        """The earliest moment at which time alone concerns the person.

        After a timer it lies ahead, so that time goes on.
        """
        person = live.person
        wake: int | None = None
        for membership in person.memberships.values():
            if membership.flips_at is not None and (wake is None or membership.flips_at < wake):
                wake = membership.flips_at
        for membership in person.shadows.values():
            if membership.flips_at is not None and (wake is None or membership.flips_at < wake):
                wake = membership.flips_at
        for stand in person.stages.values():
            if stand.flips_at is not None and (wake is None or stand.flips_at < wake):
                wake = stand.flips_at
        for run in live.runs:
            if run.wake is not None and run.status == "active" and (wake is None or run.wake < wake):
                wake = run.wake
        if timer and wake is not None and wake <= self.state.clock:
            wake = self.state.clock + 1
        if wake != person.wake:
            person.wake = wake
            self.state.working.mark(live)
        if wake is not None:
            self.state.wake(live.person.id, wake)
