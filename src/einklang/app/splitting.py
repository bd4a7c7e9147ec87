"""What one person has is given to those whose it is: after a late claim, a decision of staff, or other kinds.

The way back of a merge is no undo: the persons concerned are folded anew, each from its own events.

* An event goes by the identifier that it is attributed by. What has none (the engine said it, a link was clicked) goes
  with its run; else to whom the person leads now as whom it was folded (docs/decisions/0007-identity.md).
* A run goes with the event that began it; rows, contacts, slots in caps and what its steps said go with their run. One
  that gave way to a twin at a merge goes on where it stood, once the twin is another's.
* A message that was handed over goes with the address that got it, and with it its slot and what was done with it.
* An arm goes with the person that was hashed; who has a run of its scope and no arm keeps that of the run.
* Traits, times, zone and permissions are made anew. A consent is narrowed again by the merges that still hold, in their
  order, and by no other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from einklang.app import traits
from einklang.app.groups import belongs
from einklang.app.object_index import OBJECT
from einklang.app.stages import CHANGED, SINCE
from einklang.app.view import is_zone
from einklang.app.working import Live, take_zone
from einklang.consent import Declaration, fold, merge_permissions
from einklang.decide.arms import earliest
from einklang.event import LISTED, UNLISTED, Event
from einklang.fact.person import Arm, Before, Membership, Permission, Run, Stand, StepLeft, Trait
from einklang.flow import machine
from einklang.flow.reaction import note_goal
from einklang.identity import DEVICE, Move
from einklang.kernel.reasons import Reason
from einklang.profile import Rule

if TYPE_CHECKING:
    from einklang.app.people import People

#: Steps that do nothing to the outside: the run may pass them again.
_QUIET = frozenset({"wait", "until", "branch", "split", "assign"})
MERGED, SPLIT, ENTERED = "Person Merged", "Person Split", "Journey Entered"
_EVER = 2**62
#: Since which fold a message goes with its address, what a step said with its run, an arm with a run that it decided.
PARTED = 4
#: Where the run stands in rows that go with it.
_RUN_AT = {"verdict_put": 5, "assignment_put": 4, "outcome_put": 4, "outbox_put": 3, "message_log_put": 4}


class Division:
    """Gives what `source` has to those whose it is, by the moves of its identifiers. Single use."""

    def __init__(self, people: People, source: Live, moves: Sequence[Move], event: Event) -> None:
        self.people, self.state, self.source, self.event = people, people.state, source, event
        self.moves: dict[tuple[str, str], list[Move]] = {}
        for move in moves:
            self.moves.setdefault((move.kind, move.value), []).append(move)
        here = source.person.id
        self.rest = here if people.overlay.identifiers_of(here) else people.living(here)
        self.whole = self.state.fold >= 2
        self.targets = {move.to_person for move in moves} | {self.rest}
        self.run_of: dict[str, str] = {}
        #: message -> who got it, and its slot in caps: run, channel, moment of the decision
        self.got: dict[str, tuple[str, tuple[str, str, int]]] = {}
        self._about: dict[tuple[str, str], list[Event]] | None = None
        together = people.living
        self.parted = [time for time in joint_times(source.history) if together(time[0]) != together(time[1])]

    def run(self) -> dict[str, Live]:
        """Carry it out; the persons that changed."""
        source = self.source
        begun = {event.seq: event for event in source.history}
        # where the event that began a run has expired, what the engine said of it then tells whose it is
        said = {event.properties["run"]: event for event in source.history if event.name == ENTERED and event.origin}
        first = {run.id: begun.get(run.entry.seq) or said.get(run.id) for run in source.runs}
        runs = {run.id: self._owner(first[run.id]) for run in source.runs} if self.whole else {}
        messages = {
            left.message: runs[run.id] for run in source.runs if runs for left in run.steps.values() if left.message
        }
        self.run_of = runs
        self.got = self._received() if self.state.fold >= PARTED else {}
        owners = {id(event): self._owner_of(event, messages) for event in source.history}
        if all(owner == source.person.id for owner in (*owners.values(), *runs.values())):
            return {}
        self.state.out.settle_rekeys()
        changed = {source.person.id: source}
        for person in sorted({*owners.values(), *runs.values()} - {source.person.id}):
            changed[person] = self.state.working.get(person) or self.people.create(person, self.event.at)
        self._events(owners, changed)
        self.people.mix(changed)
        if self.whole:
            self._runs(changed)
            self._slots(changed)
            self._rows(changed)
        for live in changed.values():
            self._anew(live)
        if self.rest != source.person.id:
            source.gone = True
            self.state.groups.sync(source)
            self.state.object_index.gone(source.person.id)
            del changed[source.person.id]
        return changed

    # --- whose it is ----------------------------------------------------------------------------------------------

    def _received(self) -> dict[str, tuple[str, tuple[str, str, int]]]:
        """Who got which message, of those that were handed over to an address that is one of these persons'."""
        known, here = self.people.overlay.identifiers_of, self.source.person.id
        found: dict[str, tuple[str, tuple[str, str, int]]] = {}
        if all(kind == DEVICE for kind, _ in self.moves) and all(owner == here for owner in self.run_of.values()):
            return found  # addresses and runs stay
        whose = {value: person for person in self.targets for kind, value, *_ in known(person) if kind != DEVICE}
        for event in self.source.by_name.get("Message Sent", ()) if self.run_of else ():
            key = str(event.properties.get("message_id"))
            sent = self.people.message(key) if event.origin else None
            if sent is not None and sent.address in whose:
                found[key] = whose[sent.address], (sent.run, sent.channel, sent.decided)
        return found

    def _owner(self, event: Event | None) -> str:
        """Whose this event is, by its identifier or by whom it was folded as."""
        if event is None:
            return self.rest
        if event.key[0].startswith(OBJECT):
            named = self._names(event.key)
            return self._owner(named) if named is not None else self.rest
        if not event.origin or event.name in (LISTED, UNLISTED):  # by list: as whom the list names
            for move in self.moves.get(event.key, ()):
                if move.lo <= event.at < move.hi:
                    return move.to_person
            return self.rest
        if not self.whole:
            return self.rest
        folded = self.people.living(event.folded)
        return folded if folded in self.targets else self.rest

    def _names(self, key: tuple[str, str]) -> Event | None:
        """The first event of the log in which somebody named an object themselves: what names nobody goes with it.

        An object may be known by another one only, of which an event that names nobody speaks too, and so on.
        """
        if self._about is None:
            self._about = {}
            for event in sorted(self.source.history, key=lambda event: event.seq):
                for kind, name in self.state.object_index.places(event):
                    self._about.setdefault((OBJECT + kind, name), []).append(event)
        seen, found = {key}, [key]
        while found:
            events = [event for place in found for event in self._about.get(place, ())]
            named = [event for event in events if not event.key[0].startswith(OBJECT)]
            if named:
                return min(named, key=lambda event: event.seq)
            places = [(OBJECT + kind, name) for one in events for kind, name in self.state.object_index.places(one)]
            found = [place for place in dict.fromkeys(places) if place not in seen]
            seen.update(found)
        return None

    def _owner_of(self, event: Event, messages: Mapping[str, str]) -> str:
        if event.origin and self.whole:
            said, key = event.properties, str(event.properties.get("message_id"))
            if key in self.got:
                return self.got[key][0]
            run = self.run_of.get(str(said.get("run") or event.context.get("run"))) or messages.get(key)
            if run is not None:
                return run
        return self._owner(event)

    # --- what goes along ------------------------------------------------------------------------------------------

    def _events(self, owners: Mapping[int, str], changed: Mapping[str, Live]) -> None:
        source = self.source
        fresh = {id(event) for event in source.new_events}
        parts: dict[str, list[Event]] = {person: [] for person in changed}
        for event in source.history:
            parts[owners[id(event)]].append(event)
        source.new_events = [event for event in source.new_events if owners[id(event)] == source.person.id]
        for person, events in parts.items():
            live = changed[person]
            if live is source:
                live.replace_history(events)
                continue
            for event in events:
                event.person = person
                if id(event) in fresh:
                    live.new_events.append(event)
                else:
                    row = (live.lane, person, source.lane, source.person.id, event.seq)
                    self.state.out.early.append(("history_move", row))
            live.replace_history(live.history + events)

    def _runs(self, changed: Mapping[str, Live]) -> None:
        source = self.source
        runs, source.runs = source.runs, []
        source.touched_runs = set()
        for run in runs:
            live = changed[self.run_of[run.id]]
            run.person = live.person.id
            live.add_run(run)
        self.state.out.add("run_delete", source.lane, source.person.id)
        mine = {person: {event.seq: event for event in live.history} for person, live in changed.items()}
        theirs = {seq: event for events in mine.values() for seq, event in events.items()}
        known = self.people.overlay.identifiers_of
        values = {value: person for person in changed for kind, value, *_ in known(person) if kind != DEVICE}
        for live in changed.values():
            live.touched_runs |= {run.id for run in live.runs}
            for run in live.runs:
                self._stands_again(live, run)
                self._without(live, run, mine[live.person.id], theirs, values)

    def _holder(self, live: Live, run: Run) -> Live:
        """Under whom the rows of a run stand that is `live`'s now (folds before 5: always the one who is divided)."""
        return self.source if run.id in self.run_of or self.state.fold < 5 else live

    def _stands_again(self, live: Live, run: Run) -> None:
        """Where a merge that holds no longer moved or ended a run, it stands as before, unless it has acted since."""
        journey, living = self.state.journey(run.journey, run.version), self.people.living
        while run.before is not None and living(run.before.kept) != living(run.before.lost):
            before = run.before.run
            acted = any(
                journey.steps[step].kind not in _QUIET and _said(left) != _said(before.steps.get(step, StepLeft()))
                for step, left in run.steps.items()
            )
            if acted:
                return
            lost = [seq for seq in run.counted if seq not in before.counted]
            self.state.out.uncount(self._holder(live, run), run.id, lost)
            for name in Run.__struct_fields__:
                if name != "person":
                    setattr(run, name, getattr(before, name))
            for left in run.steps.values():
                if left.message and left.done is None:
                    self.state.out.words.append(("outbox_ready_again", (self.state.clock, left.message)))

    def _without(
        self, live: Live, run: Run, mine: Mapping[int, Event], theirs: Mapping[int, Event], values: Mapping[str, str]
    ) -> None:
        """What of a run was another person's: events that counted for its goal, a message to another's address.

        mine, theirs: events by seq, the person's and all; values: of identifiers, to whose they are now. An event that
        is nobody's any more has expired: it goes on counting.
        """
        lost = [seq for seq in run.counted if seq in theirs and seq not in mine]
        if lost:
            run.counted = [seq for seq in run.counted if seq not in lost]
            if run.goal_at in [theirs[seq].at for seq in lost]:
                run.goal_at = None
            journey = self.state.journey(run.journey, run.version)
            for seq in run.counted:
                if seq in mine:
                    note_goal(journey, run, mine[seq])
            self.state.out.uncount(self._holder(live, run), run.id, lost)
        if run.status == "active" and run.waiting_for == machine.DELIVERY:
            key = run.steps[run.step].message or ""
            if values.get(self.people.address_of_message(key), live.person.id) != live.person.id:
                self.state.withdraw(live, run, run.step, key)
                journey = self.state.journey(run.journey, run.version)
                answer = machine.Answer("failed", Reason.NO_ADDRESS)
                machine.settle(run, journey.steps[run.step], answer, self.state.clock)

    def _slots(self, changed: Mapping[str, Live]) -> None:
        """Slots in caps and arms."""
        person = self.source.person
        contacts, person.contacts = person.contacts, []
        got = {slot: owner for owner, slot in self.got.values()}
        for contact in contacts:
            owner = got.get((contact.run, contact.channel, contact.clock)) or self.run_of.get(contact.run, self.rest)
            changed[owner].person.contacts.append(contact)
        arms = {scope: person.rival_arms.get(scope, [arm]) for scope, arm in person.arms.items()}
        person.arms, person.rival_arms = {}, {}
        found: dict[str, dict[str, list[Arm]]] = {}
        for scope, rows in arms.items():
            for arm in rows:
                living = self.people.living(arm.key)
                found.setdefault(living if living in changed else self.rest, {}).setdefault(scope, []).append(arm)
        for owner, scopes in found.items():
            for scope, rows in scopes.items():
                put_arms(changed[owner], scope, rows)
        for live in changed.values():
            live.person.contacts.sort(key=lambda contact: (contact.clock, contact.run))
            for run in live.runs if self.state.fold >= PARTED else ():
                known = [arm for arm in arms.get(run.scope, ()) if arm.arm == run.arm]
                if known and run.scope not in live.person.arms:
                    put_arms(live, run.scope, known[:1])

    def _rows(self, changed: Mapping[str, Live]) -> None:
        """The rows of runs and events that went over, stored ones and those of this tick."""
        out, source = self.state.out, self.source
        away = {run: changed[owner] for run, owner in self.run_of.items() if owner != source.person.id}
        seqs = {event.seq: live for live in changed.values() if live is not source for event in live.history}
        if self.rest != source.person.id:
            for seq in {row[3] for row in out.rows.get("verdict_put", ()) if row[2] == source.person.id}:
                seqs.setdefault(seq, changed[self.rest])
        for table, at in _RUN_AT.items():
            out.hand_over(table, source, at, away)
        out.hand_over("ledger_put", source, 1, seqs)
        out.hand_over("verdict_put", source, 3, seqs, but=5)
        for run, live in away.items():
            for table in ("verdict", "assignment", "outcome", "outbox", "message_log"):
                out.early.append((f"{table}_of_run", (live.lane, live.person.id, source.lane, source.person.id, run)))
        mine = {key: changed[owner] for key, (owner, _) in self.got.items()}
        for holder in [*changed.values()] if mine else ():
            out.hand_over("outbox_put", holder, 2, mine)
            out.hand_over("message_log_put", holder, 1, mine)
        for key, live in mine.items():
            with_run = changed[self.run_of.get(self.got[key][1][0], source.person.id)]
            for table in ("outbox", "message_log"):
                row = (live.lane, live.person.id, with_run.lane, with_run.person.id, key)
                out.early.append((f"{table}_of_key", row))
        for seq, live in seqs.items():
            for table in ("ledger", "verdict"):
                out.early.append((f"{table}_of_seq", (live.lane, live.person.id, source.lane, source.person.id, seq)))

    # --- what is made anew ----------------------------------------------------------------------------------------

    def _anew(self, live: Live) -> None:
        """All that follows from the events of a person, from scratch."""
        person, out = live.person, self.state.out
        refold(live, self.state.definitions.trait_rules)
        self.state.working.mark(live)
        self.state.object_index.again(live)
        if not self.whole:
            return
        person.groups = belongs(live.history)
        self.state.groups.sync(live)
        outside = sorted((event for event in live.history if not event.origin), key=lambda event: event.seq)
        first: dict[str, int] = {}
        for event in outside:
            if not event.key[0].startswith(OBJECT):  # what waited for the person came before anybody knew of them
                first.setdefault(event.folded, event.at)
        if first:
            person.created_at = min(first.values())
        if outside:
            person.last_seen_at = max(event.at for event in outside)
        person.zone = None
        for event in outside:
            zone = zone_of_call(event)
            if zone is not None:
                take_zone(person, zone)
        person.permissions = self._permissions(live)
        person.shadows = {}
        if live is not self.source or self.parted:
            person.memberships = self._memberships(live)
            person.stages = self._stages(live)
        out.add("member_delete", live.lane, person.id)
        live.touched_segments |= set(person.memberships)
        out.add("standing_delete", live.lane, person.id)
        live.touched_stages |= set(person.stages)

    def _memberships(self, live: Live) -> dict[str, Membership]:
        """Memberships as the person's own events tell of them, without what was said of the joint person; the next
        moment says whether they hold.
        """
        told, first = self._record(live)
        found = {segment.id: Membership(False, first, None) for segment in self.state.definitions.segments}
        for event in told:
            if event.origin != 2 or event.name not in ("Segment Entered", "Segment Left"):
                continue
            if not any(kept == event.folded and lo < event.seq < hi for kept, _, lo, hi in self.parted):
                entered = event.name == "Segment Entered"
                found[str(event.properties["segment"])] = Membership(entered, event.clock, None)
        return found

    def _record(self, live: Live) -> tuple[list[Event], int]:
        """The history in the order of the log, and when it began."""
        told = sorted(live.history, key=lambda event: event.seq)
        return told, next((event.clock for event in told if not event.key[0].startswith(OBJECT)), self.state.clock)

    def _stages(self, live: Live) -> dict[str, Stand]:
        """Stages in the same way."""
        told, first = self._record(live)
        ladders = self.state.ladders if self.state.fold >= SINCE else {}
        found = {name: Stand(None, first, None) for name in ladders}
        for event in told:
            ladder = ladders.get(str(event.properties.get("stage"))) if event.name == CHANGED else None
            if ladder is None or event.origin != 2:
                continue
            if not any(kept == event.folded and lo < event.seq < hi for kept, _, lo, hi in self.parted):
                found[ladder.id] = ladder.at(event.properties["to"], event.clock, found[ladder.id].last)
        return found

    def _permissions(self, live: Live) -> dict[str, Permission]:
        """Declarations in the order of the log, each in the person as whom it was made; merges that hold narrow."""
        me, living = live.person.id, self.people.living
        words = self.people.words({me, self.source.person.id})
        holding = {lo: lost for kept, lost, lo, hi in joint_times(live.history) if hi == _EVER}
        holding = {lo: lost for lo, lost in holding.items() if living(lost) == me}
        parts: dict[str, dict[str, Permission]] = {}
        joined: dict[str, str] = {}

        def part(folded: str) -> dict[str, Permission]:
            name = folded if living(folded) == me else me
            while name in joined:
                name = joined[name]
            return parts.setdefault(name, {})

        for event in by_cause(live.history):
            lost = holding.get(event.seq)
            if lost is not None:
                kept, gone = part(event.folded), part(lost)
                if gone is not kept:
                    merge_permissions(kept, gone, event.clock)
                    gone.clear()
                    joined[lost] = event.folded
            for declared in words.get(event.seq, ()):
                fold(part(event.folded), declared, event.seq, floors=self.state.fold >= 5)
        total = parts.pop(me, {})
        for name in sorted(parts):
            merge_permissions(total, parts[name])
        return total


def joint_times(history: Sequence[Event]) -> list[tuple[str, str, int, int]]:
    """(kept, lost, from, until) of the merges that a history tells of, by seq; until is far ahead while one holds."""
    found: list[tuple[str, str, int, int]] = []
    for event in sorted(history, key=lambda event: event.seq):
        if event.origin != 2:
            continue
        if event.name == MERGED:
            found.append((event.folded, str(event.properties["from"]), event.seq, _EVER))
        elif event.name == SPLIT:
            others = event.properties["others"]
            found = [
                (kept, lost, lo, event.seq if hi == _EVER and kept == event.folded and lost in others else hi)
                for kept, lost, lo, hi in found
            ]
    return found


def by_cause(history: Sequence[Event]) -> list[Event]:
    """In the order of the log, a merge before the call that made it: that call is folded into the merged person."""
    calls = {event.message_id: event.seq for event in history if event.origin != 2}

    def order(event: Event) -> tuple[int, int]:
        cause = calls.get(str(event.properties.get("by"))) if event.name == MERGED and event.origin == 2 else None
        return (event.seq, 1) if cause is None else (cause, 0)

    return sorted(history, key=lambda event: (*order(event), event.seq))


def refold(live: Live, rules: Mapping[str, Rule]) -> None:
    """Traits anew from the history, after it changed."""
    live.person.traits = traits.refold(live.history, rules)


def zone_of_call(event: Event) -> Trait | None:
    """The time zone that the context of a call names."""
    zone = event.context.get("timezone")
    return Trait(zone, event.at, event.seq) if isinstance(zone, str) and is_zone(zone) else None


def put_arms(live: Live, scope: str, rows: Sequence[Arm]) -> None:
    """The arms that a person was given within a scope, as one person and another: the earliest counts."""
    known = live.person.rival_arms.get(scope) or [arm for arm in (live.person.arms.get(scope),) if arm is not None]
    every = sorted({(arm.at, arm.key): arm for arm in (*known, *rows)}.items())
    arms = [arm for _, arm in every]
    live.person.rival_arms.pop(scope, None)
    if len(arms) > 1:
        live.person.rival_arms[scope] = arms
    live.person.arms[scope] = earliest(arms)


def stood(run: Run, kept: str, lost: str) -> Before:
    """How the run stands at a merge."""
    steps = {name: msgspec.structs.replace(left) for name, left in run.steps.items()}
    copy = msgspec.structs.replace(run, steps=steps, vars=dict(run.vars), counted=list(run.counted))
    return Before(kept, lost, copy)


def _said(left: StepLeft) -> tuple[Any, ...]:
    """What an acting step has done, however often it was asked for."""
    return left.done, left.message, left.channel


def declaration(channel: str, address: str, purpose: str, status: str, at: int, until: int) -> Declaration:
    """A row of the ledger as the declaration that it was."""
    return Declaration(status, channel, address, purpose, at, "", "", "", "", until)
