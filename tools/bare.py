"""Proves `.ci/run` on a bare machine: a pristine Debian with python3, make and git, and nothing that this one has.

    sudo python3 -m tools.bare                  make it, clone HEAD into it, run `.ci/run` there, remove it
    sudo python3 -m tools.bare --keep DIR       the same in DIR, which is new and stays, to look around in
    sudo python3 -m tools.bare -- make check    another command in the clone

Needs root and debootstrap (Debian: apt install debootstrap). Packages come from the mirror that apt has here; how this
machine reaches the registries (proxies, certificates, indexes) goes in as environment. All mounts and processes belong
to name spaces that end with the command, however it ends: nothing is left mounted or running.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from time import monotonic

ROOT = Path(__file__).resolve().parents[1]
SUITE = "bookworm"
#: What a machine needs before it can be asked for anything.
PACKAGES = "ca-certificates,python3,make,git"
#: Real data and the reference of the language lie beside the repository; CI has them there too.
BESIDE = ROOT.parent / "shared"
_CLONE = Path("work") / ROOT.name
#: Variables of this machine that say how the registries are reached; those in `_FILES` name a file of certificates.
_FILES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
_WAYS = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_DEFAULT_TIMEOUT", "UV_DEFAULT_INDEX", "NPM_CONFIG_REGISTRY")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")
_CERTIFICATES = Path("etc/certificates-of-the-host.pem")

#: In name spaces of its own: $1 the machine, $2 what lies beside the repository or "", then the command.
INSIDE = """
set -eu
machine=$1 beside=$2; shift 2
mount -t proc proc "$machine/proc"
mount -t sysfs -o ro sysfs "$machine/sys"
mount -t tmpfs -o mode=755 tmpfs "$machine/dev"
for name in null zero full random urandom tty; do
    touch "$machine/dev/$name"; mount --bind "/dev/$name" "$machine/dev/$name"
done
mkdir "$machine/dev/pts" "$machine/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$machine/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$machine/dev/shm"
ln -s pts/ptmx "$machine/dev/ptmx"
ln -s /proc/self/fd "$machine/dev/fd"
for n in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${n%:*}" "$machine/dev/${n#*:}"; done
if [ -n "$beside" ]; then
    mkdir -p "$machine/work/shared"; mount --bind "$beside" "$machine/work/shared"
fi
exec chroot "$machine" "$@"
"""


class Impossible(Exception):
    """This machine cannot make another one; says why and the mend."""


def sources(targets: Iterable[str], suite: str) -> list[str]:
    """Lines for apt's sources.list: what this machine has of a suite, its updates and its security.

    targets: `address|suite|component` each, as apt tells them. Raises Impossible.
    """
    rows = [line.strip().split("|") for line in targets]
    lines = [f"deb {address} {name} {part}" for address, name, part in rows if name.split("-")[0] == suite]
    if not any(f" {suite} main" in line for line in lines):
        raise Impossible(f"apt of this machine has no {suite}: add it to its sources, or name another --suite")
    return list(dict.fromkeys(lines))


def environment(here: Mapping[str, str], *, certificates: bool) -> dict[str, str]:
    """What a command in there is given: of this machine only the ways to the registries."""
    found = {name: here[name] for name in _WAYS if name in here}
    found |= {name: value for name, value in here.items() if name.lower() in _PROXIES}
    if certificates:
        found |= dict.fromkeys(_FILES, f"/{_CERTIFICATES}")
    return {
        **found,
        "HOME": str(Path.home()),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }


def make(machine: Path, suite: str) -> None:
    """A minimal Debian with a clone of HEAD in it. Raises Impossible, CalledProcessError."""
    told = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)|$(CODENAME)|$(COMPONENT)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = sources(told.stdout.splitlines(), suite)
    mirror = next(line.split()[1] for line in lines if f" {suite} " in line)
    subprocess.run(
        ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, str(machine), mirror],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    machine.chmod(0o755)  # a temporary folder is for its owner alone, but not everybody in there is root: PostgreSQL
    (machine / "etc/apt/sources.list").write_text("\n".join(lines) + "\n")
    settings = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout.splitlines()
    ways = [line for line in settings if line.startswith(("Acquire::http", "Acquire::Check-"))]
    (machine / "etc/apt/apt.conf.d/99host").write_text("\n".join(ways) + "\n")
    for name in ("resolv.conf", "hosts"):
        shutil.copy(Path("/etc") / name, machine / "etc" / name)
    if certificates := certificates_of(os.environ):
        shutil.copy(certificates, machine / _CERTIFICATES)
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(machine / _CLONE)], check=True)


def certificates_of(here: Mapping[str, str]) -> Path | None:
    """The certificates that this machine trusts, where it says so."""
    found = [Path(here[name]) for name in _FILES if here.get(name)]
    return next((path for path in found if path.is_file()), None)


def run(machine: Path, command: Sequence[str]) -> int:
    """Run a command in the clone in there; its exit status. Whatever it started ends with it, or with us."""
    given = environment(os.environ, certificates=(machine / _CERTIFICATES).exists())
    begin = [f"{name}={value}" for name, value in given.items()]
    beside = str(BESIDE) if BESIDE.is_dir() else ""
    return subprocess.call(
        [
            *("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child"),
            *("bash", "-c", INSIDE, "inside", str(machine), beside),
            *("env", "-i", *begin, "bash", "-c", f'cd /{_CLONE} && exec "$@"', "command", *command),
        ]
    )


def _ready() -> None:
    """Raises Impossible."""
    if os.geteuid() != 0:
        raise Impossible("needs root: a machine of its own has mounts of its own; say sudo")
    for name, package in (("debootstrap", "debootstrap"), ("setpriv", "util-linux"), ("apt-get", "apt")):
        if shutil.which(name) is None:
            raise Impossible(f"needs {name} (Debian: apt install {package})")


def main(arguments: Sequence[str]) -> int:
    """The exit status of the command in there, 2 if it could not be asked."""
    parser = argparse.ArgumentParser(prog="python -m tools.bare", description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, metavar="DIR", help="make it in DIR, which is new, and leave it there")
    parser.add_argument("--suite", default=SUITE, help=f"of Debian (default {SUITE})")
    parser.add_argument("command", nargs="*", metavar="COMMAND", help="in the clone (default .ci/run)")
    options = parser.parse_args(arguments)
    command = options.command or [".ci/run"]
    folder = tempfile.mkdtemp(prefix="einklang-bare-") if options.keep is None else str(options.keep.absolute())
    machine, began = Path(folder), monotonic()
    try:
        _ready()
        if options.keep is not None:
            machine.mkdir(parents=True)
        print(f"a bare Debian {options.suite} in {machine}", flush=True)
        make(machine, options.suite)
        made_s, begun = monotonic() - began, monotonic()
        status = run(machine, command)
        print(f"bare: `{' '.join(command)}` ended with {status} after {_clock(begun)}; made in {round(made_s)} s")
        return status
    except (Impossible, FileExistsError, subprocess.CalledProcessError) as error:
        print(f"bare: {error}", file=sys.stderr)
        return 2
    finally:
        if options.keep is None:
            shutil.rmtree(machine)


def _clock(begun: float) -> str:
    seconds = round(monotonic() - begun)
    return f"{seconds // 60}:{seconds % 60:02}"


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
