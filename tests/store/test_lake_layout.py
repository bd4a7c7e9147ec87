"""When files of the lake are joined: each row a few times in all, the newest in short stretches, the old in long."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einklang.store.lake import layout
from einklang.store.lake.layout import LONG_ROWS, RECENT_ROWS, SHORT_ROWS, File, due, stretches

EVERY = 50


def joined(files: list[File], chosen: list[File], number: int) -> list[File]:
    """As the joining leaves them: one file for each half million rows, all over the same range."""
    rows, first, last = sum(f.rows for f in chosen), min(f.first for f in chosen), max(f.last for f in chosen)
    parts = [min(500_000, rows - start) for start in range(0, rows, 500_000)]
    made = [File(f"j{number}-{n}", part, part, first, last) for n, part in enumerate(parts)]
    return [file for file in files if file not in chosen] + made


def grown(sizes: list[int]) -> tuple[list[File], int, int]:
    """(files, rows that joinings wrote, the most files there were) after appends of these sizes, tidied after each."""
    files: list[File] = []
    last = written = most = number = 0
    for size in sizes:
        files.append(File(f"a{last}", size, size, last + 1, last + size))
        last += size
        while chosen := due(files, EVERY):
            assert len(chosen) > 1
            start, end = min(file.first for file in chosen), max(file.last for file in chosen)
            assert all(file in chosen or file.last < start or file.first > end for file in files)
            files = joined(files, chosen, number)
            written += sum(file.rows for file in chosen)
            number += 1
        most = max(most, len(files))
    assert sum(file.rows for file in files) == last
    return files, written, most


@settings(max_examples=40)
@given(st.integers(1, 20_000), st.integers(1, 400))
def test_the_work_and_the_files_stay_small(rows: int, appends: int) -> None:
    """Whatever the pace, there are few files, a row is written again a few times, no stretch is longer than allowed."""
    files, written, most = grown([rows] * appends)
    total = rows * appends
    assert most <= 2 * EVERY + total // 400_000
    assert written <= 8 * total
    assert all(stretch.rows <= LONG_ROWS for stretch in stretches(files))


def test_the_newest_stay_in_short_stretches() -> None:
    """Whoever asks for the last rows reads at most a short stretch beyond them; the old lie in long ones."""
    files, _, _ = grown([20_000] * 400)
    line = stretches(files)
    newest = [stretch for stretch in line if stretch.last > 8_000_000 - RECENT_ROWS // 2]
    assert all(stretch.rows <= SHORT_ROWS for stretch in newest)
    assert sum(stretch.rows for stretch in line if stretch.rows > 1_000_000) > 6_000_000
    assert len(line) < 40


def test_without_the_rule_of_growth_rows_are_written_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control: if a long stretch joined with any short one, there would be more work."""
    with_rule = grown([3_000] * 800)[1]
    monkeypatch.setitem(layout._worth.__kwdefaults__ or {}, "growth", LONG_ROWS)
    assert grown([3_000] * 800)[1] > 1.5 * with_rule
