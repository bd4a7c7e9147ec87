"""E-mail over SMTP (RFC 5321): connections are kept open, and a lost answer is told apart from a lost command.

| what happened | receipt |
|---|---|
| no connection, no TLS, no sign-in; lost before the mail itself was written | failed, temporary |
| 4xx | failed, temporary |
| 5xx to MAIL, RCPT or the mail | failed, permanent |
| lost, or no answer in time, once the mail was written | unknown |
| 250 to the mail | sent |
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections import deque
from dataclasses import replace
from email.parser import BytesHeaderParser
from email.utils import parseaddr

import aiosmtplib
from aiosmtplib.errors import SMTPException, SMTPResponseException, SMTPServerDisconnected

from einklang.channel.types import Parcel, Receipt, failed, sent, unknown

_ADDRESS = re.compile(r"[!-;=?-~]+@[A-Za-z0-9.-]+")
_ENDINGS = re.compile(rb"\r\n|\r|\n")
_DOT = re.compile(rb"(?m)^\.")
_Fault = (SMTPException, OSError, TimeoutError)


class SmtpChannel:
    """Hands mails to one mail server.

    starttls: encrypt after EHLO, and fail if the server cannot; tls: encrypt from the first byte (port 465). sender:
    the envelope sender (else the address of From). connections: at most so many at a time. timeout_s: for each answer.
    A receipt repeats what the server said, with the person's address left out."""

    def __init__(
        self,
        host: str,
        port: int = 25,
        username: str = "",
        password: str = "",
        starttls: bool = False,
        timeout_s: float = 30.0,
        *,
        tls: bool = False,
        sender: str = "",
        connections: int = 4,
        helo: str = "localhost",
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._host, self._port = host, port
        self._username, self._password = username, password
        self._starttls, self._tls, self._tls_context = starttls, tls, tls_context
        self._timeout_s, self._sender, self._helo = timeout_s, sender, helo
        self._idle: deque[aiosmtplib.SMTP] = deque()
        self._room = asyncio.Semaphore(connections)

    async def deliver(self, item: Parcel) -> Receipt:
        """Hand one mail over. Never raises for a fault of the world: the receipt says it."""
        sender = self._sender or _from_of(item.body)
        for what, value in (("sender", sender), ("address", item.address)):
            if not _ADDRESS.fullmatch(value):
                return failed(f"no valid {what}", permanent=True, stage="mail" if what == "sender" else "rcpt")
        async with self._room:
            while self._idle:
                client = self._idle.pop()
                receipt = await self._over(client, sender, item) if client.is_connected else None
                if receipt is not None:
                    return receipt
                client.close()
            try:
                client = await self._connect()
            except _Fault as error:
                return failed(_told(error), permanent=False, stage="connect")
            receipt = await self._over(client, sender, item)
            if receipt is None:
                return failed("the connection was lost before the mail was sent", permanent=False, stage="mail")
            return receipt

    async def close(self) -> None:
        """Say goodbye on every idle connection."""
        while self._idle:
            client = self._idle.pop()
            try:
                await client.quit()
            except _Fault:
                client.close()

    async def _connect(self) -> aiosmtplib.SMTP:
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._username or None,
            password=self._password or None,
            local_hostname=self._helo,
            timeout=self._timeout_s,
            use_tls=self._tls,
            start_tls=self._starttls,
            tls_context=self._tls_context,
        )
        try:
            await client.connect()
        except BaseException:
            client.close()
            raise
        return client

    async def _over(self, client: aiosmtplib.SMTP, sender: str, item: Parcel) -> Receipt | None:
        """One transaction; None if the connection was lost before the mail was written."""
        try:
            receipt = await self._transaction(client, sender, item)
            receipt = _without(receipt, item.address)
        except BaseException:
            client.close()
            raise
        if receipt is not None and receipt.status != "unknown" and client.is_connected:
            self._idle.append(client)
        else:
            client.close()
        return receipt

    async def _transaction(self, client: aiosmtplib.SMTP, sender: str, item: Parcel) -> Receipt | None:
        stage = "mail"
        try:
            await client.mail(sender)
            stage = "rcpt"
            await client.rcpt(item.address)
            stage = "data"
            ready = await client.execute_command(b"DATA")
            if ready.code != 354:
                raise SMTPResponseException(ready.code, ready.message)
        except SMTPResponseException as error:
            await self._reset(client)
            return failed(_told(error), permanent=500 <= error.code < 600, stage=stage)
        except _Fault:
            return None
        return await self._body(client, item.body)

    async def _body(self, client: aiosmtplib.SMTP, body: bytes) -> Receipt | None:
        """The mail itself: from its first byte on, what is not answered is unknown. None: nothing was written."""
        protocol = client.protocol
        if protocol is None:
            return None
        lines = _DOT.sub(b"..", _ENDINGS.sub(b"\r\n", body))
        try:
            protocol.write(lines + (b"" if lines.endswith(b"\r\n") else b"\r\n") + b".\r\n")
        except SMTPServerDisconnected:
            return None
        try:
            answer = await protocol.read_response(timeout=self._timeout_s)
        except _Fault as error:
            return unknown(_told(error))
        if answer.code == 250:
            return sent(answer.message)
        detail = f"{answer.code} {answer.message}"
        if 400 <= answer.code < 600:
            return failed(detail, permanent=answer.code >= 500, stage="data")
        return unknown(detail)

    async def _reset(self, client: aiosmtplib.SMTP) -> None:
        try:
            await client.rset()
        except _Fault:
            client.close()


def _from_of(body: bytes) -> str:
    return parseaddr(str(BytesHeaderParser().parsebytes(body.partition(b"\r\n\r\n")[0]).get("From", "")))[1]


def _without(receipt: Receipt | None, address: str) -> Receipt | None:
    """The receipt without the address, in case the server repeats it."""
    if receipt is None or address.lower() not in receipt.detail.lower():
        return receipt
    return replace(receipt, detail=re.sub(re.escape(address), "(address)", receipt.detail, flags=re.IGNORECASE))


def _told(error: BaseException) -> str:
    if isinstance(error, SMTPResponseException):
        return f"{error.code} {error.message}"
    if isinstance(error, SMTPServerDisconnected):
        return "the connection was lost"
    return str(error) or type(error).__name__
