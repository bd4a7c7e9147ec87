"""What is installed is pinned, hashed, licensed and named; no committed file carries a download address."""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from importlib import metadata

import pytest

from tests.house.tree import ROOT, House, Source
from tools import licences

DEV = (ROOT / "requirements" / "dev.txt").read_text()
BUILD = (ROOT / "requirements" / "build.txt").read_text()
RUNTIME = (ROOT / "requirements" / "runtime.txt").read_text()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT, BACKEND = PYPROJECT["project"], PYPROJECT["build-system"]
FREE = {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0", "MPL-2.0", "OFL-1.1"}
FREE |= {"PSF-2.0", "Unlicense", "Zlib"}
#: Under the LGPL: installed beside Einklang, imported unchanged, so that whoever runs it can exchange them.
BESIDE = {"psycopg", "psycopg-binary"}


def normal(name: str) -> str:
    """The name of a package as the index spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def unhashed(text: str) -> list[str]:
    """Names of pinned packages without a SHA-256 of their files, and lines that pin nothing."""
    blocks = re.split(r"\n(?=\S)", text.strip())
    return [block.split("\n")[0] for block in blocks if "==" not in block or "--hash=sha256:" not in block]


@pytest.mark.parametrize("name", ["runtime.txt", "dev.txt", "build.txt", "spark.txt"])
def test_all_is_pinned_with_hashes(name: str) -> None:
    """Each line of a requirements file is a version with hashes."""
    assert unhashed((ROOT / "requirements" / name).read_text()) == []


def test_a_missing_hash_is_found() -> None:
    """Positive control: a bare pin and a bare name are found."""
    assert unhashed("a==1 \\\n    --hash=sha256:00\nb==2\nc\n") == ["b==2", "c"]


def test_runtime_is_part_of_dev() -> None:
    """What is tested is what is shipped: dev.txt holds every pin of runtime.txt and build.txt at the same version."""
    assert licences.pins(RUNTIME).items() <= licences.pins(DEV).items()
    assert licences.pins(BUILD).items() <= licences.pins(DEV).items()


def tools_of(name: str) -> set[str]:
    """The packages that a hand-written list in requirements/ names."""
    lines = (ROOT / "requirements" / name).read_text().split("\n")
    return {normal(line) for line in lines if line and line[0] != "#"}


def test_pins_meet_the_project() -> None:
    """Every dependency of pyproject is pinned for run time, every tool for its use, the build's own among them."""
    wanted = {normal(re.split(r"[<>=!~;\[ ]", line)[0]) for line in PROJECT["dependencies"]}
    building = {normal(re.split(r"[<>=!~;\[ ]", line)[0]) for line in BACKEND["requires"]}
    assert wanted <= set(licences.pins(RUNTIME))
    assert tools_of("dev.in") <= set(licences.pins(DEV))
    assert building <= tools_of("build.in") <= set(licences.pins(BUILD))


def test_what_is_tested_is_what_is_pinned() -> None:
    """Each package pinned for run time is installed here in exactly that version."""
    installed = {normal(item.name): item.version for item in metadata.distributions() if item.name}
    wanted = licences.pins(RUNTIME)
    assert {name: installed.get(name) for name in wanted} == wanted


def test_the_console_lock_carries_no_addresses() -> None:
    """The console's lock has a hash for each package and no place to fetch it from."""
    packages = json.loads((ROOT / "console" / "package-lock.json").read_text())["packages"]
    assert [path for path, item in packages.items() if "resolved" in item] == []
    assert [path for path, item in packages.items() if path and "integrity" not in item] == []
    assert "omit-lockfile-registry-resolved=true" in (ROOT / "console" / ".npmrc").read_text()


def test_licences_are_listed() -> None:
    """docs/licences.md is what tools/licences.py writes for the pinned versions."""
    page = (ROOT / "docs" / "licences.md").read_text()
    listed = {tuple(row.split(" | ")) for row in re.findall(r"^\| (.+) \|$", page, re.MULTILINE)[1:]}
    lock = ROOT / "console" / "package-lock.json"
    wanted = [(name, version, licences.licence_of(name)) for name, version in licences.pins(RUNTIME).items()]
    missing = {*wanted, *licences.console_packages(lock)} - listed
    assert not missing, f"run `make docs`: {missing}"


def test_licences_are_free() -> None:
    """Every part of every licence is on the list of those that Apache-2.0 software may ship, but for named ones."""
    page = (ROOT / "docs" / "licences.md").read_text()
    rows = [
        row.split(" | ") for row in re.findall(r"^\| (.+ \| .+ \| .+) \|$", page, re.MULTILINE) if "licence" not in row
    ]
    assert len(rows) > 60
    strange = [row for row in rows if not set(re.split(r" (?:AND|OR) ", row[2].strip("()"))) <= FREE]
    assert {row[0]: row[2] for row in strange} == dict.fromkeys(BESIDE, "LGPL-3.0-only")


def imported(source: Source) -> set[str]:
    """Top names of the libraries that a file imports."""
    found = set()
    for node in source.nodes:
        if isinstance(node, ast.Import):
            found |= {item.name.split(".")[0] for item in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found - sys.stdlib_module_names - {"einklang", "tests", "tools", "hatch_build"}


@pytest.mark.slow
def test_every_import_is_declared(house: House) -> None:
    """The package imports its own dependencies, not those of a dependency; tests and tools import what is pinned."""
    owners = metadata.packages_distributions()
    declared = {normal(re.split(r"[<>=!~;\[ ]", line)[0]) for line in PROJECT["dependencies"]}
    offered = {"hypothesis", "pytest"}  # einklang.testing has suites for those who have them
    pinned = set(licences.pins(DEV))
    stray = set()
    for source in house.python("src/", "tests/", "tools/", "examples/", "hatch_build.py"):
        allowed = declared | offered if source.path.startswith("src/") else pinned
        stray |= {
            f"{source.path}: {top}" for top in imported(source) if not allowed & {*map(normal, owners.get(top, []))}
        }
    assert sorted(stray) == []


def test_an_undeclared_import_is_seen() -> None:
    """Positive control: imports are read in each of their forms."""
    text = "import os, requests\nfrom yaml.nodes import Node\nfrom . import x\nif 1:\n    import six as s\n"
    assert imported(Source("x.py", text)) == {"requests", "yaml", "six"}
