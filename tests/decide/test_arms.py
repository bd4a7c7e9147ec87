"""Control groups: uniform by hash, stored once, kept over merges."""

from __future__ import annotations

from hashlib import blake2b
from math import sqrt

import pytest

from einklang.decide.arms import assign, holdout_scope, merge_arms
from einklang.fact.person import CONTROL, TREATED, Arm
from einklang.kernel import ids, time

SALT = bytes(range(16))


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_shares_are_kept_within_what_chance_allows(share: float) -> None:
    """Of 20,000 persons the control group has its share within 4 standard errors, in two scopes that do not go
    together.
    """
    people = [f"p_{n}" for n in range(20_000)]
    one = [assign(SALT, "journey:a", p, share, 0).arm == CONTROL for p in people]
    two = [assign(SALT, "journey:b", p, share, 0).arm == CONTROL for p in people]
    error = 4 * sqrt(share * (1 - share) / len(people))
    assert abs(sum(one) / len(people) - share) < error
    both = sum(a and b for a, b in zip(one, two, strict=True)) / len(people)
    assert abs(both - share * share) < error


def test_a_larger_share_keeps_those_who_were_in_it() -> None:
    """Whoever is in the control group of 10 % is in that of 20 %, and no share leaves one out or takes all."""
    for n in range(500):
        arms = [assign(SALT, "s", f"p_{n}", share, 0).arm for share in (0.0, 0.1, 0.2, 1.0)]
        assert arms[0] == TREATED
        assert arms[3] == CONTROL
        assert not (arms[1] == CONTROL and arms[2] == TREATED)


def test_units_are_uniform() -> None:
    """Chi-square over 20 bins of 20,000 hashes stays below the 0.999 quantile of 19 degrees (43.8)."""
    bins = [0] * 20
    for n in range(20_000):
        bins[int(ids.unit(SALT, "u", f"p_{n}") * 20)] += 1
    assert sum((count - 1000) ** 2 / 1000 for count in bins) < 43.8


def test_another_salt_is_another_draw() -> None:
    """The same persons under two salts agree about as often as chance says."""
    people = [f"p_{n}" for n in range(4_000)]
    other = blake2b(b"other").digest()[:16]
    same = sum(assign(SALT, "s", p, 0.5, 0).arm == assign(other, "s", p, 0.5, 0).arm for p in people)
    assert abs(same / len(people) - 0.5) < 4 * 0.5 / sqrt(len(people))


@pytest.mark.parametrize(
    ("at", "scope"),
    [
        ("2026-01-01T00:00:00Z", "ucg:2026Q1"),
        ("2026-03-31T23:59:59.999999Z", "ucg:2026Q1"),
        ("2026-04-01T00:00:00Z", "ucg:2026Q2"),
        ("2026-12-31T23:59:59Z", "ucg:2026Q4"),
    ],
)
def test_the_holdout_is_drawn_anew_each_quarter(at: str, scope: str) -> None:
    """The wave is the quarter of the moment, UTC."""
    assert holdout_scope(time.parse_moment(at)) == scope


def test_of_two_merged_persons_the_earliest_row_stays() -> None:
    """Whichever side it is on; two different arms mark it, equal ones do not; the mark stays."""
    early, late = Arm(CONTROL, 0.1, 5, "p_a"), Arm(TREATED, 0.1, 9, "p_b")
    for kept, other in ((early, late), (late, early)):
        arms = {"s": kept}
        merge_arms(arms, {"s": other, "t": late})
        assert arms["s"] == Arm(CONTROL, 0.1, 5, "p_a", contaminated=True)
        assert arms["t"] == late
    same = {"s": Arm(CONTROL, 0.1, 9, "p_b")}
    merge_arms(same, {"s": early})
    assert same["s"] == early
    merge_arms(same, {"s": Arm(CONTROL, 0.1, 7, "p_c", contaminated=True)})
    assert same["s"].contaminated
