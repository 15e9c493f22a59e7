"""Bearer tokens (RFC 6750): who shows one is whom the scheme that it belongs to says. Wrong ones are limited.

    Authorization ─► token ─► shown to be good before? ──────────────► scheme ─► somebody
                401               └─ no: address over its limit? 429      └─ 401, counted for the address

What was good before isn't touched by the limit, so that who guesses from behind the same address locks nobody out.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from http import HTTPStatus
from time import monotonic
from typing import Final, Protocol

from fastapi import Request

from api.memory import Recent
from api.principal import Principal
from api.problems import Problem
from api.rates import Failures, address_of, too_many

TOKEN_CHARS: Final = 16 * 1024

_REMEMBERED: Final = 10_000


class Scheme(Protocol):
    """One kind of bearer tokens."""

    async def principal(self, token: str) -> Principal:
        """Whose token it is.

        Raises:
            Problem: nobody's (401), or that can't be found out at the moment (503).
        """


def unauthenticated(sentence: str, *, error: str | None = None) -> Problem:
    """Nobody that is known asks; `error` is one of RFC 6750's, for who did show a token."""
    challenge = 'Bearer realm="icefloe"' + (f', error="{error}"' if error else "")
    return Problem(HTTPStatus.UNAUTHORIZED, "unauthenticated", sentence, headers={"WWW-Authenticate": challenge})


class BearerTokens:
    """Authenticates by bearer tokens: `schemes` by what the tokens of each begin with, the longest one first."""

    def __init__(self, schemes: Mapping[str, Scheme], clock: Callable[[], float] = monotonic) -> None:
        self._schemes = sorted(schemes.items(), key=lambda one: -len(one[0]))
        self._failures = Failures(clock=clock)
        self._good: Recent[bytes, bool] = Recent(_REMEMBERED)

    async def authenticate(self, request: Request) -> Principal:
        """Who shows a token.

        Raises:
            Problem: no token, or one of nobody (401); too many of these came from the same address (429); or it can't
                be found out at the moment (503).
        """
        token = _token(request)
        digest = sha256(token.encode()).digest()
        if digest not in self._good and (seconds := self._failures.wait(address_of(request))) is not None:
            raise too_many("wrong credentials came from this address in a minute", seconds)
        try:
            principal = await self._scheme(token).principal(token)
        except Problem as problem:
            if problem.status is HTTPStatus.UNAUTHORIZED:
                self._failures.count(address_of(request))
            raise
        self._good[digest] = True
        return principal

    def _scheme(self, token: str) -> Scheme:
        for beginning, scheme in self._schemes:
            if token.startswith(beginning):
                return scheme
        return _Nobodys()


class _Nobodys:
    """The scheme of tokens that belong to no other: the same answer as for a key that there isn't."""

    async def principal(self, token: str) -> Principal:  # noqa: ARG002 - as the protocol has it
        raise unknown_key()


def unknown_key() -> Problem:
    """The answer to every token that is no valid key, whatever is wrong with it: who guesses learns nothing."""
    sentence = "this API key is not valid: it may be mistyped, revoked or expired; `icefloe keys create` makes one"
    return unauthenticated(sentence, error="invalid_token")


def _token(request: Request) -> str:
    given = request.headers.getlist("Authorization")
    if not given:
        raise unauthenticated("nobody is known to be asking: send `Authorization: Bearer …` with an API key or a token")
    scheme, _, token = given[0].partition(" ")
    token = token.strip(" ")
    if len(given) > 1 or scheme.lower() != "bearer" or not token or len(token) > TOKEN_CHARS or not token.isascii():
        raise unauthenticated("`Authorization` must be given once, as `Bearer` and a token", error="invalid_request")
    return token
