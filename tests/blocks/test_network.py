"""Which addresses blocks reach (S3): every spelling of what isn't public is refused, and nothing is dialled for it.

The network below the check is a recorder that never dials. Only numeric hosts are resolved for real, which asks nobody.
"""

import asyncio
import socket
from collections.abc import Iterable

import httpcore2
import pytest

from blocks.network import AddressRefusedError, PublicNetwork, is_public, resolve

PRIVATE = [
    "0.0.0.0",  # noqa: S104 - an address to refuse, nothing is bound
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",  # a cloud's metadata service
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",  # most clouds' metadata service
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",  # IPv4-compatible
    "::ffff:127.0.0.1",  # IPv4-mapped
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",  # IPv4-translated
    "64:ff9b::127.0.0.1",  # NAT64
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::10.0.0.1",  # NAT64 of one's own network
    "100::1",
    "2001::1",  # Teredo
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:7f00:1::",  # 6to4 of 127.0.0.1
    "2002:0a00:0001::1",
    "2600::5efe:10.0.0.1",  # ISATAP
    "2600::200:5efe:10.0.0.1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",  # a cloud's metadata service
    "fe80::1",
    "fe80::1%eth0",
    "2600::1%eth0",
    "fec0::1",
    "ff02::1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "2606:4700:4700::1111",
    "2a00:1450:4001:82a::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",  # how an IPv6-only network reaches it
]
SPELLINGS = [
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "127.1",
    "127.0.1",
    "127.0.0.01",
    "0",
    "0x0",
    "2852039166",  # 169.254.169.254
    "0xa9fea9fe",
    "0xa9.0xfe.0xa9.0xfe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "0300.0250.1.1",  # 192.168.1.1
    "::ffff:7f00:1",
    "0:0:0:0:0:ffff:7f00:0001",
    "0000:0000:0000:0000:0000:0000:0000:0001",
]


class Recorder(httpcore2.AsyncNetworkBackend):
    """A network that only writes down what it was asked to dial; hosts in `dead` don't answer."""

    def __init__(self, *dead: str) -> None:
        self.dialled: list[str] = []
        self.dead = dead

    async def connect_tcp(
        self,
        host: str,
        port: int,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002, ASYNC109
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore2.AsyncNetworkStream:
        self.dialled.append(host)
        if host in self.dead:
            raise httpcore2.ConnectError("no answer")
        return httpcore2.AsyncMockStream([])


def connect(host: str, answers: Iterable[list[str]] | None = None, *, dead: tuple[str, ...] = ()) -> list[str]:
    """What is dialled for `host`; the resolver gives these answers, one after another, or asks this machine."""
    given = iter(answers or ())

    async def scripted(_host: str, _port: int) -> list[str]:
        return next(given)

    recorder = Recorder(*dead)
    network = PublicNetwork(resolve if answers is None else scripted, recorder)
    try:
        asyncio.run(network.connect_tcp(host, 80))
    except AddressRefusedError:
        assert not recorder.dialled, "refused only after dialling"
        raise
    return recorder.dialled


@pytest.mark.parametrize("address", PRIVATE)
def test_s3_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_s3_an_address_of_the_internet_is_allowed(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", SPELLINGS)
def test_s3_an_address_is_refused_in_any_spelling(host: str) -> None:
    with pytest.raises(AddressRefusedError):
        connect(host)


@pytest.mark.parametrize("address", PRIVATE)
def test_s3_a_name_that_resolves_to_such_an_address_is_refused(address: str) -> None:
    with pytest.raises(AddressRefusedError):
        connect("innocent.example", [[address]])


def test_s3_one_bad_address_among_good_ones_refuses_the_name() -> None:
    with pytest.raises(AddressRefusedError):
        connect("innocent.example", [["93.184.216.34", "10.0.0.1"]])


def test_s3_the_address_that_was_checked_is_dialled_without_asking_a_second_time() -> None:
    rebinding = [["93.184.216.34"], ["127.0.0.1"]]
    assert connect("rebinding.example", rebinding) == ["93.184.216.34"]


def test_the_next_address_is_dialled_if_one_does_not_answer() -> None:
    answers = [["2606:4700:4700::1111", "93.184.216.34"]]
    dialled = connect("example.org", answers, dead=("2606:4700:4700::1111",))
    assert dialled == ["2606:4700:4700::1111", "93.184.216.34"]


@pytest.mark.parametrize("error", [socket.gaierror("unknown"), UnicodeError("label too long")])
def test_a_name_without_an_address_is_a_connection_error(error: Exception) -> None:
    async def failing(_host: str, _port: int) -> list[str]:
        raise error

    network = PublicNetwork(failing, Recorder())
    with pytest.raises(httpcore2.ConnectError, match=r"nowhere.example has no address"):
        asyncio.run(network.connect_tcp("nowhere.example", 80))
