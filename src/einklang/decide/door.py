"""The door: every contact passes these gates, in this order (contract.md, "The door's order").

Each gate looks at one channel of the request and answers `None` (go on) or a `Refusal`. The first channel that no gate
refuses is used; if all are held, the one that is free first; otherwise the contact is denied. No gate can see an arm.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from einklang.decide.policy import WEEKDAYS, Policy, Quiet, Rule
from einklang.fact.moment import ALLOWED, DENIED, HELD, Refusal, Request, Verdict
from einklang.fact.person import Contact
from einklang.kernel import time
from einklang.kernel.reasons import Reason


class Facts(Protocol):
    """What app hands the door about the person, at one moment."""

    now: int
    zone: str
    contacts: list[Contact]

    def address(self, channel: str) -> str | None:
        """The address in use on a channel, None if there is none."""

    def permitted(self, channel: str, address: str, purpose: str, klass: str) -> bool:
        """Whether consent or another legal basis permits it now."""

    def suppressed(self, channel: str, address: str, purpose: str) -> bool:
        """Whether the address is on the suppression list."""

    def holds(self, rule: Rule) -> bool:
        """Whether the condition of a `deny` or `hold` rule is true now."""

    def rule_flip(self, rule: Rule) -> int | None:
        """The next moment at which time alone can change it."""

    def available(self, channel: str) -> bool:
        """Whether the channel is set up, and the message has content for it."""

    def unready(self, channel: str, address: str) -> tuple[Reason, str] | None:
        """Why the message cannot be made for this person now, with detail; None if it can."""


Gate = Callable[[Policy, Request, str, Facts], Refusal | None]


def _consent(policy: Policy, request: Request, channel: str, facts: Facts) -> Refusal | None:
    address = facts.address(channel)
    if address is None:
        return Refusal(channel, DENIED, Reason.NO_ADDRESS, None, "")
    if facts.permitted(channel, address, request.purpose, request.klass):
        return None
    return Refusal(channel, DENIED, Reason.NO_CONSENT, None, request.purpose)


def _suppression(policy: Policy, request: Request, channel: str, facts: Facts) -> Refusal | None:
    address = facts.address(channel)
    assert address is not None, "the consent gate refuses without an address"
    if facts.suppressed(channel, address, request.purpose):
        return Refusal(channel, DENIED, Reason.SUPPRESSED, None, "")
    return None


def _covers(rule: Rule, request: Request, channel: str) -> bool:
    return rule.scope.covers(
        channel=channel, purpose=request.purpose, topic=request.topic, campaign=request.campaign, klass=request.klass
    )


def _eligibility(policy: Policy, request: Request, channel: str, facts: Facts) -> Refusal | None:
    for rule in policy.deny:
        if _covers(rule, request, channel) and facts.holds(rule):
            return Refusal(channel, DENIED, Reason.POLICY_DENY, None, rule.reason)
    for rule in policy.hold:
        if _covers(rule, request, channel) and facts.holds(rule):
            until = facts.rule_flip(rule) or request.patience_ends
            return Refusal(channel, HELD, Reason.POLICY_HOLD, until, rule.reason)
    return None


def _caps(policy: Policy, request: Request, channel: str, facts: Facts) -> Refusal | None:
    until, text = 0, ""
    for cap in policy.caps:
        scope = cap.scope
        if not scope.covers(
            channel=channel,
            purpose=request.purpose,
            topic=request.topic,
            campaign=request.campaign,
            klass=request.klass,
        ):
            continue
        used = sorted(
            c.clock
            for c in facts.contacts
            if c.clock > facts.now - cap.per_us
            and scope.covers(channel=c.channel, purpose=c.purpose, topic=c.topic, campaign=c.campaign, klass=c.klass)
        )
        if len(used) >= cap.at_most:
            # the window is half-open: a contact at t has left it at t + per
            free = used[len(used) - cap.at_most] + cap.per_us if cap.at_most else time.LATEST
            if free > until:
                until, text = free, cap.text
    return Refusal(channel, HELD, Reason.CAP, until, text) if until else None


def _quiet_end(quiet: Quiet, now: int, zone: str) -> int | None:
    """The end of the quiet hours that `now` lies in, or None. They belong to the day on which they begin."""
    here = time.local(now, zone).replace(tzinfo=None)
    midnight = datetime(here.year, here.month, here.day)
    length = quiet.end_min - quiet.start_min
    length += 1440 if length <= 0 else 0
    for back in (0, 1):
        day = midnight - timedelta(days=back)
        if quiet.days and WEEKDAYS[day.weekday()] not in quiet.days:
            continue
        begins = day + timedelta(minutes=quiet.start_min)
        ends = begins + timedelta(minutes=length)
        if time.moment_of(begins, zone) <= now < time.moment_of(ends, zone):
            return time.moment_of(ends, zone)
    return None


def _quiet_hours(policy: Policy, request: Request, channel: str, facts: Facts) -> Refusal | None:
    ends: list[tuple[int, str]] = []
    for quiet in policy.quiet:
        if quiet.scope.covers(
            channel=channel,
            purpose=request.purpose,
            topic=request.topic,
            campaign=request.campaign,
            klass=request.klass,
        ):
            end = _quiet_end(quiet, facts.now, facts.zone)
            if end is not None:
                ends.append((end, quiet.text))
    if not ends:
        return None
    until, text = max(ends)
    return Refusal(channel, HELD, Reason.QUIET_HOURS, until, text)


def _channel(policy: Policy, request: Request, channel: str, facts: Facts) -> Refusal | None:
    """Whether the channel can carry the message to this person: what lacks a value waits for it (invariant 20)."""
    address = facts.address(channel)
    assert address is not None, "the consent gate refuses without an address"
    unready = facts.unready(channel, address)
    return None if unready is None else Refusal(channel, HELD, unready[0], request.patience_ends, unready[1])


#: Order matters: what is forbidden is said before what is merely full, and the channel is asked last.
#: Capacity, budget and arbitration have their place between quiet hours and channel once they exist.
GATES: list[tuple[str, Gate]] = [
    ("consent", _consent),
    ("suppression", _suppression),
    ("eligibility", _eligibility),
    ("caps", _caps),
    ("quiet_hours", _quiet_hours),
    ("channel", _channel),
]


def _refused(policy: Policy, request: Request, channel: str, facts: Facts, channel_last: bool) -> Refusal | None:
    """What speaks against a channel. Of one that is not set up nothing else is asked, and nothing is held for it."""
    unavailable = None
    if not facts.available(channel):
        unavailable = Refusal(channel, DENIED, Reason.CHANNEL_UNAVAILABLE, None, channel)
    if unavailable is not None and not channel_last:
        return unavailable
    for _, gate in GATES:
        refusal = gate(policy, request, channel, facts)
        if refusal is not None:
            return refusal
    return unavailable


def judge(policy: Policy, request: Request, facts: Facts, *, channel_last: bool = False) -> Verdict:
    """The verdict on one request at one moment. Pure: same facts, same verdict.

    channel_last: as the first fold did, a channel that is not set up is found out last.
    """
    refusals: list[Refusal] = []
    for channel in request.channels:
        refusal = _refused(policy, request, channel, facts, channel_last)
        if refusal is None:
            address = facts.address(channel)
            assert address is not None
            return Verdict(ALLOWED, "", channel, address, None, "", refusals)
        refusals.append(refusal)
    held = [r for r in refusals if r.verdict == HELD and r.until is not None]
    if held:
        best = min(held, key=lambda r: r.until or 0)
        return Verdict(HELD, best.reason, best.channel, "", best.until, best.detail, refusals)
    if not refusals:
        return Verdict(DENIED, Reason.CHANNEL_UNAVAILABLE, "", "", None, "no channel of the step has content", refusals)
    told = (r for r in refusals if r.reason != Reason.CHANNEL_UNAVAILABLE or channel_last)
    first = next(told, refusals[0])
    return Verdict(DENIED, first.reason, first.channel, "", None, first.detail, refusals)
