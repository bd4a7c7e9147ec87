"""A report says which position of the log and which versions of the lake it speaks of, and can be made again."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from einklang.main.cli import main
from einklang.main.home import Home, opened

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "home-1.tar.gz"
EARLY, LATE = "2026-02-05T01:00:00Z", "2026-02-20T00:00:00Z"


def told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    """What a command prints."""
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_a_report_can_be_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Events, merges, decisions and another goal change what is reported now, not the report of then; a version that is
    gone is said to be.
    """
    home = tmp_path / "home"
    home.mkdir()
    subprocess.run(["tar", "-xzf", FIXTURE, "-C", home], check=True)
    at = ["--home", str(home)]
    told(["run", "--until", EARLY, *at], capsys)
    with opened(home, base_url="", writer=False) as found:
        journey = measured(found)
        reached = found.book.read("counter_value", "seq")[0][0]
    then = told(["report", journey, *at], capsys)
    assert then["position"] == reached
    assert then["basis"]["clock"] == EARLY
    assert set(then["basis"]["lake"]) == {"assignments", "events", "messages", "outcomes", "persons"}
    kept = tmp_path / "then.json"
    kept.write_text(json.dumps(then))
    told(["run", "--until", LATE, *at], capsys)
    with opened(home, base_url="", writer=False) as found:
        (body,) = [
            body for kind, key, _, body in found.book.read("definitions_active") if (kind, key) == ("journey", journey)
        ]
    changed = json.loads(body)
    changed["goal"]["within"] = "1h"
    (tmp_path / "other.json").write_text(json.dumps(changed))
    told(["apply", str(tmp_path / "other.json"), *at], capsys)
    now = told(["report", journey, *at], capsys)
    assert now["position"] > then["position"]
    assert now["window_days"] != then["window_days"]
    assert told(["report", journey, "--again", str(kept), *at], capsys) == then
    then["basis"]["lake"]["events"] = 10_000
    kept.write_text(json.dumps(then))
    capsys.readouterr()
    assert main(["report", journey, "--again", str(kept), *at]) == 1
    assert "lake_version_gone" in capsys.readouterr().err
    kept.write_text("{}")
    assert main(["report", journey, "--again", str(kept), *at]) == 1
    assert "not_a_report" in capsys.readouterr().err


def measured(home: Home) -> str:
    """A journey with a goal."""
    return next(name for name, journey in home.reading_state().definitions.journeys.items() if journey.goal)
