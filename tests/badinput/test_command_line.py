"""The contract of the command line: exit status, one JSON document, messages on standard error, settings, help."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from einklang.main import cli, commands
from einklang.main.cli import main

COMMANDS = (
    "init",
    "apply",
    "import",
    "run",
    "serve",
    "person",
    "why",
    "segment",
    "journey",
    "report",
    "verify",
    "bench",
    "doctor",
)
SEGMENT = "kind: segment\nid: buyers\nwhere: 'events(\"Order Completed\").exists()'\n"


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    """The one JSON document on standard output."""
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return json.loads(out)


@pytest.fixture
def home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """A new home."""
    assert main(["init", "--home", str(tmp_path / "home"), "--json"]) == 0
    assert {"home", "write_key", "server_key"} <= set(told(capsys))
    return str(tmp_path / "home")


def test_json_is_one_document(home: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command with --json prints exactly one JSON document to standard output, and exits 0."""
    (tmp_path / "s.yaml").write_text(SEGMENT)
    (tmp_path / "p.jsonl").write_text('{"userId": "1", "email": "a@b.example"}\n{}\n')
    (changed,) = (main(["apply", str(tmp_path / "s.yaml"), "--home", home, "--json"]), told(capsys))[1]["changed"]
    assert (changed["id"], changed["version"]) == ("buyers", 1)
    assert main(["import", "people", str(tmp_path / "p.jsonl"), "--home", home, "--json"]) == 0
    found = capsys.readouterr()
    assert json.loads(found.out)["accepted"] == 1
    assert "1 of 2 rows were refused" in found.err
    for argv, key in (
        (["run", "--until", "2027-01-01"], "entries"),
        (["person", "show", "email:a@b.example"], "person_id"),
        (["why", "email:a@b.example"], "verdicts"),
        (["segment", "count", "buyers"], "count"),
        (["segment", "members", "buyers"], "members"),
        (["verify"], "state_equal"),
        (["verify", "--books"], "ok"),
    ):
        assert main([*argv, "--home", home, "--json"]) == 0, argv
        assert key in told(capsys), argv


def test_a_finding_is_exit_1(home: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`verify` that finds something: exit 1, the document all the same."""
    monkeypatch.setattr("einklang.main.verify.verify_home", lambda opened, books_only: {"ok": False, "findings": ["x"]})
    assert main(["verify", "--home", home, "--json"]) == 1
    assert told(capsys) == {"ok": False, "findings": ["x"]}


@pytest.mark.parametrize("command", ["verify", "run --until 2027-01-01", "serve", "why x", "person show x", "report x"])
def test_no_home(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    """A home that is not there: one line with the path and `einklang init`; no folder is made."""
    missing = tmp_path / "missing"
    assert main([*command.split(), "--home", str(missing)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"einklang: {missing}: ")
    assert "einklang init" in line
    assert line.endswith("[not_a_home]")
    assert not missing.exists()


def test_an_unknown_setting(home: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt setting is refused by name; help still works."""
    monkeypatch.setenv("EINKLANG_SMTP_ULR", "smtp://h")
    assert main(["verify", "--home", home]) == 2
    found = capsys.readouterr()
    assert (found.out, "EINKLANG_SMTP_ULR" in found.err) == ("", True)
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0


@pytest.mark.parametrize(
    "url", ["http://mail.example", "smtp://mail.example:99999", "smtp://", "mail.example", "smtp://[x"]
)
def test_a_bad_mail_server(
    home: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    """An address of a mail server that is none: wrong usage, with the form to write."""
    monkeypatch.setenv("EINKLANG_SMTP_URL", url)
    assert main(["serve", "--home", home, "--port", "0"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("einklang: EINKLANG_SMTP_URL: ")
    assert "smtp://user:password@host:587" in line


def test_help_lists_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """`einklang --help` names every command of the contract; each has a help of its own."""
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    for command in COMMANDS:
        assert f"    {command} " in out, command
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        assert ended.value.code == 0
        assert "--home" in capsys.readouterr().out


def test_a_fault_of_ours_is_one_line(
    home: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback reaches a user; with EINKLANG_LOG_LEVEL=debug it does."""

    def broken(args: Any) -> Any:
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr(commands, "verify", broken)
    assert cli.main(["verify", "--home", home]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("einklang: internal error: ZeroDivisionError: two lines; ")
    monkeypatch.setenv("EINKLANG_LOG_LEVEL", "debug")
    with pytest.raises(ZeroDivisionError):
        cli.main(["verify", "--home", home])
