"""Authentication: who is asking, by the modes that the settings allow."""

from typing import Protocol

from fastapi import Request

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
    raise ApiSettingsError(f"ICEFLOE_API_AUTH={settings.api_auth}: no such mode yet for {store.incarnation}")
