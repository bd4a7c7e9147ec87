"""Conflicts about a trait: kept claim by claim in any order of arrival, the value is that of a plain fold over all."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einklang.profile.gather import Gathered, Rule
from einklang.profile.strategies import STRATEGIES, Claim, settle

_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.decimals(-2, 2, places=2),
    st.sampled_from(["a", "b", "", "1"]),
    st.lists(st.one_of(st.none(), st.integers(0, 2), st.sampled_from(["a", "b"])), max_size=3),
    st.just({"x": 1}),
)
_CLAIMS = st.lists(st.tuples(_VALUES, st.integers(0, 6), st.sampled_from(["crm", "shop", "till"])), max_size=10)
_SOURCES = st.sampled_from([(), ("crm",), ("crm", "*"), ("till", "shop"), ("*",)])


@pytest.mark.parametrize("merge", STRATEGIES)
@settings(max_examples=40, deadline=None)
@given(rows=_CLAIMS, sources=_SOURCES, random=st.randoms(use_true_random=False))
def test_claim_by_claim_in_any_order_is_the_plain_fold(merge: str, rows: Any, sources: Any, random: Any) -> None:
    """Whatever the order of arrival, the gathered value is that of `settle` over all claims, and so is its time."""
    claims = [Claim(value, at, seq, source) for seq, (value, at, source) in enumerate(rows)]
    wanted = settle(merge, claims, sources)
    found = set()
    for _ in range(3):
        random.shuffle(claims)
        trait = Gathered(Rule(merge, sources), claims).settled()
        assert (None if trait is None else trait.value) == wanted
        assert type(None if trait is None else trait.value) is type(wanted)
        found.add(None if trait is None else (trait.at, trait.seq))
    assert len(found) == 1
    (place,) = found
    assert place is None or place in {(claim.at, claim.seq) for claim in claims}


def claims(*values: Any, source: str = "shop") -> list[Claim]:
    """Values said one after the other."""
    return [Claim(value, at, at, source) for at, value in enumerate(values)]


@pytest.mark.parametrize(
    ("merge", "values", "wanted", "at"),
    [
        ("last", ("a", "b", None), None, 2),
        ("first", (None, "a", "b"), "a", 1),
        ("min", (3, Decimal("0.5"), "x", Decimal("0.50")), Decimal("0.5"), 1),
        ("max", (3, 9, 9, None), 9, 1),
        ("sum", (1, Decimal("0.1"), "9", Decimal("0.2")), Decimal("1.3"), 3),
        ("sum", (True, None, "x"), None, None),
        ("most_frequent", ("a", "b", "b", "a"), "a", 3),
        ("union", ("a", ["b", "a", 1], None, Decimal("1.0")), ["a", "b", 1], 1),
    ],
)
def test_each_strategy_by_example(merge: str, values: Any, wanted: Any, at: int | None) -> None:
    """What each strategy makes of a few values, and since when."""
    trait = Gathered(Rule(merge), claims(*values)).settled()
    assert (None if trait is None else trait.value) == wanted
    assert (None if trait is None else trait.at) == at


def test_a_trusted_source_wins_and_others_step_in() -> None:
    """The CRM's word counts before a later one of the shop; once it has none, the shop's does; a stranger's never."""
    rule = Rule("last", ("crm", "shop"))
    said = [*claims("crm", source="crm"), Claim("shop", 5, 5, "shop"), Claim("till", 9, 9, "till")]
    gathered = Gathered(rule, said)
    assert gathered.settled() is not None
    assert gathered.settled().value == "crm"  # type: ignore[union-attr]  # asked above
    gathered.add(None, 7, 7, "crm")
    assert gathered.settled().value == "shop"  # type: ignore[union-attr]  # as above
    assert Gathered(Rule("last", ("crm",)), claims("x")).settled() is None


def test_a_wrong_order_is_found() -> None:
    """Positive control: a fold in the order of arrival differs from the plain one."""
    late = [Claim("new", 2, 1, ""), Claim("old", 1, 2, "")]
    assert settle("last", late) == "new" != late[-1].value
