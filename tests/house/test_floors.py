"""The floors of the house: import-linter holds them in `make lint`; here each kind of break is shown to be found."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.house import rules_python
from tests.house.tree import ROOT, House

CONTRACT = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]

BREAKS = {
    "a lower floor imports a higher one": ("event", "from einklang.app import thing\n"),
    "two rooms of one floor know each other": ("expr", "import einklang.event\n"),
    "only for types": ("event", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import einklang.web\n"),
    "a room that has no floor": ("cellar", "x = 1\n"),
}


def ini(contract: dict[str, Any]) -> str:
    """The contracts as an import-linter file of its own."""
    lines = ["[importlinter]", f"root_package = {contract['root_package']}"]
    for number, item in enumerate(contract["contracts"]):
        lines.append(f"[importlinter:contract:{number}]")
        for key, value in item.items():
            lines.append(
                f"{key} = " + ("".join(f"\n    {line}" for line in value) if isinstance(value, list) else str(value))
            )
    return "\n".join(lines) + "\n"


def lint(folder: Path, rooms: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs import-linter over a small house with these rooms."""
    for room, text in rooms.items():
        package = folder / "einklang" / room
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(text)
    (folder / "einklang" / "__init__.py").write_text("")
    (folder / ".importlinter").write_text(ini(CONTRACT))
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command as c; c()",
            "--no-cache",
            "--no-logo",
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


GOOD = {
    "kernel": "",
    "event": "import einklang.kernel\n",
    "expr": "",
    "app": "thing = 1\n",
    "web": "import einklang.app\n",
}


def test_a_good_house_passes(tmp_path: Path) -> None:
    """Imports that only go down are kept."""
    result = lint(tmp_path, GOOD)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("what", BREAKS)
def test_each_break_is_found(tmp_path: Path, what: str) -> None:
    """Positive control: an upward, a sideways, a types-only import and a room without a floor are refused."""
    room, text = BREAKS[what]
    result = lint(tmp_path, {**GOOD, room: text})
    assert result.returncode == 1, result.stdout + result.stderr
    assert "BROKEN" in result.stdout


def test_every_room_has_its_list_of_libraries(house: House) -> None:
    """The library rule knows each room, main excepted, which may import all."""
    assert set(house.rooms) - {"main"} <= set(rules_python.LIBRARIES)


def test_core_rooms_are_the_lower_three_floors() -> None:
    """The rooms that may not touch the world are exactly those of floors 1 to 3."""
    floors = CONTRACT["contracts"][0]["layers"][-3:]
    assert {name.strip(" ()") for floor in floors for name in floor.split("|")} == rules_python.CORE
