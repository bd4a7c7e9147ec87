"""Decisions of staff about persons: merge, split, keep apart; what they would change, shown first by the tick itself.

A decision is an entry of the log that names identifiers, not persons: `join` and `apart` hold pairs of them, of each
pair the latest word counts. So it means the same whatever else has happened by the time it is folded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from einklang.app.apply import Body
from einklang.app.find import load, person_id
from einklang.app.known import BookKnown, Remembered
from einklang.app.output import COUNTERS, Output
from einklang.app.people import STAFF, People
from einklang.app.ports import Book, Reader
from einklang.app.splitting import MERGED, SPLIT, by_cause
from einklang.app.state import SOURCE, State
from einklang.app.working import Live, label_of
from einklang.consent import split_key
from einklang.event import EngineCall, Event, body_of
from einklang.identity import DEVICE, STAFF_STRENGTH, Edge, Node, Pair, Seen, pair_of, solve
from einklang.kernel.errors import Conflict, InputError, NotFound
from einklang.kernel.ids import content_hash
from einklang.kernel.ids import person_id as founded_by

WHY_CHARS_MAX = 500
#: Pairs that one decision may hold: more than two persons of the largest size the defaults allow.
_PAIRS_MAX = 20_000


class Side(msgspec.Struct):
    """One person of a preview. events: of its own history, without what the engine said; runs: active ones."""

    person_id: str
    label: str
    identifiers: list[dict[str, str]]
    traits: int
    events: int
    runs: list[dict[str, str]]
    consents: list[dict[str, str]]


class Preview(msgspec.Struct):
    """What a decision changes: the persons concerned as they are, and as they would be.

    kind: merge or split. seq: entries of the log that were folded; message_id: of the entry, "" if it is a preview.
    """

    kind: str
    before: list[Side]
    after: list[Side]
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What staff decided, ready for the log. persons: ids concerned, as they are now."""

    name: str
    join: Sequence[Pair]
    apart: Sequence[Pair]
    persons: Sequence[str]
    actor: str
    why: str

    def properties(self) -> dict[str, Any]:
        """As the entry of the log has them."""
        pairs = {"join": self.join, "apart": self.apart}
        listed = {name: [[*a, *b] for a, b in found] for name, found in pairs.items()}
        return {**listed, "actor": self.actor, "why": self.why}


# --- what is decided ----------------------------------------------------------------------------------------------


def _nodes(reader: Reader, person: str) -> list[tuple[str, str, int]]:
    return [(row[0], row[1], row[2]) for row in reader.read("identifiers_of", person)]


def _founder(reader: Reader, state: State, person: str) -> Node:
    """The identifier that a person's id comes from, else its strongest, earliest one."""
    rows = _nodes(reader, person)
    if not rows:
        mend = "look the person up by kind:value"
        raise NotFound("unknown_person", f"nobody has the id {person[:80]!r}", where="id", mend=mend)
    rules = state.definitions.identity
    best = min(rows, key=lambda row: (-rules.kind(row[0]).priority, row[2], row[1]))
    own = next((row for row in rows if founded_by(state.salt, row[0], row[1]) == person), best)
    return own[0], own[1]


def reason_given(why: str) -> str:
    """Why staff decided or noted something. Raises InputError."""
    if not why.strip():
        raise InputError("no_reason", "no reason is given", where="why", mend="say why, in a sentence")
    if len(why) > WHY_CHARS_MAX:
        mend = f"use at most {WHY_CHARS_MAX} characters"
        raise InputError("reason_too_long", f"{len(why)} characters", where="why", mend=mend)
    return why.strip()


def _apart_between(reader: Reader, ours: Sequence[Node], theirs: Sequence[Node]) -> list[Pair]:
    wanted = {pair_of(x, y) for x in ours for y in theirs}
    return [pair for row in reader.read("apart_all") if (pair := ((row[0], row[1]), (row[2], row[3]))) in wanted]


def merge(reader: Reader, state: State, one: str, other: str, *, actor: str, why: str) -> Decision:
    """These two are one person. Raises NotFound, Conflict `same_person`, InputError `no_reason`."""
    why = reason_given(why)
    a, b = person_id(reader, one), person_id(reader, other)
    if a == b:
        raise Conflict("same_person", f"{one[:80]} and {other[:80]} are one person", where="id", mend="nothing to do")
    ends = _founder(reader, state, a), _founder(reader, state, b)
    if ends[0][0] == ends[1][0] == DEVICE:
        what = "two visitors of whom nothing but a device is known"
        raise Conflict("two_devices", what, where="id", mend="wait until one of them is known")
    lifted = _apart_between(reader, *([row[:2] for row in _nodes(reader, person)] for person in (a, b)))
    return Decision(MERGED, [pair_of(*ends), *lifted], [], [a, b], actor, why)


def split(reader: Reader, state: State, text: str, apart: Sequence[str], *, actor: str, why: str) -> Decision:
    """These identifiers (`kind:value`) are another person than the rest; without any, what a merge brought: `text` is
    then an id that was merged away, or the person, whose latest merge is meant.

    Raises NotFound, Conflict `never_merged`, InputError `bad_identifier`, `nothing_left`, `no_reason`.
    """
    why = reason_given(why)
    person = person_id(reader, text)
    rows = _nodes(reader, person)
    nodes = [row[:2] for row in rows]
    if not nodes:
        raise NotFound(
            "unknown_person", f"nobody has the id {text[:80]!r}", where="id", mend="look it up by kind:value"
        )
    ours = [_named(reader, nodes, one, person) for one in apart] or _merged_from(reader, state, person, text)
    rest = [node for node in nodes if node not in ours]
    if not rest:
        mend = "leave at least one with the person"
        raise InputError("nothing_left", "these are all identifiers of the person", where="identifiers", mend=mend)
    pairs = [pair_of(x, y) for x in ours for y in rest if not x[0] == y[0] == DEVICE]
    if len(pairs) > _PAIRS_MAX:
        mend = "split off fewer at once"
        raise InputError("too_many", f"{len(pairs)} pairs of identifiers", where="identifiers", mend=mend)
    held = [*_held_together(ours), *_held_together(rest)]
    return Decision(SPLIT, held, pairs, [person], actor, why)


def keep_apart(reader: Reader, one: str, other: str, *, actor: str, why: str) -> Decision:
    """These two persons are not one, whatever a call will say. Raises NotFound, Conflict `same_person`."""
    why = reason_given(why)
    a, b = person_id(reader, one), person_id(reader, other)
    if a == b:
        raise Conflict("same_person", "they are one person", where="id", mend="split them")
    ours, theirs = ([row[:2] for row in _nodes(reader, person)] for person in (a, b))
    pairs = [pair_of(x, y) for x in ours for y in theirs if not x[0] == y[0] == DEVICE]
    return Decision(SPLIT, [], pairs, [a, b], actor, why)


def _held_together(nodes: Sequence[Node]) -> list[Pair]:
    """What staff split stays one on each side, though the evidence between may be gone."""
    strong = [node for node in nodes if node[0] != DEVICE]
    return [pair_of(strong[0], other) for other in strong[1:]]


def _named(reader: Reader, nodes: Sequence[Node], text: str, person: str) -> Node:
    kind, _, value = text.partition(":")
    for node in nodes:
        if node == (kind, value) or (node[0] == kind and node[1] == value.strip().lower()):
            return node
    mend = "name identifiers of this person as kind:value"
    raise InputError("bad_identifier", f"{person} has no {text[:80]!r}", where="identifiers", mend=mend)


def _merged_from(reader: Reader, state: State, person: str, text: str) -> list[Node]:
    """The identifiers that a merge brought: those that the merged person had before it.

    They are found by its events, and by the evidence from before the merge that ties others to them.
    """
    live = load(reader, person)
    merges = [event for event in by_cause(live.history) if event.origin == 2 and event.name == MERGED]
    named = text if text != person and text.startswith("p_") else ""
    wanted = [event for event in merges if not named or event.properties["from"] == named]
    if not wanted:
        mend = "name the identifiers of the other person"
        raise Conflict("never_merged", f"{named or person} was never merged into {person}", where="id", mend=mend)
    last = wanted[-1]
    lost = {str(last.properties["from"])}
    for event in reversed(merges[: merges.index(last)]):
        if event.folded in lost:
            lost.add(str(event.properties["from"]))
    seqs = {event.message_id: event.seq for event in live.history if event.origin != 2}
    cause = seqs.get(str(last.properties.get("by")), last.seq)
    nodes = [(row[0], row[1]) for row in _nodes(reader, person)]
    edges = _edges(reader, nodes, str(last.properties.get("by")))
    before = [e for e in edges if (e.at < last.clock if e.strength >= STAFF_STRENGTH else _seq(e, seqs) < cause)]
    keys = {event.key for event in live.history if event.folded in lost and event.seq < cause and not event.origin}
    mine = {node for node in nodes if node in keys or founded_by(state.salt, *node) in lost}
    stayed = {event.key for event in live.history if event.folded not in lost and event.seq < cause} - mine
    mine = _before(reader, state, person, before, mine, stayed)
    known = {event.key for event in live.history if event.seq < cause} | {end for edge in before for end in edge.pair}
    rest = {node for node in nodes if node in known or founded_by(state.salt, *node) == person} - mine
    return _sides(reader, state, nodes, edges, mine, rest)


def _before(
    reader: Reader, state: State, person: str, edges: Sequence[Edge], mine: set[Node], stayed: set[Node]
) -> set[Node]:
    """`mine` with what this evidence joined to it. What was refused, as one address of two users, joined nothing."""
    seen = {row[:2]: Seen(*row[2:]) for row in BookKnown(reader, Remembered()).identifiers_of(person)}
    sides = {node: stayed if node in mine else mine for node in (*mine, *stayed)}
    groups, _ = solve(seen, edges, state.definitions.identity, lambda node: sides.get(node, ()))
    return mine.union(*(group for group in groups if not mine.isdisjoint(group)))


def _seq(edge: Edge, seqs: Mapping[str, int]) -> int:
    return seqs.get(edge.message_id, 2**62)


def _edges(reader: Reader, nodes: Sequence[Node], merged_by: str) -> list[Edge]:
    """The evidence among these identifiers, without that of the call or decision that merged."""
    known = BookKnown(reader, Remembered())
    found = {edge.pair: edge for node in nodes for edge in known.edges_of(*node)}
    return [e for e in found.values() if e.a in nodes and e.b in nodes and e.message_id != merged_by]


def _sides(
    reader: Reader, state: State, nodes: Sequence[Node], edges: Sequence[Edge], mine: set[Node], rest: set[Node]
) -> list[Node]:
    """`mine` with what came in the joint time and is tied to it rather than to the rest."""
    strong = {node: Seen(0, 0) for node in nodes if node[0] != DEVICE}
    sides = {node: rest if node in mine else mine for node in (*mine, *rest)}
    rules = state.definitions.identity
    within = [edge for edge in edges if edge.a in strong and edge.b in strong]  # staff may tie a device to a person
    groups, _ = solve(strong, within, rules, lambda node: sides.get(node, ()))
    found = set(mine)
    for group in groups:
        if not mine.isdisjoint(group):
            found |= set(group)
    claims = BookKnown(reader, Remembered())
    for kind, value in nodes:
        if kind == DEVICE and (kind, value) not in rest:
            signed = [row for row in claims.sign_ins(value) if not row.void]
            if signed and signed[0].node in found:
                found.add((kind, value))
    return [node for node in nodes if node in found]


# --- what it would change -------------------------------------------------------------------------------------------


def preview(reader: Reader, state: State, decision: Decision, *, now: int) -> Preview:
    """The persons before and after, worked out by the tick on a snapshot; nothing is stored. state: for this alone."""
    before = [side(load(reader, person)) for person in decision.persons]
    state.read_from(reader)
    state.out, state.folding = Output(), True
    stored: dict[str, int] = dict(reader.read("counters"))
    state.counters = {name: stored.get(name, 0) for name in COUNTERS}
    state.clock = state.counters["clock"]
    state.fold = max(2, state.fold)
    people = People(state)
    event = _event(decision, now, "preview")
    changed = {live.person.id: live for live in people.decided(event)}
    for person in decision.persons:
        live = state.working.get(people.living(person))
        if live is not None:
            changed[live.person.id] = live
    refused = state.out.rows.get("refused_put", ())
    if decision.name == MERGED and len(changed) > 1 and refused:
        what = f"the rules do not allow it: {refused[0][3]}"
        raise Conflict("merge_refused", what, where="id", mend="split off what is too many first")
    return Preview(
        "merge" if decision.name == MERGED else "split", before, [side(changed[key]) for key in sorted(changed)]
    )


def side(live: Live) -> Side:
    """A person as a preview shows it."""
    person = live.person
    return Side(
        person.id,
        label_of(person),
        [{"kind": kind, "value": value} for kind, value, *_ in person.identifiers],
        sum(1 for trait in person.traits.values() if trait.value is not None),
        sum(1 for event in live.history if not event.origin),
        [
            {"run": run.id, "journey": run.journey, "step": run.step, "key": run.key}
            for run in live.runs
            if run.status == "active"
        ],
        [
            {"channel": channel, "purpose": purpose, "address": address, "status": permission.status}
            for (channel, purpose, address, _), permission in (
                (split_key(key), permission) for key, permission in sorted(person.permissions.items())
            )
        ],
    )


def _event(decision: Decision, now: int, message_id: str) -> Event:
    return Event(
        0, now, now, STAFF, decision.name, message_id, (), decision.properties(), {}, SOURCE, "", origin=1, clock=now
    )


# --- the entry --------------------------------------------------------------------------------------------------------


def append(book: Book, decision: Decision, *, now: int) -> str:
    """Put the decision into the log, durably: the next tick carries it out, before all that waits. Its message id."""
    call = EngineCall(type=STAFF, event=decision.name, properties=decision.properties(), at=now, origin=1)
    position = book.read("counter_value", "position")[0][0]
    # of two decisions at one moment the later one has the greater id
    call.messageId = f"{STAFF}-{position + 1:015d}-{content_hash(body_of([call]))[:6].hex()}"
    book.append([Body(1, now, SOURCE, "definition", body_of([call]))])
    return call.messageId
