"""Authentication: who is asking, by the modes that the settings allow.

none ──► api.auth_none        everybody on loopback is an admin
keys ──► api.auth_bearer ──► api.auth_keys    `icf_…`
oidc ──► api.auth_bearer ──► api.auth_oidc    any other bearer token
"""

from typing import Protocol

from fastapi import Request

from api import auth_keys
from api.auth_bearer import BearerTokens, Scheme
from api.auth_none import NoAuthentication, is_loopback
from api.auth_oidc import OidcTokens, refusal_of
from api.principal import Principal
from api.settings import ApiSettings
from store.protocol import Store


class Authenticator(Protocol):
    """Finds out who is asking."""

    async def authenticate(self, request: Request) -> Principal:
        """Who is asking.

        Raises:
            Problem: nobody that is known (401, with a `WWW-Authenticate`).
        """


class ApiSettingsError(ValueError):
    """Settings that contradict one another; the message says which, why and what to do."""


def authenticator_of(settings: ApiSettings, store: Store) -> Authenticator:
    """The authenticator of the modes that the settings allow.

    Raises:
        ApiSettingsError: they contradict one another.
    """
    if settings.api_auth == "none":
        if not is_loopback(settings.api_host):
            raise ApiSettingsError(
                f"ICEFLOE_API_AUTH=none makes everybody an admin, and ICEFLOE_API_HOST={settings.api_host} lets others "
                "than this machine in: listen on 127.0.0.1, or set ICEFLOE_API_AUTH to keys or oidc"
            )
        if "*" in settings.api_cors_origins:
            raise ApiSettingsError(
                'ICEFLOE_API_AUTH=none with ICEFLOE_API_CORS_ORIGINS=["*"] lets every page of the web read all runs: '
                "name the origins that may"
            )
        return NoAuthentication()
    schemes: dict[str, Scheme] = {}
    modes = settings.api_auth.split(",")
    if "keys" in modes:
        schemes[auth_keys.BEGINNING] = auth_keys.ApiKeys(store)
    if "oidc" in modes:
        if settings.api_oidc is None:
            raise ApiSettingsError(
                f"ICEFLOE_API_AUTH={settings.api_auth} needs ICEFLOE_API_OIDC: a JSON object with `issuer` and "
                "`audience`, see docs/access.md"
            )
        if sentence := refusal_of(settings.api_oidc):
            raise ApiSettingsError(f"ICEFLOE_API_OIDC: {sentence}")
        schemes[""] = OidcTokens(settings.api_oidc)
    return BearerTokens(schemes)
