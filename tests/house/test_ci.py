"""The script of continuous integration, with stand-ins for what it calls."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house.tree import ROOT


def run(folder: Path, programs: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs a copy of .ci/run where only these programs (shell bodies), bash and dirname exist."""
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci" / "run")
    tools = folder / "bin"
    tools.mkdir()
    for name, body in programs.items():
        (tools / name).write_text(f"#!{shutil.which('bash')}\n{body}\n")
        (tools / name).chmod(0o755)
    for name in ("bash", "dirname"):
        (tools / name).symlink_to(shutil.which(name) or name)
    return subprocess.run(
        [str(tools / "bash"), ".ci/run"],
        cwd=folder,
        env={**os.environ, "PATH": str(tools), "PYTHON": "python3"},
        capture_output=True,
        text=True,
        check=False,
    )


READY = {"python3": "exit 0", "chromium": "exit 0", "java": "exit 0", "dpkg": "exit 0", "apt-get": "echo APT $*"}


@pytest.mark.parametrize("status", [0, 2])
def test_the_result_of_make_is_the_result(tmp_path: Path, status: int) -> None:
    """CI fails exactly when `make test` does, runs nothing after it, and installs nothing that is there."""
    result = run(tmp_path, {**READY, "make": f"echo CI=$CI make $*; exit {status}"})
    assert result.returncode == status
    assert result.stdout == "CI=true make test\n"


@pytest.mark.parametrize(("absent", "package"), [("chromium", "chromium"), ("dpkg", "libatomic1 postgresql")])
def test_what_is_missing_is_installed_and_a_failure_stops(tmp_path: Path, absent: str, package: str) -> None:
    """Without a browser or a database server Debian's is installed; if that fails nothing is tested."""
    programs = {**READY, "make": "echo MAKE", "apt-get": "echo APT $* >&2; [ $1 = update ]", absent: "exit 1"}
    if absent == "chromium":
        del programs[absent]
    result = run(tmp_path, programs)
    assert result.returncode != 0
    assert f" {package}" in result.stderr
    assert "MAKE" not in result.stdout


def test_nothing_waits_for_an_answer(tmp_path: Path) -> None:
    """Standard input is empty for all that CI runs."""
    result = run(tmp_path, {**READY, "make": "read -r line && echo GOT || echo EMPTY"})
    assert result.stdout == "EMPTY\n"
