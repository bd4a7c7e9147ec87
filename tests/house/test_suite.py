"""The runner of the parts: each test is in one of them, a failure anywhere is a failure, nothing is lost on the way."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

from tests.house.tree import ROOT
from tools import suite

REPORT = """<testsuites><testsuite errors="1" failures="1" skipped="1" tests="4">
<testcase classname="tests.a" name="test_x" time="2.5"/><testcase classname="tests.a" name="test_y" time="0.5"/>
</testsuite></testsuites>"""


@pytest.mark.parametrize("has", [c for n in range(5) for c in itertools.combinations(suite.MARKED, n)])
def test_each_test_is_in_one_part(has: tuple[str, ...]) -> None:
    """Whatever markers a test has, exactly one part of `make test` chooses it; the quick loop only what has none."""
    names = {name: name in has for name in (*suite.MARKED, "slow", "real")}
    chosen = [part for part in suite.ALL[1:] if eval(suite.marks(part), {}, names)]
    assert len(chosen) == 1
    assert (chosen == ["unit"]) == eval(suite.marks("quick"), {}, names) == (not has)
    assert not eval(suite.marks("quick"), {}, names | {"slow": True})


def test_markers_and_budgets_are_declared() -> None:
    """pyproject.toml declares the marker of each part, CONTRIBUTING.md explains each part with its budget."""
    declared, page = (ROOT / "pyproject.toml").read_text(), (ROOT / "CONTRIBUTING.md").read_text()
    assert set(suite.ALL) == set(suite.MARKED) | {"static", "unit"}
    assert [name for name in suite.MARKED if f'"{name}: ' not in declared] == []
    assert [p for p in suite.ALL if f"\n| `{p}` | {suite.BUDGETS_S[p] // 60} min |" not in page] == []


def fake(monkeypatch: pytest.MonkeyPatch, folder: Path, **statuses: int) -> None:
    """Each part becomes a program that ends with this status and, if that is 0 or 1, leaves a report."""

    def command(part: str, report: Path) -> list[str]:
        script = f"import sys; open({str(report)!r}, 'w').write({REPORT!r}); sys.exit({statuses.get(part, 0)})"
        return [sys.executable, "-c", script]

    monkeypatch.setattr(suite, "command", command)


def test_a_failing_part_fails_the_whole_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 1 if one part failed, 0 if none; the parts after it run, the sums are those of all reports."""
    fake(monkeypatch, tmp_path, stores=1)
    assert suite.main(["stores", "clients"]) == 1
    said = capsys.readouterr().out
    assert "\nclients " in said
    assert "FAILED" in said
    assert said.endswith("\n2 passed, 4 failed, 2 skipped\n")
    assert "2.50  tests.a::test_x" in said
    fake(monkeypatch, tmp_path)
    assert suite.main(["stores", "clients"]) == 0
    assert "FAILED" not in capsys.readouterr().out


def test_the_quick_loop_looks_at_style_while_the_tests_run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`make check`: both parts, each a failure if it fails; what the first says is neither lost nor mixed in."""

    def command(part: str, report: Path) -> list[str]:
        return [sys.executable, "-c", f"import sys; print('{part} says'); sys.exit({part == failing:d})"]

    monkeypatch.setattr(suite, "command", command)
    for failing in ("static", "quick", ""):
        assert suite.main(["static", "quick"]) == (failing != "")
        said = capfd.readouterr().out
        assert -1 < said.index("quick says") < said.index("=== static") < said.index("static says")
        assert said.count("FAILED") == (failing != "")


def test_no_test_is_a_failure_where_there_must_be_some(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A part of its own may wait for its first test, the unit part not; an unknown part is wrong usage."""
    fake(monkeypatch, tmp_path, unit=suite.NO_TESTS, clients=suite.NO_TESTS)
    assert suite.main(["clients"]) == 0
    assert suite.main(["unit"]) == 1
    assert suite.main(["nothing"]) == 2
