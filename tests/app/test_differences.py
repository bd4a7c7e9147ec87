"""The difference of two states of a destination, and rows as CSV, against naive oracles on random input."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einklang.app.export_columns import Column
from einklang.app.exports import csv_lines, csv_text
from einklang.app.syncs import ADDED, CHANGED, REMOVED, differences

SCHEMA: dict[str, Any] = {
    "person_id": pl.String, "email": pl.List(pl.String), "points": pl.Decimal(38, 9), "at": pl.Datetime("us", "UTC"),
}  # fmt: skip
ROW = st.tuples(
    st.none() | st.lists(st.sampled_from(["a@x", "b@x"]), min_size=1, max_size=2),
    st.none() | st.decimals(-9, 9, places=1),
    st.none() | st.integers(0, 3),
)
STATE = st.dictionaries(st.sampled_from([f"p{n}" for n in range(6)]), ROW, max_size=6)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)

#: Behind a semicolon, tab or line break a German spreadsheet begins another cell.
RUN = re.compile(r"[;\t\r\n][ \"]*[=+\-@]")


def frame(state: dict[str, Any]) -> pl.DataFrame:
    """A state as a frame."""
    return pl.DataFrame([(person, *state[person]) for person in sorted(state)], schema=SCHEMA, orient="row")


@settings(max_examples=60, deadline=None)
@given(before=STATE, after=STATE)
def test_a_difference_is_what_makes_the_one_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Each person at most once, with the change that it is; of who was removed nothing but the id."""
    expected = []
    for person in sorted(before | after):
        if person not in before:
            expected.append((ADDED, person))
        elif person not in after:
            expected.append((REMOVED, person))
        elif before[person] != after[person]:
            expected.append((CHANGED, person))
    found = differences(frame(before), frame(after))
    assert list(found.select("change", "person_id").iter_rows()) == expected
    told = frame({**dict.fromkeys(before, [None] * (len(SCHEMA) - 1)), **after})
    assert found.drop("change").equals(told.filter(pl.col("person_id").is_in([person for _, person in expected])))
    assert differences(None, frame(after))["change"].to_list() == [ADDED] * len(after)


@settings(max_examples=30, deadline=None)
@given(before=STATE, after=STATE)
def test_other_columns_change_everybody(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Who stays is told anew with the new columns; of who is gone the id alone."""
    wide = frame(after).with_columns(pl.lit("x").alias("plan"))
    found = {person: (change, plan) for change, person, *_, plan in differences(frame(before), wide).iter_rows()}
    expected = {person: (ADDED if person not in before else CHANGED, "x") for person in after}
    assert found == expected | {person: (REMOVED, None) for person in before if person not in after}


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.tuples(TEXT, st.lists(TEXT, max_size=2)), max_size=4))
def test_csv_is_read_back_and_runs_nothing(rows: list[tuple[str, list[str]]]) -> None:
    """Any text comes back from any reader, but for the apostrophe before what a spreadsheet would run."""
    columns = [Column("trait.a", "text", "content"), Column("email", "list", "identifier", identifier="email")]
    raw = b"".join(csv_lines(columns, rows)).decode()
    header, *read = list(csv.reader(io.StringIO(raw, newline="")))
    assert header == ["trait.a", "email"]
    assert len(read) == len(rows)
    for cells, (text, values) in zip(read, rows, strict=True):
        for cell, wanted in zip(cells, (text, " ".join(values)), strict=True):
            assert cell.replace("'", "") == wanted.replace("'", "")
            assert not RUN.search(cell[1:])
            assert cell[:1] not in ("=", "@", "\t", "\r")
            assert cell[:1] not in ("+", "-") or cell[1:].replace(".", "", 1).isdecimal()


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("x;=cmd()", "x;'=cmd()"), ('x; "=cmd()', "x; \"'=cmd()"), ("a\n@b", "a\n'@b"), ("x;-5", "x;'-5"),
        ("-5", "-5"), ("+4930123456", "+4930123456"), ("a;b, c - d", "a;b, c - d"), ("=a;=b", "'=a;'=b"),
    ],
)  # fmt: skip
def test_no_part_of_a_text_becomes_a_formula(text: str, cell: str) -> None:
    """Opened with semicolons between cells a part of a text is a cell; numbers and other texts stay as they are."""
    assert csv_text(Column("trait.a", "text", "content"), text) == cell
