"""Who may be concerned by a changed segment, found by plan over the lake before anybody is looked at (app.backfill).

The answer may name too many, never too few. It leaves out who is no member by the new definition, is shown as none, and
can become one by nothing but what happens to them: then they are asked anyway.
"""

from __future__ import annotations

import polars as pl

from einklang.app.backfill import EVERYBODY, Build
from einklang.app.crowds import Lake, crowd_at
from einklang.app.ports import Reader
from einklang.app.segments import draws_of, needed
from einklang.app.state import State
from einklang.app.working import Live
from einklang.audience import crowd as crowds
from einklang.expr import Checked, Crowd
from einklang.expr.check import TIMED
from einklang.expr.tree import walk
from einklang.fact.person import Person

#: Ops that give two persons without the events and traits of a condition another answer.
_OWN = frozenset({"person", "bucket", "objects"})
#: Ops that time alone moves. Not those that follow something else that changes, which is a moment of its own; and of
#: what is folded nothing lies in the future.
_CLOCKED = (TIMED - {"events", "objects", "groupevents", "consent", "segment", "changed"}) | {
    "within", "notfollowed", "followed", "followed_without",
}  # fmt: skip
_ALL = 2**62


def persons(reader: Reader, state: State, lake: Lake, build: Build, plans: crowds.Plans | None) -> list[str]:
    """Ids to be looked at, in order; `EVERYBODY` where a plan cannot say.

    reader: a snapshot taken since the build began.
    """
    state.read_from(reader)
    counters: dict[str, int] = dict(reader.read("counters"))
    state.clock = counters["clock"]
    rules = dict(found for name in build.names for found in needed(state.definitions, name))
    order = [(found.id, rules[found.id]) for found in state.definitions.segments if found.id in rules]
    mine = [rules[name] for name in build.names]
    timed = [rule for rule in mine if any(term.op in _CLOCKED for term in walk(rule.tree))]
    if not draws_of(state.definitions).keys().isdisjoint(rules):
        return EVERYBODY
    if not all(crowds.by_plan(rule) for rule in rules.values()) or not all(_tied(state, rule) for rule in timed):
        return EVERYBODY
    _, crowd = crowd_at(reader, state, lake, state.clock, crowds.asked(list(rules.values())))
    members = crowds.members(order, crowd, state.clock, _nobody_alone, plans)
    found = {person for name in build.names for person in members[name]}
    found |= {row[0] for name in build.names for row in reader.read("members_of", name)}
    found |= {row[0] for row in reader.read("shadow_persons", _ALL)}
    for rule in timed:
        found |= _touched(rule, crowd)
    return sorted(found)


def _tied(state: State, rule: Checked) -> bool:
    """Whether time alone can change the answer only for those who have one of its events or traits."""
    needs = rule.needs
    if needs.consent or needs.segments or needs.journeys or needs.catalogs or needs.groups:
        return False
    if any(term.op in _OWN for term in walk(rule.tree)):
        return False
    condition = next(found.condition for found in state.definitions.segments if found.condition.checked is rule)
    return condition.holds_until(state.view(Live(Person("", 0, 0), [], []))) == (False, None)


def _touched(rule: Checked, crowd: Crowd) -> set[str]:
    """Who has one of the events or traits of a condition."""
    needs = rule.needs
    events = crowd.events if needs.all_events else crowd.events.filter(pl.col("name").is_in(sorted(needs.events)))
    traits = crowd.traits.filter(pl.col("name").is_in(sorted(needs.traits)))
    return set(events["person_id"]) | set(traits["person_id"])


def _nobody_alone(name: str, known: dict[str, set[str]]) -> set[str]:
    raise AssertionError("only what a plan answers is asked")
