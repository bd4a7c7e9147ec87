"""Station 7: what is ready is handed over.

Consent, suppression, caps and quiet hours are judged again inside the transaction that moves a message to
`handing_over`; that is durable before the first byte leaves. What became of it goes back into the log in the
transaction that notes it.

    ready ──claim──> handing_over ──> sent | failed | unknown      each in one transaction with its log entry
      ^ held, paused: later    │
      └── not arrived (4xx), or unknown of a class that may come twice: later, under the same key

What certainly did not arrive is rendered anew; what may have arrived is sent again byte for byte, from the archive.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from einklang.app.appending import append_within
from einklang.app.apply import in_force
from einklang.app.consents import REFUSED
from einklang.app.contact import UNREADY_US, Facts, why_unready
from einklang.app.find import load
from einklang.app.output import archive_row
from einklang.app.ports import Book, Reader, Receipt, Row, Tx
from einklang.app.render import TRACK_CLICK, Parcel, render
from einklang.app.state import State
from einklang.app.working import Live, from_json, to_json
from einklang.consent import address_key
from einklang.content.liquid import Unrenderable
from einklang.decide import door
from einklang.event import EngineCall
from einklang.fact.moment import ALLOWED, HELD, Request
from einklang.fact.person import Contact
from einklang.flow.machine import DELIVERY
from einklang.kernel import time
from einklang.kernel.errors import InputError, Unavailable
from einklang.kernel.ids import lane_of
from einklang.kernel.reasons import Reason

ATTEMPTS_MAX = 5
#: So many are handed over side by side: as many as a crash can leave unknown.
AT_ONCE = 4
#: A message of a paused journey is looked at again so often.
PAUSE_US = time.MINUTE
_BACKOFF_US = (time.MINUTE, 5 * time.MINUTE, 30 * time.MINUTE, 2 * time.HOUR)
#: What may come twice rather than never; a letter or a call may not, whatever it says (invariant 14).
_AGAIN = ("transactional", "opt_in")
_NEVER_AGAIN = ("letter", "phone")
#: Status of what a person got, or may have got: it takes a place in caps from its hand-over on.
_HANDED_OVER = ("handing_over", "sent", "unknown")


class Channel(Protocol):
    """Carries bytes out."""

    async def deliver(self, item: Any) -> Receipt: ...
    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Waiting:
    """One row of the outbox."""

    lane: int
    person: str
    key: str
    run: str
    journey: str
    step: str
    round: int
    message: str
    klass: str
    purpose: str
    channel: str
    address: str
    status: str
    ready_at: int
    attempts: int
    data: str
    reason: str

    @property
    def notes(self) -> dict[str, Any]:
        """`data` of the contact, when `decided`, `links` and `tracked` of its bytes, `doubt`: it may have arrived."""
        found: dict[str, Any] = from_json(self.data)
        return found

    @property
    def again(self) -> bool:
        """Whether it may be sent again after an unknown outcome."""
        return self.klass in _AGAIN and self.channel not in _NEVER_AGAIN


@dataclass(frozen=True, slots=True)
class _Lost:
    """The receipt of a channel that broke while it had the bytes."""

    status: str
    permanent: bool
    detail: str
    stage: str = ""


class Delivery:
    """Hands over what is ready. `state`: a State of its own, for reading; `now`: the clock, given by main."""

    def __init__(self, book: Book, state: State, channels: Mapping[str, Channel], now: Callable[[], int]) -> None:
        self.book = book
        self.state = state
        self.channels = channels
        self.now = now
        self._stamp: int | None = None
        self._owed: list[tuple[Waiting, Receipt]] = []

    async def once(
        self,
        limit: int = 100,
        *,
        stopping: Callable[[], bool] = lambda: False,
        lanes: Collection[int] | None = None,
    ) -> int:
        """Work through what is ready now; the number of messages that were looked at. Raises Unavailable.

        stopping: asked between hand-overs; True leaves the rest ready. lanes: of business keys, those that are ours
        where several processes deliver.
        """
        self._settle()
        rows = _ours(self.book.read("outbox_ready", self.now(), limit), lanes)
        for first in range(0, len(rows), AT_ONCE):
            if stopping():
                return first
            taken = [self._take(Waiting(*row)) for row in rows[first : first + AT_ONCE]]
            carried = (self._carry(*found) for found in taken if found is not None)
            for fault in await asyncio.gather(*carried, return_exceptions=True):
                if fault is not None:
                    raise fault
        return len(rows)

    def recover(self, lanes: Collection[int] | None = None) -> int:
        """After a crash: what was being handed over is unknown; the number of such messages. lanes: as in `once`.

        Marketing is never sent again by itself, the rest is, under the same key (invariant 14).
        """
        self._settle()
        found = _ours(self.book.read("outbox_handing_over"), lanes)
        for row in found:
            lost = _Lost("unknown", False, "the process ended while it was handed over")
            self.book.transact(partial(self._record, waiting=Waiting(*row), receipt=lost, again_at=self.now()))
        return len(found)

    def _settle(self) -> None:
        """Note what is known of earlier hand-overs and could not be noted yet."""
        while self._owed:
            self._note(*self._owed[-1])
            self._owed.pop()

    # --- one message ------------------------------------------------------------------------------------------------

    def _take(self, waiting: Waiting) -> tuple[Waiting, Parcel] | None:
        """The message as it is handed over now, or None: it was closed, postponed, or somebody else has it."""
        parcel = self._parcel(waiting)
        if parcel is None:
            return None
        claimed = self.book.transact(partial(self._claim, key=waiting.key, parcel=parcel))
        return None if claimed is None else (claimed, parcel)

    async def _carry(self, waiting: Waiting, parcel: Parcel) -> None:
        """The bytes leave; `handing_over` is durable."""
        try:
            receipt: Receipt = await self.channels[waiting.channel].deliver(parcel)
        except Exception as error:  # a fault of the channel: nobody knows how far it came
            receipt = _Lost("unknown", False, f"{type(error).__name__}: {error}")
        try:
            self._note(waiting, receipt)
        except Unavailable:  # a full disk: what is known is noted before anything else is handed over
            self._owed.append((waiting, receipt))
            raise

    def _note(self, waiting: Waiting, receipt: Receipt) -> None:
        self.book.transact(partial(self._record, waiting=waiting, receipt=receipt))

    def _parcel(self, waiting: Waiting) -> Parcel | None:
        """The finished bytes, or None and the reason in the outbox."""
        state = self.state
        state.forget(state.definitions)  # what is in memory is older than the snapshot
        with self.book.snapshot() as reader:
            self._at(reader)
            self._take_definitions(reader)
            try:
                live = load(reader, waiting.person)
                archived = self._archived(reader, live, waiting)
                if archived is not None:
                    return archived
                run = live.run(waiting.run)
                assert run is not None, "an outbox row belongs to a run of its person"
                message = state.definitions.messages[waiting.message]
                data = waiting.notes["data"]
                return render(state, live, run, message, data, waiting.key, waiting.address, waiting.channel)
            except Unavailable:
                raise
            except Exception as error:  # one message that cannot be rendered never stops the others
                reason, detail = why_unready(error)
                close = self._held if isinstance(error, Unrenderable | InputError) else self._unsent
        self.book.transact(partial(close, key=waiting.key, reason=reason, detail=detail))
        return None

    def _archived(self, reader: Reader, live: Live, waiting: Waiting) -> Parcel | None:
        """What may have come already, byte for byte, unless a link in it may no longer be followed (invariant 30)."""
        notes = waiting.notes
        rows = reader.read("archive_get", waiting.key) if notes.get("doubt") else []
        if not rows or bool(notes.get("tracked")) != self._tracks(live, waiting):
            return None
        body = zlib.decompress(rows[0][0])
        return Parcel(waiting.key, waiting.address, body, list(notes["links"]), bool(notes.get("tracked")))

    def _tracks(self, live: Live, waiting: Waiting) -> bool:
        return self.state.permits(live, waiting.channel, waiting.address, TRACK_CLICK, "marketing")

    def _at(self, reader: Reader) -> None:
        self.state.read_from(reader)
        self.state.clock = self.now()

    def _take_definitions(self, reader: Reader) -> None:
        """Render and judge by what is in force."""
        stamp = _stamp(reader)
        if stamp != self._stamp:
            self.state.take(in_force(reader))
            self._stamp = stamp

    def _claim(self, tx: Tx, key: str, parcel: Parcel) -> Waiting | None:
        """Judge again with what is true in this transaction; the row if the message is now `handing_over`."""
        self._at(tx)
        state, now = self.state, self.state.clock
        waiting = _stored(tx, key)
        if waiting is None or waiting.status != "ready" or waiting.ready_at > now:
            return None
        if _stamp(tx) != self._stamp or tx.read("definitions_waiting"):
            return None  # it may be another message now, or its journey paused: another time
        live = load(tx, waiting.person)
        patience_ends = self._patience(tx, live, waiting)
        if patience_ends is None or self._tracks(live, waiting) != parcel.tracked:
            return None  # withdrawn, paused, or rendered for what is no longer true: another time
        if self._overdue(live, waiting):
            self._refuse(tx, waiting, Reason.OVERDUE, "it fell due during a pause or a standstill")
            return None
        if now > patience_ends:
            self._refuse(tx, waiting, Reason.PATIENCE, "it came to the hand-over too late")
            return None
        request = self._request(waiting, patience_ends)
        facts = _AtHandOver(state, live, request, waiting, _contacts(tx, state, live, waiting), self.channels)
        verdict = door.judge(state.definitions.policy, request, facts)
        if verdict.verdict == HELD and verdict.until is not None and now < patience_ends:
            tx.write("outbox_postpone", [(min(verdict.until, patience_ends), verdict.reason, now, key)])
            return None
        if verdict.verdict != ALLOWED:
            held = verdict.verdict == HELD
            self._refuse(
                tx, waiting, Reason.PATIENCE if held else verdict.reason, verdict.reason if held else verdict.detail
            )
            return None
        notes = waiting.notes | {"links": parcel.links, "tracked": parcel.tracked}
        claimed = replace(waiting, status="handing_over", attempts=waiting.attempts + 1, data=to_json(notes))
        tx.write("outbox_claim", [(claimed.status, now, claimed.attempts, claimed.data, key)])
        tx.write("archive_set", [archive_row(key, parcel.body, parcel.hash)])
        return claimed

    def _patience(self, tx: Tx, live: Live, waiting: Waiting) -> int | None:
        """Until when the run waits for this message, be it for a stop; None: not at all, or not now."""
        run = live.run(waiting.run)
        left = run.steps.get(waiting.step) if run is not None else None
        waits = run is not None and run.status == "active" and run.waiting_for == DELIVERY
        if run is None or left is None or not waits or left.message != waiting.key:
            tx.write("outbox_status", [("withdrawn", Reason.EXITED, self.state.clock, waiting.key)])
            return None
        journey = self.state.definitions.journeys.get(waiting.journey)
        if journey is not None and journey.state == "paused":
            later = self.state.clock + PAUSE_US
            tx.write("outbox_postpone", [(later, Reason.PAUSED, self.state.clock, waiting.key)])
            return None
        assert run.patience_ends is not None, "a run at a contact has patience"
        return run.patience_ends + self.state.delay(run.journey, run.patience_ends)

    def _overdue(self, live: Live, waiting: Waiting) -> bool:
        """Whether a stop came between the decision and the hand-over, and the journey says to skip such contacts."""
        run = live.run(waiting.run)
        assert run is not None, "an outbox row belongs to a run of its person"
        if self.state.journey(run.journey, run.version).overdue != "skip":
            return False
        decided = waiting.notes["decided"]
        return any(
            decided < until and (waiting.ready_at <= until or waiting.reason == Reason.PAUSED)
            for _, until in self.state.stops(run.journey)
        )

    def _request(self, waiting: Waiting, patience_ends: int) -> Request:
        journey = self.state.definitions.journeys.get(waiting.journey)
        message = self.state.definitions.messages[waiting.message]
        return Request(
            run=waiting.run,
            journey=waiting.journey,
            campaign=journey.campaign if journey else "",
            version=journey.version if journey else 0,
            step=waiting.step,
            round=waiting.round,
            message=waiting.message,
            klass=waiting.klass,
            purpose=waiting.purpose,
            topic=message.topic,
            channels=(waiting.channel,),
            priority=0,
            data={},
            patience_ends=patience_ends,
        )

    # --- what became of it ------------------------------------------------------------------------------------------

    def _record(self, tx: Tx, waiting: Waiting, receipt: Receipt, again_at: int | None = None) -> None:
        """Note the receipt of what is being handed over. again_at: when to try again, else after a while."""
        stored = _stored(tx, waiting.key)
        if stored is None or stored.status != "handing_over":
            return
        now, attempts = self.now(), stored.attempts
        if again_at is None:
            again_at = now + _BACKOFF_US[min(attempts, len(_BACKOFF_US)) - 1]
        notes, more = stored.notes, attempts < ATTEMPTS_MAX
        if receipt.status == "sent":
            self._close(tx, stored, "sent", "", receipt.detail)
        elif receipt.status == "unknown":
            again = more and stored.again
            tx.write("counter_add", [("unknown_outcomes", 1), ("sent_again", int(again))])
            if again:
                data = to_json(notes | {"doubt": True})
                tx.write("outbox_retry", [("ready", again_at, Reason.UNKNOWN_OUTCOME, now, data, waiting.key)])
            else:
                self._close(tx, stored, "unknown", Reason.UNKNOWN_OUTCOME, receipt.detail)
        elif more and not receipt.permanent:
            tx.write("outbox_retry", [("ready", again_at, Reason.SEND_FAILED, now, stored.data, waiting.key)])
        else:
            self._refuse(tx, stored, Reason.SEND_FAILED, receipt.detail)
            if receipt.permanent and receipt.stage == "rcpt":
                self._bounced(tx, stored, receipt.detail)

    def _bounced(self, tx: Tx, waiting: Waiting, detail: str) -> None:
        """The other side refused the address for good: suppressed in this transaction, and said in the log.

        Folded, that word is the hard bounce; until then ticks leave it out, as what is withdrawn (State.suppressed).
        """
        now = self.now()
        key = address_key(self.state.salt, waiting.channel, waiting.address)
        tx.write("suppression_raise", [(key, waiting.channel, "", REFUSED, now)])
        call = EngineCall(
            type="track",
            event="Message Bounced",
            messageId=f"{waiting.key}-bounced",
            identifiers={"person": waiting.person},
            properties={
                "channel": waiting.channel,
                "address": waiting.address,
                "message": waiting.message,
                "message_id": waiting.key,
                "journey": waiting.journey,
                "step": waiting.step,
                "kind": "hard",
                "detail": detail[:300],
            },
            origin=1,
            at=now,
        )
        append_within(tx, "engine", [call], now)

    def _held(self, tx: Tx, key: str, reason: str, detail: str) -> None:
        """What cannot be made now is tried again as long as the run is patient (language.md 4)."""
        self._at(tx)
        stored, now = _stored(tx, key), self.state.clock
        if stored is None or stored.status != "ready":
            return
        patience_ends = self._patience(tx, load(tx, stored.person), stored)
        if patience_ends is not None and now >= patience_ends:
            self._refuse(tx, stored, Reason.PATIENCE, f"{reason} {detail}")
        elif patience_ends is not None:
            tx.write("outbox_postpone", [(min(now + UNREADY_US, patience_ends), reason, now, key)])

    def _unsent(self, tx: Tx, key: str, reason: str, detail: str) -> None:
        """Close what is still ready and cannot be handed over."""
        stored = _stored(tx, key)
        if stored is not None and stored.status == "ready":
            self._refuse(tx, stored, reason, detail)

    def _refuse(self, tx: Tx, waiting: Waiting, reason: str, detail: str) -> None:
        """It is not handed over (again): failed, or unknown if an earlier attempt may have arrived."""
        self._close(tx, waiting, "unknown" if waiting.notes.get("doubt") else "failed", reason, detail)

    def _close(self, tx: Tx, waiting: Waiting, status: str, reason: str, detail: str) -> None:
        """Note the outcome, and say so in the log, in one transaction."""
        now = self.now()
        tx.write("outbox_status", [(status, str(reason), now, waiting.key)])
        journey = self.state.definitions.journeys.get(waiting.journey)
        properties: dict[str, Any] = {
            "channel": waiting.channel,
            "message": waiting.message,
            "message_id": waiting.key,
            "journey": waiting.journey,
            "step": waiting.step,
            "purpose": waiting.purpose,
        }
        if journey is not None and journey.campaign:
            properties["campaign"] = journey.campaign
        if status == "sent":
            properties["tracked"] = bool(waiting.notes.get("tracked"))
        else:
            properties |= {"status": status, "reason": str(reason), "detail": detail[:300]}
        call = EngineCall(
            type="track",
            event="Message Sent" if status == "sent" else "Message Failed",
            messageId=f"{waiting.key}-{status}-{waiting.attempts}",
            identifiers={"person": waiting.person},
            properties=properties,
            origin=1,
            at=now,
        )
        append_within(tx, "engine", [call], now)


def _stamp(reader: Reader) -> int:
    """Which definitions are in force: another number, others."""
    return int(reader.read("definitions_stamp")[0][0] or 0)


def _ours(rows: list[Row], lanes: Collection[int] | None) -> list[Row]:
    """Rows of the outbox in these lanes: a message's lane is its business key's, which no merge changes."""
    return rows if lanes is None else [row for row in rows if lane_of(row[2]) in lanes]


def _stored(reader: Reader, key: str) -> Waiting | None:
    rows = reader.read("outbox_get", key)
    return Waiting(*rows[0]) if rows else None


def _contacts(reader: Reader, state: State, live: Live, own: Waiting) -> list[Contact]:
    """The slots that are taken when `own` is handed over: what was handed over, at the moment when it was, and ghosts.

    A contact counts from its hand-over on, which may come long after the decision; what merely waits takes no slot yet,
    it is judged in its turn.
    """
    longest = max((cap.per_us for cap in state.definitions.policy.caps), default=0)
    if not longest:
        return []
    left = list(live.person.contacts)
    found: list[Contact] = []
    rows = reader.read("outbox_since", live.lane, live.person.id, state.clock - longest)
    for key, run, journey, message, klass, purpose, channel, status, handed_at, data in rows:
        decided = from_json(data).get("decided")
        same = [c for c in left if c.run == run and c.channel == channel and decided in (None, c.clock)]
        if same:
            left.remove(max(same, key=lambda contact: contact.clock))
        if key != own.key and status in _HANDED_OVER:
            known = state.definitions.messages.get(message)
            campaign = state.rules.campaigns.get(journey, "")
            topic = known.topic if known is not None else ""
            found.append(Contact(handed_at, channel, purpose, klass, topic, campaign, run))
    return left + found


class _AtHandOver(Facts):
    """The door's facts at the hand-over: the address that was decided, the slots that are really taken."""

    def __init__(
        self, state: State, live: Live, request: Request, waiting: Waiting, contacts: list[Contact], channels: Any
    ) -> None:
        super().__init__(state, live, request)
        self._address = waiting.address
        self._channels = channels
        self.contacts = contacts

    def address(self, channel: str) -> str | None:
        """The address that was decided."""
        return self._address

    def available(self, channel: str) -> bool:
        """Whether somebody carries it."""
        return channel in self._channels and super().available(channel)
