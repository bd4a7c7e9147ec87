"""`einklang segment upload|freeze|export` and `einklang exports`, from the command line to the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from einklang.main import cli
from tests.live.servers import make

DEFINITIONS = """
{kind: segment, id: german, where: 'trait.country == "DE"'}
---
{kind: trait, id: country, type: string}
"""


def ask(capsys: pytest.CaptureFixture[str], folder: Path, *words: str, status: int = 0) -> Any:
    """What the command prints as JSON, or the error."""
    assert cli.main([*words, "--home", str(folder), "--json"]) == status
    said = capsys.readouterr()
    return json.loads(said.out) if said.out else said.err


def test_a_list_from_a_file_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused rows lie beside; a list is frozen; who is exported, and what was, is told; usage is checked."""
    folder, people, rows = tmp_path / "home", tmp_path / "people.csv", tmp_path / "rows.csv"
    make(folder, DEFINITIONS)
    people.write_text("userId,email,country\nu1,a@x.example,DE\nu2,b@x.example,AT\nu3,c@x.example,DE\n")
    rows.write_text("email\nA@x.example\nnobody@x.example\n")
    ask(capsys, folder, "import", "people", str(people))
    ask(capsys, folder, "run", "--until", "2027-01-01")
    done = ask(capsys, folder, "segment", "upload", "vip", str(rows))
    assert (done["new"], done["listed"], done["reasons"]) == (True, 1, {"unknown_person": 1})
    (line,) = Path(done["rejections"]).read_text().splitlines()
    assert (json.loads(line)["row"], json.loads(line)["code"]) == (3, "unknown_person")
    assert ask(capsys, folder, "segment", "freeze", "german", "kept", "--title", "Kept")["listed"] == 2
    ask(capsys, folder, "run", "--until", "2027-01-02")
    assert ask(capsys, folder, "segment", "count", "vip")["count"] == 1
    assert ask(capsys, folder, "segment", "empty", "vip")["unlisted"] == 1
    ask(capsys, folder, "run", "--until", "2027-01-03")
    assert ask(capsys, folder, "segment", "count", "vip")["count"] == 0
    both = ask(capsys, folder, "segment", "members", "kept")["members"]
    assert both == ask(capsys, folder, "segment", "members", "german")["members"]
    done = ask(
        capsys, folder, "segment", "export", "kept", "--columns", "person_id,trait.country", "--purpose", "service",
        "--at", "2026-12-31",
    )  # fmt: skip
    assert (done["persons"], Path(done["path"]).read_bytes()) == (0, b"person_id,trait.country\r\n")
    done = ask(capsys, folder, "segment", "export", "kept", "--format", "parquet", "--purpose", "service")
    assert (done["persons"], done["columns"]) == (2, {"person_id": "pseudonym"})
    newest, older = ask(capsys, folder, "exports")["exports"]
    assert (newest["hash"], newest["there"], older["persons"]) == (done["hash"], True, 0)
    assert ask(capsys, folder, "segment", "upload", "vip", str(rows), "--remove")["unlisted"] == 1
    for words in (("upload", "vip"), ("count", "vip", "more"), ("export", "vip")):
        assert "wrong_usage" in ask(capsys, folder, "segment", *words, status=2)
    assert "not_a_list" in ask(capsys, folder, "segment", "upload", "german", str(rows), status=1)
    assert "unknown_column" in ask(
        capsys, folder, "segment", "export", "vip", "--purpose", "service", "--columns", "nme", status=1
    )
