"""Connections that reach the outside alone: the address is looked at before the connection, and again once it stands.

A name is resolved once, and it is the address found then that is connected to: a name that answers otherwise a moment
later leads nowhere else. If any of its addresses is not public, none is used.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import httpcore

from einklang.kernel.errors import UsageError

Network = IPv4Network | IPv6Network
#: (host, port) -> its addresses, as texts.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
#: IPv6 addresses that stand for an IPv4 address (RFC 6052); 6to4 and Teredo are told by the address itself.
_NAT64 = ip_network("64:ff9b::/96")


class NotPublicError(Exception):
    """The name leads to an address that is not public and that no setting allows."""


def networks_of(text: str) -> tuple[Network, ...]:
    """Networks that are allowed although they are not public: `127.0.0.0/8 10.1.0.0/16`. Raises UsageError."""
    found: list[Network] = []
    for part in text.replace(",", " ").split():
        try:
            found.append(ip_network(part))
        except ValueError as error:
            mend = "write networks such as 10.1.0.0/16, with blanks between"
            raise UsageError(
                "bad_setting", f"not a network: {part[:60]!r}", where="EINKLANG_WEBHOOK_NETWORKS", mend=mend
            ) from error
    return tuple(found)


def is_allowed(address: str, networks: Iterable[Network]) -> bool:
    """Whether this address may be connected to: a public one, or one of the networks."""
    found = ip_address(address.partition("%")[0])
    inner = _inner(found)
    if inner is not None:
        found = inner
    if any(found in network for network in networks):
        return True
    own = isinstance(found, IPv6Address) and found.is_site_local  # Python counts fec0::/10 among the global ones
    return found.is_global and not (found.is_multicast or found.is_reserved or own)


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system knows them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in found))


class PublicBackend(httpcore.AsyncNetworkBackend):
    """Connects httpcore to what `is_allowed` alone. inner: what really connects."""

    def __init__(
        self,
        networks: Iterable[Network] = (),
        *,
        resolve: Resolve = resolve,
        inner: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._networks = tuple(networks)
        self._resolve = resolve
        self._inner = inner or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore says so
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection. Raises NotPublicError, httpcore.ConnectError, httpcore.ConnectTimeout."""
        try:
            addresses = await asyncio.wait_for(self._resolve(host.strip("[]"), port), timeout)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("the name was not resolved in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the name is not known: {error}") from error
        refused = [address for address in addresses if not is_allowed(address, self._networks)]
        if refused or not addresses:
            raise NotPublicError(f"{host} leads to {', '.join(refused) or 'nothing'}")
        stream = await self._first(addresses, port, timeout)
        peer = stream.get_extra_info("server_addr")
        if not peer or not is_allowed(str(peer[0]), self._networks):
            await stream.aclose()
            raise NotPublicError(f"{host} leads to {peer[0] if peer else 'nothing'}")
        return stream

    async def _first(self, addresses: Sequence[str], port: int, seconds: float | None) -> httpcore.AsyncNetworkStream:
        for address in addresses[:-1]:
            try:
                return await self._inner.connect_tcp(address, port, seconds)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._inner.connect_tcp(addresses[-1], port, seconds)

    async def sleep(self, seconds: float) -> None:
        """Nothing is retried here: whoever asked decides."""
        await self._inner.sleep(seconds)
