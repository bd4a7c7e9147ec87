"""What a compiled expression asks about one person at one moment. `app` builds the object; expr only reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from einklang.kernel.time import Micros


class EventLike(Protocol):
    """One event of the person. `properties` and `context` are JSON values; numbers are int or Decimal."""

    @property
    def at(self) -> Micros: ...
    @property
    def received_at(self) -> Micros: ...
    @property
    def seq(self) -> int: ...
    @property
    def type(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def message_id(self) -> str: ...
    @property
    def touchpoint(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def person(self) -> str: ...
    @property
    def properties(self) -> dict[str, Any]: ...
    @property
    def context(self) -> dict[str, Any]: ...
    @property
    def machine(self) -> bool: ...


class EntryLike(Protocol):
    """How a run began. `key` is a JSON value, or for a date or a moment its text or the value itself (date,
    microseconds).
    """

    @property
    def at(self) -> Micros: ...
    @property
    def name(self) -> str: ...
    @property
    def key(self) -> Any: ...
    @property
    def touchpoint(self) -> str: ...
    @property
    def properties(self) -> Mapping[str, Any]: ...
    @property
    def context(self) -> Mapping[str, Any]: ...


class Shared:
    """A part of an expression that is the same for all members of a group. names: of the events it reads; "" for all
    that was done at a touchpoint. Two are never equal.
    """

    __slots__ = ("names",)

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names


class View(Protocol):
    """One person at one moment.

    now: microseconds; zone: IANA name for `today`, `date`, `hour`; salt: of the home, for `bucket`; entry, event,
    goal: of the run and the candidate, where the site has them.
    """

    @property
    def now(self) -> Micros: ...
    @property
    def zone(self) -> str: ...
    @property
    def salt(self) -> bytes: ...
    @property
    def entry(self) -> EntryLike | None: ...
    @property
    def event(self) -> EventLike | None: ...
    @property
    def goal(self) -> bool: ...

    def person_field(self, name: str, /) -> Any:
        """A field of `person`: text, bool, or microseconds for `created_at` and `last_seen_at`."""

    def trait(self, name: str, /) -> Any:
        """The present value of a trait, a JSON value; None if there is none."""

    def history(self, names: tuple[str, ...], /) -> Sequence[EventLike]:
        """Track, page and screen events of these names, sorted by (at, seq); () = all touchpoint events, none of
        Einklang's own.

        May hold events with `at` > now: expressions leave them out and use them for the next flip.
        """

    def objects(self, kind: str, /) -> Sequence[Mapping[str, Any]]:
        """The business objects of a kind as they are at `now`, ordered by when they began; moments as text."""

    def objects_flip(self, kind: str, /) -> Micros | None:
        """The next moment > now at which an event that lies in the future changes an object of this kind."""

    def group_id(self, kind: str, /) -> str | None:
        """The group of this type that the person belongs to; None if there is none."""

    def group_role(self, kind: str, /) -> str | None:
        """The person's role there; None if there is no group, or no role was said."""

    def group_contact(self, kind: str, /) -> bool | None:
        """Whether the person is a contact person there; None if there is no group."""

    def together(self, kind: str, what: Shared, work: Callable[[], Any], /) -> Any:
        """What `work` gives; of members of one group in one time zone it may be asked for one of them alone."""

    def too_many(self, kinds: tuple[str, ...], /) -> bool:
        """Whether the person belongs to a group of one of these types with more members than can be asked together."""

    def group_size(self, kind: str, /) -> int | None:
        """How many belong to it; None if there is no group."""

    def group_trait(self, kind: str, name: str, /) -> Any:
        """The present value of a trait of the group."""

    def group_history(self, kind: str, names: tuple[str, ...], /) -> Sequence[EventLike]:
        """`history` of all members together."""

    def consent(self, channel: str, purpose: str, /) -> bool: ...
    def consent_since(self, channel: str, purpose: str, /) -> Micros | None:
        """Since when `consent` is as it is; None if nobody ever said anything."""

    def consent_flip(self) -> Micros | None:
        """The next moment > now at which a consent can change by itself."""

    def reachable(self, channel: str, /) -> bool: ...
    def segment(self, name: str, /) -> bool: ...
    def segment_since(self, name: str, /) -> Micros | None: ...
    def segment_flip(self, name: str, /) -> Micros | None: ...
    def stage(self, name: str, /) -> str | None:
        """The stage that is kept with the person; None if there is none."""

    def stage_since(self, name: str, /) -> Micros | None: ...
    def stage_flip(self, name: str, /) -> Micros | None: ...
    def trait_since(self, name: str, /) -> Micros | None: ...
    def in_journey(self, name: str, /) -> bool: ...
    @property
    def blank(self) -> str | None:
        """What a missing touchpoint reads as."""

    def rate(self, key: str, /) -> Any:
        """What a unit of a currency is worth in the policy's on a day, of the key `USD/2027-03-01`; None if unknown."""

    def lookup(self, catalog: str, key: Any, /) -> Mapping[str, Any] | None:
        """The row of a catalog as it is at `now`; None if there is none."""

    def lookup_flip(self, catalog: str, key: Any, /) -> Micros | None:
        """The next moment > now at which time alone changes the row."""

    def step(self, name: str, /) -> Mapping[str, Any] | None:
        """What the latest passage of a step left, None before it; moments in microseconds."""

    def var(self, name: str, /) -> Any: ...
    def journey_field(self, name: str, /) -> Any: ...
