"""Computing ahead: a tick begins while the write set of the tick before is still on its way to the disk.

What that write set changed is in memory, as the engine wrote it; what is not in memory is read from the Book, which may
hold it already or not. For each statement that is asked often this room knows which rows cannot have been touched: they
are the same before and after. Any other question waits until the write set has landed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

from einklang.app.output import Output
from einklang.app.ports import Book, Each, Row

#: What a write set may hold to be flown: all else is rare, and concerns more than the rows of its own key.
LIGHT = frozenset({
    "edge_put", "identifier_put", "sign_in_put", "suppression_lift", "suppression_raise", "ledger_put", "verdict_put",
    "assignment_put", "outcome_put", "outbox_put", "outbox_status", "message_log_put", "archive_put", "history_put",
    "person_put", "run_put", "member_put", "member_drop", "timer_put", "timer_delete", "party_put", "party_member_put",
    "party_member_drop", "catalog_put", "object_put", "standing_put", "standing_drop",
})  # fmt: skip
#: Statements whose answer no light write set changes.
_FREE = frozenset(
    {
        "object_waiting_any",
        "object_waiting_of",
        "tail_of_kind",
        "alias_get",
        "stops",
        "entry_pending_after",
        "timers_due",
    }
)
#: Statement -> what it asks about, and where in its parameters the key stands.
_BY_KEY = {
    "person_get": ("person", slice(1, 2)),
    "history_of": ("person", slice(1, 2)),
    "runs_of": ("person", slice(1, 2)),
    "identifiers_known": ("person", slice(0, 1)),
    "identifier_get": ("node", slice(0, 2)),
    "edge_get": ("node", slice(0, 2)),
    "edges_of": ("node", slice(0, 2)),
    "sign_ins_of": ("device", slice(0, 1)),
    "suppressed": ("address", slice(0, 1)),
    "catalog_get": ("catalog", slice(0, 2)),
    "party_get": ("group", slice(0, 2)),
    "party_members": ("group", slice(0, 2)),
    "object_owners": ("object", slice(0, 2)),
}
#: What is asked about -> the statements that change it, each with where in its rows the key stands.
_CHANGED_BY: dict[str, dict[str, tuple[slice, ...]]] = {
    "person": {"person_put": (slice(1, 2),), "identifier_put": (slice(2, 3),)},
    "node": {"identifier_put": (slice(0, 2),), "edge_put": (slice(0, 2), slice(2, 4))},
    "device": {"sign_in_put": (slice(2, 3),)},
    "address": {"suppression_lift": (slice(0, 1),), "suppression_raise": (slice(0, 1),)},
    "object": {"object_put": (slice(0, 2),)},
    "catalog": {"catalog_put": (slice(0, 2),)},
    "group": {
        "party_put": (slice(0, 2),), "party_member_put": (slice(0, 2),), "party_member_drop": (slice(0, 2),),
    },
}  # fmt: skip


def light(out: Output) -> bool:
    """Whether the next tick may begin before this write set has landed."""
    return not out.early and not out.rekeys and not out.words and out.rows.keys() <= LIGHT


class MovedOn(Exception):
    """Somebody else wrote to the log meanwhile: what was computed is computed again."""


class Flight:
    """A write set on its way.

    last: (at, position) of the last pending entry in it. timers: person -> when time alone concerns them now, None if
    never, of those for whom that changed.
    """

    def __init__(self, out: Output, applied: Future[bool]) -> None:
        self.out = out
        self._applied = applied
        self.last = max((event.at, event.position) for event in out.stored) if out.stored else None
        self.timers: dict[str, int | None] = {row[1]: row[2] for row in out.rows.get("timer_put", ())}
        self.timers |= {row[1]: None for row in out.rows.get("timer_delete", ())}
        self._touched: dict[str, set[Any]] = {}

    def land(self) -> None:
        """Wait until it is durable. Raises MovedOn if it was not applied, and what the Book raises."""
        if not self._applied.result():
            raise MovedOn

    def over(self) -> bool:
        """Wait until it is durable, or certain that it will never be."""
        return self._applied.exception() is None and self._applied.result()

    def concerns(self, name: str, params: Sequence[Any]) -> bool:
        """Whether the answer of a statement may be another one after this write set than before."""
        if name in _FREE:
            return False
        asked = _BY_KEY.get(name)
        return asked is None or tuple(params[asked[1]]) in self._of(asked[0])

    def _of(self, what: str) -> set[Any]:
        found = self._touched.get(what)
        if found is None:
            rows = self.out.rows
            found = self._touched[what] = {
                tuple(row[place])
                for name, places in _CHANGED_BY[what].items()
                for row in rows.get(name, ())
                for place in places
            }
        return found


class AheadReader:
    """A snapshot taken during a flight: what the flight may concern is asked after it has landed."""

    def __init__(self, book: Book, flight: Flight, until: ExitStack) -> None:
        """until: where snapshots are closed at the end of the tick."""
        self._book = book
        self._flight: Flight | None = flight
        self._until = until
        self._reader: Each = until.enter_context(book.snapshot())

    def read(self, name: str, *params: Any) -> list[Row]:
        """All rows of the named statement."""
        if self._flight is not None and self._flight.concerns(name, params):
            self._land()
        return self._reader.read(name, *params)

    def read_many(self, name: str, rows: Iterable[Sequence[Any]]) -> list[Row]:
        """The rows of the named statement run once for each of `rows`."""
        asked = list(rows)
        if self._flight is not None and any(self._flight.concerns(name, params) for params in asked):
            self._land()
        return self._reader.read_many(name, asked)

    def stream(self, name: str, *params: Any) -> Iterator[Row]:
        """As `read`, row by row."""
        if self._flight is not None and self._flight.concerns(name, params):
            self._land()
        return self._reader.stream(name, *params)

    def read_each(self, name: str, rows: Sequence[Sequence[Any]]) -> list[list[Row] | None]:
        """The rows of the named statement for each of `rows`; None where the flight may change the answer."""
        flight = self._flight
        free = [flight is None or not flight.concerns(name, params) for params in rows]
        asked = [params for params, known in zip(rows, free, strict=True) if known]
        answers = iter(self._reader.read_each(name, asked))
        return [next(answers) if known else None for known in free]

    def _land(self) -> None:
        assert self._flight is not None
        self._flight.land()
        self._flight = None
        self._reader = self._until.enter_context(self._book.snapshot())
