"""`segment count|members`: members now as the live state has them, or at a moment by what is known now about it.

At a moment: persons as identity knows them now who had been heard of by then; events, traits, time zones and
permissions by their own time; who was in a journey as recorded then; rules and catalogs as they are now. Crowds are
asked by plan; what a plan cannot do is asked person by person.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from einklang.app import expiry, stages, traits
from einklang.app.crowds import Everybody, Lake, crowd_at, permissions_at
from einklang.app.definitions import Definitions
from einklang.app.object_index import OBJECT
from einklang.app.ports import Reader
from einklang.app.state import State
from einklang.app.view import is_zone
from einklang.app.working import Live, WorkingSet, take_zone
from einklang.audience import crowd as crowds
from einklang.audience.drawn import Draw, Drawn
from einklang.expr import Checked, reaches
from einklang.fact.person import Membership, Trait
from einklang.kernel.errors import NotFound

_MEMBERSHIP = {"Segment Entered": True, "Segment Left": False}


def _known(state: State, segment: str) -> None:
    names = [found.id for found in state.definitions.segments]
    if segment not in names:
        raise NotFound("unknown_segment", f"no segment {segment[:60]!r}", mend="known: " + (", ".join(names) or "none"))


def members(
    reader: Reader, state: State, lake: Lake, segment: str, at: int | None, plans: crowds.Plans | None = None
) -> list[str]:
    """Sorted person ids of the members. at: microseconds, None: as the live state has them. Raises NotFound.

    With `at`, `reader` is a snapshot: what it knows and what was shipped before it are one log. plans: what answers
    before Polars does.
    """
    _known(state, segment)
    if at is None:
        return sorted(row[0] for row in reader.read("members_of", segment))
    state.read_from(reader)
    order, draws = needed(state.definitions, segment), draws_of(state.definitions)
    known = {name for name, _ in order}
    frozen = {name: one.frozen for name, one in draws.items() if name in known and one.frozen is not None}
    if frozen.get(segment, at) < at:
        at = frozen.pop(segment)
    given = {
        name: set(members(reader, state, lake, name, since, plans))
        for name, since in frozen.items()
        if name != segment and since < at
    }
    state.clock = at
    _, crowd = crowd_at(reader, state, lake, at, crowds.asked([rule for _, rule in order if crowds.by_plan(rule)]))

    def alone(name: str, known: dict[str, set[str]]) -> set[str]:
        return set(_by_person(reader, state, name, crowd.persons["person_id"].to_list(), at, known))

    found = crowds.members(order, crowd, at, alone, plans, draws=draws, salt=state.salt, given=given)
    return sorted(found[segment])


def draws_of(definitions: Definitions) -> dict[str, Draw]:
    """The segments that are samples."""
    conditions = ((found.id, found.condition) for found in definitions.segments)
    return {name: condition.draw for name, condition in conditions if isinstance(condition, Drawn)}


def answered_by(
    reader: Reader, state: State, segment: str, plans: crowds.Plans | None
) -> list[dict[str, str | list[str]]]:
    """Who answers a segment and those it speaks of for a moment of the past, and why not who would be quicker."""
    state.read_from(reader)
    _known(state, segment)
    found: list[dict[str, str | list[str]]] = []
    for name, rule in needed(state.definitions, segment):
        engine, lacks = crowds.how(rule, plans)
        found.append({"segment": name, "by": engine, "because_of": lacks})
    return found


def missing(reader: Reader, definitions: Definitions, segment: str, at: int) -> dict[str, int]:
    """name -> bound, of events that the segment would look at from a moment of the past and that have expired since.

    Its members of that moment, as they are told now, may lack some, or have some too many.
    """
    found: dict[str, int] = {}
    bounds = expiry.bounds_of(reader)
    for _, rule in needed(definitions, segment) if bounds else ():
        for reach in reaches(rule):
            since = None if reach.window_us is None else at - reach.window_us
            for name, (bound, _) in bounds.items():
                if (not reach.names or name in reach.names) and (since is None or since < bound):
                    found[name] = bound
    return found


def members_at(reader: Reader, state: State, segment: str, at: int) -> list[str]:
    """The same as `members` without plans: everybody is loaded and asked. For tests, and where no lake is."""
    _known(state, segment)
    state.read_from(reader)
    state.clock = at
    people = Everybody(reader, at).ids
    known: dict[str, set[str]] = {}
    draws = draws_of(state.definitions)
    for name, _ in needed(state.definitions, segment):
        frozen = draws[name].frozen if name in draws else None
        if frozen is not None and frozen < at:
            known[name] = set(members_at(reader, state, name, frozen))
            state.clock = at
        else:
            known[name] = set(_by_person(reader, state, name, people, at, known))
    return sorted(known[segment])


def needed(definitions: Definitions, segment: str) -> list[tuple[str, Checked]]:
    """The segment and those it speaks of, directly or not, each after those it speaks of."""
    rules = {found.id: definitions.checked[f"segment:{found.id}"] for found in definitions.segments}
    todo, needed = [segment], set[str]()
    while todo:
        name = todo.pop()
        needed.add(name)
        todo += rules[name].needs.segments - needed
    return [(name, rule) for name, rule in rules.items() if name in needed]


def _by_person(
    reader: Reader, state: State, segment: str, people: list[str], at: int, known: dict[str, set[str]]
) -> Iterator[str]:
    """Of these people the members, one after the other."""
    condition = next(found for found in state.definitions.segments if found.id == segment).condition
    working = WorkingSet()
    working.reader = reader
    for person in people:
        live = working.get(person)
        if live is not None:
            _turn_back(reader, live, at, known, state.definitions.trait_rules)
            live.person.stages = stages.recorded(live, state.definitions.ladders, at)
            if condition.holds(state.view(live)):
                yield person
        working.forget()


def _turn_back(reader: Reader, live: Live, at: int, known: dict[str, set[str]], rules: traits.Rules) -> None:
    """Make a loaded person what is known now about a moment. Rules leave later events out by themselves."""
    person = live.person
    said = [
        (channel, address, purpose, status, when, seq, until)
        for _, seq, channel, address, purpose, status, when, *_, until in reader.read("ledger_of", live.lane, person.id)
    ]
    person.traits = traits.refold(live.history, rules, until=at)
    person.zone = None
    for event in live.history:
        zone = event.context.get("timezone") if event.origin == 0 and event.at <= at else None
        if isinstance(zone, str) and is_zone(zone):
            take_zone(person, Trait(zone, event.at, event.seq))
    person.permissions = permissions_at(person.permissions, said, at)
    person.identifiers = [row for row in person.identifiers if row[2] <= at]
    person.last_seen_at = max(
        (event.at for event in live.history if event.origin == 0 and event.at <= at), default=person.created_at
    )
    person.memberships = {name: _membership(live, name, person.id in ids, at) for name, ids in known.items()}
    live.runs = [
        msgspec.structs.replace(run, status="active" if run.ended_at is None or run.ended_at > at else run.status)
        for run in live.runs
        if run.entry.clock <= at
    ]


def _membership(live: Live, segment: str, member: bool, at: int) -> Membership:
    """A membership at a moment; since when is as recorded, and the moment itself where the record says otherwise.

    Who never entered is no member since the first entry of the history, as far as the record goes.
    """
    for event in reversed(live.history):
        if event.at <= at and event.name in _MEMBERSHIP and event.properties.get("segment") == segment:
            return Membership(member, event.at if _MEMBERSHIP[event.name] is member else at, None)
    first = min((event.clock for event in live.history if not event.key[0].startswith(OBJECT)), default=at)
    return Membership(member, at if member else min(first, at), None)
