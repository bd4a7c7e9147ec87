"""The load of `soak`: what clients send, and the server that they send it to, as a process that can be killed."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import subprocess
import sys
import threading
import time as system
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from einklang.kernel.errors import Unavailable
from einklang.main.home import Keys
from einklang.main.soak_memory import WORKING_SET_MB

BATCH = 20
PERSONS = 20_000
_ANSWER_S = 30.0
SERVE = ("-m", "einklang.main.cli", "serve")


def working_set_mb() -> int:
    """What the server may keep of persons: as the setting says, else little."""
    return int(os.environ.get("EINKLANG_WORKING_SET_MB", WORKING_SET_MB))


def prefix(seed: int) -> str:
    """What the message ids of a load begin with; the number of the event follows."""
    return f"soak-{seed}-"


def calls(seed: int, batch: int) -> list[dict[str, Any]]:
    """The calls of a batch: the same ones whenever it is sent."""
    draw = np.random.Generator(np.random.Philox([seed, batch]))
    who, what = draw.integers(0, PERSONS, BATCH).tolist(), draw.random(BATCH).tolist()
    return [_call(f"{prefix(seed)}{batch * BATCH + n}", who[n], what[n]) for n in range(BATCH)]


def _call(message_id: str, who: int, share: float) -> dict[str, Any]:
    named: dict[str, Any] = {"messageId": message_id, "anonymousId": f"d{who}"}
    if share < 0.1:
        return {**named, "type": "identify", "userId": f"u{who}", "traits": {"email": f"p{who}@shop.example"}}
    if share < 0.2:
        return {**named, "type": "page", "name": "Home", "properties": {"path": "/coffee"}}
    if share < 0.3:
        properties = {"cart_id": f"c{who % 7}", "product_id": f"P{who % 300}", "price": 19.99}
        return {**named, "type": "track", "event": "Product Added", "userId": f"u{who}", "properties": properties}
    if share < 0.35:
        properties = {"order_id": message_id, "total": 42.5, "currency": "EUR"}
        return {**named, "type": "track", "event": "Order Completed", "userId": f"u{who}", "properties": properties}
    properties = {"product_id": f"P{int(share * 300)}", "price": 4.5, "category": "coffee"}
    return {**named, "type": "track", "event": "Product Viewed", "properties": properties}


class Client:
    """One connection, made anew when it breaks."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._connection: http.client.HTTPConnection | None = None
        self._port = 0

    def send(self, port: int, key: str, batch: int) -> bool:
        """Whether the batch was acknowledged, whole."""
        body = json.dumps({"batch": calls(self._seed, batch)}, separators=(",", ":"))
        auth = base64.b64encode(f"{key}:".encode()).decode()
        headers = {"Authorization": f"Basic {auth}", "Content-Type": "application/json"}
        if self._connection is None or self._port != port:
            self.close()
            self._connection, self._port = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_S), port
        try:
            self._connection.request("POST", "/v1/batch", body, headers)
            answer = self._connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            return False
        if answer.status == 200 and json.loads(said) != {"success": True}:
            raise AssertionError(f"a good batch was refused in part: {said[:300]!r}")
        return answer.status == 200

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Server:
    """`einklang serve` over a home, on a free port. Raises Unavailable `soak_failed` if it does not begin."""

    def __init__(self, home: Path, keys: Keys, database_url: str, serve: Sequence[str] = SERVE) -> None:
        command = [sys.executable, *serve, "--home", str(home), "--port", "0"]
        settings = {
            "EINKLANG_LOG_LEVEL": "error",
            "EINKLANG_DATABASE_URL": database_url,
            "EINKLANG_WORKING_SET_MB": str(working_set_mb()),
        }
        self._keys = keys
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env={**os.environ, **{k: v for k, v in settings.items() if v}}
        )
        assert self.process.stderr is not None, "it is a pipe"
        first = self.process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", first)
        if not found:
            self.kill()
            raise Unavailable("soak_failed", f"the server did not begin: {first.strip()[:300]}", mend="see the text")
        self.port = int(found[1])
        self._reader = threading.Thread(target=self._pass_on, daemon=True)
        self._reader.start()

    def _pass_on(self) -> None:
        """What the server says is shown: there should be nothing."""
        assert self.process.stderr is not None, "it is a pipe"
        with self.process.stderr as said:
            for line in said:
                sys.stderr.write(line)

    def kill(self) -> None:
        """kill -9; nothing if it has ended."""
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        """SIGTERM; the exit status."""
        self.process.terminate()
        status = self.process.wait(_ANSWER_S * 4)
        self._reader.join()
        return status

    def memory_mb(self) -> float | None:
        """Its resident memory, None where the system does not tell."""
        try:
            found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text("ascii"))
        except OSError:
            return None
        return int(found[1]) / 1024 if found else None

    def drained(self, seconds: float) -> None:
        """Wait until all that was stored has been folded. Raises Unavailable `soak_failed`."""
        until = system.monotonic() + seconds
        while system.monotonic() < until:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ANSWER_S)
            connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {self._keys.server_key}"})
            figures = connection.getresponse().read().decode()
            connection.close()
            if re.search(r"^einklang_pending 0(\.0)?$", figures, re.MULTILINE):
                return
            system.sleep(0.1)
        raise Unavailable("soak_failed", f"the server did not catch up in {seconds:.0f} s", mend="use a lower --rate")
