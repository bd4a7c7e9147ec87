"""The memory of a real server stays under its bound while hundreds of clients hold half-sent bodies."""

from __future__ import annotations

import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.live.servers import Server, make, serving, wait_for
from tests.waits import WAIT_S

pytestmark = pytest.mark.faults
CLIENTS = 400
BODY = b"x" * 480_000
MIB = 1024 * 1024


def peak(server: Server) -> int:
    """The most memory that the process ever had, in bytes."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


@contextmanager
def half_sent(server: Server, seconds: float) -> Iterator[None]:
    """Clients that announce a body, send nearly all of it, for so long as they can, and wait."""
    basic = b64encode(f"{server.keys.write_key}:".encode()).decode()
    head = (
        f"POST /v1/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {basic}\r\nContent-Length: 490000\r\n\r\n".encode()
    )
    with ExitStack() as open_ones:
        for _ in range(CLIENTS):
            address = urlsplit(server.url)
            one = open_ones.enter_context(socket.create_connection((address.hostname, address.port or 0), WAIT_S))
            one.settimeout(seconds)
            with suppress(TimeoutError, BrokenPipeError, ConnectionResetError):  # refused, or not read any further
                one.sendall(head + BODY)
        yield


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="memory is read from /proc")
@pytest.mark.parametrize(("bound", "held"), [(16 * MIB, True), (1024 * MIB, False)])
def test_memory_stays_under_its_bound(tmp_path: Path, bound: int, held: bool) -> None:
    """Within 16 MiB and what connections need; others are served meanwhile. Control: with 1 GiB allowed it grows."""
    keys = make(tmp_path / "home")
    with serving(tmp_path / "home", keys, EINKLANG_IN_FLIGHT_BYTES_MAX=str(bound)) as server:
        assert server.post({"type": "track", "event": "X", "userId": "u"}).status_code == 200
        events = tmp_path / "home" / "lake" / "events"  # the lake is the largest of what is loaded when it is needed
        wait_for(lambda: any(events.rglob("*.parquet")), "the first file of the lake")
        before = peak(server)
        with half_sent(server, 0.2 if held else WAIT_S):  # without the bound all of it is taken
            assert httpx.get(f"{server.url}/health", timeout=WAIT_S).status_code == 200
            grown = peak(server) - before
        assert server.post({"type": "track", "event": "X", "userId": "u"}).status_code == 200
    assert (grown < 100 * MIB) is held, f"{grown / MIB:.0f} MiB"
