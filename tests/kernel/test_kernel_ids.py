"""kernel.ids: stable, injective, uniform and independent between scopes."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from einklang.kernel import ids

SALT = bytes(range(32))
TEXT = st.text(st.characters(exclude_categories=[]), max_size=8)


def test_ids_never_change() -> None:
    """Ids of a given salt are written in every home: these values may never change."""
    assert ids.person_id(SALT, "email", "a@b.example") == "p_njaxgjmxtzpub4ke"
    assert ids.message_key(SALT, "r_1", "offer", 1, "p_1", "a@b.example") == "m_5ih5isimrj2nn2ng"
    assert ids.unit(SALT, "campaign:spring", "p_1").hex() == "0x1.ee02f3a498f71p-1"
    assert ids.lane_of("p_1") == 13


@given(TEXT, TEXT)
def test_ids_are_short_readable_and_keyed(kind: str, value: str) -> None:
    """An id is its prefix and 16 characters of base32; another salt or kind of id gives another one."""
    found = ids.person_id(SALT, kind, value)
    assert len(found) == 18
    assert set(found[2:]) <= set("abcdefghijklmnopqrstuvwxyz234567")
    assert found != ids.person_id(SALT[::-1], kind, value)
    assert found[2:] != ids.keyed_id(SALT, "message", "m_", kind, value)[2:]


@given(st.lists(TEXT, max_size=4), st.lists(TEXT, max_size=4))
def test_ids_are_injective_over_their_parts(one: list[str], two: list[str]) -> None:
    """Different lists of parts have different ids, also when a part holds a separator."""
    assert (ids.keyed_id(SALT, "x", "", *one) == ids.keyed_id(SALT, "x", "", *two)) == (one == two)


@pytest.mark.parametrize("separator", ["\x1f", "|", "\0", "", ":", "\x00\x00\x00\x01"])
def test_no_separator_can_be_forged(separator: str) -> None:
    """Parts cannot be shifted into each other."""
    one = ids.person_id(SALT, f"a{separator}b", "c")
    assert one != ids.person_id(SALT, "a", f"b{separator}c")


def test_purposes_too_long_to_be_told_apart_are_our_fault() -> None:
    """A purpose beyond the 16 bytes of BLAKE2b's personalisation is an assert."""
    with pytest.raises(AssertionError):
        ids.keyed_id(SALT, "x" * 17, "x_", "a")


def units(scope: str, count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """u of the first `count` persons."""
    return np.array([ids.unit(SALT, scope, f"p_{i}") for i in range(count)])


def test_units_are_uniform() -> None:
    """u of 50,000 consecutive persons passes Kolmogorov-Smirnov in three scopes, and lies in [0, 1)."""
    for scope in ("campaign:a", "campaign:b", "ucg:2027q1"):
        u = units(scope, 50_000)
        assert stats.kstest(u, "uniform").pvalue > 0.001
        assert u.min() >= 0.0
        assert u.max() < 1.0


def test_units_of_two_scopes_are_independent() -> None:
    """The 10 x 10 table of two campaigns passes chi-squared; the same campaign twice does not (positive control)."""
    a, b = units("campaign:a", 50_000), units("campaign:b", 50_000)

    def p_value(left: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        table, _, _ = np.histogram2d(left, a, bins=10, range=[[0, 1], [0, 1]])
        return float(stats.chisquare(table.ravel()).pvalue)

    assert p_value(b) > 0.001
    assert p_value(a) < 1e-9
    assert abs(float(np.corrcoef(a, b)[0, 1])) < 4 / math.sqrt(50_000)


def test_the_largest_hash_stays_below_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 set bits would round up to 1.0 and leave every interval [0, p); u keeps 53 of them."""
    monkeypatch.setattr(ids, "_digest", lambda *_: b"\xff" * 8)
    assert ids.unit(SALT, "s", "k") < 1.0
    assert int.from_bytes(b"\xff" * 8, "big") / 2.0**64 == 1.0


def test_lanes_are_even_and_in_range() -> None:
    """10,000 persons fill 64 lanes evenly."""
    lanes = Counter(ids.lane_of(ids.person_id(SALT, "userId", str(i))) for i in range(10_000))
    assert set(lanes) == set(range(64))
    assert stats.chisquare(list(lanes.values())).pvalue > 0.001


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_content_hashes_tell_bodies_apart(one: bytes, two: bytes) -> None:
    """Equal bodies have equal names of 16 bytes, other bodies others."""
    assert (ids.content_hash(one) == ids.content_hash(two)) == (one == two)
    assert len(ids.content_hash(one)) == 16
