"""The keys that an OIDC issuer signs with: fetched when they are needed, kept while they can't be fetched.

    token's kid ─► known ─────────────────────────────► key   (an old set is fetched again meanwhile)
                     └─ not: fetch, at most every 30 s ─► key, or there is none

discovery (/.well-known/openid-configuration) ─► jwks_uri ─► key set          each at most 256 KiB, both within 5 s
"""

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import orjson
import structlog
from jwt import PyJWK, PyJWTError

from api.auth_none import is_loopback
from api.settings import OidcSettings

AGAIN_SECONDS: Final = 30.0  # between fetches for keys that aren't known
OLD_SECONDS: Final = 600.0  # from then on a set is fetched again
USELESS_SECONDS: Final = 86400.0  # from then on nothing is believed that only an old set vouches for

_FETCH_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 5.0  # while there is no set at all
_MOST_BYTES: Final = 256 * 1024
_MOST_KEYS: Final = 100

_log = structlog.get_logger(__name__)
_KINDS: Final[Mapping[str, tuple[str, str | None]]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "EdDSA": ("OKP", "Ed25519"),
}


class KeysUnavailableError(Exception):
    """The issuer's keys can't be fetched, and there are none of before."""


class _FetchError(Exception):
    """The keys can't be fetched; the text says why."""


def is_safe(url: str) -> bool:
    """Whether what is fetched from a URL can't be changed on its way: https, or this machine."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))
    except ValueError:
        return False


class KeySet:
    """The keys of one issuer. To be used on one event loop."""

    def __init__(self, settings: OidcSettings, clock: Callable[[], float] = monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._tls = httpx2.create_ssl_context()
        self._set: list[Mapping[str, Any]] = []
        self._made: dict[tuple[str | None, str], PyJWK] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, kid: str | None, algorithm: str) -> PyJWK | None:
        """The key of this id for this algorithm; without an id, the only one for it. None if there is none.

        Raises:
            KeysUnavailableError: nobody knows at the moment.
        """
        if self._age() >= USELESS_SECONDS:
            if self._untried_for(_RETRY_SECONDS):
                await self._fetch()
            if self._age() >= USELESS_SECONDS:
                raise KeysUnavailableError
        elif self._age() >= OLD_SECONDS and self._untried_for(AGAIN_SECONDS):
            self._begin()
        found = self._find(kid, algorithm)
        if found is None and self._untried_for(AGAIN_SECONDS):
            await self._fetch()
            found = self._find(kid, algorithm)
        return found

    def _age(self) -> float:
        return self._clock() - self._fetched_at

    def _untried_for(self, seconds: float) -> bool:
        """Whether the last fetch was begun so long ago, or is still under way, so that it can be waited for."""
        under_way = self._fetching is not None and not self._fetching.done()
        return under_way or self._clock() - self._tried_at >= seconds

    def _begin(self) -> asyncio.Task[None]:
        if self._fetching is None or self._fetching.done():
            self._tried_at = self._clock()
            self._fetching = asyncio.get_running_loop().create_task(self._replace())
        return self._fetching

    async def _fetch(self) -> None:
        await asyncio.shield(self._begin())  # whoever else waits for it is not to be disappointed by who goes away

    async def _replace(self) -> None:
        """Fetch the set; if that fails, the one of before stays."""
        try:
            async with asyncio.timeout(_FETCH_SECONDS):
                fetched = await self._fetched()
        except (_FetchError, httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, OSError, ValueError) as error:
            _log.warning(
                "oidc_keys_not_fetched",
                issuer=self._settings.issuer,
                reason=str(error) or type(error).__name__,
                kept=len(self._set),
            )
            return
        self._set, self._made, self._fetched_at = fetched, {}, self._clock()
        _log.info("oidc_keys_fetched", issuer=self._settings.issuer, keys=len(fetched))

    async def _fetched(self) -> list[Mapping[str, Any]]:
        url = self._settings.jwks_url or await self._discovered()
        told = (await self._get(url)).get("keys")
        if not isinstance(told, list):
            raise _FetchError(f"{url}: is no JSON Web Key Set: it has no `keys`")
        if len(told) > _MOST_KEYS:
            raise _FetchError(f"{url}: has {len(told)} keys: at most {_MOST_KEYS} are allowed")
        return [key for key in told if isinstance(key, dict) and _signs(key)]

    async def _discovered(self) -> str:
        """Where the keys are, by OpenID Connect Discovery 1.0, section 4."""
        url = f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"
        told = await self._get(url)
        if told.get("issuer") != self._settings.issuer:
            raise _FetchError(f"{url}: is not that of issuer {self._settings.issuer}")
        where = told.get("jwks_uri")
        if not isinstance(where, str) or not is_safe(where):
            raise _FetchError(f"{url}: its jwks_uri is no https URL")
        return where

    async def _get(self, url: str) -> dict[str, Any]:
        """A JSON object; only from where it says, in one piece, and not packed."""
        content = b""
        client = httpx2.AsyncClient(
            verify=self._tls, timeout=_FETCH_SECONDS, trust_env=not is_loopback(urlsplit(url).hostname)
        )
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "icefloe"}
        async with client, client.stream("GET", url, headers=headers) as response:
            if response.status_code != httpx2.codes.OK:
                raise _FetchError(f"{url}: answered {response.status_code}")
            async for chunk in response.aiter_raw():
                content += chunk
                if len(content) > _MOST_BYTES:
                    raise _FetchError(f"{url}: is larger than {_MOST_BYTES:,} bytes")
        try:
            told = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise _FetchError(f"{url}: is no JSON: {error}") from None
        if not isinstance(told, dict):
            raise _FetchError(f"{url}: is no JSON object")
        return told

    def _find(self, kid: str | None, algorithm: str) -> PyJWK | None:
        made = self._made.get((kid, algorithm))
        if made is not None:
            return made
        fitting = [key for key in self._set if _fits(key, algorithm) and kid in (None, key.get("kid"))]
        if not fitting or (kid is None and len(fitting) > 1):
            return None
        try:
            made = self._made[kid, algorithm] = PyJWK(dict(fitting[0]), algorithm)
        except PyJWTError as error:
            _log.warning("oidc_key_unusable", issuer=self._settings.issuer, kid=kid, reason=type(error).__name__)
            return None
        return made


def _signs(key: Mapping[str, Any]) -> bool:
    """Whether a key of a set is there for signatures (RFC 7517 sections 4.2 and 4.3)."""
    operations = key.get("key_ops")
    return key.get("use") in (None, "sig") and (not isinstance(operations, list) or "verify" in operations)


def _fits(key: Mapping[str, Any], algorithm: str) -> bool:
    """Whether a key is of the kind that an algorithm needs, and isn't reserved for another one."""
    kind, curve = _KINDS[algorithm]
    return key.get("kty") == kind and (curve is None or key.get("crv") == curve) and key.get("alg") in (None, algorithm)
