"""Overload is refused early: slow, endless, huge and too many requests hold neither memory nor places.

Each test has its positive control: with the guard taken out the same thing is not noticed.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import uvicorn

from einklang.web import create_app, limits
from einklang.web.limits import Bounds
from einklang.web.protocol import protocol
from tests.waits import WAIT_S
from tests.web.conftest import Running
from tests.web.homes import WRITE_KEY, Home, call, run

AUTH = (WRITE_KEY, "")
GET = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


async def _fine(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Reads the whole body and answers 200."""
    more = scope["type"] == "http"
    while more:
        more = (await receive()).get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@contextmanager
def serving(keep_alive: Any = WAIT_S, **bounds: Any) -> Iterator[int]:
    """The port of a server with these bounds."""
    http: Any = protocol(Bounds(**bounds)) if bounds else "httptools"
    config = uvicorn.Config(
        _fine, host="127.0.0.1", port=0, log_level="critical", lifespan="off", http=http, timeout_keep_alive=keep_alive
    )
    server = Running(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert server.listening.wait(WAIT_S)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        thread.join(WAIT_S)


def connected(port: int, said: bytes = b"", seconds: float = WAIT_S) -> socket.socket:
    """A connection on which this was said."""
    made = socket.create_connection(("127.0.0.1", port), seconds)
    made.sendall(said)
    return made


def heard(connection: socket.socket) -> bytes:
    """All that is answered until the server ends the connection; b"..." if it does not."""
    said = b""
    with connection:
        try:
            while piece := connection.recv(65_536):
                said += piece
        except ConnectionResetError:
            return said
        except TimeoutError:
            return said + b"..."
    return said


SLOW = [
    ("silent", b""),
    ("half a line", b"GET /hea"),
    ("half a head", GET[:-2]),
    ("an empty line", b"\r\n"),
    ("half a body", b"POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"),
    ("a second half", GET + b"GET /hea"),
    ("an empty line after a request", GET + b"\r\n"),
]


#: Deadlines for clients: a busy machine may stand still for longer than the first one.
PATIENCE_S = (0.05, 1.0, 20.0)


@pytest.mark.parametrize("said", [row[1] for row in SLOW], ids=[row[0] for row in SLOW])
def test_who_says_nothing_more_is_let_go(said: bytes) -> None:
    """Whatever was said before, at whatever place: after the time allowed the connection ends (slow loris)."""
    served = []
    for seconds in PATIENCE_S:
        with serving(keep_alive=seconds, head_seconds=seconds, body_seconds=seconds) as port:
            answer = heard(connected(port, said))
        assert not answer.endswith(b"...")
        served.append(answer.count(b"200 OK"))
        if served[-1] == said.count(GET):
            return
    raise AssertionError(served)


@pytest.mark.slow
@pytest.mark.parametrize("said", [b"", b"GET /hea", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"])
def test_without_the_guard_they_stay(said: bytes) -> None:
    """Positive control: uvicorn alone waits for ever."""
    with serving() as port:
        assert heard(connected(port, said, 0.3)) == b"..."


def test_who_sends_is_not_cut_off() -> None:
    """Requests one after another on one connection are served although each deadline is shorter than all of them."""
    for seconds in PATIENCE_S:
        with serving(head_seconds=seconds, body_seconds=seconds) as port, connected(port) as one:
            if all(served(one) for _ in range(int(1_500 * seconds))):
                return
    raise AssertionError("cut off")


def served(connection: socket.socket) -> bool:
    """Whether one more request on this connection is answered."""
    with suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(GET)
        return b"200 OK" in connection.recv(65_536)
    return False


def test_a_head_has_an_end() -> None:
    """A request line or header without end is 431 and cut off; a head of usual size is served."""
    line = b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 300_000
    with serving(head_bytes=8_192) as port:
        assert b"431" in sent_in_pieces(connected(port), line)
        with connected(port, GET) as usual:
            assert b"200 OK" in usual.recv(65_536)
    with serving() as port:
        answer = sent_in_pieces(connected(port, seconds=0.3), line)
    assert b"431" not in answer, "positive control: uvicorn alone takes it"


BROKEN = [
    b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: nine\r\n\r\n",
]


LONG = b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000 + b"\r\n\r\n"


LONG_TOO = [
    LONG,
    LONG[:-4] + b"y" * 280_000,
    LONG.replace(b"/ ", b"/" + b"y" * 20_000 + b" "),
    LONG.replace(b"GET", b"POST").replace(b"X:", b"Content-Length: 2\r\nX:") + b"{}" + GET,
    LONG + LONG + BROKEN[0],
]


@pytest.mark.parametrize("said", [*BROKEN, *LONG_TOO])
def test_what_is_no_request_is_answered_as_every_other_error(said: bytes) -> None:
    """A malformed request line or header, or too much of it: a problem document with code and mend, then the end."""
    with serving(head_bytes=8_192) as port:
        answer = sent_in_pieces(connected(port), said)
    head, _, body = answer.partition(b"\r\n\r\n")
    status, code = (400, "not_http") if said in BROKEN else (431, "head_too_large")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    assert headers[b"content-type"] == b"application/problem+json"
    assert int(headers[b"content-length"]) == len(body)
    found = json.loads(body)
    assert (found["status"], found["code"], found["where"]) == (status, code, "head")
    assert found["mend"]
    assert b"Traceback" not in answer


@pytest.mark.parametrize("said", BROKEN)
def test_the_server_library_alone_answers_in_plain_text(said: bytes) -> None:
    """Positive control: none of these reaches an application that could answer."""
    with serving() as port:
        assert b"text/plain" in heard(connected(port, said))


def sent_in_pieces(connection: socket.socket, said: bytes) -> bytes:
    """The answer to something that is sent in pieces, whether the server listens to the end or not."""
    with suppress(BrokenPipeError, ConnectionResetError):  # it has heard enough; its answer may be there
        for first in range(0, len(said), 4_096):
            connection.sendall(said[first : first + 4_096])
    return heard(connection)


def test_connections_have_a_bound() -> None:
    """One more than allowed is 503 with Retry-After at once; when one goes, the next is served."""
    with serving(connections=2, head_seconds=WAIT_S) as port:
        first, second = connected(port, GET), connected(port, GET)
        assert all(b"200 OK" in one.recv(65_536) for one in (first, second))
        refused = heard(connected(port, GET))
        assert b" 503 " in refused
        assert b"retry-after: 1" in refused
        for one in (first, second):
            one.close()
        answers = (heard(connected(port, GET.replace(b"Host", b"Connection: close\r\nHost"))) for _ in range(1_000))
        assert any(b"200 OK" in answer for answer in answers)


class _Waiting:
    """A Book whose disk takes its time: nothing is durable until `done` is called."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self.bodies: list[bytes] = []
        self.futures: list[Future[list[int]]] = []
        self.taken = asyncio.Event()

    def append_later(self, blobs: Any) -> Future[list[int]]:
        self.bodies += [blob.body for blob in blobs]
        self.futures.append(Future())
        self.taken.set()
        return self.futures[-1]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._book, name)


def held(home: Home, requests: list[dict[str, Any]], **bounds: Any) -> tuple[list[int], int]:
    """(statuses, bytes held) of requests that come one after another while the disk stands still."""
    book = _Waiting(home.book)
    home.services.book = book
    home.services.bounds = Bounds(**bounds)
    home.app = create_app(home.services)

    async def all_of_them() -> tuple[list[int], int]:
        asked = []
        for more in requests:
            book.taken.clear()
            asked.append(asyncio.create_task(home.ask("POST", "/v1/batch", auth=AUTH, **more)))
            taken = asyncio.create_task(book.taken.wait())
            await asyncio.wait([asked[-1], taken], return_when=asyncio.FIRST_COMPLETED)
            taken.cancel()
        size = sum(map(len, book.bodies))
        for future in book.futures:
            future.set_result([1])
        return [(await one).status_code for one in asked], size

    return run(all_of_them())


def batch(size: int) -> bytes:
    """A body of about so many bytes."""
    count = size // 1_000
    return json.dumps({"batch": [call(properties={"x": "y" * 900}) for _ in range(count)]}).encode()


def test_what_waits_for_the_disk_is_bounded(home: Home) -> None:
    """While nothing is durable, bodies are taken up to the bound and then refused, however they come."""
    plain = {"content": batch(200_000)}
    packed = {"content": gzip.compress(batch(400_000)), "headers": {"Content-Encoding": "gzip"}}
    assert len(packed["content"]) < 10_000, "small on the wire"
    for requests in ([plain] * 30, [packed] * 30, [{"content": _pieces(batch(200_000))} for _ in range(30)]):
        statuses, size = held(home, requests, in_flight_bytes=2_000_000)
        assert statuses[0] == 200
        assert statuses[-1] == 429
        assert size <= 2_000_000 + 512 * 1024


async def _pieces(said: bytes) -> Any:
    """A body whose length nobody announces."""
    for first in range(0, len(said), 65_536):
        yield said[first : first + 65_536]


def test_without_the_count_memory_grows(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: if what is unpacked does not count, all of them are held."""
    monkeypatch.setattr(limits.InFlight, "grow", lambda *_: None)
    packed = {"content": gzip.compress(batch(400_000)), "headers": {"Content-Encoding": "gzip"}}
    statuses, size = held(home, [packed] * 30, in_flight_bytes=2_000_000)
    assert set(statuses) == {200}
    assert size > 10_000_000


def test_a_key_that_sends_too_much_is_refused_before_its_body_is_read(home: Home) -> None:
    """With the key in the header a body of any size is not even looked at."""
    home.services.bounds = Bounds(key_events_per_s=1)
    home.app = create_app(home.services)
    assert home.call("POST", "/v1/batch", json={"batch": [call()] * 9}, auth=AUTH).status_code == 200
    told: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError("the body was asked for")

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    basic = (b"authorization", b"Basic " + b64encode(f"{WRITE_KEY}:".encode()))
    scope = {"type": "http", "method": "POST", "path": "/v1/batch", "headers": [basic]}
    run(home.app(scope, receive, send))
    assert [told[0]["status"], b"key_rate" in told[1]["body"]] == [429, True]


def test_nothing_is_left_behind(home: Home) -> None:
    """After good, bad, refused and broken requests all places are free again."""
    home.services.bounds = Bounds(in_flight=1, in_flight_bytes=1_000_000)
    home.app = create_app(home.services)
    said: list[Any] = [b"{", b"\x1f\x8bno", json.dumps({"batch": [call()]}).encode(), b" " * 10**6]
    for more in ({"content": one} for one in said):
        home.call("POST", "/v1/batch", auth=AUTH, **more)
        home.call("POST", "/v1/batch", auth=("wk_nobody", ""), **more)
        assert home.call("POST", "/v1/batch", json={"batch": [call()]}, auth=AUTH).status_code == 200
