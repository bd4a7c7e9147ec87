"""`kind: journey` as written: fields, defaults and the checks that need no catalog (language.md 3.1 to 3.4 and 8).

Expressions stay text here; `compile.compile_journey` turns them into conditions.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from einklang.event import RESERVED, canonical_name
from einklang.fact.strict import convert
from einklang.kernel import time
from einklang.kernel.errors import InputError
from einklang.kernel.limits import NAME_CHARS_MAX

END = "end"
T = TypeVar("T")
_STEP_ID = re.compile(r"[a-z][a-z0-9_]*")
KINDS = ("wait", "until", "branch", "split", "contact", "set", "assign", "track")
#: Words of the language of expressions: `vars.if` and `step.in` could not be written.
_WORDS = {"as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop"}
_WORDS |= {"namespace", "null", "package", "return", "true", "var", "void", "while"}
#: What the engine does in a journey: entered by it again and again, a journey would feed itself.
OWN_DOING = frozenset({"Journey Entered", "Journey Left", "Contact Decided", "Message Sent", "Message Failed"})
LATER = ("limit", "repeat", "offer", "voucher", "task", "webhook", "start")


#: What is believed because nobody but a person, a channel or the engine says it: no journey may write it.
_PROOFS = ("Message ", "Consent ")


class RawLimit(msgspec.Struct, forbid_unknown_fields=True):
    """At most so many runs begin in any window of this length."""

    runs: int
    per: str


class RawEntry(msgspec.Struct, forbid_unknown_fields=True):
    """Section 3.2. Entry by segment, by schedule and by hand are not supported yet."""

    event: str | list[str] | None = None
    where: str | None = None
    key: str | None = None
    reenter: str = "never"
    at_once: int | None = None
    max_age: str = "1d"
    segment: str | None = None
    schedule: str | None = None
    manual: bool = False
    existing: bool = False
    limit: RawLimit | None = None


class RawGoal(msgspec.Struct, forbid_unknown_fields=True):
    """Events that count as success, in (entry, entry + within]."""

    event: str | list[str]
    within: str
    where: str | None = None
    value: str | None = None


class RawWait(msgspec.Struct, forbid_unknown_fields=True, rename={"span": "for"}):
    """A wait for a time or until a moment."""

    span: str | None = None
    until: str | None = None
    at: str | list[str] = []
    days: str | list[str] = []
    zone: str | None = None


class RawArm(msgspec.Struct, forbid_unknown_fields=True):
    """One arm of a branch."""

    when: str
    then: str


class RawShare(msgspec.Struct, forbid_unknown_fields=True):
    """One arm of a split."""

    arm: str
    share: Decimal
    then: str


class RawStep(msgspec.Struct, forbid_unknown_fields=True, rename={"otherwise": "else"}):
    """Section 3.4: exactly one of the kinds."""

    id: str
    note: str | None = None
    when: str | None = None
    then: str | None = None
    otherwise: str | None = None
    at_most: str | None = None
    wait: str | RawWait | None = None
    until: str | None = None
    branch: list[RawArm] | None = None
    split: list[RawShare] | None = None
    learn: str | None = None
    contact: str | None = None
    channels: str | list[str] = "best"
    data: dict[str, Any] = {}
    set: dict[str, Any] | None = None
    assign: dict[str, Any] | None = None
    track: str | None = None

    @property
    def kind(self) -> str:
        """Which of KINDS this step is."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)


class RawJourney(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Section 3.1."""

    kind: str
    id: str
    title: str | dict[str, str] | None = None
    note: str | None = None
    campaign: str | None = None
    state: str = "live"
    starts: str | None = None
    ends: str | None = None
    priority: int = 50
    zone: str = "person"
    entry: RawEntry
    exit: dict[str, str] | list[str] = {}
    goal: RawGoal | None = None
    control: Decimal = Decimal(0)
    overdue: str = "shift"
    move: dict[str, str] | None = None
    steps: list[RawStep]


def _fail(code: str, what: str, where: str, mend: str) -> InputError:
    return InputError(code, what, where=where, mend=mend)


def exits(raw: RawJourney) -> dict[str, str]:
    """Exit conditions by name; a list is short for `exit_1`, ..."""
    if isinstance(raw.exit, dict):
        return raw.exit
    return {f"exit_{n}": text for n, text in enumerate(raw.exit, 1)}


def _refuse_later(doc: dict[str, Any], where: str) -> None:
    steps = doc.get("steps")
    for n, step in enumerate(steps if isinstance(steps, list) else []):
        if isinstance(step, dict):
            for kind in LATER:
                if kind in step:
                    raise _fail(
                        "not_supported_yet",
                        f"step `{kind}` is not supported yet",
                        f"{where}.steps[{n}].{kind}",
                        "use " + ", ".join(KINDS),
                    )


def parse(doc: dict[str, Any], where: str) -> RawJourney:
    """The mapping of a YAML document -> a checked journey. Raises InputError with the field at fault and the mend."""
    _refuse_later(doc, where)
    raw = convert(doc, RawJourney, where)
    _check_head(raw, where)
    _check_entry(raw.entry, f"{where}.entry")
    _check_circle(raw, where)
    if not raw.steps:
        raise _fail("no_steps", "a journey needs a step", f"{where}.steps", "write at least one contact")
    ids = [step.id for step in raw.steps]
    for n, step in enumerate(raw.steps):
        place = f"{where}.steps[{n}]"
        _check_id(step.id, "a step", f"{place}.id")
        if step.id in ids[:n]:
            raise _fail("repeated_id", f"two steps are called {step.id!r}", f"{place}.id", "give each its own id")
        _check_step(step, place)
        _check_targets(step, ids, n, place)
    _check_reach(raw, where)
    return raw


def _check_id(name: str, what: str, where: str) -> None:
    if not _STEP_ID.fullmatch(name) or len(name) > NAME_CHARS_MAX:
        raise _fail("bad_id", f"not an id of {what}: {name[:40]!r}", where, "use a-z, 0-9 and _, first a letter")
    if name == END or name in _WORDS:
        raise _fail("reserved_word", f"{name!r} is a word of the language", where, "take another name")


def _check_share(share: Decimal, what: str, where: str, *, whole: bool) -> None:
    if not share.is_finite() or not 0 <= share <= 1 or (share == 1 and not whole):
        raise _fail("bad_share", f"{what} {share} is no share", where, "write 0 to 1, such as 0.10")


def _check_head(raw: RawJourney, where: str) -> None:
    if raw.state not in ("draft", "live", "paused", "stopped"):
        raise _fail("bad_state", f"unknown state {raw.state!r}", f"{where}.state", "use draft, live, paused or stopped")
    if raw.overdue not in ("shift", "skip", "send"):
        raise _fail("bad_overdue", f"unknown rule {raw.overdue!r}", f"{where}.overdue", "use shift, skip or send")
    if not 0 <= raw.priority <= 100:
        raise _fail("bad_number", f"priority {raw.priority} is not 0 to 100", f"{where}.priority", "write 0 to 100")
    _check_share(raw.control, "control", f"{where}.control", whole=True)
    if raw.move is not None:
        raise _fail(
            "not_supported_yet",
            "`move` is not supported yet",
            f"{where}.move",
            "leave it out: runs stay on their version",
        )
    if raw.starts is not None:
        starts = raw.starts
        located(lambda: time.parse_moment(starts), f"{where}.starts")
    if raw.ends is not None:
        ends = raw.ends
        located(lambda: time.parse_moment(ends), f"{where}.ends")
    if raw.zone not in ("person", "policy"):
        located(lambda: time.zone(raw.zone), f"{where}.zone")
    if raw.goal is not None:
        exact(raw.goal.within, f"{where}.goal.within")
        if not names(raw.goal.event):
            raise _fail("no_event", "a goal needs an event", f"{where}.goal.event", "name at least one event")


def located(call: Callable[[], T], where: str) -> T:
    """What `call` gives; its InputError says `where`."""
    try:
        return call()
    except InputError as error:
        raise InputError(error.code, error.what, where=where, mend=error.mend) from error


def exact(text: str, where: str) -> int:
    """A duration of a definition in microseconds, d = 24 h. Raises InputError located at `where`."""
    return located(lambda: time.parse_duration(text).exact(), where)


def names(value: str | list[str]) -> tuple[str, ...]:
    """One name or a list of names as a tuple."""
    return (value,) if isinstance(value, str) else tuple(value)


def _check_entry(entry: RawEntry, where: str) -> None:
    for field in ("segment", "schedule"):
        if getattr(entry, field) is not None:
            raise _fail(
                "not_supported_yet", f"entry by {field} is not supported yet", f"{where}.{field}", "enter by `event`"
            )
    for field in ("manual", "existing"):
        if getattr(entry, field):
            raise _fail("not_supported_yet", f"`{field}` is not supported yet", f"{where}.{field}", "leave it out")
    if entry.event is None or not names(entry.event):
        raise _fail("no_entry", "a journey needs an entry", where, "write entry: {event: Order Completed}")
    own = sorted(OWN_DOING.intersection(names(entry.event)))
    if own and entry.reenter == "always":
        mend = "write reenter: never, or a duration"
        raise _fail("own_circle", f"{own[0]!r} is what a journey itself does, for ever", f"{where}.reenter", mend)
    if entry.reenter not in ("never", "always"):
        exact(entry.reenter, f"{where}.reenter")
    exact(entry.max_age, f"{where}.max_age")
    if entry.limit is not None:
        if entry.limit.runs < 1:
            raise _fail("bad_number", "limit.runs is less than 1", f"{where}.limit.runs", "write 1 or more")
        exact(entry.limit.per, f"{where}.limit.per")
    if entry.at_once is not None and entry.at_once < 1:
        raise _fail("bad_number", "at_once is less than 1", f"{where}.at_once", "write 1 or more")


def _check_circle(raw: RawJourney, where: str) -> None:
    told = [step.track for step in raw.steps if step.track in names(raw.entry.event or [])]
    if told and raw.entry.reenter == "always":
        what = f"{told[0]!r} starts the journey that writes it, for ever"
        raise _fail("own_circle", what, f"{where}.entry.reenter", "write reenter: never, or a duration")


def _check_step(step: RawStep, where: str) -> None:
    kinds = [kind for kind in KINDS if getattr(step, kind) is not None]
    if len(kinds) != 1:
        found = " and ".join(kinds) or "none"
        raise _fail(
            "one_kind",
            f"a step does one thing, this one has {found}",
            where,
            "write exactly one of " + ", ".join(KINDS),
        )
    kind = kinds[0]
    for field, owners in (("channels", ("contact",)), ("data", ("contact", "track")), ("learn", ("split",))):
        if kind not in owners and getattr(step, field) not in ("best", {}, None):
            raise _fail("misplaced_field", f"`{field}` belongs to `{owners[0]}`", f"{where}.{field}", "remove it")
    if step.track is not None:
        _check_track(step.track, f"{where}.track")
    if step.at_most is not None:
        exact(step.at_most, f"{where}.at_most")
        if kind not in ("until", "contact"):
            raise _fail("misplaced_field", f"`at_most` does not belong to `{kind}`", f"{where}.at_most", "remove it")
    elif kind == "until":
        raise _fail("no_patience", "`until` needs `at_most`", where, "say how long to wait: at_most: 2d")
    question = (
        kind in ("until", "branch")
        or step.when is not None
        or (isinstance(step.wait, RawWait) and step.wait.until is not None)
    )
    if kind in ("branch", "split") and step.then is not None:
        raise _fail("misplaced_field", f"the arms of a {kind} name their targets", f"{where}.then", "remove `then`")
    if kind == "branch":
        if step.otherwise is None or not step.branch:
            raise _fail("no_else", "a branch needs arms and `else`", where, "write else: end")
    elif question and step.then is not None and step.otherwise is None:
        raise _fail("no_else", "a question that names `then` names `else` too", where, "write else: end")
    elif not question and step.otherwise is not None and kind != "contact":
        raise _fail(
            "misplaced_field", f"`{kind}` cannot fail, so it has no `else`", f"{where}.else", "remove it or add `when`"
        )
    for name in step.assign or {}:
        _check_id(name, "a variable", f"{where}.assign.{name[:40]}")
    if isinstance(step.wait, RawWait) and step.wait.until is not None and step.otherwise is None:
        raise _fail("no_else", "`wait: {until}` needs `else`", where, "say what happens when the moment is in the past")
    if step.split is not None:
        _check_split(step, where)


def _check_track(name: str, where: str) -> None:
    if not name.strip() or len(name) > NAME_CHARS_MAX:
        raise _fail("bad_name", "a name has 1 to 200 characters", where, "name the event")
    if name in RESERVED or canonical_name(name).startswith(_PROOFS):
        mend = "take another name"
        raise _fail("reserved_name", f"{name[:40]!r} is no event of a journey: it would be believed", where, mend)


def _check_split(step: RawStep, where: str) -> None:
    if step.learn is not None:
        raise _fail("not_supported_yet", "`learn` is not supported yet", f"{where}.learn", "leave it out")
    for n, arm in enumerate(step.split or []):
        _check_share(arm.share, "share", f"{where}.split[{n}].share", whole=True)
    if len({arm.arm for arm in step.split or []}) < len(step.split or []):
        raise _fail("repeated_id", "two arms have the same name", f"{where}.split", "give each its own name")
    if sum((arm.share for arm in step.split or []), Decimal(0)) != 1:
        raise _fail("bad_share", "the shares do not sum to 1", f"{where}.split", "make them sum to 1")


def _targets(step: RawStep) -> list[tuple[str, str]]:
    found = [(field, target) for field, target in (("then", step.then), ("else", step.otherwise)) if target is not None]
    found += [(f"branch[{n}].then", arm.then) for n, arm in enumerate(step.branch or [])]
    return found + [(f"split[{n}].then", arm.then) for n, arm in enumerate(step.split or [])]


def _check_targets(step: RawStep, ids: list[str], n: int, where: str) -> None:
    for field, target in _targets(step):
        if target == END:
            continue
        if target not in ids:
            near = difflib.get_close_matches(target, [*ids[n + 1 :], END], 1)
            mend = f"did you mean {near[0]!r}?" if near else "name a later step or `end`"
            raise _fail("unknown_step", f"unknown step {target[:40]!r}", f"{where}.{field}", mend)
        if ids.index(target) <= n:
            raise _fail("backward", f"{target!r} does not come later", f"{where}.{field}", "point forward, or to `end`")


def successors(steps: list[RawStep], n: int) -> tuple[str, str]:
    """(`then`, `else`) of step n with the defaults of section 3.3 filled in."""
    step = steps[n]
    following = steps[n + 1].id if n + 1 < len(steps) else END
    then = step.then or following
    action = step.kind in ("contact", "set", "assign", "track", "split", "wait") and step.when is None
    otherwise = step.otherwise or (then if action else following)
    return then, otherwise


def _check_reach(raw: RawJourney, where: str) -> None:
    reached = {raw.steps[0].id}
    for n, step in enumerate(raw.steps):
        if step.id not in reached:
            raise _fail(
                "unreachable", f"no step leads to {step.id!r}", f"{where}.steps[{n}]", "point to it or remove it"
            )
        then, otherwise = successors(raw.steps, n)
        if step.kind in ("branch", "split"):
            reached |= {target for _, target in _targets(step)}
            if step.kind == "split" and step.when is not None:
                reached.add(otherwise)
        else:
            reached |= {then, otherwise}
