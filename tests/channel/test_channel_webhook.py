"""WebhookChannel against a real HTTP server on loopback: signatures, answers, faults, and where it must not go."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpcore
import pytest

from einklang.channel import Answer, Post, PublicBackend, WebhookChannel, networks_of, secrets_of
from einklang.channel.public import is_allowed
from einklang.channel.webhook import signature
from einklang.kernel.errors import UsageError

#: The vector of the reference libraries of Standard Webhooks (libraries/python/tests/test_webhooks.py).
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
OLD = "whsec_" + base64.b64encode(b"o" * 24).decode()
LOOPBACK = networks_of("127.0.0.0/8")
Received = tuple[dict[str, str], bytes]


def verified(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """What a receiver does, written from the specification and sharing nothing with the sender."""
    key = base64.b64decode(secret.split("_", 1)[1])
    content = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    mine = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    return any(hmac.compare_digest(found, f"v1,{mine}") for found in headers["webhook-signature"].split())


class Server:
    """Answers each request with the next of `answers`; `hang` is silence, `drop` cuts the line."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.got = list(answers), list[Received]()
        self.serving: set[asyncio.Task[Any]] = set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.serving.add(task)
        try:
            while lines := (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n"):
                headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines[1:-2])}
                self.got.append((headers, await reader.readexactly(int(headers["content-length"]))))
                answer = self.answers.pop(0)
                if answer == "hang":
                    await asyncio.Event().wait()
                if answer == "drop":
                    break
                if "\r\n\r\n" in answer:  # with a body, which is not ended: the line stays open, or is cut
                    writer.write(f"HTTP/1.1 {answer}".encode())
                    if "chunked" in answer:
                        continue
                    break
                writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def run(self, work: Callable[[str], Awaitable[list[Answer]]]) -> list[Answer]:
        """Serve while `work` runs with our address."""

        async def both() -> list[Answer]:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            async with server:
                port = server.sockets[0].getsockname()[1]
                found = await work(f"http://127.0.0.1:{port}/hook?x=1")
                for task in self.serving:
                    task.cancel()
                return found

        return asyncio.run(both())


def posted(
    server: Server, *, times: int = 1, timeout_s: float = 5.0, drain_s: float = 5.0, secrets: str = f"crm={SECRET}"
) -> list[Answer]:
    """The answers to posts one after the other."""

    async def work(url: str) -> list[Answer]:
        channel = WebhookChannel(secrets_of(secrets), PublicBackend(LOOPBACK), timeout_s=timeout_s, drain_s=drain_s)
        try:
            return [await channel.post(Post("crm", url, KEY, AT, BODY)) for _ in range(times)]
        finally:
            await channel.close()

    return server.run(work)


def test_the_vector_of_the_specification_is_signed_alike() -> None:
    """The published signature comes out, and an independent check of it passes and finds a flipped byte."""
    secrets = secrets_of(f"crm={SECRET}")["crm"]
    assert signature(secrets, KEY, AT, BODY) == SIGNED
    headers = {"webhook-id": KEY, "webhook-timestamp": str(AT), "webhook-signature": SIGNED}
    assert verified(SECRET, headers, BODY)
    assert not verified(SECRET, headers, BODY + b" ")


def test_during_a_rotation_both_secrets_sign() -> None:
    """Whoever knows either secret verifies what arrives, nobody else; id, moment and bytes arrive."""
    server = Server("204 No Content")
    (answer,) = posted(server, secrets=f"crm={SECRET} crm={OLD}")
    ((headers, body),) = server.got
    assert answer == Answer("sent", 204)
    assert (headers["webhook-id"], headers["webhook-timestamp"], body) == (KEY, str(AT), BODY)
    assert verified(SECRET, headers, body)
    assert verified(OLD, headers, body)
    assert not verified("whsec_" + base64.b64encode(b"x" * 24).decode(), headers, body)


def test_each_answer_is_understood() -> None:
    """2xx, 410, Retry-After in both forms, 500, a redirect (not followed), a cut line: as the table says."""
    date = "Retry-After: Thu, 25 Feb 2021 15:03:10 GMT"  # a minute after AT
    server = Server(
        "200 OK",
        "410 Gone",
        "429 Slow\r\nRetry-After: 7",
        f"503 No\r\n{date}",
        "500 Oh",
        "302 F\r\nLocation: /b",
        "drop",
    )
    found = posted(server, times=7)
    told = [(answer.status, answer.code, answer.retry_after_s) for answer in found]
    assert told == [
        ("sent", 200, None), ("gone", 410, None), ("busy", 429, 7), ("busy", 503, 60), ("failed", 500, None),
        ("failed", 302, None), ("busy", 0, None),
    ]  # fmt: skip
    assert len(server.got) == 7


def test_what_hangs_is_given_up() -> None:
    """A server that never answers costs the timeout and no more, and is left alone for a while."""
    assert posted(Server("hang"), timeout_s=0.05)[0].status == "busy"


@pytest.mark.parametrize(
    ("answer", "status"), [("200 OK", "sent"), ("410 Gone", "gone"), ("429 Slow\r\nRetry-After: 7", "busy")]
)
def test_a_body_that_never_ends_changes_no_answer(answer: str, status: str) -> None:
    """The status has been told: it counts, without waiting for the rest, and the next request is answered too."""
    server = Server(f"{answer}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx", "204 No Content")
    found = posted(server, times=2, drain_s=0)
    assert [(one.status, one.retry_after_s) for one in found] == [
        (status, 7 if status == "busy" else None),
        ("sent", None),
    ]


def test_a_body_that_breaks_off_changes_no_answer() -> None:
    """Taken is taken, although the line was cut before the promised end of the body."""
    assert posted(Server("200 OK\r\nContent-Length: 9\r\n\r\nx"))[0] == Answer("sent", 200)


class _At(httpcore.AsyncMockStream):
    """A line on which nothing comes, from this address."""

    def __init__(self, peer: str) -> None:
        super().__init__([])
        self.peer = peer

    def get_extra_info(self, info: str) -> Any:
        """Who is at the other end."""
        return (self.peer, 80) if info == "server_addr" else None


class Nowhere(httpcore.AsyncNetworkBackend):
    """Notes what is connected to; what stands is at `peer`."""

    def __init__(self, peer: str = "") -> None:
        self.peer, self.asked = peer, list[str]()

    async def connect_tcp(self, host: str, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        """A stream that says who is at its other end."""
        self.asked.append(host)
        return _At(self.peer or host)


def aimed(url: str, addresses: Sequence[str], inner: Nowhere, networks: str = "") -> Answer:
    """The answer to a post to this address, whose name leads to these addresses."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    backend = PublicBackend(networks_of(networks), resolve=resolve, inner=inner)
    channel = WebhookChannel(secrets_of(f"crm={SECRET}"), backend)
    return asyncio.run(channel.post(Post("crm", url, KEY, AT, BODY)))


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.8", "169.254.169.254", "0.0.0.0", "224.0.0.1", "::1", "fe80::1%eth0", "fd00::1", "fec0::1",
     "::ffff:10.0.0.8", "2002:0a00:0008::1", "64:ff9b::a00:8"],
)  # fmt: skip
def test_no_request_reaches_an_address_that_is_not_public(address: str) -> None:
    """A name that leads there, alone or beside a public address, is refused before anything is connected to."""
    for addresses in ([address], ["93.184.216.34", address]):
        inner = Nowhere()
        answer = aimed("https://shop.example/hook", addresses, inner)
        assert (answer.status, inner.asked) == ("refused", [])
    assert is_allowed("93.184.216.34", ())


def test_the_address_is_looked_at_again_once_the_connection_stands() -> None:
    """Where the connection leads elsewhere than was asked for it is refused; an allowed network is connected to."""
    assert aimed("http://shop.example/", ["93.184.216.34"], Nowhere("10.0.0.8")).status == "refused"
    allowed = Nowhere()
    assert aimed("http://shop.example/", ["10.0.0.8"], allowed, "10.0.0.0/8").status == "busy"
    assert allowed.asked == ["10.0.0.8"]


@pytest.mark.parametrize("text", ["crm=abc", "crm=whsec_!!", "crm=whsec_c2hvcnQ=", "crm"])
def test_a_bad_secret_is_refused_without_being_told(text: str) -> None:
    """Too short, not base64, no prefix: an error that names the destination and not the secret."""
    with pytest.raises(UsageError) as caught:
        secrets_of(text)
    assert "crm" in caught.value.line()
    assert text.partition("=")[2] not in caught.value.line() or not text.partition("=")[2]
