"""`einklang destination`: listed, stopped, resumed, run, from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from einklang.main import cli
from tests.live.servers import make

DEFINITIONS = """
{kind: trait, id: vip, type: bool}
---
{kind: segment, id: vip, where: 'trait.vip == true'}
---
{kind: destination, id: crm, type: webhook, segment: vip, purpose: service, url: "http://10.0.0.1/hook"}
---
{kind: destination, id: ads, type: audience, segment: vip, purpose: marketing, platform: meta}
---
{kind: destination, id: mirror, type: table, segment: vip, purpose: service}
"""


def ask(capsys: pytest.CaptureFixture[str], folder: Path, *words: str, status: int = 0) -> Any:
    """What the command prints as JSON, or the error."""
    assert cli.main(["destination", *words, "--home", str(folder), "--json"]) == status
    said = capsys.readouterr()
    return json.loads(said.out) if status == 0 else said.err


def test_a_destination_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """New, run with nothing to tell, stopped (once, and not run then), resumed; what is unknown is told."""
    folder = tmp_path / "home"
    make(folder, DEFINITIONS)
    found = [(one["id"], one["state"], one["to"]) for one in ask(capsys, folder, "list")]
    assert found == [("ads", "new", "meta"), ("crm", "new", "10.0.0.1"), ("mirror", "new", "delta")]
    assert ask(capsys, folder, "run", "ads") == {"id": "ads", "sent": 0}
    assert "can be replayed" in ask(capsys, folder, "replay", "ads", status=1)
    assert ask(capsys, folder, "run", "crm") == {"id": "crm", "sent": 0}
    assert ask(capsys, folder, "pause", "crm")["action"] == "paused"
    assert "stopped: paused" in ask(capsys, folder, "run", "crm", status=1)
    assert "paused already" in ask(capsys, folder, "pause", "crm", status=1)
    assert ask(capsys, folder, "resume", "crm")["action"] == "resumed"
    assert ask(capsys, folder, "deliveries", "crm", "--status", "waiting") == []
    assert "known: ads, crm, mirror" in ask(capsys, folder, "run", "crn", status=1)
    assert "needs the id" in ask(capsys, folder, "pause", status=2)


def test_the_first_run_tells_what_waits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a webhook that no server ever served: it begins and is tried at once."""
    folder, file = tmp_path / "home", tmp_path / "people.csv"
    make(folder, DEFINITIONS)
    file.write_text("userId,vip\nann,true\n")
    for words in (["import", "people", str(file)], ["run", "--until", "2000-01-01T00:00:00Z"]):
        assert cli.main([*words, "--home", str(folder)]) == 0
    capsys.readouterr()
    monkeypatch.setenv("EINKLANG_WEBHOOK_SECRETS", "crm=whsec_" + "ab" * 16)
    assert ask(capsys, folder, "run", "crm") == {"id": "crm", "sent": 0}
    (told,) = [one for one in ask(capsys, folder, "list") if one["id"] == "crm"]
    assert (told["state"], told["waiting"]) == ("failing", 1)
    assert "not a public address" in told["error"]
