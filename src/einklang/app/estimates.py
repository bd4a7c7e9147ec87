"""How many would be members of a segment that is being written, condition by condition, and on which channels they
can be reached: of everybody where they are few, else of a sample with an interval, else of everybody on demand.

The sample is the persons with the smallest keyed hash in lanes that a keyed hash puts in order (both are hashes of the
id, so it is a simple random sample). It is kept in memory with histories, so the same compiled conditions that run
live are asked, whatever they ask; each answer is kept as one bit a person, so of an edited rule only what changed is
asked again. It is read again once it is older than what reading it costs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import msgspec

from einklang.app import estimates_exact
from einklang.app.contact import MARKETING, Facts
from einklang.app.crowds import Lake
from einklang.app.definitions import Definitions
from einklang.app.estimates_meant import Meant, meant_by, share_of
from einklang.app.funnel import ALL, ANY, ONE, Part, conditions, parts_of
from einklang.app.language import Asked, Fault, fault_of, read_tree
from einklang.app.ports import Book, Reader
from einklang.app.state import State
from einklang.app.working import Live, WorkingSet
from einklang.audience.drawn import Draw
from einklang.audience.estimate import Count, estimated, exactly
from einklang.audience.estimate import drawn as drawn_of
from einklang.content.message import CHANNELS
from einklang.decide.door import GATES
from einklang.expr import Condition, ExprError, Scope, check_tree, parse
from einklang.fact.moment import Request
from einklang.kernel import ids, time
from einklang.kernel.errors import InputError
from einklang.kernel.limits import LANES

#: A sample has so many persons at most, fewer where their histories are long: about 70 MB of memory at most.
PERSONS_MAX, PERSONS_MIN, EVENTS_MAX = 4_000, 500, 40_000
#: What an estimate may look at (unit of `expr.cost`, about 0.1 us), and the smallest sample that still says something.
LOOKS_MAX, ASKED_MIN = 20_000_000, 200
#: Everybody is asked on demand up to this many looks: some five minutes.
EXACT_LOOKS_MAX = 3_000_000_000
#: Reading a person again costs about 1 ms: at most a fortieth of the time goes there.
_FRESH_US = 40_000
#: From so many persons on everybody is counted by plan; of more members than this the reach is told by the sample.
PLAN_PERSONS, REACH_MAX = 20_000, 100_000
#: What loading a person costs, in looks.
_LOAD_LOOKS = 10_000
_BUSY_EVENTS = 1_000
_ANSWERS_MAX = 2_000
_PAGE = 1_000
_DOOR = dict(GATES)


class EstimateAsked(Asked, forbid_unknown_fields=True):
    """As for expressions, and: exact: ask everybody; purpose: for which reach is counted; segment: the one, if there is
    one already, whose condition it is to be: its sample, moment and list count.
    """

    segment: str = ""
    exact: bool = False
    purpose: str = MARKETING


class Step(msgspec.Struct, frozen=True):
    """A part of the condition. kind: all, any, none (groups), condition; alone: for how many of everybody it holds.

    remaining: how many are left after it (of an `any` group: how many are found so far); missing: of a negated
    comparison, for how many it holds because a value is missing.
    """

    kind: str
    text: str
    words: dict[str, str]
    alone: Count
    remaining: Count
    missing: Count | None
    steps: list[Step]


class Reach(msgspec.Struct, frozen=True):
    """Of those for whom it holds, on one channel: who consented, of these who has an address that is not suppressed, of
    these who has room under the contact caps now.
    """

    channel: str
    consented: Count
    reachable: Count
    under_caps: Count


class Estimate(msgspec.Struct, frozen=True):
    """persons: how many there are; looked_at: how many of them were asked; exact: all. at: of what moment it tells.
    count: of members; drawn: the share of those for whom the condition holds that are members, if not all are; fixed:
    nobody enters or leaves any more, whatever the condition says: the funnel tells of the members.

    Intervals hold the true number in at least 95 of 100 samples. Without `count` there is a fault.
    """

    fault: Fault | None
    persons: int = 0
    looked_at: int = 0
    exact: bool = False
    at: str = ""
    count: Count | None = None
    funnel: Step | None = None
    reach: list[Reach] = []
    drawn: float | None = None
    fixed: bool = False


class Answers:
    """The answers of some persons to conditions, one bit a person."""

    def __init__(self, state: State, people: list[Live], known: dict[tuple[str, int], int] | None = None) -> None:
        self.state = state
        self.people = people
        self._views = [state.view(live) for live in people]
        self._kept = known or {}

    def of(self, part: Part, size: int) -> int:
        """For whom of the first `size` it holds."""
        if part.kind != ONE:
            found = [self.of(inner, size) for inner in part.parts]
            everyone = (1 << size) - 1
            met, any_of = everyone, 0
            for mask in found:
                met, any_of = met & mask, any_of | mask
            return met if part.kind == ALL else any_of if part.kind == ANY else everyone & ~any_of
        return self.holding(part.text, part.condition, size)

    def holding(self, key: str, condition: Condition | None, size: int) -> int:
        """The same of one condition; nobody where there is none."""
        return 0 if condition is None else self._once((key, size), lambda n: condition.holds(self._views[n]))

    def drawn(self, draw: Draw | None, members: int, size: int) -> int:
        """Of the members those that a sample takes."""
        if draw is None or draw.share is None:
            return members
        salt, now = self.state.salt, self.state.clock
        return members & self._once((f"draw {draw}", size), lambda n: draw.takes(salt, self.people[n].person.id, now))

    def reach(self, channel: str, purpose: str, size: int) -> list[int]:
        """Who passes each stage on this channel: consent, an address that may be used, caps. It is the door that is
        asked, gate by gate.
        """
        request = Request("", "", "", 0, "", 0, "", MARKETING, purpose, "", (channel,), 0, {}, 0)
        policy = self.state.definitions.policy

        def passes(n: int, *gates: str) -> bool:
            facts = Facts(self.state, self.people[n], request)
            return all(_DOOR[gate](policy, request, channel, facts) is None for gate in gates)

        key = f"{channel} {purpose}"
        consented = self._once((f"consent {key}", size), lambda n: self._views[n].consent(channel, purpose))
        usable = self._once(
            (f"address {key}", size), lambda n: bool(consented >> n & 1) and passes(n, "consent", "suppression")
        )
        free = self._once((f"caps {key}", size), lambda n: bool(usable >> n & 1) and passes(n, "caps"))
        return [consented, usable, free]

    def _once(self, key: tuple[str, int], says: Callable[[int], bool]) -> int:
        if key not in self._kept:
            if len(self._kept) >= _ANSWERS_MAX:
                self._kept.clear()
            bits = "".join("1" if says(n) else "0" for n in reversed(range(key[1])))
            self._kept[key] = int(bits or "0", 2)
        return self._kept[key]


def funnel_counts(answers: Answers, whole: Part, size: int) -> list[int]:
    """The counts of a funnel in the order in which `_told` reads them; those of several crowds may be added."""
    counts: list[int] = []

    def visit(part: Part, arriving: int, remaining: int) -> None:
        mask = answers.of(part, size)
        missing = answers.holding(f"missing {part.text}", part.missing, size)
        counts.extend(one.bit_count() for one in (mask, remaining, arriving & mask & missing))
        left = 0 if part.kind == ANY else arriving
        for inner in part.parts:
            told = answers.of(inner, size)
            after = left & told if part.kind == ALL else left & ~told if part.kind != ANY else left | arriving & told
            visit(inner, arriving if part.kind == ANY else left, after)
            left = after

    visit(whole, (1 << size) - 1, answers.of(whole, size))
    return counts


def reach_counts(answers: Answers, members: int, purpose: str, size: int) -> list[int]:
    """For each channel: how many allow it at all, and the stages of those among the members."""
    counts: list[int] = []
    for channel in CHANNELS:
        stages = answers.reach(channel, purpose, size)
        counts.append(stages[0].bit_count())
        counts.extend((members & stage).bit_count() for stage in stages)
    return counts


def tally(answers: Answers, whole: Part, purpose: str, size: int, draw: Draw | None) -> list[int]:
    """All counts of an estimate; as the last one the members."""
    members = answers.drawn(draw, answers.of(whole, size), size)
    reach = reach_counts(answers, members, purpose, size)
    return [*funnel_counts(answers, whole, size), *reach, members.bit_count()]


def _told(
    whole: Part, counts: Iterator[int], says: Callable[[int], Count], persons: int, drawn: Callable[[int], Count]
) -> tuple[Step, list[Reach]]:
    """The counts as an answer. How many persons there are at all is known. drawn: of members."""

    def step(part: Part) -> Step:
        alone, remaining, missing = (says(next(counts)) for _ in range(3))
        inner = [step(one) for one in part.parts]
        return Step(part.kind, part.text, part.words, alone, remaining, missing if part.missing else None, inner)

    funnel, reach = step(whole), list[Reach]()
    if not whole.parts:
        funnel = msgspec.structs.replace(funnel, alone=exactly(persons), remaining=exactly(persons))
    for channel in CHANNELS:
        known, *stages = (next(counts) for _ in range(4))
        if known:
            reach.append(Reach(channel, *(drawn(stage) for stage in stages)))
    return funnel, reach


class Sample(msgspec.Struct):
    """Who was drawn, when. seq: how far the log was."""

    answers: Answers
    persons: int
    at: int
    seq: int


class Estimator:
    """The estimates of one process. Safe from any thread: one sample is asked, and one count goes on, at a time."""

    def __init__(self, book: Book, salt: bytes, lake: Lake | None = None) -> None:
        self._book = book
        self._lake = lake
        self._salt = salt
        self._guard = threading.Lock()
        self._counting = threading.Lock()
        self._sample: Sample | None = None

    def estimate(self, definitions: Definitions, asked: EstimateAsked, *, now: int) -> Estimate:
        """What would hold for how many. Raises InputError for a request that is none."""
        if asked.purpose not in definitions.purposes:
            mend = "known: " + ", ".join(sorted(definitions.purposes))
            raise InputError("unknown_purpose", f"no purpose {asked.purpose[:40]!r}", where="purpose", mend=mend)
        try:
            source, tree = read_tree(asked)
            scope = Scope(asked.site, definitions.catalog)
            check_tree(tree, source, scope)
            meant = meant_by(definitions, asked.segment, source, now)
            whole = parts_of(tree if meant.text == source else parse(meant.text), scope)
        except ExprError as error:
            return Estimate(fault_of(error))
        with self._book.snapshot() as reader:
            with self._guard:
                sample = self._fresh(reader, definitions, now)
                if not asked.exact or len(sample.answers.people) >= sample.persons:
                    return self._fixed(reader, meant, of_sample(sample, whole, asked.purpose, meant.draw))
            with self._counting:
                return self._fixed(reader, meant, self._exact(reader, sample, whole, asked.purpose, now, meant.draw))

    @staticmethod
    def _fixed(reader: Reader, meant: Meant, told: Estimate) -> Estimate:
        """Whoever is in a segment that is frozen is in it: they are counted, however they were found."""
        if not meant.fixed or told.fault is not None:
            return told
        return msgspec.structs.replace(told, count=exactly(len(reader.read("members_of", meant.fixed))), fixed=True)

    def _fresh(self, reader: Reader, definitions: Definitions, now: int) -> Sample:
        """The sample, read again where it is old and something happened since."""
        sample = self._sample
        seq = reader.read("counter_value", "seq")[0][0]
        if sample is not None and sample.seq != seq:
            age = now - sample.at
            sample = sample if 0 <= age < _FRESH_US * len(sample.answers.people) else None
        if sample is None:
            persons = int(reader.read("person_count")[0][0])
            state = _state(self._salt, definitions, reader, now)
            size = min(persons, max(PERSONS_MIN, min(PERSONS_MAX, EVENTS_MAX * persons // max(1, seq))))
            people = _loaded(state, drawn(reader, self._salt, size))
            sample = Sample(Answers(state, people), persons, now, seq)
        state = sample.answers.state
        if state.definitions is not definitions:
            state.take(definitions)
            sample.answers = Answers(state, sample.answers.people)
        state.read_from(reader)
        state.working.trim()
        self._sample = sample
        return sample

    def _exact(
        self, reader: Reader, sample: Sample, whole: Part, purpose: str, now: int, draw: Draw | None
    ) -> Estimate:
        """Everybody is asked: by plan where they are many and it can, else some at a time."""
        persons = sample.persons
        state = _state(self._salt, sample.answers.state.definitions, reader, now)
        if self._lake is not None and persons >= PLAN_PERSONS:
            told = estimates_exact.masks(reader, state, self._lake, whole)
            if told is not None:
                return self._by_plan(state, sample, whole, purpose, draw, *told)
        looks = persons * (_LOAD_LOOKS + _looks(whole, sample.answers))
        if looks > EXACT_LOOKS_MAX:
            minutes = looks // 10_000_000 // 60
            return Estimate(_too_costly(f"asking each of {persons:,} persons takes some {minutes} minutes"))
        totals: list[int] = []
        asked = 0
        for lane in range(LANES):
            after = ""
            while page := [row[0] for row in reader.read("persons_page", lane, after, _PAGE)]:
                after = page[-1]
                people = _loaded(state, page)
                counts = tally(Answers(state, people), whole, purpose, len(people), draw)
                totals = [a + b for a, b in zip(totals or [0] * len(counts), counts, strict=True)]
                asked += len(people)
        totals = totals or [0] * len(tally(Answers(state, []), whole, purpose, 0, draw))
        funnel, reach = _told(whole, iter(totals), exactly, asked, exactly)
        at = time.format_moment(now)
        return Estimate(None, asked, asked, True, at, exactly(totals[-1]), funnel, reach, share_of(draw))

    def _by_plan(
        self,
        state: State,
        sample: Sample,
        whole: Part,
        purpose: str,
        draw: Draw | None,
        everybody: list[str],
        masks: dict[str, int],
    ) -> Estimate:
        """The funnel by plan; the reach of the members one by one, of too many of them by the sample."""
        size = len(everybody)
        answers = Answers(state, [], {(key, size): mask for key, mask in masks.items()})
        counts, members = funnel_counts(answers, whole, size), answers.of(whole, size)
        told = reversed(format(members, f"0{size}b"))
        chosen = [person for person, said in zip(everybody, told, strict=True) if said == "1"]
        if draw is not None:
            chosen = [person for person in chosen if draw.takes(state.salt, person, state.clock)]
        totals = [0] * (4 * len(CHANNELS))
        for first in range(0, len(chosen) if len(chosen) <= REACH_MAX else 0, _PAGE):
            people = _loaded(state, chosen[first : first + _PAGE])
            more = reach_counts(Answers(state, people), -1, purpose, len(people))
            totals = [a + b for a, b in zip(totals, more, strict=True)]
        funnel, reach = _told(whole, iter([*counts, *totals]), exactly, size, exactly)
        if len(chosen) > REACH_MAX:
            with self._guard:
                sample.answers.state.read_from(state.reader)
                reach = of_sample(sample, whole, purpose, draw).reach
        at = time.format_moment(state.clock)
        return Estimate(None, size, size, True, at, exactly(len(chosen)), funnel, reach, share_of(draw))


def _loaded(state: State, people: list[str]) -> list[Live]:
    """These persons with their histories; they are forgotten with whoever holds the list."""
    state.working.trim()
    return [live for live in map(state.working.get, people) if live is not None]


def of_sample(sample: Sample, whole: Part, purpose: str, draw: Draw | None = None) -> Estimate:
    """What the sample says of everybody."""
    answers = sample.answers
    size = min(len(answers.people), LOOKS_MAX // max(1, _looks(whole, answers)))
    if size < min(ASKED_MIN, len(answers.people)):
        return Estimate(_too_costly("too much to look at while typing, even of few persons"))
    population = max(sample.persons, len(answers.people))
    share = None if size == population else share_of(draw)

    def says(hits: int) -> Count:
        return estimated(hits, size, population)

    def members(hits: int) -> Count:
        return says(hits) if share is None else drawn_of(hits, size, population, share)

    # who is drawn is counted where all were asked; of others it is known how many of those for whom it holds
    counts = tally(answers, whole, purpose, size, draw if share is None else None)
    funnel, reach = _told(whole, iter(counts), says, population, members)
    at = time.format_moment(sample.at)
    count = funnel.remaining if draw is None or draw.share is None else members(counts[-1])
    return Estimate(None, population, size, size == population, at, count, funnel, reach, share_of(draw))


def _looks(whole: Part, answers: Answers) -> int:
    """What asking one person costs: as `expr.cost` has it for a busy one, less as these have fewer events."""
    people = answers.people
    events = sum(len(live.history) for live in people) // max(1, len(people)) + 1
    return sum(
        one.looks if one.loops > 2 else one.looks * min(events, _BUSY_EVENTS) // _BUSY_EVENTS
        for one in conditions(whole)
    )


def _too_costly(what: str) -> Fault:
    mend = "look at a shorter time, or put a part of it into a segment"
    return Fault("too_costly", what, 1, 1, (), "", mend)


def _state(salt: bytes, definitions: Definitions, reader: Reader, now: int) -> State:
    """For reading only: nothing of it is ever written."""
    state = State(salt, definitions, link_key=b"", base_url="", channels=frozenset())
    state.working = WorkingSet(0)
    state.read_from(reader)
    state.clock = now
    return state


def drawn(reader: Reader, salt: bytes, size: int) -> list[str]:
    """Ids of a simple random sample that is the same as long as nobody comes or goes; of everybody if they are few."""

    def rank(*parts: str) -> bytes:
        return ids.keyed_hash(salt, "estimate", *parts)

    found: list[str] = []
    for lane in sorted(range(LANES), key=lambda lane: rank("lane", str(lane))):
        if len(found) >= size:
            break
        after = ""
        while page := [row[0] for row in reader.read("persons_page", lane, after, _PAGE)]:
            found += page
            after = page[-1]
    return sorted(found, key=lambda person: rank("person", person))[:size]
