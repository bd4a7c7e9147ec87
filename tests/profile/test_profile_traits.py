"""Traits by event time: the same events give the same traits in any order of arrival."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from einklang.fact.person import Trait
from einklang.profile import current, fold_traits, merge_traits, value_of

EVENTS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.dictionaries(st.sampled_from("abc"), st.sampled_from([None, 1, 2, "x", {"k": 1}, {"l": 2}]), max_size=3),
    ),
    max_size=10,
)


def folded(events: list[tuple[int, int, dict[str, Any]]]) -> dict[str, Trait]:
    """Traits after these (at, seq, incoming) in this order."""
    traits: dict[str, Trait] = {}
    for at, seq, incoming in events:
        fold_traits(traits, incoming, at, seq)
    return traits


def test_the_latest_by_event_time_wins() -> None:
    """A value that happened earlier and arrives later changes nothing."""
    traits: dict[str, Trait] = {}
    assert fold_traits(traits, {"city": "Bonn", "age": 3}, 10, 1) == ["city", "age"]
    assert fold_traits(traits, {"city": "Kiel"}, 5, 2) == []
    assert fold_traits(traits, {"city": "Kiel"}, 11, 3) == ["city"]
    assert current(traits) == {"city": "Kiel", "age": 3}


def test_equal_times_are_decided_by_the_log() -> None:
    """At one moment the later entry of the log wins, whichever is folded first."""
    assert folded([(5, 1, {"a": 1}), (5, 2, {"a": 2})]) == folded([(5, 2, {"a": 2}), (5, 1, {"a": 1})])
    assert value_of(folded([(5, 2, {"a": 2}), (5, 1, {"a": 1})]), "a") == 2


def test_a_removed_trait_stays_removed() -> None:
    """Null removes; an older value that comes late does not bring it back, a newer one does."""
    traits = folded([(1, 1, {"a": 1}), (5, 2, {"a": None}), (3, 3, {"a": 9})])
    assert current(traits) == {}
    assert value_of(traits, "a") is None
    assert value_of(traits, "never") is None
    assert fold_traits(traits, {"a": 7}, 6, 4) == ["a"]


def test_a_nested_map_is_replaced_whole() -> None:
    """As Segment does: no merging below the first level."""
    assert current(
        folded([(1, 1, {"address": {"city": "Bonn", "zip": "5"}}), (2, 2, {"address": {"city": "Kiel"}})])
    ) == {"address": {"city": "Kiel"}}


def test_only_a_change_of_value_is_told() -> None:
    """The same value again moves its time, not the value; true is not 1."""
    traits = folded([(1, 1, {"a": 1, "b": Decimal("1.0")})])
    assert fold_traits(traits, {"a": 1, "b": Decimal("1.0"), "c": None}, 2, 2) == []
    assert traits["a"] == Trait(1, 2, 2)
    assert fold_traits(traits, {"a": True}, 3, 3) == ["a"]


@given(EVENTS, st.randoms(use_true_random=False), st.integers(0, 10))
@settings(max_examples=200, deadline=None)
def test_any_order_and_any_merge_give_the_same(events: list[tuple[int, dict[str, Any]]], chance: Any, cut: int) -> None:
    """Against a naive sort by (at, seq); and two persons' traits merged equal those of one who sent all."""
    rows = [(at, seq, incoming) for seq, (at, incoming) in enumerate(events)]
    naive: dict[str, Any] = {}
    for _, _, incoming in sorted(rows, key=lambda row: row[:2]):
        naive.update(incoming)
    order = list(rows)
    chance.shuffle(order)
    traits = folded(order)
    assert current(traits) == {name: value for name, value in naive.items() if value is not None}
    kept, lost = folded(order[:cut]), folded(order[cut:])
    before = current(kept)
    changed = merge_traits(kept, lost)
    assert kept == traits
    assert set(changed) == {name for name in traits if before.get(name) != current(traits).get(name)}
