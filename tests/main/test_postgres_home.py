"""Every command over EINKLANG_DATABASE_URL: a home's folder with its lake and outbox, its Book in a schema."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from einklang.main.cli import main
from einklang.main.home import create, opened
from einklang.main.serve import Server
from einklang.main.settings import Settings
from einklang.main.verify import verify_home
from einklang.testing.cluster import Cluster
from tests.live.servers import environment, wait_for
from tests.main.moved import DEFINITIONS
from tests.waits import WAIT_S

pytestmark = pytest.mark.stores


def lines() -> str:
    """A month of sixty people: consents, carts, and orders of every second of them."""
    found: list[dict[str, Any]] = []
    for n in range(60):
        mail = f"u{n}@x.example"
        consent = {"channel": "email", "purpose": "marketing", "address": mail}
        told: list[tuple[str, int, dict[str, Any]]] = [
            ("Consent Given", 1, consent),
            ("Product Added", 2 + n % 20, {"cart_id": f"c{n}", "price": 5}),
            ("Order Completed", 5 + n % 20, {"cart_id": f"c{n}", "revenue": 9.5}),
        ]
        for event, day, properties in told:
            if event == "Order Completed" and n % 2:
                continue
            call: dict[str, Any] = {"type": "track", "event": event, "userId": f"u{n}", "messageId": f"{event}{n}"}
            call |= {"timestamp": f"2026-01-{day:02}T10:00:00Z", "properties": properties}
            found.append({**call, "context": {"traits": {"email": mail}}})
    return "".join(json.dumps(call) + "\n" for call in found)


def asked(capsys: pytest.CaptureFixture[str], *command: str) -> Any:
    """The answer of a command, done within this process."""
    status = main([*command, "--json"])
    out, err = capsys.readouterr()
    assert status == 0, err
    return json.loads(out)


def test_from_the_first_command_to_the_report(
    tmp_path: Path, database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From init and apply to report, verify and doctor: what the commands say over SQLite they say over PostgreSQL."""
    (tmp_path / "d.yaml").write_text(DEFINITIONS)
    (tmp_path / "e.jsonl").write_text(lines())
    told: list[list[Any]] = []
    for url in ("", database_url):
        monkeypatch.setenv("EINKLANG_DATABASE_URL", url)
        home = ["--home", str(tmp_path / f"home{bool(url):d}")]
        asked(capsys, "init", "--salt", "5a" * 16, *home)
        told.append(
            [
                asked(capsys, "apply", str(tmp_path / "d.yaml"), *home),
                asked(capsys, "import", "events", str(tmp_path / "e.jsonl"), *home),
                asked(capsys, "import", "events", str(tmp_path / "e.jsonl"), *home),
                asked(capsys, "run", "--until", "2026-01-31", *home),
                asked(capsys, "segment", "count", "buyers", *home),
                asked(capsys, "segment", "members", "buyers", "--at", "2026-01-20", *home),
                asked(capsys, "journey", "counts", "cart", *home),
                asked(capsys, "why", "userId:u3", *home),
                asked(capsys, "person", "show", "userId:u4", *home),
                asked(capsys, "report", "cart", *home),
                asked(capsys, "verify", *home),
            ]
        )
        assert main(["doctor", *home]) in (0, 1)
        assert ("PostgreSQL 1" in capsys.readouterr().out) is bool(url)
        outbox = sorted(file.name for file in (Path(home[1]) / "outbox").rglob("*.eml"))
        told[-1].append(outbox)
        assert outbox
        assert any((Path(home[1]) / "lake").iterdir())
        assert (Path(home[1]) / "book.db").exists() is not bool(url)
    apply = [found[0] for found in told]
    assert apply[0]["changed"] == apply[1]["changed"]
    assert told[0][4] == {"count": 30}
    assert told[0][10]["ok"] is True
    assert told[0][1:] == told[1][1:]


def test_folder_and_book_go_together(
    tmp_path: Path,
    cluster: Cluster,
    database_url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A folder is opened with its own Book alone: not with another schema, not with a file beside, not without address;
    each refusal is one line that says what to do.
    """
    here, there, other = tmp_path / "here", tmp_path / "there", cluster.url(schema="another")
    create(here, None)
    create(there, None, database_url=database_url)
    create(tmp_path / "other", None, database_url=other)
    for path, url, code in (
        (here, database_url, "other_home"),
        (there, "", "not_a_home"),
        (there, other, "other_home"),
        (tmp_path / "nowhere", database_url, "not_a_home"),
    ):
        monkeypatch.setenv("EINKLANG_DATABASE_URL", url)
        assert main(["journey", "counts", "x", "--home", str(path)]) == 1
        said = capsys.readouterr().err
        assert said.endswith(f"[{code}]\n")
        assert said.count("\n") == 1
    monkeypatch.setenv("EINKLANG_DATABASE_URL", other)
    assert main(["init", "--home", str(there)]) == 1
    assert "[home_exists]" in capsys.readouterr().err
    cluster.drop("another")


def test_collect_refuses_while_the_database_is_away(tmp_path: Path, cluster: Cluster, database_url: str) -> None:
    """503 with Retry-After while PostgreSQL is away; what is sent again afterwards is there once, ticks go on; `verify`
    beside the running server finds nothing.
    """
    keys = create(tmp_path / "home", None, database_url=database_url)

    def post(number: int) -> httpx.Response:
        call = {"event": "Seen", "userId": f"u{number}", "messageId": f"m{number}"}
        return httpx.post(f"{url}/v1/track", json=call, auth=(keys.write_key, ""), timeout=WAIT_S)

    def folded(count: int) -> bool:
        return bool(home.book.read("counter_value", "projected")[0][0] == count)

    with opened(tmp_path / "home", base_url="http://127.0.0.1", database_url=database_url, writer=True) as home:
        server = Server(home, Settings(), host="127.0.0.1", port=0)
        url = f"http://127.0.0.1:{server.port}"
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            assert [post(n).status_code for n in range(3)] == [200] * 3
            wait_for(lambda: folded(3), "the ticks")
            cluster.crash()
            refused = post(3)
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) >= 1
            cluster.start()
            wait_for(lambda: post(3).status_code == 200, "its return")
            assert post(3).status_code == 200
            wait_for(lambda: folded(4), "the ticks")
            wait_for(lambda: home.book.read("counter_value", "duplicates")[0][0] >= 1, "the drop of what came twice")
            reading = opened(tmp_path / "home", base_url="http://x", database_url=database_url, writer=False)
            with reading as beside:
                found = verify_home(beside, books_only=False)
            assert found["ok"], found["findings"]
        finally:
            server._end()
            thread.join(WAIT_S)
    assert server.loop.failed is None


PASSWORD = "canary-7Qx"


@pytest.mark.parametrize("address", ["127.0.0.1:1/db", "h/db?nonsense=1"])
def test_no_command_repeats_the_password(tmp_path: Path, address: str) -> None:
    """Whatever is wrong with the address, also with a detailed log: one line, and the password not in it (43)."""
    done = subprocess.run(
        [sys.executable, "-m", "einklang.main.cli", "init", "--home", str(tmp_path / "home")],
        env=environment(EINKLANG_DATABASE_URL=f"postgresql://u:{PASSWORD}@{address}", EINKLANG_LOG_LEVEL="debug"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (1, 2)
    assert done.stderr.count("\n") == 1
    assert PASSWORD not in done.stdout + done.stderr


def test_workers_need_postgresql(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Several processes cannot share a file: wrong usage, with the way out."""
    create(tmp_path / "home", None)
    assert main(["serve", "--workers", "2", "--home", str(tmp_path / "home")]) == 2
    said = capsys.readouterr().err
    assert "EINKLANG_DATABASE_URL" in said
    assert said.endswith("[needs_postgresql]\n")
