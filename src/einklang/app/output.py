"""What a tick hands the writer: rows by the name of their statement, in the order in which they are applied."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

from einklang.app.ports import Tx
from einklang.app.working import Live, label_of, pack, to_json
from einklang.event import Event

Rows = list[Sequence[Any]]
#: Counters that a tick moves; the others (`position`, `accepted`) belong to the Book.
COUNTERS = (
    "seq",
    "clock",
    "duplicates",
    "dead_letters",
    "in_log",
    "projected",
    "verdicts",
    "assignments",
    "outcomes",
    "messages",
    "ledger",
    "refused",
    "ticks",
    "held",
)
FORMAT = 1


def entry_row(event: Event, texts: tuple[str, str], person: str = "", *, sequenced: bool) -> list[Any]:
    """The log row of an event; the engine's own (position 0) get theirs when they are written.

    texts: of `Output.texts`. person: whose it was when it was folded; a merge later in the tick changes `event.person`,
    not the log.
    """
    return [
        event.position,
        event.seq if sequenced else None,
        event.clock if sequenced else None,
        event.at,
        event.received_at,
        FORMAT,
        event.origin,
        event.type,
        event.name,
        event.message_id,
        event.source,
        event.touchpoint,
        int(event.machine),
        person or None,
        to_json(event.identifiers),
        *texts,
    ]


def history_row(live: Live, event: Event, texts: tuple[str, str]) -> tuple[Any, ...]:
    """The row of an event in the history of its person."""
    return (
        live.lane, live.person.id, event.at, event.seq, event.clock, event.received_at, event.origin, event.type,
        event.name,
        event.message_id, event.source, event.touchpoint, *event.key, event.device, int(event.machine),
        *texts, event.folded,
    )  # fmt: skip


@dataclass(slots=True)
class Output:
    """The write set of one tick. `log`: entries in order of seq; `stored`: those of them that have a row already.

    persons: seq -> whose the entry was when it was folded. early: what is re-keyed before the rows of this tick.
    words: what is said of messages that wait, by the name of its statement, the last word last.
    raised: (address, channel, purpose) of what it puts on the suppression list, for who asks in the same tick.
    """

    log: list[Event] = field(default_factory=list)
    persons: dict[int, str] = field(default_factory=dict)
    encoded: dict[int, tuple[str, str]] = field(default_factory=dict)
    stored: list[Event] = field(default_factory=list)
    inserts: list[list[Any]] = field(default_factory=list)
    updates: Rows = field(default_factory=list)
    rows: dict[str, Rows] = field(default_factory=dict)
    early: list[tuple[str, Sequence[Any]]] = field(default_factory=list)
    rekeys: list[tuple[str, Sequence[Any]]] = field(default_factory=list)
    words: list[tuple[str, Sequence[Any]]] = field(default_factory=list)
    files: list[tuple[str, str, bytes]] = field(default_factory=list)
    raised: set[tuple[bytes, str, str]] = field(default_factory=set)

    def close(self) -> None:
        """Make the rows of the log and of the archive before the transaction begins, so that it is short."""
        stored = {id(event) for event in self.stored}
        for event in self.log:
            person = self.persons.get(event.seq, "")
            if id(event) in stored:
                self.updates.append((event.seq, event.clock, person or None, event.position))
            else:
                self.inserts.append(entry_row(event, self.texts(event), person, sequenced=True))
        if "archive_put" in self.rows:
            self.rows["archive_put"] = [archive_row(*row) for row in self.rows["archive_put"]]

    def texts(self, event: Event) -> tuple[str, str]:
        """Properties and context as JSON texts, encoded once."""
        found = self.encoded.get(id(event))
        if found is None:
            found = self.encoded[id(event)] = (to_json(event.properties), to_json(event.context))
        return found

    def add(self, name: str, *row: Any) -> None:
        """One row for the statement of this name."""
        self.rows.setdefault(name, []).append(row)

    def settle_rekeys(self) -> None:
        """Carry out on the rows of this tick what was re-keyed so far: somebody may get some of them back."""
        now: dict[str, tuple[int, str]] = {}
        for name, (lane, person, _, lost) in self.rekeys:
            if name == "history_rekey":
                now = {was: (lane, person) if living[1] == lost else living for was, living in now.items()}
                now[lost] = (lane, person)
        for table, at in LANE_AT.items() if now else ():
            rows = self.rows.get(table, [])
            rows[:] = [(*row[:at], *now.get(row[at + 1], row[at : at + 2]), *row[at + 2 :]) for row in rows]
        self.early += self.rekeys
        self.rekeys = []

    def hand_over(
        self, table: str, source: Live, place: int, owner: Mapping[Any, Live], *, but: int | None = None
    ) -> None:
        """Give rows of this tick that are `source`'s to the owner of what stands at `place`, but for those that have
        something at `but`.
        """
        at, rows = LANE_AT[table], self.rows.get(table, [])
        for n, row in enumerate(rows):
            live = owner.get(row[place]) if row[at + 1] == source.person.id and not (but and row[but]) else None
            if live is not None:
                rows[n] = (*row[:at], live.lane, live.person.id, *row[at + 2 :])

    def uncount(self, source: Live, run: str, seqs: Sequence[int]) -> None:
        """These events do not count for the goal of a run any more."""
        rows = self.rows.get("outcome_put", [])
        rows[:] = [row for row in rows if not (row[4] == run and row[5] in seqs)]
        self.early += [("outcome_drop", (source.lane, source.person.id, run, seq)) for seq in seqs]

    def empty(self) -> bool:
        """Whether nothing is to be written."""
        return not self.log and not self.rows and not self.words


#: Where lane and person stand in rows that go along with a run or an event.
LANE_AT = {
    "ledger_put": 2, "verdict_put": 1, "assignment_put": 1, "outcome_put": 1, "outbox_put": 0, "message_log_put": 2,
}  # fmt: skip
#: Statements in the order in which their rows are written; `rekeys` follow them, then AFTER.
ORDER = (
    "tail_delete", "entry_put", "entry_drop", "entry_mark", "message_id_put", "dead_put", "definition_put",
    "definition_retire",
    "catalog_put", "stop_put", "expired_put", "export_put", "edge_put", "identifier_put",
    "apart_drop", "apart_put", "alias_drop", "alias_put", "sign_in_drop", "sign_in_put", "refused_put",
    "suppression_lift", "suppression_raise",
    "ledger_put", "verdict_put", "assignment_put",
    "outcome_put", "outbox_put", "outbox_status",
    "message_log_put", "archive_put", "history_put", "object_waiting_put", "object_waiting_drop",
)  # fmt: skip
AFTER = (
    "history_expire",
    "person_delete",
    "run_delete",
    "member_delete",
    "shadow_delete",
    "standing_delete",
    "timer_delete",
    "person_put",
    "run_put",
    "member_put",
    "member_drop",
    "shadow_put",
    "shadow_drop",
    "standing_put",
    "standing_drop",
    "timer_put",
    "party_member_drop",
    "party_member_put",
    "party_put",
    "object_drop",
    "object_put",
)
#: What is left of a person who is gone.
GONE = ("person_delete", "run_delete", "member_delete", "shadow_delete", "standing_delete", "timer_delete")
#: Statements (lane, person) -> (lane, person) that give a merged person's rows to the living one.
REKEYS = (
    "history_rekey",
    "ledger_rekey",
    "verdict_rekey",
    "assignment_rekey",
    "outcome_rekey",
    "outbox_rekey",
    "message_log_rekey",
)


def person_rows(out: Output, live: Live) -> None:
    """The rows of a changed person: state, new history, changed runs and the timer; of one merged away: that it is
    gone.
    """
    person, lane = live.person, live.lane
    if live.gone:
        for name in GONE:
            out.add(name, lane, person.id)
        return
    out.add("person_put", lane, person.id, label_of(person), person.last_seen_at, pack(person))
    for event in live.new_events:
        texts = out.texts(event)
        live.grew(event, texts)
        out.rows.setdefault("history_put", []).append(history_row(live, event, texts))
    for run in live.runs:
        if run.id in live.touched_runs:
            out.add(
                "run_put", lane, person.id, run.id, run.journey, run.version, run.arm, run.status, run.step,
                run.entry.clock,
                run.ended_at, int(run.contacted), int(run.goal_at is not None), pack(run),
            )  # fmt: skip
    for segment in sorted(live.touched_segments):
        membership = person.memberships.get(segment)
        if membership is not None and membership.member:
            out.add("member_put", lane, person.id, segment, membership.since)
        else:
            out.add("member_drop", lane, person.id, segment)
    for segment in sorted(live.stored_shadows.keys() | person.shadows.keys()):
        shadow = person.shadows.get(segment)
        if shadow is None:
            out.add("shadow_drop", lane, person.id, segment)
        elif live.stored_shadows.get(segment) != (shadow.member, shadow.since):
            out.add("shadow_put", lane, person.id, segment, int(shadow.member), shadow.since)
    for stage in sorted(live.touched_stages):
        stand = person.stages.get(stage)
        if stand is not None and stand.stage is not None:
            out.add("standing_put", lane, person.id, stage, stand.stage, stand.since)
        else:
            out.add("standing_drop", lane, person.id, stage)
    if person.wake != live.stored_wake:
        if person.wake is None:
            out.add("timer_delete", lane, person.id)
        else:
            out.add("timer_put", lane, person.id, person.wake)


def archive_row(key: str, body: bytes, digest: bytes) -> tuple[str, bytes, bytes]:
    """The row of a message in the archive: its body in zlib's form.

    zlib gives the interpreter's lock away twice a message. So a tick packs them at its end, in one go: between its
    moments it waited for the writer each time, and the writer, who packed them for a while, waited for the tick.
    (A window of 8 KB takes a fifth of the time that zlib's default takes to be set up.)
    """
    packer = zlib.compressobj(1, zlib.DEFLATED, 13, 5)
    return key, packer.compress(body) + packer.flush(), digest


def write(tx: Tx, out: Output, counters: dict[str, int], meta: dict[str, str], *, expected_seq: int) -> bool:
    """Apply the write set in one short transaction if the log stands where the tick began; False: it moved on."""
    if tx.read("counter_value", "seq")[0][0] != expected_seq:
        return False
    position = tx.read("counter_value", "position")[0][0]
    for entry in out.inserts:
        if entry[0] == 0:
            position += 1
            entry[0] = position
    if out.inserts:
        tx.write("entry_put", out.inserts)
    if out.updates:
        tx.write("entry_sequence", out.updates)
    for name, row in out.early:
        tx.write(name, [row])
    for name in ORDER:
        if name in out.rows:
            tx.write(name, out.rows[name])
    for name, said in groupby(out.words, key=itemgetter(0)):
        tx.write(name, [row for _, row in said])
    for name, row in out.rekeys:
        tx.write(name, [row])
    for name in AFTER:
        if name in out.rows:
            tx.write(name, out.rows[name])
    unknown = set(out.rows) - set(ORDER) - set(AFTER)
    assert not unknown, f"no place in the order for {unknown}"
    tx.write("counter_set", [*counters.items(), ("position", position)])
    tx.write("meta_put", list(meta.items()))
    return True
