"""How long events are kept, as `kind: event` says, and that no definition asks for what is not there any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from einklang.app.kinds import RawEvent
from einklang.event import ALIASES, canonical_name
from einklang.expr import Checked, reaches
from einklang.fact.strict import convert
from einklang.kernel import time
from einklang.kernel.errors import InputError

if TYPE_CHECKING:
    from einklang.app.definitions import Definitions

_KEEP_MIN = time.DAY
#: What a split of persons, a consent or a suppression is made of, again and again: the evidence stays.
FOR_EVER = frozenset(
    {
        "Person Merged", "Person Split", "Consent Requested", "Consent Given", "Consent Withdrawn",
        "Message Unsubscribed", "Message Complained", "Message Bounced",
    }
)  # fmt: skip
#: What reports count in the log itself.
_CLICKED = "Message Clicked"
Key = tuple[str, str]
Docs = Mapping[Key, tuple[dict[str, Any], str]]


def keeps_of(docs: Docs) -> dict[str, int]:
    """Name of an event, and the other names of the same -> microseconds for which it is kept. Raises InputError."""
    found: dict[str, int] = {}
    for (kind, name), (doc, where) in sorted(docs.items()):
        if kind != "event" or doc.get("keep") is None:
            continue
        raw = convert(doc, RawEvent, where)
        names = [name, *([raw.alias] if isinstance(raw.alias, str) else raw.alias)]
        for one in names:
            if canonical_name(one) in FOR_EVER:
                what = f"{one!r} is evidence and is kept for ever"
                raise InputError("kept_for_ever", what, where=f"{where}.keep", mend="leave out `keep`")
        names += [other for other, (own, _) in ALIASES.items() if own in names]
        found.update(dict.fromkeys(names, _length(raw.keep or "", f"{where}.keep")))
    return found


def _length(text: str, where: str) -> int:
    try:
        length = time.parse_duration(text).exact()
    except InputError as error:
        raise InputError(error.code, error.what, where=where, mend=error.mend) from error
    if length < _KEEP_MIN:
        raise InputError("bad_duration", f"{text!r} is less than a day", where=where, mend="keep events 1d or longer")
    return length


def check_windows(definitions: Definitions) -> None:
    """Raises InputError `window_beyond_keep` for a condition that looks further back than events are kept: it would
    say something else without anybody noticing.

    What looks back to the beginning of a run, and business objects, are hints (`hints`).
    """
    keeps = definitions.keeps
    if not keeps:
        return
    _check(definitions, _asked(definitions))
    for journey in definitions.journeys.values():
        goal = journey.goal
        for name, keep in _kept(keeps, tuple(sorted(goal.events))) if goal is not None else ():
            if goal is not None and goal.within_us > keep:
                where = f"{definitions.docs['journey', journey.id][1]}.goal.within"
                raise _beyond(where, name, keep, (name,))


def check_stages(definitions: Definitions, touched: set[Key]) -> None:
    """The same of stages, where one of them or an event is changed: they were not looked at before they were kept."""
    every = any(kind == "event" for kind, _ in touched)
    found = (one for one in _of_stages(definitions) if every or one[0] in touched)
    _check(definitions, found if definitions.keeps else ())


def _check(definitions: Definitions, asked: Iterable[tuple[Key, str, Checked]]) -> None:
    for key, field, checked in asked:
        for reach in reaches(checked):
            for name, keep in _kept(definitions.keeps, reach.names):
                where = f"{definitions.docs[key][1]}.{field}"
                beyond = reach.window_us is None or reach.window_us > keep
                if beyond and not reach.run and not reach.objects:
                    raise _beyond(where, name, keep, reach.names)


def hints(definitions: Definitions, keys: set[Key]) -> Iterator[str]:
    """What of these definitions, or of all where an event is among them, goes with events that expire and yet is
    allowed.
    """
    every = any(kind == "event" for kind, _ in keys)
    if every and any(canonical_name(name) == _CLICKED for name in definitions.keeps):
        yield f"event {_CLICKED}.keep: reports count the clicks that are still there"
    for key, field, checked in _asked(definitions) if definitions.keeps else ():
        where = f"{key[0]} {key[1]}.{field}"
        for reach in reaches(checked) if every or key in keys else ():
            for name, keep in _kept(definitions.keeps, reach.names):
                if reach.objects:
                    yield f"{where}: a {reach.objects} goes with its {name!r}, which is kept {_days(keep)}"
                elif reach.run and (reach.window_us is None or reach.window_us > keep):
                    yield f"{where}: {name!r} is kept {_days(keep)}; a run that lasts longer does not see all of them"


def _kept(keeps: Mapping[str, int], names: tuple[str, ...]) -> list[tuple[str, int]]:
    """Those of these names, of all names if there is none, that are not kept for ever."""
    return sorted((name, keep) for name, keep in keeps.items() if not names or name in names)


def _asked(definitions: Definitions) -> Iterator[tuple[Key, str, Checked]]:
    """(definition, field, expression) of every condition in force."""
    for place, checked in definitions.checked.items():
        head, _, name = place.partition(":")
        if head == "segment":
            yield ("segment", name), "where", checked
        elif head != "entry" and not place.startswith("stage "):  # which stands there as `journey ID.entry.where` too
            journey, _, field = place.removeprefix("journey ").partition(".")
            yield ("journey", journey), field, checked
    for key in definitions.docs:
        if key[0] == "policy":
            yield from ((key, f"when {text[:40]!r}", rule.checked) for text, rule in definitions.rules.items())
    for name, condition in definitions.computed.items():
        yield ("trait", name), "value", condition.checked


def _of_stages(definitions: Definitions) -> Iterator[tuple[Key, str, Checked]]:
    for place, checked in definitions.checked.items():
        stage, _, field = place.removeprefix("stage ").partition(".")
        if place.startswith("stage "):
            yield ("stage", stage), field, checked


def _beyond(where: str, name: str, keep: int, names: tuple[str, ...]) -> InputError:
    asked = "" if names else ", one of all events,"
    return InputError(
        "window_beyond_keep",
        f"{name!r}{asked} is kept {_days(keep)}, and this looks further back",
        where=where,
        mend=f'write .within("{_days(keep)}") or less, or keep the event longer',
    )


def _days(length: int) -> str:
    days, rest = divmod(length, time.DAY)
    return f"{days}d" + (f"{rest // time.HOUR}h" if rest >= time.HOUR else "")
