"""The check-up of the HTTP API: do its settings fit one another, and can anybody use it?"""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from api.auth import ApiSettingsError, authenticator_of
from api.auth_keys import keys
from api.auth_none import is_loopback
from icefloe.findings import Finding
from icefloe.settings import Settings
from store.protocol import Store

_DOCS: Final = "docs/access.md has the ways to authenticate, docs/operating.md the rest"


def check_api(settings: Settings, store: Store) -> Iterator[Finding]:
    """What `icefloe api` would meet with these settings, on this store."""
    try:
        authenticator_of(settings, store)
    except ApiSettingsError as error:
        yield Finding("api", "wrong", str(error), "correct the setting; `icefloe api` doesn't start before that")
        return
    doubts = [*_doubts_about_access(settings), *_doubts_about_links(settings)]
    yield from (Finding("api", "doubtful", sentence, advice) for sentence, advice in doubts)
    if not doubts:
        sentence = (
            f"would listen on {settings.api_host}:{settings.api_port}, with authentication by {settings.api_auth}"
        )
        if settings.api_auth != "keys" or any(key.is_valid(store.now()) for key in keys(store)):
            yield Finding("api", "fine", sentence)
        else:
            yield Finding("api", "fine", f"{sentence}; there is no key yet", "before it is used: icefloe keys create")


def _doubts_about_access(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.api_oidc is not None and "oidc" not in settings.api_auth:
        sentence = f"ICEFLOE_API_OIDC is set, but ICEFLOE_API_AUTH={settings.api_auth} lets nobody in by it"
        yield sentence, "set ICEFLOE_API_AUTH to oidc, or to keys,oidc"
    if settings.api_rate == 0 and not is_loopback(settings.api_host):
        yield "ICEFLOE_API_RATE=0: anybody who may call may call without limit", _DOCS


def _doubts_about_links(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.link_key is not None and settings.public_url is None:
        sentence = "ICEFLOE_LINK_KEY is set without ICEFLOE_PUBLIC_URL: mails can't have links to decide by"
        yield sentence, "set it to where people reach the API"
    if settings.public_url is None:
        return
    if settings.link_key is None:
        sentence = "ICEFLOE_PUBLIC_URL is set without ICEFLOE_LINK_KEY: mails have no links to decide by"
        yield sentence, "set it to 32 random characters or more, for engines and the API the same: openssl rand -hex 32"
    host = urlsplit(settings.public_url).hostname or ""
    if settings.public_url.startswith("http:") and not is_loopback(host):
        sentence = f"ICEFLOE_PUBLIC_URL={settings.public_url}: keys and links go over the network in the clear"
        yield sentence, "put a proxy with TLS before the API, and name that: https://…"
