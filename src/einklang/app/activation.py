"""Webhooks on entered and left: each change of a segment is told to its destinations, at least once, under a stable id.

    log ──take in──> delivery (waiting) ──post──> gone from the table | waiting, later | dead, with the reason
         cursor       at most QUEUE_MAX

The log is the long buffer, the table a short one: what a destination cannot take stays in the log behind its cursor, so
a dead one costs a thousand rows and delays nobody. What was sent and could not be noted is sent again under its id.
Of one person's changes the next leaves when the one before has arrived, or is dead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from einklang.app.activation_body import body_of, filled
from einklang.app.activation_definitions import RawWebhook, patience_us
from einklang.app.activation_health import WEBHOOK, record
from einklang.app.apply import in_force
from einklang.app.destinations import KEEP_US, Destination, Stand, stand_of
from einklang.app.ports import Book, Reader, Row, Tx
from einklang.app.state import State
from einklang.app.working import from_json
from einklang.kernel import ids, time

#: Of one destination no more waits in the table: the rest stays in the log.
QUEUE_MAX = 1_000
#: So many changes of one destination are sent before the others are looked at again.
_TURN = 100
_PAGE = 500
#: A cursor that found nothing is written down only after so many entries: reading them again costs less.
_LAG_MAX = 5_000
#: When a change is tried again (the example of the specification), and, after CIRCUIT batches in a row of which nothing
#: was taken, the whole destination; both give or take a quarter, drawn by a hash.
_BACKOFF_US = tuple(n * time.SECOND for n in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400))
CIRCUIT = 3
_CIRCUIT_US = tuple(n * time.SECOND for n in (30, 120, 600, 1_800, 3_600))
#: What is told.
_NAMES = ("Segment Entered", "Segment Left")
#: Without a secret nothing leaves; it is looked for again after this.
_UNSIGNED_US = time.MINUTE
UNSIGNED = "no secret: nothing is sent unsigned"
GONE = "gone"
OVERTAKEN = "a newer change of this person was taken"

#: Older changes of the log than the Book keeps: (reader, after) -> rows as of `changes_after`, in order, of any name.
Older = Callable[[Reader, int], Iterator[list[Row]]]


class Answer(Protocol):
    """What became of a request: `sent`, `failed`, `busy`, `gone` or `refused`."""

    @property
    def status(self) -> str: ...
    @property
    def detail(self) -> str: ...
    @property
    def retry_after_s(self) -> int | None: ...


class Carrier(Protocol):
    """Posts, and signs what it posts."""

    def signs(self, destination: str) -> bool: ...
    async def post(self, item: Any) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Post:
    """One request: whose, where to, its id (the same at each attempt), the moment of the attempt (s), its bytes."""

    destination: str
    url: str
    key: str
    at_s: int
    body: bytes


@dataclass(frozen=True, slots=True)
class _Change:
    """One that is being told."""

    seq: int
    attempts: int
    taken_at: int
    post: Post


class Webhooks:
    """Tells changes of segments. state: one of its own, for reading; now: the clock, given by main; older: of the log,
    where the Book has less.
    """

    def __init__(self, book: Book, state: State, carrier: Carrier, now: Callable[[], int], older: Older) -> None:
        self.book = book
        self.now = now
        self._state, self._salt, self._carrier, self._older = state, state.salt, carrier, older
        self._stamp: int | None = None
        self._known: dict[str, Destination] = {}
        self._seen: dict[str, int] = {}

    def due(self) -> tuple[list[str], int | None]:
        """(destinations that have something to send now, when the next one may have, if time alone brings it).

        Takes in from the log what is new. Raises Unavailable.
        """
        with self.book.snapshot() as reader:
            self._take_definitions(reader)
            stands = [stand_of(reader, name) for name in self._known]
            fresh = [self._found(reader, stand) for stand in stands if not stand.held]
        for found in fresh:
            if found is not None:
                self.book.transact(found)
        now, ready, later = self.now(), list[str](), list[int]()
        for name in self._known:
            stand = stand_of(self.book, name)
            moment = None if stand.held else self._next(stand)
            if moment is not None and moment <= now:
                ready.append(name)
            elif moment is not None:
                later.append(moment)
        return ready, min(later, default=None)

    async def serve(self, name: str) -> int:
        """Send what is due at one destination, a turn of it at most; how many it took. Raises Unavailable."""
        taken, tried = 0, 0
        while tried < _TURN:
            destination = self._known.get(name)  # it may have been defined anew, or paused, meanwhile
            if destination is None:
                break
            stand = stand_of(self.book, name)
            if stand.held or stand.again_at > self.now():
                break
            if not self._carrier.signs(name):
                self.book.transact(partial(self._unsigned, name=name))
                break
            batch = self._batch(destination, stand)
            if not batch:
                break
            answers = await asyncio.gather(*(self._carrier.post(change.post) for change in batch))
            self.book.transact(
                partial(self._note, name=name, patience=_patience(destination), batch=batch, got=answers)
            )
            tried += len(batch)
            taken += sum(answer.status == "sent" for answer in answers)
        return taken

    # --- what is to be told -----------------------------------------------------------------------------------------

    def _take_definitions(self, reader: Reader) -> None:
        stamp = int(reader.read("definitions_stamp")[0][0] or 0)
        if stamp == self._stamp:
            return
        self._state.take(in_force(reader))
        found = self._state.definitions.destinations.items()
        self._known = {name: one for name, one in found if one.type == WEBHOOK and one.live}
        self._stamp = stamp

    def _found(self, reader: Reader, stand: Stand) -> Callable[[Tx], None] | None:
        """How to note what is new in the log for one destination; None: nothing is to be noted."""
        name = stand.id
        newest: int = reader.read("counter_value", "seq")[0][0]
        if not reader.read("destination_get", name):
            defined = reader.read("defined_at_seq", name)  # what came after it is told, and nothing before
            return partial(_begin, row=(name, 1, defined[0][0] if defined else newest))
        after = max(stand.cursor, self._seen.get(name, 0))
        room = QUEUE_MAX - len(reader.read("deliveries_waiting", name))
        if after >= newest or room <= 0:
            return None
        wanted, upto = self._changes(reader, self._known[name].segments, after, newest, room)
        rows = [(name, row[0], row[4], self.now(), 0, body_of(row)) for row in wanted]
        if not rows and upto - stand.cursor < _LAG_MAX:
            self._seen[name] = upto  # what is to be written counts as seen once it is, by the cursor
            return None
        return partial(self._taken, stand=stand, rows=rows, upto=upto)

    def _changes(
        self, reader: Reader, segments: Sequence[str], after: int, newest: int, room: int
    ) -> tuple[list[Row], int]:
        """(changes of these segments, as many as there is room for; the seq up to which the log was looked at)."""
        found: list[Row] = []
        for page in self._pages(reader, after):
            for row in page:
                if row[3] in _NAMES and from_json(row[5]).get("segment") in segments:
                    found.append(row)
                    if len(found) == room:
                        return found, row[0]
        return found, newest

    def _pages(self, reader: Reader, after: int) -> Iterator[list[Row]]:
        ((first, _),) = reader.read("entry_span")
        if first is None or first > after + 1:
            yield from self._older(reader, after)
            return
        while page := reader.read("changes_after", after, _PAGE):
            yield page
            after = page[-1][0]

    def _taken(self, tx: Tx, stand: Stand, rows: list[Row], upto: int) -> None:
        name = stand.id
        if stand_of(tx, name).cursor != stand.cursor:
            return  # another process took it in, and may have told it already
        tx.write("delivery_put", rows)
        tx.write("destination_cursor", [(upto, name)])
        tx.write("deliveries_expire", [(name, self.now() - KEEP_US)])

    # --- who is next ------------------------------------------------------------------------------------------------

    def _heads(self, name: str) -> list[tuple[int, int]]:
        """(when, seq) of the change of each person that comes first, in the order of the log."""
        heads: dict[str, tuple[int, int]] = {}
        for seq, person, next_at in self.book.read("deliveries_waiting", name):
            heads.setdefault(person, (next_at, seq))
        return list(heads.values())

    def _next(self, stand: Stand) -> int | None:
        """When something of a destination is to be sent; None: nothing waits."""
        first = min((moment for moment, _ in self._heads(stand.id)), default=None)
        return None if first is None else max(first, stand.again_at)

    def _batch(self, destination: Destination, stand: Stand) -> list[_Change]:
        """What is sent next: one alone where the last ones failed."""
        raw, now = _raw(destination), self.now()
        due = [seq for moment, seq in self._heads(destination.id) if moment <= now]
        found = list[_Change]()
        if not due:
            return found
        with self.book.snapshot() as reader:
            self._state.read_from(reader)
            self._state.clock = now
            for seq in due[: 1 if stand.attempts >= CIRCUIT else raw.at_once]:
                for attempts, taken_at, body in reader.read("delivery_get", destination.id, seq):
                    key = ids.keyed_id(self._salt, "webhook", "wh_", destination.id, str(seq))
                    told = filled(self._state, destination, body)
                    said = Post(destination.id, raw.url, key, now // time.SECOND, told)
                    found.append(_Change(seq, attempts, taken_at, said))
        return found

    # --- what became of it ------------------------------------------------------------------------------------------

    def _note(self, tx: Tx, name: str, patience: int, batch: list[_Change], got: Sequence[Answer]) -> None:
        """Note what was answered. A change that another process has noted meanwhile is left as it is."""
        now, refused = self.now(), list[Answer]()
        for change, answer in zip(batch, got, strict=True):
            if answer.status == "sent":
                tx.write("delivery_drop", [(name, change.seq)])
                _overtake(tx, name, change, now)
                continue
            refused.append(answer)
            dead = now >= change.taken_at + patience and answer.status != GONE
            again = now + self._pause(name, change.seq, change.attempts, _BACKOFF_US)
            row = ("dead" if dead else "waiting", change.attempts + 1, again, answer.detail[:300], name, change.seq)
            tx.write("delivery_tried", [row])
            if answer.status == GONE:
                tx.write("destination_held", [(GONE, now, name)])
                record(tx, name, GONE, "", now)
        taken = len(batch) - len(refused)
        if taken:
            tx.write("destination_served", [(now, now, taken, name)])
        asked = [answer for answer in refused if answer.retry_after_s is not None]
        if asked or not taken:
            self._failed(tx, name, asked or refused, now)

    def _failed(self, tx: Tx, name: str, answers: Sequence[Answer], now: int) -> None:
        """A whole batch was not taken, or more time was asked for: leave the destination alone as a whole."""
        failures = stand_of(tx, name).attempts + 1
        again = max((now + answer.retry_after_s * time.SECOND for answer in answers if answer.retry_after_s), default=0)
        if failures >= CIRCUIT:
            again = max(again, now + self._pause(name, 0, failures - CIRCUIT, _CIRCUIT_US))
        tx.write("destination_failed", [(now, again, answers[0].detail[:300], name)])

    def _pause(self, name: str, seq: int, attempts: int, steps: tuple[int, ...]) -> int:
        """How long to wait after so many attempts: three to five quarters of the step."""
        drawn = ids.keyed_hash(self._salt, "webhook", name, str(seq), str(attempts))
        share = int.from_bytes(drawn[:2], "big")  # of 65,536
        step = steps[min(attempts, len(steps) - 1)]
        return step * 3 // 4 + step * share // 131_072

    def _unsigned(self, tx: Tx, name: str) -> None:
        tx.write("destination_failed", [(self.now(), self.now() + _UNSIGNED_US, UNSIGNED, name)])


def _overtake(tx: Tx, name: str, taken: _Change, now: int) -> None:
    """What is dead of the same person and segment and older than what was taken is not told any more: it would say
    last what came first.
    """
    told = from_json(taken.post.body.decode())["data"]
    living = told["person"]["id"]
    for person in (living, *(row[0] for row in tx.read("aliases_of", living))):
        for seq, reason, body in tx.read("deliveries_before", name, person, taken.seq):
            if from_json(body.decode())["data"]["segment"] == told["segment"]:
                tx.write("delivery_overtaken", [(now, f"{OVERTAKEN}; before that: {reason}"[:300], name, seq)])


def _begin(tx: Tx, row: Row) -> None:
    tx.write("destination_begin", [row])


def _raw(destination: Destination) -> RawWebhook:
    assert isinstance(destination.raw, RawWebhook), "only webhooks are known here"
    return destination.raw


def _patience(destination: Destination) -> int:
    return patience_us(_raw(destination))
