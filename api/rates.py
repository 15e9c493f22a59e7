"""How often somebody may ask, counted in this process: requests of each principal, wrong credentials of each address.

Each has a bucket that holds `most` drops and is filled evenly in a minute; a request takes one, or has to wait for it.
"""

from collections.abc import Callable
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from math import ceil
from time import monotonic
from typing import Final, NamedTuple

from fastapi import Request

from api.memory import Recent
from api.principal import Principal
from api.problems import Problem

WRONG_CREDENTIALS: Final = 60  # a minute, from one address
_MINUTE: Final = 60.0
_BUCKETS: Final = 20_000  # who was quiet for the longest time is forgotten first
_HOST_BITS: Final = 64  # one subscriber has all of these in IPv6


class _Bucket(NamedTuple):
    drops: float
    at: float


class _Buckets:
    """Buckets of `most` drops each, by name."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._buckets: Recent[str, _Bucket] = Recent(_BUCKETS)

    def missing(self, who: str) -> float | None:
        """The seconds until somebody's bucket has a drop; None if it has one."""
        drops = self._filled(who, self._clock())
        return None if drops >= 1 else (1 - drops) * _MINUTE / self._most

    def take(self, who: str) -> None:
        """Take a drop out of it."""
        now = self._clock()
        self._buckets[who] = _Bucket(max(self._filled(who, now) - 1, 0.0), now)

    def _filled(self, who: str, now: float) -> float:
        drops, at = self._buckets.get(who) or _Bucket(self._most, now)
        return min(drops + (now - at) * self._most / _MINUTE, self._most)


class Rates:
    """The limits of one app: `most` requests a minute of each principal; 0 is no limit."""

    def __init__(self, most: int, clock: Callable[[], float] = monotonic) -> None:
        self._buckets = _Buckets(most, clock) if most else None

    def wait(self, who: str) -> float | None:
        """Count a request; if it is one too many, the seconds until another is let in."""
        if self._buckets is None:
            return None
        seconds = self._buckets.missing(who)
        if seconds is None:
            self._buckets.take(who)
        return seconds


class Failures:
    """The limit of wrong credentials from each address."""

    def __init__(self, most: int = WRONG_CREDENTIALS, clock: Callable[[], float] = monotonic) -> None:
        self._buckets = _Buckets(most, clock)

    def wait(self, address: str) -> float | None:
        """The seconds until credentials from an address are looked at again; None if they are."""
        return self._buckets.missing(address)

    def count(self, address: str) -> None:
        """Some were wrong."""
        self._buckets.take(address)


def admit(rates: Rates, principal: Principal) -> None:
    """Let a request in, or not.

    Raises:
        Problem: it is one too many.
    """
    seconds = rates.wait(f"{principal.tenant}\0{principal.via}\0{principal.subject}")
    if seconds is not None:
        raise too_many("requests came from you in a minute", seconds)


def too_many(what: str, seconds: float) -> Problem:
    """Too many of something; it is worth trying again after so many seconds."""
    whole = max(ceil(seconds), 1)
    sentence = f"too many {what}: try again in {whole} s"
    return Problem(HTTPStatus.TOO_MANY_REQUESTS, "rate-limited", sentence, headers={"Retry-After": str(whole)})


def address_of(request: Request) -> str:
    """Where a request comes from, as far as limits go: an IPv4 address, or the network of an IPv6 address."""
    host = request.client.host if request.client is not None else ""
    try:
        ip = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(ip, IPv6Address):
        return str(ip.ipv4_mapped) if ip.ipv4_mapped else f"{int(ip) >> _HOST_BITS:x}::"
    return str(ip)
