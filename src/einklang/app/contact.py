"""The desk in front of the door: takes a step's request, hands the door what it needs, writes down what it says.

Every verdict is a row; every decided contact of a marketing message is an assignment row in both arms, and takes its
slot in caps in both (statistics.md 2.2). The arm is looked at after the door has judged, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from einklang.app.render import Parcel, render
from einklang.app.state import State
from einklang.app.view import address_of, zone_of
from einklang.app.working import Live, to_json
from einklang.content.liquid import Missing, Unrenderable
from einklang.content.message import Message
from einklang.decide import arms, door
from einklang.decide.policy import Rule
from einklang.event import Event
from einklang.fact.moment import ALLOWED, HELD, Request, Verdict
from einklang.fact.person import CONTROL, Arm, Contact, Run
from einklang.flow import machine
from einklang.flow.compile import Journey, Step
from einklang.kernel import ids, time
from einklang.kernel.errors import EinklangError, Unavailable
from einklang.kernel.reasons import Reason

MARKETING = "marketing"
#: What the rows of the first fold say where the door says `sent`.
_FIRST_ALLOWED = "allowed"
#: What holds a contact because its message cannot be made.
UNREADY = (Reason.MISSING_VARIABLE, Reason.TEMPLATE_ERROR)
#: Such a contact is asked again when what it reads of its person changes, and so often for all else (a product that is
#: imported, a text that is mended, the hour).
UNREADY_US = time.HOUR


def why_unready(error: Exception) -> tuple[Reason, str]:
    """Reason and detail of an error of rendering."""
    known = isinstance(error, Unrenderable | EinklangError)
    detail = str(error) if known else f"{type(error).__name__}: {error}"
    return (Reason.MISSING_VARIABLE if isinstance(error, Missing) else Reason.TEMPLATE_ERROR), detail[:300]


class Facts:
    """`door.Facts` over the working set."""

    def __init__(self, state: State, live: Live, request: Request) -> None:
        self._state = state
        self._live = live
        self._request = request
        self.now = state.clock
        self.zone = zone_of(live, state.rules)
        self.contacts = live.person.contacts
        self._addresses: dict[str, str | None] = {}

    def address(self, channel: str) -> str | None:
        """The address in use."""
        if channel not in self._addresses:
            self._addresses[channel] = address_of(self._live, channel)
        return self._addresses[channel]

    def permitted(self, channel: str, address: str, purpose: str, klass: str) -> bool:
        """By consent or another legal basis."""
        return self._state.permits(self._live, channel, address, purpose, klass)

    def suppressed(self, channel: str, address: str, purpose: str) -> bool:
        """On the suppression list."""
        return self._state.suppressed(channel, address, purpose)

    def holds(self, rule: Rule) -> bool:
        """A condition of the policy."""
        return self._state.definitions.rules[rule.when].holds(self._state.view(self._live))

    def rule_flip(self, rule: Rule) -> int | None:
        """When time alone can change it."""
        return self._state.definitions.rules[rule.when].next_flip(self._state.view(self._live))

    def available(self, channel: str) -> bool:
        """Whether the channel is set up, and the message has content for it."""
        message = self._state.definitions.messages[self._request.message]
        return channel in self._state.channels and channel in message.channels

    def unready(self, channel: str, address: str) -> tuple[Reason, str] | None:
        """At the hand-over the message is there already."""
        return None


class _AtDecision(Facts):
    """The door's facts when a step asks: the message is made, for both arms alike and whoever hands it over.

    parcels: what was made, by channel.
    """

    def __init__(self, state: State, live: Live, request: Request, run: Run) -> None:
        super().__init__(state, live, request)
        self._run = run
        self.parcels: dict[str, Parcel] = {}

    def unready(self, channel: str, address: str) -> tuple[Reason, str] | None:
        """Why the message cannot be made for this person now."""
        return None if self._state.fold < 2 else self.make(channel, address)

    def make(self, channel: str, address: str) -> tuple[Reason, str] | None:
        """Make the message for this channel, or say why it cannot be made."""
        state, request = self._state, self._request
        message = state.definitions.messages[request.message]
        key = key_of(state, request, self._live.person.id, address)
        try:
            self.parcels[channel] = render(state, self._live, self._run, message, request.data, key, address, channel)
        except Unavailable:
            raise
        except Exception as error:  # one message that cannot be made never stops the others
            return why_unready(error)
        return None


def key_of(state: State, request: Request, person: str, address: str) -> str:
    """The business key of the message that a request becomes."""
    return ids.message_key(state.salt, request.run, request.step, request.round, person, address)


def _unready(verdict: Verdict) -> str:
    """What the door said of the channels, if a message that cannot be made is among it; else ""."""
    if not any(refusal.reason in UNREADY for refusal in verdict.refusals):
        return ""
    return "; ".join(f"{found.channel} {found.reason} {found.detail}".strip() for found in verdict.refusals)


class Desk:
    """Carries requests to the door and its answers back to the run."""

    def __init__(self, state: State, emit: Callable[..., Event]) -> None:
        self.state = state
        self.emit = emit

    def ask(self, live: Live, journey: Journey, run: Run, command: machine.AskDoor) -> machine.Answer:
        """Judge one request at the present clock and carry out the verdict."""
        message = self.state.definitions.messages[command.step.message]
        request = self._request(journey, run, command, message)
        facts = _AtDecision(self.state, live, request, run)
        verdict = door.judge(self.state.definitions.policy, request, facts, channel_last=self.state.fold < 2)
        unready = _unready(verdict)
        if verdict.verdict == HELD and unready and unready == run.unready:
            return self._held(verdict, unready)  # it is still as the rows say
        for refusal in verdict.refusals:
            if verdict.verdict == ALLOWED or refusal.channel != verdict.channel:
                self._verdict(
                    live, run, request, refusal.channel, refusal.verdict, refusal.reason, refusal.until, refusal.detail
                )
        if verdict.verdict == HELD:
            self._verdict(live, run, request, verdict.channel, HELD, verdict.reason, verdict.until, verdict.detail)
            return self._held(verdict, unready)
        if verdict.verdict != ALLOWED:
            return self._denied(live, journey, run, request, verdict)
        return self._allowed(live, run, request, verdict, facts)

    def _held(self, verdict: Verdict, unready: str) -> machine.Answer:
        until = verdict.until
        if unready:
            again = self.state.clock + UNREADY_US
            until = again if until is None else min(until, again)
        return machine.Answer("held", verdict.reason, until, unready=unready)

    def _request(self, journey: Journey, run: Run, command: machine.AskDoor, message: Message) -> Request:
        wanted = message.channels if command.step.channels == ("best",) else command.step.channels
        assert command.patience_ends is not None
        return Request(
            run=run.id,
            journey=journey.id,
            campaign=journey.campaign,
            version=journey.version,
            step=command.step.id,
            round=command.round,
            message=message.id,
            klass=message.class_,
            purpose=message.purpose,
            topic=message.topic,
            channels=tuple(wanted),
            priority=journey.priority,
            data=command.data,
            patience_ends=command.patience_ends,
        )

    def _denied(self, live: Live, journey: Journey, run: Run, request: Request, verdict: Verdict) -> machine.Answer:
        self._verdict(live, run, request, verdict.channel, "denied", verdict.reason, None, verdict.detail)
        self._assign(live, run, request, verdict.channel, would_contact=False, suppressed_by=verdict.reason)
        self._decided(live, request, "denied", verdict.reason, verdict.channel)
        return machine.Answer("denied", verdict.reason)

    def _allowed(self, live: Live, run: Run, request: Request, verdict: Verdict, facts: _AtDecision) -> machine.Answer:
        state = self.state
        contact = Contact(
            state.clock, verdict.channel, request.purpose, request.klass, request.topic, request.campaign, run.id
        )
        live.person.contacts.append(contact)
        state.working.mark(live)
        ghost = self._ghost(live, run, request)
        if request.klass == MARKETING and ghost != Reason.HOLDOUT and run.decided_at is None:
            run.decided_at = state.clock
        answer = self._carried_out(live, run, request, verdict, facts, ghost)
        self._assigned(live, run, request, verdict.channel, ghost, contacted=answer.kind == "sent")
        return answer

    def _assigned(self, live: Live, run: Run, request: Request, channel: str, ghost: str, *, contacted: bool) -> None:
        """The rows of an allowed marketing contact: of its scope, and of the universal holdout where there is one."""
        if request.klass != MARKETING:
            return
        held_out = self._held_out(live)
        if held_out is not None:
            scope = arms.holdout_scope(self.state.clock)
            self.state.add_assignment(live, scope, run, request, held_out, True, "", channel, contacted=contacted)
        held = ghost == Reason.HOLDOUT
        self._assign(
            live,
            run,
            request,
            channel,
            would_contact=not held,
            suppressed_by=ghost if held else "",
            contacted=contacted,
        )

    def _carried_out(
        self, live: Live, run: Run, request: Request, verdict: Verdict, facts: _AtDecision, ghost: str
    ) -> machine.Answer:
        """An allowed contact becomes a ghost, waits for delivery, or is handed over at once."""
        state = self.state
        said = ALLOWED if state.fold >= 2 else _FIRST_ALLOWED
        if ghost:
            self._verdict(live, run, request, verdict.channel, "ghost", ghost, None, "")
            self._decided(live, request, said, "", verdict.channel)
            return machine.Answer("ghost", ghost, channel=verdict.channel, message="")
        self._verdict(live, run, request, verdict.channel, said, "", None, "")
        self._decided(live, request, said, "", verdict.channel)
        key = key_of(state, request, live.person.id, verdict.address)
        if state.live or state.deliver:
            self._outbox(live, run, request, key, verdict, "ready", "")
            return machine.Answer("waiting", channel=verdict.channel, message=key)
        unmade = facts.make(verdict.channel, verdict.address) if state.fold < 2 else None
        if unmade is not None:
            return self._failed(live, run, request, key, verdict, *unmade)
        return self._hand_over(live, run, request, verdict, facts.parcels[verdict.channel])

    def _failed(
        self, live: Live, run: Run, request: Request, key: str, verdict: Verdict, reason: Reason, detail: str
    ) -> machine.Answer:
        """In the first fold a message that could not be made failed, where nobody delivered but the tick."""
        self._outbox(live, run, request, key, verdict, "failed", reason)
        self._verdict(live, run, request, verdict.channel, "failed", reason, None, detail)
        self.emit(live, "Message Failed", self._named(request, key, verdict.channel) | {"reason": str(reason)})
        return machine.Answer("failed", reason)

    def _ghost(self, live: Live, run: Run, request: Request) -> str:
        """Why a judged and allowed contact is only recorded: universal holdout, then the journey's control group."""
        if request.klass != MARKETING:
            return ""
        held_out = self._held_out(live)
        if held_out is not None and held_out.arm == CONTROL:
            return Reason.HOLDOUT
        return Reason.CONTROL if run.arm == CONTROL else ""

    def _held_out(self, live: Live) -> Arm | None:
        """The person's arm in the universal holdout of this quarter; None if the policy has none."""
        state = self.state
        share = state.definitions.policy.holdout
        if share <= 0:
            return None
        scope = arms.holdout_scope(state.clock)
        known = live.person.arms.get(scope)
        if known is None:
            known = live.person.arms[scope] = arms.assign(state.salt, scope, live.person.id, share, state.clock)
            state.working.mark(live)
        return known

    def only_watched(self, live: Live, run: Run) -> bool:
        """Whether acting steps other than a contact (`set`) do nothing in this run (language.md 3.6)."""
        held_out = self._held_out(live)
        return run.arm == CONTROL or (held_out is not None and held_out.arm == CONTROL)

    def _hand_over(self, live: Live, run: Run, request: Request, verdict: Verdict, parcel: Parcel) -> machine.Answer:
        """Without a real channel (`run`): archived and handed to the outbox folder at the moment of the decision."""
        state, key = self.state, parcel.key
        self._outbox(live, run, request, key, verdict, "sent", Reason.HANDED_OVER, links=parcel.links)
        state.out.add("archive_put", key, parcel.body, parcel.hash)
        state.out.files.append((verdict.channel, key, parcel.body))
        self.emit(live, "Message Sent", self._named(request, key, verdict.channel))
        return machine.Answer("sent", channel=verdict.channel, message=key, tracked=parcel.tracked)

    def reported(self, live: Live, run: Run, event: Event) -> machine.Answer:
        """What a recorded `Message Sent` / `Message Failed` of the real delivery means for the run; updates the
        outbox.
        """
        state = self.state
        key, channel = str(event.properties.get("message_id")), str(event.properties.get("channel", ""))
        status = "sent" if event.name == "Message Sent" else str(event.properties.get("status", "failed"))
        reason = str(event.properties.get("reason", ""))
        state.out.add("outbox_status", status, reason, state.clock, key)
        step, message = (str(event.properties.get(name, "")) for name in ("step", "message"))
        state.log_message(live, key, run.id, run.journey, step, message, channel, status, reason)
        if status == "sent":
            return machine.Answer("sent", channel=channel, message=key, tracked=bool(event.properties.get("tracked")))
        detail = str(event.properties.get("detail", ""))
        state.add_verdict(live, run.id, run.journey, step, message, channel, "failed", reason, None, detail)
        return machine.Answer("failed", reason or Reason.SEND_FAILED)

    def overdue(self, live: Live, journey: Journey, run: Run, command: machine.AskDoor) -> machine.Answer:
        """The rule `skip`: a contact that fell due during a standstill is not made, in neither arm."""
        message = self.state.definitions.messages[command.step.message]
        request = self._request(journey, run, command, message)
        self._verdict(live, run, request, "", "denied", Reason.OVERDUE, None, "")
        self._assign(live, run, request, "", would_contact=False, suppressed_by=Reason.OVERDUE)
        return machine.Answer("denied", Reason.OVERDUE)

    def gave_up(self, live: Live, journey: Journey, run: Run, step: Step, detail: str) -> None:
        """A held contact ran out of patience: the decision is final, in both arms. detail: what its message lacked."""
        message = self.state.definitions.messages[step.message]
        command = machine.AskDoor(step, run.steps[step.id].rounds, {}, self.state.clock)
        request = self._request(journey, run, command, message)
        self._verdict(live, run, request, "", "denied", Reason.PATIENCE, None, detail)
        self._assign(live, run, request, "", would_contact=False, suppressed_by=Reason.PATIENCE)

    def withdraw(self, live: Live, run: Run) -> None:
        """The run is over: what was ready and not yet handed over is not sent."""
        for step_id, left in run.steps.items():
            if left.message and left.done is None:
                self.state.withdraw(live, run, step_id, left.message)

    # --- rows -----------------------------------------------------------------------------------------------------

    def _named(self, request: Request, key: str, channel: str) -> dict[str, Any]:
        named = {
            "channel": channel,
            "message": request.message,
            "message_id": key,
            "journey": request.journey,
            "step": request.step,
            "purpose": request.purpose,
        }
        return named | ({"campaign": request.campaign} if request.campaign else {})

    def _decided(self, live: Live, request: Request, verdict: str, reason: str, channel: str) -> None:
        properties = {
            "journey": request.journey,
            "step": request.step,
            "message": request.message,
            "channel": channel,
            "verdict": verdict,
        }
        said = properties | ({"reason": str(reason)} if reason else {})
        self.emit(live, "Contact Decided", said, run=request.run)

    def _verdict(
        self,
        live: Live,
        run: Run,
        request: Request,
        channel: str,
        verdict: str,
        reason: str,
        until: int | None,
        detail: str,
    ) -> None:
        self.state.add_verdict(
            live, run.id, request.journey, request.step, request.message, channel, verdict, reason, until, detail
        )

    def _assign(
        self,
        live: Live,
        run: Run,
        request: Request,
        channel: str,
        *,
        would_contact: bool,
        suppressed_by: str,
        contacted: bool = False,
    ) -> None:
        if request.klass == MARKETING:
            arm = live.person.arms.get(run.scope)
            # what the run does is said by its own arm, whatever a merge or another share made of it
            if arm is not None:
                mixed = arm.contaminated or arm.arm != run.arm
                arm = Arm(run.arm, run.probability, arm.at, arm.key, mixed)
            self.state.add_assignment(
                live, run.scope, run, request, arm, would_contact, suppressed_by, channel, contacted=contacted
            )

    def _outbox(
        self,
        live: Live,
        run: Run,
        request: Request,
        key: str,
        verdict: Verdict,
        status: str,
        reason: str,
        links: list[str] | None = None,
    ) -> None:
        now = self.state.clock
        data = to_json({"data": request.data, "links": links or [], "decided": now})
        self.state.out.add(
            "outbox_put", live.lane, live.person.id, key, run.id, request.journey, request.step, request.round,
            request.message,
            request.klass, request.purpose, verdict.channel, verdict.address, status, now, now, int(status == "sent"),
            reason, data,
        )  # fmt: skip
        self.state.log_message(
            live, key, run.id, request.journey, request.step, request.message, verdict.channel, status, reason
        )
