"""Homes of earlier landings open, migrate, verify and go on."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from einklang.main.cli import main
from einklang.store.book.migrate import migrations

pytestmark = pytest.mark.slow

FIXTURES = sorted((Path(__file__).resolve().parents[1] / "fixtures").glob("home-*.tar.gz"))


def test_homes_of_earlier_landings_lie_here() -> None:
    """No fixture is of a format that this program does not know, and the first and the last landed format are there
    (each landing makes its own by `python -m tools.fixture_home`).
    """
    formats = {int(path.name.removeprefix("home-").removesuffix(".tar.gz")) for path in FIXTURES}
    assert {1, 18} <= formats <= {number for number, *_ in migrations()}


@pytest.mark.parametrize("archive", FIXTURES, ids=lambda path: path.name)
def test_a_home_of_an_earlier_landing_goes_on(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is migrated, equals its rebuild, works off what was pending, and equals its rebuild again."""
    home = tmp_path / "home"
    home.mkdir()
    # Not tarfile: the Python 3.11.2 of Debian 12 knows no extraction filter, later ones want one.
    subprocess.run(["tar", "-xzf", archive, "-C", home], check=True)
    at = ["--home", str(home), "--json"]
    for until in ("2026-02-05T01:00:00Z", "2026-02-20T00:00:00Z"):
        assert main(["run", "--until", until, *at]) == 0
        capsys.readouterr()
        assert main(["verify", *at]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["ok"]
        assert found["state_equal"]
    assert found["pending"] == 0
    assert found["projected"] > 500
