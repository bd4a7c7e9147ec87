"""Whom changed definitions concern: what is asked of people before and after, compared as it was checked.

Scores, computed traits and stages without a memory stand within the conditions that ask for them; declared types in
how a condition reads. So a segment is concerned where its checked condition is another one, whatever kind of definition
changed, and a title, a cap or a new purpose concerns none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from einklang.app.definitions import Definitions
from einklang.audience.drawn import Drawn
from einklang.audience.ladder import Ladder
from einklang.audience.live import Segment
from einklang.expr import Checked, Condition

#: Since which version of the fold; before, some kinds concerned everybody and the others nobody.
SINCE = 5
#: Since which version changed stages, and segments that stages speak of, are worked out beside the live work, and other
#: rules that settle traits concern those alone whose traits they change.
CLIMBS = 6


@dataclass(frozen=True, slots=True)
class Concerns:
    """segments: that must be asked anew of everybody, those that speak of them left out. at_once: in no other way than
    all together, while nothing else is worked off. journeys: whose runs are looked at. held: so is every run that the
    door holds. stages: that must be asked anew of everybody.
    """

    segments: frozenset[str]
    at_once: bool
    journeys: tuple[str, ...]
    held: bool
    stages: frozenset[str] = frozenset()

    @property
    def everybody(self) -> bool:
        """Whether something is asked of everybody."""
        return self.at_once or bool(self.segments) or bool(self.stages)


def concerns(before: Definitions, after: Definitions, changes: Sequence[dict[str, Any]], fold: int) -> Concerns:
    """What changes from one set of definitions to the next."""
    changed = {(change["kind"], change["id"]) for change in changes}
    purposes = {name for name, known in before.purposes.items() if after.purposes.get(name) != known}
    old = {one.id: one for one in before.segments}
    found = {one.id for one in after.segments if one.id not in old or not _same(old[one.id], one)}
    consent = {one.id for one in after.asked if one.needs.consent} if purposes else set[str]()
    climbs = fold < CLIMBS and _climbs(
        before, after, found, {name for kind, name in changed if kind == "stage"}, asked=bool(purposes)
    )
    return Concerns(
        frozenset(found | {one.id for one in after.segments if one.id in consent}),
        (fold < CLIMBS and before.trait_rules != after.trait_rules)
        or before.objects != after.objects
        or before.policy.timezone != after.policy.timezone
        or bool(consent)
        or _frozen(changes)
        or climbs,
        tuple(sorted(_journeys(before, after, changed, asked=bool(purposes)))),
        bool(purposes) or _door(before, after, changed),
        frozenset(name for name, one in after.ladders.items() if not _same_ladder(before.ladders.get(name), one)),
    )


def _same(one: Segment, other: Segment) -> bool:
    draws = [found.condition.draw if isinstance(found.condition, Drawn) else None for found in (one, other)]
    return draws[0] == draws[1] and one.condition.checked.tree == other.condition.checked.tree


def _same_ladder(one: Ladder | None, other: Ladder) -> bool:
    return one is not None and _written(one) == _written(other)


def _written(ladder: Ladder) -> list[tuple[Any, ...]]:
    return [
        (rung.name, rung.place, rung.dwell, rung.after, *(one and one.checked.tree for one in (rung.when, rung.exit)))
        for rung in ladder.rungs
    ]


def _frozen(changes: Iterable[dict[str, Any]]) -> bool:
    """A moment that nobody may enter after cannot be caught up with bit by bit."""
    return any(change["kind"] == "segment" and "frozen" in change["body"] for change in changes)


def _climbs(before: Definitions, after: Definitions, segments: set[str], stages: set[str], *, asked: bool) -> bool:
    """Whether a stage is concerned: asked by what changed, or by segments that did. asked: consents changed.

    As older versions of the fold had it: then everybody was looked at at once.
    """
    found = set(segments)
    for one in after.asked:
        if isinstance(one, Ladder) and (
            one.id in stages or _moved(before, after, f"stage {one.id}.") or (asked and one.needs.consent)
        ):
            return True
        if not one.needs.segments.isdisjoint(found):
            if isinstance(one, Ladder):
                return True
            found.add(one.id)
    return False


def _moved(before: Definitions, after: Definitions, place: str) -> bool:
    """Whether one of the expressions at these places is another one."""
    names = {name for checked in (before.checked, after.checked) for name in checked if name.startswith(place)}
    return any(_other(before.checked.get(name), after.checked.get(name)) for name in names)


def _other(one: Checked | None, other: Checked | None) -> bool:
    return one is None or other is None or one.tree != other.tree


def _journeys(before: Definitions, after: Definitions, changed: set[tuple[str, str]], *, asked: bool) -> set[str]:
    """Journeys that did not change and whose conditions did; of runs in an older version nobody can say.

    A changed one is followed from the next thing on that happens to a run (language.md 3.8).
    """
    found = set()
    for name, journey in after.journeys.items():
        if name in before.journeys and ("journey", name) not in changed:
            conditions = {place: one for place, one in after.checked.items() if place.startswith(f"journey {name}.")}
            other = any(_other(before.checked.get(place), one) for place, one in conditions.items())
            older = journey.version > 1 and not {kind for kind, _ in changed} <= _ALONE
            if other or older or (asked and any(one.needs.consent for one in conditions.values())):
                found.add(name)
    return found


#: Kinds that stand within no condition.
_ALONE = frozenset({"segment", "journey", "message", "campaign", "team", "channel", "touchpoint", "brand", "policy"})


def _door(before: Definitions, after: Definitions, changed: set[tuple[str, str]]) -> bool:
    """Whether the door may say something else of what it holds."""
    return any(kind == "policy" for kind, _ in changed) or _rules(before.rules) != _rules(after.rules)


def _rules(rules: dict[str, Condition]) -> list[Any]:
    return [(text, rules[text].checked.tree) for text in sorted(rules)]
