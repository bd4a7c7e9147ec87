"""Hints of `apply`: what is allowed and yet may be a slip (language.md 8). Shown, never refused."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from einklang.app import keeps
from einklang.app.definitions import Definitions, Key
from einklang.app.in_use import properties_asked
from einklang.content.message import Message
from einklang.content.text import Text
from einklang.event import KNOWN_EVENTS
from einklang.expr import Checked, cost_of
from einklang.flow import definition as journeys

#: About half a second for one busy person.
COSTLY = 5_000_000


def hints(definitions: Definitions, keys: set[Key]) -> list[str]:
    """What is worth a look in the definitions with these (kind, id), one line each, sorted."""
    found: set[str] = set()
    for kind, name in keys:
        if kind == "segment":
            place = f"segment {name}.where"
            found.update(_expression(definitions, definitions.checked[f"segment:{name}"], place))
        elif kind == "journey":
            found.update(_journey(definitions, name))
        elif kind == "stage":
            for place, checked in definitions.checked.items():
                if place.startswith(f"stage {name}."):
                    found.update(_expression(definitions, checked, place))
        elif kind == "message":
            found.update(_message(definitions, definitions.messages[name]))
    found.update(keeps.hints(definitions, keys))
    return sorted(found)


def _known(definitions: Definitions) -> set[str]:
    return {*KNOWN_EVENTS, *definitions.catalog.events}


def _event(definitions: Definitions, name: str, place: str) -> Iterator[str]:
    known = _known(definitions)
    if name not in known:
        near = difflib.get_close_matches(name, known, 1, 0.8)
        mend = f"did you mean {near[0]!r}?" if near else f"declare it: {{kind: event, id: {name}}}"
        yield f"{place}: the event {name!r} is neither known nor declared; {mend}"


def _expression(definitions: Definitions, checked: Checked, place: str) -> Iterator[str]:
    for name in sorted(checked.needs.events):
        yield from _event(definitions, name, place)
    yield from _properties(definitions, checked, place)
    looks = cost_of(checked.tree).looks
    if looks > COSTLY:
        yield f"{place}: looks at about {looks:,} values for a busy person; a shorter time or a segment helps"
    for name in sorted(checked.needs.traits - set(definitions.catalog.traits)):
        near = difflib.get_close_matches(name, definitions.catalog.traits, 1, 0.8)
        if near:
            yield f"{place}: the trait {name!r} is not declared; did you mean {near[0]!r}?"


def _properties(definitions: Definitions, checked: Checked, place: str) -> Iterator[str]:
    """Properties that neither Segment's specification nor a declaration gives to the event they are asked of."""
    for _, events, name in properties_asked(checked):
        names = [event for event in events if event in _known(definitions)]
        shown = {known for event in names for known in _of_event(definitions, event)}
        if names and len(names) == len(events) and shown and name not in shown:
            said = " or ".join(f"`{event}`" for event in names)
            near = difflib.get_close_matches(name, shown, 1, 0.8)
            mend = f"did you mean {near[0]!r}?" if near else "it is typed on first use"
            if not near and "products" in shown and name in KNOWN_EVENTS["Product Viewed"]:
                mend = f"its products have: products.exists(p, p.{name} == ...)"
            yield f"{place}: {said} has no {name!r}; {mend}"


def _of_event(definitions: Definitions, name: str) -> set[str]:
    declared = definitions.catalog.events.get(name)
    return {*KNOWN_EVENTS.get(name, {}), *(declared.properties if declared is not None else {})}


def _journey(definitions: Definitions, name: str) -> Iterator[str]:
    doc, _ = definitions.docs["journey", name]
    raw = journeys.parse(doc, f"journey {name}")
    place = f"journey {name}"
    for event in journeys.names(raw.entry.event or []):
        yield from _event(definitions, event, f"{place}.entry.event")
    for where, checked in definitions.checked.items():
        if where.startswith(f"{place}."):
            yield from _expression(definitions, checked, where)
            if raw.entry.key is not None and _all_keys(checked):
                yield f"{where}: asks for events of all keys; add .where(... == entry.key) if one is meant"
    for event in journeys.names(raw.goal.event) if raw.goal else ():
        yield from _event(definitions, event, f"{place}.goal.event")
    if raw.goal is not None and not any(_speaks_of_goal(text, raw) for text in journeys.exits(raw).values()):
        yield f"{place}: people who reach the goal go on through the steps; write exit: {{bought: goal}} to let them go"
    for n, step in enumerate(raw.steps):
        if step.track is not None:
            yield from _event(definitions, step.track, f"{place}.steps[{n}].track")
        seen: set[str] = set()
        for k, arm in enumerate(step.branch or []):
            if "true" in seen or arm.when.strip() in seen:
                yield f"{place}.steps[{n}].branch[{k}]: this arm can never be taken"
            seen.add(arm.when.strip())
    yield from _skipped(raw, place)


def _speaks_of_goal(text: str, raw: journeys.RawJourney) -> bool:
    """Whether an exit mentions the goal, by its name or by its event."""
    assert raw.goal is not None
    return "goal" in text or any(f'"{name}"' in text or f"'{name}'" in text for name in journeys.names(raw.goal.event))


def _all_keys(checked: Checked) -> bool:
    """Whether a condition of a run asks for events and does not say of which key."""
    asks = bool(checked.needs.events) or checked.needs.all_events
    return checked.scope.site in ("exit", "when", "until", "branch") and asks and "entry.key" not in checked.source


def _skipped(raw: journeys.RawJourney, place: str) -> Iterator[str]:
    """An `until` about a step with a `when` waits in vain for those who skipped the step."""
    may_skip = {step.id for step in raw.steps if step.when is not None}
    for n, step in enumerate(raw.steps):
        for name in may_skip:
            if step.until is not None and f"step.{name}." in step.until:
                yield f"{place}.steps[{n}].until: step {name!r} may have been skipped; then this waits until at_most"


def _message(definitions: Definitions, message: Message) -> Iterator[str]:
    texts = [(f"email.{name}", text) for name, text in message.email.texts()] if message.email is not None else []
    for channel, fields in message.others.items():
        texts += [(f"{channel}.{name}", text) for name, text in fields.items() if isinstance(text, Text)]
    for language in definitions.policy.languages:
        for field, text in texts:
            if text.languages and language not in text.languages:
                yield f"message {message.id}: {field}: no text in {language!r}, a language of the policy"
