"""What a tick works on: the clock, the definitions in force, the working set, and the write set it fills.

One State belongs to one writer. It is the only place in app where the sciences' answers about a person are put
together.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from einklang.app import backfill, concerns, consents, stages, sweep, traits
from einklang.app.backfill import Build
from einklang.app.definitions import Definitions, compile_old
from einklang.app.entries import Entries
from einklang.app.groups import WHOLE, Groups
from einklang.app.known import Remembered
from einklang.app.object_index import SINCE, ObjectIndex
from einklang.app.output import COUNTERS, Output
from einklang.app.ports import Reader
from einklang.app.sweep import Sweep
from einklang.app.timers import TimerFeed
from einklang.app.view import PersonView, Rules, address_of
from einklang.app.working import Live, WorkingSet, from_json, to_json
from einklang.audience.ladder import Ladder
from einklang.consent import WITHDRAWN, address_key, permits, split_key, status_of
from einklang.content.mail import Brand
from einklang.event import Event
from einklang.fact.moment import Request
from einklang.fact.person import Arm, Run
from einklang.flow.compile import Journey
from einklang.kernel import ids, time
from einklang.kernel.limits import LANES

SOURCE = "einklang"
#: Of the formula of arms (kernel.ids.unit), kept with each assignment.
SALT_VERSION = 1
#: What is due later than this after a stop follows its journey's `overdue` rule.
STANDSTILL_US = 6 * time.HOUR
#: The version of the fold, stamped on each entry that moves time: what a log says under an older one is folded again as
#: it was then. What changed with each version: docs/decisions/0006-fold-version.md.
FOLD = 6
TICK = "tick"
_PAGE = 1_000
#: In the table of stops, the name of a standstill: all journeys stood.
ALL = ""
#: From when to when; None while it lasts.
Stop = tuple[int, int | None]
#: How time goes on: by the clock, by `run` into the outbox folder, by `run --deliver`; a tick entry changes it.
LIVE, RUN, DELIVER = "live", "run", "deliver"
#: Rows of catalogs, and names of events, that are remembered: both may come from anybody, in any number.
CATALOG_ROWS_MAX, NAMES_MAX = 50_000, 10_000


class Catalogs:
    """Rows of catalogs, read on demand and kept, also that there is none."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Mapping[str, Any] | None] = {}
        self.reader: Reader | None = None

    def get(self, catalog: str, key: Any) -> Mapping[str, Any] | None:
        """The row of a key, None if there is none."""
        if key is None:
            return None
        place = (catalog, str(key))
        if place not in self._rows:
            assert self.reader is not None
            found = self.reader.read("catalog_get", *place)
            self._rows[place] = from_json(found[0][0]) if found else None
        return self._rows[place]

    def put(self, catalog: str, key: str, row: Mapping[str, Any]) -> None:
        """Set a row."""
        self._rows[catalog, key] = row

    def read_from(self, reader: Reader) -> None:
        """Use this snapshot for what is not in memory; what is too much is read again."""
        self.reader = reader
        if len(self._rows) > CATALOG_ROWS_MAX:
            self.forget()

    def forget(self) -> None:
        """Drop what was read."""
        self._rows.clear()


class State:
    """The state of the engine between and during ticks."""

    def __init__(
        self, salt: bytes, definitions: Definitions, *, link_key: bytes, base_url: str, channels: frozenset[str]
    ) -> None:
        self.salt = salt
        self.link_key = link_key
        self.base_url = base_url
        self.channels = channels
        self.working = WorkingSet()
        self.catalogs = Catalogs()
        self.remembered = Remembered()
        self.groups = Groups(self)
        self.object_index = ObjectIndex(self)
        self.goal_events: set[str] = set()
        self.timers: TimerFeed | None = None
        self.out = Output()
        self.counters: dict[str, int] = {}
        self.clock = 0
        self.mode = RUN
        self.live = False
        self.deliver = False
        self.folding = False
        self._fold = FOLD  # an engine takes that of the log
        self.ledger_hash = b""
        self._old: dict[tuple[str, int], Journey] = {}
        self._stops: dict[str, Stop] | None = None
        self.entries = Entries()
        self.unasked: set[str] = set()
        self.sweep: Sweep | None = None
        self.build: Build | None = None
        self.take(definitions)

    @property
    def fold(self) -> int:
        """The version of the fold in force."""
        return self._fold

    @fold.setter
    def fold(self, version: int) -> None:
        begins = (self._fold < stages.SINCE) is not (version < stages.SINCE)
        self._fold = self.rules.fold = version
        if begins:
            self.building(self.build)

    def turn(self, version: int) -> None:
        """From the present entry on the log is folded by this version."""
        index, whole = self._fold < SINCE <= version, bool(self._fold < WHOLE <= version and self.asked_members)
        whole = whole or bool(self._fold < stages.SINCE <= version and self.definitions.ladders)
        if (index or whole) and self.after("", 1):
            self.sweep = Sweep(whole, (), index=index)
        self.fold = version

    def take(self, definitions: Definitions) -> None:
        """Put these definitions in force."""
        self.definitions = definitions
        self._old = {} if self.fold >= concerns.SINCE else self._old  # they speak of what is in force, too
        self.object_index.take(definitions.objects.values())
        for journey in definitions.journeys.values():
            if journey.goal is not None:
                self.goal_events |= journey.goal.events
        self.building(self.build)
        self._entered: dict[str, list[Journey]] = {}
        self.brands: dict[str | None, Brand] = {}
        self.rules = Rules(
            salt=self.salt,
            timezone=definitions.policy.timezone,
            lookup=self.catalogs.get,
            campaigns={name: journey.campaign for name, journey in definitions.journeys.items()},
            objects=definitions.objects,
            groups=self.groups,
            fold=self._fold,
        )

    def building(self, build: Build | None) -> None:
        """These segments are worked out anew beside those that are told."""
        self.build = build
        self.listeners, self.shadows = backfill.listeners(self)
        self.climbing = backfill.climbing(self)
        #: the stages that are asked at present
        self.ladders = {one.id: one for one in self.listeners.segments if isinstance(one, Ladder)}
        needs = [*self.definitions.all_needs(), *(segment.needs for segment in self.listeners.segments)]
        #: types of groups, and names of their members' events, that conditions ask about
        self.asked_groups = frozenset(kind for need in needs for kind in need.groups)
        self.listened_in_groups = frozenset(name for need in needs for name in need.group_events)
        self.asked_members = frozenset(kind for need in needs for kind in need.group_members)

    def set_mode(self, mode: str) -> None:
        """From now on time goes on in this way."""
        self.mode, self.live, self.deliver = mode, mode == LIVE, mode == DELIVER

    def forget(self, definitions: Definitions) -> None:
        """The tick was not committed: drop what it changed in memory, put these definitions in force again."""
        self.working.forget()
        self.catalogs.forget()
        self.remembered.forget()
        self.groups.forget()
        self.object_index.forget()
        self.entries.forget()
        if self.build is not None:
            self.building(None)
        if definitions is not self.definitions:
            self.take(definitions)

    def read_from(self, reader: Reader) -> None:
        """Use this snapshot for what is not in memory."""
        self.working.reader = reader
        self.catalogs.read_from(reader)
        self._stops = None
        self.entries.settled()

    def recall(self, reader: Reader, stored: Mapping[str, int]) -> None:
        """Where the log stands and how time goes on, as the Book knows it. stored: its counters."""
        self.counters = {name: stored.get(name, 0) for name in COUNTERS}
        self.clock = self.counters["clock"]
        mode, fold = reader.read("meta_value", "mode"), reader.read("meta_value", "fold")
        self.set_mode(mode[0][0] if mode else RUN)
        self.fold = int(fold[0][0]) if fold else 1
        unasked, swept = reader.read("meta_value", "unasked"), reader.read("meta_value", "sweep")
        self.sweep = sweep.stored(swept[0][0] if swept else "")
        self.unasked = set(unasked[0][0].split()) if unasked else set()
        build = backfill.now(reader)
        if build != self.build:
            self.building(build)
        last = reader.read("ledger_last")
        self.ledger_hash = last[0][0] if last else b""

    @property
    def reader(self) -> Reader:
        """The snapshot of the present tick."""
        assert self.working.reader is not None
        return self.working.reader

    def everybody(self) -> list[str]:
        """Ids of all living persons, in a fixed order."""
        found = set(self.working.living())
        for lane in range(LANES):
            after = ""
            while page := [row[0] for row in self.reader.read("persons_page", lane, after, _PAGE)]:
                found.update(page)
                after = page[-1]
        return sorted(found)

    def after(self, person: str, limit: int) -> list[str]:
        """The next ids of living persons after this one, in order: of the Book, and of this tick."""
        stored = [row[0] for row in self.reader.read("persons_after", person, limit)]
        here = [live.person.id for live in self.working.dirty() if live.person.id > person]
        return sorted({*stored, *here})[:limit]

    def count(self, name: str) -> int:
        """The next number of a counter."""
        self.counters[name] += 1
        return self.counters[name]

    # --- asking -----------------------------------------------------------------------------------------------------

    def journey(self, name: str, version: int) -> Journey:
        """A version of a journey; older ones are compiled when a run still follows them."""
        newest = self.definitions.journeys[name]
        if newest.version == version:
            return newest
        if (name, version) not in self._old:
            body = self.reader.read("definition_version", "journey", name, version)[0][0]
            self._old[name, version] = compile_old(self.definitions, name, version, from_json(body))
        return self._old[name, version]

    def entered_by(self, event: str) -> list[Journey]:
        """Journeys that this event can start, the strongest first."""
        found = self._entered.get(event)
        if found is None:
            if len(self._entered) >= NAMES_MAX:
                self._entered.clear()
            found = self._entered[event] = self.definitions.entered_by(event)
        return found

    def know_old_goals(self) -> None:
        """Runs may follow journeys of older versions: their goals count too."""
        for (body,) in self.reader.read("journeys_retired"):
            goal = from_json(body).get("goal")
            if goal is not None:
                events = goal["event"]
                self.goal_events |= {events} if isinstance(events, str) else set(events)

    def view(self, live: Live) -> PersonView:
        """The person at the present clock."""
        return PersonView(live, self.clock, self.rules, self._consent)

    def _consent(self, live: Live, channel: str, purpose: str, *, asked: bool = False) -> tuple[bool, int | None]:
        """Whether at least one address is permitted, and since when, if that is asked.

        Permitted: since when it has been without a break, or since the person is known where no consent is needed. Not:
        since it ended; None if it never was.
        """
        known = self.definitions.purposes.get(purpose)
        if known is None:
            return False, None
        addresses = {split_key(key)[2] for key in live.person.permissions if key.startswith(f"{channel}|{purpose}|")}
        own = address_of(live, channel)
        if own is not None:
            addresses.add(own)
        if self.fold >= 5:
            if asked:
                return consents.lasting(self, live, channel, purpose, addresses - {""})
            there = any(self.permits(live, channel, address, purpose, "marketing") for address in addresses - {""})
            return there, None
        since: dict[bool, list[int]] = {True: [], False: []}
        for address in addresses - {""}:
            word = status_of(live.person.permissions, channel, purpose, address, consent=known.basis == "consent")
            permitted = permits(word.status if word is not None else None, known, "marketing", channel)
            if permitted:
                since[True].append(live.person.created_at if word is None else word.at)
            elif word is not None and word.status == WITHDRAWN:
                since[False].append(word.at)
        return bool(since[True]), min(since[True], default=max(since[False], default=None))

    def permits(self, live: Live, channel: str, address: str, purpose: str, klass: str) -> bool:
        """Whether the ledger, or another legal basis of the purpose, permits a contact of this class now."""
        known = self.definitions.purposes.get(purpose)
        if known is None:
            return False
        word = status_of(
            live.person.permissions, channel, purpose, address, consent=known.basis == "consent", now=self.clock
        )
        return permits(word.status if word is not None else None, known, klass, channel)

    def suppressed(self, channel: str, address: str, purpose: str) -> bool:
        """Whether the address is on the suppression list, as the snapshot and this tick know it.

        A tick leaves out what was withdrawn at the door of the log, or refused at the hand-over, and is not folded
        yet: its verdicts must follow from the log alone, or a rebuild would differ. The hand-over looks at all of it.
        """
        key = address_key(self.salt, channel, address)
        if not self.out.raised.isdisjoint(((key, channel, ""), (key, channel, purpose))):
            return True
        return any(
            not (self.folding and row[0] in consents.NOT_FOLDED)
            for row in self.reader.read("suppressed", key, channel, purpose)
        )

    # --- folding ----------------------------------------------------------------------------------------------------

    def fold_traits(self, live: Live, event: Event) -> set[str]:
        """Traits of an identify by event time; the names that changed."""
        return traits.take(live, event, self.definitions.trait_rules)

    def declare(self, live: Live, event: Event) -> bool:
        """Fold what the event declares about consent into the ledger and the person; True if a permission changed."""
        return consents.take(self, live, event)

    def own_event(self, person: str, name: str, said: dict[str, Any], *, kind: str = "track", run: str = "") -> Event:
        """An entry that the engine derives now: sequenced at once, in the order of moments. run: that it goes with."""
        seq = self.count("seq")
        event = Event(
            position=0,
            at=self.clock,
            received_at=self.clock,
            type=kind,
            name=name,
            message_id=ids.keyed_id(self.salt, "event", "e_", person, name, str(seq)),
            identifiers=(),
            properties=said,
            context={"run": run} if run and self.fold >= 4 else {},
            source=SOURCE,
            touchpoint="",
            origin=2,
            seq=seq,
            clock=self.clock,
            person=person,
        )
        self.out.log.append(event)
        self.out.persons[seq] = person
        return event

    # --- stops ------------------------------------------------------------------------------------------------------

    def stood_still(self, since: int, until: int) -> None:
        """Nothing was worked off between these moments (a restart)."""
        if until - since > STANDSTILL_US:
            self._stopped(ALL, since, until)

    def paused(self, journey: str, since: int) -> None:
        """The journey is paused from now on."""
        self._stopped(journey, since, None)

    def resumed(self, journey: str, until: int) -> None:
        """The journey goes on."""
        stop = self._known_stops().get(journey)
        if stop is not None:
            self._stopped(journey, stop[0], until)

    def _stopped(self, journey: str, since: int, until: int | None) -> None:
        self._known_stops()[journey] = (since, until)
        self.out.add("stop_put", journey, since, until)

    def _known_stops(self) -> dict[str, Stop]:
        if self._stops is None:
            self._stops = {journey: (since, until) for journey, since, until in self.reader.read("stops")}
        return self._stops

    def stops(self, journey: str) -> list[tuple[int, int]]:
        """The last standstill and the last pause of this journey, those that are over, in their order."""
        found = [self._known_stops().get(name) for name in (ALL, journey)]
        return sorted((stop[0], stop[1]) for stop in found if stop is not None and stop[1] is not None)

    def delay(self, journey: str, due: int) -> int:
        """By how much stops have delayed what was due at this moment, 0 if it fell due during none."""
        late = due
        for since, until in self.stops(journey):
            if since < late <= until:
                late += until - since
        return late - due

    def wake(self, person: str, due: int) -> None:
        """Time alone concerns this person at `due`."""
        assert self.timers is not None, "moments are worked off within a tick"
        self.timers.push(due, person)

    # --- rows -------------------------------------------------------------------------------------------------------

    def add_verdict(
        self,
        live: Live,
        run: str,
        journey: str,
        step: str,
        message: str,
        channel: str,
        verdict: str,
        reason: str,
        until: int | None,
        detail: str,
    ) -> None:
        """One row a verdict."""
        n = self.count("verdicts")
        self.out.add(
            "verdict_put", n, live.lane, live.person.id, self.counters["seq"], self.clock, run, journey, step,
            message, channel,
            verdict, str(reason), until, detail,
        )  # fmt: skip

    def add_assignment(
        self,
        live: Live,
        scope: str,
        run: Run,
        request: Request,
        arm: Arm | None,
        would_contact: bool,
        suppressed_by: str,
        channel: str,
        *,
        contacted: bool,
    ) -> None:
        """One row a decision, both arms (statistics.md 2.2). contacted: handed over at this very moment."""
        n = self.count("assignments")
        share, name, mixed = (arm.probability, arm.arm, arm.contaminated) if arm is not None else (0.0, run.arm, False)
        cost = self.definitions.policy.cost.get(channel, Decimal(0))
        self.out.add(
            "assignment_put", n, live.lane, live.person.id, scope, run.id, run.journey, request.step, name, share,
            SALT_VERSION, run.entry.clock, self.clock, int(would_contact), str(suppressed_by),
            self.clock if contacted else None,
            channel, 1.0, str(cost), int(mixed),
        )  # fmt: skip

    def add_outcome(self, live: Live, run: Run, event: Event, value: Decimal | int | None) -> None:
        """One row an event that counts for a goal. value: None where it is missing."""
        n, told = self.count("outcomes"), None if value is None else to_json(value)
        self.out.add("outcome_put", n, live.lane, live.person.id, run.scope, run.id, event.seq, event.at, told)

    def log_message(
        self,
        live: Live,
        key: str,
        run: str,
        journey: str,
        step: str,
        message: str,
        channel: str,
        status: str,
        reason: str,
    ) -> None:
        """One row a change of status of a message."""
        n, person = self.count("messages"), live.person.id
        told = run, journey, step, message, channel, status, str(reason), self.clock
        self.out.add("message_log_put", n, key, live.lane, person, *told)

    def withdraw(self, live: Live, run: Run, step: str, key: str) -> None:
        """A message that was ready when its run ended is not sent."""
        self.out.words.append(("outbox_withdraw", ("withdrawn", "exited", self.clock, key)))


def fold_of(tick: Event) -> int:
    """The version of the fold that an entry that moves time is stamped with."""
    return int(tick.properties.get("fold", 1))


def tick_entry(clock: int, mode: str, version: str, *, resume: bool = False) -> Event:
    """An entry that moves time to `clock`; with `resume` what fell due meanwhile is late. version: of the code.

    Nobody sent it, so the books leave it out: `ticks` counts it, `accepted`, `in_log` and `projected` do not.
    """
    properties: dict[str, Any] = {"mode": mode, "code_version": version, "fold": FOLD}
    if resume:
        properties["resume"] = True
    return Event(0, clock, clock, TICK, "Tick", "", (), properties, {}, SOURCE, "", origin=1, clock=clock)
