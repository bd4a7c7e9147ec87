"""A journey as written -> a journey that runs: expressions compiled, durations in microseconds, targets filled in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from einklang.expr import Condition
from einklang.flow.definition import RawJourney, RawStep, RawWait, exact, exits, located, names, successors
from einklang.flow.values import Compile, compile_value
from einklang.kernel import time
from einklang.kernel.errors import InputError

WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait: from arrival + `span`, or from the moment `until`, forward to the first `at` (minutes of the day) on
    `days`.
    """

    span: time.Duration | None
    until: Condition | None
    at: tuple[int, ...]
    days: frozenset[int]
    zone: str


@dataclass(frozen=True, slots=True)
class Step:
    """One compiled step. `spec` depends on the kind; `then` / `otherwise` are ids of later steps or `end`."""

    id: str
    kind: str
    when: Condition | None
    then: str
    otherwise: str
    at_most_us: int | None
    wait: Wait | None = None
    until: Condition | None = None
    arms: tuple[tuple[Condition, str], ...] = ()
    shares: tuple[tuple[str, float, str], ...] = ()
    message: str = ""
    track: str = ""
    channels: tuple[str, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Goal:
    """Events in (entry, entry + within_us] for which `where` holds; `value` is a number an event, or the event counts
    as 1.
    """

    events: frozenset[str]
    within_us: int
    where: Condition | None
    value: Condition | None


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `runs` begin in any (now - per_us, now]."""

    runs: int
    per_us: int


@dataclass(frozen=True, slots=True)
class Journey:
    """A version of a journey, ready to run."""

    id: str
    version: int
    campaign: str
    state: str
    priority: int
    zone: str
    overdue: str
    starts: int | None
    ends: int | None
    events: frozenset[str]
    where: Condition | None
    key: Condition | None
    reenter: str
    at_once: int | None
    limit: Limit | None
    max_age_us: int
    exits: tuple[tuple[str, Condition], ...]
    goal: Goal | None
    control: float
    steps: dict[str, Step]
    first: str

    @property
    def scope(self) -> str:
        """The scope of the control group: the campaign, where there is one."""
        return f"campaign:{self.campaign}" if self.campaign else f"journey:{self.id}"


def _minutes(text: str, where: str) -> int:
    hour, colon, minute = text.partition(":")
    if colon and len(hour) == len(minute) == 2 and (hour + minute).isdigit() and int(minute) < 60:
        total = int(hour) * 60 + int(minute)
        if total <= 24 * 60:
            return total
    raise InputError("bad_time_of_day", f"not a time of day: {text[:20]!r}", where=where, mend='write it as "09:00"')


def _days(value: str | list[str], where: str) -> frozenset[int]:
    found = set()
    for day in names(value):
        if day == "workdays":
            raise InputError(
                "not_supported_yet",
                "workdays are not supported yet",
                where=where,
                mend="name the days: [MON, TUE, WED, THU, FRI]",
            )
        if day not in WEEKDAYS:
            raise InputError(
                "bad_weekday", f"not a weekday: {day[:20]!r}", where=where, mend="use " + " ".join(WEEKDAYS)
            )
        found.add(WEEKDAYS.index(day))
    return frozenset(found)


def _wait(raw: str | RawWait, where: str, compile_text: Compile, policy_zone: str) -> Wait:
    short = isinstance(raw, str)
    if isinstance(raw, str):
        raw = RawWait(span=raw)
    if raw.span is not None and raw.until is not None:
        raise InputError(
            "one_kind", "a wait is `for` a time or `until` a moment", where=where, mend="remove one of them"
        )
    if raw.span is None and raw.until is None and not raw.at and not raw.days:
        raise InputError("empty_wait", "this wait waits for nothing", where=where, mend="write for, until, at or days")
    span = None
    if raw.span is not None:
        text = raw.span
        span = located(lambda: time.parse_duration(text), where if short else f"{where}.for")
    if raw.zone is not None and raw.zone not in ("person", "policy"):
        name = raw.zone
        located(lambda: time.zone(name), f"{where}.zone")
    until = compile_text(raw.until, "wait", f"{where}.until") if raw.until is not None else None
    at = tuple(sorted(_minutes(text, f"{where}.at") for text in names(raw.at)))
    zone = policy_zone if raw.zone == "policy" else raw.zone or ""
    return Wait(span, until, at, _days(raw.days, f"{where}.days"), zone)


def _step(raw: RawJourney, n: int, where: str, compile_text: Compile, policy_zone: str) -> Step:
    step: RawStep = raw.steps[n]
    then, otherwise = successors(raw.steps, n)
    site = step.kind if step.kind in ("set", "assign") else "data"
    values = {"set": step.set, "assign": step.assign, "data": step.data}[site] or {}  # `data` of a contact and a track
    return Step(
        id=step.id,
        kind=step.kind,
        when=compile_text(step.when, "when", f"{where}.when") if step.when is not None else None,
        then=then,
        otherwise=otherwise,
        at_most_us=exact(step.at_most, f"{where}.at_most") if step.at_most is not None else None,
        wait=_wait(step.wait, f"{where}.wait", compile_text, policy_zone) if step.wait is not None else None,
        until=compile_text(step.until, "until", f"{where}.until") if step.until is not None else None,
        arms=tuple(
            (compile_text(arm.when, "branch", f"{where}.branch[{k}].when"), arm.then)
            for k, arm in enumerate(step.branch or [])
        ),
        shares=tuple((arm.arm, float(arm.share), arm.then) for arm in step.split or []),
        message=step.contact or "",
        track=step.track or "",
        channels=names(step.channels) if step.contact else (),
        values=compile_value(values, site, f"{where}.{site}", compile_text),
    )


def compile_journey(
    raw: RawJourney,
    version: int,
    where: str,
    compile_text: Compile,
    *,
    campaign_control: float | None,
    policy_zone: str = "UTC",
) -> Journey:
    """The runnable version.

    campaign_control: the share of its campaign, None without one (it stands at one place only); policy_zone: what a
    wait with `zone: policy` means. Raises InputError located at the field whose expression is at fault.
    """
    entry = raw.entry
    if campaign_control is not None and raw.control:
        raise InputError(
            "two_controls", "control stands on the campaign and here", where=f"{where}.control", mend="keep one"
        )
    goal = None
    if raw.goal is not None:
        goal = Goal(
            frozenset(names(raw.goal.event)),
            exact(raw.goal.within, f"{where}.goal.within"),
            compile_text(raw.goal.where, "goal.where", f"{where}.goal.where") if raw.goal.where is not None else None,
            compile_text(raw.goal.value, "goal.value", f"{where}.goal.value") if raw.goal.value is not None else None,
        )
    assert entry.event is not None, "definition.parse refuses a journey without an event"
    steps = [_step(raw, n, f"{where}.steps[{n}]", compile_text, policy_zone) for n in range(len(raw.steps))]
    return Journey(
        id=raw.id,
        version=version,
        campaign=raw.campaign or "",
        state=raw.state,
        priority=raw.priority,
        zone=raw.zone,
        overdue=raw.overdue,
        starts=time.parse_moment(raw.starts) if raw.starts else None,
        ends=time.parse_moment(raw.ends) if raw.ends else None,
        events=frozenset(names(entry.event)),
        where=compile_text(entry.where, "entry.where.event", f"{where}.entry.where")
        if entry.where is not None
        else None,
        key=compile_text(entry.key, "entry.key.event", f"{where}.entry.key") if entry.key is not None else None,
        reenter=entry.reenter,
        at_once=entry.at_once if entry.at_once is not None else (None if entry.key else 1),
        limit=Limit(entry.limit.runs, exact(entry.limit.per, f"{where}.entry.limit.per"))
        if entry.limit is not None
        else None,
        max_age_us=exact(entry.max_age, f"{where}.entry.max_age"),
        exits=tuple((name, compile_text(text, "exit", f"{where}.exit.{name}")) for name, text in exits(raw).items()),
        goal=goal,
        control=campaign_control if campaign_control is not None else float(raw.control),
        steps={step.id: step for step in steps},
        first=steps[0].id,
    )
