"""Traits by event time: the latest value wins; equal times are decided by the order of the log (seq).

A trait that was removed (set to null) is remembered with its time, so that an older value that arrives late does not
bring it back. A nested map is replaced whole, as Segment does.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from einklang.fact.person import Trait


def fold_traits(traits: MutableMapping[str, Trait], incoming: Mapping[str, Any], at: int, seq: int) -> list[str]:
    """Take the traits of one event in; the names whose value changed. at: microseconds, seq: order of the event."""
    changed = []
    for name, value in incoming.items():
        old = traits.get(name)
        if old is not None and (old.at, old.seq) >= (at, seq):
            continue
        traits[name] = Trait(value, at, seq)
        if (None if old is None else old.value) != value or (old is not None and type(old.value) is not type(value)):
            changed.append(name)
    return changed


def merge_traits(kept: MutableMapping[str, Trait], lost: Mapping[str, Trait]) -> list[str]:
    """Lay a merged person's traits over those of the living one, as if one had sent all; the names that changed."""
    changed = []
    for name, trait in lost.items():
        old = kept.get(name)
        if old is None or (old.at, old.seq) < (trait.at, trait.seq):
            if (None if old is None else old.value) != trait.value:
                changed.append(name)
            kept[name] = trait
    return changed


def value_of(traits: Mapping[str, Trait], name: str) -> Any:
    """The current value, None if there is none or it was removed."""
    trait = traits.get(name)
    return None if trait is None else trait.value


def current(traits: Mapping[str, Trait]) -> dict[str, Any]:
    """All traits that have a value, by name."""
    return {name: trait.value for name, trait in traits.items() if trait.value is not None}
