"""Where two states differ: told in full, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from einklang.testing.canonical import Row, difference

_CELLS = st.tuples(st.sampled_from(["p1", "p2", "pä", "p\U0001f600", ""]), st.sampled_from("abc"), st.integers(0, 2))
_MEMBERS = st.dictionaries(st.integers(0, 2), st.dictionaries(_CELLS.map(lambda row: row[:2]), st.integers(0, 2)))


class Members:
    """A state of members alone, by lane; `ahead`: the most rows that were given out of one stream."""

    def __init__(self, lanes: dict[int, dict[tuple[str, str], int]]) -> None:
        self.lanes, self.given = lanes, 0

    def rows(self, lane: int) -> list[Row]:
        """As the Book gives them: by person and segment."""
        return sorted((*key, since) for key, since in self.lanes.get(lane, {}).items())

    def read(self, name: str, *params: Any) -> list[Row]:
        """Tables by their number are empty."""
        return []

    def stream(self, name: str, *params: Any) -> Iterator[Row]:
        """Members row by row."""
        for row in self.rows(params[0]) if name == "all_member" else ():
            self.given += 1
            yield row


@given(_MEMBERS, _MEMBERS)
@settings(max_examples=300, deadline=None)
def test_the_difference_is_that_of_sets(
    a: dict[int, dict[tuple[str, str], int]], b: dict[int, dict[tuple[str, str], int]]
) -> None:
    """Whatever rows two states have, what is told is what sets of rows differ in, each side in order."""
    one, other = Members(a), Members(b)
    ours = [(lane, *row) for lane in range(64) for row in one.rows(lane)]
    theirs = [(lane, *row) for lane in range(64) for row in other.rows(lane)]
    found = difference(one, other, rows_max=1_000)
    expected = [_told("-", row) for row in ours if row not in set(theirs)]
    assert found == expected + [_told("+", row) for row in theirs if row not in set(ours)]


def test_it_stops_where_enough_is_told() -> None:
    """States without a common row: a few rows of each side and that there are more; the rest is never read."""
    a, b = (Members({0: {(f"p{n:05}", sign): n for n in range(10_000)}}) for sign in "ab")
    found = difference(a, b, rows_max=2)
    assert [text.split(" [")[0] for text in found] == ["member -"] * 2 + ["member - and more"] + ["member +"] * 2 + [
        "member + and more"
    ]
    assert a.given + b.given < 20


def _told(sign: str, row: Row) -> str:
    person, segment, since = row[1:]
    return f'member {sign} ["{person}","{segment}",{since}]'
