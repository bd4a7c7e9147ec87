"""Positive controls by the table tests/controls.toml: each guard that is taken out is missed by the test it names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from einklang.testing.cluster import programs
from tools.controls import ROOT, TABLE, Control, bite, controls, judge, sound, stands_once

pytestmark = pytest.mark.faults

ALL = controls()


def rows(*, postgres: bool) -> list[Control]:
    """The controls that need PostgreSQL, or those that do not."""
    return [control for control in ALL if (control.needs == "postgres") is postgres]


def bitten(control: Control, said: Callable[[str, object], None]) -> None:
    """Demand red, and print the line."""
    verdict = bite(control)
    said("said", verdict.line(control))
    assert verdict.bitten, verdict.line(control)


@pytest.mark.parametrize("control", rows(postgres=False), ids=lambda control: control.name)
def test_a_guard_that_is_gone_is_missed(control: Control, record_property: Callable[[str, object], None]) -> None:
    """The sources without this guard, the test that watches it: red, for what it asserts."""
    bitten(control, record_property)


@pytest.mark.stores
@pytest.mark.parametrize("control", rows(postgres=True), ids=lambda control: control.name)
def test_a_guard_on_postgres_that_is_gone_is_missed(
    control: Control, record_property: Callable[[str, object], None]
) -> None:
    """The same where the test runs on PostgreSQL."""
    bitten(control, record_property)


def test_the_tests_of_the_table_are_green_with_their_guards() -> None:
    """In a copy without any patch: what is red for another reason would show nothing."""
    fine, output = sound([control for control in ALL if not control.needs or programs()])
    assert fine, output[-3000:]


def test_the_table_is_in_order() -> None:
    """At least twenty, no two of one name, each text stands once, no patch is empty talk, and it covers these rooms."""
    assert len(ALL) >= 20
    assert len({control.name for control in ALL}) == len(ALL)
    assert [control.name for control in ALL if not stands_once(control)] == []
    assert [control.name for control in ALL if control.search == control.replace or not control.guard] == []
    assert {control.needs for control in ALL} <= {"", "postgres"}
    assert set(range(1, 17)) | {31, 32, 43, 45} <= {control.invariant for control in ALL}
    assert TABLE.parent == ROOT / "tests"


@pytest.mark.parametrize(
    ("status", "output", "bites", "said"),
    [
        (1, "E       assert 1 == 2\n1 failed in 0.1s", True, "assert 1 == 2"),
        (0, "1 passed in 0.1s", False, "green without its guard"),
        (1, "E   NameError: name 'x' is not defined\n1 failed", False, "the patch breaks the program: NameError"),
        (2, "E   SyntaxError: invalid syntax\n1 error", False, "the patch breaks the program: SyntaxError"),
        (4, "ERROR: not found: tests/x.py::test_y", False, "pytest ended with 4"),
        (5, "no tests ran in 0.01s", False, "pytest ended with 5"),
        (-1, "it hangs", False, "pytest ended with -1"),
    ],
)
def test_only_a_finding_counts(status: int, output: str, bites: bool, said: str) -> None:
    """Red for what the test asserts: not a program that no longer runs, no test that was not found, no hanging."""
    found = judge(status, output)
    assert found[0] is bites
    assert found[1].startswith(said)


def test_a_text_that_moved_is_told(tmp_path: Path) -> None:
    """A control whose text is no longer there is bad, it does not pass for red."""
    control = Control("x", 1, "g", "tests/kernel/test_kernel_ids.py", "src/einklang/kernel/ids.py", "not there", "")
    assert not stands_once(control)
    verdict = bite(control)
    assert not verdict.bitten
    assert "mend the table" in verdict.said
