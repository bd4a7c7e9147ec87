"""The door: gates in their order, half-open windows, quiet hours on every clock, several channels, no arm."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from einklang.decide import door
from einklang.decide.policy import Policy, RawPolicy, Rule, parse
from einklang.fact.moment import ALLOWED, DENIED, HELD, Request
from einklang.fact.person import Contact
from einklang.fact.strict import convert
from einklang.kernel import time
from einklang.kernel.reasons import Reason

NOW = time.parse_moment("2026-06-10T12:00:00Z")
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC")


@dataclass
class Known:
    """`door.Facts` by hand."""

    now: int = NOW
    zone: str = "UTC"
    contacts: list[Contact] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=lambda: {"email": "a@b.example", "sms": "+49", "push": "t"})
    no_consent: set[str] = field(default_factory=set)
    blocked: set[str] = field(default_factory=set)
    true: set[str] = field(default_factory=set)
    flips: dict[str, int] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    lacking: set[str] = field(default_factory=set)

    def address(self, channel: str) -> str | None:
        """By channel."""
        return self.addresses.get(channel)

    def permitted(self, channel: str, address: str, purpose: str, klass: str) -> bool:
        """All but those named."""
        return channel not in self.no_consent

    def suppressed(self, channel: str, address: str, purpose: str) -> bool:
        """Those named."""
        return channel in self.blocked

    def holds(self, rule: Rule) -> bool:
        """Rules by their text."""
        return rule.when in self.true

    def rule_flip(self, rule: Rule) -> int | None:
        """By text."""
        return self.flips.get(rule.when)

    def available(self, channel: str) -> bool:
        """All but those named."""
        return channel not in self.missing

    def unready(self, channel: str, address: str) -> tuple[Reason, str] | None:
        """Those named lack a value."""
        return (Reason.MISSING_VARIABLE, "trait.city") if channel in self.lacking else None


def policy(**fields: object) -> Policy:
    """A policy as YAML would give it."""
    return parse(convert({"kind": "policy", **fields}, RawPolicy, "test"), "test")


def request(*channels: str, klass: str = "marketing", campaign: str = "") -> Request:
    """A request on these channels."""
    return Request(
        run="r", journey="j", campaign=campaign, version=1, step="s", round=1, message="m", klass=klass,
        purpose="marketing", topic="news", channels=channels or ("email",), priority=50, data={},
        patience_ends=NOW + time.DAY,
    )  # fmt: skip


def contact(at: int, channel: str = "email", klass: str = "marketing") -> Contact:
    """A used slot."""
    return Contact(at, channel, "marketing", klass, "news", "", "r0")


STRICT = policy(
    caps=[{"at_most": 1, "per": "7d"}],
    quiet=[{"from": "00:00", "to": "24:00"}],
    deny=[{"when": "denied", "reason": "no"}],
    hold=[{"when": "wait", "reason": "later"}],
)
#: What refuses a contact, in the order of the contract, and the gate that says so.
OBSTACLES: list[tuple[str, Callable[[Known], object]]] = [
    (Reason.NO_ADDRESS, lambda known: known.addresses.clear()),
    (Reason.NO_CONSENT, lambda known: known.no_consent.add("email")),
    (Reason.SUPPRESSED, lambda known: known.blocked.add("email")),
    (Reason.POLICY_DENY, lambda known: known.true.add("denied")),
    (Reason.POLICY_HOLD, lambda known: known.true.add("wait")),
    (Reason.CAP, lambda known: known.contacts.append(contact(NOW - time.DAY))),
]


@pytest.mark.parametrize("first", range(len(OBSTACLES)))
def test_the_first_gate_in_the_order_of_the_contract_speaks(first: int) -> None:
    """With all obstacles from the n-th on, the n-th is the reason.

    Quiet hours and the channel come after all of them.
    """
    known = Known(lacking={"email"})
    for _, put in OBSTACLES[first:]:
        put(known)
    assert door.judge(STRICT, request(), known).reason == OBSTACLES[first][0]


def test_another_order_of_gates_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the test before: with the gates turned round, another reason is given."""
    monkeypatch.setattr(door, "GATES", door.GATES[::-1])
    known = Known(lacking={"email"})
    for _, put in OBSTACLES[1:]:
        put(known)
    assert door.judge(STRICT, request(), known).reason != OBSTACLES[1][0]


def test_quiet_hours_come_after_caps_and_the_channel_last() -> None:
    """Without an obstacle before them.

    Quiet hours hold, then a message that lacks a value is held, then it is allowed.
    """
    known = Known(lacking={"email"})
    assert door.judge(STRICT, request(), known).reason == Reason.QUIET_HOURS
    lacking = door.judge(policy(), request(), known)
    assert (lacking.verdict, lacking.reason, lacking.until) == (HELD, Reason.MISSING_VARIABLE, NOW + time.DAY)
    verdict = door.judge(policy(), request(), Known())
    assert (verdict.verdict, verdict.channel, verdict.address) == (ALLOWED, "email", "a@b.example")


def test_a_channel_that_is_not_set_up_is_said_first_and_the_next_is_tried() -> None:
    """Nobody has an address or consent there: the verdict is `channel_unavailable`, and nothing is held for it."""
    known = Known(missing={"push"}, no_consent={"push"})
    verdict = door.judge(STRICT, request("push"), known)
    assert (verdict.verdict, verdict.reason) == (DENIED, Reason.CHANNEL_UNAVAILABLE)
    del known.addresses["push"]
    verdict = door.judge(policy(), request("push", "email"), known)
    assert (verdict.verdict, verdict.channel) == (ALLOWED, "email")
    assert [(r.channel, r.reason) for r in verdict.refusals] == [("push", Reason.CHANNEL_UNAVAILABLE)]
    known.no_consent.add("email")
    assert door.judge(policy(), request("push", "email"), known).reason == Reason.NO_CONSENT


def test_another_channel_carries_what_one_cannot() -> None:
    """A message that lacks a value on one channel goes over the next one that can carry it."""
    verdict = door.judge(policy(), request("push", "email"), Known(lacking={"push"}))
    assert (verdict.verdict, verdict.channel) == (ALLOWED, "email")
    assert [(r.channel, r.verdict) for r in verdict.refusals] == [("push", HELD)]


def test_the_order_of_the_gates_is_that_of_the_contract() -> None:
    """The literal list; capacity, budget and arbitration come later between quiet hours and channel."""
    names = [name for name, _ in door.GATES]
    assert names == ["consent", "suppression", "eligibility", "caps", "quiet_hours", "channel"]


def test_no_gate_can_see_an_arm() -> None:
    """Neither the facts, nor the request, nor the text of the door names an arm, a control group or a hold-out."""
    source = inspect.getsource(door)
    names = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}
    assert not {name for name in names if "arm" in name.lower().split("_")} & names
    assert not any(word in name.lower() for name in names for word in ("control", "holdout", "ghost"))
    assert not {"arm", "arms", "scope"} & set(Request.__struct_fields__)


@given(
    ages=st.lists(st.integers(0, 10 * 24), max_size=12),
    at_most=st.integers(0, 5),
    per=st.integers(1, 8 * 24),
)
def test_a_cap_holds_exactly_as_long_as_the_window_is_full(ages: list[int], at_most: int, per: int) -> None:
    """Against a count hour by hour.

    Held iff the window (now - per, now] is full, until the first hour that has room.
    """
    limits = policy(caps=[{"at_most": at_most, "per": f"{per}h"}])
    known = Known(contacts=[contact(NOW - age * time.HOUR) for age in ages])

    def used(at: int) -> int:
        return sum(at - per * time.HOUR < c.clock <= at for c in known.contacts)

    verdict = door.judge(limits, request(), known)
    if used(NOW) < at_most:
        assert verdict.verdict == ALLOWED
        return
    assert (verdict.verdict, verdict.reason) == (HELD, Reason.CAP)
    assert verdict.until is not None
    if at_most == 0:
        assert verdict.until == time.LATEST
        return
    free = next(hour for hour in range(1, per + 1) if used(NOW + hour * time.HOUR) < at_most)
    assert verdict.until == NOW + free * time.HOUR
    assert used(verdict.until - 1) >= at_most


def test_a_slot_is_free_exactly_when_the_window_has_passed() -> None:
    """A contact at t counts at t + 7d - 1 µs and no longer at t + 7d."""
    limits = policy(caps=[{"at_most": 1, "per": "7d"}])
    used = [contact(NOW)]
    early = door.judge(limits, request(), Known(now=NOW + 7 * time.DAY - 1, contacts=used))
    assert (early.verdict, early.until) == (HELD, NOW + 7 * time.DAY)
    assert door.judge(limits, request(), Known(now=NOW + 7 * time.DAY, contacts=used)).verdict == ALLOWED


def test_caps_count_only_what_they_speak_of() -> None:
    """A cap on marketing e-mail neither counts transactional mail or SMS nor holds them."""
    limits = policy(caps=[{"channels": "email", "at_most": 1, "per": "7d"}])
    others = [contact(NOW - 1, "sms"), contact(NOW - 1, "email", "transactional")]
    assert door.judge(limits, request(), Known(contacts=others)).verdict == ALLOWED
    full = [*others, contact(NOW - 1)]
    assert door.judge(limits, request(), Known(contacts=full)).verdict == HELD
    assert door.judge(limits, request("email", klass="transactional"), Known(contacts=full)).verdict == ALLOWED
    assert door.judge(limits, request("sms"), Known(contacts=full)).verdict == ALLOWED
    everything = policy(caps=[{"channels": "email", "at_most": 1, "per": "7d", "class": "all"}])
    assert door.judge(everything, request("email", klass="transactional"), Known(contacts=full)).verdict == HELD


def test_of_two_full_caps_the_one_that_frees_last_counts() -> None:
    """One a day and two a week, both full: held until the week has room."""
    limits = policy(caps=[{"at_most": 1, "per": "1d"}, {"at_most": 2, "per": "7d"}])
    used = [contact(NOW - 2 * time.DAY), contact(NOW - time.HOUR)]
    verdict = door.judge(limits, request(), Known(contacts=used))
    assert (verdict.until, verdict.detail) == (NOW + 5 * time.DAY, "2 per 7d")


def _is_quiet(at: int, zone: str, start: int, end: int, days: tuple[str, ...]) -> bool:
    """The wall clock, read minute by minute."""
    wall = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).astimezone(ZoneInfo(zone))
    minute, today = wall.hour * 60 + wall.minute, wall.strftime("%a").upper()
    before = (wall.replace(tzinfo=None) - timedelta(days=1)).strftime("%a").upper()
    if start < end:
        return start <= minute < end and (not days or today in days)
    evening = minute >= start and (not days or today in days)
    return evening or (minute < end and (not days or before in days))


@given(
    zone=st.sampled_from(ZONES),
    day=st.sampled_from(
        ["2026-03-08", "2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25", "2026-11-01", "2026-06-10"]
    ),
    minute=st.integers(-24 * 60, 48 * 60),
    start=st.integers(4 * 60, 23 * 60 + 59),
    end=st.one_of(st.integers(4 * 60, 24 * 60), st.integers(0, 30)),
    days=st.sampled_from([(), ("SUN",), ("SAT", "MON"), ("MON", "TUE", "WED", "THU", "FRI")]),
)
def test_quiet_hours_are_those_of_the_wall_clock(
    zone: str, day: str, minute: int, start: int, end: int, days: tuple[str, ...]
) -> None:
    """Against a scan minute by minute, also over midnight and in nights in which the clocks change."""
    if start == end:
        return
    now = time.parse_moment(f"{day}T00:00:00Z") + minute * time.MINUTE
    text = {"from": f"{start // 60:02}:{start % 60:02}", "to": f"{end // 60:02}:{end % 60:02}", "days": list(days)}
    verdict = door.judge(policy(quiet=[text]), request(), Known(now=now, zone=zone))
    assert (verdict.verdict == HELD) == _is_quiet(now, zone, start, end, days)
    if verdict.verdict == HELD:
        ahead = next(m for m in range(1, 27 * 60) if not _is_quiet(now + m * time.MINUTE, zone, start, end, days))

        assert verdict.until == now + ahead * time.MINUTE


@pytest.mark.parametrize(
    ("now", "until"),
    [
        (
            "2026-03-29T00:59:00Z",
            "2026-03-29T01:30:00Z",
        ),  # 01:59 CET; 02:30 does not exist: read with the offset before
        ("2026-10-25T00:10:00Z", "2026-10-25T00:30:00Z"),  # 02:10 summer time; 02:30 comes twice: the first
        ("2026-10-25T01:10:00Z", None),  # 02:10 winter time, after the first 02:30
    ],
)
def test_ends_of_quiet_hours_that_do_not_exist_or_exist_twice(now: str, until: str | None) -> None:
    """Quiet from 22:00 to 02:30 in Berlin, in the nights in which 02:30 is missing or comes twice."""
    limits = policy(quiet=[{"from": "22:00", "to": "02:30"}])
    verdict = door.judge(limits, request(), Known(now=time.parse_moment(now), zone="Europe/Berlin"))
    assert verdict.until == (None if until is None else time.parse_moment(until))


def test_a_whole_day_is_quiet_from_midnight_to_midnight() -> None:
    """00:00 to 24:00 on Sundays: from the first to the last minute of a day of 23 hours."""
    limits = policy(quiet=[{"from": "00:00", "to": "24:00", "days": ["SUN"]}])
    begin = time.parse_moment("2026-03-29T00:00:00+01:00")
    for at, held in (
        (begin - 1, False),
        (begin, True),
        (begin + 23 * time.HOUR - 1, True),
        (begin + 23 * time.HOUR, False),
    ):
        assert (door.judge(limits, request(), Known(now=at, zone="Europe/Berlin")).verdict == HELD) is held


def test_a_hold_lasts_until_time_can_change_it_or_patience_ends() -> None:
    """With a next flip until then, else until patience ends; a denial is final and comes first."""
    known = Known(true={"wait"}, flips={"wait": NOW + time.HOUR})
    rules = policy(hold=[{"when": "wait", "reason": "later"}], deny=[{"when": "denied", "reason": "no"}])
    assert door.judge(rules, request(), known).until == NOW + time.HOUR
    assert door.judge(rules, request(), Known(true={"wait"})).until == NOW + time.DAY
    verdict = door.judge(rules, request(), Known(true={"wait", "denied"}))
    assert (verdict.verdict, verdict.reason, verdict.detail, verdict.until) == (DENIED, "policy_deny", "no", None)


def test_rules_are_marketing_unless_they_say_so() -> None:
    """A denial without class leaves a transactional message alone; with `class: all` it does not."""
    known = Known(true={"denied"})
    only = policy(deny=[{"when": "denied", "reason": "no"}])
    assert door.judge(only, request("email", klass="transactional"), known).verdict == ALLOWED
    every = policy(deny=[{"when": "denied", "reason": "no", "class": "all"}])
    assert door.judge(every, request("email", klass="transactional"), known).verdict == DENIED
    campaign = policy(deny=[{"when": "denied", "reason": "no", "campaigns": "spring"}])
    assert door.judge(campaign, request(), known).verdict == ALLOWED
    assert door.judge(campaign, request(campaign="spring"), known).verdict == DENIED


@given(st.lists(st.sampled_from(["free", "held1", "held2", "no_consent", "no_address"]), min_size=1, max_size=3))
def test_of_several_channels(states: list[str]) -> None:
    """The first that is allowed; else the one that is free first; else the first denial. All refusals are kept."""
    names = ("email", "sms", "push")[: len(states)]
    known = Known()
    quiet = []
    for name, state in zip(names, states, strict=True):
        if state.startswith("held"):
            quiet.append({"channels": name, "from": "00:00", "to": "13:00" if state == "held1" else "14:00"})
        elif state == "no_consent":
            known.no_consent.add(name)
        elif state == "no_address":
            known.addresses.pop(name)
    verdict = door.judge(policy(quiet=quiet), request(*names), known)
    if "free" in states:
        assert (verdict.verdict, verdict.channel) == (ALLOWED, names[states.index("free")])
        assert [r.channel for r in verdict.refusals] == list(names[: states.index("free")])
    elif any(state.startswith("held") for state in states):
        best = min(state for state in states if state.startswith("held"))
        assert (verdict.verdict, verdict.channel) == (HELD, names[states.index(best)])
        assert verdict.until == NOW + (1 if best == "held1" else 2) * time.HOUR
        assert len(verdict.refusals) == len(names)
    else:
        assert (verdict.verdict, verdict.reason, verdict.channel) == (DENIED, states[0], names[0])


def test_without_a_channel_there_is_nothing_to_send_on() -> None:
    """A message without content for any channel of the step is denied, with a reason."""
    empty = request()
    empty.channels = ()
    assert door.judge(policy(), empty, Known()).reason == Reason.CHANNEL_UNAVAILABLE
