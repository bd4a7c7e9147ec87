"""The frames of a crowd at a moment: events from the lake and the unshipped tail of the Book, persons as identity knows
them now, their traits and permissions by event time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, Protocol

import msgspec
import polars as pl

from einklang.app import expiry
from einklang.app.objects import frame_at
from einklang.app.ports import Reader
from einklang.app.state import State
from einklang.app.traits import frame_of
from einklang.app.view import is_zone
from einklang.app.working import Live, from_json, to_json
from einklang.audience import crowd as crowds
from einklang.consent import Declaration, fold
from einklang.expr import Crowd
from einklang.expr.crowd_frames import GROUP_TRAITS, MEMBERS
from einklang.fact.person import Permission, Person, Trait
from einklang.identity import DEFAULT_RULES, parse_identity
from einklang.kernel import limits

_PAGE = 20_000
LANES = 64
_DONE = ("track", "page", "screen")
#: Traits behind the fields of `person` and the addresses in use.
_BASIC = frozenset({"timezone", "email", "phone", "language", "country", "address"})
#: Columns of the Book's log_page, in its order.
_TAIL = (
    "position", "seq", "clock", "at", "received_at", "format", "origin", "type", "name", "message_id", "source",
    "touchpoint", "machine", "person", "identifiers", "properties", "context",
)  # fmt: skip
COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "seq": pl.Int64, "at": pl.Int64, "origin": pl.Int8, "type": pl.String, "name": pl.String, "source": pl.String,
    "touchpoint": pl.String, "machine": pl.Boolean, "person_id": pl.String,
    "identifiers": pl.List(pl.Struct({"key": pl.String, "value": pl.String})), "properties": pl.String,
    "context": pl.String,
}  # fmt: skip
Ledger = tuple[str, str, str, str, int, int, int]


class Lake(Protocol):
    """The columns of the log."""

    def scan(self, table: str) -> pl.LazyFrame: ...


class _State(msgspec.Struct):
    """What the state of a person says about permissions and the time zone."""

    permissions: dict[str, Permission] = {}
    zone: Trait | None = None


_STATE = msgspec.json.Decoder(_State)


class Everybody:
    """All persons as identity knows them now, those of `at` marked by their first identifier."""

    def __init__(self, reader: Reader, at: int) -> None:
        schema = {"kind": pl.String, "value": pl.String, "person": pl.String, "first_at": pl.Int64}
        self.identifiers = pl.DataFrame(reader.read("all_identifier"), schema=schema, orient="row")
        self._then = self.identifiers.filter(pl.col("first_at") <= at)
        self.ids: list[str] = sorted(self._then["person"].unique().to_list())

    @cached_property
    def of(self) -> dict[str, list[tuple[str, str, int]]]:
        """Identifiers by person; rows of Python take more than columns, so only where a plan reads them."""
        found: dict[str, list[tuple[str, str, int]]] = {}
        for kind, value, person, first_at in self._then.iter_rows():
            found.setdefault(person, []).append((kind, value, first_at))
        return found


def permissions_at(now: dict[str, Permission], said: list[Ledger], at: int) -> dict[str, Permission]:
    """The last words of a person about a moment: those that stand now where they are older, else by the ledger.

    said: (channel, address, purpose, status, at, seq, until) of the person's rows of the ledger.
    """
    told: dict[str, Permission] = {}
    if any(permission.at > at for permission in now.values()):
        for channel, address, purpose, status, when, seq, until in said:
            if when <= at:
                fold(told, Declaration(status, channel, address, purpose, when, "", "", "", "", until), seq)
    kept = {key: permission for key, permission in now.items() if permission.at <= at}
    return kept | {key: told[key] for key in now.keys() & told.keys() - kept.keys()}


def crowd_at(reader: Reader, state: State, lake: Lake, at: int, need: crowds.Asked) -> tuple[list[str], Crowd]:
    """Ids of all persons of the moment, and their frames. The state's clock must stand at the moment."""
    people = Everybody(reader, at)
    basic = bool(need.fields - {"id"}) or bool(need.consents)
    names = need.traits | (_BASIC if basic else {"timezone"} if need.zone else frozenset())
    log = _owned(reader, lake, at, _wanted(need, identifies=bool(names)), people)
    traits = crowds.traits_of(log.filter(pl.col("type") == "identify").sort("seq"), names)
    rules = {name: rule for name, rule in state.definitions.trait_rules.items() if name in names}
    if rules:
        settled = frame_of(log.filter(pl.col("type") == "identify"), rules)
        traits = pl.concat([traits.filter(~pl.col("name").is_in(list(rules))), settled])
    done = log.filter(pl.col("type").is_in(_DONE))
    members = _members(reader, need.groups)
    zoned = need.zone or "timezone" in need.fields
    zones = _zones(reader, lake, at, people) if zoned else {}
    shown = _Shown(reader, state, people, traits, zones, basic=basic, consents=bool(need.consents))
    columns: dict[str, list[Any]] = {name: [] for name in ("person_id", "zone", *sorted(need.fields - {"id"}))}
    consents: list[tuple[str, str, str]] = []
    for person in people.ids:
        view = state.view(shown.live(person))
        for name, column in columns.items():
            column.append(person if name == "person_id" else view.zone if name == "zone" else view.person_field(name))
        consents += [(person, *pair) for pair in need.consents if view.consent(*pair)]
    types = {name: pl.Boolean if name == "known" else pl.String for name in columns}
    schema = {"person_id": pl.String, "channel": pl.String, "purpose": pl.String}
    return people.ids, Crowd(
        pl.DataFrame(columns, schema=types, strict=False),
        crowds.events_of(done),
        traits,
        pl.DataFrame(consents, schema=schema, orient="row"),
        pl.DataFrame(schema={"person_id": pl.String, "segment": pl.String}),
        rate=state.view(Live(Person("", 0, 0), [], [])).rate,
        objects=frame_at(done, [state.definitions.objects[kind] for kind in sorted(need.objects)], members),
        members=members,
        group_traits=_group_traits(reader, need.group_traits, at),
        lookup=state.view(Live(Person("", 0, 0), [], [])).lookup,
        members_max=limits.GROUP_MEMBERS_MAX,
    )


def _members(reader: Reader, kinds: frozenset[str]) -> pl.DataFrame:
    """Who belongs to groups of these types now, and as what."""
    rows: list[tuple[str, str, str, str | None, bool]] = []
    for kind, name, person, role, contact, _ in reader.read("all_party_member") if kinds else ():
        if kind in kinds:
            rows.append((person, kind, name, role or None, bool(contact)))
    return pl.DataFrame(rows, schema=MEMBERS, orient="row")


def _group_traits(reader: Reader, asked: frozenset[tuple[str, str]], at: int) -> pl.DataFrame:
    """What was said of groups up to the moment, the latest of each trait that is asked."""
    rows: list[tuple[str, str, str, str, int]] = []
    names: dict[str, list[str]] = {}
    for kind, trait in sorted(asked):
        names.setdefault(kind, []).append(trait)
    for kind, name, body in reader.read("all_party") if asked else ():
        if kind in names:
            claims = from_json(body)
            for trait in names[kind]:
                said = [claim for claim in claims.get(trait, ()) if claim[0] <= at]
                rows += [(kind, name, trait, to_json(value), when) for when, _, value in said[-1:]]
    return pl.DataFrame(rows, schema=GROUP_TRAITS, orient="row")


class _Shown:
    """Persons with what `person`, `consent` and the zone read, as of the moment; nothing else of them is loaded."""

    def __init__(
        self,
        reader: Reader,
        state: State,
        people: Everybody,
        traits: pl.DataFrame,
        zones: dict[str, Trait],
        *,
        basic: bool,
        consents: bool,
    ) -> None:
        self.zones = zones
        self.people = people if basic else None
        self.traits: dict[str, dict[str, Trait]] = {}
        wanted = traits.filter(pl.col("name").is_in(sorted(_BASIC))).with_row_index("order").sort("at", "order")
        for order, person, name, value, when in wanted.select("order", "person_id", "name", "value", "at").iter_rows():
            self.traits.setdefault(person, {})[name] = Trait(from_json(value), when, order)
        self.permissions = dict(_permissions(reader, people, state.clock)) if consents else {}

    def live(self, person: str) -> Live:
        """The person, without history."""
        found = Person(person, 0, 0, traits=self.traits.get(person, {}), permissions=self.permissions.get(person, {}))
        found.zone = self.zones.get(person)
        if self.people is not None:
            found.identifiers = self.people.of[person]
        return Live(found, [], [])


def _zones(reader: Reader, lake: Lake, at: int, people: Everybody) -> dict[str, Trait]:
    """The time zones that calls up to the moment named in their context, the latest of each person.

    What is known now is right where it was said by then; the log is read where somebody named another one since.
    """
    found: dict[str, Trait] = {}
    later = False
    for lane in range(LANES):
        for person, _, _, body in reader.read("all_person", lane):
            zone = _STATE.decode(body).zone
            if zone is not None and zone.at <= at:
                found[person] = zone
            later = later or (zone is not None and zone.at > at)
    if later:
        named = pl.col("context").str.json_path_match("$.timezone")
        wanted = (pl.col("origin") == 0) & pl.col("context").str.contains('"timezone"', literal=True)
        calls = _owned(reader, lake, at, wanted, people, contexts=True).with_columns(zone=named).sort("at", "seq")
        for person, zone, when, seq in calls.select("person_id", "zone", "at", "seq").iter_rows():
            if zone is not None and is_zone(zone):
                found[person] = Trait(zone, when, seq)
    return found


def _permissions(reader: Reader, people: Everybody, at: int) -> Iterator[tuple[str, dict[str, Permission]]]:
    said: dict[str, list[Ledger]] = {}
    after = 0
    while page := reader.read("all_ledger", after, _PAGE):
        for n, seq, person, channel, address, purpose, status, when, *_, until, _ in page:
            after = n
            said.setdefault(person, []).append((channel, address, purpose, status, when, seq, until))
    known = frozenset(people.ids)
    for lane in range(LANES):
        for person, _, _, body in reader.read("all_person", lane):
            if person in known:
                yield person, permissions_at(_STATE.decode(body).permissions, said.get(person, []), at)


def _wanted(need: crowds.Asked, *, identifies: bool) -> pl.Expr:
    """The entries that plans read."""
    wanted = pl.col("type").is_in(_DONE)
    if not need.all_events:
        wanted = wanted & pl.col("name").is_in(sorted(need.events))
    return wanted | (pl.col("type") == "identify") if identifies else wanted


def _owned(
    reader: Reader, lake: Lake, at: int, wanted: pl.Expr, people: Everybody, *, contexts: bool = False
) -> pl.DataFrame:
    """Wanted entries up to the moment with their present owners: from the lake, then the Book's tail.

    contexts: whether their contexts, which are large, are read from the lake.
    """
    marks = reader.read("ship_mark", "events")
    ((_, newest),) = reader.read("entry_span")
    end = max(newest or 0, marks[0][0] if marks else 0)
    # How far the lake got and its rows come from one list of files; it may hold more than the snapshot, never less.
    events = lake.scan("events").filter(pl.col("seq") <= end)
    reached = int(events.select(pl.col("seq").max()).collect().item() or 0)
    shipped = (
        events.with_columns(pl.col("at").dt.epoch("us"))
        .filter(wanted & (pl.col("at") <= at))
        .with_columns(context=pl.col("context") if contexts else pl.lit(None, pl.String))
        .select(pl.col(name).cast(kind) for name, kind in COLUMNS.items())
        .collect()
    )
    tail = _tail(reader, reached).filter(wanted & (pl.col("at") <= at))
    log = pl.concat([shipped, tail]).filter(~_expired(reader)).with_columns(own=pl.col("origin") != 0)
    schema = {"person": pl.String, "living": pl.String}
    living = pl.DataFrame(reader.read("ship_persons"), schema=schema, orient="row")
    given = pl.DataFrame(reader.read("all_object_event"), schema={"seq": pl.Int64, "person": pl.String}, orient="row")
    return crowds.owned(log, people.identifiers, _sign_ins(reader), living, given, _believed(reader, events))


def _believed(reader: Reader, events: pl.LazyFrame) -> Callable[[pl.DataFrame], pl.DataFrame] | None:
    """What narrows identifiers to those that the kinds of their time knew, the strongest first; None where there were
    never others than the built-in ones. events: the log in the lake.
    """
    rows = reader.read("identity_versions")
    if not rows:
        return None
    shipped = events.filter(pl.col("position").is_in([row[0] for row in rows])).select("position", "seq").collect()
    known = dict(shipped.iter_rows())
    since = [(int(known[position] if seq is None else seq), from_json(body)) for position, body, seq in rows]
    rules = [DEFAULT_RULES, *(parse_identity(doc, "identity") for _, doc in since)]
    periods = pl.DataFrame({"since": [0, *(seq for seq, _ in since)], "period": range(len(rules))})
    kinds = [(n, name, kind.priority) for n, one in enumerate(rules) for name, kind in one.kinds.items()]
    ranks = pl.DataFrame(kinds, schema={"period": pl.Int64, "kind": pl.String, "rank": pl.Int64}, orient="row")

    def narrow(keys: pl.DataFrame) -> pl.DataFrame:
        found = keys.sort("seq", maintain_order=True).join_asof(periods, left_on="seq", right_on="since")
        found = found.join(ranks, on=["period", "kind"], how="inner", maintain_order="left")
        for n, one in enumerate(rules):
            if one.blocked_too is not None or any(kind.blocked is not None for kind in one.kinds.values()):
                here = pl.col("period") == n
                named = found.filter(here).select("kind", "value").unique()
                bad = named.filter([not one.usable(*pair) for pair in named.iter_rows()]).with_columns(period=pl.lit(n))
                found = found.join(bad, on=["period", "kind", "value"], how="anti", maintain_order="left")
        return found.sort("seq", "rank", descending=[False, True], maintain_order=True).select(keys.columns)

    return narrow


def _expired(reader: Reader) -> pl.Expr:
    """What is in no history any more, whether it has left the lake already or not."""
    found = pl.lit(False)
    for name, (bound, seq) in expiry.bounds_of(reader).items():
        found = found | ((pl.col("name") == name) & (pl.col("at") < bound) & (pl.col("seq") <= seq))
    return found & pl.col("type").is_in(sorted(expiry.TYPES))


def _tail(reader: Reader, reached: int) -> pl.DataFrame:
    """Entries that the lake does not hold yet."""
    parts = [pl.DataFrame(schema=COLUMNS)]
    while page := reader.read("log_page", reached, _PAGE):
        reached = page[-1][1]
        columns: dict[str, Sequence[Any]] = dict(zip(_TAIL, zip(*page, strict=True), strict=True))
        columns["person_id"] = columns["person"]
        pairs = [[{"key": kind, "value": value} for kind, value in from_json(text)] for text in columns["identifiers"]]
        columns["identifiers"], columns["machine"] = pairs, [bool(cell) for cell in columns["machine"]]
        parts.append(pl.DataFrame({name: columns[name] for name in COLUMNS}, schema=COLUMNS))
    return pl.concat(parts)


def _sign_ins(reader: Reader) -> pl.DataFrame:
    """Sign-ins that count, in order of (at, message id)."""
    rows = [(device, at, kind, value) for device, at, _, kind, value, void in reader.read("all_sign_in") if not void]
    schema = {"device": pl.String, "at": pl.Int64, "kind": pl.String, "value": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")
