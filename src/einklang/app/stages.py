"""`kind: stage`: rules of a person's stage for one need, and what becomes of them: conditions and a ladder.

Of definitions that say no more than `when`, the last stage that holds counts: `stage("id")` stands for just that. Where
more is said, it depends on the stage before, and is kept with the person. Since when is kept of all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from einklang.app.working import Live
from einklang.audience.ladder import Ladder, Rung
from einklang.expr import Catalog, Checked, Scope, compile_one
from einklang.fact.person import Stand
from einklang.fact.strict import convert
from einklang.kernel.errors import InputError
from einklang.kernel.time import parse_duration

#: Since which version of the fold stages are kept.
SINCE = 5
#: What the engine says of a change, and staff of what they know.
CHANGED, NOTED = "Stage Changed", "Stage Noted"
STAGES_MAX, _PRIORITY_MAX = 50, 1_000
Docs = dict[tuple[str, str], tuple[dict[str, Any], str]]
Check = Callable[[str, Scope, str], Checked]


class RawRung(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One stage of several. when: condition of entry. exit: who is in it leaves when this holds. dwell: nobody falls
    back or out before. after: the stages that it may follow. priority: the greater counts first. noted: how long a note
    of staff counts as `when`. title: what people read; conditions say the name.
    """

    name: str
    when: str | None = None
    exit: str | None = None
    dwell: str | None = None
    after: list[str] | None = None
    priority: int = 0
    noted: str | None = None
    title: Any = None


class RawStage(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The stages of one need in their order: the last that holds counts."""

    kind: str
    id: str
    stages: list[RawRung]
    title: Any = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """A stage as written, its place and where that is. when: with what notes add to it; dwell: in microseconds."""

    raw: RawRung
    place: int
    where: str
    when: str
    dwell: int


def shapes(docs: Docs) -> dict[str, list[Shape]]:
    """id -> stages, the one that counts least first. Raises InputError."""
    return {
        name: sorted(_shapes(name, doc, where), key=lambda shape: (shape.raw.priority, shape.place))
        for (kind, name), (doc, where) in docs.items()
        if kind == "stage"
    }


def _shapes(stage: str, doc: dict[str, Any], where: str) -> Iterator[Shape]:
    rungs = convert(doc, RawStage, where).stages
    if not rungs:
        raise InputError("missing_field", "no stage", where=f"{where}.stages", mend="write at least one")
    if len(rungs) > STAGES_MAX:
        raise InputError("too_long", f"{len(rungs)} stages", where=f"{where}.stages", mend=f"stay at {STAGES_MAX}")
    names = [rung.name for rung in rungs]
    for n, rung in enumerate(rungs):
        at = f"{where}.stages[{n}]"
        if not rung.name:
            raise InputError("missing_field", "a stage without a name", where=f"{at}.name", mend="name it")
        if rung.name in names[:n]:
            what = f"two stages are called {rung.name!r}"
            raise InputError("repeated_id", what, where=f"{at}.name", mend="name each anew")
        if rung.when is None and rung.noted is None:
            mend = "write `when: CONDITION`, or `noted: 90d` for what staff note"
            raise InputError("missing_field", f"nobody comes into {rung.name!r}", where=f"{at}.when", mend=mend)
        for other in rung.after or ():
            if other not in names:
                mend = "name one of: " + ", ".join(names)
                raise InputError("unknown_stage", f"no stage {other[:40]!r}", where=f"{at}.after", mend=mend)
        if abs(rung.priority) > _PRIORITY_MAX:
            mend = f"stay between -{_PRIORITY_MAX} and {_PRIORITY_MAX}"
            raise InputError("bad_number", f"priority {rung.priority}", where=f"{at}.priority", mend=mend)
        yield Shape(rung, n, at, _when(stage, rung, at), _length(rung.dwell, f"{at}.dwell"))


def _when(stage: str, rung: RawRung, at: str) -> str:
    """The condition of entry, or the last word of staff within a time."""
    if rung.noted is None:
        return rung.when or "false"
    _length(rung.noted, f"{at}.noted")
    said = noted_text(stage, rung.name, rung.noted)
    return said if rung.when is None else f"{said} || ({rung.when}\n)"


def noted_text(stage: str, name: str, length: str) -> str:
    """The condition that the last note of staff within a time says this stage."""
    return f'events("{NOTED}").where(stage == {_quoted(stage)}).within("{length}").last(name) == {_quoted(name)}'


def titles(doc: dict[str, Any]) -> dict[str, Any]:
    """What people call the stages of a definition, by name."""
    return {rung["name"]: rung.get("title") or rung["name"] for rung in doc["stages"]}


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _length(text: str | None, where: str) -> int:
    """A duration in microseconds; 0 without one. Raises InputError at its place."""
    if text is None:
        return 0
    try:
        length = parse_duration(text).exact()
    except InputError as error:
        raise InputError(error.code, error.what, where=where, mend=error.mend) from error
    if length <= 0:
        raise InputError("bad_duration", f"{text!r} is no length of time", where=where, mend="write 7d")
    return length


def texts(found: dict[str, list[Shape]]) -> dict[str, tuple[tuple[str, str], ...]]:
    """id -> (name, condition) of its stages, the last that holds counts."""
    return {name: tuple((shape.raw.name, shape.when) for shape in rungs) for name, rungs in found.items()}


def kept(found: dict[str, list[Shape]]) -> frozenset[str]:
    """Those of which more is said than conditions."""
    return frozenset(
        name
        for name, rungs in found.items()
        if any(rung.raw.exit is not None or rung.dwell or rung.raw.after is not None for rung in rungs)
    )


def ladders(
    found: dict[str, list[Shape]], catalog: Catalog, expression: Check, checked: dict[str, Checked]
) -> dict[str, Ladder]:
    """Checks every condition at its place, and compiles them; they go into `checked`. Raises InputError."""
    scope = Scope("stage", catalog)

    def condition(text: str, where: str) -> Checked:
        read = expression(text, scope, where)
        if read.type.kind not in ("bool", "dyn", "null"):
            raise InputError("wrong_type", f"expected a bool, found a {read.type}", where=where, mend="write a bool")
        return read

    built = {}
    for stage, rungs in sorted(found.items()):
        made = []
        for rung in rungs:
            if rung.raw.when is not None:
                condition(rung.raw.when, f"{rung.where}.when")
            key = f"stage {stage}.stages[{rung.place}]"
            when = checked[f"{key}.when"] = condition(rung.when, f"{rung.where}.when")
            leave = None
            if rung.raw.exit is not None:
                leave = checked[f"{key}.exit"] = condition(rung.raw.exit, f"{rung.where}.exit")
            after = None if rung.raw.after is None else frozenset(rung.raw.after)
            exit_ = None if leave is None else compile_one(leave)
            made.append(Rung(rung.raw.name, rung.place, compile_one(when), exit_, rung.dwell, after))
        built[stage] = Ladder(stage, made[::-1])
    return built


def recorded(live: Live, ladders: Iterable[str], at: int) -> dict[str, Stand]:
    """Stages of a person at a moment, as was told by then of the id that lives; who is in none is so since the first
    entry of the history, as far as the record goes.
    """
    told = sorted((event for event in live.history if event.clock <= at), key=lambda event: event.seq)
    first = min(told[0].clock if told else at, at)
    found = {name: Stand(None, first, None) for name in ladders}
    for event in told:
        if event.name == CHANGED and event.origin == 2 and event.folded == live.person.id:
            found[str(event.properties["stage"])] = Stand(event.properties["to"], event.clock, None)
    return found
