"""Takes one guard out at a time and demands that the test which watches it turns red: positive controls by a table.

`tests/controls.toml` names for each control the invariant, the test, and the patch: in `file` the text `search`, which
stands there exactly once, becomes `replace`. Sources and tests are copied into a temporary folder and patched there;
nothing in the repository is touched. A control has bitten if its test fails for what it asserts; a patched program
that does not even run shows nothing, and so does a test that is red without the patch (`sound` runs them all).

    python -m tools.controls                 all of them, two at a time, one line each
    python -m tools.controls a-failed-fsync-is-final  these alone
    python -m tools.controls --list          what there is
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "tests" / "controls.toml"
#: What a copy needs to run a test.
COPIED = ("src", "tests", "tools", "pyproject.toml", "requirements")
_LEFT_OUT = shutil.ignore_patterns("console", "browser", "clients", "*.orig", ".*")
#: What a test must not fail with: then the patch broke the program, not the guard.
_NOT_A_FINDING = re.compile(r"^E +(NameError|SyntaxError|ImportError|ModuleNotFoundError|UnboundLocalError)\b", re.M)
_FAILED, _PASSED = 1, 0
_SECONDS_MAX = 500
#: How long a test waits for what a guard that is gone does not bring.
_BITTEN_S = "5"


@dataclass(frozen=True)
class Control:
    """One row of the table. settings: environment of the test, for instance how many cases it draws."""

    name: str
    invariant: int
    guard: str
    test: str
    file: str
    search: str
    replace: str
    needs: str = ""
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """bitten: the test turned red as it should. said: what it failed with, or what is wrong with the control."""

    bitten: bool
    said: str
    took_s: float

    def line(self, control: Control) -> str:
        """One line for people."""
        mark = "red " if self.bitten else "BAD "
        return f"{mark}{control.invariant:>3}  {control.name:32} {self.took_s:5.1f} s  {self.said[:110]}"


def controls(table: Path = TABLE) -> list[Control]:
    """The rows of the table. Raises TypeError for a field that is unknown or missing."""
    rows: list[dict[str, Any]] = tomllib.loads(table.read_text(encoding="utf-8"))["control"]
    return [Control(**row) for row in rows]


def stands_once(control: Control, root: Path = ROOT) -> bool:
    """Whether the text that the patch takes away is there, and only once."""
    return (root / control.file).read_text(encoding="utf-8").count(control.search) == 1


def copy(folder: Path) -> None:
    """What a test needs, with what Python has compiled already."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=_LEFT_OUT)
        else:
            shutil.copy2(source, folder / name)


def patch(control: Control, folder: Path) -> None:
    """Take the guard out of the copy."""
    file = folder / control.file
    file.write_text(file.read_text(encoding="utf-8").replace(control.search, control.replace), encoding="utf-8")


def run(tests: Sequence[str], folder: Path, settings: dict[str, str]) -> tuple[int, str]:
    """(exit status, output) of pytest over the copy."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        "-p",
        "no:xdist",
    ]
    paths = os.pathsep.join([str(folder / "src"), str(folder)])
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    try:
        done = subprocess.run(
            [*command, f"--basetemp={folder / 'temporary'}", f"--timeout={_SECONDS_MAX}", *tests],
            cwd=folder,
            env={**plain, "PYTHONPATH": paths, "HYPOTHESIS_PROFILE": "control", **settings},
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS_MAX + 10,
        )
    except subprocess.TimeoutExpired:
        return -1, "it hangs"
    return done.returncode, done.stdout + done.stderr


def judge(status: int, output: str) -> tuple[bool, str]:
    """Whether a test that should be red is red for what it asserts; and what it says."""
    if status == _PASSED:
        return False, "green without its guard" if " passed" in output else f"no test ran: {output.strip()[-100:]}"
    found = _NOT_A_FINDING.search(output)
    if found:
        return False, f"the patch breaks the program: {found[0][4:]}"
    if status != _FAILED or " failed" not in output:
        return False, f"pytest ended with {status}: {output.strip()[-100:]}"
    said = re.search(r"^E +(.*)$", output, re.M)
    return True, said[1].strip() if said else "failed"


def bite(control: Control) -> Verdict:
    """Copy, patch, run the test, judge."""
    began = monotonic()
    if not stands_once(control):
        return Verdict(False, f"its text does not stand exactly once in {control.file}: mend the table", 0.0)
    with tempfile.TemporaryDirectory(prefix="einklang-control-") as name:
        folder = Path(name)
        copy(folder)
        patch(control, folder)
        bitten, said = judge(*run([control.test], folder, {"WAIT_S": _BITTEN_S, **control.settings}))
    return Verdict(bitten, said, monotonic() - began)


def sound(chosen: Sequence[Control]) -> tuple[bool, str]:
    """Whether the tests of these controls are green in a copy without any patch; and what pytest said."""
    settings = {name: value for control in chosen for name, value in control.settings.items()}
    with tempfile.TemporaryDirectory(prefix="einklang-control-") as name:
        copy(Path(name))
        status, output = run(sorted({control.test for control in chosen}), Path(name), settings)
    return status == _PASSED, output


def main(arguments: Sequence[str]) -> int:
    """0 if every guard was missed by its test."""
    parser = argparse.ArgumentParser(prog="python -m tools.controls", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="controls; all of them if none is named")
    parser.add_argument("--list", action="store_true", help="only say what there is")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (default 2)")
    options = parser.parse_args(arguments)
    known = {control.name: control for control in controls()}
    unknown = [name for name in options.names if name not in known]
    if unknown:
        print(f"no such control: {', '.join(unknown)}; see --list", file=sys.stderr)
        return 2
    chosen = [known[name] for name in options.names] or list(known.values())
    if options.list:
        for control in chosen:
            print(f"{control.invariant:>3}  {control.name:32} {control.guard}")
        return 0
    bad = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        green = pool.submit(sound, chosen)
        for control, verdict in zip(chosen, pool.map(bite, chosen), strict=True):
            bad += not verdict.bitten
            print(verdict.line(control), flush=True)
    fine, output = green.result()
    if not fine:
        print(f"the tests are not green without a patch:\n{output[-3000:]}", file=sys.stderr)
    print(f"{len(chosen) - bad} of {len(chosen)} guards are missed by their tests when they are gone")
    return 1 if bad or not fine else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
