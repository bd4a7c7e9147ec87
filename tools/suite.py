"""Runs the tests in named parts and says what each took: `make test`, `make check`, `make test PARTS="unit stores"`.

Each part is a process of its own: a browser leaves an event loop behind, and what kills servers must not meet what
counts them. A part that fails does not stop the next. At the end: the slowest tests of all, and one line a part with
its time and its budget (on two idle cores; a machine that does other work takes longer: a budget is stated, not
enforced).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TextIO
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
SLOWEST = 20
#: Parts that a test chooses by a marker of this name; of two markers the earlier one counts.
MARKED = ("faults", "browser", "clients", "stores", "spark")
BUDGETS_S = {
    "static": 120,
    "unit": 240,
    "stores": 120,
    "spark": 120,
    "clients": 60,
    "faults": 180,
    "browser": 120,
    "quick": 45,
}
#: What `make test` runs. `quick` is the unit part of `make check`: fewer random cases, nothing slow.
ALL = ("static", "unit", "stores", "spark", "clients", "faults", "browser")
NO_TESTS = 5


@dataclass(frozen=True)
class Result:
    """What became of a part: status of its process, its time, its counts and the seconds of each of its tests."""

    part: str
    status: int
    took_s: float
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    tests: tuple[tuple[float, str], ...] = ()


def marks(part: str) -> str:
    """The marker expression of a part, so that each test is in exactly one: `stores and not (faults or ...)`."""
    if part in MARKED:
        earlier = MARKED[: MARKED.index(part)]
        return f"{part} and not ({' or '.join(earlier)})" if earlier else part
    return f"not ({' or '.join([*MARKED, *(('slow', 'real') if part == 'quick' else ())])})"


def command(part: str, report: Path) -> list[str]:
    """The program of a part; the tests write their results as XML to `report`."""
    if part == "static":
        return [os.environ.get("MAKE", "make"), "--no-print-directory", "lint"]
    # by file, so that what a module makes once is made once
    quiet = ["--dist", "loadfile", "--quiet"] if part == "quick" else ["--dist", "loadgroup"]
    return [
        sys.executable,
        "-m",
        "pytest",
        "-n",
        "2",
        "-m",
        marks(part),
        f"--junitxml={report}",
        *quiet,
    ]


def read(part: str, status: int, took_s: float, report: Path) -> Result:
    """The counts of a report of pytest; a part that wrote none has only its status."""
    if not report.is_file():
        return Result(part, status, took_s)
    suite = next(ElementTree.parse(report).getroot().iter("testsuite"))
    count = {name: int(suite.get(name, "0")) for name in ("tests", "errors", "failures", "skipped")}
    failed = count["errors"] + count["failures"]
    tests = tuple(
        (float(case.get("time", "0")), f"{case.get('classname')}::{case.get('name')}")
        for case in suite.iter("testcase")
        if case.find("skipped") is None
    )
    return Result(part, status, took_s, count["tests"] - failed - count["skipped"], failed, count["skipped"], tests)


def run(part: str, folder: Path, said: TextIO | None = None) -> Result:
    """Runs one part from the root of the repository; what it says goes to `said`, else to the terminal."""
    print(f"\n=== {part} (budget {clock(BUDGETS_S[part])})", flush=True, file=said)
    report, began = folder / f"{part}.xml", monotonic()
    quick = {"CUTTING_LOGS": "16", "MERGE_SEQUENCES": "50", "HYPOTHESIS_PROFILE": "quick"}
    settings = quick if part == "quick" else {"CUTTING_LOGS": "240"}
    status = subprocess.call(
        command(part, report),
        cwd=ROOT,
        env={**settings, **os.environ},
        stdout=said,
        stderr=subprocess.STDOUT if said else None,
    )
    empty = status == NO_TESTS and part in MARKED  # a part may be waiting for its first test
    return read(part, 0 if empty else status, monotonic() - began, report)


def clock(seconds: float) -> str:
    """`2:05`"""
    return f"{round(seconds) // 60}:{round(seconds) % 60:02}"


def summary(results: list[Result]) -> str:
    """The slowest tests, a line for each part, and the sum."""
    tests = sorted((test for result in results for test in result.tests), reverse=True)[:SLOWEST]
    lines = [f"\n=== the {len(tests)} slowest tests (seconds, set-up included)"] if tests else []
    lines += [f"{seconds:7.2f}  {name}" for seconds, name in tests]
    lines.append("\n=== part    time  budget  passed  failed  skipped")
    for one in results:
        counts = "" if one.part == "static" else f"{one.passed:8}{one.failed:8}{one.skipped:9}"
        remark = "  FAILED" if one.status else "  over its budget" if one.took_s > BUDGETS_S[one.part] else ""
        lines.append(f"{one.part:10}{clock(one.took_s):>6}{clock(BUDGETS_S[one.part]):>8}{counts:25}{remark}")
    passed, skipped = sum(one.passed for one in results), sum(one.skipped for one in results)
    failed = sum(max(one.failed, 1 if one.status else 0) for one in results)
    return "\n".join([*lines, "", f"{passed} passed, {failed} failed, {skipped} skipped"])


def _beside(folder: Path) -> list[Result]:
    """The quick loop: style, types and floors are looked at while the tests run, and said after them."""
    with (folder / "static.txt").open("w+") as said, ThreadPoolExecutor(1) as pool:
        static = pool.submit(run, "static", folder, said)
        quick = run("quick", folder)
        found = static.result()
        said.seek(0)
        print(said.read(), flush=True)
    return [found, quick]


def main(parts: list[str]) -> int:
    """Runs these parts, or all; 0 if each passed."""
    unknown = [part for part in parts if part not in BUDGETS_S]
    if unknown:
        print(f"no such part: {', '.join(unknown)}; there are: {', '.join(BUDGETS_S)}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        results = (
            _beside(Path(folder)) if parts == ["static", "quick"] else [run(p, Path(folder)) for p in parts or ALL]
        )
    print(summary(results), flush=True)
    return 1 if any(result.status for result in results) else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
