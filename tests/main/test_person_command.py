"""`person merge` and `person split` as a user meets them: a preview, a decision with its reason, the way back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from einklang.main.cli import main

CALLS = """\
{"type":"identify","userId":"ada","traits":{"email":"a@x.example"},"timestamp":"2026-01-01T10:00:00Z","messageId":"1"}
{"type":"identify","userId":"bea","traits":{"email":"b@x.example"},"timestamp":"2026-01-01T11:00:00Z","messageId":"2"}
"""


@pytest.fixture
def home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """A home that knows Ada and Bea."""
    (tmp_path / "calls.jsonl").write_text(CALLS)
    at = ["--home", str(tmp_path / "home")]
    for command in (["init"], ["import", "events", str(tmp_path / "calls.jsonl")], ["run", "--until", "2026-01-02"]):
        assert main([*command, *at]) == 0
    capsys.readouterr()
    return str(tmp_path / "home")


def told(capsys: pytest.CaptureFixture[str], home: str, *command: str) -> Any:
    """What a command answers."""
    assert main([*command, "--home", home, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_two_are_merged_and_split_again(home: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The preview changes nothing; the merge holds, and the split gives both back; the state equals its rebuild."""
    ada, bea = (told(capsys, home, "person", "show", f"userId:{who}")["person_id"] for who in ("ada", "bea"))
    merge = ["person", "merge", "userId:ada", "email:b@x.example", "--why", "one human"]
    assert len(told(capsys, home, *merge, "--preview")["after"]) == 1
    assert told(capsys, home, "person", "show", bea)["person_id"] == bea
    told(capsys, home, *merge)
    shown = told(capsys, home, "person", "show", bea)
    assert (shown["person_id"], shown["aliases"]) == (ada, [bea])
    told(capsys, home, "person", "split", bea, "--why", "two after all")
    assert [told(capsys, home, "person", "show", who)["person_id"] for who in (ada, bea)] == [ada, bea]
    told(capsys, home, "person", "split", "userId:ada", "--apart", "email:a@x.example", "--why", "shared")
    assert told(capsys, home, "person", "show", "email:a@x.example")["person_id"] not in (ada, bea)
    assert told(capsys, home, "verify")["state_equal"]


def test_who_share_an_address_are_split_again(home: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Evidence that was refused, an address of two users, does not tie what a merge brought to the rest."""
    shared = tmp_path / "shared.jsonl"
    shared.write_text(CALLS.splitlines()[1].replace("b@x", "a@x").replace('"2"', '"3"'))
    told(capsys, home, "import", "events", str(shared))
    told(capsys, home, "run", "--until", "2026-01-03")
    ada, bea = (told(capsys, home, "person", "show", f"userId:{who}")["person_id"] for who in ("ada", "bea"))
    told(capsys, home, "person", "merge", "userId:ada", "userId:bea", "--why", "one human")
    told(capsys, home, "person", "split", "userId:ada", "--why", "two after all")
    for who, address, found in (("ada", "email:a@x.example", ada), ("bea", "email:b@x.example", bea)):
        names = (f"userId:{who}", address)
        assert {told(capsys, home, "person", "show", name)["person_id"] for name in names} == {found}


@pytest.mark.parametrize(
    ("command", "status", "code"),
    [
        ("person merge userId:ada --why x", 2, "wrong_usage"),
        ("person split userId:ada userId:bea --why x", 2, "wrong_usage"),
        ("person merge userId:ada userId:bea --apart email:a@x.example --why x", 2, "wrong_usage"),
        ("person show userId:ada --why x", 2, "wrong_usage"),
        ("person merge userId:ada userId:bea", 1, "no_reason"),
        ("person merge userId:ada userId:nobody --why x", 1, "unknown_person"),
        ("person split userId:ada --why x", 1, "never_merged"),
    ],
)
def test_what_is_no_decision_is_told(
    home: str, capsys: pytest.CaptureFixture[str], command: str, status: int, code: str
) -> None:
    """One line with its code, and nothing in the log."""
    assert main([*command.split(), "--home", home]) == status
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.endswith(f"[{code}]\n")
    assert told(capsys, home, "verify", "--books")["in_log"] == 2
