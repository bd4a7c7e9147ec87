"""Segments: the order in which they are asked, circles, and membership exact also when only time passes."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from einklang.audience.definition import in_order, parse
from einklang.audience.live import Change, Listeners, Segment, refresh
from einklang.expr import Needs
from einklang.fact.person import Membership
from einklang.kernel.errors import InputError


@given(st.integers(1, 9), st.data())
def test_each_segment_comes_after_those_it_speaks_of(count: int, data: st.DataObject) -> None:
    """For random graphs: an order that respects all edges, or `circle` where a search finds one."""
    names = [f"s{n}" for n in range(count)]
    speaks = {name: frozenset(data.draw(st.sets(st.sampled_from([*names, "elsewhere"]), max_size=3))) for name in names}

    def reaches(start: str, wanted: str, seen: set[str]) -> bool:
        for other in speaks.get(start, ()):
            if other == wanted or (other not in seen and reaches(other, wanted, seen | {other})):
                return True
        return False

    if any(reaches(name, name, set()) for name in names):
        with pytest.raises(InputError) as caught:
            in_order(speaks)
        assert caught.value.code == "circle"
        shown = caught.value.what.rpartition(": ")[2].split(" -> ")
        assert shown[0] == shown[-1]
        assert all(b in speaks[a] for a, b in pairwise(shown))
        return
    order = in_order(speaks)
    assert sorted(order) == names
    for name in names:
        assert all(order.index(other) < order.index(name) for other in speaks[name] if other in names)


def test_order_does_not_depend_on_how_they_were_written() -> None:
    """Equals come in alphabetical order; a long chain is no problem."""
    assert in_order({"c": frozenset(), "a": frozenset("b"), "b": frozenset()}) == ["b", "a", "c"]
    chain = {f"s{n:04}": frozenset([f"s{n + 1:04}"]) for n in range(3_000)}
    assert in_order(chain)[0] == "s2999"


def test_a_segment_has_a_condition_or_a_list() -> None:
    """Neither is refused clearly; both are asked as one condition, what is written first by itself."""
    with pytest.raises(InputError) as caught:
        parse({"kind": "segment", "id": "a"}, "f")
    assert (caught.value.code, caught.value.where) == ("missing_field", "f")
    (alone,) = parse({"kind": "segment", "id": "a", "manual": True}, "f").conditions()
    both = parse({"kind": "segment", "id": "a", "manual": True, "where": "true // all"}, "f").conditions()
    assert both == ("true // all", f"(true // all\n) || {alone}"), "a comment ends with its line"


@dataclass
class Rule:
    """A condition that holds in [on, off) after the latest event of its name, and if another segment says so."""

    name: str
    on: int
    off: int
    other: str = ""
    asked: int = 0

    @property
    def needs(self) -> Needs:
        """Its event, its segment, time."""
        return Needs(events=frozenset([self.name]), segments=frozenset([self.other] if self.other else []), time=True)

    def at(self, view: Any, now: int) -> bool:
        """Whether it holds, by definition."""
        events = [at for name, at in view.events if name == self.name and at <= now]
        own = bool(events) and self.on <= now - max(events) < self.off
        return own != bool(self.other and view.segment(self.other))

    def holds(self, view: Any) -> bool:
        """At the view's now."""
        self.asked += 1
        return self.at(view, view.now)

    def holds_until(self, view: Any, flips: Any = None) -> tuple[bool, int | None]:
        """At the view's now, and the next moment at which its own part changes by time."""
        return self.holds(view), self.next_flip(view)

    def next_flip(self, view: Any) -> int | None:
        """The next moment at which its own part changes by time."""
        events = [at for name, at in view.events if name == self.name and at <= view.now]
        ends = [max(events) + self.on, max(events) + self.off] if events else []
        return min((end for end in ends if end > view.now), default=None)


@dataclass
class Seen:
    """As much of a view as the rules ask."""

    now: int = 0
    events: list[tuple[str, int]] = field(default_factory=list)
    memberships: dict[str, Membership] = field(default_factory=dict)

    def segment(self, name: str) -> bool:
        """Member now."""
        return name in self.memberships and self.memberships[name].member


@dataclass
class Touch:
    """What happened."""

    events: set[str]
    person_did: bool = False
    traits: set[str] = field(default_factory=set)
    segments: set[str] = field(default_factory=set)
    stages: set[str] = field(default_factory=set)
    consent: bool = False
    journeys: bool = False
    catalogs: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    seen: bool = False
    everything: bool = False


def look(segments: list[Segment], view: Seen, names: set[str]) -> list[Change]:
    """What changes at the view's moment, at which events of these names came."""
    listeners = Listeners(segments)
    places = listeners.touched(Touch(names)) | listeners.open(view.memberships, view.now, due=True)
    found = refresh(listeners, view.memberships, cast(Any, view), places, lambda: None)
    return [change for change in found if isinstance(change, Change)]


RULES = st.tuples(st.integers(0, 6), st.integers(1, 9), st.booleans()).map(lambda t: (t[0], t[0] + t[1], t[2]))


@given(
    st.lists(RULES, min_size=1, max_size=4),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 40)), max_size=12),
)
def test_membership_is_exact_at_every_moment(
    shapes: list[tuple[int, int, bool]], events: list[tuple[str, int]]
) -> None:
    """Looked at only on events and flips, it equals asking every rule at every tick; changes are entered and left."""
    rules = [
        Rule("abc"[n % 3], on, off, f"s{n - 1}" if other and n else "") for n, (on, off, other) in enumerate(shapes)
    ]
    segments = [Segment(f"s{n}", cast(Any, rule)) for n, rule in enumerate(rules)]
    view, naive = Seen(), Seen()
    inside: dict[str, bool] = {}
    for now in range(60):
        happened = [event for event in events if event[1] == now]
        view.now = naive.now = now
        view.events += happened
        naive.events += happened
        due = any(m.flips_at is not None and m.flips_at <= now for m in view.memberships.values())
        if happened or due or now == 0:
            for change in look(segments, view, {name for name, _ in happened}):
                assert change.at == now
                assert inside.get(change.segment, False) != change.entered
                inside[change.segment] = change.entered
        for n, rule in enumerate(rules):
            naive.memberships[f"s{n}"] = Membership(rule.at(naive, now), now, None)
        members = {name: m.member for name, m in view.memberships.items()}
        assert members == {name: m.member for name, m in naive.memberships.items()}
        assert {name for name, member in members.items() if member} == {
            name for name, now_in in inside.items() if now_in
        }


def test_what_nothing_touched_is_not_asked() -> None:
    """An event that no condition listens to asks no condition; since when is kept."""
    rule = Rule("a", 0, 5)
    view = Seen(0, [("a", 0)])
    segments = [Segment("s", cast(Any, rule))]
    assert [c.entered for c in look(segments, view, {"a"})] == [True]
    view.now = 3
    assert not look(segments, view, {"b"})
    assert rule.asked == 1
    assert view.memberships["s"].since == 0
    view.now = 5
    assert [c.entered for c in look(segments, view, set())] == [False]
    assert view.memberships["s"].since == 5
