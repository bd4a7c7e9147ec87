"""What a compiled expression sees: one person (and run, and event) at one moment. Satisfies `expr.View`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from einklang.app import traits
from einklang.app.groups import Groups
from einklang.app.objects import flip_at, rows_at
from einklang.app.products import PRODUCTS, as_of, price_flip
from einklang.app.working import Live
from einklang.consent import Suppression, suppression_of
from einklang.event import Event
from einklang.expr import Shared
from einklang.fact.person import Entry, Membership, Run
from einklang.kernel import time
from einklang.kernel.errors import InputError
from einklang.profile import PERSON, Kind, fold_objects

#: The catalog of rates into the policy's currency: key `USD/2027-03-01`, field `rate` (language.md 2.7).
RATES = "exchange-rates"
_STEP_FIELDS = (
    "done", "at", "reason", "rounds", "channel", "message", "delivered", "bounced", "opened", "clicked", "replied",
    "unsubscribed", "complained", "outcome", "arm",
)  # fmt: skip

#: The kind of identifier that is an address of a channel.
_ADDRESSES = {"email": "email", "sms": "phone", "phone": "phone"}


class Rules(msgspec.Struct):
    """What a view needs of the definitions in force."""

    salt: bytes
    timezone: str
    lookup: Callable[[str, Any], Mapping[str, Any] | None]
    campaigns: Mapping[str, str]
    objects: Mapping[str, Kind] = {}
    groups: Groups | None = None
    fold: int = 1


def trait_value(live: Live, name: str) -> Any:
    """The current value of a trait, None if there is none."""
    trait = live.person.traits.get(name)
    return None if trait is None else trait.value


def zone_of(live: Live, rules: Rules) -> str:
    """The person's time zone: trait `timezone`, else that of the latest call's context, else that of the policy."""
    for trait in (live.person.traits.get("timezone"), live.person.zone):
        if trait is not None and isinstance(trait.value, str) and trait.value and is_zone(trait.value):
            return trait.value
    return rules.timezone


@lru_cache(maxsize=1024)
def is_zone(name: str) -> bool:
    """Whether the pinned database knows the name."""
    try:
        time.zone(name)
    except InputError:
        return False
    return True


def address_of(live: Live, channel: str) -> str | None:
    """The address in use on a channel: the trait of that name, else the latest identifier of the kind."""
    kind = _ADDRESSES.get(channel)
    if kind is None:
        return None
    value = trait_value(live, kind)
    known = [(first_at, found) for known_kind, found, first_at in live.person.identifiers if known_kind == kind]
    if isinstance(value, str) and any(found == value.strip().lower() for _, found in known):
        return value.strip().lower()
    return max(known)[1] if known else None


def refused_by(live: Live, event: Event, fold: int) -> Suppression | None:
    """The address that a hard bounce or a complaint suppresses. Where the event names none: the one in use at its time,
    the trait or the latest identifier that was known by then (folds before 5: none).
    """
    found = suppression_of(event)
    if found is None or found.address:
        return found
    kind = _ADDRESSES.get(found.channel)
    if fold < 5 or kind is None:
        return None
    known = {value: first_at for known_kind, value, first_at in live.person.identifiers if known_kind == kind}
    trait = live.person.traits.get(kind)
    said = str(trait.value).strip().lower() if trait is not None and trait.at <= event.at else ""
    early = [(first_at, value) for value, first_at in known.items() if first_at <= event.at]
    address = said if said in known else max(early)[1] if early else address_of(live, found.channel)
    return None if address is None else msgspec.structs.replace(found, address=address)


class PersonView:
    """`expr.View` over the working set. `run` and `event` are set by the caller where the site has them."""

    __slots__ = ("entry", "event", "live", "memberships", "now", "permits", "rules", "run", "zone")

    def __init__(self, live: Live, now: int, rules: Rules, permits: Any, *, zone: str = "") -> None:
        self.live = live
        self.memberships: Mapping[str, Membership] = live.person.memberships
        self.now = now
        self.rules = rules
        self.permits = permits
        self.zone = zone or zone_of(live, rules)
        self.entry: Entry | None = None
        self.event: Event | None = None
        self.run: Run | None = None

    @property
    def blank(self) -> str | None:
        """What a missing touchpoint reads as: null, but for the first fold."""
        return "" if self.rules.fold < 2 else None

    def rate(self, key: str) -> Any:
        """What a foreign currency is worth; the first fold took all money for the policy's."""
        if self.rules.fold < 2:
            return 1
        row = self.rules.lookup(RATES, key)
        return None if row is None else row.get("rate")

    @property
    def salt(self) -> bytes:
        """Salt of the home, for `bucket`."""
        return self.rules.salt

    @property
    def goal(self) -> bool:
        """Whether the run's goal is reached."""
        return self.run is not None and self.run.goal_at is not None

    def of_run(self, run: Run) -> PersonView:
        """The same view, speaking of this run."""
        self.run, self.entry = run, run.entry
        return self

    def person_field(self, name: str) -> Any:
        """`person.NAME`."""
        person = self.live.person
        if name == "id":
            return person.id
        if name == "known":
            return any(kind != "anonymousId" for kind, _, _ in person.identifiers)
        if name in ("email", "phone"):
            return address_of(self.live, name)
        if name == "timezone":
            return self.zone
        if name in ("created_at", "last_seen_at"):
            return getattr(person, name)
        value = trait_value(self.live, name)
        if value is None and name == "country":
            address = trait_value(self.live, "address")
            value = address.get("country") if isinstance(address, dict) else None
        return value

    def trait(self, name: str) -> Any:
        """`trait.NAME`."""
        return trait_value(self.live, name)

    def trait_since(self, name: str) -> int | None:
        """`changedAt(trait.NAME)`; the first folds said when it was told last."""
        trait = self.live.person.traits.get(name)
        return None if trait is None else traits.since(self.live, trait, name) if self.rules.fold >= 4 else trait.at

    def history(self, names: tuple[str, ...]) -> Sequence[Event]:
        """Events of these names in order of (at, seq)."""
        return self.live.named(names)

    def objects(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """The business objects of a kind as they are now."""
        found = self.rules.objects[kind]
        if found.owner != PERSON:
            told = self.group_history(found.owner, found.names) or self.live.named(found.names)
            return [one.row(found) for one in fold_objects(found, told, until=self.now)]
        return rows_at(self.live, found, self.now)

    def objects_flip(self, kind: str) -> int | None:
        """When an event that lies in the future changes them."""
        return flip_at(self.live, self.rules.objects[kind], self.now)

    def _group(self, kind: str) -> tuple[Groups, tuple[str, str]] | None:
        groups = self.rules.groups
        key = groups.key_of(self.live, kind) if groups is not None else None
        return None if groups is None or key is None else (groups, key)

    def group_id(self, kind: str) -> str | None:
        """`group("type").id`."""
        found = self._group(kind)
        return None if found is None else found[1][1]

    def group_role(self, kind: str) -> str | None:
        """`group("type").role`."""
        return self.live.person.groups[kind].role or None if self._group(kind) is not None else None

    def group_contact(self, kind: str) -> bool | None:
        """`group("type").contact_person`."""
        return self.live.person.groups[kind].contact if self._group(kind) is not None else None

    def together(self, kind: str, what: Shared, work: Callable[[], Any]) -> Any:
        """What `work` gives, worked out once for all members of the group who are looked at together."""
        found = self._group(kind)
        return work() if found is None else found[0].together(found[1], (what, self.zone, self.now), what.names, work)

    def too_many(self, kinds: tuple[str, ...]) -> bool:
        """Whether a group of one of these types has more members than can be asked together."""
        found = [self._group(kind) for kind in kinds]
        return any(groups.too_many(key) for groups, key in filter(None, found))

    def group_size(self, kind: str) -> int | None:
        """`group("type").size()`."""
        found = self._group(kind)
        return None if found is None else len(found[0].members(found[1]))

    def group_trait(self, kind: str, name: str) -> Any:
        """`group("type").trait.NAME`."""
        found = self._group(kind)
        return None if found is None else found[0].trait(found[1], name, self.now)

    def group_history(self, kind: str, names: tuple[str, ...]) -> Sequence[Event]:
        """Events of all members of the group in order of (at, seq)."""
        found = self._group(kind)
        return () if found is None else found[0].history(found[1], names)

    def consent(self, channel: str, purpose: str) -> bool:
        """Whether at least one address of the channel is permitted."""
        found, _ = self.permits(self.live, channel, purpose)
        return bool(found)

    def consent_since(self, channel: str, purpose: str) -> int | None:
        """Since when it is permitted, or is not."""
        _, since = self.permits(self.live, channel, purpose, asked=True)
        return None if since is None else int(since)

    def consent_flip(self) -> int | None:
        """When the next of the person's consents ends."""
        ends = (word.until for word in self.live.person.permissions.values() if word.until > self.now)
        return min(ends, default=None)

    def reachable(self, channel: str) -> bool:
        """Whether there is an address that no hard bounce and no complaint has suppressed (first folds: any)."""
        if self.rules.fold < 4:
            return address_of(self.live, channel) is not None
        known = {value for kind, value, _ in self.live.person.identifiers if kind == _ADDRESSES.get(channel)}
        for event in self.live.named(("Message Bounced", "Message Complained")):
            found = refused_by(self.live, event, self.rules.fold)
            if found is not None and found.at <= self.now and found.channel == channel:
                known.discard(found.address)
        return bool(known)

    def segment(self, name: str) -> bool:
        """Member now."""
        known = self.memberships.get(name)
        return known is not None and known.member

    def segment_since(self, name: str) -> int | None:
        """Since when the membership is as it is."""
        known = self.memberships.get(name)
        return None if known is None else known.since

    def segment_flip(self, name: str) -> int | None:
        """When time alone may change the membership."""
        known = self.memberships.get(name)
        return None if known is None else known.flips_at

    def stage(self, name: str) -> str | None:
        """The stage that is kept."""
        known = self.live.person.stages.get(name)
        return None if known is None else known.stage

    def stage_since(self, name: str) -> int | None:
        """Since when the stage is as it is."""
        known = self.live.person.stages.get(name)
        return None if known is None else known.since

    def stage_flip(self, name: str) -> int | None:
        """When time alone may change the stage."""
        known = self.live.person.stages.get(name)
        return None if known is None else known.flips_at

    def in_journey(self, name: str) -> bool:
        """In a run now."""
        return any(run.journey == name and run.status == "active" for run in self.live.runs)

    def lookup(self, catalog: str, key: Any) -> Mapping[str, Any] | None:
        """The row of a catalog as it is now, a product with the price that is valid now."""
        row = self.rules.lookup(catalog, key)
        return as_of(row, self.now) if catalog == PRODUCTS and row is not None and self.rules.fold >= 3 else row

    def lookup_flip(self, catalog: str, key: Any) -> int | None:
        """When another price of a product becomes valid."""
        row = self.rules.lookup(catalog, key) if catalog == PRODUCTS and self.rules.fold >= 3 else None
        return None if row is None else price_flip(row, self.now)

    def step(self, name: str) -> Mapping[str, Any] | None:
        """What a step left, None before it."""
        left = self.run.steps.get(name) if self.run is not None else None
        return None if left is None else {field: getattr(left, field) for field in _STEP_FIELDS}

    def var(self, name: str) -> Any:
        """`vars.NAME`."""
        return None if self.run is None else self.run.vars.get(name)

    def journey_field(self, name: str) -> Any:
        """`journey.id`, `version`, `campaign`."""
        if self.run is None:
            return None
        return {
            "id": self.run.journey,
            "version": self.run.version,
            "campaign": self.rules.campaigns.get(self.run.journey),
        }.get(name)
