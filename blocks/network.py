"""Connections that blocks make to the outside: only to public addresses, unless a setting allows more.

    name ─► resolve once ─► every address public? ─► connect to the very address that was checked
                                   └─ no: AddressRefusedError, nothing is dialled

The check sits below HTTP, where connections are opened, so that it holds for redirects, however an address is spelled.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeAlias
from weakref import WeakKeyDictionary

import httpcore2

Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]

CONNECTIONS = 100
IDLE_CONNECTIONS = 20
IDLE_SECONDS = 15.0

_TRIED = 4  # addresses of one name

# Beyond what `ipaddress` knows as not global, in every Python version that we support.
_REFUSED_4 = [
    ip_network("192.0.0.0/24"),  # protocol assignments; a cloud's metadata service at .192
    ip_network("192.88.99.0/24"),  # relays into 6to4
    ip_network("168.63.129.16/32"),  # Azure's host agent, a public address in every virtual network
]
_GLOBAL_6 = ip_network("2000::/3")  # the only part of IPv6 that is routed globally (RFC 4291 section 2.4)
_REFUSED_6 = [
    ip_network("2001::/23"),  # protocol assignments, Teredo among them, which can hide any IPv4 address
    ip_network("2001:db8::/32"),  # documentation
    ip_network("2002::/16"),  # 6to4, likewise
    ip_network("3fff::/20"),  # documentation
]
_NAT64 = ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are the IPv4 address that is reached
_ISATAP = {0x0000_5EFE, 0x0200_5EFE}  # RFC 5214: the same, after these 32 bits


class AddressRefusedError(Exception):
    """A host has an address that blocks must not reach."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, also if it carries an IPv4 address inside."""
    ip = ip_address(address)
    if isinstance(ip, IPv4Address):
        return ip.is_global and not ip.is_multicast and not ip.is_reserved and not any(ip in net for net in _REFUSED_4)
    if ip.scope_id is not None:
        return False
    carried = _carried(ip)
    if carried is not None:
        return is_public(str(carried))
    return ip in _GLOBAL_6 and int(ip) >> 32 & 0xFFFF_FFFF not in _ISATAP and not any(ip in net for net in _REFUSED_6)


def _carried(ip: IPv6Address) -> IPv4Address | None:
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, as this machine resolves them.

    Raises:
        OSError: there are none.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class PublicNetwork(httpcore2.AsyncNetworkBackend):
    """Opens connections to public addresses only; `resolve` and `network` can be others, for tests."""

    def __init__(self, resolve: Resolve = resolve, network: httpcore2.AsyncNetworkBackend | None = None) -> None:
        self._resolve = resolve
        self._network = network or httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first address of the host that answers.

        Raises:
            AddressRefusedError: any of its addresses isn't public.
            httpcore2.ConnectError: it has no address, or none answers.
        """
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(f"{host} has no address") from error
        if not all(map(is_public, addresses)):
            raise AddressRefusedError(f"{host} is not on the public internet")
        problem: Exception = httpcore2.ConnectError(f"{host} has no address")
        tried = addresses[:_TRIED]
        for address in tried:
            try:
                return await self._network.connect_tcp(
                    address, port, timeout and timeout / len(tried), local_address, socket_options
                )
            except (httpcore2.NetworkError, httpcore2.TimeoutException) as error:
                problem = error
        raise problem


_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[bool, httpcore2.AsyncConnectionPool]] = WeakKeyDictionary()


def pool(*, allow_private: bool) -> httpcore2.AsyncConnectionPool:
    """The connections of this event loop, shared by all that run on it. No proxy, cookie or netrc is involved."""
    pools = _pools.setdefault(asyncio.get_running_loop(), {})
    if allow_private not in pools:
        pools[allow_private] = httpcore2.AsyncConnectionPool(
            max_connections=CONNECTIONS,
            max_keepalive_connections=IDLE_CONNECTIONS,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=None if allow_private else PublicNetwork(),
        )
    return pools[allow_private]


async def close_pools() -> None:
    """Close the connections of this event loop."""
    for one in _pools.pop(asyncio.get_running_loop(), {}).values():
        await one.aclose()
