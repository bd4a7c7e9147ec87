"""SmtpChannel against a real aiosmtpd server on loopback, with faults at every stage of a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from einklang.channel import Parcel, Receipt, SmtpChannel

BODY = b"From: Shop <shop@a.example>\r\nTo: k@b.example\r\nSubject: x\r\n\r\nHello\r\n.\r\n..dot\r\n"
PARCEL = Parcel("m_1", "k@b.example", BODY)


def cut(server: SMTP) -> None:
    """Lose the line without a goodbye."""
    assert isinstance(server.transport, asyncio.WriteTransport)
    server.transport.abort()


class Handler:
    """Accepts everything, unless told otherwise per stage: an answer, `drop` cuts the line, `hang` is silence."""

    def __init__(self, **faults: str) -> None:
        self.faults = faults
        self.got: list[tuple[str | None, list[str], bytes]] = []
        self.connections = 0

    async def _fault(self, stage: str, server: SMTP, ok: str) -> str:
        answer = self.faults.get(stage, ok)
        if answer == "drop":
            cut(server)
            await asyncio.Event().wait()
        if answer == "hang":
            await asyncio.Event().wait()
        return answer

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return await self._fault("mail", server, "250 OK")

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return await self._fault("rcpt", server, "250 OK")

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        if "data" not in self.faults or self.faults["data"] == "drop":
            self.got.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.content))
        return await self._fault("data", server, "250 queued")


class Server(SMTP):
    """aiosmtpd, that can cut the line at the command DATA."""

    async def smtp_DATA(self, arg: str) -> None:
        """Cut before the 354 when told to."""
        if self.event_handler.faults.get("354") == "drop":
            cut(self)
            return
        await super().smtp_DATA(arg)


def against(
    handler: Handler, act: Callable[[int], Awaitable[Any]], make: Callable[[], asyncio.Protocol] | None = None
) -> Any:
    """Run `act(port)` beside a server on loopback."""

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        factory = make or (lambda: Server(handler, hostname="mx.example", loop=loop, auth_require_tls=False))
        server = await loop.create_server(factory, "127.0.0.1", 0)
        try:
            return await act(server.sockets[0].getsockname()[1])
        finally:
            server.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

    return asyncio.run(main())


def deliver(handler: Handler, parcel: Parcel = PARCEL, **options: Any) -> Receipt:
    """One delivery to a server with this handler."""

    async def act(port: int) -> Receipt:
        channel = SmtpChannel("127.0.0.1", port, **options)
        receipt = await channel.deliver(parcel)
        await channel.close()
        return receipt

    receipt: Receipt = against(handler, act)
    return receipt


def test_a_mail_arrives_byte_for_byte() -> None:
    """What is handed over is what arrives, lines with dots included, with the envelope of From and the address."""
    handler = Handler()
    receipt = deliver(handler)
    assert (receipt.status, receipt.detail) == ("sent", "queued")
    assert handler.got == [("shop@a.example", ["k@b.example"], BODY)]


def test_the_envelope_sender_can_be_set() -> None:
    """Bounces go to the configured address, whoever writes."""
    handler = Handler()
    deliver(handler, sender="bounce@a.example")
    assert handler.got[0][0] == "bounce@a.example"


def test_a_lone_line_end_cannot_end_the_mail() -> None:
    """SMTP smuggling: LF.LF and CR.CR within a body are stuffed, one mail stays one mail."""
    handler = Handler()
    body = b"From: a@b.example\r\n\r\nx\n.\nMAIL FROM:<evil@x.example>\r.\r\nend\r\n"
    assert deliver(handler, Parcel("m_2", "k@b.example", body)).status == "sent"
    assert [content for _, _, content in handler.got] == [
        b"From: a@b.example\r\n\r\nx\r\n.\r\nMAIL FROM:<evil@x.example>\r\n.\r\nend\r\n"
    ]


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
@pytest.mark.parametrize(("answer", "permanent"), [("451 try later", False), ("550 no such user", True)])
def test_a_refusal_is_failed(stage: str, answer: str, permanent: bool) -> None:
    """4xx is temporary, 5xx is for good, at each stage; the receipt names stage and answer."""
    receipt = deliver(Handler(**{stage: answer}))
    assert (receipt.status, receipt.permanent, receipt.stage) == ("failed", permanent, stage)
    assert receipt.detail == answer


@pytest.mark.parametrize("stage", ["mail", "rcpt", "354"])
def test_a_line_lost_before_the_mail_is_failed_for_now(stage: str) -> None:
    """Nothing was handed over, so a retry is safe."""
    receipt = deliver(Handler(**{stage: "drop"}))
    assert (receipt.status, receipt.permanent) == ("failed", False)


def test_a_line_lost_after_the_mail_is_unknown() -> None:
    """The server has the mail, the answer is lost: it must not be called failed (positive control: it did arrive)."""
    handler = Handler(data="drop")
    receipt = deliver(handler)
    assert receipt.status == "unknown"
    assert len(handler.got) == 1


def test_no_answer_to_the_mail_in_time_is_unknown() -> None:
    """Silence after the last byte is unknown, silence before it is failed for now."""
    assert deliver(Handler(data="hang"), timeout_s=0.05).status == "unknown"
    receipt = deliver(Handler(mail="hang"), timeout_s=0.05)
    assert (receipt.status, receipt.permanent) == ("failed", False)


def test_an_answer_that_is_none_is_unknown() -> None:
    """A 3xx or nonsense after the mail says nothing about it."""
    assert deliver(Handler(data="354 more")).status == "unknown"


def test_nobody_listens() -> None:
    """A refused connection is failed for now, at the stage connect."""

    async def act(port: int) -> Receipt:
        return await SmtpChannel("127.0.0.1", 1, timeout_s=2).deliver(PARCEL)

    receipt = against(Handler(), act)
    assert (receipt.status, receipt.permanent, receipt.stage) == ("failed", False, "connect")


def test_a_server_that_greets_with_554_is_failed_for_now() -> None:
    """A refusal of us says nothing about the address."""

    class Rude(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            transport.write(b"554 go away\r\n")

    async def act(port: int) -> Receipt:
        return await SmtpChannel("127.0.0.1", port, timeout_s=2).deliver(PARCEL)

    receipt = against(Handler(), act, Rude)
    assert (receipt.status, receipt.permanent, receipt.stage) == ("failed", False, "connect")


def test_a_server_without_starttls_gets_nothing_in_the_clear() -> None:
    """With starttls asked for, a server that cannot is failed for now and sees no mail."""
    handler = Handler()
    receipt = deliver(handler, starttls=True)
    assert (receipt.status, receipt.permanent, receipt.stage) == ("failed", False, "connect")
    assert handler.got == []


def test_connections_are_kept() -> None:
    """Three mails go over one connection, also after a refusal between them."""
    handler = Handler()

    async def act(port: int) -> list[str]:
        channel = SmtpChannel("127.0.0.1", port, connections=1)
        out: list[str] = [(await channel.deliver(PARCEL)).status]
        handler.faults["rcpt"] = "550 unknown"
        out.append((await channel.deliver(PARCEL)).status)
        del handler.faults["rcpt"]
        out.append((await channel.deliver(PARCEL)).status)
        await channel.close()
        return out

    assert against(handler, act) == ["sent", "failed", "sent"]
    assert handler.connections == 1


def test_a_kept_connection_that_died_is_replaced() -> None:
    """The server cut an idle line: the next mail goes over a new one, once."""
    handler = Handler()
    servers: list[Server] = []

    async def act(port: int) -> list[str]:
        channel = SmtpChannel("127.0.0.1", port)
        out: list[str] = [(await channel.deliver(PARCEL)).status]
        cut(servers[0])
        out.append((await channel.deliver(PARCEL)).status)
        await channel.close()
        return out

    def make() -> Server:
        servers.append(Server(handler, hostname="mx.example", loop=asyncio.get_running_loop()))
        return servers[-1]

    assert against(handler, act, make) == ["sent", "sent"]
    assert len(handler.got) == 2
    assert handler.connections == 2


def test_many_at_once_stay_within_the_connections() -> None:
    """Twenty deliveries at once arrive once each over at most three connections."""
    handler = Handler()

    async def act(port: int) -> list[Receipt]:
        channel = SmtpChannel("127.0.0.1", port, connections=3)
        parcels = [Parcel(f"m_{n}", f"k{n}@b.example", BODY) for n in range(20)]
        out = await asyncio.gather(*(channel.deliver(parcel) for parcel in parcels))
        await channel.close()
        return list(out)

    assert {receipt.status for receipt in against(handler, act)} == {"sent"}
    assert sorted(to for _, to, _ in handler.got) == sorted([f"k{n}@b.example"] for n in range(20))
    assert handler.connections <= 3


def test_sign_in() -> None:
    """The right password is let in; a wrong one is failed for now: it is our fault, not the address's."""
    seen: list[Any] = []

    def check(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        seen.append(data)
        return AuthResult(success=data.password == b"right", handled=False, message=None)

    def trial(password: str) -> Receipt:
        handler = Handler()

        def make() -> Server:
            loop = asyncio.get_running_loop()
            return Server(
                handler,
                hostname="mx.example",
                loop=loop,
                authenticator=check,
                auth_require_tls=False,
            )

        async def act(port: int) -> Receipt:
            channel = SmtpChannel("127.0.0.1", port, "user", password)
            receipt = await channel.deliver(PARCEL)
            await channel.close()
            return receipt

        receipt: Receipt = against(handler, act, make)
        return receipt

    assert trial("right").status == "sent"
    assert len(seen) == 1
    receipt = trial("wrong")
    assert (receipt.status, receipt.permanent, receipt.stage) == ("failed", False, "connect")
    assert "wrong" not in receipt.detail


@pytest.mark.parametrize(
    "address", ["", "k", "k@", "a b@c.example", "k@b.example\r\nRCPT TO:<x@y.example>", "k@b>.example", "ä@b.example"]
)
def test_an_address_cannot_carry_a_command(address: str) -> None:
    """A malformed address is refused before a byte is sent."""
    handler = Handler()
    receipt = deliver(handler, Parcel("m_3", address, BODY))
    assert (receipt.status, receipt.permanent, receipt.stage) == ("failed", True, "rcpt")
    assert handler.connections == 0


def test_the_receipt_does_not_repeat_the_address() -> None:
    """Servers quote the address in their answers; a receipt may be logged."""
    receipt = deliver(Handler(rcpt="550 5.1.1 <K@B.example> unknown"))
    assert receipt.detail == "550 5.1.1 <(address)> unknown"
