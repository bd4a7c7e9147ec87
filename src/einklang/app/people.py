"""Station 3 for the working set: whose event it is, and what merges and moves mean for state, history and runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from einklang.app import traits
from einklang.app.groups import joined
from einklang.app.known import BookKnown
from einklang.app.output import GONE, REKEYS
from einklang.app.splitting import MERGED, SPLIT, Division, declaration, put_arms, stood
from einklang.app.stages import CHANGED
from einklang.app.state import SOURCE, State
from einklang.app.working import Live, from_json, take_zone
from einklang.consent import Declaration, merge_permissions
from einklang.decide.arms import merge_arms
from einklang.event import Event
from einklang.fact.person import Run, Stand
from einklang.flow.machine import finish
from einklang.identity import DEVICE, Overlay, Resolution, Rules, decide, resolve, resolve_again
from einklang.kernel.ids import lane_of
from einklang.kernel.reasons import Reason
from einklang.profile import merge_traits


def _cause(event: Event) -> dict[str, Any]:
    """What made a merge or split: the call, and who decided it and why, if staff did."""
    return {"by": event.message_id} | {name: event.properties[name] for name in ("actor", "why") if event.type == STAFF}


#: The type of an entry that holds a decision of staff about persons.
STAFF = "identity"


@dataclass(frozen=True, slots=True)
class Written:
    """A message: its run, its channel, its address, when it was decided."""

    run: str
    channel: str
    address: str
    decided: int


class People:
    """Resolves events to persons during one tick."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.overlay = Overlay(BookKnown(state.reader, state.remembered))
        self.aliases: dict[str, str] = {}
        self._told: list[Event] = []
        self._gone: set[str] = set()
        #: person -> those with whom events were exchanged in this tick: the Book may have rows of one under another
        self._mixed: dict[str, set[str]] = {}
        self._words: dict[int, list[Declaration]] = {}
        self._words_of: set[str] = set()

    @property
    def rules(self) -> Rules:
        """The kinds of identifier in force; what was folded by version 1 was believed whoever sent it."""
        rules = self.state.definitions.identity
        return rules if self.state.fold >= 2 else replace(rules, believes_all=True)

    def create(self, person: str, at: int) -> Live:
        """A new person; one that was merged away in this very tick lives again without what it had."""
        if person in self._gone:
            self._gone.discard(person)
            self.state.out.settle_rekeys()
            for name in GONE:
                self.state.out.add(name, lane_of(person), person)
        return self.state.working.create(person, at)

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
        found = resolve(event, self.overlay, self.state.salt, self.rules)
        self.overlay.apply(event, found)
        if not found.person:
            return None, False, []
        event.person, event.key, event.device = found.person, found.key, found.device
        live = None if found.created else self.state.working.get(found.person)
        live = live or self.create(found.person, event.at)
        others = (
            self._apply(found, event)
            if found.identifiers or found.merges or found.moves or found.aliases or found.refused
            else []
        )
        whole = any(other is live for other in others) or any(row[2] == live.person.id for row in found.identifiers)
        return live, whole, [other for other in others if other is not live]

    def decided(self, event: Event) -> list[Live]:
        """Persons that a decision of staff changed."""
        found = decide(event, self.overlay, self.state.salt, self.rules)
        self.overlay.apply(event, found)
        return self._apply(found, event)

    def again(self, person: str, cause: str) -> tuple[list[Live], list[Event]]:
        """Whom other kinds of identifier change, as far as they are connected with a person; and what is told of it.

        cause: message id of the entry that brought the kinds.
        """
        nodes = [row[:2] for row in self.overlay.identifiers_of(person) if row[0] != DEVICE]
        if not nodes:
            return [], []
        now = self.state.clock
        event = Event(0, now, now, "definition", "", cause, (), {}, {}, SOURCE, "", origin=1, clock=now)
        found = resolve_again(event, nodes, self.overlay, self.state.salt, self.rules)
        self.overlay.apply(event, found)
        return self._apply(found, event), self.told()

    def _apply(self, found: Resolution, event: Event) -> list[Live]:
        touched: dict[str, Live] = {}
        for alias in found.aliases:
            self.aliases[alias.person] = alias.living
        for merge in found.merges:
            loser = self.state.working.get(merge.loser)
            winner = self.state.working.get(merge.winner) or self.create(merge.winner, event.at)
            if loser is not None:
                self._merge(loser, winner, event)
            touched[merge.winner] = winner
        self._divide(found, event, touched)
        named = {row[2] for row in found.identifiers}
        for person in sorted(named | {move.from_person for move in found.moves}):
            live = touched.get(person) or self.state.working.get(person)
            if live is None and person not in named:
                continue
            live = live or self.create(person, event.at)
            live.person.identifiers = sorted(row[:3] for row in self.overlay.identifiers_of(person))
            self.state.working.mark(live)
        for refused in found.refused:
            row = refused.person_a, refused.person_b, str(refused.reason), event.at, event.message_id
            self.state.out.add("refused_put", self.state.count("refused"), *row, *refused.a, *refused.b)
        return [touched[key] for key in sorted(touched)]

    def _divide(self, found: Resolution, event: Event, touched: dict[str, Live]) -> None:
        """Who was one person and is not, and who lost events of a device."""
        for person in sorted({move.from_person for move in found.moves}):
            source = self.state.working.get(person)
            if source is None:
                continue
            moves = [move for move in found.moves if move.from_person == person]
            changed = Division(self, source, moves, event).run()
            touched |= changed
            if source.gone:
                self._gone.add(person)
                touched.pop(person, None)
        if self.state.fold < 2:
            return
        for person, parts in sorted(found.divided.items()):
            for part in parts:
                live = touched.get(part) or self.state.working.get(part) or self.create(part, event.at)
                touched[part] = live
                others = [other for other in parts if other != part]
                self._tell(live, SPLIT, {"from": person, "others": others} | _cause(event))

    def mix(self, persons: Iterable[str]) -> None:
        """These persons exchange events, by a merge or a division."""
        together = set().union(*(self._mixed.get(person, {person}) for person in persons))
        self._mixed.update(dict.fromkeys(together, together))

    def words(self, persons: set[str]) -> Mapping[int, Sequence[Declaration]]:
        """What the ledger says of these persons by the seq of the event that declared it, this tick included."""
        for person in sorted(set().union(*(self._mixed.get(person, {person}) for person in persons))):
            if person not in self._words_of:
                self._words_of.add(person)
                for word in self.state.reader.read("ledger_words", lane_of(person), person):
                    self._words.setdefault(word[0], []).append(declaration(*word[1:]))
        found = dict(self._words)
        for row in self.state.out.rows.get("ledger_put", ()):
            found[row[1]] = [*found.get(row[1], ()), declaration(*(row[place] for place in (4, 5, 6, 7, 8, 15)))]
        return found

    def address_of_message(self, key: str) -> str:
        """Where a message goes, "" if it is unknown."""
        found = self.message(key)
        return found.address if found is not None else ""

    def message(self, key: str) -> Written | None:
        """A message as it was decided; None if it is unknown."""
        here = [(*row[:12], row[17]) for row in self.state.out.rows.get("outbox_put", ()) if row[2] == key]
        rows = here or [(*row[:12], row[15]) for row in self.state.reader.read("outbox_get", key)]
        if not rows:
            return None
        row = rows[0]
        return Written(str(row[3]), str(row[10]), str(row[11]), from_json(row[12]).get("decided", 0))

    def _merge(self, loser: Live, winner: Live, event: Event) -> None:
        """All that belonged to the loser belongs to the winner: as if one person had sent all events."""
        state, kept, lost = self.state, winner.person, loser.person
        for name in REKEYS:
            state.out.rekeys.append((name, (winner.lane, kept.id, loser.lane, lost.id)))
        winner.new_events += loser.new_events
        winner.replace_history(winner.history + loser.history)
        for mine in winner.history:
            mine.person = kept.id
        kept.created_at = min(kept.created_at, lost.created_at)
        kept.last_seen_at = max(kept.last_seen_at, lost.last_seen_at)
        merge_traits(kept.traits, lost.traits)
        traits.settle(winner, state.definitions.trait_rules)
        joined(kept.groups, lost.groups)
        if lost.zone is not None:
            take_zone(kept, lost.zone)
        merge_permissions(kept.permissions, lost.permissions, state.clock)
        kept.contacts = sorted(kept.contacts + lost.contacts, key=lambda contact: (contact.clock, contact.run))
        if state.fold < 2:
            merge_arms(kept.arms, lost.arms)
        else:
            for scope, arm in lost.arms.items():
                put_arms(winner, scope, lost.rival_arms.get(scope, [arm]))
        self._merge_runs(loser, winner)
        kept.memberships.update(
            {k: v for k, v in lost.memberships.items() if k not in kept.memberships and not v.member}
        )
        loser.gone = True
        state.groups.sync(loser)
        state.groups.sync(winner)
        state.object_index.gone(lost.id)
        state.object_index.again(winner)
        self._gone.add(lost.id)
        self.mix((kept.id, lost.id))
        state.working.mark(loser)
        state.working.mark(winner)
        for told in self._told:
            told.person = kept.id if told.person == lost.id else told.person
        self._tell(winner, MERGED, {"from": lost.id} | (_cause(event) if state.fold >= 2 else {}))
        self._stages(loser, winner)

    def _stages(self, loser: Live, winner: Live) -> None:
        """Where the stage before matters, the one who is further along has it right."""
        mine, clock = winner.person.stages, self.state.clock
        for name, stand in sorted(loser.person.stages.items()):
            ladder, known = self.state.ladders.get(name), mine.get(name) or Stand(None, clock, None)
            if ladder is None or not ladder.keeps:
                continue
            if ladder.further(known, stand):
                mine[name] = msgspec.structs.replace(stand, since=clock)
                winner.touched_stages.add(name)
                self._tell(winner, CHANGED, {"stage": name, "from": known.stage, "to": stand.stage})
            elif known.last is None:
                mine[name] = msgspec.structs.replace(known, last=stand.last)

    def _tell(self, live: Live, name: str, properties: dict[str, Any]) -> None:
        self._told.append(self.state.own_event(live.person.id, name, properties))

    def _merge_runs(self, loser: Live, winner: Live) -> None:
        """Of two runs of one journey and key the earlier stays, the other ends as merged."""
        for run in (*loser.runs, *winner.runs) if self.state.fold >= 2 else ():
            if run.status == "active":
                run.before = stood(run, winner.person.id, loser.person.id)
                winner.touched_runs.add(run.id)
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
                later = max(twin, run, key=self._begun)
                self._end(winner, later)
            winner.runs.append(run)
        winner.runs.sort(key=lambda run: (run.entry.clock, run.id))

    def _begun(self, run: Run) -> tuple[int, Any]:
        """When a run began; of those that began at one moment, the order of the log."""
        return run.entry.clock, run.entry.seq if self.state.fold >= 2 else run.id

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
