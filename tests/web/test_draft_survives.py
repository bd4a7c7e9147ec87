"""What was answered "saved" is there after kill -9 of the real server, with its code, for owner and agent."""

from __future__ import annotations

import signal
from pathlib import Path

import httpx
import pytest

from tests.live.servers import make, serving

pytestmark = pytest.mark.faults
ROUNDS = 3


def test_kill_right_after_saved_loses_nothing(tmp_path: Path) -> None:
    """Round by round: save, kill as soon as the answer is there, start again, read what was typed, go on from it.

    Neither token nor code nor key stands in the log, however much is logged.
    """
    keys = make(tmp_path / "home")
    token, code = "", ""
    for number in range(ROUNDS):
        with serving(tmp_path / "home", keys, EINKLANG_LOG_LEVEL="debug") as server:
            agent = {"Authorization": f"Bearer {keys.server_key}"}
            if number:
                shown = httpx.get(f"{server.url}/v1/draft", headers={"Authorization": f"Bearer {token}"}).json()
                assert (shown["fields"], shown["version"]) == ({"round": number - 1}, number)
                found = httpx.post(f"{server.url}/api/drafts/find", json={"code": code}, headers=agent).json()
                assert found["draft"]["fields"] == {"round": number - 1}
            said = {"form": "loan", "anonymousId": "d-1", "fields": {"round": number}, "code": True}
            said |= {"draft": token, "version": number} if number else {}
            answer = httpx.post(f"{server.url}/v1/draft", json=said, auth=(keys.write_key, ""))
            server.end(signal.SIGKILL)
        assert answer.status_code == 200
        token, code = answer.json()["draft"], answer.json()["code"]
        assert not [line for line in server.lines for secret in (token, code, keys.server_key) if secret in line]
