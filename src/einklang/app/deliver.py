"""Station 7: what is ready is handed over. Consent, suppression, caps and quiet hours are judged again inside the transaction
that moves a message to `handing_over`; that is durable before the first byte leaves. What became of it goes back into the log
in the transaction that notes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import msgspec

from einklang.app.contact import Facts
from einklang.app.find import load
from einklang.app.ports import Book, Receipt, Row, Tx
from einklang.app.render import Parcel, render
from einklang.app.state import State
from einklang.app.working import Live, from_json, to_json
from einklang.content.liquid import Missing, Unrenderable
from einklang.decide import door
from einklang.event import EngineCall, body_of
from einklang.fact.moment import ALLOWED, HELD, Request
from einklang.kernel import time
from einklang.kernel.errors import NotFound
from einklang.kernel.reasons import Reason

ATTEMPTS_MAX = 5
_BACKOFF_US = (time.MINUTE, 5 * time.MINUTE, 30 * time.MINUTE, 2 * time.HOUR)
_FIELDS = (
    "lane", "person", "key", "run", "journey", "step", "round", "message", "klass", "purpose", "channel", "address", "status",
    "ready_at", "attempts", "data",
)  # fmt: skip


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


class Delivery:
    """Hands over what is ready. `state`: a State of its own, for reading; `now`: the real clock, given by main."""

    def __init__(self, book: Book, state: State, channels: Mapping[str, Channel], now: Callable[[], int]) -> None:
        self.book = book
        self.state = state
        self.channels = channels
        self.now = now

    async def once(self, limit: int = 100) -> int:
        """Work through what is ready now; the number of messages that left `ready`."""
        rows = self.book.read("outbox_ready", self.now(), limit)
        count = 0
        for row in rows:
            waiting = Waiting(*row)
            parcel = self._render(waiting)
            if parcel is None or not self.book.transact(partial(self._claim, waiting=waiting, parcel=parcel)):
                count += 1
                continue
            receipt = await self.channels[waiting.channel].deliver(parcel)
            self.book.transact(partial(self._record, waiting=waiting, parcel=parcel, receipt=receipt))
            count += 1
        return count

    def recover(self) -> int:
        """After a crash: what was being handed over is unknown. Marketing is never sent again by itself, the rest is (invariant 14)."""
        found = [Waiting(*row) for row in self.book.read("outbox_handing_over")]
        for waiting in found:
            self.book.transact(partial(self._unknown, waiting=waiting))
        return len(found)

    # --- one message ------------------------------------------------------------------------------------------------

    def _render(self, waiting: Waiting) -> Parcel | None:
        """The finished bytes, or None and the reason in the outbox."""
        state = self.state
        with self.book.snapshot() as reader:
            state.read_from(reader)
            state.clock = self.now()
            try:
                live = load(reader, waiting.person)
                run = live.run(waiting.run)
                assert run is not None, "an outbox row belongs to a run of its person"
                data = from_json(waiting.data)["data"]
                message = state.definitions.messages[waiting.message]
                return render(state, live, run, message, data, waiting.key, waiting.address, waiting.channel)
            except (Missing, Unrenderable, NotFound) as error:
                reason = Reason.MISSING_VARIABLE if isinstance(error, Missing) else Reason.TEMPLATE_ERROR
                detail = str(error)
        self.book.transact(lambda tx: self._close(tx, waiting, "failed", reason, detail))
        return None

    def _claim(self, tx: Tx, waiting: Waiting, parcel: Parcel) -> bool:
        """Judge again with what is true in this transaction; True if the message is now `handing_over`."""
        row = tx.read("outbox_get", waiting.key)
        if not row or row[0][_FIELDS.index("status")] != "ready":
            return False
        state, now = self.state, self.now()
        state.read_from(tx)
        state.clock = now
        live = load(tx, waiting.person)
        verdict = door.judge(
            state.definitions.policy, self._request(waiting), _Pinned(state, live, self._request(waiting), waiting)
        )
        if verdict.verdict == HELD and verdict.until is not None:
            tx.write("outbox_postpone", [(verdict.until, verdict.reason, now, waiting.key)])
            return False
        if verdict.verdict != ALLOWED:
            self._close(tx, waiting, "failed", verdict.reason, verdict.detail)
            return False
        data = to_json({"data": from_json(waiting.data)["data"], "links": parcel.links})
        tx.write("outbox_claim", [("handing_over", now, waiting.attempts + 1, data, waiting.key)])
        tx.write("archive_put", [(waiting.key, parcel.packed, parcel.hash)])
        return True

    def _request(self, waiting: Waiting) -> Request:
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
            patience_ends=self.now() + time.DAY,
        )

    def _record(self, tx: Tx, waiting: Waiting, parcel: Parcel, receipt: Receipt) -> None:
        now = self.now()
        attempts = waiting.attempts + 1
        if receipt.status == "failed" and not receipt.permanent and attempts < ATTEMPTS_MAX:
            again = now + _BACKOFF_US[min(attempts - 1, len(_BACKOFF_US) - 1)]
            tx.write("outbox_retry", [("ready", again, receipt.detail, now, waiting.key)])
            return
        if receipt.status == "unknown" and waiting.klass != "marketing" and attempts < ATTEMPTS_MAX:
            tx.write("outbox_retry", [("ready", now + _BACKOFF_US[0], Reason.UNKNOWN_OUTCOME, now, waiting.key)])
            return
        reason = (
            ""
            if receipt.status == "sent"
            else Reason.UNKNOWN_OUTCOME
            if receipt.status == "unknown"
            else Reason.SEND_FAILED
        )
        self._close(tx, waiting, receipt.status, reason, receipt.detail, tracked=parcel.tracked)

    def _unknown(self, tx: Tx, waiting: Waiting) -> None:
        if waiting.klass == "marketing":
            self._close(tx, waiting, "unknown", Reason.UNKNOWN_OUTCOME, "the process ended while it was handed over")
        else:
            tx.write("outbox_retry", [("ready", self.now(), Reason.UNKNOWN_OUTCOME, self.now(), waiting.key)])

    def _close(self, tx: Tx, waiting: Waiting, status: str, reason: str, detail: str, *, tracked: bool = False) -> None:
        """Note the outcome, and say so in the log, in one transaction."""
        now = self.now()
        tx.write("outbox_status", [(status, str(reason), now, waiting.key)])
        properties: dict[str, Any] = {
            "channel": waiting.channel,
            "message": waiting.message,
            "message_id": waiting.key,
            "journey": waiting.journey,
            "step": waiting.step,
            "purpose": waiting.purpose,
        }
        if status == "sent":
            properties["tracked"] = tracked
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


def append_within(tx: Tx, kind: str, calls: list[EngineCall], now: int) -> None:
    """Append engine calls to the log inside a transaction that changes something else too."""
    first = tx.read("counter_value", "position")[0][0] + 1
    tx.write("tail_append", [(first, len(calls), now, "einklang", kind, body_of(calls))])
    tx.write("counter_add", [("position", len(calls)), ("accepted", len(calls))])


class _Pinned(Facts):
    """The door's facts at the hand-over: the address that was decided, and without the slot that this contact itself holds."""

    def __init__(self, state: State, live: Live, request: Request, waiting: Waiting) -> None:
        super().__init__(state, live, request)
        self._address = waiting.address
        own = next(
            (
                c
                for c in live.person.contacts
                if c.run == waiting.run and c.channel == waiting.channel and c.clock <= waiting.ready_at
            ),
            None,
        )
        self.contacts = [contact for contact in live.person.contacts if contact is not own]

    def address(self, channel: str) -> str | None:
        """The address that was decided."""
        return self._address


def definition_stamp(rows: list[Row]) -> bytes:
    """Names the set of definitions in force, to notice a change."""
    return msgspec.json.encode([[row[0], row[1], row[2]] for row in rows])
