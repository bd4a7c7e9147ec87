"""Station 3 for the working set: whose event it is, and what merges and moves mean for state, history and runs."""

from __future__ import annotations

from typing import Any

from einklang.app.known import BookKnown
from einklang.app.output import REKEYS
from einklang.app.state import State
from einklang.app.working import Live, take_zone
from einklang.consent import merge_permissions
from einklang.decide.arms import merge_arms
from einklang.event import Event
from einklang.fact.person import Run, Trait
from einklang.flow.machine import finish
from einklang.identity import Move, Overlay, Resolution, resolve
from einklang.kernel.reasons import Reason
from einklang.profile import fold_traits, merge_traits


class People:
    """Resolves events to persons during one tick."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.overlay = Overlay(BookKnown(state.reader, state.remembered))
        self.aliases: dict[str, str] = {}
        self._told: list[Event] = []

    def told(self) -> list[Event]:
        """What the engine said of merges since it was last asked, each of its living person, not yet folded."""
        told, self._told = self._told, []
        return told

    def living(self, person: str) -> str:
        """The living person behind an id."""
        if person in self.aliases:
            return self.aliases[person]
        rows = self.state.reader.read("alias_get", person)
        if not rows:
            return person
        living = str(rows[0][0])
        return self.aliases.get(living, living)

    def of(self, event: Event) -> tuple[Live | None, bool, list[Live]]:
        """The person of an event, made if new; whether more than this event changed it; and others so changed.

        Who was merged, got events of a device or became known must be looked at whole.
        """
        named = dict(event.identifiers).get("person") if event.origin else None
        if named is not None:
            live = self.state.working.get(self.living(named))
            event.person = live.person.id if live is not None else ""
            return live, False, []
        found = resolve(event, self.overlay, self.state.salt, self.state.definitions.identity)
        self.overlay.apply(event, found)
        if not found.person:
            return None, False, []
        event.person, event.key, event.device = found.person, found.key, found.device
        live = self.state.working.get(found.person) or self.state.working.create(found.person, event.at)
        others = (
            self._apply(found, event)
            if found.identifiers or found.merges or found.moves or found.aliases or found.refused
            else []
        )
        whole = any(other is live for other in others) or any(row[2] == live.person.id for row in found.identifiers)
        return live, whole, [other for other in others if other is not live]

    def _apply(self, found: Resolution, event: Event) -> list[Live]:
        touched: dict[str, Live] = {}
        for alias in found.aliases:
            self.aliases.pop(alias.person, None)
            if alias.person != alias.living:
                self.aliases[alias.person] = alias.living
        for merge in found.merges:
            loser = self.state.working.get(merge.loser)
            winner = self.state.working.get(merge.winner) or self.state.working.create(merge.winner, event.at)
            if loser is not None:
                self._merge(loser, winner)
            touched[merge.winner] = winner
        for move in found.moves:
            self._move(move, event, touched)
        named = {row[2] for row in found.identifiers}
        for person in sorted(named | {move.from_person for move in found.moves}):
            live = touched.get(person) or self.state.working.get(person)
            if live is None and person not in named:
                continue
            live = live or self.state.working.create(person, event.at)
            live.person.identifiers = sorted(row[:3] for row in self.overlay.identifiers_of(person))
            self.state.working.mark(live)
        for refused in found.refused:
            row = refused.person_a, refused.person_b, str(refused.reason), event.at, event.message_id
            self.state.out.add("refused_put", self.state.count("refused"), *row, *refused.a, *refused.b)
        return [touched[key] for key in sorted(touched)]

    def _merge(self, loser: Live, winner: Live) -> None:
        """All that belonged to the loser belongs to the winner: as if one person had sent all events."""
        state, kept, lost = self.state, winner.person, loser.person
        for name in REKEYS:
            state.out.rekeys.append((name, (winner.lane, kept.id, loser.lane, lost.id)))
        winner.new_events += loser.new_events
        winner.replace_history(winner.history + loser.history)
        for event in winner.history:
            event.person = kept.id
        kept.created_at = min(kept.created_at, lost.created_at)
        kept.last_seen_at = max(kept.last_seen_at, lost.last_seen_at)
        merge_traits(kept.traits, lost.traits)
        if lost.zone is not None:
            take_zone(kept, lost.zone)
        merge_permissions(kept.permissions, lost.permissions, state.clock)
        kept.contacts = sorted(kept.contacts + lost.contacts, key=lambda contact: (contact.clock, contact.run))
        merge_arms(kept.arms, lost.arms)
        self._merge_runs(loser, winner)
        kept.memberships.update(
            {k: v for k, v in lost.memberships.items() if k not in kept.memberships and not v.member}
        )
        loser.gone = True
        state.working.mark(loser)
        state.working.mark(winner)
        for event in self._told:
            event.person = kept.id if event.person == lost.id else event.person
        self._tell(winner, "Person Merged", {"from": lost.id})

    def _tell(self, live: Live, name: str, properties: dict[str, Any]) -> None:
        self._told.append(self.state.own_event(live.person.id, name, properties, kind="track", at=None))

    def _merge_runs(self, loser: Live, winner: Live) -> None:
        """Of two runs of one journey and key the earlier stays, the other ends as merged."""
        for run in loser.runs:
            run.person = winner.person.id
            winner.touched_runs.add(run.id)
            twin = next(
                (
                    r
                    for r in winner.runs
                    if r.status == run.status == "active" and (r.journey, r.key) == (run.journey, run.key)
                ),
                None,
            )
            if twin is not None:
                later = max(twin, run, key=lambda r: (r.entry.clock, r.id))
                self._end(winner, later)
            winner.runs.append(run)
        winner.runs.sort(key=lambda run: (run.entry.clock, run.id))

    def _end(self, winner: Live, run: Run) -> None:
        """A run that gave way: what was ready for it is not sent, and the log says that it is over."""
        state = self.state
        for step_id, left in run.steps.items():
            if left.message and left.done is None:
                state.withdraw(winner, run, step_id, left.message)
        finish(run, "merged", Reason.MERGED, state.clock)
        winner.touched_runs.add(run.id)
        told = {"journey": run.journey, "run": run.id, "key": run.key, "status": run.status, "reason": run.end_reason}
        self._tell(winner, "Journey Left", told)

    def _move(self, move: Move, event: Event, touched: dict[str, Live]) -> None:
        """Events of a device in [lo, hi) belong to somebody else after a late sign-in: history and traits follow."""
        source = self.state.working.get(move.from_person)
        if source is None:
            return
        moved = [
            e
            for e in source.history
            if not e.origin and e.key == (move.kind, move.value) and move.lo <= e.at < move.hi
        ]
        if not moved:
            return
        target = self.state.working.get(move.to_person) or self.state.working.create(move.to_person, event.at)
        fresh = {id(e) for e in source.new_events}
        for e in moved:
            e.person = move.to_person
            if id(e) in fresh:
                target.new_events.append(e)
            else:
                row = (target.lane, move.to_person, source.lane, move.from_person, e.seq)
                self.state.out.rekeys.append(("history_move", row))
        gone = {id(e) for e in moved}
        source.new_events = [e for e in source.new_events if id(e) not in gone]
        source.replace_history([e for e in source.history if id(e) not in gone])
        target.replace_history(target.history + moved)
        for live in (source, target):
            self._refold(live)
            touched[live.person.id] = live
            self.state.working.mark(live)

    def _refold(self, live: Live) -> None:
        """Traits anew from the history, after it changed."""
        traits: dict[str, Trait] = {}
        for event in live.history:
            if event.type == "identify":
                fold_traits(traits, event.properties, event.at, event.seq)
        live.person.traits = traits

    def write(self) -> None:
        """The identity rows of the tick."""
        out, writes = self.state.out, self.overlay.writes()
        self.state.remembered.wrote(writes)
        for edge in writes.edges:
            said = edge.strength, edge.at, edge.message_id, edge.source, edge.evidence, edge.received_at
            out.add("edge_put", *edge.a, *edge.b, *said)
        for apart in writes.aparts_gone:
            out.add("apart_drop", *apart.a, *apart.b)
        for apart in writes.aparts:
            out.add("apart_put", *apart.a, *apart.b, apart.at, apart.message_id)
        for row in writes.identifiers:
            out.add("identifier_put", *row)
        for alias in writes.aliases:
            if alias.person == alias.living:
                out.add("alias_drop", alias.person)
            else:
                out.add("alias_put", alias.person, alias.living)
        for sign in writes.sign_ins_gone:
            out.add("sign_in_drop", sign.device, sign.at, sign.message_id)
        for sign in writes.sign_ins:
            out.add("sign_in_put", sign.at, sign.message_id, sign.device, sign.kind, sign.value, int(sign.void))
