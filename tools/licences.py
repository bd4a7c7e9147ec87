"""Writes docs/licences.md: what Einklang depends on at run time, in which version, under which licence.

Python packages come from requirements/runtime.txt and their installed metadata, the console's from its lock file.
`make docs` runs it; tests/house/test_dependencies.py compares.
"""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(?:\s*;\s*([^\\]+))?", re.MULTILINE)
SPDX = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "BSD 3-Clause": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "The MIT License": "MIT",
    "Python Software Foundation License": "PSF-2.0",
}
#: Read by hand from the text or the repository of packages whose metadata do not say it.
BY_HAND = {"apsw": "Zlib", "mrml": "MIT", "rich-click": "MIT"}
HEAD = """# Licences of what Einklang depends on

Made by `make docs` (tools/licences.py); do not edit. Tools of development are not listed: they are not shipped.
Einklang's own package holds none of the Python packages: pip installs them beside it, also psycopg, whose LGPL asks
that it can be exchanged.

"""


def pins(text: str) -> dict[str, str]:
    """Name -> version of the pinned packages that this platform installs."""
    return {match[1]: match[2] for match in PIN.finditer(text) if "win32" not in (match[3] or "") or "!=" in match[3]}


def licence_of(name: str) -> str:
    """The SPDX expression of an installed package, from its metadata."""
    if name in BY_HAND:
        return BY_HAND[name]
    about = metadata.metadata(name).json
    classifiers = [line.rsplit(" :: ", 1)[1] for line in about.get("classifier", []) if line.startswith("License ::")]
    for text in (about.get("license_expression"), *classifiers, about.get("license")):
        if isinstance(text, str) and text != "OSI Approved" and 0 < len(text) < 80:
            return SPDX.get(text, text)
    return "unknown"


def console_packages(lock: Path) -> list[tuple[str, str, str]]:
    """(name, version, licence) of what is bundled into the console."""
    packages = json.loads(lock.read_text())["packages"]
    rows = {
        (path.rpartition("node_modules/")[2], item["version"], item.get("license", "unknown"))
        for path, item in packages.items()
        if path and not any(item.get(flag) for flag in ("dev", "optional", "peer", "devOptional"))
    }
    return sorted(rows)


def table(rows: list[tuple[str, str, str]]) -> str:
    """A Markdown table."""
    return "| package | version | licence |\n|---|---|---|\n" + "".join(f"| {a} | {b} | {c} |\n" for a, b, c in rows)


def render(root: Path = ROOT) -> str:
    """The whole page."""
    python = pins((root / "requirements" / "runtime.txt").read_text())
    page = (
        HEAD + "## Python\n\n" + table([(name, version, licence_of(name)) for name, version in sorted(python.items())])
    )
    lock = root / "console" / "package-lock.json"
    return page + "\n## Console (bundled by the build)\n\n" + table(console_packages(lock)) if lock.is_file() else page


if __name__ == "__main__":
    (ROOT / "docs" / "licences.md").write_text(render())
