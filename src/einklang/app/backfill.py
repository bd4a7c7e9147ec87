"""Changed segments and stages are worked out beside the live work, and switch in one step.

    look     persons are asked by the new definition, a few at a time; what they answer is a *shadow* beside their
             membership, and is kept exact by whatever happens to them from then on. The old definition is in force.
    switch   one entry: from it on the new definition is in force, and members are shown by it.
    tell     persons take their shadow over, a few at a time, or when something happens to them: entered, left, once.
    climb    everybody is asked for the changed stages, a few at a time. Stages have no shadow: the new rules are in
             force from the switch on, for each person from the first thing that happens to them, or from this.

Each step is an entry of the log that moves time, and names the persons it is about. So a rebuild does the same at the
same place, whoever found out whom to look at. Who was never asked and need not be is no member by the new definition,
and stays so until something happens to them: then they are asked.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from einklang.app import concerns, stages
from einklang.app.definitions import Definitions, Docs, Key, compile_segments
from einklang.app.ports import Reader
from einklang.app.working import Live, from_json
from einklang.audience.ladder import Ladder
from einklang.audience.live import Listeners, Segment
from einklang.event import Event
from einklang.kernel.errors import InputError

if TYPE_CHECKING:
    from einklang.app.moment import Moments
    from einklang.app.state import State

#: Since which version of the fold.
SINCE = 4
#: With fewer persons everybody is looked at at once.
PERSONS_MIN = 1_000
#: Persons of one entry: what else happens waits so long.
STEP_PERSONS = 100
#: Kinds that stand within no condition about a person.
ALONE = frozenset({"journey", "message", "campaign", "team", "channel", "touchpoint", "brand"})
#: Kinds that stand within the conditions of segments, as they are checked.
_WITHIN = frozenset({"score", "trait", "stage", "event", "catalog", "policy"})
Step = dict[str, Any]
#: The persons to be looked at, in order; None: not known yet.
Crowd = Callable[["Build"], "list[str] | None"]
#: This very list: nobody can say who, all are looked at.
EVERYBODY: list[str] = []


class Build(msgspec.Struct, frozen=True, omit_defaults=True):
    """Segments that are worked out anew.

    names: changed ones and those that speak of them. told: version in force until the switch of the changed ones, 0 if
    there was none; of what else stands in their conditions by kind/id. after: persons up to this id have been looked
    at. looked: how many; of: about how many, 0 if nobody knows. switched: by the new definitions; persons are told.
    begun: seq of the entry that changed them last. stages: changed ones; persons climb once all are told.
    """

    names: tuple[str, ...]
    told: dict[str, int]
    after: str = ""
    looked: int = 0
    of: int = 0
    switched: bool = False
    begun: int = 0
    stages: tuple[str, ...] = ()

    @property
    def climbing(self) -> bool:
        """Whether all are told, and are asked for their stages."""
        return self.switched and bool(self.after)


_DECODER = msgspec.json.Decoder(Build)


def stored(text: str) -> Build | None:
    """A build as the Book keeps it; no text: there is none."""
    return _DECODER.decode(text) if text else None


def text_of(build: Build | None) -> str:
    """The stored form."""
    return msgspec.json.encode(build).decode() if build is not None else ""


def now(reader: Reader) -> Build | None:
    """What is being worked out at present."""
    rows = reader.read("meta_value", "build")
    return stored(rows[0][0] if rows else "")


def beside(state: State, changes: Sequence[dict[str, Any]]) -> bool:
    """Whether a server has these changes of definitions worked out beside the live work, as far as that can be."""
    return (
        state.fold >= SINCE
        and not {change["kind"] for change in changes} <= ALONE
        and not (state.build is not None and state.build.switched and not state.build.climbing)
        and len(state.after("", PERSONS_MIN)) == PERSONS_MIN
    )


def told(state: State, changes: Sequence[dict[str, Any]], before: Definitions) -> dict[str, int]:
    """The versions in force until the switch: of what is worked out, and of these changes beside the live work."""
    found = {}
    for change in changes:
        key = (change["kind"], change["id"])
        if key[0] == "segment" or (key[0] in _WITHIN and state.fold >= concerns.SINCE):
            name = key[1] if key[0] == "segment" else "/".join(key)
            found[name] = before.versions[key] if key in before.docs else 0
    return found if state.build is None or state.build.switched else found | state.build.told


def fits(state: State, told: dict[str, int], docs: Docs, versions: dict[Key, int]) -> bool:
    """Whether what is told until the switch can be asked under these definitions."""
    try:
        if told:
            compile_segments(_as_told(state, told, docs), versions)
    except InputError:
        return False
    return True


def _as_told(state: State, told: dict[str, int], docs: Docs) -> Docs:
    found = dict(docs)
    for name, version in told.items():
        kind, _, known = name.partition("/")
        key = (kind, known) if known else ("segment", name)
        found.pop(key, None)
        if version:
            body = state.reader.read("definition_version", *key, version)[0][0]
            found[key] = (from_json(body), f"{key[0]} {key[1]} version {version}")
    return found


def begin(state: State, told: dict[str, int], changed: frozenset[str], stages: frozenset[str]) -> None:
    """These segments, those that speak of them, and these stages are looked at from now on; they are in force."""
    names, climbed = set(changed), set(stages)
    if state.build is not None:
        names |= set(state.build.names)
        climbed |= set(state.build.stages)
    ordered = []
    for segment in state.definitions.segments:
        if segment.id in names or not segment.condition.needs.segments.isdisjoint(names):
            names.add(segment.id)
            ordered.append(segment.id)
    state.building(Build(tuple(ordered), told, begun=state.counters["seq"], stages=tuple(sorted(climbed))))


def listeners(state: State) -> tuple[Listeners, Listeners | None]:
    """(segments that are told, those that are asked beside them)."""
    build, definitions = state.build, state.definitions
    if build is None or build.switched:
        return _listeners(state, definitions.asked), None
    docs = _as_told(state, build.told, definitions.docs)
    anew = [segment for segment in definitions.segments if segment.id in build.names]
    return _listeners(state, compile_segments(docs, definitions.versions)), Listeners(anew)


def _listeners(state: State, asked: Sequence[Segment | Ladder]) -> Listeners:
    """Stages are asked since a version of the fold."""
    return Listeners([one for one in asked if isinstance(one, Segment) or state.fold >= stages.SINCE])


def climbing(state: State) -> frozenset[int]:
    """Places of the stages that everybody who has not climbed is asked for whatever happens."""
    names = state.build.stages if state.build is not None else ()
    return frozenset(n for n, one in enumerate(state.listeners.segments) if isinstance(one, Ladder) and one.id in names)


def climbs(state: State, person: str) -> bool:
    """Whether a person is still to be asked for the changed stages."""
    build = state.build
    return build is not None and bool(state.climbing) and not (build.switched and person <= build.after)


def asked(state: State) -> list[Segment | Ladder]:
    """All segments and stages that are asked at present."""
    return [*state.listeners.segments, *(state.shadows.segments if state.shadows is not None else ())]


# --- steps: entries of the log -------------------------------------------------------------------------------------


def next_step(state: State, reader: Reader, crowd: Crowd | None = None) -> Step | None:
    """The properties of the next entry of a build; None where it has to wait. crowd: who may be concerned, by plan."""
    build = state.build
    assert build is not None, "something is worked out anew"
    if build.switched:
        return _after_switch(state, reader, build)
    if not build.names:
        return {"build": "switch"}
    persons = EVERYBODY if crowd is None else crowd(build)
    if persons is None:
        return None
    if persons is EVERYBODY:
        return _all_of(state, reader, "look") or {"build": "switch"}
    first = bisect_right(persons, build.after)
    found = persons[first : first + STEP_PERSONS]
    return {"build": "look", "persons": found, "of": len(persons)} if found else {"build": "switch"}


def _after_switch(state: State, reader: Reader, build: Build) -> Step:
    """Who has a shadow is told; then everybody climbs."""
    found = [] if build.climbing else [row[0] for row in reader.read("shadow_persons", STEP_PERSONS)]
    if found:
        return {"build": "tell", "persons": found}
    return (_all_of(state, reader, "climb") if build.stages else None) or {"build": "end"}


def _all_of(state: State, reader: Reader, step: str) -> Step | None:
    """The next of all persons."""
    assert state.build is not None, "something is worked out anew"
    found = state.after(state.build.after, STEP_PERSONS)
    return {"build": step, "persons": found, "of": int(reader.read("person_count")[0][0])} if found else None


def take_step(
    state: State,
    moments: Moments,
    event: Event,
    careful: Callable[[Live, Callable[[], None]], None],
    living: Callable[[str], str],
) -> None:
    """What an entry of a build says is done. careful(live, act): `act`, unless this person was put aside."""
    build, what = state.build, event.properties
    if build is None:  # a change of everything came in between
        return
    if what["build"] == "switch":
        state.building(msgspec.structs.replace(build, after="", looked=0, switched=True))
        return
    if what["build"] == "end":
        state.building(None)
        return
    look, climb = what["build"] == "look", what["build"] == "climb"
    for person in what["persons"]:
        live = state.working.passing(living(person))
        if live is not None:
            if look:
                live.person.shadows.clear()
            careful(live, partial(moments.look, live))
            if not climb and look != bool(live.person.shadows):
                _put_aside(state, build, live)
    if look or climb:
        names = () if climb else build.names  # all of them are told
        looked = (build.looked if build.after else 0) + len(what["persons"])
        state.build = msgspec.structs.replace(
            build, names=names, after=what["persons"][-1], looked=looked, of=what["of"]
        )


def _put_aside(state: State, build: Build, live: Live) -> None:
    """Who could not be looked at or told is asked at their next event, and nobody waits for that."""
    live.person.shadows.clear()
    for name in build.names:
        if name in live.person.memberships:
            live.person.memberships[name].flips_at = state.clock + 1  # at the present clock the person is put aside
