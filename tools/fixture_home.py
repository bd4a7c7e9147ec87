"""Writes tests/fixtures/home-<format>.tar.gz: a small home of this landing, for the next one to open and migrate.

Run it once for each new format of the home, never again for an old one: `.venv/bin/python -m tools.fixture_home`.
"""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

from einklang.app import apply as applying
from einklang.app import imports, yaml
from einklang.kernel import time
from einklang.main.commands import run_home
from einklang.main.home import create, opened
from einklang.sim.demo import definitions
from einklang.sim.files import write
from einklang.sim.world import World

FIXTURES = Path(__file__).resolve().parents[1] / "tests" / "fixtures"
START = time.parse_moment("2026-01-01T00:00:00Z")
DAYS = 40
PERSONS = 60


def make(folder: Path) -> Path:
    """A home with DAYS days of a small demo company. Returns its folder."""
    home_path = folder / "home"
    create(home_path, "f1" * 32, password="fixture-home")
    world = World(1, PERSONS, START, DAYS)
    write(world, folder / "files")
    with opened(home_path, base_url="http://127.0.0.1:8787", writer=True) as home:
        home.engine()
        applying.apply(home.book, yaml.read([definitions()]), now=START)
        for kind, name in (("products", "products.csv"), ("people", "people.csv"), ("consents", "consents.csv")):
            imports.import_file(home.book, kind, folder / "files" / name, now=START)
        imports.import_file(home.book, "events", folder / "files" / "events.jsonl", now=START)
        run_home(home, START + (DAYS - 5) * time.DAY)
        form = home.book.read("meta_value", "format")[0][0]
    target = FIXTURES / f"home-{form}.tar.gz"
    FIXTURES.mkdir(exist_ok=True)
    with tarfile.open(target, "w:gz") as tar:
        for path in sorted(home_path.rglob("*")):
            if path.is_file() and path.name not in ("lock", "reserve"):
                tar.add(path, arcname=str(path.relative_to(home_path)))
    return target


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        print(make(Path(scratch)))
