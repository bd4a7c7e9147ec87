"""`einklang source`: keys made, shown once, rotated, revoked; and the settings that are numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from einklang.app import keys
from einklang.kernel.errors import UsageError
from einklang.main import cli, clock, settings
from einklang.main.home import create
from einklang.store.book import SqliteBook


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A new home."""
    create(tmp_path / "home", None)
    return tmp_path / "home"


def ask(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> Any:
    """What the command prints as JSON; it must end well."""
    assert cli.main(["source", *words, "--home", str(folder), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def works(folder: Path, key: str) -> bool:
    """Whether a key opens anything now."""
    with SqliteBook.open(folder, writer=False) as book:
        return keys.allowed(book, keys.key_hash(key), clock.now()) is not None


def test_a_key_lives_from_add_to_revoke(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Added, listed without the key, limited, rotated without grace, revoked."""
    made = ask(capsys, folder, "add", "web-shop", "--name", "Shop")
    assert made["key"].startswith("wk_")
    assert works(folder, made["key"])
    assert ask(capsys, folder, "limit", "web-shop", "--rate", "500")["events_per_s"] == 500
    listed = {one["id"]: one for one in ask(capsys, folder, "list")}
    assert set(listed) == {"server", "web", "web-shop"}
    assert (listed["web-shop"]["name"], listed["web-shop"]["events_per_s"]) == ("Shop", 500)
    assert made["key"] not in json.dumps(listed)
    newer = ask(capsys, folder, "rotate", "web-shop", "--grace", "0")["key"]
    assert (works(folder, made["key"]), works(folder, newer)) == (False, True)
    (current,) = [one for one in ask(capsys, folder, "list")[2]["keys"] if one["ends_at"] is None]
    assert current["ends_with"] == newer[-4:]
    ask(capsys, folder, "revoke", current["id"])
    assert not works(folder, newer)


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (["rotate"], 2, "no_id"),
        (["revoke", "key_nobody"], 1, "unknown_key"),
        (["limit", "nobody", "--rate", "5"], 1, "unknown_source"),
        (["add", "web"], 1, "source_exists"),
        (["add", "Web"], 1, "bad_source_id"),
        (["add", "server-2"], 1, "bad_source_id"),
        (["add", "x", "--rate", "fast"], 2, "wrong_usage"),
    ],
)
def test_what_is_wrong_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], status: int, code: str
) -> None:
    """Exit status, code and mend; a public key may not look like a server's in the log."""
    assert cli.main(["source", *words, "--home", str(folder)]) == status
    told = capsys.readouterr().err
    assert told.endswith(f"[{code}]\n")
    assert told.count("\n") == 1


def test_settings_that_are_numbers_are_numbers() -> None:
    """Limits are whole numbers; anything else is refused by the name of its variable."""
    assert settings.load({"EINKLANG_KEY_EVENTS_PER_S": "0"}).key_events_per_s == 0
    for wrong in ("", "-1", "1e6", "١", "9" * 20):
        with pytest.raises(UsageError) as caught:
            settings.load({"EINKLANG_BATCH_BYTES_MAX": wrong})
        assert (caught.value.code, caught.value.where) == ("bad_setting", "EINKLANG_BATCH_BYTES_MAX")


def test_the_address_is_where_the_server_listens_unless_said() -> None:
    """Links and analytics.js lead to the port of `serve --port`; an address that was set stays whatever the port."""
    unsaid, said = settings.load({}), settings.load({"EINKLANG_BASE_URL": "https://shop.example"})
    cases = {("127.0.0.1", 8787): 8787, ("0.0.0.0", 9000): 9000, ("127.0.0.1", 0): 8787}
    for (host, port), shown in cases.items():
        assert settings.reachable(unsaid, host, port).base_url == f"http://127.0.0.1:{shown}"
        assert settings.reachable(said, host, port).base_url == "https://shop.example"
    assert settings.reachable(unsaid, "::1", 9000).base_url == "http://[::1]:9000"
