"""Commands of the contract as a user meets them: what is not built says so, long findings stay readable."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from einklang.main import cli, commands, doctor
from einklang.main.cli import main
from einklang.main.settings import Settings


@pytest.fixture
def home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """A new home."""
    assert main(["init", "--home", str(tmp_path / "home")]) == 0
    capsys.readouterr()
    return str(tmp_path / "home")


@pytest.mark.parametrize(
    "command",
    [
        *(f"{name} {action} x" for name, actions in cli.LATER.items() for action in actions),
        "journey dry-run x --from 2026-01-01 --to 2026-02-01",
        "journey --json dry-run x",
        "insight run",
        "insight show clv",
    ],
)
def test_what_comes_later_says_so(home: str, capsys: pytest.CaptureFixture[str], command: str) -> None:
    """A command of the contract that is not built: one line that names it, exit 1, nothing on standard output."""
    assert main([*command.split(), "--home", home]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith(f"einklang: `einklang {command.split()[0]} ")
    assert err.endswith("[not_supported_yet]\n")


@pytest.mark.parametrize("command", ["person burn x", "journey x", "insights", "serve --workers none", "segment at x"])
def test_what_never_was_is_wrong_usage(capsys: pytest.CaptureFixture[str], command: str) -> None:
    """Control: a word that is no command is wrong usage, exit 2. The name of the program stands before it once."""
    assert main(command.split()) == 2
    err = capsys.readouterr().err
    assert err.endswith("[wrong_usage]\n")
    assert err.startswith("einklang: ")
    assert not err.startswith("einklang: einklang")


def test_what_was_put_aside_before_time_began(home: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two bodies under one message id, imported before the first run: the second one is listed without a time."""
    call = {"event": "Page Read", "userId": "u", "messageId": "m", "timestamp": "2026-01-01T10:00:00Z"}
    calls = [{**call, "properties": {"n": n}} for n in (1, 2)]
    (tmp_path / "e.jsonl").write_text("".join(json.dumps(one) + "\n" for one in calls))
    assert main(["import", "events", str(tmp_path / "e.jsonl"), "--home", home]) == 0
    assert main(["run", "--until", "2026-01-02", "--home", home]) == 0
    capsys.readouterr()
    assert main(["dead-letters", "list", "--home", home]) == 0
    out = capsys.readouterr().out
    assert "  at: -\n" in out
    assert "1970" not in out


def test_a_run_without_work_writes_nothing(home: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To a moment that the clock has reached, with nothing that waits: no entry. What waits, and time that goes on
    (controls), are written.
    """
    event = {"event": "Page Read", "userId": "u", "timestamp": "2026-01-01T10:00:00Z"}
    (tmp_path / "e.jsonl").write_text(json.dumps(event) + "\n")
    capsys.readouterr()

    def ran(until: str) -> int:
        assert main(["run", "--until", until, "--home", home, "--json"]) == 0
        return int(json.loads(capsys.readouterr().out)["entries"])

    assert ran("2026-01-02") == 2
    assert (ran("2026-01-02"), ran("2026-01-01")) == (0, 0)
    assert main(["import", "events", str(tmp_path / "e.jsonl"), "--home", home]) == 0
    capsys.readouterr()
    assert ran("2026-01-01") == 0
    assert ran("2026-01-02") == 3
    assert ran("2026-01-03") == 2


@pytest.mark.parametrize(
    ("command", "as_json"),
    [
        ("--home {home} --json segment count none", True),
        ("--json segment count none --home {home}", True),
        ("--home={home} segment --json count none", True),
        ("--home elsewhere segment count none --home {home} --json", True),
        ("--home {home} segment count none", False),
    ],
)
def test_the_home_may_stand_before_the_command(
    home: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str, as_json: bool
) -> None:
    """`--home` and `--json` are taken before the command and after it; of two homes the later one counts."""
    asked: list[Any] = []

    def segment(args: Any) -> tuple[int, None]:
        asked.append((str(args.home_path), bool(args.json)))
        return 0, None

    monkeypatch.setattr(commands, "segment", segment)
    assert main([part.format(home=home) for part in command.split()]) == 0
    assert asked == [(home, as_json)]


def test_long_findings_stay_readable(
    home: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """People see the first findings, cut, and how many more there are; --json has every one of them whole."""
    many = [f"{n}: {'x' * 5_000}" for n in range(57)]
    found: dict[str, Any] = {"ok": False, "findings": many}
    monkeypatch.setattr("einklang.main.verify.verify_home", lambda opened, books_only: found)
    assert main(["verify", "--home", home]) == 1
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 2 + 20 + 1
    assert max(map(len, shown)) < 250
    assert shown[-1].strip() == "- and 37 more: --json lists them all"
    assert main(["verify", "--home", home, "--json"]) == 1
    assert capsys.readouterr().out.count("x" * 5_000) == 57
    assert commands.few(many[:20]) == [text[:239] + "…" for text in many[:20]]


def test_doctor_names_purposes_that_nobody_declared(home: str, tmp_path: Path) -> None:
    """However the words came: how many there are, what was probably meant, and the mend."""
    lines = "person,channel,address,purpose,status,at\n"
    for number, purpose in enumerate(["marketing", "marketting", "marketting"]):
        lines += f"userId:u{number},email,u{number}@b.example,{purpose},given,2025-06-01T00:00:00Z\n"
    (tmp_path / "c.csv").write_text(lines)
    assert main(["import", "consents", str(tmp_path / "c.csv"), "--home", home]) == 0
    assert main(["run", "--until", "2026-01-01", "--home", home]) == 0
    said = [row for row in doctor.examine(Path(home), Settings()) if "purpose" in row["what"]]
    assert [(row["level"], row["what"][:49]) for row in said] == [
        ("warning", "2 consents or withdrawals speak of the purpose 'm")
    ]
    assert "did you mean 'marketing'?" in said[0]["mend"]


def test_doctor_says_how_much_money_has_no_rate(home: str, tmp_path: Path) -> None:
    """How many events, how much of which currency, and the mend; what has a rate, and the policy's own, is left out."""
    (tmp_path / "d.yaml").write_text(
        "{kind: policy, currency: EUR}\n---\n{kind: catalog, id: exchange-rates, key: pair,"
        " fields: {pair: string, rate: number}, rows: [{pair: USD/2025-06-01, rate: 0.9}]}"
    )
    assert main(["apply", str(tmp_path / "d.yaml"), "--home", home]) == 0
    orders = [("USD", 1, 10), ("USD", 2, 20), ("USD", 2, 5), ("CHF", 1, 7), ("EUR", 2, 9)]
    lines = [
        f'{{"type": "track", "event": "Order Completed", "userId": "u", "messageId": "o{number}",'
        f' "timestamp": "2025-06-0{day}T12:00:00Z", "properties": {{"revenue": {much}, "currency": "{code}"}}}}'
        for number, (code, day, much) in enumerate(orders)
    ]
    (tmp_path / "e.jsonl").write_text("\n".join(lines))
    assert main(["import", "events", str(tmp_path / "e.jsonl"), "--home", home]) == 0
    assert main(["run", "--until", "2026-01-01", "--home", home]) == 0
    said = [row["what"] for row in doctor.examine(Path(home), Settings()) if "no rate" in row["what"]]
    assert said == ["1 events of 7 CHF count as nothing: no rate", "2 events of 25 USD count as nothing: no rate"]


def test_a_check_says_how_many_stand_where(home: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`apply --check` of a changed journey: the runs that are under way, by version and step; nothing is stored."""
    text = "{kind: journey, id: j, entry: {event: Go}, steps: [{id: w, wait: %s}]}"
    (tmp_path / "d.yaml").write_text(text % "9d")
    assert main(["apply", str(tmp_path / "d.yaml"), "--home", home]) == 0
    row = '{"type": "track", "event": "Go", "userId": "u%d", "timestamp": "2025-12-30T12:00:00Z"}\n'
    (tmp_path / "e.jsonl").write_text(row % 1 + row % 2)
    assert main(["import", "events", str(tmp_path / "e.jsonl"), "--home", home]) == 0
    assert main(["run", "--until", "2026-01-01", "--home", home]) == 0
    (tmp_path / "d.yaml").write_text(text % "5d")
    capsys.readouterr()
    assert main(["apply", str(tmp_path / "d.yaml"), "--check", "--json", "--home", home]) == 0
    assert json.loads(capsys.readouterr().out)["standing"] == {"j": {"1": {"w": 2}}}


def test_doctor_says_which_values_do_not_fit_their_trait(home: str, tmp_path: Path) -> None:
    """How many of each trait; what fits, what was taken away, and what nobody declared is left out."""
    (tmp_path / "d.yaml").write_text("{kind: trait, id: n, type: number}\n---\n{kind: trait, id: born, type: date}")
    assert main(["apply", str(tmp_path / "d.yaml"), "--home", home]) == 0
    said = ['{"n": 1}', '{"n": "1"}', '{"n": "x"}', '{"n": null}', '{"born": "1990-05-17"}', '{"born": 5}', '{"m": []}']
    (tmp_path / "p.jsonl").write_text("\n".join(f'{{"userId": "u{n}", {one[1:]}' for n, one in enumerate(said)))
    assert main(["import", "people", str(tmp_path / "p.jsonl"), "--home", home]) == 0
    assert main(["run", "--until", "2026-01-01", "--home", home]) == 0
    found = [row["what"] for row in doctor.examine(Path(home), Settings()) if "trait" in row["what"]]
    assert found == [
        "1 values of the trait 'born' are no date: they count as missing",
        "2 values of the trait 'n' are no number: they count as missing",
    ]


def test_a_folder_with_a_home_in_it_applies(home: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`apply .` beside the home takes the definitions and leaves out the home's own files and hidden folders."""
    (tmp_path / "deep").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "deep" / "team.yaml").write_text("{kind: team, id: store}")
    for odd in (tmp_path / ".git" / "x.json", Path(home) / "y.json"):
        odd.write_text("no definition")
    (tmp_path / "deep" / "again").symlink_to(tmp_path)
    assert main(["apply", str(tmp_path), "--home", home, "--json"]) == 0
    assert '"id":"store"' in capsys.readouterr().out


@pytest.mark.parametrize("text", ["x", "2026-13-01", "yesterday", "2026-01-01 00:00"])
def test_a_moment_is_quoted_as_it_was_given(home: str, capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Wrong usage: one line with the option, the text itself and how to write it."""
    assert main(["run", "--until", text, "--home", home]) == 2
    err = capsys.readouterr().err
    assert err.startswith("einklang: --until: ")
    assert "2027-03-01T09:00:00+01:00" in err
    assert "T00:00:00Z'" not in err or text[:4].isdigit()


@pytest.mark.slow
def test_a_command_loads_no_more_than_it_needs() -> None:
    """The command line begins without the server's framework, without scipy.stats and pandas: each costs every command
    a good part of a second.
    """
    code = (
        "import sys, einklang.main.cli; print(*{name.partition('.')[0] for name in sys.modules} | sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert loaded & {"litestar", "uvicorn", "pandas", "scipy.stats", "pytest"} == set()
    assert {"polars", "einklang.main.commands"} <= loaded
