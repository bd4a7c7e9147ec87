"""Traits of a person in memory: most keep the latest value, some settle conflicts by the rule of their definition.

What a rule needs is gathered from the history when it is first asked, kept claim by claim, and gathered anew after the
history changed. So late events, merges and splits give what a person has who sent everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from einklang.app.working import Live, from_json, to_json
from einklang.event import Event
from einklang.fact.person import Trait
from einklang.profile import Gathered, Rule, fold_traits

if TYPE_CHECKING:
    from einklang.app.state import State

Rules = Mapping[str, Rule]


def take(live: Live, event: Event, rules: Rules) -> set[str]:
    """Fold the traits of an identify that is in the history already; the names whose value changed."""
    ruled = rules.keys() & event.properties.keys() if rules else ()
    if not ruled:
        return set(fold_traits(live.person.traits, event.properties, event.at, event.seq))
    plain = {name: value for name, value in event.properties.items() if name not in ruled}
    changed = set(fold_traits(live.person.traits, plain, event.at, event.seq))
    for name in sorted(ruled):
        known = live.gathered.get(name)
        if known is None or known.rule != rules[name]:
            known = live.gathered[name] = _gathered(name, rules[name], live.history)
        else:
            known.add(event.properties[name], event.at, event.seq, event.source)
        if _put(live.person.traits, name, known.settled()):
            changed.add(name)
    return changed


def late(live: Live, event: Event) -> set[str]:
    """The names of which an identify speaks that came after a later claim: since when they are so may change."""
    known = live.person.traits
    return {
        name for name in event.properties if name in known and (known[name].at, known[name].seq) > (event.at, event.seq)
    }


def since(live: Live, trait: Trait, name: str) -> int:
    """Since when a trait has its value: the first of the claims that say the same without a break."""
    at = trait.at
    for event in reversed(live.history):
        if event.type == "identify" and name in event.properties and (event.at, event.seq) <= (trait.at, trait.seq):
            value = event.properties[name]
            if value != trait.value or type(value) is not type(trait.value):
                break
            at = event.at
    return at


def settle(live: Live, rules: Rules) -> None:
    """Gather the traits that have a rule anew, after the history changed."""
    live.gathered.clear()
    for name in sorted(rules):
        if any(name in event.properties for event in identifies(live.history)):
            known = live.gathered[name] = _gathered(name, rules[name], live.history)
            _put(live.person.traits, name, known.settled())


def refold(history: Iterable[Event], rules: Rules, until: int | None = None) -> dict[str, Trait]:
    """All traits from a history in its order. until: later events have not come yet."""
    traits: dict[str, Trait] = {}
    told = [event for event in identifies(history) if until is None or event.at <= until]
    for event in told:
        plain = {name: value for name, value in event.properties.items() if name not in rules}
        fold_traits(traits, plain if rules else event.properties, event.at, event.seq)
    for name in sorted(rules):
        _put(traits, name, _gathered(name, rules[name], told).settled())
    return traits


def retell(live: Live, state: State) -> bool:
    """Fold all traits anew by the rules now in force; whether one is another."""
    live.gathered.clear()
    found = refold(live.history, state.definitions.trait_rules)
    changed = found != live.person.traits
    if changed:
        live.person.traits = found
        state.working.mark(live)
    return changed


def certain(before: Rules, after: Rules) -> tuple[str, ...]:
    """The traits that are settled by other rules, where only who has one of them can have another value; else none.

    The plain rule leaves a trait, or the mark of its end, whatever is said of it; others may leave nothing.
    """
    found = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    return () if found & before.keys() else tuple(sorted(found))


def identifies(history: Iterable[Event]) -> list[Event]:
    """The calls that say something of traits."""
    return [event for event in history if event.type == "identify"]


def _gathered(name: str, rule: Rule, history: Iterable[Event]) -> Gathered:
    return Gathered(
        rule,
        (
            (event.properties[name], event.at, event.seq, event.source)
            for event in identifies(history)
            if name in event.properties
        ),
    )


def _put(traits: dict[str, Trait], name: str, found: Trait | None) -> bool:
    """Set a trait; whether its value changed."""
    old = traits.pop(name, None)
    if found is not None:
        traits[name] = found
    before, after = (None if old is None else old.value), (None if found is None else found.value)
    return before != after or type(before) is not type(after)


_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_CLAIMS = {"person_id": pl.String, "name": pl.String, "value": pl.String, "at": pl.Int64}


def frame_of(identifies_: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """person_id, name, value (JSON), at of the traits that have a rule, for crowds.

    identifies_: person_id, at, seq, source, properties (JSON).
    """
    found: dict[tuple[str, str], Gathered] = {}
    for person, at, seq, source, text in identifies_.select(
        "person_id", "at", "seq", "source", "properties"
    ).iter_rows():
        said = _OBJECT.decode(text)
        for name in rules.keys() & said.keys():
            known = found.get((person, name))
            if known is None:
                known = found[person, name] = Gathered(rules[name])
            known.add(from_json(bytes(said[name])), at, seq, source)
    settled = ((person, name, known.settled()) for (person, name), known in found.items())
    rows = [(person, name, to_json(trait.value), trait.at) for person, name, trait in settled if trait is not None]
    return pl.DataFrame(rows, schema=_CLAIMS, orient="row")
